"""The bundled schemas: what every CRIU release from v0.1 to v4.2 had for messages, fields and enum values.

``data/history.json`` holds the history; ``data/criu-4.2.binpb`` is the newest release built from it, as a
FileDescriptorSet, since that one is wanted at nearly every start (``python -m dyncrit.schema.catalogue``
writes it anew).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from dyncrit.errors import SchemaError, did_you_mean
from dyncrit.schema.bundled import DATA, NEWEST, NEWEST_SET
from dyncrit.schema.options import CRIU_OPTIONS_NUMBER, OPTION_FIELDS
from dyncrit.schema.pool import DESCRIPTOR_PROTO, in_dependency_order, unknown_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto

# Renamed as a whole in v4.0, fields and wire format kept (plugins/amdgpu/criu-amdgpu.proto).
OLD_MESSAGE_NAMES = {"kfd_device_entry": "device_entry", "kfd_bo_entry": "bo_entry"}
"""Messages that were renamed, by their later name."""

OLD_MESSAGE_NAMES_UNTIL = "3.19"
"""The last release with the old names."""

_LABELS = {
    "optional": FieldDescriptorProto.LABEL_OPTIONAL,
    "required": FieldDescriptorProto.LABEL_REQUIRED,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}
_SCALARS = {
    name: getattr(FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in (
        "bool",
        "bytes",
        "fixed64",
        "int32",
        "int64",
        "sint32",
        "sint64",
        "string",
        "uint32",
        "uint64",
    )
}


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field as releases ``first`` to ``last`` had it; ``last`` is None where the newest has it."""

    number: int
    name: str
    label: str
    type: str
    options: Mapping[str, str | bool]
    first: str
    last: str | None = None


@dataclass(frozen=True, slots=True)
class ValueRow:
    """An enum value as releases ``first`` to ``last`` had it."""

    number: int
    name: str
    first: str
    last: str | None = None


@dataclass(frozen=True, slots=True)
class MessageHistory:
    """A message: the file it stands in, its first release, and its fields in number order."""

    name: str
    file: str
    first: str
    fields: tuple[FieldRow, ...]


@dataclass(frozen=True, slots=True)
class EnumHistory:
    """An enum; its file is empty where it stands in a message (``core_entry.march``)."""

    name: str
    file: str
    values: tuple[ValueRow, ...]


@dataclass(frozen=True, slots=True)
class History:
    """All releases in order, every message and enum by name, and the dates (ISO) of releases where known."""

    releases: tuple[str, ...]
    messages: Mapping[str, MessageHistory]
    enums: Mapping[str, EnumHistory]
    dates: Mapping[str, str]

    def has(self, row: FieldRow | ValueRow, release: str) -> bool:
        """Whether ``release`` has this form of the field or value."""
        order = self.releases.index
        return order(row.first) <= order(release) and (row.last is None or order(release) <= order(row.last))


@cache
def history() -> History:
    """The history of the schema, read once."""
    return parse_history(orjson.loads((DATA / "history.json").read_bytes()))


def parse_history(data: Mapping[str, Any]) -> History:
    """The history that a catalogue's JSON tells; it is taken to be sound."""
    messages = (
        MessageHistory(
            name, row["file"], row["releases"][0], tuple(FieldRow(*field) for field in row["fields"])
        )
        for name, row in data["messages"].items()
    )
    enums = (
        EnumHistory(name, row["file"], tuple(ValueRow(*value) for value in row["values"]))
        for name, row in data["enums"].items()
    )
    return History(
        tuple(data["releases"]),
        {message.name: message for message in messages},
        {enum.name: enum for enum in enums},
        data.get("dates", {}),
    )


def resolve_release(version: str) -> str:
    """The catalogue's name of a release: ``"v4.2"`` is ``"4.2"``.

    A patch release that changed no schema stands for the one before it (``4.2.1`` is ``4.2``). Raises
    SchemaError, with the nearest names, if there is no such release.
    """
    releases = history().releases
    wanted = version.strip().removeprefix("v")
    if wanted in releases:
        return wanted
    if re.fullmatch(r"\d{1,4}\.\d{1,4}\.\d{1,4}", wanted):
        series = wanted.rpartition(".")[0]
        older = [name for name in releases if name == series or name.startswith(f"{series}.")]
        older = [name for name in older if _numbers(name) <= _numbers(wanted)]
        if older:
            return older[-1]
    hint = did_you_mean(wanted, releases)
    raise SchemaError(f"no CRIU release {version!r} in the catalogue ({releases[0]} to {releases[-1]}){hint}")


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def build_release(release: str, known: History | None = None) -> FileDescriptorSet:
    """The schema of one release as upstream lays it out: the same files, imports, messages and options.

    ``known`` is another history than the bundled one.
    """
    return _Builder(known or history(), release).build()


