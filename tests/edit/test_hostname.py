"""Another host name for a UTS namespace, in the images and in the files of container engines."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dump, dumps, load, loads
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.hostname import set_hostname, uts_namespace
from dyncrit.edit.touched import Touched
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from pathlib import Path

OWN = "criu-4.2/programs/uns-ipc"
IMAGE = "utsns-12.img"


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """Process 1, in UTS namespace 12, which is called zhost."""
    return shutil.copytree(data / OWN, tmp_path / "copy", symlinks=True)


@pytest.fixture
def two(folder: Path) -> Path:
    """The same with process 2 in UTS namespace 99, which is called inner."""
    tree = load(folder / "pstree.img")
    tree.add(pid=2, ppid=1, pgid=1, sid=1, threads=[2])
    dump(tree, folder / "pstree.img")
    for stem in ("core", "ids", "fs", "mm", "fdinfo"):
        if (folder / f"{stem}-1.img").exists():
            shutil.copy(folder / f"{stem}-1.img", folder / f"{stem}-2.img")
    ids = load(folder / "ids-2.img")
    ids.entries[0].message.uts_ns_id = 99
    dump(ids, folder / "ids-2.img")
    inner = Image.new("UTSNS")
    inner.add(nodename="inner", domainname="(none)")
    dump(inner, folder / "utsns-99.img")
    return folder


@pytest.fixture
def container(data: Path, tmp_path: Path) -> Path:
    """Podman's archive, unpacked."""
    folder = tmp_path / "container"
    shutil.unpack_archive(data / "archives/podman-4.3-app.tar.gz", folder, filter="data")
    return folder


