"""The options of a socket by name, from wherever the releases of CRIU have kept them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dyncrit.checkpoint.fields import is_set, items, number, optional, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.types import DynamicMessage


class _Option(NamedTuple):
    """An option: the field it stands in, and the value that goes without saying (None: none does)."""

    name: str
    field: str
    default: int | None = 0


_SOCKET = (  # sk_opts_entry
    _Option("reuseaddr", "reuseaddr"),
    _Option("reuseport", "so_reuseport"),
    _Option("broadcast", "so_broadcast"),
    _Option("keepalive", "so_keepalive"),
    _Option("passcred", "so_passcred"),
    _Option("passsec", "so_passsec"),
    _Option("dontroute", "so_dontroute"),
    _Option("no_check", "so_no_check"),
    _Option("oobinline", "so_oobinline"),
    _Option("priority", "so_priority"),
    _Option("rcvlowat", "so_rcvlowat", 1),
    _Option("mark", "so_mark"),
    _Option("linger", "so_linger", None),
    _Option("buf_lock", "so_buf_lock"),
)
_TCP_OLD = (  # sk_opts_entry, v3.14 to v3.19
    _Option("tcp_keepcnt", "tcp_keepcnt", None),
    _Option("tcp_keepidle", "tcp_keepidle", None),
    _Option("tcp_keepintvl", "tcp_keepintvl", None),
)
_TCP_STREAM = (_Option("tcp_cork", "cork"), _Option("tcp_nodelay", "nodelay"))  # tcp_stream_entry, since v0.8
_TCP = (  # tcp_opts_entry, since v4.0
    *_TCP_STREAM,
    _Option("tcp_keepcnt", "keepcnt", None),
    _Option("tcp_keepidle", "keepidle", None),
    _Option("tcp_keepintvl", "keepintvl", None),
)
_INTERNET = (  # ip_opts_entry
    _Option("freebind", "freebind"),
    _Option("pktinfo", "pktinfo"),
    _Option("tos", "tos"),
    _Option("ttl", "ttl", None),
)
_RAW = (  # ip_opts_raw_entry
    _Option("hdrincl", "hdrincl"),
    _Option("nodefrag", "nodefrag"),
    _Option("checksum", "checksum"),
)
_PACKET = (  # packet_sock_entry
    _Option("packet_version", "version"),
    _Option("packet_reserve", "reserve"),
    _Option("packet_auxdata", "aux_data"),
    _Option("packet_origdev", "orig_dev"),
    _Option("packet_vnet_hdr", "vnet_hdr"),
    _Option("packet_loss", "loss"),
    _Option("packet_timestamp", "timestamp"),
    _Option("packet_copy_thresh", "copy_thresh"),
    _Option("packet_fanout", "fanout", None),
)
_MICROSECONDS = 1_000_000


def socket_options(message: DynamicMessage, stream: DynamicMessage | None = None) -> dict[str, Any]:
    """The options of a socket that aren't what a new socket has.

    ``message`` is the socket's entry, ``stream`` the tcp_stream_entry of one that has it. Options that are
    on or off are there, as True, where they are on; timeouts are in microseconds; ``linger`` and the times
    of TCP's keepalive in seconds; ``filter`` is the number of instructions of the BPF filter.
    """
    options: dict[str, Any] = {}
    for part, table in _parts(message, stream):
        for name, field, default in table:
            value = optional(part, field)
            if value is not None and value != default:
                options[name] = value
    options.update(_others(message))
    return options


def _parts(
    message: DynamicMessage, stream: DynamicMessage | None
) -> Iterator[tuple[DynamicMessage, tuple[_Option, ...]]]:
    """Where options stand, the place that newer releases use behind the older ones."""
    common, internet = optional(message, "opts"), optional(message, "ip_opts")
    if common is not None:
        yield common, _SOCKET + _TCP_OLD
    if stream is not None:
        yield stream, _TCP_STREAM
    if tcp := optional(message, "tcp_opts"):
        yield tcp, _TCP
    if internet is not None:
        yield internet, _INTERNET
        if raw := optional(internet, "raw"):
            yield raw, _RAW
    yield message, (_Option("v6only", "v6only"), *(_PACKET if is_set(message, "ifindex") else ()))


def _others(message: DynamicMessage) -> Iterator[tuple[str, Any]]:
    common = optional(message, "opts")
    if common is not None:
        for name, field in (("send_timeout", "so_snd_tmo"), ("receive_timeout", "so_rcv_tmo")):
            if time := number(common, f"{field}_sec") * _MICROSECONDS + number(common, f"{field}_usec"):
                yield name, time
        if device := text(common, "so_bound_dev"):
            yield "bound_device", device
        if instructions := len(items(common, "so_filter")):
            yield "filter", instructions
    if interface := text(message, "ifname"):
        yield "interface", interface
    for name in ("rx_ring", "tx_ring"):
        if ring := optional(message, name):
            yield f"packet_{name}", number(ring, "block_size") * number(ring, "block_nr")
