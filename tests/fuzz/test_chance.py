from __future__ import annotations

from collections import Counter

import pytest

from dyncrit.fuzz.chance import Chance


def test_a_seed_gives_the_same_choices_for_good() -> None:
    """Another result means that whatever people have made by seed is another now."""
    chance = Chance(42)
    assert [chance.below(1000) for _ in range(6)] == [654, 114, 25, 759, 281, 250]
    assert chance.bytes(5).hex() == "de56243923"
    assert chance.shuffled("abcdef") == list("fadecb")
    assert chance.weighted("abc", (1, 5, 1)) == "b"
    assert chance.child("x").seed == 5715403020028981196
    assert chance.child(3).below(1 << 40) == 735162506084


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 100])
def test_numbers_below_a_limit_are_all_there_and_as_likely(limit: int) -> None:
    chance = Chance(1)
    counts = Counter(chance.below(limit) for _ in range(400 * limit))
    assert set(counts) == set(range(limit))
    assert min(counts.values()) > 300


def test_between_includes_both_ends() -> None:
    chance = Chance(1)
    assert {chance.between(3, 5) for _ in range(100)} == {3, 4, 5}
    assert chance.between(9, 9) == 9


def test_bytes_are_as_many_as_asked_for() -> None:
    chance = Chance(1)
    assert [len(chance.bytes(count)) for count in (0, 1, 7, 300)] == [0, 1, 7, 300]


def test_weights_say_how_likely_items_are() -> None:
    chance = Chance(1)
    counts = Counter(chance.weighted("abc", (0, 1, 9)) for _ in range(2000))
    assert set(counts) == {"b", "c"}
    assert 5 < counts["c"] / counts["b"] < 15


def test_shuffled_leaves_the_items_as_they_are() -> None:
    items = list(range(50))
    shuffled = Chance(1).shuffled(items)
    assert items == list(range(50))
    assert shuffled != items
    assert sorted(shuffled) == items


def test_a_child_is_fixed_by_seed_and_label_alone() -> None:
    first, second = Chance(5), Chance(5)
    first.bits(100)
    assert first.child("a").bits(64) == second.child("a").bits(64)
    assert first.child("a").seed != first.child("b").seed
    assert first.child("a").seed != Chance(6).child("a").seed
