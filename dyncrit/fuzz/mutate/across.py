"""Mutations across the images of a checkpoint: references that dangle, images gone, doubled or exchanged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from dyncrit.codec import wire
from dyncrit.errors import ImageError
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.mutate.mutation import Step
from dyncrit.fuzz.mutate.mutator import mutate_raw
from dyncrit.fuzz.mutate.spot import Spot, pick

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import FieldDescriptor

    from dyncrit.fuzz.chance import Chance
    from dyncrit.fuzz.mutate.mutator import Mutator
    from dyncrit.schema import Schema

    Images = dict[str, bytes]

_TRIES = 32
_REFERENCE = re.compile(r"(^|_)(id|ids|pid|ppid|tid|tids|threads|ino|peer|shmid|s_dev|fd)$")
_RANGE = re.compile(r"^nr_pages$|(^|_)(vaddr|start|end|brk|pgoff|offset|off)(_|$)")
_NUMBER = re.compile(r"(?<=-)\d+")
"""The number of a task, a namespace or a segment in a file's name: core-1.img, ip6tables-9.img."""
_PAGE = 4096
_ACROSS = 2
"""A checkpoint is broken across its images once in so many times, else in one of them."""


class CheckpointMutation(NamedTuple):
    """A way to break a checkpoint across its images; as :class:`Mutation`, but for what it changes.

    ``apply`` changes the files by name, and tells what it did.
    """

    name: str
    layer: Literal["checkpoint"]
    weight: int
    description: str
    apply: Callable[[Images, Schema, Chance], Step | None]


def mutate_checkpoint(
    images: Mapping[str, bytes], mutator: Mutator, chance: Chance
) -> tuple[dict[str, bytes], tuple[Step, ...]]:
    """A mutated copy of a checkpoint's files by name, and what was done; one chance gives one result.

    There are no steps where no mutation found anything to do.
    """
    changed = dict(images)
    names = sorted(changed)
    across = [item for item in CHECKPOINT_MUTATIONS if mutator.weight_of(item)]
    if not names or (not across and mutator.is_idle):
        return changed, ()
    weights = [mutator.weight_of(item) for item in across]
    for _ in range(_TRIES):
        if across and (mutator.is_idle or chance.once_in(_ACROSS)):
            step = chance.weighted(across, weights).apply(changed, mutator.schema, chance)
            if step is not None:
                return changed, (step,)
            continue
        name = chance.one_of(names)
        mutant = mutator.mutate_bytes(changed[name], chance, name)
        if mutant.steps:
            changed[name] = mutant.data
            return changed, tuple(step._replace(place=f"{name} {step.place}") for step in mutant.steps)
    return changed, ()


def _dangle(images: Images, schema: Schema, chance: Chance) -> Step | None:
    """An id that nothing has, or that something else has."""
    return _in_number(
        "dangling-id",
        _REFERENCE,
        lambda found: chance.one_of((0, found.value + 1, found.value + 1000, 0xFFFFFFFF, 1)),
        images,
        schema,
        chance,
    )


def _overlap(images: Images, schema: Schema, chance: Chance) -> Step | None:
    """An address or an offset beside what it was, or where another of its kind is: ranges on one another."""
    steps = (-_PAGE, _PAGE, 1, -1, 16 * _PAGE, -16 * _PAGE)

    def moved(found: _Number) -> int:
        other = found.of_another(chance) if not chance.once_in(3) else None
        if other is None or other == found.value:
            return found.value + chance.one_of(steps)
        return other + chance.one_of((0, 0, _PAGE))

    return _in_number("overlap", _RANGE, moved, images, schema, chance)


def _lose(images: Images, schema: Schema, chance: Chance) -> Step | None:  # noqa: ARG001 (one signature for all)
    name = chance.one_of(sorted(images))
    del images[name]
    return Step("lost-image", name, "the file is gone")


def _double(images: Images, schema: Schema, chance: Chance) -> Step | None:  # noqa: ARG001
    """An image under another number, too: of a task, a namespace or a segment that there isn't, or is."""
    name = chance.one_of(sorted(images))
    numbers = sorted({number for other in images for number in _NUMBER.findall(other)})
    if not _NUMBER.search(name) or not numbers:
        return None
    number = chance.one_of([*numbers, "0", "4294967295"])
    other = _NUMBER.sub(number, name, count=1)
    before = images.get(other)
    if before == images[name]:
        return None
    images[other] = images[name]
    instead = "" if before is None else ", in place of what was there"
    return Step("doubled-image", name, f"it is there as {other}, too{instead}")


