from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import dyncrit
from dyncrit.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT = 60
COMMANDS = [
    "decode",
    "encode",
    "info",
    "show",
    "inspect",
    "x",
    "memory",
    "memory maps",
    "memory read",
    "memory search",
    "memory strings",
    "memory dump",
    "memory write",
    "extract",
    "coredump",
    "get",
    "grep",
    "diff",
    "stats",
    "set",
    "patch",
    "edit",
    "remap",
    "remap ip",
    "remap port",
    "remap path",
    "remap cgroup",
    "remap id",
    "remap tty",
    "set-hostname",
    "set-env",
    "drop-file-checks",
    "drop-seccomp",
    "drop-apparmor",
    "drop-tcp",
    "anonymize",
    "check",
    "verify",
    "validate",
    "fuzz",
    "fuzz generate",
    "fuzz mutate",
    "fuzz explain",
    "fuzz run",
    "fuzz replay",
    "fuzz seeds",
    "schema",
    "schema list",
    "schema show",
    "schema diff",
    "schema history",
    "schema export",
    "schema stubs",
    "schema record",
    "completion",
]
DYNCRIT = [sys.executable, "-m", "dyncrit"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run dyncrit as a user does; nothing that it says may be a traceback."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": TIMEOUT, **options}
    done = subprocess.run([*DYNCRIT, *map(str, arguments)], check=False, **options)
    assert b"Traceback" not in done.stderr, done.stderr
    assert b"a fault of dyncrit's own" not in done.stderr, done.stderr
    return done


