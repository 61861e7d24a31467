"""Changes of a checkpoint, each with one meaning, made within ``with checkpoint.edit() as edit:``.

Each gives a list of what it touched; nothing is written before the block ends, and nothing if it raises.

>>> from dyncrit import open_checkpoint
>>> from dyncrit.edit import remap_path
>>> with open_checkpoint("tests/data/demo/tree") as checkpoint, checkpoint.edit(dry_run=True) as edit:
...     remap_path(edit, "/srv/demo/log.txt", "/var/log/demo.txt")[0].after
'/var/log/demo.txt'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dyncrit.edit.anonymity.anonymizing import anonymize
    from dyncrit.edit.anonymity.copying import anonymized_copy
    from dyncrit.edit.apparmor import drop_apparmor
    from dyncrit.edit.file_checks import drop_file_checks
    from dyncrit.edit.hostname import set_hostname
    from dyncrit.edit.memory.environment import set_environment
    from dyncrit.edit.memory.writing import write_memory
    from dyncrit.edit.network.addresses import remap_address
    from dyncrit.edit.network.ports import remap_port
    from dyncrit.edit.network.tcp import drop_tcp
    from dyncrit.edit.opening import edit_image
    from dyncrit.edit.places.cgroups import remap_cgroup
    from dyncrit.edit.places.container_id import remap_container_id
    from dyncrit.edit.places.paths import remap_path
    from dyncrit.edit.places.terminals import remap_terminal
    from dyncrit.edit.seccomp import drop_seccomp
    from dyncrit.edit.touched import Touched

__all__ = [
    "Touched",
    "anonymize",
    "anonymized_copy",
    "drop_apparmor",
    "drop_file_checks",
    "drop_seccomp",
    "drop_tcp",
    "edit_image",
    "remap_address",
    "remap_cgroup",
    "remap_container_id",
    "remap_path",
    "remap_port",
    "remap_terminal",
    "set_environment",
    "set_hostname",
    "write_memory",
]

_MODULES = {
    "Touched": "touched",
    "anonymize": "anonymity.anonymizing",
    "anonymized_copy": "anonymity.copying",
    "drop_apparmor": "apparmor",
    "drop_file_checks": "file_checks",
    "drop_seccomp": "seccomp",
    "drop_tcp": "network.tcp",
    "edit_image": "opening",
    "remap_address": "network.addresses",
    "remap_cgroup": "places.cgroups",
    "remap_container_id": "places.container_id",
    "remap_path": "places.paths",
    "remap_port": "network.ports",
    "remap_terminal": "places.terminals",
    "set_environment": "memory.environment",
    "set_hostname": "hostname",
    "write_memory": "memory.writing",
}


def __getattr__(name: str) -> object:
    """Import an operation when it is first used: a command needs only its own."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'dyncrit.edit' has no attribute {name!r}")
