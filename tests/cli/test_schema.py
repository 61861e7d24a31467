from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import dyncrit

Run = Callable[..., tuple[int, bytes, str]]


PROTO = """
syntax = "proto2";
message pstree_entry {
    required uint32 number_of_the_process = 1;
    required uint32 ppid = 2;
    required uint32 pgid = 3;
    required uint32 sid = 4;
    repeated uint32 threads = 5;
}
"""
ROWS = """
- name: MY_QUEUE
  magic: 0x12345678
  files: [my-queue-%u.img]
  records:
    - message: pipe_data_entry
      payload: {kind: counted, lengths: [{name: bytes, number: 2}]}
"""


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    folder = tmp_path / "protos"
    folder.mkdir()
    (folder / "pstree.proto").write_text(PROTO)
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    new = dyncrit.Image.new("PSTREE")
    new.add(pid=1, ppid=0, pgid=1, sid=1, threads=[1])
    dyncrit.dump(new, tmp_path / "pstree.img")
    return tmp_path / "pstree.img"


def first_key(output: bytes) -> str:
    return next(iter(json.loads(output)["entries"][0]))


def test_options_may_stand_before_and_behind_the_verb(run: Run, protos: Path, image: Path) -> None:
    for arguments in (
        ["--proto-dir", protos, "decode", image],
        ["decode", "--proto-dir", protos, image],
        ["decode", image, "--proto-dir", protos],
    ):
        code, out, err = run(*arguments)
        assert (code, err) == (0, "")
        assert first_key(out) == "number_of_the_process"


def test_behind_the_verb_wins_over_before_it(run: Run, image: Path) -> None:
    _, _, err = run("-v", "--criu", "3.17", "decode", "--criu", "2.0", image)
    assert err == "dyncrit: schema: CRIU 2.0 (chosen with --criu)\n"


