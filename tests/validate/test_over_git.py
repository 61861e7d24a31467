"""Validation over a git history: a small one of our own, and CRIU's where a clone is at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.schema.repository import Repository
from dyncrit.validate.over_git import revision_baseline, validate_range, validate_revision

if TYPE_CHECKING:
    from dyncrit.findings import Finding, Report

PROTO = "images/a.proto"
HEADER = "criu/include/magic.h"


def _message(*fields: str) -> str:
    return "message a_entry {\n" + "".join(f"  {field};\n" for field in fields) + "}\n"


ID, ON, OFF = "required uint32 id = 1", "optional bool on = 2", "optional bool off = 2"
NEEDED = "required bool needed = 3"


def _breaking(report: Report) -> dict[str, Finding]:
    return {
        item.rule.id: item
        for item in report.findings
        if item.rule.id.startswith(("wire-", "json-", "schema-"))
    }


def test_each_finding_names_the_commit_that_introduced_it(git_folder: Any) -> None:
    git_folder.commit("start", {PROTO: _message(ID, ON), HEADER: "#define NEW_MAGIC 0x1\n"}, tag="v1.0")
    renamed = git_folder.commit("rename on", {PROTO: _message(ID, OFF)})
    git_folder.commit("nothing of the schema", {"README": "x"})
    required = git_folder.commit("need it", {PROTO: _message(ID, OFF, NEEDED)}, tag="v1.1")
    magic = git_folder.commit("other magic", {HEADER: "#define NEW_MAGIC 0x2\n"})
    git_folder.commit("a line above", {PROTO: "\n" + _message(ID, OFF, NEEDED)})
    made = validate_range(Repository(git_folder.folder), "v1.0..main")
    places = {rule: item.place for rule, item in _breaking(made).items()}
    assert places == {
        "json-field-renamed": f"since commit {renamed[:12]} rename on",
        "wire-field-required": f"since commit {required[:12]} (v1.1) need it",
        "wire-magic-changed": f"since commit {magic[:12]} other magic",
    }
    assert _breaking(made)["wire-field-required"].line == 6
    assert made.subject == "repository@v1.0..main (baseline: v1.0)"


def test_what_was_taken_back_is_no_finding(git_folder: Any) -> None:
    git_folder.commit("start", {PROTO: _message(ID, ON)}, tag="v1.0")
    git_folder.commit("break", {PROTO: _message(ID)})
    git_folder.commit("mend", {PROTO: _message(ID, ON)})
    again = git_folder.commit("break again", {PROTO: _message(ID)})
    repository = Repository(git_folder.folder)
    assert _breaking(validate_range(repository, "v1.0..main~1")) == {}
    (finding,) = _breaking(validate_range(repository, "v1.0..main")).values()
    assert finding.place == f"since commit {again[:12]} break again"


def test_finding_from_before_the_range_names_no_commit(git_folder: Any) -> None:
    header = "#define A_MAGIC 0x12345678\n#define B_MAGIC 0x12345678\n"
    git_folder.commit("start", {PROTO: _message(ID), HEADER: header}, tag="v1.0")
    git_folder.commit("more", {PROTO: _message(ID, ON)})
    made = validate_range(Repository(git_folder.folder), "v1.0..main")
    (finding,) = [item for item in made.findings if item.rule.id == "table-magic-unique"]
    assert finding.place == ""


def test_merge_is_not_blamed_for_what_it_merges(git_folder: Any) -> None:
    git_folder.commit("start", {PROTO: _message(ID, ON)}, tag="v1.0")
    git_folder.git("checkout", "--quiet", "-b", "side")
    removed = git_folder.commit("remove on", {PROTO: _message(ID)})
    git_folder.git("checkout", "--quiet", "main")
    needed = git_folder.commit("another file", {"images/b.proto": "message b_entry {}\n"})
    git_folder.git("merge", "--quiet", "--no-ff", "-m", "merge side", "side")
    assert git_folder.git("rev-parse", "HEAD^1") == needed
    (finding,) = _breaking(validate_range(Repository(git_folder.folder), "v1.0..main")).values()
    assert finding.place == f"since commit {removed[:12]} remove on"


def test_merge_that_breaks_by_itself_is_named(git_folder: Any) -> None:
    git_folder.commit("start", {PROTO: _message(ID, ON)}, tag="v1.0")
    git_folder.git("checkout", "--quiet", "-b", "side")
    git_folder.commit("on the side", {"images/b.proto": "message b_entry {}\n"})
    git_folder.git("checkout", "--quiet", "main")
    git_folder.commit("on main", {"images/c.proto": "message c_entry {}\n"})
    git_folder.git("merge", "--quiet", "--no-ff", "--no-commit", "side")
    merge = git_folder.commit("evil merge", {PROTO: _message(ID)})
    (finding,) = _breaking(validate_range(Repository(git_folder.folder), "v1.0..main")).values()
    assert finding.place == f"since commit {merge[:12]} evil merge"


def test_commit_after_which_nothing_compiles_is_named(git_folder: Any) -> None:
    git_folder.commit("start", {PROTO: _message(ID)}, tag="v1.0")
    broken = git_folder.commit("break the build", {PROTO: _message(ID, "optional nope x = 2")})
    git_folder.commit("more", {"images/b.proto": "message b_entry {}\n"})
    (finding,) = _breaking(validate_range(Repository(git_folder.folder), "v1.0..main")).values()
    assert (finding.rule.id, finding.file, finding.line) == ("schema-compiles", PROTO, 4)
    assert finding.place == f"since commit {broken[:12]} break the build"


def test_commits_without_any_schema_are_passed(git_folder: Any) -> None:
    git_folder.commit("start", {PROTO: _message(ID, ON)}, tag="v1.0")
    git_folder.commit("remove all", {PROTO: None})
    back = git_folder.commit("come back", {PROTO: _message(ID)})
    (finding,) = _breaking(validate_range(Repository(git_folder.folder), "v1.0..main")).values()
    assert finding.place == f"since commit {back[:12]} come back"


def test_one_revision_against_another(git_folder: Any) -> None:
    git_folder.commit("start", {PROTO: _message(ID, ON)}, tag="v1.0")
    git_folder.commit("remove on", {PROTO: _message(ID)}, tag="v1.1")
    repository = Repository(git_folder.folder)
    made = validate_revision(repository, "v1.1", baseline=revision_baseline(repository, "v1.0"))
    (finding,) = _breaking(made).values()
    assert (finding.rule.id, finding.file, finding.line) == ("wire-field-removed", PROTO, 2)
    assert made.subject == "repository@v1.1 (baseline: v1.0)"


_CRIU = os.environ.get("DYNCRIT_CRIU_REPO", "")


@pytest.mark.skipif(not _CRIU, reason="DYNCRIT_CRIU_REPO names no clone of CRIU with its tags")
def test_every_release_of_criu_passes() -> None:
    repository = Repository(Path(_CRIU))
    tags = [tag for tag in repository.release_tags() if tag != "v0.0"]
    with_schema = [tag for tag in tags if repository.schema_blobs(repository.resolve(tag))]
    assert len(with_schema) >= 66
    failed = {
        tag: [str(item) for item in made.findings if item.severity == "error"]
        for tag in with_schema
        if (made := validate_revision(repository, tag)).fails_on("error")
    }
    assert failed == {}
