"""A schema against a baseline: what changed, and whom it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from dyncrit.findings import Finding
from dyncrit.validate import breaking_rules as rules
from dyncrit.validate.baseline import NOT_IMAGES, PLUGIN_FILES
from dyncrit.validate.header import HEADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.findings import Rule
    from dyncrit.schema.table import ImageTable
    from dyncrit.validate.baseline import Baseline
    from dyncrit.validate.shape import EnumShape, FieldShape, MessageShape, SchemaShape
    from dyncrit.validate.subject import Subject

    Named = TypeVar("Named", MessageShape, EnumShape)

# Types that the wire doesn't tell apart: https://protobuf.dev/programming-guides/proto2/#updating
_SAME_ON_WIRE = (
    frozenset({"int32", "uint32", "int64", "uint64", "bool", "enum"}),
    frozenset({"sint32", "sint64"}),
    frozenset({"fixed32", "sfixed32"}),
    frozenset({"fixed64", "sfixed64"}),
    frozenset({"string", "bytes"}),
)


def breaking_findings(subject: Subject, baseline: Baseline, table: ImageTable) -> Iterator[Finding]:
    """Every difference of a schema from its baseline, by the rules of :mod:`breaking_rules`."""
    new = subject.shape if baseline.covers_all else subject.shape.without(NOT_IMAGES)
    absent = {
        file
        for file in PLUGIN_FILES & baseline.shape.files - new.files
        if not any(place.endswith(f"/{file}") for place in new.files)
    }
    for file in sorted(absent):
        yield Finding.of(rules.PLUGIN_MISSING, f"{file} is not there, and {baseline.name} has it")
    yield from _Comparison(subject, baseline.shape.without(absent), new).findings()
    if baseline.magics is not None and subject.source.header:
        yield from _magics(subject, baseline.magics, table)


class _Comparison:
    """Two shapes, and which messages and enums of the old one go by another name in the new."""

    def __init__(self, subject: Subject, old: SchemaShape, new: SchemaShape) -> None:
        self.subject = subject
        self.old = old
        self.new = new
        self.messages = _renamed(old.messages, new.messages)
        self.enums = _renamed(old.enums, new.enums)

    def findings(self) -> Iterator[Finding]:
        for old_message in self.old.messages.values():
            yield from self._message(old_message)
        for old_enum in self.old.enums.values():
            yield from self._enum(old_enum)
        known = {*self.messages.values(), *self.enums.values()}
        for name, message in self.new.messages.items():
            if name not in self.old.messages and name not in known:
                text = f"{name} is new, with {len(message.fields)} fields"
                yield self.subject.finding(rules.MESSAGE_ADDED, text, message.place)

    def _message(self, old: MessageShape) -> Iterator[Finding]:
        new_name = self.messages.get(old.name, old.name)
        new = self.new.messages.get(new_name)
        if new is None:
            yield self.subject.finding(
                rules.MESSAGE_REMOVED, f"{old.name} is gone", old.place._replace(line=None)
            )
            return
        if new_name != old.name:
            text = f"{old.name} is now called {new_name}; its fields are the same"
            yield self.subject.finding(rules.MESSAGE_RENAMED, text, new.place)
        for item in old.fields.values():
            yield from self._field(old, new, item)
        for item in new.fields.values():
            if item.number not in old.fields:
                yield from self._new_field(old, new, item)

    def _field(self, old: MessageShape, new: MessageShape, item: FieldShape) -> Iterator[Finding]:
        found = new.fields.get(item.number)
        if found is None:
            yield self._missing_field(old, new, item)
            return
        where = f"{new.name}.{found.name} ({found.number})"
        if found.name != item.name:
            same = self._type_rule(item, found) is not rules.FIELD_RETYPED
            if not same or _label_rule(item.label, found.label) is rules.FIELD_LABEL:
                text = f"{new.name}: the number {item.number} was {item.shown!r} and is {found.shown!r}"
                yield self.subject.finding(rules.NUMBER_REUSED, text, found.place)
                return
            other = new.named(item.name)
            moved = f"; {item.name} is another field now ({other.number})" if other else ""
            text = f"{new.name}.{item.name} ({item.number}) is now called {found.name}{moved}"
            yield self.subject.finding(rules.FIELD_RENAMED, text, found.place)
        if rule := self._type_rule(item, found):
            text = f"{where} was of type {item.type} and is of type {found.type}"
            yield self.subject.finding(rule, text, found.place)
        if rule := _label_rule(item.label, found.label):
            text = f"{where} was {item.label} and is {found.label}"
            yield self.subject.finding(rule, text, found.place)
        if item.default != found.default:
            text = f"{where} had the default {item.default or 'none'} and has {found.default or 'none'}"
            yield self.subject.finding(rules.DEFAULT, text, found.place)
        if item.options != found.options:
            text = f"{where} had the (criu) options {_shown(item.options)} and has {_shown(found.options)}"
            yield self.subject.finding(rules.OPTIONS_CHANGED, text, found.place)

    def _missing_field(self, old: MessageShape, new: MessageShape, item: FieldShape) -> Finding:
        moved = new.named(item.name)
        if moved and moved.number not in old.fields:
            text = f"{new.name}.{item.name} had the number {item.number} and has {moved.number}"
            return self.subject.finding(rules.FIELD_RENUMBERED, text, moved.place)
        text = f"{new.name}.{item.name} ({item.number}) is gone; it was {item.shown!r}"
        finding = self.subject.finding(rules.FIELD_REMOVED, text, new.place)
        if new.is_reserved(item.number):
            text = f"{text}; the number is reserved"
            finding = Finding(finding.rule, text, finding.file, finding.line, severity="warning")
        return finding

    def _new_field(self, old: MessageShape, new: MessageShape, item: FieldShape) -> Iterator[Finding]:
        before = old.named(item.name)
        if item.label == "required":
            text = f"{new.name}.{item.name} ({item.number}) is new and required"
            yield self.subject.finding(rules.FIELD_REQUIRED, text, item.place)
        elif before is None or before.number in new.fields:  # else it was renumbered, which is told already
            text = f"{new.name}.{item.name} ({item.number}) is new: {item.shown!r}"
            yield self.subject.finding(rules.FIELD_ADDED, text, item.place)

    def _type_rule(self, old: FieldShape, new: FieldShape) -> Rule | None:
        """The rule that a change of type breaks, if it is one."""
        if old.kind != new.kind:
            same = any(old.kind in kinds and new.kind in kinds for kinds in _SAME_ON_WIRE)
            return rules.FIELD_WIDTH if same else rules.FIELD_RETYPED
        if old.kind == "enum":
            expected = self.enums.get(old.type, old.type)
            return None if new.type == expected or self._same_enum(old.type, new.type) else rules.FIELD_WIDTH
        if old.type == new.type or new.type == self.messages.get(old.type, old.type):
            return None
        before, after = self.old.messages.get(old.type), self.new.messages.get(new.type)
        if before and after and before.layout <= after.layout:
            return None
        return rules.FIELD_RETYPED

    def _same_enum(self, old: str, new: str) -> bool:
        before, after = self.old.enums.get(old), self.new.enums.get(new)
        return bool(before and after and before.layout <= after.layout)

    def _enum(self, old: EnumShape) -> Iterator[Finding]:
        new_name = self.enums.get(old.name, old.name)
        new = self.new.enums.get(new_name)
        if new is None:
            if not self._is_inside_removed(old.name):
                yield self.subject.finding(
                    rules.ENUM_REMOVED, f"the enum {old.name} is gone", old.place._replace(line=None)
                )
            return
        if new_name != old.name:
            text = f"the enum {old.name} is now called {new_name}; its values are the same"
            yield self.subject.finding(rules.MESSAGE_RENAMED, text, new.place)
        yield from self._values(old, new)

    def _is_inside_removed(self, name: str) -> bool:
        message = name.rpartition(".")[0]
        return message in self.old.messages and message not in self.new.messages

    def _values(self, old: EnumShape, new: EnumShape) -> Iterator[Finding]:
        by_name = {value.name: value for value in new.values}
        by_number = {value.number: value for value in reversed(new.values)}
        old_names = {value.name for value in old.values}
        old_numbers = {value.number for value in old.values}
        for value in old.values:
            named, numbered = by_name.get(value.name), by_number.get(value.number)
            where = f"{new.name}.{value.name}"
            if named and named.number != value.number:
                text = f"{where} was {value.number} and is {named.number}"
                yield self.subject.finding(rules.VALUE_RENUMBERED, text, named.place)
            elif named is None and numbered and numbered.name not in old_names:
                text = f"{where} ({value.number}) is now called {numbered.name}"
                yield self.subject.finding(rules.VALUE_RENAMED, text, numbered.place)
            elif named is None:
                yield self.subject.finding(
                    rules.VALUE_REMOVED, f"{where} ({value.number}) is gone", new.place
                )
        for value in new.values:
            if value.name not in old_names and value.number not in old_numbers:
                text = f"{new.name}.{value.name} ({value.number}) is new"
                yield self.subject.finding(rules.VALUE_ADDED, text, value.place)


def _renamed(old: Mapping[str, Named], new: Mapping[str, Named]) -> dict[str, str]:
    """The new name of what is gone by its own, where exactly one that is new is the same otherwise."""
    gone = [item for name, item in old.items() if name not in new and item.layout]
    added: dict[object, list[str]] = {}
    for name, item in new.items():
        if name not in old:
            added.setdefault(item.layout, []).append(name)
    layouts = [item.layout for item in gone]
    return {
        item.name: added[item.layout][0]
        for item in gone
        if len(added.get(item.layout, ())) == 1 and layouts.count(item.layout) == 1
    }


def _label_rule(old: str, new: str) -> Rule | None:
    if old == new:
        return None
    if "repeated" in {old, new}:
        return rules.FIELD_LABEL
    return rules.FIELD_REQUIRED if new == "required" else rules.FIELD_LESS_REQUIRED


def _shown(options: Mapping[str, str | bool]) -> str:
    shown = (name if value is True else f"{name}={value}" for name, value in sorted(options.items()))
    return ", ".join(shown) or "none"


def _magics(subject: Subject, old: Mapping[str, int], table: ImageTable) -> Iterator[Finding]:
    defines = [define for define in subject.source.defines if define.name not in HEADS]
    by_name = {define.name: define for define in reversed(defines)}
    by_value = {define.value: define for define in reversed(defines)}
    for name, value in old.items():
        named, valued = by_name.get(name), by_value.get(value)
        if named and named.value != value and valued is None:
            text = f"{name}_MAGIC was {value:#010x} and is {named.value:#010x}"
            yield subject.header_finding(rules.MAGIC_CHANGED, text, named.line)
        elif valued is None:
            yield subject.header_finding(rules.MAGIC_REMOVED, f"{name}_MAGIC ({value:#010x}) is gone")
        elif named is None and not _known_as(table, name, valued.name):
            text = f"{name}_MAGIC ({value:#010x}) is now called {valued.name}_MAGIC"
            yield subject.header_finding(rules.MAGIC_RENAMED, text, valued.line)
    values = set(old.values())
    for value, define in by_value.items():
        if value not in values and define.name not in old:
            text = f"{define.name}_MAGIC ({value:#010x}) is new"
            yield subject.header_finding(rules.MAGIC_ADDED, text, define.line)


def _known_as(table: ImageTable, old: str, new: str) -> bool:
    """Whether the image table has a type under both names, so that documents with either are read."""
    row = table.by_name(old)
    return row is not None and (row is table.by_name(new) or _is_raw(table, row.magic))


def _is_raw(table: ImageTable, magic: int | None) -> bool:
    """Whether raw files share the magic: v0.1-v0.4 had PAGEMAP's for pages alone."""
    return any(raw.magic == magic for raw in table.raw_formats)
