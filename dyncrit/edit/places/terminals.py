"""``remap tty``: a pseudo terminal has another number.

A restore opens terminals until it gets the number that ``tty_pty_entry.index`` says, and tells the two ends
apart by ``tty_info_entry.rdev``. The ids of terminals are made of the number, too: twice the number, and one
more for the master (criu/tty.c).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import is_set, number, optional, text
from dyncrit.checkpoint.names.numbers import FILE_SYSTEMS
from dyncrit.edit.requirements import require
from dyncrit.edit.rewriting import Setting, find_messages, rewrite_messages
from dyncrit.edit.whole import whole
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.touched import Touched
    from dyncrit.types import DynamicMessage

MAX_TERMINAL = 1000
"""MAX_PTY_INDEX of criu/tty.c."""


def terminal_numbers(old: str, new: str) -> tuple[int, int]:
    """The numbers of two pseudo terminals, given as such or by their paths.

    Raises DyncritError for what is neither, for a new one that CRIU can't restore, and if both are one.

    >>> terminal_numbers("3", "/dev/pts/12")
    (3, 12)
    """
    numbers = _terminal_number(old), _terminal_number(new)
    _require_numbers(*numbers)
    return numbers


@whole
def remap_terminal(edit: Edit, old: int, new: int) -> list[Touched]:
    """Give the pseudo terminal ``/dev/pts/OLD`` the number ``new``, both its ends.

    Changed are the settings of the terminal, its device number, its ids, its path where a file has it, and
    mounts of it (a container's /dev/console). One that is given from outside at the restore
    (``--inherit-fd fd[N]:tty[RDEV:DEV]``) goes by its new device number then.

    Raises DyncritError if a terminal of the checkpoint has the new number already, and for a number that CRIU
    doesn't restore; ImageError where the reference of an open terminal is broken.
    """
    _require_numbers(old, new)
    require(edit, "terminals-resolve", "terminal-data-resolves", "file-ids-unique")
    move = _Move(old, new)
    for found in find_messages(edit, {"tty_info_entry"}):
        move.learn_terminal(found.message)
    for found in find_messages(edit, {"tty_file_entry"}):
        move.learn_file(found.message)
    messages = list(find_messages(edit, _MESSAGES))
    if not any(True for found in messages for _ in move.settings(found.image, found.message)):
        return []
    for found in messages:
        move.refuse_taken(found.image, found.message)
    return rewrite_messages(edit, _MESSAGES, move.settings)


def _terminal_number(text: str) -> int:
    match = re.fullmatch(r"(?:(?:/dev/)?pts/)?([0-9]{1,9})", text)
    if match is None:
        raise DyncritError(f"expected the number of a pseudo terminal, or /dev/pts/NUMBER, found {text!r}")
    return int(match[1])


def _require_numbers(old: int, new: int) -> None:
    if old == new:
        raise DyncritError(f"the old and the new number are the same: {old}")
    if not 0 <= new <= MAX_TERMINAL:
        raise DyncritError(f"CRIU restores pseudo terminals of numbers up to {MAX_TERMINAL}, not {new}")


_MESSAGES = frozenset({"tty_info_entry", "tty_file_entry", "tty_data_entry", "reg_file_entry", "mnt_entry"})
_SLAVES = 136  # UNIX98_PTY_SLAVE_MAJOR of <linux/major.h>
_DEVPTS = "devpts"


@dataclass(frozen=True, slots=True)
class _Move:
    """The change of a number: which terminals, by their ids, and which files of them are concerned."""

    old: int
    new: int
    ids: dict[int, int] = field(default_factory=dict)
    all_ids: set[int] = field(default_factory=set)
    slaves: set[int] = field(default_factory=set)
    slave_files: set[int] = field(default_factory=set)

    def learn_terminal(self, message: DynamicMessage) -> None:
        """Take note of a tty_info_entry."""
        self.all_ids.add(message.id)
        if _terminal(message) == self.old:
            if message.id >> 1 == self.old:
                self.ids[message.id] = self.new << 1 | message.id & 1
            if _slave(message.rdev) is not None:
                self.slaves.add(message.id)

    def learn_file(self, message: DynamicMessage) -> None:
        """Take note of a tty_file_entry: its path is a regular file's, in old images of its own id."""
        if message.tty_info_id in self.slaves:
            regular = optional(message, "regf_id")
            self.slave_files.add(message.id if regular is None else regular)

    def settings(self, _image: str, message: DynamicMessage) -> Iterator[Setting]:
        """What is to be set in a message of any type that tells of terminals."""
        yield from _SETTINGS[message.DESCRIPTOR.name](self, message)

    def refuse_taken(self, image: str, message: DynamicMessage) -> None:
        """Raise DyncritError if a message is of another terminal that has the new number already."""
        name = message.DESCRIPTOR.name
        taken = (
            (name == "tty_info_entry" and self.new in {_terminal(message), _slave(message.rdev)})
            or (name == "tty_info_entry" and message.id in self.ids and self.ids[message.id] in self.all_ids)
            or (name == "reg_file_entry" and text(message, "name") == f"/dev/pts/{self.new}")
            or (name == "mnt_entry" and _bound(message) == self.new)
        )
        if taken:
            raise DyncritError(f"the checkpoint has a terminal /dev/pts/{self.new} already", image)

    def of_terminal(self, message: DynamicMessage) -> Iterator[Setting]:
        """What is to be set in a tty_info_entry."""
        if message.id in self.ids:
            yield Setting.of_number(message, "id", self.ids[message.id], "id of the terminal")
        if _terminal(message) == self.old:
            yield Setting.of_number(message.pty, "index", self.new, "number of the terminal")
        if _slave(message.rdev) == self.old:
            device = _device(self.new)
            before, after = (f"tty[{rdev:x}:{number(message, 'dev'):x}]" for rdev in (message.rdev, device))
            yield Setting(message, "rdev", device, "device of the terminal", before, after)

    def of_file(self, message: DynamicMessage) -> Iterator[Setting]:
        """What is to be set in a tty_file_entry."""
        if message.tty_info_id in self.ids:
            yield Setting.of_number(
                message, "tty_info_id", self.ids[message.tty_info_id], "terminal of an open file"
            )

    def of_data(self, message: DynamicMessage) -> Iterator[Setting]:
        """What is to be set in a tty_data_entry."""
        if message.tty_id in self.ids:
            yield Setting.of_number(message, "tty_id", self.ids[message.tty_id], "terminal of unread data")

    def of_path(self, message: DynamicMessage) -> Iterator[Setting]:
        """What is to be set in a reg_file_entry."""
        name = text(message, "name")
        folder, _, last = name.rpartition("/")
        if last == str(self.old) and (message.id in self.slave_files or folder == "/dev/pts"):
            yield Setting.of_text(message, "name", f"{folder}/{self.new}", "path of the terminal")

    def of_mount(self, message: DynamicMessage) -> Iterator[Setting]:
        """What is to be set in a mnt_entry."""
        if _bound(message) == self.old:
            what = f"terminal mounted at {text(message, 'mountpoint')!r}"
            yield Setting.of_text(message, "root", f"/{self.new}", what)


_SETTINGS: Mapping[str, Callable[[_Move, DynamicMessage], Iterator[Setting]]] = {
    "tty_info_entry": _Move.of_terminal,
    "tty_file_entry": _Move.of_file,
    "tty_data_entry": _Move.of_data,
    "reg_file_entry": _Move.of_path,
    "mnt_entry": _Move.of_mount,
}


def _terminal(message: DynamicMessage) -> int | None:
    """The number of a pseudo terminal; None for terminals of other kinds."""
    return int(message.pty.index) if is_set(message, "pty") else None


def _slave(device: int) -> int | None:
    """The number of the pseudo terminal that a device is the slave of, by a number as stat() gives it."""
    if device >> 8 & 0xFFF != _SLAVES:
        return None
    return device & 0xFF | device >> 12 & 0xFFF00


def _device(number: int) -> int:
    return number & 0xFF | _SLAVES << 8 | (number & 0xFFF00) << 12


def _bound(message: DynamicMessage) -> int | None:
    """The number of the pseudo terminal that a mount shows; None for other mounts."""
    if (FILE_SYSTEMS.get(message.fstype) or text(message, "fsname")) != _DEVPTS:
        return None
    match = re.fullmatch(r"/([0-9]{1,9})", text(message, "root"))
    return int(match[1]) if match is not None else None
