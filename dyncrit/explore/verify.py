"""Whether images come back byte for byte when they are decoded to documents and encoded again.

An image goes through all that ``decode`` and ``encode`` do, JSON text included, a batch of entries at a time;
what comes out is held against the file as it comes. Memory holds a batch, a long payload goes through a
temporary file.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from dyncrit.batch import list_files
from dyncrit.checkpoint.location import locate
from dyncrit.checkpoint.storage.compression import compression_of
from dyncrit.checkpoint.storage.oci import is_image
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.codec import wire
from dyncrit.codec.framing import is_head, read_frame
from dyncrit.codec.header import parse_header, show_header
from dyncrit.codec.message import codecs_for
from dyncrit.codec.plan import Style
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.codec.writer import ImageWriter
from dyncrit.errors import DocumentError, DyncritError, ImageError, RawImageError
from dyncrit.jsonio.reader import DocumentReader
from dyncrit.jsonio.writer import DocumentWriter
from dyncrit.schema.engine import is_repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from google.protobuf.descriptor import Descriptor

    from dyncrit.checkpoint.storage.compression import Limits
    from dyncrit.checkpoint.storage.tree import FileTree
    from dyncrit.codec.framing import Frame
    from dyncrit.codec.reader import ReadEntry
    from dyncrit.schema import Schema
    from dyncrit.types import JsonObject

Kind = Literal["same", "differs", "failed", "skipped"]

_SPOOL_SIZE = 16 << 20
_TAR_MAGIC = slice(257, 262)


class Difference(NamedTuple):
    """Where an image first differs from what was made of its document.

    ``offset`` is the byte in the image. ``entry`` counts from 0, and is None in the head and behind the last
    one; ``part`` tells the field's path, or what else stands there. ``pretty`` says which document it was.
    """

    offset: int
    entry: int | None
    part: str
    pretty: bool = False

    def __str__(self) -> str:
        where = "" if self.entry is None else f"entry {self.entry}: "
        form = " (pretty)" if self.pretty else ""
        return f"{where}{self.part}: byte {self.offset} comes back different{form}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a file: ``message`` says why it was skipped or failed, or what differs, and where."""

    file: str
    kind: Kind
    message: str = ""
    difference: Difference | None = None

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong with the file."""
        return self.kind in ("same", "skipped")

    def to_dict(self) -> JsonObject:
        """The verdict as JSON has it."""
        shown = self.difference._asdict() if self.difference else None
        return {"file": self.file, "kind": self.kind, "message": self.message or None, "difference": shown}


def verify_paths(
    paths: Iterable[Path], schema: Schema, *, pretty: bool = False, limits: Limits | None = None
) -> Iterator[Verdict]:
    """Verify images, directories with all that is in them, and the images in archives and OCI images.

    With ``pretty``, their pretty documents, too. What is no image is skipped; an error in one file stops no
    other.
    """
    for path in paths:
        try:
            if not _holds_images(path, schema):
                yield from _verify_files([path], schema, pretty)
                continue
            location = locate(path, limits)
            try:
                yield from _verify_tree(location.outer or location.images, schema, pretty)
            finally:
                location.root.close()
        except (DyncritError, OSError) as error:
            yield Verdict(str(path), "failed", _problem(error, str(path)))


def verify_image(file: BinaryIO, name: str, schema: Schema, *, pretty: bool = False) -> Verdict:
    """Verify one image, whose path, or what errors call it, is ``name``; also as pretty if asked to."""
    try:
        source = Source(file, name, lambda start: is_head(start, schema.table))
        frame = read_frame(source, schema.table, os.path.basename(name))  # noqa: PTH119 (may be no path)
        for style in (False, True) if pretty else (False,):
            if difference := _difference(source, frame, schema, pretty=style):
                return Verdict(name, "differs", str(difference), difference)
    except RawImageError as error:
        if schema.table.by_file_name(os.path.basename(name)) is not None:  # noqa: PTH119 (may be no path)
            return Verdict(name, "failed", f"{name}: {error.problem}")
        return Verdict(name, "skipped", error.problem)
    except (DyncritError, OSError) as error:
        return Verdict(name, "failed", _problem(error, name))
    except MemoryError:
        return Verdict(name, "failed", "an entry of it takes more memory than there is")
    return Verdict(name, "same")


def _holds_images(path: Path, schema: Schema) -> bool:
    """Whether a path is an archive, or a directory in the layout of OCI images."""
    if path.is_dir():
        return is_image(DirectoryTree(path))
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(512)
    table = schema.table
    if is_head(start, table) or table.by_file_name(path.name) or table.raw_by_file_name(path.name):
        return False  # CRIU's own archives of a mount's files are no checkpoints
    return compression_of(memoryview(start)) is not None or start[_TAR_MAGIC] == b"ustar"


def _verify_files(paths: Sequence[Path], schema: Schema, pretty: bool) -> Iterator[Verdict]:
    for path, skip in list_files(paths):
        if skip:
            yield Verdict(str(path), "skipped", skip)
            continue
        try:
            with path.open("rb") as file:
                yield verify_image(file, str(path), schema, pretty=pretty)
        except OSError as error:
            yield Verdict(str(path), "failed", _problem(error, str(path)))


def _verify_tree(top: FileTree, schema: Schema, pretty: bool) -> Iterator[Verdict]:
    """Verify the files of a tree, those of its folders behind them."""
    waiting = [top]
    while waiting:
        tree = waiting.pop()
        for name in tree.names():
            try:
                with tree.open(name) as file:
                    yield verify_image(file, tree.path(name), schema, pretty=pretty)
            except (DyncritError, OSError) as error:
                yield Verdict(tree.path(name), "failed", _problem(error, tree.path(name)))
        waiting += (tree.folder(name) for name in reversed(tree.folders()))


def _difference(source: Source, frame: Frame, schema: Schema, *, pretty: bool) -> Difference | None:
    """Where an image doesn't come back from its document, or None."""
    position = 0
    for piece in _encoded_again(source, frame, schema, pretty=pretty):
        original = source.read(position, len(piece))
        if original != piece:
            offset = position + _common(original, piece)
            return _locate(source, frame, schema, offset, pretty=pretty)
        position += len(piece)
    return _locate(source, frame, schema, position, pretty=pretty) if position < source.size else None


