from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import SchemaError
from dyncrit.schema.magics import parse_magics
from dyncrit.validate.header import Define, parse_defines, read_defines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = """/*
 * #define NOT_MAGIC 0x1
 */
#define RAW_IMAGE_MAGIC 0x0
#define PAGES_MAGIC RAW_IMAGE_MAGIC
#define CORE_MAGIC 0x55053847 /* Kolomna */
  # define OLD_MAGIC   CORE_MAGIC
#define LOST_MAGIC NOWHERE_MAGIC
#define BAD_MAGIC 0x123456789
"""


def test_magics_have_lines_and_what_they_are_defined_through() -> None:
    assert list(parse_defines(TEXT)) == [Define("CORE", 0x55053847, 6), Define("OLD", 0x55053847, 7, "CORE")]


def test_values_are_those_that_the_schema_reads(upstream: Callable[[str], Path]) -> None:
    header = upstream("sid") / "criu/include/magic.h"
    defines = {item.name: item.value for item in read_defines(header)}
    magics = parse_magics(header.read_text())
    assert len(magics) > 60
    assert magics.items() <= defines.items()
    lines = header.read_text().splitlines()
    assert all(f"{item.name}_MAGIC" in lines[item.line - 1] for item in read_defines(header))


def test_header_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="No such file"):
        read_defines(tmp_path / "magic.h")
