"""The knobs of generators."""

from __future__ import annotations

import pytest

from dyncrit.errors import DyncritError
from dyncrit.fuzz.generate.knobs import Knobs, threshold


def test_settings_change_the_knobs_that_they_name() -> None:
    changed = Knobs().with_settings(["entries=9", "optional=0"])
    assert (changed.entries, changed.optional, changed.payload) == (9, 0, Knobs().payload)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("entrys=1", "no knob 'entrys'; did you mean entries"),
        ("zzz=1", "no knob 'zzz'; there are entries, payload"),
        ("entries", "expected a number, as in entries=8, found 'entries'"),
        ("entries=-1", "expected a number, as in entries=8"),
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


def test_shares_go_from_never_to_always() -> None:
    assert [threshold(percent) for percent in (0, 50, 100)] == [128, 64, 0]


def test_they_show_what_is_not_as_by_default() -> None:
    assert repr(Knobs()) == "Knobs()"
    assert repr(Knobs(tasks=2, parents=1)) == "Knobs(tasks=2, parents=1)"
