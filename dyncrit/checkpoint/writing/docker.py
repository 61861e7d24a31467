"""Changes the documents that ``docker save`` and Podman write, with the layers of an image.

Names and keys are those of moby's ``image/tarexport`` and containers/image's ``docker/internal/tarfile``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.documents import parse_document, text_at, texts
from dyncrit.checkpoint.storage.oci import DOCKER_MANIFEST
from dyncrit.checkpoint.writing.blobs import BLOBS, REPOSITORIES, Blob, as_list, stem
from dyncrit.checkpoint.writing.json_text import splice
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.checkpoint.writing.blobs import ImageFiles
    from dyncrit.checkpoint.writing.json_text import Place
    from dyncrit.checkpoint.writing.packing import Packed


def change_docker_image(files: ImageFiles, config: str, layers: Mapping[str, Packed]) -> None:
    """Change all that goes by the digests of ``layers``, which are by their old paths, links followed.

    ``config`` is the path of the image's config. Raises DyncritError for a layer that has an id for its name
    and belongs to another image, too.
    """
    entries = _entries(files)
    paths = next(texts(entry.get("Layers")) for entry in entries if text_at(entry, "Config") == config)
    known = files.diff_ids(config)
    diff_ids: dict[int, str] = {}
    for number, path in enumerate(paths):
        layer = files.real_path(path)
        if layer not in layers:
            continue
        packed = layers[layer]
        diff_ids[number] = packed.plain_digest
        old_id = known[number] if number < len(known) else ""
        new = _new_path(layer, old_id, packed)
        if new == layer:
            _refuse_shared(files, entries, layer, config)
        files.moved[layer] = Blob(new, packed.path, packed.digest, packed.size)
    files.change_config(config, diff_ids, len(paths))
    change_docker_manifest(files, config, layers)


def change_docker_manifest(files: ImageFiles, config: str, layers: Mapping[str, Packed]) -> None:
    """Change what ``manifest.json`` says of an image whose blobs have moved."""
    values: dict[Place, object] = {}
    keys: dict[Place, str] = {}
    for number, entry in enumerate(_entries(files)):
        if not config or text_at(entry, "Config") != config:
            continue
        if config in files.moved:
            values[number, "Config"] = files.moved[config].path
        sources = entry.get("LayerSources")
        known = files.diff_ids(config)
        for position, path in enumerate(as_list(entry.get("Layers"))):
            layer = files.real_path(path) if isinstance(path, str) else ""
            if layer not in layers:
                continue
            if path == layer != files.moved[layer].path:  # a link stays one
                values[number, "Layers", position] = files.moved[layer].path
            old_id = known[position] if position < len(known) else ""
            if isinstance(sources, dict) and old_id in sources:
                place = (number, "LayerSources", old_id)
                keys[place] = f"sha256:{layers[layer].plain_digest}"
                values.update(files.descriptor(place, sources[old_id], layer))
    files.put(DOCKER_MANIFEST, splice(files.read(DOCKER_MANIFEST), values, keys))


def change_repositories(files: ImageFiles) -> None:
    """Change the names of images in ``repositories``, where they stand for a layer that has moved."""
    new_names = {stem(old): stem(blob.path) for old, blob in files.moved.items()}
    values: dict[Place, object] = {
        (name, tag): new_names[layer]
        for name, tags in files.read_object(REPOSITORIES).items()
        if isinstance(tags, dict)
        for tag, layer in tags.items()
        if isinstance(layer, str) and new_names.get(layer, layer) != layer
    }
    files.put(REPOSITORIES, splice(files.read(REPOSITORIES), values))


def _entries(files: ImageFiles) -> list[Mapping[str, object]]:
    place = files.source.path(DOCKER_MANIFEST)
    document = parse_document(memoryview(files.read(DOCKER_MANIFEST)), place)
    return [entry if isinstance(entry, dict) else {} for entry in as_list(document)]


def _new_path(path: str, old_id: str, packed: Packed) -> str:
    """The path of a layer that has changed: another if it is made of a digest, the same if of some id."""
    if path.startswith(BLOBS):
        return BLOBS + packed.digest
    old = old_id.removeprefix("sha256:")
    return f"{packed.plain_digest}.tar" if path == f"{old}.tar" else path


def _refuse_shared(files: ImageFiles, entries: list[Mapping[str, object]], layer: str, config: str) -> None:
    for entry in entries:
        others = {files.real_path(path) for path in texts(entry.get("Layers"))}
        if text_at(entry, "Config") != config and layer in others:
            problem = f"the layer {layer} is also one of {text_at(entry, 'Config')}"
            raise DyncritError(f"{problem}; save the image by itself to change it", files.source.name)
