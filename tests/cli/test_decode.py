from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dyncrit

Run = Callable[..., tuple[int, bytes, str]]
PSTREE = {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1]}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "pstree.img"
    new = dyncrit.Image.new("PSTREE")
    new.add(**PSTREE)
    dyncrit.dump(new, path)
    return path


@pytest.fixture
def pipes(tmp_path: Path) -> Path:
    """An image of which the fourth entry's payload is cut."""
    new = dyncrit.Image.new("PIPES_DATA")
    for size in (3, 30, 40, 4096):
        new.add(bytes(size), pipe_id=1, bytes=size, size=65536)
    path = tmp_path / "pipes-data.img"
    path.write_bytes(dyncrit.dumps(new)[: 12 - 4096])
    return path


DOCUMENT = {"magic": "PSTREE", "entries": [PSTREE]}


def test_an_argument_or_i_or_stdin_is_the_image(run: Run, image: Path) -> None:
    expected = (0, (json.dumps(DOCUMENT, separators=(",", ":")) + "\n").encode(), "")
    assert run("decode", image) == expected
    assert run("decode", "-i", image) == expected
    assert run("decode", "--in", image) == expected
    assert run("decode", stdin=image.read_bytes()) == expected
    assert run("decode", "-", stdin=image.read_bytes()) == expected
    assert run("decode", "-i", "-", stdin=image.read_bytes()) == expected


def test_o_names_the_output(run: Run, image: Path, tmp_path: Path) -> None:
    for option in ("-o", "--out"):
        target = tmp_path / f"document{option}"
        assert run("decode", "-i", image, option, target) == (0, b"", "")
        assert json.loads(target.read_bytes()) == DOCUMENT
    assert json.loads(run("decode", image, "-o", "-")[1]) == DOCUMENT


def test_pretty_is_indented_and_shows_meaning(run: Run, tmp_path: Path) -> None:
    new = dyncrit.Image.new("PAGEMAP")
    new.add(pages_id=1)
    new.add(vaddr=4096, compat_nr_pages=0, flags=4, nr_pages=1)
    dyncrit.dump(new, tmp_path / "pagemap-1.img")
    code, out, err = run("decode", "--pretty", tmp_path / "pagemap-1.img")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["entries"][1]["vaddr"] == "0x1000"
    assert document["entries"][1]["flags"] == "PE_PRESENT"
    assert out.decode() == json.dumps(document, indent=2) + "\n"


def test_nopl_shows_sizes_for_payloads(run: Run, tmp_path: Path) -> None:
    new = dyncrit.Image.new("PIPES_DATA")
    new.add(bytes(2048), pipe_id=1, bytes=2048, size=65536)
    dyncrit.dump(new, tmp_path / "pipes-data.img")
    code, out, _ = run("decode", "--nopl", tmp_path / "pipes-data.img")
    assert code == 0
    assert json.loads(out)["entries"][0]["extra"] == "... <2KB>"


def test_ndjson_is_a_line_an_entry(run: Run, image: Path) -> None:
    code, out, _ = run("decode", "--format", "ndjson", image)
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"magic": "PSTREE", "@format": "ndjson"},
        PSTREE,
    ]


def test_as_takes_records_for_another_message(run: Run, image: Path) -> None:
    code, out, _ = run("decode", "--as", "fown_entry", image)
    assert code == 0
    assert json.loads(out)["@message"] == "fown_entry"
    assert json.loads(out)["entries"][0]["uid"] == 1
    code, out, err = run("decode", "--as", "fown_entri", image)
    assert (code, out) == (1, b"")
    assert "no message 'fown_entri'" in err
    assert "did you mean fown_entry?" in err


def test_an_error_names_the_file_the_entry_and_the_byte(run: Run, pipes: Path) -> None:
    code, _, err = run("decode", pipes)
    assert code == 1
    record = len(dyncrit.Image.new("PIPES_DATA").add(pipe_id=1, bytes=30, size=65536).record)
    last = 8 + 3 * (4 + record) + 3 + 30 + 40
    assert err == f"dyncrit: {pipes}: entry 3 at byte {last}: payload of 4096 bytes, 12 left in the file\n"


