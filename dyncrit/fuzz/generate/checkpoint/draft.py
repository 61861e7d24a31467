"""A checkpoint in the making: its images so far, and the numbers that are taken."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dyncrit.codec.framing import Frame, default_framing, write_head
from dyncrit.fuzz.anatomy import Anatomy, RawEntry
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.messages import MessageGenerator

if TYPE_CHECKING:
    from dyncrit.fuzz.generate.knobs import Knobs
    from dyncrit.fuzz.generate.messages import Fields
    from dyncrit.schema import ImageType, Schema

PAGE = 4096
"""The size of a page in bytes, as all processes are told."""

_DIGITS = re.compile(r"(?<=-)[0-9a-f]+(?=[.])")


@dataclass(slots=True)
class Task:
    """A task: ``threads`` has its pid first; ``descriptors`` are the types and ids of its open files.

    Tasks that share their ``files_id`` share the list of them. A zombie has none, and no memory.
    """

    pid: int
    ppid: int
    pgid: int
    sid: int
    threads: tuple[int, ...]
    files_id: int
    is_zombie: bool = False
    descriptors: list[tuple[str, int]] = field(default_factory=list)


class Parts:
    """What all drafts of a schema share, as it takes long to make: messages made ready, types by file name.

    Of messages there are required fields only, but for those that are given.
    """

    def __init__(self, schema: Schema, knobs: Knobs) -> None:
        self.schema = schema
        self.knobs = knobs
        sparse = replace(knobs, optional=0, repeated=0, text=0)  # texts with zero bytes would be a finding
        self.messages = MessageGenerator(schema, Chance(0), sparse)
        self._rows: dict[str, ImageType | None] = {}

    def row(self, name: str) -> ImageType | None:
        """The type of images with a file name."""
        shape = _DIGITS.sub("1", name)
        if shape not in self._rows:
            self._rows[shape] = self.schema.table.by_file_name(shape)
        return self._rows[shape]


class Draft:
    """The images of a checkpoint, by file name, and what their makers tell each other.

    What images refer to each other by is given by their makers; other required fields are left to chance,
    and optional ones are left out. Fields that a schema lacks are passed over, so one maker serves several
    releases.
    """

    def __init__(self, chance: Chance, parts: Parts) -> None:
        self.schema = parts.schema
        self.chance = chance
        self.knobs = parts.knobs
        self.messages = parts.messages.seeded(chance.child("fields"))
        self.noise = self.messages.chance
        """Choices that the shape of the checkpoint doesn't depend on: names, sizes, contents."""
        self.namespaces: dict[str, int] = {}
        """The namespaces of all tasks, by their fields in task_kobj_ids_entry."""
        self.mount: int | None = None
        """The mount that files stand on, where the tasks have mounts of their own."""
        self.segments: dict[int, int] = {}
        """The sizes in bytes of pieces of shared memory, by the number in the names of their pagemaps."""
        self.sysv: dict[int, int] = {}
        """The sizes in bytes of those that are System V's, by id."""
        self.filters = 0
        """How many system call filters there are."""
        self._parts = parts
        self._images: dict[str, Anatomy] = {}
        self._raw: dict[str, bytes] = {}
        self._numbers: Counter[str] = Counter()
        self._is_old = not self.has("inventory_entry", "lsmtype")  # both are of v1.6, as heads of two magics

    @property
    def version(self) -> int:
        """The version of images, as the inventory has it."""
        return 1 if self._is_old else 2

    def has(self, message: str, field_name: str = "") -> bool:
        """Whether the schema has a message, and a field in it."""
        descriptor = self.schema.message(message)
        return descriptor is not None and (not field_name or field_name in descriptor.fields_by_name)

    def number(self, kind: str) -> int:
        """A number that nothing else of the kind has: 1, 2 and so on."""
        self._numbers[kind] += 1
        return self._numbers[kind]

    def image(self, name: str) -> Anatomy:
        """The image with a name; a new one without entries, where there was none."""
        if name not in self._images:
            row = self._type(name)
            framing = "v1.0" if self._is_old else default_framing(row)
            size = len(write_head(row, "little", framing))
            self._images[name] = Anatomy.new(Frame(row, "little", framing, size))
        return self._images[name]

    def add(self, name: str, fields: Fields | bytes, payload: bytes = b"") -> None:
        """Add an entry to an image, by the fields of its message or as it is, and bytes behind its record."""
        anatomy = self.image(name)
        if not isinstance(fields, bytes):
            fields = self.messages.generate(anatomy.message_name(len(anatomy.entries)), fields)
        anatomy.entries.append(RawEntry(fields, payload))

    def add_raw(self, name: str, data: bytes) -> None:
        """Add a file that is no image."""
        self._raw[name] = data

    def knows(self, name: str) -> bool:
        """Whether the schema has the message of the images called so."""
        row = self._parts.row(name)
        return row is not None and self.schema.message(row.record(0).message) is not None

    def files(self) -> dict[str, bytes]:
        """All files, by name."""
        made = {name: anatomy.assemble() for name, anatomy in self._images.items()}
        return dict(sorted({**made, **self._raw}.items()))

    def _type(self, name: str) -> ImageType:
        row = self._parts.row(name)
        assert row is not None, name  # noqa: S101 (the makers use CRIU's names)
        return row
