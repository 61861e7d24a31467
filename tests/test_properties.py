from __future__ import annotations

import copy
import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import dyncrit
from dyncrit.codec import kept, walk
from dyncrit.codec.decoders import is_direct
from dyncrit.codec.direct import LEFT_TO_WALK, DirectCodec
from dyncrit.codec.message import Codecs
from dyncrit.codec.names import DICTS, FLAGS
from dyncrit.codec.plan import Planner, Style
from dyncrit.errors import DocumentError, ImageError
from dyncrit.schema.catalogue import _criu_options
from dyncrit.schema.pool import build_pool
from dyncrit.schema.schema import Schema, SchemaSource

if TYPE_CHECKING:
    from pathlib import Path

    from google.protobuf.descriptor import Descriptor

EXAMPLES = int(os.environ.get("DYNCRIT_EXAMPLES", "200"))  # many more when hunting
QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
    ],
)

NAMES = [
    *("a", "b2", "_x", "at", "field", "value", "key", "extra", "magic", "family", "type", "state", "proto"),
    *("from", "class", "None", "self", "task_state", "__class__", "__init__"),  # words of Python's
    *(
        "Clear",
        "DESCRIPTOR",
        "HasField",
        "ListFields",
        "SerializePartialToString",
        "FromString",
    ),  # of protobuf's
    *("items", "message", "has", "document", "read0"),  # of dyncrit's
]
NUMBERS = (*range(1, 18), 127, 128, 2047, 2048, 18999, 20000, (1 << 29) - 1)
STYLES = st.builds(Style, st.booleans(), st.sampled_from(["little", "big"]))
INTEGERS = st.sampled_from(
    [0, 1, 2, 3, 6, 255, 4096, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
) | st.integers(0, 2**64 - 1)
BYTES = st.sampled_from(
    [
        b"",
        b"text",
        b"\xff\xfe",
        "é".encode(),
        b"a\r\nb\nc",
        b"\0name\0",
        b"\x08\x01",
        b"\xed\xa0\x80",
        b"= \t\n",
    ]
) | st.binary(max_size=20)

_INTEGER_TYPES = [
    FieldDescriptorProto.TYPE_INT32,
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_UINT32,
    FieldDescriptorProto.TYPE_UINT64,
    FieldDescriptorProto.TYPE_SINT32,
    FieldDescriptorProto.TYPE_SINT64,
    FieldDescriptorProto.TYPE_FIXED32,
    FieldDescriptorProto.TYPE_FIXED64,
    FieldDescriptorProto.TYPE_SFIXED32,
    FieldDescriptorProto.TYPE_SFIXED64,
]
_SCALAR_TYPES = [
    *_INTEGER_TYPES,
    FieldDescriptorProto.TYPE_BOOL,
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_FLOAT,
    FieldDescriptorProto.TYPE_DOUBLE,
    FieldDescriptorProto.TYPE_ENUM,
]
_FEATURES = ["float", "group", "map", "own", "choice", "extensions", "no presence"]
_FLOATS = (FieldDescriptorProto.TYPE_FLOAT, FieldDescriptorProto.TYPE_DOUBLE)
_FIXED = {
    FieldDescriptor.TYPE_FIXED32: 4,
    FieldDescriptor.TYPE_SFIXED32: 4,
    FieldDescriptor.TYPE_FLOAT: 4,
    FieldDescriptor.TYPE_FIXED64: 8,
    FieldDescriptor.TYPE_SFIXED64: 8,
    FieldDescriptor.TYPE_DOUBLE: 8,
}
_LENGTHS = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE}
_OPTIONS = st.sampled_from(
    [
        {"hex": True},
        {"dev": True},
        {"dev": True, "odev": True},
        {"ipadd": True},
        {"conv": "unix_name"},
        *({"flags": name} for name in (*FLAGS, "no.such")),
        *({"dict": name} for name in (*DICTS, "none")),
    ]
)


@st.composite
def schema_files(draw: st.DrawFn) -> FileDescriptorProto:
    file = FileDescriptorProto(name="t.proto", syntax=draw(st.sampled_from(["proto2", "proto2", "proto3"])))
    if draw(st.booleans()):
        file.package = "pkg"
    enum = file.enum_type.add(name="E")
    numbers = draw(
        st.lists(st.sampled_from([0, 1, 2, 5, 300, 2**31 - 1, -1, -(2**31)]), min_size=1, max_size=4)
    )
    numbers = [0, *numbers] if file.syntax == "proto3" else numbers
    if len(set(numbers)) < len(numbers):
        enum.options.allow_alias = True
    for index, number in enumerate(numbers):
        enum.value.add(name=f"E{index}", number=number)
    count = draw(st.integers(1, 3))
    for index in range(count):
        _fill_message(draw, file.message_type.add(name=f"M{index}"), file, count)
    return file


