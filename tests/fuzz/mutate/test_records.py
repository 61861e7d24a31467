from __future__ import annotations

import pytest

from dyncrit import ImageError, loads


def test_record_length_is_another_than_the_records_size(mutants, pstree) -> None:
    for mutated in mutants("record-length", pstree):
        entry = mutated.after.entries[mutated.index]
        assert entry.length is not None
        assert entry.length != len(entry.record)
        assert f"says {entry.length}," in mutated.step.what
        assert entry.record == mutated.before.entries[mutated.index].record


def test_lengths_beyond_the_file_are_refused_by_readers(mutants, pstree) -> None:
    beyond = [item for item in mutants("record-length", pstree) if "4294967295" in item.step.what]
    assert beyond
    for mutated in beyond:
        with pytest.raises(ImageError, match="record of 4294967295 bytes"):
            loads(mutated.after.assemble())


def test_cut_off_ends_the_file_within_the_entry(mutants, pipes) -> None:
    for mutated in mutants("cut-off", pipes):
        data = mutated.after.assemble()
        assert pipes.startswith(data)
        with pytest.raises(ImageError):
            loads(data)


def test_a_tail_is_behind_the_last_entry(mutants, pstree) -> None:
    for mutated in mutants("tail", pstree):
        data = mutated.after.assemble()
        assert data.startswith(pstree)
        assert f"{len(data) - len(pstree)} bytes behind" in mutated.step.what


def test_an_empty_record_is_one_more_entry(mutants, pstree) -> None:
    for mutated in mutants("empty-record", pstree):
        image = loads(mutated.after.assemble())
        assert len(image.entries) == 4
        assert image.entries[mutated.index].record == b""


def test_noise_changes_bytes_where_it_says(mutants, pstree) -> None:
    for mutated in mutants("noise", pstree):
        before, after = mutated.records
        assert len(before) == len(after)
        changed = {at for at in range(len(before)) if before[at] != after[at]}
        told = mutated.step.what.removeprefix("other bytes at ").removesuffix(" of its record")
        assert changed <= set(map(int, told.split(", ")))
        assert changed
