"""The image table: a row for each type of image that any CRIU release since v0.1 has written.

Facts are from ``magic.h`` (``include/image.h`` in old releases), ``image-desc.c`` and the writers of each
type in CRIU's C code. A new image type is a new row here, or in a YAML file of the
user's (:mod:`dyncrit.schema.overlay`).
"""

from __future__ import annotations

from dyncrit.schema.layout import (
    Array,
    Counted,
    FieldNumber,
    ImageType,
    Parts,
    RawFormat,
    RecordLayout,
    Rest,
    Submessages,
)

IMG_COMMON = 0x54564319
"""Stands before the magic in most images since v1.6."""

IMG_SERVICE = 0x55105940
"""Stands before the magic in statistics and the irmap cache since v1.6."""

IMAGE_TYPES: tuple[ImageType, ...] = (
    ImageType("INVENTORY", 0x58313116, (RecordLayout("inventory_entry"),), ("inventory.img",), head="none"),
    ImageType("PSTREE", 0x50273030, (RecordLayout("pstree_entry"),), ("pstree.img",)),
    ImageType("FDINFO", 0x56213732, (RecordLayout("fdinfo_entry"),), ("fdinfo-%u.img",)),
    ImageType(
        "PAGEMAP",
        0x56084025,
        (RecordLayout("pagemap_head", counted=False), RecordLayout("pagemap_entry")),
        ("pagemap-%lu.img", "pagemap-shmem-%lu.img"),
        aliases=("SHMEM_PAGEMAP",),
    ),
    ImageType("CORE", 0x55053847, (RecordLayout("core_entry"),), ("core-%u.img",)),
    ImageType("IDS", 0x54432030, (RecordLayout("task_kobj_ids_entry"),), ("ids-%u.img",)),
    ImageType("VMAS", 0x54123737, (RecordLayout("vma_entry"),), ("vmas-%u.img",)),
    ImageType("PIPES", 0x56513555, (RecordLayout("pipe_entry"),), ("pipes.img",)),
    ImageType(
        "PIPES_DATA",
        0x56453709,
        (RecordLayout("pipe_data_entry", Counted((FieldNumber("bytes", 2),))),),
        ("pipes-data.img",),
    ),
    ImageType("FIFO", 0x58364939, (RecordLayout("fifo_entry"),), ("fifo.img",)),
    ImageType(
        "FIFO_DATA",
        0x59333054,
        (RecordLayout("pipe_data_entry", Counted((FieldNumber("bytes", 2),))),),
        ("fifo-data.img",),
    ),
    ImageType("SIGACT", 0x55344201, (RecordLayout("sa_entry"),), ("sigacts-%u.img",)),
    ImageType("UNIXSK", 0x54373943, (RecordLayout("unix_sk_entry"),), ("unixsk.img",)),
    ImageType("INETSK", 0x56443851, (RecordLayout("inet_sk_entry"),), ("inetsk.img",)),
    ImageType("PACKETSK", 0x60454618, (RecordLayout("packet_sock_entry"),), ("packetsk.img",)),
    ImageType("ITIMERS", 0x57464056, (RecordLayout("itimer_entry"),), ("itimers-%u.img",)),
    ImageType("POSIX_TIMERS", 0x52603957, (RecordLayout("posix_timer_entry"),), ("posix-timers-%u.img",)),
    ImageType(
        "SK_QUEUES",
        0x56264026,
        (RecordLayout("sk_packet_entry", Counted((FieldNumber("length", 2),))),),
        ("sk-queues.img",),
    ),
    ImageType("UTSNS", 0x54473203, (RecordLayout("utsns_entry"),), ("utsns-%u.img",)),
    ImageType("CREDS", 0x54023547, (RecordLayout("creds_entry"),), ("creds-%u.img",)),
    ImageType(
        "IPC_VAR", 0x53115007, (RecordLayout("ipc_var_entry"),), ("ipcns-var-%u.img",), aliases=("IPCNS_VAR",)
    ),
    ImageType(
        "IPCNS_SHM",
        0x46283044,
        (
            RecordLayout(
                "ipc_shm_entry",
                Counted((FieldNumber("size", 2),), align=4, unless=FieldNumber("in_pagemaps", 3)),
            ),
        ),
        ("ipcns-shm-%u.img",),
    ),
    ImageType(
        "IPCNS_MSG",
        0x55453737,
        (
            RecordLayout(
                "ipc_msg_entry",
                Submessages(FieldNumber("qnum", 3), "ipc_msg", FieldNumber("msize", 2), align=8),
            ),
        ),
        ("ipcns-msg-%u.img",),
    ),
    ImageType(
        "IPCNS_SEM",
        0x59573019,
        (RecordLayout("ipc_sem_entry", Array(FieldNumber("nsems", 2), width=2, align=8)),),
        ("ipcns-sem-%u.img",),
    ),
    ImageType("REG_FILES", 0x50363636, (RecordLayout("reg_file_entry"),), ("reg-files.img",)),
    ImageType("EXT_FILES", 0x59255641, (RecordLayout("ext_file_entry"),), ("ext-files.img",)),
    ImageType("FS", 0x51403912, (RecordLayout("fs_entry"),), ("fs-%u.img",)),
    ImageType("MM", 0x57492820, (RecordLayout("mm_entry"),), ("mm-%u.img",)),
    ImageType("REMAP_FPATH", 0x59133954, (RecordLayout("remap_file_path_entry"),), ("remap-fpath.img",)),
    ImageType(
        "GHOST_FILE",
        0x52583605,
        (
            RecordLayout("ghost_file_entry", Rest(unless=FieldNumber("chunks", 9))),
            RecordLayout("ghost_chunk_entry", Counted((FieldNumber("len", 1),))),
        ),
        ("ghost-file-%x.img",),
    ),
    ImageType(
        "TCP_STREAM",
        0x51465506,
        (
            RecordLayout(
                "tcp_stream_entry",
                Parts((("inq", FieldNumber("inq_len", 1)), ("outq", FieldNumber("outq_len", 3)))),
            ),
        ),
        ("tcp-stream-%x.img",),
    ),
    ImageType(
        "EVENTFD_FILE",
        0x44523722,
        (RecordLayout("eventfd_file_entry"),),
        ("eventfd.img",),
        aliases=("EVENTFD",),
    ),
    ImageType(
        "EVENTPOLL_FILE",
        0x45023858,
        (RecordLayout("eventpoll_file_entry"),),
        ("eventpoll.img",),
        aliases=("EVENTPOLL",),
    ),
    ImageType("EVENTPOLL_TFD", 0x44433746, (RecordLayout("eventpoll_tfd_entry"),), ("eventpoll-tfd.img",)),
    ImageType("SIGNALFD", 0x57323820, (RecordLayout("signalfd_entry"),), ("signalfd.img",)),
    ImageType(
        "INOTIFY_FILE",
        0x48424431,
        (RecordLayout("inotify_file_entry"),),
        ("inotify.img",),
        aliases=("INOTIFY",),
    ),
    ImageType("INOTIFY_WD", 0x54562009, (RecordLayout("inotify_wd_entry"),), ("inotify-wd.img",)),
    ImageType(
        "MNTS", 0x55563928, (RecordLayout("mnt_entry"),), ("mountpoints-%u.img",), aliases=("MOUNTPOINTS",)
    ),
    ImageType("NETDEV", 0x57373951, (RecordLayout("net_device_entry"),), ("netdev-%u.img",)),
    ImageType("NETNS", 0x55933752, (RecordLayout("netns_entry"),), ("netns-%u.img",)),
    ImageType("TTY_FILES", 0x59433025, (RecordLayout("tty_file_entry"),), ("tty.img",), aliases=("TTY",)),
    ImageType("TTY_INFO", 0x59453036, (RecordLayout("tty_info_entry"),), ("tty-info.img",)),
    ImageType("TTY_DATA", 0x59413026, (RecordLayout("tty_data_entry"),), ("tty-data.img",)),
    ImageType(
        "FILE_LOCKS", 0x54323616, (RecordLayout("file_lock_entry"),), ("filelocks.img", "filelocks-%d.img")
    ),
    ImageType("RLIMIT", 0x57113925, (RecordLayout("rlimit_entry"),), ("rlimit-%u.img",)),
    ImageType(
        "FANOTIFY_FILE",
        0x55096122,
        (RecordLayout("fanotify_file_entry"),),
        ("fanotify.img",),
        aliases=("FANOTIFY",),
    ),
    ImageType("FANOTIFY_MARK", 0x56506035, (RecordLayout("fanotify_mark_entry"),), ("fanotify-mark.img",)),
    ImageType(
        "SIGNAL",
        0x59255647,
        (RecordLayout("siginfo_entry"),),
        ("signal-s-%u.img", "signal-p-%u.img"),
        aliases=("PSIGNAL",),
    ),
    ImageType(
        "NETLINK_SK",
        0x58005614,
        (RecordLayout("netlink_sk_entry"),),
        ("netlinksk.img",),
        aliases=("NETLINKSK",),
    ),
    ImageType("NS_FILES", 0x61394011, (RecordLayout("ns_file_entry"),), ("ns-files.img",)),
    ImageType("TUNFILE", 0x57143751, (RecordLayout("tunfile_entry"),), ("tunfile.img",)),
    ImageType("CGROUP", 0x59383330, (RecordLayout("cgroup_entry"),), ("cgroup.img",)),
    ImageType("TIMERFD", 0x50493712, (RecordLayout("timerfd_entry"),), ("timerfd.img",)),
    ImageType("CPUINFO", 0x61404013, (RecordLayout("cpuinfo_entry"),), ("cpuinfo.img",)),
    ImageType("USERNS", 0x55474906, (RecordLayout("userns_entry"),), ("userns-%u.img",)),
    ImageType("SECCOMP", 0x64413049, (RecordLayout("seccomp_entry"),), ("seccomp.img",)),
    ImageType(
        "BINFMT_MISC",
        0x67343323,
        (RecordLayout("binfmt_misc_entry"),),
        ("binfmt-misc.img", "binfmt-misc-%u.img"),
        aliases=("BINFMT_MISC_OLD",),
    ),
    ImageType("AUTOFS", 0x49353943, (RecordLayout("autofs_entry"),), ("autofs-%u.img",)),
    ImageType("FILES", 0x56303138, (RecordLayout("file_entry"),), ("files.img",)),
    ImageType("MEMFD_INODE", 0x48453499, (RecordLayout("memfd_inode_entry"),), ("memfd.img",)),
    ImageType("TIMENS", 0x43114433, (RecordLayout("timens_entry"),), ("timens-%u.img",)),
    ImageType("PIDNS", 0x61157326, (RecordLayout("pidns_entry"),), ("pidns-%u.img",)),
    ImageType("BPFMAP_FILE", 0x57506142, (RecordLayout("bpfmap_file_entry"),), ("bpfmap-file.img",)),
    ImageType(
        "BPFMAP_DATA",
        0x64324033,
        (
            RecordLayout(
                "bpfmap_data_entry", Counted((FieldNumber("keys_bytes", 2), FieldNumber("values_bytes", 3)))
            ),
        ),
        ("bpfmap-data.img",),
    ),
    ImageType("APPARMOR", 0x59423047, (RecordLayout("apparmor_entry"),), ("apparmor.img",)),
    ImageType("PIDFD", 0x54435556, (RecordLayout("pidfd_entry"),), ("pidfd.img",)),
    ImageType("STATS", 0x57093306, (RecordLayout("stats_entry"),), ("stats-%s",), head="service"),
    ImageType(
        "IRMAP_CACHE", 0x57004059, (RecordLayout("irmap_cache_entry"),), ("irmap-cache",), head="service"
    ),
    # The amdgpu plugin writes no magic: u64 size, then one message (plugins/amdgpu, v3.17).
    ImageType(
        "AMDGPU_KFD", None, (RecordLayout("criu_kfd"),), ("amdgpu-kfd-%d.img",), head="none", length_size=8
    ),
    ImageType(
        "AMDGPU_RENDER",
        None,
        (RecordLayout("criu_render_node"),),
        ("amdgpu-renderD-%d.img",),
        head="none",
        length_size=8,
    ),
    ImageType(
        "AMDGPU_DMABUF",
        None,
        (RecordLayout("criu_dmabuf_node"),),
        ("amdgpu-dmabuf_%d.img",),
        head="none",
        length_size=8,
    ),
)

