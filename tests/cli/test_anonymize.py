"""``dyncrit anonymize``: where the result goes, what is said, and the key."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest


@pytest.fixture
def dump(data, tmp_path):
    """A copy of a checkpoint with sockets, by which nothing of the user's is at risk."""
    return Path(shutil.copytree(data / "demo/sockets", tmp_path / "acme-dump", symlinks=True))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_copy_is_made_and_the_checkpoint_left_alone(run, dump, tmp_path):
    before = contents(dump)
    code, out, err = run("anonymize", dump, "-o", tmp_path / "copy")
    assert (code, err) == (0, "")
    assert b"files.img: " in out
    assert contents(dump) == before
    after = contents(tmp_path / "copy")
    assert after.keys() == before.keys()
    assert b"/srv/demo" in before["files.img"]
    assert b"/srv/demo" not in b"".join(after.values())
    assert b"demo" not in out


def test_a_copy_may_be_an_archive_and_be_read_again(run, dump, tmp_path):
    archive = tmp_path / "report.tar.zst"
    assert run("anonymize", dump, "-o", archive)[0] == 0
    assert run("check", "--without-pages", archive)[0] == 0


def test_one_has_to_say_where_the_result_goes(run, dump, tmp_path):
    for arguments in ([], ["-o", tmp_path / "copy", "--in-place"]):
        code, _, err = run("anonymize", dump, *arguments)
        assert code == 2
        assert "-o DIR|ARCHIVE for a copy, or --in-place" in err


def test_an_output_that_is_there_is_an_error(run, dump, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").write_text("mine")
    code, _, err = run("anonymize", dump, "-o", tmp_path / "copy")
    assert code == 1
    assert err.count("\n") == 1
    assert "not empty" in err


def test_a_dry_run_prints_values_and_writes_nothing(run, dump, tmp_path):
    before = contents(dump)
    code, out, err = run("anonymize", dump, "--dry-run")
    assert (code, err) == (0, "")
    assert b"files.img entries[" in out
    assert b"/srv/demo" in out
    assert contents(dump) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acme-dump"]


def test_a_dry_run_of_a_chain_shows_the_parents_too(run, corpus):
    code, out, _ = run("anonymize", corpus / "demo/memory/2", "--dry-run", "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["dry_run"]
    for items in (shown["touched"], [{"place": item["file"]} for item in shown["changes"]]):
        assert {item["place"].startswith("parent/") for item in items} == {True, False}


def test_json_tells_counts_and_no_values(run, dump, tmp_path):
    (dump / "notes.txt").write_text("secret")
    code, out, _ = run("anonymize", dump, "-o", tmp_path / "copy", "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["dry_run"] is False
    touched = {item["place"]: item for item in shown["touched"]}
    assert "path" in touched["files.img"]["what"]
    assert touched["notes.txt"] == {"place": "notes.txt", "what": "file", "before": "6 bytes", "after": ""}
    assert b"/srv/demo" not in out


def test_a_key_file_is_made_for_its_owner_alone_and_gives_the_same_names_again(run, dump, tmp_path):
    key = tmp_path / "key"
    for name in ("one", "two"):
        assert run("anonymize", dump, "-o", tmp_path / name, "--key-file", key)[0] == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) >= 64
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert run("anonymize", dump, "-o", tmp_path / "other")[0] == 0
    assert contents(tmp_path / "other")["files.img"] != contents(tmp_path / "one")["files.img"]


def test_a_dry_run_makes_no_key_file(run, dump, tmp_path):
    assert run("anonymize", dump, "-n", "--key-file", tmp_path / "key")[0] == 0
    assert not (tmp_path / "key").exists()


def test_a_key_that_can_be_guessed_is_refused(run, dump, tmp_path):
    (tmp_path / "key").write_text("1234")
    code, _, err = run("anonymize", dump, "-o", tmp_path / "copy", "--key-file", tmp_path / "key")
    assert code == 1
    assert "a key of 4 bytes can be guessed" in err
    assert not (tmp_path / "copy").exists()


def test_damage_is_an_error_that_tells_the_way_out(run, dump, tmp_path):
    (dump / "pstree.img").write_bytes((dump / "pstree.img").read_bytes()[:-1])
    code, _, err = run("anonymize", dump, "-o", tmp_path / "copy")
    assert code == 1
    assert err.count("\n") == 1
    assert "pstree.img" in err
    assert "--remove-damaged" in err
    code, out, _ = run("anonymize", dump, "-o", tmp_path / "copy", "--remove-damaged")
    assert code == 0
    assert b"pstree.img: damaged image" in out
    assert "pstree.img" not in contents(tmp_path / "copy")


def test_in_place_the_checkpoint_itself_is_changed(run, dump, tmp_path):
    pytest.importorskip("dyncrit.checkpoint.writing.commit")
    before = contents(dump)
    (dump / "dump.log").write_text("secret")
    key = tmp_path / "key"
    assert run("anonymize", dump, "-o", tmp_path / "copy", "--key-file", key)[0] == 0
    code, _, err = run("anonymize", dump, "--in-place", "--key-file", key)
    assert (code, err) == (0, "")
    assert contents(dump) == contents(tmp_path / "copy")
    assert contents(dump).keys() == before.keys()


def test_in_place_what_can_not_be_reached_is_an_error_and_nothing_changes(run, dump):
    pytest.importorskip("dyncrit.checkpoint.writing.commit")
    before = contents(dump)
    (dump / "volumes").mkdir()
    code, _, err = run("anonymize", dump, "--in-place")
    assert code == 1
    assert "volumes" in err
    (dump / "volumes").rmdir()
    assert contents(dump) == before


def test_help_tells_what_stays_and_what_goes(run):
    code, out, _ = run("anonymize", "--help")
    assert code == 0
    for word in (b"Memory", b"Registers", b"Numbers stay", b"--key-file", b"Example"):
        assert word in out
