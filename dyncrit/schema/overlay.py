"""Rows of the user's for the image table, from a YAML file.

A file is a list of rows; a row names what differs from the defaults of
:class:`~dyncrit.schema.layout.ImageType`::

    - name: NEW_QUEUE
      magic: 0x12345678
      files: [new-queue-%u.img]
      records:
        - message: new_queue_entry
          payload: {kind: counted, lengths: [{name: bytes, number: 2}], align: 8}

The kinds of payload are the classes of :mod:`dyncrit.schema.layout`, in lower case.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn

from dyncrit.errors import SchemaError
from dyncrit.schema.images import IMG_COMMON, IMG_SERVICE
from dyncrit.schema.layout import (
    Array,
    Counted,
    FieldNumber,
    ImageType,
    Parts,
    PayloadLayout,
    RecordLayout,
    Rest,
    Submessages,
)

if TYPE_CHECKING:
    from pathlib import Path

_HEADS = ("none", "common", "service")


def read_overlay(path: Path) -> tuple[ImageType, ...]:
    """The rows in the YAML file ``path``. Raises SchemaError with the row and key that is wrong."""
    import yaml

    try:
        rows = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise SchemaError(error.strerror or str(error), str(path)) from error
    except (yaml.YAMLError, ValueError, KeyError, RecursionError) as error:
        raise SchemaError(f"not a YAML file: {' '.join(str(error).split())}", str(path)) from error
    if not isinstance(rows, list):
        raise SchemaError(f"expected a list of rows, found {_describe(rows)}", str(path))
    types = tuple(_image_type(_Node(row, (str(path), _row(index, row)))) for index, row in enumerate(rows))
    _refuse_doubles(types, str(path))
    return types


def _row(index: int, row: object) -> str:
    """How errors call a row: by its number, counted from 0 as entries are, and its name if it has one."""
    name = row.get("name") if isinstance(row, Mapping) else None
    return f"row {index} ({name})" if isinstance(name, str) else f"row {index}"


def _refuse_doubles(types: tuple[ImageType, ...], place: str) -> None:
    names: list[object] = [row.name for row in types]
    magics: list[object] = [row.magic for row in types if row.magic is not None]
    for values, shown in ((names, "{}"), (magics, "{:#x}")):
        if double := next((value for value in values if values.count(value) > 1), None):
            raise SchemaError(f"two rows have {shown.format(double)}", place)


def _image_type(node: _Node) -> ImageType:
    node.check_keys("name", "magic", "records", "files", "head", "aliases", "length_size")
    head = node.text("head", "common")
    if head not in _HEADS:
        node.fail(f"head is one of {', '.join(_HEADS)}, not {head!r}")
    length_size = node.number("length_size", 4)
    if length_size not in (4, 8):
        node.fail(f"length_size is 4 or 8, not {length_size}")
    magic = node.number("magic") if "magic" in node.value else None
    if magic in (0, IMG_COMMON, IMG_SERVICE):
        node.fail(f"magic {magic:#x} is no image type's")
    return ImageType(
        name=node.text("name"),
        magic=magic,
        records=tuple(_record(item) for item in node.items("records")),
        files=tuple(node.texts("files")),
        head=head,  # type: ignore[arg-type]  # checked above
        aliases=tuple(node.texts("aliases")),
        length_size=length_size,
    )


def _record(node: _Node) -> RecordLayout:
    node.check_keys("message", "payload", "counted")
    payload, counted = node.child("payload"), node.value.get("counted", True)
    if not isinstance(counted, bool):
        node.fail(f"counted is true or false, not {_describe(counted)}")
    return RecordLayout(node.text("message"), _payload(payload) if payload else None, counted)


def _payload(node: _Node) -> PayloadLayout:
    kind = node.text("kind")
    if kind not in _PAYLOADS:
        node.fail(f"no payload kind {kind!r}; there are {', '.join(_PAYLOADS)}")
    return _PAYLOADS[kind](node)


def _counted(node: _Node) -> Counted:
    node.check_keys("kind", "lengths", "align", "unless")
    return Counted(tuple(_field(item) for item in node.items("lengths")), node.align(), _unless(node))


def _parts(node: _Node) -> Parts:
    node.check_keys("kind", "parts")
    return Parts(tuple((item.text("part"), _field(item, "part")) for item in node.items("parts")))


def _rest(node: _Node) -> Rest:
    node.check_keys("kind", "unless")
    return Rest(_unless(node))


def _array(node: _Node) -> Array:
    node.check_keys("kind", "count", "width", "align")
    width = node.number("width")
    if width not in (1, 2, 4, 8):
        node.fail(f"width is 1, 2, 4 or 8 bytes, not {width}")
    return Array(_field(node.required("count")), width, node.align())


def _submessages(node: _Node) -> Submessages:
    node.check_keys("kind", "count", "message", "length", "align")
    return Submessages(
        _field(node.required("count")), node.text("message"), _field(node.required("length")), node.align()
    )


def _unless(node: _Node) -> FieldNumber | None:
    child = node.child("unless")
    return _field(child) if child else None


def _field(node: _Node, *more_keys: str) -> FieldNumber:
    node.check_keys("name", "number", *more_keys)
    number = node.number("number")
    if not 1 <= number < 1 << 29:
        node.fail(f"number is a field's, from 1 to {(1 << 29) - 1}, not {number}")
    return FieldNumber(node.text("name"), number)


_PAYLOADS: Mapping[str, Callable[[_Node], PayloadLayout]] = {
    "counted": _counted,
    "parts": _parts,
    "rest": _rest,
    "array": _array,
    "submessages": _submessages,
}


class _Node:
    """A mapping in the file, with the place it stands in."""

    def __init__(self, value: object, place: tuple[str, ...]) -> None:
        self.place = place
        if not isinstance(value, Mapping):
            self.fail(f"expected keys and values, found {_describe(value)}")
        self.value: Mapping[object, object] = value

    def fail(self, problem: str) -> NoReturn:
        raise SchemaError(problem, *self.place)

    def check_keys(self, *known: str) -> None:
        for key in self.value:
            if key not in known:
                self.fail(f"no key {key!r} here; there are {', '.join(known)}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.value.get(key, default)
        if not isinstance(value, str) or not value:
            self.fail(f"{key} is a name, not {_describe(value)}")
        return value

    def texts(self, key: str) -> list[str]:
        value = self.value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(f"{key} is a list of names, not {_describe(value)}")
        return value

    def number(self, key: str, default: int | None = None) -> int:
        value = self.value.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 32:
            self.fail(f"{key} is a number from 0 to 0xffffffff, not {_describe(value)}")
        return value

    def align(self) -> int:
        value = self.number("align", 1)
        if not 1 <= value <= 4096:
            self.fail(f"align is a number of bytes from 1 to 4096, not {value}")
        return value

    def items(self, key: str) -> list[_Node]:
        value = self.value.get(key)
        if not isinstance(value, list) or not value:
            self.fail(f"{key} is a list with one item or more, not {_describe(value)}")
        return [_Node(item, (*self.place, f"{key}[{index}]")) for index, item in enumerate(value)]

    def child(self, key: str) -> _Node | None:
        return _Node(self.value[key], (*self.place, key)) if key in self.value else None

    def required(self, key: str) -> _Node:
        return self.child(key) or self.fail(f"{key} is missing")


def _describe(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {reprlib.repr(value)}"
