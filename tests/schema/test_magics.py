from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import SchemaError
from dyncrit.schema import magics
from dyncrit.schema.magics import parse_magics, read_magics
from dyncrit.schema.table import ImageTable
from dyncrit.validate.header import parse_defines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_magics_stand_in_the_headers_order() -> None:
    text = "#define ZOO_MAGIC 0x11111111\n#define ARK_MAGIC 0x22222222\n"
    assert list(parse_magics(text).items()) == [("ZOO", 0x11111111), ("ARK", 0x22222222)]


@pytest.mark.parametrize(
    "line",
    [
        "#define A_MAGIC 0x12ab34CD",
        "#define A_MAGIC\t\t0x12AB34CD /* a town */",
        "#define A_MAGIC 0X12ab34cd // a town",
        "  #  define  A_MAGIC   0x12ab34cdU",
        "#define /* why */ A_MAGIC 0x12ab34cd",
        "#define A_MAGIC 0x12ab34cd\r",
    ],
)
def test_spellings_of_a_magic(line: str) -> None:
    assert parse_magics(f"/* before */\n{line}\nint after;\n") == {"A": 0x12AB34CD}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/* #define A_MAGIC 0x12345678 */",
        "/*\n * old:\n#define A_MAGIC 0x12345678\n */",
        "// #define A_MAGIC 0x12345678",
        "#define A_MAGIC",
        "#define A_MAGIC 0x",
        "#define A_MAGIC 0x123456789",
        "#define A_MAGIC 0xnonsense",
        "#define A_MAGIC 12345678",
        "#define A_MAGIC B_MAGIC",
        "#define A_MAGIC A_MAGIC",
        "#define A_NUMBER 0x12345678",
        "#define A_MAGIC_NUMBER 0x12345678",
        "#define MAGIC 0x12345678",
        "#undef A_MAGIC 0x12345678",
        "\x00\ufffd#define",
    ],
)
def test_what_defines_no_magic(text: str) -> None:
    assert parse_magics(text) == {}


@pytest.mark.parametrize("name", ["RAW_IMAGE", "IMG_COMMON", "IMG_SERVICE", "KDAT"])
def test_heads_and_files_that_are_no_images_are_left_out(name: str) -> None:
    assert parse_magics(f"#define {name}_MAGIC 0x12345678\n#define B_MAGIC 0x1") == {"B": 1}


def test_raw_images_and_their_aliases_are_left_out() -> None:
    text = "#define RAW_IMAGE_MAGIC 0x0\n#define PAGES_MAGIC RAW_IMAGE_MAGIC\n#define RULES_MAGIC PAGES_MAGIC"
    assert parse_magics(text) == {}


def test_aliases_have_the_value_of_what_they_name() -> None:
    text = "#define A_MAGIC 0x7\n#define B_MAGIC A_MAGIC\n#define C_MAGIC B_MAGIC"
    assert parse_magics(text) == {"A": 7, "B": 7, "C": 7}


def test_first_definition_wins() -> None:
    assert parse_magics("#define A_MAGIC 0x1\n#define A_MAGIC 0x2") == {"A": 1}


def test_header_is_read_from_a_file(tmp_path: Path) -> None:
    header = tmp_path / "magic.h"
    header.write_bytes(b"/* na\xefve \xff */\n#define A_MAGIC 0x1\n")
    assert read_magics(header) == {"A": 1}


def test_binary_junk_has_no_magics(tmp_path: Path) -> None:
    header = tmp_path / "magic.h"
    header.write_bytes(bytes(range(256)) * 8)
    assert read_magics(header) == {}


def test_huge_header_is_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(magics, "_MAX_SIZE", 64)
    header = tmp_path / "magic.h"
    header.write_text("#define A_MAGIC 0x1\n" + " " * 64 + "\n#define B_MAGIC 0x2\n")
    assert read_magics(header) == {"A": 1}


@pytest.mark.parametrize("name", ["absent.h", ""])
def test_header_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SchemaError) as caught:
        read_magics(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_upstreams_magics_are_all_in_the_table(suite: str, upstream: Callable[[str], Path]) -> None:
    found = read_magics(upstream(suite) / "criu" / "include" / "magic.h")
    table = ImageTable()
    assert len(found) > 60
    assert table.with_magics(found) is table
    assert {row.magic for row in table.types if row.magic} == set(found.values())


def test_a_value_may_be_in_parentheses_have_a_suffix_or_stand_on_the_next_line() -> None:
    text = "#define A_MAGIC (0x1)\n#define B_MAGIC 0x2UL\n#define C_MAGIC \\\n\t0x3\n"
    assert parse_magics(text) == {"A": 1, "B": 2, "C": 3}
    assert {define.name: (define.value, define.line) for define in parse_defines(text)} == {
        "A": (1, 1),
        "B": (2, 2),
        "C": (3, 3),
    }
