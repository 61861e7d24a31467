"""``dyncrit validate``: what it prints, and its exit codes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Run = Callable[..., tuple[int, bytes, str]]

BEFORE = 'syntax = "proto2";\nmessage a_entry {\n  optional bool on = 1;\n}\n'
AFTER = 'syntax = "proto2";\nmessage a_entry {\n  optional bool off = 1;\n  required bool new = 2;\n}\n'

# Schemas as small as these lack nearly every row of the image table.
CONFIG = "ignore:\n  - rule: table-*\n"


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two schemas in it and a configuration."""
    for name, text in (("before", BEFORE), ("after", AFTER)):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "images" / "a.proto").write_text(text)
    (tmp_path / "validate.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ARGUMENTS = (
    "validate",
    "--proto-dir",
    "after/images",
    "--baseline-dir",
    "before",
    "--config",
    "validate.yaml",
)


def test_findings_have_file_line_and_rule(run: Run, trees: Path) -> None:
    code, out, err = run(*ARGUMENTS)
    assert (code, err) == (1, "")
    lines = out.decode().splitlines()
    assert "after/images/a.proto:4: error: a_entry.new (2) is new and required [wire-field-required]" in lines
    assert any(
        line.startswith("after/images/a.proto:3: warning: a_entry.on (1) is now called off") for line in lines
    )
    assert "baseline: before" in out.decode()


@pytest.mark.parametrize(("fail_on", "code"), [("error", 1), ("warning", 1), ("never", 0)])
def test_exit_code_is_told_by_fail_on(run: Run, trees: Path, fail_on: str, code: int) -> None:
    assert run(*ARGUMENTS, "--fail-on", fail_on)[0] == code


def test_clean_schema_ends_with_0(run: Run, trees: Path) -> None:
    code, out, err = run(*ARGUMENTS[:2], "before", *ARGUMENTS[3:], "--fail-on", "note")
    assert (code, err) == (0, "")
    assert b"before (baseline: before)" in out


def test_json_says_what_breaks(run: Run, trees: Path) -> None:
    code, out, _ = run(*ARGUMENTS, "--format", "json")
    assert code == 1
    assert "wire-field-required" in json.dumps(json.loads(out))


def test_annotations_for_github(run: Run, trees: Path) -> None:
    _, out, _ = run(*ARGUMENTS, "--format", "github")
    assert any(
        line.startswith("::error ") and "file=after/images/a.proto" in line and "line=4" in line
        for line in out.decode().splitlines()
    )


def test_report_goes_to_a_file(run: Run, trees: Path) -> None:
    code, out, _ = run(*ARGUMENTS, "--format", "sarif", "-o", "report.sarif")
    assert (code, out) == (1, b"")
    assert json.loads((trees / "report.sarif").read_bytes())["version"] == "2.1.0"


def test_syntax_error_is_a_finding_with_its_line(run: Run, trees: Path) -> None:
    (trees / "after/images/b.proto").write_text('syntax = "proto2";\njunk\n')
    code, out, err = run(*ARGUMENTS)
    assert (code, err) == (1, "")
    assert b"after/images/b.proto:2: error: " in out


def test_release_as_baseline(run: Run, trees: Path) -> None:
    code, out, _ = run("validate", "--proto-dir", "after", "--baseline", "v0.1")
    assert code == 1
    assert b"baseline: CRIU 0.1)" in out


