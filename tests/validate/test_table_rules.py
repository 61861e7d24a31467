"""Every rule about the image table: a schema that breaks it, and exactly that finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.schema.layout import Array, Counted, FieldNumber, ImageType, RecordLayout, Rest, Submessages
from dyncrit.schema.table import ImageTable
from dyncrit.validate.source import schema_files
from dyncrit.validate.validating import validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.findings import Finding, Report

HEADER = "criu/include/magic.h"
OPTIONS = """import "google/protobuf/descriptor.proto";
message CRIU_Opts {
  optional string flags = 3; optional string dict = 6; optional string conv = 7; optional bool new = 9;
}
extend google.protobuf.FieldOptions { optional CRIU_Opts criu = 1018; }
"""


def test_magic_without_row_and_message(found: Callable[..., list[Finding]]) -> None:
    files = {"images/a.proto": "message nev_entry {}\n", HEADER: "\n#define NEW_MAGIC 0x12345678\n"}
    (finding,) = found("table-magic-known", files)
    assert (finding.severity, finding.file, finding.line) == ("error", HEADER, 2)
    assert "no message new_entry; did you mean nev_entry?" in finding.message
    assert found("table-magic-derived", files) == []


def test_magic_with_a_message_by_the_name_rule_is_a_note(found: Callable[..., list[Finding]]) -> None:
    files = {"images/a.proto": "message new_entry {}\n", HEADER: "#define NEW_MAGIC 0x12345678\n"}
    (finding,) = found("table-magic-derived", files)
    assert (finding.severity, finding.line) == ("note", 1)
    assert found("table-magic-known", files) == []


@pytest.mark.parametrize(
    ("header", "severity", "line"),
    [
        ("#define A_MAGIC 0x12345678\n#define B_MAGIC 0x12345678\n", "error", 2),
        ("#define A_MAGIC 0x12345678\n#define A_MAGIC 0x12345679\n", "error", 2),
        ("#define CORE_MAGIC 0x55053847\n\n#define NEW_MAGIC 0x55053847\n", "error", 3),
        ("#define IMG_COMMON_MAGIC 0x54564319\n#define NEW_MAGIC 0x54564319\n", "error", 2),
        ("#define CORE_MAGIC 0x55053847\n#define NEW_MAGIC CORE_MAGIC\n", "warning", 2),
    ],
)
def test_magic_that_is_there_twice(
    found: Callable[..., list[Finding]], header: str, severity: str, line: int
) -> None:
    (finding,) = found("table-magic-unique", {"images/a.proto": "message a_entry {}\n", HEADER: header})
    assert (finding.severity, finding.file, finding.line) == (severity, HEADER, line)


def test_listed_aliases_are_none(found: Callable[..., list[Finding]]) -> None:
    header = """#define PAGEMAP_MAGIC 0x56084025
