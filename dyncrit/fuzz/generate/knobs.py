"""The knobs of what is generated: sizes, and how often something is there or odd."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

from dyncrit.errors import DyncritError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

Generated = Literal["images", "checkpoints"]

_PERCENT = ("optional", "interesting", "namespaces", "foreign")
_OF: dict[str, Generated] = {
    **dict.fromkeys(("entries", "repeated", "text", "bytes", "optional"), "images"),
    **dict.fromkeys(
        ("tasks", "threads", "mappings", "files", "pages", "parents", "namespaces", "foreign"), "checkpoints"
    ),
}
"""What knobs do nothing for the other kind of; those that aren't here are for both."""
_MOST = 1 << 20
_SIZES = range(_MOST + 1)
_RANGES = {
    **dict.fromkeys(_PERCENT, range(101)),
    **dict.fromkeys(("tasks", "threads"), _SIZES[1:]),
    "parents": range(17),
}
"""The numbers that knobs can have, where they aren't any size."""


@dataclass(frozen=True, slots=True, repr=False)
class Knobs:
    """What is generated. Sizes are the most that there will be; each is drawn anew from 0 (or 1) up to it.

    Of images: ``entries`` of each, ``payload`` bytes behind an entry. Of messages: ``repeated`` values of a
    list, bytes of a ``text`` and of other ``bytes``, ``depth`` of messages in messages (required ones go
    deeper), and in percent, how often an ``optional`` field is there and a value is an ``interesting`` one,
    at which programs go wrong. Of checkpoints: ``tasks``, and of each of them ``threads``, ``mappings`` and
    open ``files``; ``pages`` of each mapping, of 4 KiB (fewer larger ones); ``parents`` that it builds on,
    each in a folder ``parent`` of the one before; and in percent, how often there are ``namespaces`` of each
    kind, and how often the host is a ``foreign`` one, of another architecture than x86-64. Raises
    DyncritError for numbers that can't be.

    >>> Knobs(entries=2).payload, Knobs(entries=2)
    (256, Knobs(entries=2))
    """

    entries: int = 4
    payload: int = 256
    repeated: int = 4
    text: int = 64
    bytes: int = 64
    depth: int = 4
    optional: int = 50
    interesting: int = 10
    tasks: int = 4
    threads: int = 3
    mappings: int = 8
    files: int = 8
    pages: int = 4
    parents: int = 0
    namespaces: int = 33
    foreign: int = 25

    def __post_init__(self) -> None:
        for knob in fields(self):
            value = getattr(self, knob.name)
            if value not in _RANGES.get(knob.name, _SIZES):
                raise _no_number(knob.name, str(value))

    def __repr__(self) -> str:
        """Those that aren't as by default."""
        values = [(knob.name, getattr(self, knob.name), knob.default) for knob in fields(self)]
        shown = [f"{name}={value}" for name, value, default in values if value != default]
        return f"Knobs({', '.join(shown)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002 (IPython's protocol)
        """What Hypothesis, and IPython, show."""
        printer.text(repr(self))

    def with_settings(self, settings: Iterable[str], generated: Generated | None = None) -> Knobs:
        """These knobs with others set, each as ``"entries=8"``, for what is ``generated``.

        Raises DyncritError for a name that no knob has, for a knob that does nothing there, and for what is
        no number that the knob can have.

        >>> Knobs().with_settings(["entries=8"]).entries
        8
        """
        names = [knob.name for knob in fields(self)]
        changed = {}
        for setting in settings:
            name, equals, value = setting.partition("=")
            if name not in names:
                raise DyncritError(f"no knob {name!r:.60}{did_you_mean(name, names) or _listed(names)}")
            if generated and _OF.get(name, generated) != generated:
                raise DyncritError(f"{name} is of {_OF[name]}; it changes nothing in {generated}")
            if not equals:
                raise DyncritError(f"expected a number, as in {name}=8, found {setting!r:.60}")
            if not value.isdecimal() or len(value) > 9:
                raise _no_number(name, value)
            changed[name] = int(value)
        return replace(self, **changed)


def threshold(percent: int) -> int:
    """Of the numbers of 7 bits, those from this one on stand for something that is to happen so often.

    Thus the choice of zeros, which is the simplest, is for what is left.
    """
    return 128 - (percent * 128 + 50) // 100


DEFAULT_KNOBS = Knobs()
"""What is generated unless one says else: small, mostly plausible, some of it odd."""


def _no_number(name: str, found: str) -> DyncritError:
    numbers = _RANGES.get(name, _SIZES)
    return DyncritError(f"expected a number from {numbers[0]} to {numbers[-1]}, found {found:.40}", name)


def _listed(names: list[str]) -> str:
    return f"; there are {', '.join(names)}"
