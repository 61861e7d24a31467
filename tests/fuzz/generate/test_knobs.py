"""The knobs of generators."""

from __future__ import annotations

from dataclasses import fields

import pytest

from dyncrit.errors import DyncritError
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.checkpoints import CheckpointGenerator
from dyncrit.fuzz.generate.images import ImageGenerator, find_types
from dyncrit.fuzz.generate.knobs import Generated, Knobs, threshold
from dyncrit.schema import Schema


def test_settings_change_the_knobs_that_they_name() -> None:
    changed = Knobs().with_settings(["entries=9", "optional=0"])
    assert (changed.entries, changed.optional, changed.payload) == (9, 0, Knobs().payload)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("entrys=1", "no knob 'entrys'; did you mean entries"),
        ("zzz=1", "no knob 'zzz'; there are entries, payload"),
        ("entries", "expected a number, as in entries=8, found 'entries'"),
        ("entries=-1", "entries: expected a number from 0 to 1048576, found -1"),
        ("entries=99999999999999", "entries: expected a number from 0 to 1048576, found 99999999999999"),
        ("entries=1e3", "expected a number"),
        ("optional=101", "optional: expected a number from 0 to 100, found 101"),
        ("foreign=101", "foreign: expected a number from 0 to 100"),
        ("parents=17", "parents: expected a number from 0 to 16, found 17"),
        ("tasks=0", "tasks: expected a number from 1"),
        ("payload=99999999", "payload: expected a number from 0 to 1048576"),
    ],
)
def test_what_cannot_be_set_is_refused(setting: str, told: str) -> None:
    with pytest.raises(DyncritError, match=told):
        Knobs().with_settings([setting])


def test_a_knob_that_would_change_nothing_is_refused() -> None:
    assert Knobs().with_settings(["payload=9"], "checkpoints") == Knobs(payload=9)
    assert Knobs().with_settings(["payload=9"], "images") == Knobs(payload=9)
    with pytest.raises(DyncritError, match="optional is of images; it changes nothing in checkpoints"):
        Knobs().with_settings(["optional=9"], "checkpoints")
    with pytest.raises(DyncritError, match="tasks is of checkpoints; it changes nothing in images"):
        Knobs().with_settings(["tasks=9"], "images")


@pytest.mark.parametrize("generated", ["images", "checkpoints"])
@pytest.mark.parametrize("knob", [field.name for field in fields(Knobs)])
def test_a_knob_changes_what_it_is_for_and_nothing_else(knob: str, generated: Generated) -> None:
    made = [_made(generated, Knobs(**{knob: number})) for number in _two_numbers(knob)]
    try:
        Knobs().with_settings([f"{knob}=1"], generated)
    except DyncritError:
        assert made[0] == made[1]
    else:
        assert made[0] != made[1]


def _two_numbers(knob: str) -> tuple[int, int]:
    return {"tasks": (1, 9), "threads": (1, 9), "parents": (0, 2)}.get(knob, (0, 100))


def _made(generated: Generated, knobs: Knobs) -> list[object]:
    """Something of what is generated: checkpoints, or an image of each type."""
    schema = Schema.default()
    chance = Chance(0)
    if generated == "checkpoints":
        checkpoints = CheckpointGenerator(schema, chance, knobs)
        return [checkpoints.seeded(chance.child(index)).generate() for index in range(12)]
    images = ImageGenerator(schema, chance, knobs)
    rows = find_types(schema, ["all"])
    return [images.seeded(chance.child(index)).generate(row) for index, row in enumerate(rows)]


def test_shares_go_from_never_to_always() -> None:
    assert [threshold(percent) for percent in (0, 50, 100)] == [128, 64, 0]


def test_they_show_what_is_not_as_by_default() -> None:
    assert repr(Knobs()) == "Knobs()"
    assert repr(Knobs(tasks=2, parents=1)) == "Knobs(tasks=2, parents=1)"
