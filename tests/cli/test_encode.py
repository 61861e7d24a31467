from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import dyncrit

Run = Callable[..., tuple[int, bytes, str]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


PSTREE = {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1]}
DOCUMENT = {"magic": "PSTREE", "entries": [PSTREE]}


@pytest.fixture
def image() -> bytes:
    new = dyncrit.Image.new("PSTREE")
    new.add(**PSTREE)
    return dyncrit.dumps(new)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "pstree.json"
    path.write_text(json.dumps(DOCUMENT, indent=4))
    return path


def test_an_argument_or_i_or_stdin_is_the_document(run: Run, document: Path, image: bytes) -> None:
    expected = (0, image, "")
    assert run("encode", document) == expected
    assert run("encode", "-i", document) == expected
    assert run("encode", "--in", document) == expected
    assert run("encode", stdin=document.read_bytes()) == expected
    assert run("encode", "-", stdin=document.read_bytes()) == expected


def test_o_names_the_output(run: Run, document: Path, image: bytes, tmp_path: Path) -> None:
    for option in ("-o", "--out"):
        target = tmp_path / f"image{option}"
        assert run("encode", "-i", document, option, target) == (0, b"", "")
        assert target.read_bytes() == image
    assert run("encode", document, "-o", "-") == (0, image, "")


def test_allow_unknown_passes_over_keys_that_no_field_has(run: Run, image: bytes) -> None:
    text = json.dumps({**DOCUMENT, "entries": [{**PSTREE, "shiny": True}]}).encode()
    code, _, err = run("encode", stdin=text)
    assert code == 1
    assert err.startswith("dyncrit: stdin: entries[0]: pstree_entry has no field 'shiny'")
    assert run("encode", "--allow-unknown", stdin=text) == (0, image, "")


def test_an_error_leaves_the_old_output_and_no_neighbour(run: Run, document: Path, tmp_path: Path) -> None:
    document.write_text(document.read_text()[:-10])
    target = tmp_path / "out" / "pstree.img"
    target.parent.mkdir()
    target.write_bytes(b"old")
    code, out, err = run("encode", document, "-o", target)
    assert (code, out) == (1, b"")
    assert err.startswith(f"dyncrit: {document}: byte ")
    assert target.read_bytes() == b"old"
    assert names(target.parent) == ["pstree.img"]
    assert run("encode", document, "-o", tmp_path / "out" / "new.img")[0] == 1
    assert names(target.parent) == ["pstree.img"]


def test_encoding_a_file_onto_itself_is_safe(run: Run, document: Path, image: bytes) -> None:
    document.chmod(0o640)
    assert run("encode", "-i", document, "-o", document) == (0, b"", "")
    assert document.read_bytes() == image
    assert document.stat().st_mode & 0o777 == 0o640


def test_a_failed_encode_onto_itself_keeps_the_document(run: Run, document: Path) -> None:
    text = document.read_text().replace('"pid": 1', '"pid": "one"')
    document.write_text(text)
    assert run("encode", "-i", document, "-o", document)[0] == 1
    assert document.read_text() == text


def test_output_to_dev_null_works(run: Run, document: Path) -> None:
    assert run("encode", document, "-o", "/dev/null") == (0, b"", "")
    assert Path("/dev/null").is_char_device()


def test_i_does_not_take_a_directory(run: Run, tmp_path: Path) -> None:
    for arguments in ([], ["-o", tmp_path / "out"]):
        code, out, err = run("encode", "-i", tmp_path, *arguments)
        assert (code, out) == (2, b"")
        assert err.startswith(f"dyncrit: {tmp_path} is a directory")


def test_a_directory_needs_an_output(run: Run, tmp_path: Path, document: Path) -> None:
    for arguments in ([tmp_path], [document, document], [tmp_path, "-o", document]):
        code, _, err = run("encode", *arguments)
        assert code == 2
        assert "-o DIR" in err


def test_a_directory_comes_back_byte_for_byte(run: Run, data: Path, tmp_path: Path) -> None:
    folder = data / "criu-4.2" / "host" / "env00"
    assert run("decode", "--pretty", folder, "-o", tmp_path / "json")[0] == 0
    assert (tmp_path / "json" / "stats-dump.json").is_file()
    code, out, err = run("encode", tmp_path / "json", "-o", tmp_path / "again")
    count = len(names(tmp_path / "json"))
    assert (code, out, err) == (0, b"", f"dyncrit: {count} encoded, 0 skipped, 0 with errors\n")
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()
    assert (tmp_path / "again" / "stats-dump").is_file()


def test_a_damaged_document_in_a_directory_fails_and_the_rest_is_encoded(
    run: Run, document: Path, tmp_path: Path
) -> None:
    (tmp_path / "json").mkdir()
    document.rename(tmp_path / "json" / "pstree.img.json")
    broken = tmp_path / "json" / "mm-1.img.json"
    broken.write_text('{"magic":"MM","entries":[{}')
    code, _, err = run("encode", tmp_path / "json", "-o", tmp_path / "out")
    assert code == 1
    assert names(tmp_path / "out") == ["pstree.img"]
    assert err.splitlines()[0].startswith(f"dyncrit: {broken}: byte 27: ")
    assert err.splitlines()[1] == "dyncrit: 1 encoded, 0 skipped, 1 with errors"


