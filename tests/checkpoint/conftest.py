"""What tests of checkpoints share: a builder of small checkpoint directories, image by image."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump
from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.images import ImageSet
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint

REGULAR, MEMORY, HEAP_STATUS = 1, 1 | 1 << 9, 1 | 1 << 5 | 1 << 9
"""VMA_AREA_REGULAR alone, with VMA_ANON_PRIVATE, and with VMA_AREA_HEAP (criu/include/image.h)."""

_ZERO_MM = [
    "mm_start_code",
    "mm_end_code",
    "mm_start_data",
    "mm_end_data",
    "mm_start_stack",
    "mm_start_brk",
    "mm_brk",
    "mm_arg_start",
    "mm_arg_end",
    "mm_env_start",
    "mm_env_end",
    "exe_file_id",
]
_ZERO_TASK = {"task_state": 1, "exit_code": 0, "personality": 0, "flags": 0, "blk_sigset": 0}
_ZERO_CREDS = dict.fromkeys(["uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid", "secbits"], 0)


class Dump:
    """A checkpoint directory in the making. Each method writes one image and gives the builder back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def write(self, name: str, type_name: str, *entries: dict[str, object], **options: object) -> Dump:
        """An image of any type."""
        image = Image.new(type_name, **options)
        for fields in entries:
            image.add(**fields)
        dump(image, self.folder / name)
        return self

    def inventory(self, **fields: object) -> Dump:
        entry = {"img_version": 2, "fdinfo_per_id": True, "ns_per_id": True, **fields}
        return self.write("inventory.img", "INVENTORY", entry)

    def pstree(self, *tasks: tuple[int, int]) -> Dump:
        """``tasks`` are pairs of pid and parent's pid."""
        entries = [
            {"pid": pid, "ppid": ppid, "pgid": pid, "sid": pid, "threads": [pid]} for pid, ppid in tasks
        ]
        return self.write("pstree.img", "PSTREE", *entries)

    def core(self, pid: int, *, task: object = (), thread: object = (), **fields: object) -> Dump:
        tc = {**_ZERO_TASK, "comm": f"task-{pid}", **dict(task)}
        thread_core = {"futex_rla": 0, "futex_rla_len": 0, **dict(thread)}
        entry = {"mtype": "X86_64", "tc": tc, "thread_core": thread_core, **fields}
        return self.write(f"core-{pid}.img", "CORE", entry)

    def mm(self, pid: int, *vmas: dict[str, int], page_size: int | None = None, **fields: object) -> Dump:
        auxv = [] if page_size is None else [6, page_size, 0, 0]
        entry = {**dict.fromkeys(_ZERO_MM, 0), "mm_saved_auxv": auxv, "vmas": vmas, **fields}
        return self.write(f"mm-{pid}.img", "MM", entry)

    def pagemap(
        self,
        key: object,
        *runs: Sequence[int] | dict[str, object],
        pages: bytes | None = None,
        pages_id: int | None = None,
    ) -> Dump:
        """``runs`` are address, pages and flags (PE_PRESENT if left out), or fields as they are.

        ``key`` is a pid, or ``shmem-ID``; ``pages`` is what the pages file holds, which isn't written if None.
        """
        number = (
            (key if isinstance(key, int) else int(str(key).split("-")[1])) if pages_id is None else pages_id
        )
        entries = [run if isinstance(run, dict) else self._run(*run) for run in runs]
        self.write(f"pagemap-{key}.img", "PAGEMAP", {"pages_id": number}, *entries)
        return self if pages is None else self.raw(f"pages-{number}.img", pages)

    def raw(self, name: str, data: bytes) -> Dump:
        (self.folder / name).write_bytes(data)
        return self

    def remove(self, *names: str) -> Dump:
        for name in names:
            (self.folder / name).unlink()
        return self

    def ids(self, pid: int, **fields: int) -> Dump:
        entry = {"vm_id": pid, "files_id": pid, "fs_id": pid, "sighand_id": pid, **fields}
        return self.write(f"ids-{pid}.img", "IDS", entry)

    def process(self, pid: int, *vmas: dict[str, int], **mm: object) -> Dump:
        """All that a task has but memory pages and open files."""
        self.core(pid).mm(pid, *vmas, **mm).ids(pid).write(f"fdinfo-{pid}.img", "FDINFO")
        return self.write(f"fs-{pid}.img", "FS", {"cwd_id": 0, "root_id": 0})

    def files(self, *entries: dict[str, object]) -> Dump:
        return self.write("files.img", "FILES", *entries)

    def parent(self, target: str) -> Dump:
        (self.folder / "parent").symlink_to(target)
        return self

    def open(self, **options: object) -> Checkpoint:
        return open_checkpoint(self.folder, **options)

    def images(self) -> ImageSet:
        return ImageSet(DirectoryTree(self.folder), Schema.default(), Problems())

    @staticmethod
    def _run(address: int, count: int, flags: int = 4) -> dict[str, object]:
        return {"vaddr": address, "compat_nr_pages": 0, "flags": flags, "nr_pages": count}


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Dump]:
    """Makes an empty checkpoint directory, with an inventory, by its name."""
    number = itertools.count()
    return lambda name="": Dump(tmp_path / (name or f"dump-{next(number)}")).inventory()


@pytest.fixture(scope="session")
def vma() -> Callable[..., dict[str, object]]:
    """Makes the fields of a vma_entry; private anonymous memory, if ``status`` doesn't say else."""

    def make(start: int, end: int, status: int = MEMORY, **fields: object) -> dict[str, object]:
        base = {"pgoff": 0, "shmid": 0, "prot": 3, "flags": 0x22, "fd": -1}
        return {**base, "start": start, "end": end, "status": status, **fields}

    return make


@pytest.fixture
def one_process(build: Callable[..., Dump]) -> Callable[..., Dump]:
    """Makes a checkpoint of one process, pid 1, with these mappings."""
    return lambda *vmas, name="", **mm: build(name).pstree((1, 0)).process(1, *vmas, **mm)


@pytest.fixture(scope="session")
def credentials() -> dict[str, int]:
    """The fields of a creds_entry that all have, of root."""
    return dict(_ZERO_CREDS)


@pytest.fixture(scope="session")
def pages() -> Callable[..., bytes]:
    """Bytes of pages, each full of its own number from 1 on."""

    def make(count: int, size: int = 4096, first: int = 1) -> bytes:
        return b"".join(bytes([number % 256]) * size for number in range(first, first + count))

    return make


@pytest.fixture(scope="session")
def texts() -> Callable[[Iterable[object]], str]:
    """Problems as one text."""
    return lambda problems: "\n".join(map(str, problems))
