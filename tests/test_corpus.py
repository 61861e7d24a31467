from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

import dyncrit
from dyncrit import Image, RawImageError

if TYPE_CHECKING:
    from pathlib import Path

CRIT_ERRS = {
    "criu-2.12/programs/seccomp/core-52.img": "a process name that isn't UTF-8, which CRIT prints as b'...'",
    "criu-4.2/programs/pytree/files.img": "file names that aren't UTF-8, the same",
    "criu-4.2/programs/uns-ipc/ipcns-shm-11.img": "contents elsewhere, for which CRIT takes the next records",
}


def without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_marks(item) for key, item in value.items() if not key.startswith("@")}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


def test_every_image_comes_back_plain_and_pretty(corpus: Path) -> None:
    paths = [
        path
        for folder in ("criu-1.1", "criu-2.12", "criu-4.2", "demo")
        for path in (corpus / folder).rglob("*")
    ]
    count = 0
    for path in sorted(paths):
        if path.is_symlink() or not path.is_file() or path.suffix == ".c":
            continue
        try:
            image = dyncrit.load(path)
        except RawImageError:
            continue
        content = path.read_bytes()
        assert dyncrit.dumps(image) == content, path
        for pretty in (False, True):
            document = json.loads(json.dumps(image.to_dict(pretty=pretty)))
            assert dyncrit.dumps(Image.from_dict(document)) == content, path
        count += 1
    assert count > 1000


@pytest.mark.parametrize("style", ["plain", "pretty"])
def test_documents_are_those_of_crit(corpus: Path, style: str) -> None:
    different = set()
    count = 0
    with gzip.open(corpus / "expected/crit-4.2.ndjson.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row[style] is None:
                continue
            count += 1
            image = dyncrit.load(corpus / row["image"])
            if without_marks(image.to_dict(pretty=style == "pretty")) != row[style]:
                different.add(row["image"])
    assert count > 1000
    assert different == set(CRIT_ERRS)
