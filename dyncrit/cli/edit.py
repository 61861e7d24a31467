"""``dyncrit edit``: an image's document in the user's editor."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import click

from dyncrit.cli.images import IMAGE, change_image, image_edit_options
from dyncrit.cli.streams import say

if TYPE_CHECKING:
    from pathlib import Path

_VARIABLES = ("VISUAL", "EDITOR")
_EDITORS = ("sensible-editor", "editor", "nano", "vi")
_PROGRAM = re.compile(r"[\w./+-]+")
"""A program without arguments, or anything else that only the shell understands."""

_CANNOT_RUN = {126, 127}
"""What a shell answers if a command isn't there or is no program."""


@click.command("edit", epilog="Example: EDITOR=nano dyncrit edit checkpoint/files.img")
@IMAGE
@image_edit_options
@click.pass_context
def command(ctx: click.Context, image: Path, dry_run: bool, as_json: bool) -> int:
    """Open an image (a file, or ARCHIVE/NAME) in $VISUAL or $EDITOR as `decode --pretty` shows it.

    What is saved takes the image's place, and what is different is printed. If there is a mistake in it, the
    editor opens again with the error on top. Nothing is written if it is saved as it was, or empty. If the
    change can't be made, the text is kept, and the error says where.
    """
    from dyncrit.edit.general.revising import revising

    try:
        with revising(partial(_edit, _editor())) as revise:
            return change_image(ctx, image, revise, dry_run=dry_run, as_json=as_json)
    except BaseException as error:
        for note in getattr(error, "__notes__", ()):  # of one whose message isn't shown, an interrupt's
            say(note)
        raise


def _editor() -> str:
    """The command that edits a file, as the shell understands it."""
    from dyncrit.edit.general.revising import EditorError

    for name in _VARIABLES:
        if (chosen := os.environ.get(name, "")).strip():
            return chosen
    for name in _EDITORS:
        if shutil.which(name):
            return name
    raise EditorError("no editor was found; name one with $VISUAL or $EDITOR")


def _edit(editor: str, file: Path) -> None:
    """Run the editor on a file; raises EditorError if it can't be run, or fails."""
    from dyncrit.edit.general.revising import EditorError

    if _PROGRAM.fullmatch(editor) and shutil.which(editor) is None:
        raise EditorError(f"the editor {editor!r} isn't there; name another with $VISUAL or $EDITOR")
    try:
        code = subprocess.call(["/bin/sh", "-c", f'{editor} "$@"', editor, str(file)])  # noqa: S603 (the user's own)
    except (OSError, ValueError) as error:
        raise EditorError(f"the editor {editor!r} can't be run: {error}") from None
    if code in _CANNOT_RUN:
        raise EditorError(f"the editor {editor!r} can't be run; name another with $VISUAL or $EDITOR")
    if code:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        raise EditorError(f"the editor {editor!r} ended with {how}")
