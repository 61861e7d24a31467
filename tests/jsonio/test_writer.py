from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.jsonio.writer import DocumentWriter

if TYPE_CHECKING:
    from collections.abc import Iterator


class Blob:
    def __init__(self, data: bytes, piece: int = 1000) -> None:
        self.data = data
        self.piece = piece

    @property
    def size(self) -> int:
        return len(self.data)

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), self.piece):
            yield self.data[start : start + self.piece]


def written(header: dict[str, Any], *batches: list[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    writer = DocumentWriter(file, **options)
    writer.begin(header)
    for batch in batches:
        writer.entries(batch)
    writer.end()
    return file.getvalue()


HEADER = {"magic": "CORE"}


def test_a_document_is_one_line_of_json() -> None:
    assert written(HEADER, [{"a": 1}, {"b": [2]}]) == b'{"magic":"CORE","entries":[{"a":1},{"b":[2]}]}\n'


def test_a_pretty_document_is_indented_by_two() -> None:
    document = {"magic": "CORE", "entries": [{"a": 1, "b": [2, {}]}, {"c": "x"}]}
    text = written(HEADER, document["entries"], pretty=True)
    assert text.decode() == json.dumps(document, indent=2) + "\n"


@pytest.mark.parametrize("split", [0, 1, 2, 3])
def test_it_does_not_matter_how_entries_are_batched(split: int) -> None:
    entries = [{"a": 1}, {"b": 2, "c": [1, 2]}, {"d": {"e": "f"}}]
    for options in ({}, {"pretty": True}, {"format": "ndjson"}):
        whole = written(HEADER, entries, **options)
        assert written(HEADER, entries[:split], [], entries[split:], **options) == whole


@pytest.mark.parametrize("length", [1000, 1001, 2000, 2500])
def test_long_lists_look_as_short_ones_do(length: int) -> None:
    document = {"magic": "CORE", "entries": [{"a": 0, "list": [{"b": n} for n in range(length)], "c": 1}]}
    compact = json.dumps(document, separators=(",", ":")) + "\n"
    assert written(HEADER, document["entries"]).decode() == compact
    assert written(HEADER, document["entries"], pretty=True).decode() == json.dumps(document, indent=2) + "\n"


def test_ndjson_is_a_header_line_and_a_line_an_entry() -> None:
    lines = written(HEADER, [{"a": "x\ny"}], [{"b": 2}], format="ndjson").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"magic": "CORE", "@format": "ndjson"},
        {"a": "x\ny"},
        {"b": 2},
    ]


def test_pretty_ndjson_still_has_a_line_an_entry() -> None:
    text = written(HEADER, [{"a": [1, {"b": 2}]}], pretty=True, format="ndjson")
    assert text.count(b"\n") == 2


@pytest.mark.parametrize("options", [{}, {"pretty": True}, {"format": "ndjson"}])
def test_no_entries_are_an_empty_list(options: dict[str, Any]) -> None:
    text = written(HEADER, **options)
    assert text.endswith(b"\n")
    if "format" in options:
        assert json.loads(text) == {"magic": "CORE", "@format": "ndjson"}
    else:
        assert json.loads(text) == {"magic": "CORE", "entries": []}


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 999, 57 * 4096, 57 * 4096 + 1, 600_000])
@pytest.mark.parametrize("piece", [100, 57 * 4096, 1 << 20])
def test_a_blob_is_base64_in_lines_of_76_as_crit_writes_it(size: int, piece: int) -> None:
    data = bytes(n % 251 for n in range(size))
    expected = base64.encodebytes(data).decode()
    (entry,) = json.loads(written(HEADER, [{"size": size, "extra": Blob(data, piece)}]))["entries"]
    assert entry == {"size": size, "extra": expected}


@pytest.mark.parametrize("options", [{}, {"pretty": True}])
def test_blobs_may_stand_anywhere_in_entries(options: dict[str, Any]) -> None:
    entries = [
        {"extra": {"inq": Blob(b"one"), "outq": Blob(b"two")}},
        {"extra": [{"mtype": 1}, Blob(b"three"), {"mtype": 2}, Blob(b"")]},
        {"list": [*range(1001), Blob(b"four")], "extra": Blob(b"five")},
    ]
    document = json.loads(written(HEADER, entries, **options))
    assert document["entries"] == [
        {"extra": {"inq": "b25l\n", "outq": "dHdv\n"}},
        {"extra": [{"mtype": 1}, "dGhyZWU=\n", {"mtype": 2}, ""]},
        {"list": [*range(1001), "Zm91cg==\n"], "extra": "Zml2ZQ==\n"},
    ]


def test_text_that_looks_like_a_mark_stays_text() -> None:
    entries = [{"name": '"0-0"', "extra": Blob(b"x"), "other": "00000000000000000000000000000000-0"}]
    (entry,) = json.loads(written(HEADER, entries))["entries"]
    assert entry["name"] == '"0-0"'
    assert entry["other"] == "00000000000000000000000000000000-0"


@pytest.mark.parametrize("options", [{}, {"pretty": True}])
def test_strings_that_are_not_utf_8_are_escaped(options: dict[str, Any]) -> None:
    entries = [
        {"name": "a\udcffb"},
        {"name": "ok", "extra": Blob(b"x")},
        {"name": "\udc80", "extra": Blob(b"y")},
    ]
    text = written(HEADER, entries, **options)
    assert rb"a\udcffb" in text
    read = json.loads(text)["entries"]
    assert [entry["name"] for entry in read] == ["a\udcffb", "ok", "\udc80"]
    assert [entry.get("extra") for entry in read] == [None, "eA==\n", "eQ==\n"]


def test_all_integers_are_written_whole() -> None:
    numbers = [0, -1, 2**63, 2**64 - 1, -(2**63)]
    assert json.loads(written(HEADER, [{"n": numbers}]))["entries"] == [{"n": numbers}]


def test_the_same_document_is_the_same_bytes() -> None:
    entries = [{"name": "x", "extra": Blob(b"abc")}]
    assert written(HEADER, entries) == written(HEADER, entries)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        written(HEADER, [{"a": b"bytes"}])
