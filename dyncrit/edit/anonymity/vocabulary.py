"""Words that tell nothing of anybody: what every Linux system has, and what the kernel and CRIU coin.

Whatever is not here is scrubbed. A word belongs here if it is the same on all machines; programs don't, since
which of them somebody runs is that somebody's business.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[bytes]:
    return frozenset(text.encode().split())


COMPONENTS = frozenset({b"", b"(none)"}) | _words(
    # directories of the file system hierarchy
    ". .. bin boot dev etc home lib lib32 lib64 libx32 libexec lost+found media mnt opt proc root run sbin "
    "srv sys tmp usr var local share include src games man cache lock log mail spool www lib.usr-is-merged "
    "x86_64-linux-gnu i386-linux-gnu aarch64-linux-gnu arm-linux-gnueabihf powerpc64le-linux-gnu "
    "s390x-linux-gnu mips64el-linux-gnuabi64 riscv64-linux-gnu loongarch64-linux-gnu "
    "locale zoneinfo gconv gconv-modules.cache C.utf8 LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY "
    "LC_MESSAGES SYS_LC_MESSAGES LC_PAPER LC_NAME LC_ADDRESS LC_TELEPHONE LC_MEASUREMENT LC_IDENTIFICATION "
    # files that every system has
    "passwd group shadow hosts hostname resolv.conf nsswitch.conf localtime ld.so.cache ld.so.conf "
    "ld.so.preload mtab fstab machine-id os-release .dockerenv .containerenv "
    "libc.so.6 libm.so.6 libdl.so.2 librt.so.1 libpthread.so.0 libutil.so.1 libresolv.so.2 libgcc_s.so.1 "
    "libstdc++.so.6 "
    # devices
    "null zero full random urandom kmsg mem port ptmx pts tty console stdin stdout stderr fd core shm mqueue "
    "hugepages initctl fuse kvm net tun vhost-net mapper disk input event snd dri by-id by-uuid by-path "
    "watchdog rtc rtc0 hpet autofs cuse loop-control snapshot uinput vga_arbiter ppp "
    # proc, sys, control groups
    "self thread-self task fdinfo ns cwd exe maps mem pagemap status stat statm cmdline environ mounts "
    "mountinfo comm attr current auxv limits root ipv4 ipv6 conf core kernel vm fs block bus class devices "
    "firmware module power cgroup unified systemd binfmt_misc register fuse pstore bpf tracing debug debugfs "
    "tracefs securityfs configfs selinux apparmor sysrq-trigger kcore kallsyms keys latency_stats timer_list "
    "sched_debug scsi acpi asound interrupts irq meminfo cpuinfo uptime loadavg version filesystems "
    "system.slice user.slice machine.slice init.scope kubepods kubepods.slice kubepods-besteffort.slice "
    "kubepods-burstable.slice besteffort burstable docker libpod_parent podman crio lxc containerd "
    "cpu cpuacct cpuset memory blkio io pids freezer net_cls net_prio perf_event hugetlb rdma misc "
    # container engines
    "containers storage overlay-containers overlay-images overlay-layers overlay2 userdata diff work merged "
    "upper lower .empty-directory artifacts volumes _data runc crun libpod buildah snapshots rootfs "
    "checkpoint io.containerd.runtime.v2.task io.containerd.snapshotter.v1.overlayfs kubelet pods moby "
    "newroot "
    # file systems, which are called like their devices in tables of mounts
    "none tmpfs devtmpfs devpts sysfs overlay aufs rootfs ramfs squashfs nsfs sockfs pipefs mqueue hugetlbfs "
    "ext2 ext3 ext4 xfs btrfs zfs vfat iso9660 udf nfs nfs4 cifs 9p virtiofs cgroup2 autofs efivarfs fusectl "
    # hosts
    "localhost localhost.localdomain localdomain"
)
"""Components of paths that stay as they are."""

SUFFIXES = re.compile(
    rb"(?:\.(?:so(?:\.[0-9]{1,6}){0,4}|a|o|ko|py|pyc|pl|rb|sh|js|jar|class|exe|dll|bin|img|dat|data|db|sqlite|"
    rb"conf|cfg|cnf|ini|json|yaml|yml|toml|xml|html|css|txt|md|csv|log|pid|lock|sock|socket|tmp|cache|swp|"
    rb"tar|gz|bz2|xz|zst|zip|pem|crt|key|slice|scope|service|mount|timer|target))+\Z"
)
"""Ends of names that tell what kind of file one is, and stay."""

DELETED = b" (deleted)"
"""What the kernel puts behind the name of a file that is gone."""

COINED = re.compile(
    rb"/?(?:SYSV[0-9a-f]{8}|link_remap\.[0-9]{1,10}|cr-remap-[0-9]{1,10}|\[(?:aio|heap|stack|vdso|vvar|vsyscall)\]"
    rb"|(?:socket|pipe|mnt|net|pid|uts|ipc|user|time|cgroup):\[[0-9]{1,20}\]"
    rb"|anon_inode:(?:\[(?:eventfd|eventpoll|timerfd|signalfd|inotify|fanotify|pidfd|perf_event)\]|inotify)"
    rb"|ld-linux[a-z0-9_-]{0,16}\.so\.[12]|ld64\.so\.[12]|ld-musl-[a-z0-9_]{1,16}\.so\.1"
    rb"|(?:libc|ld|libm|libpthread|libdl|librt)-2\.[0-9]{1,2}\.so"
    rb"|tty(?:S|USB|ACM|AMA)?[0-9]{1,3}|(?:sd|vd|xvd|hd)[a-z]{1,2}[0-9]{0,3}|loop[0-9]{1,4}|dm-[0-9]{1,4}"
    rb"|sr[0-9]{1,2}|md[0-9]{1,3}|ram[0-9]{1,2}|nvme[0-9]{1,2}n[0-9]{1,2}(?:p[0-9]{1,2})?|mmcblk[0-9]p?[0-9]{0,2}"
    rb"|vcs[ua]?[0-9]{0,2}|event[0-9]{1,3}|card[0-9]{1,2}|renderD[0-9]{3}|kfd|nvidia(?:ctl|-uvm|[0-9]{1,2}))"
)
"""Names with numbers in them that the kernel, the C library or CRIU makes up."""

ID_PREFIXES = re.compile(
    rb"(?:libpod|docker|crio|cri-containerd|nerdctl|buildah|lxc)-(?=[0-9a-f]{12})"
    rb"|kubepods(?:-besteffort|-burstable)?-pod(?=[0-9a-f])|user-(?=[0-9]+\.)|session-(?=[0-9]+\.)"
)
"""What engines and systemd put before ids in names of control groups."""

NUMBERED = frozenset({b"proc", b"pts", b"fd", b"task", b"fdinfo", b"map_files"})
"""Directories in which numbers are descriptors, terminals or processes, and stay."""

INTERFACES = re.compile(
    rb"lo|(?:eth|ens|eno|em|wlan|tun|tap|br|virbr|bond|dummy|ifb|veth|macvlan|ipvlan|vlan|vxlan|sit|gre|gretap"
    rb"|erspan|ip6tnl|ip6gre|tunl|ip_vti|ip6_vti|wg|docker|cni|cali|lxcbr|lxdbr|podman|usb)[0-9]{0,3}"
    rb"|enp[0-9]{1,3}s[0-9]{1,3}(?:f[0-9]{1,2})?|all|default"
)
"""Names of network devices that the kernel, or a tool by its own choice, gives."""

PROPERTIES = re.compile(
    rb"(?:cgroup|cpu|cpuacct|cpuset|memory|blkio|io|pids|devices|freezer|net_cls|net_prio|perf_event|hugetlb|rdma"
    rb"|misc)\.[A-Za-z0-9_.]{1,64}|tasks|notify_on_release|release_agent"
)
"""Names of files with which the kernel's controllers are set."""

