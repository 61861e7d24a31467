"""What dumps and restores took, and whether another pre-dump pays."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import dyncrit

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]

DUMP_KEYS = [
    "freezing_time",
    "frozen_time",
    "memdump_time",
    "memwrite_time",
    "pages_scanned",
    "pages_skipped_parent",
    "pages_written",
    "irmap_resolve_time",
    "pages_lazy",
    "page_pipes",
    "page_pipe_buffers",
    "shared_pages_scanned",
    "shared_pages_skipped_parent",
    "shared_pages_written",
]
RESTORE_KEYS = ["pages_compared", "pages_skipped_cow", "forking_time", "restore_time", "pages_restored"]
ROUND_KEYS = [
    "index",
    "scanned",
    "written",
    "skipped",
    "lazy",
    "shared_scanned",
    "shared_written",
    "shared_skipped",
    "share_skipped",
]


@pytest.fixture
def rounds(tmp_path: Path) -> Callable[..., list[Path]]:
    """Makes pre-dumps that wrote and skipped so many pages, the oldest first."""

    def make(*pages: tuple[int, int]) -> list[Path]:
        folders = []
        for index, (written, skipped) in enumerate(pages, 1):
            folder = tmp_path / f"round-{index}"
            folder.mkdir()
            inventory = dyncrit.Image.new("INVENTORY")
            inventory.add(img_version=2)
            dyncrit.dump(inventory, folder / "inventory.img")
            dyncrit.dump(dyncrit.Image.new("PAGEMAP"), folder / "pagemap-1.img")
            stats = dyncrit.Image.new("STATS")
            figures = dict.fromkeys(("freezing_time", "frozen_time", "memdump_time", "memwrite_time"), 1500)
            stats.add(
                dump={
                    **figures,
                    "pages_scanned": written + skipped,
                    "pages_skipped_parent": skipped,
                    "pages_written": written,
                }
            )
            dyncrit.dump(stats, folder / "stats-dump")
            folders.append(folder)
        return folders

    return make


def advice_of(run: Run, *paths: object) -> dict[str, tuple[bool, str]]:
    code, out, err = run("stats", *paths, "--json")
    assert (code, err) == (0, "")
    return {item["rule"]: (item["another_round"], item["reason"]) for item in json.loads(out)["advice"]}


def test_figures_have_names_and_units(run: Run, data: Path) -> None:
    code, out, err = run("stats", data / "demo" / "tree")
    lines = [line.split() for line in out.decode().splitlines()]
    assert (code, err) == (0, "")
    assert lines[0] == [str(data / "demo" / "tree")]
    assert ["freezing", "0.517", "ms"] in lines
    assert ["pages", "scanned", "157", "pages"] in lines
    assert ["page", "pipes", "18"] in lines
    assert not any("round" in line for line in lines)


def test_the_document_has_all_keys(run: Run, corpus: Path) -> None:
    code, out, err = run("stats", corpus / "criu-4.2" / "pre-dump" / "maps00" / "3", "--json")
    document = json.loads(out)
    assert (code, err, list(document)) == (0, "", ["checkpoints", "rounds", "advice"])
    assert len(document["checkpoints"]) == len(document["rounds"]) == 3
    for checkpoint in document["checkpoints"]:
        assert list(checkpoint) == ["name", "dump", "restore"]
        assert list(checkpoint["dump"]) == DUMP_KEYS
    assert list(document["checkpoints"][2]["restore"]) == RESTORE_KEYS
    assert document["checkpoints"][0]["restore"] is None
    assert all(list(item) == ROUND_KEYS for item in document["rounds"])
    assert all(list(item) == ["rule", "another_round", "reason"] for item in document["advice"])


def test_a_chain_is_shown_the_oldest_first_from_its_last_dump(run: Run, corpus: Path) -> None:
    folder = corpus / "criu-4.2" / "pre-dump" / "maps00"
    code, out, err = run("stats", folder / "3")
    assert (code, err) == (0, "")
    table = out.decode().partition("round  ")[2].splitlines()
    assert [line.split() for line in table[1:4]] == [
        ["1", "61", "40", "0", "0", "0.0%"],
        ["2", "61", "0", "40", "0", "100.0%"],
        ["3", "61", "0", "40", "0", "100.0%"],
    ]
    assert table[4].startswith("LXD: stop: 100.0% of the pages")
    assert table[5].startswith("p.haul: stop: the last round wrote 0 pages")
    assert run("stats", *(folder / str(number) for number in (1, 2, 3))) == (0, out, "")


@pytest.mark.parametrize(
    ("pages", "lxd", "phaul"),
    [
        ([(1000, 0)], True, True),
        ([(1000, 0), (500, 500)], True, True),
        ([(1000, 0), (300, 700)], False, True),
        ([(1000, 0), (301, 699)], True, True),
        ([(1000, 0), (64, 36)], True, True),
        ([(1000, 0), (63, 30)], True, False),
        ([(100, 0), (131, 0)], True, True),
        ([(100, 0), (132, 0)], True, False),
        ([(1000, 0)] * 7, True, True),
        ([(1000, 0)] * 8, True, False),
        ([(1000, 0)] * 9, True, False),
        ([(1000, 0)] * 10, False, False),
        ([(0, 0)], False, False),
    ],
)
def test_advice_follows_the_rules_of_lxd_and_phaul(
    run: Run, rounds: Any, pages: list[tuple[int, int]], lxd: bool, phaul: bool
) -> None:
    found = advice_of(run, *rounds(*pages))
    assert {rule: another for rule, (another, _) in found.items()} == {"LXD": lxd, "p.haul": phaul}


def test_advice_is_a_sentence_with_its_reason(run: Run, rounds: Any) -> None:
    _, out, _ = run("stats", *rounds((1000, 0), (300, 700)))
    assert out.decode().splitlines()[3:5] == [
        "LXD: stop: 70.0% of the pages didn't change in the last round; 70% are enough",
        "p.haul: another round pays: the last round wrote 300 pages; the aim is under 64",
    ]


def test_a_final_dump_is_not_a_round_that_advice_is_about(run: Run, corpus: Path) -> None:
    archives = corpus / "archives"
    found = advice_of(
        run, archives / "podman-4.3-with-previous.tar", "--parent", archives / "podman-4.3-pre-checkpoint.tar"
    )
    assert found["p.haul"] == (False, "the last round wrote 33 pages; under 64 are few")
    assert found["LXD"][0] is True
    assert not advice_of(run, archives / "podman-4.3-loop.tar")


def test_two_archives_of_a_chain_may_be_named_one_after_the_other(run: Run, corpus: Path) -> None:
    archives = corpus / "archives"
    chain = [archives / f"podman-4.3-{name}.tar" for name in ("pre-checkpoint", "with-previous")]
    code, out, err = run("stats", *chain, "--json")
    assert code == 0
    assert all("warning: " in line for line in err.splitlines())
    assert [(item["written"], item["skipped"]) for item in json.loads(out)["rounds"]] == [(33, 0), (16, 17)]


@pytest.mark.parametrize("folder", ["criu-1.1/host/maps02", "criu-2.12/host/vt"])
def test_old_releases_have_fewer_figures(run: Run, corpus: Path, folder: str) -> None:
    code, out, err = run("stats", corpus / folder)
    assert (code, err) == (0, "")
    assert b"pages written" in out
    assert b"shared pages" not in out
    dump = json.loads(run("stats", corpus / folder, "--json")[1])["checkpoints"][0]["dump"]
    assert list(dump) == DUMP_KEYS
    assert dump["shared_pages_written"] is None


def test_no_statistics_are_said(run: Run, data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data / "demo" / "tree", tmp_path / "tree")
    (folder / "stats-dump").unlink()
    assert run("stats", folder) == (0, f"{folder}\nno statistics\n".encode(), "")
    document = json.loads(run("stats", folder, "--json")[1])
    nothing = {"name": str(folder), "dump": None, "restore": None}
    assert document == {"checkpoints": [nothing], "rounds": [], "advice": []}


def test_damaged_statistics_are_an_error_that_says_where(run: Run, data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data / "demo" / "tree", tmp_path / "tree")
    os.truncate(folder / "stats-dump", 9)
    code, out, err = run("stats", folder)
    assert (code, out) == (1, f"{folder}\nno statistics\n".encode())
    assert re.fullmatch(r"dyncrit: stats-dump: entry 0 at byte 8: [^\n]+\n", err)


def test_a_checkpoint_must_be_named_and_be_there(run: Run, data: Path, tmp_path: Path) -> None:
    assert run("stats")[:2] == (2, b"")
    assert run("stats", data / "demo" / "tree", tmp_path / "nope")[:2] == (2, b"")
    code, out, err = run("stats", data / "demo" / "tree", tmp_path)
    assert (code, out) == (1, b"")
    assert f"{tmp_path}: no checkpoint" in err


def test_control_characters_in_names_do_not_reach_the_screen(run: Run, data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data / "demo" / "tree", tmp_path / "a\x1b[31mb\nc\x9bd")
    code, out, _ = run("stats", folder)
    assert code == 0
    assert rb"a\x1b[31mb\nc\x9bd" in out.splitlines()[0]


def test_a_closed_stdout_is_an_error_on_one_line(data: Path) -> None:
    program = (
        f"import os, sys; os.close(1); os.execv({sys.executable!r}, [{sys.executable!r}] + sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, "-m", "dyncrit", "stats", str(data / "demo" / "tree")]
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1
    assert b"fault of dyncrit" not in done.stderr
    assert b"stdout" in done.stderr
