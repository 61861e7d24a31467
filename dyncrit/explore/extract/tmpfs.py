"""The trees of tmpfs mounts, unpacked from the archives that stand in the images."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dyncrit.checkpoint.storage.compression import compression_of, unpack
from dyncrit.checkpoint.storage.mapped import map_file
from dyncrit.checkpoint.storage.tar import members
from dyncrit.errors import DyncritError, ImageError
from dyncrit.explore.extract.item import Item
from dyncrit.explore.extract.output import MAX_ITEMS, long_names_refused, remove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.storage.tar import Member
    from dyncrit.explore.extract.output import Output, SparseFile

_IMAGE = re.compile(r"tmpfs-(?:dev-)?([0-9]{1,20})\.tar\.gz\.img")
_OF_DEVICE = "tmpfs-dev-"
_MINOR_BITS = 20
_PIECE = 1 << 20
_MAX_DEPTH = 64
_MAX_PART = 255
_SPECIAL = 0o7000


def extract_tmpfs(checkpoint: Checkpoint, output: Output) -> None:
    """Unpack the trees of tmpfs mounts: files and folders of our own owner and mode.

    Links, devices and fifos are only listed, and so is what has a name that leads out of the tree.
    """
    for image in checkpoint.images.tree.names():
        if match := _IMAGE.fullmatch(image):
            tree = _Tree(checkpoint, output, image, match[1])
            try:
                tree.unpack()
            except ImageError as error:
                checkpoint.problems.error(image, ": ".join((*error.place[1:], error.problem)))


class _Tree:
    """One archive, and the folder that it is unpacked to."""

    def __init__(self, checkpoint: Checkpoint, output: Output, image: str, number: str) -> None:
        self._checkpoint = checkpoint
        self._output = output
        self._image = image
        self._mountpoint = _mountpoint(checkpoint, image, int(number))
        self._folder = f"tmpfs/{'dev-' if image.startswith(_OF_DEVICE) else 'mount-'}{number}"
        self._known: dict[tuple[str, ...], str] = {}
        """What each name in the tree is so far: a folder, or a file."""

    def unpack(self) -> None:
        """Go through the archive; raises ImageError where it is damaged or too large."""
        data = self._checkpoint.images.tree.view(self._image)
        place = self._checkpoint.images.path(self._image)
        if not data:
            return
        if compression_of(data) is not None:
            limits = self._output.limits.less(self._output.used)
            with unpack(data, limits, place) as file:
                data = map_file(file)
        for member in members(data, place):
            self._member(member, data)

    def _member(self, member: Member, data: memoryview) -> None:
        item = self._item(member)
        try:
            parts = _parts(member.name)
            if member.kind == "folder":
                with long_names_refused():
                    self._make_folder(parts)
                self._output.add(replace(item, file="/".join((self._folder, *parts))))
            elif member.kind == "file":
                with long_names_refused():
                    self._write(item, parts, member, data)
            else:
                self._output.add(replace(item, notes=("only listed",)))
        except ImageError as error:
            self._refuse(item, error.problem)

    def _make_folder(self, parts: tuple[str, ...]) -> None:
        for depth in range(len(parts) + 1):
            self._take(parts[:depth], "folder")
        self._output.make_folder("/".join((self._folder, *parts)))

    def _write(self, item: Item, parts: tuple[str, ...], member: Member, data: memoryview) -> None:
        if not parts:
            raise ImageError("not written: a file in the place of the tree itself")
        self._make_folder(parts[:-1])
        place = "/".join((self._folder, *parts))
        if self._take(parts, "file"):
            remove(self._output.folder / place)  # as tar has it, the last one of a name counts
            item = replace(item, notes=("stands in the archive more than once; this is a later one",))
        with self._output.open(place) as file:
            try:
                _copy(member, data, file)
            except ImageError as error:
                remove(self._output.folder / place)
                self._known.pop(parts)
                raise ImageError(f"not written: {error.problem}") from None
        self._output.add(replace(item, file=place))

    def _take(self, parts: tuple[str, ...], kind: str) -> bool:
        """Note what a name stands for, and tell if it did before; raises ImageError if for something else."""
        before = self._known.get(parts)
        if before is None:
            self._known[parts] = kind
            if len(self._known) > MAX_ITEMS:
                raise DyncritError(f"more than {MAX_ITEMS} files and folders stand in it", self._image)
        elif before != kind:
            raise ImageError(f"not written: {'/'.join(parts)!r} is a {before} already")
        return before is not None

    def _refuse(self, item: Item, problem: str) -> None:
        self._output.add(replace(item, notes=(problem,)))
        self._checkpoint.problems.error(self._image, f"{item.name!r}: {problem}")

    def _item(self, member: Member) -> Item:
        name = member.name.removeprefix("./").rstrip("/")
        if self._mountpoint:
            name = f"{self._mountpoint.rstrip('/')}/{name}" if name not in ("", ".") else self._mountpoint
        notes = (
            (f"mode {member.mode:04o} is not set here",)
            if member.mode & _SPECIAL and member.kind == "file"
            else ()
        )
        return Item(
            kind="tmpfs",
            source=self._image,
            name=name,
            type=member.kind,
            size=member.size if member.kind == "file" else None,
            mode=member.mode,
            uid=member.user_id,
            gid=member.group_id,
            modified=float(member.modified),
            target=member.target,
            notes=notes,
        )


def _copy(member: Member, data: memoryview, file: SparseFile) -> None:
    file.truncate(member.size)
    if member.runs is None:
        _copy_run(data, member.offset, member.stored, 0, file)
        return
    position = member.offset
    for run in member.runs:
        _copy_run(data, position, run.size, run.offset, file)
        position += run.size


def _copy_run(data: memoryview, start: int, size: int, offset: int, file: SparseFile) -> None:
    for done in range(0, size, _PIECE):
        length = min(_PIECE, size - done)
        file.write(data[start + done : start + done + length], offset + done)


def _parts(name: str) -> tuple[str, ...]:
    """The parts of a member's name, safe below a folder; raises ImageError where it leads out."""
    if name.startswith("/"):
        raise ImageError("not written: its name is absolute")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise ImageError("not written: its name leads out of the tree")
    if len(parts) > _MAX_DEPTH:
        raise ImageError(f"not written: {len(parts)} folders deep, and {_MAX_DEPTH} is the bound")
    safe = tuple(_without_controls(part) for part in parts)
    if any(len(part.encode("utf-8", "surrogateescape")) > _MAX_PART for part in safe):
        raise ImageError(f"not written: a part of its name has over {_MAX_PART} bytes")
    return safe


def _without_controls(part: str) -> str:
    """A name that does nothing to a terminal; bytes that aren't UTF-8 stay."""
    return "".join(
        char if char.isprintable() or "\udc80" <= char <= "\udcff" else f"%{ord(char):02x}" for char in part
    )


def _mountpoint(checkpoint: Checkpoint, image: str, number: int) -> str:
    """Where the tmpfs was mounted: told by its device, up to CRIU 1.2 by the mount's id."""
    device = f"{number >> _MINOR_BITS}:{number & (1 << _MINOR_BITS) - 1}"
    for mount in _mounts(checkpoint):
        found = mount[1] == device if image.startswith(_OF_DEVICE) else mount[0] == number
        if found:
            return mount[2]
    return ""


def _mounts(checkpoint: Checkpoint) -> Iterator[tuple[int, str, str]]:
    for namespace in checkpoint.mounts.values():
        for mount in namespace.mounts.values():
            path = mount.mountpoint
            yield mount.id, mount.device, "/" + path.lstrip("./") if path.startswith(".") else path
