"""Open files: what descriptors, mappings and directories refer to by id."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import enum_names, is_set, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.types import DynamicMessage


class FileKind(NamedTuple):
    """How files of one type stand in the images.

    ``type`` is the name in the enum fd_types, ``field`` the one in file_entry (since CRIU 3.4), ``image``
    the file of their own that they had before, ``shows`` what /proc/PID/fd says of one.
    """

    type: str
    field: str
    image: str
    shows: str = ""


FILE_KINDS: tuple[FileKind, ...] = (
    FileKind("REG", "reg", "reg-files.img", "{name}"),
    FileKind("PIPE", "pipe", "pipes.img", "pipe:[{pipe_id}]"),
    FileKind("FIFO", "fifo", "fifo.img"),
    FileKind("INETSK", "isk", "inetsk.img", "socket:[{ino}]"),
    FileKind("UNIXSK", "usk", "unixsk.img", "socket:[{ino}]"),
    FileKind("PACKETSK", "psk", "packetsk.img", "socket:[packet {id}]"),
    FileKind("NETLINKSK", "nlsk", "netlinksk.img", "socket:[{ino}]"),
    FileKind("EVENTFD", "efd", "eventfd.img", "anon_inode:[eventfd]"),
    FileKind("EVENTPOLL", "epfd", "eventpoll.img", "anon_inode:[eventpoll]"),
    FileKind("INOTIFY", "ify", "inotify.img", "anon_inode:inotify"),
    FileKind("FANOTIFY", "ffy", "fanotify.img", "anon_inode:[fanotify]"),
    FileKind("SIGNALFD", "sgfd", "signalfd.img", "anon_inode:[signalfd]"),
    FileKind("TIMERFD", "tfd", "timerfd.img", "anon_inode:[timerfd]"),
    FileKind("TTY", "tty", "tty.img"),
    FileKind("NS", "nsf", "ns-files.img", "namespace:[{ns_id}]"),
    FileKind("TUNF", "tunf", "tunfile.img", "/dev/net/tun"),
    FileKind("EXT", "ext", "ext-files.img", "external:[{id}]"),
    FileKind("MEMFD", "memfd", "memfd-file.img"),
    FileKind("BPFMAP", "bpf", "bpfmap-file.img", "anon_inode:bpf-map"),
    FileKind("PIDFD", "pidfd", "pidfd.img", "anon_inode:[pidfd]"),
)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open file: ``id`` is CRIU's, unique within ``type`` (a name of the enum fd_types).

    ``name`` says what it is, as the link in /proc/PID/fd did; ``path`` is the file's, for those that have
    one. ``message`` is the entry of its own type, or None where the images don't have it. ``deleted`` tells
    that the file had no name any more: then the images may carry its content (a ghost file).
    """

    type: str
    id: int
    name: str
    path: str | None = None
    message: DynamicMessage | None = None
    deleted: bool = False

    @property
    def position(self) -> int | None:
        """The offset in the file at which it is read or written next, in bytes; None where there is none."""
        return getattr(self.message, "pos", None)

    @property
    def flags(self) -> int | None:
        """The flags of open(), or None where the images don't tell."""
        return getattr(self.message, "flags", None)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A file descriptor of a process: its number, whether exec() closes it, and the open file."""

    fd: int
    close_on_exec: bool
    file: OpenFile


class FileTable:
    """All open files of a checkpoint, from files.img or from the images of each type (CRIU up to 3.3)."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images

    def get(self, type_name: str, file_id: int) -> OpenFile:
        """The file of a type with an id; one that the images lack has no message."""
        file = self._files.get((type_name, file_id))
        if file is None:
            file = OpenFile(type_name, file_id, f"{type_name.lower()}:[file {file_id}, not in the images]")
        return file

    def find(self, file_id: int) -> OpenFile | None:
        """The file with an id, whatever its type: those that mappings and directories refer to first."""
        for type_name in ("REG", "MEMFD"):
            if file := self._files.get((type_name, file_id)):
                return file
        return self._by_id.get(file_id)

    def __iter__(self) -> Iterator[OpenFile]:
        return iter(self._files.values())

    def __len__(self) -> int:
        return len(self._files)

    @cached_property
    def messages(self) -> dict[tuple[str, int], DynamicMessage]:
        """The entries of all files, by type and id: each of its own type's message."""
        found = dict(self._from_files_image())
        for kind in FILE_KINDS:
            for message in self._images.messages(kind.image):
                found.setdefault((kind.type, message.id), message)
        return found

    @cached_property
    def memfd_inodes(self) -> Mapping[int, DynamicMessage]:
        """The memfd_inode_entry of each memory file, by inode id."""
        return {message.inode_id: message for message in self._images.messages("memfd.img")}

    @cached_property
    def ghosts(self) -> Mapping[int, int]:
        """For files that had no name any more: the number of the ghost-file image of each, by file id."""
        found = {}
        for message in self._images.messages("remap-fpath.img"):
            number = message.remap_id
            if is_set(message, "remap_type"):
                is_ghost = message.remap_type == _GHOST
            else:
                is_ghost = bool(number & _OLD_GHOST)
                number &= ~_OLD_GHOST
            if is_ghost:
                found[message.orig_id] = number
        return found

    @cached_property
    def _files(self) -> dict[tuple[str, int], OpenFile]:
        return {key: self._file(*key, message) for key, message in self.messages.items()}

    @cached_property
    def _by_id(self) -> dict[int, OpenFile]:
        return {file.id: file for file in self._files.values()}

    @cached_property
    def _remapped(self) -> frozenset[int]:
        return frozenset(message.orig_id for message in self._images.messages("remap-fpath.img"))

    def _from_files_image(self) -> Iterator[tuple[tuple[str, int], DynamicMessage]]:
        fields = {kind.field: kind.type for kind in FILE_KINDS}
        for entry in self._images.messages("files.img"):
            for field, value in entry.ListFields():
                if type_name := fields.get(field.name):
                    yield (type_name, entry.id), value
                    break

    def _file(self, type_name: str, file_id: int, message: DynamicMessage) -> OpenFile:
        kind = _KINDS[type_name]
        deleted = False
        path = None
        if type_name == "REG":
            path = text(message, "name")
            deleted = file_id in self._remapped
        elif type_name == "FIFO":
            path = self._path_of("REG", message.regf_id or file_id)
            deleted = file_id in self._remapped or message.regf_id in self._remapped
        elif type_name == "TTY":
            path = self._path_of("REG", message.regf_id) or f"/dev/tty:[{message.tty_info_id}]"
        elif type_name == "MEMFD":
            inode = self.memfd_inodes.get(message.inode_id)
            path = _memory_file_path(text(inode, "name") if inode is not None else str(message.inode_id))
        if path is not None:
            return OpenFile(type_name, file_id, path, path, message, deleted)
        return OpenFile(type_name, file_id, _describe(kind, message), None, message)

    def _path_of(self, type_name: str, file_id: int) -> str | None:
        message = self.messages.get((type_name, file_id))
        return text(message, "name") if message is not None else None


