"""The careful codec: walks the wire itself, keeps what the schema doesn't know, says what is wrong where.

It is right for every record; :mod:`dyncrit.codec.direct` is faster for plain ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dyncrit.codec import unknown, wire
from dyncrit.codec.render import parse_base64, show_base64
from dyncrit.errors import DocumentError, ImageError, describe, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.codec.plan import FieldPlan, MessagePlan
    from dyncrit.types import JsonObject

BYTES_KEY = "@bytes"
"""Holds a record's own bytes, in base64, where they can't be made again from its fields."""


class _TooManyUnknownError(Exception):
    """A record with more unknown fields than a document should show."""


def decode_record(plan: MessagePlan, record: bytes) -> JsonObject:
    """The document of a record: its fields, and its bytes where encoding would not give them back.

    Raises ImageError with the field path and byte where ``record`` is no protobuf message.
    """
    try:
        document = _decode_message(plan, record, "", 0)
    except _TooManyUnknownError:
        return {BYTES_KEY: show_base64(record)}
    try:
        if encode_message(plan, document) == record:
            return document
    except DocumentError:
        pass
    return {**document, BYTES_KEY: show_base64(record)}


def encode_record(plan: MessagePlan, document: JsonObject, *, allow_unknown: bool = False) -> bytes:
    """The bytes of a record's document.

    Bytes kept under ``"@bytes"`` are used if they still mean what the fields say. Raises
    DocumentError with the field path of a value that doesn't fit.
    """
    if BYTES_KEY not in document:
        return encode_message(plan, document, allow_unknown=allow_unknown)
    kept = kept_bytes(document[BYTES_KEY])
    fields = {key: value for key, value in document.items() if key != BYTES_KEY}
    encoded = encode_message(plan, fields, allow_unknown=allow_unknown)
    try:
        same = encode_message(plan, _decode_message(plan, kept, "", 0)) == encoded
    except (ImageError, DocumentError, _TooManyUnknownError):
        same = not fields  # bytes that no document can show say nothing about fields
    return kept if same else encoded


def missing_required(plan: MessagePlan, document: object, path: str = "") -> list[str]:
    """The paths of required fields that a document doesn't have, in it and below."""
    if not isinstance(document, dict):
        return []
    missing = []
    for field in plan.fields:
        inner = f"{path}.{field.name}" if path else field.name
        value = document.get(field.name)
        if value is None:
            missing += [inner] if field.required else []
        elif field.message is not None:
            for index, item in enumerate(value if isinstance(value, list) else [value]):
                missing += missing_required(
                    field.message, item, f"{inner}[{index}]" if field.repeated else inner
                )
    return missing


def encode_message(
    plan: MessagePlan, document: object, path: str = "", depth: int = 0, *, allow_unknown: bool = False
) -> bytes:
    """A message from its document: known fields in number order, unknown ones in their places."""
    if not isinstance(document, dict):
        raise DocumentError(f"expected an object for {plan.name}, found {describe(document)}", *_place(path))
    if depth > wire.MAX_DEPTH:
        raise DocumentError(f"messages nested deeper than {wire.MAX_DEPTH}", *_place(path))
    if not allow_unknown:
        _check_keys(plan, document, path)
    elements: list[bytes] = []
    for field in plan.fields:
        if field.name in document:
            inner = f"{path}.{field.name}" if path else field.name
            elements += _encode_field(field, document[field.name], inner, depth, allow_unknown=allow_unknown)
    if unknown.KEY in document:
        elements = _insert_unknown(elements, document[unknown.KEY], path, depth)
    return b"".join(elements)


def _decode_message(plan: MessagePlan, data: bytes, path: str, depth: int) -> JsonObject:
    if depth > wire.MAX_DEPTH:
        raise ImageError(f"messages nested deeper than {wire.MAX_DEPTH}", *_place(path))
    values: dict[int, list[Any]] = {}
    strangers: list[tuple[int, wire.WireField]] = []
    known = 0
    try:
        for item in wire.fields(data, depth):
            field = plan.by_number.get(item.number)
            if field is None or not _fits(field, item):
                if len(strangers) >= unknown.MAX_FIELDS:
                    raise _TooManyUnknownError
                strangers.append((known, item))
                continue
            known += 1
            elements = _elements(field, item)
            if field.repeated or field.message is not None:
                values.setdefault(item.number, []).extend(elements)
            else:
                values[item.number] = list(elements)[-1:] or values.get(item.number, [])
    except ImageError as error:
        raise error.within(*_place(path)) from None
    document: JsonObject = {}
    for field in plan.fields:
        if field.number in values:
            document[field.name] = _show(field, values[field.number], path, depth)
    if strangers:
        document[unknown.KEY] = [_show_stranger(item, at, known, depth) for at, item in strangers]
    return document


