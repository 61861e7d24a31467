"""The keys of a document beside its entries: the magic, and how the frame differs from today's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from dyncrit.codec.framing import Frame, Framing, default_framing, lone_message_type
from dyncrit.errors import DocumentError, describe, did_you_mean
from dyncrit.types import ByteOrder

if TYPE_CHECKING:
    from dyncrit.schema import ImageTable, ImageType
    from dyncrit.types import JsonObject

MAGIC_KEY = "magic"
ENTRIES_KEY = "entries"
_FRAMING_KEY = "@framing"
_BYTE_ORDER_KEY = "@byte_order"
_MESSAGE_KEY = "@message"
_KEYS = (MAGIC_KEY, _FRAMING_KEY, _BYTE_ORDER_KEY, _MESSAGE_KEY)


def show_header(frame: Frame, as_message: str = "") -> JsonObject:
    """The header of a document; keys with an @ only where they aren't the default.

    >>> from dyncrit.schema import ImageTable
    >>> show_header(Frame(ImageTable().by_name("CORE"), "big", "v1.0"))
    {'magic': 'CORE', '@framing': 'v1.0', '@byte_order': 'big'}
    """
    header: JsonObject = {MAGIC_KEY: frame.image_type.name}
    if not frame.is_default:
        header[_FRAMING_KEY] = frame.framing
    if frame.byte_order != "little":
        header[_BYTE_ORDER_KEY] = frame.byte_order
    if as_message:
        header[_MESSAGE_KEY] = as_message
    return header


def parse_header(header: JsonObject, table: ImageTable) -> tuple[Frame, str]:
    """The frame that a header describes, and the message named in it or nothing.

    Raises DocumentError for a magic that isn't in the table, and for keys that no header has.
    """
    for key in header:
        if key not in _KEYS:
            hint = did_you_mean(key, (*_KEYS, ENTRIES_KEY))
            raise DocumentError(f"a document has no key {key!r:.60}{hint}")
    as_message = _text(header, _MESSAGE_KEY, "")
    image_type = _image_type(header, table, as_message)
    framing = _choice(header, _FRAMING_KEY, Framing, default_framing(image_type))
    return Frame(image_type, _choice(header, _BYTE_ORDER_KEY, ByteOrder, "little"), framing), as_message


def _image_type(header: JsonObject, table: ImageTable, as_message: str) -> ImageType:
    if MAGIC_KEY not in header:
        raise DocumentError(
            'no "magic" in it: expected a document as `dyncrit decode` or `crit decode` writes it'
        )
    name = header[MAGIC_KEY]
    if name == "" and as_message:
        return lone_message_type(as_message)
    if not isinstance(name, str):
        raise DocumentError(f"expected the name of an image type, found {describe(name)}", MAGIC_KEY)
    if image_type := table.by_name(name):
        return image_type
    hint = did_you_mean(name, table.names) or "; --proto-dir or --table may know it"
    raise DocumentError(f"no image type {name!r:.60} in the image table{hint}", MAGIC_KEY)


def _text(header: JsonObject, key: str, default: str) -> str:
    value = header.get(key, default)
    if not isinstance(value, str):
        raise DocumentError(f"expected a string, found {describe(value)}", key)
    return value


def _choice(header: JsonObject, key: str, choices: Any, default: str) -> Any:
    value = _text(header, key, default)
    if value not in get_args(choices):
        raise DocumentError(f"expected one of {', '.join(get_args(choices))}, found {describe(value)}", key)
    return value
