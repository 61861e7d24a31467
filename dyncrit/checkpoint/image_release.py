"""Which releases of CRIU one image can be from.

The catalogue knows the first release of each field and enum value: the newest that an image holds bounds it
from below. What bounds it from above is in the tables of :mod:`dyncrit.checkpoint.release`.

All entries are looked at, many at a time: protobuf merges messages that stand one behind the other, so a
batch of records, parsed as one message, has every field that any of them has.
"""

from __future__ import annotations

import os
import re
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from google.protobuf.message import DecodeError

from dyncrit.checkpoint.fields import is_set
from dyncrit.checkpoint.release import (
    FIELDS,
    FILES,
    INVENTORY,
    NUMBERED,
    Bound,
    ReleaseRange,
    judge,
    narrow,
    release_key,
    run_bounds,
)
from dyncrit.codec.framing import default_framing, is_head, read_frame, record_sizes, records
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.errors import RawImageError, located
from dyncrit.schema import Schema
from dyncrit.schema.catalogue import history

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor_pb2 import FieldDescriptorProto

    from dyncrit.codec.framing import Frame
    from dyncrit.schema import ImageTable, ImageType
    from dyncrit.schema.catalogue import History
    from dyncrit.schema.pool import MessagePool
    from dyncrit.types import DynamicMessage

_SMALL_FILE = 64 << 20
_BIGGEST_RECORD = 16 << 20
_MOST_RECORDS = 4096
_MOST_EVIDENCE = 3
_LAST_OF_V1_FRAMING, _FIRST_OF_COMMON_FRAMING = "1.5.2", "1.6"
_PAGES = "pagemap_entry"
_INVENTORY_MESSAGE = "inventory_entry"

# Declared as a number in mnt.proto, with the enum beside it.
_NUMBERS_OF_ENUMS = {("mnt_entry", "fstype"): "fstype"}


def release_of_image(file: BinaryIO, name: str, schema: Schema) -> ReleaseRange | None:
    """The releases that can have written an image, or None for a raw file.

    ``name`` is the image's path, or what errors call it. All entries count but those of over 16 MiB. Memory
    holds 64 MiB of records at most. Bounds that contradict each other give none, and both as evidence. Raises
    ImageError for an image that is damaged.
    """
    source = Source(file, name, lambda start: is_head(start, schema.table))
    base = os.path.basename(name)  # noqa: PTH119 (may be no path)
    with located(name):
        try:
            frame = read_frame(source, schema.table, base)
        except RawImageError:
            return None
        firsts: dict[str, bytes] = {}
        seen = _Seen()
        for message, batch in _batches(source, frame):
            if batch:
                firsts.setdefault(message, batch[0])
                seen.add(message, batch)
    present = list(_present_bounds(seen))
    shape = _shape(frame.image_type, base, schema.table)
    others = [*_framing_bounds(frame), *_file_bounds(shape), *_first_bounds(shape, firsts)]
    newest = release_key(present[0].since or "") if present else ()
    found = narrow(present + [_only_news(bound, newest) for bound in others])
    if found.at_least and found.at_most and found.at_least not in found:
        return ReleaseRange(evidence=(*found.evidence, "these contradict each other"))
    return found


class _Seen:
    """The fields and the values of enums that records have."""

    def __init__(self) -> None:
        self.fields: set[tuple[str, int]] = set()
        self.values: set[tuple[str, int]] = set()

    def add(self, message: str, batch: list[bytes]) -> None:
        """Look at records of a message; those that are none, and all of unknown messages, say nothing."""
        made = _merging().message_class(message)
        if made is None:
            return
        try:
            self._walk(made.FromString(b"".join(batch)))
        except DecodeError:
            for record in batch if len(batch) > 1 else ():
                self.add(message, [record])

    def _walk(self, message: DynamicMessage) -> None:
        name = message.DESCRIPTOR.name
        for field, value in message.ListFields():
            place = (name, field.number)
            self.fields.add(place)
            if enum := _merging().enums.get(place):
                self.values.update((enum, number) for number in set(value))
            elif field.message_type is not None:
                self._walk(value)


class _Merging(NamedTuple):
    """The newest schema changed so that parsing merges: no field is a list but those of enum types.

    ``enums`` has the enum of each such field, by message and number.
    """

    pool: MessagePool
    classes: dict[str, Any]
    enums: Mapping[tuple[str, int], str]

    def message_class(self, name: str) -> Any:
        """The class of a message, or None for one that the newest release doesn't have."""
        from dyncrit.schema.engine import message_class

        if name not in self.classes:
            descriptor = self.pool.find(name) if name else None
            self.classes[name] = message_class(descriptor) if descriptor else None
        return self.classes[name]


@cache
def _merging() -> _Merging:
    from dyncrit.schema.bundled import NEWEST_SET
    from dyncrit.schema.pool import build_pool, parse_descriptor_set

    files = parse_descriptor_set(NEWEST_SET.read_bytes(), NEWEST_SET.name)
    enums: dict[tuple[str, int], str] = {}
    for message in (message for file in files for message in file.message_type):
        for field in message.field:
            enum = field.type_name.lstrip(".") if field.type == field.TYPE_ENUM else ""
            enum = enum or _NUMBERS_OF_ENUMS.get((message.name, field.name), "")
            if enum:
                enums[message.name, field.number] = enum
            _make_merging(field, is_enum=bool(enum))
    return _Merging(build_pool(files, NEWEST_SET.name), {}, enums)