def _fill_message(draw: st.DrawFn, message: DescriptorProto, file: FileDescriptorProto, count: int) -> None:
    """Fields of the features that are drawn for the message: without any, it is one as CRIU's."""
    features = draw(st.just(set()) | st.sets(st.sampled_from(_FEATURES), max_size=2))
    proto3 = file.syntax == "proto3"
    prefix = f".{file.package}." if file.package else "."
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=5))
    numbers = draw(st.lists(st.sampled_from(NUMBERS), unique=True, min_size=len(names), max_size=len(names)))
    labels = ["optional", "repeated"] if proto3 else ["optional", "required", "repeated"]
    kinds = ["scalar"] * 3 + ["message"] + sorted(features & {"map", "own"}) * 2
    kinds += ["group"] * 2 * ("group" in features and not proto3)
    types = [item for item in _SCALAR_TYPES if "float" in features or item not in _FLOATS]
    for name, number in zip(names, numbers, strict=True):
        kind = draw(st.sampled_from(kinds))
        label = draw(st.sampled_from(labels))
        field = message.field.add(name=name, number=number)
        field.label = getattr(FieldDescriptorProto, f"LABEL_{label.upper()}")
        if kind == "scalar":
            field.type = draw(st.sampled_from(types))
            if field.type == FieldDescriptorProto.TYPE_ENUM:
                field.type_name = f"{prefix}E"
            _fill_options(draw, field)
        elif kind == "message":
            field.type = FieldDescriptorProto.TYPE_MESSAGE
            field.type_name = f"{prefix}M{draw(st.integers(0, count - 1))}"
            if draw(st.booleans()):
                field.options.ParseFromString(_criu_options([("hex", True)]))
        else:
            _add_nested(draw, message, field, kind, file)
    optional = [field for field in message.field if field.label == FieldDescriptorProto.LABEL_OPTIONAL]
    if "choice" in features and optional:
        message.oneof_decl.add(name="choice")
        for field in optional:
            field.oneof_index = 0
    elif proto3 and "no presence" not in features:
        for index, field in enumerate(optional):
            message.oneof_decl.add(name=f"_{field.number}")
            field.oneof_index, field.proto3_optional = index, True
    if "extensions" in features and not proto3:
        message.extension_range.add(start=1000, end=1001)


def _fill_options(draw: st.DrawFn, field: FieldDescriptorProto) -> None:
    if draw(st.booleans()):
        field.options.ParseFromString(_criu_options(draw(_OPTIONS).items()))
    numeric = field.type not in (FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_BYTES)
    if field.label == FieldDescriptorProto.LABEL_REPEATED and numeric and draw(st.booleans()):
        field.options.packed = draw(st.booleans())


def _add_nested(
    draw: st.DrawFn,
    message: DescriptorProto,
    field: FieldDescriptorProto,
    kind: str,
    file: FileDescriptorProto,
) -> None:
    """A type of the field's own in the message: a map's entry, a group, or a message that holds itself."""
    prefix = f".{file.package}." if file.package else "."
    nested = message.nested_type.add(name=f"N{field.number}")
    field.type_name = f"{prefix}{message.name}.{nested.name}"
    field.type = FieldDescriptorProto.TYPE_GROUP if kind == "group" else FieldDescriptorProto.TYPE_MESSAGE
    optional = FieldDescriptorProto.LABEL_OPTIONAL
    types = _SCALAR_TYPES
    if kind == "map":
        field.label = FieldDescriptorProto.LABEL_REPEATED
        nested.options.map_entry = True
        keys = [*_INTEGER_TYPES, FieldDescriptorProto.TYPE_BOOL, FieldDescriptorProto.TYPE_STRING]
        nested.field.add(name="key", number=1, label=optional, type=draw(st.sampled_from(keys)))
        if file.enum_type[0].value[0].number:  # protobuf wants 0 first in the enum of a map
            types = [item for item in types if item != FieldDescriptorProto.TYPE_ENUM]
    value = nested.field.add(name="value", number=2, label=optional, type=draw(st.sampled_from(types)))
    if value.type == FieldDescriptorProto.TYPE_ENUM:
        value.type_name = f"{prefix}E"
    if kind != "map":
        again = nested.field.add(name="again", number=1, label=optional, type_name=field.type_name)
        again.type = FieldDescriptorProto.TYPE_MESSAGE


