from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import dyncrit
from dyncrit.edit.general.assigning import Deletion, change_fields
from dyncrit.edit.general.path import Assignment, PathError, parse_assignment, parse_path
from dyncrit.errors import DocumentError, DyncritError, RawImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Edited

FOWN = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}


def change(edited: Edited, *assignments: str, delete: tuple[str, ...] = ()) -> int:
    changes = [*map(parse_assignment, assignments), *(Deletion(parse_path(text)) for text in delete)]
    return change_fields(edited.edit, edited.name, changes)


def own_values(document: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every field with the text that sets it to the value that it has."""
    for key, value in document.items():
        if key in ("@bytes", "@error"):
            continue
        below = f'{path}."{key}"'
        if isinstance(value, dict) and key != "extra":
            yield from own_values(value, below)
        elif isinstance(value, list) and value and isinstance(value[0], dict) and key[0] != "@":
            for index, item in enumerate(value[:4]):
                if isinstance(item, dict):
                    yield from own_values(item, f"{below}[{index}]")
        else:
            yield below, json.dumps(value)


def set_to_themselves(edited: Edited, *, pretty: bool) -> int:
    entries = edited.document(pretty=pretty)["entries"]
    assignments = [
        Assignment(parse_path(path), text)
        for index, entry in enumerate(entries[:4])
        for path, text in own_values(entry, f"entries[{index}]")
    ]
    return change_fields(edited.edit, edited.name, assignments)


@pytest.mark.parametrize("pretty", [True, False])
def test_a_field_set_to_its_own_value_leaves_the_image_as_it_is(
    corpus: Path, edited: Callable[..., Any], pretty: bool
) -> None:
    paths = [path for path in sorted((corpus / "demo").rglob("*")) if path.suffix != ".c"]
    for folder in ("criu-1.1", "criu-2.12", "criu-4.2"):
        paths += sorted((corpus / folder).rglob("*"))[:: 9 if pretty else 11]
    count = 0
    for path in paths:
        if path.is_symlink() or not path.is_file():
            continue
        try:
            dyncrit.load(path)
        except RawImageError:
            continue
        with edited(path) as image:
            count += set_to_themselves(image, pretty=pretty)
            assert image.edit.changes == [], path
    assert count > 5_000


def test_only_the_field_that_is_set_changes(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/files.img") as image:
        before = image.bytes
        assert change(image, "entries[5].reg.flags=O_RDWR | O_CLOEXEC") == 1
        assert image.entries[5]["reg"]["flags"] == "O_RDWR | O_CLOEXEC"
        change(image, "entries[5].reg.flags=O_RDWR | O_APPEND | O_LARGEFILE")
        assert image.bytes == before


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("[type==PIPE]", [7, 8, 10]),
        ("[?type=='PIPE']", [7, 8, 10]),
        ("[?pipe]", [7, 8, 10]),
        ("[pipe.flags==0x1]", [8, 10]),
        ("[pipe.flags==0x1 && id!=9]", [10]),
        ("[reg.name=='/dev/null' && id>4]", [4, 9]),
        ("[id<=2]", [0, 1]),
        ("[id>=`17`]", [16]),
        ("[reg.name>'/usr']", [1, 2]),
        ("[type!=REG && type!=PIPE]", []),
        ("[reg.flags==O_LARGEFILE | O_RDWR]", [6]),
        ("[reg.id!=5 && id<8]", [0, 1, 2, 3, 5, 6]),
        ("[*]", list(range(17))),
        ("[-17]", [0]),
    ],
)
def test_conditions_compare_in_the_terms_of_the_fields(
    data: Path, edited: Callable[..., Any], selector: str, found: list[int]
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        if not found:
            with pytest.raises(DocumentError, match=r"found nothing: none of 17 entries is \[type"):
                change(image, f"entries{selector}.id=999")
            return
        assert change(image, f"entries{selector}.id=999") == len(found)
        assert [index for index, entry in enumerate(image.entries) if entry["id"] == 999] == found


def test_values_are_read_in_the_terms_of_their_fields(
    data: Path, edited: Callable[..., Any], image: Callable[..., Path]
) -> None:
    with edited(data / "demo/sockets/files.img") as sockets:
        change(
            sockets,
            "entries[9].isk.src_addr=10.0.0.7",
            "entries[10].isk.src_addr=fe80::1",
            "entries[9].isk.state=CLOSE",
        )
        assert sockets.entries[9]["isk"]["src_addr"] == ["10.0.0.7"]
        assert sockets.entries[10]["isk"]["src_addr"] == ["fe80::1"]
        assert sockets.entries[9]["isk"]["state"] == "CLOSE"
        assert change(sockets, "entries[isk.src_addr==10.0.0.7].isk.src_addr[0]=10.0.0.8") == 1
        assert sockets.entries[9]["isk"]["src_addr"] == ["10.0.0.8"]
    with edited(data / "demo/tree/mm-9834.img") as mm:
        change(mm, "entries[0].mm_start_code=0x7f0000001000", "entries[0].vmas[0].prot=PROT_READ | 0x100")
        assert mm.document(pretty=False)["entries"][0]["mm_start_code"] == 0x7F0000001000
        assert mm.entries[0]["vmas"][0]["prot"] == "PROT_READ | 0x100"
    mounts = {"fstype": 5, "mnt_id": 1, "root_dev": 0, "parent_mnt_id": 0, "flags": 0}
    mounts |= {"root": "/", "mountpoint": "/", "source": "x", "options": ""}
    with edited(image("mountpoints-1.img", "MNTS", mounts)) as mount:
        change(mount, "entries[0].root_dev=8:1", "entries[0].with_plugin=true")
        assert mount.document(pretty=False)["entries"][0]["root_dev"] == 0x800001
        assert mount.entries[0]["with_plugin"] is True
        change(mount, 'entries[0].source="a\\"b"', "entries[0].mountpoint= /x ")
        assert (mount.entries[0]["source"], mount.entries[0]["mountpoint"]) == ('a"b', " /x ")


def test_names_that_are_not_utf8_survive(data: Path, edited: Callable[..., Any]) -> None:
    name = b"/srv/\xff\xfe".decode("utf-8", "surrogateescape")
    with edited(data / "demo/tree/files.img") as image:
        change(image, f"entries[0].reg.name={name}")
        assert b"/srv/\xff\xfe" in image.bytes
        assert change(image, f"entries[reg.name=={name}].reg.pos=7") == 1
        assert b"/srv/\xff\xfe" in image.bytes


def test_changes_are_made_in_order(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/files.img") as image:
        change(image, "entries[0].id=500", "entries[id==500].reg.name=/a", "entries[id==500].id=501")
        assert (image.entries[0]["id"], image.entries[0]["reg"]["name"]) == (501, "/a")


def test_a_payload_is_set_as_documents_show_it(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/pipes-data.img") as image:
        with pytest.raises(DocumentError, match=r"entries\[0\]: bytes says 11, the payload has 2 bytes"):
            change(image, "entries[0].extra=text:hi")
        change(image, "entries[0].extra=aGk=", "entries[0].bytes=2")
        assert image.entries[0]["extra"] == "aGk=\n"
        assert change(image, "entries[extra==text:hi].extra=text:ho") == 1
        with pytest.raises(DocumentError, match="expected base64, or text: and text"):
            change(image, "entries[0].extra=h")


def test_parts_and_messages_of_a_payload_have_paths(
    data: Path, edited: Callable[..., Any], image: Callable[..., Path]
) -> None:
    with edited(data / "demo/sockets/tcp-stream-5f32c7.img") as stream:
        size = stream.entries[0]["inq_len"]
        change(stream, f"entries[0].extra.inq=text:{'x' * size}")
        assert stream.bytes.count(b"x" * max(size, 1)) == (size > 0)
        with pytest.raises(DocumentError, match="no part 'ink'; there are inq, outq"):
            change(stream, "entries[0].extra.ink=")
    messages = {
        "desc": {"key": 1, "uid": 0, "gid": 0, "cuid": 0, "cgid": 0, "mode": 0, "id": 1},
        "qbytes": 9,
        "qnum": 2,
    }
    parts = [{"mtype": 1, "msize": 2}, "aGk=\n", {"mtype": 2, "msize": 2}, "aG8=\n"]
    with edited(image("ipcns-msg-1.img", "IPCNS_MSG", {**messages, "extra": parts})) as queue:
        change(queue, "entries[0].extra[mtype==2].mtype=7", "entries[0].extra[1]=text:ab")
        assert queue.entries[0]["extra"] == [
            {"mtype": 1, "msize": 2},
            "YWI=\n",
            {"mtype": 7, "msize": 2},
            "aG8=\n",
        ]
        change(queue, "entries[0].extra[*].mtype=3")
        assert [item["mtype"] for item in queue.entries[0]["extra"][::2]] == [3, 3]


def test_a_large_payload_is_left_in_the_file(tmp_path: Path, edited: Callable[..., Any]) -> None:
    ghost = {"uid": 0, "gid": 0, "mode": 0o100600}
    path = tmp_path / "ghost-file-1.img"
    image = dyncrit.Image.new("GHOST_FILE")
    image.add(bytes(3 << 20), **ghost)
    dyncrit.dump(image, path)
    with edited(path) as found:
        change(found, "entries[extra!=text:x].uid=5")
        assert len(found.bytes) > 3 << 20
        assert dyncrit.loads(found.bytes).entries[0].message.uid == 5


def test_messages_on_the_way_are_made_for_an_exact_path_only(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/core-9839.img") as image:
        assert "thread_core" not in image.entries[0]
        with pytest.raises(
            DocumentError, match=r"found nothing: entries\[\*\] is there, and has no thread_core"
        ):
            change(image, "entries[*].thread_core.futex_rla=1")
        with pytest.raises(
            DocumentError, match=r"lacks fields that the schema requires.*: thread_core.futex_rla_len"
        ):
            change(image, "entries[0].thread_core.futex_rla=1")
        change(image, "entries[0].thread_core.futex_rla=1", "entries[0].thread_core.futex_rla_len=2")
        assert image.entries[0]["thread_core"] == {"futex_rla": 1, "futex_rla_len": 2}


def test_fields_items_and_entries_can_be_deleted(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/files.img") as image:
        assert change(image, delete=("entries[type==PIPE]", "entries[0].reg.mode")) == 4
        assert len(image.entries) == 14
        assert "mode" not in image.entries[0]["reg"]
    with edited(data / "demo/tree/pstree.img") as tree:
        change(tree, delete=("entries[0].threads[@>9834]",))
        assert tree.entries[0]["threads"] == [9834]


def test_items_and_entries_can_be_appended(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/pstree.img") as tree:
        change(tree, "entries[0].threads+=77", "entries[0].threads[-1]=78")
        assert tree.entries[0]["threads"] == [9834, 9836, 9837, 78]
        with pytest.raises(DocumentError, match=r"pstree_entry\.pid is no list, so nothing can be appended"):
            change(tree, "entries[0].pid+=1")
    with edited(data / "demo/tree/files.img") as image:
        entry = {
            "type": "REG",
            "id": 99,
            "reg": {"id": 99, "flags": "O_RDWR", "pos": 0, "name": "/a", "fown": FOWN},
        }
        assert change(image, f"entries+={json.dumps(entry)}") == 1
        assert image.entries[17] == entry
        with pytest.raises(DocumentError, match=r"entries\[18\]: lacks fields .*: id"):
            change(image, 'entries+={"type": "REG"}')


def test_a_field_that_is_required_stays(data: Path, edited: Callable[..., Any]) -> None:
    with (
        edited(data / "demo/tree/files.img") as image,
        pytest.raises(
            DocumentError, match=r"entries\[0\]: lacks fields that the schema requires.*: reg.flags"
        ),
    ):
        change(image, delete=("entries[0].reg.flags",))


def test_an_entry_that_others_stand_behind_stays(data: Path, edited: Callable[..., Any]) -> None:
    with edited(data / "demo/tree/pagemap-9834.img") as image:
        with pytest.raises(DocumentError, match=r"entries\[0\]: is the pagemap_head that the others need"):
            change(image, delete=("entries[0]",))
        before = len(image.entries)
        change(image, "entries[*].vaddr=0x1000", "entries[0].pages_id=4", delete=("entries[1]",))
        assert len(image.entries) == before - 1
        assert {entry["vaddr"] for entry in image.entries[1:]} == {"0x1000"}
        with pytest.raises(DocumentError, match="pagemap_head has no field 'vaddr'"):
            change(image, "entries[0].vaddr=0")


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        (
            "entries[0].rag.name=x",
            "files.img: entries[0].rag: file_entry has no field 'rag'; did you mean reg?",
        ),
        ("entries[*].reg.nam=x", "entries[*].reg.nam: reg_file_entry has no field 'nam'; did you mean name?"),
        ("entries[rag==1].id=1", "entries[rag==1]: file_entry has no field 'rag'"),
        ("entries[type==RGE].id=1", "entries[type==RGE]: no value 'RGE'; did you mean REG?"),
        ("entries[0].id=-1", "entries[0].id: -1 is out of range: expected an integer from 0 to 4294967295"),
        ("entries[0].reg.flags=O_RDWRR", "entries[0].reg.flags: expected an integer from 0 to"),
        ("entries[0].reg=x", "expected reg_file_entry as an object in JSON, found 'x'"),
        ('entries[0].reg.fown={"uid": -1}', "entries[0].reg.fown: uid: -1 is out of range"),
        ("entries[0].id.x=1", "entries[0].id.x: file_entry.id has no fields, so none that is called 'x'"),
        ("entries[0].id[0]=1", "entries[0].id[0]: file_entry.id is no list, so [0] is not to be had"),
        ("entries[reg<5].id=1", "entries[reg<5]: expected reg_file_entry as an object in JSON, found '5'"),
        ("entries[17].id=1", "found nothing: none of 17 entries is [17]"),
        ("entries[-18].id=1", "found nothing: none of 17 entries is [-18]"),
        ("entries[type==PIPE].reg.name=x", "found nothing: entries[type==PIPE] is there, and has no reg"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    data: Path, edited: Callable[..., Any], assignment: str, problem: str
) -> None:
    with edited(data / "demo/tree/files.img") as image:
        with pytest.raises(DyncritError) as caught:
            change(image, assignment)
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("magic=X", "magic tells what kind of image it is, which can't be changed"),
        ("@framing=v1.0", "@framing tells what kind of image it is"),
        ("entries=5", "expected entries and which of them"),
        ("entries.reg=5", "expected entries and which of them"),
        ("reg.name=5", "expected entries and which of them"),
        ("entries[0]={}", "an entry can't be set as a whole"),
    ],
)
def test_a_path_must_lead_into_entries(
    data: Path, edited: Callable[..., Any], assignment: str, problem: str
) -> None:
    with edited(data / "demo/tree/files.img") as image, pytest.raises(PathError) as caught:
        change(image, assignment)
    assert problem in str(caught.value)


def test_a_missing_field_that_was_missing_before_is_no_error(
    tmp_path: Path, edited: Callable[..., Any]
) -> None:
    image = dyncrit.Image.new("PSTREE")
    image.add(pid=5)
    path = tmp_path / "pstree.img"
    dyncrit.dump(image, path)
    with edited(path) as found:
        assert change(found, "entries[0].pid=6") == 1


def test_unknown_fields_survive_and_can_be_changed(tmp_path: Path, edited: Callable[..., Any]) -> None:
    image = dyncrit.Image.new("PSTREE")
    image.add(pid=5, ppid=0, pgid=5, sid=5, threads=[5])
    path = tmp_path / "pstree.img"
    data = dyncrit.dumps(image)
    record = data[12:]
    path.write_bytes(data[:8] + (len(record) + 3).to_bytes(4, "little") + record + b"\xf8\x07\x09")
    with edited(path) as found:
        change(found, "entries[0].pid=6")
        assert found.bytes.endswith(b"\xf8\x07\x09")
        change(found, "entries[0].@unknown[0].varint=10")
        assert found.bytes.endswith(b"\xf8\x07\x0a")
        change(found, delete=("entries[0].@unknown",))
        assert b"\xf8\x07" not in found.bytes
