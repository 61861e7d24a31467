"""The JSON documents that container engines put beside images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DOCUMENT_SIZE = 64 << 20


def parse_document(data: memoryview, place: str) -> object:
    """What a JSON text of at most 64 MiB says; raises ImageError, which says that it is about ``place``."""
    if len(data) > MAX_DOCUMENT_SIZE:
        raise ImageError(f"JSON of {len(data)} bytes, more than the {MAX_DOCUMENT_SIZE} that are read", place)
    try:
        return json.loads(bytes(data))
    except RecursionError:
        raise ImageError("JSON that is nested too deeply", place) from None
    except ValueError as error:  # wrong JSON, wrong UTF-8 and numbers of thousands of digits
        raise ImageError(f"no JSON: {error}", place) from error


def text_at(document: object, *path: str) -> str:
    """The text that stands in nested objects under these keys; empty where there is no text.

    >>> text_at({"metadata": {"name": "loop"}}, "metadata", "name")
    'loop'
    """
    for key in path:
        if not isinstance(document, dict):
            return ""
        document = document.get(key)
    return document if isinstance(document, str) else ""


def texts(value: object) -> list[str]:
    """The texts in a list; none where it is no list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def objects(value: object) -> list[Mapping[str, object]]:
    """The objects in a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
