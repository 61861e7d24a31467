"""Arguments: addresses, ranges of them, numbers of bytes."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.cli.parameters import ADDRESS, LENGTH, RANGE

MOST = (1 << 64) - 1


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0", 0),
        ("10", 16),
        ("0x10", 16),
        ("7fFe7dcc8f70", 0x7FFE_7DCC_8F70),
        ("ffffffffffffffff", MOST),
        ("0xffffffffffffffff", MOST),
        ("0000000000000010", 16),
    ],
)
def test_addresses_are_hex_with_or_without_0x(text: str, address: int) -> None:
    assert ADDRESS.convert(text, None, None) == address


@given(st.integers(0, MOST))
def test_every_address_of_64_bits_is_one(address: int) -> None:
    assert ADDRESS.convert(f"{address:x}", None, None) == address
    assert ADDRESS.convert(address, None, None) == address


@pytest.mark.parametrize(
    "text",
    ["", "0x", "g", "-1", "+1", " 1", "1 ", "1_0", "0X10", "10000000000000000", "1-2", "\uff11", "1\n"],
)
def test_what_is_no_address_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no address; expected hex digits"):
        ADDRESS.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0-1", (0, 1)),
        ("1000-2000", (0x1000, 0x2000)),
        ("0x1000-0x2000", (0x1000, 0x2000)),
        ("0x1000-2000", (0x1000, 0x2000)),
        ("0-ffffffffffffffff", (0, MOST)),
    ],
)
def test_ranges_are_written_as_maps_shows_them(text: str, span: tuple[int, int]) -> None:
    assert RANGE.convert(text, None, None) == span
    assert RANGE.convert(span, None, None) == span


@pytest.mark.parametrize(
    "text", ["", "-", "1", "1-", "-1", "2-1", "1-1", "1-2-3", "1 - 2", "1-g", "1-10000000000000000", "1-2\n"]
)
def test_what_is_no_range_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no range; expected START-END in hex"):
        RANGE.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0", 0),
        ("10", 10),
        ("010", 10),
        ("0x10", 16),
        ("4k", 4096),
        ("4K", 4096),
        ("2M", 2 << 20),
        ("3g", 3 << 30),
        ("0x10K", 16384),
        ("18446744073709551615", MOST),
    ],
)
def test_lengths_are_decimal_or_hex_with_0x_or_have_units(text: str, length: int) -> None:
    assert LENGTH.convert(text, None, None) == length
    assert LENGTH.convert(length, None, None) == length


@pytest.mark.parametrize(
    "text", ["", "K", "-1", "1.5", "4KB", "1T", "ff", "0x", "1e3", " 1", "1\n", "9" * 21]
)
def test_what_is_no_length_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no length; expected a number of bytes"):
        LENGTH.convert(text, None, None)
