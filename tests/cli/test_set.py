from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import dyncrit

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run


@pytest.fixture
def files(data: Path, tmp_path: Path) -> Path:
    """An image to change."""
    return shutil.copy(data / "demo/tree/files.img", tmp_path / "files.img")


def test_fields_are_set_and_what_is_different_is_printed(run: Run, files: Path) -> None:
    code, out, err = run("set", files, "entries[0].reg.name=/new", "entries[0].reg.flags=O_RDWR | O_CLOEXEC")
    assert (code, err) == (0, "")
    assert out.decode().splitlines() == [
        'files.img entries[0].reg.flags: "" -> "O_RDWR | O_CLOEXEC"',
        'files.img entries[0].reg.name: "/srv/demo/tree" -> "/new"',
    ]
    message = dyncrit.load(files).entries[0].message
    assert (message.reg.name, message.reg.flags) == ("/new", 0o2000002)


def test_a_dry_run_writes_nothing(run: Run, files: Path) -> None:
    before = files.read_bytes()
    code, out, _ = run(
        "set", files, "--dry-run", "--json", "entries[type==REG].reg.name=/x", "--delete", "entries[0]"
    )
    assert code == 0
    changes = json.loads(out)
    assert changes["dry_run"] is True
    assert {"file": "files.img", "path": "entries[1].reg.name", "after": "/x"}.items() <= changes["changes"][
        1
    ].items()
    assert files.read_bytes() == before
    assert list(files.parent.iterdir()) == [files]


def test_entries_are_deleted_and_appended(run: Run, files: Path) -> None:
    before = len(dyncrit.load(files).entries)
    assert run("set", files, "--delete", "entries[type==PIPE]", "--delete", "entries[-1]")[0] == 0
    assert len(dyncrit.load(files).entries) == before - 4


def test_what_is_as_it_was_is_not_written(run: Run, files: Path) -> None:
    status = files.stat()
    code, out, err = run("set", files, "entries[0].reg.name=/srv/demo/tree")
    assert (code, out) == (0, b"")
    assert "nothing is different, so nothing was written" in err
    assert files.stat().st_ino == status.st_ino


def test_an_image_in_an_archive_is_changed(run: Run, data: Path, tmp_path: Path) -> None:
    archive = shutil.copy(data / "archives/podman-5.8-loop.tar.zst", tmp_path / "dump.tar.zst")
    assert run("set", archive / "inventory.img", "entries[0].img_version=1")[0] == 0
    assert run("get", archive, '"inventory.img".entries[0].img_version')[1] == b"1\n"
    assert archive.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"


def test_nothing_is_written_if_anything_is_wrong(run: Run, files: Path) -> None:
    before = files.read_bytes()
    code, out, err = run("set", files, "entries[0].reg.name=/new", "entries[99].id=5")
    assert (code, out) == (1, b"")
    assert err.endswith("files.img: entries[99].id: found nothing: none of 17 entries is [99]\n")
    assert files.read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [["entries[0].id"], ["entries[=5"], ["magic=X"], [], ["--delete", "entries["]]
)
def test_a_wrong_path_is_wrong_usage(run: Run, files: Path, arguments: list[str]) -> None:
    code, out, err = run("set", files, *arguments)
    assert (code, out) == (2, b"")
    assert err.count("\n") == 1
