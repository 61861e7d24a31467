"""Checkpoints made of chance, whose images fit together."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.checkpoints import CheckpointGenerator, write_checkpoint
from dyncrit.fuzz.generate.knobs import Knobs
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = 25
FIXED = {"1.1": "9b6c93e1a64d7e7d", "4.2": "49926b74db1073ff"}


@pytest.mark.parametrize("release", ["0.6", "1.1", "1.6", "2.12", "3.3", "3.4", "4.0", "4.2"])
def test_check_finds_nothing_and_takes_it_for_that_release(release: str, tmp_path: Path) -> None:
    schema = Schema.release(release)
    template = CheckpointGenerator(schema, Chance(0))
    for seed in range(SEEDS):
        folder = tmp_path / str(seed)
        write_checkpoint(template.seeded(Chance(seed)).generate(), folder)
        with open_checkpoint(folder, schema=schema) as checkpoint:
            report = check(checkpoint, deep=True)
            assert not report.findings, (seed, [str(finding) for finding in report.findings])
            assert release in checkpoint.releases


def test_views_show_tasks_threads_memory_and_files(tmp_path: Path) -> None:
    template = CheckpointGenerator(Schema.default(), Chance(0))
    tasks, threads, types, statuses, data = set(), set(), set(), set(), 0
    for seed in range(60):
        folder = tmp_path / str(seed)
        write_checkpoint(template.seeded(Chance(seed)).generate(), folder)
        with open_checkpoint(folder) as checkpoint:
            tasks.add(len(checkpoint.processes))
            for process in checkpoint.processes:
                types.update(descriptor.file.type for descriptor in process.descriptors)
                if process.is_alive:
                    threads.add(len(process.threads))
                    statuses.update(vma.kind.name for vma in process.memory.vmas)
            data += sum(path.stat().st_size for path in folder.glob("pages-*.img"))
    assert tasks == {1, 2, 3, 4}
    assert threads == {1, 2, 3}
    assert len(types) >= 12
    assert {"HEAP", "STACK", "FILE", "SHARED_FILE", "SHARED_MEMORY", "MEMFD", "SYSV", "VDSO"} <= statuses
    assert data > 100 * 4096


def test_sizes_are_those_of_the_knobs(tmp_path: Path) -> None:
    knobs = Knobs(tasks=1, threads=1, mappings=0, files=0, pages=0)
    for seed in range(5):
        files = CheckpointGenerator(Schema.default(), Chance(seed), knobs).generate()
        assert sum(name.startswith("core-") for name in files) == 1
        assert not any(name.startswith("pages-") for name in files)
    many = CheckpointGenerator(Schema.default(), Chance(1), Knobs(tasks=200, threads=1)).generate()
    assert sum(name.startswith("core-") for name in many) > 20


def test_wild_knobs_are_no_reason_for_findings(tmp_path: Path) -> None:
    knobs = Knobs(
        tasks=30, threads=9, mappings=40, files=60, pages=20, interesting=100, optional=100, repeated=9
    )
    for seed in range(3):
        folder = tmp_path / str(seed)
        write_checkpoint(CheckpointGenerator(Schema.default(), Chance(seed), knobs).generate(), folder)
        with open_checkpoint(folder) as checkpoint:
            assert check(checkpoint, deep=True).findings == ()


def test_it_is_a_check_that_can_find_something(tmp_path: Path) -> None:
    files = CheckpointGenerator(Schema.default(), Chance(0)).generate()
    del files[next(name for name in files if name.startswith("ids-"))]
    write_checkpoint(files, tmp_path / "less")
    with open_checkpoint(tmp_path / "less") as checkpoint:
        assert check(checkpoint).findings


@pytest.mark.parametrize("release", FIXED)
def test_the_same_seed_gives_the_same_bytes_everywhere(release: str) -> None:
    template = CheckpointGenerator(Schema.release(release), Chance(0))
    digest = hashlib.sha256()
    for seed in range(20):
        for name, data in template.seeded(Chance(seed)).generate().items():
            digest.update(name.encode() + b"\0" + data)
    assert digest.hexdigest()[:16] == FIXED[release]
