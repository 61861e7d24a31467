"""Fields that the schema doesn't know, as a document shows them under ``"@unknown"``.

Each is an object with the field's number and one key that tells how it stands on the wire: ``varint``,
``fixed32``, ``fixed64``, ``group`` (``group_bytes``, where it is too deep or too long to be shown), or for a
length ``text``, ``message`` or ``bytes``, whichever it reads as. ``at`` counts the known fields before it,
and is left out for fields behind all known ones.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

from dyncrit.codec import wire
from dyncrit.codec.render import parse_base64
from dyncrit.errors import DocumentError, ImageError, describe

if TYPE_CHECKING:
    from dyncrit.types import JsonObject

KEY = "@unknown"

MAX_FIELDS = 1 << 16
"""How many unknown fields of one message are shown; a message with more is shown as its bytes."""

_GUESS_DEPTH = 12
_GUESS_SIZE = 1 << 16
_WIRE_KEYS = {
    "varint": wire.VARINT,
    "fixed32": wire.FIXED32,
    "fixed64": wire.FIXED64,
    "text": wire.LENGTH,
    "message": wire.LENGTH,
    "bytes": wire.LENGTH,
    "group": wire.START_GROUP,
    "group_bytes": wire.START_GROUP,
}


def show_field(field: wire.WireField, depth: int = 0) -> JsonObject:
    """The object for one unknown field."""
    value = field.value
    if isinstance(value, int):
        key = {wire.VARINT: "varint", wire.FIXED32: "fixed32", wire.FIXED64: "fixed64"}[field.wire_type]
        return {"field": field.number, key: value}
    if field.wire_type == wire.START_GROUP:
        if _is_too_much(value, depth):
            return {"field": field.number, "group_bytes": _base64(value)}
        return {
            "field": field.number,
            "group": [show_field(item, depth + 1) for item in wire.fields(value, depth + 1)],
        }
    return {"field": field.number, **_show_length(value, depth + 1)}


def parse_field(item: object, path: str, depth: int = 0) -> tuple[bytes, int | None]:
    """The wire bytes of an object that :func:`show_field` made, and its ``at``.

    Raises DocumentError at ``path`` for anything else.
    """
    if not isinstance(item, dict):
        raise DocumentError(f"expected an object with field and value, found {describe(item)}", path)
    keys = [key for key in item if key in _WIRE_KEYS]
    number, at = item.get("field"), item.get("at")
    if len(keys) != 1 or set(item) - {"field", "at", keys[0]}:
        raise DocumentError(f"expected field, at, and one of {', '.join(_WIRE_KEYS)}", path)
    if type(number) is not int or not 1 <= number < 1 << 29:
        raise DocumentError(f"field is a number from 1 to {(1 << 29) - 1}, not {describe(number)}", path)
    if at is not None and (type(at) is not int or at < 0):
        raise DocumentError(f"at counts fields from 0, it can't be {describe(at)}", path)
    value = _parse_value(keys[0], item[keys[0]], f"{path}.{keys[0]}", depth)
    return wire.encode_field(number, _WIRE_KEYS[keys[0]], value), at


def parse_fields(items: list[JsonObject], depth: int = 0) -> bytes:
    """The wire bytes of objects that :func:`show_field` made."""
    return b"".join(parse_field(item, KEY, depth)[0] for item in items)


def _show_length(value: bytes, depth: int) -> JsonObject:
    """What a length-delimited field most likely is; encoding gives the same bytes whatever is chosen."""
    if text := _printable(value):
        return {"text": text}
    if value and not _is_too_much(value, depth):
        try:
            items = list(wire.fields(value, depth))
            if all(_is_canonical(item, value, depth) for item in items):
                return {"message": [show_field(item, depth) for item in items]}
        except ImageError:
            pass
    return {"bytes": _base64(value)}


def _is_canonical(field: wire.WireField, data: bytes, depth: int) -> bool:
    """Whether encoding what is shown of a field gives the bytes that it has in ``data``.

    What is shown of the content of a length always does.
    """
    if wire.encode_field(field.number, field.wire_type, field.value) != data[field.start : field.end]:
        return False
    value = field.value
    if field.wire_type != wire.START_GROUP or isinstance(value, int) or _is_too_much(value, depth):
        return True
    return all(_is_canonical(item, value, depth + 1) for item in wire.fields(value, depth + 1))


def _is_too_much(value: bytes, depth: int) -> bool:
    """Whether fields within fields are no longer looked into: each level is read once more for each above."""
    return depth >= _GUESS_DEPTH or len(value) > _GUESS_SIZE


def _base64(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def _check_group(content: bytes, path: str, depth: int) -> None:
    """See to it that a group ends where its content does."""
    try:
        for _ in wire.fields(content, depth + 1):
            pass
    except ImageError as error:
        raise DocumentError(f"no content of a group: {error}", path) from error


def _printable(value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


def _parse_value(key: str, value: Any, path: str, depth: int) -> int | bytes:
    if depth > wire.MAX_DEPTH:
        raise DocumentError(f"messages nested deeper than {wire.MAX_DEPTH}", path)
    if key in ("group", "message"):
        if not isinstance(value, list):
            raise DocumentError(f"expected a list of fields, found {describe(value)}", path)
        return b"".join(parse_field(item, f"{path}[{i}]", depth + 1)[0] for i, item in enumerate(value))
    if key in ("text", "bytes", "group_bytes"):
        if not isinstance(value, str):
            raise DocumentError(f"expected a string, found {describe(value)}", path)
        try:
            content = value.encode("utf-8", "surrogateescape") if key == "text" else parse_base64(value)
        except ValueError as error:
            raise DocumentError(str(error) if key == "text" else f"bad base64: {error}", path) from error
        if key == "group_bytes":
            _check_group(content, path, depth)
        return content
    limit = 1 << (32 if key == "fixed32" else 64)
    if type(value) is not int or not 0 <= value < limit:
        raise DocumentError(f"expected an integer from 0 to {limit - 1}, found {describe(value)}", path)
    return value