def test_the_environment_gives_the_default_and_an_option_wins(
    run: Run, protos: Path, image: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DYNCRIT_PROTO_DIR", str(protos))
    assert first_key(run("decode", image)[1]) == "number_of_the_process"
    assert first_key(run("decode", image, "--criu", "4.2")[1]) == "pid"
    monkeypatch.setenv("DYNCRIT_PROTO_DIR", str(tmp_path / "missing"))
    assert first_key(run("decode", image, "--proto-dir", protos)[1]) == "number_of_the_process"
    assert run("decode", image)[0] == 1
    monkeypatch.setenv("DYNCRIT_PROTO_DIR", "")
    assert first_key(run("decode", image)[1]) == "pid"


@pytest.mark.parametrize(
    "options",
    [
        ["--proto-dir", "x", "--criu", "4.2"],
        ["--proto-dir", "x", "--descriptor-set", "y"],
        ["--descriptor-set", "y", "--criu", "4.2"],
    ],
)
def test_two_schemas_are_a_usage_error(run: Run, image: Path, options: list[str]) -> None:
    for arguments in (
        ["decode", image, *options],
        [*options, "decode", image],
        [*options[:2], "decode", *options[2:], image],
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, b"")
        assert err.count("\n") == 1
        assert options[0] in err
        assert options[2] in err


@pytest.mark.parametrize("command", ["decode", "info", "show"])
def test_v_says_the_schema_on_stderr(run: Run, image: Path, command: str) -> None:
    quiet = run(command, image)
    code, out, err = run(command, "-v", image)
    assert (code, out, "") == quiet
    assert err == "dyncrit: schema: CRIU 4.2 (bundled with dyncrit, its newest)\n"


def test_v_says_why_the_schema_was_chosen(
    run: Run, image: Path, protos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "(chosen with --proto-dir)" in run("decode", "-v", "--proto-dir", protos, image)[2]
    monkeypatch.setenv("DYNCRIT_PROTO_DIR", str(protos))
    assert "(chosen with DYNCRIT_PROTO_DIR)" in run("-v", "decode", image)[2]


def test_an_unknown_release_names_the_range(run: Run, image: Path) -> None:
    for version in ("9.9", "nonsense", ""):
        code, out, err = run("decode", "--criu", version, image)
        if version:
            assert (code, out) == (1, b"")
            assert "0.1 to 4.2" in err
            assert err.count("\n") == 1


@pytest.mark.parametrize("version", ["4.2", "v4.2", "3.17", "v3.17", "0.1"])
def test_a_release_may_be_named_as_its_tag(run: Run, image: Path, version: str) -> None:
    _, _, err = run("-v", "decode", "--criu", version, image)
    assert err == f"dyncrit: schema: CRIU {version.removeprefix('v')} (chosen with --criu)\n"


@pytest.mark.parametrize("option", ["--proto-dir", "--descriptor-set", "--table"])
def test_a_missing_file_is_named(run: Run, image: Path, tmp_path: Path, option: str) -> None:
    code, out, err = run("decode", option, tmp_path / "missing", image)
    assert (code, out) == (1, b"")
    assert str(tmp_path / "missing") in err
    assert err.count("\n") == 1


def test_protos_that_do_not_compile_are_named_in_a_line(run: Run, image: Path, protos: Path) -> None:
    (protos / "broken.proto").write_text('syntax = "proto2";\nmessage broken {\n')
    code, _, err = run("decode", "--proto-dir", protos, image)
    assert code == 1
    assert "broken.proto" in err
    assert len(err.splitlines()) == 1


def test_a_table_lays_rows_over_the_image_table(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "rows.yaml"
    table.write_text(ROWS)
    document = {
        "magic": "MY_QUEUE",
        "entries": [{"pipe_id": 1, "bytes": 3, "extra": "YWJj\n"}, {"pipe_id": 2, "bytes": 0, "extra": ""}],
    }
    code, image, err = run("encode", "--table", table, stdin=json.dumps(document).encode())
    assert (code, err) == (0, "")
    assert image[:8] == bytes.fromhex("19435654 78563412")
    assert json.loads(run("--table", table, "decode", stdin=image)[1]) == document
    assert json.loads(run("decode", stdin=image[:8])[1])["magic"] == "0x12345678"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("name: X", "expected a list of rows"),
        ("- 1", "row 0: expected keys and values"),
        ("- {name: X, magic: 1}", "row 0 (X): records is a list"),
        ("- {name: X, magik: 1, records: [{message: a}]}", "row 0 (X): no key 'magik'"),
        ("- {name: X, magic: 1, records: [{message: a, payload: {kind: x}}]}", "no payload kind 'x'"),
        ("- [", "not a YAML file"),
        ("\0", "not a YAML file"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_row(
    run: Run, image: Path, tmp_path: Path, rows: str, says: str
) -> None:
    (tmp_path / "rows.yaml").write_text(rows)
    code, out, err = run("decode", "--table", tmp_path / "rows.yaml", image)
    assert (code, out) == (1, b"")
    assert err.startswith(f"dyncrit: {tmp_path / 'rows.yaml'}: ")
    assert says in err
    assert err.count("\n") == 1


def test_schema_show_tells_the_schema_and_why(run: Run) -> None:
    code, out, err = run("schema", "show")
    assert (code, err) == (0, "")
    lines = dict(line.split(":", 1) for line in out.decode().splitlines())
    assert lines["schema"].strip() == "CRIU 4.2"
    assert lines["why"].strip() == "bundled with dyncrit, its newest"
    assert int(lines["messages"]) > 100


def test_schema_show_prints_json(run: Run, protos: Path) -> None:
    code, out, _ = run("schema", "show", "--json", "--proto-dir", protos)
    assert code == 0
    shown = json.loads(out)
    assert shown["schema"] == str(protos)
    assert shown["why"] == "chosen with --proto-dir"
    assert shown["compiled"] == "now"
    assert json.loads(run("--proto-dir", protos, "schema", "show", "--json")[1])["compiled"] != "now"
    fresh = run("schema", "show", "--json", "--no-cache", "--proto-dir", protos)[1]
    assert json.loads(fresh)["compiled"] == "now"


def test_schema_show_names_a_table_whose_path_is_not_utf_8(run: Run, tmp_path: Path) -> None:
    table = Path(os.fsdecode(os.fsencode(tmp_path) + b"/rows\xff.yaml"))
    table.write_text(ROWS)
    for arguments in ([], ["--json"]):
        code, out, err = run("schema", "show", "--table", table, *arguments)
        assert (code, err) == (0, "")
        assert b"rows" in out


def test_options_stand_before_schema_too(run: Run) -> None:
    for arguments in (["--criu", "3.17", "schema", "show"], ["schema", "show", "--criu", "3.17"]):
        assert run(*arguments)[1].startswith(b"schema:        CRIU 3.17\n")
