"""Owner, mode, times and extended attributes of files that take the place of others."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from dyncrit.atomic import default_mode

if TYPE_CHECKING:
    from pathlib import Path

# Digests and signatures of a file's content, which new content doesn't have (Documentation/security/IMA).
_OF_CONTENT = frozenset({"security.ima", "security.evm"})
_ACCESS_LIST = "system.posix_acl_access"
_REFUSALS = frozenset({errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENODATA, errno.EINVAL})


def keep_attributes(source: Path, target: Path) -> None:
    """Give a file, or directory, what another one has of all these, as far as the system permits."""
    status = source.stat()
    _give(target, status.st_uid, status.st_gid)
    _copy_extended(source, target)
    is_given = _owner(target) == (status.st_uid, status.st_gid)
    bits = stat.S_IMODE(status.st_mode)
    # a program that runs as its owner must not become one that runs as somebody else
    target.chmod(bits if is_given else bits & ~(stat.S_ISUID | stat.S_ISGID))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def give_new_attributes(directory: Path, target: Path) -> None:
    """Give a file what a new one in ``directory`` has: the directory's owner, and the usual mode."""
    status = directory.stat()
    _give(target, status.st_uid, status.st_gid)
    with suppress(OSError):
        os.removexattr(target, _ACCESS_LIST)  # that of the folder in which it was made
    target.chmod(default_mode())


def have_one_owner(first: Path, second: Path) -> bool:
    """Whether user and group of two files are the same."""
    return _owner(first) == _owner(second)


def _owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def _give(target: Path, user: int, group: int) -> None:
    if _owner(target) == (user, group):
        return
    try:
        os.chown(target, user, group)
    except PermissionError:
        with suppress(PermissionError):
            os.chown(target, -1, group)


def _copy_extended(source: Path, target: Path) -> None:
    try:
        names = os.listxattr(source)
    except OSError as error:
        if error.errno in _REFUSALS:
            return
        raise
    for name in set(os.listxattr(target)).difference(names):
        with suppress(OSError):
            os.removexattr(target, name)
    for name in names:
        if name in _OF_CONTENT:
            continue
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
