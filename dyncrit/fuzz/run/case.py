"""What a target is run on: an image, or a checkpoint's images by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.fuzz.mutate.folder import folder_digest
from dyncrit.fuzz.mutate.record import digest

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Case:
    """``name`` is the image's file name, or that of the checkpoint's folder; ``files`` are the contents.

    Of an image, ``files`` has one under its own name.
    """

    name: str
    files: Mapping[str, bytes]
    is_checkpoint: bool = False

    @classmethod
    def of_image(cls, name: str, data: bytes) -> Case:
        """An image."""
        return cls(name, {name: data})

    @property
    def size(self) -> int:
        """All bytes of it."""
        return sum(map(len, self.files.values()))

    @property
    def digest(self) -> str:
        """The SHA-256 of an image; of a checkpoint that of its names with the SHA-256 of each."""
        if not self.is_checkpoint:
            return digest(self.files[self.name])
        return folder_digest({name: digest(data) for name, data in self.files.items()})
