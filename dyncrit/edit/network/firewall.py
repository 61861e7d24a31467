"""Addresses in the firewall rules of network namespaces, which stand in images as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from dyncrit.checkpoint.fields import decode
from dyncrit.edit.network.addresses_in_text import tokens
from dyncrit.edit.touched import Touched
from dyncrit.errors import RawImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.network.change import AddressChange

STEMS = ("iptables", "ip6tables", "nftables")
"""The images of rules as iptables-save and nft write them, without their numbers."""

_MAX_LINE = 1 << 20


def change_firewall(edit: Edit, change: AddressChange) -> list[Touched]:
    """Change addresses in firewall rules, but in quoted text (comments, names).

    A range or a network of which only a part moves stays as it is, and is told with the same before and
    after. Raises RawImageError for a line of over 1 MiB.
    """
    touched = []
    for name, lines in firewall_images(edit):
        with edit.images.write(name) as output:
            for number, line in enumerate(lines, start=1):
                place = f"{name} line {number}"
                after, told = _change_line(line, change, place)
                touched += told
                output.write(after.encode("utf-8", "surrogateescape"))
    return touched


def firewall_images(edit: Edit) -> Iterator[tuple[str, Iterator[str]]]:
    """The images of firewall rules that aren't empty, and their lines."""
    for stem in STEMS:
        for number in edit.preview().images.numbers(stem):
            name = f"{stem}-{number}.img"
            if edit.images.size(name):
                with edit.images.open(name) as file:
                    yield name, _lines(file, edit.images.path(name))


def _lines(file: BinaryIO, place: str) -> Iterator[str]:
    while line := file.readline(_MAX_LINE):
        if len(line) == _MAX_LINE and not line.endswith(b"\n"):
            raise RawImageError(f"a line of over {_MAX_LINE} bytes is no firewall rule", place)
        yield decode(line)


def _change_line(line: str, change: AddressChange, place: str) -> tuple[str, list[Touched]]:
    parts: list[str] = []
    told: list[Touched] = []
    done = 0
    for token in tokens(line, change, quoted=False):
        after = token.before if token.after is None else token.after
        told.append(Touched(place, "firewall rule", token.before, after))
        parts += [line[done : token.start], after]
        done = token.end
    return "".join((*parts, line[done:])), told
