"""What the tests share: the images under tests/data, and the larger corpus where it lies beside the checkout."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A busy machine is no reason to fail.
settings.register_profile("dyncrit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dyncrit")

_DATA = Path(__file__).with_name("data")
_SHARED = Path(__file__).parents[2] / "shared"
_SUBMODULE = Path(__file__).parents[1] / "images" / "criu"
_CORPUS = Path(os.environ.get("DYNCRIT_CORPUS", _SHARED / "corpus"))
_FETCH_TIMEOUT = 180
_NOT_IMAGES = {".gz", ".zst", ".c", ".md", ".txt"}


@pytest.fixture(scope="session")
def data() -> Path:
    """The images that the project ships."""
    return _DATA


@pytest.fixture(scope="session")
def images() -> list[Path]:
    """Every file of a checkpoint in tests/data, images and raw ones."""
    return files_below(_DATA)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The corpus of real images beside the checkout."""
    if not _CORPUS.is_dir():
        pytest.skip(f"no corpus of images at {_CORPUS}")
    return _CORPUS


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep compiled schemas of tests out of the user's cache, and the user's choice of a schema out of tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DYNCRIT_PROTO_DIR", raising=False)


@pytest.fixture(scope="session")
def facts() -> Path:
    """The tables of facts beside the checkout."""
    folder = _SHARED / "facts"
    if not folder.is_dir():
        pytest.skip(f"no tables of facts at {folder}")
    return folder


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """CRIU's source tree as a suite of Debian has it, fetched once for all workers of a test run.

    "submodule" is the one under images/, where it is checked out.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    tool = _SHARED / "tools" / "get-criu-protos"

    def fetch(suite: str) -> Path:
        if suite == "submodule":
            if not (_SUBMODULE / "images").is_dir():
                pytest.skip("the submodule images/criu is not checked out")
            return _SUBMODULE
        if not tool.is_file():
            pytest.skip(f"no {tool}")
        tree, failure = shared / f"criu-{suite}", shared / f"criu-{suite}.failed"
        with (shared / f"criu-{suite}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (tree / "criu" / "include" / "magic.h").exists() and not failure.exists():
                try:
                    command = [tool, suite, tree]
                    subprocess.run(command, check=True, capture_output=True, timeout=_FETCH_TIMEOUT)
                except (OSError, subprocess.SubprocessError) as error:
                    failure.write_text(str(error))
        if failure.exists():
            pytest.skip(f"CRIU's schema can't be had: {failure.read_text()}")
        return tree

    return fetch


def files_below(folder: Path) -> list[Path]:
    """The files of checkpoints below a folder, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix not in _NOT_IMAGES
    )


SYNTAX = 'syntax = "proto2";\n'


class GitFolder:
    """A git repository that a test commits to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        command = ["git", *identity, "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, subject: str, files: Mapping[str, str | None], tag: str = "") -> str:
        """Write (None: remove) files and commit them; gives the commit's id."""
        for path, text in files.items():
            file = self.folder / path
            if text is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(SYNTAX + text if path.endswith(".proto") else text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject)
        if tag:
            self.git("tag", "-a", "-m", tag, tag)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def git_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    """An empty git repository, which knows nothing of the user's configuration."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    return GitFolder(tmp_path / "repository")
