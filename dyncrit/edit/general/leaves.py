"""The values in an entry that can be searched: each field's, with its path, and those of the payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dyncrit.codec import unknown
from dyncrit.codec.extra import KEY, OTHER_KEY
from dyncrit.codec.payload import Submessage
from dyncrit.codec.render import parse_base64
from dyncrit.codec.walk import BYTES_KEY
from dyncrit.edit.general.shapes import message_plan
from dyncrit.schema.layout import Submessages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.codec.message import Codecs
    from dyncrit.codec.payload import Content
    from dyncrit.codec.plan import FieldPlan, MessagePlan, Planner
    from dyncrit.codec.reader import ReadEntry
    from dyncrit.types import Json, JsonObject


class Leaf(NamedTuple):
    """A value at a path, and the ``name`` of the field that it is of.

    ``contents`` are the texts, and the bytes, that it is searched as; a message has none, as its fields are
    leaves of their own. ``value`` is what it is in a document.
    """

    path: str
    name: str
    value: Json
    contents: tuple[str | Content, ...] = ()


def entry_leaves(item: ReadEntry, codecs: Codecs, planner: Planner) -> Iterator[Leaf]:
    """The leaves of an entry, in the style that the others have. Raises ImageError if it is damaged."""
    plan = message_plan(planner, codecs.schema, item.layout.message)
    document = codecs.codec(item.layout.message).decode(item.record)
    yield from _message_leaves(plan, document, "")
    if item.payload is not None:
        key = OTHER_KEY if KEY in document else KEY
        yield from _payload_leaves(item, key, codecs, planner)


def _message_leaves(plan: MessagePlan, document: JsonObject, path: str) -> Iterator[Leaf]:
    for name, value in document.items():
        below = f"{path}{name}"
        if field := plan.by_name.get(name):
            yield from _field_leaves(field, value, below)
        elif name == unknown.KEY:
            yield from _unknown_leaves(value, below)
        elif len(document) == 1:  # the bytes that stand for a whole record
            yield Leaf(below, BYTES_KEY, value, (parse_base64(value),))


def _field_leaves(field: FieldPlan, value: Json, path: str) -> Iterator[Leaf]:
    if not field.repeated:
        yield from _item_leaves(field, value, path)
        return
    assert isinstance(value, list)  # noqa: S101 (of a repeated field)
    for index, item in enumerate(value):
        yield from _item_leaves(field, item, f"{path}[{index}]")


def _item_leaves(field: FieldPlan, value: Json, path: str) -> Iterator[Leaf]:
    if field.message is not None:
        assert isinstance(value, dict)  # noqa: S101 (of a message)
        yield Leaf(path, field.name, value)
        yield from _message_leaves(field.message, value, f"{path}.")
    else:
        yield Leaf(path, field.name, value, _contents(field, value))


def _contents(field: FieldPlan, value: Json) -> tuple[str | Content, ...]:
    """What a scalar is searched as."""
    kind = field.scalar.python_type
    if not isinstance(value, str):
        return (str(value).lower() if isinstance(value, bool) else str(value),)
    if kind is bytes and field.parse:
        content = field.parse(value)
        return (value, content) if field.show_loses else (content,)
    if kind is int and field.names is None:
        return (value, *map(str, _numbers(field, value)))
    return (value,)


def _numbers(field: FieldPlan, shown: str) -> list[int]:
    """What is shown in another way, as numbers; an address of several of them has none of its own."""
    if field.parse_list and ("." in shown or ":" in shown):
        numbers = field.parse_list(shown)
        return numbers if len(numbers) == 1 else []
    return [field.parse(shown)] if field.parse else []


def _unknown_leaves(value: Any, path: str) -> Iterator[Leaf]:
    """The leaves of fields that the schema doesn't know."""
    for index, item in enumerate(value):
        below = f"{path}[{index}]"
        for name, content in item.items():
            if name in ("message", "group"):
                yield from _unknown_leaves(content, f"{below}.{name}")
            elif name == "bytes":
                yield Leaf(f"{below}.{name}", unknown.KEY, content, (parse_base64(content),))
            elif name not in ("field", "at"):
                yield Leaf(f"{below}.{name}", unknown.KEY, content, (str(content),))


def _payload_leaves(item: ReadEntry, key: str, codecs: Codecs, planner: Planner) -> Iterator[Leaf]:
    assert item.payload is not None  # noqa: S101 (the caller looked)
    value = item.payload.value
    if isinstance(value, dict):
        for name, content in value.items():
            yield Leaf(f"{key}.{name}", name, None, (content,))
    elif not isinstance(value, list):
        yield Leaf(key, key, None, (value,))
    elif isinstance(item.layout.payload, Submessages):
        message = item.layout.payload.message
        plan = message_plan(planner, codecs.schema, message)
        for index, part in enumerate(value):
            assert isinstance(part, Submessage)  # noqa: S101 (of this layout)
            document = codecs.codec(message).decode(part.record)
            yield from _message_leaves(plan, document, f"{key}[{2 * index}].")
            yield Leaf(f"{key}[{2 * index + 1}]", key, None, (part.data,))
    else:
        for index, number in enumerate(value):
            yield Leaf(f"{key}[{index}]", key, None, (str(number),))
