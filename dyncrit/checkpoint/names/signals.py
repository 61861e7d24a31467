"""Signals by name: numbers, sets of them, the flags of their handlers and the codes of queued ones.

From the kernel's UAPI headers: <asm-generic/signal.h>, <asm-generic/siginfo.h> and, for MIPS, whose numbers
differ, arch/mips/include/uapi/asm. ``architecture`` is a name of the enum ``core_entry.march``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MIPS = "MIPS"
"""The one architecture of CRIU's whose signals and limits have numbers of their own."""

_GENERIC = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN"
    " TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
)
_OF_MIPS = (
    "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM USR1 USR2 CHLD PWR WINCH URG IO STOP"
    " TSTP CONT TTIN TTOU VTALRM PROF XCPU XFSZ"
)

_FIRST_REAL_TIME = 34  # the kernel's is 32; the C libraries keep 32 and 33 for themselves
_LAST_SIGNAL = {MIPS: 127}
_DEFAULT_LAST_SIGNAL = 64


def signal_name(number: int, architecture: str = "") -> str:
    """The name of a signal; a real-time one counted from the C library's SIGRTMIN, 34.

    >>> signal_name(9), signal_name(36), signal_name(10, "MIPS"), signal_name(33), signal_name(500)
    ('SIGKILL', 'SIGRTMIN+2', 'SIGBUS', 'SIG33', '500')
    """
    names = _NAMES_OF_MIPS if architecture == MIPS else _NAMES
    if number in names:
        return names[number]
    if number == _FIRST_REAL_TIME:
        return "SIGRTMIN"
    if _FIRST_REAL_TIME < number <= _LAST_SIGNAL.get(architecture, _DEFAULT_LAST_SIGNAL):
        return f"SIGRTMIN+{number - _FIRST_REAL_TIME}"
    return f"SIG{number}" if number in {32, 33} else str(number)


def signal_set(mask: int, architecture: str = "") -> list[str]:
    """The names of the signals in a set, whose bit 0 is signal 1.

    MIPS has 128 signals; of a set in two halves (``blk_sigset`` and ``blk_sigset_extended``) pass
    ``mask | extended << 64``.

    >>> signal_set(0x4001)
    ['SIGHUP', 'SIGTERM']
    """
    return [signal_name(bit + 1, architecture) for bit in range(mask.bit_length()) if mask >> bit & 1]


def action_flags(flags: int, architecture: str = "") -> list[str]:
    """The names of the bits of ``sa_entry.flags``; bits without a name as one hexadecimal number.

    >>> action_flags(0x14000004)
    ['SA_SIGINFO', 'SA_RESTORER', 'SA_RESTART']
    """
    table = _ACTION_FLAGS_OF_MIPS if architecture == MIPS else _ACTION_FLAGS
    names = [name for name, bit in table.items() if flags & bit]
    rest = flags & ~sum(table.values())
    return [*names, hex(rest)] if rest else names


def signal_code(signal: int, code: int, architecture: str = "") -> str:
    """The name of a siginfo's ``si_code``: who or what sent the signal, or why.

    >>> signal_code(12, 0), signal_code(11, 1), signal_code(17, 1), signal_code(12, 77)
    ('SI_USER', 'SEGV_MAPERR', 'CLD_EXITED', '77')
    """
    if architecture == MIPS and code in _CODES_OF_MIPS:
        return _CODES_OF_MIPS[code]
    if code in _CODES:
        return _CODES[code]
    prefix, names = _CODES_BY_SIGNAL.get(signal_name(signal, architecture), ("", ()))
    return f"{prefix}_{names[code - 1]}" if 1 <= code <= len(names) else str(code)


def _numbered(names: str) -> dict[int, str]:
    return {number: f"SIG{name}" for number, name in enumerate(names.split(), 1)}


_NAMES: Mapping[int, str] = _numbered(_GENERIC)
_NAMES_OF_MIPS: Mapping[int, str] = _numbered(_OF_MIPS)

_ACTION_FLAGS: Mapping[str, int] = {
    "SA_NOCLDSTOP": 0x1,
    "SA_NOCLDWAIT": 0x2,
    "SA_SIGINFO": 0x4,
    "SA_UNSUPPORTED": 0x400,
    "SA_EXPOSE_TAGBITS": 0x800,
    "SA_RESTORER": 0x0400_0000,
    "SA_ONSTACK": 0x0800_0000,
    "SA_RESTART": 0x1000_0000,
    "SA_NODEFER": 0x4000_0000,
    "SA_RESETHAND": 0x8000_0000,
}
_ACTION_FLAGS_OF_MIPS: Mapping[str, int] = {
    name: {"SA_SIGINFO": 0x8, "SA_NOCLDWAIT": 0x10000}.get(name, bit) for name, bit in _ACTION_FLAGS.items()
}

_CODES: Mapping[int, str] = {
    0: "SI_USER",
    0x80: "SI_KERNEL",
    -1: "SI_QUEUE",
    -2: "SI_TIMER",
    -3: "SI_MESGQ",
    -4: "SI_ASYNCIO",
    -5: "SI_SIGIO",
    -6: "SI_TKILL",
    -7: "SI_DETHREAD",
    -60: "SI_ASYNCNL",
}
_CODES_OF_MIPS: Mapping[int, str] = {-2: "SI_ASYNCIO", -3: "SI_TIMER", -4: "SI_MESGQ"}
_CODES_BY_SIGNAL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    name: (prefix, tuple(names.split()))
    for name, prefix, names in (
        ("SIGILL", "ILL", "ILLOPC ILLOPN ILLADR ILLTRP PRVOPC PRVREG COPROC BADSTK BADIADDR"),
        ("SIGFPE", "FPE", "INTDIV INTOVF FLTDIV FLTOVF FLTUND FLTRES FLTINV FLTSUB"),
        ("SIGSEGV", "SEGV", "MAPERR ACCERR BNDERR PKUERR ACCADI ADIDERR ADIPERR MTEAERR MTESERR CPERR"),
        ("SIGBUS", "BUS", "ADRALN ADRERR OBJERR MCEERR_AR MCEERR_AO"),
        ("SIGTRAP", "TRAP", "BRKPT TRACE BRANCH HWBKPT UNK PERF"),
        ("SIGCHLD", "CLD", "EXITED KILLED DUMPED TRAPPED STOPPED CONTINUED"),
        ("SIGIO", "POLL", "IN OUT MSG ERR PRI HUP"),
        ("SIGSYS", "SYS", "SECCOMP USER_DISPATCH"),
    )
}
