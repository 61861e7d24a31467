"""Two schemas compared: what of messages, fields, enums, options and magics came, went or changed."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dyncrit.errors import SchemaError
from dyncrit.schema.files import (
    NOT_OF_IMAGES,
    OptionReader,
    all_enums,
    all_messages,
    field_options,
    schema_files,
)
from dyncrit.schema.magics import read_magics
from dyncrit.schema.prototext import LABELS, SCALARS
from dyncrit.schema.schema import Schema
from dyncrit.schema.table import ImageTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from google.protobuf.descriptor_pb2 import EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto

    from dyncrit.types import JsonObject

What = Literal["message", "field", "enum", "value", "magic"]
Change = Literal[
    "added", "removed", "renamed", "retyped", "relabelled", "renumbered", "options changed", "moved"
]

_RELEASE = re.compile(r"v?\d+(\.\d+)*")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, with the later name of it; ``before`` and ``after`` are words.

    A field is named as ``message.field``, a value as ``enum.value``.
    """

    what: What
    change: Change
    name: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        text = f"{self.what} {self.name} {self.change}"
        if self.before and self.after:
            return f"{text}: {self.before} -> {self.after}"
        return f"{text}: {self.before or self.after}" if self.before or self.after else text

    def to_dict(self) -> JsonObject:
        """The difference as JSON has it; without what it lacks."""
        facts = {name: getattr(self, name) for name in ("what", "change", "name", "before", "after")}
        return {name: value for name, value in facts.items() if value}


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """A field as it is compared; ``type`` is in words, ``options`` hold the default, too."""

    number: int
    name: str
    label: str
    type: str
    options: Mapping[str, str | bool]

    def __str__(self) -> str:
        options = f" [{options_text(self.options)}]" if self.options else ""
        return f"{self.number} {self.label} {self.type}{options}"


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """A message as it is compared: the file it stands in, and its fields by number."""

    name: str
    file: str
    fields: Mapping[int, FieldFacts]


