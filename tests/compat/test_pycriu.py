from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import pytest

from dyncrit.compat import pycriu

if TYPE_CHECKING:
    from pathlib import Path


def test_load_gives_crits_document_plain_and_pretty(data: Path) -> None:
    with gzip.open(data / "crit-4.2.ndjson.gz") as lines:
        expected = {line["image"]: line for line in map(json.loads, lines)}
    name = "demo/tree/core-9834.img"
    with (data / name).open("rb") as file:
        assert pycriu.images.load(file) == expected[name]["plain"]
    with (data / name).open("rb") as file:
        assert pycriu.images.load(file, True) == expected[name]["pretty"]


def test_dump_writes_what_load_read(data: Path, tmp_path: Path) -> None:
    content = (data / "demo/tree/files.img").read_bytes()
    document = pycriu.images.loads(content)
    with (tmp_path / "files.img").open("wb") as file:
        pycriu.images.dump(document, file)
    assert (tmp_path / "files.img").read_bytes() == content
    assert pycriu.images.dumps(document) == content


def test_a_script_changes_a_field(data: Path) -> None:
    document = pycriu.images.loads((data / "demo/tree/core-9834.img").read_bytes())
    document["entries"][0]["tc"]["comm"] = "renamed"
    again = pycriu.images.loads(pycriu.images.dumps(document))
    assert again["entries"][0]["tc"]["comm"] == "renamed"


def test_payloads_can_be_left_out(data: Path) -> None:
    with (data / "demo/tree/pipes-data.img").open("rb") as file:
        assert pycriu.images.load(file, no_payload=True)["entries"][0]["extra"] == "... <11B>"


def test_load_reads_on_from_where_the_file_stands(data: Path) -> None:
    content = (data / "demo/tree/pstree.img").read_bytes()
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    assert pycriu.images.load(file) == pycriu.images.loads(content)


def test_info_counts_as_crit_does(data: Path) -> None:
    with (data / "demo/tree/pagemap-9834.img").open("rb") as file:
        counted = pycriu.images.info(file)
    entries = pycriu.images.loads((data / "demo/tree/pagemap-9834.img").read_bytes())["entries"]
    assert counted == {"magic": "PAGEMAP", "count": len(entries) - 1}


@pytest.mark.parametrize("function", [pycriu.images.load, pycriu.images.info])
def test_what_is_no_image_has_its_magic_in_the_error(function) -> None:
    with pytest.raises(pycriu.images.MagicException) as caught:
        function(io.BytesIO(b"\x22\x12\x36\x47" + bytes(20)))
    assert caught.value.magic == 0x47361222