RAW_FORMATS: tuple[RawFormat, ...] = (
    RawFormat(
        "PAGES", "memory pages, raw, in the order of a pagemap", ("pages-%u.img", "pages-shmem-%u.img")
    ),
    RawFormat(
        "PAGES_OLD",
        "memory pages of CRIU v0.1-v0.4, an address before each",
        magic=0x56084025,
        record_size=8 + 4096,
    ),
    RawFormat(
        "AMDGPU_PAGES",
        "GPU buffers, raw",
        ("amdgpu-pages-%d-%x.img", "amdgpu-drm-pages-%d-%x.img", "amdgpu-drm-pages-%d-%d-%x.img"),
    ),
    RawFormat(
        "IFADDR",
        "network addresses as `ip addr save` writes them",
        ("ifaddr-%u.img",),
        (b"\x22\x12\x36\x47", b"\x47\x36\x12\x22"),
    ),
    RawFormat(
        "ROUTE",
        "routes as `ip route save` writes them",
        ("route-%u.img", "route6-%u.img"),
        (b"\x24\x12\x31\x45", b"\x45\x31\x12\x24"),
    ),
    RawFormat(
        "RULE",
        "routing rules as `ip rule save` writes them",
        ("rule-%u.img",),
        (b"\x86\x69\x70\x71", b"\x71\x70\x69\x86"),
    ),
    RawFormat(
        "TMPFS",
        "a file system's contents, a gzip-compressed tar archive",
        ("tmpfs-%u.tar.gz.img", "tmpfs-dev-%u.tar.gz.img"),
        (b"\x1f\x8b\x08",),
    ),
    RawFormat(
        "IPTABLES",
        "firewall rules as text (iptables-save)",
        ("iptables-%u.img", "ip6tables-%u.img"),
        (b"# Generated by ip",),
    ),
    RawFormat(
        "NFTABLES",
        "firewall rules as text (nft list ruleset)",
        ("nftables-%u.img",),
        (b"table ip", b"table inet", b"table arp", b"table bridge", b"table netdev"),
    ),
    RawFormat(
        "NETNF",
        "connection tracking entries, a stream of netlink messages",
        ("netns-ct-%u.img", "netns-exp-%u.img"),
    ),
    RawFormat(
        "KDAT", "CRIU's cache of what the kernel can do, not an image", ("criu.kdat",), (b"\x58\x34\x02\x57",)
    ),
    RawFormat("ELF", "an ELF program or core file", (), (b"\x7fELF",)),
)
