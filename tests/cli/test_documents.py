from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.cli.documents import document_pieces

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def text(value: object) -> str:
    return b"".join(document_pieces(value)).decode()


def streamed(value: Any) -> Any:
    """The same document with iterators for its lists."""
    if isinstance(value, list):
        return iter([streamed(item) for item in value])
    return {key: streamed(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(DOCUMENTS)
def test_streaming_gives_the_same_document(value: object) -> None:
    assert json.loads(text(value)) == value
    assert text(streamed(value)) == text(value)


def test_documents_are_indented() -> None:
    assert text({"a": [1, {"b": []}], "c": {}}) == json.dumps({"a": [1, {"b": []}], "c": {}}, indent=2)


def test_text_that_is_not_utf_8_is_escaped() -> None:
    assert text({"\udcff": ["\udcfe"]}) == '{\n  "\\udcff": [\n    "\\udcfe"\n  ]\n}'


def test_iterators_are_read_as_they_are_written() -> None:
    taken = []

    def items() -> Any:
        for number in range(100):
            taken.append(number)
            yield number

    pieces = document_pieces({"items": items()})
    while not taken:
        next(pieces)
    assert len(taken) == 1
    pieces.close()


@pytest.mark.parametrize("depth", [300, 20_000])
def test_depth_is_no_obstacle(depth: int) -> None:
    value: Any = {"leaf": True}
    for _ in range(depth):
        value = {"children": [value]}
    written = text(value)
    assert written.count('"children"') == depth
    assert written.endswith("\n}")
    assert len(written) < depth * 1000
