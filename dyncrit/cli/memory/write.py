"""``dyncrit memory write``: other bytes at an address."""

from __future__ import annotations

from pathlib import Path

import click

from dyncrit.cli.checkpoints import CHECKPOINT
from dyncrit.cli.editing import change, edit_options
from dyncrit.cli.parameters import ADDRESS, LENGTH
from dyncrit.cli.streams import open_input


@click.command(
    "write", epilog="Example: dyncrit memory write checkpoint/ -p 1 7ffc0000a000 '48 65 6c 6c 6f 00'"
)
@CHECKPOINT
@click.argument("address", type=ADDRESS)
@click.argument("digits", metavar="[BYTES]...", nargs=-1)
@click.option("-p", "--pid", type=int, help="The process; by default the only one.")
@click.option("--text", help="Write this text, without a NUL behind it, instead of BYTES.")
@click.option(
    "--file",
    "source",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what this file holds; - for stdin.",
)
@click.option("-s", "--size", type=LENGTH, help="Write only if it is this many bytes.")
@edit_options
@click.pass_context
def command(
    ctx: click.Context,
    checkpoint: Path,
    address: int,
    digits: tuple[str, ...],
    pid: int | None,
    text: str | None,
    source: Path | None,
    size: int | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write BYTES, in hex, into the memory of a process at ADDRESS.

    What only a parent of an incremental checkpoint holds is copied up; parents are not changed.
    """
    from dyncrit.cli.memory.choosing import only_process
    from dyncrit.edit.memory.writing import write_memory

    data = _data(digits, text, source)
    if size is not None and size != len(data):
        raise click.UsageError(f"there are {len(data)} bytes to write, not the {size} that -s names")
    return change(
        ctx,
        checkpoint,
        lambda edit: write_memory(edit, only_process(edit.checkpoint, pid).pid, address, data),
        dry_run=dry_run,
        as_json=as_json,
        nothing=f"these bytes stand at {address:#x} already; nothing was changed",
        required=False,
    )


def _data(digits: tuple[str, ...], text: str | None, source: Path | None) -> bytes:
    """The bytes to write; a usage error unless they are given in one way."""
    if (bool(digits), text is not None, source is not None).count(True) != 1:
        raise click.UsageError("give what to write in one way: BYTES in hex, --text or --file")
    if text is not None:
        return text.encode("utf-8", "surrogateescape")
    if source is not None:
        with open_input(source, "the bytes to write") as (file, _):
            return file.read()
    try:
        return bytes.fromhex(" ".join(part.removeprefix("0x") for part in digits))
    except ValueError:
        raise click.UsageError(
            f"{' '.join(digits)!r:.80} is not bytes in hex, two digits each; --text writes text"
        ) from None
