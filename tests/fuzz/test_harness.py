from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from dyncrit import Image, dumps, loads
from dyncrit.fuzz import harness
from dyncrit.fuzz.generate.images import known_types, usual_name
from dyncrit.fuzz.mutate.mutator import Mutator
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = Schema.default()
MUTATOR = Mutator(SCHEMA)

needs_atheris = pytest.mark.skipif(
    find_spec("atheris") is None and "DYNCRIT_REQUIRE_ATHERIS" not in os.environ,
    reason="Atheris isn't installed (pip install dyncrit[fuzz])",
)

PLANTED = """
import sys, types

def exercise_image(data, schema, name=""):
    from dyncrit import DyncritError, loads
    try:
        image = loads(data, schema=schema, file_name=name)
    except DyncritError:
        return False
    if len(image.entries) > 3:
        raise ValueError("a mistake that was planted")
    return True

stub = types.ModuleType("dyncrit.fuzz.exercise")
stub.exercise_image = exercise_image
sys.modules[stub.__name__] = stub

from dyncrit.fuzz.harness import main
sys.exit(main(sys.argv))
"""
"""The harness on a reader that goes wrong at images of four entries."""


def image(*pids: int) -> bytes:
    made = Image.new("PSTREE")
    for pid in pids:
        made.add(pid=pid, ppid=0, pgid=1, sid=1, threads=[1])
    return dumps(made)


def reversed_bytes(data: bytes, max_size: int) -> bytes:
    """In place of libFuzzer's own mutations."""
    return data[::-1][:max_size]


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The result of Python with these arguments.

    A shell starts it, in a process of its own: a process counts the peak of the one that it was started from as
    its own memory, which is all that this test run ever had, and libFuzzer would end over it.
    """
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


# What libFuzzer asks of it


def test_a_mutant_of_an_image_is_one_of_ours_or_now_and_then_libfuzzers() -> None:
    mutated = harness.custom_mutator(MUTATOR, reversed_bytes)
    data = image(1, 2, 3)
    made = [mutated(data, 4096, seed) for seed in range(200)]
    of_its_own = made.count(reversed_bytes(data, 4096))
    assert 5 < of_its_own < 60
    assert sum(one.startswith(data[:4]) for one in made) > 100  # ours keep to the format's layers


def test_a_mutant_is_fixed_by_its_seed() -> None:
    mutated = harness.custom_mutator(MUTATOR, reversed_bytes)
    data = image(1, 2, 3)
    assert [mutated(data, 4096, seed) for seed in range(50)] == [
        mutated(data, 4096, seed) for seed in range(50)
    ]
    assert len({mutated(data, 4096, seed) for seed in range(50)}) > 30


@pytest.mark.parametrize("data", [b"", b"x", image(1), image(*range(1, 200))])
@pytest.mark.parametrize("max_size", [1, 20, 200])
def test_no_mutant_is_larger_than_it_may_be(data: bytes, max_size: int) -> None:
    mutated = harness.custom_mutator(MUTATOR, reversed_bytes)
    assert all(len(mutated(data, max_size, seed)) <= max_size for seed in range(40))


def test_a_crossover_has_entries_of_both() -> None:
    crossed = harness.custom_crossover(MUTATOR)
    pids = set()
    for seed in range(40):
        made = loads(crossed(image(1, 2), image(8, 9), 4096, seed))
        pids |= {frozenset(entry.message.pid for entry in made.entries)}
    assert any(both & {1, 2} and both & {8, 9} for both in pids)


def test_a_crossover_is_no_larger_than_it_may_be() -> None:
    crossed = harness.custom_crossover(MUTATOR)
    first = image(1)
    made = [crossed(first, image(*range(2, 50)), len(first), seed) for seed in range(20)]
    assert first in made
    assert max(map(len, made)) <= len(first)


def test_a_crossover_of_what_is_no_image_is_a_start_and_an_end() -> None:
    crossed = harness.custom_crossover(MUTATOR)
    made = {crossed(b"abcd", b"wxyz", 6, seed) for seed in range(60)}
    assert all(re.fullmatch(rb"a?b?c?d?w?x?y?z?", one) and len(one) <= 6 for one in made)
    assert len(made) > 10


def test_bytes_of_an_image_without_a_magic_get_a_name_that_tells_what_they_are() -> None:
    name_of = harness.naming(SCHEMA)
    assert name_of(image(1)) == ""
    nameless = {usual_name(row) for row in known_types(SCHEMA) if row.magic is None}
    assert nameless
    assert {name_of(bytes(size)) for size in range(16)} & nameless


# The command


def test_help_says_how_to_start_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.main(["harness", "--help"]) == 0
    assert "python -m dyncrit.fuzz.harness -dict=criu.dict" in capsys.readouterr().out


def test_two_dashes_are_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.main(["harness", "--max_total_time=60"]) == 2
    assert "one dash: -max_total_time=60, not --max_total_time=60" in capsys.readouterr().err


def test_without_atheris_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert harness.main(["harness", "corpus"]) == 2
    assert "pip install 'dyncrit[fuzz]'" in capsys.readouterr().err


@needs_atheris
def test_what_reaches_new_code_is_kept(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "pstree").write_bytes(image(1))
    done = run("-m", "dyncrit.fuzz.harness", "-seed=1", "-runs=400", corpus, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    reached = [int(found) for found in re.findall(r"cov: (\d+)", done.stderr)]
    assert reached[-1] > reached[0] + 50
    assert len(list(corpus.iterdir())) > 10
    assert "MS: 1 Custom-" in done.stderr
    assert not list(tmp_path.glob("crash-*"))


@needs_atheris
def test_a_mistake_is_found_and_seen_again_with_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "pstree").write_bytes(image(1, 2))
    found = run("planted.py", "-seed=1", "-runs=20000", corpus, cwd=tmp_path)
    assert found.returncode == 77, found.stderr
    assert "a mistake that was planted" in found.stdout + found.stderr
    [crash] = tmp_path.glob("crash-*")
    assert len(loads(crash.read_bytes(), schema=SCHEMA).entries) > 3
    again = run("planted.py", crash.name, cwd=tmp_path)
    assert again.returncode == 77
