from __future__ import annotations

import pytest

from dyncrit.fuzz.interesting import BITS, INTEGERS, NOT_UTF8, TEXTS


def test_integers_are_those_around_the_ends_of_ranges() -> None:
    assert list(INTEGERS) == sorted(set(INTEGERS))
    assert {0, 1, 127, 128, 255, 256, 4095, 4096, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1} <= set(INTEGERS)
    assert INTEGERS[0] == 0
    assert INTEGERS[-1] == 2**64 - 1


def test_texts_are_utf8() -> None:
    assert all(text.decode("utf-8").encode() == text for text in TEXTS)


@pytest.mark.parametrize("content", NOT_UTF8)
def test_other_bytes_are_none(content: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")


def test_widths_are_those_of_integers() -> None:
    assert set(BITS.values()) == {1, 32, 64}
