from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dyncrit

Run = Callable[..., tuple[int, bytes, str]]


def test_a_file_is_described_with_crits_keys_first(run: Run, data: Path) -> None:
    path = data / "criu-4.2" / "host" / "env00" / "pagemap-66.img"
    code, out, err = run("info", path)
    assert (code, err) == (0, "")
    shown = json.loads(out)
    assert list(shown) == [
        "magic",
        "count",
        "size",
        "record_bytes",
        "payload_bytes",
        "byte_order",
        "framing",
        "messages",
        "criu",
    ]
    assert shown["magic"] == "PAGEMAP"
    assert shown["count"] == len(dyncrit.load(path).entries) - 1
    assert shown["size"] == path.stat().st_size
    assert shown["messages"] == ["pagemap_head", "pagemap_entry"]
    assert shown["criu"] == {
        "at_least": "4.2",
        "at_most": None,
        "evidence": ["pagemap_entry: nr_pages is there: 4.2 or later"],
    }
    assert out.endswith(b"}\n")


def test_a_raw_file_is_described_and_no_error(run: Run, data: Path) -> None:
    path = data / "demo" / "tree" / "pages-1.img"
    code, out, err = run("info", path)
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "raw": "a raw image without records: memory pages, raw, in the order of a pagemap",
        "size": path.stat().st_size,
    }


def test_stdin_is_described(run: Run, data: Path) -> None:
    path = data / "criu-4.2" / "host" / "env00" / "core-66.img"
    expected = run("info", path)
    assert run("info", stdin=path.read_bytes()) == expected
    assert run("info", "-", stdin=path.read_bytes()) == expected


def test_a_pipe_is_described_as_a_file_is(data: Path) -> None:
    path = data / "criu-4.2" / "host" / "env00" / "core-66.img"
    command = [sys.executable, "-m", "dyncrit", "info"]
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        piped = subprocess.run(command, stdin=cat.stdout, capture_output=True, check=True)
    assert piped.stdout == subprocess.run([*command, path], capture_output=True, check=True).stdout
    assert json.loads(piped.stdout)["criu"]["at_least"] == "4.1"


def test_several_files_give_a_list_that_names_them(run: Run, data: Path) -> None:
    folder = data / "criu-4.2" / "host" / "env00"
    paths = [folder / "core-66.img", folder / "mm-66.img"]
    code, out, _ = run("info", *paths)
    assert code == 0
    assert [(item["file"], item["magic"]) for item in json.loads(out)] == [
        (str(paths[0]), "CORE"),
        (str(paths[1]), "MM"),
    ]


def test_several_files_may_have_names_that_are_not_utf_8(run: Run, data: Path, tmp_path: Path) -> None:
    image = (data / "criu-4.2" / "host" / "env00" / "core-66.img").read_bytes()
    for name in (b"a\xff.img", b"b\xff.img"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(image)
    code, out, err = run("info", *sorted(tmp_path.iterdir()))
    assert (code, err) == (0, "")
    assert [item["magic"] for item in json.loads(out)] == ["CORE", "CORE"]


def test_a_damaged_file_is_an_error_with_its_place(run: Run, data: Path, tmp_path: Path) -> None:
    cut = tmp_path / "core-1.img"
    cut.write_bytes((data / "criu-4.2" / "host" / "env00" / "core-66.img").read_bytes()[:-1])
    code, out, err = run("info", cut)
    assert (code, out) == (1, b"")
    assert err.startswith(f"dyncrit: {cut}: entry 0 at byte 8: record of ")
    assert err.count("\n") == 1


def test_a_missing_file_is_named(run: Run, tmp_path: Path) -> None:
    expected = (1, b"", f"dyncrit: {tmp_path / 'missing'}: No such file or directory\n")
    assert run("info", tmp_path / "missing") == expected


def test_a_directory_is_described_file_by_file(run: Run, data: Path, tmp_path: Path) -> None:
    folder = data / "demo" / "tree"
    code, out, err = run("info", folder)
    described = {item["file"]: item for item in json.loads(out)}
    assert (code, err) == (0, "")
    assert sorted(described) == sorted(str(path) for path in folder.iterdir())
    assert described[str(folder / "pstree.img")]["magic"] == "PSTREE"
    assert "memory pages" in described[str(folder / "pages-1.img")]["raw"]


def test_what_cannot_be_read_stops_nothing_among_several(run: Run, data: Path, tmp_path: Path) -> None:
    good = data / "demo" / "tree" / "pstree.img"
    bad, link, absent = tmp_path / "bad.img", tmp_path / "link", tmp_path / "absent"
    bad.write_bytes(good.read_bytes()[:-1])
    link.symlink_to(good)
    code, out, err = run("info", tmp_path, absent, good)
    items = json.loads(out)
    assert code == 1
    assert [min(item) if len(item) == 2 else item["magic"] for item in items] == [
        "error",
        "file",
        "error",
        "PSTREE",
    ]
    assert "skipped" in items[1]
    assert err.count("\n") == 2


def test_advice_about_a_directory_fits_the_command(run: Run, tmp_path: Path) -> None:
    """`info` has no -o."""
    for command in ("info", "show"):
        assert "-o DIR" not in run(command, tmp_path)[2]


@pytest.mark.parametrize(("content", "says"), [(b"", "empty file"), (b"{}", "JSON"), (b"\1\2", "2 bytes")])
def test_what_is_no_image_is_described(run: Run, content: bytes, says: str) -> None:
    code, out, _ = run("info", stdin=content)
    assert code == 0
    assert says in json.loads(out)["raw"]
