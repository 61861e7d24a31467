"""A minimal seed corpus: what a fuzzer starts from that knows nothing of the format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.codec.framing import Framing, default_framing
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.images import ImageGenerator, known_types, usual_name
from dyncrit.fuzz.generate.knobs import Knobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.schema import ImageType, Schema
    from dyncrit.types import ByteOrder

SEED_KNOBS = Knobs(
    payload=16, repeated=1, text=8, bytes=8, depth=4, optional=100, interesting=0, tasks=1, threads=1
)
"""Each field that isn't a list, and lists of one at most; all as short as can be."""

_TRIES = 16

_HEADS: tuple[tuple[Framing, ByteOrder], ...] = (
    ("common", "big"),
    ("v1.0", "little"),
    ("v1.0", "big"),
    ("service", "little"),
    ("service", "big"),
)
"""The kinds of heads but that of most images, which all the others have."""


def seed_images(schema: Schema) -> Iterator[tuple[str, bytes]]:
    """A small image of each type, and one with each kind of head and byte order; each with a file name.

    An image has one entry, or as many as the table has different records, with nearly all fields.
    """
    types = known_types(schema)
    template = ImageGenerator(schema, Chance(0), SEED_KNOBS)
    for row in types:
        yield usual_name(row), _fullest(template, row)
    common = [row for row in types if row.magic is not None and default_framing(row) == "common"]
    if not common:
        return
    plain = min(common, key=lambda row: (row.has_payload, len(_fullest(template, row))))
    stem = usual_name(plain).removesuffix(".img")
    for framing, byte_order in _HEADS:
        data = template.seeded(Chance(0)).generate(plain, framing=framing, byte_order=byte_order, count=1)
        yield f"{stem}.{framing}.{byte_order}.img", data


def _fullest(template: ImageGenerator, row: ImageType) -> bytes:
    """The image that has the most, of a few."""
    made = [template.seeded(Chance(seed)).anatomy(row, count=len(row.records)) for seed in range(_TRIES)]
    return max(made, key=lambda anatomy: (len(anatomy.entries), len(anatomy.assemble()))).assemble()
