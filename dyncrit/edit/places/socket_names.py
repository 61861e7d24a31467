"""Names of unix sockets: paths, relative ones with the directory beside, and abstract names.

What a restore makes of them is in criu/sk-unix.c: it goes to ``name_dir`` where there is one, and binds to
``name``, whose last byte is mostly the zero that the kernel counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import number, text
from dyncrit.edit.places.prefix import below, join
from dyncrit.edit.rewriting import Setting
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.edit.places.prefix import AbstractPrefix, PathPrefix
    from dyncrit.types import DynamicMessage

MAX_SOCKET_NAME = 108
"""UNIX_PATH_MAX of <linux/un.h>, in bytes."""


def show_socket_name(name: str) -> str:
    r"""A socket's name as people write it: @ for the zero bytes of an abstract one.

    >>> show_socket_name("\0bus"), show_socket_name("/run/bus\0")
    ('@bus', '/run/bus')
    """
    return name.replace("\0", "@") if name.startswith("\0") else name.rstrip("\0")


def socket_setting(message: DynamicMessage, name: str) -> Setting:
    """A new name for a socket, in bytes as the kernel counts them. Raises DyncritError if it is too long."""
    before = text(message, "name")
    most = MAX_SOCKET_NAME - (1 if number(message, "deleted") else 0)  # CRIU adds the zero to such
    if len(name.encode("utf-8", "surrogateescape")) > most:
        raise DyncritError(
            f"the unix socket {show_socket_name(before)!r} would be {show_socket_name(name)!r}, which is too "
            f"long: the name of a socket has {most} bytes at most"
        )
    return Setting(message, "name", name, _WHAT, show_socket_name(before), show_socket_name(name))


def moved_socket(message: DynamicMessage, prefix: PathPrefix) -> Iterator[Setting]:
    """What is to be set where the file of a socket moves."""
    name, folder = text(message, "name"), text(message, "name_dir")
    path = name.rstrip("\0")
    if not path:
        return
    if path.startswith("/"):
        new = prefix.moved(path)
        if new is not None:
            yield socket_setting(message, new + name[len(path) :])
    elif folder:
        yield from _moved_relative(message, prefix, path, folder)


def renamed_abstract(message: DynamicMessage, prefix: AbstractPrefix) -> Iterator[Setting]:
    """What is to be set where an abstract name is another then."""
    name = text(message, "name")
    if name.startswith("\0"):
        new = prefix.moved(name[1:])
        if new is not None:
            yield socket_setting(message, f"\0{new}")


_WHAT = "unix socket"


def _moved_relative(message: DynamicMessage, prefix: PathPrefix, path: str, folder: str) -> Iterator[Setting]:
    """A name that is relative to a folder: it stays as it is if the new place still ends with it."""
    what = f"directory of the unix socket {path!r}"
    new_folder = prefix.moved(folder)
    if new_folder is None:
        new = prefix.moved(join(folder, path))
        if new is None:
            return
        if not new.endswith(f"/{path}"):
            yield from _renamed_relative(message, new, path, folder)
            return
        new_folder = new[: -len(path) - 1] or "/"
    if new_folder != folder:
        yield Setting.of_text(message, "name_dir", new_folder, what)


def _renamed_relative(message: DynamicMessage, new: str, path: str, folder: str) -> Iterator[Setting]:
    name = text(message, "name")
    rest = below(new, folder)
    yield socket_setting(message, (rest or new) + name[len(path) :])
    if not rest:
        yield Setting(message, "name_dir", None, f"directory of the unix socket {path!r}", folder, "")
