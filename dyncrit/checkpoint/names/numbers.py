"""Numbers of the kernel's by name, as the views show them; signals and capabilities have their own modules.

From the kernel's UAPI headers, which each table names, and CRIU's images/mnt.proto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.names.signals import MIPS
from dyncrit.codec.names import DICTS

if TYPE_CHECKING:
    from collections.abc import Mapping

UNLIMITED = (1 << 64) - 1
"""RLIM_INFINITY, as CRIU writes it in rlimit_entry on every architecture."""

_RLIMITS = (
    "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME"
)
_RLIMITS_OF_MIPS = (
    "CPU FSIZE DATA STACK CORE NOFILE AS RSS NPROC MEMLOCK LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME"
)

CLOCKS: Mapping[int, str] = {  # <linux/time.h>
    0: "CLOCK_REALTIME",
    1: "CLOCK_MONOTONIC",
    2: "CLOCK_PROCESS_CPUTIME_ID",
    3: "CLOCK_THREAD_CPUTIME_ID",
    4: "CLOCK_MONOTONIC_RAW",
    5: "CLOCK_REALTIME_COARSE",
    6: "CLOCK_MONOTONIC_COARSE",
    7: "CLOCK_BOOTTIME",
    8: "CLOCK_REALTIME_ALARM",
    9: "CLOCK_BOOTTIME_ALARM",
    11: "CLOCK_TAI",
}

NAMESPACE_FIELDS: Mapping[str, str] = {
    "pid_ns_id": "pid",
    "net_ns_id": "net",
    "ipc_ns_id": "ipc",
    "uts_ns_id": "uts",
    "mnt_ns_id": "mnt",
    "user_ns_id": "user",
    "cgroup_ns_id": "cgroup",
    "time_ns_id": "time",
}
"""The kinds of namespaces, as /proc/PID/ns calls them, by the fields of task_kobj_ids_entry."""

SECCOMP_MODES: Mapping[int, str] = {0: "disabled", 1: "strict", 2: "filter"}  # <linux/seccomp.h>

SOCKET_FAMILIES = DICTS["sk"]["family"]
SOCKET_TYPES = DICTS["sk"]["type"]
SOCKET_STATES: Mapping[int, str] = {
    **DICTS["sk"]["state"],
    0: "UNCONNECTED",  # of netlink sockets only
    11: "CLOSING",
    12: "NEW_SYN_RECV",
}
"""The states of TCP (<net/tcp_states.h>), which CRIU uses for all kinds of sockets."""

INTERNET_PROTOCOLS: Mapping[int, str] = {  # <linux/in.h>
    **DICTS["sk"]["proto"],
    1: "ICMP",
    2: "IGMP",
    33: "DCCP",
    47: "GRE",
    58: "ICMPV6",
    132: "SCTP",
    255: "RAW",
    262: "MPTCP",
}
NETLINK_PROTOCOLS: Mapping[int, str] = {  # <linux/netlink.h>
    0: "ROUTE",
    1: "UNUSED",
    2: "USERSOCK",
    3: "FIREWALL",
    4: "SOCK_DIAG",
    5: "NFLOG",
    6: "XFRM",
    7: "SELINUX",
    8: "ISCSI",
    9: "AUDIT",
    10: "FIB_LOOKUP",
    11: "CONNECTOR",
    12: "NETFILTER",
    13: "IP6_FW",
    14: "DNRTMSG",
    15: "KOBJECT_UEVENT",
    16: "GENERIC",
    18: "SCSITRANSPORT",
    19: "ECRYPTFS",
    20: "RDMA",
    21: "CRYPTO",
    22: "SMC",
}
ETHERNET_PROTOCOLS: Mapping[int, str] = {  # <linux/if_ether.h>
    0: "NONE",
    0x0001: "802.3",
    0x0003: "ALL",
    0x0800: "IP",
    0x0806: "ARP",
    0x8100: "802.1Q",
    0x86DD: "IPV6",
    0x888E: "PAE",
    0x88CC: "LLDP",
}
SHUTDOWNS: Mapping[int, str] = {0: "", 1: "READ", 2: "WRITE", 3: "BOTH"}
"""The values of CRIU's enum sk_shutdown; nothing for a socket that is open in both directions."""

