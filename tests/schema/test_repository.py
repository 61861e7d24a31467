from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.errors import SchemaError
from dyncrit.schema import repository as module
from dyncrit.schema.repository import GitError, Repository
from dyncrit.validate.source import schema_at

if TYPE_CHECKING:
    from pathlib import Path

M = "message m {}\n"


def test_schema_files_of_every_layout_are_found(git_folder: Any) -> None:
    wanted = {
        "images/a.proto": M,
        "protobuf/b.proto": M,
        "plugins/gpu/c.proto": M,
        "criu/include/magic.h": "",
        "include/image.h": "",
        "magic.h": "",
    }
    others = {"images/Makefile": "", "criu/a.proto": M, "plugins/gpu/x/d.proto": M, "images.proto/e": ""}
    git_folder.commit("all", {**wanted, **others})
    made = Repository(git_folder.folder)
    assert {blob.path for blob in made.schema_blobs("HEAD")} == set(wanted)


def test_contents_come_from_the_revision_and_not_the_working_tree(git_folder: Any) -> None:
    git_folder.commit("one", {"images/a.proto": M}, tag="v1.0")
    git_folder.commit("two", {"images/a.proto": "message n {}\n"})
    (git_folder.folder / "images/a.proto").write_text("junk")
    made = Repository(git_folder.folder)
    with schema_at(made, made.schema_blobs("v1.0"), "v1.0") as source:
        assert source.tree.files["a.proto"].endswith(M.encode())
        assert dict(source.paths) == {"a.proto": "images/a.proto"}
        folder = source.tree.folder
    assert not folder.exists()


def test_bare_repository(git_folder: Any, tmp_path: Path) -> None:
    git_folder.commit("one", {"images/a.proto": M})
    git_folder.git("clone", "--quiet", "--bare", str(git_folder.folder), str(tmp_path / "bare"))
    made = Repository(tmp_path / "bare")
    assert [blob.path for blob in made.schema_blobs(made.resolve("main"))] == ["images/a.proto"]


def test_links_are_left_out(git_folder: Any) -> None:
    (git_folder.folder / "images").mkdir()
    (git_folder.folder / "images/link.proto").symlink_to("/etc/passwd")
    git_folder.commit("one", {"images/a.proto": M})
    assert [blob.path for blob in Repository(git_folder.folder).schema_blobs("HEAD")] == ["images/a.proto"]


def test_revisions_are_resolved(git_folder: Any) -> None:
    first = git_folder.commit("one", {"images/a.proto": M}, tag="v1.0")
    second = git_folder.commit("two", {"images/a.proto": "message n {}\n"})
    made = Repository(git_folder.folder)
    assert made.resolve("v1.0") == made.resolve("HEAD~1") == first
    assert made.split_range("v1.0..") == made.split_range("v1.0..main") == (first, second)


@pytest.mark.parametrize("revision", ["", "none", "--all", "-h", "v1.0:images", "HEAD\nHEAD"])
def test_revision_that_there_is_not(git_folder: Any, revision: str) -> None:
    git_folder.commit("one", {"images/a.proto": M}, tag="v1.0")
    with pytest.raises(GitError, match="no revision"):
        Repository(git_folder.folder).resolve(revision)


@pytest.mark.parametrize("text", ["v1.0", "..main", "v1.0...main", ""])
def test_text_that_is_no_range(git_folder: Any, text: str) -> None:
    git_folder.commit("one", {"images/a.proto": M}, tag="v1.0")
    with pytest.raises(GitError, match=r"expected a range A\.\.B"):
        Repository(git_folder.folder).split_range(text)


def test_commits_that_touch_the_schema_parents_first(git_folder: Any) -> None:
    git_folder.commit("base", {"images/a.proto": M}, tag="base")
    one = git_folder.commit("one", {"images/a.proto": M + "\n"})
    git_folder.commit("other", {"README": "x"})
    two = git_folder.commit("two", {"criu/include/magic.h": ""}, tag="v1.0")
    found = Repository(git_folder.folder).commits("base", "main")
    assert [(item.id, item.subject, item.tags) for item in found] == [
        (one, "one", ()),
        (two, "two", ("v1.0",)),
    ]
    assert str(found[1]) == f"{two[:12]} (v1.0) two"


def test_release_tags_are_sorted_by_version(git_folder: Any) -> None:
    for tag in ("v3.10", "v3.9", "v3.10.1", "v4.0-rc1", "other"):
        git_folder.commit(tag, {"images/a.proto": f"// {tag}\n"}, tag=tag)
    assert Repository(git_folder.folder).release_tags() == ["v3.9", "v3.10", "v3.10.1"]


def test_folder_that_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(GitError, match="not a git repository"):
        Repository(tmp_path / "empty")
    with pytest.raises(GitError, match="no such folder"):
        Repository(tmp_path / "none")


def test_revision_without_a_schema(git_folder: Any) -> None:
    git_folder.commit("one", {"README": "x"})
    made = Repository(git_folder.folder)
    with (
        pytest.raises(SchemaError, match=r"no \.proto files"),
        schema_at(made, made.schema_blobs("HEAD"), "HEAD"),
    ):
        pass


def test_file_that_is_too_large(git_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    git_folder.commit("one", {"images/a.proto": M})
    monkeypatch.setattr(module, "_MAX_FILE_SIZE", 3)
    made = Repository(git_folder.folder)
    blobs = made.schema_blobs("HEAD")
    with (
        pytest.raises(GitError, match=r"images/a\.proto: not there, or over"),
        schema_at(made, blobs, "HEAD"),
    ):
        pass


def test_object_that_is_lost_is_an_error(git_folder: Any) -> None:
    git_folder.commit("one", {"images/a.proto": M})
    made = Repository(git_folder.folder)
    (blob,) = made.schema_blobs("HEAD")
    (git_folder.folder / ".git/objects" / blob.id[:2] / blob.id[2:]).unlink()
    with pytest.raises(GitError, match="not there"), schema_at(made, [blob], "HEAD"):
        pass


def test_git_that_is_not_installed(git_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(subprocess, "run", _not_found)
    with pytest.raises(GitError, match="git is not installed"):
        Repository(git_folder.folder)


def _not_found(*_arguments: Any, **_options: Any) -> None:
    raise FileNotFoundError("git")
