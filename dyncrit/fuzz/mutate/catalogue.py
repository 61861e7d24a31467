"""All mutations there are: of one image, and across the images of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.fuzz.mutate.across import CHECKPOINT_MUTATIONS, CheckpointMutation
from dyncrit.fuzz.mutate.mutator import MUTATIONS

if TYPE_CHECKING:
    from dyncrit.fuzz.mutate.mutation import Mutation


def all_mutations() -> tuple[Mutation | CheckpointMutation, ...]:
    """All of them, by layer, from the outside of the format to its inside.

    >>> [mutation.name for mutation in all_mutations() if mutation.layer == "record"]
    ['record-length', 'cut-off', 'tail', 'empty-record', 'noise']
    """
    return (*MUTATIONS, *CHECKPOINT_MUTATIONS)
