"""``dyncrit diff``."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from dyncrit import dump, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, bytes, str]]


def test_changed_pages_are_told_by_mapping_and_address(run: Run, corpus: Path) -> None:
    code, out, err = run("diff", corpus / "demo/memory/1", corpus / "demo/memory/2")
    assert (code, err) == (0, "")
    assert out.decode().splitlines() == [
        "memory of 9899 memory",
        "  0x100000022000-0x100000040000 rw-p: 1 page changed",
        "      0x10000003f000-0x100000040000",
        "  0x7ff1c2a24000-0x7ff1c2a27000 rw-p: 2 pages changed",
        "      0x7ff1c2a24000-0x7ff1c2a26000",
        "  3 pages of 4096 bytes changed in all",
    ]


def test_no_differences_are_said(run: Run, corpus: Path) -> None:
    folder = corpus / "demo/memory"
    assert run("diff", folder / "2", folder / "2-full") == (0, b"no differences\n", "")
    assert run("diff", folder / "1", folder / "2", "--no-pages") == (0, b"no differences\n", "")


def test_the_keys_of_json_are_stable(run: Run, corpus: Path) -> None:
    code, out, _ = run("diff", corpus / "demo/memory/1", corpus / "demo/memory/2", "--json")
    shown = json.loads(out)
    assert code == 0
    assert list(shown) == [
        "before", "after", "memory_only", "processes", "files", "sockets", "mounts", "memory"
    ]  # fmt: skip
    assert all(list(shown[part]) == ["appeared", "gone", "changed"] for part in list(shown)[3:7])
    (memory,) = shown["memory"]
    assert list(memory) == ["pid", "comm", "mappings", "pages"]
    assert list(memory["pages"]) == ["page_size", "changed", "unknown", "mappings", "ranges_left_out"]
    assert memory["pages"]["mappings"][0] == {
        "start": 0x100000022000,
        "end": 0x100000040000,
        "permissions": "rw-p",
        "name": "",
        "changed": 1,
        "unknown": 0,
        "ranges": [{"start": 0x10000003F000, "end": 0x100000040000, "change": "contents"}],
    }


def test_changed_fields_are_shown_with_both_values(run: Run, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "demo/tree", tmp_path / "copy")
    image = load(tmp_path / "copy/files.img")
    for entry in image.entries:
        if entry.message.HasField("reg") and entry.message.reg.name == "/srv/demo/log.txt":
            entry.message.reg.name = "/srv/demo/\x1b[2J"
            entry.message.reg.flags = 0
    dump(image, tmp_path / "copy/files.img")
    code, out, _ = run("diff", data / "demo/tree", tmp_path / "copy")
    assert code == 0
    assert out.decode().splitlines()[:4] == [
        "files",
        r"  ~ 9834 fd 3 /srv/demo/\x1b[2J",
        r"      name: /srv/demo/log.txt -> /srv/demo/\x1b[2J",
        "      flags: 0x8402 -> 0x0",
    ]


def test_lists_show_what_went_and_what_came(run: Run, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "demo/tree", tmp_path / "copy")
    image = load(tmp_path / "copy/core-9840.img")
    image.entries[0].message.thread_core.creds.groups[:] = [7]
    dump(image, tmp_path / "copy/core-9840.img")
    _, out, _ = run("diff", data / "demo/tree", tmp_path / "copy")
    assert "credentials.groups: " in out.decode()
    assert "+7" in out.decode()


def test_a_chain_over_two_archives_needs_its_parent(run: Run, corpus: Path) -> None:
    before = corpus / "archives/podman-4.3-pre-checkpoint.tar"
    after = corpus / "archives/podman-4.3-with-previous.tar"
    code, out, err = run("diff", before, after)
    assert code == 0
    assert "can't be compared" in out.decode()
    assert "name it with --parent" in out.decode()
    assert "../pre-checkpoint" in err
    code, out, err = run("diff", before, after, "--parent", before)
    assert (code, err) == (0, "")
    assert "can't be compared" not in out.decode()


def test_problems_say_of_which_checkpoint(run: Run, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "demo/tree", tmp_path / "copy")
    (tmp_path / "copy/mm-9838.img").unlink()
    code, _, err = run("diff", data / "demo/tree", tmp_path / "copy")
    assert code == 1
    assert all(line.startswith(f"dyncrit: {tmp_path / 'copy'}: ") for line in err.splitlines())
    assert "mm-9838.img" in err


def test_a_checkpoint_that_is_none_is_an_error(run: Run, data: Path, tmp_path: Path) -> None:
    code, out, err = run("diff", data / "demo/tree", tmp_path)
    assert (code, out) == (1, b"")
    assert "no checkpoint" in err
