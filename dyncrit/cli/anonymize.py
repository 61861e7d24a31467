"""``dyncrit anonymize``: a checkpoint that may be shown to strangers."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dyncrit.cli.checkpoints import chosen_limits, opened
from dyncrit.cli.editing import edit_options, found_differences, print_changes, tell
from dyncrit.cli.parameters import output_option
from dyncrit.cli.streams import print_json, say
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from dyncrit.checkpoint import Checkpoint
    from dyncrit.edit.anonymity.treatments import Pseudonyms
    from dyncrit.edit.touched import Touched
    from dyncrit.types import JsonObject

_KEY_SIZE = 32
_LEAST_KEY = 16
_LARGEST_KEY = 1 << 16


@click.command(
    "anonymize",
    epilog="Examples: dyncrit anonymize checkpoint/ -o for-the-bug-report.tar.gz; "
    "dyncrit anonymize checkpoint.tar.zst --dry-run",
)
@click.argument("path", metavar="CHECKPOINT", type=click.Path(path_type=Path, exists=True))
@output_option("DIR|ARCHIVE", "Where the copy goes: a new folder, or an archive (.tar, .tar.gz, .tar.zst).")
@click.option("--in-place", is_flag=True, help="Change the checkpoint itself: what it held is lost.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A secret from which replacements follow, to have the same ones again; made if it isn't there.",
)
@click.option("--remove-damaged", is_flag=True, help="Leave images out that can't be read.")
@edit_options
@click.pass_context
def command(
    ctx: click.Context,
    path: Path,
    *,
    output: Path | None,
    in_place: bool,
    key_file: Path | None,
    remove_damaged: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Scrub a checkpoint of what its processes held, so that it can be attached to a bug report.

    \b
    Memory            filled with x; pages of zeros stay
    Unread data       in pipes, sockets, terminals, queues, deleted files, BPF maps: filled
    Names             of files, programs, hosts, sockets, mounts, cgroups, labels: replaced,
                      the same by the same everywhere, in the same length; what every
                      Linux system has stays (/usr/lib, libc.so.6, /dev/null, eth0)
    IP addresses      replaced by ones of 10.0.0.0/8 and 2001:db8::/32; networks stay
                      networks; loopback, wildcard, multicast and all ports stay
    Registers         stay if they are small or lead into memory; floating point and
                      vector registers and keys are cleared
    Build ids         and checksums of programs, hardware addresses: replaced
    Routes, firewall  emptied; archives of tmpfs keep sizes, modes and times of files
    All other files   left out: logs, what container engines say, root file systems

    Numbers stay: ids, sizes, times, flags, owners, memory layout, TCP sequence numbers, System V keys; so do
    system call filters, and the model of the processor. Fields that the schema doesn't know are dropped.

    The copy has the parents of an incremental checkpoint in it. --dry-run prints what is scrubbed, with what
    was there before: that is for your eyes only. Replacements can't be undone or guessed without the key,
    which is random and forgotten unless there is a --key-file.
    """  # noqa: D301 (click's mark of a paragraph that isn't wrapped)
    from dyncrit.edit.anonymity.treatments import Pseudonyms

    if sum((output is not None, in_place)) != 1 and not dry_run:
        raise click.UsageError("say where the result goes: -o DIR|ARCHIVE for a copy, or --in-place")
    pseudonyms = Pseudonyms(_read_key(key_file, keep=not dry_run) if key_file is not None else b"")
    with opened(ctx, path) as checkpoint:
        if dry_run:
            return _preview(ctx, checkpoint, pseudonyms, remove_damaged=remove_damaged, as_json=as_json)
        touched = _apply(ctx, checkpoint, output, pseudonyms, remove_damaged=remove_damaged)
        if in_place and checkpoint.parent is not None:
            say(f"{path}: the parent, {checkpoint.parent.name}, is as it was; so is the link to it")
    tell(touched, (), dry_run=False, as_json=as_json)
    return 0


def _preview(
    ctx: click.Context, checkpoint: Checkpoint, pseudonyms: Pseudonyms, *, remove_damaged: bool, as_json: bool
) -> int:
    """Print what would be different, in each checkpoint of the chain that a copy would have."""
    from dyncrit.edit.anonymity.anonymizing import anonymize

    all_touched: list[dict[str, str]] = []
    all_changes: list[JsonObject] = []
    for depth, link in enumerate(checkpoint.chain):
        with link.edit(dry_run=True) as edit:
            touched = anonymize(edit, pseudonyms, remove_damaged=remove_damaged, limits=chosen_limits(ctx))
            changes = found_differences(edit)
        below = "parent/" * depth
        changes = [item._replace(file=f"{below}{item.file}") for item in changes]
        if not as_json:
            print_changes(changes)
            continue
        all_touched += (item._replace(place=f"{below}{item.place}")._asdict() for item in touched)
        all_changes += (item.to_dict() for item in changes)
    if as_json:
        print_json({"dry_run": True, "touched": all_touched, "changes": all_changes})
    return 0


def _apply(
    ctx: click.Context,
    checkpoint: Checkpoint,
    output: Path | None,
    pseudonyms: Pseudonyms,
    *,
    remove_damaged: bool,
) -> list[Touched]:
    from dyncrit.edit.anonymity.anonymizing import anonymize
    from dyncrit.edit.anonymity.copying import anonymized_copy

    limits = chosen_limits(ctx)
    if output is not None:
        return anonymized_copy(checkpoint, output, pseudonyms, remove_damaged=remove_damaged, limits=limits)
    with checkpoint.edit() as edit:
        return anonymize(edit, pseudonyms, remove_damaged=remove_damaged, limits=limits)


def _read_key(path: Path, *, keep: bool) -> bytes:
    """The key in a file, or a new one that is written there, for its owner to read."""
    try:
        with path.open("rb") as file:
            key = file.read(_LARGEST_KEY)
    except FileNotFoundError:
        key = secrets.token_hex(_KEY_SIZE).encode() + b"\n"
        if keep:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(key)
        return key
    if len(key) < _LEAST_KEY:
        raise DyncritError(
            f"a key of {len(key)} bytes can be guessed; expected {_LEAST_KEY} or more", str(path)
        )
    return key
