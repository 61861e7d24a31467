"""What a mutation is, what it works on, and how it is told what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dyncrit.fuzz.anatomy import Anatomy
    from dyncrit.fuzz.chance import Chance
    from dyncrit.schema import ImageType, Schema
    from dyncrit.types import JsonObject

Layer = Literal["head", "record", "payload", "field", "wire", "entry", "checkpoint"]
"""Where in the format something is broken, from the outside to the inside; entries and images last."""

LAYERS: tuple[Layer, ...] = get_args(Layer)
"""All layers."""


class Step(NamedTuple):
    """One thing that was done: by which mutation, where, and what to it.

    ``place`` is ``head``, ``entries[2]`` or ``entries[2].reg.name``, after the name of the image where there
    are several; ``what`` says it in words.
    """

    mutation: str
    place: str
    what: str

    def to_dict(self) -> JsonObject:
        """The step as a sidecar has it."""
        return self._asdict()


class Donors:
    """Images to take entries from: those of a type are found at once, however many there are."""

    def __init__(self, images: Iterable[Anatomy] = ()) -> None:
        self.all: Sequence[Anatomy] = [image for image in images if image.entries]
        self._kin: dict[str, list[Anatomy]] = {}
        for image in self.all:
            self._kin.setdefault(image.frame.image_type.name, []).append(image)

    def kin(self, image_type: ImageType) -> Sequence[Anatomy]:
        """Those of a type; all, where there is none of it."""
        return self._kin.get(image_type.name, self.all)


@dataclass(slots=True)
class Subject:
    """An image that is being mutated. ``name`` is its file name; ``donors`` are images to splice from."""

    anatomy: Anatomy
    schema: Schema
    name: str = ""
    donors: Donors = field(default_factory=Donors)


class Mutation(NamedTuple):
    """A way to break an image.

    ``weight`` says how often it is chosen, beside the others; ``description`` is a line on what it does.
    ``apply`` changes the subject and tells what it did; None where there is nothing of the kind to break.
    """

    name: str
    layer: Layer
    weight: int
    description: str
    apply: Callable[[Subject, Chance], Step | None]


def with_other_bytes(data: bytes, count: int, chance: Chance) -> tuple[bytes, list[int]]:
    """Data with other bytes at up to ``count`` places, and the places, from the first on; there must be data.

    >>> from dyncrit.fuzz.chance import Chance
    >>> changed, places = with_other_bytes(bytes(4), 2, Chance(7))
    >>> changed.hex(), places
    ('00270066', [1, 3])
    """
    changed = bytearray(data)
    places = sorted({chance.below(len(data)) for _ in range(count)})
    for place in places:
        changed[place] ^= chance.between(1, 255)
    return bytes(changed), places


def entry_place(index: int, path: str = "") -> str:
    """How steps call an entry, and a field in it."""
    return f"entries[{index}].{path}" if path else f"entries[{index}]"