@dataclass(frozen=True, slots=True)
class EnumFacts:
    """An enum as it is compared: its values as pairs of number and name."""

    name: str
    file: str
    values: frozenset[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class SchemaFacts:
    """All of a schema that is compared. ``magics`` is None where it came without a ``magic.h``."""

    name: str
    messages: Mapping[str, MessageFacts]
    enums: Mapping[str, EnumFacts]
    magics: Mapping[str, int] | None = None


def named_schema(name: str, *, use_cache: bool = True) -> Schema:
    """The schema that a user calls ``name``: a release, a folder of .proto files, a descriptor set.

    A folder that is called like a release is written ``./4.1``. Raises SchemaError where there is none.
    """
    path = Path(name)
    if _RELEASE.fullmatch(name):
        return Schema.release(name)
    if not path.exists():
        raise SchemaError("no such file; expected a release (4.1), a folder or a descriptor set", name)
    if path.is_dir():
        return Schema.from_protos(path, use_cache=use_cache)
    return Schema.from_descriptor_set(path)


def facts_of(schema: Schema, *, use_cache: bool = True) -> SchemaFacts:
    """What of a schema is compared, without the files that no image needs (rpc.proto).

    Raises SchemaError where its source can't be read any more.
    """
    source = schema.source
    files = [file for file in schema_files(source, use_cache=use_cache) if file.name not in NOT_OF_IMAGES]
    magics = read_magics(source.magic_header) if source.magic_header else None
    return facts_of_files(files, source.name, magics)


def facts_of_files(
    files: Sequence[FileDescriptorProto], name: str, magics: Mapping[str, int] | None = None
) -> SchemaFacts:
    """What of some files is compared; ``name`` is what errors call them. Raises SchemaError."""
    options = OptionReader(files, name)
    messages: dict[str, MessageFacts] = {}
    enums: dict[str, EnumFacts] = {}
    for file in files:
        for path, message in all_messages(file.message_type):
            fields = {row.number: _field_facts(row, file, options) for row in message.field}
            messages[_unique(path, messages, file)] = MessageFacts(path, file.name, fields)
        for path, enum in all_enums(file):
            enums[_unique(path, enums, file)] = EnumFacts(path, file.name, _values(enum))
    return SchemaFacts(name, messages, enums, magics)


def differences(before: SchemaFacts, after: SchemaFacts) -> list[Difference]:
    """What came, went or changed from one schema to another: messages, then enums, then magics, by name.

    A message with another name but the same fields is renamed, and so is a field of the same number. Where
    only one side has a ``magic.h``, its magics are compared with the image table.
    """
    renamed = _renamed_messages(before, after)
    return [
        *_message_differences(before, after, renamed),
        *_enum_differences(before, after),
        *_magic_differences(before.magics, after.magics),
    ]


def field_differences(
    message: str,
    before: Mapping[int, FieldFacts],
    after: Mapping[int, FieldFacts],
    renamed: Mapping[str, str] | None = None,
) -> Iterator[Difference]:
    """What differs between two forms of a message, by number; ``renamed`` maps types to later names."""
    gone = {field.name: field for number, field in before.items() if number not in after}
    for number in sorted(before.keys() | after.keys()):
        old, new = before.get(number), after.get(number)
        if old and new:
            yield from _changes(message, old, new, renamed or {})
        elif new and new.name in gone and gone[new.name].type == new.type:
            yield Difference(
                "field", "renumbered", f"{message}.{new.name}", str(gone[new.name].number), str(number)
            )
        elif new:
            yield Difference("field", "added", f"{message}.{new.name}", after=str(new))
        elif old and not any(row.name == old.name and row.number not in before for row in after.values()):
            yield Difference("field", "removed", f"{message}.{old.name}", before=str(old))


def value_differences(
    enum: str, before: frozenset[tuple[int, str]], after: frozenset[tuple[int, str]]
) -> Iterator[Difference]:
    """What differs between two forms of an enum, by number."""
    gone, new = sorted(before - after), sorted(after - before)
    numbers, names = dict(new), {name: number for number, name in new}
    explained: set[tuple[int, str]] = set()
    for number, name in gone:
        if number in numbers:
            yield Difference("value", "renamed", f"{enum}.{numbers[number]}", name, numbers[number])
            explained.add((number, numbers[number]))
        elif name in names:
            yield Difference("value", "renumbered", f"{enum}.{name}", str(number), str(names[name]))
            explained.add((names[name], name))
        else:
            yield Difference("value", "removed", f"{enum}.{name}", before=str(number))
    for number, name in new:
        if (number, name) not in explained:
            yield Difference("value", "added", f"{enum}.{name}", after=str(number))


def options_text(options: Mapping[str, str | bool]) -> str:
    """Options as one line: ``hex, flags = pmap.flags``.

    >>> options_text({"hex": True, "dict": "sk"})
    'hex, dict = sk'
    """
    return ", ".join(
        name if value is True else f"{name} = {str(value).lower() if value is False else value}"
        for name, value in options.items()
    )


def _field_facts(field: FieldDescriptorProto, file: FileDescriptorProto, options: OptionReader) -> FieldFacts:
    name = field.type_name.removeprefix(".")
    if file.package:
        name = name.removeprefix(f"{file.package}.")
    kind = SCALARS.get(field.type) or name
    return FieldFacts(field.number, field.name, LABELS[field.label], kind, field_options(field, options))


def _values(enum: EnumDescriptorProto) -> frozenset[tuple[int, str]]:
    return frozenset((value.number, value.name) for value in enum.value)


def _unique(name: str, taken: Mapping[str, object], file: FileDescriptorProto) -> str:
    """A name for what another file's package has, too."""
    return f"{file.package}.{name}" if name in taken else name


def _renamed_messages(before: SchemaFacts, after: SchemaFacts) -> dict[str, str]:
    """Messages that are gone, and the new ones with the very same fields."""
    new: dict[object, list[str]] = defaultdict(list)
    for name in sorted(after.messages.keys() - before.messages.keys()):
        new[_shape(after.messages[name])].append(name)
    found: dict[str, str] = {}
    for name in sorted(before.messages.keys() - after.messages.keys()):
        candidates = new[_shape(before.messages[name])]
        if candidates and before.messages[name].fields:
            found[name] = candidates.pop(0)
    return found


def _shape(message: MessageFacts) -> tuple[tuple[int, str, str], ...]:
    return tuple(sorted((field.number, field.name, field.label) for field in message.fields.values()))


def _message_differences(
    before: SchemaFacts, after: SchemaFacts, renamed: Mapping[str, str]
) -> Iterator[Difference]:
    old_names = {new: old for old, new in renamed.items()}
    for name in sorted((before.messages.keys() | after.messages.keys()) - renamed.keys()):
        old, new = before.messages.get(old_names.get(name, name)), after.messages.get(name)
        if name in old_names:
            yield Difference("message", "renamed", name, old_names[name], name)
        if old is None and new is not None:
            yield Difference("message", "added", name, after=new.file)
            yield from field_differences(name, {}, new.fields)
        elif old is not None and new is None:
            yield Difference("message", "removed", name, before=old.file)
        elif old is not None and new is not None:
            if old.file != new.file:
                yield Difference("message", "moved", name, old.file, new.file)
            yield from field_differences(name, old.fields, new.fields, renamed)


def _enum_differences(before: SchemaFacts, after: SchemaFacts) -> Iterator[Difference]:
    for name in sorted(before.enums.keys() | after.enums.keys()):
        old, new = before.enums.get(name), after.enums.get(name)
        if old is None and new is not None:
            yield Difference("enum", "added", name, after=new.file)
            yield from value_differences(name, frozenset(), new.values)
        elif old is not None and new is None:
            yield Difference("enum", "removed", name, before=old.file)
        elif old is not None and new is not None:
            yield from value_differences(name, old.values, new.values)


def _magic_differences(
    before: Mapping[str, int] | None, after: Mapping[str, int] | None
) -> Iterator[Difference]:
    if before is None or after is None:
        yield from _magics_beyond_table("removed", before or {})
        yield from _magics_beyond_table("added", after or {})
        return
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            yield Difference("magic", "added", name, after=f"0x{new:08X}")
        elif old is not None and new is None:
            yield Difference("magic", "removed", name, before=f"0x{old:08X}")
        elif old is not None and new is not None and old != new:
            yield Difference("magic", "renumbered", name, f"0x{old:08X}", f"0x{new:08X}")


def _magics_beyond_table(change: Change, magics: Mapping[str, int]) -> Iterator[Difference]:
    """The magics that no release has: the table knows every release's, if not by all their names."""
    table = ImageTable()
    known = {row.magic for row in table.types} | {row.magic for row in table.raw_formats}
    side = "before" if change == "removed" else "after"
    for name, magic in sorted(magics.items()):
        if magic not in known:
            yield Difference("magic", change, name, **{side: f"0x{magic:08X}"})


def _changes(
    message: str, old: FieldFacts, new: FieldFacts, renamed: Mapping[str, str]
) -> Iterator[Difference]:
    name = f"{message}.{new.name}"
    if old.name != new.name:
        yield Difference("field", "renamed", name, old.name, new.name)
    if renamed.get(old.type, old.type) != new.type:
        yield Difference("field", "retyped", name, old.type, new.type)
    if old.label != new.label:
        yield Difference("field", "relabelled", name, old.label, new.label)
    if old.options != new.options:
        texts = (options_text(options) or "none" for options in (old.options, new.options))
        yield Difference("field", "options changed", name, *texts)
