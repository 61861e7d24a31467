from __future__ import annotations

import base64
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dyncrit.errors import DocumentError
from dyncrit.jsonio import scanner, writer
from dyncrit.jsonio.reader import DocumentReader
from dyncrit.jsonio.scanner import Scanner
from dyncrit.jsonio.writer import DocumentWriter

# Keys are shorter than the smallest chunk: a key must be at hand as a whole.
KEYS = st.sampled_from(
    ["a", "b", "name", "{", "}", "[", "]", ",", '"', "\\", "\n", "é", '":{"', "\U0001f600"]
)
STRINGS = st.text() | st.text(st.sampled_from('{}[],:"\\\n \té\udcff')) | st.text("ab{}", min_size=60)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | STRINGS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
ENTRIES = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=12)
CHUNK_SIZES = st.sampled_from([32, 33, 64, 500, 1 << 18])


def written(entries: list[Any], batch: int, **options: Any) -> bytes:
    file = io.BytesIO()
    document = DocumentWriter(file, **options)
    document.begin({"magic": "CORE"})
    for start in range(0, len(entries), batch):
        document.entries(entries[start : start + batch])
    document.end()
    return file.getvalue()


def read(text: bytes) -> list[Any]:
    reader = DocumentReader(io.BytesIO(text))
    assert reader.header == {"magic": "CORE"}
    return [entry for batch in reader.entries() for entry in batch]


@given(ENTRIES, CHUNK_SIZES, st.integers(1, 5), st.sampled_from([1, 3, 1000]))
@example([{"a": "x" * 5000}, {"b": [{"a": "{,"}] * 100}], 32, 1, 3)
def test_documents_come_back_whatever_the_layout_and_chunk_size(
    entries: list[Any], chunk: int, batch: int, slice_: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "_CHUNK_SIZE", chunk)
        patch.setattr(writer, "_SLICE", slice_)
        for pretty in (False, True):
            text = written(entries, batch, pretty=pretty)
            assert json.loads(text) == {"magic": "CORE", "entries": entries}
            assert read(text) == entries
        lines = written(entries, batch, format="ndjson")
        assert [json.loads(line) for line in lines.splitlines()[1:]] == entries
        assert read(lines) == entries


@given(ENTRIES, CHUNK_SIZES, st.sampled_from([None, 0, 1, 4]), st.booleans())
def test_documents_that_others_wrote_come_back(
    entries: list[Any], chunk: int, indent: int | None, sort: bool
) -> None:
    text = json.dumps({"magic": "CORE", "entries": entries}, indent=indent, sort_keys=sort)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "_CHUNK_SIZE", chunk)
        assert read(text.encode()) == entries


@given(
    st.lists(st.tuples(st.binary(max_size=300), STRINGS), max_size=6),
    CHUNK_SIZES,
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_payloads_come_back_as_blobs_or_text(
    payloads: list[tuple[bytes, str]], chunk: int, indent: int | None, breaks: bool
) -> None:
    encode = base64.encodebytes if breaks else base64.b64encode
    entries = [{"extra": encode(data).decode(), "a": text[:20]} for data, text in payloads]
    text = json.dumps({"magic": "CORE", "entries": entries}, indent=indent).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "_CHUNK_SIZE", chunk)
        # Longer than any other string here, escapes counted: only base64 may be that long.
        patch.setattr(scanner, "_LONG_STRING", 140)
        for entry, (data, name) in zip(read(text), payloads, strict=True):
            extra = entry["extra"]
            found = base64.b64decode(extra) if isinstance(extra, str) else b"".join(extra.pieces())
            assert found == data
            assert entry["a"] == name[:20]


@given(VALUES, st.sampled_from([32, 64, 1 << 18]))
def test_values_are_read_one_after_the_other(value: Any, chunk: int) -> None:
    text = json.dumps(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "_CHUNK_SIZE", chunk)
        values = Scanner(io.BytesIO(f"{text}, {text} ,{text}".encode()))
        assert values.value() == value
        values.expect(b",", "a comma")
        values.skip_value()
        assert values.accept(b",")
        assert values.value() == value
        assert values.peek() == b""


@given(st.binary(max_size=200), st.sampled_from([32, 1 << 18]))
@example(b'{"magic":"X","entries":[{"a":1},{"b":"\xff"}]}', 32)
def test_any_bytes_are_read_or_refused(data: bytes, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "_CHUNK_SIZE", chunk)
        for start in (b"", b'{"magic":"X","entries":[', b'{"magic":"X","@format":"ndjson"}\n'):
            with suppress(DocumentError):
                list(DocumentReader(io.BytesIO(start + data)).entries())


@given(st.text(st.sampled_from('{}[]",:1 \n\\a'), max_size=60), st.sampled_from([32, 1 << 18]))
def test_what_json_refuses_is_refused_and_what_it_reads_is_read(text: str, chunk: int) -> None:
    document = f'{{"magic":"CORE","entries":[{{"a":1}},{text}]}}'
    try:
        expected = json.loads(document)
    except json.JSONDecodeError:
        expected = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "_CHUNK_SIZE", chunk)
        if expected is not None and list(expected) == ["magic", "entries"]:
            assert read(document.encode()) == expected["entries"]
        elif expected is None:
            with pytest.raises(DocumentError):
                read(document.encode())


def test_the_offset_is_the_next_byte_of_the_file() -> None:
    values = Scanner(io.BytesIO(b'\xef\xbb\xbf  "key" : [1, 2] x'))
    assert values.peek() == b'"'
    assert values.offset == 5
    assert values.key() == "key"
    assert values.value() == [1, 2]
    assert values.peek() == b"x"
    assert values.offset == 20


def test_a_key_may_not_be_endless() -> None:
    with pytest.raises(DocumentError, match="a key that does not end"):
        Scanner(io.BytesIO(b'"' + b"k" * (1 << 20))).key()


def test_an_endless_number_is_refused() -> None:
    document = b'{"magic":"CORE","entries":[{"a":' + b"1" * (1 << 20) + b"}]}"
    with pytest.raises(DocumentError):
        read(document)


def test_blobs_are_counted() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "_CHUNK_SIZE", 32)
        patch.setattr(scanner, "_LONG_STRING", 100)
        values = Scanner(io.BytesIO(json.dumps(["A" * 400, "A" * 40, "A" * 400]).encode()))
        first, second, third = values.value()
        assert values.blobs == 2
        assert (first.size, second, third.size) == (300, "A" * 40, 300)
