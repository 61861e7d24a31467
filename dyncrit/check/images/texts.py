"""The texts in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

_STRING = 9  # TYPE_STRING of google/protobuf/descriptor.proto


class TextFinder:
    """Finds the texts in messages of one type; it looks only at fields that can have any in them."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._with_texts = _types_with_texts(descriptor)
        self._fields: dict[str, dict[int, bool]] = {}
        self.finds_any = bool(self._wanted(descriptor))
        """Whether messages of the type can have texts at all."""

    def texts(self, message: Any, path: str = "") -> Iterator[tuple[str, str | bytes]]:
        """Each text with the path of its field; bytes where it isn't UTF-8."""
        wanted = self._wanted(message.DESCRIPTOR)
        for field, value in message.ListFields() if wanted else ():
            is_text = wanted.get(field.number)
            if is_text is None:
                continue
            many = not isinstance(value, str | bytes) and not hasattr(value, "ListFields")
            for index, item in enumerate(value if many else (value,)):
                place = f"{path}{field.name}[{index}]" if many else f"{path}{field.name}"
                if is_text:
                    yield place, item
                else:
                    yield from self.texts(item, f"{place}.")

    def _wanted(self, descriptor: Descriptor) -> dict[int, bool]:
        """The numbers of fields that are texts (true) or messages that can have some (false)."""
        name = descriptor.full_name
        if name not in self._fields:
            self._fields[name] = {
                field.number: field.type == _STRING
                for field in descriptor.fields
                if field.type == _STRING
                or (field.message_type is not None and field.message_type.full_name in self._with_texts)
            }
        return self._fields[name]


def _types_with_texts(descriptor: Descriptor) -> set[str]:
    """The names of the message types, of all within a type, that have texts in them however deep."""
    users: dict[str, set[str]] = {}
    found: set[str] = set()
    todo, seen = [descriptor], {descriptor.full_name}
    while todo:
        item = todo.pop()
        for field in item.fields:
            if field.type == _STRING:
                found.add(item.full_name)
            elif field.message_type is not None:
                users.setdefault(field.message_type.full_name, set()).add(item.full_name)
                if field.message_type.full_name not in seen:
                    seen.add(field.message_type.full_name)
                    todo.append(field.message_type)
    spreading = list(found)
    while spreading:
        new = users.get(spreading.pop(), set()) - found
        found |= new
        spreading += new
    return found
