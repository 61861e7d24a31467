from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dyncrit
from dyncrit.schema import ImageTable

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 20
MEMORY = 1 << 30
WAYS = [
    ["decode"],
    ["decode", "--pretty"],
    ["info"],
    ["decode", "--keep-going"],
    ["decode", "--format", "ndjson"],
]


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(way: list[str], path: Path) -> tuple[int, str]:
    """The exit code and stderr of dyncrit for a file, in little memory."""
    done = subprocess.run(
        [sys.executable, "-m", "dyncrit", *way, str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=limit_memory,
        timeout=TIMEOUT,
        check=False,
    )
    return done.returncode, done.stderr.decode()


def varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def image(name: str, *records: bytes) -> bytes:
    """An image of a type with these records; a payload may stand behind a record's length and bytes."""
    row = ImageTable().by_name(name)
    assert row is not None
    assert row.magic is not None
    return (0x54564319).to_bytes(4, "little") + row.magic.to_bytes(4, "little") + b"".join(records)


def record(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def nested(levels: int) -> bytes:
    """An aa_namespace in an aa_namespace and so on, each of them with a name."""
    data = b""
    for _ in range(levels):
        data = field(1, b"n") + field(3, data)
    return data


PSTREE = record(field(1, 1) + field(2, 0) + field(3, 1) + field(4, 1))
IPC_DESC = field(1, b"".join(field(number, 1) for number in range(1, 8)))

# What is wrong, the file's name, its bytes, and what the error says.
CASES: list[tuple[str, str, bytes, str]] = [
    ("no magic", "x.img", b"\0\0\0", "3 bytes"),
    ("half a head", "x.img", image("PSTREE")[:6], "the file ends within its head"),
    (
        "a length that is cut",
        "x.img",
        image("PSTREE", PSTREE, b"\5\0"),
        "entry 1 at byte 20: a record's length",
    ),
    (
        "a record that is cut",
        "x.img",
        image("PSTREE", PSTREE[:-1]),
        "entry 0 at byte 8: record of 8 bytes, 7 left",
    ),
    (
        "a negative size",
        "x.img",
        image("PSTREE", b"\xff\xff\xff\xff\1"),
        "record of 4294967295 bytes, 1 left",
    ),
    (
        "a huge size",
        "x.img",
        image("PSTREE", PSTREE, b"\0\0\0\x7f"),
        "entry 1 at byte 20: record of 2130706432",
    ),
    ("bytes that are no message", "x.img", image("PSTREE", record(b"\xff" * 20)), "entry 0 at byte 8: "),
    ("a field that is cut", "x.img", image("PSTREE", PSTREE, record(b"\x0a\x7f")), "entry 1 at byte 20: "),
    (
        "a payload of 4 GiB",
        "pipes-data.img",
        image("PIPES_DATA", record(field(1, 1) + field(2, 2**32 - 1)), b"abc"),
        "entry 0 at byte 8: payload of 4294967295 bytes, 3 left in the file",
    ),
    (
        "a payload of 16 EiB",
        "sk-queues.img",
        image("SK_QUEUES", record(field(1, 1) + field(2, 2**64 - 1)), b"abc"),
        "entry 0 at byte 8: payload of ",
    ),
    (
        "both queues of 4 GiB",
        "tcp-stream-1.img",
        image("TCP_STREAM", record(field(1, 2**32 - 1) + field(3, 2**32 - 1)), b"abc"),
        "entry 0 at byte 8: payload of 4294967295 bytes, 3 left",
    ),
    (
        "2^31 messages",
        "ipcns-msg-1.img",
        image("IPCNS_MSG", record(IPC_DESC + field(2, 1) + field(3, 2**31)), bytes(100)),
        "entry 0 at byte 8: payload of 2147483648 messages",
    ),
    (
        "a message of 4 GiB",
        "ipcns-msg-1.img",
        image("IPCNS_MSG", record(IPC_DESC + field(3, 1)), b"\xff\xff\xff\xff", bytes(100)),
        "entry 0 at byte 8: message of 4294967295 bytes, 100 left",
    ),
    (
        "2^32 semaphores",
        "ipcns-sem-1.img",
        image("IPCNS_SEM", record(IPC_DESC + field(2, 2**32 - 1)), bytes(100)),
        "entry 0 at byte 8: payload of 8589934590 bytes, 100 left",
    ),
    (
        "shared memory of 2^63 bytes",
        "ipcns-shm-1.img",
        image("IPCNS_SHM", record(IPC_DESC + field(2, 2**63)), bytes(100)),
        "entry 0 at byte 8: payload of 9223372036854775808 bytes, 100 left",
    ),
    (
        "padding that is cut",
        "x.img",
        image("IPCNS_SEM", record(IPC_DESC + field(2, 1)), b"\1\0\0"),
        "padding of 6",
    ),
    (
        "a bomb of messages",
        "apparmor.img",
        image("APPARMOR", record(field(1, nested(200)))),
        "entry 0 at byte 8: ",
    ),
    (
        "groups 10,000 deep",
        "pstree.img",
        image("PSTREE", record(PSTREE[4:] + varint(99 << 3 | 3) * 10_000 + varint(99 << 3 | 4) * 10_000)),
        "entry 0 at byte 8: ",
    ),
    (
        "groups that do not end",
        "pstree.img",
        image("PSTREE", record(PSTREE[4:] + varint(99 << 3 | 3) * 10_000)),
        "entry 0 at byte 8: ",
    ),
]
BY_NAME = {what: (name, data, says) for what, name, data, says in CASES}


@pytest.fixture
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    name, data, says = BY_NAME[request.param]
    path = tmp_path / name
    path.write_bytes(data)
    return path, says


def assert_one_line(err: str, path: Path, says: str) -> None:
    assert err.startswith(f"dyncrit: {path}: ")
    assert says in err
    assert err.count("\n") == 1
    assert len(err) < 2000  # the path of a field may be long
    assert "a fault of dyncrit's own" not in err
    assert "out of memory" not in err


@pytest.mark.parametrize("bad", BY_NAME, indirect=True)
@pytest.mark.parametrize("way", WAYS[:1] + WAYS[3:4], ids=" ".join)
def test_decoding_bad_input_is_one_line_and_exit_code_1(way: list[str], bad: tuple[Path, str]) -> None:
    code, err = run(way, bad[0])
    assert code == 1
    assert_one_line(err, *bad)


@pytest.mark.parametrize("bad", BY_NAME, indirect=True)
def test_info_tells_bad_frames_from_what_it_does_not_look_into(bad: tuple[Path, str]) -> None:
    """It walks records and payloads, and leaves messages alone."""
    path, says = bad
    code, err = run(["info"], path)
    if err:
        assert code == 1
        assert_one_line(err, path, says)
    else:
        assert code == 0
        assert any(word in path.name for word in ("apparmor", "pstree", "x.img"))


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_an_empty_file(way: list[str], tmp_path: Path) -> None:
    path = tmp_path / "core-1.img"
    path.touch()
    code, err = run(way, path)
    if way == ["info"]:
        assert (code, err) == (0, "")
    else:
        assert (code, err) == (1, f"dyncrit: {path}: an empty file (0 bytes)\n")


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_directory(way: list[str], tmp_path: Path) -> None:
    code, err = run(way, tmp_path)
    if way == ["info"]:
        assert (code, err) == (0, "")
        return
    assert code == 2
    assert err.startswith("dyncrit: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_missing_file(way: list[str], tmp_path: Path) -> None:
    path = tmp_path / "core-1.img"
    assert run(way, path) == (1, f"dyncrit: {path}: No such file or directory\n")


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_100_mb_of_zeros(way: list[str], tmp_path: Path) -> None:
    path = tmp_path / "core-1.img"
    path.touch()
    os.truncate(path, 100_000_000)
    code, err = run(way, path)
    if way == ["info"]:
        assert (code, err) == (0, "")
    else:
        assert code == 1
        assert_one_line(err, path, "begins with 00 00 00 00, which is no magic")


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_device_without_an_end(way: list[str]) -> None:
    code, err = run(way, Path("/dev/zero"))
    assert code in ((0, 1) if way == ["info"] else (1, 2))
    assert err.count("\n") <= 1


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_named_pipe_is_read(way: list[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(image("PSTREE", PSTREE, b"\1"),), daemon=True)
    writer.start()
    code, err = run(way, pipe)
    writer.join(TIMEOUT)
    assert code == 1
    assert_one_line(err, pipe, "entry 1 at byte 20: a record's length of 4 bytes, 1 left")


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_a_named_pipe_with_nothing_in_it(command: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"",), daemon=True)
    writer.start()
    code, err = run([command], pipe)
    writer.join(TIMEOUT)
    assert code == 1
    assert_one_line(err, pipe, "an empty file")


def test_a_record_as_large_as_the_memory_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pstree.img"
    path.write_bytes(image("PSTREE", (1 << 31).to_bytes(4, "little")))
    os.truncate(path, (1 << 31) + 12)
    code, err = run(["decode"], path)
    assert code == 1
    assert err.startswith("dyncrit: ")
    assert str(path) in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: '{"magic":"PSTREE","entries":[{"a":' + "[" * 100_000,
        lambda: "[" * 100_000,
        lambda: '{"magic":"PSTREE","entries":[{"' + "a" * 10_000_000 + '":1}]}',
        lambda: '{"magic":"PSTREE","entries":[{"pid":' + "1" * 10_000_000 + "}]}",
        lambda: '{"magic":"PSTREE","entries":[{"pid":"' + "1" * 20_000_000 + '"}]}',
        lambda: '{"magic":"PSTREE","entries":[' + "{},," * 1_000_000 + "]}",
        lambda: '{"magic":"PSTREE","entries":[' + "[" * 1000 + "]" * 1000 + "]}",
        lambda: '{"magic":"PSTREE","entries":[{"pid":1},' + " " * 10_000_000,
        lambda: '{"magic":"PSTREE","entries":[' + '{"pid":"' + "\\" * 1_000_001,
        lambda: "\0" * 1_000_000,
        lambda: "{" * 1_000_000,
        lambda: '{"a":' * 1_000_000,
        lambda: '{"magic":"PSTREE","entries":[' + '{"a":{' * 500_000,
        lambda: '{"magic":"PSTREE","@format":"ndjson"}\n' + '{"a":{' * 500_000,
    ],
    ids=range(14),
)
def test_bad_documents_are_refused_promptly_in_a_line(make: Callable[[], str], tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_text(make())
    code, err = run(["encode"], path)
    assert code == 1
    assert_one_line(err, path, "")


@pytest.mark.parametrize("way", [["decode"], ["decode", "--pretty"]], ids=" ".join)
def test_long_groups_within_groups_take_little_time_and_memory(way: list[str], tmp_path: Path) -> None:
    """What the fuzzer found: each level was read once for each above it, and indented."""
    path = tmp_path / "pstree.img"
    group = varint(99 << 3 | 3) * 99 + field(1, 1) * 200_000 + varint(99 << 3 | 4) * 99
    path.write_bytes(image("PSTREE", record(PSTREE[4:] + group)))
    assert run(way, path) == (0, "")


def test_an_image_cut_anywhere_is_an_error_or_ends_between_entries(data: Path) -> None:
    for name in (
        "criu-4.2/user-namespaces/scm00/pipes-data.img",
        "criu-4.2/programs/uns-ipc/ipcns-sem-11.img",
        "criu-4.2/programs/uns-ipc/ipcns-msg-11.img",
        "criu-4.2/host/env00/pagemap-66.img",
        "criu-4.2/host/bpf_hash/bpfmap-data.img",
        "demo/sockets/tcp-stream-5f32c7.img",
        "criu-4.2/host/env00/stats-dump",
        "criu-4.2/host/env00/inventory.img",
    ):
        whole = (data / name).read_bytes()
        kept = len(dyncrit.loads(whole).entries)
        for size in range(len(whole)):
            try:
                cut = dyncrit.loads(whole[:size])
            except dyncrit.ImageError:
                continue
            assert len(cut.entries) < kept
            assert dyncrit.dumps(cut) == whole[:size]


def test_any_byte_may_be_wrong(data: Path) -> None:
    """Each byte of an image set to each of a few values: what is read is written again, or refused."""
    for name in ("criu-4.2/programs/uns-ipc/ipcns-msg-11.img", "criu-4.2/host/env00/pstree.img"):
        whole = (data / name).read_bytes()
        for at in range(len(whole)):
            for value in (0, 1, 0x7F, 0x80, 0xFF):
                broken = whole[:at] + bytes([value]) + whole[at + 1 :]
                try:
                    document = dyncrit.loads(broken).to_dict()
                except dyncrit.ImageError:
                    continue
                assert dyncrit.dumps(dyncrit.Image.from_dict(document)) == broken
