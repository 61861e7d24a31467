"""Who a thread is and what it may do: user and group ids, capabilities, labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dyncrit.checkpoint.fields import text
from dyncrit.checkpoint.names.capabilities import capability_names, secure_bits

if TYPE_CHECKING:
    from dyncrit.checkpoint.images import ImageSet
    from dyncrit.types import DynamicMessage


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The capability sets of a thread, by name (``CAP_CHOWN``)."""

    effective: list[str]
    permitted: list[str]
    inheritable: list[str]
    bounding: list[str]
    ambient: list[str]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A thread's credentials: real, effective, saved and file system ids, and what goes with them."""

    uid: int
    gid: int
    euid: int
    egid: int
    suid: int
    sgid: int
    fsuid: int
    fsgid: int
    groups: list[int]
    capabilities: Capabilities
    secure_bits: list[str]
    no_new_privs: bool
    lsm_profile: str


def read_credentials(images: ImageSet, pid: int, core: DynamicMessage | None) -> Credentials | None:
    """The credentials of a thread: in its core image since CRIU 2.0, in creds-PID.img before."""
    if core is not None and core.thread_core.HasField("creds"):
        return _credentials(core.thread_core.creds)
    message = images.first(f"creds-{pid}.img")
    return None if message is None else _credentials(message)


def _credentials(message: DynamicMessage) -> Credentials:
    return Credentials(
        uid=message.uid,
        gid=message.gid,
        euid=message.euid,
        egid=message.egid,
        suid=message.suid,
        sgid=message.sgid,
        fsuid=message.fsuid,
        fsgid=message.fsgid,
        groups=list(message.groups),
        capabilities=Capabilities(
            effective=capability_names(message.cap_eff),
            permitted=capability_names(message.cap_prm),
            inheritable=capability_names(message.cap_inh),
            bounding=capability_names(message.cap_bnd),
            ambient=capability_names(message.cap_amb),
        ),
        secure_bits=secure_bits(message.secbits),
        no_new_privs=bool(message.no_new_privs),
        lsm_profile=text(message, "lsm_profile"),
    )
