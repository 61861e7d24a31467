"""The fast codec: protobuf's C code parses and serialises, generated functions read the attributes.

It handles *plain* records only: those that re-serialise byte for byte from what the schema knows. Whatever else turns up, in a record or in
a document, is left to :mod:`dyncrit.codec.walk` by raising :class:`NotPlain` (or what protobuf raises).
"""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, EncodeError

from dyncrit.codec import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.codec.plan import FieldPlan, MessagePlan
    from dyncrit.types import DynamicMessage, JsonObject

    Decode = Callable[[DynamicMessage], JsonObject]
    Prepare = Callable[[JsonObject], JsonObject]

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
    """Decodes and encodes plain records of one message type."""

    def __init__(self, plan: MessagePlan) -> None:
        self._class: Any = plan.message_class
        self._parse: Callable[[bytes], DynamicMessage] = self._class.FromString
        self._decode = _Decoders().decoder(plan)
        self._prepare = _Preparers().preparer(plan)

    def decode(self, record: bytes) -> JsonObject:
        """The document of a plain record; raises one of LEFT_TO_WALK for others."""
        message = self._parse(record)
        message.DiscardUnknownFields()
        if message.SerializeToString() != record:
            raise NotPlain
        return self._decode(message)

    def encode(self, document: JsonObject) -> bytes:
        """The record of a document, which is left as it is; raises one of LEFT_TO_WALK if it isn't plain."""
        encoded: bytes = self._class(**self._prepare(document)).SerializePartialToString()
        return encoded


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
        lines = ["def decode(message):", "    document = {}"]
        names: dict[str, Any] = {"NotPlain": NotPlain}
        for index, field in enumerate(plan.fields):
            shown, guard = self._shown(field, f"f{index}", names)
            indent = "    "
            attribute = _attribute(field.name)
            if not field.required and not field.repeated:
                lines.append(f"    if message.HasField({field.name!r}):")
                indent = "        "
            if field.repeated:
                lines += [f"    value = {attribute}", "    if value:"]
                indent = "        "
            elif guard or shown != "value":
                lines.append(f"{indent}value = {attribute}")
            else:
                shown = attribute
            if guard:
                lines.append(f"{indent}if {guard}: raise NotPlain")
            lines.append(f"{indent}document[{field.name!r}] = {shown}")
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
        shown, guard = self._shown(field, "f", names)
        if shown == "value" and not guard:
            return None
        check = f"    if {guard}: raise NotPlain\n" if guard else ""
        exec(f"def read(value):\n{check}    return {shown}", names)  # noqa: S102 (no input but our own code)
        read: Callable[[Any], Any] = names["read"]
        return read

    def _shown(self, field: FieldPlan, prefix: str, names: dict[str, Any]) -> tuple[str, str]:
        """Code that shows ``value``, and a condition on it under which the message isn't plain."""
        guard = ""
        element = "{0}"
        if field.message is not None:
            names[f"{prefix}_decode"] = self.decoder(field.message)
            element = f"{prefix}_decode({{0}})"
        elif field.names is not None:
            names[f"{prefix}_names"] = field.names
            element = f"{prefix}_names.get({{0}}, {{0}})"
        elif field.show_list:
            names[f"{prefix}_show"] = field.show_list
            return f"{prefix}_show(list(value))", guard
        elif field.show:
            names[f"{prefix}_show"] = field.show
            element = f"{prefix}_show({{0}})"
            if field.scalar.python_type is bytes and field.parse:
                names[f"{prefix}_parse"] = field.parse
                if field.show.__name__ == "show_unix_name":
                    guard = f"{prefix}_parse({prefix}_show(value)) != value"
        if field.scalar.python_type is str:
            guard = "bytes in map(type, value)" if field.repeated else "value.__class__ is not str"
        if not field.repeated:
            return element.format("value"), guard
        if element == "{0}":
            return "list(value)", guard
        return f"[{element.format('item')} for item in value]", guard


def _attribute(name: str) -> str:
    plain = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
    return f"message.{name}" if plain else f"getattr(message, {name!r})"


class _Preparers:
    """Makes functions from a document to the arguments that protobuf's constructor takes.

    They check every type, since the constructor passes over ``None`` and takes 5 for true, and
    convert what documents show differently (base64, hexadecimal, ...).
    """

    def __init__(self) -> None:
        self._made: dict[int, Prepare] = {}

    def preparer(self, plan: MessagePlan) -> Prepare:
        if made := self._made.get(id(plan)):
            return made
        self._made[id(plan)] = lambda document: self._made[id(plan)](document)
        expected = {field.name: _constructor_type(field) for field in plan.fields}
        convert = {field.name: self._converter(field) for field in plan.fields}

        def prepare(document: JsonObject) -> JsonObject:
            if type(document) is not dict:
                raise NotPlain
            prepared = document
            for name, value in document.items():
                if type(value) is not expected[name]:
                    converted = convert[name](value)
                    if converted is not value:
                        if prepared is document:
                            prepared = document.copy()
                        prepared[name] = converted
            return prepared

        self._made[id(plan)] = prepare
        return prepare

    def _converter(self, field: FieldPlan) -> Callable[[Any], Any]:
        single = self._single_converter(field)
        return _list_converter(field, single) if field.repeated else single

    def _single_converter(self, field: FieldPlan) -> Callable[[Any], Any]:
        if field.message is not None:
            return self.preparer(field.message)
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
