from __future__ import annotations

import pytest

from dyncrit.fuzz.run.normal import first_line, normalised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/tmp/a/core-1.img: entry 3 at byte 17: bad", "/x/mm-22.img: entry 40 at byte 1999: bad"),
        ("core-1.img: magic 0x54564319", "pages.img: magic 0xDEAD"),
        ("no field 'abc' here", "no field 'x y z' here"),
        ('no field "abc" here', 'no field "" here'),
        ("Error: bytes b'\\x00\\x12'", "Error: bytes b''"),
        ("value -12.5e3 is off", "value 7 is off"),
        ("hash deadbeef12345678 is off", "hash 0123456789abcdef is off"),
        ("\x1b[31mError\x1b[0m: x", "Error: x"),
        ("size 4096 of 12, 13 and more", "size 1 of 2, 3 and more"),
    ],
)
def test_what_differs_between_inputs_is_taken_out(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("entry 3: no field", "entry 3: no value"),
        ("doesn't fit, isn't there", "doesn't fit, is there"),
        ("utf8 is wrong", "utf16le is wrong"),
    ],
)
def test_what_tells_causes_apart_stays(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_it_is_one_short_line() -> None:
    text = normalised("a\n\x00\tb " * 1000)
    assert len(text) <= 160
    assert text.isprintable()


def test_the_first_line_with_something_in_it_is_found() -> None:
    assert first_line(b"", b"\n  \n two \n three") == "two"
    assert first_line(b"\n", b"") == ""
