"""The check as a whole: healthy checkpoints are clean, damage is said once, rules can be chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit.check.checking import all_rules, check, checks
from dyncrit.checkpoint import open_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Copy

_CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
_FOLDERS = sorted(str(path.parent.relative_to(_CORPUS)) for path in _CORPUS.rglob("inventory.img"))
_ARCHIVES = sorted(
    path.name
    for path in (_CORPUS / "archives").glob("*")
    if path.suffix not in (".txt", ".md") and "with-previous" not in path.name  # whose parent is elsewhere
)


def _worse_than_stale(path: Path, *, pages: bool) -> list[str]:
    with open_checkpoint(path) as checkpoint:
        findings = check(checkpoint, pages=pages).findings
    return [
        str(finding)
        for finding in findings
        if finding.severity != "note" and finding.rule.id != "stale-images"
    ]


@pytest.mark.parametrize("name", _FOLDERS or [pytest.param("", marks=pytest.mark.skip("no corpus"))])
def test_the_healthy_corpus_is_clean(corpus: Path, name: str) -> None:
    assert _worse_than_stale(corpus / name, pages=name.startswith("demo")) == []


@pytest.mark.parametrize("name", _ARCHIVES or [pytest.param("", marks=pytest.mark.skip("no corpus"))])
def test_archives_of_engines_are_clean(corpus: Path, name: str) -> None:
    assert _worse_than_stale(corpus / "archives" / name, pages=False) == []


def test_a_dump_is_clean_with_its_pages(tree: Copy) -> None:
    assert tree.found(pages=True, deep=True) == []


def test_the_ids_of_rules_are_unique_and_every_rule_says_what_comes_of_it() -> None:
    rules = all_rules()
    assert len({rule.id for rule in rules}) == len(rules) > 30
    assert all(rule.title and rule.consequence for rule in rules)


def test_every_check_but_that_of_damage_is_of_a_rule_of_its_own() -> None:
    assert checks()[-1].rule.id == "image-readable"


def test_damage_is_found_once_and_in_images_that_no_rule_reads(tree: Copy) -> None:
    for name in ("timens-0.img", "core-9836.img"):
        path = tree.folder / name
        path.write_bytes(path.read_bytes()[:-1])
    found = tree.found()
    assert sorted(found) == [("image-readable", "core-9836.img", ""), ("image-readable", "timens-0.img", "")]


def test_an_image_of_another_type_than_its_name_says_is_found(tree: Copy) -> None:
    (tree.folder / "fs-9840.img").write_bytes((tree.folder / "ids-9840.img").read_bytes())
    assert tree.found() == [("image-readable", "fs-9840.img", "")]


def test_problems_that_views_met_before_are_not_lost_and_not_said_twice(tree: Copy) -> None:
    tree.remove("fs-9838.img")
    with open_checkpoint(tree.folder) as checkpoint:
        assert checkpoint.processes[9838].cwd is None
        checkpoint.problems.warn("elsewhere", "something odd")
        found = check(checkpoint, pages=False).findings
    assert [(finding.rule.id, finding.file, finding.severity) for finding in found] == [
        ("task-images", "fs-9838.img", "error"),
        ("view-whole", "elsewhere", "note"),
    ]


def test_chosen_rules_are_applied_and_no_others(tree: Copy) -> None:
    tree.remove("fs-9838.img").remove("inventory.img")
    with open_checkpoint(tree.folder) as checkpoint:
        report = check(checkpoint, rules=["inventory-known", "task-tree"])
    assert [rule.id for rule in report.rules] == ["inventory-known", "task-tree"]
    assert [finding.rule.id for finding in report.findings] == ["inventory-known"]
    assert (report.command, report.subject) == ("check", str(tree.folder))


def test_what_needs_pages_is_left_out_without_them(tree: Copy) -> None:
    with open_checkpoint(tree.folder) as checkpoint:
        counts = [
            len(check(checkpoint, pages=pages, deep=deep).rules)
            for pages, deep in ((False, False), (True, False), (True, True))
        ]
    assert counts == sorted(counts)
    assert counts[0] < counts[1]


@pytest.mark.parametrize("name", ["pstree.img", "inventory.img", "files.img", "core-9834.img"])
@pytest.mark.parametrize("size", [0, 3, 8, 11, 40])
def test_cut_images_are_findings_and_no_exceptions(tree: Copy, name: str, size: int) -> None:
    path = tree.folder / name
    path.write_bytes(path.read_bytes()[:size])
    assert tree.found() != []


def test_a_pre_dump_needs_no_tasks(copy: Callable[[str], Copy]) -> None:
    assert copy("criu-4.2/pre-dump/maps00/1").found() == []