def _exchange(images: Images, schema: Schema, chance: Chance) -> Step | None:  # noqa: ARG001
    """Two images of one kind, each under the other's name."""
    first = chance.one_of(sorted(images))
    kind = _NUMBER.sub("", first)
    others = [name for name in sorted(images) if name != first and _NUMBER.sub("", name) == kind]
    if not others:
        return None
    second = chance.one_of(others)
    if images[first] == images[second]:
        return None
    images[first], images[second] = images[second], images[first]
    return Step("exchanged-images", first, f"exchanged with {second}")


def _cut_pages(images: Images, schema: Schema, chance: Chance) -> Step | None:
    """A raw file that is shorter than its pagemap says, or has other bytes."""
    raw = [
        name for name in sorted(images) if schema.table.raw_by_file_name(name) is not None and images[name]
    ]
    if not raw:
        return None
    name = chance.one_of(raw)
    if chance.once_in(2) and len(images[name]) >= _PAGE:
        pages = chance.below(len(images[name]) // _PAGE)
        images[name] = images[name][: pages * _PAGE]
        return Step("cut-pages", name, f"{pages} pages are left")
    mutant = mutate_raw(images[name], chance)
    images[name] = mutant.data
    return mutant.steps[0]._replace(mutation="cut-pages", place=f"{name} {mutant.steps[0].place}")


class _Number(NamedTuple):
    """A number in some field of an entry of an image."""

    spot: Spot
    anatomy: Anatomy
    place: int

    @property
    def value(self) -> int:
        """The number as it stands there."""
        assert isinstance(self.spot.field.value, int)  # noqa: S101 (it was looked for)
        return self.spot.field.value

    def of_another(self, chance: Chance) -> int | None:
        """The same field's number in another message of the list that it is in, or in another record."""
        number = self.spot.field.number
        try:
            return wire.numbers_at(chance.one_of(self._messages()), frozenset({number})).get(number)
        except ImageError:
            return None

    def _messages(self) -> list[bytes]:
        if len(self.spot.levels) == 1:
            name = self.anatomy.message_name(self.place)
            entries = enumerate(self.anatomy.entries)
            return [entry.record for index, entry in entries if self.anatomy.message_name(index) == name]
        content, number = self.spot.levels[-2].content, self.spot.levels[-2].field.number
        return [
            field.value
            for field in wire.fields(content)
            if field.number == number and isinstance(field.value, bytes)
        ]


def _in_number(
    label: str,
    names: re.Pattern[str],
    change: Callable[[_Number], int],
    images: Images,
    schema: Schema,
    chance: Chance,
) -> Step | None:
    """Change a number in some field whose name fits."""
    for _ in range(_TRIES):
        name = chance.one_of(sorted(images))
        try:
            anatomy = Anatomy.of(images[name], schema, name)
        except ImageError:
            continue
        if not anatomy.entries:
            continue
        index = chance.below(len(anatomy.entries))
        entry = anatomy.entries[index]
        spot = pick(entry.record, schema.message(anatomy.message_name(index)), chance)
        if spot is None or not isinstance(spot.field.value, int) or not _is_called(spot.descriptor, names):
            continue
        value = wire.fitting(spot.field.wire_type, change(_Number(spot, anatomy, index)))
        if value == spot.field.value:
            continue
        entry.record = _with_value(spot, value)
        images[name] = anatomy.assemble()
        return Step(label, f"{name} entries[{index}].{spot.path}", f"{spot.field.value} -> {value}")
    return None


def _with_value(spot: Spot, value: int) -> bytes:
    return spot.replaced(wire.encode_field(spot.field.number, spot.field.wire_type, value))


def _is_called(descriptor: FieldDescriptor | None, names: re.Pattern[str]) -> bool:
    return descriptor is not None and names.search(descriptor.name) is not None


CHECKPOINT_MUTATIONS = (
    CheckpointMutation("dangling-id", "checkpoint", 6, "an id that nothing has, or something else", _dangle),
    CheckpointMutation(
        "overlap", "checkpoint", 4, "an address or offset beside what it was, or where another is", _overlap
    ),
    CheckpointMutation("lost-image", "checkpoint", 2, "a file is gone", _lose),
    CheckpointMutation(
        "doubled-image", "checkpoint", 2, "a file is there under another number, too", _double
    ),
    CheckpointMutation("exchanged-images", "checkpoint", 2, "two files have each other's names", _exchange),
    CheckpointMutation("cut-pages", "checkpoint", 3, "a raw file that ends early, or is another", _cut_pages),
)
"""All mutations across the images of a checkpoint."""
