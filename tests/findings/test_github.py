from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.findings import Finding, Report, Rule
from dyncrit.findings.github import to_github

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_finding_is_a_command_with_file_line_and_rule(findings: Report) -> None:
    assert to_github(findings, "images").splitlines() == [
        "::error file=images/fdinfo-2.img,title=files-resolve::entry 3: id: no file 7%0Athe restore fails",
        "::error file=images/fdinfo-2.img,title=files-resolve::entry 4: id: no file 8%0Athe restore fails",
        "::warning file=images/pagemap-1.img,title=pagemap-sorted::entry 2: 0x2000 behind 0x3000%0Apages end up elsewhere",
        "::notice file=images/core.proto,line=12,title=newer-row::no message x%0Anothing; it is newer",
        "::error title=files-resolve::no files at all%0Athe restore fails",
        "dyncrit: dump/: 3 errors, 1 warning, 1 note (4 rules applied)",
    ]


def test_what_has_a_meaning_in_commands_is_escaped() -> None:
    rule = Rule("a,b:c%", "error", "t", "c")
    report = Report("check", "x", (rule,), (Finding.of(rule, "50%, so:\r\nfoo", "a:b,c%.img"),))
    command = to_github(report).splitlines()[0]
    assert command == "::error file=a%3Ab%2Cc%25.img,title=a%2Cb%3Ac%25::50%25, so:%0D%0Afoo%0Ac"


def test_no_text_makes_a_command_of_its_own(hostile: Report, assert_tame: Callable[[str], None]) -> None:
    text = to_github(hostile)
    assert_tame(text)
    assert [line.startswith("::") for line in text.splitlines()] == [True, False]
