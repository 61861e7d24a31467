from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit.fuzz.run.case import Case
from dyncrit.fuzz.run.sandbox import Sandbox, environment_for

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = Case.of_image("core-1.img", b"abc")
CHECKPOINT = Case("dump", {"a.img": b"1", "b.img": b"2"}, is_checkpoint=True)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    before = Path.cwd()
    made = Sandbox(tmp_path / "sandbox")
    yield made
    made.remove()
    os.chdir(before)
    assert not made.folder.exists()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def enter(sandbox: Sandbox, case: Case) -> Path:
    path = Path(sandbox.enter(case))
    assert Path.cwd() == sandbox.work
    assert names(sandbox.work) == []
    assert names(path.parent) == [case.name]
    return path


def test_an_image_is_beside_the_working_folder_under_its_name(sandbox: Sandbox) -> None:
    path = enter(sandbox, IMAGE)
    assert path == sandbox.folder / "input" / "core-1.img"
    assert path.read_bytes() == b"abc"


def test_a_checkpoint_is_a_folder_with_its_images(sandbox: Sandbox) -> None:
    path = enter(sandbox, CHECKPOINT)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == CHECKPOINT.files


def test_nothing_is_left_from_one_run_to_the_next(sandbox: Sandbox) -> None:
    for case in (IMAGE, CHECKPOINT, IMAGE):
        path = enter(sandbox, case)
        deep = sandbox.work / "deep"
        (deep / "er").mkdir(parents=True)
        (deep / "er" / "file").touch()
        (sandbox.work / "link").symlink_to("/etc")
        (deep / "er").chmod(0)
        deep.chmod(0)
        sandbox.work.chmod(0)
        (path.parent / "more.img").touch()
        sandbox.leave()
        assert names(sandbox.work) == []
        enter(sandbox, case)
    assert Path("/etc").is_dir()


def test_what_a_target_made_of_the_folders_is_put_right(sandbox: Sandbox) -> None:
    path = enter(sandbox, CHECKPOINT)
    os.chdir("/")
    sandbox.work.rmdir()
    sandbox.work.symlink_to("/etc")
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    path.touch()
    sandbox.leave()
    assert names(enter(sandbox, CHECKPOINT)) == ["a.img", "b.img"]


def test_a_full_disk_is_told_with_the_name(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=r"core-1\.img"):
        sandbox.enter(IMAGE)


def test_the_environment_has_what_programs_need_only() -> None:
    dropped = {"SECRET": "x", "HOME": "/root", "XDG_CACHE_HOME": "/c"}
    kept = {"PATH": "/bin", "LC_ALL": "C", "ASAN_OPTIONS": "a=1"}
    expected = {**kept, "PYTHONHASHSEED": "0", "HOME": "/w", "TMPDIR": "/w", "MORE": "1"}
    assert environment_for("/w", {**kept, **dropped}, {"MORE": "1"}) == expected
