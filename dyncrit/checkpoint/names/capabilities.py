"""Capabilities and secure bits by name, from the kernel's <linux/capability.h> and <linux/securebits.h>."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE"
    " NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT"
    " SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE"
    " AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ"
    " PERFMON BPF CHECKPOINT_RESTORE"
)
CAPABILITIES: tuple[str, ...] = tuple(f"CAP_{name}" for name in _CAPABILITIES.split())
"""By bit; the last one came with Linux 5.9."""

_SECURE_BITS = tuple(
    f"SECBIT_{name}{locked}"
    for name in (
        "NOROOT",
        "NO_SETUID_FIXUP",
        "KEEP_CAPS",
        "NO_CAP_AMBIENT_RAISE",
        "EXEC_RESTRICT_FILE",
        "EXEC_DENY_INTERACTIVE",
    )
    for locked in ("", "_LOCKED")
)


def capability_names(words: Iterable[int]) -> list[str]:
    """The capabilities in a set, as ``creds_entry`` has it: words of 32 bits, the lowest first.

    A bit that has no name is shown as ``CAP_41``.

    >>> capability_names([0x21, 0x100])
    ['CAP_CHOWN', 'CAP_KILL', 'CAP_CHECKPOINT_RESTORE']
    """
    mask = sum((word & 0xFFFF_FFFF) << 32 * index for index, word in enumerate(words))
    bits = (bit for bit in range(mask.bit_length()) if mask >> bit & 1)
    return [CAPABILITIES[bit] if bit < len(CAPABILITIES) else f"CAP_{bit}" for bit in bits]


def secure_bits(value: int) -> list[str]:
    """The names of the bits in ``creds_entry.secbits``; one without a name as a number.

    >>> secure_bits(0b110001)
    ['SECBIT_NOROOT', 'SECBIT_KEEP_CAPS', 'SECBIT_KEEP_CAPS_LOCKED']
    """
    bits = (bit for bit in range(value.bit_length()) if value >> bit & 1)
    return [_SECURE_BITS[bit] if bit < len(_SECURE_BITS) else hex(1 << bit) for bit in bits]
