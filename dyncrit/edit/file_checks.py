"""What a restore compares files with, taken out, so that it takes other versions of them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import is_set, items, optional, text
from dyncrit.checkpoint.files import FILE_KINDS
from dyncrit.edit.requirements import require
from dyncrit.edit.touched import Touched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.checkpoint.files import FileKind
    from dyncrit.entry import Entry
    from dyncrit.types import ByteOrder, DynamicMessage


def drop_file_checks(
    edit: Edit, *, size: bool = True, build_id: bool = True, mode: bool = True
) -> list[Touched]:
    """Take out what a restore compares files with: each one's size, build-id (and checksum), and mode.

    A restore looks at what the entry has (open_path() of criu/files-reg.c), so what is gone isn't compared.
    The mode of a terminal's device is kept: a restore sets it (criu/tty.c). That of other files, folders and
    devices serves for the comparison alone. Raises ImageError for images that are damaged and, where modes
    are to go, for terminals whose device isn't among the files.
    """
    kept: frozenset[int] = frozenset()
    if mode:
        require(edit, "terminals-resolve")
        kept = _devices_of_terminals(edit)
    chosen = tuple(check for check, wanted in zip(_CHECKS, (size, build_id, mode), strict=True) if wanted)
    dropping = _Dropping(chosen, kept, edit.checkpoint.images.byte_order)
    edit.rewrite(_FILES, lambda entries: dropping.from_entries(entries, _FILES, _REGULAR.field))
    edit.rewrite(_REGULAR.image, lambda entries: dropping.from_entries(entries, _REGULAR.image, ""))
    return dropping.touched


class _Check(NamedTuple):
    """What is compared: the fields, the first of which is told."""

    name: str
    fields: tuple[str, ...]


_SIZE = _Check("size", ("size",))
_BUILD_ID = _Check("build-id", ("build_id", "checksum", "checksum_config", "checksum_parameter"))
_MODE = _Check("mode", ("mode",))
_CHECKS = (_SIZE, _BUILD_ID, _MODE)

_FILES = "files.img"
_KINDS = {kind.type: kind for kind in FILE_KINDS}
_REGULAR: FileKind = _KINDS["REG"]
_TERMINAL: FileKind = _KINDS["TTY"]


class _Dropping:
    """Takes checks out of entries, and takes note of it."""

    def __init__(self, checks: tuple[_Check, ...], kept: frozenset[int], byte_order: ByteOrder) -> None:
        self.touched: list[Touched] = []
        self._checks = checks
        self._kept = kept
        self._byte_order = byte_order

    def from_entries(self, entries: Iterator[Entry], name: str, field: str) -> Iterator[Entry]:
        """The entries without their checks; the file stands in ``field`` of each, or is the entry itself."""
        for index, entry in enumerate(entries):
            file = optional(entry.message, field) if field else entry.message
            if file is not None and (dropped := ", ".join(self._from_file(file))):
                what = f"checks of {text(file, 'name')}"
                self.touched.append(Touched(f"{name} entries[{index}]", what, dropped))
            yield entry

    def _from_file(self, file: DynamicMessage) -> Iterator[str]:
        for check in self._checks:
            if check is _MODE and file.id in self._kept:
                continue
            present = [field for field in check.fields if is_set(file, field)]
            if present:
                yield _shown(file, check, present, self._byte_order)
            for field in present:
                file.ClearField(field)


def _devices_of_terminals(edit: Edit) -> frozenset[int]:
    """The ids of the files that are devices of open terminals."""
    inside = (optional(entry.message, _TERMINAL.field) for entry in edit.entries(_FILES))
    alone = (entry.message for entry in edit.entries(_TERMINAL.image))
    return frozenset(
        terminal.regf_id
        for terminals in (inside, alone)
        for terminal in terminals
        if terminal is not None and is_set(terminal, "regf_id")
    )


def _shown(file: DynamicMessage, check: _Check, present: list[str], byte_order: ByteOrder) -> str:
    """A check, as ls and file show it."""
    if check is _MODE:
        return f"mode {file.mode:o}"
    words = items(file, "build_id") if check is _BUILD_ID else ()
    if words:
        order = "<" if byte_order == "little" else ">"
        return f"build-id {struct.pack(f'{order}{len(words)}I', *words).hex()}"
    return f"{check.name} {file.size}" if check is _SIZE else present[0].replace("_", " ")
