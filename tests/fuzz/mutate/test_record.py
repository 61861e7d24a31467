from __future__ import annotations

import json
from pathlib import Path

import pytest

from dyncrit import DocumentError
from dyncrit.fuzz.mutate.mutation import Step
from dyncrit.fuzz.mutate.record import MutationRecord, digest, sidecar_of

RECORD = MutationRecord(
    "a/core-1.img", digest(b"before"), 7, (Step("boundary", "entries[0].pid", "1 -> 0"),), digest(b"after")
)


def test_a_record_comes_back_from_its_json() -> None:
    assert MutationRecord.from_json(RECORD.to_json(), "x") == RECORD


def test_names_that_are_no_utf8_survive() -> None:
    record = MutationRecord("a\udcff", "0", 1, (), "0")
    assert MutationRecord.from_json(record.to_json(), "x").source == "a\udcff"


def test_the_sidecar_stands_beside_the_file() -> None:
    assert sidecar_of(Path("out/0000.img")) == Path("out/0000.img.mutation.json")
    assert sidecar_of(Path("out/0000")) == Path("out/0000.mutation.json")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 100_000,
        RECORD.to_json()[:-3],
        json.dumps({**RECORD.to_dict(), "steps": [1]}).encode(),
        json.dumps({**RECORD.to_dict(), "seed": "x"}).encode(),
    ],
    ids=range(9),
)
def test_what_is_no_record_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"^0000\.mutation\.json: no record of a mutation") as caught:
        MutationRecord.from_json(data, "0000.mutation.json")
    assert len(str(caught.value)) < 400
