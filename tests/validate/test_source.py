from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import SchemaError
from dyncrit.validate.source import schema_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {
    "criu/images/a.proto": "message a {}\n",
    "criu/plugins/gpu/gpu.proto": "message g {}\n",
    "criu/criu/include/magic.h": "#define A_MAGIC 1\n",
}


@pytest.mark.parametrize("folder", ["criu", "criu/images", "criu/../criu/images"])
def test_files_are_named_as_they_are_found_from_the_current_folder(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    root = write(FILES)
    monkeypatch.chdir(root)
    made = schema_files(root / folder)
    assert dict(made.paths) == {"a.proto": "criu/images/a.proto", "gpu.proto": "criu/plugins/gpu/gpu.proto"}
    assert made.header == "criu/criu/include/magic.h"
    assert made.plugins == {"gpu.proto"}


def test_files_elsewhere_have_whole_paths(write: Callable[..., Path], tmp_path: Path) -> None:
    root = write(FILES)
    made = schema_files(root / "criu", root=tmp_path / "other")
    assert made.paths["a.proto"] == str(root / "criu/images/a.proto")


def test_folder_without_a_schema(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"no \.proto files"):
        schema_files(tmp_path)
