"""The image table: finds the type of an image by magic, by name and by file name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from dyncrit.schema.images import IMAGE_TYPES, RAW_FORMATS
from dyncrit.schema.layout import ImageType, RawFormat, RecordLayout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Row = TypeVar("Row", ImageType, RawFormat)


class ImageTable:
    """The rows that are known, with the lookups that reading and writing images need."""

    def __init__(
        self, types: Iterable[ImageType] = IMAGE_TYPES, raw_formats: Iterable[RawFormat] = RAW_FORMATS
    ) -> None:
        self.types = tuple(types)
        self.raw_formats = tuple(raw_formats)
        self._by_magic = {row.magic: row for row in reversed(self.types) if row.magic is not None}
        self._by_name = {alias: row for row in reversed(self.types) for alias in row.aliases}
        self._by_name.update({row.name: row for row in reversed(self.types)})
        self._type_names = [_FileName.of(name, row) for row in self.types for name in row.files]
        self._raw_names = [_FileName.of(name, row) for row in self.raw_formats for name in row.files]

    def by_magic(self, magic: int) -> ImageType | None:
        """The type with this magic, or None."""
        return self._by_magic.get(magic)

    def by_name(self, name: str) -> ImageType | None:
        """The type with this name or alias (``"CORE"``, ``"SHMEM_PAGEMAP"``), or None.

        A magic that has no name is written as a number: ``"0x12345678"`` gives a type without a
        message, whose records are shown field by field.
        """
        if row := self._by_name.get(name):
            return row
        if re.fullmatch(r"0x[0-9a-fA-F]{8}", name):
            return self.by_magic(int(name, 16)) or unnamed_type(int(name, 16))
        return None

    @property
    def names(self) -> list[str]:
        """The names of all types, sorted."""
        return sorted(row.name for row in self.types)

    def by_file_name(self, name: str) -> ImageType | None:
        """The type whose files are called like ``name`` (no folder in it), or None."""
        return _first(name, self._type_names)

    def raw_by_file_name(self, name: str) -> RawFormat | None:
        """The raw format whose files are called like ``name`` (no folder in it), or None."""
        return _first(name, self._raw_names)

    def raw_by_content(self, start: bytes) -> RawFormat | None:
        """The raw format that a file beginning with ``start`` has, or None."""
        return next((row for row in self.raw_formats if start.startswith(row.starts)), None)

    def overlaid(self, types: Iterable[ImageType]) -> ImageTable:
        """A table in which ``types`` replace rows of the same name or magic, and others are added."""
        added = tuple(types)
        names = {row.name for row in added}
        magics = {row.magic for row in added if row.magic is not None}
        kept = (row for row in self.types if row.name not in names and row.magic not in magics)
        return ImageTable((*added, *kept), self.raw_formats)

    def with_magics(self, magics: Mapping[str, int]) -> ImageTable:
        """A table that also has the magics of a ``magic.h`` that it lacks, by CRIU's name rule.

        The image type FOO holds ``foo_entry`` messages. Aliases (a value that is known) add nothing. A
        name that the table has for another magic goes by its number.
        """
        new = {value: name for name, value in reversed(list(magics.items())) if value not in self._by_magic}
        rows = (
            ImageType(
                name if name not in self._by_name else f"0x{value:08X}",
                value,
                (RecordLayout(f"{name.lower()}_entry"),),
            )
            for value, name in new.items()
        )
        return ImageTable((*self.types, *rows), self.raw_formats) if new else self


def unnamed_type(magic: int) -> ImageType:
    """A type for a magic that nothing is known of: its name is its number, its message has no name."""
    return ImageType(f"0x{magic:08X}", magic, (RecordLayout(""),))


def matches(name: str, formats: tuple[str, ...]) -> bool:
    """Whether a file name is one that any of these C formats could have made."""
    return any(_pattern(c_format).fullmatch(name) for c_format in formats)


class _FileName(NamedTuple, Generic[Row]):
    """What files of a row are called; ``start`` is the part that all of these names have."""

    start: str
    c_format: str
    row: Row

    @classmethod
    def of(cls, c_format: str, row: Row) -> _FileName[Row]:
        return cls(c_format.partition("%")[0], c_format, row)


def _first(name: str, known: list[_FileName[Row]]) -> Row | None:
    """The row of the first of these names that a file name is one of."""
    for start, c_format, row in known:
        if name.startswith(start) and _pattern(c_format).fullmatch(name):
            return row
    return None


_CONVERSIONS = {"u": r"\d+", "d": r"-?\d+", "x": r"[0-9a-f]+", "s": r".+"}


@lru_cache(maxsize=256)
def _pattern(c_format: str) -> re.Pattern[str]:
    pieces = re.split(r"%0?\d*l?([dusx])", c_format)
    return re.compile(
        "".join(_CONVERSIONS[piece] if i % 2 else re.escape(piece) for i, piece in enumerate(pieces)),
        re.ASCII,  # other scripts' digits are no numbers
    )
