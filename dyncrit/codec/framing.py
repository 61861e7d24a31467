"""The frame of an image: which type and byte order its head tells, and where its records lie."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from dyncrit.errors import ImageError, RawImageError
from dyncrit.schema.images import IMG_COMMON, IMG_SERVICE
from dyncrit.schema.layout import ImageType, RawFormat, RecordLayout
from dyncrit.schema.table import unnamed_type
from dyncrit.types import ByteOrder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.codec.source import Source
    from dyncrit.schema import ImageTable

Framing = Literal["v1.0", "common", "service"]
"""What stands before the magic: nothing (all images up to CRIU v1.5), IMG_COMMON or IMG_SERVICE."""

_HEAD_MAGICS: dict[int, Framing] = {IMG_COMMON: "common", IMG_SERVICE: "service"}
_BYTE_ORDERS: tuple[ByteOrder, ...] = get_args(ByteOrder)
_CHUNK_SIZE = 1 << 20
_PAGE_ALIGN = 4096


class Frame(NamedTuple):
    """What the head of an image tells. ``size`` is the head's, in bytes."""

    image_type: ImageType
    byte_order: ByteOrder = "little"
    framing: Framing = "common"
    size: int = 8

    @property
    def is_default(self) -> bool:
        """Whether today's CRIU would write this type with this head."""
        return self.framing == default_framing(self.image_type)


def lone_message_type(message: str) -> ImageType:
    """The type of a file that is one length of 64 bits and one ``message``, as plugins write them."""
    return ImageType("", None, (RecordLayout(message),), head="none", length_size=8)


def default_framing(image_type: ImageType) -> Framing:
    """The head that CRIU writes before a type's magic since v1.6."""
    return "v1.0" if image_type.head == "none" else image_type.head


def write_head(image_type: ImageType, byte_order: ByteOrder, framing: Framing) -> bytes:
    """The head of an image; empty for a type without a magic."""
    if image_type.magic is None:
        return b""
    before = next((magic for magic, name in _HEAD_MAGICS.items() if name == framing), None)
    magics = (image_type.magic,) if before is None else (before, image_type.magic)
    return b"".join(magic.to_bytes(4, byte_order) for magic in magics)


def read_frame(source: Source, table: ImageTable, file_name: str = "", as_message: str = "") -> Frame:
    """The frame of the image in ``source``, told by its content and, where that is not enough, by name.

    ``as_message`` says that the caller knows the records' message, so that files without a magic are read if
    their lengths fit. Raises RawImageError for a file that is no image, which says what it is.
    """
    start = source.read(0, 8)
    if frame := _frame_without_magic(source, table, file_name, start, as_message):
        return frame
    for byte_order in _BYTE_ORDERS:
        first, second = (int.from_bytes(start[at : at + 4], byte_order) for at in (0, 4))
        if framing := _HEAD_MAGICS.get(first):
            if len(start) < 8:
                raise ImageError("the file ends within its head; expected two magics of 4 bytes")
            return Frame(table.by_magic(second) or unnamed_type(second), byte_order, framing, 8)
        if len(start) >= 4 and (image_type := table.by_magic(first)):
            if raw := _raw_with_magic(source, table, file_name, image_type, byte_order):
                raise RawImageError(f"a raw image without records: {raw.describes}")
            return Frame(image_type, byte_order, "v1.0", 4)
    raise RawImageError(describe_raw(source, table, file_name))


def describe_raw(source: Source, table: ImageTable, file_name: str) -> str:
    """What a file without an image's head is, in a phrase, from its name and content."""
    start = source.read(0, 64)
    raw = table.raw_by_file_name(file_name) or table.raw_by_content(start)
    if not start:
        return f"an empty file (0 bytes){f', for {raw.describes}' if raw else ''}"
    if raw:
        return f"a raw image without records: {raw.describes}"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return "JSON, not an image; `dyncrit encode` makes an image of it"
    if len(start) < 4:
        return f"no image: {len(start)} bytes, and a magic has 4"
    if _looks_like_text(start):
        return "text, not an image"
    return f"no image: it begins with {start[:4].hex(' ')}, which is no magic in the image table"