#define SHMEM_PAGEMAP_MAGIC PAGEMAP_MAGIC
#define PAGES_OLD_MAGIC PAGEMAP_MAGIC
#define SIGNAL_MAGIC 0x59255647
#define PSIGNAL_MAGIC 0x59255647
"""
    assert found("table-magic-unique", {"images/a.proto": "message m {}\n", HEADER: header}) == []


def test_message_of_a_row_that_is_missing(
    upstream: Callable[[str], Path], write: Callable[..., Path]
) -> None:
    tree = upstream("sid")
    protos = {f"images/{path.name}": path.read_text() for path in (tree / "images").glob("*.proto")}
    protos["images/fs.proto"] = protos["images/fs.proto"].replace("fs_entry", "fs_entri")
    protos[HEADER] = (tree / HEADER).read_text()
    made = validate(schema_files(root := write(protos), root=root))
    (finding,) = [item for item in made.findings if item.rule.id == "table-messages"]
    assert (finding.severity, finding.file) == ("error", HEADER)
    assert "no message fs_entry" in finding.message
    assert "FS_MAGIC" in protos[HEADER].splitlines()[(finding.line or 0) - 1]


def test_rows_that_came_later_and_plugins_are_notes(upstream: Callable[[str], Path]) -> None:
    made = validate(schema_files(upstream("trixie")))
    notes = [item for item in made.findings if item.rule.id == "table-row-newer"]
    assert notes
    assert {item.severity for item in notes} == {"note"}
    assert "criu_dmabuf_node" in notes[0].message
    assert made.count("error") == 0


TABLE = ImageTable(
    [
        ImageType(
            "A", 1, (RecordLayout("a_entry", Counted((FieldNumber("size", 2),), 1, FieldNumber("off", 3))),)
        ),
        ImageType(
            "B", 2, (RecordLayout("b_entry", Submessages(FieldNumber("n", 1), "c", FieldNumber("len", 2))),)
        ),
        ImageType(
            "D", 3, (RecordLayout("d_entry", Array(FieldNumber("n", 1), 2)), RecordLayout("c", Rest()))
        ),
    ]
)
GOOD = {
    "a": "message a_entry { optional uint32 size = 2; optional bool off = 3; }\n",
    "b": "message b_entry { optional uint64 n = 1; }\n",
    "c": "message c { optional int32 len = 2; }\n",
    "d": "message d_entry { optional uint32 n = 1; }\n",
}


def _payloads(report: Callable[..., Report], **changed: str) -> list[Finding]:
    files = {f"images/{name}.proto": text for name, text in {**GOOD, **changed}.items()}
    made = report(files, files, table=TABLE)
    return [item for item in made.findings if item.rule.id in ("table-payload-fields", "table-messages")]


def test_payload_fields_that_are_right(report: Callable[..., Report]) -> None:
    assert _payloads(report) == []


@pytest.mark.parametrize(
    ("name", "text", "says", "severity"),
    [
        (
            "a",
            "message a_entry {\n optional bool off = 3; }\n",
            "expected a field with the number 2",
            "error",
        ),
        (
            "a",
            "message a_entry { optional bool off = 3;\n optional string size = 2; }\n",
            "is an integer",
            "error",
        ),
        (
            "a",
            "message a_entry { optional bool off = 3;\n repeated uint32 size = 2; }\n",
            "is an integer",
            "error",
        ),
        (
            "a",
            "message a_entry { optional bool off = 3;\n optional uint32 size = 4; }\n",
            "has the number 4",
            "error",
        ),
        (
            "a",
            "message a_entry { optional bool off = 3;\n optional uint32 len = 2; }\n",
            "is now called len",
            "warning",
        ),
        (
            "a",
            "message a_entry { optional uint32 size = 2;\n optional uint32 off = 3; }\n",
            "is a bool",
            "error",
        ),
        ("c", "message c {\n optional string len = 2; }\n", "c.len", "error"),
        ("d", "message d_entry {\n optional bool n = 1; }\n", "d_entry.n", "error"),
    ],
)
def test_payload_field_that_is_wrong(
    report: Callable[..., Report], name: str, text: str, says: str, severity: str
) -> None:
    (finding,) = _payloads(report, **{name: text})
    assert (finding.rule.id, finding.severity, finding.file) == (
        "table-payload-fields",
        severity,
        f"images/{name}.proto",
    )
    assert says in finding.message
    assert finding.line in (2, 3)


@pytest.mark.parametrize(
    ("option", "rule", "severity"),
    [
        ('flags = "mmap.prod"', "table-option-maps", "error"),
        ('dict = "nope"', "table-option-maps", "error"),
        ('dict = "sk"', "table-option-maps", "error"),
        ('conv = "windows_name"', "table-option-maps", "error"),
        ("new = true", "table-options-known", "warning"),
    ],
)
def test_option_that_names_no_known_map(
    found: Callable[..., list[Finding]], option: str, rule: str, severity: str
) -> None:
    text = OPTIONS + f"message m {{\n  optional uint32 colour = 1 [(criu).{option}];\n}}\n"
    (finding,) = found(rule, {"images/opts.proto": text})
    assert (finding.severity, finding.file, finding.line) == (severity, "images/opts.proto", 8)
    assert "m.colour" in finding.message


@pytest.mark.parametrize("option", ['flags = "mmap.prot"', 'dict = "sk"', 'conv = "unix_name"'])
def test_option_that_names_a_known_map(report: Callable[..., Report], option: str) -> None:
    text = OPTIONS + f"message m {{\n  optional uint32 family = 1 [(criu).{option}];\n}}\n"
    made = report({"images/opts.proto": text})
    assert not [item for item in made.findings if "option" in item.rule.id]
