from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint.storage import oci
from dyncrit.checkpoint.storage.archive import open_archive, open_archive_view
from dyncrit.checkpoint.storage.compression import Limits
from dyncrit.checkpoint.storage.oci import CheckpointImage, open_image
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.checkpoint.storage.tree import FileTree

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CRIU = "application/vnd.containerd.container.criu.checkpoint.criu.tar"
NAME = "org.criu.checkpoint.container.name"


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Layout:
    """Builds an OCI layout."""

    def __init__(self) -> None:
        self.files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def blob(self, data: bytes, media_type: str, **more: object) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def document(self, value: object, media_type: str, **more: object) -> dict[str, Any]:
        return self.blob(json.dumps(value).encode(), media_type, **more)

    def manifest(
        self, *layers: bytes, annotations: dict[str, str] | None = None, **more: object
    ) -> dict[str, Any]:
        found = [self.blob(layer, LAYER) for layer in layers]
        return self.document({"layers": found, "annotations": annotations or {}}, MANIFEST, **more)

    def index(self, *manifests: dict[str, Any]) -> Layout:
        self.files["index.json"] = json.dumps({"manifests": manifests}).encode()
        return self

    def tree(self) -> FileTree:
        return tree_of(self.files)


def tree_of(files: dict[str, bytes]) -> FileTree:
    return open_archive_view(memoryview(tar(files)), "x.tar", ("x",))


def opened(layout: Layout, limits: Limits | None = None) -> CheckpointImage:
    image = open_image(layout.tree(), limits)
    assert image is not None
    return image


CHECKPOINT = tar({"config.dump": b"{}", "checkpoint/inventory.img": b"1"})


def test_podmans_image_has_its_checkpoint_and_annotations(corpus: Path, tmp_path: Path) -> None:
    path = corpus / "archives" / "podman-5.8-image.oci-archive.tar"
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="data")
    for tree in (open_archive(path), DirectoryTree(tmp_path)):
        image = open_image(tree)
        assert image is not None
        tree.close()
        assert image.tree.folders() == ["artifacts", "checkpoint"]
        assert "config.dump" in image.tree
        images = image.tree.folder("checkpoint")
        assert images.size("pages-1.img") == len(images.view("pages-1.img")) == 73728
        assert image.annotations["io.podman.annotations.checkpoint.name"] == "loopi"
        assert image.annotations["org.opencontainers.image.ref.name"] == "localhost/demo/ckpt:1"


def test_other_archives_are_no_images(corpus: Path) -> None:
    for path in sorted((corpus / "archives").iterdir()):
        if path.suffix not in {".md", ".txt"} and "oci-archive" not in path.name:
            assert open_image(open_archive(path)) is None


