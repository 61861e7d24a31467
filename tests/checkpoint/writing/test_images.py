"""Changes in container images: layers are rewritten, and all that goes by their digests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from dyncrit.checkpoint.location import locate
from dyncrit.checkpoint.writing.json_text import splice
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
CRIU = "application/vnd.containerd.container.criu.checkpoint.criu.tar"
NOTE = {"org.criu.checkpoint.container.name": "loop"}
PACKERS = {"": lambda data: data, "+gzip": gzip.compress, "+zstd": zstandard.compress}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def packed(files: dict[str, bytes | str]) -> bytes:
    """A tar file; a text is what a symbolic link says."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime = 1_600_000_000
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
                continue
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def unpacked(data: bytes) -> bytes:
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data) if data[:1] == b"\x28" else data


def read(path: Path) -> dict[str, bytes]:
    """The regular files of an archive, in order, or below a directory."""
    if path.is_dir():
        return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isreg()}


class Layout:
    """Builds an OCI layout; documents are written as ``json.dumps`` does with ``style``."""

    def __init__(self, **style: object) -> None:
        self.style = style
        self.files: dict[str, bytes | str] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def blob(self, data: bytes, media_type: str, **more: object) -> dict:
        self.files[f"blobs/sha256/{sha(data)}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{sha(data)}", "size": len(data), **more}

    def document(self, value: object, media_type: str, **more: object) -> dict:
        return self.blob(json.dumps(value, **self.style).encode(), media_type, **more)

    def image(self, *layers: bytes, packer: str = "+gzip", annotations: dict | None = NOTE, **more) -> dict:
        config = {
            "created": "now",
            "zzz": [1.50, None, "ä"],
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha(layer)}" for layer in layers]},
            "aaa": {},
        }
        document = {
            "schemaVersion": 2,
            "config": self.document(config, CONFIG),
            "layers": [self.blob(PACKERS[packer](layer), LAYER + packer, **more) for layer in layers],
            "annotations": annotations or {},
        }
        return self.document(document, MANIFEST, annotations={"org.opencontainers.image.ref.name": "a:1"})

    def index(self, *manifests: dict) -> Layout:
        self.files["index.json"] = json.dumps(
            {"schemaVersion": 2, "manifests": manifests}, **self.style
        ).encode()
        return self

    def save(self, path: Path) -> Path:
        path.write_bytes(packed(self.files))
        return path


def check_layout(path: Path) -> dict[str, bytes]:
    """Digests, sizes and the digests of unpacked layers are right, and no blob is left over."""
    files = read(path)
    named: set[str] = set()

    def follow(descriptor: dict) -> bytes:
        blob = f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"
        named.add(blob)
        data = files[blob]
        assert sha(data) == descriptor["digest"].removeprefix("sha256:")
        assert descriptor["size"] == len(data)
        if "index" in descriptor["mediaType"]:
            list(map(follow, json.loads(data)["manifests"]))
        if descriptor["mediaType"] == MANIFEST:
            document = json.loads(data)
            layers = [sha(unpacked(follow(layer))) for layer in document["layers"]]
            config = json.loads(follow(document["config"]))
            assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}" for digest in layers]
        return data

    list(map(follow, json.loads(files["index.json"])["manifests"]))
    assert named == {name for name in files if name.startswith("blobs/")}
    return files


@pytest.fixture
def inventory(data: Path) -> bytes:
    return (data / "demo/tree/inventory.img").read_bytes()


