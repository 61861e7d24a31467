"""The memory of processes: mappings, bytes as xxd prints them, searches, strings, dumps."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dyncrit.checkpoint import open_checkpoint

Run = Callable[..., tuple[int, bytes, str]]

TREE = 9834
NEEDLE = 0x55C6_15B9_F29A
SPARSE = 0x1000_0000_0000
MAP_KEYS = [
    "start",
    "end",
    "permissions",
    "offset",
    "size",
    "resident",
    "resident_pages",
    "kind",
    "name",
    "advice",
]
HIT_KEYS = ["pid", "address", "size", "vma", "permissions", "kind", "name", "before", "match", "after"]
VERBS = {
    "maps": (),
    "read": ("55c615b9f29a", "16"),
    "search": ("needle",),
    "strings": (),
    "dump": ("-o", "out"),
}


@pytest.fixture
def tree(data: Path) -> Path:
    """A checkpoint of four processes, the last one a zombie."""
    return data / "demo" / "tree"


@pytest.fixture
def damaged(tree: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return shutil.copytree(tree, tmp_path / "tree")


@pytest.fixture
def sparse(corpus: Path) -> Path:
    """An increment on another dump, of one process: anonymous, shared, memfd and file mappings."""
    return corpus / "demo" / "memory" / "2"


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Dyncrit as a process of its own; nothing that it says may be a fault of its own."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60, **options}
    done = subprocess.run([sys.executable, "-m", "dyncrit", *map(str, arguments)], check=False, **options)
    assert b"Traceback" not in done.stderr
    assert b"a fault of dyncrit's own" not in done.stderr
    return done


def json_lines(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def is_one_line(err: str) -> bool:
    return err.startswith("dyncrit: ") and err.count("\n") == 1 and "fault of dyncrit" not in err


# maps


def test_mappings_are_listed_as_smaps_does(run: Run, tree: Path) -> None:
    code, out, err = run("memory", "maps", tree, "-p", TREE)
    lines = [line.split() for line in out.decode().splitlines()]
    assert (code, err) == (0, "")
    assert lines[0] == ["range", "perm", "offset", "KiB", "resident", "kind", "name"]
    assert lines[2] == ["55c60e026000-55c60e027000", "r-xp", "1000", "4", "4", "file", "/srv/demo/tree"]
    assert ["55c615b9e000-55c615bbf000", "rw-p", "0", "132", "12", "heap", "[heap]"] in lines
    assert lines[-1] == ["ffffffffff600000-ffffffffff601000", "--xp", "0", "4", "0", "vsyscall", "[vsyscall]"]


def test_mappings_of_all_processes_stand_below_their_pids(run: Run, tree: Path) -> None:
    code, out, err = run("memory", "maps", tree)
    assert (code, err) == (0, "")
    assert re.findall(rb"^process (\d+)$", out, re.MULTILINE) == [b"9834", b"9838", b"9840"]


def test_mappings_as_json_have_all_keys(run: Run, tree: Path) -> None:
    code, out, err = run("memory", "maps", tree, "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert [entry["pid"] for entry in document] == [9834, 9838, 9840]
    for entry in document:
        assert list(entry) == ["pid", "maps"]
        for mapping in entry["maps"]:
            assert list(mapping) == MAP_KEYS
            assert int(mapping["end"], 16) - int(mapping["start"], 16) == mapping["size"]
            assert mapping["resident"] == mapping["resident_pages"] * 4096 <= mapping["size"]
    size = sum(path.stat().st_size for path in tree.glob("pages-*.img"))
    assert sum(mapping["resident"] for entry in document for mapping in entry["maps"]) == size


def test_kinds_and_names_of_mappings_are_told(run: Run, sparse: Path) -> None:
    rows = {row["start"]: row for row in json.loads(run("memory", "maps", sparse, "--json")[1])[0]["maps"]}
    assert rows["110000000000"]["kind"] == "shared-memory"
    assert (rows["120000000000"]["kind"], rows["120000000000"]["name"]) == ("memfd", "/memfd:scratch")
    assert (rows["130000000000"]["kind"], rows["130000000000"]["name"]) == ("file", "/srv/demo/mapped.bin")
    assert rows["100000020000"]["permissions"] == "---p"
    assert (rows["100000000000"]["resident_pages"], rows["130000000000"]["resident_pages"]) == (11, 1)


@pytest.mark.parametrize(
    "folder",
    ["criu-1.1/host/maps02", "criu-1.1/host/memfd00", "criu-2.12/host/vt", "criu-2.12/programs/seccomp"],
)
def test_old_releases_have_mappings_too(run: Run, corpus: Path, folder: str) -> None:
    code, out, err = run("memory", "maps", corpus / folder, "--json")
    assert code == 1  # the corpus has no pages images of them
    assert "pages image is missing" in err
    kinds = [{row["kind"] for row in entry["maps"]} for entry in json.loads(out)]
    assert kinds
    assert all({"stack", "file"} <= found for found in kinds)


# read


@pytest.mark.parametrize(
    ("address", "length"), [(NEEDLE, 64), (NEEDLE + 1, 1), (NEEDLE - 0x29A, 8192), (NEEDLE, 37), (NEEDLE, 16)]
)
def test_lines_are_those_of_xxd(run: Run, tree: Path, address: int, length: int) -> None:
    if not shutil.which("xxd"):
        pytest.skip("no xxd here")
    place = ("memory", "read", tree, "-p", TREE, f"{address:x}", length)
    code, raw, err = run(*place, "--raw")
    assert (code, err, len(raw)) == (0, "", length)
    lines = subprocess.run(["xxd", "-o", str(address)], input=raw, stdout=subprocess.PIPE, check=True).stdout
    assert run(*place) == (0, lines, "")


def test_bytes_across_a_page_border_are_those_of_the_process(run: Run, tree: Path) -> None:
    text = b"needle-across-a-page-border"
    for pid in (9834, 9838, 9840):
        assert run("memory", "read", tree, "-p", pid, f"{NEEDLE:x}", len(text), "--raw") == (0, text, "")


@pytest.mark.parametrize("length", ["4096", "0x1000", "4K", "4k"])
@pytest.mark.parametrize("address", ["55c615b9f29a", "0x55c615b9f29a", "55C615B9F29A"])
def test_addresses_and_lengths_are_taken_as_people_write_them(
    run: Run, tree: Path, address: str, length: str
) -> None:
    code, out, _ = run("memory", "read", tree, "-p", TREE, address, length, "--raw")
    assert (code, len(out), out[:6]) == (0, 4096, b"needle")


def test_no_bytes_are_no_lines(run: Run, tree: Path) -> None:
    assert run("memory", "read", tree, "-p", TREE, f"{NEEDLE:x}", 0) == (0, b"", "")


def test_memory_of_the_parent_reads_as_in_a_full_dump(run: Run, sparse: Path) -> None:
    full = sparse.with_name("2-full")
    for address, length in ((SPARSE, 64 * 4096), (0x1100_0000_0000, 8 * 4096), (0x1200_0000_0000, 4 * 4096)):
        one = run("memory", "read", sparse, f"{address:x}", length, "--raw")
        assert one == run("memory", "read", full, f"{address:x}", length, "--raw")
        assert (one[0], len(one[1])) == (0, length)


def test_bytes_go_to_a_file(run: Run, tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "bytes"
    target.write_bytes(b"what was there before")
    assert run("memory", "read", tree, "-p", TREE, f"{NEEDLE:x}", 6, "-o", target) == (0, b"", "")
    assert target.read_bytes() == b"needle"


@pytest.mark.parametrize(
    ("address", "length", "reason"),
    [
        ("130000000000", 16, "/srv/demo/mapped.bin that was not changed"),
        ("0", 16, "0x0-0x10: not mapped"),
        ("ffffffffffffffff", 16, "not mapped"),
        ("ffffffffffffffff", "0xffffffffffffffff", "not mapped"),
        (f"{SPARSE:x}", "99999999999G", "0x100000040000-0x110000000000: not mapped"),
        (f"{SPARSE:x}", "99999999999999999999G", "not mapped"),
        ("ffffffffff600000", 16, "vsyscall"),
    ],
)
def test_memory_that_is_not_there_is_an_error_that_says_where_and_why(
    run: Run, sparse: Path, tmp_path: Path, address: str, length: object, reason: str
) -> None:
    code, out, err = run("memory", "read", sparse, address, length)
    assert (code, out) == (1, b"")
    assert is_one_line(err)
    assert reason in err
    assert run("memory", "read", sparse, address, length, "-o", tmp_path / "out")[0] == 1
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("zz", "16"),
        ("-1", "16"),
        ("1" * 17, "16"),
        ("", "16"),
        ("10", "-5"),
        ("10", "1.5"),
        ("10", "x"),
        ("10",),
    ],
)
def test_what_is_no_address_or_length_is_wrong_usage(
    run: Run, tree: Path, arguments: tuple[str, ...]
) -> None:
    code, out, err = run("memory", "read", tree, "-p", TREE, *arguments)
    assert (code, out) == (2, b"")
    assert is_one_line(err)


# search


def test_hits_are_lines_with_address_mapping_and_surroundings(run: Run, tree: Path) -> None:
    code, out, err = run("memory", "search", tree, "-p", TREE, "needle-across", "--context", 4)
    assert (code, err) == (0, "")
    assert out == b"9834 55c615b9f29a rw-p [heap]: \\x00\\x00\\x00\\x00needle-across-a-p\n"


def test_all_processes_are_searched_by_default(run: Run, tree: Path) -> None:
    hits = json_lines(run("memory", "search", tree, "needle-across", "--json")[1])
    assert [hit["pid"] for hit in hits] == [9834, 9838, 9840]
    assert {hit["address"] for hit in hits} == {"55c615b9f29a"}


def test_hits_as_json_are_objects_with_all_keys(run: Run, tree: Path) -> None:
    code, out, err = run("memory", "search", tree, "-p", TREE, "needle-across", "--json")
    (hit,) = json_lines(out)
    assert (code, err, list(hit)) == (0, "", HIT_KEYS)
    assert (hit["vma"], hit["permissions"]) == ("55c615b9e000-55c615bbf000", "rw-p")
    assert (hit["kind"], hit["name"], hit["size"]) == ("heap", "[heap]", 13)
    assert bytes.fromhex(hit["match"]) == b"needle-across"
    assert (bytes.fromhex(hit["before"]), bytes.fromhex(hit["after"])) == (bytes(16), b"-a-page-border\0\0")


@pytest.mark.parametrize(
    "pattern",
    [
        ("needle-across",),
        ("--hex", "6e65 6564 6c65 2d61 6372"),
        ("--hex", "6e65??646c652d6163"),
        ("--regex", r"nee[d]le-\w{6}-a"),
        ("--regex", r"(?i)NEEDLE-ACROSS"),
        ("-i", "Needle-Across"),
        ("--regex", "-i", "NEEDLE-[a-c]+ross"),
        ("--encoding", "latin-1", "needle-across"),
    ],
)
def test_patterns_of_all_kinds_are_found_across_pages(run: Run, tree: Path, pattern: tuple[str, ...]) -> None:
    code, out, err = run("memory", "search", tree, "-p", TREE, "--kind", "heap", *pattern, "--json")
    assert (code, err) == (0, "")
    assert [hit["address"] for hit in json_lines(out)] == ["55c615b9f29a"]


def test_a_hit_across_the_border_of_two_mappings_is_found(run: Run, sparse: Path) -> None:
    border = 0x1000_0002_2000  # a read-only page in front, a writable one behind
    pattern = r"page 33 of the sparse mapping\x00{4067,5000}"
    (hit,) = json_lines(run("memory", "search", sparse, "--regex", pattern, "--json")[1])
    assert int(hit["address"], 16) + hit["size"] > border


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), {"100000021000", "55dab735a004", "100000000000"}),
        (("--kind", "anonymous"), {"100000021000", "100000000000"}),
        (("--kind", "file"), {"55dab735a004"}),
        (("--kind", "file", "--kind", "anonymous"), {"100000021000", "55dab735a004", "100000000000"}),
        (("--kind", "heap"), set()),
        (("--prot", "w"), {"100000000000"}),
        (("--prot", "r-?"), {"100000021000", "55dab735a004"}),
        (("--range", "100000021000-10000002100a"), {"100000021000"}),
        (("--range", "100000021000-100000021003"), set()),
        (("--range", "0x100000000000-0x100000000010", "--range", "55dab735a000-55dab735b000"), {
            "100000000000",
            "55dab735a004",
        }),
        (("--range", "100000000000-100000022000", "--prot", "?-?"), {"100000021000"}),
        (("--range", "0-ffffffffffffffff"), {"100000021000", "55dab735a004", "100000000000"}),
    ],
)  # fmt: skip
def test_filters_choose_mappings(run: Run, sparse: Path, options: tuple[str, ...], found: set[str]) -> None:
    code, out, err = run("memory", "search", sparse, "--regex", "page (0|33|%d) of", "--json", *options)
    assert (code, {hit["address"] for hit in json_lines(out)}) == (0, found)
    assert err == ("" if found else "dyncrit: no hits\n")


def test_ranges_that_overlap_give_a_hit_once(run: Run, sparse: Path) -> None:
    there = ("--range", "100000000000-100000000100")
    assert len(run("memory", "search", sparse, "page 0 of", *there, *there)[1].splitlines()) == 1


def test_hits_hold_no_control_characters(run: Run, tree: Path) -> None:
    _, out, _ = run("memory", "search", tree, "-p", TREE, "--regex", "needle|ELF|\\x1b", "--context", 4096)
    assert out
    assert not re.search(rb"[^\n\x20-\x7e]", out)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (("",), "empty"),
        (("--hex", ""), "empty"),
        (("--hex", "6e6"), "two hex digits"),
        (("--hex", "zz"), "two hex digits"),
        (("--hex", "??"), "needs a byte"),
        (("--regex", "nee("), "at character 4"),
        (("--regex", "a*"), "no byte at all"),
        (("--encoding", "utf-99", "a"), "utf-99"),
        (("--prot", "q", "a"), "three letters as in maps"),
        (("--range", "5-3", "a"), "START-END"),
        (("--range", "5", "a"), "START-END"),
        (("--kind", "pile", "a"), "pile"),
        (("--context", "-1", "a"), "-1"),
        (("--context", "65537", "a"), "65537"),
        (("-i", "--encoding", "utf-16le", "a"), "exclude"),
    ],
)
def test_what_is_wrong_with_a_pattern_or_filter_is_said_on_one_line(
    run: Run, tree: Path, pattern: tuple[str, ...], reason: str
) -> None:
    code, out, err = run("memory", "search", tree, *pattern)
    assert (code, out) == (2, b"")
    assert is_one_line(err)
    assert reason in err


@pytest.mark.parametrize(
    "options", [("--hex", "--regex"), ("--hex", "-i"), ("--hex", "--encoding", "utf-16le")]
)
def test_options_that_contradict_each_other_are_wrong_usage(
    run: Run, tree: Path, options: tuple[str, ...]
) -> None:
    assert run("memory", "search", tree, *options, "6e65")[:2] == (2, b"")


def test_no_hits_are_said(run: Run, tree: Path) -> None:
    assert run("memory", "search", tree, "nothing like it") == (0, b"", "dyncrit: no hits\n")


# strings


def test_strings_have_addresses(run: Run, sparse: Path) -> None:
    code, out, err = run("memory", "strings", sparse, "-n", 20, "--range", "100000000000-100000004000")
    assert (code, err) == (0, "")
    lines = [b"100000000000 page 0 of the sparse mapping", b"100000003000 page 3 of the sparse mapping"]
    assert out.splitlines() == lines


def test_strings_as_json_and_in_utf_16(run: Run, tree: Path) -> None:
    code, out, err = run("memory", "strings", tree, "--kind", "heap", "-n", 20, "--json")
    assert (code, err) == (0, "")
    needles = [item for item in json_lines(out) if item["text"] == "needle-across-a-page-border"]
    assert [list(item) for item in needles] == [["pid", "address", "text"]] * 3
    assert {item["address"] for item in needles} == {"55c615b9f29a"}
    _, out, _ = run("memory", "strings", tree, "--kind", "heap", "--encoding", "utf-16le")
    assert b"needle" not in out


def test_strings_hold_no_control_characters(run: Run, tree: Path) -> None:
    for encoding in ("ascii", "utf-8", "latin-1", "utf-16le"):
        _, out, _ = run("memory", "strings", tree, "-n", 1, "--encoding", encoding)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out.decode())


# dump


def test_a_dump_is_sparse_and_holds_what_the_process_held(run: Run, tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "memory"
    code, out, err = run("memory", "dump", tree, "-p", TREE, "-o", target, "--json")
    items = json.loads(out)
    assert (code, err) == (0, "")
    status = target.stat()
    last = items[-1]
    assert status.st_size == last["offset"] + int(last["end"], 16) - int(last["start"], 16)
    assert status.st_blocks * 512 < status.st_size // 8
    content = target.read_bytes()
    with open_checkpoint(tree) as checkpoint:
        memory = checkpoint.processes[TREE].memory
        for item in items:
            assert list(item) == ["start", "end", "offset", "held", "missing", "lost", "name"]
            start, end = int(item["start"], 16), int(item["end"], 16)
            part = content[item["offset"] : item["offset"] + end - start]
            if not item["missing"]:
                assert part == memory.read(start, end - start)
            vma = memory.vma_at(start)
            assert vma
            assert memory.resident_of(vma) == item["held"] > 0
        assert sum(item["held"] for item in items) == sum(map(memory.resident_of, memory.vmas))


def test_a_dump_tells_where_what_stands(run: Run, sparse: Path, tmp_path: Path) -> None:
    target = tmp_path / "memory"
    code, out, err = run("memory", "dump", sparse, "-o", target, "--kind", "memfd", "--kind", "shared-memory")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.decode().splitlines()] == [
        ["offset", "range", "KiB", "held", "KiB", "not", "dumped", "KiB", "lost", "name"],
        ["0", "110000000000-110000008000", "4", "0", "0", "/dev/zero"],
        ["8000", "120000000000-120000004000", "4", "0", "0", "/memfd:scratch"],
    ]
    content = target.read_bytes()
    assert len(content) == 12 * 4096
    assert content[4096:].startswith(b"shared anonymous text\0")
    assert content[10 * 4096 :].startswith(b"memfd text\0")


def test_a_dump_of_a_range_may_begin_and_end_within_pages(run: Run, sparse: Path, tmp_path: Path) -> None:
    target = tmp_path / "memory"
    assert run("memory", "dump", sparse, "-o", target, "--range", "100000000005-100000000009")[0] == 0
    assert target.read_bytes() == b"0 of"


def test_a_dump_of_file_pages_counts_those_that_the_checkpoint_lacks(
    run: Run, sparse: Path, tmp_path: Path
) -> None:
    where = ("--range", "130000000000-130000004000")
    _, out, _ = run("memory", "dump", sparse, "-o", tmp_path / "memory", *where, "--json")
    (item,) = json.loads(out)
    assert (item["held"], item["missing"]) == (4096, 3 * 4096)


def test_a_dump_that_fails_leaves_what_was_there(run: Run, tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "memory"
    target.write_bytes(b"before")
    assert run("memory", "dump", tree, "-p", 9839, "-o", target)[0] == 1
    assert run("memory", "dump", tree, "-p", TREE, "--prot", "q", "-o", target)[0] in (1, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["memory"]
    assert target.read_bytes() == b"before"


def test_a_dump_to_standard_output_makes_no_file_called_dash(
    run: Run, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("memory", "dump", tree.absolute(), "-p", TREE, "-o", "-")
    assert not list(tmp_path.glob("-"))


# which process


@pytest.mark.parametrize("verb", VERBS)
def test_a_pid_that_is_not_there_lists_those_that_are(
    run: Run, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for pid in (1, 0, -1, 10**20):
        code, out, err = run("memory", verb, tree.absolute(), "-p", pid, *VERBS[verb])
        assert (code, out) == (1, b"")
        assert is_one_line(err)
        assert f"no process {pid};" in err
        assert "9834, 9838, 9840, 9839" in err
    assert not list(tmp_path.iterdir())
    assert run("memory", verb, tree.absolute(), "-p", "x", *VERBS[verb])[0] == 2


@pytest.mark.parametrize("verb", VERBS)
def test_a_zombie_has_no_memory(
    run: Run, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("memory", verb, tree.absolute(), "-p", 9839, *VERBS[verb])
    assert (code, out) == (1, b"")
    assert is_one_line(err)
    assert "process 9839" in err
    assert "zombie" in err


@pytest.mark.parametrize("verb", ["read", "dump"])
def test_one_of_several_processes_must_be_named(run: Run, tree: Path, tmp_path: Path, verb: str) -> None:
    arguments = VERBS[verb] if verb == "read" else ("-o", tmp_path / "out")
    code, out, err = run("memory", verb, tree, *arguments)
    assert (code, out) == (2, b"")
    assert "-p (9834, 9838, 9840)" in err


def test_the_only_process_need_not_be_named(run: Run, sparse: Path) -> None:
    assert run("memory", "read", sparse, f"{SPARSE:x}", 6, "--raw") == (0, b"page 0", "")


# what is amiss


@pytest.mark.parametrize("verb", ["search", "strings", "dump"])
def test_memory_in_a_parent_that_is_missing_is_an_error_of_who_reads_it(
    run: Run, corpus: Path, tmp_path: Path, verb: str
) -> None:
    path = corpus / "archives" / "podman-4.3-with-previous.tar"
    arguments = {"search": ("tick",), "strings": (), "dump": ("-o", tmp_path / "out")}[verb]
    code, _, err = run("memory", verb, path, "-p", 1, *arguments)
    assert code == 1
    assert "--parent" in err


def test_a_missing_parent_is_named_by_reading(run: Run, corpus: Path) -> None:
    folder = corpus / "archives"
    place = ("memory", "read", folder / "podman-4.3-with-previous.tar", "-p", 1, "7ffdebd92f19", 7)
    code, out, err = run(*place)
    assert (code, out) == (1, b"")
    assert is_one_line(err)
    assert "../pre-checkpoint" in err
    assert "--parent" in err
    parent = folder / "podman-4.3-pre-checkpoint.tar"
    assert run(*place, "--raw", "--parent", parent) == (0, b"sh\0-c\0i", "")
    code, out, err = run("memory", "search", place[2], "echo", "--parent", parent)
    assert (code, err) == (0, "")
    assert out.startswith(b"1 ")


def test_a_missing_pages_image_is_an_error_and_other_processes_are_searched(run: Run, damaged: Path) -> None:
    (damaged / "pages-2.img").unlink()
    code, out, err = run("memory", "search", damaged, "needle-across", "--json")
    assert code == 1
    assert [hit["pid"] for hit in json_lines(out)] == [9834, 9840]
    assert "pagemap-9838.img" in err
    assert run("memory", "search", damaged, "needle-across", "-p", 9834)[0] == 0


def test_a_cut_pages_image_is_an_error_and_its_rest_is_searched(run: Run, damaged: Path) -> None:
    os.truncate(damaged / "pages-2.img", 20000)
    code, out, err = run("memory", "search", damaged, "needle-across", "--json")
    assert code == 1
    assert [hit["pid"] for hit in json_lines(out)] == [9834, 9838, 9840]
    assert "20000 bytes" in err
    code, _, err = run("memory", "read", damaged, "-p", 9838, "7ffe7dcc8f70", 16)
    assert code == 1
    assert "0x7ffe7dcc8f70" in err


def test_a_process_without_an_mm_image_is_an_error_and_the_others_are_listed(run: Run, damaged: Path) -> None:
    (damaged / "mm-9838.img").unlink()
    code, out, err = run("memory", "maps", damaged, "--json")
    assert code == 1
    assert [entry["pid"] for entry in json.loads(out)] == [9834, 9840]
    assert "mm-9838.img" in err


# where it goes


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("option", [(), ("--json",)])
def test_a_full_disk_is_an_error_on_one_line(
    tree: Path, tmp_path: Path, verb: str, option: tuple[str, ...]
) -> None:
    if verb == "read" and option:
        option = ("--raw",)
    with Path("/dev/full").open("wb") as full:
        done = process(
            "memory", verb, tree.absolute(), "-p", TREE, *VERBS[verb], *option, stdout=full, cwd=tmp_path
        )
    assert done.returncode == 1
    assert is_one_line(done.stderr.decode())


@pytest.mark.parametrize("verb", ["maps", "search", "strings", "read"])
def test_a_pipe_that_nobody_reads_ends_it_in_silence(tree: Path, tmp_path: Path, verb: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = process("memory", verb, tree.absolute(), "-p", TREE, *VERBS[verb], stdout=closed, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_stdout_is_an_error_on_one_line(tree: Path, tmp_path: Path, verb: str) -> None:
    program = (
        f"import os, sys; os.close(1); os.execv({sys.executable!r}, [{sys.executable!r}] + sys.argv[1:])"
    )
    command = ["-m", "dyncrit", "memory", verb, tree.absolute(), "-p", TREE, *VERBS[verb]]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, command)],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert is_one_line(done.stderr.decode())
    assert "stdout" in done.stderr.decode()
