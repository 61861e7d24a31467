"""Namespaces: which there are, who is in them, and what the dump tells of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import is_set, items, number, optional, text
from dyncrit.checkpoint.names.numbers import NAMESPACE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.types import DynamicMessage

_IFF_UP = 0x1  # <linux/if.h>
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace.

    ``kind`` is pid, net, ipc, uts, mnt, user, cgroup or time. ``host`` tells that it is the one in which CRIU
    ran: such a namespace is not in the images, and is that of the machine when it is restored. ``pids`` are
    the tasks in it. ``details`` is what the images tell of it.
    """

    kind: str
    id: int
    host: bool
    pids: tuple[int, ...] = ()
    details: Details | None = None


class Uts(NamedTuple):
    """The names of the machine, as in a UTS namespace."""

    host_name: str
    domain_name: str


class IdRange(NamedTuple):
    """``length`` numbers from ``inside`` on that are those from ``outside`` on out of the namespace."""

    inside: int
    outside: int
    length: int


class User(NamedTuple):
    """The maps of a user namespace."""

    users: tuple[IdRange, ...]
    groups: tuple[IdRange, ...]


class Clocks(NamedTuple):
    """The clocks of a time namespace when it was dumped, in nanoseconds."""

    monotonic: int
    boot_time: int


class Pid(NamedTuple):
    """A pid namespace that has to be given at the restore, under the name ``external``."""

    external: str


class SharedMemory(NamedTuple):
    """A System V segment; ``size`` in bytes. ``id`` is what shmget() gave."""

    id: int
    key: int
    mode: int
    uid: int
    gid: int
    size: int


class MessageQueue(NamedTuple):
    """A System V message queue: how many messages are in it, and how many bytes may be."""

    id: int
    key: int
    mode: int
    uid: int
    gid: int
    messages: int
    max_bytes: int


class SemaphoreSet(NamedTuple):
    """A System V set of semaphores and their values."""

    id: int
    key: int
    mode: int
    uid: int
    gid: int
    values: tuple[int, ...]


class Ipc(NamedTuple):
    """What is in an IPC namespace."""

    shared_memory: tuple[SharedMemory, ...]
    message_queues: tuple[MessageQueue, ...]
    semaphores: tuple[SemaphoreSet, ...]


@dataclass(frozen=True, slots=True)
class NetworkDevice:
    """A network device.

    ``kind`` is a name of CRIU's enum nd_type in small letters, ``flags`` are IFF_* bits, ``address`` is the
    MAC address, "" without one. ``master`` is the index of the bridge that it is in, ``peer`` that of its
    other end, in the namespace ``peer_namespace``.
    """

    index: int
    name: str
    kind: str
    mtu: int
    up: bool
    flags: int
    address: str
    master: int | None = None
    peer: int | None = None
    peer_namespace: int | None = None


class Net(NamedTuple):
    """What is in a network namespace; ``external`` is the name of one that has to be given at the restore."""

    devices: tuple[NetworkDevice, ...]
    external: str = ""


if TYPE_CHECKING:
    Details = Uts | User | Clocks | Pid | Ipc | Net


def read_namespaces(images: ImageSet, pids: Iterable[int] = ()) -> list[Namespace]:
    """The namespaces of a checkpoint by kind and id: the host's, and those that tasks are in.

    ``pids`` are the tasks to ask; by default all that have an ids image. Tasks without one (zombies) don't
    count. In images of CRIU before 0.8, those of namespaces have the pid of the first task in their names.
    """
    inventory = images.first("inventory.img")
    roots = {} if inventory is None else _ids(optional(inventory, "root_ids"))
    by_pid = inventory is not None and not number(inventory, "ns_per_id")
    members: dict[tuple[str, int], list[int]] = {(kind, identity): [] for kind, identity in roots.items()}
    for pid in sorted(set(pids)) or images.numbers("ids"):
        for kind, identity in _task_ids(images, pid).items():
            members.setdefault((kind, identity), []).append(pid)
    order = list(NAMESPACE_FIELDS.values())
    found = []
    for (kind, identity), inside in sorted(
        members.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
    ):
        host = roots.get(kind) == identity
        key = inside[0] if by_pid and inside else identity
        details = None if host else _details(images, kind, key)
        found.append(Namespace(kind, identity, host, tuple(inside), details))
    return found


