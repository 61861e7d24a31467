"""A schema against the image table: whether magics, rows, payloads and options fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec.names import DICTS, FLAGS
from dyncrit.errors import did_you_mean
from dyncrit.findings import Finding, Rule
from dyncrit.schema import catalogue
from dyncrit.schema.layout import Array, Counted, Parts, Rest, Submessages
from dyncrit.validate.header import HEADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.schema.layout import FieldNumber, ImageType, RecordLayout
    from dyncrit.schema.table import ImageTable
    from dyncrit.validate.header import Define
    from dyncrit.validate.shape import FieldShape, MessageShape, Place, SchemaShape
    from dyncrit.validate.subject import Subject

MAGIC_KNOWN = Rule(
    "table-magic-known",
    "error",
    "every magic has a row in the image table, or a message by the name rule (FOO_MAGIC: foo_entry)",
    "Images of that type can't be decoded: dyncrit shows their records as unknown fields.",
)
MAGIC_DERIVED = Rule(
    "table-magic-derived",
    "note",
    "every magic has a row of its own in the image table",
    "Its images are read by the name rule; bytes behind records, if there are some, are taken for records.",
)
MAGIC_UNIQUE = Rule(
    "table-magic-unique",
    "error",
    "no two magics share a value, except listed aliases, and no magic has two values",
    "Readers can't tell the types of image apart: one is decoded as the other.",
)
MESSAGES = Rule(
    "table-messages",
    "error",
    "the messages of every row of the image table exist",
    "Images of that type can't be decoded: dyncrit shows their records as unknown fields.",
)
NEWER = Rule(
    "table-row-newer",
    "note",
    "the schema has the messages and fields of every row, those of later releases and of plugins too",
    "Nothing breaks: images of a release like this one have none of them.",
)
PAYLOADS = Rule(
    "table-payload-fields",
    "error",
    "fields that a payload's layout counts on exist with their names, numbers and types",
    "Readers take a wrong number of bytes behind a record, and what follows in the image is garbage.",
)
OPTIONS = Rule(
    "table-option-maps",
    "error",
    "every (criu) option names a map that is known",
    "Nobody names the values: CRIT ends with a KeyError (dict, conv) or shows hex, dyncrit plain numbers.",
)
OPTIONS_KNOWN = Rule(
    "table-options-known",
    "warning",
    "every (criu) option is one that dyncrit knows",
    "The field is shown as if the option were not there.",
)
RULES = (MAGIC_KNOWN, MAGIC_DERIVED, MAGIC_UNIQUE, MESSAGES, NEWER, PAYLOADS, OPTIONS, OPTIONS_KNOWN)

_COUNTS = frozenset({"uint32", "uint64", "int32", "int64", "fixed32", "fixed64"})
_FLAGS = frozenset({"bool"})
_CONVERSIONS = frozenset({"unix_name"})

# What v0.1-v0.4 wrote pages under, and later releases still read; no type of image with records.
_RAW_ALIASES = frozenset({"PAGES", "SHMEM_PAGES", "PAGES_OLD", "SHM_PAGES_OLD"})


def table_findings(subject: Subject, table: ImageTable, release: str) -> Iterator[Finding]:
    """What doesn't fit; rows that came after ``release``, the one nearest to the schema, are notes."""
    yield from _magics_known(subject, table)
    yield from _magics_unique(subject, table)
    for row in table.types:
        yield from _messages(subject, row, release)
        yield from _payload_fields(subject, row, release)
    for message in subject.shape.messages.values():
        for item in message.fields.values():
            yield from _options(subject, message, item)


def _magics_known(subject: Subject, table: ImageTable) -> Iterator[Finding]:
    seen: set[int] = set()
    for define in subject.source.defines:
        if define.name in HEADS or define.value in seen:
            continue
        seen.add(define.value)
        if table.by_magic(define.value):
            continue
        message = f"{define.name.lower()}_entry"
        named = f"{define.name}_MAGIC ({define.value:#010x})"
        if message in subject.shape.messages:
            text = f"{named} has no row in the image table; its images are read as {message}"
            yield subject.header_finding(MAGIC_DERIVED, text, define.line)
        else:
            text = f"{named} has no row in the image table, and there is no message {message}"
            hint = did_you_mean(message, subject.shape.messages)
            yield subject.header_finding(MAGIC_KNOWN, text + hint, define.line)


def _magics_unique(subject: Subject, table: ImageTable) -> Iterator[Finding]:
    by_value: dict[int, Define] = {}
    by_name: dict[str, Define] = {}
    for define in subject.source.defines:
        other = by_name.setdefault(define.name, define)
        if other.value != define.value:
            text = (
                f"{define.name}_MAGIC is {define.value:#010x}, and {other.value:#010x} in line {other.line}"
            )
            yield subject.header_finding(MAGIC_UNIQUE, text, define.line)
        first = by_value.setdefault(define.value, define)
        if first.name == define.name or _is_alias(table, first, define):
            continue
        text = f"{define.name}_MAGIC and {first.name}_MAGIC (line {first.line}) are both {define.value:#010x}"
        finding = subject.header_finding(MAGIC_UNIQUE, text, define.line)
        if define.through:  # one is defined through the other, so that it is meant
            text = f"{define.name}_MAGIC is an alias of {define.through}_MAGIC that the image table lacks"
            finding = Finding(MAGIC_UNIQUE, text, finding.file, finding.line, severity="warning")
        yield finding