def _make_merging(field: FieldDescriptorProto, *, is_enum: bool) -> None:
    field.ClearField("default_value")
    field.label = field.LABEL_REPEATED if is_enum else field.LABEL_OPTIONAL
    if is_enum:
        field.type = field.TYPE_INT32
        field.ClearField("type_name")
    elif field.type == field.TYPE_STRING:
        field.type = field.TYPE_BYTES  # which may hold anything


def _batches(source: Source, frame: Frame) -> Iterator[tuple[str, list[bytes]]]:
    """The records, many at a time, with their message; an empty one in place of each that is too big."""
    image_type = frame.image_type
    if image_type.has_payload:
        for entry in ImageReader(source, frame).entries():
            yield entry.layout.message, [entry.record if len(entry.record) <= _BIGGEST_RECORD else b""]
        return
    *heads, rest = image_type.messages
    found, most = _plain_records(source, frame)
    for message in heads:
        yield message, list(islice(found, 1))
    while batch := list(islice(found, most)):
        yield rest, batch


def _plain_records(source: Source, frame: Frame) -> tuple[Iterator[bytes], int]:
    """The records of an image without payloads, and how many of them memory may hold at a time."""
    whole = (record for _, record in records(source, frame))
    if source.size <= _SMALL_FILE:
        return whole, _MOST_RECORDS
    biggest = max(record_sizes(source, frame), default=0)
    most = max(1, min(_MOST_RECORDS, _SMALL_FILE // max(biggest, 1)))
    return whole if biggest <= _BIGGEST_RECORD else _without_big_ones(source, frame), most


def _without_big_ones(source: Source, frame: Frame) -> Iterator[bytes]:
    offset = frame.size
    for size in record_sizes(source, frame):
        offset += frame.image_type.length_size
        yield source.exactly(offset, size, "record") if size <= _BIGGEST_RECORD else b""
        offset += size


def _present_bounds(seen: _Seen) -> Iterator[Bound]:
    """The newest of what was seen; nothing where that is as old as the images are."""
    known = history()
    found = list(_present(seen, known))
    newest = max((item.first for item in found), key=release_key, default=known.releases[0])
    if newest == known.releases[0]:
        return
    texts = [item for item in found if item.first == newest]
    # the field that leads to a message says it, not all those in the message
    chosen = [item for item in texts if not item.is_within_new] or texts
    yield from (Bound(newest, None, item.text) for item in chosen[:_MOST_EVIDENCE])


class _Present(NamedTuple):
    """Something that was seen, and its first release; ``is_within_new`` if its message is no older."""

    first: str
    text: str
    is_within_new: bool = False


def _present(seen: _Seen, known: History) -> Iterator[_Present]:
    for name, number in sorted(seen.fields):
        if message := known.messages.get(name):
            rows = [row for row in message.fields if row.number == number]
            first = min((row.first for row in rows), key=release_key)
            yield _Present(first, f"{name}: {rows[-1].name} is there", first == message.first)
    for name, number in sorted(seen.values):
        for value in known.enums[name].values:
            if value.number == number:
                yield _Present(value.first, f"{name}: {value.name} is there")


def _framing_bounds(frame: Frame) -> Iterator[Bound]:
    if default_framing(frame.image_type) == "v1.0":
        return  # never had another
    if frame.framing == "v1.0":
        yield Bound(None, _LAST_OF_V1_FRAMING, "its magic stands alone (framing v1.0)")
    else:
        yield Bound(_FIRST_OF_COMMON_FRAMING, None, f"another magic stands before its own ({frame.framing})")


def _file_bounds(shape: str) -> Iterator[Bound]:
    for row in FILES:
        if row.name == shape:
            yield Bound(row.since, row.until, f"images like {shape}")


def _first_bounds(shape: str, firsts: Mapping[str, bytes]) -> Iterator[Bound]:
    """What the first record of each message tells, with what it doesn't have."""
    schema = Schema.default()
    for name, record in firsts.items():
        message: Any = schema.message_class(name)()
        try:
            message.MergeFromString(record)
        except DecodeError:
            continue
        if name == _PAGES:
            yield from run_bounds(message, name)
        if name == _INVENTORY_MESSAGE:
            yield from _inventory_bounds(message)
        else:
            for field in FIELDS:
                if field.name == shape:
                    yield from judge(message, field, name, whole=True)


def _inventory_bounds(inventory: DynamicMessage) -> Iterator[Bound]:
    if inventory.img_version == 1:
        yield Bound(None, _LAST_OF_V1_FRAMING, f"{_INVENTORY_MESSAGE}: img_version is 1")
    elif inventory.img_version == 2:
        yield Bound(_FIRST_OF_COMMON_FRAMING, None, f"{_INVENTORY_MESSAGE}: img_version is 2")
    whole = is_set(inventory, "fdinfo_per_id")  # pre-dumps write little of it
    for field in INVENTORY:
        yield from judge(inventory, field, _INVENTORY_MESSAGE, whole=whole)


def _shape(image_type: ImageType, base: str, table: ImageTable) -> str:
    """The file's name with N for its number; where it has a name of its own, the one that CRIU gives it."""
    if table.by_file_name(base) is image_type:
        return NUMBERED.sub("-N", base)
    if len(image_type.files) != 1:
        return ""
    return re.sub(r"%0?\d*l?[dusx]", "N", image_type.files[0])


def _only_news(bound: Bound, newest: tuple[int, ...]) -> Bound:
    """A bound without a first release that what was seen tells already."""
    known = bound.since is not None and release_key(bound.since) <= newest
    return bound._replace(since=None) if known else bound
