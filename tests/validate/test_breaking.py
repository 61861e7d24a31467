"""Every rule about what changed: a schema that breaks it, and exactly that finding."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from dyncrit.schema import catalogue
from dyncrit.schema.prototree import ProtoTree
from dyncrit.schema.table import ImageTable
from dyncrit.validate import breaking_rules
from dyncrit.validate.baseline import release_baseline
from dyncrit.validate.breaking import breaking_findings
from dyncrit.validate.source import SchemaFiles, schema_files
from dyncrit.validate.subject import Subject
from dyncrit.validate.validating import validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.findings import Finding, Report

OPTIONS = """import "google/protobuf/descriptor.proto";
message CRIU_Opts { optional bool hex = 1; optional string flags = 3; }
extend google.protobuf.FieldOptions { optional CRIU_Opts criu = 1018; }
"""
M = "message m {\n  required uint32 id = 1;\n%s}\n"
E = "enum e {\n  ONE = 1;\n%s}\nmessage m { optional e x = 1; }\n"
OTHER = "message one { optional uint32 a = 1; }\nmessage two { optional string a = 1; }\n"

CASES = {
    "message removed": (OTHER, "message one { optional uint32 a = 1; }\n", "wire-message-removed", 0),
    "field removed": (M % "optional bool on = 2;\n", M % "", "wire-field-removed", 2),
    "field renumbered": (
        M % "optional bool on = 2;\n",
        M % "optional bool on = 3;\n",
        "wire-field-renumbered",
        4,
    ),
    "number reused": (
        M % "optional bool on = 2;\n",
        M % "optional string name = 2;\n",
        "wire-number-reused",
        4,
    ),
    "number reused for a list": (
        M % "optional uint32 on = 2;\n",
        M % "repeated uint32 them = 2;\n",
        "wire-number-reused",
        4,
    ),
    "field retyped": (
        M % "optional uint32 on = 2;\n",
        M % "optional fixed32 on = 2;\n",
        "wire-field-retyped",
        4,
    ),
    "sign coding changed": (
        M % "optional int32 on = 2;\n",
        M % "optional sint32 on = 2;\n",
        "wire-field-retyped",
        4,
    ),
    "other message": (
        OTHER + "message m { optional one x = 1; }\n",
        OTHER + "message m { optional two x = 1; }\n",
        "wire-field-retyped",
        4,
    ),
    "required field added": (M % "", M % "required bool on = 2;\n", "wire-field-required", 4),
    "field made required": (
        M % "optional bool on = 2;\n",
        M % "required bool on = 2;\n",
        "wire-field-required",
        4,
    ),
    "field made a list": (
        M % "optional bool on = 2;\n",
        M % "repeated bool on = 2;\n",
        "wire-field-label",
        4,
    ),
    "field made optional": (
        M % "required bool on = 2;\n",
        M % "optional bool on = 2;\n",
        "wire-field-less-required",
        4,
    ),
    "default changed": (
        M % "optional bool on = 2;\n",
        M % "optional bool on = 2 [default = true];\n",
        "wire-default",
        4,
    ),
    "enum removed": (
        "enum gone { G = 1; }\nmessage m { optional uint32 x = 1; }\n",
        "message m { optional uint32 x = 1; }\n",
        "wire-enum-removed",
        0,
    ),
    "enum value removed": (E % "TWO = 2;\n", E % "", "wire-enum-value-removed", 2),
    "enum value renumbered": (E % "TWO = 2;\n", E % "TWO = 3;\n", "wire-enum-value-renumbered", 4),
    "enum value renamed": (E % "TWO = 2;\n", E % "ZWEI = 2;\n", "json-enum-value-renamed", 4),
    "enum value added": (E % "", E % "TWO = 2;\n", "added-enum-value", 4),
    "field widened": (M % "optional uint32 on = 2;\n", M % "optional uint64 on = 2;\n", "json-field-type", 4),
    "field renamed": (M % "optional bool on = 2;\n", M % "optional bool off = 2;\n", "json-field-renamed", 4),
    "message renamed": (
        "message a { optional one x = 1; }\nmessage one { optional uint32 a = 1; }\n",
        "message a { optional uno x = 1; }\nmessage uno { optional uint32 a = 1; }\n",
        "json-message-renamed",
        3,
    ),
    "enum renamed": (
        E % "",
        (E % "").replace("enum e", "enum f").replace("l e", "l f"),
        "json-message-renamed",
        2,
    ),
    "option changed": (
        OPTIONS + "message m {\n  optional uint32 a = 1;\n}\n",
        OPTIONS + "message m {\n  optional uint32 a = 1 [(criu).hex = true];\n}\n",
        "json-options",
        6,
    ),
    "message added": ("message one {}\n", "message one {}\nmessage two {}\n", "added-message", 3),
    "field added": (M % "", M % "optional bool on = 2;\n", "added-field", 4),
}


@pytest.mark.parametrize(("before", "after", "rule", "line"), CASES.values(), ids=CASES)
def test_change_is_exactly_one_finding(
    changed: Callable[[str, str], list[Finding]], before: str, after: str, rule: str, line: int
) -> None:
    (finding,) = changed(before, after)
    assert (finding.rule.id, finding.severity) == (rule, finding.rule.severity)
    assert (finding.file, finding.line) == ("images/a.proto", line or None)


@pytest.mark.parametrize(("before", "after", "rule", "line"), CASES.values(), ids=CASES)
def test_schema_is_no_finding_against_itself(
    changed: Callable[[str, str], list[Finding]], before: str, after: str, rule: str, line: int
) -> None:
    assert changed(after, after) == []


def test_every_rule_about_messages_has_a_case() -> None:
    tested = {rule for _, _, rule, _ in CASES.values()}
    others = {rule.id for rule in breaking_rules.RULES} - tested
    assert all("magic" in rule or rule == "plugin-missing" for rule in others)


def test_removed_field_with_reserved_number_is_a_warning(
    changed: Callable[[str, str], list[Finding]],
) -> None:
    (finding,) = changed(M % "optional bool on = 2;\n", M % "reserved 2;\n")
    assert (finding.rule.id, finding.severity) == ("wire-field-removed", "warning")
    assert "reserved" in finding.message


def test_name_that_moved_to_a_new_number_is_told_with_the_rename(
    changed: Callable[[str, str], list[Finding]],
) -> None:
    before = "message m { required uint32 nr_pages = 2; }\n"
    after = "message m { required uint32 compat_nr_pages = 2; optional uint64 nr_pages = 5; }\n"
    renamed, added = changed(before, after)
    assert renamed.rule.id == "json-field-renamed"
    assert "nr_pages is another field now (5)" in renamed.message
    assert added.rule.id == "added-field"


def test_message_of_the_same_fields_is_as_good(changed: Callable[[str, str], list[Finding]]) -> None:
    both = "message one { optional uint32 a = 1; }\nmessage uno { optional uint32 a = 1; }\n"
    assert (
        changed(both + "message m { optional one x = 1; }", both + "message m { optional uno x = 1; }") == []
    )


def test_nested_messages_and_enums_are_compared(changed: Callable[[str, str], list[Finding]]) -> None:
    before = "message m {\n message in { optional bool a = 1; }\n enum e { A = 1; B = 2; }\n optional in x = 1; }\n"
    after = "message m {\n message in {\n }\n enum e { A = 1; }\n optional in x = 1; }\n"
    places = {(item.rule.id, item.line) for item in changed(before, after)}
    assert places == {("wire-field-removed", 3), ("wire-enum-value-removed", 5)}


def test_message_in_another_file_is_the_same(report: Callable[..., Report]) -> None:
    text = "message %s { optional bool a = 1; }\n"
    made = report(
        {"images/a.proto": text % "a", "images/b.proto": text % "b"},
        {"images/a.proto": text % "a" + text % "b"},
    )
    assert [item for item in made.findings if item.rule in breaking_rules.RULES] == []


@pytest.mark.parametrize(
    ("before", "after", "rule", "line"),
    [
        ("#define NEW_MAGIC 0x1\n", "\n#define NEW_MAGIC 0x2\n", "wire-magic-changed", 2),
        ("#define NEW_MAGIC 0x1\n", "#define CORE_MAGIC 0x55053847\n", "wire-magic-removed", None),
        ("#define NEW_MAGIC 0x1\n", "\n\n#define RENAMED_MAGIC 0x1\n", "json-magic-renamed", 3),
        (
            "#define CORE_MAGIC 0x55053847\n",
            "#define CORE_MAGIC 0x55053847\n#define NEW_MAGIC 1\n",
            "added-magic",
            2,
        ),
    ],
)
def test_change_of_magics(
    found: Callable[..., list[Finding]], before: str, after: str, rule: str, line: int | None
) -> None:
    proto = {"images/a.proto": "message m {}\n"}
    header = "criu/include/magic.h"
    (finding,) = found(rule, {**proto, header: after}, {**proto, header: before})
    assert (finding.severity, finding.file, finding.line) == (finding.rule.severity, header, line)


def test_magic_that_the_table_knows_by_both_names_is_not_renamed(found: Callable[..., list[Finding]]) -> None:
    proto = {"images/a.proto": "message m {}\n"}
    before, after = "#define TTY_MAGIC 0x59433025\n", "#define TTY_FILES_MAGIC 0x59433025\n"
    assert found("json-magic-renamed", {**proto, "magic.h": after}, {**proto, "magic.h": before}) == []


def test_upstream_is_clean_against_its_own_release(upstream: Callable[[str], Path]) -> None:
    made = validate(schema_files(upstream("sid")), baseline=release_baseline("4.2"))
    assert {item.severity for item in made.findings} <= {"note"}
    assert not [item for item in made.findings if item.rule in breaking_rules.RULES]


def test_upstream_against_the_release_before(upstream: Callable[[str], Path]) -> None:
    made = validate(schema_files(upstream("sid")), baseline=release_baseline("4.1"))
    (renamed,) = [item for item in made.findings if item.severity != "note"]
    assert renamed.rule.id == "json-field-renamed"
    assert renamed.file.endswith("images/pagemap.proto")
    lines = (upstream("sid") / "images/pagemap.proto").read_text().splitlines()
    assert "compat_nr_pages" in lines[(renamed.line or 0) - 1]
    added = [item.message for item in made.findings if item.rule.id == "added-field"]
    assert {text.split()[0] for text in added} == {"inventory_entry.allow_uprobes", "pagemap_entry.nr_pages"}


def test_older_upstream_against_a_newer_release(upstream: Callable[[str], Path]) -> None:
    made = validate(schema_files(upstream("trixie")), baseline=release_baseline("4.2"))
    errors = [item.message for item in made.findings if item.severity == "error"]
    assert sorted(text.partition(" is gone")[0] for text in errors) == [
        "inventory_entry.allow_uprobes (14)",
        "pagemap_entry.nr_pages (5)",
    ]


def test_copy_of_images_alone_lacks_the_plugin(
    upstream: Callable[[str], Path], write: Callable[..., Path]
) -> None:
    protos = {path.name: path.read_text() for path in (upstream("sid") / "images").glob("*.proto")}
    made = validate(schema_files(write(protos)), baseline=release_baseline("4.2"))
    assert [item.severity for item in made.findings if item.rule.id == "plugin-missing"] == ["note"]
    assert made.count("error") == 0


def test_no_release_broke_more_than_is_known() -> None:
    releases = catalogue.history().releases
    broken = set()
    for before, after in pairwise(releases):
        files = SchemaFiles(after, ProtoTree(None, (), {}, None), {}, frozenset(), "", ())  # type: ignore[arg-type]
        subject = Subject(files, release_baseline(after).shape)
        for finding in breaking_findings(subject, release_baseline(before), ImageTable()):
            if finding.severity != "note":
                broken.add((after, finding.rule.id, finding.message.split()[0]))
    assert ("3.5", "wire-field-required", "dump_stats_entry.pages_lazy") in broken
    assert {item for item in broken if item[1].startswith("wire-")} == {
        ("3.5", "wire-field-required", "dump_stats_entry.pages_lazy")
    }
    assert ("4.2", "json-field-renamed", "pagemap_entry.nr_pages") in broken
    assert {item[1] for item in broken} <= {
        "wire-field-required",
        "json-field-renamed",
        "json-enum-value-renamed",
        "json-message-renamed",
        "json-options",
    }
