"""Open files: of every type, in files.img or in the images of CRIU up to 3.3."""

from __future__ import annotations

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.files import FILE_KINDS, FileTable, read_descriptors
from dyncrit.schema import Schema
from dyncrit.schema.engine import is_required

FOWN = dict.fromkeys(("uid", "euid", "signum", "pid_type", "pid"), 0)


def regular(file_id, name="/a", **fields):
    return {"id": file_id, "flags": 0o2, "pos": 7, "fown": FOWN, "name": name, **fields}


def minimal(kind, file_id):
    """The least that an entry of a kind must have."""
    entry = Schema.default().message("file_entry").fields_by_name[kind.field].message_type

    def fill(descriptor):
        values = {}
        for field in descriptor.fields:
            if is_required(field):
                sample = {9: "", 12: b"", 8: False}.get(field.type, 0)
                if field.message_type is not None:
                    sample = fill(field.message_type)
                elif field.enum_type is not None:
                    sample = field.enum_type.values[0].number
                values[field.name] = sample
        return values

    return {**fill(entry), "id": file_id}


@pytest.fixture
def descriptors(build):
    """The descriptors of a process, after ``also`` has written files."""

    def make(also, *entries):
        base = {"flags": 0, "type": "REG", "fd": 3}
        dump = build().pstree((1, 0)).process(1)
        dump.write("fdinfo-1.img", "FDINFO", *({**base, **entry} for entry in entries))
        also(dump)
        return dump.open().processes[1].descriptors

    return make


# Descriptors


def test_descriptors_are_in_order_and_say_whether_exec_closes_them(descriptors):
    found = descriptors(
        lambda dump: dump.files({"type": "REG", "id": 5, "reg": regular(5)}),
        {"id": 5, "fd": 9, "flags": 1},
        {"id": 5, "fd": 0},
    )
    assert [(one.fd, one.close_on_exec, one.file.path) for one in found] == [
        (0, False, "/a"),
        (9, True, "/a"),
    ]
    assert (found[0].file.position, found[0].file.flags) == (7, 2)


def test_a_file_that_the_images_lack_is_shown_by_its_id(descriptors):
    (found,) = descriptors(lambda dump: None, {"id": 77})
    assert (found.file.message, found.file.path, found.file.position) == (None, None, None)
    assert "77" in found.file.name


def test_a_type_without_a_name_is_shown_by_its_number(build):
    dump = build().write("fdinfo-1.img", "FDINFO", {"id": 5, "flags": 0, "type": "REG", "fd": 3})
    data = (dump.folder / "fdinfo-1.img").read_bytes()
    images = dump.raw("fdinfo-1.img", data.replace(b"\x18\x01", b"\x18\x63")).images()
    found = read_descriptors(images, FileTable(images), "fdinfo-1.img")
    assert all(isinstance(one.file.type, str) for one in found)


def test_fdinfo_goes_by_the_id_of_the_file_table(build):
    dump = build().pstree((1, 0), (2, 1)).files({"type": "REG", "id": 5, "reg": regular(5)})
    for pid in (1, 2):
        dump.process(pid).ids(pid, files_id=9).remove(f"fdinfo-{pid}.img")
    dump.write("fdinfo-9.img", "FDINFO", {"id": 5, "flags": 0, "type": "REG", "fd": 3})
    with dump.open() as checkpoint:
        assert [process.descriptors_image for process in checkpoint.processes] == ["fdinfo-9.img"] * 2
        assert [len(process.descriptors) for process in checkpoint.processes] == [1, 1]
        assert not checkpoint.problems.errors


def test_fdinfo_goes_by_the_pid_where_the_inventory_says_so(build):
    dump = build().inventory(fdinfo_per_id=False).pstree((1, 0)).process(1).ids(1, files_id=9)
    dump.files({"type": "REG", "id": 5, "reg": regular(5)})
    dump.write("fdinfo-1.img", "FDINFO", {"id": 5, "flags": 0, "type": "REG", "fd": 3})
    process = dump.open().processes[1]
    assert (process.descriptors_image, len(process.descriptors)) == ("fdinfo-1.img", 1)


