"""``pycriu.images``: images as dictionaries, with the functions and arguments of CRIU 4.2's library.

Dictionaries are the documents of ``crit decode``; what has no place in them stands under keys with an ``@``.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

from dyncrit import image as _image
from dyncrit.errors import RawImageError
from dyncrit.schema import Schema
from dyncrit.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.types import JsonObject


class MagicException(RawImageError):  # noqa: N818 (pycriu's name)
    """A file that doesn't begin as an image does; ``magic`` is its first 32-bit number."""

    def __init__(self, problem: str, *place: str, magic: int = 0) -> None:
        super().__init__(problem, *place)
        self.magic = magic


def load(f: BinaryIO, pretty: bool = False, no_payload: bool = False) -> JsonObject:
    """The document of the image in a file open for reading, from where it stands.

    Raises MagicException for what is no image, ImageError for a damaged one.
    """
    return loads(f.read(), pretty, no_payload)


def loads(s: bytes, pretty: bool = False, no_payload: bool = False) -> JsonObject:
    """The document of an image; as :func:`load`."""
    try:
        image = _image.loads(s)
    except RawImageError as error:
        raise MagicException(error.problem, *error.place, magic=int.from_bytes(s[:4], "little")) from None
    return image.to_dict(pretty=pretty, payloads=not no_payload)


def dump(img: Mapping[str, Any], f: BinaryIO) -> None:
    """Write the image of a document to a file open for writing; raises DocumentError where it doesn't fit."""
    f.write(dumps(img))


def dumps(img: Mapping[str, Any]) -> bytes:
    """The bytes of the image of a document; as :func:`dump`."""
    return _image.dumps(_image.Image.from_dict(img))


def info(f: BinaryIO) -> JsonObject:
    """The ``magic`` and ``count`` of the image in a file; the head of a pagemap isn't counted."""
    content = f.read()
    summary = summarise(io.BytesIO(content), "", Schema.default())
    if summary.raw:
        raise MagicException(summary.raw, magic=int.from_bytes(content[:4], "little"))
    return {"magic": summary.magic, "count": summary.count}
