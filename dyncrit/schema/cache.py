"""Compiled schemas in the user's cache folder, by the content of their sources."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGEST_SIZE = hashlib.sha256().digest_size


class SchemaCache:
    """A folder of FileDescriptorSets, each behind a SHA-256 of itself; a broken one is as good as none.

    Nothing here fails for want of a writable folder: what can't be kept is compiled again next time.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _user_folder()

    def path(self, key: str) -> Path:
        """Where the set with this key is or would be."""
        return self.folder / f"{key}.binpb"

    def get(self, key: str) -> bytes | None:
        """The set stored under ``key``, or None if there is none that is whole."""
        try:
            stored = self.path(key).read_bytes()
        except OSError:
            return None
        digest, data = stored[:_DIGEST_SIZE], stored[_DIGEST_SIZE:]
        return data if hashlib.sha256(data).digest() == digest else None

    def put(self, key: str, data: bytes) -> None:
        """Store a set under ``key``, if the folder can be written to."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(data).digest() + data)
                Path(name).replace(self.path(key))
            except OSError:
                Path(name).unlink(missing_ok=True)


def content_key(files: Mapping[str, bytes]) -> str:
    """A name for what compiling ``files`` gives: it changes with any file and with the compiler."""
    digest = hashlib.sha256(f"1 {importlib.metadata.version('grpcio-tools')}\0".encode())
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _user_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("dyncrit")) / "schema"
