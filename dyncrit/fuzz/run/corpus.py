"""The corpus: images, or checkpoints, that inputs are made of."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.errors import DyncritError, ImageError, RawImageError
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.run.case import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.schema import ImageTable, Schema

_SIDECARS = (".json", ".md", ".txt", ".log")


class CorpusError(DyncritError):
    """A corpus that nothing can be made of."""


@dataclass(frozen=True, slots=True)
class CorpusLimits:
    """How much of a corpus is read: bytes of a file, of a checkpoint, of all, and how many of them."""

    file_size: int = 1 << 20
    checkpoint_size: int = 16 << 20
    total: int = 512 << 20
    count: int = 20_000


@dataclass(frozen=True, slots=True)
class Seed:
    """Something of the corpus: ``source`` is its path in it. ``anatomy`` is the image's, if it is whole."""

    source: str
    case: Case
    anatomy: Anatomy | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the corpus has, by path; ``left_out`` says what wasn't taken, and why."""

    seeds: tuple[Seed, ...]
    left_out: tuple[str, ...] = ()


def read_corpus(
    folder: Path, schema: Schema, *, checkpoints: bool = False, limits: CorpusLimits | None = None
) -> Corpus:
    """The images below a folder, or its checkpoints: the folders with images in them.

    Files without records are taken as parts of checkpoints only. Links are not followed. What can't be read
    or is too large is left out. Raises CorpusError if nothing is left.
    """
    if not folder.is_dir():
        problem = "is no folder" if folder.exists() else "there is no such folder"
        raise CorpusError(f"{problem}; expected one with {_what(checkpoints)}", str(folder))
    reader = _Reader(folder, schema, limits or CorpusLimits())
    seeds = tuple(reader.checkpoints() if checkpoints else reader.images())
    if not seeds:
        reason = f": {reader.left_out[0]}" if reader.left_out else ""
        raise CorpusError(f"the corpus has no {_what(checkpoints)}{reason}", str(folder))
    return Corpus(seeds, tuple(reader.left_out))


def _what(checkpoints: bool) -> str:
    return "checkpoints (folders of images)" if checkpoints else "images"


class _Reader:
    def __init__(self, folder: Path, schema: Schema, limits: CorpusLimits) -> None:
        self.left_out: list[str] = []
        self._folder = folder
        self._schema = schema
        self._limits = limits
        self._total = 0
        self._count = 0

    def images(self) -> Iterator[Seed]:
        """Each image by itself."""
        for path, names in self._folders():
            for name in names:
                if _is_sidecar(name, self._schema.table):
                    continue
                data = self._read(path / name, self._limits.file_size)
                if data is None:
                    continue
                try:
                    anatomy: Anatomy | None = Anatomy.of(data, self._schema, name)
                except RawImageError as error:
                    self._leave_out(path / name, error.problem)
                    continue
                except ImageError:
                    anatomy = None  # a damaged image is as good a start as a whole one
                if not self._has_room(len(data)):
                    return
                yield Seed(self._name(path / name), Case.of_image(name, data), anatomy)

    def checkpoints(self) -> Iterator[Seed]:
        """Each folder with an image in it, as a whole."""
        for path, names in self._folders():
            wanted = [name for name in names if not _is_sidecar(name, self._schema.table)]
            if not any(self._schema.table.by_file_name(name) for name in wanted):
                continue
            files: dict[str, bytes] = {}
            size = 0
            for name in wanted:
                data = self._read(path / name, self._limits.checkpoint_size)
                if data is None:
                    continue
                size += len(data)
                if size > self._limits.checkpoint_size:
                    break
                files[name] = data
            if size > self._limits.checkpoint_size:
                self._leave_out(path, f"over {self._limits.checkpoint_size} bytes")
                continue
            if files and not self._has_room(size):
                return
            if files:
                name = path.name if path != self._folder else "checkpoint"
                yield Seed(self._name(path), Case(name, files, is_checkpoint=True))

    def _folders(self) -> Iterator[tuple[Path, list[str]]]:
        """Each folder, the upper ones first, and the names of its regular files, sorted."""

        def tell(error: OSError) -> None:
            self._leave_out(Path(error.filename), error.strerror or str(error))

        for here, folders, names in os.walk(self._folder, onerror=tell):
            folders.sort()
            path = Path(here)
            yield path, [name for name in sorted(names) if _is_regular(path / name)]

    def _read(self, path: Path, most: int) -> bytes | None:
        try:
            with path.open("rb") as file:
                data = file.read(most + 1)
        except OSError as error:
            self._leave_out(path, error.strerror or str(error))
            return None
        if len(data) > most:
            self._leave_out(path, f"over {most} bytes")
            return None
        return data

    def _has_room(self, size: int) -> bool:
        self._total += size
        self._count += 1
        if self._total <= self._limits.total and self._count <= self._limits.count:
            return True
        self._leave_out(self._folder, f"what comes behind the first {self._count - 1}")
        return False

    def _leave_out(self, path: Path, reason: str) -> None:
        self.left_out.append(f"{self._name(path)}: {reason}")

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_sidecar(name: str, table: ImageTable) -> bool:
    """Whether a file is about images and none: notes, logs, what was done to one."""
    if not name.endswith(_SIDECARS):
        return False
    return table.by_file_name(name) is None and table.raw_by_file_name(name) is None
