from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import dyncrit
from dyncrit.errors import DyncritError
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.minimise import Budget, minimise, minimise_checkpoint
from dyncrit.fuzz.minimise.image import dissect
from dyncrit.fuzz.mutate.mutator import Mutator
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA = Schema.default()


def entries_of(data: bytes) -> list[dict]:
    return dyncrit.loads(data).to_dict()["entries"]


def accepts(condition: Callable[[list[dict]], bool]) -> Callable[[bytes], bool]:
    """Whether an image can be read and has entries like this."""

    def is_same(data: bytes) -> bool:
        try:
            return condition(entries_of(data))
        except DyncritError:
            return False

    return is_same


def test_entries_go_that_are_not_needed(data: Path) -> None:
    image = (data / "criu-4.2/programs/uns-ipc/files.img").read_bytes()
    assert len(entries_of(image)) > 3
    needed = max(entry["id"] for entry in entries_of(image))
    least = minimise(
        image, "files.img", SCHEMA, accepts(lambda entries: any(item.get("id") == needed for item in entries))
    )
    (entry,) = entries_of(least)
    assert entry["id"] == needed
    assert len(least) < 60


def test_nested_fields_go_and_values_shrink(data: Path) -> None:
    image = (data / "criu-4.2/programs/uns-ipc/core-1.img").read_bytes()
    least = minimise(
        image,
        "core-1.img",
        SCHEMA,
        lambda data: any(
            entry.message.HasField("tc") and entry.message.tc.comm != "" for entry in _messages(data)
        ),
    )
    (entry,) = _messages(least)
    assert len(entry.message.tc.comm) == 1
    assert {field.name for field, _ in entry.message.ListFields()} <= {"mtype", "tc"}
    assert {field.name for field, _ in entry.message.tc.ListFields()} == {"comm"}
    assert len(least) < 30


def _messages(data: bytes) -> list:
    try:
        return dyncrit.loads(data).entries
    except DyncritError:
        return []


def test_numbers_become_as_small_as_does(data: Path) -> None:
    image = (data / "criu-4.2/programs/uns-ipc/pstree.img").read_bytes()
    anatomy = Anatomy.of(image, SCHEMA, "pstree.img")
    anatomy.entries[0].record = b"\x08\x80\x80\x04" + b"\x10\x05" + b"\x18\x07"  # pid 65536, ppid 5, pgid 7

    def is_same(data: bytes) -> bool:
        read = dissect(data, "pstree.img", SCHEMA)
        if read is None or len(read.entries) != 1:
            return False
        message = SCHEMA.message_class("pstree_entry")()
        try:
            message.MergeFromString(read.entries[0].record)
        except ValueError:
            return False
        return message.pid > 1000 and message.pgid != 0

    least = minimise(anatomy.assemble(), "pstree.img", SCHEMA, is_same)
    left = dissect(least, "pstree.img", SCHEMA)
    assert left is not None
    assert left.entries[0].record == b"\x08\x80\x08\x18\x01"  # 1024 is the least of its halves above 1000


def test_a_payload_goes_with_the_number_that_tells_of_it(data: Path) -> None:
    image = (data / "criu-4.2/programs/uns-ipc/ipcns-msg-11.img").read_bytes()
    anatomy = Anatomy.of(image, SCHEMA, "ipcns-msg-11.img")
    assert any(entry.payload for entry in anatomy.entries)
    least = minimise(image, "ipcns-msg-11.img", SCHEMA, accepts(lambda entries: len(entries) >= 1))
    assert not any(entry.payload for entry in Anatomy.of(least, SCHEMA, "ipcns-msg-11.img").entries)


def test_a_damaged_image_is_taken_apart_to_where_it_is_damaged(data: Path) -> None:
    image = (data / "demo/tree/pstree.img").read_bytes()
    damaged = image + b"\xff\xff\xff\x7f" + b"rest of it"
    anatomy = dissect(damaged, "pstree.img", SCHEMA)
    assert anatomy is not None
    assert (len(anatomy.entries), anatomy.tail) == (4, b"\xff\xff\xff\x7frest of it")
    assert anatomy.assemble() == damaged
    least = minimise(damaged, "pstree.img", SCHEMA, lambda data: b"\xff\xff\xff\x7f" in data)
    assert least == image[:8] + b"\xff\xff\xff\x7f"


def test_what_is_no_image_is_cut_as_bytes() -> None:
    assert dissect(b"words", "x", SCHEMA) is None
    assert minimise(b"some words of it", "x", SCHEMA, lambda data: b"word" in data) == b"word"


def test_the_least_is_the_same_fault_whatever_was_broken(data: Path) -> None:
    image = (data / "demo/tree/pstree.img").read_bytes()
    mutator = Mutator(SCHEMA)
    for number in range(60):
        mutant = mutator.mutate_bytes(image, Chance(5).child(number), "pstree.img").data
        state = _state(mutant)
        least = minimise(mutant, "pstree.img", SCHEMA, lambda data, state=state: _state(data) == state)
        assert _state(least) == state
        assert len(least) <= len(mutant)


def _state(data: bytes) -> tuple[object, ...]:
    try:
        return ("ok", len(entries_of(data)))
    except DyncritError as error:
        return ("error", error.problem[:8])


def test_the_budget_is_kept(data: Path) -> None:
    image = (data / "criu-4.2/programs/uns-ipc/files.img").read_bytes()
    asked = []

    def is_same(data: bytes) -> bool:
        asked.append(data)
        return len(data) > 100

    minimise(image, "files.img", SCHEMA, is_same, budget=Budget(tries=7))
    assert len(asked) == 7
    start = time.monotonic()
    minimise(image, "files.img", SCHEMA, is_same, budget=Budget(seconds=0))
    assert len(asked) == 7
    assert time.monotonic() - start < 5


def test_what_the_question_raises_is_passed_on(data: Path) -> None:
    def is_same(data: bytes) -> bool:
        raise OSError(28, "No space left on device")

    image = (data / "criu-4.2/programs/uns-ipc/files.img").read_bytes()
    with pytest.raises(OSError, match="No space"):
        minimise(image, "files.img", SCHEMA, is_same)


def test_images_of_a_checkpoint_go_first_and_the_others_shrink(data: Path) -> None:
    folder = data / "criu-4.2/programs/uns-ipc"
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def is_same(images) -> bool:
        return "core-1.img" in images and len(images.get("pstree.img", b"")) > 12

    least = minimise_checkpoint(files, SCHEMA, is_same)
    assert set(least) == {"core-1.img", "pstree.img"}
    assert len(least["core-1.img"]) <= 8
    assert 12 < len(least["pstree.img"]) < 20
