"""The fast codec: protobuf's C code parses and serialises, generated functions read the attributes.

It handles *plain* records only: those that re-serialise byte for byte from what the schema knows. Whatever else turns up, in a record or in
a document, is left to :mod:`dyncrit.codec.walk` by raising :class:`NotPlain` (or what protobuf raises).
"""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError, EncodeError

from dyncrit.codec import unknown, wire
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dyncrit.codec.plan import FieldPlan, MessagePlan
    from dyncrit.types import DynamicMessage, JsonObject

    Decode = Callable[[DynamicMessage], JsonObject]
    Prepare = Callable[[JsonObject], None]

_FEW_OPTIONAL_FIELDS = 8
_ENUM_NAMES_LIMIT = 256


class NotPlain(Exception):
    """A record or document that only the careful codec handles."""


LEFT_TO_WALK = (
    NotPlain,
    DecodeError,
    EncodeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    DyncritError,
)
"""What can be raised by the functions that are made here when a record or document isn't plain."""


def is_direct(plan: MessagePlan, _seen: frozenset[int] = frozenset()) -> bool:
    """Whether a message type, with all below it, has only what the fast codec is made for.

    That is everything in CRIU's schemas; floats, groups, maps, extensions and fields without presence
    are left to the careful codec.
    """
    if id(plan) in _seen:
        return True
    if plan.descriptor.is_extendable or plan.descriptor.GetOptions().map_entry:
        return False
    return all(
        field.scalar.python_type is not float
        and not field.is_group
        and (field.presence or field.repeated)
        and (field.message is None or is_direct(field.message, _seen | {id(plan)}))
        for field in plan.fields
    )


class DirectCodec:
    """Decodes and encodes plain records of one message type, in batches where there are many.

    A batch is one message that repeats the type: protobuf parses, compares and serialises all of its records
    in a few calls.
    """

    def __init__(self, plan: MessagePlan) -> None:
        self._plan = plan
        self._class: Any = plan.message_class
        self._batch_class: Any = None
        self._prefixes = _BatchPrefixes()
        self._decode = _Decoders().decoder(plan)
        self._prepare = _Preparers().preparer(plan)

    def decode(self, record: bytes) -> JsonObject:
        """The document of a plain record, or of one with unknown fields behind all known ones.

        Raises one of LEFT_TO_WALK for others.
        """
        message = self._class.FromString(record)
        message.DiscardUnknownFields()
        known = message.SerializeToString()
        if known == record:
            return self._decode(message)
        if not record.startswith(known):
            raise NotPlain
        strangers = self._strangers(record[len(known) :])
        return {**self._decode(message), unknown.KEY: strangers}

    def decode_all(self, records: Sequence[bytes]) -> list[JsonObject]:
        """The documents of plain records; raises one of LEFT_TO_WALK if any is another."""
        parts: list[bytes] = []
        prefixes = self._prefixes
        for record in records:
            parts += (prefixes[len(record)], record)
        data = b"".join(parts)
        batch = self._batch().FromString(data)
        batch.DiscardUnknownFields()
        if batch.SerializeToString() != data:
            raise NotPlain
        return [*map(self._decode, batch.items)]

    def encode(self, document: JsonObject) -> bytes:
        """The record of a document; raises one of LEFT_TO_WALK if it isn't plain.

        Values in the document may be replaced by what protobuf takes for them.
        """
        self._prepare(document)
        encoded: bytes = self._class(**document).SerializePartialToString()
        return encoded

    def encode_all(self, documents: list[JsonObject]) -> list[bytes]:
        """The records of documents; as :meth:`encode`."""
        for document in documents:
            self._prepare(document)
        data = self._batch()(items=documents).SerializePartialToString()
        records: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            length = data[position + 1]
            position += 2
            if length >= 0x80:
                length, position = wire.read_varint(data, position - 1)
            records.append(data[position : position + length])
            position += length
        return records

    def _batch(self) -> Any:
        """The class of the batch message, put into the message's pool when it is first wanted."""
        if self._batch_class is None:
            descriptor = self._plan.descriptor
            name = f"Batch_{descriptor.full_name.encode().hex()}"
            file = FileDescriptorProto(
                name=f"dyncrit/{name}.proto", package="dyncrit", dependency=[descriptor.file.name]
            )
            file.message_type.add(name=name).field.add(
                name="items",
                number=1,
                label=FieldDescriptorProto.LABEL_REPEATED,
                type=FieldDescriptorProto.TYPE_MESSAGE,
                type_name=f".{descriptor.full_name}",
            )
            pool = descriptor.file.pool
            pool.AddSerializedFile(file.SerializeToString())
            self._batch_class = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"dyncrit.{name}"))
        return self._batch_class

    def _strangers(self, tail: bytes) -> list[JsonObject]:
        fields = list(wire.fields(tail))
        canonical = b"".join(wire.encode_field(*field[:3]) for field in fields) == tail
        if not canonical or any(field.number in self._plan.by_number for field in fields):
            raise NotPlain
        return [unknown.show_field(field) for field in fields]