FILE_SYSTEMS: Mapping[int, str] = {
    1: "proc",
    2: "sysfs",
    3: "devtmpfs",
    4: "binfmt_misc",
    5: "tmpfs",
    6: "devpts",
    7: "simfs",
    8: "pstore",
    9: "securityfs",
    10: "fusectl",
    11: "debugfs",
    12: "cgroup",
    13: "aufs",
    14: "mqueue",
    15: "fuse",
    17: "overlay",
    18: "autofs",
    19: "tracefs",
    23: "cgroup2",
}
"""File systems, as /proc/filesystems calls them, by the numbers of CRIU's enum fstype.

0 (one that CRIU doesn't know) and 16 (told by ``mnt_entry.fsname``) are not among them.
"""

_MOUNT_OPTIONS: Mapping[int, str] = {  # MS_*, <linux/mount.h>
    0x2: "nosuid",
    0x4: "nodev",
    0x8: "noexec",
    0x10: "sync",
    0x40: "mand",
    0x80: "dirsync",
    0x100: "nosymfollow",
    0x400: "noatime",
    0x800: "nodiratime",
    0x1000: "bind",
    0x8000: "silent",
    0x1_0000: "posixacl",
    0x20_0000: "relatime",
    0x80_0000: "iversion",
    0x100_0000: "strictatime",
    0x200_0000: "lazytime",
}
_MS_RDONLY = 0x1
_PROPAGATIONS: Mapping[int, str] = {
    0x2_0000: "unbindable",
    0x4_0000: "private",
    0x8_0000: "slave",
    0x10_0000: "shared",
}


def rlimit_name(index: int, architecture: str = "") -> str:
    """The name of the limit at a place of ``task_rlimits_entry.rlimits`` (<asm-generic/resource.h>).

    ``architecture`` is a name of the enum ``core_entry.march``: MIPS has an order of its own.

    >>> rlimit_name(7), rlimit_name(5, "MIPS"), rlimit_name(99)
    ('RLIMIT_NOFILE', 'RLIMIT_NOFILE', 'RLIMIT_99')
    """
    names = (_RLIMITS_OF_MIPS if architecture == MIPS else _RLIMITS).split()
    return f"RLIMIT_{names[index] if 0 <= index < len(names) else index}"


def clock_name(clock: int) -> str:
    """The name of a clock; the CPU clock of some process or thread, a negative number, as ``CLOCK_CPU``.

    ``clock`` is as it stands in the images, an unsigned number of 32 bits.

    >>> clock_name(1), clock_name(0xFFFFFF06), clock_name(99)
    ('CLOCK_MONOTONIC', 'CLOCK_CPU', '99')
    """
    return "CLOCK_CPU" if clock >= 1 << 31 or clock < 0 else CLOCKS.get(clock, str(clock))


def mount_options(flags: int) -> str:
    """The flags of a mount as /proc/mounts shows them; how it propagates is told by :func:`propagation`.

    >>> mount_options(0x20000E), mount_options(1)
    ('rw,nosuid,nodev,noexec,relatime', 'ro')
    """
    words = ["ro" if flags & _MS_RDONLY else "rw"]
    words += [name for bit, name in _MOUNT_OPTIONS.items() if flags & bit]
    rest = flags & ~(_MS_RDONLY | sum(_MOUNT_OPTIONS) | sum(_PROPAGATIONS))
    return ",".join([*words, hex(rest)] if rest else words)


def propagation(flags: int) -> list[str]:
    """How mounts spread to and from a mount, by its flags.

    >>> propagation(0x180000)
    ['slave', 'shared']
    """
    return [name for bit, name in _PROPAGATIONS.items() if flags & bit]
