"""Real images under a schema: whether they decode and encode again, and what of the schema they use."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dyncrit.codec.framing import is_head, read_frame
from dyncrit.codec.message import codecs_for
from dyncrit.codec.payload import Submessage, write_payload
from dyncrit.codec.plan import Planner, Style
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import PIECE_SIZE, Source
from dyncrit.codec.unknown import KEY as UNKNOWN_KEY
from dyncrit.codec.walk import missing_required
from dyncrit.errors import DyncritError, ImageError, RawImageError
from dyncrit.findings import Finding, Rule
from dyncrit.schema.layout import Submessages
from dyncrit.validate.table_rules import find_message, row_messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.codec.plan import MessagePlan
    from dyncrit.codec.reader import ReadEntry
    from dyncrit.schema import Schema
    from dyncrit.types import JsonObject
    from dyncrit.validate.baseline import Baseline
    from dyncrit.validate.shape import SchemaShape
    from dyncrit.validate.subject import Subject

DECODES = Rule(
    "corpus-decodes",
    "error",
    "every image of the corpus decodes",
    "Checkpoints like this one can't be read with this schema.",
)
ENCODES = Rule(
    "corpus-encodes",
    "error",
    "every image of the corpus is encoded again byte for byte",
    "An image that is decoded and encoded is another one than CRIU wrote.",
)
COMPLETE = Rule(
    "corpus-required",
    "error",
    "every message of the corpus has the fields that the schema requires",
    "CRIU built with this schema refuses the image (as in criu#2128).",
)
WIRE_TYPES = Rule(
    "corpus-wire-type",
    "error",
    "every field of the corpus stands on the wire as its type says",
    "CRIU refuses the image; other readers lose the field.",
)
UNKNOWN = Rule(
    "corpus-unknown-field",
    "warning",
    "the schema knows every field of the corpus",
    "What the field holds has no name in documents, and a restore ignores it.",
)
SUMMARY = Rule(
    "corpus-summary",
    "note",
    "how much of the schema the corpus exercises is told",
    "Nothing breaks; what no image has is not tested by the corpus.",
)
UNUSED = Rule(
    "corpus-never-met",
    "note",
    "every message and field that images can hold is met in the corpus",
    "Nothing breaks; what no image has is not tested by the corpus.",
)
RULES = (DECODES, ENCODES, COMPLETE, WIRE_TYPES, UNKNOWN, SUMMARY, UNUSED)

_MAX_IN_IMAGE = 20
_MAX_UNKNOWN = 1000  # kinds of unknown fields that are counted; garbage has any number of them


@dataclass(slots=True)
class Usage:
    """What was met: images, raw files beside them, records, and messages and fields with their counts.

    ``unknown`` are fields by message and number that the schema lacks or that stand otherwise on the wire;
    ``incomplete`` are required fields that were missing. Both have the first image that shows it.
    """

    images: int = 0
    raw: int = 0
    records: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    fields: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: Counter[tuple[str, int]] = field(default_factory=Counter)
    incomplete: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: dict[tuple[str, str | int], str] = field(default_factory=dict)


def corpus_findings(subject: Subject, schema: Schema, folder: Path, baseline: Baseline) -> Iterator[Finding]:
    """What a folder of images shows about a schema. Memory holds an entry at a time.

    A required field that images lack is an error where the baseline did without it, and a warning where the
    baseline required it too. Raises DyncritError if ``folder`` is none.
    """
    if not folder.is_dir():
        raise DyncritError("not a folder of images" if folder.exists() else "no such folder", str(folder))
    usage = Usage()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            yield from _image(path, name, schema, usage)
        except RawImageError as error:
            if schema.table.by_file_name(path.name) is None:
                usage.raw += 1
            else:
                yield Finding.of(DECODES, error.problem, str(path))
        except (ImageError, OSError) as error:
            reason = str(error.strerror) if isinstance(error, OSError) else str(error)
            yield Finding.of(DECODES, reason, str(path))
    yield from _unknown_fields(subject, usage)
    yield from _incomplete(subject, usage, baseline.shape)
    yield from _coverage(subject, schema, usage)


def _files(folder: Path) -> Iterator[Path]:
    for here, subfolders, names in os.walk(folder):
        subfolders.sort()
        for name in sorted(names):
            path = Path(here, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _image(path: Path, name: str, schema: Schema, usage: Usage) -> Iterator[Finding]:
    with path.open("rb") as file:
        source = Source(file, name, lambda start: is_head(start, schema.table))
        frame = read_frame(source, schema.table, path.name)
        usage.images += 1
        walker = _Walker(schema, Style(byte_order=frame.byte_order), name, usage)
        walker.length_size = frame.image_type.length_size
        found = 0
        for entry in ImageReader(source, frame).entries():
            usage.records += 1
            for rule, message in _entry(entry, walker, source):
                place = f"entry {entry.position}, byte {entry.offset}"
                yield Finding.of(rule, message, str(path), place=place)
                found += 1
            if found >= _MAX_IN_IMAGE:
                return


def _entry(entry: ReadEntry, walker: _Walker, source: Source) -> Iterator[tuple[Rule, str]]:
    """The rule that an entry breaks, and how."""
    try:
        same = walker.record(entry.layout.message, entry.record) and _same_payload(entry, walker, source)
    except ImageError as error:
        yield DECODES, str(error)
    except DyncritError as error:
        yield ENCODES, str(error)
    except MemoryError:
        yield DECODES, "takes more memory than there is"
    else:
        if not same:
            yield ENCODES, f"{entry.layout.message} becomes other bytes"


def _same_payload(entry: ReadEntry, walker: _Walker, source: Source) -> bool:
    """Whether the bytes behind a record are written as they were read; counts messages among them."""
    layout, payload = entry.layout.payload, entry.payload
    if layout is None or payload is None:
        return True
    same = True
    if isinstance(layout, Submessages) and isinstance(payload.value, list):
        for item in payload.value:
            if isinstance(item, Submessage):
                same = walker.record(layout.message, item.record) and same
    offset = entry.offset + walker.length_size + len(entry.record)
    for piece in write_payload(layout, entry.record, payload, walker.style.byte_order):
        for start in range(0, len(piece), PIECE_SIZE):
            part = piece[start : start + PIECE_SIZE]
            same = same and source.read(offset, len(part)) == part
            offset += len(part)
    return same


class _Walker:
    """Decodes records, encodes them again, and counts what is in them."""

    length_size = 4

    def __init__(self, schema: Schema, style: Style, name: str, usage: Usage) -> None:
        self.schema = schema
        self.style = style
        self.name = name
        self.usage = usage
        self.codecs = codecs_for(schema, style)
        self.planner = Planner(style)

    def record(self, message: str, record: bytes) -> bool:
        """Whether a record comes back byte for byte. Raises ImageError where it is no message."""
        codec = self.codecs.codec(message)
        document = codec.decode(record)
        plan = self.planner.plan(self.schema.message(message) or self.schema.required_message(""))
        self._count(plan, document)
        for path in missing_required(plan, document):
            key = (_message_at(plan, path), path.rpartition(".")[2])
            self.usage.incomplete[key] += 1
            self.usage.first.setdefault(key, self.name)
        return codec.encode(document) == record

    def _count(self, plan: MessagePlan, document: JsonObject) -> None:
        usage, message = self.usage, _name(plan)
        usage.messages[message] += 1
        for name, value in document.items():
            if name == UNKNOWN_KEY:
                for item in value:
                    key = (message, int(item["field"]))
                    if key not in usage.unknown and len(usage.unknown) >= _MAX_UNKNOWN:
                        continue
                    usage.unknown[key] += 1
                    usage.first.setdefault(key, self.name)
                continue
            known = plan.by_name.get(name)
            if known is None:
                continue
            usage.fields[message, name] += 1
            if known.message is not None:
                for inner in value if isinstance(value, list) else [value]:
                    self._count(known.message, inner)


def _message_at(plan: MessagePlan, path: str) -> str:
    """The message that the last field of a path, which goes through fields of ``plan``, stands in."""
    for step in path.split(".")[:-1]:
        inner = plan.by_name[step.partition("[")[0]].message
        if inner is None:
            break
        plan = inner
    return _name(plan)


def _name(plan: MessagePlan) -> str:
    """A message's name without its package: a pool may have moved it to one of its own."""
    package = plan.descriptor.file.package
    return plan.descriptor.full_name.removeprefix(f"{package}." if package else "")