def _common(first: bytes, second: bytes) -> int:
    """How many bytes two runs have in common at their beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))


def _encoded_again(source: Source, frame: Frame, schema: Schema, *, pretty: bool) -> Iterator[bytes]:
    """The bytes of the image that is made of the documents of an image."""
    header = show_header(frame)
    parsed, _ = parse_header(dict(header), schema.table)
    codecs = codecs_for(schema, Style(pretty, frame.byte_order))
    writer = ImageWriter(parsed, codecs_for(schema, Style(byte_order=parsed.byte_order)))
    yield writer.head()
    index = 0
    for batch in ImageReader(source, frame).documents(codecs):
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_SIZE, prefix="dyncrit-") as file:
            text: BinaryIO = file  # type: ignore[assignment]  # it is one, from Python 3.11 on
            document = DocumentWriter(text, pretty=pretty)
            document.begin(header)
            document.entries(batch)
            document.end()
            for entries in DocumentReader(text).entries():
                yield from writer.encode(index, entries)
                index += len(entries)


def _locate(source: Source, frame: Frame, schema: Schema, offset: int, *, pretty: bool) -> Difference:
    """What stands at a byte of an image."""
    if offset < frame.size:
        return Difference(offset, None, "head", pretty)
    found = None
    for entry in ImageReader(source, frame).entries():
        if entry.offset > offset:
            break
        found = entry
    if found is None or offset >= source.size:
        return Difference(offset, None, "end", pretty)
    return Difference(offset, found.position, _part(found, frame, schema, offset), pretty)


def _part(entry: ReadEntry, frame: Frame, schema: Schema, offset: int) -> str:
    start = entry.offset + frame.image_type.length_size
    if offset < start:
        return "length"
    if offset >= start + len(entry.record):
        return f"payload byte {offset - start - len(entry.record)}"
    try:
        return _field_path(entry.record, offset - start, schema.message(entry.layout.message), 0) or "record"
    except ImageError:
        return "record"


def _field_path(record: bytes, offset: int, descriptor: Descriptor | None, depth: int) -> str:
    """The path of the field that stands at ``offset`` in a message."""
    met: dict[int, int] = {}
    for item in wire.fields(record, depth):
        index = met.get(item.number, 0)
        met[item.number] = index + 1
        if offset >= item.end:
            continue
        field = descriptor.fields_by_number.get(item.number) if descriptor is not None else None
        if field is None:
            return f"field {item.number}"
        name = f"{field.name}[{index}]" if is_repeated(field) else field.name
        if field.message_type is None or not isinstance(item.value, bytes) or depth >= wire.MAX_DEPTH:
            return name
        inner_start = item.end - len(item.value)
        inner = ""
        if item.wire_type == wire.LENGTH and offset >= inner_start:
            inner = _field_path(item.value, offset - inner_start, field.message_type, depth + 1)
        return f"{name}.{inner}" if inner else name
    return ""


def _problem(error: DyncritError | OSError, name: str) -> str:
    """An error in a line, without the file that the verdict names."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = str(error).removeprefix(f"{name}: ")
    return f"its document can't be encoded: {text}" if isinstance(error, DocumentError) else text
