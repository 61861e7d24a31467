"""``dyncrit schema``: list, show NAME, diff, history, export, stubs, record."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dyncrit import Schema
from dyncrit.schema.recording import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, bytes, str]]


def test_list_tells_all_releases(run: Run) -> None:
    code, out, err = run("schema", "list")
    assert (code, err) == (0, "")
    lines = out.decode().splitlines()
    assert lines[0].split()[:3] == ["RELEASE", "DATE", "MESSAGES"]
    assert len(lines) == 67
    assert lines[-1].split()[0] == "4.2"
    listed = json.loads(run("schema", "list", "--json")[1])
    assert [row["name"] for row in listed][::65] == ["0.1", "4.2"]
    assert listed[-1]["messages"] == 160


def test_show_tells_a_messages_fields(run: Run) -> None:
    code, out, err = run("schema", "show", "pagemap_entry")
    assert (code, err) == (0, "")
    lines = out.decode().splitlines()
    assert lines[0] == "message pagemap_entry (pagemap.proto, since 0.5)"
    assert lines[3].split() == ["2", "compat_nr_pages", "required", "uint32", "0.5", "nr_pages"]
    shown = json.loads(run("schema", "show", "--json", "pagemap_entry")[1])
    assert shown["fields"][3] == {
        "number": 4,
        "name": "flags",
        "label": "optional",
        "type": "uint32",
        "options": {"flags": "pmap.flags"},
        "default": None,
        "since": "3.5",
        "other_names": [],
    }


def test_show_works_with_the_chosen_schema(run: Run, tmp_path: Path) -> None:
    assert b"nr_pages  " in run("--criu", "3.17", "schema", "show", "pagemap_entry")[1]
    (tmp_path / "x.proto").write_text(
        'syntax = "proto2"; message mine { optional uint32 field = 1 [default = 7]; }'
    )
    code, out, _ = run("schema", "show", "--proto-dir", tmp_path, "mine", "--json")
    assert code == 0
    shown = json.loads(out)
    assert (shown["since"], shown["fields"][0]["since"], shown["fields"][0]["default"]) == (None, None, "7")


@pytest.mark.parametrize("name", ["PAGEMAP", "pagemap-1.img", "SHMEM_PAGEMAP"])
def test_show_tells_a_type_of_image_by_name_alias_and_file(run: Run, name: str) -> None:
    code, out, err = run("schema", "show", name, "--json")
    assert (code, err) == (0, "")
    shown = json.loads(out)
    assert (shown["image"], shown["magic"], shown["head"]) == ("PAGEMAP", "0x56084025", "common")
    assert [row["message"] for row in shown["records"]] == ["pagemap_head", "pagemap_entry"]
    assert [row["message"] for row in shown["messages"]] == ["pagemap_head", "pagemap_entry"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("GHOST_FILE", "all bytes to the end of the file; nothing if chunks is set"),
        ("IPCNS_SEM", "nsems numbers of 2 bytes, zeros up to a multiple of 8"),
        ("IPCNS_MSG", "qnum times a length of 4 bytes"),
        ("TCP_STREAM", "inq_len bytes of inq, then outq_len bytes of outq"),
        ("core-1.img", "enum core_entry.march: UNKNOWN = 0, X86_64 = 1"),
        ("pages-1.img", "raw file"),
        ("0x12345678", "(unknown)"),
    ],
)
def test_show_tells_payloads_and_raw_files_in_words(run: Run, name: str, says: str) -> None:
    code, out, err = run("schema", "show", name)
    assert (code, err) == (0, "")
    assert says in out.decode()


def test_show_tells_every_type_of_image_and_what_an_old_release_lacks(run: Run) -> None:
    for row in Schema.default().table.types:
        assert run("schema", "show", row.name)[0] == 0
    assert (
        b"message bpfmap_file_entry: not in this schema"
        in run("schema", "show", "--criu", "0.1", "BPFMAP_FILE")[1]
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "pagemap_entyr"], "did you mean pagemap_entry?"),
        (["show", "PAGEMPA"], "did you mean PAGEMAP?"),
        (["show", "pstre"], "did you mean PSTREE?"),
        (["history", "core_entyr"], "did you mean core_entry?"),
        (["diff", "4.1", "4.22"], "did you mean"),
        (["diff", "missing/x", "4.2"], "missing/x: no such file"),
        (["diff", "--git", ".", "no-such-revision", "HEAD"], "no-such-revision"),
    ],
)
def test_an_unknown_name_is_one_line(run: Run, arguments: list[str], says: str) -> None:
    code, out, err = run("schema", *arguments)
    assert (code, out) == (1, b"")
    assert says in err
    assert err.count("\n") == 1


def test_diff_tells_what_changed(run: Run) -> None:
    code, out, err = run("schema", "diff", "4.1", "4.2")
    assert (code, err) == (0, "")
    assert "field pagemap_entry.compat_nr_pages renamed: nr_pages -> compat_nr_pages\n" in out.decode()
    found = json.loads(run("schema", "diff", "4.1", "4.2", "--json")[1])
    assert (found["before"], found["after"], len(found["differences"])) == ("4.1", "4.2", 3)
    assert found["differences"][1] == {
        "what": "field",
        "change": "renamed",
        "name": "pagemap_entry.compat_nr_pages",
        "before": "nr_pages",
        "after": "compat_nr_pages",
    }
    assert run("schema", "diff", "4.1", "4.1.1")[:2] == (0, b"4.1 and 4.1.1 have the same schema\n")


def test_diff_takes_revisions_of_a_repository(run: Run, tmp_path: Path) -> None:
    for step, field in enumerate(("a", "b")):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images/x.proto").write_text(
            f'syntax = "proto2"; message m {{ optional bool {field} = 1; }}'
        )
        names = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", f"t{step}"]):
            subprocess.run(["git", "-C", tmp_path, *names, *command], check=True, capture_output=True)
    code, out, err = run("schema", "diff", "--git", tmp_path, "t0", "t1")
    assert (code, out, err) == (0, b"field m.b renamed: a -> b\n", "")


def test_history_tells_first_last_and_names(run: Run) -> None:
    code, out, err = run("schema", "history", "pagemap_entry.nr_pages")
    assert (code, err) == (0, "")
    assert out.decode().splitlines()[:4] == [
        "field pagemap_entry.nr_pages (pagemap.proto): since 0.5",
        "  nr_pages = 2: 0.5 to 4.1.1",
        "  compat_nr_pages = 2: since 4.2",
        "  nr_pages = 5: since 4.2",
    ]
    found = json.loads(run("schema", "history", "--json", "device_entry")[1])
    assert (found["name"], found["first"], found["last"]) == ("kfd_device_entry", "3.17", None)
    assert [item["release"] for item in found["changes"]] == ["3.17", "4.0"]


@pytest.mark.parametrize("command", ["export", "stubs"])
def test_a_folder_is_written_once(run: Run, tmp_path: Path, command: str) -> None:
    output = tmp_path / "out"
    code, out, err = run("schema", command, "--criu", "3.17", "-o", output)
    assert (code, out) == (0, b"")
    assert "files of CRIU 3.17" in err
    names = {path.name for path in output.iterdir()}
    assert len(names) > 60
    code, _, err = run("schema", command, "-o", output)
    assert (code, err) == (1, f"dyncrit: {output}: is not empty; name a new folder, or an empty one\n")
    assert {path.name for path in output.iterdir()} == names
    assert run("schema", command)[0] == 2
    assert run("schema", command, "-o", tmp_path / "missing/out")[0] == 1


def test_an_export_is_a_schema(run: Run, tmp_path: Path) -> None:
    run("schema", "export", "--criu", "2.6", "-o", tmp_path / "protos")
    assert run("schema", "diff", "2.6", tmp_path / "protos")[1].endswith(b"have the same schema\n")


def test_record_adds_a_release_and_tells_what_is_new(run: Run, tmp_path: Path) -> None:
    run("schema", "export", "-o", tmp_path / "protos")
    path = tmp_path / "protos/fs.proto"
    path.write_text(path.read_text().replace("umask = 3;", "umask = 3; optional bool new = 4;"))
    catalogue = shutil.copy(CATALOGUE, tmp_path / "history.json")
    options = ["--release", "4.3", "--date", "2026-03-01", "--catalogue", catalogue]
    code, out, err = run("schema", "record", *options, tmp_path / "protos")
    assert (code, err) == (0, "")
    assert out.decode() == "4.3: 1 differences to 4.2\n  field fs_entry.new added: 4 optional bool\n"
    assert json.loads(catalogue.read_bytes())["dates"]["4.3"] == "2026-03-01"
    code, _, err = run("schema", "record", *options, tmp_path / "protos")
    assert (code, err) == (1, "dyncrit: 4.3 is not newer than 4.3, the catalogue's last release\n")
    assert run("schema", "record", tmp_path / "protos")[0] == 2


@pytest.mark.parametrize("command", ["list", "show", "diff", "history", "export", "stubs", "record"])
def test_help_has_an_example(run: Run, command: str) -> None:
    code, out, _ = run("schema", command, "--help")
    assert code == 0
    assert b"Example: dyncrit" in out


def test_show_imports_nothing_that_it_does_not_need() -> None:
    program = "import sys; from dyncrit.cli import main; main(['schema', 'show']); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "dyncrit.cli.schema.show" in result.stdout
    for name in (
        "dyncrit.cli.schema.record",
        "dyncrit.schema.differences",
        "dyncrit.schema.catalogue",
        "rich",
    ):
        assert name not in result.stdout.split()