@pytest.fixture
def layer(inventory: bytes) -> bytes:
    return packed({"spec.dump": b"{}", "checkpoint/inventory.img": inventory, "checkpoint/a.img": b"a"})


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_digests_of_layer_config_and_manifest_are_put_right_and_the_rest_of_the_text_stays(
    tmp_path, change, contents, layer, packer, style
):
    layout = Layout(**style)
    path = layout.index(layout.image(layer, packer=packer)).save(tmp_path / "image.tar")
    before, old = read(path), contents(path)
    change(path, {"a.img": b"new content", "b.img": b"b"}, {"spec.dump": b"[]"})
    assert contents(path) == old | {"a.img": b"new content", "b.img": b"b", "outer/spec.dump": b"[]"}
    after = check_layout(path)
    assert len(after) == len(before)
    for one, other in zip(before, after, strict=True):  # each in its old place
        text = before[one].decode("utf-8", "replace")
        if text.startswith("{"):
            assert shape(before[one]) == shape(after[other])
        else:
            assert unpacked(after[other])[257:262] == b"ustar"


def shape(data: bytes) -> bytes:
    """A document without digests and sizes."""
    import re

    return re.sub(rb'[0-9a-f]{64}|("size": ?)[0-9]+', rb"\1#", data)


def test_the_real_image_has_right_digests_afterwards(corpus, tmp_path, change, contents):
    path = tmp_path / "image.tar"
    shutil.copyfile(corpus / "archives/podman-5.8-image.oci-archive.tar", path)
    check_layout(path)
    before = contents(path)
    change(path, {"inventory.img": before["inventory.img"] + b"x"})
    check_layout(path)
    assert contents(path) == before | {"inventory.img": before["inventory.img"] + b"x"}


def test_an_image_in_a_directory_is_changed_there(tmp_path, change, contents, layer, hidden):
    layout = Layout()
    archive = layout.index(layout.image(layer)).save(tmp_path / "image.tar")
    path = tmp_path / "place" / "image"
    with tarfile.open(archive) as file:
        file.extractall(path, filter="data")
    (path / "oci-layout").chmod(0o400)
    inode = (path / "oci-layout").stat().st_ino
    change(path, {"a.img": b"new"})
    assert contents(path)["a.img"] == b"new"
    assert len(check_layout(path)) == 5
    assert (path / "oci-layout").stat().st_ino == inode
    assert hidden(tmp_path) == []


def test_nested_indexes_and_two_tags_of_one_image_are_followed(tmp_path, change, contents, layer):
    layout = Layout()
    image = layout.image(layer)
    inner = layout.document({"manifests": [image]}, INDEX)
    path = layout.index(inner, {**image, "annotations": {}}).save(tmp_path / "image.tar")
    change(path, {"a.img": b"new"})
    check_layout(path)
    assert contents(path)["a.img"] == b"new"


def test_what_other_images_need_stays(tmp_path, change, contents, layer):
    layout = Layout()
    image, other = layout.image(layer), layout.image(layer, packed({"etc/x": b"x"}), annotations=None)
    path = layout.index(image, other).save(tmp_path / "image.tar")
    shared = next(
        name for name, data in read(path).items() if data[:2] == b"\x1f\x8b" and unpacked(data) == layer
    )
    change(path, {"a.img": b"new"})
    files = check_layout(path)
    assert unpacked(files[shared]) == layer
    assert f"blobs/sha256/{other['digest'].removeprefix('sha256:')}" in files
    assert contents(path)["a.img"] == b"new"


def test_an_archive_of_criu_in_place_of_a_manifest(tmp_path, change, contents, inventory):
    layout = Layout()
    layer = packed({"inventory.img": inventory, "a.img": b"a"})
    path = layout.index(layout.blob(layer, CRIU), layout.blob(b"{}", CONFIG)).save(tmp_path / "image.tar")
    change(path, {"a.img": b"new"})
    check_layout(path)
    assert contents(path)["a.img"] == b"new"


def test_annotations_that_describe_the_bytes_of_a_layer_go(tmp_path, change, layer):
    annotations = {"io.github.containers.zstd-chunked.manifest-position": "1:2", "mine": "stays"}
    layout = Layout()
    config = layout.document({"rootfs": {"diff_ids": [f"sha256:{sha(layer)}"]}}, CONFIG)
    blob = layout.blob(zstandard.compress(layer), LAYER + "+zstd", annotations=annotations)
    document = {"config": config, "layers": [blob], "annotations": NOTE}
    path = layout.index(layout.document(document, MANIFEST)).save(tmp_path / "image.tar")
    change(path, {"a.img": b"new"})
    files = check_layout(path)
    text = b"".join(data for data in files.values() if data.startswith(b"{"))
    assert b"zstd-chunked" not in text
    assert b"stays" in text


