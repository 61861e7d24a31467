"""What dumps and restores could leave behind, as it is now."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from pathlib import Path

TIMEOUT = 10
NETLINK_NETFILTER = 12
NFT_SUBSYSTEM = 10
NFT_DUMPS = (1, 4, 7)  # get tables, chains, rules
NLMSG_ERROR, NLMSG_DONE = 2, 3


def processes_in(namespaces: set[int]) -> list[Path]:
    """The processes that are in any of some namespaces."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):  # ended, or none of ours
            if namespaces & {entry.stat().st_ino for entry in (process / "ns").iterdir()}:
                found.append(process)
    return found


def of_system() -> tuple[str, ...]:
    """What a dump or restore could leave behind here: mounts, and rules of nftables and iptables."""
    tables = [Path(f"/proc/net/{name}") for name in ("ip_tables_names", "ip6_tables_names")]
    legacy = [path.read_text() for path in tables if path.exists()]
    return Path("/proc/self/mountinfo").read_text(), _nftables(), *legacy


def _nftables() -> str:
    """All tables, chains and rules of nftables as the kernel tells them, in hex."""
    told = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.settimeout(TIMEOUT)
        for question in NFT_DUMPS:
            kernel.send(struct.pack("=IHHIIBBH", 20, NFT_SUBSYSTEM << 8 | question, 0x301, 1, 0, 0, 0, 0))
            kind = 0
            while kind not in {NLMSG_ERROR, NLMSG_DONE}:
                data = kernel.recv(1 << 16)
                while data:
                    size, kind = struct.unpack_from("=IH", data)
                    told.append(data[20:size])  # without the header, which counts changes
                    data = data[size + 3 & ~3 :]
    return b"|".join(told).hex()