def _unknown_fields(subject: Subject, usage: Usage) -> Iterator[Finding]:
    for (message, number), count in sorted(usage.unknown.items()):
        where = f"{count} times in the corpus, first in {usage.first[message, number]}"
        found = find_message(subject.shape, message)
        known = found.fields.get(number) if found else None
        if found and known:
            text = f"{message}.{known.name} ({number}) does not stand on the wire as {known.type}: {where}"
            yield subject.finding(WIRE_TYPES, text, known.place)
        elif found:
            text = f"{message} has no field {number}, which is met {where}"
            yield subject.finding(UNKNOWN, text, found.place)
        else:
            yield Finding.of(UNKNOWN, f"field {number} of records without a message is met {where}")


def _incomplete(subject: Subject, usage: Usage, baseline: SchemaShape) -> Iterator[Finding]:
    for (message, name), count in sorted(usage.incomplete.items()):
        found, before = find_message(subject.shape, message), baseline.messages.get(message)
        known = found.named(name) if found else None
        if known is None:
            continue
        was = before.fields.get(known.number) if before else None
        text = f"{message}.{name} is required, and lacks {count} times, first in {usage.first[message, name]}"
        finding = subject.finding(COMPLETE, text, known.place)
        if was and was.label == "required":
            text = f"{text}; the baseline required it too"
            finding = Finding(COMPLETE, text, finding.file, finding.line, severity="warning")
        yield finding


