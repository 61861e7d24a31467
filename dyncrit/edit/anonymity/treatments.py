"""What becomes of each field: tables of those that are harmless, or of a known kind; all else is scrubbed.

Texts that no table has are scrubbed as names, bytes are filled, so that what the next release of CRIU adds is
scrubbed before anybody has heard of it. Numbers stay, but for those that a table has and for what is in
registers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from dyncrit.edit.anonymity import vocabulary
from dyncrit.edit.anonymity.addresses import Addresses
from dyncrit.edit.anonymity.fill import FILLER
from dyncrit.edit.anonymity.keyed import Keyed
from dyncrit.edit.anonymity.names import Names
from dyncrit.schema.options import criu_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Pseudonyms:
    """What stands for what in one run, or in all runs with the same key."""

    def __init__(self, key: bytes = b"") -> None:
        """``key`` is anything that nobody else knows; without one, a random one is used and forgotten."""
        self.keyed = Keyed(key)
        self.addresses = Addresses(self.keyed)
        self.names = Names(self.keyed, self.addresses)


class Treatment(NamedTuple):
    """What becomes of a text, or of bytes: ``kind`` is what counts call it."""

    kind: str
    apply: Callable[[Pseudonyms, bytes], bytes]


def _unless(pattern: re.Pattern[bytes], kind: str) -> Treatment:
    """What matches stays; all else is a name."""
    return Treatment(kind, lambda to, value: value if pattern.fullmatch(value) else to.names.path(value))


_SIGINFO_SIZE = 48  # up to the end of the largest member of the kernel's union

KEEP = Treatment("kept", lambda _to, value: value)
PATH = Treatment("path", lambda to, value: to.names.path(value))
NAME = Treatment("name", lambda to, value: to.names.path(value))
HOST = Treatment("host name", lambda to, value: to.names.host(value))
INTERFACE = Treatment("interface", lambda to, value: to.names.interface(value))
LABEL = Treatment("label", lambda to, value: to.names.label(value))
OPTIONS = Treatment("mount option", lambda to, value: to.names.options(value))
SETTING = Treatment("setting", lambda to, value: to.names.words(value))
PROPERTY = _unless(vocabulary.PROPERTIES, "name")
PLUGIN = _unless(vocabulary.PLUGINS, "name")
BINFMT_FLAGS = _unless(vocabulary.BINFMT_FLAGS, "name")
HARDWARE = Treatment("address", lambda to, value: to.addresses.packed(value))
FILL = Treatment("bytes field", lambda _to, value: FILLER * len(value))
SIGNAL = Treatment(
    "signal", lambda _to, value: value[:_SIGINFO_SIZE] + bytes(max(len(value) - _SIGINFO_SIZE, 0))
)

_TEXTS: Mapping[str, Treatment] = {
    "aa_namespace.name": LABEL,
    "aa_policy.name": LABEL,
    "binfmt_misc_entry.flags": BINFMT_FLAGS,
    "binfmt_misc_entry.interpreter": PATH,
    "cg_controller_entry.cnames": SETTING,
    "cg_member_entry.name": SETTING,
    "cg_member_entry.path": PATH,
    "cgroup_dir_entry.dir_name": PATH,
    "cgroup_prop_entry.name": PROPERTY,
    "cgroup_prop_entry.value": SETTING,
    "cpuinfo_x86_entry.model_id": KEEP,  # what the vendor calls the processor
    "creds_entry.lsm_profile": LABEL,
    "creds_entry.lsm_sockcreate": LABEL,
    "fanotify_mount_mark_entry.path": PATH,
    "fdinfo_entry.xattr_security_selinux": LABEL,
    "fh_entry.path": PATH,
    "ghost_file_entry.symlnk_target": PATH,
    "inet_sk_entry.ifname": INTERFACE,
    "irmap_cache_entry.path": PATH,
    "mnt_entry.ext_key": PATH,
    "mnt_entry.fsname": PATH,
    "mnt_entry.mountpoint": PATH,
    "mnt_entry.options": OPTIONS,
    "mnt_entry.root": PATH,
    "mnt_entry.source": PATH,
    "net_device_entry.address": HARDWARE,
    "net_device_entry.name": INTERFACE,
    "packet_mclist.addr": HARDWARE,
    "plugins_entry.plugins": PLUGIN,
    "reg_file_entry.name": PATH,
    "seccomp_filter.filter": KEEP,  # code: which system calls are allowed, with which flags
    "siginfo_entry.siginfo": SIGNAL,
    "sk_opts_entry.so_bound_dev": INTERFACE,
    "sysctl_entry.sarg": SETTING,
    "tunfile_entry.netdev": INTERFACE,
    "unix_sk_entry.name": PATH,
    "unix_sk_entry.name_dir": PATH,
    "utsns_entry.domainname": HOST,
    "utsns_entry.nodename": HOST,
}
"""The texts and bytes that are harmless, or more than a name."""


class Number(NamedTuple):
    """What becomes of a number, or of all that a repeated field holds: ``action`` is what is done to it.

    ``pointer``: it stays where it is small or leads into memory that is mapped, else it is 0. ``zero``: it is
    0. ``address``: IP. ``digest``: what follows from it under the key. ``filter``: instructions of a socket
    filter, whose large constants are 0.
    """

    kind: str
    action: str


POINTER = Number("value", "pointer")
REGISTER = Number("register", "pointer")
CLEARED = Number("register", "zero")
ADDRESS = Number("address", "address")
DIGEST = Number("digest", "digest")
FILTER = Number("filter", "filter")

_NUMBERS: Mapping[str, Number] = {
    "eventpoll_tfd_entry.data": POINTER,
    "posix_timer_entry.sival_ptr": POINTER,
    "reg_file_entry.build_id": DIGEST,
    "reg_file_entry.checksum": DIGEST,
    "sk_opts_entry.so_filter": FILTER,
}
"""The numbers that don't stay, beside addresses, which the schema tells, and registers."""

