from __future__ import annotations

from dyncrit import loads


def records(anatomy) -> list[bytes]:
    return [entry.record for entry in anatomy.entries]


def test_dropped_leaves_the_others_in_order(mutants, pstree) -> None:
    for mutated in mutants("dropped", pstree):
        count = int(mutated.step.what.split()[0])
        old = records(mutated.before)
        assert records(mutated.after) == old[: mutated.index] + old[mutated.index + count :]
        assert count >= 1


def test_doubled_adds_as_many_as_it_says(mutants, pstree) -> None:
    for mutated in mutants("doubled", pstree):
        count = int(mutated.step.what.split()[0])
        old = records(mutated.before)
        assert len(mutated.after.entries) == len(old) + count
        assert records(mutated.after).count(old[mutated.index]) == count + 1
        assert len(loads(mutated.after.assemble()).entries) == len(old) + count


def test_doubled_entries_are_changed_one_by_one(mutants, pipes) -> None:
    """A mutation that comes after changes one of them, and not what they were copied from."""
    mutated = mutants("doubled", pipes)[0]
    entries = mutated.after.entries
    assert len({id(entry) for entry in entries}) == len(entries)


def test_reordered_has_the_same_entries(mutants, pstree) -> None:
    for mutated in mutants("reordered", pstree):
        assert sorted(records(mutated.before)) == sorted(records(mutated.after))


def test_spliced_takes_an_entry_of_another_image(mutants, pstree, core) -> None:
    donor = core[8 + 4 :]
    kept = set()
    for mutated in mutants("spliced", pstree, others=[core]):
        kept.add(len(mutated.after.entries))
        assert mutated.after.entries[mutated.index].record == donor
        assert "of a CORE image" in mutated.step.what
    assert kept == {3, 4}  # in the place of an entry, or before it


def test_spliced_prefers_images_of_the_same_type(mutants, pstree, core) -> None:
    steps = [item.step.what for item in mutants("spliced", pstree, others=[core, core, core, pstree])]
    assert sum("PSTREE" in what for what in steps) > len(steps) / 2


def test_swapped_payloads_leave_the_records(mutants, pipes) -> None:
    for mutated in mutants("swapped-payloads", pipes):
        assert records(mutated.before) == records(mutated.after)
        assert [entry.payload for entry in mutated.after.entries] == [b"the other", b"first"]
