from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit import Schema
from dyncrit.errors import SchemaError
from dyncrit.schema.catalogue import history
from dyncrit.schema.description import MessageDescription, describe_name
from dyncrit.schema.differences import facts_of, named_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PROTO = r"""
syntax = "proto2";
package p;
enum kind { ONE = 1; }
message m {
    message inner { optional bool on = 1 [default = true]; }
    optional kind k = 3 [default = ONE];
    optional bytes b = 2 [default = "\377a"];
    repeated inner i = 1;
    required double d = 4;
    map<string, inner> by_name = 5;
}
"""


def test_fields_are_in_order_with_types_and_defaults_in_words(write_tree: Callable[..., Path]) -> None:
    found = describe_name(Schema.from_protos(write_tree({"x.proto": _PROTO})), "m")
    assert isinstance(found, MessageDescription)
    assert [(row.number, row.name, row.label, row.type, row.default) for row in found.fields] == [
        (1, "i", "repeated", "m.inner", None),
        (2, "b", "optional", "bytes", "\\xffa"),
        (3, "k", "optional", "kind", "ONE"),
        (4, "d", "required", "double", None),
        (5, "by_name", "repeated", "m.ByNameEntry", None),
    ]
    assert found.enums == {"kind": {"ONE": 1}}


@pytest.mark.parametrize("release", history().releases[::16])
def test_a_description_says_what_differences_compare(release: str) -> None:
    schema = named_schema(release)
    facts = facts_of(schema)
    for name in schema.message_names:
        found = describe_name(schema, name)
        assert isinstance(found, MessageDescription)
        for row in found.fields:
            other = facts.messages[name].fields[row.number]
            default = {} if row.default is None else {"default": row.default}
            assert (row.name, row.label, row.type) == (other.name, other.label, other.type)
            assert {**row.options, **default} == other.options


@pytest.mark.parametrize("name", ["", "no_such", "x" * 1000, "\0", "a.b.c"])
def test_an_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(SchemaError, match="no message, image type or image file"):
        describe_name(Schema.default(), name)
