"""``dyncrit extract``."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from dyncrit import Image, dump

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, bytes, str]]


def test_files_are_written_and_listed_as_a_table(run: Run, data: Path, tmp_path: Path) -> None:
    code, out, err = run("extract", data / "demo/tree", "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    lines = out.decode().splitlines()
    assert lines[0].split()[:3] == ["KIND", "ID", "NAME"]
    assert lines[1].split()[2] == "/srv/demo/deleted.txt"
    assert (tmp_path / "out/ghost-files/1-deleted.txt").read_bytes() == b"ghost data\n"


def test_json_is_the_listing(run: Run, data: Path, tmp_path: Path) -> None:
    code, out, _ = run("extract", data / "demo/tree", "-o", tmp_path / "out", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "out/extract.json").read_bytes())
    assert json.loads(out)["items"][0].keys() == {
        "accessed", "file", "gid", "id", "kind", "mode", "modified", "name", "notes", "size", "source",
        "target", "type", "uid",
    }  # fmt: skip


def test_the_output_is_required(run: Run, data: Path) -> None:
    code, _, err = run("extract", data / "demo/tree")
    assert code == 2
    assert "--out" in err


def test_a_folder_that_is_not_empty_is_refused(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    code, out, err = run("extract", data / "demo/tree", "-o", tmp_path)
    assert (code, out) == (1, b"")
    assert err == f"dyncrit: {tmp_path}: is not empty; name a new folder, or an empty one\n"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_that_can_not_be_made_is_named(run: Run, data: Path, tmp_path: Path) -> None:
    code, _, err = run("extract", data / "demo/tree", "-o", tmp_path / "no/such")
    assert (code, err) == (1, f"dyncrit: {tmp_path / 'no/such'}: No such file or directory\n")


def test_damage_gives_exit_code_1_and_the_rest(run: Run, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "demo/tree", tmp_path / "copy")
    content = (tmp_path / "copy/pipes-data.img").read_bytes()
    (tmp_path / "copy/pipes-data.img").write_bytes(content[:-1])
    code, out, err = run("extract", tmp_path / "copy", "-o", tmp_path / "out")
    assert code == 1
    assert "ghost data" not in out.decode()
    assert "pipes-data.img" in err
    assert (tmp_path / "out/ghost-files/1-deleted.txt").exists()


def test_the_bound_on_sizes_can_be_moved(run: Run, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    shutil.copy(data / "demo/tree/inventory.img", folder)
    image = Image.new("GHOST_FILE")
    image.add(uid=0, gid=0, mode=0o100600, chunks=True, size=3 << 20)
    image.add(b"x", len=1, off=0)
    dump(image, folder / "ghost-file-1.img")
    code, _, err = run("extract", folder, "-o", tmp_path / "small", "--max-size", "2M")
    assert code == 1
    assert "2097152 is the bound" in err
    assert run("extract", folder, "-o", tmp_path / "large", "--max-size", "4M")[0] == 0


def test_a_checkpoint_without_files_is_said(run: Run, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    shutil.copy(data / "demo/tree/inventory.img", folder)
    code, out, err = run("extract", folder, "-o", tmp_path / "out")
    assert (code, out) == (0, b"")
    assert "no files" in err
    assert json.loads((tmp_path / "out/extract.json").read_bytes())["items"] == []