def records(source: Source, frame: Frame) -> Iterator[tuple[int, bytes]]:
    """Each record of an image without payloads: its offset in the file and its bytes.

    Raises ImageError, with the place, where a length lies or the file ends within a record.
    """
    length_size = frame.image_type.length_size
    unpack = _length_struct(length_size, frame.byte_order).unpack_from
    buffer, base, position = b"", frame.size, 0
    index = length = 0
    while True:
        held = len(buffer)
        last = held - length_size
        while position <= last:
            (length,) = unpack(buffer, position)
            start = position + length_size
            end = start + length
            if end > held:
                break
            yield base + position, buffer[start:end]
            index += 1
            position = end
        else:
            length = 0
        offset = base + position
        if source.size == offset:
            return
        if length > source.size - offset - length_size or source.size - offset < length_size:
            read_record(source, frame, offset, index)  # raises
        if length > _CHUNK_SIZE:
            yield offset, read_record(source, frame, offset, index)
            buffer, base, position = b"", offset + length_size + length, 0
            index += 1
            continue
        wanted = length + length_size
        buffer = source.read(offset, max(_CHUNK_SIZE, wanted))
        if len(buffer) < wanted:
            raise ImageError("the file was cut while it was read", entry_place(index, offset))
        base, position = offset, 0


def record_sizes(source: Source, frame: Frame) -> Iterator[int]:
    """The size of each record of an image without payloads; what they hold is passed over.

    Raises ImageError as :func:`records` does.
    """
    length_size = frame.image_type.length_size
    unpack = _length_struct(length_size, frame.byte_order).unpack_from
    buffer, base, offset, index = b"", frame.size, frame.size, 0
    while offset < source.size:
        if not 0 <= offset - base <= len(buffer) - length_size:
            buffer, base = source.read(offset, _CHUNK_SIZE), offset
        if len(buffer) < length_size:
            read_record(source, frame, offset, index)  # raises
            raise ImageError("the file was cut while it was read", entry_place(index, offset))
        (length,) = unpack(buffer, offset - base)
        if length > source.size - offset - length_size:
            read_record(source, frame, offset, index)  # raises
        yield length
        offset += length_size + length
        index += 1


def read_record(source: Source, frame: Frame, offset: int, index: int) -> bytes:
    """The record at ``offset``; raises ImageError with the place if it isn't there as a whole."""
    length_size = frame.image_type.length_size
    try:
        head = source.exactly(offset, length_size, "a record's length")
        (length,) = _length_struct(length_size, frame.byte_order).unpack(head)
        return source.exactly(offset + length_size, length, "record")
    except ImageError as error:
        raise error.within(entry_place(index, offset)) from None


def frame_record(frame: Frame, record: bytes) -> bytes:
    """A record with its length in front."""
    return _length_struct(frame.image_type.length_size, frame.byte_order).pack(len(record)) + record


def length_packer(frame: Frame) -> struct.Struct:
    """Packs the length that stands before each record."""
    return _length_struct(frame.image_type.length_size, frame.byte_order)


def entry_place(index: int, offset: int) -> str:
    """How errors call an entry: counted from 0, as in a document's ``entries``."""
    return f"entry {index} at byte {offset}"


def _length_struct(size: int, byte_order: ByteOrder) -> struct.Struct:
    return struct.Struct(("<" if byte_order == "little" else ">") + {4: "I", 8: "Q"}[size])


def _frame_without_magic(
    source: Source, table: ImageTable, file_name: str, start: bytes, as_message: str
) -> Frame | None:
    """The frame of a file that is one length and one message, as plugins write them."""
    for byte_order in _BYTE_ORDERS:
        if len(start) == 8 and int.from_bytes(start, byte_order) == source.size - 8:
            named = table.by_file_name(file_name)
            if named is not None and named.magic is None:
                return Frame(named, byte_order, "v1.0", 0)
            if named is None and as_message:
                return Frame(lone_message_type(as_message), byte_order, "v1.0", 0)
    return None


def _raw_with_magic(
    source: Source, table: ImageTable, file_name: str, image_type: ImageType, byte_order: ByteOrder
) -> RawFormat | None:
    """The raw format that shares an image type's magic, if the file is one: told by name, else by shape."""
    shared = next((raw for raw in table.raw_formats if raw.magic and raw.magic == image_type.magic), None)
    if shared is None or table.by_file_name(file_name) is image_type:
        return None
    if table.raw_by_file_name(file_name):
        return shared
    if byte_order == "big":
        return None  # CRIU ran on no big-endian host while it wrote such files
    address = int.from_bytes(source.read(4, 8), byte_order)
    whole = source.size > 4 and (source.size - 4) % shared.record_size == 0
    return shared if whole and address % _PAGE_ALIGN == 0 else None


def _looks_like_text(start: bytes) -> bool:
    text = start[:60].decode("utf-8", "ignore")
    return len(text) * 2 > min(len(start), 60) and all(char.isprintable() or char.isspace() for char in text)


def is_head(start: bytes, table: ImageTable) -> bool:
    """Whether a file that begins like this may be an image with a magic."""
    for byte_order in _BYTE_ORDERS:
        magic = int.from_bytes(start[:4], byte_order)
        if magic in _HEAD_MAGICS or table.by_magic(magic):
            return True
    return False