def test_two_documents_for_one_image_are_refused(run: Run, document: Path, tmp_path: Path) -> None:
    other = tmp_path / "pstree.img.json"
    other.write_bytes(document.read_bytes())
    code, _, err = run("encode", document, other, "-o", tmp_path / "out")
    assert code in (1, 2)
    assert f"{document} and {other} would both be written to {tmp_path / 'out' / 'pstree.img'}" in err
    assert not (tmp_path / "out").exists()


def test_an_image_is_pointed_to_decode(run: Run, image: bytes) -> None:
    code, out, err = run("encode", stdin=image)
    assert (code, out) == (1, b"")
    assert err.startswith("dyncrit: stdin: an image (PSTREE), not JSON; `dyncrit decode`")


def test_a_document_made_with_nopl_is_refused(run: Run, tmp_path: Path) -> None:
    new = dyncrit.Image.new("PIPES_DATA")
    new.add(b"abc", pipe_id=1, bytes=3, size=65536)
    dyncrit.dump(new, tmp_path / "pipes-data.img")
    short = run("decode", "--nopl", tmp_path / "pipes-data.img")[1]
    code, _, err = run("encode", stdin=short)
    assert code == 1
    assert "--nopl" in err
    assert err.startswith("dyncrit: stdin: entries[0]: extra: ")


def test_a_ghost_file_made_with_nopl_is_refused(run: Run, tmp_path: Path) -> None:
    new = dyncrit.Image.new("GHOST_FILE")
    new.add(b"contents", uid=0, gid=0, mode=0o100644, dev=1, ino=2)
    dyncrit.dump(new, tmp_path / "ghost-file-1.img")
    code, _, err = run("encode", stdin=run("show", "--nopl", tmp_path / "ghost-file-1.img")[1])
    assert code == 1
    assert "--nopl" in err


def test_an_error_entry_without_bytes_is_refused(run: Run) -> None:
    text = json.dumps({"magic": "PSTREE", "entries": [PSTREE, {"@error": "entry 1 at byte 20: cut"}]})
    code, _, err = run("encode", stdin=text.encode())
    assert code == 1
    assert err.startswith("dyncrit: stdin: entries[1]: ")
    assert "entry 1 at byte 20: cut" in err


def test_an_error_is_one_line_whatever_the_document_quotes(run: Run) -> None:
    for key in ("a\nb", "a\rb", "\x1b[31m", "x" * 100_000):
        text = json.dumps({"magic": "PSTREE", "entries": [{key: 1}]}).encode()
        code, _, err = run("encode", stdin=text)
        assert code == 1
        assert len(err.splitlines()) == 1
        assert "\x1b" not in err
        assert len(err) < 1000


def test_an_unknown_magic_is_named_with_the_nearest(run: Run) -> None:
    code, _, err = run("encode", stdin=b'{"magic":"PSTRE","entries":[]}')
    assert code == 1
    assert err == "dyncrit: stdin: magic: no image type 'PSTRE' in the image table; did you mean PSTREE?\n"


def test_missing_required_fields_are_said_and_written(run: Run, tmp_path: Path) -> None:
    document = {"magic": "PSTREE", "entries": [PSTREE, {"pid": 2, "threads": [2]}]}
    code, out, err = run("encode", "-o", tmp_path / "pstree.img", stdin=json.dumps(document).encode())
    assert (code, out) == (0, b"")
    assert err == "dyncrit: stdin: entries[1]: lacks fields that the schema requires: ppid, pgid, sid\n"
    assert len(dyncrit.load(tmp_path / "pstree.img").entries) == 2


def test_a_long_list_of_numbers_is_read(run: Run, tmp_path: Path) -> None:
    threads = list(range(200_000))
    document = {"magic": "PSTREE", "entries": [{**PSTREE, "threads": threads}]}
    assert run("encode", "-o", tmp_path / "x.img", stdin=json.dumps(document).encode())[::2] == (0, "")
    assert list(dyncrit.load(tmp_path / "x.img").entries[0].message.threads) == threads


def test_a_field_called_extra_stands_beside_a_payload(tmp_path: Path) -> None:
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "pipe.proto").write_text(
        'syntax = "proto2"; message pipe_data_entry { required uint32 pipe_id = 1; required uint32 bytes = 2;'
        " optional string extra = 99; }"
    )
    schema = dyncrit.Schema.from_protos(protos)
    image = dyncrit.Image.new("PIPES_DATA", schema=schema)
    image.add(b"data", pipe_id=1, bytes=4, extra="field")
    document = image.to_dict()
    assert document["entries"][0] == {"pipe_id": 1, "bytes": 4, "extra": "field", "@extra": "ZGF0YQ==\n"}
    assert dyncrit.dumps(dyncrit.Image.from_dict(document, schema=schema)) == dyncrit.dumps(image)
