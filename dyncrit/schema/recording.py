"""Adds a release to the catalogue, from its .proto files: a maintainer's work when CRIU releases."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date as calendar_date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from dyncrit.atomic import open_atomic
from dyncrit.errors import SchemaError
from dyncrit.schema.bundled import DATA
from dyncrit.schema.catalogue import build_release, parse_history
from dyncrit.schema.differences import Difference, differences, facts_of_files
from dyncrit.schema.files import NOT_OF_IMAGES, OptionReader, field_options, schema_files
from dyncrit.schema.magics import read_magics
from dyncrit.schema.options import OPTION_FIELDS
from dyncrit.schema.prototext import LABELS, SCALARS
from dyncrit.schema.schema import Schema
from dyncrit.schema.table import ImageTable

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from google.protobuf.descriptor_pb2 import EnumDescriptorProto, FileDescriptorProto

CATALOGUE = DATA / "history.json"
"""The catalogue that dyncrit brings along."""

_OPTIONS_FILE = "opts.proto"
_LONGEST = 120  # build_release writes an option's length in one byte
_FIELD_WIDTH = 5


@dataclass(frozen=True, slots=True)
class Recording:
    """What recording a release found: differences to the release before, and magics that the table lacks."""

    release: str
    previous: str
    differences: tuple[Difference, ...]
    new_magics: Mapping[str, int]


@dataclass(slots=True)
class _Rows:
    """What a release has, in the catalogue's terms: messages as file and fields, enums as file and values."""

    files: dict[str, str] = field(default_factory=dict)
    fields: dict[str, list[list[Any]]] = field(default_factory=dict)
    enum_files: dict[str, str] = field(default_factory=dict)
    values: dict[str, list[list[Any]]] = field(default_factory=dict)


def record_release(
    release: str,
    folder: str | os.PathLike[str],
    date: str | None = None,
    catalogue: str | os.PathLike[str] = CATALOGUE,
) -> Recording:
    """Add ``release``, whose schema is in ``folder``, to ``catalogue``, which is written whole or not at all.

    ``date`` is the release's, as in 2025-11-13. What the catalogue would give for the release afterwards is
    compared with the folder first. Raises SchemaError for a release that is no newer than the catalogue's
    last, for a schema with what the catalogue has no words for, and for a file that is no catalogue.
    """
    data = _read(Path(catalogue))
    previous = data["releases"][-1]
    _check_release(release, data["releases"])
    schema = Schema.from_protos(folder)
    place = schema.source.name
    files = [file for file in schema_files(schema.source) if file.name not in NOT_OF_IMAGES]
    rows = _rows(files, place)
    before = build_release(previous, parse_history(data))
    _add(data, release, rows, place)
    if date:
        data.setdefault("dates", {})[release] = _checked_date(date)
    after = build_release(release, parse_history(data))
    _compare(_rows(after.file, place), rows, place)
    with open_atomic(catalogue) as file:
        file.write(catalogue_text(data))
    found = differences(facts_of_files(before.file, previous), facts_of_files(after.file, release))
    return Recording(release, previous, tuple(found), _new_magics(schema))


def catalogue_text(data: Mapping[str, Any]) -> bytes:
    """A catalogue as its file has it: a line for each field and value, so that changes are easy to review."""
    parts = [f' "about": {_json(data["about"])}', f' "releases": {_json(data["releases"])}']
    if "dates" in data:
        parts.append(f' "dates": {_json(data["dates"])}')
    for kind, items in (("messages", "fields"), ("enums", "values")):
        rows = (_entry(name, row, items) for name, row in data[kind].items())
        parts.append(f' "{kind}": {{\n' + ",\n".join(rows) + "\n }")
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def _entry(name: str, row: Mapping[str, Any], items: str) -> str:
    head = "".join(f"{_json(key)}: {_json(row[key])}, " for key in row if key != items)
    lines = ",\n".join(f"   {_json(item)}" for item in row[items])
    return f"  {_json(name)}: {{{head}{_json(items)}: [\n{lines}\n  ]}}"


def _json(value: Any) -> str:
    """JSON in one line with a blank behind commas and colons."""
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_json(key)}: {_json(item)}' for key, item in value.items())}}}"
    return orjson.dumps(value).decode()


def _read(path: Path) -> dict[str, Any]:
    data: Any = None
    try:
        data = orjson.loads(path.read_bytes())
        expected = isinstance(data["about"], str) and data["releases"] and data["messages"] and data["enums"]
        build_release(data["releases"][-1], parse_history(data))
    except OSError as error:
        raise SchemaError(error.strerror or str(error), str(path)) from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        expected = False
    if not expected:
        raise SchemaError("not a catalogue; expected a file like dyncrit/schema/data/history.json", str(path))
    catalogue: dict[str, Any] = data
    return catalogue


def _check_release(release: str, known: list[str]) -> None:
    if not re.fullmatch(r"\d{1,4}(\.\d{1,4}){1,2}", release):
        raise SchemaError(f"{release!r} is no release; expected a number like 4.3 or 4.2.1")
    if _numbers(release) <= _numbers(known[-1]):
        raise SchemaError(f"{release} is not newer than {known[-1]}, the catalogue's last release")


def _numbers(release: str) -> list[int]:
    numbers = [int(part) for part in release.split(".")]
    return numbers + [0] * (3 - len(numbers))  # 4.2.0 is 4.2


def _checked_date(date: str) -> str:
    problem = f"{date!r} is no date; expected one like 2025-11-13"
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", date):
        raise SchemaError(problem)
    try:
        return calendar_date.fromisoformat(date).isoformat()
    except ValueError:
        raise SchemaError(problem) from None


