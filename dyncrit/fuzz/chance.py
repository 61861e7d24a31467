"""Choices that are the same for a seed on every machine and every release of Python."""

from __future__ import annotations

import hashlib
from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")


class Chance:
    """A source of choices. All of them are made of ``Random.getrandbits``, whose stream is fixed by its seed.

    >>> chance = Chance(7)
    >>> [chance.below(100) for _ in range(5)], chance.one_of("abc"), chance.bytes(4).hex()
    ([41, 19, 50, 83, 6], 'a', '24083fd2')
    """

    __slots__ = ("_bits", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._bits = Random(seed).getrandbits  # noqa: S311 (what is made is to be repeated, not secret)

    def bits(self, count: int) -> int:
        """A number of at most ``count`` bits."""
        return self._bits(count) if count else 0

    def below(self, limit: int) -> int:
        """A number from 0 to ``limit`` - 1, all as likely."""
        size = (limit - 1).bit_length()
        number = self.bits(size)
        while number >= limit:
            number = self.bits(size)
        return number

    def between(self, least: int, most: int) -> int:
        """A number from ``least`` to ``most``, both included."""
        return least + self.below(most - least + 1)

    def once_in(self, count: int) -> bool:
        """True once in ``count`` times."""
        return self.below(count) == 0

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of the items, all as likely; there must be one."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[Item], weights: Sequence[int]) -> Item:
        """One of the items, as likely as its weight says."""
        number = self.below(sum(weights))
        for item, weight in zip(items, weights, strict=True):
            number -= weight
            if number < 0:
                return item
        raise AssertionError  # the weights sum up to more than the number

    def bytes(self, count: int) -> bytes:
        """So many bytes."""
        return self.bits(8 * count).to_bytes(count, "little")

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """The items in another order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in items]

    def child(self, label: str | int) -> Chance:
        """Another source, fixed by this one's seed and a label alone, however many choices were made."""
        digest = hashlib.sha256(f"{self.seed}/{label}".encode()).digest()
        return Chance(int.from_bytes(digest[:8], "little"))
