"""Small checkpoints whose images refer to each other as they should: ``dyncrit check`` finds nothing."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from dyncrit.fuzz.generate.checkpoint.draft import Draft, Parts
from dyncrit.fuzz.generate.checkpoint.files import add_files
from dyncrit.fuzz.generate.checkpoint.memory import add_memory, add_shared_memory
from dyncrit.fuzz.generate.checkpoint.pages import add_parents
from dyncrit.fuzz.generate.checkpoint.processes import add_process, grow_tree
from dyncrit.fuzz.generate.checkpoint.surroundings import add_surroundings
from dyncrit.fuzz.generate.knobs import DEFAULT_KNOBS, Knobs

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from dyncrit.fuzz.chance import Chance
    from dyncrit.schema import Schema
    from dyncrit.types import ByteOrder


class CheckpointGenerator:
    """Makes checkpoints: a tree of tasks with threads, memory, open files, sockets, pipes and namespaces.

    The same schema, knobs and choices of ``chance`` give the same bytes everywhere. Which images there are
    follows the schema: those of CRIU 1.1 are others than today's. A schema of CRIU 0.5 or later is needed.
    The dumped host is of one of the architectures that the schema knows and that have the ``byte_order``;
    SchemaError is raised where there is none.

    >>> from dyncrit.fuzz.chance import Chance
    >>> from dyncrit.schema import Schema
    >>> files = CheckpointGenerator(Schema.default(), Chance(7)).generate()
    >>> "pstree.img" in files, "files.img" in files
    (True, True)
    """

    def __init__(
        self,
        schema: Schema,
        chance: Chance,
        knobs: Knobs = DEFAULT_KNOBS,
        *,
        byte_order: ByteOrder = "little",
    ) -> None:
        self.schema = schema
        self.chance = chance
        self.knobs = knobs
        self._parts = Parts(schema, knobs, byte_order)

    def seeded(self, chance: Chance) -> CheckpointGenerator:
        """A generator with another source of choices, that shares what this one knows of message types."""
        other = copy(self)
        other.chance = chance
        return other

    def generate(self) -> dict[str, bytes]:
        """The files of a checkpoint by name, sorted; those of parents have ``parent/`` in front.

        Raises SchemaError where the schema lacks a message that every checkpoint has.
        """
        draft = Draft(self.chance, self._parts)
        add_surroundings(draft)
        tasks = grow_tree(draft)
        for task in tasks:
            draft.task = task
            add_process(draft, task)
            if not task.is_zombie:
                add_files(draft, task)
                add_memory(draft, task)
        add_shared_memory(draft)
        add_parents(draft)
        return draft.files()


def write_checkpoint(files: Mapping[str, bytes], folder: str | os.PathLike[str]) -> None:
    """Write the files of a checkpoint into a folder, which is made."""
    target = Path(folder)
    target.mkdir(parents=True)
    for name, data in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)
