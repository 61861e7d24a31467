"""A dictionary for AFL++ and libFuzzer: the bytes that mean something to a reader of images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, get_args

from dyncrit.codec import wire
from dyncrit.codec.framing import default_framing, write_head
from dyncrit.codec.scalars import SCALARS
from dyncrit.fuzz.generate.images import known_types
from dyncrit.fuzz.generate.words import names
from dyncrit.fuzz.interesting import INTEGERS, NOT_UTF8, TEXTS
from dyncrit.schema.engine import is_repeated
from dyncrit.types import ByteOrder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import Descriptor

    from dyncrit.schema import Schema

MAX_TOKEN = 128
"""The most bytes of a token; AFL++ refuses a dictionary with a longer one (MAX_DICT_FILE of its config.h)."""

_ORDERS: tuple[ByteOrder, ...] = get_args(ByteOrder)
_PLAIN = re.compile(rb"[ -~]")


class Token(NamedTuple):
    """Some bytes, and a name for them: of letters, digits and underscores."""

    name: str
    data: bytes


def dictionary(schema: Schema) -> list[Token]:
    """The tokens of a schema, each once, none empty: magics, heads, tags, integers, texts."""
    found: dict[bytes, Token] = {}
    for token in (*_heads(schema), *_tags(schema), *_integers(), *_texts()):
        if 0 < len(token.data) <= MAX_TOKEN:
            found.setdefault(token.data, token)
    return list(found.values())


def show_dictionary(tokens: Iterable[Token]) -> str:
    r"""A dictionary as a file has it, a token a line.

    >>> print(show_dictionary([Token("magic", b"A\x00")]), end="")
    magic="A\x00"
    """
    return "".join(f'{token.name}="{_escaped(token.data)}"\n' for token in tokens)


def _escaped(data: bytes) -> str:
    r"""Printable ASCII as it is, but quotes and backslashes; all else as ``\xNN``."""
    return "".join(
        chr(byte) if _PLAIN.match(bytes((byte,))) and byte not in b'"\\' else f"\\x{byte:02x}"
        for byte in data
    )


def _heads(schema: Schema) -> Iterator[Token]:
    for row in known_types(schema):
        for order in _ORDERS if row.magic is not None else ():
            yield Token(f"magic_{row.name}_{order}", write_head(row, order, "v1.0"))
            head = write_head(row, order, default_framing(row))
            yield Token(f"head_{row.name}_{order}", head)


def _tags(schema: Schema) -> Iterator[Token]:
    """The tags of all fields of all messages in images; one of each number and wire type."""
    for number, kind in sorted({tag for message in _messages(schema) for tag in _tags_of(message)}):
        yield Token(f"tag_{number}_{kind}", wire.varint(number << 3 | kind))


def _tags_of(message: Descriptor) -> Iterator[tuple[int, int]]:
    for field in message.fields:
        kind = SCALARS[field.type].wire_type
        yield field.number, kind
        if kind == wire.START_GROUP:
            yield field.number, wire.END_GROUP
        elif kind != wire.LENGTH and is_repeated(field):
            yield field.number, wire.LENGTH  # packed


def _messages(schema: Schema) -> Iterator[Descriptor]:
    """The types of all records, and of all messages in them."""
    names_of_records = {name for row in known_types(schema) for name in row.messages}
    waiting = [found for name in sorted(names_of_records) if (found := schema.message(name)) is not None]
    seen = {message.full_name for message in waiting}
    while waiting:
        message = waiting.pop()
        yield message
        for field in message.fields:
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type)


def _integers() -> Iterator[Token]:
    """Each as a varint, and in the bytes of lengths and fixed fields, in both byte orders."""
    for value in INTEGERS:
        yield Token(f"varint_{value:x}", wire.varint(value))
        size = 4 if value < 1 << 32 else 8
        for order in _ORDERS:
            yield Token(f"u{8 * size}_{order}_{value:x}", value.to_bytes(size, order))


def _texts() -> Iterator[Token]:
    kinds = (("text", TEXTS), ("not_utf8", NOT_UTF8), ("name", [name.encode() for name in names()]))
    for kind, texts in kinds:
        for index, text in enumerate(texts):
            yield Token(f"{kind}_{index}", text)
