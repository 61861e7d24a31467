"""``dyncrit inspect``: one screen that tells what a checkpoint is."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import CHECKPOINT, checkpoint_options, chosen_limits, opened, report
from dyncrit.cli.streams import one_line, print_line
from dyncrit.cli.tables import fitted, human_size, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dyncrit.checkpoint import Checkpoint, Process
    from dyncrit.checkpoint.engine.listing import Contents, ListedFile, Listing
    from dyncrit.checkpoint.sockets import Socket
    from dyncrit.explore.inspection import Inspection

_LABEL = 14
_DEEPEST = 192  # columns of indentation, however deep a tree is
_ID_LENGTH = 12  # as container engines shorten ids


@click.command("inspect", epilog="Example: dyncrit inspect checkpoint.tar.zst")
@CHECKPOINT
@click.option(
    "--files", is_flag=True, help="List the files in volumes, shared memory, and of the root's changes."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all there is.")
@checkpoint_options
@click.pass_context
def command(ctx: click.Context, checkpoint: Path, files: bool, as_json: bool) -> int:
    """Tell what a checkpoint is, on one screen.

    Its container, the CRIU releases that can have written it, sizes, processes, sockets, statistics.
    """
    from dyncrit.cli.documents import print_document
    from dyncrit.explore.inspection import inspect

    with opened(ctx, checkpoint) as found:
        inspection = inspect(found, chosen_limits(ctx))
        if as_json:
            print_document(inspection.to_dict())
        else:
            _print(inspection, files=files)
        return report(found.all_problems)


def _print(inspection: Inspection, *, files: bool) -> None:
    checkpoint = inspection.checkpoint
    for label, text in _facts(inspection):
        _line(label, text)
    if len(checkpoint.processes):
        _head("processes")
        for line in _tree(checkpoint.processes.roots):
            print_line(fitted(one_line(line)))
    if checkpoint.sockets:
        _head("sockets")
        print_table(
            ("protocol", "state", "local", "remote", "unread", "held by"),
            map(_socket_row, checkpoint.sockets),
        )
    if inspection.contents:
        _print_contents(inspection.contents, files=files)


def _facts(inspection: Inspection) -> Iterator[tuple[str, str]]:
    from dyncrit.explore.inspection import architecture

    checkpoint, sizes = inspection.checkpoint, inspection.sizes
    kind = checkpoint.location.kind + (", pre-dump: memory only" if checkpoint.is_pre_dump else "")
    yield "checkpoint", f"{checkpoint.name} ({kind})"
    yield from _container_facts(checkpoint)
    yield "CRIU", str(checkpoint.releases)
    for sentence in checkpoint.releases.evidence:
        yield "", sentence
    machine = architecture(checkpoint)
    yield "architecture", ", ".join(filter(None, (machine, f"{checkpoint.images.byte_order}-endian")))
    memory = "no memory pages" if sizes.memory is None else f"{human_size(sizes.memory)} of memory"
    yield "size", f"{human_size(sizes.images)} of images, {human_size(sizes.pages)} of them pages; {memory}"
    for parent in list(checkpoint.chain)[1:]:
        yield "parent", parent.name
    statistics = checkpoint.statistics
    if dump := statistics.dump:
        frozen, freezing = dump.frozen_time / 1000, dump.freezing_time / 1000
        yield (
            "dump",
            f"frozen for {frozen:.1f} ms (freezing {freezing:.1f} ms), "
            + _pages(dump.pages_written, dump.pages_scanned, dump.pages_skipped_parent),
        )
    if restore := statistics.restore:
        yield "restore", f"{restore.restore_time / 1000:.1f} ms, forking {restore.forking_time / 1000:.1f} ms"


def _pages(written: int, scanned: int, skipped: int) -> str:
    parent = f", {skipped} in the parent" if skipped else ""
    return f"{written} pages written of {scanned} scanned{parent}"


def _container_facts(checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
    container = checkpoint.container
    if container is None:
        return
    name = f"{container.name} ({container.id[:_ID_LENGTH]})" if container.id else container.name
    facts = {
        "container": name,
        "image": container.image,
        "engine": " with ".join(filter(None, (container.engine, container.runtime))),
        "created": container.created,
        "checkpointed": container.checkpointed,
        "hostname": container.hostname,
        "pod": "/".join(filter(None, (container.namespace, container.pod))),
        "addresses": ", ".join((*container.addresses, *container.hardware_addresses)),
    }
    yield from ((label, text) for label, text in facts.items() if text)


def _tree(roots: Sequence[Process]) -> Iterator[str]:
    """Processes with lines from each to its children."""
    stack: list[tuple[Process, str, str]] = [(root, "", "") for root in reversed(roots)]
    while stack:
        process, prefix, below = stack.pop()
        yield f"{prefix}{process.pid} {_title(process)}"
        last = len(process.children) - 1
        below = below[:_DEEPEST]
        children = [
            (child, below + ("└─ " if index == last else "├─ "), below + ("   " if index == last else "│  "))
            for index, child in enumerate(process.children)
        ]
        stack += reversed(children)


def _title(process: Process) -> str:
    words = process.command_line
    title = shlex.join(words) if words else f"[{process.comm}]"
    notes: list[str] = [] if process.state == "alive" else [process.state]
    if len(process.threads) > 1:
        notes.append(f"{len(process.threads)} threads")
    return title + (f"  ({', '.join(notes)})" if notes else "")


def _socket_row(socket: Socket) -> Sequence[object]:
    from dyncrit.explore.inspection import local_name

    remote = str(socket.destination) if socket.destination and socket.destination.port else ""
    holders = " ".join(f"{pid}/{fd}" for pid, fd in socket.holders[:3]) + (
        " ..." if len(socket.holders) > 3 else ""
    )
    protocol = "/".join(filter(None, (socket.family, socket.protocol or socket.type)))
    return protocol, socket.state, local_name(socket), remote, socket.unread or "", holders


def _print_contents(contents: Contents, *, files: bool) -> None:
    listings: dict[str, Listing] = {f"volume {name}": listing for name, listing in contents.volumes.items()}
    if contents.shared_memory:
        listings["shared memory"] = contents.shared_memory
    if contents.changes:
        listings["root changes"] = contents.changes
    counted = {label: listing for label, listing in listings.items() if listing.files}
    if not counted and not contents.deleted:
        return
    _head("files beside the images")
    for label, listing in counted.items():
        _line(label, _count_kinds(listing) + (" and more" if listing.is_cut else ""))
        if files:
            rows = (
                (
                    item.kind,
                    item.owner,
                    item.size,
                    item.modified,
                    " -> ".join(filter(None, (item.name, item.target))),
                )
                for item in listing.files
            )
            print_table(("kind", "owner", "size", "modified", "name"), rows, numbers=("size",))
    if contents.deleted:
        _line("deleted", _count(len(contents.deleted), "file"))
        for path in contents.deleted if files else ():
            print_line(one_line(path))


def _link_name(file: ListedFile) -> str:
    return f"{file.name} -> {file.target}" if file.target else file.name


def _count_kinds(listing: Listing) -> str:
    kinds = Counter(file.kind for file in listing.files)
    return ", ".join(_count(number, kind) for kind, number in kinds.items())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _head(text: str) -> None:
    print_line()
    print_line(click.style(text, bold=True))


def _line(label: str, text: str) -> None:
    print_line(fitted(f"{label:{_LABEL}} {one_line(text)}"))
