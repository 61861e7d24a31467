"""What becomes of each field: a list to look through whenever CRIU's schema grows."""

from __future__ import annotations

from dyncrit.edit.anonymity import treatments
from dyncrit.schema import Schema
from dyncrit.schema.engine import is_repeated

TEXTS = {
    "BINFMT_FLAGS": "binfmt_misc_entry.flags",
    "FILL": "aa_policy.blob creds_entry.apparmor_data criu_kfd.priv_data tty_data_entry.data",
    "HARDWARE": "net_device_entry.address packet_mclist.addr",
    "HOST": "utsns_entry.domainname utsns_entry.nodename",
    "INTERFACE": "inet_sk_entry.ifname net_device_entry.name sk_opts_entry.so_bound_dev tunfile_entry.netdev",
    "KEEP": "cpuinfo_x86_entry.model_id seccomp_filter.filter",
    "LABEL": "aa_namespace.name aa_policy.name creds_entry.lsm_profile creds_entry.lsm_sockcreate "
    "fdinfo_entry.xattr_security_selinux",
    "NAME": "binfmt_misc_entry.extension binfmt_misc_entry.magic binfmt_misc_entry.mask binfmt_misc_entry.name "
    "bpfmap_file_entry.map_name inventory_entry.dump_criu_run_id memfd_inode_entry.name netns_entry.ext_key "
    "pidns_entry.ext_key task_core_entry.comm thread_core_entry.comm",
    "OPTIONS": "mnt_entry.options",
    "PATH": "binfmt_misc_entry.interpreter cg_member_entry.path cgroup_dir_entry.dir_name "
    "fanotify_mount_mark_entry.path fh_entry.path ghost_file_entry.symlnk_target irmap_cache_entry.path "
    "mnt_entry.ext_key mnt_entry.fsname mnt_entry.mountpoint mnt_entry.root mnt_entry.source "
    "reg_file_entry.name unix_sk_entry.name unix_sk_entry.name_dir",
    "PLUGIN": "plugins_entry.plugins",
    "PROPERTY": "cgroup_prop_entry.name",
    "SETTING": "cg_controller_entry.cnames cg_member_entry.name cgroup_prop_entry.value sysctl_entry.sarg",
    "SIGNAL": "siginfo_entry.siginfo",
}

NUMBERS = {
    "pointer": "eventpoll_tfd_entry.data posix_timer_entry.sival_ptr",
    "address": "inet_sk_entry.dst_addr inet_sk_entry.src_addr sit_entry.local sit_entry.rd_prefix "
    "sit_entry.relay_prefix sit_entry.remote",
    "digest": "reg_file_entry.build_id reg_file_entry.checksum",
    "filter": "sk_opts_entry.so_filter",
}

KEPT_OF_PROCESSORS = (
    "pac_address_keys.pac_enabled_key user_aarch64_fpsimd_context_entry.fpcr "
    "user_aarch64_fpsimd_context_entry.fpsr user_aarch64_regs_entry.pstate user_arm_regs_entry.cpsr "
    "user_arm_vfpstate_entry.fpexc user_arm_vfpstate_entry.fpscr user_desc_t.entry_number user_desc_t.limit "
    "user_loongarch64_fpregs_entry.fcsr user_mips_fpregs_entry.fpu_fcr31 user_mips_fpregs_entry.fpu_id "
    "user_mips_regs_entry.cp0_cause user_mips_regs_entry.cp0_status user_ppc64_regs_entry.ccr "
    "user_ppc64_regs_entry.msr user_ppc64_regs_entry.texasr user_ppc64_regs_entry.trap "
    "user_ppc64_regs_entry.xer user_ppc64_vrstate_entry.vrsave user_riscv64_d_ext_entry.fcsr "
    "user_s390_fpregs_entry.fpc user_s390_regs_entry.psw_mask user_s390_regs_entry.system_call "
    "user_s390_ri_entry.ri_on user_x86_cet_entry.cet user_x86_fpregs_entry.cwd user_x86_fpregs_entry.fop "
    "user_x86_fpregs_entry.mxcsr user_x86_fpregs_entry.mxcsr_mask user_x86_fpregs_entry.swd "
    "user_x86_fpregs_entry.twd user_x86_regs_entry.flags user_x86_xsave_entry.pkru "
    "user_x86_xsave_entry.xstate_bv"
)

