"""Checkpoints: nothing of what was said is left, and everything else is as it was."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest

from dyncrit import Image, dump, dumps, load
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.anonymity.anonymizing import anonymize
from dyncrit.edit.anonymity.copying import anonymized_copy
from dyncrit.edit.anonymity.treatments import Pseudonyms
from dyncrit.edit.differences import differences
from dyncrit.errors import DyncritError, ImageError

DEMO_SECRETS = [
    b"correct-horse",
    b"battery-staple",
    b"DEMO_SECRET",
    b"demo.conf",
    b"an argument with spaces",
    b"/srv/demo",
    b"worker-a",
    b"worker-b",
    b"grandchild",
    b"abstract-name",
    b"dgram.sock",
    b"mapped.bin",
    b"scratch",
]
SAMPLE = (
    "demo/tree",
    "demo/memory/1",
    "demo/memory/2",
    "demo/sockets",
    "criu-4.2/programs/binfmt",
    "criu-4.2/programs/pytree",
    "criu-4.2/programs/uns-ipc",
    "criu-4.2/host/env00",
    "criu-2.12/namespaces/sockets00",
    "criu-2.12/programs/seccomp",
    "criu-1.1/host/memfd00",
)
RULES_OF_NAMES = {"texts-utf8"}
WORDS_OF_OTHERS = (b"binfmt",)  # parts of words that are known


def findings(folder: Path) -> list[tuple[str, str, str]]:
    with open_checkpoint(folder) as checkpoint:
        found = check(checkpoint, deep=True).findings
    return sorted(
        (item.rule.id, item.file, item.place) for item in found if item.rule.id not in RULES_OF_NAMES
    )


def image_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name != "parent")


def view(folder: Path) -> object:
    """What the views of a checkpoint show that has no names in it."""
    with open_checkpoint(folder) as checkpoint:
        if not checkpoint.is_full:
            return None
        processes = [
            (
                item.pid,
                item.parent.pid if item.parent else 0,
                item.thread_ids,
                [(one.fd, one.file.type, one.file.id) for one in item.descriptors],
            )
            for item in checkpoint.processes
        ]
        sockets = [
            (item.kind, item.id, item.state, item.source and item.source.port, len(item.name), item.received)
            for item in checkpoint.sockets
        ]
        mounts = {key: len(list(space.mounts)) for key, space in checkpoint.mounts.items()}
    return processes, sockets, mounts


def assert_anonymous(made, secrets, skeleton):
    content = made.content
    said = {secret for secret in secrets(made.before) if secret not in WORDS_OF_OTHERS}
    assert said
    assert [secret for secret in said if secret in content] == []
    for path in image_files(made.before):
        after = made.after / path.name
        assert after.exists(), path.name
        if not path.name.startswith("tmpfs"):
            assert skeleton(path) == skeleton(after), path.name
            if skeleton(path):
                assert dumps(load(after)) == after.read_bytes(), path.name
    assert findings(made.before) == findings(made.after)
    assert view(made.before) == view(made.after)


@pytest.mark.parametrize("name", SAMPLE)
def test_nothing_that_was_said_is_left_and_the_structure_is_the_same(
    corpus, anonymized, secrets, skeleton, name
):
    assert_anonymous(anonymized(corpus / name), secrets, skeleton)


@pytest.mark.parametrize("name", ["demo/tree", "demo/memory/1", "demo/memory/2", "demo/sockets"])
def test_no_secret_of_the_demo_is_left_in_memory_or_elsewhere(corpus, anonymized, name):
    made = anonymized(corpus / name)
    assert any(secret in path.read_bytes() for path in image_files(corpus / name) for secret in DEMO_SECRETS)
    content = made.content
    assert [secret for secret in DEMO_SECRETS if secret in content] == []


def test_memory_keeps_its_size_and_its_pages_of_zeros(corpus, anonymized):
    made = anonymized(corpus / "demo/memory/1")
    for path in corpus.glob("demo/memory/1/pages-*.img"):
        before, after = path.read_bytes(), (made.after / path.name).read_bytes()
        assert len(before) == len(after)
        for start in range(0, len(before), 4096):
            page = before[start : start + 4096]
            assert after[start : start + 4096] == (page if not any(page) else b"x" * len(page))


def test_one_key_gives_the_same_bytes_and_another_other_names(corpus, anonymized):
    made = [
        anonymized(corpus / "demo/sockets", name, key)
        for name, key in (("a", b"k"), ("b", b"k"), ("c", b"l"))
    ]
    same, also, other = ({path.name: path.read_bytes() for path in image_files(one.after)} for one in made)
    assert same == also
    assert same["files.img"] != other["files.img"]
    assert same["mm-9860.img"] == other["mm-9860.img"]


def test_the_names_of_one_file_agree_across_images(corpus, anonymized):
    made = anonymized(corpus / "demo/tree")
    with open_checkpoint(made.after) as checkpoint:
        process = next(iter(checkpoint.processes))
        executable = next(
            message.name
            for message in checkpoint.files.messages.values()
            if getattr(message, "name", "")
            and message.id == checkpoint.images.first(f"mm-{process.pid}.img").exe_file_id
        )
        assert executable.rpartition("/")[2] == process.comm


def test_what_is_told_has_no_value_in_it(corpus, anonymized, secrets):
    made = anonymized(corpus / "demo/sockets")
    told = "\n".join(map(str, made.touched)).encode()
    assert [secret for secret in (*DEMO_SECRETS, b"9.8") if secret in told] == []
    assert b"files.img" in told
    assert b"bytes of memory" in told


def test_a_chain_is_one_copy_with_its_parents(corpus, anonymized, tmp_path):
    made = anonymized(corpus / "demo/memory/2")
    assert (made.after / "parent").is_dir()
    assert not (made.after / "parent").is_symlink()
    moved = shutil.move(made.after, tmp_path / "elsewhere")
    with open_checkpoint(moved) as checkpoint:
        assert checkpoint.parent is not None
        assert check(checkpoint, deep=True).findings == ()
    assert any(item.place.startswith("parent/") for item in made.touched)


def test_parents_and_children_have_the_same_names(corpus, anonymized):
    made = anonymized(corpus / "demo/memory/2")
    one, two = (
        {
            entry.message.reg.name
            for entry in load(folder / "files.img").entries
            if entry.message.HasField("reg")
        }
        for folder in (made.after, made.after / "parent")
    )
    assert one == two


@pytest.fixture
def copied(data, tmp_path):
    """A copy of a checkpoint to put things into."""
    return Path(shutil.copytree(data / "demo/sockets", tmp_path / "copied", symlinks=True))


def test_a_missing_parent_is_told_and_its_place_is_not(copied, anonymized):
    (copied / "parent").symlink_to("../of-acme/secretdump")
    made = anonymized(copied)
    assert (made.after / "parent").is_symlink()
    assert "secret" not in os.fspath((made.after / "parent").readlink())
    with open_checkpoint(made.after) as checkpoint:
        assert checkpoint.parent is None


def test_files_that_nobody_knows_are_left_out_and_folders_too(copied, anonymized):
    for name in ("dump.log", "notes.txt", "secret.img", "stats-secret", "descriptors.json", "criu.kdat"):
        (copied / name).write_text("secret")
    (copied / "folder").mkdir()
    (copied / "folder" / "core-1.img").write_text("secret")
    (copied / "inner-link").symlink_to("core-9860.img")
    (copied / "outer-link").symlink_to("/etc/passwd")
    made = anonymized(copied)
    names = {path.name for path in made.after.iterdir()}
    assert names == {path.name for path in image_files(copied)} - {
        "dump.log",
        "notes.txt",
        "secret.img",
        "stats-secret",
        "descriptors.json",
        "criu.kdat",
        "inner-link",
        "outer-link",
    }
    assert b"secret" not in made.content
    removed = {item.place: item.before for item in made.touched if item.what == "file"}
    assert removed["notes.txt"] == "6 bytes"


def test_what_ip_and_iptables_wrote_is_emptied(copied, anonymized):
    written = {
        "ifaddr-1.img": b"\x47\x36\x12\x22" + b"secret",
        "route-1.img": b"\x45\x31\x12\x24" + b"secret",
        "rule-1.img": b"\x71\x70\x69\x86" + b"secret",
        "iptables-1.img": b"# Generated by iptables-save: secret",
        "nftables-1.img": b"table ip secret {}",
        "netns-ct-1.img": b"\x20\0\0\0secret",
    }
    for name, content in written.items():
        (copied / name).write_bytes(content)
    made = anonymized(copied)
    for name, content in written.items():
        kept = content[:4] if name.startswith(("if", "ro", "ru")) else b""
        assert (made.after / name).read_bytes() == kept, name


def test_graphics_memory_keeps_the_size_in_front(copied, anonymized):
    (copied / "amdgpu-pages-1-1a2b.img").write_bytes((6).to_bytes(8, "little") + b"secret")
    made = anonymized(copied)
    assert (made.after / "amdgpu-pages-1-1a2b.img").read_bytes() == (6).to_bytes(8, "little") + b"xxxxxx"


def test_pages_of_the_first_releases_keep_their_addresses(copied, anonymized):
    address = (0x400000).to_bytes(8, "little")
    content = b"\x25\x40\x08\x56" + address + b"s" * 4096
    (copied / "pages-77.img").write_bytes(content)
    made = anonymized(copied)
    assert (made.after / "pages-77.img").read_bytes() == content.replace(b"s", b"x")


@pytest.mark.parametrize(
    ("name", "type_name", "fields", "payload", "expected"),
    [
        ("pipes-data.img", "PIPES_DATA", {"pipe_id": 1, "bytes": 6}, b"secret", b"xxxxxx"),
        ("sk-queues.img", "SK_QUEUES", {"id_for": 1, "length": 6}, b"secret", b"xxxxxx"),
        ("ipcns-shm-1.img", "IPCNS_SHM", {"desc": {}, "size": 6}, b"secret", b"xxxxxx"),
        ("ipcns-sem-1.img", "IPCNS_SEM", {"desc": {}, "nsems": 2}, [7, 8], [7, 8]),
        (
            "bpfmap-data.img",
            "BPFMAP_DATA",
            {"map_id": 1, "keys_bytes": 2, "values_bytes": 4, "count": 1},
            b"secret",
            b"xxxxxx",
        ),
        (
            "tcp-stream-1.img",
            "TCP_STREAM",
            {"inq_len": 6, "inq_seq": 9, "outq_len": 2, "outq_seq": 8},
            {"inq": b"secret", "outq": b"ab"},
            {"inq": b"xxxxxx", "outq": b"xx"},
        ),
    ],
)
def test_payloads_of_every_kind_are_filled(copied, anonymized, name, type_name, fields, payload, expected):
    image = Image.new(type_name)
    image.add(**fields).payload = payload
    dump(image, copied / name)
    made = anonymized(copied)
    assert load(made.after / name).entries[0].payload == expected
    assert b"secret" not in made.content


def test_large_payloads_are_filled_in_pieces(copied, anonymized):
    image = Image.new("GHOST_FILE")
    image.add(uid=0, gid=0, mode=0o100644).payload = b"secret" * 500_000
    dump(image, copied / "ghost-file-1.img")
    made = anonymized(copied)
    after = (made.after / "ghost-file-1.img").read_bytes()
    assert len(after) == (copied / "ghost-file-1.img").stat().st_size
    assert after.endswith(b"x" * 3_000_000)


def test_messages_of_queues_are_filled_and_padding_is_zeros(corpus, anonymized):
    folder = corpus / "criu-4.2/programs/uns-ipc"
    made = anonymized(folder)
    queues = sorted(made.after.glob("ipcns-msg-*.img"))
    assert queues
    for path in queues:
        for entry in load(path).entries:
            for item in entry.payload:
                assert set(bytes(item.data)) <= {ord("x")}
                assert item.padding == b""


def test_damaged_images_are_errors_unless_they_are_to_be_left_out(copied, tmp_path):
    (copied / "fs-9860.img").write_bytes((copied / "fs-9860.img").read_bytes()[:-1])
    with open_checkpoint(copied) as checkpoint:
        with pytest.raises(ImageError, match=r"fs-9860\.img.*damaged"):
            anonymized_copy(checkpoint, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        touched = anonymized_copy(checkpoint, tmp_path / "out", remove_damaged=True)
    assert not (tmp_path / "out" / "fs-9860.img").exists()
    assert [item.place for item in touched if item.what == "damaged image"] == ["fs-9860.img"]


def test_an_image_under_a_wrong_name_is_damaged(copied, tmp_path):
    shutil.copy(copied / "pstree.img", copied / "utsns-1.img")
    with (
        open_checkpoint(copied) as checkpoint,
        pytest.raises(ImageError, match=r"utsns-1\.img.*expected an image of type UTSNS"),
    ):
        anonymized_copy(checkpoint, tmp_path / "out")


def test_an_edit_sees_and_tells_what_would_be(copied):
    before = {path.name: path.read_bytes() for path in image_files(copied)}
    with open_checkpoint(copied) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        touched = anonymize(edit, Pseudonyms(b"key"))
        with_values = list(differences(edit))
        assert check(edit.preview(), pages=False).findings == ()
    assert {path.name: path.read_bytes() for path in image_files(copied)} == before
    assert {item.place for item in touched} == {item.file for item in with_values}
    assert any(item.before == "sockets" for item in with_values)


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_an_edit_in_place_can_not_reach_is_an_error(copied, kind):
    if kind == "folder":
        (copied / "kept").mkdir()
    else:
        (copied / "kept").symlink_to("/etc/passwd")
    with open_checkpoint(copied) as checkpoint, pytest.raises(DyncritError, match="kept"):  # noqa: SIM117
        with checkpoint.edit() as edit:
            anonymize(edit)


def test_an_archive_is_not_scrubbed_in_place(copied, tmp_path):
    with tarfile.open(tmp_path / "dump.tar", "w") as archive:
        archive.add(copied, ".")
    with open_checkpoint(tmp_path / "dump.tar") as checkpoint, pytest.raises(DyncritError, match="archive"):  # noqa: SIM117
        with checkpoint.edit() as edit:
            anonymize(edit)


@pytest.mark.parametrize("name", ["copy.tar", "copy.tar.gz", "copy.tgz", "copy.tar.zst"])
def test_a_copy_may_be_an_archive(copied, tmp_path, name):
    output = tmp_path / name
    with open_checkpoint(copied) as checkpoint:
        anonymized_copy(checkpoint, output, Pseudonyms(b"key"))
        anonymized_copy(checkpoint, tmp_path / "folder", Pseudonyms(b"key"))
    with open_checkpoint(output) as packed, open_checkpoint(tmp_path / "folder") as plain:
        trees = packed.location.images, plain.location.images
        assert trees[0].names() == trees[1].names()
        assert all(bytes(trees[0].view(name)) == bytes(trees[1].view(name)) for name in trees[0].names())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "copied", "folder"])


def test_an_archive_tells_nothing_of_who_packed_it(copied, tmp_path):
    with open_checkpoint(copied) as checkpoint:
        for name in ("one.tar.gz", "two.tar.gz"):
            anonymized_copy(checkpoint, tmp_path / name, Pseudonyms(b"key"))
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        assert {(item.uid, item.uname, item.mtime) for item in archive} == {(0, "", 0)}


def test_an_output_that_is_there_is_left_alone(copied, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "there.tar").write_text("mine")
    with open_checkpoint(copied) as checkpoint:
        for name in ("full", "there.tar"):
            with pytest.raises(DyncritError):
                anonymized_copy(checkpoint, tmp_path / name)
    assert (tmp_path / "full" / "file").read_text() == (tmp_path / "there.tar").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["podman-5.8-tree.tar.gz", "containerd-2.1-loop.tar", "podman-5.8-image.oci-archive.tar"]
)
def test_of_what_engines_wrote_only_images_and_statistics_are_left(corpus, tmp_path, name):
    with open_checkpoint(corpus / "archives" / name) as checkpoint:
        before = checkpoint.images.tree.names()
        anonymized_copy(checkpoint, tmp_path / "out", Pseudonyms(b"key"))
        made_up = [checkpoint.container.id, checkpoint.container.name, "mysecret", "heap-secret"]
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"checkpoint", "stats-dump"}
    assert {path.name for path in (tmp_path / "out" / "checkpoint").iterdir()} == {*before} - {
        "descriptors.json"
    }
    content = b"\0".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert [secret for secret in made_up if len(secret) > 4 and secret.encode() in content] == []
    with open_checkpoint(tmp_path / "out") as checkpoint:
        assert check(checkpoint, deep=True).findings == ()