def _coverage(subject: Subject, schema: Schema, usage: Usage) -> Iterator[Finding]:
    reachable = _reachable(subject.shape, (name for row in schema.table.types for name in row_messages(row)))
    used = {found.name: name for name in usage.messages if (found := find_message(subject.shape, name))}
    never: list[str] = []
    fields = met = 0
    notes: list[Finding] = []
    for name in sorted(reachable):
        message = subject.shape.messages[name]
        fields += len(message.fields)
        full = used.get(name)
        if full is None:
            never.append(name)
            continue
        unused = [item.name for item in message.fields.values() if (full, item.name) not in usage.fields]
        met += len(message.fields) - len(unused)
        if unused:
            text = f"{name}: {len(unused)} of {len(message.fields)} fields are never set: {', '.join(unused)}"
            notes.append(subject.finding(UNUSED, text, message.place))
    text = (
        f"{usage.images} images with {usage.records} records, {usage.raw} files without records;"
        f" {len(reachable) - len(never)} of {len(reachable)} messages and {met} of {fields} fields are met"
    )
    yield Finding.of(SUMMARY, text)
    if never:
        yield Finding.of(UNUSED, f"{len(never)} messages are never met: {', '.join(never)}")
    yield from notes


def _reachable(shape: SchemaShape, roots: Iterable[str]) -> set[str]:
    """The messages that images can hold: those of the image table's rows, and what is in them."""
    found: set[str] = set()
    waiting: list[Any] = [message for name in roots if (message := find_message(shape, name))]
    while waiting:
        message = waiting.pop()
        if message.name not in found:
            found.add(message.name)
            types = (item.type for item in message.fields.values() if item.kind in ("message", "group"))
            waiting += [shape.messages[name] for name in types if name in shape.messages]
    return found