class _Builder:
    def __init__(self, known: History, release: str) -> None:
        self.history = known
        self.release = release
        self.files: dict[str, FileDescriptorProto] = {}
        self.names = self._message_names()

    def build(self) -> FileDescriptorSet:
        for enum in self.history.enums.values():
            if enum.file and self._values(enum):
                self._fill_enum(self._file(enum.file).enum_type.add(), enum.name, enum)
        for name in self.names:
            self._add_message(self.history.messages[name])
        return FileDescriptorSet(file=[self.files[name] for name in sorted(self.files)])

    def _message_names(self) -> dict[str, str]:
        order = self.history.releases.index
        old = order(self.release) <= order(OLD_MESSAGE_NAMES_UNTIL)
        return {
            name: OLD_MESSAGE_NAMES.get(name, name) if old else name
            for name, message in self.history.messages.items()
            if order(message.first) <= order(self.release)
        }

    def _file(self, name: str) -> FileDescriptorProto:
        return self.files.setdefault(name, FileDescriptorProto(name=name))

    def _values(self, enum: EnumHistory) -> list[ValueRow]:
        return [value for value in enum.values if self.history.has(value, self.release)]

    def _fill_enum(self, target: EnumDescriptorProto, name: str, enum: EnumHistory) -> None:
        target.name = name
        for value in self._values(enum):
            target.value.add(name=value.name, number=value.number)

    def _add_message(self, message: MessageHistory) -> None:
        file = self._file(message.file)
        target = file.message_type.add(name=self.names[message.name])
        for enum in self.history.enums.values():
            if enum.name.startswith(f"{message.name}."):
                self._fill_enum(target.enum_type.add(), enum.name.rpartition(".")[2], enum)
        for row in message.fields:
            if self.history.has(row, self.release):
                self._add_field(file, target, row)

    def _add_field(self, file: FileDescriptorProto, message: DescriptorProto, row: FieldRow) -> None:
        field = message.field.add(name=row.name, number=row.number, label=_LABELS[row.label])
        if row.type in _SCALARS:
            field.type = _SCALARS[row.type]
        elif row.type in self.history.messages:
            field.type = FieldDescriptorProto.TYPE_MESSAGE
            field.type_name = f".{self.names[row.type]}"
            self._import(file, self.history.messages[row.type].file)
        else:
            field.type = FieldDescriptorProto.TYPE_ENUM
            field.type_name = f".{row.type}"
            self._import(file, self.history.enums[row.type].file)
        options = dict(row.options)
        if "default" in options:
            field.default_value = str(options.pop("default"))
        if options:
            field.options.ParseFromString(_criu_options(options.items()))
            self._import(file, "opts.proto")

    def _import(self, file: FileDescriptorProto, name: str) -> None:
        if name and name != file.name and name not in file.dependency:
            file.dependency.append(name)
        if name == "opts.proto" and name not in self.files:
            self.files[name] = _options_file()


def _options_file() -> FileDescriptorProto:
    """opts.proto: the message with the options and the extension that carries it."""
    file = FileDescriptorProto(name="opts.proto", dependency=[DESCRIPTOR_PROTO])
    message = file.message_type.add(name="CRIU_Opts")
    for name, number, kind in OPTION_FIELDS:
        message.field.add(name=name, number=number, type=kind, label=_LABELS["optional"])
    file.extension.add(
        name="criu",
        number=CRIU_OPTIONS_NUMBER,
        label=_LABELS["optional"],
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".CRIU_Opts",
        extendee=".google.protobuf.FieldOptions",
    )
    return file


def _criu_options(options: Iterable[tuple[str, str | bool]]) -> bytes:
    """FieldOptions bytes that hold CRIU_Opts under its number; every length fits in one byte."""
    numbers = {name: number for name, number, _ in OPTION_FIELDS}
    content = bytearray()
    for name, value in sorted(options, key=lambda item: numbers[item[0]]):
        number = numbers[name]
        if isinstance(value, str):
            content += bytes((number << 3 | 2, len(value))) + value.encode()
        else:
            content += bytes((number << 3, int(value)))
    tag = CRIU_OPTIONS_NUMBER << 3 | 2
    return bytes((tag & 0x7F | 0x80, tag >> 7, len(content))) + content


def bundled_set() -> FileDescriptorSet:
    """The newest release as it is bundled, to be loaded as it is.

    Without opts.proto, whose options are read by number; with the message without fields.
    """
    files = [file for file in build_release(NEWEST).file if file.name != "opts.proto"]
    for file in files:
        file.dependency[:] = [name for name in file.dependency if name != "opts.proto"]
    return FileDescriptorSet(file=in_dependency_order([unknown_file(), *files], NEWEST))


if __name__ == "__main__":
    NEWEST_SET.write_bytes(bundled_set().SerializeToString(deterministic=True))
