"""AppArmor's profiles, taken out of all threads, with the policies that they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import is_set, number, optional, text
from dyncrit.edit.cores import core_images
from dyncrit.edit.touched import Touched
from dyncrit.edit.whole import whole
from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.entry import Entry
    from dyncrit.types import DynamicMessage


@whole
def drop_apparmor(edit: Edit) -> list[Touched]:
    """Take AppArmor's profiles out of all threads, and remove apparmor.img with its policies.

    A restore refuses profiles on a host without AppArmor (validate_lsm() of criu/lsm.c), and loads the
    policies of apparmor.img whatever the host is. The type in the inventory counts for profiles only, so it
    stays. Raises ImageError where an image is damaged, and where the labels are SELinux's: those aren't
    touched.
    """
    profiles = list(_profiles(edit))
    if profiles and _is_of_selinux(edit):
        raise ImageError(
            f"its labels are of SELinux, not of AppArmor ({profiles[0].shown}); nothing was changed",
            edit.checkpoint.name,
        )
    for name in dict.fromkeys(profile.name for profile in profiles):
        edit.rewrite(name, _without_profiles)
    touched = [Touched(profile.place, profile.what, profile.shown) for profile in profiles]
    if _POLICIES in edit.images:
        names = [text(item, "name") for entry in edit.entries(_POLICIES) for item in entry.message.namespaces]
        edit.images.remove(_POLICIES)
        shown = f"those of {', '.join(names)}" if names else "an empty image"
        touched.append(Touched(_POLICIES, "policies", shown))
    return touched


_POLICIES = "apparmor.img"
_SELINUX = 1  # lsmtype of images/inventory.proto
_FIELDS = {
    "lsm_profile": "AppArmor profile",
    "lsm_sockcreate": "label of new sockets",
    "apparmor_data": "AppArmor data",
}
"""The fields of creds_entry, and what they are."""


class _Profile(NamedTuple):
    """A field to be dropped: the image that it stands in, and what :class:`Touched` tells of it."""

    name: str
    place: str
    what: str
    shown: str


def _profiles(edit: Edit) -> Iterator[_Profile]:
    """What the credentials of all threads say of profiles."""
    sources = [(core.name, core.place, core.thread) for core in core_images(edit)]
    sources += [(f"creds-{pid}.img", f"process {pid}", "") for pid in edit.preview().images.numbers("creds")]
    for name, place, thread in sources:
        for entry in edit.entries(name):
            for credentials, field in _in_use(entry.message):
                yield _Profile(name, place, f"{thread}{_FIELDS[field]}", _shown(credentials, field))


def _is_of_selinux(edit: Edit) -> bool:
    inventories = [entry.message for entry in edit.entries("inventory.img")]
    return any(number(inventory, "lsmtype") == _SELINUX for inventory in inventories)


def _in_use(message: DynamicMessage) -> Iterator[tuple[DynamicMessage, str]]:
    """The credentials that a message has, with each of their fields that is set.

    They are a part of core images since CRIU 2.0, and had images of their own before.
    """
    holder = optional(message, "thread_core")
    credentials = message if holder is None else optional(holder, "creds")
    if credentials is None:
        return
    for field in _FIELDS:
        if is_set(credentials, field):
            yield credentials, field


def _shown(credentials: DynamicMessage, field: str) -> str:
    if field == "apparmor_data":
        return f"{len(credentials.apparmor_data)} bytes"
    return text(credentials, field) or "an empty one"


def _without_profiles(entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        for credentials, field in _in_use(entry.message):
            credentials.ClearField(field)
        yield entry