class _BatchPrefixes(dict[int, bytes]):
    """The tag and length that stand before a record of some size in a batch."""

    def __missing__(self, size: int) -> bytes:
        prefix = b"\x0a" + wire.varint(size)
        if size < 0x4000:
            self[size] = prefix
        return prefix


class _Decoders:
    """Makes functions from a parsed message to its document, one a message type."""

    def __init__(self) -> None:
        self._made: dict[int, Decode] = {}

    def decoder(self, plan: MessagePlan) -> Decode:
        if made := self._made.get(id(plan)):
            return made
        # A type that contains itself finds this stand-in, which looks the real function up when called.
        self._made[id(plan)] = lambda message: self._made[id(plan)](message)
        optional = sum(not field.required for field in plan.fields)
        few = optional <= max(_FEW_OPTIONAL_FIELDS, len(plan.fields) - optional)
        self._made[id(plan)] = self._by_attribute(plan) if few else self._by_listing(plan)
        return self._made[id(plan)]

    def _by_attribute(self, plan: MessagePlan) -> Decode:
        """For messages most of whose fields are there: reads each, asks first only for optional ones."""
        names: dict[str, Any] = {"NotPlain": NotPlain}
        shown = [self._shown(field, f"f{index}", names) for index, field in enumerate(plan.fields)]
        leading = next((i for i, field in enumerate(plan.fields) if not field.required), len(plan.fields))
        lines = ["def decode(message):", "    has = message.HasField"]
        pairs = []
        for index, (field, (show, guard)) in enumerate(zip(plan.fields, shown, strict=True)):
            attribute = _attribute(field.name)
            if index < leading and not guard:
                pairs.append(f"{field.name!r}: {show.format(attribute)}")
                continue
            if index <= leading:
                lines.append(f"    document = {{{', '.join(pairs)}}}")
                pairs, leading = [], -1
            lines += _assignment(field, attribute, show, guard)
        if leading == len(plan.fields):
            lines.append(f"    document = {{{', '.join(pairs)}}}")
        lines.append("    return document")
        exec("\n".join(lines), names)  # noqa: S102 (names of fields are the only input, and stand in quotes)
        made: Decode = names["decode"]
        return made

    def _by_listing(self, plan: MessagePlan) -> Decode:
        """For messages few of whose fields are there, as in files.img: asks protobuf which."""
        readers = {field.number: (field.name, self._reader(field)) for field in plan.fields}

        def decode(message: DynamicMessage) -> JsonObject:
            document: JsonObject = {}
            for descriptor, value in message.ListFields():
                name, read = readers[descriptor.number]
                document[name] = read(value) if read else value
            return document

        return decode

    def _reader(self, field: FieldPlan) -> Callable[[Any], Any] | None:
        names: dict[str, Any] = {"NotPlain": NotPlain}
        show, guard = self._shown(field, "f", names)
        if show == "{0}" and not guard:
            return None
        check = f"    if {guard.format('value')}: raise NotPlain\n" if guard else ""
        exec(f"def read(value):\n{check}    return {show.format('value')}", names)  # noqa: S102 (our own code)
        read: Callable[[Any], Any] = names["read"]
        return read

    def _shown(self, field: FieldPlan, prefix: str, names: dict[str, Any]) -> tuple[str, str]:
        """Code that shows a value, ``{0}``, and a condition on it under which the message isn't plain."""
        element, guard = "{0}", ""
        if field.message is not None:
            names[f"{prefix}_decode"] = self.decoder(field.message)
            element = f"{prefix}_decode({{0}})"
        elif field.names is not None:
            names[f"{prefix}_names"] = field.names.get
            element = f"{prefix}_names({{0}}, {{0}})"
        elif field.show_list:
            names[f"{prefix}_show"] = field.show_list
            return f"{prefix}_show(list({{0}}))", guard
        elif field.show:
            names[f"{prefix}_show"] = field.show
            element = f"{prefix}_show({{0}})"
        if not field.repeated:
            if field.scalar.python_type is str:
                guard = "{0}.__class__ is not str"
            elif field.show_loses:
                names[f"{prefix}_loses"] = field.show_loses
                guard = f"{prefix}_loses({{0}})"
            return element, guard
        if field.scalar.python_type is str:
            guard = "bytes in map(type, {0})"
        elif field.show_loses:
            names[f"{prefix}_loses"] = field.show_loses
            guard = f"any(map({prefix}_loses, {{0}}))"
        return "list({0})" if element == "{0}" else f"[{element.format('item')} for item in {{0}}]", guard


