from __future__ import annotations

from typing import Any

import pytest

from dyncrit.codec.framing import Frame
from dyncrit.codec.header import parse_header, show_header
from dyncrit.errors import DocumentError
from dyncrit.schema import ImageTable

TABLE = ImageTable()


@pytest.mark.parametrize(
    "header",
    [
        {"magic": "CORE"},
        {"magic": "INVENTORY"},
        {"magic": "STATS"},
        {"magic": "CORE", "@framing": "v1.0"},
        {"magic": "CORE", "@framing": "service", "@byte_order": "big"},
        {"magic": "INVENTORY", "@framing": "common"},
        {"magic": "0x12345678"},
        {"magic": "0x12345678", "@message": "core_entry"},
        {"magic": "CORE", "@message": "fs_entry"},
        {"magic": "", "@message": "criu_kfd"},
        {"magic": "AMDGPU_KFD", "@byte_order": "big"},
    ],
)
def test_headers_come_back(header: dict[str, Any]) -> None:
    frame, as_message = parse_header(header, TABLE)
    assert show_header(frame, as_message) == header


def test_aliases_stand_for_the_type_that_they_were_merged_with() -> None:
    frame, _ = parse_header({"magic": "SHMEM_PAGEMAP"}, TABLE)
    assert frame.image_type.name == "PAGEMAP"


@pytest.mark.parametrize(
    ("name", "framing", "shown"),
    [
        ("CORE", "common", {"magic": "CORE"}),
        ("CORE", "v1.0", {"magic": "CORE", "@framing": "v1.0"}),
        ("INVENTORY", "v1.0", {"magic": "INVENTORY"}),
        ("IRMAP_CACHE", "service", {"magic": "IRMAP_CACHE"}),
        ("IRMAP_CACHE", "v1.0", {"magic": "IRMAP_CACHE", "@framing": "v1.0"}),
    ],
)
def test_only_what_is_not_the_default_is_shown(name: str, framing: Any, shown: dict[str, Any]) -> None:
    image_type = TABLE.by_name(name)
    assert image_type is not None
    assert show_header(Frame(image_type, "little", framing)) == shown


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({}, 'no "magic" in it'),
        ({"magic": "CORRE"}, "magic: no image type 'CORRE' in the image table; did you mean CORE?"),
        ({"magic": ""}, "magic: no image type ''"),
        ({"magic": None}, "magic: expected the name of an image type, found null"),
        ({"magic": 5}, "magic: expected the name"),
        ({"magic": ["CORE"]}, "magic: expected the name"),
        ({"magic": "0x1234"}, "no image type '0x1234'"),
        (
            {"magic": "CORE", "@framing": "v2"},
            "@framing: expected one of v1.0, common, service, found the string 'v2'",
        ),
        ({"magic": "CORE", "@framing": None}, "@framing: expected a string"),
        ({"magic": "CORE", "@byte_order": "middle"}, "@byte_order: expected one of little, big"),
        ({"magic": "CORE", "@byte_order": 1}, "@byte_order: expected a string"),
        ({"magic": "CORE", "@message": 1}, "@message: expected a string"),
        ({"magic": "CORE", "entires": []}, "a document has no key 'entires'; did you mean entries?"),
        (
            {"magic": "CORE", "@byteorder": "big"},
            "a document has no key '@byteorder'; did you mean @byte_order?",
        ),
    ],
)
def test_what_is_no_header_is_an_error(header: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as error:
        parse_header(header, TABLE)
    assert problem in str(error.value)
