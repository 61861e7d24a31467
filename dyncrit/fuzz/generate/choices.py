"""Messages of which one field tells which of several others is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.files import FILE_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor


class Choice(NamedTuple):
    """In ``message``, the value of the enum ``by`` tells which of ``parts`` is there, by the value's name.

    Fields in ``shared`` are in the message and in that part, with the same value.
    """

    message: str
    by: str
    parts: Mapping[str, str]
    shared: tuple[str, ...] = ()


CHOICES = (
    Choice("file_entry", "type", {kind.type: kind.field for kind in FILE_KINDS}, ("id",)),
    Choice(
        "core_entry",
        "mtype",
        {
            "X86_64": "thread_info",
            "ARM": "ti_arm",
            "AARCH64": "ti_aarch64",
            "PPC64": "ti_ppc64",
            "S390": "ti_s390",
            "MIPS": "ti_mips",
            "LOONGARCH64": "ti_loongarch64",
            "RISCV64": "ti_riscv64",
        },
    ),
)
"""What images/fdinfo.proto and images/core.proto leave to the C code."""


def choice_of(message: Descriptor) -> Choice | None:
    """The choice of a message, with those parts that its schema knows; None if there is nothing to choose."""
    found = next((choice for choice in CHOICES if choice.message == message.name), None)
    field = message.fields_by_name.get(found.by) if found is not None else None
    if found is None or field is None or field.enum_type is None:
        return None
    values, fields = field.enum_type.values_by_name, message.fields_by_name
    known = {value: part for value, part in found.parts.items() if value in values and part in fields}
    return found._replace(parts=known) if known else None
