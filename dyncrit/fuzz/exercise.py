"""What this package promises of any bytes, tried: they are refused in a line, or come back as they were."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.convert import DecodeOptions, decode_image, encode_document
from dyncrit.errors import DyncritError
from dyncrit.image import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.jsonio.writer import Format
    from dyncrit.schema import Schema


class BrokenPromiseError(Exception):
    """Something was accepted and came back as something else. No DyncritError, which input may raise."""


def exercise_image(data: bytes, schema: Schema, name: str = "") -> bool:
    """Read bytes as an image, decode them in each way and encode the documents; gives whether they are one.

    ``name`` is the image's file name, which tells the few types that have no magic of their own. Raises
    BrokenPromiseError; anything else but that is a fault, too.
    """
    try:
        image = loads(data, schema=schema, file_name=name)
    except DyncritError as error:
        _require_words(str(error))
        is_read = False
    else:
        is_read = True
        _require_same(dumps(image), data, "read and written")
    document_format: Format = "ndjson" if len(data) % 2 else "json"  # each of them for half of all
    plain = _decoded(data, schema, name, DecodeOptions())
    pretty = _decoded(data, schema, name, DecodeOptions(pretty=True, format=document_format))
    if (plain is None) != (pretty is None):
        raise BrokenPromiseError(f"decoded {'pretty' if plain is None else 'plain'} only")
    if plain is not None and not is_read:
        raise BrokenPromiseError("decoded in a stream, and refused as an image")
    _exercise_keep_going(data, schema, name, plain)
    for document, way in ((plain, "plain"), (pretty, f"pretty {document_format}")):
        if document is not None:
            _require_same(_encoded_whole(document, schema, name), data, f"decoded {way} and encoded")
    return plain is not None


def exercise_checkpoint(
    folder: Path, schema: Schema, views: Iterable[Callable[[Checkpoint], object]] = ()
) -> int | None:
    """Check a checkpoint directory, and look at it with ``views``; gives the number of findings.

    None where it can't be opened. A view may raise DyncritError or OSError, which is an answer; check may
    not, since it is to tell all that is wrong. Raises BrokenPromiseError; anything else is a fault, too.
    """
    try:
        opened = open_checkpoint(folder, schema=schema)
    except (DyncritError, OSError) as error:
        _require_words(str(error))
        return None
    with opened as checkpoint:
        try:
            findings = check(checkpoint, deep=True).findings
        except (DyncritError, OSError) as error:
            raise BrokenPromiseError(f"check gave up: {error}") from error
        for view in views:
            try:
                view(checkpoint)
            except (DyncritError, OSError) as error:
                _require_words(str(error))
    return len(findings)


def _exercise_keep_going(data: bytes, schema: Schema, name: str, plain: bytes | None) -> None:
    """Decode what can be read: of a whole image all; of a damaged one, what comes back, or is refused."""
    for pretty in (False, True) if plain is None else (False,):
        kept = _decoded(data, schema, name, DecodeOptions(pretty=pretty, keep_going=True))
        if plain is not None and kept != plain:
            raise BrokenPromiseError("with keep-going, the document of a whole image is another")
        if plain is None and kept is not None:
            try:
                encoded = _encoded(kept, schema, name)
            except DyncritError as error:
                _require_words(str(error))
            else:
                _require_same(encoded, data, "decoded with keep-going and encoded")


def _decoded(data: bytes, schema: Schema, name: str, way: DecodeOptions) -> bytes | None:
    document = io.BytesIO()
    try:
        decode_image(io.BytesIO(data), name or "image", document, schema, way)
    except DyncritError as error:
        _require_words(str(error))
        return None
    return document.getvalue()


def _encoded_whole(document: bytes, schema: Schema, name: str) -> bytes:
    try:
        return _encoded(document, schema, name)
    except DyncritError as error:
        raise BrokenPromiseError(f"decoded, and refused by encode: {error}") from error


def _encoded(document: bytes, schema: Schema, name: str) -> bytes:
    encoded = io.BytesIO()
    encode_document(io.BytesIO(document), name or "image", encoded, schema)
    return encoded.getvalue()


def _require_same(result: bytes, data: bytes, what: str) -> None:
    if result != data:
        place = next(
            (at for at, (one, other) in enumerate(zip(result, data, strict=False)) if one != other),
            min(len(result), len(data)),
        )
        raise BrokenPromiseError(
            f"{what}, it is another from byte {place} on: {len(data)} bytes, then {len(result)}"
        )


def _require_words(text: str) -> None:
    if not text.strip():
        raise BrokenPromiseError("an error without words")
