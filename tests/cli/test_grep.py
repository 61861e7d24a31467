from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run


def test_a_field_is_a_line_with_its_image_and_path(run: Run, data: Path) -> None:
    code, out, err = run("grep", "^/srv/demo/", data / "demo/tree")
    assert (code, err) == (0, "")
    assert out.decode().splitlines() == [
        "files.img entries[0].reg.name: /srv/demo/tree",
        "files.img entries[5].reg.name: /srv/demo/log.txt",
        "files.img entries[6].reg.name: /srv/demo/deleted.txt",
    ]


def test_options_choose_how_to_look(run: Run, data: Path) -> None:
    assert run("grep", "-F", "log.t.t", data / "demo/tree")[0] == 1
    assert run("grep", "-i", "LOG", data / "demo/tree/files.img")[1].count(b"\n") == 1
    code, out, _ = run("grep", "--names", "--json", "^comm$", data / "demo/tree/core-9838.img")
    assert code == 0
    first = json.loads(out.splitlines()[0])
    assert (first["path"], first["text"], first["entry"]) == ("entries[0].tc.comm", "child", 0)


def test_an_archive_is_searched(run: Run, data: Path) -> None:
    archive = data / "archives/podman-5.8-loop.tar.zst"
    code, out, _ = run("grep", ".", archive / "inventory.img")
    assert code == 0
    assert set(out.splitlines()) < set(run("grep", ".", archive)[1].splitlines())


def test_nothing_found_is_one(run: Run, data: Path) -> None:
    assert run("grep", "no such thing", data / "demo/tree") == (1, b"", "")


def test_damage_is_told_and_is_one_though_something_was_found(run: Run, data: Path, tmp_path: Path) -> None:
    for name in ("files.img", "inventory.img"):
        (tmp_path / name).write_bytes((data / "demo/tree" / name).read_bytes())
    (tmp_path / "core-1.img").write_bytes((data / "demo/tree/core-9834.img").read_bytes()[:100])
    code, out, err = run("grep", "/srv", tmp_path)
    assert code == 1
    assert out.count(b"\n") == 6
    assert err.startswith("dyncrit: core-1.img: entry 0 at byte 8: ")
    assert err.count("\n") == 1


def test_a_wrong_pattern_is_wrong_usage(run: Run, data: Path) -> None:
    code, out, err = run("grep", "(", data / "demo/tree")
    assert (code, out) == (2, b"")
    assert "unterminated subpattern at character 1" in err
