"""The files of a container image while it changes: documents, and blobs that go by their digests."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.documents import parse_document
from dyncrit.checkpoint.storage.archive import ArchiveTree
from dyncrit.checkpoint.storage.tree import DirectoryTree
from dyncrit.checkpoint.writing.changes import FileChange
from dyncrit.checkpoint.writing.json_text import splice
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dyncrit.checkpoint.storage.tree import FileTree
    from dyncrit.checkpoint.writing.json_text import Place

BLOBS = "blobs/sha256/"
REPOSITORIES = "repositories"

_HEX = re.compile(rb"[0-9a-f]{64}")
_MAX_DOCUMENT = 4 << 20

# Annotations of a layer that describe its compressed bytes: of zstd:chunked, and of eStargz.
_OF_BYTES = ("io.github.containers.zstd-chunked.", "containerd.io/snapshot/stargz/toc.")


class Blob(NamedTuple):
    """A file of an image as it will be: its path in the image, and what holds it; its SHA-256 and size."""

    path: str
    content: Path
    digest: str
    size: int


class ImageFiles:
    """The files of a container image. ``moved`` are the new blobs by the paths of the old ones."""

    def __init__(self, source: FileTree, staging: Path) -> None:
        self.source = source
        self.moved: dict[str, Blob] = {}
        self._staging = staging
        self._documents: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        """A file of the image; raises ImageError if there is none."""
        folder, name = self._folder(path)
        return bytes(folder.view(name))

    def read_object(self, path: str) -> Mapping[str, object]:
        """What a JSON document says; raises ImageError if it is no object."""
        document = parse_document(memoryview(self.read(path)), self.source.path(path))
        if not isinstance(document, dict):
            raise ImageError("expected a JSON object", self.source.path(path))
        return document

    def real_path(self, path: str) -> str:
        """The path of a file in the image, links followed."""
        folder, name = self._folder(path)
        holder = folder.holder(name)
        if isinstance(holder, ArchiveTree):
            above = len(self.source.prefix) if isinstance(self.source, ArchiveTree) else 0
            return "/".join(holder.member_path(name)[above:])
        if isinstance(holder, DirectoryTree) and isinstance(self.source, DirectoryTree):
            root = Path(os.path.realpath(self.source.directory))
            return os.path.relpath(holder.real_path(name), root)
        return path

    def move(self, path: str, data: bytes) -> None:
        """Give a document a new content, and the name that its new digest makes of the old one."""
        digest = hashlib.sha256(data).hexdigest()
        self.moved[path] = Blob(path.replace(stem(path), digest), self._stage(data), digest, len(data))

    def put(self, name: str, data: bytes) -> None:
        """Give a document that keeps its name a new content."""
        if data != self.read(name):
            self._documents[name] = data

    def descriptor(self, place: Place, descriptor: object, path: str) -> dict[Place, object]:
        """The values that change in a descriptor, which stands at ``place``, of the blob ``path``."""
        if not isinstance(descriptor, dict):
            return {}
        blob = self.moved[path]
        values: dict[Place, object] = {(*place, "digest"): f"sha256:{blob.digest}"}
        if "size" in descriptor:
            values[*place, "size"] = blob.size
        annotations = descriptor.get("annotations")
        if isinstance(annotations, dict):
            kept = {key: value for key, value in annotations.items() if not key.startswith(_OF_BYTES)}
            if kept != annotations:
                values[*place, "annotations"] = kept
        return values

    def change_config(self, path: str, diff_ids: Mapping[int, str], count: int) -> bool:
        """Put new digests of unpacked layers, by their number of ``count``, into a config; tells whether."""
        if not path or not diff_ids or not self._is_document(path):
            return False
        if len(self.diff_ids(path)) != count:
            return False
        values: dict[Place, object] = {
            ("rootfs", "diff_ids", number): f"sha256:{digest}" for number, digest in diff_ids.items()
        }
        self.move(path, splice(self.read(path), values))
        return True

    def diff_ids(self, path: str) -> list[str]:
        """The digests of unpacked layers in a config, as it was."""
        rootfs = self.read_object(path).get("rootfs")
        ids = as_list(rootfs.get("diff_ids")) if isinstance(rootfs, dict) else []
        return [text if isinstance(text, str) else "" for text in ids]

    def changes(self) -> Iterator[FileChange]:
        """All changes of files in the image's tree; old blobs stay where something else names them."""
        kept = self._still_named()
        for path, blob in self.moved.items():
            folder, name = self._folder(path)
            new_name = blob.path.rpartition("/")[2]
            is_there = new_name in folder and new_name != name
            if new_name == name:
                yield FileChange(folder, name, blob.content)
            elif path in kept and not is_there:
                yield FileChange(folder, new_name, blob.content)
            elif path not in kept and is_there:
                yield FileChange(folder, name, None)
            elif path not in kept:
                self._refuse_links(name)
                yield FileChange(folder, name, blob.content, new_name)
        for name, data in self._documents.items():
            yield FileChange(self.source, name, self._stage(data))

    def _still_named(self) -> set[str]:
        """The old blobs that a document that stays still names, and those that these name in turn."""
        candidates = {stem(old): old for old, blob in self.moved.items() if blob.path != old}
        named: set[bytes] = set()
        for data in self._staying(set(candidates.values())):
            named.update(_HEX.findall(data))
        kept: set[str] = set()
        while found := [name for name in candidates if name.encode() in named]:
            for name in found:
                kept.add(path := candidates.pop(name))
                named.update(_HEX.findall(_document(*self._folder(path))))
        return kept

    def _staying(self, gone: set[str]) -> Iterator[bytes]:
        """The documents that the image has afterwards."""
        yield from self._documents.values()
        yield from (blob.content.read_bytes() for blob in self.moved.values() if blob.size <= _MAX_DOCUMENT)
        for name in self.source.names():
            is_document = name.endswith(".json") or name == REPOSITORIES
            if is_document and name not in self._documents and name not in gone:
                yield _document(self.source, name)
        folder = self._find(BLOBS)
        if folder is not None:
            yield from (_document(folder, name) for name in folder.names() if BLOBS + name not in gone)

    def _refuse_links(self, name: str) -> None:
        """Raise DyncritError where a link on disk, which would be left dangling, leads to a blob."""
        if not isinstance(self.source, DirectoryTree):
            return
        for folder in self.source.folders():
            if name in (self.source.folder(folder).link("layer.tar") or ""):
                problem = f"{folder}/layer.tar is a link to a layer, which gets another name"
                raise DyncritError(f"{problem}; in an archive, it can be changed", self.source.name)

    def _is_document(self, path: str) -> bool:
        folder, name = self._find(path), path.rpartition("/")[2]
        return folder is not None and name in folder and _document(folder, name).lstrip()[:1] == b"{"

    def _folder(self, path: str) -> tuple[FileTree, str]:
        """The folder that a file of the image stands in, and its name there."""
        folder, name = self._find(path), path.rpartition("/")[2]
        if folder is None or name not in folder:
            raise ImageError("missing from the image", self.source.path(path))
        return folder, name

    def _find(self, path: str) -> FileTree | None:
        tree = self.source
        for step in path.split("/")[:-1]:
            if step not in tree.folders():
                return None
            tree = tree.folder(step)
        return tree

    def _stage(self, data: bytes) -> Path:
        content = self._staging / os.urandom(8).hex()
        content.write_bytes(data)
        return content


def stem(path: str) -> str:
    """The digest or id in a path; all of it where there is none."""
    match = _HEX.search(path.encode())
    return match[0].decode() if match else path


def as_list(value: object) -> list[object]:
    """A list of a JSON document; an empty one where it is none."""
    return value if isinstance(value, list) else []


def _document(folder: FileTree, name: str) -> bytes:
    """A blob that can be a JSON document, and nothing of one that can't."""
    if folder.size(name) > _MAX_DOCUMENT:
        return b""
    data = bytes(folder.view(name))
    return data if data.lstrip()[:1] in {b"{", b"["} else b""
