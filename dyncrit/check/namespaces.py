"""Rules of what tasks live in: namespaces, control groups, system call filters.

What a restore does is from criu/namespaces.c and the source of each kind, criu/cgroup.c and criu/seccomp.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.check.context import Check
from dyncrit.checkpoint.fields import optional
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context, Task
    from dyncrit.types import DynamicMessage

_IMAGES_SINCE_1_6 = 2  # inventory_entry.img_version
_FILTER = 2  # seccomp_mode of images/core.proto

NAMESPACES = Rule(
    "namespace-images",
    "error",
    "every namespace that a task is in, and that isn't the host's, has its image",
    "A restore stops when it makes the namespace.",
)
NETWORK = Rule(
    "network-images",
    "warning",
    "a network namespace that has any image has its settings and devices",
    "The namespace comes back without them.",
)
CGROUP_SETS = Rule(
    "cgroup-sets-resolve",
    "error",
    "the set of control groups of every task is in cgroup.img",
    "A restore stops when it moves the task there, unless it is told to leave control groups alone.",
)
FILTERS = Rule(
    "seccomp-filters-resolve",
    "error",
    "every system call filter is in seccomp.img, with those that it builds on",
    "A restore stops while it prepares the filters of the task.",
)


class _Kind(NamedTuple):
    """A kind of namespace whose image a restore can't do without."""

    name: str
    field: str
    image: str


_KINDS = (
    _Kind("mount", "mnt_ns_id", "mountpoints"),
    _Kind("UTS", "uts_ns_id", "utsns"),
    _Kind("IPC", "ipc_ns_id", "ipcns-var"),
    _Kind("user", "user_ns_id", "userns"),
    _Kind("time", "time_ns_id", "timens"),
)
_NETWORK_IMAGES = ("netns", "netdev", "ifaddr", "route", "route6", "rule", "iptables", "nftables")


def _namespaces(context: Context) -> Iterator[Finding]:
    for kind in _KINDS:
        for identity, task in _foreign(context, kind.field):
            name = f"{kind.image}-{identity}.img"
            if name not in context.names:
                text = f"missing; process {task.pid} is in the {kind.name} namespace {identity}"
                yield Finding.of(NAMESPACES, text, name)


def _network(context: Context) -> Iterator[Finding]:
    inventory = context.inventory
    is_old = inventory is None or inventory.img_version < _IMAGES_SINCE_1_6
    for identity, task in _foreign(context, "net_ns_id"):
        present = [stem for stem in _NETWORK_IMAGES if f"{stem}-{identity}.img" in context.names]
        if not present:  # dumped with --empty-ns net
            continue
        settings = context.first(f"netns-{identity}.img")
        wanted = [] if is_old else ["netns"]
        if settings is None or not optional(settings, "ext_key"):
            wanted += ["netdev", "ifaddr", "route"]
        for stem in wanted:
            if stem not in present:
                text = f"missing; process {task.pid} is in the network namespace {identity}"
                yield Finding.of(NETWORK, text, f"{stem}-{identity}.img")


def _foreign(context: Context, field: str) -> Iterator[tuple[int, Task]]:
    """The namespaces of a kind that aren't the host's, each with the first task in it.

    None before CRIU 0.8: its images don't tell the host's.
    """
    host = context.host_namespaces
    own = None if host is None else optional(host, field)
    found: dict[int, Task] = {}
    for task in context.living if own is not None else ():
        identity = None if task.ids is None else optional(task.ids, field)
        if identity is not None and identity != own:
            found.setdefault(identity, task)
    yield from found.items()


def _cgroup_sets(context: Context) -> Iterator[Finding]:
    if context.inventory is None or context.is_damaged("cgroup.img"):
        return
    root = optional(context.inventory, "root_cg_set")
    known = {entry.id for message in context.messages("cgroup.img") for entry in message.sets}
    for tid, core in context.cores.items():
        for part in ("tc", "thread_core"):
            holder = optional(core, part)
            number = None if holder is None else optional(holder, "cg_set")
            if number and number != root and number not in known:
                text = f"cgroup.img has no set {number}"
                yield Finding.of(CGROUP_SETS, text, f"core-{tid}.img", place=f"{part}.cg_set")


def _filters(context: Context) -> Iterator[Finding]:
    name = "seccomp.img"
    if context.is_damaged(name):
        return
    message = context.first(name)
    filters = () if message is None else message.seccomp_filters
    for tid, core in context.cores.items():
        for place, number in _chosen(core):
            if number >= len(filters):
                text = f"{name} has {len(filters)} filters; expected one with number {number}"
                yield Finding.of(FILTERS, text, f"core-{tid}.img", place=place)
    for index, entry in enumerate(filters):
        before = optional(entry, "prev")
        if before is not None and before >= index:
            text = f"filter {index} builds on filter {before}, which doesn't stand before it"
            yield Finding.of(FILTERS, text, name, place=f"seccomp_filters[{index}].prev")


def _chosen(core: DynamicMessage) -> Iterator[tuple[str, int]]:
    """The place and number of the filter of a thread; up to CRIU 3.9 its process had one."""
    for part, mode, field in (
        ("thread_core", "seccomp_mode", "seccomp_filter"),
        ("tc", "old_seccomp_mode", "old_seccomp_filter"),
    ):
        holder = optional(core, part)
        if holder is not None and optional(holder, mode) == _FILTER:
            yield f"{part}.{field}", getattr(holder, field)


CHECKS: tuple[Check, ...] = (
    Check(NAMESPACES, _namespaces),
    Check(NETWORK, _network),
    Check(CGROUP_SETS, _cgroup_sets),
    Check(FILTERS, _filters),
)
