from __future__ import annotations

from typing import Any

import pytest

from dyncrit import Schema
from dyncrit.codec.decoders import NotPlain
from dyncrit.codec.plan import Planner, Style
from dyncrit.codec.preparers import Preparers

REFUSED = (NotPlain, ValueError, KeyError, TypeError)


def prepared(message: str, document: Any) -> Any:
    Preparers().preparer(Planner(Style()).plan(Schema.default().required_message(message)))(document)
    return document


@pytest.mark.parametrize(
    ("message", "document", "arguments"),
    [
        ("fdinfo_entry", {"id": 1, "type": "REG"}, {"id": 1, "type": "REG"}),
        ("fdinfo_entry", {"id": "0x10", "type": 1}, {"id": 16, "type": 1}),
        ("tty_data_entry", {"data": "YQ==\n"}, {"data": b"a"}),
        ("unix_sk_entry", {"name": "=00a", "state": "LISTEN"}, {"name": b"\0a", "state": 10}),
        ("inet_sk_entry", {"src_addr": ["127.0.0.1"]}, {"src_addr": [0x0100007F]}),
        ("inet_sk_entry", {"src_addr": [1, 2, 3]}, {"src_addr": [1, 2, 3]}),
        ("pstree_entry", {"threads": ["1", 2]}, {"threads": [1, 2]}),
        ("reg_file_entry", {"fown": {"uid": "1"}, "ext": True}, {"fown": {"uid": 1}, "ext": True}),
        ("mm_entry", {"vmas": [{"prot": "PROT_READ"}]}, {"vmas": [{"prot": 1}]}),
    ],
)
def test_a_document_becomes_arguments_in_place(
    message: str, document: dict[str, Any], arguments: dict[str, Any]
) -> None:
    assert prepared(message, document) is document
    assert document == arguments


@pytest.mark.parametrize(
    ("message", "document"),
    [
        ("fdinfo_entry", []),
        ("fdinfo_entry", None),
        ("fdinfo_entry", {"no": 1}),
        ("fdinfo_entry", {"id": None}),
        ("fdinfo_entry", {"id": True}),
        ("fdinfo_entry", {"id": 1.0}),
        ("fdinfo_entry", {"id": "x"}),
        ("fdinfo_entry", {"type": True}),
        ("reg_file_entry", {"ext": 1}),
        ("reg_file_entry", {"ext": "true"}),
        ("reg_file_entry", {"name": 1}),
        ("reg_file_entry", {"fown": 1}),
        ("reg_file_entry", {"fown": {"uid": None}}),
        ("tty_data_entry", {"data": "a"}),
        ("tty_data_entry", {"data": b"a"}),
        ("pstree_entry", {"threads": 1}),
        ("pstree_entry", {"threads": [None]}),
        ("inet_sk_entry", {"src_addr": ["1.2.3"]}),
        ("inet_sk_entry", {"src_addr": [None]}),
    ],
)
def test_what_is_not_plain_is_refused(message: str, document: Any) -> None:
    with pytest.raises(REFUSED):
        prepared(message, document)
