"""What the tests share: the images under tests/data, and the larger corpus where it lies beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DATA = Path(__file__).with_name("data")
_CORPUS = Path(os.environ.get("DYNCRIT_CORPUS", Path(__file__).parents[2] / "shared" / "corpus"))
_NOT_IMAGES = {".gz", ".c", ".md", ".txt"}


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


def files_below(folder: Path) -> list[Path]:
    """The files of checkpoints below a folder, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix not in _NOT_IMAGES
    )
