"""What tests of changed places share: small checkpoints, and what an operation makes of them."""

from __future__ import annotations

import itertools
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

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.edit.touched import Touched

FOWN = dict.fromkeys(("uid", "euid", "signum", "pid_type", "pid"), 0)
MOUNT = {"fstype": 0, "root_dev": 0xFE00000, "flags": 0, "source": "none", "options": ""}


class Outcome(NamedTuple):
    """What an operation touched, the fields that differ, and the checkpoint with the change in it."""

    touched: list[Touched]
    changes: list[FieldChange]
    after: Scene

    @property
    def values(self) -> dict[str, tuple[object, object]]:
        """Each field that differs, before and after."""
        return {f"{item.file} {item.path}": (item.before, item.after) for item in self.changes}


class Scene:
    """A folder of images. Each method that writes gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def images(self) -> Path:
        """Where the images are."""
        inner = self.folder / "checkpoint"
        return inner if inner.is_dir() else self.folder

    def write(self, name: str, type_name: str, *entries: dict[str, object], **options: object) -> Scene:
        image = Image.new(type_name, **options)
        for fields in entries:
            image.add(**fields)
        dump(image, self.images / name)
        return self

    def files(self, *names: str, **fields: object) -> Scene:
        """files.img of regular files with ids from 1 on."""
        entries = (
            {"id": number, "flags": 0, "pos": 0, "fown": FOWN, "name": name, **fields}
            for number, name in enumerate(names, 1)
        )
        return self.write(
            "files.img", "FILES", *({"type": "REG", "id": entry["id"], "reg": entry} for entry in entries)
        )

    def sockets(self, *sockets: dict[str, object]) -> Scene:
        """files.img of unix sockets with ids from 1 on."""
        options = {"so_sndbuf": 0, "so_rcvbuf": 0, "so_snd_tmo_sec": 0, "so_snd_tmo_usec": 0}
        options |= {"so_rcv_tmo_sec": 0, "so_rcv_tmo_usec": 0}
        zeros = dict.fromkeys(("flags", "uflags", "backlog", "peer"), 0)
        entries = (
            {
                **zeros,
                "id": number,
                "ino": number,
                "type": 1,
                "state": 7,
                "fown": FOWN,
                "opts": options,
                **fields,
            }
            for number, fields in enumerate(sockets, 1)
        )
        return self.write(
            "files.img", "FILES", *({"type": "UNIXSK", "id": entry["id"], "usk": entry} for entry in entries)
        )

    def mounts(self, *mounts: tuple[int, int, str] | dict[str, object], number: int = 7) -> Scene:
        """A mountpoints image: ids, parents and mountpoints of mounts on one device, or all fields."""
        entries = (
            mount
            if isinstance(mount, dict)
            else {"mnt_id": mount[0], "parent_mnt_id": mount[1], "mountpoint": mount[2]}
            for mount in mounts
        )
        filled = [{**MOUNT, "root": "/", **entry} for entry in entries]
        return self.write(f"mountpoints-{number}.img", "MNTS", *reversed(filled))

    def entries(self, name: str) -> list[dict[str, object]]:
        return load(self.images / name).to_dict()["entries"]

    def open(self) -> Checkpoint:
        return open_checkpoint(self.folder)

    def change(self, operation: Callable[..., list[Touched]], *arguments: object) -> Outcome:
        """Do it, and hold the outcome against what holds for every change."""
        after = self._copy()
        with after.open() as checkpoint, checkpoint.edit() as edit:
            touched = operation(edit, *arguments)
            changes = list(differences(edit))
        assert bool(touched) == bool(changes)
        assert after.findings() == self.findings()
        for path in after.images.glob("*.img"):
            data = path.read_bytes()
            if data != (self.images / path.name).read_bytes():
                assert dumps(Image.from_dict(load(path).to_dict())) == data
        return Outcome(touched, changes, after)

    def findings(self) -> list[tuple[str, str]]:
        """What the check finds, without pages."""
        with self.open() as checkpoint:
            return [(item.rule.id, item.file) for item in check(checkpoint, pages=False).findings]

    def bytes(self) -> dict[str, bytes]:
        """The content of every file, by its path."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    def _copy(self) -> Scene:
        numbers = (self.folder.parent / f"after-{number}" for number in itertools.count())
        folder = next(path for path in numbers if not path.exists())
        return Scene(shutil.copytree(self.folder, folder, symlinks=True))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A checkpoint of an inventory and nothing else."""
    (tmp_path / "scene").mkdir()
    fields = {"img_version": 2, "fdinfo_per_id": True, "ns_per_id": True}
    return Scene(tmp_path / "scene").write("inventory.img", "INVENTORY", fields)


@pytest.fixture
def real(data: Path, tmp_path: Path) -> Callable[[str], Scene]:
    """Makes a copy of a checkpoint below tests/data; an archive is unpacked."""

    def make(name: str) -> Scene:
        source, folder = data / name, tmp_path / "real"
        if source.is_dir():
            return Scene(shutil.copytree(source, folder, symlinks=True))
        shutil.unpack_archive(source, folder, filter="data")
        return Scene(folder)

    return make


@pytest.fixture
def from_corpus(corpus: Path, tmp_path: Path) -> Callable[[str], Scene]:
    """Makes a copy of a checkpoint of the corpus."""
    return lambda name: Scene(shutil.copytree(corpus / name, tmp_path / "corpus", symlinks=True))
