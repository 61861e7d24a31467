"""Runs cases in this process under watch: faults are kept with what brought them on, by their cause."""

from __future__ import annotations

import gc
import resource
import signal
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from dyncrit.fuzz.exercise import BrokenPromiseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

FaultKind = Literal["exception", "broken-promise", "hang", "memory"]

_KIB = 1024
_PATIENCE = 12
"""How many times its limit a case may take by the clock: other programs take their share of a machine."""
_PACKAGE = f"{Path(__file__).parents[1]}/"
_RESET_PEAK = ("/proc/self/clear_refs", "5")  # proc(5): the highest memory so far is forgotten


class Limits(NamedTuple):
    """What a case may take: ``seconds`` of the processor's time, bytes of ``memory`` of the whole process."""

    seconds: float = 5.0
    memory: int = 512 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must not be. ``cause`` is the same for cases that come of the same place of our code."""

    kind: FaultKind
    cause: str
    label: str
    text: str


@dataclass(slots=True)
class Watch:
    """Runs cases one after the other, and keeps their faults: the first of each cause, with its files.

    ``keep`` is the folder that files of cases with faults go to, each under its own number. ``slowest`` is
    the processor's time and the label of the case that took longest, ``peak`` the most memory in bytes, and
    ``counts`` says how many cases had each cause.
    """

    limits: Limits = field(default_factory=Limits)
    keep: Path | None = None
    cases: int = 0
    faults: list[Fault] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    peak: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def run(self, label: str, files: Mapping[str, bytes], case: Callable[[], object]) -> bool:
        """Run a case that is made of these files; gives whether nothing was wrong with it.

        ``label`` says how it was made. A case that hangs is ended as soon as Python code runs again.
        """
        self.cases += 1
        before = len(self.faults)
        started = _processor_seconds(_usage())
        try:
            with _alarm(_PATIENCE * self.limits.seconds):
                case()
        except _HangError:
            self._add("hang", "it waits", label, files, f"it was ended after {_PATIENCE} times its limit")
        except BrokenPromiseError as error:
            self._add("broken-promise", _digits_out(str(error))[:60], label, files, str(error))
        except Exception as error:  # noqa: BLE001 (what there is to find)
            self._add("exception", _place(error), label, files, _text(error))
        usage = _usage()
        self._measure(_processor_seconds(usage) - started, usage.ru_maxrss * _KIB, label, files)
        return len(self.faults) == before

    def _measure(self, seconds: float, peak: int, label: str, files: Mapping[str, bytes]) -> None:
        self.slowest = max(self.slowest, (seconds, label))
        if seconds > self.limits.seconds:
            self._add("hang", label.partition(" ")[0], label, files, f"it took {seconds:.1f} s")
        self.peak = max(self.peak, peak)
        if peak > self.limits.memory:
            self._add("memory", label.partition(" ")[0], label, files, f"{peak >> 20} MiB were in use")
            gc.collect()
            Path(_RESET_PEAK[0]).write_text(_RESET_PEAK[1])

    def _add(self, kind: FaultKind, cause: str, label: str, files: Mapping[str, bytes], text: str) -> None:
        name = f"{kind}: {cause}"
        self.counts[name] = self.counts.get(name, 0) + 1
        if self.counts[name] > 1:
            return
        self.faults.append(Fault(kind, cause, label, text))
        if self.keep is not None:
            folder = self.keep / f"{len(self.faults):03}-{kind}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "fault.txt").write_text(f"{name}\n{label}\n\n{text}\n", encoding="utf-8")
            for file, data in files.items():
                (folder / file).write_bytes(data)


def _usage() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def _processor_seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


class _HangError(BaseException):
    """A case takes far too long; no Exception, so that nothing within takes it for its own."""


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise _HangError in the block after ``seconds``."""

    def ring(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise _HangError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(error: BaseException) -> str:
    """The kind of an exception, and the innermost line of this package that it came through.

    The line here that runs the cases is none, or all that isn't ours would have one cause.
    """
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(_PACKAGE) and frame.filename != __file__
    ]
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} at {last.filename.removeprefix(_PACKAGE)}:{last.lineno} in {last.name}"


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error, limit=-12))[-8000:]


def _digits_out(text: str) -> str:
    return "".join("" if char.isdigit() else char for char in text)
