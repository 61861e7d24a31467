"""Messages: what is scrubbed in them, and what stays."""

from __future__ import annotations

import pytest

from dyncrit.codec import wire
from dyncrit.edit.anonymity.mappings import Mappings
from dyncrit.edit.anonymity.messages import Scrubber
from dyncrit.edit.anonymity.treatments import Pseudonyms
from dyncrit.entry import Entry
from dyncrit.schema import Schema

MAPPED = 0x7F0000001000
TEXT = int.from_bytes(b"password", "little")


@pytest.fixture
def scrub():
    """Scrubs a message of a type, given by its fields or its bytes; gives the message."""

    def call(name, record=None, *, byte_order="little", **fields):
        message_class = Schema.default().message_class(name)
        message = message_class(**fields) if record is None else message_class.FromString(record)
        scrubber = Scrubber(Pseudonyms(b"key"), Mappings([(MAPPED, MAPPED + 0x2000)]), byte_order)
        return scrubber.entry(Entry(message)).message

    return call


def set_all(descriptor, value, depth=0):
    """A message's fields as keywords, with all numbers set to a value."""
    fields = {}
    for field in descriptor.fields:
        repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == 3
        if field.message_type is not None:
            item = set_all(field.message_type, value)
        elif field.cpp_type in {field.CPPTYPE_UINT64, field.CPPTYPE_INT64}:
            item = value
        elif field.cpp_type in {field.CPPTYPE_UINT32, field.CPPTYPE_INT32}:
            item = value & 0x7FFFFFFF
        else:
            continue
        fields[field.name] = [item, item] if repeated else item
    return fields


def test_registers_stay_if_they_are_small_or_lead_into_memory(scrub):
    values = {
        "ip": MAPPED + 8,
        "sp": MAPPED + 0x2000,
        "ax": 5,
        "orig_ax": 2**64 - 1,
        "bx": TEXT,
        "flags": 0x10246,
    }
    values |= {"cx": 0xFFFFFFFF, "dx": TEXT & 0xFFFFFFFF, "cs": 0x33}
    after = scrub("core_entry", thread_info={"gpregs": values}).thread_info.gpregs
    kept = {name: getattr(after, name) for name in values}
    assert kept == {**values, "bx": 0, "dx": 0}


def test_floating_point_registers_are_cleared_and_their_control_words_stay(scrub):
    state = {
        "cwd": 0x37F,
        "mxcsr": 0x1F80,
        "rip": MAPPED,
        "rdp": TEXT,
        "st_space": [1, 2],
        "xmm_space": [TEXT % 2**32],
    }
    state["xsave"] = {"xstate_bv": 7, "ymmh_space": [9, 9], "cet": {"cet": 1, "ssp": MAPPED}, "pkru": [4]}
    after = scrub("core_entry", thread_info={"fpregs": state}).thread_info.fpregs
    assert (after.cwd, after.mxcsr, after.rip, after.rdp) == (0x37F, 0x1F80, MAPPED, 0)
    assert (list(after.st_space), list(after.xmm_space)) == ([0, 0], [0])
    assert (after.xsave.xstate_bv, list(after.xsave.ymmh_space), list(after.xsave.pkru)) == (7, [0, 0], [4])
    assert (after.xsave.cet.cet, after.xsave.cet.ssp) == (1, MAPPED)


@pytest.mark.parametrize(
    "part",
    ["thread_info", "ti_arm", "ti_aarch64", "ti_ppc64", "ti_s390", "ti_mips", "ti_loongarch64", "ti_riscv64"],
)
def test_no_register_of_any_architecture_keeps_a_secret_in_a_general_one_or_a_vector(scrub, part):
    field = Schema.default().message("core_entry").fields_by_name[part]
    after = scrub("core_entry", **{part: set_all(field.message_type, TEXT)})
    status = {"flags", "limit", "entry_number"}

    def left(message):
        for found, value in message.ListFields():
            items = (
                value
                if isinstance(value, list) or hasattr(value, "append") or hasattr(value, "add")
                else [value]
            )
            for item in items:
                if found.message_type is not None:
                    yield from left(item)
                elif item in {TEXT, TEXT & 0x7FFFFFFF} and found.name not in status:
                    yield found.name

    from dyncrit.edit.anonymity import treatments

    assert set(left(after)) <= treatments._STATUS


def test_keys_of_pointer_authentication_are_cleared(scrub):
    keys = {"pac_generic_keys": {"apgakey_lo": 5, "apgakey_hi": TEXT}}
    after = scrub("core_entry", ti_aarch64={"pac_keys": keys}).ti_aarch64.pac_keys.pac_generic_keys
    assert (after.apgakey_lo, after.apgakey_hi) == (0, 0)


def test_addresses_of_sockets_are_mapped_in_the_byte_order_of_the_host(scrub):
    address = bytes([192, 0, 2, 7])
    for order in ("little", "big"):
        number = int.from_bytes(address, order)
        sock = scrub("inet_sk_entry", byte_order=order, src_addr=[number], dst_addr=[0], src_port=8080)
        assert sock.src_addr[0].to_bytes(4, order) == bytes([10, 102, 241, 155])
        assert list(sock.dst_addr) == [0]
        assert sock.src_port == 8080


