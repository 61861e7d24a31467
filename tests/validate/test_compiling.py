from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import SchemaError
from dyncrit.schema import protoc
from dyncrit.validate import compiling
from dyncrit.validate.source import schema_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.findings import Finding, Report

GOOD = "message good_entry { required uint32 id = 1; }\n"


def test_syntax_error_has_file_and_line(found: Callable[..., list[Finding]]) -> None:
    bad = "message bad_entry {\n  optional uint33 id = 1;\n}\n"
    (finding,) = found("schema-compiles", {"images/bad.proto": bad, "images/good.proto": GOOD})
    assert (finding.severity, finding.file, finding.line) == ("error", "images/bad.proto", 3)
    assert "uint33" in finding.message


def test_errors_of_several_files_are_all_told(found: Callable[..., list[Finding]]) -> None:
    fields = "\n".join(f"optional nope x{number} = {number};" for number in range(1, 13))
    files = {"images/a.proto": "junk\n", "images/b.proto": f"message b {{\n{fields}\n}}\n"}
    findings = found("schema-compiles", files)
    assert [(item.file, item.line) for item in findings if item.file == "images/b.proto"] == [
        ("images/b.proto", line) for line in range(3, 15)
    ]
    assert ("images/a.proto", 2) in {(item.file, item.line) for item in findings}


def test_missing_import_is_told_where_it_is_wanted(found: Callable[..., list[Finding]]) -> None:
    findings = found("schema-compiles", {"images/user.proto": 'import "absent.proto";\nmessage m {}\n'})
    assert [(item.file, item.line) for item in findings if "absent.proto" in item.message] == [
        ("images/user.proto", 2)
    ]


def test_number_given_twice_in_a_message_is_an_error(found: Callable[..., list[Finding]]) -> None:
    text = "message m {\n  optional uint32 a = 1;\n  optional uint32 b = 1;\n}\n"
    (finding,) = found("schema-compiles", {"images/a.proto": text})
    assert (finding.file, finding.line) == ("images/a.proto", 4)


def test_error_in_a_plugin_has_the_plugins_path(found: Callable[..., list[Finding]]) -> None:
    files = {"images/good.proto": GOOD, "plugins/gpu/gpu.proto": "message m { optional nope x = 1; }\n"}
    (finding,) = found("schema-compiles", files)
    assert (finding.file, finding.line) == ("plugins/gpu/gpu.proto", 2)


def test_only_compiling_is_judged_of_what_does_not_compile(report: Callable[..., Report]) -> None:
    made = report({"images/a.proto": "junk\n"})
    assert made.rules == compiling.RULES
    assert made.fails_on("error")


def test_clash_of_files_that_compile_alone_is_a_warning(found: Callable[..., list[Finding]]) -> None:
    files = {
        f"images/{name}.proto": f"enum {name} {{\n  NONE = 0;\n}}\nmessage m{name} {{}}\n" for name in "ab"
    }
    (finding,) = found("schema-one-pool", files)
    assert (finding.severity, finding.line) == ("warning", 3)
    assert "NONE" in finding.message


def test_message_that_two_files_define_is_an_error(report: Callable[..., Report]) -> None:
    made = report({"images/a.proto": GOOD, "images/b.proto": GOOD})
    assert any(item.rule.id == "schema-compiles" for item in made.findings)


def test_remark_of_protoc_is_a_note(found: Callable[..., list[Finding]]) -> None:
    files = {"images/good.proto": GOOD, "images/user.proto": 'import "good.proto";\nmessage m {}\n'}
    (finding,) = found("schema-protoc-warning", files)
    assert (finding.severity, finding.file, finding.line) == ("note", "images/user.proto", 2)


def test_protoc_that_never_ends_is_an_error(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protoc, "_TIMEOUT", -1)
    source = schema_files(write({"images/good.proto": GOOD}))
    with pytest.raises(SchemaError, match="took over"):
        compiling.compile_files(source)


def test_protoc_that_fails_without_a_word_is_a_finding(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protoc.sys, "executable", "/bin/false")
    compiled = compiling.compile_files(schema_files(write({"images/good.proto": GOOD})))
    assert compiled.files == ()
    assert "did not say why" in compiled.findings[0].message
