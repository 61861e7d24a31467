"""The folder of findings: one a folder, written when it is found, whole or not at all."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from dyncrit.atomic import new_folder, open_atomic, sync_folder
from dyncrit.errors import DocumentError, DyncritError
from dyncrit.fuzz.mutate.record import sidecar_of
from dyncrit.fuzz.run.case import Case
from dyncrit.fuzz.run.finding import Finding, Minimised
from dyncrit.fuzz.run.script import reproducing_script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dyncrit.fuzz.mutate.record import MutationRecord
    from dyncrit.fuzz.run.target import Target

FINDING = "finding.json"
INPUT = "input"
MINIMISED = "minimised"
_SCRIPT = "reproduce.sh"
_OUTPUT = "output"
_MOST_OUTPUT = 1 << 20


class Output(NamedTuple):
    """What a target wrote."""

    stdout: bytes
    stderr: bytes


class FindingStore:
    """Keeps findings in a folder; goes on with those that are in it. ``problems`` are damaged ones.

    Raises DyncritError for a folder that has other things in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []
        self._again: Counter[str] = Counter()
        if folder.exists() and not folder.is_dir():
            raise DyncritError("is no folder; expected a new one, or one of findings", str(folder))
        self._is_ours = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self.findings = {finding.key: finding for _, finding in self._read()}
        strange = [path.name for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
        if strange and not self.findings and not self.problems:
            raise DyncritError(
                f"has {strange[0]} and no findings; expected a new folder, or one of findings", str(folder)
            )

    def add(
        self,
        finding: Finding,
        case: Case,
        record: MutationRecord,
        outputs: Sequence[Output],
        targets: Sequence[Target],
    ) -> bool:
        """Keep a finding; one that is known is counted only, and gives False. Raises OSError."""
        if finding.key in self.findings:
            self.count(finding.key, 1)
            return False
        now = _now()
        finding = replace(finding, first_seen=now, last_seen=now)
        with new_folder(self.folder / finding.folder_name) as folder:
            _write_case(folder / INPUT, case)
            beside = folder / INPUT if case.is_checkpoint else folder / INPUT / case.name
            _write(sidecar_of(beside), record.to_json())
            (folder / _OUTPUT).mkdir()
            for number, output in enumerate(outputs, 1):
                _write(folder / _OUTPUT / f"{number}.stdout", output.stdout[:_MOST_OUTPUT])
                _write(folder / _OUTPUT / f"{number}.stderr", output.stderr[:_MOST_OUTPUT])
            _write(folder / _SCRIPT, reproducing_script(finding, targets), 0o755)
            _write(folder / FINDING, finding.to_json())
        sync_folder(self.folder)
        self.findings[finding.key] = finding
        return True

    def withdraw(self) -> None:
        """Remove the folder again, if it was made for this and nothing came into it."""
        if self._is_ours and not self.findings:
            with suppress(OSError):
                self.folder.rmdir()

    def minimise(self, key: str, case: Case | None, minimised: Minimised) -> None:
        """Keep what an input was minimised to, if it became smaller. Raises OSError."""
        if self.findings[key].minimised is not None:  # by another process, which found it at the same time
            return
        finding = replace(self.findings[key], minimised=minimised)
        folder = self.folder / finding.folder_name
        if case is not None and not (folder / MINIMISED).exists():
            with new_folder(folder / MINIMISED) as made:
                _write_files(made, case)
        self._write_finding(finding)

    def count(self, key: str, hits: int) -> None:
        """Count a finding that was seen again; :meth:`flush` writes it."""
        self._again[key] += hits

    def flush(self) -> None:
        """Write how often findings were seen. Raises OSError."""
        now = _now()
        for key, hits in list(self._again.items()):
            if key in self.findings:
                self._write_finding(self.findings[key].seen_again(hits, now))
            del self._again[key]

    def _write_finding(self, finding: Finding) -> None:
        with open_atomic(self.folder / finding.folder_name / FINDING) as file:
            file.write(finding.to_json())
        self.findings[finding.key] = finding

    def _read(self) -> Iterator[tuple[Path, Finding]]:
        for path in saved_findings(self.folder):
            try:
                yield path, read_finding(path)
            except DocumentError as error:
                self.problems.append(str(error))


def saved_findings(path: Path) -> list[Path]:
    """The folders of findings at a path: itself, if it is one, or those in it."""
    if (path / FINDING).is_file():
        return [path]
    return sorted(folder for folder in path.iterdir() if (folder / FINDING).is_file())


def read_finding(folder: Path) -> Finding:
    """The finding in a folder; raises DocumentError if it is damaged, OSError."""
    file = folder / FINDING
    return Finding.from_json(file.read_bytes(), str(file))


def read_case(folder: Path, finding: Finding, kind: str = INPUT) -> Case:
    """A finding's input (INPUT or MINIMISED); raises DocumentError if it isn't there, OSError."""
    place = folder / kind
    if not finding.is_checkpoint:
        return Case.of_image(finding.name, (place / finding.name).read_bytes())
    if not place.is_dir():
        raise DocumentError("the finding has no input", str(folder))
    files = {path.name: path.read_bytes() for path in sorted(place.iterdir()) if path.is_file()}
    return Case(finding.name, files, is_checkpoint=True)


def _write_case(folder: Path, case: Case) -> None:
    folder.mkdir()
    _write_files(folder, case)


def _write_files(folder: Path, case: Case) -> None:
    for name, data in case.files.items():
        _write(folder / name, data)


def _write(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a new file, and see to it that it outlasts a crash."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
