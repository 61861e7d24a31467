"""Names of the kernel's numbers, compared with those that Python and the machine's headers know."""

from __future__ import annotations

import json
import resource
import signal
import socket
from importlib.resources import files

import pytest

from dyncrit.checkpoint.names import numbers
from dyncrit.checkpoint.names.capabilities import CAPABILITIES, capability_names, secure_bits
from dyncrit.checkpoint.names.signals import action_flags, signal_code, signal_name, signal_set
from dyncrit.schema import Schema


def test_signals_have_the_names_that_python_knows():
    aliases = {"SIGCLD": "SIGCHLD", "SIGPOLL": "SIGIO", "SIGIOT": "SIGABRT"}
    known = {s.value: aliases.get(s.name, s.name) for s in signal.Signals if not s.name.startswith("SIGRT")}
    assert {number: signal_name(number) for number in known} == known
    assert signal_name(signal.SIGRTMIN) == "SIGRTMIN"


def test_real_time_signals_end_where_the_architecture_ends_them():
    assert signal_name(64) == "SIGRTMIN+30"
    assert signal_name(65) == "65"
    assert signal_name(127, "MIPS") == "SIGRTMIN+93"
    assert signal_name(0) == "0"


@pytest.mark.parametrize(
    ("number", "name"), [(7, "SIGEMT"), (16, "SIGUSR1"), (18, "SIGCHLD"), (30, "SIGXCPU")]
)
def test_signals_of_mips_have_numbers_of_their_own(number, name):
    assert signal_name(number, "MIPS") == name


def test_sets_of_signals_are_read_from_bit_0():
    assert signal_set(0) == []
    assert signal_set(1 << 11 | 1 << 63) == ["SIGUSR2", "SIGRTMIN+30"]
    assert signal_set(1 << 64, "MIPS") == ["SIGRTMIN+31"]


def test_flags_of_handlers_are_named_and_the_rest_is_shown():
    assert action_flags(0) == []
    assert action_flags(0x14000004) == ["SA_SIGINFO", "SA_RESTORER", "SA_RESTART"]
    assert action_flags(0x8, "MIPS") == ["SA_SIGINFO"]
    assert action_flags(0x8) == ["0x8"]


def test_codes_of_signals_depend_on_the_signal():
    assert signal_code(signal.SIGSEGV, 2) == "SEGV_ACCERR"
    assert signal_code(signal.SIGCHLD, 5) == "CLD_STOPPED"
    assert signal_code(signal.SIGCHLD, 0) == "SI_USER"
    assert signal_code(signal.SIGUSR1, -1) == "SI_QUEUE"
    assert signal_code(signal.SIGUSR1, 5) == "5"
    assert signal_code(16, -3, "MIPS") == "SI_TIMER"


def test_capabilities_are_named_by_bit():
    assert len(CAPABILITIES) == 41
    assert [CAPABILITIES[bit] for bit in (0, 12, 21, 38, 40)] == [
        "CAP_CHOWN",
        "CAP_NET_ADMIN",
        "CAP_SYS_ADMIN",
        "CAP_PERFMON",
        "CAP_CHECKPOINT_RESTORE",
    ]
    assert capability_names([0xFFFFFFFF, 0x1FF]) == list(CAPABILITIES)
    assert capability_names([]) == []
    assert capability_names([0, 1 << 9]) == ["CAP_41"]


def test_secure_bits_are_named():
    assert secure_bits(0) == []
    assert secure_bits(1 << 7 | 1 << 20) == ["SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED", "0x100000"]


def test_limits_have_the_names_that_python_knows():
    known = {
        value: name
        for name, value in vars(resource).items()
        if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
    }
    assert {index: numbers.rlimit_name(index) for index in known} == known
    assert numbers.rlimit_name(9, "MIPS") == "RLIMIT_MEMLOCK"
    assert numbers.rlimit_name(-1) == "RLIMIT_-1"


def test_clocks_are_named():
    assert numbers.clock_name(7) == "CLOCK_BOOTTIME"
    assert numbers.clock_name(0xFFFFFFFE) == "CLOCK_CPU"
    assert numbers.clock_name(10) == "10"


def test_kinds_of_namespaces_are_those_of_the_schema():
    fields = Schema.default().message_class("task_kobj_ids_entry").DESCRIPTOR.fields_by_name
    assert set(numbers.NAMESPACE_FIELDS) == {name for name in fields if name.endswith("_ns_id")}


def test_socket_numbers_agree_with_pythons():
    for number, name in numbers.SOCKET_FAMILIES.items():
        assert getattr(socket, f"AF_{name}") == number
    for number, name in numbers.INTERNET_PROTOCOLS.items():
        assert getattr(socket, f"IPPROTO_{name}", number) == number


def test_file_systems_are_all_that_the_schema_names():
    history = json.loads((files("dyncrit.schema") / "data" / "history.json").read_text())
    known = {number: name for number, name, *_ in history["enums"]["fstype"]["values"]}
    assert known.pop(0) == "UNSUPPORTED"
    assert known.pop(16) == "AUTO"
    expected = {number: "overlay" if name == "OVERLAYFS" else name.lower() for number, name in known.items()}
    assert dict(numbers.FILE_SYSTEMS) == expected


def test_mount_flags_are_shown_as_options():
    assert numbers.mount_options(0) == "rw"
    assert numbers.mount_options(0x200003) == "ro,nosuid,relatime"
    assert numbers.mount_options(0x100000) == "rw"
    assert numbers.mount_options(1 << 30) == "rw,0x40000000"
    assert numbers.propagation(0x100000) == ["shared"]
