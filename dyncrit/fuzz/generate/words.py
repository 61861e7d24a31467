"""Plausible texts: paths, names of programs, hosts and devices, and other words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.fuzz.chance import Chance

WORDS = (
    "a",
    "usr",
    "lib",
    "bin",
    "var",
    "tmp",
    "log",
    "data",
    "run",
    "etc",
    "dev",
    "server",
    "libc.so.6",
    "shm",
    "cache-1",
    "with space",
    "données",
    "ファイル",
)
"""Parts of paths, and words where nothing more is known."""

PROGRAMS = ("sh", "python3", "nginx", "postgres", "kworker/0:1", "java", "a b", "(sd-pam)")
DEVICES = ("lo", "eth0", "veth1a2b3c", "br0", "tun0", "docker0")
HOSTS = ("localhost", "node-1", "web.example.org", "(none)")
SYSTEMS = ("tmpfs", "proc", "ext4", "overlay", "/dev/sda1", "none", "cgroup2")
OPTIONS = ("", "rw", "ro,nosuid", "size=65536k,mode=755", "lowerdir=/a:/b,upperdir=/c")
PROFILES = ("unconfined", "docker-default", "system_u:system_r:init_t:s0")
CONTROLLERS = ("cpu", "memory", "pids", "cpuset", "name=systemd", "")


def path(chance: Chance) -> str:
    """An absolute path of up to five parts."""
    return "/" + "/".join([chance.one_of(WORDS) for _ in range(chance.below(6))])


class _Vocabulary(NamedTuple):
    """Texts for fields whose names match."""

    pattern: re.Pattern[str]
    make: Callable[[Chance], str]


def _from(words: tuple[str, ...]) -> Callable[[Chance], str]:
    return lambda chance: chance.one_of(words)


_VOCABULARIES = (
    _Vocabulary(re.compile(r"comm|cname"), _from(PROGRAMS)),
    _Vocabulary(re.compile(r"ifname|netdev|bound_dev"), _from(DEVICES)),
    _Vocabulary(re.compile(r"nodename|domainname"), _from(HOSTS)),
    _Vocabulary(re.compile(r"fsname|source|extension"), _from(SYSTEMS)),
    _Vocabulary(re.compile(r"options|flags"), _from(OPTIONS)),
    _Vocabulary(re.compile(r"lsm|apparmor|selinux"), _from(PROFILES)),
    _Vocabulary(re.compile(r"cnames|ctl"), _from(CONTROLLERS)),
    _Vocabulary(re.compile(r"path|name|root|mountpoint|dir|interpreter|target|sarg"), path),
)
_ANY = _from(WORDS)


def text_maker(field_name: str) -> Callable[[Chance], str]:
    """What makes plausible texts for a field, judged by its name."""
    return next((row.make for row in _VOCABULARIES if row.pattern.search(field_name)), _ANY)


def names() -> tuple[str, ...]:
    """All words that texts are made of, each once."""
    every = (*WORDS, *PROGRAMS, *DEVICES, *HOSTS, *SYSTEMS, *OPTIONS, *PROFILES, *CONTROLLERS)
    return tuple(dict.fromkeys(word for word in every if word))
