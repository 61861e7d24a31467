from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

import dyncrit

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def pipes(tmp_path: Path) -> Path:
    new = dyncrit.Image.new("PIPES_DATA")
    new.add(bytes(1536), pipe_id=1, bytes=1536, size=65536)
    dyncrit.dump(new, tmp_path / "pipes-data.img")
    return tmp_path / "pipes-data.img"


def test_show_is_decode_pretty(run: Run, data: Path) -> None:
    path = data / "criu-4.2" / "host" / "env00" / "core-66.img"
    shown = run("show", path)
    assert shown[0] == 0
    assert shown == run("decode", "--pretty", path)
    assert shown == run("show", stdin=path.read_bytes())


def test_nopl_shows_sizes_for_payloads(run: Run, pipes: Path) -> None:
    for arguments in ([pipes, "--nopl"], ["--nopl", pipes]):
        code, out, _ = run("show", *arguments)
        assert code == 0
        assert json.loads(out)["entries"][0]["extra"] == "... <1.5KB>"


def test_a_schema_of_another_release_shows_its_names(run: Run, tmp_path: Path) -> None:
    new = dyncrit.Image.new("PAGEMAP")
    new.add(pages_id=1)
    new.add(vaddr=4096, compat_nr_pages=7)
    dyncrit.dump(new, tmp_path / "pagemap-1.img")
    _, out, _ = run("--criu", "3.17", "show", tmp_path / "pagemap-1.img")
    assert json.loads(out)["entries"][1] == {"vaddr": "0x1000", "nr_pages": 7}


def test_a_cut_file_is_an_error(run: Run, pipes: Path) -> None:
    pipes.write_bytes(pipes.read_bytes()[:-1])
    code, _, err = run("show", pipes)
    assert code == 1
    assert err == f"dyncrit: {pipes}: entry 0 at byte 8: payload of 1536 bytes, 1535 left in the file\n"


def test_a_directory_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    code, out, err = run("show", tmp_path)
    assert (code, out) == (2, b"")
    assert err.startswith(f"dyncrit: {tmp_path} is a directory")


def test_one_file_only(run: Run, pipes: Path) -> None:
    code, out, err = run("show", pipes, pipes)
    assert (code, out) == (2, b"")
    assert err.count("\n") == 1