def test_a_namespace_gets_another_name(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert set_hostname(edit, "web-2") == [Touched(IMAGE, "host name", "zhost", "web-2")]
        (space,) = (item for item in edit.preview().namespaces if item.kind == "uts" and not item.host)
        assert space.details == ("web-2", "(none)")
        assert [change.name for change in edit.changes] == [IMAGE]


def test_the_domain_name_is_set_only_where_one_is_given(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert set_hostname(edit, "web-2", domain="example.org") == [
            Touched(IMAGE, "host name", "zhost", "web-2"),
            Touched(IMAGE, "domain name", "(none)", "example.org"),
        ]
        set_hostname(edit, "web-3")
        message = loads(bytes(edit.images.view(IMAGE))).entries[0].message
        assert (message.nodename, message.domainname) == ("web-3", "example.org")


def test_set_back_it_has_the_old_bytes(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert set_hostname(edit, "a-much-longer-name", domain="example.org")
        assert set_hostname(edit, "zhost", domain="(none)")
        assert edit.changes == []


def test_nothing_is_touched_where_it_is_called_so_already(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert set_hostname(edit, "zhost") == []
        assert edit.changes == []


def test_a_name_that_isnt_utf_8_comes_through_as_its_bytes(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        set_hostname(edit, "caf\udce9")
        data = bytes(edit.images.view(IMAGE))
        assert b"\x0a\x04caf\xe9" in data
        image = loads(data)
        assert dumps(Image.from_dict(image.to_dict(pretty=True))) == data
        set_hostname(edit, "zhost")
        assert edit.changes == []


@pytest.mark.parametrize("name", ["a" * 64, "é" * 32, "with space", "x"])
def test_every_name_that_the_kernel_takes_can_be_set(folder: Path, name: str) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert set_hostname(edit, name, domain=name)[0].after == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a" * 65, "at most 64 bytes, found one of 65"),
        ("é" * 33, "at most 64 bytes, found one of 66"),
        ("a\0b", "zero byte"),
        ("a\nb", "end of a line"),
        ("", "an empty one"),
        ("\ud812", "characters that are none"),
    ],
)
def test_names_that_would_not_come_through_a_restore_are_refused(
    folder: Path, name: str, problem: str
) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with pytest.raises(DyncritError, match=problem):
            set_hostname(edit, name)
        assert edit.changes == []


def test_a_domain_name_is_checked_as_a_host_name_is_but_may_be_empty(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with pytest.raises(DyncritError, match="domain name of at most 64 bytes"):
            set_hostname(edit, "web", domain="d" * 65)
        assert edit.changes == []
        assert set_hostname(edit, "web", domain="")[1] == Touched(IMAGE, "domain name", "(none)", "")


def test_without_a_namespace_of_its_own_it_is_an_error_that_tells_why(data: Path) -> None:
    with (
        open_checkpoint(data / "demo/tree") as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
        pytest.raises(ImageError, match="no UTS namespace of its own: its processes have the name of"),
    ):
        set_hostname(edit, "web")


def test_a_pre_dump_tells_of_no_namespace(folder: Path) -> None:
    for path in (folder / "pstree.img", *folder.glob("ids-*.img"), *folder.glob("core-*.img")):
        path.unlink()
    inventory = load(folder / "inventory.img")
    inventory.entries[0].message.ClearField("root_ids")
    dump(inventory, folder / "inventory.img")
    with (
        open_checkpoint(folder) as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
        pytest.raises(ImageError, match="tell of no UTS namespace"),
    ):
        set_hostname(edit, "web")


def test_of_several_namespaces_one_has_to_be_chosen(two: Path) -> None:
    with open_checkpoint(two) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        with pytest.raises(ImageError, match=r"2 UTS namespaces; choose one: 12 \(of process 1\), 99 "):
            set_hostname(edit, "web")
        assert set_hostname(edit, "web", namespace=99) == [
            Touched("utsns-99.img", "host name", "inner", "web")
        ]
        assert set_hostname(edit, "web", namespace=12) == [Touched(IMAGE, "host name", "zhost", "web")]


def test_a_namespace_that_is_not_there_or_the_hosts_is_an_error(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        (host,) = (space.id for space in checkpoint.namespaces if space.kind == "uts" and space.host)
        for identity, problem in ((host, f"{host} is the host's"), (4711, "no UTS namespace 4711")):
            with pytest.raises(ImageError, match=rf"{problem}; expected one of its own: 12 "):
                set_hostname(edit, "web", namespace=identity)


def test_the_namespace_of_a_process_can_be_asked_for(two: Path) -> None:
    with open_checkpoint(two) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert [uts_namespace(edit, pid) for pid in (1, 2)] == [12, 99]
        with pytest.raises(DyncritError, match="no process 3"):
            uts_namespace(edit, 3)


@pytest.mark.parametrize("has_ids", [True, False])
def test_the_image_has_the_pid_in_its_name_up_to_criu_0_7(folder: Path, has_ids: bool) -> None:
    inventory = load(folder / "inventory.img")
    inventory.entries[0].message.ns_per_id = False
    inventory.entries[0].message.ClearField("root_ids")
    dump(inventory, folder / "inventory.img")
    (folder / IMAGE).rename(folder / "utsns-1.img")
    if not has_ids:
        (folder / "ids-1.img").unlink()
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert set_hostname(edit, "web") == [Touched("utsns-1.img", "host name", "zhost", "web")]
        assert set_hostname(edit, "web-2", namespace=12 if has_ids else 1)


def test_a_missing_image_is_an_error(folder: Path) -> None:
    (folder / IMAGE).unlink()
    with (
        open_checkpoint(folder) as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
        pytest.raises(ImageError, match="namespace-images"),
    ):
        set_hostname(edit, "web")


def test_check_finds_nothing_new(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        known = {str(finding) for finding in check(checkpoint, pages=False).findings}
        assert set_hostname(edit, "web", domain="example.org")
        assert {str(finding) for finding in check(edit.preview(), pages=False).findings} <= known


def test_what_podman_says_of_the_name_changes_and_all_else_of_its_files_stays(container: Path) -> None:
    before = (container / "spec.dump").read_bytes()
    old = json.loads(before)["hostname"]
    with open_checkpoint(container) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert Touched("spec.dump", "hostname", old, "web-2") in set_hostname(edit, "web-2")
        after = bytes(edit.outer.view("spec.dump"))
        assert after == before.replace(f'"hostname": "{old}"'.encode(), b'"hostname": "web-2"')
        assert edit.preview().container.hostname == "web-2"
        set_hostname(edit, old)
        assert edit.changes == []


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("spec.dump", '{"hostname":"a","x":{"hostname":"b"}}', '{"hostname":"web","x":{"hostname":"b"}}'),
        ("spec.dump", ' {"x" : [1,{}] ,\n"hostname"\t: "a" } ', ' {"x" : [1,{}] ,\n"hostname"\t: "web" } '),
        ("spec.dump", '{"hostname":"a","hostname":"b"}', '{"hostname":"a","hostname":"web"}'),
        ("spec.dump", r'{"host\u006eame":"a\u0041"}', r'{"host\u006eame":"web"}'),
        (
            "config.dump",
            '{"hostname":"a","spec":{"hostname":"b"}}',
            '{"hostname":"a","spec":{"hostname":"web"}}',
        ),
        ("spec.dump", '\ufeff{"hostname":"a"}', '\ufeff{"hostname":"web"}'),
    ],
)
def test_the_name_is_found_however_the_json_is_written(
    container: Path, file: str, text: str, expected: str
) -> None:
    (container / file).write_text(text)
    with open_checkpoint(container) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert file in {item.place for item in set_hostname(edit, "web")}
        assert bytes(edit.outer.view(file)).decode() == expected


@pytest.mark.parametrize(
    "text", ["{}", "[]", "null", '{"hostname":7}', '{"hostname":null}', '"hostname"', '{"spec":"hostname"}']
)
def test_files_that_say_nothing_of_the_name_are_left_alone(container: Path, text: str) -> None:
    for file in ("spec.dump", "config.dump"):
        (container / file).write_text(text)
    with open_checkpoint(container) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert [item.place for item in set_hostname(edit, "web")] == [IMAGE]
        assert [change.name for change in edit.changes] == [IMAGE]


@pytest.mark.parametrize("text", ['{"hostname":', "{" * 200_000])
def test_files_that_cant_be_read_are_an_error_that_names_them(container: Path, text: str) -> None:
    (container / "spec.dump").write_text(text)
    with (
        open_checkpoint(container) as checkpoint,
        checkpoint.edit(dry_run=True) as edit,
        pytest.raises(ImageError, match=r"spec\.dump"),
    ):
        set_hostname(edit, "web")


def test_a_name_stands_in_json_as_json_has_it(container: Path) -> None:
    with open_checkpoint(container) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        set_hostname(edit, 'quoted "é"')
        assert json.loads(bytes(edit.outer.view("spec.dump")))["hostname"] == 'quoted "é"'


def test_the_engine_is_not_told_of_a_namespace_that_the_first_process_is_not_in(
    two: Path, container: Path, tmp_path: Path
) -> None:
    shutil.rmtree(container / "checkpoint")
    shutil.copytree(two, container / "checkpoint")
    before = (container / "spec.dump").read_bytes()
    with open_checkpoint(container) as checkpoint, checkpoint.edit(dry_run=True) as edit:
        assert [item.place for item in set_hostname(edit, "web", namespace=99)] == ["utsns-99.img"]
        assert bytes(edit.outer.view("spec.dump")) == before
        assert "spec.dump" in {item.place for item in set_hostname(edit, "web", namespace=12)}
