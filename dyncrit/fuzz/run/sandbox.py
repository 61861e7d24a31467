"""The folder that a target works in: the input beside it, nothing left in it from one run to the next."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.fuzz.run.case import Case

_KEPT = frozenset(
    {"PATH", "LANG", "LANGUAGE", "TZ", "TERM", "USER", "LOGNAME", "LD_LIBRARY_PATH", "VIRTUAL_ENV"}
)
_KEPT_STARTS = ("LC_", "PYTHON", "GO", "RUST_")
_KEPT_ENDS = ("SAN_OPTIONS",)
_PRIVATE = 0o700


def environment_for(work: str, given: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """The environment of a target: what programs need to be found and to run, of what is ``given``.

    HOME and TMPDIR are its working folder. Hashes of Python are made the same in each run, as the order of
    sets is, too. ``added`` is put over it.
    """
    kept = {
        name: value
        for name, value in given.items()
        if name in _KEPT or name.startswith(_KEPT_STARTS) or name.endswith(_KEPT_ENDS)
    }
    return {"PYTHONHASHSEED": "0", "PATH": os.defpath, **kept, "HOME": work, "TMPDIR": work, **added}


class Sandbox:
    """A folder with ``work``, where the target is, and ``input`` with the image or checkpoint.

    Their paths stay the same, so that what a target says of them does. It is a folder, no container: a
    target can read and write what its user can.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self._input = folder / "input"
        folder.mkdir(_PRIVATE, exist_ok=True)

    def enter(self, case: Case) -> str:
        """Make the working folder new, put the input beside it, and go there; gives the input's path.

        Raises OSError, as where the disk is full.
        """
        os.chdir(self.folder)
        _make_empty(self.work)
        folder = self._input
        _make_empty(folder, kept=case.name if case.is_checkpoint else "")
        if case.is_checkpoint:
            folder /= case.name
            _make_empty(folder)
        for name, data in case.files.items():
            _write(f"{folder}/{name}", data)
        os.chdir(self.work)
        return str(folder if case.is_checkpoint else folder / case.name)

    def leave(self) -> None:
        """Remove what the target left."""
        os.chdir(self.folder)
        with suppress(OSError):
            _make_empty(self.work)

    def remove(self) -> None:
        """Remove the folder itself."""
        os.chdir("/")
        remove_tree(self.folder)


def remove_tree(path: Path) -> None:
    """Remove a folder as far as that can be done, with what has no permission to be looked into."""
    with suppress(OSError):
        _open_up(path)
    shutil.rmtree(path, ignore_errors=True)


def _make_empty(folder: Path, kept: str = "") -> None:
    """Make a folder, or empty the one that is there, but for ``kept``; what else has its name is removed.

    A folder itself stays where it can, since file systems take milliseconds to remove one.
    """
    try:
        status = folder.lstat()
    except FileNotFoundError:
        folder.mkdir(_PRIVATE)
        return
    if not stat.S_ISDIR(status.st_mode):
        folder.unlink()
        folder.mkdir(_PRIVATE)
        return
    if stat.S_IMODE(status.st_mode) != _PRIVATE:
        folder.chmod(_PRIVATE)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == kept:
                continue
            if entry.is_dir(follow_symlinks=False):
                remove_tree(Path(entry.path))
            else:
                os.unlink(entry.path)  # noqa: PTH108 (a Path takes as long as this does)


def _open_up(path: Path) -> None:
    """Give the user back the permission to remove what is in a folder."""
    path.chmod(_PRIVATE)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _open_up(Path(entry.path))


def _write(path: str, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        written = os.write(handle, data)
        while written < len(data):
            written += os.write(handle, data[written:])
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(handle)
