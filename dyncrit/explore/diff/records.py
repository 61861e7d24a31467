"""Things with fields, matched by key: which appeared, which are gone, and what changed of the others."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.types import Json, JsonObject


class Record(NamedTuple):
    """A thing to compare: what it is shown by, and the fields that may change."""

    label: JsonObject
    fields: JsonObject


@dataclass(frozen=True, slots=True)
class Changes:
    """What is only in the checkpoint behind, only in the one before, and in both but not alike.

    Each is shown by its label; a changed one has ``fields`` too: "before" and "after" by the field's name.
    """

    appeared: list[JsonObject]
    gone: list[JsonObject]
    changed: list[JsonObject]

    def __bool__(self) -> bool:
        return bool(self.appeared or self.gone or self.changed)

    def to_dict(self) -> JsonObject:
        """The changes as JSON has them."""
        return {"appeared": self.appeared, "gone": self.gone, "changed": self.changed}


Key = TypeVar("Key", bound=Hashable)

NO_CHANGES = Changes([], [], [])


def compare_records(before: Mapping[Key, Record], after: Mapping[Key, Record]) -> Changes:
    """The changes from ``before`` to ``after``; what has the same key is the same thing."""
    changed = []
    for key, record in after.items():
        if key in before and (fields := changed_fields(before[key].fields, record.fields)):
            changed.append({**record.label, "fields": fields})
    return Changes(
        appeared=[record.label for key, record in after.items() if key not in before],
        gone=[record.label for key, record in before.items() if key not in after],
        changed=changed,
    )


def changed_fields(before: JsonObject, after: JsonObject) -> JsonObject:
    """The fields that differ, with both values; those of objects that both have get a path, with dots."""
    return {path: {"before": old, "after": new} for path, old, new in _changed(before, after, "")}


def plain(value: object) -> Json:
    """A value as JSON has it: dataclasses and mappings as objects, tuples and sets as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _changed(before: JsonObject, after: JsonObject, prefix: str) -> Iterator[tuple[str, Json, Json]]:
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changed(old, new, f"{prefix}{name}.")
        elif old != new:
            yield prefix + name, old, new
