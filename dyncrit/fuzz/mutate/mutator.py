"""Chooses mutations by their weights, applies them, and records what was done."""

from __future__ import annotations

import itertools
from bisect import bisect
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dyncrit.errors import ImageError
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.mutate import entries, fields, heads, payloads, records, wires
from dyncrit.fuzz.mutate.mutation import Donors, Mutation, Step, Subject, with_other_bytes
from dyncrit.fuzz.mutate.record import MutationRecord, digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.mutate.mutation import Layer
    from dyncrit.schema import Schema

MUTATIONS: tuple[Mutation, ...] = tuple(
    itertools.chain.from_iterable(
        module.MUTATIONS for module in (heads, records, payloads, fields, wires, entries)
    )
)
"""All mutations of one image."""

_STEPS = (1, 1, 1, 1, 2, 2, 3, 6)
_TRIES = 128


class Weighted(Protocol):
    """What is chosen by its weight: a mutation of an image, or of a checkpoint."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def layer(self) -> Layer:
        """The layer of the format that it breaks."""
        ...

    @property
    def weight(self) -> int:
        """How often it is chosen where nothing else is said."""
        ...


class Mutant(NamedTuple):
    """A mutated image, and what was done to it."""

    data: bytes
    steps: tuple[Step, ...]


class Mutator:
    """Mutates images; ``others`` are images to take entries from.

    ``layers`` restricts it to mutations of these layers; ``weights`` are others than the mutations' own, by
    name, where 0 leaves one out. The same chance gives the same bytes.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        others: Iterable[Anatomy] = (),
        layers: Collection[Layer] | None = None,
        weights: Mapping[str, int] | None = None,
    ) -> None:
        self.schema = schema
        self._donors = Donors(others)
        self._layers = layers
        self._weights = weights or {}
        self._mutations = [item for item in MUTATIONS if self.weight_of(item)]
        self._limits = list(itertools.accumulate(map(self.weight_of, self._mutations)))

    def weight_of(self, mutation: Weighted) -> int:
        """How often a mutation is chosen, beside the others; 0 if it is left out."""
        if self._layers is not None and mutation.layer not in self._layers:
            return 0
        return self._weights.get(mutation.name, mutation.weight)

    @property
    def is_idle(self) -> bool:
        """Whether no mutation of one image is left."""
        return not self._mutations

    def mutate(self, anatomy: Anatomy, chance: Chance, name: str = "") -> Mutant:
        """A mutated copy of an image that was taken apart; the image stays as it is.

        There are no steps where no mutation found anything to do. ``name`` is the image's file name.
        """
        subject = Subject(anatomy.copy(), self.schema, name, self._donors)
        steps: list[Step] = []
        wanted = chance.one_of(_STEPS)
        for _ in range(_TRIES if self._mutations else 0):
            mutation = self._mutations[bisect(self._limits, chance.below(self._limits[-1]))]
            if (step := mutation.apply(subject, chance)) is not None:
                steps.append(step)
            if len(steps) >= wanted:
                break
        return Mutant(subject.anatomy.assemble(), tuple(steps))

    def mutate_bytes(self, data: bytes, chance: Chance, name: str = "") -> Mutant:
        """A mutated copy of an image, or of bytes that are none."""
        try:
            anatomy = Anatomy.of(data, self.schema, name)
        except ImageError:
            return self.mutate_unread(data, chance)
        return self.mutate(anatomy, chance, name)

    def mutate_unread(self, data: bytes, chance: Chance) -> Mutant:
        """A copy of bytes that can't be taken apart, of which some are others.

        Such bytes have no layers: where some were chosen, or no mutation is left, they stay as they are.
        """
        if self.is_idle or self._layers is not None:
            return Mutant(data, ())
        return mutate_raw(data, chance)


def mutate_raw(data: bytes, chance: Chance) -> Mutant:
    """A mutated copy of a file of which nothing is known: pages, archives, text."""
    if not data:
        added = chance.bytes(chance.between(1, 16))
        return Mutant(added, (Step("raw-grown", "byte 0", f"{len(added)} bytes in an empty file"),))
    if chance.once_in(4):
        size = chance.below(len(data))
        return Mutant(data[:size], (Step("raw-cut", f"byte {size}", f"the file ends after {size} bytes"),))
    changed, places = with_other_bytes(data, chance.between(1, 8), chance)
    shown = ", ".join(map(str, places))
    return Mutant(changed, (Step("raw-noise", f"byte {places[0]}", f"other bytes at {shown}"),))


def record_of(source: str, before: bytes, mutant: Mutant, chance: Chance) -> MutationRecord:
    """The record of a mutant for its sidecar; ``source`` says what it was made of."""
    return MutationRecord(source, digest(before), chance.seed, mutant.steps, digest(mutant.data))
