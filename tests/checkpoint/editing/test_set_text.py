"""Texts that need not be UTF-8, set in messages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, loads
from dyncrit.checkpoint import open_checkpoint
from dyncrit.checkpoint.fields import set_text, text
from dyncrit.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.editing.edit import Edit

MIB = 1 << 20


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data / "demo/tree", tmp_path / "copy", symlinks=True)


@pytest.fixture
def checkpoint(folder: Path) -> Iterator[Checkpoint]:
    with open_checkpoint(folder) as checkpoint:
        yield checkpoint


@pytest.fixture
def edit(checkpoint: Checkpoint) -> Iterator[Edit]:
    with checkpoint.edit(dry_run=True) as edit:
        yield edit


def staged(edit: Edit, name: str) -> Image:
    return loads(bytes(edit.images.view(name)), file_name=name)


def test_bytes_that_are_no_text_are_read_and_set_back(edit: Edit) -> None:
    message = staged(edit, "core-9834.img").entries[0].message.tc
    before = message.SerializeToString()
    for value in ("\udcff\udcfe", "é\udc80", "", "a\0b"):
        set_text(message, "comm", value)
        assert text(message, "comm") == value
    set_text(message, "comm", "tree")
    assert message.SerializeToString() == before


def test_surrogates_that_stand_for_no_byte_are_refused(edit: Edit) -> None:
    message = staged(edit, "core-9834.img").entries[0].message.tc
    with pytest.raises(DocumentError, match="comm: no text"):
        set_text(message, "comm", "\ud800")
    assert text(message, "comm") == "tree"


def test_a_text_in_a_part_that_was_not_there_makes_the_part(checkpoint: Checkpoint) -> None:
    message = checkpoint.schema.message_class("file_entry")(id=1)
    set_text(message.reg, "name", "caf\udce9")
    assert message.HasField("reg")
    assert message.SerializePartialToString() == b"\x10\x01\x1a\x06\x32\x04caf\xe9"
