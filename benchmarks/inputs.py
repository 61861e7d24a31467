"""Large images to measure on, made with the library itself: the same bytes every time."""

from __future__ import annotations

import random
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dyncrit
from dyncrit.codec.framing import Frame, frame_record, write_head
from dyncrit.codec.message import codecs_for
from dyncrit.codec.plan import Style

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dyncrit.types import DynamicMessage

PAGEMAP_ENTRIES = 1_000_000
VMAS = 65_000
FILES = 100_000
PAGE = 4096
BASE = 0x1000_0000_0000
"""Where the memory begins that is put into processes here; their own lies below or above."""
SPLIT = 1024
"""Pages of each pagemap entry of an archive."""

_PROCESS = Path(__file__).resolve().parents[1] / "tests/data/demo/sockets"


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


def make_process(folder: Path, entries: int, vmas: int) -> None:
    """Write the images of one process with so many mappings and pagemap entries of a page each.

    All pages are present, every other one; the pages file is sparse, so that it takes no disk.
    """
    if folder.exists():
        return
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(_PROCESS, new)
    share = -(-entries // vmas) * 2 * PAGE
    ends = range(BASE + share, BASE + entries * 2 * PAGE + share, share)
    _add_mappings(new / "mm-9860.img", [(end - share, end - PAGE) for end in ends])
    head, present = {"pages_id": 1}, {"compat_nr_pages": 0, "flags": 4, "nr_pages": 1}
    addresses = range(BASE, BASE + entries * 2 * PAGE, 2 * PAGE)
    _write(
        new / "pagemap-9860.img", "PAGEMAP", [head, *({"vaddr": address, **present} for address in addresses)]
    )
    with (new / "pages-1.img").open("wb") as file:
        file.truncate(entries * PAGE)
    new.rename(folder)


def make_archive(path: Path, source: Path, size: int) -> None:
    """Write a tar file like ``source``, a container of CRIU up to 4.1, with ``size`` bytes more of memory."""
    if path.exists():
        return
    from memory import make_pages

    folder = path.with_suffix(".tree")
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    images, more = folder / "checkpoint", path.with_suffix(".pages")
    make_pages(more, size)
    step = (SPLIT + 1) * PAGE
    addresses = range(BASE, BASE + size // PAGE // SPLIT * step, step)
    _add_mappings(images / "mm-1.img", [(BASE, addresses[-1] + step)])
    _add_pages(images, addresses, more)
    with tarfile.open(f"{path}.new", "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(folder.iterdir()):
            archive.add(name, name.name)
    Path(f"{path}.new").rename(path)
    shutil.rmtree(folder)
    more.unlink()


def compress(path: Path, suffix: str) -> Path:
    """The same file compressed, beside it: ``.gz`` or ``.zst``."""
    target = path.with_name(path.name + suffix)
    if not target.exists():
        command = {".gz": ["gzip", "-1", "-c"], ".zst": ["zstd", "-q", "-3", "-c"]}[suffix]
        with Path(f"{target}.new").open("wb") as file:
            subprocess.run([*command, path], stdout=file, check=True)
        Path(f"{target}.new").rename(target)
    return target


def _add_mappings(path: Path, ranges: Iterable[tuple[int, int]]) -> None:
    """Put mappings into an mm image, anonymous ones like the first such in it."""
    image = dyncrit.load(path)
    message = image.entries[0].message
    own = list(message.vmas)
    like = next(vma for vma in own if vma.flags == 34 and vma.prot == 3)
    added = [_mapping(like, start, end) for start, end in ranges]
    del message.vmas[:]
    message.vmas.extend(sorted([*own, *added], key=lambda vma: vma.start))
    dyncrit.dump(image, path)


def _mapping(like: DynamicMessage, start: int, end: int) -> DynamicMessage:
    vma = type(like)()
    vma.CopyFrom(like)
    vma.start, vma.end = start, end
    return vma


def _add_pages(images: Path, addresses: Iterable[int], more: Path) -> None:
    """Put entries of SPLIT pages into the pagemap, and the bytes of ``more`` into the pages file."""
    image = dyncrit.load(images / "pagemap-1.img")
    head, *own = image.to_dict()["entries"]
    below = [entry for entry in own if int(str(entry["vaddr"]), 0) < BASE]
    added = [{"vaddr": address, "compat_nr_pages": SPLIT, "flags": 4} for address in addresses]
    _write(images / "pagemap-1.img", "PAGEMAP", [head, *below, *added, *own[len(below) :]])
    pages = images / f"pages-{head['pages_id']}.img"
    held = pages.read_bytes()
    split = sum(entry["compat_nr_pages"] for entry in below) * PAGE
    with pages.open("wb") as file, more.open("rb") as source:
        file.write(held[:split])
        shutil.copyfileobj(source, file, 1 << 20)
        file.write(held[split:])


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
