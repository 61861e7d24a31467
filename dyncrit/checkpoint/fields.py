"""Fields of messages, read without asking whether the schema of the moment knows them.

A schema of an older release lacks fields that today's has; and protobuf gives text that isn't UTF-8 as bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dyncrit.codec import wire
from dyncrit.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dyncrit.types import DynamicMessage


def is_set(message: DynamicMessage, name: str) -> bool:
    """Whether the schema knows a field and the message has it; for repeated fields, at least once."""
    if name not in message.DESCRIPTOR.fields_by_name:
        return False
    try:
        return message.HasField(name)
    except ValueError:  # a repeated field
        return len(getattr(message, name)) > 0


def optional(message: DynamicMessage, name: str) -> Any | None:
    """The value of a field that is no text, or None where it isn't set."""
    return getattr(message, name) if is_set(message, name) else None


def number(message: DynamicMessage, name: str, default: int = 0) -> int:
    """The value of a number or a flag; ``default`` where it isn't set."""
    value = optional(message, name)
    return default if value is None else int(value)


def text(message: DynamicMessage, name: str) -> str:
    """The value of a text field, "" where it isn't set; bytes that aren't UTF-8 as surrogate escapes."""
    value = getattr(message, name, "")
    return decode(value) if isinstance(value, bytes) else str(value)


def set_text(message: DynamicMessage, name: str, value: str) -> None:
    """Set a text field; surrogate escapes become the bytes that they stand for.

    protobuf takes no text that isn't UTF-8 from Python, but reads it from the wire. Raises DocumentError for
    other lone surrogates, which stand for nothing.
    """
    try:
        setattr(message, name, value)
    except ValueError:  # UnicodeEncodeError, or what protobuf in pure Python makes of it
        number = message.DESCRIPTOR.fields_by_name[name].number
        try:
            data = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise DocumentError(f"no text: {value[:60]!a} has lone surrogates in it", name) from None
        message.MergeFromString(wire.encode_field(number, wire.LENGTH, data))


def enum_names(descriptor: Any, field: str) -> dict[int, str]:
    """The names of the values that a message's field of an enum type can have, by number."""
    found = descriptor.fields_by_name.get(field)
    values = found.enum_type.values if found is not None and found.enum_type is not None else ()
    return {value.number: value.name for value in values}


def items(message: DynamicMessage, name: str) -> Sequence[Any]:
    """The values of a repeated field; none where the schema doesn't know it."""
    return getattr(message, name, ())


def decode(value: bytes) -> str:
    """Bytes as text; those that aren't UTF-8 as surrogate escapes, as in documents."""
    return value.decode("utf-8", "surrogateescape")
