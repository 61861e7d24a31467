"""Container images that carry a checkpoint: OCI layouts, and what ``docker save`` writes.

The names of files and members are those of the OCI image specification (image-layout.md, image-index.md,
manifest.md); containerd's media types stand in its ``images/mediatypes.go``.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.documents import objects, parse_document, text_at, texts
from dyncrit.checkpoint.storage.archive import ArchiveTree, open_archive_view
from dyncrit.checkpoint.storage.compression import Limits, compression_of
from dyncrit.checkpoint.storage.overlay import OverlayTree
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dyncrit.checkpoint.storage.tree import FileTree

_MAX_DEPTH = 8
_MAX_MANIFESTS = 256
_MAX_LAYERS = 128

INDEX = "index.json"
_LAYOUT = "oci-layout"
DOCKER_MANIFEST = "manifest.json"
_CRIU_TAR = "criu.checkpoint.criu.tar"
_INDEX_TYPES = ("image.index", "manifest.list")
_MANIFEST_TYPES = ("image.manifest", "distribution.manifest.v")

# The prefixes under which Podman, CRI-O, checkpointctl and containerd annotate checkpoints.
_CHECKPOINT_KEYS = (
    "io.podman.annotations.checkpoint.",
    "io.kubernetes.cri-o.annotations.checkpoint.",
    "org.criu.checkpoint.",
)

_SURE_SIGNS = frozenset({"inventory.img", "pstree.img"})
_FOLDERS_OF_IMAGES = frozenset({"checkpoint", "pre-checkpoint"})

# Where docker and podman put layers: by the layer's id, by its digest, and as in an OCI layout.
_LAYER_PATH = re.compile(r"[0-9a-f]{64}/layer\.tar|[0-9a-f]{64}\.tar|blobs/sha256/[0-9a-f]{64}")
_CONFIG_PATH = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class CheckpointImage:
    """A checkpoint out of a container image: its files, and what the image's manifest says of it.

    ``source`` is the tree of the container image, and ``manifest`` tells which image of those in it this is:
    the digest in an OCI layout, of the manifest or of an archive in its place; the config's path in what
    ``docker save`` writes. ``layers`` are its layers, lowest first.
    """

    tree: FileTree
    source: FileTree
    manifest: str
    layers: tuple[Layer, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


class Layer(NamedTuple):
    """A layer of a container image: its files, and its path in the tree of the image."""

    tree: ArchiveTree
    path: str


def is_image(tree: FileTree) -> bool:
    """Whether a tree is that of a container image: an OCI layout, or what ``docker save`` writes."""
    names = tree.names()
    is_layout = INDEX in names and (_LAYOUT in names or "blobs" in tree.folders())
    return is_layout or (DOCKER_MANIFEST in names and not _SURE_SIGNS & {*names})


def is_index(descriptor: Mapping[str, object]) -> bool:
    """Whether a descriptor in an index stands for another index."""
    return any(part in text_at(descriptor, "mediaType") for part in _INDEX_TYPES)


def open_image(tree: FileTree, limits: Limits | None = None) -> CheckpointImage | None:
    """The checkpoint in a container image, with later layers over earlier ones; None if it is no such image.

    Digests are verified. Raises ImageError for an image that is damaged, or that has no checkpoint or
    several. What this gives stays readable when ``tree`` is closed.
    """
    if not is_image(tree):
        return None
    reader = _Reader(tree, limits or Limits())
    found = _of_layout(reader) if INDEX in tree.names() else _of_docker(reader)
    if found is None:
        raise ImageError(
            "a container image without a checkpoint: no layer has checkpoint/ or inventory.img", tree.name
        )
    return found


class _Blob(NamedTuple):
    """Bytes of an image, how errors call them, and the path that they stand at."""

    data: memoryview
    place: str
    path: str


class _Reader:
    """Blobs of an image, verified; counts what is unpacked."""

    def __init__(self, tree: FileTree, limits: Limits) -> None:
        self.tree = tree
        self._limits = limits
        self._indexes = 0
        self._verified: set[str] = set()

    def count_index(self) -> None:
        self._indexes += 1
        if self._indexes > _MAX_MANIFESTS:
            raise self.error(f"more than {_MAX_MANIFESTS} nested indexes")

    def error(self, problem: str, *place: str) -> ImageError:
        return ImageError(problem, self.tree.name, *place)

    def blob(self, descriptor: Mapping[str, object]) -> _Blob:
        """The bytes that a descriptor stands for."""
        digest = text_at(descriptor, "digest")
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise self.error(
                f"a descriptor with the digest {digest[:80]!r}; expected sha256: and 64 hex digits"
            )
        path = f"blobs/sha256/{match[1]}"
        data = self.file(path)
        size = descriptor.get("size", len(data))
        if size != len(data):
            raise self.error(f"{len(data)} bytes, the image says {str(size)[:40]}", digest)
        self.verify(data, match[1], digest)
        return _Blob(data, f"{self.tree.name}: {digest}", path)

    def verify(self, data: memoryview, expected: str, place: str) -> None:
        if place in self._verified:
            return
        actual = hashlib.sha256(data).hexdigest()
        if actual != expected:
            raise self.error(f"damaged: its SHA-256 is {actual}, expected {expected}", place)
        self._verified.add(place)

    def file(self, path: str) -> memoryview:
        *folders, name = path.split("/")
        try:
            tree = self.tree
            for folder in folders:
                tree = tree.folder(folder)
            return tree.view(name)
        except FileNotFoundError:
            raise self.error("missing from the image", path) from None

    def document(self, descriptor: Mapping[str, object]) -> Mapping[str, object]:
        blob = self.blob(descriptor)
        return self.object(blob.data, blob.place)

    def object(self, data: memoryview, place: str) -> Mapping[str, object]:
        document = parse_document(data, place)
        if not isinstance(document, dict):
            raise ImageError(f"expected a JSON object, found a {type(document).__name__}", place)
        return document

    def layer(self, blob: _Blob) -> Layer:
        tree = open_archive_view(blob.data, blob.place, (*self.tree.identity, blob.place), self._limits)
        self._limits = self._limits.less(tree.unpacked)
        return Layer(tree, blob.path)


class _Manifest(NamedTuple):
    """A descriptor in an index, with the annotations that it and the indexes above have."""

    descriptor: Mapping[str, object]
    annotations: Mapping[str, str]

    @property
    def is_criu_archive(self) -> bool:
        return _CRIU_TAR in text_at(self.descriptor, "mediaType")


def _of_layout(reader: _Reader) -> CheckpointImage | None:
    index = reader.object(reader.file(INDEX), reader.tree.path(INDEX))
    listed = list(itertools.islice(_manifests(reader, index), _MAX_MANIFESTS + 1))
    if len(listed) > _MAX_MANIFESTS:
        raise reader.error(f"more than {_MAX_MANIFESTS} manifests")
    # An image with two tags is listed twice.
    found = list({text_at(manifest.descriptor, "digest"): manifest for manifest in listed}.values())
    criu_archives = [manifest for manifest in found if manifest.is_criu_archive]
    if criu_archives:
        _only_one(reader, criu_archives)
        descriptor, annotations = criu_archives[0]
        layer = reader.layer(reader.blob(descriptor))
        digest = text_at(descriptor, "digest")
        return CheckpointImage(layer.tree, reader.tree, digest, (layer,), annotations)
    images = [image for manifest in found if (image := _image(reader, manifest)) is not None]
    return _chosen(reader, images)


def _manifests(
    reader: _Reader, index: Mapping[str, object], above: Mapping[str, str] | None = None, depth: int = 0
) -> Iterator[_Manifest]:
    """The manifests of an index, and of those that it nests."""
    if depth > _MAX_DEPTH:
        raise reader.error(f"indexes nested over {_MAX_DEPTH} deep")
    known = {**(above or {}), **_strings(index.get("annotations"))}
    for descriptor in objects(index.get("manifests")):
        annotations = {**known, **_strings(descriptor.get("annotations"))}
        if is_index(descriptor):
            reader.count_index()
            yield from _manifests(reader, reader.document(descriptor), annotations, depth + 1)
        else:
            yield _Manifest(descriptor, annotations)


class _Image(NamedTuple):
    """The layers of one image, not opened yet, and what its manifest says of it.

    ``name`` is the manifest's digest, or the config's path.
    """

    name: str
    layers: list[_Blob]
    annotations: Mapping[str, str]

    @property
    def is_annotated(self) -> bool:
        return any(key.startswith(_CHECKPOINT_KEYS) for key in self.annotations)


def _image(reader: _Reader, manifest: _Manifest) -> _Image | None:
    if not any(part in text_at(manifest.descriptor, "mediaType") for part in _MANIFEST_TYPES):
        return None
    document = reader.document(manifest.descriptor)
    layers = [item for item in objects(document.get("layers")) if "tar" in text_at(item, "mediaType")]
    if len(layers) > _MAX_LAYERS:
        raise reader.error(f"an image of {len(layers)} layers, more than the {_MAX_LAYERS} that are read")
    annotations = {**manifest.annotations, **_strings(document.get("annotations"))}
    name = text_at(manifest.descriptor, "digest")
    return _Image(name, [reader.blob(layer) for layer in layers], annotations)


def _of_docker(reader: _Reader) -> CheckpointImage | None:
    place = reader.tree.path(DOCKER_MANIFEST)
    manifests = objects(parse_document(reader.file(DOCKER_MANIFEST), place))
    if not manifests:
        raise ImageError("expected a list of images", place)
    if len(manifests) > _MAX_MANIFESTS:
        raise reader.error(f"more than {_MAX_MANIFESTS} images")
    return _chosen(reader, [_docker_image(reader, manifest) for manifest in manifests])


def _docker_image(reader: _Reader, manifest: Mapping[str, object]) -> _Image:
    """An image of ``docker save``: its layers by path, its labels in place of annotations."""
    config_path = text_at(manifest, "Config")
    match = _CONFIG_PATH.fullmatch(config_path)
    if match is None:
        raise reader.error(f"a config named {config_path[:80]!r}; expected 64 hex digits and .json")
    data = reader.file(config_path)
    reader.verify(data, match[1], config_path)
    config = reader.object(data, f"{reader.tree.name}: {config_path}")
    paths = texts(manifest.get("Layers"))
    if len(paths) > _MAX_LAYERS:
        raise reader.error(f"an image of {len(paths)} layers, more than the {_MAX_LAYERS} that are read")
    rootfs = config.get("rootfs")
    digests = texts(rootfs.get("diff_ids")) if isinstance(rootfs, dict) else []
    layers = [
        _docker_layer(reader, path, digest)
        for path, digest in itertools.zip_longest(paths, digests[: len(paths)], fillvalue="")
    ]
    settings = config.get("config")
    labels = _strings(settings.get("Labels")) if isinstance(settings, dict) else {}
    return _Image(config_path, layers, labels)


def _docker_layer(reader: _Reader, path: str, digest: str) -> _Blob:
    if not _LAYER_PATH.fullmatch(path):
        raise reader.error(f"a layer named {path[:80]!r}; expected 64 hex digits and layer.tar")
    data = reader.file(path)
    match = _DIGEST.fullmatch(digest)
    if match and compression_of(data) is None:  # the digest is that of the layer as a plain tar
        reader.verify(data, match[1], path)
    return _Blob(data, f"{reader.tree.name}: {path}", path)


def _chosen(reader: _Reader, images: list[_Image]) -> CheckpointImage | None:
    """The image that is annotated as a checkpoint, else the first that looks like one."""
    annotated = [image for image in images if image.is_annotated]
    if annotated:
        _only_one(reader, annotated)
        return _lay(reader, annotated[0])
    refused = None
    for image in images:
        try:
            found = _lay(reader, image)
        except ImageError as error:  # what other images hold, devices for one, is none of our business
            refused = refused or error
            continue
        if _has_checkpoint(found.tree):
            return found
        found.tree.close()
    if refused is not None:
        raise reader.error(f"a container image without a checkpoint, as far as it can be read ({refused})")
    return None


def _lay(reader: _Reader, image: _Image) -> CheckpointImage:
    """The layers of an image, one over the other."""
    layers: list[Layer] = []
    try:
        for blob in image.layers:
            layers.append(reader.layer(blob))  # noqa: PERF401 (they are closed if one fails)
    except BaseException:
        for layer in layers:
            layer.tree.close()
        raise
    trees = [layer.tree for layer in layers]
    tree = trees[0] if len(trees) == 1 else OverlayTree(trees, reader.tree.name)
    return CheckpointImage(tree, reader.tree, image.name, tuple(layers), image.annotations)


def _only_one(reader: _Reader, checkpoints: Sequence[object]) -> None:
    if len(checkpoints) > 1:
        raise reader.error(f"holds {len(checkpoints)} checkpoints; save one of them at a time")


def _has_checkpoint(tree: FileTree) -> bool:
    return bool(_FOLDERS_OF_IMAGES & {*tree.folders()} or _SURE_SIGNS & {*tree.names()})


def _strings(value: object) -> dict[str, str]:
    """The entries of an object whose values are texts."""
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}