def _fits(field: FieldPlan, item: wire.WireField) -> bool:
    """Whether a field on the wire is of its type, packed or not."""
    if item.wire_type == field.scalar.wire_type:
        return True
    return (
        field.repeated
        and item.wire_type == wire.LENGTH
        and field.scalar.wire_type != wire.START_GROUP
        and _whole(field, item)
    )


def _whole(field: FieldPlan, item: wire.WireField) -> bool:
    try:
        return bool(list(_elements(field, item))) or item.value == b""
    except ImageError:
        return False


def _elements(field: FieldPlan, item: wire.WireField) -> Iterator[Any]:
    """The values in one field on the wire: one, or all of a packed run."""
    value = item.value
    if item.wire_type == field.scalar.wire_type:
        yield field.scalar.from_wire(value)
        return
    assert isinstance(value, bytes)  # noqa: S101 (a packed run is a length)
    position = 0
    while position < len(value):
        if field.scalar.wire_type == wire.VARINT:
            element, position = wire.read_varint(value, position)
        else:
            size = 8 if field.scalar.wire_type == wire.FIXED64 else 4
            if len(value) - position < size:
                raise ImageError(f"a packed run ends within its element at byte {position}")
            element, position = int.from_bytes(value[position : position + size], "little"), position + size
        yield field.scalar.from_wire(element)


def _show(field: FieldPlan, values: list[Any], path: str, depth: int) -> Any:
    if field.message is not None:
        inner = f"{path}.{field.name}" if path else field.name
        if (
            not field.repeated
        ):  # a message that stands twice is merged, which is what parsing both as one does
            return _decode_message(field.message, b"".join(values), inner, depth + 1)
        return [
            _decode_message(field.message, value, f"{inner}[{index}]", depth + 1)
            for index, value in enumerate(values)
        ]
    if field.show_list:
        return field.show_list(values)
    if field.names is not None:
        values = [field.names.get(value, value) for value in values]
    elif field.show:
        values = [field.show(value) for value in values]
    return values if field.repeated else values[0]


def _show_stranger(item: wire.WireField, at: int, known: int, depth: int) -> JsonObject:
    shown = unknown.show_field(item, depth)
    return shown if at == known else {**shown, "at": at}


def _encode_field(field: FieldPlan, value: Any, path: str, depth: int, *, allow_unknown: bool) -> list[bytes]:
    if not field.repeated:
        return [_encode_element(field, value, path, depth, allow_unknown=allow_unknown)]
    if not isinstance(value, list):
        raise DocumentError(f"expected a list, found {describe(value)}", path)
    if field.parse_list and len(value) == 1 and isinstance(value[0], str):
        value = _parse_addresses(field, value[0], path)
    if not field.packed:
        return [
            _encode_element(field, item, f"{path}[{index}]", depth, allow_unknown=allow_unknown)
            for index, item in enumerate(value)
        ]
    run = b"".join(
        _packed_element(field, _scalar_value(field, item, f"{path}[{index}]"))
        for index, item in enumerate(value)
    )
    return [wire.encode_field(field.number, wire.LENGTH, run)] if value else []


def _encode_element(field: FieldPlan, value: Any, path: str, depth: int, *, allow_unknown: bool) -> bytes:
    if field.message is not None:
        content = encode_message(field.message, value, path, depth + 1, allow_unknown=allow_unknown)
        return wire.encode_field(field.number, field.scalar.wire_type, content)
    wire_value = field.scalar.to_wire(_scalar_value(field, value, path))
    return wire.encode_field(field.number, field.scalar.wire_type, wire_value)


def _packed_element(field: FieldPlan, value: Any) -> bytes:
    if field.scalar.wire_type == wire.VARINT:
        return wire.varint(field.scalar.to_wire(value))
    size = 8 if field.scalar.wire_type == wire.FIXED64 else 4
    return bytes((field.scalar.to_wire(value) & ((1 << 8 * size) - 1)).to_bytes(size, "little"))