def layers_of(path: Path) -> list[dict[str, bytes]]:
    """The files of each layer."""
    location = locate(path)
    with_files = []
    for layer in location.wrappings[0].layers:
        with tarfile.open(fileobj=io.BytesIO(bytes(layer.tree.data))) as archive:
            with_files.append({member.name: archive.extractfile(member).read() for member in archive})
    location.root.close()
    return with_files


def test_a_file_changes_in_the_layer_that_it_comes_from_and_a_new_one_is_put_in_the_highest(
    tmp_path, change, contents, inventory
):
    low = packed(
        {"checkpoint/inventory.img": inventory, "checkpoint/a.img": b"low", "checkpoint/b.img": b"b"}
    )
    high = packed({"checkpoint/a.img": b"high"})
    layout = Layout()
    path = layout.index(layout.image(low, high)).save(tmp_path / "image.tar")
    change(path, {"a.img": b"new a", "b.img": b"new b", "c.img": b"c"})
    check_layout(path)
    found = contents(path)
    assert (found["a.img"], found["b.img"], found["c.img"]) == (b"new a", b"new b", b"c")
    below, above = layers_of(path)
    assert (below["checkpoint/a.img"], below["checkpoint/b.img"]) == (b"low", b"new b")
    assert above == {"checkpoint/a.img": b"new a", "checkpoint/c.img": b"c"}


def test_a_removed_file_is_hidden_in_the_layers_below(tmp_path, change, contents, inventory):
    low = packed(
        {"checkpoint/inventory.img": inventory, "checkpoint/a.img": b"low", "checkpoint/b.img": b"b"}
    )
    high = packed({"checkpoint/a.img": b"high", "checkpoint/c.img": b"c"})
    layout = Layout()
    path = layout.index(layout.image(low, high)).save(tmp_path / "image.tar")
    change(path, {"a.img": None, "b.img": None, "c.img": None})
    check_layout(path)
    assert list(contents(path)) == ["inventory.img"]
    below, above = layers_of(path)
    assert set(below) == {"checkpoint/inventory.img", "checkpoint/a.img"}
    assert above == {"checkpoint/.wh.a.img": b""}


# What docker save writes


def docker_config(*layers: bytes) -> bytes:
    ids = [f"sha256:{sha(layer)}" for layer in layers]
    return json.dumps({"config": {"Labels": NOTE}, "rootfs": {"type": "layers", "diff_ids": ids}}).encode()


def check_docker(path: Path) -> list[dict]:
    """The config is called by its digest, and has the digests of the layers."""
    with tarfile.open(path) as archive:
        entries = json.load(archive.extractfile("manifest.json"))
        for entry in entries:
            config = archive.extractfile(entry["Config"]).read()
            assert sha(config) == entry["Config"].removeprefix("blobs/sha256/").removesuffix(".json")
            layers = [archive.extractfile(name).read() for name in entry["Layers"]]
            digests = [f"sha256:{sha(unpacked(layer))}" for layer in layers]
            assert json.loads(config)["rootfs"]["diff_ids"] == digests
    return entries


def test_layers_by_an_id_keep_their_names(tmp_path, change, contents, layer):
    name = "ab" * 32
    config = docker_config(layer)
    files = {
        f"{name}/VERSION": b"1.0",
        f"{name}/json": json.dumps({"id": name}).encode(),
        f"{name}/layer.tar": layer,
        f"{sha(config)}.json": config,
        "manifest.json": json.dumps(
            [{"Config": f"{sha(config)}.json", "RepoTags": ["a:1"], "Layers": [f"{name}/layer.tar"]}]
        ).encode(),
        "repositories": json.dumps({"a": {"1": name}}).encode(),
    }
    path = tmp_path / "image.tar"
    path.write_bytes(packed(files))
    change(path, {"a.img": b"new"})
    assert check_docker(path)[0]["Layers"] == [f"{name}/layer.tar"]
    assert contents(path)["a.img"] == b"new"
    after = read(path)
    assert after["repositories"] == files["repositories"]
    assert f"{sha(config)}.json" not in after
    assert len(after) == len(files)


