"""What tests of changed memory share: small checkpoints of one process, and what a change makes of them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dyncrit import Image, dump, dumps, load
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.differences import FieldChange, differences

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.touched import Touched

PAGE = 4096
PRIVATE, HEAP, STACK, FILE, SHARED_FILE = 0x201, 0x221, 0x203, 0x41, 0x81
SHARED_MEMORY, MEMFD, SYSV, VDSO = 0x101, 0x101 | 1 << 14, 0x101 | 1 << 10, 0x209
GUARD = 1 << 16

_MM = [
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


class Outcome(NamedTuple):
    """What an operation touched, the files that differ, and the folder with the change in it."""

    touched: list[Touched]
    changes: list[FieldChange]
    after: Scene


class Scene:
    """A folder of images of process 1. Each method that writes gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, type_name: str, *entries: dict[str, object], **options: object) -> Scene:
        image = Image.new(type_name, **options)
        for fields in entries:
            image.add(**fields)
        dump(image, self.folder / name)
        return self

    def process(self, *vmas: dict[str, object], page_size: int = PAGE, **mm: object) -> Scene:
        """All that a task has but pages."""
        self.folder.mkdir(parents=True)
        self.write("inventory.img", "INVENTORY", {"img_version": 2, "fdinfo_per_id": True, "ns_per_id": True})
        tree = {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1]}
        self.write("pstree.img", "PSTREE", tree)
        tc = {"task_state": 1, "exit_code": 0, "personality": 0, "flags": 0, "blk_sigset": 0, "comm": "p"}
        thread = {"futex_rla": 0, "futex_rla_len": 0}
        self.write("core-1.img", "CORE", {"mtype": "X86_64", "tc": tc, "thread_core": thread})
        self.write("ids-1.img", "IDS", dict.fromkeys(("vm_id", "files_id", "fs_id", "sighand_id"), 1))
        self.write("fdinfo-1.img", "FDINFO")
        self.write("fs-1.img", "FS", {"cwd_id": 0, "root_id": 0})
        entry = {**dict.fromkeys(_MM, 0), "mm_saved_auxv": [6, page_size], "vmas": vmas, **mm}
        return self.write("mm-1.img", "MM", entry)

    def pagemap(
        self,
        *runs: tuple[int, int, int] | dict[str, object],
        pages: bytes | None,
        key: str = "1",
        number: int = 1,
    ) -> Scene:
        """``runs`` are address, pages and flags, as CRIU 4.2 has them, or fields as they are."""
        entries = [
            run
            if isinstance(run, dict)
            else {"vaddr": run[0], "compat_nr_pages": 0, "flags": run[2], "nr_pages": run[1]}
            for run in runs
        ]
        self.write(f"pagemap-{key}.img", "PAGEMAP", {"pages_id": number}, *entries)
        if pages is not None:
            (self.folder / f"pages-{number}.img").write_bytes(pages)
        return self

    def entries(self, key: str = "1") -> list[dict[str, object]]:
        """The entries of a pagemap, with the fields that they have."""
        found = [entry.message for entry in load(self.folder / f"pagemap-{key}.img").entries[1:]]
        return [{field.name: value for field, value in message.ListFields()} for message in found]

    def runs(self, key: str = "1") -> list[tuple[object, ...]]:
        """Address, pages and flags of the entries of a pagemap."""
        return [(entry["vaddr"], entry["nr_pages"], entry["flags"]) for entry in self.entries(key)]

    def pages(self, number: int = 1) -> bytes:
        return (self.folder / f"pages-{number}.img").read_bytes()

    def memory(self, address: int, size: int) -> bytes:
        with open_checkpoint(self.folder) as checkpoint:
            return checkpoint.processes[1].memory.read(address, size)

    def findings(self) -> set[tuple[str, str]]:
        with open_checkpoint(self.folder) as checkpoint:
            return {(item.rule.id, item.file) for item in check(checkpoint, deep=True).findings}

    def change(self, operation: Callable[..., list[Touched]], *arguments: object) -> Outcome:
        """What an operation does, made in a copy beside: check finds nothing new, all encodes as it is."""
        after = Scene(self.folder.with_name(f"{self.folder.name}-changed"))
        shutil.rmtree(after.folder, ignore_errors=True)
        shutil.copytree(self.folder, after.folder, symlinks=True)
        before = self.findings()
        with open_checkpoint(after.folder) as checkpoint, checkpoint.edit() as edit:
            touched, changes = self._apply(edit, operation, arguments)
        assert after.findings() <= before
        for path in after.folder.glob("*.img"):
            if not path.name.startswith("pages-"):
                assert dumps(load(path)) == path.read_bytes(), path.name
        return Outcome(touched, changes, after)

    @staticmethod
    def _apply(
        edit: Edit, operation: Callable[..., list[Touched]], arguments: tuple[object, ...]
    ) -> tuple[list[Touched], list[FieldChange]]:
        touched = operation(edit, 1, *arguments)
        return touched, list(differences(edit))


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[str], Scene]:
    """Makes an empty folder for images, by its name."""
    return lambda name="images": Scene(tmp_path / name)


@pytest.fixture(scope="session")
def vma() -> Callable[..., dict[str, object]]:
    """Makes the fields of a vma_entry; private anonymous memory, if ``status`` doesn't say else."""

    def make(start: int, end: int, status: int = PRIVATE, **fields: object) -> dict[str, object]:
        flags = 0x21 if status & 0x180 else 0x02 if status & FILE == FILE else 0x22
        base = {"pgoff": 0, "shmid": 0, "prot": 3, "flags": flags, "fd": -1}
        return {**base, "start": start, "end": end, "status": status, **fields}

    return make