def varint(value: int, longer: int = 0) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    longer = min(longer, 10 - len(out))
    if longer > 0:
        out[-1] |= 0x80
        out += b"\x80" * (longer - 1) + b"\0"
    return bytes(out)


@st.composite
def contents(draw: st.DrawFn, descriptor: Descriptor | None, depth: int = 0) -> bytes:
    """A message of the type, well-formed, with fields in any order and number, strangers among them."""
    fields = list(descriptor.fields) if descriptor else []
    parts = []
    for _ in range(draw(st.integers(0, 5 if depth < 2 else 2))):
        if fields and draw(st.integers(0, 7)):
            field = draw(st.sampled_from(fields))
            parts.append(_known_field(draw, field, depth))
        else:
            parts.append(
                _wire_field(draw, draw(st.sampled_from(NUMBERS)), None, draw(st.integers(0, 4)), depth)
            )
    return b"".join(parts)


def _known_field(draw: st.DrawFn, field: FieldDescriptor, depth: int) -> bytes:
    number, longer = field.number, draw(st.sampled_from([0] * 12 + [1, 9]))
    if field.type == FieldDescriptor.TYPE_GROUP:
        return _wire_field(draw, number, field.message_type, 3, depth)
    if field.type in _LENGTHS:
        return _wire_field(draw, number, field.message_type, 2, depth)
    if draw(st.integers(0, 3)) == 0:  # packed, whether the field is or not
        run = b"".join(_scalar(draw, field, 0) for _ in range(draw(st.integers(0, 3))))
        return varint(number << 3 | 2) + varint(len(run)) + run
    wire_type = {4: 5, 8: 1}[_FIXED[field.type]] if field.type in _FIXED else 0
    return varint(number << 3 | wire_type, longer) + _scalar(draw, field, longer)


def _scalar(draw: st.DrawFn, field: FieldDescriptor, longer: int) -> bytes:
    value = draw(INTEGERS)
    if size := _FIXED.get(field.type):
        return (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    if field.enum_type is not None and draw(st.booleans()):
        value = draw(st.sampled_from([item.number for item in field.enum_type.values]))
    if field.type == FieldDescriptor.TYPE_BOOL:
        value &= 3
    return varint(value, longer)


def _wire_field(
    draw: st.DrawFn, number: int, descriptor: Descriptor | None, wire_type: int, depth: int
) -> bytes:
    wire_type = 5 if wire_type == 4 else wire_type
    tag = varint(number << 3 | wire_type)
    if wire_type == 0:
        return tag + varint(draw(INTEGERS), draw(st.sampled_from([0, 0, 2])))
    if wire_type in (1, 5):
        return tag + draw(st.binary(min_size=8, max_size=8))[: 8 if wire_type == 1 else 4]
    nested = depth < 4 and (descriptor is not None or draw(st.booleans()))
    content = draw(contents(descriptor, depth + 1)) if nested else b""
    if wire_type == 3:
        return tag + content + varint(number << 3 | 4)
    content = content if nested else draw(BYTES)
    return tag + varint(len(content), draw(st.sampled_from([0, 0, 0, 1]))) + content


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Schema, str, list[bytes]]:
    """A schema, the name of one of its messages, and records of it."""
    file = draw(schema_files())
    schema = Schema(build_pool([file], "test"), SchemaSource("test", "test"))
    name = draw(st.sampled_from([message.name for message in file.message_type]))
    descriptor = schema.required_message(name)
    message_class = schema.message_class(name)
    records = []
    for _ in range(draw(st.integers(1, 3))):
        record = draw(contents(descriptor))
        how = draw(st.sampled_from(["as it is", "plain", "plain", "known first", "cut", "random"]))
        if how in ("plain", "known first"):
            try:
                message = message_class.FromString(record)
            except DecodeError:
                pass
            else:
                if how == "plain":
                    message_class.DiscardUnknownFields(message)  # a field may be called like a method
                record = message_class.SerializePartialToString(message)
        elif how == "cut":
            record = record[: draw(st.integers(0, len(record)))]
        elif how == "random":
            record = draw(st.binary(max_size=30))
        records.append(record)
    return schema, name, records


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | INTEGERS
    | st.integers(-(2**65), 2**65)
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [
            "",
            "a",
            "E0",
            "E1",
            "0x10",
            "-1",
            "1:2",
            "1.2.3.4",
            "::1",
            "NaN",
            "TCP",
            "PROT_READ | 0x80",
            "YQ==",
            "\udcff",
            "\ud800",
        ]
    )
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*NAMES, "inner", "@unknown", "@bytes", "field", "varint", "text"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=4,
)


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """A document with one place in it changed to anything, or taken out."""
    document = copy.deepcopy(document)
    node = document
    while node:
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.integers(0, 2)) == 0:
            action = draw(st.integers(0, 3))
            if action == 0:
                del node[key]
            else:
                node[key] = draw(JSON_VALUES)
            break
        node = inner
    if isinstance(document, dict) and draw(st.integers(0, 3)) == 0:
        document[draw(st.sampled_from([*NAMES, "@unknown", "@bytes"]))] = draw(JSON_VALUES)
    return document


