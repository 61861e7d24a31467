"""JSON Patch (RFC 6902) on the document of an image."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonpatch import JsonPatch, JsonPatchException, JsonPatchTestFailed
from jsonpointer import JsonPointerException

from dyncrit.codec.header import ENTRIES_KEY
from dyncrit.edit.general.documents import shown_image, write_image
from dyncrit.errors import DocumentError, DyncritError, describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.types import Blob, Json, JsonObject

_FAILURES = (
    JsonPatchException,
    JsonPointerException,
    TypeError,
    KeyError,
    IndexError,
    ValueError,
    AttributeError,
    RecursionError,
)
"""What jsonpatch raises for an operation that is wrong, or that the document has no place for."""


class PatchError(DyncritError):
    """A patch that is none, or an operation of it that can't be done; says which."""


class Operation(NamedTuple):
    """One operation of a patch, and its number, from 0."""

    number: int
    content: JsonObject

    @property
    def place(self) -> str:
        """How errors call it."""
        path = self.content.get("path")
        name = self.content.get("op")
        return (
            f"operation {self.number} ({name:.20} {path:.200})"
            if _texts(name, path)
            else f"operation {self.number}"
        )


def parse_patch(text: bytes, name: str = "patch") -> list[Operation]:
    """The operations of a patch in JSON; raises PatchError, with ``name`` and the operation that is wrong."""
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise PatchError(f"no JSON: {problem}", name) from None
    if not isinstance(items, list):
        raise PatchError(f"expected a list of operations, found {describe(items)}", name)
    operations = []
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise PatchError(f"expected an object, found {describe(item)}", name, f"operation {number}")
        operation = Operation(number, item)
        try:
            JsonPatch([item])
        except _FAILURES as error:
            raise PatchError(_reason(error), name, operation.place) from None
        operations.append(operation)
    return operations


def patch_image(edit: Edit, name: str, operations: Sequence[Operation], *, pretty: bool = True) -> None:
    """Apply a patch to an image's document, pretty or plain, and put the result in place of its entries.

    Memory holds the whole document but payloads of over 1 MiB. Raises PatchError, with the operation, where
    one can't be applied or its test fails; DocumentError where the result is no such image; and ImageError
    where the image is damaged.
    """
    with shown_image(edit, name, pretty=pretty) as shown:
        entries = [_with_shared_blobs(entry) for batch in shown.batches for entry in batch]
        document: Any = {**shown.header, ENTRIES_KEY: entries}
        for operation in operations:
            document = _apply(operation, document)
        if not isinstance(document, dict):
            raise DocumentError(f"expected an object, found {describe(document)}")
        patched = document.pop(ENTRIES_KEY, None)
        if not isinstance(patched, list):
            raise DocumentError(f"expected a list, found {describe(patched)}", ENTRIES_KEY)
        write_image(edit, name, document, [patched])


class _SharedBlob:
    """A blob that a copy of its document has, too."""

    __slots__ = ("_blob",)

    def __init__(self, blob: Blob) -> None:
        self._blob = blob

    @property
    def size(self) -> int:
        return self._blob.size

    def pieces(self) -> Iterator[bytes]:
        return self._blob.pieces()

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self


def _with_shared_blobs(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_shared_blobs(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_shared_blobs(item) for item in value]
    return _SharedBlob(value) if hasattr(value, "pieces") else value


def _apply(operation: Operation, document: Json) -> Json:
    try:
        result: Json = JsonPatch([operation.content]).apply(document, in_place=True)
    except JsonPatchTestFailed as error:
        raise PatchError(f"the test failed: {_reason(error)}", operation.place) from None
    except _FAILURES as error:
        raise PatchError(_reason(error), operation.place) from None
    return result


def _reason(error: BaseException) -> str:
    """What a library says is wrong, without the document and the names of Python's types in it."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = " ".join(str(error).split())
    text = re.sub(r"( not found) in .*", r"\1", re.sub(r" \(<class '\w+'>\)", "", text))
    return f"{text:.300}" or type(error).__name__


def _texts(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)
