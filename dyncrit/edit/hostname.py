"""The host name of a UTS namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.documents import text_at
from dyncrit.checkpoint.fields import number, set_text, text
from dyncrit.edit.engine_files import engine_file
from dyncrit.edit.requirements import require
from dyncrit.edit.rewriting import change_messages
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole
from dyncrit.errors import DyncritError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.rewriting import Found


@whole
def set_hostname(
    edit: Edit, name: str, *, namespace: int | None = None, domain: str | None = None
) -> list[Touched]:
    """Give a UTS namespace another host name, and with ``domain`` another (NIS) domain name.

    ``namespace`` is its id, which may be left out where there is one only. If the first process is in it,
    what a container engine's files say is changed with it. Nothing is touched where the names are those
    already. Raises ImageError for a checkpoint that has no UTS namespace of its own, or several of which none
    is chosen, and for images that are damaged; DyncritError for names that the kernel doesn't take.
    """
    _check_name(name, "host name")
    if not name:
        raise DyncritError("expected a host name, found an empty one")
    if domain is not None:
        _check_name(domain, "domain name")
    chosen = _choose(edit, namespace)
    require(edit, "namespace-images")
    values = {"nodename": name} if domain is None else {"nodename": name, "domainname": domain}
    touched = _in_image(edit, chosen.image, values)
    roots = {process.pid for process in edit.checkpoint.processes.roots}
    if not roots.isdisjoint(chosen.pids):
        touched += _in_engine_files(edit, values)
    return touched


def uts_namespace(edit: Edit, pid: int) -> int:
    """The id of the UTS namespace of a process; raises DyncritError if there is no such process."""
    process = edit.checkpoint.processes[pid]
    identity = process.namespaces.get("uts")
    if identity is None:
        raise ImageError(
            f"the images don't tell which UTS namespace process {pid} is in", edit.checkpoint.name
        )
    return identity


_MAX_NAME = 64  # __NEW_UTS_LEN of <linux/utsname.h>
_SHOWN_PIDS = 3
_FIELDS = {"nodename": "host name", "domainname": "domain name"}
"""The fields of utsns_entry."""

_ENGINE_KEYS = {"nodename": "hostname", "domainname": "domainname"}
"""What config.json of a container calls them (OCI runtime specification)."""
_ENGINE_FILES: dict[str, tuple[str, ...]] = {"spec.dump": (), "config.dump": ("spec",)}
"""Where Podman, CRI-O and containerd keep that file: keys down to it."""


def _check_name(name: str, what: str) -> None:
    """Raise DyncritError for a name that doesn't come through a restore, which writes it to a sysctl."""
    try:
        data = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise DyncritError(f"{name!r} can't be a {what}: it has characters that are none") from None
    if len(data) > _MAX_NAME:
        raise DyncritError(f"expected a {what} of at most {_MAX_NAME} bytes, found one of {len(data)}")
    if b"\0" in data or b"\n" in data:
        raise DyncritError(f"{name!r} can't be a {what}: it has a zero byte or the end of a line in it")


class _Space(NamedTuple):
    """A UTS namespace that is in the images: its id, its image, and the processes in it."""

    id: int
    image: str
    pids: tuple[int, ...]

    def __str__(self) -> str:
        pids = ", ".join(map(str, self.pids[:_SHOWN_PIDS]))
        return f"{self.id} (of process {pids}{', ...' if len(self.pids) > _SHOWN_PIDS else ''})"


def _choose(edit: Edit, identity: int | None) -> _Space:
    spaces = {space.id: space for space in edit.checkpoint.namespaces if space.kind == "uts"}
    inventories = [entry.message for entry in edit.entries("inventory.img")]
    if any(number(inventory, "ns_per_id") for inventory in inventories):
        own = [
            _Space(space.id, f"utsns-{space.id}.img", space.pids)
            for space in spaces.values()
            if not space.host
        ]
    else:
        own = list(_before_0_8(edit))
    place = edit.checkpoint.name
    if not own and not spaces:
        raise ImageError("its images tell of no UTS namespace, as those of a pre-dump don't", place)
    if not own:
        raise ImageError(
            "it has no UTS namespace of its own: its processes have the name of the host, wherever they are "
            "restored",
            place,
        )
    shown = ", ".join(map(str, own))
    if identity is not None:
        for space in own:
            if space.id == identity:
                return space
        is_host = identity in spaces and spaces[identity].host
        problem = f"UTS namespace {identity} is the host's" if is_host else f"no UTS namespace {identity}"
        raise ImageError(f"{problem}; expected one of its own: {shown}", place)
    if len(own) > 1:
        raise ImageError(f"it has {len(own)} UTS namespaces; choose one: {shown}", place)
    return own[0]


def _before_0_8(edit: Edit) -> Iterator[_Space]:
    """Those in images of CRIU up to 0.7, which have the pid of the first process in their names."""
    processes = edit.checkpoint.processes
    for pid in edit.preview().images.numbers("utsns"):
        identity = processes[pid].namespaces.get("uts", pid) if pid in processes else pid
        yield _Space(identity, f"utsns-{pid}.img", (pid,))


def _in_image(edit: Edit, name: str, values: dict[str, str]) -> list[Touched]:
    def renamed(found: Found) -> Iterator[Touched]:
        for field, value in values.items():
            if (before := text(found.message, field)) != value:
                set_text(found.message, field, value)
                yield Touched(name, _FIELDS[field], before, value)

    return change_messages(edit, {"utsns_entry"}, renamed, images=[name])


def _in_engine_files(edit: Edit, values: dict[str, str]) -> list[Touched]:
    touched = []
    for name, keys in _ENGINE_FILES.items():
        if (file := engine_file(edit, name)) is None:
            continue
        document = file.document()
        places = {(*keys, _ENGINE_KEYS[field]): value for field, value in values.items()}
        changed = {
            place: value for place, value in places.items() if text_at(document, *place) not in {"", value}
        }
        if changed:
            file.set_values(changed)
        touched += [
            Touched(name, ".".join(place), text_at(document, *place), value)
            for place, value in changed.items()
        ]
    return touched
