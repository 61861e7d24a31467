"""What tests of changed networks share: checkpoints of sockets, and what an operation makes of them."""

from __future__ import annotations

import itertools
import shutil
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from dyncrit import Image, dump, dumps, load
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.differences import FieldChange, differences

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.touched import Touched

FOWN = dict.fromkeys(("uid", "euid", "signum", "pid_type", "pid"), 0)
OPTIONS = dict.fromkeys(
    ("so_sndbuf", "so_rcvbuf", "so_snd_tmo_sec", "so_snd_tmo_usec", "so_rcv_tmo_sec", "so_rcv_tmo_usec"), 0
)
STATES = {"established": 1, "syn-sent": 2, "close-wait": 8, "close": 7, "listen": 10}
PROTOCOLS = {"tcp": (1, 6), "udp": (2, 17), "udplite": (2, 136), "icmp": (2, 1), "raw": (3, 1)}


class Outcome(NamedTuple):
    """What an operation touched, the fields that differ, and the checkpoint with the change in it."""

    touched: list[Touched]
    changes: list[FieldChange]
    after: Scene

    @property
    def values(self) -> dict[str, tuple[object, object]]:
        """Each field that differs, before and after."""
        return {f"{item.file} {item.path}": (item.before, item.after) for item in self.changes}

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """What was touched, without the places."""
        return [tuple(item)[1:] for item in self.touched]


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

    def sockets(self, *sockets: dict[str, Any], old: bool = False, **options: Any) -> Scene:
        """The sockets that :func:`socket` describes, with ids from 1 on, in files.img or the older inetsk.img."""
        order = options.get("byte_order", "little")
        entries = [_entry(number, fields, order) for number, fields in enumerate(sockets, 1)]
        for entry in entries:
            if entry["proto"] == 6 and entry["dst_port"] and entry["state"] != 7:
                self.stream(entry["ino"], **options)
        if old:
            return self.write("inetsk.img", "INETSK", *entries, **options)
        files = ({"type": "INETSK", "id": entry["id"], "isk": entry} for entry in entries)
        return self.write("files.img", "FILES", *files, **options)

    def stream(self, inode: int, **options: Any) -> Scene:
        """The image of a TCP connection's data: 3 bytes not read, 5 not delivered."""
        sizes = {"inq_len": 3, "outq_len": 5, "inq_seq": 1, "outq_seq": 1, "unsq_len": 0}
        image = Image.new("TCP_STREAM", **options)
        entry = image.add(**sizes, opt_mask=0, snd_wscale=0, mss_clamp=1460)
        entry.payload = {"inq": b"abc", "outq": b"defgh"}
        dump(image, self.images / f"tcp-stream-{inode:x}.img")
        return self

    def raw(self, name: str, data: bytes) -> Scene:
        (self.images / name).write_bytes(data)
        return self

    def entries(self, name: str) -> list[dict[str, Any]]:
        return load(self.images / name).to_dict()["entries"]

    def ends(self) -> list[str]:
        """Both ends of every inet socket, by the ids of files."""
        with self.open() as checkpoint:
            return [
                f"{item.source} {item.destination}" if item.destination.port else f"{item.source}"
                for item in checkpoint.sockets
            ]

    def open(self) -> Checkpoint:
        return open_checkpoint(self.folder)

    def change(self, operation: Callable[..., list[Touched]], *arguments: Any, **options: Any) -> Outcome:
        """Do it, and hold the outcome against what holds for every change."""
        with self.open() as checkpoint, checkpoint.edit(dry_run=True) as edit:
            touched = operation(edit, *arguments, **options)
            changes = list(differences(edit))
            after = self._copy(edit)
        assert bool(touched) == bool(changes)
        assert set(after.findings()) <= set(self.findings())
        for path in after.images.glob("*.img"):
            data = path.read_bytes()
            if not path.name.startswith(RAW) and data != self._before(path.name):
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

    def _before(self, name: str) -> bytes:
        return (self.images / name).read_bytes()

    def _copy(self, edit: Edit) -> Scene:
        numbers = (self.folder.parent / f"after-{number}" for number in itertools.count())
        folder = next(path for path in numbers if not path.exists())
        after = Scene(shutil.copytree(self.folder, folder, symlinks=True))
        for staged, place in ((edit.images, after.images), (edit.outer, after.folder)):
            for change in staged.changes if staged is not None else ():
                if change.content is None:
                    (place / change.name).unlink()
                else:
                    shutil.copy(change.content, place / change.name)
        return after


RAW = ("ifaddr", "route", "rule", "netns-ct", "netns-exp", "iptables", "ip6tables", "nftables")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A checkpoint of an inventory and nothing else."""
    (tmp_path / "scene").mkdir()
    fields = {"img_version": 2, "fdinfo_per_id": True, "ns_per_id": True}
    return Scene(tmp_path / "scene").write("inventory.img", "INVENTORY", fields)


@pytest.fixture
def container(scene: Scene) -> Scene:
    """The same with a container engine's files around it."""
    inner = scene.folder / "checkpoint"
    inner.mkdir()
    (scene.folder / "inventory.img").rename(inner / "inventory.img")
    return scene


@pytest.fixture
def real(data: Path, tmp_path: Path) -> Callable[[str], Scene]:
    """Makes a copy of a checkpoint below tests/data."""
    return lambda name: Scene(shutil.copytree(data / name, tmp_path / "real", symlinks=True))


@pytest.fixture
def from_corpus(corpus: Path, tmp_path: Path) -> Callable[[str], Scene]:
    """Makes a copy of a checkpoint of the corpus."""
    return lambda name: Scene(shutil.copytree(corpus / name, tmp_path / "corpus", symlinks=True))


@pytest.fixture(scope="session")
def tcp() -> Callable[..., dict[str, Any]]:
    """Describes a TCP socket; with another end it is established, without it listens."""
    return _socket("tcp", "listen")


@pytest.fixture(scope="session")
def udp() -> Callable[..., dict[str, Any]]:
    """Describes a UDP socket."""
    return _socket("udp", "close")


@pytest.fixture(scope="session")
def other() -> Callable[..., dict[str, Any]]:
    """Describes a socket of another protocol, by its name."""
    return lambda protocol, *arguments, **fields: _socket(protocol, "close")(*arguments, **fields)


def _socket(protocol: str, unconnected: str) -> Callable[..., dict[str, Any]]:
    def describe(source: str, destination: str = "", state: str = "", **fields: Any) -> dict[str, Any]:
        """The ends are ``10.0.0.7:80`` or ``[::1]:80``."""
        kind, number = PROTOCOLS[protocol]
        named = state or ("established" if destination else unconnected)
        ends = {"source": source, "destination": destination}
        return {**ends, "type": kind, "proto": number, "state": STATES[named], **fields}

    return describe


def _entry(number: int, fields: dict[str, Any], order: Any) -> dict[str, Any]:
    fields = dict(fields)
    source, destination = fields.pop("source"), fields.pop("destination")
    family = 10 if source.startswith("[") else 2
    entry = {"id": number, "ino": number, "family": family, "flags": 2, "backlog": 0, "fown": FOWN}
    for name, end in (("src", source), ("dst", destination or ("[::]:0" if family == 10 else "0.0.0.0:0"))):
        address, _, port = end.rpartition(":")
        packed = ip_address(address.strip("[]")).packed
        words = [int.from_bytes(packed[at : at + 4], order) for at in range(0, len(packed), 4)]
        entry |= {f"{name}_addr": words, f"{name}_port": int(port)}
    return {**entry, "opts": OPTIONS, **fields}
