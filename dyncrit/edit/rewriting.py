"""Finds and changes messages of some types, wherever the images of a checkpoint have them in any release."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.fields import set_text, text
from dyncrit.edit.touched import Touched
from dyncrit.schema.engine import is_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from google.protobuf.descriptor import Descriptor

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.entry import Entry
    from dyncrit.schema import Schema
    from dyncrit.types import DynamicMessage

    Plan = Callable[[str, DynamicMessage], Iterable["Setting"]]
    """What to set, given the name of an image and a message in it; changes nothing itself."""

    Change = Callable[["Found"], Iterable[Touched]]
    """Changes a message, and tells how."""


class Found(NamedTuple):
    """A message of a wanted type: the image that it is in, and the number of the entry there."""

    image: str
    number: int
    message: DynamicMessage

    @property
    def place(self) -> str:
        """Where it is, as :class:`Touched` tells it."""
        return f"{self.image} entries[{self.number}]"


class Setting(NamedTuple):
    """A field of a message that is to be set; None takes it out.

    ``what``, ``before`` and ``after`` are as :class:`Touched` has them.
    """

    message: DynamicMessage
    field: str
    value: str | int | None
    what: str
    before: str
    after: str

    @classmethod
    def of_text(cls, message: DynamicMessage, field: str, value: str, what: str) -> Setting:
        """A text that is to be another."""
        return cls(message, field, value, what, text(message, field), value)

    @classmethod
    def of_number(cls, message: DynamicMessage, field: str, value: int, what: str) -> Setting:
        """A number that is to be another."""
        return cls(message, field, value, what, str(getattr(message, field)), str(value))

    def apply(self) -> None:
        """Set the field."""
        if self.value is None:
            self.message.ClearField(self.field)
        elif isinstance(self.value, int):
            setattr(self.message, self.field, self.value)
        elif self.message.DESCRIPTOR.fields_by_name[self.field].type == _BYTES:
            setattr(self.message, self.field, self.value.encode("utf-8", "surrogateescape"))
        else:
            set_text(self.message, self.field, self.value)


def rewrite_messages(edit: Edit, names: Collection[str], plan: Plan) -> list[Touched]:
    """Set what ``plan`` says of each message that is called by one of ``names``, in all images.

    Images that nothing is to be set in are only read. Raises ImageError for a damaged image that can hold
    such messages, and what ``plan`` raises.
    """
    finder = MessageFinder(edit.schema, names)
    touched: list[Touched] = []
    for image in finder.images(edit.images.names()):
        messages = (found for entry in edit.entries(image) for found in finder.within(entry.message))
        if any(True for message in messages for _ in plan(image, message)):
            change = partial(_set, plan=plan)
            edit.rewrite(image, partial(_changed, image=image, finder=finder, change=change, touched=touched))
    return touched


def change_messages(
    edit: Edit, names: Collection[str], change: Change, *, images: Iterable[str] | None = None
) -> list[Touched]:
    """Put each message that is called by one of ``names`` through ``change``, in all images or in ``images``.

    Raises ImageError for a damaged image that can hold such messages, and what ``change`` raises.
    """
    finder = MessageFinder(edit.schema, names)
    touched: list[Touched] = []
    for image in finder.images(edit.images.names() if images is None else images):
        edit.rewrite(image, partial(_changed, image=image, finder=finder, change=change, touched=touched))
    return touched


def find_messages(edit: Edit, names: Collection[str]) -> Iterator[Found]:
    """All messages that are called by one of ``names``, as they stand now.

    Raises ImageError for a damaged image that can hold such messages.
    """
    finder = MessageFinder(edit.schema, names)
    for image in finder.images(edit.images.names()):
        for index, entry in enumerate(edit.entries(image)):
            for message in finder.within(entry.message):
                yield Found(image, index, message)


class MessageFinder:
    """Finds messages of some types: the images that can hold them, and those within another message."""

    def __init__(self, schema: Schema, names: Collection[str]) -> None:
        self._schema = schema
        self._names = names
        self._known: dict[str, bool] = {}

    def images(self, file_names: Iterable[str]) -> Iterator[str]:
        """Those images of a folder whose records can hold such messages."""
        for name in file_names:
            image_type = self._schema.table.by_file_name(name)
            if image_type is None:
                continue
            types = (self._schema.message(message) for message in image_type.messages if message)
            if any(found is not None and self._reaches(found) for found in types):
                yield name

    def within(self, message: DynamicMessage) -> Iterator[DynamicMessage]:
        """The message itself if it is of such a type, and all such within it."""
        descriptor = message.DESCRIPTOR
        if descriptor.name in self._names:
            yield message
        for field, value in message.ListFields():
            if field.message_type is not None and self._reaches(field.message_type):
                for item in value if is_repeated(field) else (value,):
                    yield from self.within(item)

    def _reaches(self, descriptor: Descriptor) -> bool:
        """Whether such messages can stand in a message of this type."""
        if descriptor.full_name not in self._known:
            self._known[descriptor.full_name] = any(found.name in self._names for found in _types(descriptor))
        return self._known[descriptor.full_name]


_BYTES = 12  # FieldDescriptor.TYPE_BYTES


def _types(descriptor: Descriptor) -> Iterable[Descriptor]:
    """A message type and all that can stand in its messages; types may hold themselves."""
    found = {descriptor.full_name: descriptor}
    waiting = [descriptor]
    while waiting:
        for field in waiting.pop().fields:
            below = field.message_type
            if below is not None and below.full_name not in found:
                found[below.full_name] = below
                waiting.append(below)
    return found.values()


def _changed(
    entries: Iterator[Entry], *, image: str, finder: MessageFinder, change: Change, touched: list[Touched]
) -> Iterator[Entry]:
    for index, entry in enumerate(entries):
        for message in list(finder.within(entry.message)):
            touched += change(Found(image, index, message))
        yield entry


def _set(found: Found, *, plan: Plan) -> Iterator[Touched]:
    for setting in list(plan(found.image, found.message)):
        setting.apply()
        yield Touched(found.place, setting.what, setting.before, setting.after)