def test_a_layer_by_an_id_that_another_image_has_too_is_refused(tmp_path, change, layer, hidden):
    name = "ab" * 32
    config, other = docker_config(layer), docker_config(layer).replace(b"org.criu", b"org.other")
    entries = [{"Config": f"{sha(data)}.json", "Layers": [f"{name}/layer.tar"]} for data in (config, other)]
    files = {
        f"{name}/layer.tar": layer,
        f"{sha(config)}.json": config,
        f"{sha(other)}.json": other,
        "manifest.json": json.dumps(entries).encode(),
    }
    path = tmp_path / "image.tar"
    path.write_bytes(packed(files))
    before = path.read_bytes()
    with pytest.raises(DyncritError, match="save the image by itself"):
        change(path, {"a.img": b"new"})
    assert path.read_bytes() == before
    assert hidden(tmp_path) == []


def podman_docker_archive(layer: bytes) -> dict[str, bytes | str]:
    legacy, config = "cd" * 32, docker_config(layer)
    return {
        f"{sha(layer)}.tar": layer,
        f"{legacy}/VERSION": b"1.0",
        f"{legacy}/layer.tar": f"../{sha(layer)}.tar",
        f"{legacy}/json": json.dumps({"id": legacy}).encode(),
        f"{sha(config)}.json": config,
        "repositories": json.dumps({"a": {"1": legacy}, "b": {"1": sha(layer)}}).encode(),
        "manifest.json": json.dumps(
            [{"Config": f"{sha(config)}.json", "RepoTags": [], "Layers": [f"{sha(layer)}.tar"]}]
        ).encode(),
    }


def test_layers_by_their_digest_get_another_name_and_links_to_them_follow(tmp_path, change, contents, layer):
    path = tmp_path / "image.tar"
    files = podman_docker_archive(layer)
    path.write_bytes(packed(files))
    change(path, {"a.img": b"new"})
    (name,) = check_docker(path)[0]["Layers"]
    assert name != f"{sha(layer)}.tar"
    assert contents(path)["a.img"] == b"new"
    with tarfile.open(path) as archive:
        link = archive.getmember(f"{'cd' * 32}/layer.tar")
        assert link.linkname == f"../{name}"
        assert archive.getnames()[0] == name
        assert f"{sha(layer)}.tar" not in archive.getnames()
        assert json.load(archive.extractfile("repositories")) == {
            "a": {"1": "cd" * 32},
            "b": {"1": name.removesuffix(".tar")},
        }


def test_a_link_to_a_layer_on_disk_that_would_dangle_is_refused(tmp_path, change, contents, layer, hidden):
    archive, path = tmp_path / "image.tar", tmp_path / "image"
    archive.write_bytes(packed(podman_docker_archive(layer)))
    with tarfile.open(archive) as file:
        file.extractall(path, filter="data")
    before = contents(path)
    with pytest.raises(DyncritError, match="is a link to a layer"):
        change(path, {"a.img": b"new"})
    assert contents(path) == before
    assert hidden(tmp_path) == []


def test_layers_that_are_links_to_others_are_followed(tmp_path, change, contents, inventory):
    one, two = "ab" * 32, "cd" * 32
    layer = packed({"checkpoint/inventory.img": inventory, "checkpoint/a.img": b"a"})
    config = docker_config(layer, layer)
    paths = [f"{one}/layer.tar", f"{two}/layer.tar"]
    files = {
        f"{one}/layer.tar": layer,
        f"{two}/layer.tar": f"../{one}/layer.tar",
        f"{sha(config)}.json": config,
        "manifest.json": json.dumps([{"Config": f"{sha(config)}.json", "Layers": paths}]).encode(),
    }
    path = tmp_path / "image.tar"
    path.write_bytes(packed(files))
    change(path, {"a.img": b"new"})
    assert check_docker(path)[0]["Layers"] == paths
    assert contents(path)["a.img"] == b"new"
    with tarfile.open(path) as archive:
        assert archive.getmember(f"{two}/layer.tar").issym()