def test_an_error_leaves_the_old_output_and_no_neighbour(run: Run, pipes: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "document.json"
    target.parent.mkdir()
    target.write_text("old")
    assert run("decode", pipes, "-o", target)[0] == 1
    assert target.read_text() == "old"
    assert names(target.parent) == ["document.json"]


def test_an_error_makes_no_new_output(run: Run, pipes: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run("decode", pipes, "-o", tmp_path / "out" / "new.json")[0] == 1
    assert names(tmp_path / "out") == []


def test_keep_going_decodes_what_it_can(run: Run, pipes: Path, tmp_path: Path) -> None:
    code, out, err = run("decode", "--keep-going", pipes)
    assert code == 1
    assert err.count("\n") == 1
    entries = json.loads(out)["entries"]
    assert [len(entry.get("extra", "")) > 0 for entry in entries[:3]] == [True, True, True]
    assert err == f"dyncrit: {pipes}: {entries[3]['@error']}\n"
    assert run("decode", "--keep-going", pipes, "-o", tmp_path / "out.json")[0] == 1
    assert json.loads((tmp_path / "out.json").read_bytes())["entries"] == entries


def test_an_error_of_keep_going_is_one_line_whatever_the_file_is_called(run: Run, pipes: Path) -> None:
    odd = pipes.rename(pipes.with_name("pipes\n-\rdata.img"))
    for options in ([], ["--keep-going"]):
        code, _, err = run("decode", *options, odd)
        assert code == 1
        assert len(err.splitlines()) == 1


def test_decoding_a_file_onto_itself_is_safe(run: Run, image: Path) -> None:
    mode = image.stat().st_mode
    data = image.read_bytes()
    assert run("decode", "-i", image, "-o", image) == (0, b"", "")
    assert json.loads(image.read_bytes()) == DOCUMENT
    assert run("encode", "-i", image, "-o", image) == (0, b"", "")
    assert image.read_bytes() == data
    assert image.stat().st_mode == mode


def test_a_large_payload_may_be_decoded_onto_itself(run: Run, tmp_path: Path) -> None:
    """It is read while the output is written."""
    new = dyncrit.Image.new("GHOST_FILE")
    new.add(bytes(range(256)) * 20_000, uid=0, gid=0, mode=0o100644, dev=1, ino=2)
    path = tmp_path / "ghost-file-1.img"
    dyncrit.dump(new, path)
    assert run("decode", path, "-o", path)[0] == 0
    assert run("encode", path, "-o", path)[0] == 0
    assert path.read_bytes() == dyncrit.dumps(new)


def test_output_to_dev_null_works(run: Run, image: Path) -> None:
    assert run("decode", image, "-o", "/dev/null") == (0, b"", "")
    assert Path("/dev/null").is_char_device()


def test_output_into_a_missing_folder_is_an_error_that_names_it(
    run: Run, image: Path, tmp_path: Path
) -> None:
    target = tmp_path / "missing" / "document.json"
    code, out, err = run("decode", image, "-o", target)
    assert (code, out) == (1, b"")
    assert err in (
        f"dyncrit: {target}: No such file or directory\n",
        f"dyncrit: {target.parent}: No such file or directory\n",
    )


def test_output_to_a_directory_is_an_error_that_names_it(run: Run, image: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    code, out, err = run("decode", image, "-o", tmp_path / "out")
    assert code in (1, 2)
    assert out == b""
    assert err.startswith("dyncrit: ")
    assert str(tmp_path / "out") in err
    assert "directory" in err
    assert names(tmp_path / "out") == []


def test_an_output_link_stays_a_link(run: Run, image: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("target.json")
    assert run("decode", image, "-o", tmp_path / "link.json")[0] == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "target.json").read_bytes()) == DOCUMENT


def test_i_does_not_take_a_directory(run: Run, tmp_path: Path) -> None:
    code, out, err = run("decode", "-i", tmp_path)
    assert (code, out) == (2, b"")
    assert err.startswith(f"dyncrit: {tmp_path} is a directory")
    assert err.count("\n") == 1


def test_i_does_not_take_a_directory_with_an_output_either(run: Run, tmp_path: Path) -> None:
    code, _, err = run("decode", "-i", tmp_path, "-o", tmp_path / "out")
    assert code == 2
    assert f"{tmp_path} is a directory" in err
    assert not (tmp_path / "out").exists()


def test_a_directory_needs_an_output(run: Run, tmp_path: Path, image: Path) -> None:
    for arguments in ([tmp_path], [image, image], [tmp_path, "-o", image]):
        code, _, err = run("decode", *arguments)
        assert code == 2
        assert "-o DIR" in err


def test_a_directory_becomes_a_directory(run: Run, data: Path, tmp_path: Path) -> None:
    code, out, err = run("decode", data / "demo" / "tree", "-o", tmp_path / "json")
    assert (code, out) == (0, b"")
    images = {path.name for path in (data / "demo" / "tree").iterdir() if not path.name.startswith("pages-")}
    assert set(names(tmp_path / "json")) == {f"{name}.json" for name in images}
    lines = err.splitlines()
    assert len(lines) == 4
    for line in lines[:-1]:
        assert line.startswith(f"dyncrit: {data / 'demo' / 'tree' / 'pages-'}")
        assert ": skipped: a raw image without records: memory pages" in line
    assert lines[-1] == f"dyncrit: {len(images)} decoded, 3 skipped, 0 with errors"


def test_a_directory_with_a_damaged_image_fails_and_decodes_the_rest(
    run: Run, data: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(data / "demo" / "tree", tmp_path / "in")
    (folder / "inventory.img").write_bytes((folder / "inventory.img").read_bytes()[:-1])
    count = len(names(folder)) - 3
    code, _, err = run("decode", folder, "-o", tmp_path / "json")
    assert code == 1
    assert len(names(tmp_path / "json")) == count - 1
    assert f"dyncrit: {folder / 'inventory.img'}: entry 0 at byte 4: " in err
    assert err.endswith(f"dyncrit: {count - 1} decoded, 3 skipped, 1 with errors\n")


def test_lists_of_files_are_one_line_each_whatever_they_are_called(
    run: Run, tmp_path: Path, pipes: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a\nb").write_bytes(b"")
    (folder / "c\rd").write_bytes(b"some text that is no image")
    pipes.rename(folder / "pipes\ndata.img")
    for options in ([], ["--keep-going"]):
        code, _, err = run("decode", folder, "-o", tmp_path / "out", *options)
        assert code == 1
        assert len(err.splitlines()) == 4
        assert all(line.startswith("dyncrit: ") for line in err.splitlines())


def test_several_files_become_a_directory(run: Run, data: Path, tmp_path: Path) -> None:
    folder = data / "demo" / "tree"
    code, _, _ = run("decode", folder / "core-9834.img", folder / "files.img", "-o", tmp_path / "json")
    assert code == 0
    assert set(names(tmp_path / "json")) == {"core-9834.img.json", "files.img.json"}


def test_two_inputs_for_one_output_are_refused(run: Run, data: Path, tmp_path: Path) -> None:
    first, second = (data / "demo" / name / "files.img" for name in ("tree", "sockets"))
    code, _, err = run("decode", first, second, "-o", tmp_path / "json")
    assert code in (1, 2)
    assert err.count("\n") == 1
    assert str(first) in err
    assert str(second) in err
    assert not (tmp_path / "json").exists()


def test_a_pipe_in_a_directory_is_not_waited_for(tmp_path: Path, image: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    image.rename(folder / "pstree.img")
    os.mkfifo(folder / "pipe")
    command = [sys.executable, "-m", "dyncrit", "decode", str(folder), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert done.returncode == 0
    assert names(tmp_path / "out") == ["pstree.img.json"]
    assert f"{folder / 'pipe'}: skipped: " in done.stderr.decode()


def test_a_missing_file_is_named(run: Run, tmp_path: Path) -> None:
    for arguments in ([], ["-o", tmp_path / "out.json"]):
        code, out, err = run("decode", tmp_path / "missing.img", *arguments)
        assert (code, out) == (1, b"")
        assert err == f"dyncrit: {tmp_path / 'missing.img'}: No such file or directory\n"
    assert not (tmp_path / "out.json").exists()


def test_a_raw_file_alone_is_an_error_that_says_what_it_is(run: Run, data: Path) -> None:
    code, out, err = run("decode", data / "demo" / "tree" / "pages-1.img")
    assert (code, out) == (1, b"")
    assert "memory pages" in err


def test_json_is_pointed_to_encode(run: Run) -> None:
    code, _, err = run("decode", stdin=b'{"magic":"PSTREE","entries":[]}')
    assert code == 1
    assert err.startswith("dyncrit: stdin: JSON, not an image; `dyncrit encode`")


@pytest.mark.parametrize("option", [["--format", "xml"], ["--nope"], ["--as"]])
def test_wrong_options_are_usage_errors(run: Run, image: Path, option: list[str]) -> None:
    code, out, err = run("decode", image, *option)
    assert (code, out) == (2, b"")
    assert err.startswith("dyncrit: ")
    assert err.count("\n") == 1
