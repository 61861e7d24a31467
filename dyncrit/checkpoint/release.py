"""Which releases of CRIU images can be from: nothing in them says it, but what is in them narrows it down.

The bounds are from CRIU's history (which release first and last wrote a file or a field). A field that
isn't there says something only where every release since a certain one has always written it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import is_set, number, optional

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.types import DynamicMessage


@dataclass(frozen=True, slots=True)
class ReleaseRange:
    """The releases that images can be from, both ends included; None where nothing bounds them.

    ``evidence`` has a sentence for each thing that sets one of the bounds.
    """

    at_least: str | None = None
    at_most: str | None = None
    evidence: tuple[str, ...] = ()

    def __contains__(self, release: object) -> bool:
        """Whether a release, "3.17.1", is within."""
        key = release_key(str(release))
        above = self.at_least is None or release_key(self.at_least) <= key
        return above and (self.at_most is None or key <= release_key(self.at_most))

    def __str__(self) -> str:
        if self.at_least == self.at_most:
            return self.at_least or "unknown"
        if self.at_most is None:
            return f"{self.at_least} or later"
        return f"up to {self.at_most}" if self.at_least is None else f"{self.at_least} to {self.at_most}"


def guess_release(images: ImageSet) -> ReleaseRange:
    """The releases of CRIU that can have written images.

    Where images contradict each other, as those of two dumps in one folder do, the inventory decides, and
    ``images.problems`` has a warning.
    """
    shapes = _shapes(images.tree.names())
    inventory = list(_inventory_bounds(images))
    found = narrow([*inventory, *_file_bounds(shapes), *_field_bounds(images, shapes), *_page_bounds(images)])
    if found.at_least is not None and found.at_most is not None and found.at_least not in found:
        images.problems.warn("", f"images of more than one release of CRIU: {'; '.join(found.evidence)}")
        return narrow(inventory)
    return found


class Bound(NamedTuple):
    """What was seen, and the first or last release that writes it."""

    since: str | None
    until: str | None
    text: str


class _Written(NamedTuple):
    """The releases, first and last, that wrote files of a name; N stands for any number in it."""

    name: str
    since: str | None = None
    until: str | None = None


class _Field(NamedTuple):
    """A field of the first entry of files of a name: the releases, first and last, that wrote it.

    ``missing`` is the last release that didn't, where all later ones always do.
    """

    name: str
    path: str
    since: str | None = None
    until: str | None = None
    missing: str | None = None


_NUMBER = "-N.img"
NUMBERED = re.compile(r"-[0-9a-f]*[0-9][0-9a-f]*(?=\.)")
_MOST_PAGEMAPS = 64
_LAST_WITH_FILES_APART = "3.3"
FILES: tuple[_Written, ...] = (
    _Written(f"pagemap{_NUMBER}", since="0.5"),
    _Written("stats-dump", since="0.6"),
    _Written("irmap-cache", since="1.2"),
    _Written("ext-files.img", since="1.1", until=_LAST_WITH_FILES_APART),
    _Written("timerfd.img", since="1.3", until=_LAST_WITH_FILES_APART),
    *(
        _Written(f"{name}.img", until=_LAST_WITH_FILES_APART)
        for name in (
            "reg-files",
            "pipes",
            "fifo",
            "unixsk",
            "inetsk",
            "packetsk",
            "netlinksk",
            "eventfd",
            "eventpoll",
            "signalfd",
            "inotify",
            "fanotify",
            "tunfile",
            "ns-files",
            "tty",
        )
    ),
    _Written("files.img", since="3.4"),
    _Written(f"vmas{_NUMBER}", until="1.1"),
    *(
        _Written(f"{name}{_NUMBER}", until="1.2")
        for name in ("rlimit", "itimers", "posix-timers", "signal-s", "signal-p", "filelocks")
    ),
    *(_Written(f"{name}.img", until="1.3.1") for name in ("eventpoll-tfd", "inotify-wd", "fanotify-mark")),
    _Written(f"creds{_NUMBER}", until="1.8"),
    _Written(f"sigacts{_NUMBER}", until="3.0"),
    _Written("filelocks.img", since="1.3"),
    _Written("cgroup.img", since="1.3"),
    _Written("tmpfs-N.tar.gz.img", until="1.2"),
    _Written("tmpfs-dev-N.tar.gz.img", since="1.3"),
    _Written(f"userns{_NUMBER}", since="1.4"),
    _Written("cpuinfo.img", since="1.4"),
    _Written(f"netns{_NUMBER}", since="1.6"),
    _Written("seccomp.img", since="1.8"),
    _Written(f"ip6tables{_NUMBER}", since="1.8"),
    _Written(f"binfmt-misc{_NUMBER}", since="2.0", until="2.6"),
    _Written("binfmt-misc.img", since="2.7"),
    _Written("tty-data.img", since="2.3"),
    _Written(f"autofs{_NUMBER}", since="2.4"),
    _Written("memfd.img", since="3.14"),
    _Written(f"timens{_NUMBER}", since="3.14"),
    _Written(f"nftables{_NUMBER}", since="3.14"),
    _Written(f"pidns{_NUMBER}", since="3.15"),
    _Written("bpfmap-data.img", since="3.15"),
    _Written("apparmor.img", since="3.16"),
)

INVENTORY: tuple[_Field, ...] = (
    _Field("inventory.img", "fdinfo_per_id", since="0.4"),
    _Field("inventory.img", "ns_per_id", since="0.8"),
    _Field("inventory.img", "root_cg_set", since="1.3"),
    _Field("inventory.img", "lsmtype", since="1.6"),
    _Field("inventory.img", "dump_uptime", since="3.10"),
    _Field("inventory.img", "pre_dump_mode", since="3.14"),
    _Field("inventory.img", "tcp_close", since="3.15"),
    _Field("inventory.img", "network_lock_method", since="3.16", missing="3.15"),
    _Field("inventory.img", "plugins_entry", since="4.1"),
    _Field("inventory.img", "dump_criu_run_id", since="4.1", missing="4.0"),
    _Field("inventory.img", "allow_uprobes", since="4.2"),
)
FIELDS: tuple[_Field, ...] = (
    _Field("stats-dump", "dump.irmap_resolve", since="1.2"),
    _Field("stats-dump", "dump.pages_lazy", since="3.5", missing="3.4"),  # required, so always written
    _Field("stats-dump", "dump.page_pipes", since="3.7"),
    _Field("stats-dump", "dump.shpages_scanned", since="3.13"),
    _Field(f"mm{_NUMBER}", "vmas", since="1.2"),
    _Field(f"mm{_NUMBER}", "dumpable", since="1.3"),
    _Field(f"mm{_NUMBER}", "thp_disabled", since="3.5"),
    _Field(f"core{_NUMBER}", "tc.timers", since="1.3"),
    _Field(f"core{_NUMBER}", "tc.rlimits", since="1.3"),
    _Field(f"core{_NUMBER}", "tc.loginuid", since="2.0"),
    _Field(f"core{_NUMBER}", "thread_core.creds", since="2.0"),
    _Field(f"core{_NUMBER}", "thread_info.tls", since="3.0"),
    _Field(f"core{_NUMBER}", "tc.sigactions", since="3.1"),
    _Field(f"core{_NUMBER}", "tc.old_seccomp_mode", since="1.7", until="3.9"),
    _Field(f"core{_NUMBER}", "thread_core.seccomp_mode", since="3.10"),
    _Field(f"core{_NUMBER}", "thread_core.comm", since="3.11"),
    _Field(f"core{_NUMBER}", "tc.child_subreaper", since="3.13"),
    _Field(f"core{_NUMBER}", "thread_core.rseq_entry", since="3.17"),
    _Field(f"core{_NUMBER}", "tc.stop_signo", since="3.18"),
    _Field(f"core{_NUMBER}", "thread_core.cg_set", since="3.18"),
    _Field(f"core{_NUMBER}", "tc.membarrier_registration_mask", since="3.19"),
    _Field(f"mountpoints{_NUMBER}", "sb_flags", since="1.8"),
    _Field(f"netns{_NUMBER}", "def_conf4", since="2.3"),
    _Field(f"ipcns-var{_NUMBER}", "mq_msg_default", since="2.5"),
    _Field(f"ipcns-var{_NUMBER}", "msg_next_id", since="2.6"),
    _Field("tcp-stream-N.img", "snd_wnd", since="2.5"),
    _Field("tty-info.img", "uid", since="2.6"),
)


def _inventory_bounds(images: ImageSet) -> Iterator[Bound]:
    inventory = images.first("inventory.img")
    if inventory is None:
        return
    version = inventory.img_version
    if version == 1:
        yield Bound(None, "1.5.2", "inventory.img: img_version is 1")
    elif version == 2:
        yield Bound("1.6", None, "inventory.img: img_version is 2")
    elif version > 2:
        yield Bound(
            "4.2", None, f"inventory.img: img_version is {version}, which no release up to 4.2 writes"
        )
    whole = is_set(inventory, "fdinfo_per_id")  # pre-dumps write little of it
    for field in INVENTORY:
        yield from judge(inventory, field, "inventory.img", whole=whole)


def _file_bounds(shapes: Mapping[str, str]) -> Iterator[Bound]:
    for shape, since, until in FILES:
        if shape in shapes:
            yield Bound(since, until, f"{shapes[shape]} is there")


def _field_bounds(images: ImageSet, shapes: Mapping[str, str]) -> Iterator[Bound]:
    first: dict[str, DynamicMessage | None] = {}
    for field in FIELDS:
        name = shapes.get(field.name)
        if name is None:
            continue
        if name not in first:
            first[name] = images.first(name)
        if (message := first[name]) is not None:
            yield from judge(message, field, name, whole=True)


def _page_bounds(images: ImageSet) -> Iterator[Bound]:
    """What the first run of pages tells; its fields are known by number, since their names have changed."""
    names = chain.from_iterable(
        (f"{stem}-{number}.img" for number in images.numbers(stem)) for stem in ("pagemap", "pagemap-shmem")
    )
    runs = (
        (name, run) for name in islice(names, _MOST_PAGEMAPS) if (run := _first_run(images, name)) is not None
    )
    for name, run in islice(runs, 1):
        yield from run_bounds(run, name)


def run_bounds(run: DynamicMessage, name: str) -> Iterator[Bound]:
    """What a pagemap_entry tells; its fields are known by number, since their names have changed."""
    fields = run.DESCRIPTOR.fields_by_number
    if 5 in fields and is_set(run, fields[5].name):
        yield Bound("4.2", None, f"{name}: nr_pages is field 5")
    elif 2 in fields and number(run, fields[2].name):
        yield Bound(None, "4.1.1", f"{name}: nr_pages is field 2")
    if is_set(run, "flags"):
        yield Bound("3.5", None, f"{name}: flags is there")
    elif 4 in fields:
        yield Bound(None, "3.4", f"{name}: flags isn't there")


def _first_run(images: ImageSet, name: str) -> DynamicMessage | None:
    messages = (entry.message for entry in images.entries(name))
    return next((message for message in messages if message.DESCRIPTOR.name == "pagemap_entry"), None)


def _shapes(names: Iterable[str]) -> dict[str, str]:
    """The shortest name of each shape: what is left of a name with N for its number."""
    shapes: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (len(name), name)):
        shapes.setdefault(NUMBERED.sub("-N", name), name)
    return shapes


def judge(message: DynamicMessage, field: _Field, name: str, *, whole: bool) -> Iterator[Bound]:
    """What a field says; its absence only in a ``whole`` message, and if the schema knows it."""
    *parents, last = field.path.split(".")
    part: DynamicMessage | None = message
    for parent in parents:
        part = optional(part, parent) if part is not None else None
    if part is None:
        return
    if is_set(part, last):
        yield Bound(field.since, field.until, f"{name}: {field.path} is there")
    elif field.missing and whole and last in part.DESCRIPTOR.fields_by_name:
        yield Bound(None, field.missing, f"{name}: {field.path} isn't there")


def narrow(bounds: list[Bound]) -> ReleaseRange:
    """The range within all bounds, with what sets its ends as evidence."""
    since = max((bound.since for bound in bounds if bound.since), key=release_key, default=None)
    until = min((bound.until for bound in bounds if bound.until), key=release_key, default=None)
    evidence = [f"{bound.text}: {since} or later" for bound in bounds if since and bound.since == since]
    evidence += [f"{bound.text}: {until} or earlier" for bound in bounds if until and bound.until == until]
    return ReleaseRange(since, until, tuple(evidence))


def release_key(release: str) -> tuple[int, ...]:
    """Releases in their order: 3.9 before 3.10, 4.1 before 4.1.1."""
    return tuple(int(part) if part.isdecimal() else 0 for part in release.removeprefix("v").split("."))
