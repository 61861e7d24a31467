"""Scrubs messages, field by field, as their descriptors and the tables say."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.unknown_fields import UnknownFieldSet

from dyncrit.checkpoint.fields import decode
from dyncrit.codec import wire
from dyncrit.edit.anonymity.fill import FILLER, Filled
from dyncrit.edit.anonymity.treatments import (
    CPU_MESSAGE,
    Number,
    Pseudonyms,
    Treatment,
    number_treatment,
    text_treatment,
)
from dyncrit.entry import Entry
from dyncrit.schema.engine import is_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dyncrit.codec.payload import Content
    from dyncrit.edit.anonymity.mappings import Mappings
    from dyncrit.types import ByteOrder, DynamicMessage

_WIDE = frozenset({FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64})
_TEXT = frozenset({FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES})
_SMALL = 1 << 16
_MOST_ENUM = 1 << 16

# Classic BPF (linux/bpf_common.h): the class and the mode of an instruction, and those whose k is a constant.
_CLASS, _MODE = 0x07, 0xE0
_LOADS, _ALU, _JUMP = frozenset({0x00, 0x01}), 0x04, 0x05


class _Step(NamedTuple):
    """What to do with a field that is set."""

    name: str
    repeated: bool
    treatment: Treatment | Number | None
    is_text: bool = False
    wide: bool = False
    below_cpu: bool = False


class Scrubber:
    """Scrubs the messages of one checkpoint; ``counts`` are the values that it changed, by their kind."""

    def __init__(self, pseudonyms: Pseudonyms, mappings: Mappings, byte_order: ByteOrder) -> None:
        self.counts: Counter[str] = Counter()
        self._to = pseudonyms
        self._mappings = mappings
        self._byte_order: ByteOrder = byte_order
        self._plans: dict[tuple[str, bool], Mapping[int, _Step]] = {}
        self._actions: Mapping[str, Callable[[list[int], int], list[int]]] = {
            "pointer": self._pointers,
            "zero": lambda numbers, _bits: [0] * len(numbers),
            "address": self._addresses,
            "digest": self._digest,
            "filter": self._filter,
        }

    def entry(self, entry: Entry) -> Entry:
        """An entry without what it said; its bytes are as CRIU writes them."""
        self._drop_unknown(entry.message)
        self._message(entry.message)
        # a new one, since the bytes of the record may hold what the message doesn't
        return Entry(entry.message, self._payload(entry.payload))

    def _message(self, message: DynamicMessage, *, in_cpu: bool = False) -> None:
        """Scrub what is set in a message and those below it; ``in_cpu``: it is of a processor's state."""
        plan = self._plan(message.DESCRIPTOR, in_cpu=in_cpu)
        for field, value in message.ListFields():
            step = plan.get(field.number)
            if step is None:
                continue
            if step.treatment is None:
                for item in value if step.repeated else [value]:
                    self._message(item, in_cpu=step.below_cpu)
            elif isinstance(step.treatment, Number):
                self._numbers(message, step, step.treatment, value)
            else:
                self._texts(message, step, step.treatment, value)

    def _plan(self, descriptor: Any, *, in_cpu: bool) -> Mapping[int, _Step]:
        key = (descriptor.full_name, in_cpu)
        if key not in self._plans:
            steps = ((field.number, _step(field, in_cpu)) for field in descriptor.fields)
            self._plans[key] = {number: step for number, step in steps if step is not None}
        return self._plans[key]

    def _texts(self, message: DynamicMessage, step: _Step, treatment: Treatment, value: Any) -> None:
        for index, item in enumerate(value if step.repeated else [value]):
            old = item if isinstance(item, bytes) else item.encode("utf-8", "surrogateescape")
            new = treatment.apply(self._to, old)
            if new == old:
                continue
            self.counts[treatment.kind] += 1
            scrubbed: Any = decode(new) if step.is_text else new
            if step.repeated:
                value[index] = scrubbed
            else:
                setattr(message, step.name, scrubbed)

    def _numbers(self, message: DynamicMessage, step: _Step, treatment: Number, value: Any) -> None:
        old = list(value) if step.repeated else [value]
        new = self._actions[treatment.action](old, 64 if step.wide else 32)
        if new == old:
            return
        self.counts[treatment.kind] += sum(one != other for one, other in zip(old, new, strict=True))
        if step.repeated:
            value[:] = new
        else:
            setattr(message, step.name, new[0])

    def _pointers(self, numbers: list[int], bits: int) -> list[int]:
        bound = 1 << bits
        return [number if self._mappings.tells_nothing(number % bound, bits) else 0 for number in numbers]

    def _addresses(self, numbers: list[int], _bits: int) -> list[int]:
        size = 16 if len(numbers) == 4 else 4
        packed = b"".join((number % (1 << 32)).to_bytes(4, self._byte_order) for number in numbers)
        parts = (packed[start : start + size] for start in range(0, len(packed), size))
        mapped = b"".join(map(self._to.addresses.packed, parts))
        return [
            int.from_bytes(mapped[start : start + 4], self._byte_order) for start in range(0, len(mapped), 4)
        ]

    def _digest(self, numbers: list[int], bits: int) -> list[int]:
        value = b"".join((number % (1 << 64)).to_bytes(8, "big") for number in numbers)
        stream = self._to.keyed.stream("digest", value, len(numbers) * 4)
        return [
            int.from_bytes(stream[start : start + 4], "big") % (1 << bits)
            for start in range(0, len(stream), 4)
        ]

    def _filter(self, numbers: list[int], _bits: int) -> list[int]:
        return [self._instruction(number) for number in numbers]

    def _instruction(self, number: int) -> int:
        """An instruction of a socket filter: what it compares with may be an address."""
        packed = (number % (1 << 64)).to_bytes(8, self._byte_order)
        code = int.from_bytes(packed[:2], self._byte_order)
        kind = code & _CLASS
        is_constant = kind in {_ALU, _JUMP} or (kind in _LOADS and not code & _MODE)
        if not is_constant or int.from_bytes(packed[4:], self._byte_order) < _SMALL:
            return number
        return int.from_bytes(packed[:4] + bytes(4), self._byte_order)

    def _payload(self, payload: Any) -> Any:
        """What stands behind a record: bytes are filled, numbers stay, messages are scrubbed."""
        if isinstance(payload, dict):
            return {name: self._content(value) for name, value in payload.items()}
        if isinstance(payload, list):
            return [self.entry(item) if isinstance(item, Entry) else item for item in payload]
        return payload if payload is None else self._content(payload)

    def _content(self, content: Content) -> Content:
        size = len(content) if isinstance(content, bytes) else content.size
        self.counts["byte of data"] += size
        return FILLER * size if isinstance(content, bytes) else Filled(size)

    def _drop_unknown(self, message: DynamicMessage) -> None:
        """Drop fields that the schema doesn't know, here and below; keep enum values that it doesn't."""
        data = message.SerializePartialToString()
        known = type(message).FromString(data)
        known.DiscardUnknownFields()
        if len(known.SerializePartialToString()) == len(data):
            return
        kept = list(_unknown_enums(message))
        message.DiscardUnknownFields()
        for holder, field in kept:
            holder.MergeFromString(field)
        if len(message.SerializePartialToString()) != len(data):
            self.counts["unknown field"] += 1


