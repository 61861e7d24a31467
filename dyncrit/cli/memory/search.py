"""``dyncrit memory search``: where a pattern stands in memory."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT, checkpoint_options, note_lost, opened, report
from dyncrit.cli.memory.choosing import (
    PID,
    mapping_name,
    processes_with_memory,
    resident_bytes,
    selection_options,
)
from dyncrit.cli.streams import one_line, print_json_line, print_line, say

if TYPE_CHECKING:
    from pathlib import Path

    from dyncrit.checkpoint.memory.vma import Vma
    from dyncrit.checkpoint.search import Hit, Pattern
    from dyncrit.cli.memory.choosing import Selection
    from dyncrit.types import JsonObject


@click.command(
    "search", epilog="Example: dyncrit memory search checkpoint/ -p 1 --regex 'tok-[0-9]+' --kind heap"
)
@CHECKPOINT
@click.argument("pattern")
@PID
@click.option("--hex", "is_hex", is_flag=True, help="PATTERN is bytes in hex; ?? is any byte.")
@click.option("--regex", "is_regex", is_flag=True, help="PATTERN is a regular expression over bytes.")
@click.option("-i", "--ignore-case", is_flag=True, help="Upper and lower case (ASCII) are the same.")
@click.option("--encoding", help="How text stands in memory: utf-8, or utf-16le, latin-1, ...")
@click.option(
    "--context", default=16, show_default=True, type=click.IntRange(0, 65536), help="Bytes around hits."
)
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print an object a line.")
@checkpoint_options
@click.pass_context
def command(
    ctx: click.Context,
    checkpoint: Path,
    pattern: str,
    pid: int | None,
    is_hex: bool,
    is_regex: bool,
    ignore_case: bool,
    encoding: str | None,
    context: int,
    selection: Selection,
    as_json: bool,
) -> int:
    """Find PATTERN in memory: a line a hit, with its address, mapping and surroundings.

    Hits are found across the borders of pages and mappings. Nothing is found in memory that the dump doesn't
    hold: unchanged pages of files, lazy ones.
    """
    from dyncrit.checkpoint.search import search as find
    from dyncrit.cli.progress import advancing

    wanted = _pattern(pattern, is_hex, is_regex, ignore_case, encoding)
    count = 0
    with opened(ctx, checkpoint) as found:
        for process in processes_with_memory(found, pid):
            chosen = selection.of(process.memory)
            with advancing(f"searching {process.pid}", partial(resident_bytes, process.memory)) as progress:
                for hit in find(process.memory, chosen, wanted, context=context, progress=progress):
                    count += 1
                    vma = process.memory.vma_at(hit.address)
                    if as_json:
                        print_json_line(_describe_hit(process.pid, hit, vma))
                    else:
                        _print_hit(process.pid, hit, vma)
            note_lost(process, chosen)
        if not count:
            say("no hits")
        return report(found.all_problems)


def _pattern(text: str, is_hex: bool, is_regex: bool, ignore_case: bool, encoding: str | None) -> Pattern:
    from dyncrit.checkpoint.search import PatternError, hex_pattern, regex_pattern, text_pattern

    given = {
        "--hex": is_hex,
        "--regex": is_regex,
        "--encoding": encoding is not None,
        "--ignore-case": ignore_case,
    }
    chosen = [option for option, value in given.items() if value]
    if len(chosen) > 1 and chosen != ["--regex", "--ignore-case"]:
        raise click.UsageError(f"{chosen[0]} and {chosen[1]} exclude each other")
    try:
        if is_hex:
            return hex_pattern(text)
        if is_regex or ignore_case:
            return regex_pattern(text if is_regex else re.escape(text), ignore_case)
        return text_pattern(text, encoding or "utf-8")
    except PatternError as error:
        raise click.UsageError(str(error)) from None


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

    place = f"{vma.permissions} {one_line(mapping_name(vma))}" if vma else "?"
    match = click.style(escape(hit.match), fg="red", bold=True)
    print_line(f"{pid} {hit.address:012x} {place}: {escape(hit.before)}{match}{escape(hit.after)}")
