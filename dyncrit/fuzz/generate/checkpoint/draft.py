"""A checkpoint in the making: its images so far, and the numbers that are taken."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dyncrit.checkpoint.files import FILE_KINDS
from dyncrit.codec.framing import Frame, default_framing, write_head
from dyncrit.errors import SchemaError
from dyncrit.fuzz.anatomy import Anatomy, RawEntry
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.generate.checkpoint.hosts import HOSTS
from dyncrit.fuzz.generate.choices import choice_of
from dyncrit.fuzz.generate.knobs import threshold
from dyncrit.fuzz.generate.messages import MessageGenerator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.checkpoint.files import FileKind
    from dyncrit.fuzz.generate.checkpoint.hosts import Host
    from dyncrit.fuzz.generate.knobs import Knobs
    from dyncrit.fuzz.generate.messages import Fields
    from dyncrit.schema import ImageType, Schema
    from dyncrit.types import ByteOrder

_DIGITS = re.compile(r"(?<=-)[0-9a-f]+(?=[.])")


@dataclass(slots=True)
class Task:
    """A task: ``threads`` has its pid first; ``descriptors`` are the types and ids of its open files.

    Tasks that share their ``files_id`` share the list of them. A zombie has none, and no memory.
    ``namespaces`` are by their fields in task_kobj_ids_entry.
    """

    pid: int
    ppid: int
    pgid: int
    sid: int
    threads: tuple[int, ...]
    files_id: int
    namespaces: Mapping[str, int]
    is_zombie: bool = False
    descriptors: list[tuple[str, int]] = field(default_factory=list)


class Parts:
    """What all drafts of a schema share, as it takes long to make: messages made ready, types by file name.

    Of messages there are required fields only, but for those that are given.
    """

    def __init__(self, schema: Schema, knobs: Knobs, byte_order: ByteOrder) -> None:
        self.schema = schema
        if schema.message("rlimit_entry") is None:
            raise SchemaError("too old: checkpoints are made for CRIU 0.5 and later", schema.source.name)
        self.knobs = knobs
        self.byte_order = byte_order
        choice = choice_of(schema.required_message("core_entry"))
        self.registers: Mapping[str, str] = choice.parts if choice is not None else {}
        """The fields of core_entry with registers, by architecture."""
        self.hosts = [host for host in HOSTS if host.name in self.registers and host.byte_order == byte_order]
        if not self.hosts:
            raise SchemaError(
                f"no {byte_order}-endian architecture, of which hosts could be", schema.source.name
            )
        sparse = replace(knobs, optional=0, repeated=0, text=0)  # texts with zero bytes would be a finding
        self.messages = MessageGenerator(schema, Chance(0), sparse)
        self._rows: dict[str, ImageType | None] = {}
        self._known: dict[tuple[str, str], bool] = {}
        self.file_types = frozenset(kind.type for kind in FILE_KINDS if self._has_files(kind))
        """The types of files that there can be."""

    def row(self, name: str) -> ImageType | None:
        """The type of images with a file name, whatever folder stands in front."""
        shape = _DIGITS.sub("1", name.rpartition("/")[2])
        if shape not in self._rows:
            self._rows[shape] = self.schema.table.by_file_name(shape)
        return self._rows[shape]

    def has(self, message: str, field_name: str = "") -> bool:
        """Whether the schema has a message, and a field in it."""
        found = self._known.get((message, field_name))
        if found is None:
            descriptor = self.schema.message(message)
            found = descriptor is not None and (not field_name or field_name in descriptor.fields_by_name)
            self._known[message, field_name] = found
        return found

    def knows(self, name: str) -> bool:
        """Whether the schema has the message of the images called so."""
        row = self.row(name)
        return row is not None and self.has(row.record(0).message)

    def _has_files(self, kind: FileKind) -> bool:
        types = self.schema.required_message("fdinfo_entry").fields_by_name["type"].enum_type
        if types is None or kind.type not in types.values_by_name:
            return False
        return self.has("file_entry", kind.field) if self.has("file_entry") else self.knows(kind.image)


class Draft:
    """The images of a checkpoint, by file name, and what their makers tell each other.

    What images refer to each other by is given by their makers; other required fields are left to chance,
    and optional ones are left out. Fields that a schema lacks are passed over, so one maker serves several
    releases.
    """

    def __init__(self, chance: Chance, parts: Parts) -> None:
        self._parts = parts
        self.schema = parts.schema
        self.chance = chance
        self.knobs = parts.knobs
        self.messages = parts.messages.seeded(chance.child("fields"))
        self.noise = self.messages.chance
        """Choices that the shape of the checkpoint doesn't depend on: names, sizes, contents."""
        self.host = self._host(parts)
        """The computer that is dumped."""
        self.page = self.chance.one_of(self.host.page_sizes)
        """The size of a page in bytes, as all processes are told."""
        self.parents = 0
        """How many checkpoints it builds on, one on the other."""
        if self.knobs.parents and self.has("pagemap_entry", "in_parent"):
            self.parents = self.chance.below(self.knobs.parents + 1)
        self.namespaces: dict[str, int] = {}
        """The namespaces of the first task, by their fields in task_kobj_ids_entry."""
        self.mounts: dict[int, int] = {}
        """A mount of each mount namespace, which files stand on."""
        self.opened: list[tuple[str, int]] = []
        """The types and ids of all files that tasks have open."""
        self.task: Task | None = None
        """The task that is being made."""
        self.segments: dict[int, int] = {}
        """The sizes in bytes of pieces of shared memory, by the number in the names of their pagemaps."""
        self.anonymous: set[int] = set()
        """The numbers of those that are anonymous."""
        self.sysv: dict[int, int] = {}
        """The sizes in bytes of those that are System V's, by id."""
        self.filters = 0
        """How many system call filters there are."""
        self._images: dict[str, Anatomy] = {}
        self._raw: dict[str, bytes] = {}
        self._numbers: Counter[str] = Counter()
        self._is_old = not self.has("inventory_entry", "lsmtype")  # both are of v1.6, as heads of two magics

    @property
    def registers(self) -> str:
        """The field of core_entry with the registers of the host's threads."""
        return self._parts.registers[self.host.name]

    @property
    def file_types(self) -> frozenset[str]:
        """The types of files that there can be."""
        return self._parts.file_types

    @property
    def mount(self) -> int | None:
        """The mount that files of the task stand on, where it has mounts of its own."""
        return None if self.task is None else self.mounts.get(self.task.namespaces["mnt_ns_id"])

    @property
    def network(self) -> int | None:
        """The network namespace of the task."""
        return None if self.task is None else self.task.namespaces["net_ns_id"]

    def often(self, percent: int) -> bool:
        """True so often; the choice of zeros is false."""
        return self.chance.bits(7) >= threshold(percent)

    @property
    def version(self) -> int:
        """The version of images, as the inventory has it."""
        return 1 if self._is_old else 2

    def has(self, message: str, field_name: str = "") -> bool:
        """Whether the schema has a message, and a field in it."""
        return self._parts.has(message, field_name)

    def number(self, kind: str) -> int:
        """A number that nothing else of the kind has: 1, 2 and so on."""
        self._numbers[kind] += 1
        return self._numbers[kind]

    def image(self, name: str) -> Anatomy:
        """The image with a name; a new one without entries, where there was none."""
        if name not in self._images:
            row = self._type(name)
            framing = "v1.0" if self._is_old else default_framing(row)
            size = len(write_head(row, self.host.byte_order, framing))
            self._images[name] = Anatomy.new(Frame(row, self.host.byte_order, framing, size))
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

    def share(self, name: str, folder: str) -> None:
        """Put an image into a folder, too, as it will be."""
        self._images[folder + name] = self._images[name]

    def names(self) -> list[str]:
        """The names of all images."""
        return list(self._images)

    def knows(self, name: str) -> bool:
        """Whether the schema has the message of the images called so."""
        return self._parts.knows(name)

    def files(self) -> dict[str, bytes]:
        """All files, by name."""
        made = {name: anatomy.assemble() for name, anatomy in self._images.items()}
        return dict(sorted({**made, **self._raw}.items()))

    def _host(self, parts: Parts) -> Host:
        plain, *others = parts.hosts
        return self.chance.one_of(others) if others and self.often(self.knobs.foreign) else plain

    def _type(self, name: str) -> ImageType:
        row = self._parts.row(name)
        assert row is not None, name  # noqa: S101 (the makers use CRIU's names)
        return row
