"""Files without records that stand beside the images: rules of the firewall, addresses, routes."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.explore.extract.content import copy_of
from dyncrit.explore.extract.item import Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.explore.extract.output import Output

_PIECE = 1 << 20


class _Raw(NamedTuple):
    """What begins with ``stem``, a dash and the number of a network namespace."""

    kind: str
    stem: str
    suffix: str
    describes: str


_RAW = (
    _Raw("firewall", "iptables", "txt", "as iptables-restore reads them"),
    _Raw("firewall", "ip6tables", "txt", "as ip6tables-restore reads them"),
    _Raw("firewall", "nftables", "txt", "as nft reads them"),
    _Raw("addresses", "ifaddr", "bin", "as `ip addr restore` reads them"),
    _Raw("routes", "route", "bin", "as `ip route restore` reads them"),
    _Raw("routes", "route6", "bin", "as `ip route restore` reads them"),
    _Raw("routing-rules", "rule", "bin", "as `ip rule restore` reads them"),
    _Raw("connections", "netns-ct", "bin", "netlink messages of connection tracking"),
    _Raw("connections", "netns-exp", "bin", "netlink messages of connection tracking, expected ones"),
)


def extract_raw(checkpoint: Checkpoint, output: Output) -> None:
    """Copy the raw files of network namespaces that aren't empty."""
    names = checkpoint.images.tree.names()
    for raw in _RAW:
        pattern = re.compile(rf"{raw.stem}-([0-9]{{1,20}})\.img")
        for image in names:
            if (match := pattern.fullmatch(image)) and checkpoint.images.tree.size(image):
                item = Item(
                    raw.kind, image, match[1], size=checkpoint.images.tree.size(image), notes=(raw.describes,)
                )
                output.save(
                    item,
                    f"network/{raw.stem}-{match[1]}.{raw.suffix}",
                    copy_of(partial(_pieces, checkpoint, image)),
                )


def _pieces(checkpoint: Checkpoint, image: str) -> Iterator[bytes]:
    with checkpoint.images.tree.open(image) as source:
        while piece := source.read(_PIECE):
            yield piece
