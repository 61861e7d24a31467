from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dyncrit
from dyncrit.edit.general.query import Query, QueryError
from dyncrit.edit.general.source import open_source
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from pathlib import Path


def ask(path: Path, expression: str, **options: bool) -> object:
    with open_source(path) as reading:
        return Query(expression).evaluate(reading, **options)


def test_an_image_is_looked_at_as_its_pretty_document(data: Path) -> None:
    files = data / "demo/tree/files.img"
    assert ask(files, "magic") == "FILES"
    assert ask(files, "entries[?type=='REG'] | [5].reg.flags") == "O_RDWR | O_APPEND | O_LARGEFILE"
    assert ask(files, "entries[5].reg.flags", pretty=False) == 0o102002
    assert ask(files, "@") == dyncrit.load(files).to_dict(pretty=True)


def test_a_checkpoint_is_an_object_by_image_name(data: Path) -> None:
    tree = data / "demo/tree"
    assert ask(tree, '"core-9838.img".entries[0].tc.comm') == "child"
    assert ask(tree, '"nope.img"') is None
    names = ask(tree, "keys(@)")
    assert "files.img" in names
    assert "pages-1.img" not in names
    assert ask(tree, "length(@)") == len(names) == len(ask(tree, "*"))
    assert ask(tree, "type(@)") == "object"
    assert list(ask(tree, "@")) == names
    assert sorted(ask(tree, "*.entries[0].tc.comm")) == ["child", "grandchild", "tree", "tree"]


def test_only_images_that_the_expression_comes_to_are_read(data: Path, tmp_path: Path) -> None:
    for name in ("files.img", "inventory.img"):
        (tmp_path / name).write_bytes((data / "demo/tree" / name).read_bytes())
    (tmp_path / "core-1.img").write_bytes((data / "demo/tree/core-9834.img").read_bytes()[:100])
    assert ask(tmp_path, '"files.img".magic') == "FILES"
    assert ask(tmp_path, "length(@)") == 3
    with pytest.raises(ImageError, match=r"core-1\.img"):
        ask(tmp_path, "*.magic")


def test_archives_are_looked_into(data: Path) -> None:
    archive = data / "archives/podman-5.8-loop.tar.zst"
    assert ask(archive, '"inventory.img".magic') == "INVENTORY"
    assert ask(archive / "inventory.img", "magic") == "INVENTORY"


def test_large_payloads_are_placeholders(tmp_path: Path) -> None:
    image = dyncrit.Image.new("GHOST_FILE")
    image.add(bytes(3 << 20), uid=0, gid=0, mode=0)
    dyncrit.dump(image, tmp_path / "ghost-file-1.img")
    assert ask(tmp_path / "ghost-file-1.img", "entries[0].extra") == "... <3MB>"


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "expression: is empty"),
        ("entries[", "expression: ends too early"),
        ("a.b c", "expression: unexpected at character 5, 'c'"),
        ("a[?x=='1", "expression: Unclosed ' delimiter at character 7"),
        ("nosuch(@)", "expression: Unknown function: nosuch()"),
        ("length(magic, magic)", "Expected 1 argument for function length(), received 2"),
        ("(" * 20_000 + "a", "nested too deeply"),
    ],
)
def test_a_wrong_expression_is_a_line_with_its_position(data: Path, expression: str, problem: str) -> None:
    with pytest.raises(QueryError) as caught:
        ask(data / "demo/tree/files.img", expression)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "expression", ["sum(entries)", "sort_by(entries, &reg)", "max_by(entries, &reg)", "abs(magic)"]
)
def test_values_that_a_function_cant_take_are_an_error_of_their_own(data: Path, expression: str) -> None:
    with pytest.raises(DyncritError, match="In function") as caught:
        ask(data / "demo/tree/files.img", expression)
    assert not isinstance(caught.value, QueryError)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "expression",
    [
        "&foo",
        "[&foo]",
        "{a: &foo}",
        "to_array(&a)",
        "to_string(&a)",
        "to_string([&a])",
        "&a | type(@)",
        "map(&(&a), entries)",
    ],
)
def test_an_expression_is_no_value(data: Path, expression: str) -> None:
    with pytest.raises(QueryError, match="an & stands where only map, max_by, min_by, sort_by have one"):
        ask(data / "demo/tree/files.img", expression)


def test_functions_that_take_an_expression_get_it(data: Path) -> None:
    files = data / "demo/tree/files.img"
    assert ask(files, "sort_by(entries, &id)[0].id") == ask(files, "min_by(entries, &id).id") == 1
    assert ask(files, "map(&id, entries[:2])") == [1, 2]