PLUGINS = re.compile(rb"(?:cuda|amdgpu|criu-amdgpu|inventory_test|dummy)(?:_plugin)?(?:\.so)?")
"""Plugins that CRIU comes with."""

BINFMT_FLAGS = re.compile(rb"[POCF]{0,4}")
"""Flags of an interpreter that is registered with the kernel."""

WORDS = (COMPONENTS - frozenset({b""})) | _words(
    # of mount options
    "rw ro nosuid suid nodev dev noexec exec sync async atime noatime relatime strictatime lazytime "
    "nodiratime dirsync mand nomand silent loud defaults discard nodiscard barrier nobarrier acl noacl "
    "user_xattr nouser_xattr newinstance inode64 inode32 noquota usrquota grpquota prjquota quota norecovery "
    "ordered writeback journal data errors remount-ro continue panic resv_strict direct indirect offset "
    "shared slave private unbindable rshared rslave rprivate bind rbind index xino metacopy redirect_dir "
    "volatile on off "
    "auto always never within_size advise huge ssd space_cache nsdelegate memory_recursiveprot favordynmods "
    "hidepid invisible ptraceable subset pid xattr clone_children noprefix release_agent "
    # of values of controllers, and of system controls
    "max min a b c r w m rw rm wm rwm domain threaded invalid default Default THAWED FROZEN FREEZING yes no "
    "reno cubic bbr dctcp vegas westwood htcp pfifo_fast fq fq_codel anycpu name "
    # of labels
    "system_u unconfined_u user_u staff_u root object_r system_r unconfined_r user_r staff_r sysadm_r "
    "unconfined_t unconfined_service_t kernel_t init_t container_t container_runtime_t container_file_t "
    "spc_t svirt_lxc_net_t s0 c0 c1023 unconfined enforce complain kill mixed docker-default crun "
    "containers-default cri-containerd.apparmor.d"
)
"""Words of settings and labels that stay as they are."""

OPTION_NAMES = _words(
    "size nr_inodes nr_blocks mode uid gid ptmxmode pgrp fd timeout minproto maxproto pipe_ino resuid resgid "
    "stripe commit data errors huge mpol index xino metacopy redirect_dir lowerdir upperdir workdir fsid "
    "max_read blksize rootmode user_id group_id default_permissions allow_other subvolid compress logbufs "
    "logbsize sunit swidth pagesize min_size hidepid subset version trans msize rsize wsize vers proto port "
    "retrans timeo max debug uuid"
)
"""Mount options whose values are of the kernel's words and numbers, or paths, and tell that much alone."""
