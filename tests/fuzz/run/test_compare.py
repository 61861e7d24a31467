from __future__ import annotations

import hashlib
import json

import pytest

from dyncrit.fuzz.run.compare import difference, documents
from dyncrit.fuzz.run.process import Execution


def printed(output: bytes, *, whole: bool = True) -> Execution:
    return Execution(0, "itself", output, b"", 0.1, whole, hashlib.sha256(output).hexdigest())


def compared(one: object, other: object) -> str | None:
    found = difference(
        printed(json.dumps(one).encode()), printed(json.dumps(other, indent=1).encode()), "json"
    )
    return found.cause if found else None


@pytest.mark.parametrize(
    ("one", "other", "cause"),
    [
        ({"a": 1, "b": [1.5, None]}, {"b": [1.5, None], "a": 1}, None),
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": 16}, {"a": "0x10"}, "a: number and string"),
        ({"a": 1}, {"a": True}, "a: bool and number"),
        ({"a": {"b": [{"c": 1}, {"c": 2}]}}, {"a": {"b": [{"c": 1}, {"c": 3}]}}, "a.b[].c: another value"),
        ({"a": {"b": [{"c": 1}, {"c": 2}]}}, {"a": {"b": [{"c": 5}, {"c": 2}]}}, "a.b[].c: another value"),
        ({"a": [1, 2]}, {"a": [1]}, "a[]: another length"),
        ({"a": 1}, {}, "a: only in first"),
        ({}, {"a": 1}, "a: only in second"),
        ([1, {"x": None}], [1, {"x": 0}], "[].x: null and number"),
        ({"a": 1, "b": 2}, {"a": 2, "b": 3}, "a: another value"),
        ({"n": 1 << 70}, {"n": (1 << 70) + 1}, "n: another value"),
    ],
)
def test_json_is_compared_by_value(one: object, other: object, cause: str | None) -> None:
    found = compared(one, other)
    if cause == "a: bool and number":
        assert found == "a: number and bool"
    else:
        assert found == cause


def test_streams_of_documents_are_compared() -> None:
    assert documents(b'{"a": 1}\n{"a": 2}\n') == [{"a": 1}, {"a": 2}]
    found = difference(printed(b'{"a": 1}\n{"a": 2}\n'), printed(b'{"a": 1}{"a": 3}'), "json")
    assert found is not None
    assert found.cause == "[].a: another value"


@pytest.mark.parametrize("output", [b"", b"  \n", b"words", b'{"a": 1} x', b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_none(output: bytes) -> None:
    assert documents(output) is None


def test_bytes_that_are_no_utf8_are_compared_too() -> None:
    assert documents(b'"\xff"') == ["\udcff"]


def test_a_number_of_any_length_is_read() -> None:
    assert documents(b"9" * 10_000) == ["number " + "9" * 10_000]


def test_one_that_prints_no_json_is_told() -> None:
    found = difference(printed(b"{}"), printed(b"words"), "json")
    assert found is not None
    assert found.cause == "output: of target 2 of the two is no JSON"


def test_text_is_compared_by_line_and_named_by_it() -> None:
    found = difference(printed(b"a: 1\npid: 3\n"), printed(b"a: 1\npid: 4\n"), "text")
    assert found is not None
    assert found.cause == "pid: another text"
    longer = difference(printed(b"a\n"), printed(b"a\nb\n"), "text")
    assert longer is not None
    assert longer.cause == "output: more lines: second"


@pytest.mark.parametrize("ignored", ["a.b", "a.*", "*b", "*", "a"])
def test_paths_can_be_left_out_of_the_comparison(ignored: str) -> None:
    one, other = printed(b'{"a": [{"b": 1, "c": 2}]}'), printed(b'{"a": [{"b": [1], "c": 2}]}')
    assert difference(one, other, "json", [ignored]) is None
    found = difference(one, other, "json", ["b", "a.b.c", "a.[b]"])
    assert found is not None
    assert found.path == "a[].b"


def test_by_exit_outputs_mean_nothing() -> None:
    assert difference(printed(b"1"), printed(b"2"), "exit") is None


def test_long_output_is_compared_as_a_whole() -> None:
    assert difference(printed(b"1", whole=False), printed(b"1", whole=False), "json") is None
    found = difference(printed(b"1", whole=False), printed(b"2", whole=False), "json")
    assert found is not None
    assert found.what == "too long to tell where"