def test_proto_dir_of_the_group_and_the_environment(
    run: Run, trees: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--baseline-dir", "before", "--config", "validate.yaml")
    assert run("--proto-dir", "before", "validate", *options)[0] == 0
    monkeypatch.setenv("DYNCRIT_PROTO_DIR", "before")
    assert run("validate", *options)[0] == 0


def test_rows_of_the_users_table_are_checked_too(run: Run, trees: Path) -> None:
    row = {
        "name": "A",
        "magic": 0x12345678,
        "records": [
            {"message": "a_entry", "payload": {"kind": "counted", "lengths": [{"name": "size", "number": 7}]}}
        ],
    }
    (trees / "table.yaml").write_text(yaml.safe_dump([row]))
    _, out, _ = run("--table", "table.yaml", "validate", "--proto-dir", "after")
    assert b"a_entry.size, which the payload of A images counts on, is missing" in out


def test_corpus(run: Run, trees: Path, data: Path) -> None:
    code, out, _ = run(*ARGUMENTS[:2], "before", *ARGUMENTS[3:], "--corpus", data / "criu-1.1")
    assert code == 0
    assert b"[corpus-unknown-field]" in out
    assert b"[corpus-summary]" in out


def test_git_range_names_commits(run: Run, trees: Path) -> None:
    repository = trees / "repository"
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")

    def git(*arguments: str) -> str:
        command = ["git", *identity, "-C", str(repository), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (repository / "images").mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main")
    for tag, text in (("v1.0", BEFORE), ("v1.1", AFTER)):
        (repository / "images/a.proto").write_text(text)
        git("add", "--all")
        git("commit", "--quiet", "-m", f"release {tag}")
        git("tag", tag)
    commit = git("rev-parse", "HEAD")[:12]
    options = ("--config", "validate.yaml")
    code, out, _ = run("validate", "--git", "repository", "--range", "v1.0..v1.1", *options)
    assert code == 1
    assert f"images/a.proto:4: since commit {commit} (v1.1) release v1.1: error: " in out.decode()
    code, out, _ = run("validate", "--git", "repository", "--baseline", "v1.0", *options)
    assert (code, b"repository@HEAD (baseline: v1.0)" in out) == (1, True)
    code, out, _ = run("validate", "--git", "repository", "--rev", "v1.0", "--baseline", "v1.0", *options)
    assert code == 0


def test_rules_are_listed(run: Run) -> None:
    code, out, err = run("validate", "--list-rules")
    assert (code, err) == (0, "")
    assert b"wire-field-required (error): " in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--proto-dir DIR, or --git REPO"),
        (("--proto-dir", "after", "--rev", "v1"), "--rev needs --git"),
        (("--proto-dir", "after", "--range", "a..b"), "--range needs --git"),
        (("--proto-dir", "after", "--git", "."), "both say where the schema is"),
        (("--git", ".", "--rev", "a", "--range", "a..b"), "both say what to validate"),
        (
            ("--proto-dir", "after", "--baseline", "4.2", "--baseline-dir", "before"),
            "both say what to compare",
        ),
        (("--proto-dir", "after", "--format", "xml"), "--format"),
    ],
)
def test_wrong_usage(run: Run, trees: Path, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = run("validate", *arguments)
    assert (code, out) == (2, b"")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--proto-dir", "none"), "none: no such folder"),
        (("--proto-dir", "after", "--baseline", "9.9"), "no CRIU release '9.9'"),
        (("--git", "before"), "not a git repository"),
    ],
)
def test_bad_input_is_one_line(run: Run, trees: Path, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = run("validate", *arguments)
    assert (code, out) == (1, b"")
    assert says in err
    assert err.count("\n") == 1


def test_action_gives_options_that_there_are(run: Run) -> None:
    root = Path(__file__).parents[2]
    action = yaml.safe_load((root / "action.yml").read_text())
    script = action["runs"]["steps"][-1]
    _, out, _ = run("validate", "--help")
    options = {word.partition("=")[0].strip('"') for word in script["run"].split() if "--" in word} - {
        "--quiet"
    }
    for option in options:
        assert option.rpartition('"')[2].encode() in out, option
    assert "${{" not in script["run"]  # inputs come by the environment, never as a piece of the script
    assert set(action["inputs"]) == {"proto-dir", "baseline", "corpus", "config", "fail-on"}
    for name in action["inputs"]:
        assert f"${{{{ inputs.{name} }}}}" in script["env"].values()


def test_workflow_calls_the_action_with_its_inputs() -> None:
    root = Path(__file__).parents[2]
    inputs = yaml.safe_load((root / "action.yml").read_text())["inputs"]
    workflow = yaml.safe_load((root / ".github/workflows/validate.yml").read_text())
    (step,) = [step for step in workflow["jobs"]["validate"]["steps"] if step.get("uses") == "./"]
    assert set(step["with"]) <= set(inputs)
    assert (root / step["with"]["config"]).is_file()
    assert (root / step["with"]["corpus"]).is_dir()