def test_what_docker_25_saves_is_changed_in_both_of_its_layouts(tmp_path, change, contents, layer):
    layout = Layout()
    image = layout.image(layer, packer="")
    manifest = json.loads(layout.files[f"blobs/sha256/{image['digest'].removeprefix('sha256:')}"])
    digest = manifest["layers"][0]["digest"]
    entry = {
        "Config": f"blobs/sha256/{manifest['config']['digest'].removeprefix('sha256:')}",
        "RepoTags": ["a:1"],
        "Layers": [f"blobs/sha256/{digest.removeprefix('sha256:')}"],
        "LayerSources": {digest: manifest["layers"][0]},
    }
    layout.files["manifest.json"] = json.dumps([entry]).encode()
    layout.files["repositories"] = json.dumps({"a": {"1": digest.removeprefix("sha256:")}}).encode()
    path = layout.index(image).save(tmp_path / "image.tar")
    change(path, {"a.img": b"new"})
    files = check_layout(path)
    (found,) = check_docker(path)
    new = found["Layers"][0].removeprefix("blobs/sha256/")
    assert list(found["LayerSources"]) == [f"sha256:{new}"]
    source = found["LayerSources"][f"sha256:{new}"]
    assert (source["digest"], source["size"]) == (f"sha256:{new}", len(files[found["Layers"][0]]))
    assert json.loads(files["repositories"]) == {"a": {"1": new}}
    assert contents(path)["a.img"] == b"new"


def test_an_image_in_a_folder_of_a_compressed_archive(tmp_path, change, contents, layer):
    layout = Layout()
    layout.index(layout.image(layer))
    path = tmp_path / "image.tar.gz"
    path.write_bytes(gzip.compress(packed({f"image/{name}": data for name, data in layout.files.items()})))
    change(path, {"a.img": b"new"})
    assert contents(path)["a.img"] == b"new"
    assert all(name.startswith("image/") for name in read(path))


def test_an_image_in_a_layer_of_an_image(tmp_path, change, contents, layer):
    inner, outer = Layout(), Layout()
    inner.index(inner.image(layer))
    files = {f"checkpoint-image/{name}": data for name, data in inner.files.items()}
    path = outer.index(outer.blob(packed(files), CRIU)).save(tmp_path / "image.tar")
    change(path, {"a.img": b"new"})
    check_layout(path)
    assert contents(path)["a.img"] == b"new"


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        ('{"a": 1}', {("a",): 2}, '{"a": 2}'),
        ('\n [ {"b":[1 ,2] } ]\n', {(0, "b", 1): "x", (0, "b", 0): {}}, '\n [ {"b":[{} ,"x"] } ]\n'),
        ('{"a":1,"a":2}', {("a",): 3}, '{"a":1,"a":3}'),
        ('{"k\\u00e4":"v"}', {("kä",): 1.5}, '{"k\\u00e4":1.5}'),
        ('{"a":{},"b":[],"c":0}', {("c",): None}, '{"a":{},"b":[],"c":null}'),
        ("{}", {}, "{}"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_values_change_in_a_json_text_and_not_a_byte_besides(text, values, result, encoding):
    assert splice(text.encode(encoding), values) == result.encode(encoding)


def test_keys_and_what_stands_below_them_change_together():
    text = b'[{"S": {"old" : {"n": 1}}}]'
    place = (0, "S", "old")
    assert splice(text, {(*place, "n"): 2}, {place: "new"}) == b'[{"S": {"new" : {"n": 2}}}]'
