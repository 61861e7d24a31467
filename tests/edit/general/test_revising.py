from __future__ import annotations

import re
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.edit.general.revising import EditorError, revise_image, revising

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


APPENDING = 'O_RDWR | O_APPEND | O_LARGEFILE",'


class Editor:
    """Replaces text in the file as a person would, one pair a time that it is opened."""

    def __init__(self, *replacements: tuple[str, str] | BaseException | None) -> None:
        self.replacements = list(replacements)
        self.seen: list[str] = []
        self.paths: list[Path] = []

    def __call__(self, path: Path) -> None:
        text = path.read_text(errors="surrogateescape")
        self.seen.append(text)
        self.paths.append(path)
        step = self.replacements.pop(0)
        if isinstance(step, tuple):
            old, new = step
            assert old in text
            path.write_text(text.replace(old, new) if old else new, errors="surrogateescape")
        elif step is not None:
            path.write_text(text.replace("FILES", "FILE"))
            raise step


@pytest.fixture(autouse=True)
def _own_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def kept(tmp_path: Path, error: EditorError) -> str:
    """The text that an error says is kept, which is all that is left of temporary files."""
    (path,) = (tmp_path / "temporary").glob("*-files.img.json")
    assert str(path) in str(error)
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text()


def test_what_is_saved_is_what_changes(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/files.img") as image:
        editor = Editor(("/srv/demo/tree", "/srv/\\udcff"))
        assert revise_image(image.edit, image.name, editor)
        assert b"/srv/\xff" in image.bytes
        assert editor.paths[0].name == "files.img.json"
        assert '"flags": "O_RDWR | O_APPEND | O_LARGEFILE"' in editor.seen[0]
        assert not editor.paths[0].parent.exists()


@pytest.mark.parametrize("step", [None, ("", ""), ("", " \n"), ('  "magic"', ' "magic"')])
def test_a_text_that_says_the_same_or_nothing_changes_nothing(
    data: Path, edited: Callable[..., Any], step: tuple[str, str] | None
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        assert not revise_image(image.edit, image.name, Editor(step))
        assert image.edit.changes == []


def test_a_mistake_opens_the_editor_again_with_the_error_on_top(
    data: Path, edited: Callable[..., Any]
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        editor = Editor((APPENDING, 'O_WDRW",'), ('"O_WDRW"', "O_WDRW"), ("O_WDRW", '"O_WRONLY"'))
        assert revise_image(image.edit, image.name, editor)
        assert image.entries[5]["reg"]["flags"] == "O_WRONLY"
        first, second, third = editor.seen
        assert first.startswith("# The image is changed when this is saved")
        assert second.startswith("# files.img was not changed:\n# entries[5]: reg.flags: expected an integer")
        assert "no flag 'O_WDRW'" in second.splitlines()[1]
        line = int(re.match(r"# .*\n# line (\d+): not JSON", third)[1])
        assert third.splitlines()[line - 1].endswith('"flags": O_WDRW,')


def test_another_header_is_a_mistake(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/files.img") as image:
        editor = Editor(('"FILES"', '"PSTREE"'), ('"PSTREE"', '"FILES"'))
        assert not revise_image(image.edit, image.name, editor)
        assert "# magic: what kind of image it is can't be changed" in editor.seen[1]


@pytest.mark.parametrize("last", [None, ("", "")])
def test_a_mistake_that_is_given_up_keeps_the_text(
    data: Path, tmp_path: Path, edited: Callable[..., Any], last: tuple[str, str] | None
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        with pytest.raises(
            EditorError, match=r"files.img: given up, nothing was changed: entries\[5\]: reg"
        ) as caught:
            revise_image(image.edit, image.name, Editor((APPENDING, 'O_WDRW",'), last))
        assert "O_WDRW" in kept(tmp_path, caught.value)
        assert kept(tmp_path, caught.value).startswith("{")
        assert image.edit.changes == []


def test_a_line_of_a_given_up_text_is_that_of_the_kept_file(
    data: Path, tmp_path: Path, edited: Callable[..., Any]
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        with pytest.raises(EditorError, match=r"line \d+: not JSON") as caught:
            revise_image(image.edit, image.name, Editor(('"id": 1,', 'id": 1,'), None))
        line = int(re.search(r"line (\d+)", str(caught.value))[1])
        assert kept(tmp_path, caught.value).splitlines()[line - 1] == '      id": 1,'


def test_an_editor_that_fails_changes_nothing_and_keeps_what_was_written(
    data: Path, tmp_path: Path, edited: Callable[..., Any]
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        with pytest.raises(EditorError, match="it crashed; nothing was changed") as caught:
            revise_image(image.edit, image.name, Editor(EditorError("it crashed")))
        assert '"magic": "FILE"' in kept(tmp_path, caught.value)
        assert image.edit.changes == []


def test_an_editor_that_fails_before_anything_was_written_keeps_nothing(
    data: Path, tmp_path: Path, edited: Callable[..., Any]
) -> None:
    def fail(_path: Path) -> None:
        raise EditorError("it isn't there")

    def remove(path: Path) -> None:
        path.unlink()

    with edited(data / "demo/tree/files.img") as image:
        with pytest.raises(EditorError, match=r"^it isn't there; nothing was changed$"):
            revise_image(image.edit, image.name, fail)
        with pytest.raises(EditorError, match="the file that was to be edited is gone"):
            revise_image(image.edit, image.name, remove)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), EditorError("was changed"), KeyError(1)]
)
def test_a_change_that_cant_be_made_keeps_the_text(
    data: Path, tmp_path: Path, edited: Callable[..., Any], failure: Exception
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        with pytest.raises(type(failure)) as caught, revising(Editor(("/srv/demo/tree", "/new"))) as revise:  # noqa: PT012
            assert revise(image.edit, image.name)
            raise failure
        (path,) = (tmp_path / "temporary").glob("*-files.img.json")
        assert '"name": "/new"' in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        assert str(path) in " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def test_what_was_saved_is_kept_where_the_editor_is_interrupted(
    data: Path, tmp_path: Path, edited: Callable[..., Any]
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        with pytest.raises(KeyboardInterrupt) as caught:
            revise_image(image.edit, image.name, Editor(KeyboardInterrupt()))
        (path,) = (tmp_path / "temporary").glob("*-files.img.json")
        assert '"magic": "FILE"' in path.read_text()
        assert caught.value.__notes__ == [f"the text is kept in {path}"]


def test_a_change_that_is_made_or_an_unchanged_text_keeps_nothing(
    data: Path, tmp_path: Path, edited: Callable[..., Any]
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        assert revise_image(image.edit, image.name, Editor(("/srv/demo/tree", "/new")))
        with pytest.raises(KeyError), revising(Editor(None)) as revise:  # noqa: PT012
            assert not revise(image.edit, image.name)
            raise KeyError(1)
    assert list((tmp_path / "temporary").iterdir()) == []