NOT_NUMBERS = {8, 9, 11, 12, 14}  # bool, string, message, bytes, enum


def all_fields():
    """Every field of an image's messages, and whether it is of a processor's state."""
    schema = Schema.default()
    waiting = [schema.message(record.message) for row in schema.table.types for record in row.records]
    waiting.append(schema.message("ipc_msg"))
    seen, found = set(), []
    todo = [(message, False) for message in waiting if message is not None]
    while todo:
        message, in_cpu = todo.pop()
        if (message.full_name, in_cpu) in seen:
            continue
        seen.add((message.full_name, in_cpu))
        for field in message.fields:
            found.append((field, in_cpu))
            if field.message_type is not None:
                below = in_cpu or treatments.CPU_MESSAGE.fullmatch(field.message_type.name) is not None
                todo.append((field.message_type, below))
    return found


def test_every_text_has_been_decided_on():
    names = {
        value: name for name, value in vars(treatments).items() if isinstance(value, treatments.Treatment)
    }
    found: dict[str, set[str]] = {}
    for field, _ in all_fields():
        if field.type in {field.TYPE_STRING, field.TYPE_BYTES}:
            found.setdefault(names[treatments.text_treatment(field)], set()).add(treatments.field_name(field))
    assert found == {name: set(fields.split()) for name, fields in TEXTS.items()}


def test_every_number_that_is_scrubbed_has_been_decided_on():
    found: dict[str, set[str]] = {}
    for field, in_cpu in all_fields():
        if not in_cpu and (treatment := treatments.number_treatment(field, in_cpu=False)):
            found.setdefault(treatment.action, set()).add(treatments.field_name(field))
    assert found == {name: set(fields.split()) for name, fields in NUMBERS.items()}


def test_every_number_of_a_processor_that_stays_has_been_decided_on():
    found = {
        treatments.field_name(field)
        for field, in_cpu in all_fields()
        if in_cpu
        and field.type not in NOT_NUMBERS
        and treatments.number_treatment(field, in_cpu=True) is None
    }
    assert found == set(KEPT_OF_PROCESSORS.split())


def test_floating_point_and_vector_registers_and_keys_are_cleared():
    cleared = {
        field.containing_type.name
        for field, in_cpu in all_fields()
        if in_cpu and treatments.number_treatment(field, in_cpu=True) == treatments.CLEARED
    }
    assert {
        "user_x86_fpregs_entry",
        "user_x86_xsave_entry",
        "user_arm_vfpstate_entry",
        "user_aarch64_fpsimd_context_entry",
        "user_ppc64_fpstate_entry",
        "user_ppc64_vrstate_entry",
        "user_ppc64_vsxstate_entry",
        "user_s390_fpregs_entry",
        "user_s390_vxrs_low_entry",
        "user_s390_vxrs_high_entry",
        "user_mips_fpregs_entry",
        "user_loongarch64_fpregs_entry",
        "user_riscv64_d_ext_entry",
        "pac_address_keys",
        "pac_generic_keys",
    } <= cleared
    lists = [field for field, in_cpu in all_fields() if in_cpu and is_repeated(field)]
    assert all(
        treatments.number_treatment(field, in_cpu=True)
        for field in lists
        if field.type not in {8, 11} and field.name != "pkru"
    )


def test_tables_name_fields_that_there_are():
    known = {treatments.field_name(field) for field, _ in all_fields()}
    named = {*treatments._TEXTS, *treatments._NUMBERS}
    assert named <= known
