from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dyncrit.fuzz.minimise.reduction import reduce_bytes, reduce_list


@given(st.lists(st.integers(0, 50), max_size=60), st.sets(st.integers(0, 50), max_size=4))
def test_what_is_needed_is_all_that_is_left_of_a_list(items: list[int], wanted: set[int]) -> None:
    needed = wanted & set(items)
    left = reduce_list(items, lambda some: needed <= set(some))
    assert sorted(left) == sorted(needed)


def test_it_asks_few_times_where_much_can_go() -> None:
    asked = []

    def keeps(some: list[int]) -> bool:
        asked.append(some)
        return 700 in some

    assert reduce_list(range(1000), keeps) == [700]
    assert len(asked) < 60


def test_nothing_is_asked_of_nothing() -> None:
    assert reduce_list([], lambda some: 1 / 0 > 0) == []
    assert reduce_bytes(b"", lambda some: 1 / 0 > 0) == b""


def test_items_that_need_each_other_stay() -> None:
    assert reduce_list(range(10), lambda some: not some or (2 in some) == (7 in some)) == []
    assert reduce_list(range(10), lambda some: {2, 7} <= set(some)) == [2, 7]


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=3))
def test_bytes_are_cut_to_what_is_needed(around: bytes, needed: bytes) -> None:
    assert reduce_bytes(around + needed + around, lambda data: needed in data) == needed


def test_bytes_whose_number_counts_become_zero() -> None:
    assert reduce_bytes(b"abcdef", lambda data: len(data) == 6 and data[2:3] == b"c") == b"\0\0c\0\0\0"


def test_long_data_takes_few_tries() -> None:
    tries = []

    def keeps(data: bytes) -> bool:
        tries.append(data)
        return b"needle" in data

    left = reduce_bytes(bytes(1 << 20) + b"needle" + bytes(1 << 20), keeps)
    assert b"needle" in left
    assert len(left) <= 2 * ((2 << 20) // 64)
    assert len(tries) < 600
