"""What the tests of mutations share: one mutation applied to an image many times, with a seed each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from dyncrit import Image, dumps
from dyncrit.codec import wire
from dyncrit.fuzz.anatomy import Anatomy
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.mutate.mutation import Donors, Subject
from dyncrit.fuzz.mutate.mutator import MUTATIONS
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dyncrit.fuzz.mutate.mutation import Step

SEEDS = 100


class Mutated(NamedTuple):
    """An image before and after one mutation, and what it said of itself."""

    before: Anatomy
    after: Anatomy
    step: Step

    @property
    def index(self) -> int:
        """The entry that the step is about."""
        return int(self.step.place.removeprefix("entries[").partition("]")[0])

    @property
    def records(self) -> tuple[bytes, bytes]:
        """That entry's record before and after."""
        return self.before.entries[self.index].record, self.after.entries[self.index].record


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema.default()


@pytest.fixture(scope="session")
def mutants(schema: Schema) -> Callable[..., list[Mutated]]:
    """Applies a mutation to an image with many seeds; at least one finds something to do."""

    def apply(name: str, image: bytes, file_name: str = "", *, others: Sequence[bytes] = ()) -> list[Mutated]:
        mutation = next(item for item in MUTATIONS if item.name == name)
        before = Anatomy.of(image, schema, file_name)
        donors = Donors(Anatomy.of(other, schema) for other in others)
        found = []
        for seed in range(SEEDS):
            subject = Subject(before.copy(), schema, file_name, donors)
            step = mutation.apply(subject, Chance(seed))
            if step is None:
                assert subject.anatomy.assemble() == image
                continue
            assert step.mutation == name
            assert subject.anatomy.assemble() != image
            found.append(Mutated(before, subject.anatomy, step))
        assert found
        return found

    return apply


@pytest.fixture(scope="session")
def pstree() -> bytes:
    """An image of three entries, each with required, optional and repeated fields."""
    image = Image.new("PSTREE")
    for pid in (1, 2, 3):
        image.add(pid=pid, ppid=pid - 1, pgid=1, sid=1, threads=[pid, pid + 100])
    return dumps(image)


@pytest.fixture(scope="session")
def core() -> bytes:
    """An image of a message with messages, an enum and text in it."""
    image = Image.new("CORE")
    tc = {"task_state": 1, "exit_code": 0, "personality": 0, "flags": 0, "blk_sigset": 0, "comm": "sleep"}
    image.add(mtype="X86_64", tc=tc, thread_core={"futex_rla": 0, "futex_rla_len": 0})
    return dumps(image)


@pytest.fixture(scope="session")
def pipes() -> bytes:
    """An image of two entries with payloads."""
    image = Image.new("PIPES_DATA")
    image.add(payload=b"first", pipe_id=1, bytes=5)
    image.add(payload=b"the other", pipe_id=2, bytes=9)
    return dumps(image)


@pytest.fixture(scope="session")
def numbers() -> Callable[[bytes], list[int]]:
    """The numbers of a message's fields as they stand on the wire."""
    return lambda record: [field.number for field in wire.fields(record)]
