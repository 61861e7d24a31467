from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import SchemaError
from dyncrit.schema import catalogue
from dyncrit.schema.images import IMAGE_TYPES
from dyncrit.validate.baseline import files_baseline, nearest_release, release_baseline
from dyncrit.validate.magic_history import magics_of_release
from dyncrit.validate.shape import SchemaShape
from dyncrit.validate.source import schema_files
from dyncrit.validate.validating import validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_nearest_release_of_each_release_has_the_same_schema() -> None:
    for release in catalogue.history().releases:
        shape = release_baseline(release).shape
        near = release_baseline(nearest_release(shape)).shape
        assert {name: item.layout for name, item in near.messages.items()} == {
            name: item.layout for name, item in shape.messages.items()
        }, release


def test_nearest_release_is_named_in_the_report(upstream: Callable[[str], Path]) -> None:
    assert validate(schema_files(upstream("sid"))).subject.endswith("(baseline: CRIU 4.2 (nearest))")
    assert "CRIU 4.1.1 (nearest)" in validate(schema_files(upstream("trixie"))).subject


def test_nearest_release_is_the_one_with_fewest_differences() -> None:
    shape = release_baseline("3.4").shape
    less = SchemaShape(
        shape.files, {name: item for name, item in shape.messages.items() if name != "fs_entry"}, shape.enums
    )
    assert nearest_release(less) == "3.4"


def test_baseline_that_does_not_compile_is_an_error(write: Callable[..., Path]) -> None:
    with pytest.raises(SchemaError, match=r"baseline does not compile: .*a\.proto:2"):
        files_baseline(schema_files(write({"a.proto": "junk\n"})))


def test_release_that_there_is_not() -> None:
    with pytest.raises(SchemaError, match=r"no CRIU release '9\.9'"):
        release_baseline("9.9")


def test_newest_release_has_every_magic_of_the_table() -> None:
    newest = magics_of_release(catalogue.history().releases[-1])
    assert newest == {row.name: row.magic for row in IMAGE_TYPES if row.magic is not None}
    assert len(magics_of_release("0.1")) == 33


@pytest.mark.parametrize(("suite", "release"), [("sid", "4.2"), ("trixie", "4.1.1")])
def test_magics_are_those_of_the_header(upstream: Callable[[str], Path], suite: str, release: str) -> None:
    made = files_baseline(schema_files(upstream(suite)))
    assert made.magics is not None
    assert set(made.magics.values()) == set(magics_of_release(release).values())
