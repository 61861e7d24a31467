"""Rules of open files: whatever refers to one by its id finds it.

What a restore does is from criu/files.c, criu/files-reg.c and the source of each type of file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.checkpoint.fields import is_set
from dyncrit.checkpoint.files import FILE_KINDS
from dyncrit.checkpoint.memory.vma import maps_file
from dyncrit.codec.names import FLAGS
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.check.context import Context, Task
    from dyncrit.types import DynamicMessage

_REMAPS = "remap-fpath.img"
_LINKED, _GHOST = 0, 1  # remap_type of images/remap-file-path.proto
_OLD_GHOST = 1 << 31  # REMAP_GHOST of criu/files-reg.c, before there was a remap_type
_MAPPABLE = ("REG", "MEMFD", "EXT", "BPFMAP")
_SOCKET_AREA = FLAGS["mmap.status"]["VMA_AREA_SOCKET"]

DESCRIPTORS = Rule(
    "descriptors-resolve",
    "error",
    "every descriptor's file is among the open files",
    "A restore stops: there is no file for the descriptor.",
)
PATHS = Rule(
    "paths-resolve",
    "error",
    "the program, working directory and root of every task are among the files",
    "A restore stops when it opens the file for the task.",
)
MAPPINGS = Rule(
    "mappings-resolve",
    "error",
    "the file of every mapping is among the files",
    "A restore stops when it opens the file to map it.",
)
REMAPS = Rule(
    "remaps-resolve",
    "error",
    "the file of every remap is there, and what it is restored from",
    "A restore stops while it prepares files that had been deleted.",
)
UNIQUE_FILES = Rule(
    "file-ids-unique",
    "error",
    "every id of a file, and every number of a descriptor, is there once",
    "Which of the two a restore takes is chance.",
)
EMPTY_FILES = Rule(
    "file-types",
    "error",
    "every entry of files.img has the part that its type tells",
    "A restore stops at the entry, or takes the file for missing.",
)


def _descriptors(context: Context) -> Iterator[Finding]:
    if context.has_damaged_files:
        return
    for name in dict.fromkeys(context.fdinfo_names.values()):
        for index, message in enumerate(context.messages(name)):
            type_name = context.type_name(message.type)
            if (type_name, message.id) not in context.files:
                text = f"descriptor {message.fd}: there is no {type_name} file {message.id:#x}"
                yield Finding.of(DESCRIPTORS, text, name, place=f"entry {index}: id")


def _paths(context: Context) -> Iterator[Finding]:
    if context.has_damaged_files:
        return
    files = context.files_of("REG")
    for task in context.living:
        for name, field, identity in _paths_of(context, task):
            if identity not in files:
                text = f"process {task.pid}: there is no REG file {identity:#x}"
                yield Finding.of(PATHS, text, name, place=field)


def _paths_of(context: Context, task: Task) -> Iterator[tuple[str, str, int]]:
    """The image, field and id of the files of its program, its working directory and its root."""
    for name, fields in (
        (f"mm-{task.pid}.img", ("exe_file_id",)),
        (f"fs-{task.pid}.img", ("cwd_id", "root_id")),
    ):
        if (message := context.first(name)) is not None:
            for field in fields:
                yield name, field, getattr(message, field)


def _mappings(context: Context) -> Iterator[Finding]:
    if context.has_damaged_files:
        return
    known = {identity for kind, identity in context.files if kind in _MAPPABLE}
    packet_sockets = context.files_of("PACKETSK")
    for task in context.living:
        for name, place, vma in _vmas(context, task):
            lacks_file = maps_file(vma) and vma.shmid not in known
            if lacks_file or (vma.status & _SOCKET_AREA and vma.shmid not in packet_sockets):
                noun = "file" if lacks_file else "packet socket"
                text = f"mapping {vma.start:#x}-{vma.end:#x}: there is no {noun} {vma.shmid:#x}"
                yield Finding.of(MAPPINGS, text, name, place=place)


def _vmas(context: Context, task: Task) -> Iterator[tuple[str, str, DynamicMessage]]:
    """The image, place and vma_entry of each mapping; up to CRIU 1.1 they had an image of their own."""
    name, old = f"mm-{task.pid}.img", f"vmas-{task.pid}.img"
    mm = context.first(name)
    for index, vma in enumerate(mm.vmas if mm is not None else ()):
        yield name, f"vmas[{index}].shmid", vma
    for index, vma in enumerate(context.messages(old)):
        yield old, f"entry {index}: shmid", vma


def _remaps(context: Context) -> Iterator[Finding]:
    files = context.files_of("REG")
    for index, message in enumerate(context.messages(_REMAPS)):
        kind, target = _remap(message)
        if message.orig_id not in files and not context.has_damaged_files:
            text = f"there is no REG file {message.orig_id:#x}"
            yield Finding.of(REMAPS, text, _REMAPS, place=f"entry {index}: orig_id")
        text = ""
        if kind == _GHOST and f"ghost-file-{target:x}.img" not in context.names:
            text = f"ghost-file-{target:x}.img, the content of file {message.orig_id:#x}, is missing"
        elif kind == _LINKED and target not in files and not context.has_damaged_files:
            text = f"there is no REG file {target:#x}, to link file {message.orig_id:#x} to"
        if text:
            yield Finding.of(REMAPS, text, _REMAPS, place=f"entry {index}: remap_id")


def _remap(message: DynamicMessage) -> tuple[int, int]:
    """The type of a remap and the number it leads to; a bit of it told the type before there was one."""
    if is_set(message, "remap_type"):
        return message.remap_type, message.remap_id
    is_ghost = bool(message.remap_id & _OLD_GHOST)
    return (_GHOST if is_ghost else _LINKED), message.remap_id & ~_OLD_GHOST


def _unique_files(context: Context) -> Iterator[Finding]:
    for name, keys in _keys(context):
        seen: set[object] = set()
        for place, key, shown in keys:
            if key in seen:
                yield Finding.of(UNIQUE_FILES, f"{shown} is there already", name, place=place)
            seen.add(key)


def _keys(context: Context) -> Iterator[tuple[str, Iterable[tuple[str, object, str]]]]:
    """For each image: the place, the key, and the name of what should be unique in it."""
    entries = enumerate(context.messages("files.img"))
    yield (
        "files.img",
        [
            (
                f"entry {index}: id",
                (entry.type, entry.id),
                f"{context.type_name(entry.type)} file {entry.id:#x}",
            )
            for index, entry in entries
        ],
    )
    for kind in FILE_KINDS:
        messages = enumerate(context.messages(kind.image))
        yield (
            kind.image,
            [
                (f"entry {index}: id", entry.id, f"{kind.type} file {entry.id:#x}")
                for index, entry in messages
            ],
        )
    for name in dict.fromkeys(context.fdinfo_names.values()):
        messages = enumerate(context.messages(name))
        yield name, [(f"entry {index}: fd", entry.fd, f"descriptor {entry.fd}") for index, entry in messages]
    for name, field, noun in (
        ("tty-info.img", "id", "terminal"),
        ("memfd.img", "inode_id", "memory file"),
        (_REMAPS, "orig_id", "the remap of file"),
    ):
        messages = enumerate(context.messages(name))
        yield (
            name,
            [
                (f"entry {index}: {field}", value := getattr(entry, field), f"{noun} {value:#x}")
                for index, entry in messages
            ],
        )


def _file_types(context: Context) -> Iterator[Finding]:
    fields = {kind.type: kind.field for kind in FILE_KINDS}
    for index, entry in enumerate(context.messages("files.img")):
        type_name = context.type_name(entry.type)
        field = fields.get(type_name)
        place = f"entry {index}"
        if field is None:
            text = f"file {entry.id:#x} is of the unknown type {type_name}"
            yield Finding.of(EMPTY_FILES, text, "files.img", place=f"{place}: type")
        elif not is_set(entry, field):
            text = f"{type_name} file {entry.id:#x} has no part {field}"
            yield Finding.of(EMPTY_FILES, text, "files.img", place=place)
        elif getattr(entry, field).id != entry.id:
            text = f"expected {entry.id:#x}, the entry's, found {getattr(entry, field).id:#x}"
            yield Finding.of(EMPTY_FILES, text, "files.img", place=f"{place}: {field}.id")


CHECKS: tuple[Check, ...] = (
    Check(DESCRIPTORS, _descriptors),
    Check(PATHS, _paths),
    Check(MAPPINGS, _mappings),
    Check(REMAPS, _remaps),
    Check(UNIQUE_FILES, _unique_files),
    Check(EMPTY_FILES, _file_types),
)
