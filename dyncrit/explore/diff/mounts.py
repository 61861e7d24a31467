"""Mounts that appeared, are gone or changed, by mount namespace."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dyncrit.explore.diff.records import Changes, Record, compare_records

if TYPE_CHECKING:
    from collections.abc import Hashable

    from dyncrit.checkpoint import Checkpoint
    from dyncrit.checkpoint.mounts import Mount
    from dyncrit.types import JsonObject


def compare_mounts(before: Checkpoint, after: Checkpoint) -> Changes:
    """The changes of mounts, matched by namespace and mount point.

    Numbers of mounts, and of a namespace that is the only one, are others after a restore and not compared.
    """
    return compare_records(_records(before), _records(after))


def _records(checkpoint: Checkpoint) -> dict[Hashable, Record]:
    found: dict[Hashable, Record] = {}
    single = len(checkpoint.mounts) == 1
    for namespace in checkpoint.mounts.values():
        counts: Counter[str] = Counter()
        for _, mount in namespace.walk():
            counts[mount.mountpoint] += 1  # one may be mounted over another
            key = ("" if single else namespace.id, mount.mountpoint, counts[mount.mountpoint])
            label = {
                "namespace": namespace.id,
                "mountpoint": mount.mountpoint,
                "file_system": mount.file_system,
                "source": mount.source,
            }
            found[key] = Record(label, _fields(mount))
    return found


def _fields(mount: Mount) -> JsonObject:
    return {
        "root": mount.root,
        "source": mount.source,
        "file_system": mount.file_system,
        "device": mount.device,
        "flags": mount.flags,
        "super_flags": mount.super_flags,
        "options": mount.options,
        "propagation": list(mount.propagation),
        "external": mount.external,
        "deleted": mount.deleted,
    }
