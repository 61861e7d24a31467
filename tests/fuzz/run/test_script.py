from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from dyncrit.fuzz.mutate.record import MutationRecord
from dyncrit.fuzz.run.case import Case
from dyncrit.fuzz.run.finding import Finding, Minimised
from dyncrit.fuzz.run.limits import Limits
from dyncrit.fuzz.run.store import FindingStore, Output
from dyncrit.fuzz.run.target import Target
from dyncrit.fuzz.run.verdict import Rules, Verdict

if TYPE_CHECKING:
    from pathlib import Path

RESIDENT = Limits(memory=64 << 20, memory_kind="resident")
CODE = "import os, sys; print(open(sys.argv[1]).read(), os.path.basename(sys.argv[1]), os.environ['A'], os.listdir())"


def kept(
    tmp_path: Path, name: str, command: str = CODE, limits: Limits | None = None
) -> tuple[Path, FindingStore, Finding]:
    target = Target.parse(f'{sys.executable} -c "{command}" {{image}}')
    case = Case.of_image(name, b"whole")
    verdict = Verdict("signal", "x\n$(touch /tmp/never) `id`", (0,))
    rules = Rules(limits or Limits(), environment={"A": "b 'c'"})
    finding = Finding(verdict.key([target]), verdict, (target.text,), name, False, "s", 1, 2, rules)
    store = FindingStore(tmp_path / "the findings")
    store.add(finding, case, MutationRecord("s", "", 1, (), ""), [Output(b"", b"")], [target])
    return tmp_path / "the findings" / finding.folder_name, store, finding


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", "reproduce.sh", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_runs_the_target_on_the_input_in_an_empty_folder(tmp_path: Path) -> None:
    folder, _, _ = kept(tmp_path, "it's $HOME.img")
    done = run(folder)
    assert done.stdout == "whole it's $HOME.img b 'c' []\n"
    assert done.returncode == 0
    assert "exit code 0" in done.stderr


def test_it_says_which_limit_it_lacks(tmp_path: Path) -> None:
    folder, _, _ = kept(tmp_path, "a.img", limits=RESIDENT)
    said = "# Not limited here, but by dyncrit fuzz replay: no more than 67108864 bytes in memory.\n"
    assert said in (folder / "reproduce.sh").read_text()
    assert run(folder).returncode == 0


def test_it_takes_the_minimised_input_where_there_is_one(tmp_path: Path) -> None:
    folder, store, finding = kept(tmp_path, "a.img")
    store.minimise(finding.key, Case.of_image("a.img", b"less"), Minimised(4, 5, 1, reproduced=True))
    assert run(folder).stdout.startswith("less a.img")
    assert run(folder, "input/a.img").stdout.startswith("whole a.img")


def test_it_exits_as_the_target_does_and_can_be_started_from_anywhere(tmp_path: Path) -> None:
    folder, _, _ = kept(tmp_path, "a.img", "import sys; sys.exit(7)")
    assert (
        subprocess.run([folder / "reproduce.sh"], cwd="/", capture_output=True, check=False).returncode == 7
    )
