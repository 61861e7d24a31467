from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dyncrit import Schema
from dyncrit.schema.catalogue import history
from dyncrit.schema.export import export_protos
from dyncrit.validate.config import Config, Ignored
from dyncrit.validate.magic_history import magics_of_release
from dyncrit.validate.source import schema_files
from dyncrit.validate.validating import all_rules, validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.findings import Report


@pytest.mark.parametrize("release", history().releases)
def test_every_release_of_the_catalogue_passes(tmp_path: Path, release: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    export_protos(Schema.release(release).source, root / "images")
    header = root / "include" / "image.h"
    header.parent.mkdir()
    magics = magics_of_release(release).items()
    header.write_text("".join(f"#define {name}_MAGIC {value:#x}\n" for name, value in magics))
    made = validate(schema_files(root))
    assert [str(item) for item in made.findings if item.severity == "error"] == []
    assert {item.rule.id for item in made.findings} <= {"table-row-newer", "schema-one-pool"}


def test_rules_have_ids_of_their_own_and_say_what_breaks() -> None:
    rules = all_rules()
    assert len({rule.id for rule in rules}) == len(rules)
    assert [rule.id for rule in rules if rule.title.endswith(".")] == []
    assert [rule.id for rule in rules if not re.fullmatch(r"[A-Z].*\.", rule.consequence)] == []


def test_findings_are_of_rules_that_the_report_has(report: Callable[..., Report]) -> None:
    made = report({"images/a.proto": "message a {}\n", "magic.h": "#define NEW_MAGIC 0x12345678\n"})
    assert made.command == "validate"
    assert {item.rule for item in made.findings} <= set(made.rules)
    assert len(made.findings) > 5


def test_ignored_findings_are_left_out(report: Callable[..., Report]) -> None:
    files = {"images/a.proto": "message a {}\n", "images/magic.h": "#define NEW_MAGIC 0x12345678\n"}
    made = report(files, config=Config((Ignored("table-magic-known", ("magic.h",)),)))
    assert "table-magic-known" not in {item.rule.id for item in made.findings}
    assert "table-magic-known" in {item.rule.id for item in report(files).findings}