# Files of every type


@pytest.mark.parametrize("kind", FILE_KINDS, ids=lambda kind: kind.type)
def test_files_of_every_type_are_found_in_files_img(descriptors, kind):
    def also(dump):
        dump.files({"type": kind.type, "id": 5, kind.field: minimal(kind, 5)})

    (found,) = descriptors(also, {"id": 5, "type": kind.type})
    assert (found.file.type, found.file.id) == (kind.type, 5)
    assert found.file.message is not None


IMAGE_TYPES = {
    "REG": "REG_FILES",
    "PIPE": "PIPES",
    "FIFO": "FIFO",
    "INETSK": "INETSK",
    "UNIXSK": "UNIXSK",
    "PACKETSK": "PACKETSK",
    "NETLINKSK": "NETLINK_SK",
    "EVENTFD": "EVENTFD_FILE",
    "EVENTPOLL": "EVENTPOLL_FILE",
    "INOTIFY": "INOTIFY_FILE",
    "FANOTIFY": "FANOTIFY_FILE",
    "SIGNALFD": "SIGNALFD",
    "TIMERFD": "TIMERFD",
    "TTY": "TTY_FILES",
    "NS": "NS_FILES",
    "TUNF": "TUNFILE",
    "EXT": "EXT_FILES",
}


@pytest.mark.parametrize("name", IMAGE_TYPES)
def test_the_17_images_of_old_releases_give_the_same_view(descriptors, name):
    (kind,) = (kind for kind in FILE_KINDS if kind.type == name)
    entry = minimal(kind, 5)
    (old,) = descriptors(
        lambda dump: dump.write(kind.image, IMAGE_TYPES[name], entry), {"id": 5, "type": name}
    )
    (new,) = descriptors(
        lambda dump: dump.files({"type": name, "id": 5, kind.field: entry}), {"id": 5, "type": name}
    )
    assert old.file.message is not None
    assert (old.file.type, old.file.name, old.file.path) == (new.file.type, new.file.name, new.file.path)
    assert old.file.message == new.file.message


def test_a_fifo_has_the_path_of_its_regular_file(descriptors):
    def also(dump):
        fifo = {"id": 6, "pipe_id": 1, "regf_id": 5}
        dump.files(
            {"type": "REG", "id": 5, "reg": regular(5, "/run/fifo")}, {"type": "FIFO", "id": 6, "fifo": fifo}
        )

    (found,) = descriptors(also, {"id": 6, "type": "FIFO"})
    assert (found.file.path, found.file.name) == ("/run/fifo", "/run/fifo")


def test_a_memory_file_is_called_as_in_proc(descriptors):
    def also(dump):
        dump.files(
            {"type": "MEMFD", "id": 6, "memfd": {"id": 6, "flags": 2, "pos": 0, "fown": FOWN, "inode_id": 1}}
        )
        inode = {"name": "scratch", "uid": 0, "gid": 0, "size": 0, "shmid": 1, "seals": 0, "inode_id": 1}
        dump.write("memfd.img", "MEMFD_INODE", inode)

    (found,) = descriptors(also, {"id": 6, "type": "MEMFD"})
    assert found.file.name == "/memfd:scratch"


def test_a_path_that_is_not_utf_8_keeps_its_bytes(descriptors):
    def also(dump):
        dump.files({"type": "REG", "id": 5, "reg": regular(5, "/XX")})
        data = (dump.folder / "files.img").read_bytes()
        dump.raw("files.img", data.replace(b"/XX", b"/\xff\n"))

    (found,) = descriptors(also, {"id": 5})
    assert found.file.path.encode("utf-8", "surrogateescape") == b"/\xff\n"


