"""Findings run again: whether they still show what they did."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from dyncrit.errors import DyncritError
from dyncrit.fuzz.run.campaign import temporary_folder
from dyncrit.fuzz.run.children import Children
from dyncrit.fuzz.run.store import INPUT, MINIMISED, read_case, read_finding, saved_findings
from dyncrit.fuzz.run.target import Target
from dyncrit.fuzz.run.worker import judging

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dyncrit.fuzz.run.children import Link
    from dyncrit.fuzz.run.finding import Finding
    from dyncrit.fuzz.run.verdict import Judgement, Verdict

State = Literal["reproduces", "changed", "gone", "not run"]
"""The same is found again; something else is; nothing is; it could not be run."""

_TICK = 0.1


class Replayed(NamedTuple):
    """What became of a finding. ``found`` is what the targets do now; ``detail`` says why it wasn't run."""

    folder: Path
    finding: Finding | None
    state: State
    found: tuple[Verdict, ...] = ()
    detail: str = ""


class _Work(NamedTuple):
    folder: Path
    finding: Finding
    targets: tuple[Target, ...]


def find_findings(paths: Sequence[Path]) -> list[Path]:
    """The folders of all findings at the paths, each a finding or a folder of them.

    Raises DyncritError for a path without any.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            problem = "is no folder" if path.exists() else "there is no such folder"
            raise DyncritError(f"{problem}; expected a finding, or a folder of them", str(path))
        here = saved_findings(path)
        if not here:
            raise DyncritError("has no findings (folders with a finding.json)", str(path))
        found += here
    return list(dict.fromkeys(found))


def replay(folders: Sequence[Path], targets: Sequence[Target] = ()) -> Iterator[Replayed]:
    """Run each finding again, with its own limits, on the minimised input, and if need be on the first one.

    ``targets`` take the place of those that it was found with. Raises OSError.
    """
    works = [_prepared(folder, tuple(targets)) for folder in folders]
    with temporary_folder() as temporary, Children() as children:
        children.start(partial(_replay, works=works, temporary=temporary))
        while children:
            yield from children.received(_TICK)
        if children.failure:
            raise children.failure


def _prepared(folder: Path, targets: tuple[Target, ...]) -> _Work | Replayed:
    try:
        finding = read_finding(folder)
    except (DyncritError, OSError) as error:
        return Replayed(folder, None, "not run", detail=str(error))
    try:
        chosen = targets or tuple(Target.parse(text) for text in finding.targets)
    except DyncritError as error:
        return Replayed(folder, finding, "not run", detail=str(error))
    wanted = "checkpoint" if finding.is_checkpoint else "image"
    for target in chosen:
        if target.takes_checkpoint != finding.is_checkpoint:
            detail = f"target {target.text!r} has {target.placeholder}; the finding is of one {wanted}"
            return Replayed(folder, finding, "not run", detail=detail)
    return _Work(folder, finding, chosen)


def _replay(link: Link, works: Sequence[_Work | Replayed], temporary: Path) -> None:
    """Run the findings; paths are made absolute, as the current folder changes with each."""
    places = [work.folder.absolute() for work in works]
    for number, work in enumerate(works):
        if isinstance(work, Replayed):
            link.send(work)
            continue
        place = places[number]
        with judging(work.targets, work.finding.rules, temporary / str(number), link.life) as judge:
            judgement: Judgement | None = None
            try:
                for kind in (MINIMISED, INPUT):
                    if not (place / kind).exists():
                        continue
                    judgement = judge.judge(read_case(place, work.finding, kind))
                    if _reproduces(work.finding, judgement):
                        break
            except (DyncritError, OSError) as error:
                link.send(Replayed(work.folder, work.finding, "not run", detail=str(error)))
                continue
        link.send(_replayed(work, judgement))


def _replayed(work: _Work, judgement: Judgement | None) -> Replayed:
    if judgement is None:
        return Replayed(work.folder, work.finding, "not run", detail="the finding has no input")
    state: State = "gone"
    if judgement.verdicts:
        state = "reproduces" if _reproduces(work.finding, judgement) else "changed"
    return Replayed(work.folder, work.finding, state, judgement.verdicts)


def _reproduces(finding: Finding, judgement: Judgement) -> bool:
    wanted = finding.verdict
    return any((found.kind, found.cause) == (wanted.kind, wanted.cause) for found in judgement.verdicts)
