from __future__ import annotations

import json
import shutil

import pytest

from dyncrit.checkpoint import open_checkpoint

PID = "9834"


@pytest.fixture
def folder(data, tmp_path):
    return shutil.copytree(data / "demo" / "tree", tmp_path / "tree")


def environment(folder):
    with open_checkpoint(folder) as checkpoint:
        return checkpoint.processes[9834].environment


def test_a_variable_is_set_and_what_was_touched_told(run, folder):
    code, out, _ = run("set-env", folder, "-p", PID, "HOME=/root/of=all")
    assert code == 0
    first, *others = out.decode().splitlines()
    assert first == "process 9834: variable HOME: / -> /root/of=all"
    assert any(line.startswith("mm-9834.img: mapping: ") for line in others)
    assert environment(folder)[1] == "HOME=/root/of=all"
    assert run("check", "--deep", folder)[0] == 0


def test_a_variable_is_taken_out(run, folder):
    assert run("set-env", folder, "-p", PID, "--unset", "HOME")[0] == 0
    assert "HOME=/" not in environment(folder)
    code, _, err = run("set-env", folder, "-p", PID, "--unset", "HOME")
    assert code == 0
    assert "HOME is not there; nothing was changed" in err


def test_an_empty_value_is_a_value(run, folder):
    assert run("set-env", folder, "-p", PID, "HOME=")[0] == 0
    assert "HOME=" in environment(folder)
    code, _, err = run("set-env", folder, "-p", PID, "HOME=")
    assert code == 0
    assert "HOME is that already" in err


def test_a_dry_run_shows_the_difference_and_writes_nothing(run, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    code, out, _ = run("set-env", "--dry-run", folder, "-p", PID, "HOME=/root")
    assert code == 0
    assert "mm-9834.img entries[0].mm_env_start: " in out.decode()
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_was_touched_is_told_as_json(run, folder):
    code, out, _ = run("set-env", "--json", folder, "-p", PID, "LANG=X")
    assert code == 0
    told = json.loads(out)["touched"][0]
    assert told == {"place": "process 9834", "what": "variable LANG", "before": "C", "after": "X"}


def test_a_checkpoint_in_an_archive_is_changed(run, data, tmp_path):
    import tarfile

    archive = tmp_path / "tree.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(data / "demo" / "tree", ".")
    assert run("set-env", archive, "-p", PID, "HOME=/root")[0] == 0
    assert "HOME=/root" in environment(archive)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "give NAME=VALUE, or --unset NAME"),
        (["A=1", "--unset", "B"], "give NAME=VALUE, or --unset NAME"),
        (["A"], "'A' has no value"),
        (["--unset", "A=1"], "takes the name alone"),
    ],
)
def test_what_can_not_be_meant_is_a_usage_error(run, folder, arguments, why):
    code, _, err = run("set-env", folder, "-p", PID, *arguments)
    assert code == 2
    assert why in err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-p", PID, "=1"], "no name of a variable"),
        (["-p", "77", "A=1"], "no process 77"),
        (["-p", "9839", "A=1"], "no memory"),
    ],
)
def test_what_can_not_be_set_is_an_error_of_one_line(run, folder, arguments, why):
    code, out, err = run("set-env", folder, *arguments)
    assert (code, out) == (1, b"")
    assert why in err
    assert err.count("\n") == 1