def test_an_ipv6_address_is_one_address(scrub):
    loopback = [0, 0, 0, int.from_bytes(b"\0\0\0\1", "little")]
    sock = scrub("inet_sk_entry", src_addr=[0x0000012A, 1, 2, 3], dst_addr=loopback)
    assert b"".join(part.to_bytes(4, "little") for part in sock.src_addr).startswith(b"\x20\x01\x0d\xb8")
    assert list(sock.dst_addr) == loopback


def test_addresses_in_socket_filters_are_cleared_and_jumps_stay(scrub):
    def instruction(code, k, jt=0, jf=0):
        return int.from_bytes(
            code.to_bytes(2, "little") + bytes([jt, jf]) + k.to_bytes(4, "little"), "little"
        )

    program = [
        instruction(0x20, 26),  # load the source address
        instruction(0x15, 0xC0000207, 0, 1),  # equal to 192.0.2.7?
        instruction(0x15, 0x800, 0, 1),
        instruction(0x06, 0x40000),  # return
        instruction(0x00, TEXT & 0xFFFFFFFF),  # load a constant
    ]
    after = list(scrub("sk_opts_entry", so_filter=program).so_filter)
    assert after == [program[0], instruction(0x15, 0, 0, 1), *program[2:4], instruction(0x00, 0)]


def test_cookies_of_epoll_and_timers_stay_if_they_are_numbers_or_pointers(scrub):
    after = scrub("eventpoll_file_entry", tfd=[{"data": value} for value in (5, MAPPED, TEXT)])
    assert [item.data for item in after.tfd] == [5, MAPPED, 0]
    assert scrub("posix_timer_entry", sival_ptr=TEXT).sival_ptr == 0


def test_build_ids_are_replaced_by_the_same_everywhere(scrub):
    one, two = (list(scrub("reg_file_entry", build_id=[1, 2, 3]).build_id) for _ in range(2))
    assert one == two != [1, 2, 3]
    assert list(scrub("reg_file_entry", build_id=[1, 2, 4]).build_id)[:2] != one[:2]


def test_fields_that_the_schema_lacks_are_dropped_at_any_depth(scrub):
    unknown = wire.encode_field(700, wire.LENGTH, b"secret")
    record = wire.encode_field(2, wire.LENGTH, wire.encode_field(1, wire.LENGTH, b"cpu") + unknown)
    after = scrub("cgroup_entry", record + unknown)
    assert b"secret" not in after.SerializePartialToString()
    assert list(after.controllers[0].cnames) == ["cpu"]


def test_values_that_an_enum_lacks_stay(scrub):
    record = b"".join(
        wire.encode_field(number, wire.VARINT, value) for number, value in ((1, 5), (2, 0), (3, 99), (4, 7))
    )
    after = scrub("fdinfo_entry", record)
    assert (
        after.SerializePartialToString()
        == wire.encode_field(1, wire.VARINT, 5) + after.SerializePartialToString()[2:]
    )
    assert wire.encode_field(3, wire.VARINT, 99) in after.SerializePartialToString()
    assert after.fd == 7


def test_a_value_that_was_overwritten_in_the_record_does_not_survive_in_it():
    name = wire.encode_field(1, wire.LENGTH, b"secret") + wire.encode_field(1, wire.LENGTH, b"localhost")
    record = name + wire.encode_field(2, wire.LENGTH, b"(none)")
    entry = Entry(Schema.default().message_class("utsns_entry"), record=record)
    scrubbed = Scrubber(Pseudonyms(b"key"), Mappings(()), "little").entry(entry)
    assert b"secret" not in scrubbed.record
    assert scrubbed.message.nodename == "localhost"


def test_text_that_is_not_utf8_is_scrubbed(scrub):
    record = wire.encode_field(1, wire.LENGTH, b"h\xff\xfest") + wire.encode_field(2, wire.LENGTH, b"d")
    after = scrub("utsns_entry", record)
    assert len(after.nodename) == 5
    assert after.nodename.isascii()


def test_signals_keep_what_the_kernel_says_of_them_and_nothing_behind(scrub):
    information = bytes(range(48)) + b"secret".ljust(80, b"!")
    assert scrub("siginfo_entry", siginfo=information).siginfo == bytes(range(48)) + bytes(80)
    assert scrub("siginfo_entry", siginfo=b"short").siginfo == b"short"


def test_names_of_properties_and_plugins_stay_only_if_they_are_known(scrub):
    entry = {"name": "memory.max", "value": "max"}, {"name": "acme", "value": "/home/acme x"}
    after = scrub("cgroup_dir_entry", dir_name="acme", properties=list(entry)).properties
    assert (after[0].name, after[0].value) == ("memory.max", "max")
    assert "acme" not in after[1].name + after[1].value
    plugins = scrub("plugins_entry", plugins=["cuda_plugin", "acme_plugin"]).plugins
    assert plugins[0] == "cuda_plugin"
    assert "acme" not in plugins[1]


def test_counts_tell_what_was_changed_by_kind():
    scrubber = Scrubber(Pseudonyms(b"key"), Mappings(()), "little")
    message = Schema.default().message_class("utsns_entry")(nodename="acme", domainname="(none)")
    scrubber.entry(Entry(message, b"12345"))
    assert {kind: count for kind, count in scrubber.counts.items() if count} == {
        "host name": 1,
        "byte of data": 5,
    }
