from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import dyncrit

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run


def test_a_result_is_json(run: Run, data: Path) -> None:
    code, out, err = run("get", data / "demo/tree/files.img", "entries[?type=='REG'].reg.name | [:2]")
    assert (code, err) == (0, "")
    assert json.loads(out) == ["/srv/demo/tree", "/usr/lib/x86_64-linux-gnu/libc.so.6"]
    assert run("get", data / "demo/tree", '"files.img".magic') == (0, b'"FILES"\n', "")
    assert run("get", data / "demo/tree", "nope") == (0, b"null\n", "")


def test_plain_documents_have_numbers(run: Run, data: Path) -> None:
    files = data / "demo/tree/files.img"
    assert run("get", files, "entries[5].reg.flags")[1] == b'"O_RDWR | O_APPEND | O_LARGEFILE"\n'
    assert run("get", files, "entries[5].reg.flags", "--plain")[1] == b"33794\n"


def test_raw_output_has_no_quotes_and_a_line_an_item(run: Run, data: Path, tmp_path: Path) -> None:
    core = '"core-9838.img".entries[0].tc.comm'
    assert run("get", "-r", data / "demo/tree", core) == (0, b"child\n", "")
    assert (
        run("get", "-r", data / "demo/tree/files.img", "entries[:2].[type, id]")[1]
        == b'["REG",1]\n["REG",2]\n'
    )
    document = dyncrit.load(data / "demo/tree/files.img").to_dict()
    document["entries"][0]["reg"]["name"] = "/srv/\udcff"
    dyncrit.dump(dyncrit.Image.from_dict(document), tmp_path / "files.img")
    assert run("get", "-r", tmp_path / "files.img", "entries[0].reg.name")[1] == b"/srv/\xff\n"
    assert run("get", tmp_path / "files.img", "entries[0].reg.name")[1] == b'"/srv/\\udcff"\n'


def test_archives_are_looked_into(run: Run, data: Path) -> None:
    archive = data / "archives/podman-5.8-loop.tar.zst"
    assert run("get", "-r", archive, '"inventory.img".magic') == (0, b"INVENTORY\n", "")
    assert run("get", "-r", archive / "inventory.img", "magic") == (0, b"INVENTORY\n", "")


def test_a_wrong_expression_is_wrong_usage(run: Run, data: Path) -> None:
    code, out, err = run("get", data / "demo/tree/files.img", "entries[")
    assert (code, out) == (2, b"")
    assert err == "dyncrit: expression: ends too early (see dyncrit get --help)\n"


@pytest.mark.parametrize("name", ["nope.img", "pages-1.img"])
def test_what_cant_be_read_is_bad_data(run: Run, data: Path, name: str) -> None:
    code, out, err = run("get", data / "demo/tree" / name, "magic")
    assert (code, out) == (1, b"")
    assert name in err
    assert err.count("\n") == 1


def test_raw_output_of_characters_that_are_none_is_json(run: Run, data: Path) -> None:
    files = data / "demo/tree/files.img"
    assert run("get", "-r", files, '[`"\\ud800"`, magic]') == (0, b'"\\ud800"\nFILES\n', "")


def test_a_parent_that_is_not_needed_is_told_as_elsewhere(run: Run, data: Path) -> None:
    code, _, err = run("get", "--parent", data / "demo/tree", data / "criu-4.2/programs/uns-ipc", "a")
    assert code == 1
    assert "is not needed as a parent" in err
