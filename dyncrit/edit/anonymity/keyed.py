"""Bytes that follow from a key and a value, and tell nothing of the value to whom lacks the key."""

from __future__ import annotations

import hashlib
import secrets

_BLOCK = 64
_COUNTER = 8


class Keyed:
    """A family of functions, each known by its label, that only the holder of a key can compute.

    Names can be looked up in a dictionary of their hashes; not so if a secret goes into the hash.
    """

    def __init__(self, key: bytes = b"") -> None:
        """``key`` may have any length; without one, it is drawn at random and nobody knows it."""
        self._key = hashlib.blake2b(key or secrets.token_bytes(_BLOCK)).digest()

    def stream(self, label: str, value: bytes, size: int) -> bytes:
        """``size`` bytes that follow from ``value`` under a label of at most 16 characters.

        >>> Keyed(b"a").stream("names", b"x", 4) == Keyed(b"b").stream("names", b"x", 4)
        False
        """
        start = self._hash(label, value)
        rest = (counter.to_bytes(_COUNTER, "big") for counter in range(1, -(-size // _BLOCK)))
        return b"".join([start, *(self._hash(label, start + counter) for counter in rest)])[:size]

    def number(self, label: str, value: bytes, bits: int) -> int:
        """A number of so many bits, a multiple of 8, that follows from ``value``."""
        return int.from_bytes(self.stream(label, value, bits // 8), "big")

    def _hash(self, label: str, value: bytes) -> bytes:
        return hashlib.blake2b(value, key=self._key, person=label.encode()).digest()