def through_json(document: Any) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


@QUICK
@given(worlds(), STYLES)
def test_what_decodes_is_encoded_to_the_same_bytes(
    world: tuple[Schema, str, list[bytes]], style: Style
) -> None:
    schema, name, records = world
    codec = Codecs(schema, style).codec(name)
    writer = Codecs(schema, Style(byte_order=style.byte_order)).codec(name)  # encoding needs no style
    for record in records:
        try:
            document = codec.decode(record)
        except ImageError:
            continue
        document = through_json(document)
        assert codec.encode(copy.deepcopy(document)) == record
        assert writer.encode(document) == record


@QUICK
@given(worlds(), STYLES)
def test_any_record_decodes_as_a_message_that_the_schema_lacks(
    world: tuple[Schema, str, list[bytes]], style: Style
) -> None:
    schema, _, records = world
    codec = Codecs(schema, style).codec("no_such_message")
    for record in records:
        try:
            document = codec.decode(record)
        except ImageError:
            continue
        assert codec.encode(through_json(document)) == record


@QUICK
@given(worlds(), STYLES)
def test_fast_and_careful_codec_agree(world: tuple[Schema, str, list[bytes]], style: Style) -> None:
    schema, name, records = world
    plan = Planner(style).plan(schema.required_message(name))
    assume(plan.fields and is_direct(plan))
    fast = DirectCodec(plan)
    for record in records:
        try:
            document = walk.decode_record(plan, record)
        except ImageError:
            with pytest.raises(LEFT_TO_WALK):
                fast.decode(record)
            continue
        try:
            fast_document = fast.decode(record)
        except LEFT_TO_WALK:
            continue
        assert json.dumps(fast_document) == json.dumps(document)


@QUICK
@given(worlds(), STYLES, st.data())
def test_fast_codec_encodes_changed_documents_as_the_careful_one_or_leaves_them(
    world: tuple[Schema, str, list[bytes]], style: Style, data: st.DataObject
) -> None:
    schema, name, records = world
    codec = Codecs(schema, style).codec(name)
    plan = Planner(style).plan(schema.required_message(name))
    documents = []
    for record in records:
        try:
            document = data.draw(changed(through_json(codec.decode(record))))
        except ImageError:
            continue
        documents.append(document)
        try:
            careful: bytes | None = kept.encode_changed(plan, copy.deepcopy(document))
        except DocumentError:
            careful = None
        try:
            chosen: bytes | None = codec.encode(copy.deepcopy(document))
        except DocumentError:
            chosen = None
        assert chosen == careful
    copies = copy.deepcopy(documents)
    if (encoded := codec.encode_all(copies)) is not None:
        assert encoded == [codec.encode(document) for document in documents]
    else:  # what it did to the documents does no harm
        assert [_encoded_or_error(codec, item) for item in copies] == [
            _encoded_or_error(codec, item) for item in documents
        ]


def _encoded_or_error(codec: Any, document: Any) -> bytes | None:
    try:
        return codec.encode(document)
    except DocumentError:
        return None


