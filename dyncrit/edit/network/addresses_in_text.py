"""Addresses in text: firewall rules, and what container engines write."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.edit.network.change import AddressChange

_RUN = r"[0-9A-Fa-f:.]++"
_BEHIND = rf"/(?P<length>[0-9]{{1,3}})|-(?P<last>{_RUN})(?:-[0-9]{{1,5}})?"
_PATTERN = rf"(?<![\w.:-])(?P<first>{_RUN})(?:{_BEHIND})?(?![\w./-])"
_PLAIN = re.compile(_PATTERN)
"""What may be an address, a network or a range of addresses, with a port behind it or not."""
_TOKEN = re.compile(_PATTERN + r'|"(?:[^"\\]|\\.)*+"?')
"""The same, or quoted text."""
_WITH_PORT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]{1,5})?")
_MAX_ADDRESS = 45


class Token(NamedTuple):
    """An address, network or range that is concerned, and what becomes of it: None if that can't be said."""

    start: int
    end: int
    before: str
    after: str | None


def tokens(line: str, change: AddressChange, *, quoted: bool = True) -> Iterator[Token]:
    """The addresses in a line that a change is about, those in ``quoted`` text as well or not.

    Of a range with only one end in the network that moves, and of a network that the moving one is only a
    part of, nobody can say what they should become.
    """
    for match in (_PLAIN if quoted else _TOKEN).finditer(line):
        if match["first"] is None:
            continue
        first = _address(match["first"])
        after = change.of_text(first)
        start, end = match.start("first"), match.start("first") + len(first)
        if match["last"] is not None and first == match["first"]:  # rather than 10.0.0.7:80-90
            last = _address(match["last"])
            last_after = change.of_text(last)
            if after is not None or last_after is not None:
                end = match.start("last") + len(last)
                both = None if after is None or last_after is None else f"{after}-{last_after}"
                yield Token(start, end, line[start:end], both)
        elif after is not None:
            if match["length"] is not None:
                end = match.end("length")
                is_within = change.of_network(ip_address(first).packed, int(match["length"])) is not None
                after = f"{after}/{match['length']}" if is_within else None
            yield Token(start, end, line[start:end], after)


def _address(run: str) -> str:
    """What may be an address, without the port behind it; empty if it is too long for one."""
    if len(run) > _MAX_ADDRESS:
        return ""
    match = _WITH_PORT.fullmatch(run)
    return match[1] if match else run