def host_clocks(images: ImageSet) -> Clocks | None:
    """The clocks of the machine when it was dumped (since CRIU 3.14), or None.

    They are in timens-0.img unless the tasks have a time namespace of their own.
    """
    return _clocks(images, 0)


def _ids(message: DynamicMessage | None) -> dict[str, int]:
    if message is None:
        return {}
    known = ((kind, optional(message, field)) for field, kind in NAMESPACE_FIELDS.items())
    return {kind: value for kind, value in known if value is not None}


def _task_ids(images: ImageSet, pid: int) -> dict[str, int]:
    message = images.first(f"ids-{pid}.img")
    if message is None and (core := images.first(f"core-{pid}.img")) is not None:
        message = optional(core, "ids")
    return _ids(message)


def _details(images: ImageSet, kind: str, key: int) -> Details | None:
    read = _READERS.get(kind)
    return read(images, key) if read else None


def _uts(images: ImageSet, key: int) -> Uts | None:
    message = images.first(f"utsns-{key}.img")
    return None if message is None else Uts(text(message, "nodename"), text(message, "domainname"))


def _user(images: ImageSet, key: int) -> User | None:
    message = images.first(f"userns-{key}.img")
    if message is None:
        return None
    users, groups = (
        tuple(IdRange(extent.first, extent.lower_first, extent.count) for extent in items(message, field))
        for field in ("uid_map", "gid_map")
    )
    return User(users, groups)


def _clocks(images: ImageSet, key: int) -> Clocks | None:
    message = images.first(f"timens-{key}.img")
    if message is None:
        return None
    times = (message.monotonic, message.boottime)
    return Clocks(*(time.tv_sec * _NANOSECONDS + time.tv_nsec for time in times))


def _pid(images: ImageSet, key: int) -> Pid | None:
    message = images.first(f"pidns-{key}.img")
    name = "" if message is None else text(message, "ext_key")
    return Pid(name) if name else None


def _ipc(images: ImageSet, key: int) -> Ipc | None:
    if f"ipcns-var-{key}.img" not in images:
        return None
    segments = (
        SharedMemory(*_description(message), message.size)
        for message in images.messages(f"ipcns-shm-{key}.img")
    )
    queues = (
        MessageQueue(*_description(message), message.qnum, message.qbytes)
        for message in images.messages(f"ipcns-msg-{key}.img")
    )
    return Ipc(tuple(segments), tuple(queues), tuple(_semaphores(images, key)))


def _semaphores(images: ImageSet, key: int) -> Iterator[SemaphoreSet]:
    for entry in images.entries(f"ipcns-sem-{key}.img"):
        payload = entry.payload
        values = (
            tuple(value for value in payload if isinstance(value, int)) if isinstance(payload, list) else ()
        )
        yield SemaphoreSet(*_description(entry.message), values)


def _description(message: DynamicMessage) -> tuple[int, int, int, int, int]:
    """The id, key, mode and owner of what System V's calls made."""
    about = message.desc
    return about.id, about.key, about.mode, about.uid, about.gid


def _net(images: ImageSet, key: int) -> Net | None:
    message = images.first(f"netns-{key}.img")
    devices = tuple(_device(entry) for entry in images.messages(f"netdev-{key}.img"))
    if message is None and not devices:
        return None
    return Net(devices, "" if message is None else text(message, "ext_key"))


def _device(message: DynamicMessage) -> NetworkDevice:
    kinds = message.DESCRIPTOR.fields_by_name["type"].enum_type
    kind = kinds.values_by_number[message.type].name if kinds and is_set(message, "type") else "unknown"
    peer = number(message, "peer_ifindex") or None
    if peer == message.ifindex and kind != "VETH":  # that it has no other end
        peer = None
    return NetworkDevice(
        index=message.ifindex,
        name=text(message, "name"),
        kind=kind.lower(),
        mtu=message.mtu,
        up=bool(message.flags & _IFF_UP),
        flags=message.flags,
        address=bytes(optional(message, "address") or b"").hex(":"),
        master=number(message, "master") or None,
        peer=peer,
        peer_namespace=None if peer is None else optional(message, "peer_nsid"),
    )


_READERS = {"uts": _uts, "user": _user, "time": _clocks, "pid": _pid, "ipc": _ipc, "net": _net}
