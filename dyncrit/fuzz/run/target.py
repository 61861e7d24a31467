"""A target: a command with a place for the image, or for the folder of a checkpoint."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dyncrit.errors import DyncritError

Placeholder = Literal["{image}", "{checkpoint}"]

_PLACEHOLDERS: tuple[Placeholder, ...] = ("{image}", "{checkpoint}")
_OPERATORS = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "2>/dev/null"})
"""Words that a shell would not hand on; one who means them may quote them within sh -c."""


class TargetError(DyncritError):
    """A target that can't be run, or that tells nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """A program and its arguments; ``text`` is the command as it was given."""

    text: str
    program: str
    arguments: tuple[str, ...]
    placeholder: Placeholder

    @classmethod
    def parse(cls, text: str, folder: Path | None = None) -> Target:
        """A target from a command in the shell's syntax; no shell runs it.

        The program, and arguments that name files, are looked for in ``folder`` (the current one): the
        target works in another. Raises TargetError.
        """
        here = folder or Path.cwd()
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise TargetError(f"no command in the shell's syntax: {error}", f"target {text!r}") from None
        if not words:
            raise TargetError("an empty command", "target")
        if operator := next((word for word in words if word in _OPERATORS), None):
            raise TargetError(
                f"no shell runs it, so {operator} would be an argument; name one: sh -c 'exec … \"$1\" …' sh "
                "{image}",
                f"target {text!r}",
            )
        used = [holder for holder in _PLACEHOLDERS if any(holder in word for word in words)]
        if len(used) != 1:
            problem = "has both {image} and {checkpoint}" if used else "has no {image} and no {checkpoint}"
            raise TargetError(f"{problem}; expected one of them, where the name goes", f"target {text!r}")
        arguments = tuple(_found(word, here) for word in words[1:])
        return cls(text, _program(words[0], here, text), arguments, used[0])

    @property
    def takes_checkpoint(self) -> bool:
        """Whether it reads a folder of images, not one image."""
        return self.placeholder == "{checkpoint}"

    def command(self, path: str) -> list[str]:
        """The program and its arguments, with a path in the placeholder's place."""
        return [self.program, *(word.replace(self.placeholder, path) for word in self.arguments)]

    def shell_command(self, variable: str) -> str:
        """The command for a shell, whose ``variable`` has the path."""
        return " ".join(
            f'"${{{variable}}}"'.join(shlex.quote(part) if part else "" for part in parts)
            if len(parts := word.split(self.placeholder)) > 1
            else shlex.quote(word)
            for word in (self.program, *self.arguments)
        )


def _program(name: str, folder: Path, text: str) -> str:
    """The program's file; as it is found in PATH, so that links to many-named programs work."""
    if os.sep in name:
        path = folder / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
        reason = "is no program that may be run" if path.exists() else "there is no such program"
        raise TargetError(f"{name}: {reason}", f"target {text!r}")
    found = shutil.which(name)
    if found is None:
        raise TargetError(f"{name}: there is no such program in PATH", f"target {text!r}")
    return str(folder / found)


def _found(word: str, folder: Path) -> str:
    """An argument; what names a file (and could hardly be anything else) is made absolute."""
    if not re.search(r"[./]", word) or word.startswith(("-", "/")) or "\0" in word:
        return word
    path = folder / word
    return str(path) if path.is_file() else word
