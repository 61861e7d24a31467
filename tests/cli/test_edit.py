from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

import dyncrit

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run


@pytest.fixture
def files(data: Path, tmp_path: Path) -> Path:
    """An image to change."""
    (tmp_path / "images").mkdir()
    return shutil.copy(data / "demo/tree/files.img", tmp_path / "images/files.img")


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def test_what_is_saved_takes_the_place_of_the_image(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s,/srv/demo/tree,/new,")
    before = files.read_bytes()
    code, out, err = run("edit", "--dry-run", files)
    assert (code, out, err) == (0, b'files.img entries[0].reg.name: "/srv/demo/tree" -> "/new"\n', "")
    assert files.read_bytes() == before
    assert run("edit", files)[0] == 0
    assert dyncrit.load(files).entries[0].message.reg.name == "/new"


@pytest.mark.parametrize("editor", ["true", "truncate --size=0"])
def test_what_is_saved_as_it_was_or_empty_writes_nothing(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch, editor: str
) -> None:
    monkeypatch.setenv("EDITOR", "false")
    monkeypatch.setenv("VISUAL", editor)
    inode = files.stat().st_ino
    code, out, err = run("edit", files)
    assert (code, out) == (0, b"")
    assert "nothing is different, so nothing was written" in err
    assert files.stat().st_ino == inode


def test_a_mistake_comes_back_until_it_is_right(
    run: Run, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "an editor"
    script.write_text(
        "#!/bin/sh\n"
        'if grep -q "^# entries.5.: reg.flags: .*no flag .O_WDRW" "$1"; then sed -i "s/: \\"O_WDRW/: \\"O_RDWR/" "$1"\n'
        'else sed -i "s/O_RDWR | O_APPEND/O_WDRW/" "$1"; fi\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", f"'{script}'")
    assert run("edit", files)[0] == 0
    assert dyncrit.load(files).to_dict(pretty=True)["entries"][5]["reg"]["flags"] == "O_RDWR | O_LARGEFILE"


def test_a_mistake_that_stays_is_an_error_and_the_text_is_kept(
    run: Run, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/O_RDWR/O_WDRW/")
    before = files.read_bytes()
    code, out, err = run("edit", files)
    (kept,) = (tmp_path / "temporary").iterdir()
    assert (code, out) == (1, b"")
    assert f"(the text is kept in {kept})" in err
    assert "O_WDRW" in kept.read_text()
    assert files.read_bytes() == before


@pytest.mark.parametrize(
    ("editor", "problem"),
    [
        ("false", "dyncrit: the editor 'false' ended with exit code 1; nothing was changed\n"),
        ("/no/such/editor", "dyncrit: the editor '/no/such/editor' isn't there; name another with $VISUAL"),
        ("exit 127;", "dyncrit: the editor 'exit 127;' can't be run"),
    ],
)
def test_an_editor_that_fails_or_isnt_there_is_an_error(
    run: Run, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editor: str, problem: str
) -> None:
    monkeypatch.setenv("EDITOR", editor)
    code, out, err = run("edit", files)
    assert (code, out) == (1, b"")
    assert err.startswith(problem)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_without_any_editor_it_says_how_to_name_one(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    code, _, err = run("edit", files)
    assert (code, err) == (1, "dyncrit: no editor was found; name one with $VISUAL or $EDITOR\n")


def test_an_image_that_was_changed_meanwhile_is_left_alone_and_the_text_is_kept(
    run: Run, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", f"truncate -s +1 '{files}'; sed -i s,/srv/demo/tree,/new,")
    before = files.read_bytes()
    code, out, err = run("edit", files)
    (kept,) = (tmp_path / "temporary").iterdir()
    assert (code, out) == (1, b"")
    assert err.endswith(f"(the text is kept in {kept})\n")
    assert '"name": "/new"' in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert files.read_bytes() == before + b"\0"
