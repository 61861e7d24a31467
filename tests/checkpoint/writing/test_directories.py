"""Changes in directories: what changes keeps its attributes, what doesn't stays the very same file."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from dyncrit.checkpoint.location import locate
from dyncrit.checkpoint.writing import directory, renaming
from dyncrit.checkpoint.writing.changes import FileChange
from dyncrit.checkpoint.writing.commit import commit, staging_folder
from dyncrit.checkpoint.writing.locking import locked
from dyncrit.errors import DyncritError, ImageError

IMAGES = {"a.img": b"a", "b.img": b"b", "c.img": b"c"}


@pytest.fixture
def dump(tmp_path: Path, data: Path) -> Path:
    """Images, and what an engine puts beside them."""
    outer = tmp_path / "dump"
    images = outer / "checkpoint"
    images.mkdir(parents=True)
    shutil.copyfile(data / "demo/tree/inventory.img", images / "inventory.img")
    for name, content in IMAGES.items():
        (images / name).write_bytes(content)
    (outer / "spec.dump").write_bytes(b"{}")
    (outer / "stats-dump").write_bytes(b"stats")
    (outer / "volumes").mkdir()
    (outer / "volumes" / "data.tar").write_bytes(b"volume")
    return outer


@pytest.fixture(params=["exchanged", "swapped one by one", "without renameat2", "without hard links, too"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ways in which several files are changed."""
    if request.param != "exchanged":
        monkeypatch.setattr(directory, "_must_stay", lambda top: True)
    if request.param.startswith("without"):
        monkeypatch.setattr(renaming, "_renameat2", lambda: None)
    if request.param == "without hard links, too":
        monkeypatch.setattr(os, "link", refused)
    return request.param


def refused(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def inodes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_ino for path in folder.rglob("*")}


def test_one_file_is_replaced_in_its_directory(dump, change, contents, hidden):
    before, known = contents(dump), inodes(dump)
    change(dump, {"a.img": b"new"})
    assert contents(dump) == before | {"a.img": b"new"}
    now = inodes(dump)
    assert {name for name in now if now[name] != known[name]} == {"checkpoint/a.img"}
    assert hidden(dump.parent) == []


def test_several_files_change_and_all_others_stay_the_very_same(dump, change, contents, hidden, way):
    before, known = contents(dump), inodes(dump)
    os.utime(dump / "checkpoint/c.img", ns=(5, 7))
    change(dump, {"a.img": b"new", "b.img": None, "d.img": b"d"}, {"spec.dump": b"[]"})
    wanted = before | {"a.img": b"new", "d.img": b"d", "outer/spec.dump": b"[]"}
    wanted.pop("b.img")
    assert contents(dump) == wanted
    now = inodes(dump)
    same = ["checkpoint/c.img", "checkpoint/inventory.img", "stats-dump", "volumes/data.tar"]
    assert [now[name] for name in same] == [known[name] for name in same]
    assert (dump / "checkpoint/c.img").stat().st_mtime_ns == 7
    assert hidden(dump.parent) == []
    assert (now["checkpoint"] != known["checkpoint"]) == (way == "exchanged")


def test_only_the_directory_around_all_changes_is_exchanged(dump, change):
    known = dump.stat().st_ino, inodes(dump)["checkpoint"]
    change(dump, {"a.img": b"new", "b.img": b"new"})
    assert dump.stat().st_ino == known[0]
    assert inodes(dump)["checkpoint"] != known[1]


def test_attributes_of_changed_files_and_directories_stay(dump, change, way):
    images = dump / "checkpoint"
    is_root = os.geteuid() == 0
    for number, path in enumerate([dump, images, dump / "volumes", images / "a.img", images / "b.img"]):
        if is_root:
            os.chown(path, 100 + number, 200 + number)
        path.chmod(0o700 + number)
        os.utime(path, ns=(10**18 + number, 10**18 + 50 + number))
    has_attributes = set_attributes(images / "a.img", images, dump / "volumes")
    before = {path: path.stat() for path in [dump, images, dump / "volumes", images / "a.img"]}
    change(dump, {"a.img": b"new content", "b.img": b"new"}, {"spec.dump": b"[]"})
    for path, status in before.items():
        now = path.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (status.st_mode, status.st_uid, status.st_gid)
        if way == "exchanged" or path.name == "a.img":
            assert now.st_mtime_ns == status.st_mtime_ns
    if has_attributes:
        for path in (images / "a.img", images, dump / "volumes"):
            assert os.getxattr(path, "user.note") == b"kept"


def set_attributes(*paths: Path) -> bool:
    try:
        for path in paths:
            os.setxattr(path, "user.note", b"kept")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("count", [1, 2])
