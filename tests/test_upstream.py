"""CRIU's own trees, compiled at run time, read and write every image that lies here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import dyncrit
from dyncrit.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TREES = ["trixie", "sid", "submodule"]


@pytest.mark.parametrize("tree", _TREES)
def test_every_image_comes_back_through_upstreams_schema(
    tree: str, upstream: Callable[[str], Path], images: list[Path]
) -> None:
    schema = dyncrit.Schema.from_protos(upstream(tree))
    tried = 0
    for path in images:
        try:
            image = dyncrit.load(path, schema=schema)
        except dyncrit.RawImageError:
            continue
        for pretty in (False, True):
            document = json.loads(json.dumps(image.to_dict(pretty=pretty)))
            again = dyncrit.Image.from_dict(document, schema=schema)
            assert dyncrit.dumps(again) == path.read_bytes(), path
        tried += 1
    assert tried > 300


@pytest.mark.parametrize("tree", _TREES)
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_images_of_the_amdgpu_plugin_decode_with_the_plugins_own_schema(
    tree: str,
    byte_order: str,
    upstream: Callable[[str], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = upstream(tree) / "images"
    schema = dyncrit.Schema.from_protos(folder)
    device = {"node_id": 1, "gpu_id": 0x5A5A}
    record = schema.message_class("criu_kfd")(pid=7, device_entries=[device]).SerializePartialToString()
    path = tmp_path / "amdgpu-kfd-3.img"
    path.write_bytes(len(record).to_bytes(8, byte_order) + record)  # type: ignore[arg-type]
    assert main(["--proto-dir", str(folder), "decode", str(path), "-o", str(tmp_path / "kfd.json")]) == 0
    document = json.loads((tmp_path / "kfd.json").read_bytes())
    assert (document["magic"], document["entries"][0]["pid"]) == ("AMDGPU_KFD", 7)
    assert document["entries"][0]["device_entries"] == [device]
    assert main(["encode", str(tmp_path / "kfd.json"), "-o", str(tmp_path / "again.img")]) == 0
    assert (tmp_path / "again.img").read_bytes() == path.read_bytes()
    assert "requires: num_of_gpus" in capfd.readouterr().err
