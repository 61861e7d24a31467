"""Which releases one image can be from."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

import dyncrit
from dyncrit import Image, ImageError
from dyncrit.checkpoint import image_release
from dyncrit.checkpoint.image_release import release_of_image
from dyncrit.checkpoint.release import ReleaseRange
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOWN = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}


def release(image: Image | bytes, name: str = "image", schema: Schema | None = None) -> ReleaseRange:
    data = image if isinstance(image, bytes) else dyncrit.dumps(image)
    found = release_of_image(io.BytesIO(data), name, schema or Schema.default())
    assert found is not None
    return found


def of_file(path: Path) -> ReleaseRange | None:
    with path.open("rb") as file:
        return release_of_image(file, str(path), Schema.default())


def image_of(type_name: str, *entries: Mapping[str, object], **options: object) -> Image:
    image = Image.new(type_name, **options)
    for entry in entries:
        image.add(**entry)
    return image


@pytest.mark.parametrize("version", ["1.1", "2.12", "4.2"])
def test_every_image_can_be_from_the_release_that_wrote_it(corpus: Path, version: str) -> None:
    count = narrowed = 0
    for path in sorted((corpus / f"criu-{version}").rglob("*")):
        if path.is_file() and not path.is_symlink() and (found := of_file(path)) is not None:
            assert version in found, (path, found)
            count += 1
            narrowed += found.at_least is not None or found.at_most is not None
    assert count > 100
    assert narrowed == count


@pytest.mark.parametrize(
    ("name", "at_least", "at_most"),
    [
        ("demo/tree/pagemap-9834.img", "4.2", None),
        ("demo/tree/inventory.img", "4.1", None),
        ("demo/tree/pstree.img", "1.6", None),
        ("criu-1.1/programs/ns-ipc/ipcns-msg-8.img", None, "1.5.2"),
        ("criu-1.1/host/maps02/vmas-66.img", "0.3", "1.1"),
    ],
)
def test_real_images_are_bounded(corpus: Path, name: str, at_least: str | None, at_most: str | None) -> None:
    found = of_file(corpus / name)
    assert found is not None
    assert (found.at_least, found.at_most) == (at_least, at_most)


def test_the_framing_bounds_an_image() -> None:
    entry = {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1]}
    old = release(image_of("PSTREE", entry, framing="v1.0"))
    assert old == ReleaseRange(None, "1.5.2", ("its magic stands alone (framing v1.0): 1.5.2 or earlier",))
    assert release(image_of("PSTREE", entry)) == ReleaseRange(
        "1.6", None, ("another magic stands before its own (common): 1.6 or later",)
    )


def test_a_field_of_any_entry_bounds_an_image() -> None:
    plain = {"id": 1, "flags": 0, "pos": 0, "name": "/x", "fown": FOWN}
    entries = [plain] * 5000
    assert release(image_of("REG_FILES", *entries)).at_least == "1.6"
    entries[4321] = {**plain, "build_id": [1]}
    found = release(image_of("REG_FILES", *entries))
    assert found.evidence == (
        "reg_file_entry: build_id is there: 3.15 or later",
        "images like reg-files.img: 3.3 or earlier",
        "these contradict each other",
    )
    assert (found.at_least, found.at_most) == (None, None)


def test_a_field_of_one_of_many_messages_within_an_entry_counts() -> None:
    sigaction = {"sigaction": 0, "flags": 0, "restorer": 0, "mask": 0}
    actions = [{**sigaction, "mask_extended": 1} if index == 30 else sigaction for index in range(64)]
    tc = {"task_state": 1, "exit_code": 0, "personality": 0, "flags": 0, "blk_sigset": 0, "comm": "x"}
    found = release(image_of("CORE", {"mtype": "X86_64", "tc": {**tc, "sigactions": actions}}))
    assert found.evidence == ("sa_entry: mask_extended is there: 3.15 or later",)


def test_every_value_of_an_enum_counts_not_just_the_last() -> None:
    entries = [{"id": 1, "flags": 0, "type": kind, "fd": 0} for kind in ("REG", "MEMFD", "PIPE")]
    found = release(image_of("FDINFO", *entries))
    assert (found.at_least, found.evidence) == ("3.14", ("fd_types: MEMFD is there: 3.14 or later",))


def test_a_number_that_stands_for_an_enum_counts() -> None:
    mount = {"fstype": 0, "mnt_id": 1, "root_dev": 0, "parent_mnt_id": 0, "flags": 0, "root": "/"}
    mount |= {"mountpoint": "/", "source": "x", "options": ""}
    assert release(image_of("MNTS", mount), "mountpoints-1.img").at_least == "1.6"
    autofs = next(
        value.number
        for value in Schema.default().pool.FindEnumTypeByName("fstype").values
        if value.name == "AUTOFS"
    )
    found = release(image_of("MNTS", mount, {**mount, "fstype": autofs}, mount), "mountpoints-1.img")
    assert found.evidence == ("fstype: AUTOFS is there: 2.4 or later",)


def test_a_renamed_field_is_as_old_as_its_number() -> None:
    image = Image.new("PAGEMAP", framing="v1.0")
    image.add(pages_id=1)
    image.add(vaddr=0, compat_nr_pages=1)
    found = release(image, "pagemap-1.img")
    assert (found.at_least, found.at_most) == ("0.5", "1.5.2")
    assert any("1.5.2" in text for text in found.evidence)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"vaddr": 0, "nr_pages": 1, "compat_nr_pages": 0, "flags": 4}, ("4.2", None)),
        ({"vaddr": 0, "compat_nr_pages": 1, "flags": 4}, ("3.5", "4.1.1")),
        ({"vaddr": 0, "compat_nr_pages": 1, "in_parent": True}, ("1.6", "3.4")),
    ],
)
def test_runs_of_pages_tell_releases_apart(
    fields: dict[str, object], expected: tuple[str | None, str | None]
) -> None:
    found = release(image_of("PAGEMAP", {"pages_id": 1}, fields), "pagemap-1.img")
    assert (found.at_least, found.at_most) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"img_version": 1}, (None, "1.5.2")),
        ({"img_version": 2, "fdinfo_per_id": True, "network_lock_method": 1}, ("3.16", "4.0")),
        ({"img_version": 2, "fdinfo_per_id": True}, ("1.6", "3.15")),
        ({"img_version": 2, "allow_uprobes": True}, ("4.2", None)),
    ],
)
def test_an_inventory_tells_more_by_what_it_lacks(
    fields: dict[str, object], expected: tuple[str | None, str | None]
) -> None:
    found = release(image_of("INVENTORY", fields), "inventory.img")
    assert (found.at_least, found.at_most) == expected


def test_an_image_is_bounded_by_its_type_where_its_name_says_nothing() -> None:
    creds = dict.fromkeys(["uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid", "secbits"], 0)
    image = image_of("CREDS", {**creds, "cap_inh": [0], "cap_prm": [0], "cap_eff": [0], "cap_bnd": [0]})
    assert release(image, "stdin") == release(image, "some/creds-17.img")
    assert release(image, "stdin").at_most == "1.8"


def test_a_type_with_names_of_several_releases_is_bounded_by_its_name_alone() -> None:
    image = Image.new("FILE_LOCKS", framing="v1.0")
    assert release(image, "filelocks-5.img").at_most == "1.2"
    assert release(image, "filelocks.img").at_least == "1.3"
    assert release(image, "stdin").at_least is None


def test_a_schema_of_an_older_release_changes_nothing() -> None:
    image = image_of("PAGEMAP", {"pages_id": 1}, {"vaddr": 0, "nr_pages": 1, "flags": 4})
    assert release(image, "pagemap-1.img", Schema.release("1.5")) == release(image, "pagemap-1.img")


def test_at_most_three_sentences_stand_for_what_is_equally_new() -> None:
    files = [{"id": 1, "flags": 0, "type": kind, "fd": 0} for kind in range(1, 18)]
    assert len(release(image_of("FDINFO", *files)).evidence) <= 3


def test_a_raw_file_is_from_any_release(data: Path) -> None:
    assert of_file(data / "demo" / "tree" / "pages-1.img") is None
    assert release_of_image(io.BytesIO(b""), "x", Schema.default()) is None


def test_records_that_are_no_messages_say_nothing() -> None:
    good = dyncrit.dumps(image_of("FDINFO", {"id": 1, "flags": 0, "type": "MEMFD", "fd": 0}))
    bad = b"\x03\0\0\0\x0a\xff\xff"
    assert release(good + bad + good[8:]).at_least == "3.14"
    assert release(good[:8] + bad).at_least == "1.6"


def test_an_unknown_magic_tells_its_framing_only() -> None:
    assert release(bytes.fromhex("19435654 78563412 02000000 0801")).at_least == "1.6"


def test_text_that_is_not_utf_8_and_deep_nesting_do_no_harm() -> None:
    nested = b""
    for _ in range(300):
        nested = b"\x1a" + dyncrit.codec.wire.varint(len(nested)) + nested
    head = dyncrit.dumps(Image.new("APPARMOR"))
    record = b"\x0a" + dyncrit.codec.wire.varint(len(nested)) + nested + b"\x0a\x03\x0a\x01\xff"
    assert release(head + len(record).to_bytes(4, "little") + record) is not None


def test_a_damaged_image_is_an_error_with_its_place() -> None:
    data = dyncrit.dumps(image_of("PSTREE", {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1]}))
    with pytest.raises(ImageError, match=r"^some\.img: entry 0 at byte 8: record of"):
        release(data[:-1], "some.img")


def test_records_that_are_too_big_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_release, "_SMALL_FILE", 64)
    monkeypatch.setattr(image_release, "_BIGGEST_RECORD", 40)
    plain = {"id": 1, "flags": 0, "pos": 0, "name": "/x", "fown": FOWN}
    small = image_of("REG_FILES", plain, {**plain, "mode": 1}, plain)
    big = image_of("REG_FILES", plain, {**plain, "build_id": [1] * 30}, plain)
    assert release(small).evidence != ()
    assert not any("build_id" in text for text in release(big).evidence)


def test_payloads_are_not_read_and_records_before_them_count(tmp_path: Path) -> None:
    image = Image.new("GHOST_FILE")
    image.add(b"", uid=0, gid=0, mode=0o100644, dev=1, ino=2, atim={"tv_sec": 1, "tv_usec": 2})
    path = tmp_path / "ghost-file-1.img"
    path.write_bytes(dyncrit.dumps(image))
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    found = of_file(path)
    assert found is not None
    assert found.evidence == ("ghost_file_entry: atim is there: 2.0 or later",)


def test_the_catalogue_knows_all_that_can_be_seen() -> None:
    merging, known = image_release._merging(), image_release.history()
    for name in merging.pool.names:
        numbers = {field.number for field in merging.pool.find(name).fields}
        assert numbers <= {row.number for row in known.messages[name].fields}, name
    assert len(merging.enums) > 10
    assert set(merging.enums.values()) <= set(known.enums)