def test_access_lists_stay(dump, change, count):
    path = dump / "checkpoint/a.img"
    # version 2; the owner rw-, user 1234 r--, group r--, mask rw-, others ---
    entries = [(1, 6, -1), (2, 4, 1234), (4, 4, -1), (16, 6, -1), (32, 0, -1)]
    packed = b"\2\0\0\0" + b"".join(
        tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + (who % 2**32).to_bytes(4, "little")
        for tag, bits, who in entries
    )
    try:
        os.setxattr(path, "system.posix_acl_access", packed)
    except OSError:
        pytest.skip("the file system has no access lists")
    change(dump, dict(list({"a.img": b"new", "b.img": b"new"}.items())[:count]))
    assert os.getxattr(path, "system.posix_acl_access") == packed
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_new_file_belongs_to_who_has_the_directory_and_has_the_usual_mode(dump, change, way):
    images = dump / "checkpoint"
    if os.geteuid() == 0:
        os.chown(images, 123, 456)
    change(dump, {"new.img": b"new", "a.img": b"new"})
    status, folder = (images / "new.img").stat(), images.stat()
    assert (status.st_uid, status.st_gid) == (folder.st_uid, folder.st_gid)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(status.st_mode) == 0o666 & ~umask


def test_a_file_that_has_other_names_leaves_them_the_old_content(dump, change, way):
    os.link(
        dump / "checkpoint/a.img", dump.parent / "backup.img"
    ) if way != "without hard links, too" else None
    change(dump, {"a.img": b"new", "b.img": b"new"})
    if way != "without hard links, too":
        assert (dump.parent / "backup.img").read_bytes() == b"a"
    assert (dump / "checkpoint/a.img").read_bytes() == b"new"


@pytest.mark.parametrize("count", [1, 2])
def test_symbolic_links_within_are_followed_and_stay(dump, change, contents, way, count):
    images = dump / "checkpoint"
    (images / "a.img").rename(dump / "volumes" / "a.img")
    (images / "a.img").symlink_to("../volumes/a.img")
    before = contents(dump)
    wanted = dict(list({"a.img": b"new", "b.img": b"other"}.items())[:count])
    change(dump, wanted)
    assert (images / "a.img").readlink() == Path("../volumes/a.img")
    assert not (dump / "volumes" / "a.img").is_symlink()
    assert contents(dump) == before | wanted


def test_removing_a_link_leaves_what_it_leads_to(dump, change, way):
    images = dump / "checkpoint"
    (images / "link.img").symlink_to("a.img")
    change(dump, {"link.img": None, "b.img": b"new"})
    assert not os.path.lexists(images / "link.img")
    assert (images / "a.img").read_bytes() == b"a"


def test_a_link_out_of_the_directory_is_not_written_to(dump, change, contents, hidden):
    outside = dump.parent / "outside.img"
    outside.write_bytes(b"outside")
    (dump / "checkpoint" / "x.img").symlink_to(outside)
    before = contents(dump)
    with pytest.raises(ImageError, match="link out of the directory"):
        change(dump, {"x.img": b"new", "a.img": b"new"})
    assert outside.read_bytes() == b"outside"
    assert contents(dump) == before
    assert hidden(dump.parent) == []


def test_two_names_of_one_file_are_not_changed_at_once(dump, change, contents):
    (dump / "checkpoint" / "link.img").symlink_to("a.img")
    before = contents(dump)
    with pytest.raises(DyncritError, match="two changes of one file"):
        change(dump, {"a.img": b"1", "link.img": b"2"})
    assert contents(dump) == before


def test_the_directory_reached_by_a_link_is_changed_and_the_link_stays(dump, change, contents, hidden):
    link = dump.parent / "link"
    link.symlink_to("dump")
    change(link, {"a.img": b"new", "b.img": b"new"}, {"spec.dump": b"[]"})
    assert link.is_symlink()
    assert contents(dump)["a.img"] == b"new"
    assert hidden(dump.parent) == []


def test_fifos_sockets_links_and_empty_folders_stay(dump, change, way):
    images = dump / "checkpoint"
    os.mkfifo(images / "pipe")
    (images / "parent").symlink_to("../no/such")
    (images / "empty").mkdir(0o711)
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(images)
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    known = inodes(dump)
    change(dump, {"a.img": b"new", "b.img": b"new"})
    assert (images / "pipe").is_fifo()
    assert (images / "socket").is_socket()
    assert (images / "parent").readlink() == Path("../no/such")
    assert stat.S_IMODE((images / "empty").stat().st_mode) == 0o711
    now = inodes(dump)
    kept = ["checkpoint/pipe", "checkpoint/socket", "checkpoint/parent"]
    assert [now[name] for name in kept] == [known[name] for name in kept]


def test_bare_images_in_the_current_directory_are_changed(dump, change, monkeypatch, contents, hidden):
    monkeypatch.chdir(dump / "checkpoint")
    change(Path(), {"a.img": b"new", "b.img": b"new"})
    found = contents(dump)
    assert (found["a.img"], found["b.img"]) == (b"new", b"new")
    assert hidden(dump.parent) == []


