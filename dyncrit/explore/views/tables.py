"""Views as tables: the columns that are shown of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.names.capabilities import CAPABILITIES
from dyncrit.checkpoint.names.signals import signal_name
from dyncrit.explore.views import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.types import JsonObject

_NANOSECONDS = 1_000_000_000
_MAX_INDENT = 32


class Column(NamedTuple):
    """A column of a table: its head, and what it shows of a row; a number stands to the right."""

    head: str
    show: Callable[[JsonObject], object]
    is_number: bool = False


class View(NamedTuple):
    """A view: its rows for the processes that are asked for, and the columns of its table."""

    rows: Callable[[Checkpoint, Sequence[Process]], Iterator[JsonObject]]
    columns: tuple[Column, ...]


def _column(head: str, key: str = "", *, number: bool = False) -> Column:
    """A column that shows one value of a row, lists with commas."""
    name = key or head.lower()

    def show(row: JsonObject) -> object:
        value = row[name]
        return ",".join(map(str, value)) if isinstance(value, list) else value

    return Column(head, show, number)


def _signals(key: str) -> Callable[[JsonObject], str]:
    """Signals in a cell; a set of nearly all is told by what it lacks."""
    every = [signal_name(number) for number in range(1, 65)]
    return lambda row: _names([name.removeprefix("SIG") for name in row[key]], [name[3:] for name in every])


def _capabilities(key: str) -> Callable[[JsonObject], str]:
    every = [name.removeprefix("CAP_") for name in CAPABILITIES]
    return lambda row: _names([name.removeprefix("CAP_") for name in row[key]], every)


def _names(names: Sequence[str], every: Sequence[str]) -> str:
    missing = [name for name in every if name not in names]
    if len(names) + len(missing) == len(every) and len(missing) * 2 < len(every):
        if not missing:
            return "all"
        return f"all but {','.join(missing)}"
    return ",".join(names)


def _seconds(key: str) -> Callable[[JsonObject], str]:
    def show(row: JsonObject) -> str:
        whole, rest = divmod(row[key], _NANOSECONDS)
        digits = f"{rest:09}".rstrip("0")
        return f"{whole}.{digits} s" if digits else f"{whole} s"

    return show


def _details(row: JsonObject) -> str:
    """What is told of a namespace, in a cell."""
    return "; ".join(
        _detail(key, value) for key, value in (row["details"] or {}).items() if value not in ("", [])
    )


def _detail(key: str, value: object) -> str:
    name = key.replace("_", " ")
    if not isinstance(value, list):
        return f"{name} {value}"
    if all("inside" in item for item in value):
        return f"{name} {','.join(':'.join(map(str, item.values())) for item in value)}"
    shown = [str(item.get("name", item.get("id"))) for item in value]
    return f"{name} {','.join(shown)}"


def _pending(row: JsonObject) -> str:
    return ", ".join(_sender(item) for item in row["pending"])


def _sender(item: JsonObject) -> str:
    thread = "" if item["tid"] is None else f" (thread {item['tid']})"
    sender = "" if item["pid"] is None else f" from pid {item['pid']} uid {item['uid']}"
    return f"{item['code']}{sender}{thread}"


def _mount_options(row: JsonObject) -> str:
    return ",".join(filter(None, (row["flags"], *row["propagation"], row["options"])))


def _holders(row: JsonObject) -> str:
    return ",".join(f"{holder['pid']}/{holder['fd']}" for holder in row["holders"])


_PID = _column("PID", number=True)
_SOCKET = (
    _column("FAMILY"),
    _column("TYPE"),
    _column("PROTOCOL"),
    _column("STATE"),
    _column("LOCAL"),
    _column("REMOTE"),
    Column("UNREAD", lambda row: sum(row["received"]), is_number=True),
    _column("UNSENT", number=True),
)

VIEWS: Mapping[str, View] = {
    "threads": View(
        rows.thread_rows,
        (
            _PID,
            _column("TID", number=True),
            _column("COMM"),
            _column("STATE"),
            _column("UID", number=True),
            _column("GID", number=True),
            _column("SECCOMP"),
            Column("BLOCKED", _signals("blocked")),
            Column("PENDING", _signals("pending")),
        ),
    ),
    "mounts": View(
        rows.mount_rows,
        (
            _column("NS", "namespace", number=True),
            _column("ID", number=True),
            Column("MOUNTPOINT", lambda row: "  " * min(row["depth"], _MAX_INDENT) + row["mountpoint"]),
            _column("TYPE", "file_system"),
            _column("SOURCE"),
            _column("ROOT"),
            Column("OPTIONS", _mount_options),
        ),
    ),
    "namespaces": View(
        rows.namespace_rows,
        (
            _column("KIND"),
            _column("ID", number=True),
            Column("HOST", lambda row: "host" if row["host"] else ""),
            _column("PIDS"),
            Column("DETAILS", _details),
        ),
    ),
    "signals": View(
        rows.signal_rows,
        (
            _PID,
            _column("SIGNAL"),
            _column("ACTION"),
            Column("HANDLER", lambda row: "" if row["address"] is None else f"{row['address']:#x}"),
            _column("FLAGS"),
            Column("MASK", _signals("mask")),
            _column("BLOCKED BY", "blocked_by"),
            Column("PENDING", _pending),
        ),
    ),
    "caps": View(
        rows.capability_rows,
        (
            _PID,
            _column("TID", number=True),
            _column("UID", number=True),
            _column("EUID", number=True),
            _column("GID", number=True),
            _column("EGID", number=True),
            *(
                Column(name.upper(), _capabilities(name))
                for name in ("effective", "permitted", "inheritable", "bounding", "ambient")
            ),
            Column("NO NEW PRIVS", lambda row: "yes" if row["no_new_privs"] else ""),
        ),
    ),
    "cgroups": View(rows.cgroup_rows, (_PID, _column("CONTROLLER"), _column("PATH"))),
    "timers": View(
        rows.timer_rows,
        (
            _PID,
            _column("KIND"),
            _column("ID", number=True),
            _column("CLOCK"),
            Column("VALUE", _seconds("value"), is_number=True),
            Column("INTERVAL", _seconds("interval"), is_number=True),
            _column("SIGNAL"),
            _column("NOTIFY"),
            _column("OVERRUN", number=True),
        ),
    ),
    "limits": View(
        rows.limit_rows,
        (
            _PID,
            _column("LIMIT", "name"),
            Column("SOFT", lambda row: "unlimited" if row["soft"] is None else row["soft"], is_number=True),
            Column("HARD", lambda row: "unlimited" if row["hard"] is None else row["hard"], is_number=True),
        ),
    ),
    "sockets": View(
        rows.socket_rows, (_column("INODE", "ino", number=True), *_SOCKET, Column("PID/FD", _holders))
    ),
}
"""The views that are tables, by name."""

SOCKETS_HELD: tuple[Column, ...] = (_column("FD", number=True), *_SOCKET)
"""The columns for :func:`dyncrit.explore.views.rows.sockets_held`."""
