from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def tree(data: Path) -> Path:
    return data / "demo" / "tree"


def test_a_directory_is_summed_up_and_its_raw_files_are_named(run: Run, tree: Path) -> None:
    code, out, err = run("verify", "--pretty", tree)
    lines = out.decode().splitlines()
    assert (code, err) == (0, "")
    assert all(": skipped: " in line for line in lines[:-1])
    assert f"{tree / 'pages-1.img'}: skipped: a raw image without records: memory pages" in lines[0]
    images = len(list(tree.iterdir())) - len(lines) + 1
    assert lines[-1] == (
        f"{images} images come back byte for byte, {len(lines) - 1} are no images and were skipped"
    )


def test_an_image_is_verified_alone(run: Run, tree: Path) -> None:
    assert run("verify", tree / "pstree.img") == (0, b"1 image comes back byte for byte\n", "")


def test_an_archive_is_verified_member_by_member(run: Run, tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tree, "checkpoint")
    code, out, _ = run("verify", "--json", path)
    shown = json.loads(out)
    assert code == 0
    assert {item["kind"] for item in shown["files"]} == {"same", "skipped"}
    assert f"{path}/checkpoint/pstree.img" in {item["file"] for item in shown["files"]}
    assert shown["counts"]["same"] == sum(item["kind"] == "same" for item in shown["files"])
    assert list(shown["counts"]) == ["same", "differs", "failed", "skipped"]


def test_limits_bound_what_is_unpacked(run: Run, tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tree, "checkpoint")
    code, out, _ = run("verify", "--max-size", "1k", path)
    assert code == 1
    assert b"--max-size raises it" in out


def test_what_cannot_be_decoded_is_exit_code_1(run: Run, tree: Path, tmp_path: Path) -> None:
    cut = tmp_path / "pstree\x1b.img"
    cut.write_bytes((tree / "pstree.img").read_bytes()[:-1])
    for arguments in ((), ("--json",)):
        code, out, err = run("verify", *arguments, cut, tree / "pstree.img")
        assert (code, err) == (1, "")
        assert b"entry 3 at byte " in out
        assert b"\x1b" not in out
    assert run("verify", cut)[1].endswith(b"\n0 images come back byte for byte, 1 failed\n")


def test_a_path_that_is_not_there_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    assert run("verify", tmp_path / "absent")[0] == 2
    assert run("verify")[0] == 2


def test_the_help_has_an_example(run: Run) -> None:
    assert b"dyncrit verify core-1.img" in run("verify", "--help")[1]
