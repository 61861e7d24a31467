"""The ``(criu)`` field options of opts.proto: how a field is shown when the output is pretty.

A private pool does not hand them out as an extension (``GetOptions()`` answers with the default pool's
FieldOptions, where number 1018 is unknown), so they are parsed from the options' bytes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from dyncrit.schema.engine import message_class, new_pool

if TYPE_CHECKING:
    from google.protobuf.message import Message

CRIU_OPTIONS_NUMBER = 1018
"""The extension's number in google.protobuf.FieldOptions; never changed since v1.5."""

OPTION_FIELDS = (
    ("hex", 1, FieldDescriptor.TYPE_BOOL),
    ("ipadd", 2, FieldDescriptor.TYPE_BOOL),
    ("flags", 3, FieldDescriptor.TYPE_STRING),
    ("dev", 4, FieldDescriptor.TYPE_BOOL),
    ("odev", 5, FieldDescriptor.TYPE_BOOL),
    ("dict", 6, FieldDescriptor.TYPE_STRING),
    ("conv", 7, FieldDescriptor.TYPE_STRING),
)


class CriuOptions(NamedTuple):
    """The options of one field. ``flags``, ``dict`` and ``conv`` name a map, or are empty."""

    hex: bool = False
    ipadd: bool = False
    flags: str = ""
    dev: bool = False
    odev: bool = False
    dict: str = ""
    conv: str = ""


_NO_OPTIONS = CriuOptions()


def criu_options(field: FieldDescriptor) -> CriuOptions:
    """The ``(criu)`` options of ``field``; options that can't be parsed count as none."""
    if not field.has_options:
        return _NO_OPTIONS
    try:
        options = _holder_class().FromString(field.GetOptions().SerializeToString())
    except DecodeError:
        return _NO_OPTIONS
    criu = getattr(options, "criu")  # noqa: B009 (a dynamic message has no static attributes)
    return CriuOptions(**{name: getattr(criu, name) for name, _, _ in OPTION_FIELDS})


@cache
def _holder_class() -> type[Message]:
    """A message with CRIU_Opts under number 1018, as FieldOptions has it."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

    file = FileDescriptorProto(name="dyncrit/options.proto", package="dyncrit")
    options = file.message_type.add(name="CriuOptions")
    for name, number, kind in OPTION_FIELDS:
        options.field.add(name=name, number=number, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL)
    file.message_type.add(name="FieldOptions").field.add(
        name="criu",
        number=CRIU_OPTIONS_NUMBER,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".dyncrit.CriuOptions",
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )
    pool = new_pool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_class(pool.FindMessageTypeByName("dyncrit.FieldOptions"))
