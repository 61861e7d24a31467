"""Checkpoints made of chance, whose images fit together."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit import loads
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.files import FILE_KINDS
from dyncrit.checkpoint.memory.vma import VmaKind
from dyncrit.errors import SchemaError
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.checkpoints import CheckpointGenerator, write_checkpoint
from dyncrit.fuzz.generate.knobs import Knobs
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dyncrit.types import ByteOrder

SEEDS = 25
FIXED = {"1.1": "2ca886b4a00bff56", "4.2": "6af4ed59ef73f3f8"}


MANY = Knobs(tasks=8, mappings=20, files=40, namespaces=100)
ODD = Knobs(
    tasks=20,
    threads=9,
    mappings=40,
    files=60,
    pages=20,
    interesting=100,
    optional=100,
    repeated=9,
    parents=4,
    namespaces=100,
    foreign=100,
)
RULED = frozenset(
    "bpfmap-data fifo-data filelocks ghost-file ifaddr ip6tables ipcns-msg ipcns-sem ipcns-shm ipcns-var "  # noqa: SIM905
    "iptables memfd mountpoints netdev netns nftables pagemap-shmem pipes-data route rule seccomp sk-queues "
    "tcp-stream timens tty-data tty-info userns utsns".split()
)
REGISTERS = {
    "X86_64": "thread_info",
    "ARM": "ti_arm",
    "AARCH64": "ti_aarch64",
    "PPC64": "ti_ppc64",
    "MIPS": "ti_mips",
    "LOONGARCH64": "ti_loongarch64",
    "RISCV64": "ti_riscv64",
}


@pytest.mark.parametrize("release", ["0.5", "0.6", "1.1", "1.6", "2.12", "3.3", "3.4", "3.19", "4.0", "4.2"])
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
    tasks, threads, data = set(), set(), 0
    for seed in range(60):
        folder = tmp_path / str(seed)
        write_checkpoint(template.seeded(Chance(seed)).generate(), folder)
        with open_checkpoint(folder) as checkpoint:
            tasks.add(len(checkpoint.processes))
            threads.update(len(process.threads) for process in checkpoint.processes if process.is_alive)
        data += sum(path.stat().st_size for path in folder.glob("pages-*.img"))
    assert tasks == {1, 2, 3, 4}
    assert threads == {1, 2, 3}
    assert data > 100 * 4096


def test_there_are_files_and_mappings_of_every_kind(tmp_path: Path) -> None:
    template = CheckpointGenerator(Schema.default(), Chance(0), MANY)
    types, kinds, sockets, mounts = set(), set(), set(), set()
    for seed in range(10):
        folder = tmp_path / str(seed)
        write_checkpoint(template.seeded(Chance(seed)).generate(), folder)
        with open_checkpoint(folder) as checkpoint:
            mounts.add(len(checkpoint.images.numbers("mountpoints")))
            sockets.update((socket.family, socket.state) for socket in checkpoint.sockets)
            for process in checkpoint.processes:
                types.update(descriptor.file.type for descriptor in process.descriptors)
                if process.is_alive:
                    kinds.update(vma.kind for vma in process.memory.vmas)
    assert types == {kind.type for kind in FILE_KINDS}
    assert kinds >= set(VmaKind) - {VmaKind.OTHER, VmaKind.FILE}
    assert len(sockets) >= 8
    assert max(mounts) > 1


def test_images_hold_what_rules_are_about() -> None:
    template = CheckpointGenerator(Schema.default(), Chance(0), MANY)
    names: set[str] = set()
    remaps, passed, rings = set(), 0, 0
    for seed in range(12):
        files = template.seeded(Chance(seed)).generate()
        names.update(re.sub(r"-[0-9a-f]+(?=[.])", "", name) for name in files)
        remaps.update(message.remap_type for message in messages(files, "remap-fpath.img"))
        passed += sum(len(message.scm) for message in messages(files, "sk-queues.img"))
        rings += sum(len(m.aios) for name in files if name.startswith("mm-") for m in messages(files, name))
    assert {name.removesuffix(".img") for name in names} >= RULED
    assert remaps == {0, 1, 2}
    assert passed
    assert rings


@pytest.mark.parametrize("release", ["1.1", "2.12", "3.19", "4.2"])
def test_checkpoints_build_on_others(release: str, tmp_path: Path) -> None:
    schema = Schema.release(release)
    template = CheckpointGenerator(schema, Chance(0), Knobs(parents=3))
    depths, borrowed, kinds = set(), 0, set()
    for seed in range(20):
        folder = tmp_path / str(seed)
        write_checkpoint(template.seeded(Chance(seed)).generate(), folder)
        with open_checkpoint(folder, schema=schema) as checkpoint:
            assert check(checkpoint, deep=True).findings == ()
            chain = list(checkpoint.chain)
            depths.add(len(chain))
            kinds.update(parent.is_pre_dump for parent in chain[1:])
            layers = [
                checkpoint.spaces.pagemap(f"pagemap-{n}.img") for n in checkpoint.images.numbers("pagemap")
            ]
            borrowed += sum(layer.in_parent for layer in layers if layer is not None)
            for process in checkpoint.processes:
                assert not (process.is_alive and process.memory.lost())
    assert depths == {1, 2, 3, 4}
    assert kinds == {True, False}
    assert borrowed > 20


def test_by_default_there_are_no_folders() -> None:
    template = CheckpointGenerator(Schema.default(), Chance(0))
    assert not any("/" in name for seed in range(20) for name in template.seeded(Chance(seed)).generate())


@pytest.mark.parametrize(
    ("release", "order", "expected"),
    [
        ("1.1", "little", {"X86_64", "ARM"}),
        ("2.12", "little", {"X86_64", "ARM", "AARCH64", "PPC64"}),
        ("4.2", "little", set(REGISTERS)),
        ("4.2", "big", {"S390"}),
    ],
)
def test_hosts_are_of_the_architectures_that_the_release_knows(
    release: str, order: ByteOrder, expected: set[str], tmp_path: Path
) -> None:
    schema = Schema.release(release)
    knobs = Knobs(tasks=1, threads=1, mappings=2, files=2, foreign=80)
    template = CheckpointGenerator(schema, Chance(0), knobs, byte_order=order)
    found, sizes = set(), set()
    for seed in range(40):
        folder = tmp_path / str(seed)
        write_checkpoint(template.seeded(Chance(seed)).generate(), folder)
        with open_checkpoint(folder, schema=schema) as checkpoint:
            assert check(checkpoint, deep=True).findings == ()
            core = checkpoint.images.first(f"core-{next(iter(checkpoint.processes)).pid}.img")
            assert core is not None
            name = core.DESCRIPTOR.fields_by_name["mtype"].enum_type.values_by_number[core.mtype].name
            assert core.HasField(REGISTERS.get(name, "ti_s390"))
            found.add(name)
            sizes.add(checkpoint.spaces.page_size)
            assert checkpoint.images.byte_order == order
    assert found == expected
    if release == "4.2" and order == "little":
        assert sizes == {4096, 16384, 65536}


def test_no_host_is_foreign_unless_it_may_be() -> None:
    template = CheckpointGenerator(Schema.default(), Chance(0), Knobs(foreign=0, tasks=1, threads=1))
    for seed in range(10):
        files = template.seeded(Chance(seed)).generate()
        assert {m.mtype for name in files if name.startswith("core-") for m in messages(files, name)} == {1}


def test_a_byte_order_that_no_architecture_has_is_an_error() -> None:
    with pytest.raises(SchemaError, match=r"CRIU 1\.1: no big-endian architecture"):
        CheckpointGenerator(Schema.release("1.1"), Chance(0), byte_order="big")


def messages(files: Mapping[str, bytes], name: str) -> list[Any]:
    """The messages of an image, if there is one."""
    return [entry.message for entry in loads(files[name]).entries] if name in files else []


def test_sizes_are_those_of_the_knobs(tmp_path: Path) -> None:
    knobs = Knobs(tasks=1, threads=1, mappings=0, files=0, pages=0)
    for seed in range(5):
        files = CheckpointGenerator(Schema.default(), Chance(seed), knobs).generate()
        assert sum(name.startswith("core-") for name in files) == 1
        assert not any(name.startswith("pages-") for name in files)
    many = CheckpointGenerator(Schema.default(), Chance(1), Knobs(tasks=200, threads=1)).generate()
    assert sum(name.startswith("core-") for name in many) > 20


def test_wild_knobs_are_no_reason_for_findings(tmp_path: Path) -> None:
    for seed in range(3):
        folder = tmp_path / str(seed)
        write_checkpoint(CheckpointGenerator(Schema.default(), Chance(seed), ODD).generate(), folder)
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
    template = CheckpointGenerator(Schema.release(release), Chance(0), Knobs(parents=1))
    digest = hashlib.sha256()
    for seed in range(20):
        for name, data in template.seeded(Chance(seed)).generate().items():
            digest.update(name.encode() + b"\0" + data)
    assert digest.hexdigest()[:16] == FIXED[release]
