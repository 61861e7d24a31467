"""Mutants as files: of an image, of a checkpoint directory, or of its images in turn, each with a sidecar."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dyncrit.errors import DyncritError, ImageError, RawImageError
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.mutate.across import mutate_checkpoint
from dyncrit.fuzz.mutate.folder import Folder, folder_digest
from dyncrit.fuzz.mutate.mutator import Mutator, record_of
from dyncrit.fuzz.mutate.record import MutationRecord, digest, sidecar_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dyncrit.fuzz.mutate.mutation import Layer, Step
    from dyncrit.schema import Schema

_LINKED = 1 << 20
_LARGEST = 256 << 20
"""An image is in memory as a whole, several times, while it is mutated."""
_TRIES = 16


@dataclass(frozen=True, slots=True)
class MutantPlan:
    """What to make: ``count`` mutants of a seed; ``layers`` and ``weights`` are those of :class:`Mutator`.

    ``each`` is for directories: their images in turn, and no checkpoints.
    """

    count: int
    seed: int = 0
    layers: Collection[Layer] | None = None
    weights: Mapping[str, int] | None = None
    each: bool = False


def write_mutants(source: Path, output: Path, schema: Schema, plan: MutantPlan) -> Iterator[Path]:
    """Write mutants of an image or a directory to a folder that is new or empty; gives each one's path.

    What is written is whole, and stays, whatever goes wrong later. Files of a directory that aren't changed
    are copies, large ones hard links. Raises DyncritError where there is nothing to break, and OSError.
    """
    maker = _maker(source, schema, plan)
    _make_folder(output)
    digits = max(4, len(str(plan.count - 1)))
    root = Chance(plan.seed)
    for index in range(plan.count):
        chance = root.child(index)
        for attempt in range(_TRIES):
            path = maker.make(
                index, chance.child(attempt) if attempt else chance, f"{output / f'{index:0{digits}}'}"
            )
            if path is not None:
                yield path
                break
        else:
            raise DyncritError("there is nothing to break with the mutations that were chosen", str(source))


class _Maker(Protocol):
    def make(self, index: int, chance: Chance, target: str) -> Path | None:
        """Write a mutant, whose name begins with ``target``; None where nothing was found to break."""


def _maker(source: Path, schema: Schema, plan: MutantPlan) -> _Maker:
    if not source.is_dir():
        image = _Source.read(source, schema)
        return _Images([image], _mutator(schema, plan, [image.anatomy]))
    folder = Folder.read(source, schema)
    mutator = _mutator(schema, plan, folder.anatomies.values())
    if not plan.each:
        return _Checkpoints(folder, mutator)
    images = [
        _Source(source / name, folder.files[name], anatomy) for name, anatomy in folder.anatomies.items()
    ]
    return _Images(images, mutator)


def _mutator(schema: Schema, plan: MutantPlan, donors: Iterable[Anatomy | None]) -> Mutator:
    others = [donor for donor in donors if donor is not None]
    return Mutator(schema, others=others, layers=plan.layers, weights=plan.weights)


class _Source(NamedTuple):
    """A file to mutate; ``anatomy`` is None for one that isn't whole, or is made without records."""

    path: Path
    data: bytes
    anatomy: Anatomy | None

    @classmethod
    def read(cls, path: Path, schema: Schema) -> _Source:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise DyncritError(
                f"is larger than {_LARGEST >> 20} MiB, which is the most that is mutated", str(path)
            )
        try:
            return cls(path, data, Anatomy.of(data, schema, path.name))
        except RawImageError as error:
            if schema.table.raw_by_file_name(path.name) is None or not data:
                raise error.within(str(path)) from None
        except ImageError:
            pass
        return cls(path, data, None)


class _Images:
    """Makes images, of each source in turn."""

    def __init__(self, sources: Sequence[_Source], mutator: Mutator) -> None:
        self._mutator = mutator
        self._sources = sources

    def make(self, index: int, chance: Chance, target: str) -> Path | None:
        source = self._sources[index % len(self._sources)]
        if source.anatomy is not None:
            mutant = self._mutator.mutate(source.anatomy, chance, source.path.name)
        else:
            mutant = self._mutator.mutate_unread(source.data, chance)
        if not mutant.steps or mutant.data == source.data:  # a step may undo another
            return None
        image = Path(f"{target}.img")
        with _whole(image, sidecar_of(image)):
            image.write_bytes(mutant.data)
            record = record_of(str(source.path), source.data, mutant, chance)
            sidecar_of(image).write_bytes(record.to_json())
        return image


class _Checkpoints:
    """Makes directories of a checkpoint's files."""

    def __init__(self, source: Folder, mutator: Mutator) -> None:
        self._source = source
        self._mutator = mutator

    def make(self, index: int, chance: Chance, target: str) -> Path | None:  # noqa: ARG002 (as for images)
        files, steps = mutate_checkpoint(self._source.files, self._mutator, chance)
        if not steps or files == self._source.files:
            return None
        folder = Path(target)
        with _whole(folder, sidecar_of(folder)):
            hashes = self._write(folder, files)
            record = self._record(hashes, steps, chance)
            sidecar_of(folder).write_bytes(record.to_json())
        return folder

    def _record(self, hashes: Mapping[str, str], steps: tuple[Step, ...], chance: Chance) -> MutationRecord:
        before = folder_digest(self._source.hashes)
        return MutationRecord(str(self._source.path), before, chance.seed, steps, folder_digest(hashes))

    def _write(self, folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
        """Write the files of a mutant; gives their hashes."""
        known = self._source
        folder.mkdir()
        hashes = {name: found for name, found in known.hashes.items() if name not in known.files}
        for name in hashes:
            _link(known.path / name, folder / name)
        for name, data in files.items():
            is_old = known.files.get(name) is data
            hashes[name] = known.hashes[name] if is_old else digest(data)
            if is_old and len(data) > _LINKED:
                _link(known.path / name, folder / name)
            else:
                (folder / name).write_bytes(data)
        if known.parent is not None:
            (folder / "parent").symlink_to(known.parent)
        return hashes


def _link(source: Path, target: Path) -> None:
    """A hard link, or a copy where there can't be one."""
    try:
        target.hardlink_to(os.path.realpath(source))
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def _whole(*paths: Path) -> Iterator[None]:
    """What the block writes to these paths is there as a whole, or not at all."""
    try:
        yield
    except BaseException:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise


def _make_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise DyncritError("is no folder; name one that is new or empty", str(path))
    path.mkdir(exist_ok=True)
    if any(path.iterdir()):
        raise DyncritError("is not empty; name a new folder, or an empty one", str(path))