CPU_MESSAGE = re.compile(r"thread_info_\w+")
"""Messages that hold the state of a processor: all numbers below are registers, or keys."""

_POINTER_MESSAGE = re.compile(r"thread_info_\w+|user_desc_t|user_\w+_(?:regs|gpregs)_entry")
_FLOATING = re.compile(r"fpregs|fpstate|vrs|vxrs")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STATUS = _names(
    # flags and modes of general purpose registers
    "flags pstate psw_mask cpsr msr xer ccr trap texasr cp0_status cp0_cause system_call "
    # control words of floating point units, and which parts of them are in use
    "cwd swd twd fop mxcsr mxcsr_mask xstate_bv pkru cet fpsr fpcr fpscr fpexc fcsr fpc fpu_fcr31 fpu_id "
    "vrsave ri_on pac_enabled_key "
    # what a TLS entry is
    "entry_number limit"
)
"""Numbers of a processor's state that stay."""

_POINTERS = _names("rip rdp ssp")
"""Numbers of floating point units and shadow stacks that are addresses."""

_NUMERIC = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
        FieldDescriptor.CPPTYPE_DOUBLE,
        FieldDescriptor.CPPTYPE_FLOAT,
    }
)


def field_name(field: FieldDescriptor) -> str:
    """A field with its message, as the tables here have it."""
    return f"{_message_name(field)}.{field.name}"


def text_treatment(field: FieldDescriptor) -> Treatment:
    """What becomes of a field of text or bytes."""
    return _TEXTS.get(field_name(field), FILL if field.type == FieldDescriptor.TYPE_BYTES else NAME)


def number_treatment(field: FieldDescriptor, *, in_cpu: bool) -> Number | None:
    """What becomes of a number; None if it stays. ``in_cpu`` tells that it is of a processor's state."""
    if field.cpp_type not in _NUMERIC:
        return None
    if in_cpu:
        return _register_treatment(field)
    if criu_options(field).ipadd:
        return ADDRESS
    return _NUMBERS.get(field_name(field))


def _register_treatment(field: FieldDescriptor) -> Number | None:
    if field.name in _STATUS:
        return None
    message = _message_name(field)
    is_general = _POINTER_MESSAGE.fullmatch(message) and not _FLOATING.search(message)
    return REGISTER if is_general or field.name in _POINTERS else CLEARED


def _message_name(field: FieldDescriptor) -> str:
    message = field.containing_type
    return message.name if message is not None else ""
