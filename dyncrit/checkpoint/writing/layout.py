"""Changes the documents of an OCI layout with its layers: config, manifest, indexes.

Names and keys are those of the OCI image specification (config.md, manifest.md, image-index.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.documents import text_at
from dyncrit.checkpoint.storage.oci import INDEX, is_index
from dyncrit.checkpoint.writing.blobs import BLOBS, Blob, as_list
from dyncrit.checkpoint.writing.json_text import splice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.checkpoint.writing.blobs import ImageFiles
    from dyncrit.checkpoint.writing.json_text import Place
    from dyncrit.checkpoint.writing.packing import Packed


def change_layout(files: ImageFiles, digest: str, layers: Mapping[str, Packed]) -> str:
    """Change all that goes by the digests of ``layers``, which are by their old paths.

    ``digest`` is that of the manifest, or of a layer that stands in its place. Gives the path that the config
    had; empty if there is none.
    """
    for path, packed in layers.items():
        files.moved[path] = Blob(BLOBS + packed.digest, packed.path, packed.digest, packed.size)
    manifest = _path_of(digest)
    config = "" if manifest in layers else _change_manifest(files, manifest, layers)
    files.put(INDEX, _changed_index(files, INDEX, set()))
    return config


def _change_manifest(files: ImageFiles, path: str, packed: Mapping[str, Packed]) -> str:
    document = files.read_object(path)
    values: dict[Place, object] = {}
    diff_ids: dict[int, str] = {}
    layers = as_list(document.get("layers"))
    for number, descriptor in enumerate(layers):
        layer = _path_of(text_at(descriptor, "digest"))
        if layer in packed:
            values.update(files.descriptor(("layers", number), descriptor, layer))
            diff_ids[number] = packed[layer].plain_digest
    config = _path_of(text_at(document, "config", "digest"))
    if files.change_config(config, diff_ids, len(layers)):
        values.update(files.descriptor(("config",), document["config"], config))
    files.move(path, splice(files.read(path), values))
    return config


def _changed_index(files: ImageFiles, path: str, seen: set[str]) -> bytes:
    """An index with the new digests of what it lists, and of the indexes in it."""
    values: dict[Place, object] = {}
    for number, descriptor in enumerate(as_list(files.read_object(path).get("manifests"))):
        if not isinstance(descriptor, dict):
            continue
        listed = _path_of(text_at(descriptor, "digest"))
        if is_index(descriptor) and listed not in seen:
            seen.add(listed)
            if (inner := _changed_index(files, listed, seen)) != files.read(listed):
                files.move(listed, inner)
        if listed in files.moved:
            values.update(files.descriptor(("manifests", number), descriptor, listed))
    return splice(files.read(path), values)


def _path_of(digest: str) -> str:
    return BLOBS + digest.removeprefix("sha256:") if digest else ""