def read_descriptors(images: ImageSet, table: FileTable, name: str) -> list[Descriptor]:
    """The file descriptors in an fdinfo image, by number."""
    types = images.schema.message("fdinfo_entry")
    names = enum_names(types, "type") if types else {}
    found = []
    for message in images.messages(name):
        type_name = names.get(message.type, str(message.type))
        found.append(
            Descriptor(message.fd, bool(message.flags & _FD_CLOEXEC), table.get(type_name, message.id))
        )
    return sorted(found, key=lambda descriptor: descriptor.fd)


SHARED_ZERO = "/dev/zero"
"""The name of memory files that stand for shared anonymous memory."""

_FD_CLOEXEC = 1
_GHOST = 1  # remap_type.GHOST
_OLD_GHOST = 1 << 31  # REMAP_GHOST of criu/files-reg.c, before there was a remap_type
_KINDS = {kind.type: kind for kind in FILE_KINDS}


def _memory_file_path(name: str) -> str:
    """What /proc/PID/maps calls a memory file: CRIU stores shared anonymous memory as one named /dev/zero."""
    return name if name == SHARED_ZERO else f"/memfd:{name}"


def _describe(kind: FileKind, message: DynamicMessage) -> str:
    if not kind.shows:
        return f"{kind.type.lower()}:[{message.id}]"
    values = {field.name: value for field, value in message.ListFields() if isinstance(value, int | str)}
    try:
        return kind.shows.format_map(values)
    except KeyError:
        return f"{kind.type.lower()}:[{message.id}]"
