"""An anonymized copy of a checkpoint and its parents, with nothing in it that stood beside."""

from __future__ import annotations

import os
import shutil
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from dyncrit.atomic import new_folder, open_atomic
from dyncrit.checkpoint.editing.edit import Edit
from dyncrit.checkpoint.fields import decode
from dyncrit.edit.anonymity.anonymizing import PARENT, scrub
from dyncrit.edit.anonymity.treatments import Pseudonyms
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from dyncrit.checkpoint.checkpoint import Checkpoint
    from dyncrit.checkpoint.editing.staged import StagedFolder
    from dyncrit.checkpoint.storage.compression import Limits
    from dyncrit.edit.touched import Touched

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.zst")
_STAGING = ".staging"
_IMAGES, _PRE_DUMP = "checkpoint", "pre-checkpoint"
_LEVEL = 6


def anonymized_copy(
    checkpoint: Checkpoint,
    output: str | os.PathLike[str],
    pseudonyms: Pseudonyms | None = None,
    *,
    remove_damaged: bool = False,
    limits: Limits | None = None,
) -> list[Touched]:
    """Write an anonymized copy of a checkpoint, which is left alone; tells what :func:`anonymize` tells.

    ``output`` is a new folder, or an archive if its name ends like one (.tar, .tar.gz, .tgz, .tar.zst). The
    parents of an incremental checkpoint come along, in the folder ``parent``, so that the copy needs nothing
    else; the place of one that is missing has a link with a scrubbed text. Other folders and links are left
    out. Raises ImageError for damaged images, unless those are to be removed, DyncritError and OSError.
    """
    chosen = pseudonyms or Pseudonyms()
    output = Path(output)
    is_archive = output.name.endswith(_ARCHIVES)
    with _archive_folder(output) if is_archive else new_folder(output, private=True) as folder:
        touched: list[Touched] = []
        place = _images_folder(checkpoint, folder)
        for depth, link in enumerate(checkpoint.chain):
            place.mkdir(exist_ok=True)
            outer = folder if depth == 0 and place != folder else None
            with _Copy(link, place, outer) as edit:
                found = scrub(edit, chosen, remove_damaged=remove_damaged, limits=limits)
            before = f"{PARENT}/" * depth
            touched += (item._replace(place=f"{before}{item.place}") for item in found)
            if link.parent is None:
                _write_dead_link(link, place, chosen)
            place = place / PARENT
    return touched


class _Copy(Edit):
    """An edit whose outcome is written elsewhere, as a whole."""

    def __init__(self, checkpoint: Checkpoint, place: Path, outer: Path | None) -> None:
        super().__init__(checkpoint)
        self._place = place
        self._outer = outer

    def _staging(self) -> Path:
        staging = self._place / _STAGING
        staging.mkdir(exist_ok=True)
        return staging

    def _commit(self) -> None:
        _write_out(self.images, self._place)
        if self.outer is not None and self._outer is not None:
            _write_out(self.outer, self._outer)
        shutil.rmtree(self._place / _STAGING, ignore_errors=True)


def _write_out(folder: StagedFolder, place: Path) -> None:
    """Put the files of a folder into another; those that were staged are moved there."""
    staged = {change.name: change.content for change in folder.changes}
    for name in folder.names():
        if name == PARENT:
            continue
        content = staged.get(name)
        if content is not None:
            content.rename(place / name)
            continue
        with folder.open(name) as before, (place / name).open("xb") as after:
            shutil.copyfileobj(before, after, 1 << 20)


def _images_folder(checkpoint: Checkpoint, folder: Path) -> Path:
    """Where the images go: where an engine's checkpoint has them, or straight into the folder."""
    if checkpoint.location.outer is None:
        return folder
    return folder / (_PRE_DUMP if checkpoint.is_pre_dump else _IMAGES)


def _write_dead_link(checkpoint: Checkpoint, place: Path, pseudonyms: Pseudonyms) -> None:
    """A link for a parent that is missing: it is told that there should be one, but not where it was."""
    target = checkpoint.location.images.link(PARENT)
    if target is not None:
        scrubbed = pseudonyms.names.path(os.fsencode(target))
        (place / PARENT).symlink_to(decode(scrubbed))


@contextmanager
def _archive_folder(output: Path) -> Iterator[Path]:
    """A folder that becomes an archive when the block ends without an error."""
    if output.exists():
        raise DyncritError("is already there; name a new file", str(output))
    place = output.parent / f".dyncrit-{os.urandom(8).hex()}.new"
    place.mkdir(0o700)
    try:
        yield place
        with open_atomic(output) as file:
            _pack(place, file, output.name)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _pack(folder: Path, file: BinaryIO, name: str) -> None:
    suffix = next(suffix for suffix in _ARCHIVES if name.endswith(suffix))
    with (
        _COMPRESSORS[suffix](file) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in sorted(folder.rglob("*")):
            archive.add(path, str(path.relative_to(folder)), recursive=False, filter=_plain)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """A member without the traces of who packed it, and when."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.isdir() else 0o644
    return info


@contextmanager
def _plain_file(file: BinaryIO) -> Iterator[BinaryIO]:
    yield file


@contextmanager
def _gzip_file(file: BinaryIO) -> Iterator[BinaryIO]:
    import gzip

    with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
        yield cast("BinaryIO", packed)


@contextmanager
def _zstd_file(file: BinaryIO) -> Iterator[BinaryIO]:
    import zstandard

    with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as packed:
        yield cast("BinaryIO", packed)


_COMPRESSORS: Mapping[str, Callable[[BinaryIO], AbstractContextManager[BinaryIO]]] = {
    ".tar": _plain_file,
    ".tar.gz": _gzip_file,
    ".tgz": _gzip_file,
    ".tar.zst": _zstd_file,
}
