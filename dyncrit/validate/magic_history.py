"""Since which release CRIU has had each magic, from the ``magic.h`` (``image.h``) of every release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.schema.catalogue import history
from dyncrit.schema.images import IMAGE_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

# By the names of the image table, which some had only later. No release took one back.
_ADDED: Mapping[str, tuple[str, ...]] = {
    "0.2": ("PACKETSK", "SIGNALFD", "NETDEV", "TTY_FILES", "TTY_INFO"),
    "0.4": ("IDS", "FILE_LOCKS", "RLIMIT", "FANOTIFY_FILE", "FANOTIFY_MARK"),
    "0.5": ("SIGNAL", "NETLINK_SK"),
    "0.6": ("STATS", "POSIX_TIMERS", "NS_FILES"),
    "0.7": ("TUNFILE",),
    "1.1": ("EXT_FILES",),
    "1.2": ("IRMAP_CACHE",),
    "1.3": ("CGROUP", "TIMERFD"),
    "1.4": ("CPUINFO", "USERNS"),
    "1.6": ("NETNS",),
    "1.8": ("SECCOMP",),
    "2.0": ("BINFMT_MISC",),
    "2.3": ("TTY_DATA",),
    "2.4": ("AUTOFS",),
    "3.4": ("FILES",),
    "3.14": ("MEMFD_INODE", "TIMENS"),
    "3.15": ("PIDNS", "BPFMAP_FILE", "BPFMAP_DATA"),
    "3.16": ("APPARMOR",),
    "4.1": ("PIDFD",),
}
_FIRST = "0.1"


def magics_of_release(release: str) -> dict[str, int]:
    """The magics of the image types that a release had, by the image table's names."""
    order = history().releases.index
    since = {name: release for release, names in _ADDED.items() for name in names}
    return {
        row.name: row.magic
        for row in IMAGE_TYPES
        if row.magic is not None and order(since.get(row.name, _FIRST)) <= order(release)
    }
