"""Statistics, and the advice about pre-dumps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.statistics import (
    DumpStatistics,
    RestoreStatistics,
    Statistics,
    advise,
    read_statistics,
    rounds_of,
)
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

DUMP = DumpStatistics(1, 2, 3, 4, pages_scanned=1000, pages_skipped_parent=0, pages_written=500)


def read(*folders: Path) -> Statistics:
    return read_statistics((DirectoryTree(folder) for folder in folders), Schema.default(), Problems())


def chain(*pairs: tuple[int, int]) -> list[DumpStatistics]:
    return [replace(DUMP, pages_written=written, pages_skipped_parent=skipped) for written, skipped in pairs]


def verdicts(*pairs: tuple[int, int]) -> dict[str, bool]:
    return {advice.rule: advice.another_round for advice in advise(chain(*pairs))}


def test_a_dump_of_criu_1_1_lacks_what_was_not_counted(corpus):
    assert read(corpus / "criu-1.1/programs/ns-ipc").dump == DumpStatistics(
        1079, 30407, 917, 2235, pages_scanned=4220, pages_skipped_parent=0, pages_written=1582
    )


def test_a_dump_and_restore_of_criu_4_2_are_whole(corpus):
    found = read(corpus / "criu-4.2/user-namespaces/maps02")
    assert found.dump == DumpStatistics(191, 63702, 1363, 233, 99, 0, 64, 0, 0, 15, 15, 1, 0, 1)
    assert found.restore == RestoreStatistics(29, 14, 346, 118808, 50)


def test_every_stats_image_of_the_corpus_is_read(corpus):
    dumps = list(corpus.rglob("stats-dump"))
    assert len(dumps) > 80
    for path in dumps:
        found = read(path.parent).dump
        assert found is not None
        assert found.pages_scanned >= found.pages_written + found.pages_skipped_parent > 0


def test_the_first_tree_that_has_them_counts_for_each(corpus, tmp_path):
    image = Image.new("STATS")
    image.add(restore={"pages_compared": 1, "pages_skipped_cow": 2, "forking_time": 3, "restore_time": 4})
    dump(image, tmp_path / "stats-restore")
    found = read(tmp_path, corpus / "criu-2.12/host/proc-self")
    assert found.restore == RestoreStatistics(1, 2, 3, 4)
    assert found.dump is not None
    assert found.dump.pages_written == 30


def test_without_images_there_are_no_statistics(tmp_path):
    assert read(tmp_path) == Statistics(None, None)
    assert read() == Statistics(None, None)


def test_a_damaged_image_is_a_problem(tmp_path):
    (tmp_path / "stats-dump").write_bytes(b"\x40\x59\x10\x55\x06\x33\x09\x57\xff\xff\xff\x7f")
    problems = Problems()
    assert read_statistics([DirectoryTree(tmp_path)], Schema.default(), problems) == Statistics(None, None)
    assert len(problems.errors) == 1


def test_rounds_keep_shared_memory_apart(corpus):
    folders = [corpus / f"criu-4.2/pre-dump/mem-touch/{index}" for index in (1, 2, 3)]
    dumps = [found for folder in folders if (found := read(folder).dump)]
    rounds = rounds_of(dumps)
    assert [found.index for found in rounds] == [1, 2, 3]
    assert [found.written for found in rounds] == [found.pages_written for found in dumps]
    assert [found.shared_scanned for found in rounds] == [found.shared_pages_scanned for found in dumps]
    assert rounds[0].share_skipped == 0
    assert rounds[1].share_skipped == 1
    assert [found.shared_written for found in rounds] == [0, 0, 1]


def test_the_share_of_a_dump_of_no_pages_is_whole():
    assert rounds_of(chain((0, 0)))[0].share_skipped == 1


@pytest.mark.parametrize(
    ("written", "skipped", "another"), [(1000, 0, True), (301, 699, True), (300, 700, False), (0, 0, False)]
)
def test_lxd_stops_when_seven_pages_of_ten_were_there(written, skipped, another):
    assert verdicts((5000, 0), (written, skipped))["LXD"] is another


def test_lxd_makes_ten_rounds_at_most():
    assert verdicts(*[(1000, 0)] * 9)["LXD"] is True
    assert verdicts(*[(1000, 0)] * 10)["LXD"] is False


@pytest.mark.parametrize(
    ("rounds", "another"),
    [
        ([(1000, 0)], True),
        ([(64, 0)], True),
        ([(63, 0)], False),
        ([(1000, 0), (1031, 0)], True),
        ([(1000, 0), (1032, 0)], False),
        ([(1000, 0), (100, 0)], True),
        ([(1000, 0)] * 7, True),
        ([(1000, 0)] * 8, False),
    ],
)
def test_phaul_stops_on_few_pages_growth_or_eight_rounds(rounds, another):
    assert verdicts(*rounds)["p.haul"] is another


def test_advice_says_why():
    lxd, phaul = advise(chain((1000, 0), (400, 600)))
    assert lxd.reason == "60.0% of the pages didn't change in the last round; the aim is 70%"
    assert phaul.reason == "the last round wrote 400 pages; the aim is under 64"


def test_without_a_dump_there_is_no_advice():
    assert advise([]) == ()
