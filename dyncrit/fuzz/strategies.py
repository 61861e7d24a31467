"""Hypothesis strategies: messages, images and checkpoints, that shrink to small and plain ones.

They wrap the generators of :mod:`dyncrit.fuzz.generate`, whose choices Hypothesis then makes. It is imported
when a strategy is made: ``pip install dyncrit[hypothesis]``.

>>> from hypothesis import given, settings
>>> @settings(max_examples=5)
... @given(images("CORE"))
... def test_my_reader(image):
...     assert image.startswith(bytes.fromhex("19435654 47380555"))
>>> test_my_reader()
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar, cast

from dyncrit.errors import DyncritError
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.checkpoints import CheckpointGenerator
from dyncrit.fuzz.generate.images import ALL, ImageGenerator, find_types
from dyncrit.fuzz.generate.knobs import DEFAULT_KNOBS, Knobs
from dyncrit.fuzz.generate.messages import MessageGenerator
from dyncrit.schema import Schema
from dyncrit.schema.engine import message_class

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Mapping
    from typing import Any

    from google.protobuf.descriptor import Descriptor
    from hypothesis.strategies import SearchStrategy

    from dyncrit.codec.framing import Framing
    from dyncrit.fuzz.generate.messages import Fields
    from dyncrit.types import ByteOrder, DynamicMessage

Made = TypeVar("Made")

_MOST_DRAWS = 1500
_SEED_BITS = 16
_SINGLY, _POOL = 24, 32
_DEFAULTS: Mapping[str, object] = {
    "knobs": DEFAULT_KNOBS,
    "fields": None,
    "framing": None,
    "byte_order": "little",
}


def messages(
    message: str | Descriptor,
    *,
    schema: Schema | None = None,
    knobs: Knobs = DEFAULT_KNOBS,
    fields: Fields | None = None,
) -> SearchStrategy[DynamicMessage]:
    """Messages of a type, by its name or descriptor; ``fields`` are given, by name, the others drawn.

    The schema is today's by default. Raises SchemaError if it has no such message.

    >>> from hypothesis import find
    >>> entry = find(messages("pagemap_entry", fields={"vaddr": 4096}), lambda entry: entry.nr_pages > 99)
    >>> entry.vaddr, 99 < entry.nr_pages < 256
    (4096, True)
    >>> messages("core_entry", knobs=Knobs(optional=0))
    messages('core_entry', knobs=Knobs(optional=0))
    """
    schema = schema or Schema.default()
    descriptor = schema.required_message(message) if isinstance(message, str) else message
    made = message_class(descriptor)
    template = MessageGenerator(schema, Chance(0), knobs)

    def make(chance: Chance) -> DynamicMessage:
        return cast("DynamicMessage", made.FromString(template.seeded(chance).generate(descriptor, fields)))

    return _drawn(make, "messages", descriptor.full_name, knobs=knobs, fields=fields)


def images(
    *types: str,
    schema: Schema | None = None,
    knobs: Knobs = DEFAULT_KNOBS,
    framing: Framing | None = None,
    byte_order: ByteOrder = "little",
) -> SearchStrategy[bytes]:
    """The bytes of images of some types, of all that the schema knows if none is named.

    Raises DyncritError for a type that there isn't, and SchemaError for one that the schema doesn't know.

    >>> from hypothesis import find
    >>> find(images("PIPES_DATA"), lambda image: True).hex()
    '1943565409374556'
    """
    schema = schema or Schema.default()
    rows = find_types(schema, types or (ALL,))
    template = ImageGenerator(schema, Chance(0), knobs)

    def make(chance: Chance) -> bytes:
        row = chance.one_of(rows)
        return template.seeded(chance).generate(row, framing=framing, byte_order=byte_order)

    return _drawn(make, "images", *types, knobs=knobs, framing=framing, byte_order=byte_order)


def checkpoints(
    *, schema: Schema | None = None, knobs: Knobs = DEFAULT_KNOBS, byte_order: ByteOrder = "little"
) -> SearchStrategy[dict[str, bytes]]:
    """The files of consistent small checkpoints, by name; ``dyncrit check`` finds nothing in them.

    :func:`dyncrit.fuzz.generate.checkpoints.write_checkpoint` writes them to a folder. The shape is drawn;
    what nothing depends on (pages, registers) comes of one small number, so that examples stay small. With
    the knob ``parents`` they may be chains. Raises SchemaError where no architecture has the byte order.

    >>> from hypothesis import find
    >>> smallest = find(checkpoints(), lambda files: True)
    >>> [name for name in smallest if name.startswith("core-")]
    ['core-1.img']
    """
    template = CheckpointGenerator(schema or Schema.default(), Chance(0), knobs, byte_order=byte_order)
    return _drawn(
        lambda chance: template.seeded(chance).generate(), "checkpoints", knobs=knobs, byte_order=byte_order
    )


class DrawnChance(Chance):
    """Choices that Hypothesis makes; zeros, which it shrinks to, are the plainest ones.

    They are drawn one by one, but after some of them, bits many at a time: what shrinking takes grows with
    the number of draws. After ``most`` draws all choices are zero, so that an example never gets too large
    for Hypothesis.
    """

    __slots__ = ("_draw", "_left", "_pool", "_singly")

    def __init__(
        self, draw: Callable[[SearchStrategy[Any]], Any], most: int = _MOST_DRAWS, singly: int = _SINGLY
    ) -> None:
        super().__init__(0)
        self._singly = singly
        self._draw = draw
        self._left = most
        self._pool = b""

    def bits(self, count: int) -> int:
        """A number of at most ``count`` bits."""
        if self._singly > 0:
            self._singly -= 1
            return self.below(1 << count)
        size = (count + 7) // 8
        if size > len(self._pool):
            self._pool = self._run(max(size, _POOL))
        taken, self._pool = self._pool[:size], self._pool[size:]
        return int.from_bytes(taken) & ((1 << count) - 1)

    def below(self, limit: int) -> int:
        """A number from 0 to ``limit`` - 1."""
        if limit < 2 or self._left <= 0:
            return 0
        self._left -= 1
        number: int = self._draw(_numbers(limit))
        return number

    def once_in(self, count: int) -> bool:
        """True once in ``count`` times; the choice of zero is false, unless it is always true."""
        return self.below(count) == count - 1

    def bytes(self, count: int) -> builtins.bytes:
        """So many bytes."""
        return self._run(count)

    def child(self, label: str | int) -> Chance:
        """Another source, of a small seed that is drawn."""
        return Chance(self.below(1 << _SEED_BITS)).child(label)

    def _run(self, count: int) -> builtins.bytes:
        if not count or self._left <= 0:
            return b"\0" * count
        self._left -= 1
        data: builtins.bytes = self._draw(_runs(count))
        return data


@lru_cache(maxsize=256)
def _numbers(limit: int) -> SearchStrategy[int]:
    """Numbers below a limit; kept, as making a strategy takes longer than drawing from it."""
    from hypothesis.strategies import integers

    return integers(0, limit - 1)


@lru_cache(maxsize=256)
def _runs(count: int) -> SearchStrategy[bytes]:
    """So many bytes."""
    from hypothesis.strategies import binary

    return binary(min_size=count, max_size=count)


def _drawn(make: Callable[[Chance], Made], name: str, *names: str, **options: object) -> SearchStrategy[Made]:
    """A strategy of what ``make`` makes of choices, which shows itself as a call of the function ``name``.

    Of the options it shows those that aren't the default.
    """
    try:
        from hypothesis.strategies import composite
    except ImportError:
        missing = "needs the package hypothesis: pip install 'dyncrit[hypothesis]'"
        raise DyncritError(missing, "strategies") from None

    def drawn(draw: Callable[[SearchStrategy[Any]], Any], /, *_names: str, **_options: object) -> Made:
        return make(DrawnChance(draw))

    drawn.__name__ = drawn.__qualname__ = name
    shown = {key: value for key, value in options.items() if value != _DEFAULTS[key]}
    return composite(drawn)(*names, **shown)