def _is_alias(table: ImageTable, first: Define, second: Define) -> bool:
    row = table.by_magic(second.value)
    if row is None:
        return False
    known = {row.name, *row.aliases}
    if any(raw.magic == row.magic for raw in table.raw_formats):
        known |= _RAW_ALIASES
    return first.name in known and second.name in known


def _messages(subject: Subject, row: ImageType, release: str) -> Iterator[Finding]:
    for name in row_messages(row):
        if find_message(subject.shape, name):
            continue
        reason = _newer_message(row, name, release)
        text = f"there is no message {name}, which images of type {row.name} are made of"
        if reason:
            yield Finding.of(NEWER, f"{text} ({reason})")
        else:
            yield subject.header_finding(
                MESSAGES, text + did_you_mean(name, subject.shape.messages), _line(subject, row)
            )


def _line(subject: Subject, row: ImageType) -> int | None:
    return next((item.line for item in subject.source.defines if item.value == row.magic), None)


def row_messages(row: ImageType) -> list[str]:
    """The names of the messages that images of a type hold, those in payloads too."""
    inner = (record.payload.message for record in row.records if isinstance(record.payload, Submessages))
    return [name for name in dict.fromkeys((*row.messages, *inner)) if name]


def find_message(shape: SchemaShape, name: str) -> MessageShape | None:
    """A message by its name with or without its package, or None."""
    if found := shape.messages.get(name):
        return found
    return next((item for full, item in shape.messages.items() if full.endswith(f".{name}")), None)


def _newer_message(row: ImageType, name: str, release: str) -> str:
    """Why a message may be missing, or nothing where it should be there."""
    if row.magic is None:
        return "a plugin's"
    known = catalogue.history().messages.get(name)
    if known is None:
        return f"in no release up to {catalogue.history().releases[-1]}"
    return _since(known.first, release)


def _since(first: str, release: str) -> str:
    order = catalogue.history().releases.index
    return (
        f"since CRIU {first}, and the schema is nearest to {release}" if order(first) > order(release) else ""
    )


class _Counted(NamedTuple):
    """A field that a payload's layout reads, and the types that it may have."""

    message: str
    field: FieldNumber
    types: frozenset[str]


def _payload_fields(subject: Subject, row: ImageType, release: str) -> Iterator[Finding]:
    for record in row.records:
        for wanted in _counted_fields(record):
            message = find_message(subject.shape, wanted.message)
            if message is None:
                continue
            found = message.fields.get(wanted.field.number)
            where = f"{message.name}.{wanted.field.name}, which the payload of {row.name} images counts on,"
            if found is None:
                yield _missing_field(subject, message, wanted, where, release)
            elif found.kind not in wanted.types or found.label == "repeated":
                kinds = "an integer" if wanted.types is _COUNTS else "a bool"
                text = f"{where} is {kinds}, not {found.shown!r}"
                yield subject.finding(PAYLOADS, text, found.place)
            elif found.name != wanted.field.name:
                finding = subject.finding(PAYLOADS, f"{where} is now called {found.name}", found.place)
                yield Finding(PAYLOADS, finding.message, finding.file, finding.line, severity="warning")


def _missing_field(
    subject: Subject, message: MessageShape, wanted: _Counted, where: str, release: str
) -> Finding:
    named = message.named(wanted.field.name)
    if named:
        text = f"{where} has the number {named.number}, expected {wanted.field.number}"
        return subject.finding(PAYLOADS, text, named.place)
    known = catalogue.history().messages.get(wanted.message)
    first = (
        next((row.first for row in known.fields if row.number == wanted.field.number), "") if known else ""
    )
    if first and (reason := _since(first, release)):
        return subject.finding(NEWER, f"{where} is missing ({reason})", message.place)
    text = f"{where} is missing; expected a field with the number {wanted.field.number}"
    return subject.finding(PAYLOADS, text, message.place)


def _counted_fields(record: RecordLayout) -> Iterator[_Counted]:
    layout, message = record.payload, record.message
    if isinstance(layout, Counted | Rest) and layout.unless:
        yield _Counted(message, layout.unless, _FLAGS)
    if isinstance(layout, Counted):
        for length in layout.lengths:
            yield _Counted(message, length, _COUNTS)
    elif isinstance(layout, Parts):
        for _, length in layout.parts:
            yield _Counted(message, length, _COUNTS)
    elif isinstance(layout, Array | Submessages):
        yield _Counted(message, layout.counter, _COUNTS)
    if isinstance(layout, Submessages):
        yield _Counted(layout.message, layout.length, _COUNTS)


def _options(subject: Subject, message: MessageShape, item: FieldShape) -> Iterator[Finding]:
    for option, value in item.options.items():
        where = f"{message.name}.{item.name} has the option {option}"
        place: Place = item.place
        if option.isdecimal():
            text = f"{message.name}.{item.name} has the (criu) option number {option}, which is new"
            yield subject.finding(OPTIONS_KNOWN, text, place)
        elif option == "dict" and value in DICTS and item.name not in DICTS[str(value)]:
            known = ", ".join(DICTS[str(value)])
            yield subject.finding(OPTIONS, f"{where} = {value!r}, whose maps are for fields {known}", place)
        elif option in _MAPS and value not in _MAPS[option]:
            known = ", ".join(sorted(_MAPS[option]))
            yield subject.finding(OPTIONS, f"{where} = {value!r}; known are {known}", place)


_MAPS = {"flags": frozenset(FLAGS), "dict": frozenset(DICTS), "conv": _CONVERSIONS}
