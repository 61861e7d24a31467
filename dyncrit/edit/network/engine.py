"""Addresses in what container engines put beside the images.

Podman gives a container that it restores the addresses in ``network.status``, unless it is told to ignore
them (``--ignore-static-ip``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dyncrit.checkpoint.documents import MAX_DOCUMENT_SIZE
from dyncrit.checkpoint.fields import decode
from dyncrit.edit.network.tokens import tokens
from dyncrit.edit.touched import Touched
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.change import AddressChange

_STATUS = "network.status"
_SETTINGS = ("config.dump", "spec.dump", "status.dump")
_INTERFACE = re.compile(r'"(?P<address>[0-9A-Fa-f:.]{2,45})(?P<length>(?:\\?/[0-9]{1,3})?)"')
"""A text of JSON's that is an address, or one with the length of its network's prefix."""
_MOST_TOLD = 4


def change_engine_files(edit: Edit, change: AddressChange) -> list[Touched]:
    """Change a container's addresses in Podman's record; tell where engines' settings name them.

    What is only told has the same value before and after. Raises ImageError for a record of over 64 MiB.
    """
    if edit.outer is None:
        return []
    touched = _change_status(edit, change) if _STATUS in edit.outer else []
    for name in _SETTINGS:
        touched += engine_notes(name, (token.before for token in tokens(engine_text(edit, name), change)))
    return touched


def engine_notes(name: str, values: Iterator[str]) -> Iterator[Touched]:
    """Tell of values in an engine's file that stay as they are: of each once, of some at most."""
    for value in list(dict.fromkeys(values))[:_MOST_TOLD]:
        yield Touched(name, "the engine's settings name it too, and stay as they are", value, value)


def engine_text(edit: Edit, name: str) -> str:
    """The text of an engine's file, empty where there is none."""
    if edit.outer is None or name not in edit.outer:
        return ""
    if (size := edit.outer.size(name)) > MAX_DOCUMENT_SIZE:
        raise ImageError(
            f"JSON of {size} bytes, more than the {MAX_DOCUMENT_SIZE} that are read", edit.outer.path(name)
        )
    with edit.outer.open(name) as file:
        return decode(file.read())


def _change_status(edit: Edit, change: AddressChange) -> list[Touched]:
    touched: list[Touched] = []

    def replace(match: re.Match[str]) -> str:
        after = change.of_text(match["address"])
        if after is None:
            return match[0]
        touched.append(Touched(_STATUS, "address of the container", match["address"], after))
        return f'"{after}{match["length"]}"'

    text = _INTERFACE.sub(replace, engine_text(edit, _STATUS))
    if touched and edit.outer is not None:
        with edit.outer.write(_STATUS) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    return touched
