from __future__ import annotations

import json
import shutil

import pytest

from dyncrit.checkpoint import open_checkpoint

PID = "9834"


@pytest.fixture
def folder(data, tmp_path):
    return shutil.copytree(data / "demo" / "tree", tmp_path / "tree")


@pytest.fixture
def place(folder):
    """Where the string DEMO_SECRET=correct-horse-battery-staple stands in process 9834."""
    with open_checkpoint(folder) as checkpoint:
        process = checkpoint.processes[9834]
        block = process.memory.read(process.mm.mm_env_start, process.mm.mm_env_end - process.mm.mm_env_start)
        return process.mm.mm_env_start + block.index(b"correct")


def words(folder):
    with open_checkpoint(folder) as checkpoint:
        return checkpoint.processes[9834].environment[-1]


@pytest.mark.parametrize("digits", [["57 52"], ["57", "52"], ["5752"], ["0x5752"]])
def test_bytes_are_given_in_hex(run, folder, place, digits):
    code, out, _ = run("memory", "write", folder, f"{place:x}", *digits, "-p", PID)
    assert code == 0
    assert out.decode().endswith(f"process 9834, 2 bytes at {place:#x}: 63 6f -> 57 52\n")
    assert words(folder) == "DEMO_SECRET=WRrrect-horse-battery-staple"


def test_bytes_are_given_as_text_a_file_or_on_stdin(run, folder, place, tmp_path):
    assert run("memory", "write", folder, f"{place:#x}", "--text", "wrong", "-p", PID, "-s", "5")[0] == 0
    assert words(folder) == "DEMO_SECRET=wrongct-horse-battery-staple"
    (tmp_path / "data").write_bytes(b"RIGHT")
    assert run("memory", "write", folder, f"{place:#x}", "--file", tmp_path / "data", "-p", PID)[0] == 0
    assert words(folder) == "DEMO_SECRET=RIGHTct-horse-battery-staple"
    assert run("memory", "write", folder, f"{place:#x}", "--file", "-", "-p", PID, stdin=b"other")[0] == 0
    assert words(folder) == "DEMO_SECRET=otherct-horse-battery-staple"


def test_a_dry_run_shows_the_bytes_and_writes_nothing(run, folder, place):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    code, out, _ = run("memory", "write", "-n", folder, f"{place:x}", "--text", "wrong", "-p", PID)
    assert code == 0
    change = out.decode().strip()
    assert change.startswith("pages-")
    assert change.endswith('"63 6f 72 72 65" -> "77 72 6f 6e 67"')
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_was_touched_is_told_as_json(run, folder, place):
    code, out, _ = run("memory", "write", "--json", folder, f"{place:x}", "41", "-p", PID)
    assert code == 0
    (touched,) = json.loads(out)["touched"]
    assert (touched["before"], touched["after"]) == ("63", "41")
    assert touched["place"].startswith("pages-")


def test_bytes_that_are_there_already_are_told_and_are_no_error(run, folder, place):
    code, out, err = run("memory", "write", folder, f"{place:x}", "--text", "correct", "-p", PID)
    assert (code, out) == (0, b"")
    assert "already; nothing was changed" in err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-p", PID], "one way"),
        (["41", "--text", "A", "-p", PID], "one way"),
        (["4", "-p", PID], "not bytes in hex"),
        (["text", "-p", PID], "not bytes in hex"),
        (["41", "-s", "2", "-p", PID], "1 bytes to write, not the 2"),
        (["41"], "there are several processes"),
    ],
)
def test_what_can_not_be_meant_is_a_usage_error(run, folder, place, arguments, why):
    code, _, err = run("memory", "write", folder, f"{place:x}", *arguments)
    assert code == 2
    assert why in err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["1000", "41", "-p", PID], "nothing is mapped at 0x1000; the nearest mapping is"),
        (["1000", "41", "-p", "77"], "no process 77"),
        (["1000", "41", "-p", "9839"], "no memory"),
        (["1000", "--text", "", "-p", PID], "no bytes"),
    ],
)
def test_what_can_not_be_written_is_an_error_of_one_line(run, folder, arguments, why):
    code, out, err = run("memory", "write", folder, *arguments)
    assert (code, out) == (1, b"")
    assert why in err
    assert err.count("\n") == 1
