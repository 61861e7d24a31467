"""Converts many files at once: files and directories to a directory, each file on its own."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from dyncrit.atomic import open_atomic
from dyncrit.convert import DecodeOptions, decode_image, encode_document
from dyncrit.errors import DyncritError, RawImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dyncrit.schema import ImageTable, Schema

_DOCUMENT_SUFFIXES = (".json", ".ndjson")


@dataclass(frozen=True, slots=True)
class Job:
    """A file to convert, and where its result goes; or why it isn't even opened."""

    source: Path
    target: Path
    skip: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: ``message`` says why it was skipped or failed.

    A file that was ``damaged`` was converted as far as it could be read; of one that was ``noted``,
    which was converted, the message says what CRIU won't like.
    """

    source: Path
    kind: Literal["converted", "noted", "skipped", "damaged", "failed"]
    message: str = ""


def decode_jobs(inputs: Sequence[Path], output: Path, options: DecodeOptions) -> list[Job]:
    """What decoding files and directories to the directory ``output`` takes.

    ``core-1.img`` becomes ``core-1.img.json``. Directories are searched with their subdirectories;
    links in them are left alone, so nothing outside is read. Raises DyncritError where two files would
    become one.
    """
    return _jobs(_files(inputs), output, lambda name: name.with_name(f"{name.name}.{options.format}"))


def encode_jobs(inputs: Sequence[Path], output: Path, table: ImageTable) -> list[Job]:
    """What encoding takes: ``core-1.img.json`` and ``core-1.json`` become ``core-1.img``."""
    found = [item for item in _files(inputs) if item[0] in inputs or item[0].suffix in _DOCUMENT_SUFFIXES]
    return _jobs(found, output, lambda name: name.with_name(image_name(name.name, table)))


def image_name(document_name: str, table: ImageTable) -> str:
    """The name of the image that a document's name stands for.

    >>> from dyncrit.schema import ImageTable
    >>> [image_name(name, ImageTable()) for name in ("core-1.json", "core-1.img.json", "stats-dump.json")]
    ['core-1.img', 'core-1.img', 'stats-dump']
    """
    path = Path(document_name)
    name = path.stem if path.suffix in _DOCUMENT_SUFFIXES else document_name
    if table.by_file_name(name) is None and table.by_file_name(f"{name}.img"):
        return f"{name}.img"
    return name


def decode_files(jobs: Iterable[Job], schema: Schema, options: DecodeOptions) -> Iterator[Outcome]:
    """Decode each file; what is no image is skipped, and an error in one file stops no other."""

    def decode(job: Job, source: BinaryIO, target: BinaryIO) -> list[str]:
        return decode_image(source, str(job.source), target, schema, options)

    return (_convert(job, decode) for job in jobs)


def encode_files(jobs: Iterable[Job], schema: Schema, *, allow_unknown: bool = False) -> Iterator[Outcome]:
    """Encode each document; an error in one stops no other."""

    def encode(job: Job, source: BinaryIO, target: BinaryIO) -> list[str]:
        return encode_document(source, str(job.source), target, schema, allow_unknown=allow_unknown)

    return (_convert(job, encode, remarks="noted") for job in jobs)


def _convert(
    job: Job,
    convert: Callable[[Job, BinaryIO, BinaryIO], list[str]],
    remarks: Literal["noted", "damaged"] = "damaged",
) -> Outcome:
    if job.skip:
        return Outcome(job.source, "skipped", job.skip)
    made = [folder for folder in job.target.parents if not folder.exists()]
    try:
        with job.source.open("rb") as source:
            job.target.parent.mkdir(parents=True, exist_ok=True)
            with open_atomic(job.target) as target:
                errors = convert(job, source, target)
        made.clear()
    except RawImageError as error:
        return Outcome(job.source, "skipped", error.problem)
    except DyncritError as error:
        return Outcome(job.source, "failed", str(error))
    except OSError as error:
        return Outcome(job.source, "failed", f"{error.filename or job.source}: {error.strerror or error}")
    finally:
        for folder in made:  # nothing was put into them
            with suppress(OSError):
                folder.rmdir()
    return Outcome(job.source, remarks, "; ".join(errors)) if errors else Outcome(job.source, "converted")


def _jobs(files: Iterable[tuple[Path, Path, str]], output: Path, rename: Callable[[Path], Path]) -> list[Job]:
    jobs: dict[Path, Job] = {}
    for source, name, skip in files:
        job = Job(source, output / rename(name), skip)
        if job.target in jobs:
            raise DyncritError(
                f"{jobs[job.target].source} and {source} would both be written to {job.target}"
            )
        jobs[job.target] = job
    return list(jobs.values())


def list_files(inputs: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """The files that arguments name, also in directories, each with the reason not to open it, if any."""
    return ((path, skip) for path, _, skip in _files(inputs))


def _files(inputs: Sequence[Path]) -> Iterator[tuple[Path, Path, str]]:
    """Each file, its name in the output, and why it is to be skipped, if so.

    Names are those below the directory given, and begin with that one's where there are several.
    """
    several = sum(path.is_dir() for path in inputs) > 1
    for path in inputs:
        if not path.is_dir():
            yield path, Path(path.name), ""
            continue
        prefix = Path(path.resolve().name) if several else Path()
        for folder, folders, names in os.walk(path):
            folders.sort()
            here = Path(folder)
            for name in sorted(names):
                yield here / name, prefix / here.relative_to(path) / name, _why_not(here / name)


def _why_not(found: Path) -> str:
    """Why a file that was found in a directory isn't opened: it may lead elsewhere, or never end."""
    if found.is_symlink():
        return "a symbolic link"
    return "" if found.is_file() else "not a regular file"
