"""Says what was done to a mutated file or checkpoint, from its sidecar, and whether it is still the same."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dyncrit.errors import DyncritError
from dyncrit.fuzz.mutate.catalogue import all_mutations
from dyncrit.fuzz.mutate.folder import digest_of
from dyncrit.fuzz.mutate.record import SUFFIX, MutationRecord, sidecar_of

if TYPE_CHECKING:
    from dyncrit.fuzz.mutate.mutation import Step
    from dyncrit.types import JsonObject

State = Literal["same", "changed", "missing"]
"""Whether a file is what the record says."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The record of a mutant, and whether it and its source are as they were when it was made."""

    path: Path
    record: MutationRecord
    result: State
    source: State

    def words(self) -> list[str]:
        """Lines that say how the mutant was made, and what was done."""
        record = self.record
        first = f"{self.path}: made of {record.source} by dyncrit {record.version} with seed {record.seed}"
        steps = [
            f"  {number}. {step.place}: {step.what} ({_kind(step)})"
            for number, step in enumerate(record.steps, 1)
        ]
        return [first, *steps]

    def to_dict(self) -> JsonObject:
        """The same, with the record's own keys."""
        return {
            "path": str(self.path),
            **self.record.to_dict(),
            "result": self.result,
            "source_now": self.source,
        }


def explain(path: Path) -> Explanation:
    """What was done to a mutated file or folder, given by its path or its sidecar's.

    Raises DyncritError where there is no sidecar, or it is damaged, and OSError.
    """
    path = Path(os.path.normpath(path))
    if not path.name or path.name == "..":  # a folder that is named from within
        path = path.resolve()
    if not path.name:
        raise DyncritError(
            "is no mutant; name a file or a folder that `dyncrit fuzz mutate` wrote", str(path)
        )
    if path.name.endswith(SUFFIX):
        path = path.with_name(path.name.removesuffix(SUFFIX))
    sidecar = sidecar_of(path)
    try:
        data = sidecar.read_bytes()
    except FileNotFoundError:
        what = "is not there, nor" if not path.exists() else "has no sidecar"
        raise DyncritError(
            f"{what} {sidecar.name}, which `dyncrit fuzz mutate` writes beside it", str(path)
        ) from None
    record = MutationRecord.from_json(data, str(sidecar))
    return Explanation(
        path, record, _state(path, record.result_hash), _state(Path(record.source), record.source_hash)
    )


def mutants_at(path: Path) -> list[Path]:
    """The mutants that a folder holds; of any other path (a mutant itself may be a folder), the path alone.

    Raises OSError for a folder that can't be read.
    """
    if not path.is_dir() or (path.name and sidecar_of(path).exists()):
        return [path]
    sidecars = sorted(entry for entry in path.iterdir() if entry.name.endswith(SUFFIX))
    return [sidecar.with_name(sidecar.name.removesuffix(SUFFIX)) for sidecar in sidecars] or [path]


def _state(path: Path, expected: str) -> State:
    if not path.exists():
        return "missing"
    return "same" if digest_of(path) == expected else "changed"


def _kind(step: Step) -> str:
    """The mutation's name, with what it does in general, as far as this release knows it."""
    known = next((item for item in all_mutations() if item.name == step.mutation), None)
    return step.mutation if known is None else f"{known.layer}, {step.mutation}: {known.description}"