def _parse_addresses(field: FieldPlan, text: str, path: str) -> list[int]:
    assert field.parse_list is not None  # noqa: S101 (the caller looked)
    try:
        return field.parse_list(text)
    except ValueError:
        try:
            return [field.parse(text)] if field.parse else []
        except ValueError as error:
            raise DocumentError(
                f"expected an IPv4 or IPv6 address, found {text!r:.60}", f"{path}[0]"
            ) from error


def _scalar_value(field: FieldPlan, value: Any, path: str) -> Any:
    """The value that a document's JSON value stands for, checked against the field's type and range."""
    kind = field.scalar.python_type
    if isinstance(value, str) and kind is not str:
        value = _parse_text(field, value, path)
    if kind is float and type(value) is int:
        value = _as_float(value, path)
    if type(value) is not kind:
        raise DocumentError(f"expected {_expected(field)}, found {describe(value)}", path)
    if isinstance(value, int) and kind is int and not field.scalar.low <= value <= field.scalar.high:
        raise DocumentError(
            f"{describe(value).removeprefix('the integer ')} is out of range: expected {_expected(field)}",
            path,
        )
    if kind is float and field.scalar.name == "float":
        try:
            field.scalar.to_wire(value)
        except OverflowError:
            raise DocumentError(f"{value} is out of range for a float of 32 bits", path) from None
    if kind is str:
        try:
            field.scalar.to_wire(value)
        except UnicodeEncodeError as error:
            raise DocumentError(f"not text: {error.reason} in {value!r:.60}", path) from None
    return value


def _as_float(value: int, path: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise DocumentError(f"{describe(value)} is out of range for a number with a point", path) from None


def _parse_text(field: FieldPlan, value: str, path: str) -> Any:
    if field.names is not None:
        if value in field.numbers:
            return field.numbers[value]
        hint = did_you_mean(value, field.numbers)
        raise DocumentError(f"no value {value!r:.60}{hint} (there are {', '.join(field.numbers)})", path)
    if field.parse is None:
        return value
    try:
        return field.parse(value)
    except ValueError as error:
        problem = (
            f"bad base64: {error}"
            if field.scalar.python_type is bytes
            else f"expected {_expected(field)}: {error}"
        )
        raise DocumentError(problem, path) from error


def _insert_unknown(elements: list[bytes], items: object, path: str, depth: int) -> list[bytes]:
    place = f"{path}.{unknown.KEY}" if path else unknown.KEY
    if not isinstance(items, list):
        raise DocumentError(f"expected a list of fields, found {describe(items)}", place)
    parsed = [unknown.parse_field(item, f"{place}[{index}]", depth) for index, item in enumerate(items)]
    before: dict[int, list[bytes]] = {}
    for encoded, at in parsed:
        before.setdefault(len(elements) if at is None else min(at, len(elements)), []).append(encoded)
    merged: list[bytes] = []
    for index, element in enumerate(elements):
        merged += before.get(index, ())
        merged.append(element)
    return merged + before.get(len(elements), [])


def _check_keys(plan: MessagePlan, document: JsonObject, path: str) -> None:
    for key in document:
        if key not in plan.by_name and key != unknown.KEY:
            raise DocumentError(
                f"{plan.name} has no field {key!r:.60}{did_you_mean(key, plan.by_name)}", *_place(path)
            )


def kept_bytes(text: object) -> bytes:
    """What stands under ``"@bytes"``; raises DocumentError if it is no base64."""
    if not isinstance(text, str):
        raise DocumentError(f"expected base64, found {describe(text)}", BYTES_KEY)
    try:
        return parse_base64(text)
    except ValueError as error:
        raise DocumentError(f"bad base64: {error}", BYTES_KEY) from error


def _expected(field: FieldPlan) -> str:
    kind = field.scalar.python_type
    if kind is int and field.names is None:
        return f"an integer from {field.scalar.low} to {field.scalar.high}"
    if kind is int:
        return f"one of {', '.join(field.numbers)}, or its number"
    return {bool: "true or false", str: "a string", bytes: "a string in base64", float: "a number"}[kind]


def _place(path: str) -> tuple[str, ...]:
    return (path,) if path else ()
