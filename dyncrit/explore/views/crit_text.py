"""The text of ``crit x DIR ps|fds|mems|rss``, line for line as CRIT 4.2 prints it, for scripts that read it.

Where CRIT fails, the lines have the same form: a zombie is its pid and nothing below, images of older
releases are read. Where it is wrong, they are right: names that aren't UTF-8 are text (surrogate escapes)
instead of Python's notation for bytes, long names of sockets aren't broken into lines, pages have the size
that the process was told instead of 4 KiB, and guard pages within a mapping don't make the rest of it
disappear from ``rss``.

Lines come without their ends. Names stand in them as they are: whoever prints them minds control characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import text
from dyncrit.codec.render import show_unix_name
from dyncrit.explore.views.mappings import (
    UNKNOWN_PATH,
    SegmentNumbers,
    mappings_of,
    maps_path,
    protection,
    resident_of,
    resource,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.files import FileTable
    from dyncrit.explore.views.mappings import Resident

_MAX_INDENT = 256
"""A tree that is deeper is not indented further: its text would grow with the square of its size."""


def ps_lines(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[str]:
    """The process tree: PID, PGID, SID and the name, indented below the parent's."""
    yield f"{'PID':>7}{'PGID':>7}{'SID':>7}   COMM"
    shown = {process.pid for process in processes}
    whole = len(shown) == len(checkpoint.processes)
    for depth, process in checkpoint.processes.walk():
        if process.pid in shown:
            indent = " " * (4 * min(depth, _MAX_INDENT)) if whole else ""
            yield f"{process.pid:7}{process.pgid:7}{process.sid:7}   {indent}{process.comm}"


def fds_lines(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[str]:
    """The descriptors of each process in the order of the image, its working and its root directory."""
    files = checkpoint.files
    for process in processes:
        yield str(process.pid)
        for descriptor in process.descriptors:
            yield f"\t{descriptor.fd:7}: {file_name(files, descriptor.file.type, descriptor.file.id)}"
        for name, file in (("cwd", process.cwd), ("root", process.root)):
            if file is not None:
                yield f"\t{name:>7}: {file_name(files, 'REG', file.id)}"


def mems_lines(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[str]:
    """The program and the mappings of each process. Shared segments are numbered over all that is shown."""
    path = _paths(checkpoint)
    numbers = SegmentNumbers(1)
    for process in processes:
        yield str(process.pid)
        if process.mm is not None:
            yield f"\t{'exe':36}    {path(process.mm.exe_file_id)}"
        for vma in mappings_of(checkpoint, process):
            what = resource(vma, path, numbers, "x")
            addresses = f"{vma.start:08x}-{vma.end:08x}"
            yield f"\t{addresses:36}{protection(vma)}{' ' if what else ''}{what}"


def rss_lines(checkpoint: Checkpoint, processes: Sequence[Process]) -> Iterator[str]:
    """The pagemap entries of each process: address and pages, and the mappings that they lie in.

    ``~`` stands for the mapping that was named last.
    """
    path = _paths(checkpoint)
    for process in processes:
        yield str(process.pid)
        page_size = checkpoint.spaces.page_size_of(process.pid, process.mm)
        for entry in resident_of(checkpoint, process, page_size):
            yield from _resident_lines(entry, path, page_size)


CRIT_VIEWS: Mapping[str, Callable[[Checkpoint, Sequence[Process]], Iterator[str]]] = {
    "ps": ps_lines,
    "fds": fds_lines,
    "mems": mems_lines,
    "rss": rss_lines,
}
"""The views by the names that CRIT gives them."""


def file_name(files: FileTable, type_name: str, file_id: int) -> str:
    """What CRIT calls a file: the path, ``pipe[…]``, ``unix[…]``, or the type's name and the id."""
    if type_name not in _NAMED:
        return f"{type_name}.{file_id}"
    message = files.messages.get((type_name, file_id))
    if type_name == "PIPE":
        return f"pipe[{'?' if message is None else message.pipe_id}]"
    if type_name == "UNIXSK":
        if message is None:
            return "unix[?]"
        name = show_unix_name(bytes(message.name)).replace("=\n", "")  # the breaks of long lines
        return f"unix[{message.ino} ({message.peer}){' ' if name else ''}{name}]"
    return (text(message, "name") if message is not None else "") or UNKNOWN_PATH


_NAMED = frozenset({"REG", "PIPE", "UNIXSK"})
_RESIDENT_INDENT = "\t" + " " * 23


def _paths(checkpoint: Checkpoint) -> Callable[[int], str]:
    files = checkpoint.files
    return lambda file_id: file_name(files, "REG", file_id)


def _resident_lines(entry: Resident, path: Callable[[int], str], page_size: int) -> Sequence[str]:
    prefix = f"\t{entry.start:x} / {entry.pages:<8}".ljust(24)
    if not entry.vmas:
        return (prefix,)
    if entry.continued and len(entry.vmas) == 1:
        return f"{prefix} ~", _RESIDENT_INDENT
    lines = []
    for index, vma in enumerate(entry.vmas):
        if entry.continued and not index:
            lines.append(f"{prefix} ~")
        else:
            name = f" {path(vma.shmid)}" if maps_path(vma) else ""
            lines.append(f"{prefix} {vma.start:08x} / {(vma.end - vma.start) // page_size:<8}{name}")
        prefix = _RESIDENT_INDENT
    return [*lines, _RESIDENT_INDENT]