def _unknown_enums(message: DynamicMessage) -> Iterator[tuple[DynamicMessage, bytes]]:
    """The values of enums that the schema lacks, here and below, with the messages that they belong to."""
    fields = message.DESCRIPTOR.fields_by_number
    unknown: Iterable[Any] = UnknownFieldSet(message)  # type: ignore[assignment]  # it is a sequence
    for item in unknown:
        known = fields.get(item.field_number)
        is_enum = known is not None and known.enum_type is not None and item.wire_type == wire.VARINT
        if is_enum and item.data < _MOST_ENUM:
            yield message, wire.encode_field(item.field_number, wire.VARINT, item.data)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for below in value if is_repeated(field) else [value]:
                yield from _unknown_enums(below)


def _step(field: FieldDescriptor, in_cpu: bool) -> _Step | None:
    repeated = is_repeated(field)
    if field.message_type is not None:
        below = in_cpu or bool(CPU_MESSAGE.fullmatch(field.message_type.name))
        return _Step(field.name, repeated, None, below_cpu=below)
    if field.type in _TEXT:
        return _Step(
            field.name, repeated, text_treatment(field), is_text=field.type == FieldDescriptor.TYPE_STRING
        )
    treatment = number_treatment(field, in_cpu=in_cpu)
    if treatment is None:
        return None
    return _Step(field.name, repeated, treatment, wide=field.cpp_type in _WIDE)
