"""Paths that move: files, watches and sockets, in any release's images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.edit.places.paths import remap_path
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Scene


def names(scene: Scene) -> list[str]:
    return [entry["reg"]["name"] for entry in scene.entries("files.img")]


def test_files_below_the_path_move_and_others_keep_their_bytes(scene: Scene) -> None:
    scene.files("/srv/a/x", "/srv/ab", "/srv/a", "/other")
    outcome = scene.change(remap_path, "/srv/a", "/data")
    assert names(outcome.after) == ["/data/x", "/srv/ab", "/data", "/other"]
    assert [(item.place, item.before, item.after) for item in outcome.touched] == [
        ("files.img entries[0]", "/srv/a/x", "/data/x"),
        ("files.img entries[2]", "/srv/a", "/data"),
    ]


def test_what_is_nowhere_changes_nothing(scene: Scene) -> None:
    outcome = scene.files("/srv/ab").change(remap_path, "/srv/a", "/data")
    assert outcome.touched == []
    assert outcome.after.bytes() == scene.bytes()


def test_the_other_way_gives_the_old_bytes(from_corpus: Callable[[str], Scene]) -> None:
    scene = from_corpus("criu-4.2/programs/pytree")
    there = scene.change(remap_path, "/srv/z/apps", "/elsewhere")
    assert len(there.touched) == 16
    assert there.after.bytes() != scene.bytes()
    assert there.after.change(remap_path, "/elsewhere", "/srv/z/apps").after.bytes() == scene.bytes()


def test_names_that_are_no_utf8_survive(from_corpus: Callable[[str], Scene]) -> None:
    outcome = from_corpus("criu-4.2/programs/pytree").change(remap_path, "/srv/z/apps", "/x\udcfd")
    files = outcome.after.images / "files.img"
    assert b"/x\xfd/work/pytree/raw\xff\xfebytes" in files.read_bytes()


def test_an_external_file_has_a_key_and_no_path(scene: Scene) -> None:
    scene.files("file[1a:2b]", ext=True)
    assert scene.change(remap_path, "/", "/x").touched == []


def test_it_is_told_what_files_are_to_processes(real: Callable[[str], Scene]) -> None:
    outcome = real("demo/sockets").change(remap_path, "/srv/demo", "/data")
    assert [(item.what, item.after) for item in outcome.touched] == [
        ("file (program of 9860)", "/data/sockets"),
        ("unix socket", "/data/dgram.sock"),
        ("watched path", "/data"),
        ("file (working directory of 9860)", "/data"),
    ]
    with outcome.after.open() as checkpoint:
        process = checkpoint.processes[9860]
        assert process.cwd is not None
        assert process.executable is not None
        assert (process.cwd.path, process.executable.path) == ("/data", "/data/sockets")
        assert "/data/dgram.sock" in {socket.path for socket in checkpoint.sockets}


@pytest.mark.parametrize(
    ("name", "image", "old", "count"),
    [
        ("criu-1.1/programs/ns-ipc", "reg-files.img", "/usr", 48),
        ("criu-2.12/host/fanotify00", "fanotify.img", "/srv/z/criu-zdtm", None),
        ("criu-2.12/host/unlink_fifo_wronly", "reg-files.img", "/srv/z/criu-zdtm", None),
        ("criu-2.12/namespaces/sockets00", "unixsk.img", "/zdtm", None),
        ("criu-4.2/host-32bit/unlink_fifo_wronly", "files.img", "/srv/z/criu-zdtm3", None),
    ],
)
def test_images_of_every_release_are_understood(
    from_corpus: Callable[[str], Scene], name: str, image: str, old: str, count: int | None
) -> None:
    scene = from_corpus(name)
    there = scene.change(remap_path, old, "/elsewhere")
    assert any(item.place.startswith(image) for item in there.touched)
    assert count is None or len(there.touched) == count
    assert all(old not in path.read_text("latin-1") for path in there.after.images.glob(image))
    assert there.after.change(remap_path, "/elsewhere", old).after.bytes() == scene.bytes()


def test_targets_of_deleted_links_and_remembered_paths_move(scene: Scene) -> None:
    scene.write(
        "ghost-file-1.img",
        "GHOST_FILE",
        {"uid": 0, "gid": 0, "mode": 0o120777, "symlnk_target": "/srv/a/target", "payload": b""},
    )
    scene.write("irmap-cache", "IRMAP_CACHE", {"dev": 1, "inode": 2, "path": "/srv/a/w"})
    scene.write(
        "binfmt-misc.img",
        "BINFMT_MISC",
        {"name": "x", "interpreter": "/srv/a/run", "flags": "", "enabled": True},
    )
    outcome = scene.change(remap_path, "/srv/a", "/b")
    assert {item.what: item.after for item in outcome.touched} == {
        "target of a deleted symbolic link": "/b/target",
        "remembered path": "/b/w",
        "interpreter of a binary format": "/b/run",
    }


class TestSockets:
    """Names as bind() got them."""

    def test_paths_keep_the_zero_at_the_end(self, scene: Scene) -> None:
        scene.sockets({"name": b"/run/a/s\0"}, {"name": b"/run/ab\0"}, {"name": b""})
        outcome = scene.change(remap_path, "/run/a", "/tmp")
        assert [entry["usk"]["name"] for entry in outcome.after.entries("files.img")] == [
            "/tmp/s=00",
            "/run/ab=00",
            "",
        ]
        assert [(item.before, item.after) for item in outcome.touched] == [("/run/a/s", "/tmp/s")]

    def test_abstract_names_are_no_paths(self, scene: Scene) -> None:
        scene.sockets({"name": b"\0/run/a/s"})
        assert scene.change(remap_path, "/run/a", "/tmp").touched == []

    def test_abstract_names_move_where_asked(self, scene: Scene) -> None:
        scene.sockets({"name": b"\0/run/a/s\0"}, {"name": b"/run/a/s\0"}, {"name": b"\0/run/ab"})
        scene_files = scene.change(remap_path, "@/run/a", "@bus").after.entries("files.img")
        assert [entry["usk"]["name"] for entry in scene_files] == ["=00bus/s=00", "/run/a/s=00", "=00/run/ab"]

    @pytest.mark.parametrize(
        ("old", "new", "name", "folder"),
        [
            ("/srv", "/data", b"sub/s\0", "/data"),
            ("/srv/sub", "/data/sub", b"sub/s\0", "/data"),
            ("/srv/sub", "/sub", b"sub/s\0", "/"),
            ("/srv/sub", "/srv/other", b"other/s\0", "/srv"),
            ("/srv/sub", "/data", b"/data/s\0", None),
            ("/srv/sub/s", "/srv/t", b"t\0", "/srv"),
        ],
    )
    def test_relative_names_are_followed_through_their_folder(
        self, scene: Scene, old: str, new: str, name: bytes, folder: str | None
    ) -> None:
        scene.sockets({"name": b"sub/s\0", "name_dir": "/srv"})
        after = scene.change(remap_path, old, new).after
        with after.open() as checkpoint:
            ((_, message),) = checkpoint.files.messages.items()
            assert message.name == name
            assert (message.name_dir if message.HasField("name_dir") else None) == folder

    @pytest.mark.parametrize(("length", "fits"), [(107, True), (108, False)])
    def test_names_that_get_too_long_are_refused(self, scene: Scene, length: int, fits: bool) -> None:
        scene.sockets({"name": b"/a/s\0"})
        new = "/" + "b" * (length - 3)
        if fits:
            assert len(scene.change(remap_path, "/a", new).touched[0].after) == length
        else:
            with pytest.raises(DyncritError, match="108 bytes at most"):
                scene.change(remap_path, "/a", new)

    def test_deleted_ones_need_a_byte_more(self, scene: Scene) -> None:
        scene.sockets({"name": b"/a/s\0", "deleted": True})
        with pytest.raises(DyncritError, match="107 bytes at most"):
            scene.change(remap_path, "/a", "/" + "b" * 104)


def test_broken_references_stop_it(real: Callable[[str], Scene]) -> None:
    scene = real("demo/sockets")
    scene.write("fs-9860.img", "FS", {"cwd_id": 0xBAD, "root_id": 0xBAD})
    with pytest.raises(ImageError, match=r"nothing was changed.*cwd_id"):
        scene.change(remap_path, "/srv/demo", "/data")


def test_two_files_with_one_id_stop_it(scene: Scene) -> None:
    entry = {
        "id": 1,
        "flags": 0,
        "pos": 0,
        "fown": dict.fromkeys(("uid", "euid", "signum", "pid_type", "pid"), 0),
    }
    scene.write(
        "files.img",
        "FILES",
        *({"type": "REG", "id": 1, "reg": {**entry, "name": name}} for name in ("/a", "/b")),
    )
    with pytest.raises(ImageError, match="nothing was changed"):
        scene.change(remap_path, "/a", "/c")


def test_a_damaged_image_is_not_written_again(scene: Scene) -> None:
    scene.files("/srv/a")
    path = scene.images / "files.img"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ImageError, match=r"files\.img"):
        scene.change(remap_path, "/srv/a", "/b")