@QUICK
@given(worlds(), STYLES)
def test_many_records_at_once_are_coded_as_each_alone(
    world: tuple[Schema, str, list[bytes]], style: Style
) -> None:
    schema, name, records = world
    codec = Codecs(schema, style).codec(name)
    try:
        documents = [codec.decode(record) for record in records]
    except ImageError:
        with pytest.raises(ImageError):
            codec.decode_all(records)
        return
    assert json.dumps(codec.decode_all(records)) == json.dumps(documents)
    encoded = codec.encode_all(documents)
    assert encoded in (None, records)


SAMPLES = (
    "criu-4.2/host/env00/files.img",
    "criu-4.2/host/env00/mm-66.img",
    "criu-4.2/host/env00/core-66.img",
    "criu-4.2/host/env00/pagemap-66.img",
    "criu-4.2/host/env00/inventory.img",
    "criu-4.2/host/env00/stats-dump",
    "criu-4.2/host/bpf_hash/bpfmap-data.img",
    "criu-4.2/programs/uns-ipc/ipcns-msg-11.img",
    "criu-4.2/programs/uns-ipc/ipcns-sem-11.img",
    "criu-4.2/programs/uns-ipc/ipcns-shm-11.img",
    "criu-4.2/programs/pytree/sk-queues.img",
    "criu-4.2/programs/pytree/fifo-data.img",
    "criu-4.2/namespaces/ghost_on_rofs/ghost-file-1.img",
    "criu-4.2/host-32bit/socket-tcp-ipt-nfconntrack/tcp-stream-3cb320.img",
    "criu-1.1/host/maps02/creds-66.img",
)


@st.composite
def damaged(draw: st.DrawFn, image: bytes) -> bytes:
    data = bytearray(image)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        action = draw(st.sampled_from(["set", "set", "insert", "delete", "cut"]))
        if action == "set":
            data[at : at + 1] = draw(
                st.sampled_from([b"\0", b"\xff", b"\x80", b"\x01"]) | st.binary(max_size=2)
            )
        elif action == "insert":
            data[at:at] = draw(st.binary(max_size=4))
        elif action == "delete":
            del data[at : at + draw(st.integers(1, 4))]
        else:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", SAMPLES)
@settings(QUICK, max_examples=EXAMPLES // 5)
@given(data=st.data(), pretty=st.booleans())
def test_damaged_images_are_errors_or_come_back_byte_for_byte(
    name: str, data_folder: Path, data: st.DataObject, pretty: bool
) -> None:
    image_bytes = data.draw(damaged((data_folder / name).read_bytes()[:4000]))
    try:
        image = dyncrit.loads(image_bytes, file_name=name.rpartition("/")[2])
        assert dyncrit.dumps(image) == image_bytes
        document = image.to_dict(pretty=pretty)
    except ImageError:
        return
    assert dyncrit.dumps(dyncrit.Image.from_dict(through_json(document))) == image_bytes


@pytest.fixture(scope="module")
def data_folder(data: Path) -> Path:
    return data  # by another name, as Hypothesis' own goes by "data"


@QUICK
@given(st.binary(max_size=64), st.sampled_from(["", "core-1.img", "pages-1.img", "amdgpu-kfd-1.img"]))
def test_random_bytes_are_an_error_or_come_back(content: bytes, file_name: str) -> None:
    try:
        image = dyncrit.loads(content, file_name=file_name)
        document = image.to_dict()
    except ImageError:
        return
    assert dyncrit.dumps(dyncrit.Image.from_dict(through_json(document))) == content


@QUICK
@given(st.data(), STYLES)
def test_random_records_of_the_newest_schema_come_back(data: st.DataObject, style: Style) -> None:
    schema = Schema.default()
    name = data.draw(st.sampled_from(schema.message_names))
    record = data.draw(contents(schema.required_message(name)))
    codec = Codecs(schema, style).codec(name)
    try:
        document = codec.decode(record)
    except ImageError:
        assume(False)
    assert codec.encode(through_json(document)) == record


@QUICK
@given(st.data())
def test_streamed_entries_are_those_of_the_loaded_image(data: st.DataObject) -> None:
    descriptor = Schema.default().required_message("fdinfo_entry")
    records = data.draw(st.lists(contents(descriptor), max_size=4))
    image = b"\x19\x43\x56\x54\x32\x37\x21\x56"
    image += b"".join(len(record).to_bytes(4, "little") + record for record in records)
    assert [entry.record for entry in dyncrit.iter_entries(io.BytesIO(image))] == records
    assert [entry.record for entry in dyncrit.loads(image).entries] == records
