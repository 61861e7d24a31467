"""Addresses in what container engines put beside the images.

Podman gives a container that it restores the addresses in ``network.status``, unless it is told to ignore
them (``--ignore-static-ip``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dyncrit.edit.engine_files import engine_file, engine_notes, engine_text
from dyncrit.edit.network.addresses_in_text import tokens
from dyncrit.edit.touched import Touched

if TYPE_CHECKING:
    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.change import AddressChange

_STATUS = "network.status"
_SETTINGS = ("config.dump", "spec.dump", "status.dump")
_INTERFACE = re.compile(r'"(?P<address>[0-9A-Fa-f:.]{2,45})(?P<length>(?:\\?/[0-9]{1,3})?)"')
"""A text of JSON's that is an address, or one with the length of its network's prefix."""


def change_engine_files(edit: Edit, change: AddressChange) -> list[Touched]:
    """Change a container's addresses in Podman's record; tell where engines' settings name them.

    What is only told has the same value before and after. Raises ImageError for a record of over 64 MiB.
    """
    touched = _change_status(edit, change)
    for name in _SETTINGS:
        touched += engine_notes(name, (token.before for token in tokens(engine_text(edit, name), change)))
    return touched


def _change_status(edit: Edit, change: AddressChange) -> list[Touched]:
    touched: list[Touched] = []
    if (file := engine_file(edit, _STATUS)) is None:
        return touched

    def replace(match: re.Match[str]) -> str:
        after = change.of_text(match["address"])
        if after is None:
            return match[0]
        touched.append(Touched(_STATUS, "address of the container", match["address"], after))
        return f'"{after}{match["length"]}"'

    text = _INTERFACE.sub(replace, file.text())
    if touched:
        file.write(text)
    return touched
