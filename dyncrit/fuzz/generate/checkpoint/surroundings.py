"""What tasks live in: namespaces, control groups, system call filters; and the inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.codec.payload import pad_size
from dyncrit.fuzz.generate.words import HOSTS, SYSTEMS, path

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.fuzz.generate.checkpoint.draft import Draft, Task
    from dyncrit.fuzz.generate.messages import Fields, Value

_HOST_NAMESPACES = (
    "pid_ns_id",
    "net_ns_id",
    "ipc_ns_id",
    "uts_ns_id",
    "time_ns_id",
    "mnt_ns_id",
    "user_ns_id",
    "cgroup_ns_id",
)
"""The fields of task_kobj_ids_entry with the namespaces of CRIU itself, which have the first numbers."""

_OWN = 10
"""The numbers of other namespaces are from here on."""

_ONCE_IN = 4
"""So often a task has a namespace of its own, where the first one has."""


_CGROUPS, _FILTERS, _STATISTICS = "cgroup.img", "seccomp.img", "stats-dump"
_INSTRUCTION = bytes.fromhex("06000000 0000ff7f")
"""BPF that lets every system call pass."""


def add_surroundings(draft: Draft) -> None:
    """Add all that there is once: before the tasks, which refer to it."""
    host: Fields = {name: number for number, name in enumerate(_HOST_NAMESPACES, 1)}
    own: dict[str, int] = {name: number for number, name in enumerate(_HOST_NAMESPACES, 1)}
    for kind in _KINDS:
        if draft.knows(kind.image.format(_OWN)) and draft.often(draft.knobs.namespaces):
            own[kind.field] = _new(draft, kind)
    draft.namespaces = own
    ids = dict.fromkeys(("vm_id", "files_id", "fs_id", "sighand_id"), 1)
    for kind_of_id in ids:
        draft.number(kind_of_id)
    draft.add("inventory.img", {**_INVENTORY, "img_version": draft.version, "root_ids": {**ids, **host}})
    if draft.knows(_CGROUPS):
        controls: Value = [{"name": name, "path": path(draft.noise)} for name in ("cpu", "name=systemd")]
        draft.add(_CGROUPS, {"sets": [{"id": 1, "ctls": controls}]})
    if draft.knows(_FILTERS) and draft.has("thread_core_entry", "seccomp_mode"):
        _add_filters(draft)
    if draft.knows(_STATISTICS):
        draft.add(_STATISTICS, {"dump": {}})


def unshare(draft: Draft, task: Task) -> None:
    """Put a task into namespaces of its own, of the kinds that CRIU dumps several of."""
    for kind in _KINDS:
        has_own = draft.namespaces[kind.field] >= _OWN  # which the first task must have
        if kind.is_nested and has_own and draft.chance.once_in(_ONCE_IN):
            task.namespaces = {**task.namespaces, kind.field: _new(draft, kind)}


def _new(draft: Draft, kind: _Kind) -> int:
    number = _OWN - 1 + draft.number("namespace")
    kind.add(draft, number)
    return number


_INVENTORY: Fields = {
    "fdinfo_per_id": True,
    "ns_per_id": True,
    "root_cg_set": 1,
    "lsmtype": "NO_LSM",
    "network_lock_method": 0,
    "plugins_entry": {},
    "dump_criu_run_id": "00000000-0000-4000-8000-000000000000",
}


def _add_filters(draft: Draft) -> None:
    """Add filters, each of which may build on one before it."""
    draft.filters = draft.chance.below(3)
    filters: list[Value] = []
    for index in range(draft.filters):
        code = _INSTRUCTION * draft.noise.between(1, 4)
        before = draft.chance.below(index) if index and draft.chance.once_in(2) else None
        filters.append({"filter": code, "prev": before})
    if filters:
        draft.add(_FILTERS, {"seccomp_filters": filters})


def _mounts(draft: Draft, number: int) -> None:
    """A tree of mounts, the root first; files stand on it."""
    mounts = ["/"]
    first = draft.mounts[number] = 100 * draft.number("mounts")
    count = draft.chance.below(4)
    mounts += [f"/mnt/{index}" for index in range(count)]
    for index, point in enumerate(mounts):
        parent = draft.chance.below(index) if index else -1
        fields: Fields = {
            "mnt_id": first + index,
            "parent_mnt_id": first + parent,
            "root": "/",
            "mountpoint": f".{point}",
            "source": draft.noise.one_of(SYSTEMS),
            "options": "",
            "shared_id": 0,
            "master_id": 0,
        }
        draft.add(f"mountpoints-{number}.img", fields)


def _host_name(draft: Draft, number: int) -> None:
    names = {"nodename": draft.noise.one_of(HOSTS), "domainname": draft.noise.one_of(HOSTS)}
    draft.add(f"utsns-{number}.img", names)


def _system_v(draft: Draft, number: int) -> None:
    """System V's segments, queues and semaphores."""
    draft.add(f"ipcns-var-{number}.img", {})
    for _ in range(draft.chance.below(3)):
        _segment(draft, number)
    if draft.chance.once_in(2):
        _queue(draft, number)
    if draft.chance.once_in(2):
        values = draft.noise.bytes(2 * draft.noise.below(9))
        padding = bytes(pad_size(len(values), 8))
        fields: Fields = {"desc": {"id": draft.number("semaphores")}, "nsems": len(values) // 2}
        draft.add(f"ipcns-sem-{number}.img", fields, values + padding)


def _segment(draft: Draft, number: int) -> None:
    """A segment, with its bytes behind it or, of later releases, in pages."""
    identity = draft.number("segment")
    size = draft.noise.between(1, 2 * draft.page)
    fields: dict[str, Value] = {"desc": {"id": identity}, "size": size, "in_pagemaps": True}
    data = b""
    if draft.has("ipc_shm_entry", "in_pagemaps"):
        draft.segments[identity] = size
    else:
        data = draft.noise.bytes(16) * (size // 16)
        data += bytes(size - len(data) + pad_size(size, 4))
    draft.sysv[identity] = size
    draft.add(f"ipcns-shm-{number}.img", fields, data)


def _queue(draft: Draft, number: int) -> None:
    payload = b""
    count = draft.chance.below(4)
    for _ in range(count):
        data = draft.noise.bytes(draft.noise.below(64))
        record = draft.messages.generate("ipc_msg", {"msize": len(data)})
        payload += (
            len(record).to_bytes(4, draft.host.byte_order) + record + data + bytes(pad_size(len(data), 8))
        )
    fields: Fields = {"desc": {"id": draft.number("queue")}, "qbytes": 16384, "qnum": count}
    draft.add(f"ipcns-msg-{number}.img", fields, payload)


def _users(draft: Draft, number: int) -> None:
    extent: Fields = {"first": 0, "lower_first": 100000 * draft.noise.below(4), "count": 65536}
    draft.add(f"userns-{number}.img", {"uid_map": [extent], "gid_map": [extent]})


def _clocks(draft: Draft, number: int) -> None:
    offset: Fields = {"tv_sec": draft.noise.below(1000), "tv_nsec": 0}
    draft.add(f"timens-{number}.img", {"monotonic": offset, "boottime": offset})


def _network(draft: Draft, number: int) -> None:
    """A network with the loopback device; of addresses and routes, what ``ip`` writes for none."""
    if draft.knows(f"netns-{number}.img"):
        draft.add(f"netns-{number}.img", {})
    device: Fields = {"type": "LOOPBACK", "ifindex": 1, "mtu": 65536, "name": "lo"}
    draft.add(f"netdev-{number}.img", device)
    for stem, content, message in _RAW:
        name = f"{stem}-{number}.img"
        raw = draft.schema.table.raw_by_file_name(name)
        if raw is not None and draft.has(message):
            start = raw.starts[draft.host.byte_order == "big" and len(raw.starts) > 1 and not content]
            draft.add_raw(name, start + content)


_TABLES = b"tables-save\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
_RAW = (
    ("ifaddr", b"", "net_device_entry"),
    ("route", b"", "net_device_entry"),
    ("route6", b"", "seccomp_filter"),
    ("rule", b"", "netns_entry"),
    ("iptables", _TABLES, "netns_entry"),
    ("ip6tables", b"6" + _TABLES, "seccomp_filter"),
    ("nftables", b" filter {\n}\n", "memfd_inode_entry"),
)
"""Raw files of a network: names, what stands behind their start, a message that came no later than they."""


class _Kind(NamedTuple):
    """A kind of namespace: its field in task_kobj_ids_entry, its image, and what adds it.

    ``is_nested`` tells that tasks may be in others than the first task.
    """

    field: str
    image: str
    add: Callable[[Draft, int], None]
    is_nested: bool = False


_KINDS = (
    _Kind("mnt_ns_id", "mountpoints-{}.img", _mounts, is_nested=True),
    _Kind("uts_ns_id", "utsns-{}.img", _host_name),
    _Kind("ipc_ns_id", "ipcns-var-{}.img", _system_v),
    _Kind("user_ns_id", "userns-{}.img", _users),
    _Kind("time_ns_id", "timens-{}.img", _clocks),
    _Kind("net_ns_id", "netdev-{}.img", _network, is_nested=True),
)