def test_the_blob_that_containerd_writes_is_found_in_a_nested_index(corpus: Path) -> None:
    layout = Layout()
    blob = (corpus / "archives" / "containerd-2.1-ctr-blob.tar").read_bytes()
    absent = {"mediaType": MANIFEST, "digest": f"sha256:{'0' * 64}", "size": 3}
    inner = {
        "manifests": [absent, layout.blob(blob, CRIU)],
        "annotations": {"io.containerd.checkpoint.runtime": "runc"},
    }
    image = opened(layout.index(layout.document(inner, INDEX, annotations={"a": "b"})))
    assert "inventory.img" in image.tree
    assert image.annotations == {"io.containerd.checkpoint.runtime": "runc", "a": "b"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_layers_may_be_compressed_in_any_way(pack: Callable[[bytes], bytes]) -> None:
    layout = Layout()
    image = opened(layout.index(layout.manifest(pack(CHECKPOINT))))
    assert image.tree.folder("checkpoint").view("inventory.img") == b"1"


def test_later_layers_lie_over_earlier_ones() -> None:
    layout = Layout()
    lower = tar(
        {
            "checkpoint/inventory.img": b"1",
            "checkpoint/gone.img": b"2",
            "old/a": b"3",
            "opaque/a": b"4",
            "kind": b"",
            "both/a": b"a",
        }
    )
    upper = tar(
        {
            "checkpoint/inventory.img": b"new",
            "checkpoint/.wh.gone.img": b"",
            ".wh.old": b"",
            "opaque/.wh..wh..opq": b"",
            "opaque/b": b"5",
            "kind/a": b"6",
            "both/b": b"b",
        }
    )
    tree = opened(layout.index(layout.manifest(lower, upper))).tree
    assert tree.folders() == ["both", "checkpoint", "kind", "opaque"]
    assert tree.names() == []
    images = tree.folder("checkpoint")
    assert images.names() == ["inventory.img"]
    assert images.view("inventory.img") == b"new"
    assert images.size("inventory.img") == 3
    with images.open("inventory.img") as file:
        assert file.read() == b"new"
    assert "gone.img" not in images
    assert tree.folder("opaque").names() == ["b"]
    assert tree.folder("both").names() == ["a", "b"]
    assert images.linked_folder("../both").identity == tree.folder("both").identity
    for path in ("../..", "/both", "nowhere"):
        with pytest.raises(FileNotFoundError):
            images.linked_folder(path)
    with pytest.raises(FileNotFoundError):
        images.view("gone.img")
    with pytest.raises(FileNotFoundError):
        tree.folder("old")
    tree.close()


def test_links_of_the_topmost_layer_count() -> None:
    layout = Layout()
    lower, upper = tar({"checkpoint/parent": b"../one"}), tar({"checkpoint/parent": b"../two"})
    images = opened(layout.index(layout.manifest(lower, upper))).tree.folder("checkpoint")
    assert images.link("parent") == "../two"
    assert images.link("other") is None


def test_what_is_annotated_as_a_checkpoint_is_preferred() -> None:
    layout = Layout()
    base = layout.manifest(b"no tar at all", annotations={"a": "b"})
    image = opened(layout.index(base, layout.manifest(CHECKPOINT, annotations={NAME: "web"})))
    assert image.annotations == {NAME: "web"}


def test_an_image_with_two_tags_is_one() -> None:
    layout = Layout()
    tagged = [layout.manifest(CHECKPOINT, annotations={NAME: "web"}, annotation=tag) for tag in "ab"]
    assert "config.dump" in opened(layout.index(*tagged)).tree


def test_several_checkpoints_are_an_error() -> None:
    layout = Layout()
    two = [layout.manifest(CHECKPOINT, annotations={NAME: name}) for name in "ab"]
    with pytest.raises(ImageError, match=r"x\.tar: holds 2 checkpoints; save one of them at a time"):
        opened(layout.index(*two))


def test_an_image_without_a_checkpoint_is_an_error() -> None:
    layout = Layout()
    with pytest.raises(ImageError, match="a container image without a checkpoint: no layer has"):
        opened(layout.index(layout.manifest(tar({"etc/passwd": b""}))))
    with pytest.raises(ImageError, match="a container image without a checkpoint"):
        opened(Layout().index())
    with pytest.raises(
        ImageError, match=r"without a checkpoint, as far as it can be read \(.*an absolute name"
    ):
        opened(layout.index(layout.manifest(tar({"/etc/passwd": b""}))))


def test_a_damaged_blob_is_told_by_its_digest() -> None:
    for kind in (LAYER, MANIFEST):
        layout = Layout().index()
        descriptor = layout.manifest(CHECKPOINT)
        layout.index(descriptor)
        digest = hashlib.sha256(CHECKPOINT).hexdigest() if kind == LAYER else descriptor["digest"][7:]
        blob = bytearray(layout.files[f"blobs/sha256/{digest}"])
        blob[0] ^= 1
        layout.files[f"blobs/sha256/{digest}"] = bytes(blob)
        with pytest.raises(ImageError, match=f"x.tar: sha256:{digest}: damaged: its SHA-256 is"):
            opened(layout)
        layout.files[f"blobs/sha256/{digest}"] = b"short"
        with pytest.raises(ImageError, match=f"{digest}: 5 bytes, the image says"):
            opened(layout)
        del layout.files[f"blobs/sha256/{digest}"]
        with pytest.raises(ImageError, match=f"blobs/sha256/{digest}: missing from the image"):
            opened(layout)


@pytest.mark.parametrize(
    "digest", ["", "sha256:../../../etc/passwd", f"sha512:{'0' * 128}", f"sha256:{'A' * 64}", 5, None]
)
def test_a_digest_that_is_none_is_never_a_path(digest: object) -> None:
    with pytest.raises(ImageError, match="expected sha256: and 64 hex digits"):
        opened(Layout().index({"mediaType": MANIFEST, "digest": digest}))


def test_nested_indexes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout()
    descriptor = layout.manifest(CHECKPOINT)
    for _ in range(8):
        descriptor = layout.document({"manifests": [descriptor]}, INDEX)
    assert "config.dump" in opened(layout.index(descriptor)).tree
    with pytest.raises(ImageError, match="indexes nested over 8 deep"):
        opened(layout.index(layout.document({"manifests": [descriptor]}, INDEX)))
    doubling = layout.manifest(CHECKPOINT)
    for _ in range(8):
        doubling = layout.document({"manifests": [doubling] * 8}, INDEX)
    with pytest.raises(ImageError, match="more than 256"):
        opened(layout.index(doubling))
    empty = layout.document({"manifests": []}, INDEX)
    with pytest.raises(ImageError, match="more than 256 nested indexes"):
        opened(layout.index(*[empty] * 300))
    monkeypatch.setattr(oci, "_MAX_LAYERS", 1)
    with pytest.raises(ImageError, match="an image of 2 layers"):
        opened(layout.index(layout.manifest(CHECKPOINT, CHECKPOINT)))


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_a_damaged_index_is_an_error_that_names_it(text: bytes) -> None:
    layout = Layout().index()
    layout.files["index.json"] = text
    with pytest.raises(ImageError, match=r"x\.tar/index\.json: "):
        opened(layout)


def test_the_bound_on_what_is_unpacked_is_shared_by_layers() -> None:
    layout = Layout()
    layers = [gzip.compress(tar({f"checkpoint/{n}.img": bytes(50_000)}), mtime=n) for n in range(3)]
    layout.index(layout.manifest(*layers, annotations={NAME: "web"}))
    opened(layout, Limits(max_total=250_000))
    with pytest.raises(ImageError, match="bytes come out of it, which is the bound"):
        opened(layout, Limits(max_total=100_000))


def docker(
    layer: bytes, *, layer_name: str = "", config: object = None, compress: bool = False
) -> dict[str, bytes]:
    digest = hashlib.sha256(layer).hexdigest()
    name = layer_name or f"{digest}/layer.tar"
    text = json.dumps(
        config or {"config": {"Labels": {NAME: "web"}}, "rootfs": {"diff_ids": [f"sha256:{digest}"]}}
    ).encode()
    config_name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": ["a:b"], "Layers": [name]}]
    stored = gzip.compress(layer) if compress else layer
    return {"manifest.json": json.dumps(manifest).encode(), config_name: text, name: stored}


@pytest.mark.parametrize(
    "name", ["", f"{'a' * 64}.tar", f"blobs/sha256/{hashlib.sha256(CHECKPOINT).hexdigest()}"]
)
def test_what_docker_save_writes_is_read(name: str) -> None:
    for compress in (False, True):
        image = open_image(tree_of(docker(CHECKPOINT, layer_name=name, compress=compress)))
        assert image is not None
        assert image.tree.folder("checkpoint").names() == ["inventory.img"]
        assert image.annotations == {NAME: "web"}


def test_damage_in_what_docker_save_writes_is_told() -> None:
    files = docker(CHECKPOINT)
    layer = next(name for name in files if name.endswith("/layer.tar"))
    with pytest.raises(ImageError, match=r"layer\.tar: damaged: its SHA-256 is"):
        open_image(tree_of(files | {layer: CHECKPOINT.replace(b"1", b"2")}))
    config = next(name for name in files if name.endswith(".json") and len(name) > 20)
    with pytest.raises(ImageError, match=r"\.json: damaged"):
        open_image(tree_of(files | {config: b"{}"}))
    for manifest in (b"{}", b"[]", b"nonsense", b'[{"Config": "../x.json"}]', b"[{}]"):
        with pytest.raises(ImageError, match=r"x\.tar"):
            open_image(tree_of(files | {"manifest.json": manifest}))


@pytest.mark.parametrize("name", ["../layer.tar", "/etc/passwd", "layer.tar", "a/layer.tar"])
def test_docker_layers_of_other_names_are_refused(name: str) -> None:
    files = docker(CHECKPOINT, layer_name=name)
    with pytest.raises(ImageError, match=r"a layer named .*; expected 64 hex digits"):
        open_image(tree_of({key: data for key, data in files.items() if key != name}))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.just(MANIFEST)
    | st.just(INDEX)
    | st.just(CRIU),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["manifests", "mediaType", "digest", "size", "annotations", "layers", "x"]), inner
        )
    ),
    max_leaves=12,
)


@given(index=_JSON, manifest=_JSON)
def test_any_json_gives_nothing_but_our_errors(index: object, manifest: object) -> None:
    layout = Layout()
    layout.index(layout.document(manifest, MANIFEST))
    with pytest.raises(DyncritError):
        open_image(layout.tree())
    layout.files["index.json"] = json.dumps(index).encode()
    with pytest.raises(DyncritError):
        open_image(layout.tree())
    layout.files["manifest.json"] = layout.files.pop("index.json")
    with pytest.raises(DyncritError):
        open_image(layout.tree())
