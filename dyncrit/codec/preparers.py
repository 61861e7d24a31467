"""Functions from a document to the arguments of protobuf's constructors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dyncrit.codec.decoders import NotPlain, require_direct

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.codec.plan import FieldPlan, MessagePlan
    from dyncrit.types import JsonObject

    Convert = Callable[[Any], Any]
    Prepare = Callable[[JsonObject], None]


class Preparers:
    """Makes functions that turn a document, in place, into arguments for protobuf's constructor.

    They check every type, since the constructor passes over ``None`` and takes 5 for true, and
    convert what documents show differently (base64, hexadecimal, ...). What they put in place is
    good for the careful codec, too, should it be asked next.
    """

    def __init__(self) -> None:
        self._made: dict[int, Prepare] = {}

    def preparer(self, plan: MessagePlan) -> Prepare:
        """The function for a message type; it raises one of LEFT_TO_WALK for what isn't plain."""
        if made := self._made.get(id(plan)):
            return made
        require_direct(plan)
        expected = {field.name: _constructor_type(field) for field in plan.fields}
        converters: dict[str, Convert] = {}

        def prepare(document: JsonObject) -> None:
            if type(document) is not dict:
                raise NotPlain
            for name, value in document.items():
                if type(value) is not expected[name]:
                    convert = converters.get(name) or make(name)
                    document[name] = convert(value)

        def make(name: str) -> Convert:
            converters[name] = self._converter(plan.by_name[name])
            return converters[name]

        self._made[id(plan)] = prepare
        return prepare

    def _converter(self, field: FieldPlan) -> Convert:
        single = self._single_converter(field)
        return _list_converter(field, single) if field.repeated else single

    def _single_converter(self, field: FieldPlan) -> Convert:
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


def _list_converter(field: FieldPlan, single: Convert) -> Convert:
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