@contextmanager
def started(*arguments: object, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A dyncrit that runs within the block and is gone behind it, however the block ends."""
    options = {"stderr": subprocess.PIPE, **options}
    with subprocess.Popen([*DYNCRIT, *map(str, arguments)], **options) as process:
        try:
            yield process
        finally:
            process.kill()


def text_image(name: str) -> bytes:
    image = dyncrit.Image.new("UTSNS")
    image.add(nodename=name, domainname="(none)")
    return dyncrit.dumps(image)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "utsns-1.img"
    path.write_bytes(text_image("näme"))
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """An image whose document is some MiB."""
    image = dyncrit.Image.new("PIPES_DATA")
    image.add(bytes(4 << 20), pipe_id=1, bytes=4 << 20, size=4 << 20)
    dyncrit.dump(image, tmp_path / "pipes-data.img")
    return tmp_path / "pipes-data.img"


# What it says of itself.


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_an_example(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    for option in ("--help", "-h"):
        assert main([*command.split(), option]) == 0
        out, err = capfd.readouterr()
        assert err == ""
        assert re.search(r"Examples?: .*dyncrit", out)
        assert out.startswith(f"Usage: dyncrit {command}".rstrip())


def test_help_lists_every_command(capfd: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    out = capfd.readouterr().out
    assert re.findall(r"^  ([\w-]+)  ", out.split("Commands:")[1], re.MULTILINE) == [
        name for name in COMMANDS if " " not in name
    ]


def test_version_is_the_packages(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capfd.readouterr() == (f"dyncrit {dyncrit.__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["schema"]])
def test_without_a_command_help_goes_to_stderr(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "Commands:" in err


@pytest.mark.parametrize("arguments", [["decod"], ["--nope"], ["schema", "shwo"], ["info", "--nopl"]])
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("dyncrit: ")
    assert err.count("\n") == 1
    assert "--help" in err


def test_help_needs_neither_protobuf_nor_a_schema() -> None:
    code = "import sys; from dyncrit.cli import main; main(['decode', '--help'])\n"
    code += "sys.exit(any(name in sys.modules for name in ('google.protobuf', 'orjson', 'yaml', 'rich')))"
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True, timeout=TIMEOUT)


# What goes wrong.


@pytest.mark.parametrize("error", [ZeroDivisionError("a\nb"), RecursionError("deep"), AssertionError()])
def test_a_fault_of_its_own_is_one_line_too(
    error: Exception, image: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("dyncrit.convert.decode_image", fail)
    assert main(["decode", str(image)]) not in (0, 2)
    err = capfd.readouterr().err
    assert err.startswith("dyncrit: ")
    assert type(error).__name__ in err
    assert err.count("\n") == 1


def test_a_fault_of_its_own_can_be_traced(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("dyncrit.convert.decode_image", fail)
    monkeypatch.setenv("DYNCRIT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["decode", str(image)])


def test_no_permission_is_named_with_the_file(
    image: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    really: Callable[..., Any] = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == image:
            raise PermissionError(13, "Permission denied", str(self))
        return really(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    for command in ("decode", "encode", "info", "show"):
        assert main([command, str(image)]) == 1
        assert capfd.readouterr() == ("", f"dyncrit: {image}: Permission denied\n")


def test_main_may_be_called_in_a_thread(image: Path) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["decode", str(image), "-o", os.devnull])))
    thread.start()
    thread.join(TIMEOUT)
    assert codes == [0]


# Pipes, terminals, signals: what needs a process.


def test_pipes_in_and_out_work(image: Path) -> None:
    decoded = run("decode", input=image.read_bytes())
    encoded = run("encode", input=decoded.stdout)
    assert (decoded.returncode, encoded.returncode) == (0, 0)
    assert (decoded.stderr, encoded.stderr) == (b"", b"")
    assert encoded.stdout == image.read_bytes()


@pytest.mark.parametrize(
    "command", [["decode"], ["decode", "--pretty"], ["show"], ["decode", "--format", "ndjson"]]
)
def test_a_closed_pipe_ends_it_quietly(command: list[str], large: Path) -> None:
    with started(*command, large, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(TIMEOUT) == 141


@pytest.mark.parametrize("command", ["decode", "info", "show", "--version", "--help"])
def test_a_full_disk_is_an_error_in_one_line(command: str, image: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(command, *([] if command.startswith("-") else [image]), stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith(b"dyncrit: ")
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_disk_that_fills_up_is_an_error_with_an_unbuffered_stdout(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # the write that gets there is short

    with (tmp_path / "list.json").open("wb") as file:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        done = run("schema", "list", "--json", stdout=file, env=environment, preexec_fn=limit)
    assert done.returncode == 1
    assert done.stderr == b"dyncrit: File too large\n"


@pytest.mark.parametrize("command", ["decode", "info", "show"])
@pytest.mark.parametrize("closed", [0, 1])
def test_closed_standard_streams_are_an_error_in_one_line(command: str, closed: int, image: Path) -> None:
    arguments = [] if closed == 0 else [image]
    done = run(command, *arguments, stdin=None, stdout=None, preexec_fn=lambda: os.close(closed))
    assert done.returncode == 1
    assert done.stderr.startswith(b"dyncrit: ")
    assert done.stderr.count(b"\n") == 1


def test_a_closed_stderr_changes_nothing(image: Path) -> None:
    done = subprocess.run(
        [*DYNCRIT, "decode", str(image)],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.close(2),
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == run("decode", image).stdout


def test_dev_stdout_is_stdout_whatever_it_is(image: Path, tmp_path: Path) -> None:
    expected = run("decode", image).stdout
    piped = run("decode", image, "-o", "/dev/stdout")
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, expected, b"")


def test_dev_stdout_keeps_what_stands_in_the_file_already(image: Path, tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        log.write(b"first\n")
        log.flush()
        assert run("decode", image, "-o", "/dev/stdout", stdout=log).returncode == 0
    assert (tmp_path / "log").read_bytes() == b"first\n" + run("decode", image).stdout


def heed_interrupts() -> None:
    """Where the tests run in the background, SIGINT is ignored and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["decode", "encode"])
def test_a_signal_leaves_the_old_output_and_no_neighbour(
    command: str, number: signal.Signals, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")
    with started(command, "-o", target, stdin=subprocess.PIPE, preexec_fn=heed_interrupts) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b'{"magic":"PSTREE","entries":[')
        process.stdin.flush()
        while len(names(tmp_path)) == 1:  # it has begun to write when there is a neighbour
            assert process.poll() is None
        process.send_signal(number)
        err = process.stderr.read()
        assert process.wait(TIMEOUT) in (130, 143, -number)
    assert err.strip() == b""
    assert names(tmp_path) == ["out"]
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_amid_a_large_conversion_leaves_no_neighbour(
    number: signal.Signals, large: Path, tmp_path: Path
) -> None:
    """Many copies of a payload of MiB: there is always one that is being written."""
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(200):
        os.link(large, folder / f"pipes-data-{index}.img")
    out = tmp_path / "out"
    with started("decode", folder, "-o", out, preexec_fn=heed_interrupts) as process:
        assert process.stderr is not None
        while not out.exists() or len(names(out)) < 2:
            assert process.poll() is None
        process.send_signal(number)
        err = process.stderr.read()
        assert process.wait(TIMEOUT) in (130, 143, -number)
    assert b"Traceback" not in err
    assert not [name for name in names(out) if not name.endswith(".img.json")]


