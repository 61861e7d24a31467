"""What a restore compares files with, taken out, so that it takes other versions of them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import is_set, items, text
from dyncrit.edit.requirements import require
from dyncrit.edit.rewriting import change_messages, find_messages
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.rewriting import Found
    from dyncrit.types import ByteOrder, DynamicMessage


@whole
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
    return change_messages(edit, {"reg_file_entry"}, dropping.from_found)


class _Check(NamedTuple):
    """What is compared: the fields, the first of which is told."""

    name: str
    fields: tuple[str, ...]


_SIZE = _Check("size", ("size",))
_BUILD_ID = _Check("build-id", ("build_id", "checksum", "checksum_config", "checksum_parameter"))
_MODE = _Check("mode", ("mode",))
_CHECKS = (_SIZE, _BUILD_ID, _MODE)


class _Dropping(NamedTuple):
    """Takes checks out of files, but the mode of those whose ids are ``kept``."""

    checks: tuple[_Check, ...]
    kept: frozenset[int]
    byte_order: ByteOrder

    def from_found(self, found: Found) -> Iterator[Touched]:
        if dropped := ", ".join(self._from_file(found.message)):
            yield Touched(found.place, f"checks of {text(found.message, 'name')}", dropped)

    def _from_file(self, file: DynamicMessage) -> Iterator[str]:
        for check in self.checks:
            if check is _MODE and file.id in self.kept:
                continue
            present = [field for field in check.fields if is_set(file, field)]
            if present:
                yield _shown(file, check, present, self.byte_order)
            for field in present:
                file.ClearField(field)


def _devices_of_terminals(edit: Edit) -> frozenset[int]:
    """The ids of the files that are devices of open terminals."""
    terminals = (found.message for found in find_messages(edit, {"tty_file_entry"}))
    return frozenset(terminal.regf_id for terminal in terminals if is_set(terminal, "regf_id"))


def _shown(file: DynamicMessage, check: _Check, present: list[str], byte_order: ByteOrder) -> str:
    """A check, as ls and file show it."""
    if check is _MODE:
        return f"mode {file.mode:o}"
    words = items(file, "build_id") if check is _BUILD_ID else ()
    if words:
        order = "<" if byte_order == "little" else ">"
        return f"build-id {struct.pack(f'{order}{len(words)}I', *words).hex()}"
    return f"{check.name} {file.size}" if check is _SIZE else present[0].replace("_", " ")
