from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import dyncrit
from dyncrit.edit.general.patching import PatchError, parse_patch, patch_image
from dyncrit.errors import DocumentError, DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Edited

NAME = "/entries/0/reg/name"


def patch(edited: Edited, *operations: dict[str, object], pretty: bool = True) -> None:
    patch_image(edited.edit, edited.name, parse_patch(json.dumps(operations).encode()), pretty=pretty)


def test_operations_are_applied_to_the_pretty_document(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/files.img") as image:
        before = image.entries
        patch(
            image,
            {"op": "test", "path": NAME, "value": "/srv/demo/tree"},
            {"op": "replace", "path": "/entries/0/reg/flags", "value": "O_RDWR | O_CLOEXEC"},
            {"op": "copy", "from": NAME, "path": "/entries/1/reg/name"},
            {"op": "remove", "path": "/entries/7"},
            {"op": "move", "from": "/entries/15", "path": "/entries/0"},
            {"op": "add", "path": "/entries/-", "value": {**before[1], "id": 77}},
        )
        after = image.entries
        assert len(after) == 17
        assert after[0] == before[16]
        assert after[1]["reg"]["flags"] == "O_RDWR | O_CLOEXEC"
        assert after[2]["reg"]["name"] == "/srv/demo/tree"
        assert after[16] == {**before[1], "id": 77}


def test_a_patch_can_be_for_the_plain_document(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/files.img") as image:
        patch(image, {"op": "test", "path": "/entries/5/reg/flags", "value": 0o102002}, pretty=False)
        with pytest.raises(PatchError, match="the test failed"):
            patch(image, {"op": "test", "path": "/entries/5/reg/flags", "value": 0o102002})


def test_a_patch_that_changes_nothing_changes_no_byte(corpus: Path, edited: Callable[..., Any]) -> None:
    for name in ("demo/tree/files.img", "demo/tree/mm-9834.img", "demo/sockets/sk-queues.img"):
        with edited(corpus / name) as image:
            patch(image, {"op": "test", "path": "/magic", "value": image.document()["magic"]})
            assert image.edit.changes == []


def test_large_payloads_are_copied_with_their_entries(tmp_path: Path, edited: Callable[..., Any]) -> None:
    image = dyncrit.Image.new("PIPES_DATA")
    image.add(b"x" * (2 << 20), pipe_id=1, bytes=2 << 20, size=4 << 20)
    path = tmp_path / "pipes-data.img"
    dyncrit.dump(image, path)
    with edited(path) as found:
        patch(
            found,
            {"op": "copy", "from": "/entries/0", "path": "/entries/1"},
            {"op": "replace", "path": "/entries/1/pipe_id", "value": 2},
        )
        entries = dyncrit.loads(found.bytes).entries
        assert [(entry.message.pipe_id, len(entry.payload)) for entry in entries] == [
            (1, 2 << 20),
            (2, 2 << 20),
        ]


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (
            {"op": "test", "path": NAME, "value": "/x"},
            "files.img: operation 1 (test /entries/0/reg/name): the test",
        ),
        (
            {"op": "remove", "path": "/entries/0/rig/x"},
            "operation 1 (remove /entries/0/rig/x): member 'rig' not found",
        ),
        ({"op": "remove", "path": "/entries/99"}, "operation 1 (remove /entries/99)"),
        ({"op": "add", "path": "/entries/x", "value": 1}, "operation 1 (add /entries/x)"),
        ({"op": "add", "path": "/magic/x", "value": 1}, "operation 1 (add /magic/x)"),
        ({"op": "move", "from": "/entries", "path": "/entries/0"}, "operation 1 (move /entries/0)"),
    ],
)
def test_an_operation_that_cant_be_done_is_named(
    data: Path, edited: Callable[..., Any], operation: dict[str, object], problem: str
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        with pytest.raises(PatchError) as caught:
            patch(image, {"op": "test", "path": "/magic", "value": "FILES"}, operation)
        assert problem in str(caught.value)
        assert len(str(caught.value)) < 600
        assert image.edit.changes == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"[", "patch: no JSON"),
        (b"[" * 100_000, "patch: no JSON: nested too deeply"),
        (b"{}", "patch: expected a list of operations, found an empty object"),
        (b"[5]", "patch: operation 0: expected an object, found the integer 5"),
        (b'[{"op": "test", "path": "/a", "value": 1}, {"path": "/a"}]', "patch: operation 1: "),
        (b'[{"op": "grow", "path": "/a"}]', "patch: operation 0 (grow /a): Unknown operation 'grow'"),
        (b'[{"op": [], "path": "/a"}]', "patch: operation 0: "),
        (b'[{"op": "add", "path": "a"}]', "patch: operation 0 (add a): "),
        (b'[{"op": "add", "path": 5}]', "patch: operation 0: "),
    ],
)
def test_a_patch_that_is_none_says_so(text: bytes, problem: str) -> None:
    with pytest.raises(PatchError) as caught:
        parse_patch(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (
            {"op": "replace", "path": "/magic", "value": "PSTREE"},
            "magic: what kind of image it is can't be changed",
        ),
        (
            {"op": "add", "path": "/@framing", "value": "v1.0"},
            "@framing: what kind of image it is can't be changed",
        ),
        ({"op": "remove", "path": "/magic"}, "magic: what kind of image it is can't be changed"),
        ({"op": "replace", "path": "", "value": []}, "expected an object, found an empty list"),
        ({"op": "remove", "path": "/entries"}, "entries: expected a list, found null"),
        (
            {"op": "replace", "path": "/entries/0", "value": 5},
            "entries[0]: expected an object, found the integer 5",
        ),
        (
            {"op": "remove", "path": "/entries/0/reg/flags"},
            "entries[0]: lacks fields that the schema requires",
        ),
        (
            {"op": "add", "path": "/entries/0/reg/flag", "value": 1},
            "entries[0]: reg: reg_file_entry has no field",
        ),
        ({"op": "replace", "path": "/entries/0/reg/flags", "value": "X"}, "entries[0]: reg.flags: expected"),
    ],
)
def test_what_comes_out_must_be_such_an_image(
    data: Path, edited: Callable[..., Any], operation: dict[str, object], problem: str
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        with pytest.raises(DyncritError) as caught:
            patch(image, operation)
        assert isinstance(caught.value, DocumentError)
        assert problem in str(caught.value)
        assert image.edit.changes == []
