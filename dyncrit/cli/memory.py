"""``dyncrit memory``: the memory of processes: mappings, bytes, searches, dumps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dyncrit.cli.checkpoints import CHECKPOINT, checkpoint_options, opened, report
from dyncrit.cli.parameters import ADDRESS, LENGTH, RANGE
from dyncrit.cli.streams import one_line, open_output, print_json, print_json_line, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.memory.address_space import AddressSpace
    from dyncrit.checkpoint.memory.vma import Vma, VmaKind
    from dyncrit.checkpoint.search import Hit, Pattern
    from dyncrit.types import JsonObject

_KINDS = ("anonymous", "heap", "stack", "file", "shared-file", "shared-memory", "memfd", "sysv", "vdso")
_ENCODINGS = ("ascii", "utf-8", "utf-16le", "latin-1")


PID = click.option("-p", "--pid", type=int, help="The process; by default all, or the only one.")


def selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that choose mappings."""
    options = (
        click.option(
            "--prot", default="", metavar="rw-x", help="Mappings that may be read, written, not executed."
        ),
        click.option(
            "--kind",
            "kinds",
            multiple=True,
            type=click.Choice(_KINDS),
            help="Mappings of this kind; may be given again.",
        ),
        click.option("--range", "ranges", multiple=True, type=RANGE, metavar="START-END", help="Only there."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.group("memory", epilog="Example: dyncrit memory search checkpoint.tar.zst -p 1 'DEMO_PASSWORD='")
def command() -> None:
    """Look into the memory of processes."""


@command.command("maps", epilog="Example: dyncrit memory maps checkpoint/ -p 1")
@CHECKPOINT
@PID
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@checkpoint_options
@click.pass_context
def maps(ctx: click.Context, checkpoint: Path, pid: int | None, as_json: bool) -> int:
    """List mappings as /proc/PID/smaps does: range, protection, offset, what of it the dump holds, name."""
    with opened(ctx, checkpoint) as found:
        chosen = [(process.pid, _describe_maps(process.memory)) for process in _processes(found, pid)]
        if as_json:
            print_json([{"pid": number, "maps": list(rows)} for number, rows in chosen])
        else:
            for number, rows in chosen:
                _print_maps(number, rows, headed=len(chosen) > 1)
        return report(found.problems)


@command.command("read", epilog="Example: dyncrit memory read checkpoint/ -p 1 7ffc0000a000 256")
@CHECKPOINT
@click.argument("address", type=ADDRESS)
@click.argument("length", type=LENGTH)
@PID
@click.option("--raw", is_flag=True, help="Write the bytes instead of lines in hex.")
@click.option(
    "-o", "--out", "output", type=click.Path(path_type=Path), metavar="FILE", help="Write the bytes there."
)
@checkpoint_options
@click.pass_context
def read(
    ctx: click.Context,
    checkpoint: Path,
    address: int,
    length: int,
    pid: int | None,
    raw: bool,
    output: Path | None,
) -> int:
    """Show LENGTH bytes at ADDRESS, in lines as xxd prints them."""
    from dyncrit.explore.hexdump import buffers, hexdump

    with opened(ctx, checkpoint) as found:
        pieces = list(_only(found, pid).memory.readable(address, address + length))
        with open_output(output, binary=raw or output is not None) as file:
            if raw or output is not None:
                file.writelines(buffers(pieces))
            else:
                file.writelines(f"{line}\n".encode() for line in hexdump(buffers(pieces), address))
        return report(found.problems)


@command.command(
    "search", epilog="Example: dyncrit memory search checkpoint/ -p 1 --regex 'tok-[0-9]+' --kind heap"
)
@CHECKPOINT
@click.argument("pattern")
@PID
@click.option("--hex", "form", flag_value="hex", help="PATTERN is bytes in hex; ?? is any byte.")
@click.option("--regex", "form", flag_value="regex", help="PATTERN is a regular expression over bytes.")
@click.option("-i", "--ignore-case", is_flag=True, help="Upper and lower case (ASCII) are the same.")
@click.option("--encoding", default="utf-8", show_default=True, help="How text stands in memory (utf-16le).")
@click.option(
    "--context", default=16, show_default=True, type=click.IntRange(0, 65536), help="Bytes around hits."
)
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print an object a line.")
@checkpoint_options
@click.pass_context
def search(
    ctx: click.Context,
    checkpoint: Path,
    pattern: str,
    pid: int | None,
    form: str | None,
    ignore_case: bool,
    encoding: str,
    context: int,
    prot: str,
    kinds: tuple[str, ...],
    ranges: tuple[tuple[int, int], ...],
    as_json: bool,
) -> int:
    """Find PATTERN in memory: a line a hit, with its address, mapping and surroundings.

    Hits are found across the borders of pages and mappings. Nothing is found in memory that the dump doesn't
    hold: unchanged pages of files, lazy ones.
    """
    from dyncrit.checkpoint.search import search as find
    from dyncrit.cli.progress import advancing

    wanted = _pattern(pattern, form, ignore_case, encoding)
    count = 0
    with opened(ctx, checkpoint) as found:
        for process in _processes(found, pid):
            chosen = _select(process.memory, prot, kinds, ranges)
            with advancing(f"searching {process.pid}", _resident(process.memory)) as progress:
                for hit in find(process.memory, chosen, wanted, context=context, progress=progress):
                    count += 1
                    vma = process.memory.vma_at(hit.address)
                    if as_json:
                        print_json_line(_describe_hit(process.pid, hit, vma))
                    else:
                        _print_hit(process.pid, hit, vma)
        if not count:
            say("no hits")
        return report(found.problems)


@command.command("strings", epilog="Example: dyncrit memory strings checkpoint/ -p 1 --kind heap -n 8")
@CHECKPOINT
@PID
@click.option(
    "-n", "--minimum", default=4, show_default=True, type=click.IntRange(1, 4096), help="Characters at least."
)
@click.option("--encoding", default="ascii", show_default=True, type=click.Choice(_ENCODINGS))
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print an object a line.")
@checkpoint_options
@click.pass_context
def strings(
    ctx: click.Context,
    checkpoint: Path,
    pid: int | None,
    minimum: int,
    encoding: str,
    prot: str,
    kinds: tuple[str, ...],
    ranges: tuple[tuple[int, int], ...],
    as_json: bool,
) -> int:
    """List the text in memory with its addresses, like the command of that name for files."""
    from dyncrit.cli.progress import advancing
    from dyncrit.explore.strings import strings as find

    with opened(ctx, checkpoint) as found:
        for process in _processes(found, pid):
            chosen = _select(process.memory, prot, kinds, ranges)
            with advancing(f"reading {process.pid}", _resident(process.memory)) as progress:
                for address, text in find(
                    process.memory, chosen, minimum=minimum, encoding=encoding, progress=progress
                ):
                    if as_json:
                        print_json_line({"pid": process.pid, "address": f"{address:x}", "text": text})
                    else:
                        click.echo(f"{address:012x} {one_line(text)}")
        return report(found.problems)


@command.command("dump", epilog="Example: dyncrit memory dump checkpoint/ -p 1 --kind heap -o heap.bin")
@CHECKPOINT
@PID
@click.option(
    "-o",
    "--out",
    "output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write.",
)
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print where what stands in FILE as JSON.")
@checkpoint_options
@click.pass_context
def dump(
    ctx: click.Context,
    checkpoint: Path,
    pid: int | None,
    output: Path,
    prot: str,
    kinds: tuple[str, ...],
    ranges: tuple[tuple[int, int], ...],
    as_json: bool,
) -> int:
    """Write memory to a file: mappings one after the other, sparse where they are zeros or not in the dump.

    All mappings of which the dump holds something, or those that are asked for; prints where each stands.
    """
    from dyncrit.atomic import open_atomic
    from dyncrit.checkpoint.memory.layer import State
    from dyncrit.cli.progress import advancing
    from dyncrit.explore.memory_dump import dump_ranges

    with opened(ctx, checkpoint) as found:
        space = _only(found, pid).memory
        chosen = _select(space, prot, kinds, ranges)
        if not (prot or kinds or ranges):
            chosen = [(vma.start, vma.end) for vma in space.vmas if space.resident(vma)]
        total = sum(
            piece.size for span in chosen for piece in space.pieces(*span) if piece.state is State.DATA
        )
        with open_atomic(output) as file, advancing("writing", total) as progress:
            written = dump_ranges(space, chosen, file, progress)
        if as_json:
            print_json([{**item.to_dict(), "name": _name(space.vma_at(item.start))} for item in written])
        else:
            _print_dumped(space, written)
        return report(found.problems)


def _processes(checkpoint: Checkpoint, pid: int | None) -> list[Process]:
    """The processes that have memory: the one asked for, or all."""
    from dyncrit.errors import DyncritError

    if pid is not None:
        process = checkpoint.processes[pid]
        _ = process.memory  # says what is the matter, if there is none
        return [process]
    found = []
    for process in checkpoint.processes:
        try:
            _ = process.memory
        except DyncritError as error:
            if process.is_alive:
                checkpoint.problems.error(f"process {process.pid}", error.problem)
            continue
        found.append(process)
    if not found:
        raise DyncritError("no process with memory in it", checkpoint.name)
    return found


def _only(checkpoint: Checkpoint, pid: int | None) -> Process:
    found = _processes(checkpoint, pid)
    if len(found) > 1:
        pids = ", ".join(str(process.pid) for process in found)
        raise click.UsageError(f"there are several processes: name one with -p ({pids})")
    return found[0]


def _select(
    space: AddressSpace, prot: str, kinds: tuple[str, ...], ranges: tuple[tuple[int, int], ...]
) -> list[tuple[int, int]]:
    from dyncrit.checkpoint.memory.vma import VmaKind
    from dyncrit.explore.selection import select

    wanted: list[VmaKind] = [VmaKind(kind) for kind in kinds]
    return select(space, protection=prot, kinds=wanted, ranges=ranges)


def _pattern(text: str, form: str | None, ignore_case: bool, encoding: str) -> Pattern:
    from dyncrit.checkpoint.search import hex_pattern, regex_pattern, text_pattern

    if form == "hex":
        return hex_pattern(text)
    if form == "regex":
        return regex_pattern(text, ignore_case)
    if ignore_case:
        if encoding.lower().replace("-", "") not in ("utf8", "ascii"):
            raise click.UsageError(f"--ignore-case and --encoding {encoding} exclude each other")
        return regex_pattern(re.escape(text), ignore_case=True)
    return text_pattern(text, encoding)


def _resident(space: AddressSpace) -> int:
    return sum(space.resident(vma) for vma in space.vmas)


def _describe_maps(space: AddressSpace) -> Iterator[JsonObject]:
    for vma in space.vmas:
        yield {
            "start": f"{vma.start:x}",
            "end": f"{vma.end:x}",
            "permissions": vma.permissions,
            "offset": vma.offset,
            "size": vma.size,
            "resident": space.resident(vma),
            "resident_pages": space.resident(vma) // space.page_size,
            "kind": vma.kind.value,
            "name": vma.name,
            "advice": list(vma.advice),
        }


def _print_maps(pid: int, rows: Iterable[JsonObject], *, headed: bool) -> None:
    from dyncrit.cli.tables import print_table

    if headed:
        click.echo(f"process {pid}")
    heads = ("range", "perm", "offset", "KiB", "resident", "kind", "name")
    print_table(
        heads,
        (
            (
                f"{row['start']}-{row['end']}",
                row["permissions"],
                f"{row['offset']:x}",
                row["size"] >> 10,
                row["resident"] >> 10,
                row["kind"],
                row["name"],
            )
            for row in rows
        ),
        numbers=("offset", "KiB", "resident"),
    )


def _name(vma: Vma | None) -> str:
    return "" if vma is None else vma.name or vma.kind.value


def _describe_hit(pid: int, hit: Hit, vma: Vma | None) -> JsonObject:
    return {
        "pid": pid,
        "address": f"{hit.address:x}",
        "size": hit.size,
        "vma": f"{vma.start:x}-{vma.end:x}" if vma else None,
        "permissions": vma.permissions if vma else None,
        "kind": vma.kind.value if vma else None,
        "name": vma.name if vma else None,
        "before": hit.before.hex(),
        "match": hit.match.hex(),
        "after": hit.after.hex(),
    }


def _print_hit(pid: int, hit: Hit, vma: Vma | None) -> None:
    from dyncrit.explore.hexdump import escape

    place = f"{vma.permissions} {one_line(_name(vma))}" if vma else "?"
    match = click.style(escape(hit.match), fg="red", bold=True)
    click.echo(f"{pid} {hit.address:012x} {place}: {escape(hit.before)}{match}{escape(hit.after)}")


def _print_dumped(space: AddressSpace, written: Iterable[Any]) -> None:
    from dyncrit.cli.tables import print_table

    rows = [
        (
            f"{item.offset:x}",
            f"{item.start:x}-{item.end:x}",
            item.held >> 10,
            item.missing >> 10,
            _name(space.vma_at(item.start)),
        )
        for item in written
    ]
    print_table(
        ("offset", "range", "KiB held", "KiB missing", "name"),
        rows,
        numbers=("offset", "KiB held", "KiB missing"),
    )
