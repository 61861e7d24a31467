"""What tests of formats share: a report with everything in it, and the published schemas of formats."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.findings import Finding, Report, Rule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = Rule("files-resolve", "error", "Every file id is in files.img", "the restore fails")
ORDER = Rule("pagemap-sorted", "warning", "Runs of pages are sorted", "pages end up elsewhere")
NEWER = Rule("newer-row", "note", "Rows of the table have their messages", "nothing; it is newer")
HOLDS = Rule("one-architecture", "error", "All tasks are of one architecture", "the restore fails")

HOSTILE = "a\x1b[31m\r\n::error::b%,:<&\"'\x00\ufffe\udcff\u202e"
_FETCH_TIMEOUT = 180


@pytest.fixture
def findings() -> Report:
    """A report with two findings in one file that others stand between, one per other severity, a rule that holds."""
    found = (
        Finding.of(FILES, "no file 7", "fdinfo-2.img", place="entry 3: id"),
        Finding.of(ORDER, "0x2000 behind 0x3000", "pagemap-1.img", place="entry 2"),
        Finding.of(FILES, "no file 8", "fdinfo-2.img", place="entry 4: id"),
        Finding.of(NEWER, "no message x", "core.proto", line=12),
        Finding.of(FILES, "no files at all"),
    )
    return Report("check", "dump/", (FILES, ORDER, NEWER, HOLDS), found)


@pytest.fixture
def hostile() -> Report:
    """A report in which every text is somebody's who means harm."""
    rule = Rule(HOSTILE, "error", HOSTILE, HOSTILE)
    return Report("check", HOSTILE, (rule,), (Finding.of(rule, HOSTILE, HOSTILE, line=1, place=HOSTILE),))


@pytest.fixture
def clean() -> Report:
    """A report without findings."""
    return Report("check", "dump/", (FILES, HOLDS), ())


@pytest.fixture(scope="session")
def sarif_schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """SARIF's published schema, from Microsoft's npm package, fetched once for all workers."""
    package = "@microsoft/sarif-multitool-linux@5.7.0"
    command = ["npm", "pack", "--silent", package, "--pack-destination"]
    return json.loads(_member(tmp_path_factory, command, "sarif-2.1.0.json").read_bytes())


@pytest.fixture(scope="session")
def junit_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The XSD of JUnit files that pytest tests its own against, from its source distribution."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "pytest"]
    return _member(tmp_path_factory, [*command, "pytest==9.0.2", "-d"], "junit-10.xsd")


def _member(factory: pytest.TempPathFactory, command: list[str], member: str) -> Path:
    """A file from the package that ``command`` downloads to the folder behind it; skips where it can't."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{member} can't be had: there is no {command[0]} here")
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"fetched-{member}"
    folder.mkdir(exist_ok=True)
    target, failure = folder / member, folder / "failed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists() and not failure.exists():
            try:
                subprocess.run([*command, folder], check=True, capture_output=True, timeout=_FETCH_TIMEOUT)
            except (OSError, subprocess.SubprocessError) as error:
                failure.write_text(str(error))
            else:
                _take(next(folder.glob("*gz")), member, target)
    if failure.exists():
        pytest.skip(f"{member} can't be had: {failure.read_text()}")
    return target


def _take(archive: Path, member: str, target: Path) -> None:
    """The last part of a path names the member, which is read as far as to it only."""
    with tarfile.open(archive) as tar:
        for item in tar:
            if item.name.endswith(f"/{member}"):
                file = tar.extractfile(item)
                assert file is not None
                target.write_bytes(file.read())
                break
    archive.unlink()


@pytest.fixture
def assert_tame() -> Callable[[str], None]:
    """A check that text can be printed and encoded: no control characters but line ends, no surrogates."""

    def check(text: str) -> None:
        assert all(line.isprintable() for line in text.split("\n"))
        text.encode("utf-8")

    return check
