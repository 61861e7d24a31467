"""Large images to measure on, made with the library itself: the same bytes every time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import dyncrit
from dyncrit.codec.framing import Frame, frame_record, write_head
from dyncrit.codec.message import codecs_for
from dyncrit.codec.plan import Style

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PAGEMAP_ENTRIES = 1_000_000
VMAS = 65_000
FILES = 100_000


def make_inputs(folder: Path) -> None:
    """Write pagemap.img, mm.img and files.img, where they aren't there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    makers = {"pagemap": ("PAGEMAP", _pagemap()), "mm": ("MM", _mm()), "files": ("FILES", _files())}
    for name, (type_name, documents) in makers.items():
        path = folder / f"{name}.img"
        if not path.exists():
            _write(path, type_name, documents)


def make_ghost(path: Path, size: int) -> None:
    """Write a ghost file of ``size`` bytes, sparse, so that it takes no disk."""
    entry = {"uid": 0, "gid": 0, "mode": 0o100644, "dev": 1, "ino": 2}
    _write(path, "GHOST_FILE", [entry])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + size)


def _write(path: Path, type_name: str, documents: Iterable[dict[str, Any]]) -> None:
    schema = dyncrit.Schema.default()
    image_type = schema.table.by_name(type_name)
    assert image_type is not None
    codecs = codecs_for(schema, Style())
    with path.open("wb") as file:
        file.write(write_head(image_type, "little", image_type.head if image_type.head != "none" else "v1.0"))
        for index, document in enumerate(documents):
            file.write(
                frame_record(
                    Frame(image_type), codecs.codec(image_type.record(index).message).encode(document)
                )
            )


def _pagemap() -> Iterable[dict[str, Any]]:
    yield {"pages_id": 1}
    address = 0x7F00_0000_0000
    rng = random.Random(1)
    for _ in range(PAGEMAP_ENTRIES):
        pages = rng.randrange(1, 64)
        # as CRIU up to 4.1 writes it, so that CRIT 4.1 shows all there is
        yield {"vaddr": address, "compat_nr_pages": pages, "flags": rng.choice([1, 4])}
        address += (pages + 1) * 4096


def _mm() -> Iterable[dict[str, Any]]:
    vmas = []
    address = 0x5500_0000_0000
    for index in range(VMAS):
        vmas.append(
            {
                "start": address,
                "end": address + 0x2000,
                "pgoff": 0,
                "shmid": index % 7,
                "prot": 3,
                "flags": 34,
                "status": 513,
                "fd": -1,
                "madv": 0,
                "fdflags": 0,
            }
        )
        address += 0x3000
    names = (
        "start_code",
        "end_code",
        "start_data",
        "end_data",
        "start_stack",
        "start_brk",
        "brk",
        "arg_start",
        "arg_end",
        "env_start",
        "env_end",
    )
    yield {
        **{f"mm_{name}": 0x5500_0000_0000 + index for index, name in enumerate(names)},
        "exe_file_id": 1,
        "mm_saved_auxv": list(range(40)),
        "vmas": vmas,
        "dumpable": 1,
        "aios": [],
        "thp_disabled": False,
    }


def _files() -> Iterable[dict[str, Any]]:
    owner = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
    for index in range(1, FILES + 1):
        yield {
            "type": "REG",
            "id": index,
            "reg": {
                "id": index,
                "flags": 0o2100000,
                "pos": index * 17,
                "fown": owner,
                "name": f"/srv/data/part-{index % 100:02}/file-{index:06}.db",
                "mnt_id": 42,
                "size": index * 4096,
                "mode": 0o100644,
            },
        }
