"""The sidecar of a mutated file: from what it was made, how, and what was done to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.errors import DocumentError
from dyncrit.fuzz.mutate.mutation import Step
from dyncrit.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.types import JsonObject

SUFFIX = ".mutation.json"
"""What is put behind a mutated file's name for its sidecar."""


@dataclass(frozen=True, slots=True)
class MutationRecord:
    """How a file was made: the hashes are SHA-256 in hex, of the source and of what became of it.

    ``seed`` is that of this file alone; ``version`` is dyncrit's, as another may make something else.
    """

    source: str
    source_hash: str
    seed: int
    steps: tuple[Step, ...]
    result_hash: str
    version: str = __version__

    def to_dict(self) -> JsonObject:
        """The record as a sidecar has it."""
        return {
            "dyncrit": self.version,
            "source": self.source,
            "source_sha256": self.source_hash,
            "seed": self.seed,
            "steps": [step.to_dict() for step in self.steps],
            "result_sha256": self.result_hash,
        }

    def to_json(self) -> bytes:
        """The sidecar's content."""
        return json.dumps(self.to_dict(), indent=2).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, data: bytes, place: str) -> MutationRecord:
        """The record in a sidecar; raises DocumentError for what is none."""
        try:
            shown = json.loads(data)
            steps = tuple(Step(step["mutation"], step["place"], step["what"]) for step in shown["steps"])
            return cls(
                source=str(shown["source"]),
                source_hash=str(shown["source_sha256"]),
                seed=int(shown["seed"]),
                steps=steps,
                result_hash=str(shown["result_sha256"]),
                version=str(shown["dyncrit"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DocumentError(f"no record of a mutation: {error!r:.200}", place) from error


def sidecar_of(path: Path) -> Path:
    """Where the sidecar of a mutated file or folder is."""
    return path.with_name(path.name + SUFFIX)


def digest(data: bytes) -> str:
    """The SHA-256 of data in hex."""
    return hashlib.sha256(data).hexdigest()