def test_a_file_put_into_the_directory_while_it_is_exchanged_is_not_lost(dump, change, monkeypatch):
    images = dump / "checkpoint"
    exchange = renaming.exchange

    def exchange_late(first: Path, second: Path) -> None:
        (images / "late.img").write_bytes(b"late")
        (images / "late").mkdir()
        (images / "late" / "inner").write_bytes(b"inner")
        (images / "other").write_bytes(b"replaced")
        (images / "other").replace(images / "c.img")
        exchange(first, second)

    monkeypatch.setattr(renaming, "exchange", exchange_late)
    change(dump, {"a.img": b"new", "b.img": None})
    assert (images / "late.img").read_bytes() == b"late"
    assert (images / "late" / "inner").read_bytes() == b"inner"
    assert (images / "c.img").read_bytes() == b"replaced"
    assert (images / "a.img").read_bytes() == b"new"
    assert not (images / "b.img").exists()


@pytest.mark.parametrize("in_place", [True, False])
def test_what_is_written_into_changed_files_while_directories_are_exchanged_is_not_lost(
    dump, change, monkeypatch, hidden, in_place
):
    images = dump / "checkpoint"
    exchange = renaming.exchange

    def exchange_late(first: Path, second: Path) -> None:
        for name in ("a.img", "b.img"):
            path = images / name if in_place else images / "other"
            path.write_bytes(b"of others")
            path.replace(images / name)
        exchange(first, second)

    monkeypatch.setattr(renaming, "exchange", exchange_late)
    change(dump, {"a.img": b"new", "b.img": None, "c.img": b"new c"})
    assert (images / "a.img").read_bytes() == b"of others"
    assert (images / "b.img").read_bytes() == b"of others"
    assert (images / "c.img").read_bytes() == b"new c"
    assert hidden(dump.parent) == []


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("changed", [{"a.img": b"new"}, {"a.img": b"new", "b.img": None, "d.img": b"d"}])
def test_what_is_required_is_asked_under_the_lock_and_again_before_files_are_swapped(
    dump, contents, hidden, way, number, changed
):
    before = contents(dump)
    location = locate(dump)
    calls: list[bool] = []

    def require() -> None:
        with pytest.raises(DyncritError, match="another process is changing it"), locked([dump]):
            pass
        calls.append(True)
        if len(calls) == number:
            raise DyncritError("not as it was", "a.img")

    with staging_folder(dump, location) as staging:
        changes = []
        for name, data in changed.items():
            content = staging / name if data is not None else None
            if content is not None:
                content.write_bytes(data)
            changes.append(FileChange(location.images, name, content))
        with pytest.raises(DyncritError, match="not as it was"):
            commit(dump, location, changes, staging, require)
    assert len(calls) == number
    assert contents(dump) == before
    assert hidden(dump.parent) == []


@pytest.mark.parametrize(
    ("mounts", "is_exchanged"),
    [
        ("/ ext4", True),
        ("/ overlay", False),
        ("/ overlay\n/place ext4", True),
        ("/ ext4\n/place/my\\040dump/volumes tmpfs", False),
        ("/ ext4\n/place/my\\040dump tmpfs", False),
        ("/ ext4\n/place/my overlay\n/place/my\\040dum overlay", True),
        (None, False),
    ],
)
def test_directories_with_mounts_and_those_on_stacked_file_systems_are_not_exchanged(
    tmp_path, monkeypatch, mounts, is_exchanged
):
    file = tmp_path / "mountinfo"
    if mounts is not None:
        lines = [line.split() for line in mounts.splitlines()]
        file.write_text("".join(f"36 35 98:0 / {point} rw - {kind} /dev/x rw\n" for point, kind in lines))
    monkeypatch.setattr(directory, "_MOUNTS", file)
    monkeypatch.setattr(directory, "_STACKED", frozenset({b"overlay"}))
    assert directory._must_stay(Path("/place/my dump")) != is_exchanged


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_mounts_in_the_directory_stay_mounted(dump, change, contents):
    import subprocess
    import sys

    code = (
        "import ctypes, sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[2])\n"
        "libc = ctypes.CDLL(None)\nassert libc.unshare(0x20000) == 0\n"
        "assert libc.mount(b'none', b'/', None, 0x44000, None) == 0\n"
        "folder = Path(sys.argv[1])\n"
        "assert libc.mount(b'none', str(folder / 'volumes').encode(), b'tmpfs', 0, None) == 0\n"
        "(folder / 'volumes' / 'x').write_text('mounted')\n"
        "from conftest import change_files\n"
        "change_files(folder, {'a.img': b'new', 'b.img': b'new'}, {'spec.dump': b'[]'})\n"
        "assert (folder / 'volumes' / 'x').read_text() == 'mounted'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, dump, Path(__file__).parent], capture_output=True, text=True, check=False
    )
    if "mount" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 0, done.stderr
    assert contents(dump)["b.img"] == b"new"
    assert (dump / "volumes" / "data.tar").read_bytes() == b"volume"


def test_real_images_change_in_what_was_changed_and_in_nothing_else(corpus, tmp_path, change, contents, way):
    if way == "without hard links, too":
        pytest.skip("copies of this size are made of hard links")
    shutil.copytree(corpus / "demo/tree", tmp_path / "tree")
    before = contents(tmp_path / "tree")
    names = [name for name in before if name.startswith("core-")]
    new = {name: before[name] + b"more" for name in names}
    change(tmp_path / "tree", new)
    assert contents(tmp_path / "tree") == before | new
