"""Rules on files that others wrote for CRIU (tar, ip, iptables): whether they are what their names say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.check.context import Check
from dyncrit.checkpoint.storage.compression import Limits, compression_of, unpack
from dyncrit.checkpoint.storage.mapped import map_file
from dyncrit.checkpoint.storage.tar import members
from dyncrit.errors import DyncritError
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dyncrit.check.context import Context
    from dyncrit.schema.layout import RawFormat

FORMATS = Rule(
    "raw-formats",
    "error",
    "what ip, iptables and nft wrote is what its name says",
    "A restore stops when the tool refuses the file, or the network comes back without what was in it.",
)
ARCHIVES = Rule(
    "tmpfs-archives",
    "error",
    "every archive of a tmpfs is whole",
    "A restore stops when tar refuses the archive; files behind the damage are lost.",
)

_TMPFS = "TMPFS"
_PIECE = 1 << 20


class _Kind(NamedTuple):
    """What a raw format's content must be, and how a finding calls it."""

    is_so: Callable[[RawFormat, memoryview], bool]
    noun: str


def _starts(raw: RawFormat, data: memoryview) -> bool:
    return bytes(data[:16]).startswith(raw.starts)


def _is_text(_raw: RawFormat, data: memoryview) -> bool:
    """Whether all is UTF-8, read piece by piece, and has no zero bytes."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _PIECE):
            if "\0" in decoder.decode(bytes(data[start : start + _PIECE])):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _are_messages(_raw: RawFormat, data: memoryview) -> bool:
    """Whether netlink messages, each with its length in front, fill the file (either byte order)."""
    return any(_lengths_fit(data, order) for order in ("little", "big"))


def _lengths_fit(data: memoryview, order: str) -> bool:
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], order)  # type: ignore[arg-type]  # it is one
        if length < _NETLINK_HEAD or length > len(data) - position:
            return False
        position += -(-length // 4) * 4
    return True


_NETLINK_HEAD = 16
_KINDS = {
    "IFADDR": _Kind(_starts, "what ip addr saves"),
    "ROUTE": _Kind(_starts, "what ip route saves"),
    "RULE": _Kind(_starts, "what ip rule saves"),
    "IPTABLES": _Kind(_is_text, "text, as of iptables-save"),
    "NFTABLES": _Kind(_is_text, "text, as of nft list ruleset"),
    "NETNF": _Kind(_are_messages, "netlink messages"),
}


def _formats(context: Context) -> Iterator[Finding]:
    for name, raw in _raw_images(context):
        kind = _KINDS.get(raw.name)
        if kind is None:
            continue
        try:
            data = context.images.tree.view(name)
            problem = "" if not data or kind.is_so(raw, data) else f"expected {kind.noun}"
        except (DyncritError, OSError) as error:
            problem = str(error)
        if problem:
            yield Finding.of(FORMATS, problem, name)


def _archives(context: Context) -> Iterator[Finding]:
    limits = context.limits or Limits()
    for name, raw in _raw_images(context):
        if raw.name != _TMPFS:
            continue
        place = context.images.path(name)
        try:
            size = _list(context.images.tree.view(name), limits, place)
            limits = limits.less(size)
        except DyncritError as error:
            yield Finding.of(ARCHIVES, str(error).removeprefix(f"{place}: "), name)
        except OSError as error:
            yield Finding.of(ARCHIVES, error.strerror or str(error), name)


def _list(data: memoryview, limits: Limits, place: str) -> int:
    """Go through an archive; gives the bytes that it unpacks to, raises ImageError where it is damaged."""
    if not data:
        return 0
    if compression_of(data) is not None:
        with unpack(data, limits, place) as file:
            data = map_file(file)
    for _ in members(data, place):
        pass
    return len(data)


def _raw_images(context: Context) -> Iterator[tuple[str, RawFormat]]:
    table = context.images.schema.table
    for name in sorted(context.names):
        if table.by_file_name(name) is None and (raw := table.raw_by_file_name(name)) is not None:
            yield name, raw


CHECKS: tuple[Check, ...] = (
    Check(FORMATS, _formats, needs_depth=True),
    Check(ARCHIVES, _archives, needs_depth=True),
)
