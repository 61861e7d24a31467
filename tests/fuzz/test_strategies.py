"""Hypothesis strategies for messages, images and checkpoints."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from dyncrit import dumps, loads
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.errors import DyncritError, SchemaError
from dyncrit.fuzz.generate.checkpoints import write_checkpoint
from dyncrit.fuzz.generate.knobs import Knobs
from dyncrit.fuzz.strategies import DrawnChance, checkpoints, images, messages
from dyncrit.schema import Schema

QUICK = settings(max_examples=300, deadline=None, database=None)


@given(messages("core_entry"))
def test_messages_are_whole(message: Any) -> None:
    assert message.IsInitialized()
    assert type(message).FromString(message.SerializeToString()) == message


@given(messages("pstree_entry", fields={"pid": 7}, schema=Schema.release("1.1")))
def test_given_fields_are_kept_in_any_schema(message: Any) -> None:
    assert message.pid == 7


@given(images("PSTREE", "PAGEMAP", "FILES", "TCP_STREAM"))
def test_images_are_read_and_written_again(data: bytes) -> None:
    assert dumps(loads(data)) == data


@given(images("IPCNS_SEM", byte_order="big", framing="v1.0"))
def test_images_have_the_head_that_is_asked_for(data: bytes) -> None:
    assert data[:4] == bytes.fromhex("59573019")


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(checkpoints(knobs=Knobs(tasks=2, mappings=3, files=3)))
def test_checkpoints_are_consistent(files: dict[str, bytes]) -> None:
    folder = Path(mkdtemp())
    try:
        write_checkpoint(files, folder / "checkpoint")
        with open_checkpoint(folder / "checkpoint") as checkpoint:
            assert check(checkpoint, deep=True).findings == ()
    finally:
        shutil.rmtree(folder)


def test_messages_shrink_to_the_value_that_matters() -> None:
    entry: Any = find(messages("pagemap_entry"), lambda entry: entry.nr_pages > 99, settings=QUICK)
    assert entry.nr_pages in (100, 127)  # 127 is an interesting one
    assert entry.compat_nr_pages == 0


def test_images_shrink_to_as_few_entries_as_it_takes() -> None:
    data = find(images("PSTREE"), lambda data: len(loads(data).entries) >= 2, settings=QUICK)
    entries = loads(data).entries
    assert len(entries) == 2
    assert all(list(entry.message.threads) == [] for entry in entries)
    assert find(images(), lambda data: True, settings=QUICK) == bytes.fromhex("16313158")


def test_checkpoints_shrink_to_as_few_tasks_as_it_takes() -> None:
    def tasks(files: dict[str, bytes]) -> int:
        return sum(name.startswith("core-") for name in files)

    files = find(
        checkpoints(knobs=Knobs(threads=1, files=2, mappings=2)),
        lambda files: tasks(files) >= 2,
        settings=QUICK,
    )
    assert tasks(files) == 2
    assert not any(name.startswith("mountpoints-") for name in files)


def test_chains_of_checkpoints_shrink_to_one_parent() -> None:
    files = find(
        checkpoints(knobs=Knobs(parents=3, files=0, mappings=0)),
        lambda files: any(name.startswith("parent/pages-") for name in files),
        settings=QUICK,
    )
    assert sum(name.startswith("core-") for name in files) == 1
    assert not any(name.startswith("parent/parent/") for name in files)


def test_strategies_show_themselves_as_they_were_called() -> None:
    assert repr(messages("core_entry")) == "messages('core_entry')"
    assert repr(images("CORE", "MM", byte_order="big")) == "images('CORE', 'MM', byte_order='big')"
    assert repr(checkpoints(knobs=Knobs(tasks=1))) == "checkpoints(knobs=Knobs(tasks=1))"


def test_after_as_many_draws_as_hypothesis_can_take_all_choices_are_zero() -> None:
    drawn: list[Any] = []

    def draw(strategy: Any) -> Any:
        drawn.append(strategy)
        return b"\xff" * 32 if "binary" in repr(strategy) else 3

    chance = DrawnChance(draw, most=2, singly=0)
    assert (chance.below(4), chance.bits(8), len(drawn)) == (3, 0xFF, 2)
    assert (chance.below(4), chance.bytes(2), chance.once_in(4), len(drawn)) == (0, b"\0\0", False, 2)
    assert [chance.bits(8) for _ in range(40)] == [0xFF] * 31 + [0] * 9


def test_strategies_are_parts_of_others() -> None:
    found = find(
        st.lists(images("FS"), min_size=2, max_size=2), lambda pair: pair[0] != pair[1], settings=QUICK
    )
    assert len(found) == 2


def test_unknown_names_are_errors_when_the_strategy_is_made() -> None:
    with pytest.raises(SchemaError, match="did you mean core_entry"):
        messages("cor_entry")
    with pytest.raises(DyncritError, match="did you mean CORE"):
        images("CORES")