def test_a_file_without_a_name_left_is_deleted_and_its_ghost_is_known(build):
    dump = build().files(
        {"type": "REG", "id": 5, "reg": regular(5)}, {"type": "REG", "id": 6, "reg": regular(6)}
    )
    dump.write("remap-fpath.img", "REMAP_FPATH", {"orig_id": 5, "remap_id": 3, "remap_type": "GHOST"})
    table = dump.open().files
    assert [table.get("REG", number).deleted for number in (5, 6)] == [True, False]
    assert table.ghosts == {5: 3}


def test_a_link_made_for_the_dump_is_no_ghost(build):
    dump = build().files({"type": "REG", "id": 5, "reg": regular(5)})
    dump.write("remap-fpath.img", "REMAP_FPATH", {"orig_id": 5, "remap_id": 9, "remap_type": "LINKED"})
    assert dump.open().files.ghosts == {}


def test_old_releases_mark_ghosts_by_a_bit_of_the_number(build):
    dump = build().files(
        {"type": "REG", "id": 5, "reg": regular(5)}, {"type": "REG", "id": 6, "reg": regular(6)}
    )
    dump.write(
        "remap-fpath.img",
        "REMAP_FPATH",
        {"orig_id": 5, "remap_id": 1 << 31 | 4},
        {"orig_id": 6, "remap_id": 9},
    )
    assert dump.open().files.ghosts == {5: 4}


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("demo/tree", {7: 1}),
        ("criu-1.1/host/memfd00", {4: 1}),
        ("criu-2.12/host/fanotify00", {}),
        ("criu-4.2/host/unlink_fstat03", {}),
        ("criu-4.2/namespaces/ghost_on_rofs", {12: 1, 13: 2}),
    ],
)
def test_ghosts_are_those_that_have_an_image(corpus, folder, expected):
    with open_checkpoint(corpus / folder) as checkpoint:
        assert dict(checkpoint.files.ghosts) == expected
        assert all(f"ghost-file-{number}.img" in checkpoint.images for number in expected.values())


def test_a_file_is_found_by_its_id_whatever_its_type(build):
    dump = build().files({"type": "REG", "id": 5, "reg": regular(5)})
    table = dump.open().files
    assert (table.find(5).path, table.find(6), len(table)) == ("/a", None, 1)
    assert [file.id for file in table] == [5]


# The corpus


def test_every_descriptor_of_every_real_dump_is_found(corpus):
    seen = {}
    for inventory in sorted(corpus.rglob("pstree.img")):
        with open_checkpoint(inventory.parent) as checkpoint:
            for process in checkpoint.processes:
                for descriptor in process.descriptors:
                    assert descriptor.file.message is not None, (inventory, descriptor)
                    assert descriptor.file.name
                    seen[descriptor.file.type] = seen.get(descriptor.file.type, 0) + 1
                if process.is_alive:
                    for file in (process.cwd, process.root, process.executable):
                        assert file is not None, (inventory, process)
                        assert file.path
            assert not [problem for problem in checkpoint.problems if "fdinfo" in problem.place]
    assert {"REG", "PIPE", "FIFO", "INETSK", "UNIXSK", "EVENTFD", "TTY", "SIGNALFD", "TIMERFD"} <= set(seen)


def test_the_files_of_the_demo_are_those_of_its_source(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        found = {one.fd: one.file for one in checkpoint.processes[9834].descriptors}
        assert (found[3].path, found[3].position, found[3].deleted) == ("/srv/demo/log.txt", 5, False)
        assert (found[4].path, found[4].position, found[4].deleted) == ("/srv/demo/deleted.txt", 11, True)
        assert found[5].name == found[6].name
        assert found[5].name.startswith("pipe:[")
        assert found[3].flags & 0o2002 == 0o2002  # O_RDWR | O_APPEND


def test_the_sockets_of_the_demo_are_descriptors(corpus):
    with open_checkpoint(corpus / "demo/sockets") as checkpoint:
        types = [one.file.type for one in next(iter(checkpoint.processes)).descriptors]
    assert {"INETSK", "UNIXSK", "EVENTPOLL", "EVENTFD", "SIGNALFD", "TIMERFD", "INOTIFY"} <= set(types)