def _rows(files: Iterable[FileDescriptorProto], place: str) -> _Rows:
    """The files in the catalogue's terms; raises SchemaError for what it has no words for."""
    files = list(files)
    options, rows = OptionReader(files, place), _Rows()
    for file in files:
        where = f"{place}: {file.name}"
        if file.package or file.syntax not in ("", "proto2") or file.service:
            raise SchemaError(
                "has a package, services or another syntax; the catalogue can't tell of it", where
            )
        if file.name == _OPTIONS_FILE:
            _check_options(file, where)
            continue
        if file.extension:
            raise SchemaError("has extensions, which the catalogue can't tell of", where)
        for enum in file.enum_type:
            _add_enum(rows, enum.name, file.name, enum)
        for message in file.message_type:
            _check_message(message, where)
            rows.files[message.name] = file.name
            fields = (_field_row(message, item, options, where) for item in message.field)
            rows.fields[message.name] = sorted(fields, key=lambda row: int(row[0]))
            for enum in message.enum_type:
                _add_enum(rows, f"{message.name}.{enum.name}", "", enum)
    return rows


def _check_options(file: FileDescriptorProto, where: str) -> None:
    """The options' own file is made from schema/options.py, so it must say the same."""
    theirs = {(item.name, item.number, item.type) for row in file.message_type for item in row.field}
    if extra := sorted(theirs - set(OPTION_FIELDS)):
        name, number, _ = extra[0]
        raise SchemaError(
            f"option {name} = {number} has no row in dyncrit/schema/options.py; add it first", where
        )


def _check_message(message: DescriptorProto, where: str) -> None:
    for name in ("nested_type", "oneof_decl", "extension", "extension_range"):
        if getattr(message, name):
            words = DescriptorProto.DESCRIPTOR.fields_by_name[name].name.replace("_", " ")
            raise SchemaError(f"{message.name} has a {words}, which the catalogue can't tell of", where)


def _add_enum(rows: _Rows, name: str, file: str, enum: EnumDescriptorProto) -> None:
    rows.enum_files[name] = file
    rows.values[name] = sorted([value.number, value.name] for value in enum.value)


def _field_row(
    message: DescriptorProto, item: FieldDescriptorProto, options: OptionReader, where: str
) -> list[Any]:
    settings = field_options(item, options)
    known = {"default", *(name for name, _, _ in OPTION_FIELDS)}
    kind = SCALARS.get(item.type) or item.type_name.removeprefix(".")
    long = any(isinstance(value, str) and len(value) > _LONGEST for value in settings.values())
    if settings.keys() - known or kind in ("double", "float", "fixed32", "sfixed32", "sfixed64") or long:
        problem = f"the catalogue can't tell of its type or options ({kind}, {settings})"
        raise SchemaError(problem, where, f"{message.name}.{item.name}")
    return [item.number, item.name, LABELS[item.label], kind, settings]


def _add(data: dict[str, Any], release: str, rows: _Rows, place: str) -> None:
    previous = data["releases"][-1]
    for kind, found in (("messages", rows.fields), ("enums", rows.values)):
        if gone := sorted(data[kind].keys() - found.keys()):
            problem = f"{gone[0]} of {previous} isn't there; the catalogue can't tell of what was removed"
            raise SchemaError(problem, place)
    known = {kind: list(data[kind]) for kind in ("messages", "enums")}
    data["about"] = data["about"].replace(f"v{previous}", f"v{release}")
    data["releases"].append(release)
    for name, fields in sorted(rows.fields.items()):
        new = {"file": rows.files[name], "releases": [release], "fields": []}
        entry = data["messages"].setdefault(name, new)
        entry["fields"] = _merged(entry["fields"], fields, previous, release)
    for name, values in sorted(rows.values.items()):
        entry = data["enums"].setdefault(name, {"file": rows.enum_files[name], "values": []})
        entry["values"] = _merged(entry["values"], values, previous, release)
    for kind in ("messages", "enums"):
        data[kind] = {name: data[kind][name] for name in _in_order(data[kind], known[kind])}


def _in_order(names: Iterable[str], known: list[str]) -> list[str]:
    """The known names as they stand, and each new one before the first that sorts behind it."""
    ordered = list(known)
    for name in sorted(set(names) - set(known)):
        place = next((index for index, other in enumerate(ordered) if other > name), len(ordered))
        ordered.insert(place, name)
    return ordered


def _merged(old: list[list[Any]], new: list[list[Any]], previous: str, release: str) -> list[list[Any]]:
    """The rows of the history with those of a release: what it lacks ends at the one before."""
    left = list(new)
    width = len(new[0]) if new else _FIELD_WIDTH
    merged = []
    for row in old:
        # a row is a form and the first release with it; where it's gone, the last one behind
        form, spans = row[:width], row[width:]
        if len(spans) == 1 and form in left:
            left.remove(form)
        elif len(spans) == 1:
            spans = [*spans, previous]
        merged.append([*form, *spans])
    merged += [[*form, release] for form in left]
    return sorted(merged, key=lambda row: int(row[0]))  # forms of one number stay in order


def _compare(ours: _Rows, theirs: _Rows, place: str) -> None:
    """Whether the catalogue tells what the folder has; else say which message it can't tell of."""
    pairs = (
        (ours.files, theirs.files),
        (ours.fields, theirs.fields),
        (ours.enum_files, theirs.enum_files),
        (ours.values, theirs.values),
    )
    for mine, wanted in pairs:
        for name in sorted(mine.keys() | wanted.keys()):
            if mine.get(name) != wanted.get(name):
                raise SchemaError(f"the catalogue can't tell of {name} as it is here", place)


def _new_magics(schema: Schema) -> dict[str, int]:
    header = schema.source.magic_header
    known = ImageTable()
    magics = read_magics(header) if header else {}
    return {name: value for name, value in magics.items() if known.by_magic(value) is None}
