"""Rules on what is in entries: required fields, unknown ones, values, texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dyncrit.check.context import Check
from dyncrit.check.images.survey import survey
from dyncrit.findings import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dyncrit.check.context import Context
    from dyncrit.check.images.survey import Spread

REQUIRED = Rule(
    "fields-present",
    "error",
    "every entry has its required fields",
    "A restore stops when it reads the entry.",
)
FIELDS = Rule(
    "fields-known",
    "note",
    "the schema knows all fields",
    "A newer CRIU, or a changed one, wrote them; an older one restores without what they say.",
)
VALUES = Rule(
    "values-known",
    "note",
    "the schema knows all values of enums",
    "A newer CRIU, or a changed one, wrote them; an older one takes them for others, or refuses them.",
)
TEXTS = Rule(
    "texts-utf8",
    "note",
    "all texts are UTF-8",
    "A restore takes the bytes as they are; other tools may stumble over them.",
)
NULLS = Rule(
    "texts-whole",
    "error",
    "no text has a zero byte in it",
    "A restore reads the text up to the zero byte only: it takes another path or name.",
)


def _required(context: Context) -> Iterator[Finding]:
    for image, odd in survey(context).missing.items():
        rest = f", and {odd.times - 1} more are missing" if odd.times > 1 else ""
        yield Finding.of(REQUIRED, f"missing: {odd.name}{rest}", image, place=odd.place)


def _fields(context: Context) -> Iterator[Finding]:
    for unknown, spread in survey(context).unknown.items():
        if not unknown.field:
            message = f"{unknown.message} has an unknown field {unknown.number}, {_extent(spread)}"
            yield Finding.of(FIELDS, message, spread.image)


def _values(context: Context) -> Iterator[Finding]:
    for unknown, spread in survey(context).unknown.items():
        if unknown.field:
            message = f"{unknown.message}.{unknown.field} has an unknown value {unknown.number}"
            yield Finding.of(VALUES, f"{message}, {_extent(spread)}", spread.image)


def _texts(context: Context) -> Iterator[Finding]:
    for image, odd in survey(context).not_text.items():
        yield Finding.of(TEXTS, f"not UTF-8: {odd.name}{_more(odd.times)}", image, place=odd.place)


def _nulls(context: Context) -> Iterator[Finding]:
    for image, odd in survey(context).nulls.items():
        yield Finding.of(NULLS, f"a zero byte in {odd.name}{_more(odd.times)}", image, place=odd.place)


def _extent(spread: Spread) -> str:
    times = "once" if spread.count == 1 else f"{spread.count} times"
    return times if spread.images == 1 else f"{times} in {spread.images} images"


def _more(count: int) -> str:
    return f", and {count - 1} more" if count > 1 else ""


CHECKS: tuple[Check, ...] = (
    Check(REQUIRED, _required),
    Check(FIELDS, _fields),
    Check(VALUES, _values),
    Check(TEXTS, _texts),
    Check(NULLS, _nulls),
)