def _assignment(field: FieldPlan, attribute: str, show: str, guard: str) -> list[str]:
    """Lines that put one field of a message into its document, if it is there."""
    indent = "    "
    lines = []
    if field.repeated:
        lines += [f"    value = {attribute}", "    if value:"]
        attribute, indent = "value", "        "
    elif not field.required:
        lines.append(f"    if has({field.name!r}):")
        indent = "        "
    if guard:
        lines += [f"{indent}value = {attribute}", f"{indent}if {guard.format('value')}: raise NotPlain"]
        attribute = "value"
    return [*lines, f"{indent}document[{field.name!r}] = {show.format(attribute)}"]


def _attribute(name: str) -> str:
    plain = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
    return f"message.{name}" if plain else f"getattr(message, {name!r})"


class _Preparers:
    """Makes functions that turn a document, in place, into the arguments that protobuf's constructor takes.

    They check every type, since the constructor passes over ``None`` and takes 5 for true, and
    convert what documents show differently (base64, hexadecimal, ...). What they put in place is
    good for the careful codec, too, should it be asked next.
    """

    def __init__(self) -> None:
        self._made: dict[int, Prepare] = {}

    def preparer(self, plan: MessagePlan) -> Prepare:
        if made := self._made.get(id(plan)):
            return made
        self._made[id(plan)] = lambda document: self._made[id(plan)](document)
        expected = {field.name: _constructor_type(field) for field in plan.fields}
        convert = {field.name: self._converter(field) for field in plan.fields}

        def prepare(document: JsonObject) -> None:
            if type(document) is not dict:
                raise NotPlain
            for name, value in document.items():
                if type(value) is not expected[name]:
                    document[name] = convert[name](value)

        self._made[id(plan)] = prepare
        return prepare

    def _converter(self, field: FieldPlan) -> Callable[[Any], Any]:
        single = self._single_converter(field)
        return _list_converter(field, single) if field.repeated else single

    def _single_converter(self, field: FieldPlan) -> Callable[[Any], Any]:
        if field.message is not None:
            prepare = self.preparer(field.message)

            def convert_message(value: Any) -> Any:
                prepare(value)
                return value

            return convert_message
        kind, names, parse = field.scalar.python_type, field.names, field.parse

        def convert(value: Any) -> Any:
            if type(value) is str and names is None and parse:
                return parse(value)
            if type(value) is kind and kind is not bytes:
                return value
            raise NotPlain

        return convert


def _constructor_type(field: FieldPlan) -> type | None:
    """The type whose values go to the constructor as they are, if there is one."""
    if field.repeated or field.message is not None or field.scalar.python_type is bytes:
        return None
    return str if field.names is not None else field.scalar.python_type


def _list_converter(field: FieldPlan, single: Callable[[Any], Any]) -> Callable[[Any], Any]:
    plain_type = {str} if field.names is not None else {field.scalar.python_type}
    takes_plain = field.message is None and field.scalar.python_type is not bytes

    def convert(values: Any) -> Any:
        if type(values) is not list:
            raise NotPlain
        if takes_plain and set(map(type, values)) <= plain_type:
            if field.parse_list and len(values) == 1 and type(values[0]) is str:
                raise NotPlain
            return values
        if field.parse_list and len(values) == 1:
            return field.parse_list(values[0])
        return [single(value) for value in values]

    return convert
