"""Every text in an image, and what it holds: what a change of places follows, and what it leaves alone."""

from __future__ import annotations

from typing import Literal, NamedTuple

Holds = Literal[
    "path", "mount root", "mount options", "key", "socket", "cgroup path", "cgroup directory", "other"
]
"""What a text is.

- ``path``: a path, as a process sees it
- ``mount root``: a path within a file system
- ``mount options``: options with commas between them, some of them paths
- ``key``: the name under which something from outside is given at the restore
- ``socket``: the name of a unix socket
- ``cgroup path``, ``cgroup directory``: the path of a control group, or a part of one
- ``other``: no place
"""


class TextField(NamedTuple):
    """A field of a message, what it ``holds``, and what a person calls it."""

    message: str
    field: str
    holds: Holds
    what: str


TEXT_FIELDS: tuple[TextField, ...] = (
    TextField("reg_file_entry", "name", "path", "file"),
    TextField("fh_entry", "path", "path", "watched path"),
    TextField("fanotify_mount_mark_entry", "path", "path", "watched mountpoint"),
    TextField("irmap_cache_entry", "path", "path", "remembered path"),
    TextField("ghost_file_entry", "symlnk_target", "path", "target of a deleted symbolic link"),
    TextField("binfmt_misc_entry", "interpreter", "path", "interpreter of a binary format"),
    TextField("mnt_entry", "mountpoint", "path", "mountpoint"),
    TextField("mnt_entry", "root", "mount root", "root of a mount"),
    TextField("mnt_entry", "source", "path", "source of a mount"),
    TextField("mnt_entry", "options", "mount options", "options of a mount"),
    TextField("mnt_entry", "ext_key", "key", "key of an external mount"),
    TextField("netns_entry", "ext_key", "key", "key of an external network namespace"),
    TextField("pidns_entry", "ext_key", "key", "key of an external pid namespace"),
    TextField("unix_sk_entry", "name", "socket", "unix socket"),
    TextField("unix_sk_entry", "name_dir", "path", "directory of a unix socket"),
    TextField("cg_member_entry", "path", "cgroup path", "control group"),
    TextField("cgroup_dir_entry", "dir_name", "cgroup directory", "control group directory"),
    TextField("cg_member_entry", "name", "other", "name of a controller"),
    TextField("cg_controller_entry", "cnames", "other", "names of controllers"),
    TextField("cgroup_prop_entry", "name", "other", "name of a setting"),
    TextField("cgroup_prop_entry", "value", "other", "value of a setting"),
    TextField("mnt_entry", "fsname", "other", "name of a file system"),
    TextField("memfd_inode_entry", "name", "other", "name of a memory file, which stands nowhere"),
    TextField("binfmt_misc_entry", "name", "other", "name of a binary format"),
    TextField("binfmt_misc_entry", "flags", "other", "flags"),
    TextField("binfmt_misc_entry", "extension", "other", "how names of files end"),
    TextField("binfmt_misc_entry", "magic", "other", "how files begin"),
    TextField("binfmt_misc_entry", "mask", "other", "which bits of that count"),
    TextField("bpfmap_file_entry", "map_name", "other", "name of a BPF map"),
    TextField("aa_namespace", "name", "other", "name of an AppArmor namespace"),
    TextField("aa_policy", "name", "other", "name of an AppArmor profile, even if it looks like a path"),
    TextField("aa_policy", "blob", "other", "a compiled AppArmor profile"),
    TextField("creds_entry", "lsm_profile", "other", "name of a security profile"),
    TextField("creds_entry", "lsm_sockcreate", "other", "security label"),
    TextField("creds_entry", "apparmor_data", "other", "AppArmor's state"),
    TextField("fdinfo_entry", "xattr_security_selinux", "other", "security label"),
    TextField("seccomp_filter", "filter", "other", "machine code"),
    TextField("siginfo_entry", "siginfo", "other", "a signal"),
    TextField("task_core_entry", "comm", "other", "name of a process"),
    TextField("thread_core_entry", "comm", "other", "name of a thread"),
    TextField("inet_sk_entry", "ifname", "other", "name of a network device"),
    TextField("sk_opts_entry", "so_bound_dev", "other", "name of a network device"),
    TextField("net_device_entry", "name", "other", "name of a network device"),
    TextField("net_device_entry", "address", "other", "hardware address"),
    TextField("tunfile_entry", "netdev", "other", "name of a network device"),
    TextField("packet_mclist", "addr", "other", "hardware address"),
    TextField("sysctl_entry", "sarg", "other", "network setting"),
    TextField("utsns_entry", "nodename", "other", "host name"),
    TextField("utsns_entry", "domainname", "other", "domain name"),
    TextField("tty_data_entry", "data", "other", "what was typed"),
    TextField("cpuinfo_x86_entry", "model_id", "other", "name of a processor"),
    TextField("criu_kfd", "priv_data", "other", "state of a graphics card"),
    TextField("inventory_entry", "dump_criu_run_id", "other", "id of the dump"),
    TextField("plugins_entry", "plugins", "other", "names of CRIU's plugins"),
)
"""A row for each text and byte field of the messages that records hold, in any release."""


def fields_holding(*kinds: Holds) -> dict[str, tuple[TextField, ...]]:
    """The fields that hold any of these, by message."""
    found: dict[str, tuple[TextField, ...]] = {}
    for row in TEXT_FIELDS:
        if row.holds in kinds:
            found[row.message] = (*found.get(row.message, ()), row)
    return found