ASCII = {
    "LC_ALL": "C",
    "LANG": "C",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "ascii",
    "PYTHONCOERCECLOCALE": "0",
}


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_output_is_utf_8_in_any_locale(locale: str, image: Path) -> None:
    environment = {**os.environ, **ASCII, "LC_ALL": locale}
    for command in ("decode", "show"):
        done = run(command, image, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        assert "näme".encode() in done.stdout
    again = run("encode", input=done.stdout, env=environment)
    assert again.stdout == image.read_bytes()


def test_errors_name_files_that_are_not_ascii_in_any_locale(tmp_path: Path) -> None:
    missing = tmp_path / "fehlt-äöü.img"
    done = run("decode", os.fsencode(missing).decode(), env={**os.environ, **ASCII})
    assert done.returncode == 1
    assert done.stderr.startswith(b"dyncrit: ")
    assert done.stderr.endswith(b": No such file or directory\n")
    assert run("decode", missing).stderr == f"dyncrit: {missing}: No such file or directory\n".encode()


def test_file_names_may_be_any_bytes(image: Path, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/odd\xff.img"
    image.rename(os.fsdecode(odd))
    target = os.fsencode(tmp_path) + b"/odd\xff.json"
    done = subprocess.run(
        [*map(os.fsencode, DYNCRIT), b"decode", odd, b"-o", target],
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    with open(target, "rb") as file:  # noqa: PTH123 (a path of bytes)
        assert json.loads(file.read())["magic"] == "UTSNS"


def test_the_same_input_gives_the_same_bytes(data: Path, large: Path) -> None:
    paths = [large, data / "demo" / "tree" / "files.img", data / "demo" / "tree" / "mm-9834.img"]
    for path in paths:
        for options in ([], ["--pretty"], ["--format", "ndjson"]):
            outputs = {
                run("decode", *options, path, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
                for seed in ("0", "1", "12345")
            }
            assert len(outputs) == 1


def on_terminal(*arguments: str, typed: bytes) -> tuple[int, bytes, bytes]:
    """Run dyncrit with a terminal as stdin; gives its exit code, stdout and stderr."""
    ours, theirs = pty.openpty()
    try:
        with started(*arguments, stdin=theirs, stdout=subprocess.PIPE) as process:
            assert process.stderr is not None
            first = process.stderr.readline()
            os.write(ours, typed)
            out, err = process.communicate(timeout=20)
            return process.returncode, out, first + err
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("command", "what"), [("decode", b"an image"), ("encode", b"JSON"), ("show", b"an image")]
)
def test_on_a_terminal_it_says_that_it_waits(command: str, what: bytes) -> None:
    code, out, err = on_terminal(command, typed=b"\x04")
    assert code == 1
    assert out == b""
    lines = err.splitlines()
    assert lines[0].startswith(b"dyncrit: reading " + what + b" from the terminal")
    assert b"Ctrl-D" in lines[0]
    assert lines[1].startswith(b"dyncrit: stdin: an empty file")
    assert len(lines) == 2


def test_a_document_may_be_typed() -> None:
    typed = b'{"magic":"UTSNS","entries":[{"nodename":"a","domainname":"b"}]}\n\x04'
    code, out, _ = on_terminal("encode", typed=typed)
    assert code == 0
    assert out.endswith(b"\x0a\x01a\x12\x01b")


def test_no_image_is_written_to_a_terminal(tmp_path: Path) -> None:
    document = tmp_path / "pstree.json"
    document.write_text('{"magic":"PSTREE","entries":[]}')
    ours, theirs = pty.openpty()
    try:
        done = run("encode", document, stdout=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert done.stderr.startswith(b"dyncrit: the result is binary and stdout is a terminal")


def test_with_a_file_named_a_terminal_is_not_waited_for(image: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        done = run("decode", image, stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_progress_bar_on_a_terminal_keeps_to_stderr(data: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [*DYNCRIT, "decode", str(data / "demo" / "memory"), "-o", str(tmp_path / "out")],
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=TIMEOUT,
            check=False,
        )
        said = os.read(ours, 100_000)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"skipped" in said


def test_the_command_that_is_installed_is_the_module(image: Path) -> None:
    code = "import sys; from dyncrit.cli import run; sys.argv[0] = 'dyncrit'; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "decode", str(image)], capture_output=True, timeout=TIMEOUT, check=True
    )
    assert done.stdout == run("decode", image).stdout
