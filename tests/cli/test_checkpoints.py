"""What commands on whole checkpoints share: parents, bounds on what is unpacked, the choice of a schema."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint.problems import Problem
from dyncrit.cli.checkpoints import report

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]

COMMANDS = {
    "inspect": (),
    "stats": (),
    "memory maps": (),
    "memory search": ("needle",),
    "memory strings": ("-n", "20"),
    "memory read": ("-p", "9834", "55c615b9f29a", "64"),
}


@pytest.fixture
def tree(data: Path) -> Path:
    """A checkpoint of four processes."""
    return data / "demo" / "tree"


@pytest.fixture
def archive(tree: Path, tmp_path: Path) -> Path:
    """The same, packed."""
    path = tmp_path / "checkpoint.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tree, "checkpoint")
    return path


@pytest.fixture
def bomb(tree: Path, tmp_path: Path) -> Path:
    """The same with 100 MiB of zeros."""
    zeros = tmp_path / "zeros"
    with zeros.open("wb") as file:
        file.truncate(100 << 20)
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb", compresslevel=9) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(tree, "checkpoint")
        tar.add(zeros, "zeros")
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_an_archive_is_read_as_its_directory(run: Run, tree: Path, archive: Path, command: str) -> None:
    code, out, err = run(*command.split(), archive, *COMMANDS[command])
    assert (code, err) == (0, "")
    assert len(out) > 200
    expected = run(*command.split(), tree, *COMMANDS[command])[1]
    places = (f"{archive}/checkpoint (archive)", f"{archive}/checkpoint"), (f"{tree} (directory)", f"{tree}")
    text = out.decode()
    for theirs, ours in zip(*places, strict=True):
        text = text.replace(theirs, ours)
    assert text == expected.decode()


# parents


def test_a_parent_may_be_an_archive(run: Run, corpus: Path) -> None:
    archives = corpus / "archives"
    place = (
        archives / "podman-4.3-with-previous.tar",
        "--parent",
        archives / "podman-4.3-pre-checkpoint.tar",
    )
    found = json.loads(run("inspect", *place, "--json")[1])
    assert (found["problems"], len(found["parents"])) == ([], 1)
    for command, arguments in (("search", ("tick",)), ("strings", ()), ("maps", ())):
        code, out, err = run("memory", command, *place, *arguments)
        assert (code, err) == (0, "")
        assert out


def test_a_parent_may_be_a_directory_elsewhere(run: Run, corpus: Path, tmp_path: Path) -> None:
    memory = corpus / "demo" / "memory"
    increment = shutil.copytree(
        memory / "2", tmp_path / "increment", ignore=lambda _folder, _names: ["parent"], symlinks=True
    )
    (increment / "parent").symlink_to("../nowhere")
    place = ("memory", "read", increment, "100000000000", 4096, "--raw")
    code, out, err = run(*place)
    assert (code, out) == (1, b"")
    assert "../nowhere" in err
    full = run("memory", "read", memory / "2-full", "100000000000", 4096, "--raw")
    assert run(*place, "--parent", memory / "1") == full


def test_a_link_that_leads_to_the_parent_needs_no_option(run: Run, corpus: Path) -> None:
    found = json.loads(run("inspect", corpus / "demo" / "memory" / "2", "--json")[1])
    assert found["parents"] == [str(corpus / "demo" / "memory" / "1")]


@pytest.mark.parametrize("count", [1, 2])
def test_a_parent_that_nothing_needs_is_an_error(run: Run, tree: Path, corpus: Path, count: int) -> None:
    parent = corpus / "demo" / "memory" / "1"
    code, out, err = run("inspect", tree, *["--parent", parent] * count)
    assert (code, out) == (1, b"")
    assert err.startswith(f"dyncrit: {parent}: is not needed as a parent")
    assert err.count("\n") == 1


def test_a_parent_that_is_not_there_is_named(run: Run, corpus: Path, tmp_path: Path) -> None:
    path = corpus / "archives" / "podman-4.3-with-previous.tar"
    code, out, err = run("inspect", path, "--parent", tmp_path / "nope")
    assert (code in (1, 2), out) == (True, b"")
    assert str(tmp_path / "nope") in err
    assert err.count("\n") == 1


def test_a_checkpoint_that_is_its_own_parent_is_an_error(run: Run, corpus: Path) -> None:
    path = corpus / "archives" / "podman-4.3-with-previous.tar"
    code, out, err = run("inspect", path, "--parent", path)
    assert (code, out) == (1, b"")
    assert "circular" in err


# bounds


@pytest.mark.parametrize("size", ["10K", "0", "1000", "1k", "1KiB", "1KB"])
def test_more_than_the_bound_is_not_unpacked(run: Run, archive: Path, size: str) -> None:
    code, out, err = run("inspect", archive, "--max-size", size)
    assert (code, out) == (1, b"")
    assert err.startswith(f"dyncrit: {archive}: more than ")
    assert "--max-size" in err


@pytest.mark.parametrize("size", ["1M", "1g", "2T", "600000000", "999999999999999999T", "1MiB"])
def test_less_than_the_bound_is_unpacked(run: Run, archive: Path, size: str) -> None:
    code, _, err = run("inspect", archive, "--max-size", size)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("size", ["", "-1", "10Q", "1.5G", "x", "1 0"])
def test_what_is_no_size_is_wrong_usage(run: Run, archive: Path, size: str) -> None:
    code, out, err = run("inspect", archive, f"--max-size={size}")
    assert (code, out) == (2, b"")
    assert "--max-size" in err
    assert "expected a number of bytes" in err


def test_a_bomb_is_refused_unless_the_ratio_is_raised(run: Run, bomb: Path) -> None:
    code, out, err = run("inspect", bomb)
    assert (code, out) == (1, b"")
    assert "--max-ratio" in err
    code, _, err = run("inspect", bomb, "--max-ratio", 2000)
    assert (code, err) == (0, "")
    assert run("inspect", bomb, "--max-ratio", 2000, "--max-size", "50M")[0] == 1


@pytest.mark.parametrize("ratio", ["0", "-1", "x", "1.5"])
def test_what_is_no_ratio_is_wrong_usage(run: Run, archive: Path, ratio: str) -> None:
    code, out, err = run("inspect", archive, f"--max-ratio={ratio}")
    assert (code, out) == (2, b"")
    assert "--max-ratio" in err


# the schema


@pytest.mark.parametrize("release", ["4.2", "2.12", "1.1"])
def test_a_release_may_be_named_before_or_behind_the_command(run: Run, tree: Path, release: str) -> None:
    whole = run("inspect", tree, "--json")
    assert run("inspect", tree, "--criu", release, "--json") == whole
    assert run("--criu", release, "inspect", tree, "--json") == whole


def test_a_schema_that_is_not_there_is_an_error(run: Run, tree: Path, tmp_path: Path) -> None:
    code, out, err = run("inspect", tree, "--criu", "9.9")
    assert (code in (1, 2), out) == (True, b"")
    assert "9.9" in err
    code, out, err = run("inspect", tree, "--proto-dir", tmp_path / "nope")
    assert (code in (1, 2), out) == (True, b"")
    assert str(tmp_path / "nope") in err


# the report


def test_warnings_change_no_exit_code_and_errors_do(capsys: pytest.CaptureFixture[str]) -> None:
    warning, error = Problem("warning", "parent", "is odd"), Problem("error", "mm-1.img", "missing")
    assert report([]) == 0
    assert report([warning]) == 0
    assert capsys.readouterr().err == "dyncrit: warning: parent: is odd\n"
    assert report([warning, error, warning]) == 1
    assert capsys.readouterr() == (
        "",
        "dyncrit: warning: parent: is odd\ndyncrit: mm-1.img: missing\ndyncrit: warning: parent: is odd\n",
    )


def test_problems_are_lines_whatever_they_quote(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([Problem("error", "a\nb\x1b[31m", "c\rd")]) == 1
    assert capsys.readouterr().err == "dyncrit: a\\nb\\x1b[31m: c\\rd\n"
