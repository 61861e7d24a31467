"""The catalogue's releases, and what became of a message, a field or an enum from one to the next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from dyncrit.errors import SchemaError, did_you_mean
from dyncrit.schema.catalogue import OLD_MESSAGE_NAMES, OLD_MESSAGE_NAMES_UNTIL, history
from dyncrit.schema.differences import Difference, FieldFacts, field_differences, value_differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.schema.catalogue import EnumHistory, FieldRow, MessageHistory, ValueRow
    from dyncrit.types import JsonObject


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the catalogue: its date (ISO) if known, and how much its schema has."""

    name: str
    date: str | None
    messages: int
    fields: int
    new_messages: int
    new_fields: int

    def to_dict(self) -> JsonObject:
        """The release as JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something was there; ``last`` is None where the newest release has it."""

    first: str
    last: str | None = None


@dataclass(frozen=True, slots=True)
class NameSpan:
    """A name that a message or field had, and when; for a field with its number."""

    name: str
    span: Span
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What the catalogue knows of a message, a field or an enum.

    ``names`` are all it had, in order; ``changes`` are by release, in order.
    """

    kind: str
    name: str
    file: str
    span: Span
    names: tuple[NameSpan, ...]
    changes: tuple[tuple[str, Difference], ...]

    def to_dict(self) -> JsonObject:
        """The trace as JSON has it; ``last`` is null where the newest release has it."""
        by_release = groupby(self.changes, key=lambda item: item[0])
        return {
            "kind": self.kind,
            "name": self.name,
            "file": self.file,
            "first": self.span.first,
            "last": self.span.last,
            "names": [
                {"name": row.name, "first": row.span.first, "last": row.span.last}
                | ({} if row.number is None else {"number": row.number})
                for row in self.names
            ],
            "changes": [
                {"release": release, "differences": [difference.to_dict() for _, difference in items]}
                for release, items in by_release
            ],
        }


def releases() -> list[Release]:
    """All releases of the catalogue, the oldest first."""
    known = history()
    order = _order()
    rows = [(message, row) for message in known.messages.values() for row in message.fields]
    numbers = {(message.name, row.number) for message, row in rows}
    first = {key: len(order) for key in numbers}
    for message, row in rows:
        key = (message.name, row.number)
        first[key] = min(first[key], order[row.first])
    starts = [order[message.first] for message in known.messages.values()]
    return [
        Release(
            name,
            known.dates.get(name),
            sum(start <= index for start in starts),
            sum(_has(row, index) for _, row in rows),
            starts.count(index),
            list(first.values()).count(index),
        )
        for index, name in enumerate(known.releases)
    ]


def trace(name: str) -> Trace:
    """What became of ``name``: a message, ``message.field``, or an enum (``core_entry.march``).

    A name that was given up is found by the later one and by itself. Raises SchemaError, with the nearest
    name, where the catalogue has none.
    """
    known = history()
    wanted = _later_name(name)
    if wanted in known.messages:
        return _trace_message(known.messages[wanted])
    if wanted in known.enums:
        return _trace_enum(known.enums[wanted])
    message, dot, field = name.rpartition(".")
    owner = _later_name(message)
    if dot and owner in known.messages:
        return _trace_field(known.messages[owner], field)
    names = [*known.messages, *OLD_MESSAGE_NAMES.values(), *known.enums]
    hint = did_you_mean(message or name, names)
    raise SchemaError(f"no message or enum {message or name!r} in the catalogue{hint}")


def since(message: str, number: int) -> tuple[str, tuple[str, ...]] | None:
    """The first release with a field, and the other names that it had; None where the catalogue lacks it."""
    known = history().messages.get(_later_name(message))
    rows = [row for row in known.fields if row.number == number] if known else []
    if not rows:
        return None
    return min((row.first for row in rows), key=_order().__getitem__), tuple(
        dict.fromkeys(row.name for row in rows)
    )


def message_since(message: str) -> str | None:
    """The first release with a message; None where the catalogue lacks it."""
    known = history().messages.get(_later_name(message))
    return known.first if known else None


@cache
def _order() -> dict[str, int]:
    return {name: index for index, name in enumerate(history().releases)}


def _later_name(message: str) -> str:
    return next((new for new, old in OLD_MESSAGE_NAMES.items() if old == message), message)


def _has(row: FieldRow | ValueRow, index: int) -> bool:
    order = _order()
    return order[row.first] <= index and (row.last is None or index <= order[row.last])


def _trace_message(message: MessageHistory) -> Trace:
    order = _order()
    old_name = OLD_MESSAGE_NAMES.get(message.name)
    names: tuple[NameSpan, ...] = (NameSpan(message.name, Span(message.first)),)
    changes: list[tuple[str, Difference]] = [
        (message.first, Difference("message", "added", old_name or message.name, after=message.file)),
        *_field_changes(message.name, message.fields),
    ]
    if old_name:
        renamed = history().releases[order[OLD_MESSAGE_NAMES_UNTIL] + 1]
        until = Span(message.first, OLD_MESSAGE_NAMES_UNTIL)
        names = (NameSpan(old_name, until), NameSpan(message.name, Span(renamed)))
        changes.append((renamed, Difference("message", "renamed", message.name, old_name, message.name)))
    changes.sort(key=lambda item: order[item[0]])
    return Trace("message", message.name, message.file, Span(message.first), names, tuple(changes))


def _trace_field(message: MessageHistory, name: str) -> Trace:
    """All numbers that ever had the name count: a name can move to another field (``nr_pages`` in 4.2)."""
    numbers = {row.number for row in message.fields if row.name == name}
    if not numbers:
        hint = did_you_mean(name, {row.name for row in message.fields})
        raise SchemaError(f"no field {name!r} in {message.name} of any release{hint}")
    rows = [row for row in message.fields if row.number in numbers]
    order = _order()
    ordered = sorted(rows, key=lambda row: (order[row.first], row.number))
    first = ordered[0].first
    open_ended = any(row.last is None for row in rows)
    last = None if open_ended else max((row.last or "" for row in rows), key=order.__getitem__)
    names = _name_spans(ordered)
    changes = sorted(_field_changes(message.name, rows), key=lambda item: order[item[0]])
    return Trace(
        "field", f"{message.name}.{name}", message.file, Span(first, last), tuple(names), tuple(changes)
    )


def _name_spans(rows: Iterable[FieldRow]) -> Iterator[NameSpan]:
    """Each name of each number, with the releases from its first form to its last."""
    forms: dict[tuple[int, str], list[FieldRow]] = {}
    for row in rows:
        forms.setdefault((row.number, row.name), []).append(row)
    for (number, name), group in forms.items():
        yield NameSpan(name, Span(group[0].first, group[-1].last), number)


def _trace_enum(enum: EnumHistory) -> Trace:
    order = _order()
    first = min((row.first for row in enum.values), key=order.__getitem__)
    changes: list[tuple[str, Difference]] = [
        (first, Difference("enum", "added", enum.name, after=enum.file or "in its message"))
    ]
    for index, release in _turns(enum.values):
        before, after = (
            frozenset((row.number, row.name) for row in enum.values if _has(row, at))
            for at in (index - 1, index)
        )
        changes += ((release, difference) for difference in value_differences(enum.name, before, after))
    span = Span(first)
    return Trace("enum", enum.name, enum.file, span, (NameSpan(enum.name, span),), tuple(changes))


def _field_changes(message: str, rows: Iterable[FieldRow]) -> Iterator[tuple[str, Difference]]:
    rows = tuple(rows)
    for index, release in _turns(rows):
        before, after = (
            {row.number: _facts(row) for row in rows if _has(row, at)} for at in (index - 1, index)
        )
        for difference in field_differences(message, before, after):
            yield release, difference


def _turns(rows: Iterable[FieldRow | ValueRow]) -> list[tuple[int, str]]:
    """The releases at which any of the rows begins, or the one before ended."""
    order, names = _order(), history().releases
    turns = set()
    for row in rows:
        turns.add(order[row.first])
        if row.last is not None:
            turns.add(order[row.last] + 1)
    return [(index, names[index]) for index in sorted(turns)]


def _facts(row: FieldRow) -> FieldFacts:
    return FieldFacts(row.number, row.name, row.label, row.type, row.options)
