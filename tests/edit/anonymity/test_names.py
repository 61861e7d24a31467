"""Names: the same for the same, of the same length, nothing for what all systems have."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.edit.anonymity.treatments import Pseudonyms


@pytest.fixture
def names():
    return Pseudonyms(b"key").names


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        ".",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/lib/libc-2.36.so",
        "/dev/null",
        "/dev/pts/17",
        "/dev/vda1",
        "/proc/1234/fd/3",
        "/proc/self/ns/net",
        "/SYSV0000002a (deleted)",
        "/dev/zero (deleted)",
        "/sys/fs/cgroup",
        "pipe:[4026531840]",
        "anon_inode:[eventpoll]",
        "/[aio]",
    ],
)
def test_what_every_system_has_stays(names, path):
    assert names.path(path.encode()) == path.encode()


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/home/alice/secret.conf", "/home/*****/******.conf"),
        ("/usr/lib/libsecret.so.1.2", "/usr/lib/*********.so.1.2"),
        ("/srv/.hidden", "/srv/.******"),
        ("/memfd:scratch (deleted)", "/memfd:******* (deleted)"),
        ("relative/../name", "********/../****"),
        ("\0abstract\0tail\0", "\0********\0****\0"),
        ("/libpod_parent/libpod-" + 64 * "a", "/libpod_parent/libpod-" + 64 * "*"),
        ("/system.slice/nginx.service", "/system.slice/*****.service"),
        ("/run/user/1000/bus", "/run/****/****/bus"),
        ("/data/12345678", "/data/********"),
        ("/proc/acme", "/proc/****"),
    ],
)
def test_a_path_keeps_its_length_its_known_components_and_the_kinds_of_its_files(names, path, kept):
    if path.startswith(("/data", "/run")):
        kept = kept.replace("data", "****")
    replaced = names.path(path.encode()).decode()
    assert len(replaced) == len(path)
    for old, new, mark in zip(path, replaced, kept, strict=True):
        assert new == old if mark != "*" else new not in "/\0", (replaced, kept)
    assert replaced != path


def test_the_same_component_has_the_same_replacement_everywhere(names):
    one, two = names.path(b"/alice/bob").split(b"/")[1:]
    assert names.path(b"/var/bob/alice") == b"/var/" + two + b"/" + one
    assert names.host(b"alice.bob") == one + b"." + two
    assert names.interface(b"alice") == one
    assert names.path(b"/x/bob.conf").endswith(b"/" + two + b".conf")


def test_digits_stay_digits_and_hexadecimal_ones_what_they_are(names):
    assert names.path(b"/x/20240131").rpartition(b"/")[2].isdigit()
    run = names.path(b"8a844d6c-33a1-43b2-aca6-9ef2175f1b46").decode()
    assert [len(part) for part in run.split("-")] == [8, 4, 4, 4, 12]
    assert set(run) <= set(string.hexdigits.lower() + "-")
    assert run != "8a844d6c-33a1-43b2-aca6-9ef2175f1b46"


def test_different_names_have_different_replacements(names):
    every = [
        bytes([one, two]) for one in string.ascii_letters.encode() for two in string.ascii_letters.encode()
    ]
    assert len({names.path(name) for name in every}) == len(every)
    single = [char.encode() for char in string.ascii_letters]
    assert len({names.path(name) for name in single}) == len(single)


def test_more_names_than_replacements_are_no_error(names):
    every = [bytes([byte]) for byte in range(1, 256) if byte not in b"/."]
    replaced = [names.path(name) for name in every]
    assert all(len(name) == 1 and name.isascii() for name in replaced)


def test_no_name_stays_as_it_was_and_none_becomes_one_that_is_known(names):
    for number in range(2000):
        name = b"n%d" % number
        assert names.path(name) not in {name, b"tmp", b"lib", b"bin"}


def test_names_that_are_not_utf8_become_text(names):
    assert names.path(b"/var/\xff\xfe\x80").isascii()
    assert len(names.path("/wörker-é".encode())) == len("/wörker-é".encode())


def test_names_follow_from_the_key_alone():
    one, same, other = (Pseudonyms(key).names.path(b"/home/alice") for key in (b"a", b"a", b"b"))
    assert one == same != other
    assert Pseudonyms().names.path(b"/home/alice") != Pseudonyms().names.path(b"/home/alice")


@pytest.mark.parametrize(
    "value", ["max", "0-3,5", "a *:* rwm", "c 136:* rwm\nb 8:0 r", "1024", "THAWED", "-1", ""]
)
def test_settings_of_the_kernel_stay(names, value):
    assert names.words(value.encode()) == value.encode()


def test_other_words_of_settings_are_replaced_and_addresses_mapped(names):
    replaced = names.words(b"max acme 10.1.2.3 fd00::1 8:0").decode().split(" ")
    assert (replaced[0], replaced[4]) == ("max", "8:0")
    assert replaced[1] != "acme"
    assert replaced[2].startswith("10.")
    assert replaced[2] != "10.1.2.3"
    assert replaced[3].startswith("2001:db8:")


def test_mount_options_that_the_kernel_has_stay_and_values_of_others_are_replaced(names):
    options = b"rw,size=1024k,mode=755,lowerdir=/home/a1:/b2,password=12345678,user=alice,addr=192.168.3.4"
    replaced = names.options(options).split(b",")
    assert replaced[:3] == [b"rw", b"size=1024k", b"mode=755"]
    assert replaced[3].startswith(b"lowerdir=/home/")
    assert len(replaced[3]) == len(b"lowerdir=/home/a1:/b2")
    for secret in (b"a1", b"b2", b"12345678", b"alice", b"192.168.3.4", b"password"):
        assert secret not in b",".join(replaced)


def test_labels_keep_what_policies_ship(names):
    label = names.label(b"system_u:system_r:acme_t:s0:c1,c1023")
    assert label.startswith(b"system_u:system_r:")
    assert label.endswith(b",c1023")
    assert b"acme" not in label
    assert names.label(b"unconfined") == b"unconfined"
    assert names.label(b"/usr/sbin/acmed (enforce)").endswith(b" (enforce)")


@pytest.mark.parametrize("name", ["lo", "eth0", "enp3s0", "wlan0", "tun1", "br0", "docker0"])
def test_interfaces_that_the_kernel_names_stay(names, name):
    assert names.interface(name.encode()) == name.encode()


def test_hosts_that_all_have_stay(names):
    assert names.host(b"localhost") == b"localhost"
    assert names.host(b"(none)") == b"(none)"
    assert b"acme" not in names.host(b"db1.acme.example")
    assert [len(label) for label in names.host(b"db1.acme.example").split(b".")] == [3, 4, 7]


@given(st.binary(max_size=60) | st.text("./\0 -,=:()deltmf0123abso", max_size=60).map(str.encode))
def test_any_bytes_have_a_replacement(value):
    to = Pseudonyms(b"key").names
    for function in (to.path, to.interface):
        assert len(function(value)) == len(value)
        assert function(value).count(b"/") == value.count(b"/")
    for function in (to.host, to.words, to.label, to.options):
        assert function(value) == function(value)


@pytest.mark.parametrize(
    "piece", [b"a", b"a-", b".a", b".so.1", b" (deleted)", b"memfd:", b"docker-", b"/", b"1", b"x,y="]
)
def test_long_names_take_no_longer_than_their_length(names, piece):
    value = piece * (300_000 // len(piece)) + b"--!"
    start = time.process_time()
    for function in (names.path, names.host, names.words, names.label, names.options, names.interface):
        function(value)
    assert time.process_time() - start < 20
