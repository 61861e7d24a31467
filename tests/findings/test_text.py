from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.findings.text import encodable, printable, to_lines, to_text

if TYPE_CHECKING:
    from dyncrit.findings import Report


def test_a_finding_is_a_line_and_the_summary_is_the_last(findings: Report) -> None:
    assert to_text(findings) == (
        "fdinfo-2.img: entry 3: id: error: no file 7 [files-resolve]\n"
        "fdinfo-2.img: entry 4: id: error: no file 8 [files-resolve]\n"
        "pagemap-1.img: entry 2: warning: 0x2000 behind 0x3000 [pagemap-sorted]\n"
        "core.proto:12: note: no message x [newer-row]\n"
        "error: no files at all [files-resolve]\n"
        "[files-resolve] the restore fails\n"
        "[pagemap-sorted] pages end up elsewhere\n"
        "[newer-row] nothing; it is newer\n"
        "dump/: 3 errors, 1 warning, 1 note (4 rules applied)\n"
    )


def test_a_clean_report_says_how_many_rules_were_applied(clean: Report) -> None:
    assert to_text(clean) == "dump/: no findings (2 rules applied)\n"


def test_lines_tell_their_severity(findings: Report) -> None:
    severities = [line.severity for line in to_lines(findings)]
    assert severities == ["error", "error", "warning", "note", "error", None, None, None, None]


def test_a_finding_reads_as_its_str(findings: Report) -> None:
    lines = {str(line) for line in to_lines(findings) if line.severity}
    assert {str(item) for item in findings.findings} == lines


def test_control_characters_do_nothing_to_a_terminal(hostile: Report) -> None:
    text = to_text(hostile)
    assert text.count("\n") == 3
    assert all(char.isprintable() or char == "\udcff" for line in text.splitlines() for char in line)
    assert "\\x1b[31m\\r\\n" in text


@pytest.mark.parametrize(
    ("text", "shown"), [("plain ü", "plain ü"), ("\x9b1m", "\\x9b1m"), ("\u202e", "\\u202e")]
)
def test_what_cannot_be_seen_is_an_escape(text: str, shown: str) -> None:
    assert printable(text) == encodable(text) == shown


def test_only_encodable_text_escapes_names_that_are_not_utf_8() -> None:
    assert printable("\udcff") == "\udcff"
    assert encodable("\udcff") == "\\udcff"
