from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint.memory.layer import Piece, State
from dyncrit.explore.coredump.segments import LONG_ZEROS, segments

PAGE = 4096
END = 1 << 64


def memory(made_up: Any, *states: State, sizes: list[int] | None = None, is_file: bool = False) -> Any:
    pieces, position = [], 0
    for index, state in enumerate(states):
        size = sizes[index] if sizes else PAGE
        pieces.append(Piece(position, position + size, state))
        position += size
    return made_up.Memory([made_up.Mapping(0, position, 5, 0, "/file" if is_file else "", is_file)], pieces)


D, M, Z = State.DATA, State.MISSING, State.ZERO


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((D,), [(0, 1, 1)]),
        ((M,), [(0, 0, 1)]),
        ((D, M), [(0, 1, 2)]),
        ((M, D), [(0, 0, 1), (1, 2, 2)]),
        ((D, M, M, D, D, M), [(0, 1, 3), (3, 5, 6)]),
        ((Z, D, Z), [(0, 3, 3)]),
        ((State.HOLE, D), [(0, 0, 1), (1, 2, 2)]),
    ],
)
def test_segments_are_cut_behind_what_is_held(made_up: Any, states: Any, expected: Any) -> None:
    found = [
        (part.start // PAGE, part.held // PAGE, part.end // PAGE)
        for part in segments(memory(made_up, *states), END)
    ]
    assert found == expected


def test_long_zeros_of_anonymous_memory_are_left_out(made_up: Any) -> None:
    sizes = [PAGE, LONG_ZEROS, PAGE, LONG_ZEROS - PAGE]
    found = list(segments(memory(made_up, D, Z, D, Z, sizes=sizes), END))
    assert [part.file_size for part in found] == [PAGE, LONG_ZEROS]
    assert found[0].end == found[1].start == PAGE + LONG_ZEROS


def test_zeros_in_a_file_mapping_are_written_lest_the_file_be_read(made_up: Any) -> None:
    found = list(segments(memory(made_up, Z, sizes=[LONG_ZEROS], is_file=True), END))
    assert [part.file_size for part in found] == [LONG_ZEROS]


def test_mappings_beyond_the_address_width_are_left_out(made_up: Any) -> None:
    vmas = [made_up.Mapping(0xFFFFE000, 0x1_0000_0000), made_up.Mapping(0x1_0000_0000, 0x1_0000_1000)]
    space = made_up.Memory(vmas, [Piece(0, 1 << 40, M)])
    assert [part.start for part in segments(space, 1 << 32)] == [0xFFFFE000]
    assert len(list(segments(space, END))) == 2


@given(st.lists(st.sampled_from(State), min_size=1, max_size=30))
def test_segments_cover_a_mapping_and_hold_just_what_is_held(made_up: Any, states: list[State]) -> None:
    found = list(segments(memory(made_up, *states), END))
    assert [part.start for part in found] == [0, *(part.end for part in found[:-1])]
    assert found[-1].end == len(states) * PAGE
    held = {page for part in found for page in range(part.start // PAGE, part.held // PAGE)}
    assert held == {page for page, state in enumerate(states) if state in (D, Z)}
