"""Functions from a parsed protobuf message to its document: simple ones, and generated ones for masses."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.codec.plan import FieldPlan, MessagePlan
    from dyncrit.types import DynamicMessage, JsonObject

    Decode = Callable[[DynamicMessage], JsonObject]
    Read = Callable[[Any], Any]

_MANY = 16
_FEW_OPTIONAL_FIELDS = 8


class NotPlain(Exception):  # noqa: N818 (no error: a sign that another way has to be taken)
    """A record or document that only the careful codec handles."""


def is_direct(plan: MessagePlan) -> bool:
    """Whether the fields of a message type, not of those below it, are such as the fast codec is made for.

    That is everything in CRIU's schemas; floats, groups, maps, oneofs, extensions and fields without
    presence are left to the careful codec.
    """
    descriptor = plan.descriptor
    if descriptor.is_extendable or (descriptor.has_options and descriptor.GetOptions().map_entry):
        return False
    if any(len(oneof.fields) > 1 for oneof in descriptor.oneofs):
        return False
    return all(
        field.scalar.python_type is not float and not field.is_group and (field.presence or field.repeated)
        for field in plan.fields
    )


class Decoders:
    """Makes decoding functions, each when it is first called.

    They raise NotPlain for what a document can't show from a parsed message: text that isn't UTF-8,
    names that don't come back, types that :func:`is_direct` refuses.
    """

    def __init__(self) -> None:
        self._simple: dict[int, Decode] = {}
        self._generated: dict[int, Decode] = {}

    def simple(self, plan: MessagePlan) -> Decode:
        """A function that asks protobuf which fields there are. It is made quickly."""
        if made := self._simple.get(id(plan)):
            return made
        require_direct(plan)
        readers: dict[int, tuple[str, Read | None]] = {}

        def decode(message: DynamicMessage) -> JsonObject:
            document: JsonObject = {}
            for descriptor, value in message.ListFields():
                number = descriptor.number
                name, read = readers[number] if number in readers else make(number)
                document[name] = read(value) if read else value
            return document

        def make(number: int) -> tuple[str, Read | None]:
            field = plan.by_number[number]
            readers[number] = (field.name, self._reader(field))
            return readers[number]

        self._simple[id(plan)] = decode
        return decode

    def generated(self, plan: MessagePlan) -> Decode:
        """A function generated for the type, which reads attributes where most fields are there as a rule.

        It takes longer to make and half the time to run.
        """
        if made := self._generated.get(id(plan)):
            return made
        require_direct(plan)
        optional = sum(not field.required for field in plan.fields)
        few_optional = optional <= max(_FEW_OPTIONAL_FIELDS, len(plan.fields) - optional)
        made = self._generated[id(plan)] = self._generate(plan) if few_optional else self.simple(plan)
        return made

    def _reader(self, field: FieldPlan) -> Read | None:
        """What shows a field's value, a list where it is repeated; None where it stands for itself."""
        if field.message is not None:
            return self._message_reader(field.message, repeated=field.repeated)
        show = _shower(field)
        if field.show_list:
            show_list = field.show_list
            return lambda values: show_list(list(values))
        if not field.repeated:
            return show
        if show is None:
            return list
        return lambda values: [show(value) for value in values]

    def _message_reader(self, plan: MessagePlan, *, repeated: bool) -> Read:
        def read(message: DynamicMessage) -> JsonObject:
            return self.simple(plan)(message)

        def read_all(messages: Any) -> list[JsonObject]:
            decode = self.generated(plan) if len(messages) > _MANY else self.simple(plan)
            return [decode(message) for message in messages]

        return read_all if repeated else read

    def _generate(self, plan: MessagePlan) -> Decode:
        names: dict[str, Any] = {}
        lines = ["def decode(message):", "    has = message.HasField"]
        pairs: list[str] = []
        leading = True
        for index, field in enumerate(plan.fields):
            reader, attribute = self._reader(field), _attribute(field.name)
            names[f"read{index}"] = reader
            shown = f"read{index}({{0}})" if reader else "{0}"
            if leading and field.required:
                pairs.append(f"{field.name!r}: {shown.format(attribute)}")
                continue
            if leading:
                lines.append(f"    document = {{{', '.join(pairs)}}}")
                leading = False
            lines += _assignment(field, attribute, shown)
        if leading:
            lines.append(f"    document = {{{', '.join(pairs)}}}")
        lines.append("    return document")
        exec("\n".join(lines), names)  # noqa: S102 (names of fields are the only input, and stand in quotes)
        made: Decode = names["decode"]
        return made


def require_direct(plan: MessagePlan) -> None:
    """Raise NotPlain for a type that the fast codec isn't made for."""
    if not is_direct(plan):
        raise NotPlain


def _shower(field: FieldPlan) -> Read | None:
    """What shows one scalar value, or raises NotPlain; None where it stands for itself."""
    if field.scalar.python_type is str:
        return _show_text
    if field.names is not None:
        names = field.names.get
        return lambda value: names(value, value)
    if field.show_loses:
        loses, show = field.show_loses, field.show
        assert show is not None  # noqa: S101 (what could lose anything, otherwise?)

        def show_or_refuse(value: Any) -> Any:
            if loses(value):
                raise NotPlain
            return show(value)

        return show_or_refuse
    return field.show


def _show_text(value: Any) -> str:
    """Text; protobuf hands out bytes where it isn't UTF-8."""
    if value.__class__ is not str:
        raise NotPlain
    return value


def _assignment(field: FieldPlan, attribute: str, shown: str) -> list[str]:
    """Lines that put one field of a message into its document, if it is there."""
    target = f"document[{field.name!r}]"
    if field.repeated:
        return [f"    value = {attribute}", f"    if value: {target} = {shown.format('value')}"]
    if field.required:
        return [f"    {target} = {shown.format(attribute)}"]
    return [f"    if has({field.name!r}): {target} = {shown.format(attribute)}"]


def _attribute(name: str) -> str:
    plain = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
    return f"message.{name}" if plain else f"getattr(message, {name!r})"
