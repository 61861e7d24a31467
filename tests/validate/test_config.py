from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dyncrit.findings import Finding
from dyncrit.validate.breaking_rules import FIELD_ADDED, FIELD_RENAMED
from dyncrit.validate.config import Config, ConfigError, read_config
from dyncrit.validate.validating import all_rules

if TYPE_CHECKING:
    from pathlib import Path


def _read(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "validate.yaml"
    file.write_text(text)
    return read_config(file, all_rules())


@pytest.mark.parametrize(
    ("ignored", "kept"),
    [
        ("rule: json-field-renamed", False),
        ("rule: json-*", False),
        ("rule: wire-*", True),
        ("{rule: json-field-renamed, paths: [images/pagemap.proto]}", False),
        ("{rule: json-field-renamed, paths: [pagemap.proto]}", False),
        ("{rule: json-field-renamed, paths: ['images/*']}", False),
        ("{rule: json-field-renamed, paths: [map.proto]}", True),
        ("{rule: json-field-renamed, paths: [fs.proto, '*/images/*']}", False),
        ("{rule: json-field-renamed, paths: [fs.proto]}", True),
    ],
)
def test_findings_are_ignored_by_rule_and_path(tmp_path: Path, ignored: str, *, kept: bool) -> None:
    config = _read(tmp_path, f"ignore:\n  - {ignored}\n")
    finding = Finding.of(FIELD_RENAMED, "renamed", "criu/images/pagemap.proto", line=3)
    other = Finding.of(FIELD_ADDED, "added", "criu/images/pagemap.proto")
    assert list(config.kept([finding, other])) == ([finding, other] if kept else [other])


def test_empty_file_ignores_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path, "") == Config()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nignored: []\n", "line 2: no key 'ignored' here; there are ignore; did you mean ignore?"),
        ("ignore:\n  - rule: json-field-renamed\n    path: [a]\n", "line 3: no key 'path' here"),
        ("ignore:\n  - rule: json-field-renamd\n", "line 2: no rule 'json-field-renamd'; did you mean"),
        ("ignore:\n  - paths: [a]\n", "line 2: an ignored item has a rule"),
        ("ignore:\n  - json-field-renamed\n", "line 2: expected keys and values, found text"),
        ("ignore: json-field-renamed\n", "line 1: expected a list, found text"),
        ("ignore:\n  - rule: json-*\n    paths: a.proto\n", "line 3: expected a list, found text"),
        ("ignore:\n  - rule: [json-*]\n", "line 2: expected text, found a list"),
        ("ignore: []\nignore: []\n", "line 2: the key 'ignore' stands here twice"),
        ("- a\n", "line 1: expected keys and values, found a list"),
        ("ignore: [", "not a YAML file"),
        ("ignore: \x00", "not a YAML file"),
    ],
)
def test_error_has_the_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, text)
    assert problem in str(caught.value)
    assert "validate.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "none.yaml", all_rules())
