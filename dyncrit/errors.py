"""The errors that dyncrit raises: one root and a kind for each sort of input that can be wrong."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self


class DyncritError(Exception):
    """Something the caller gave is wrong; ``str()`` is one line that says what and where.

    ``place`` tells where, outermost first: a file, an entry with its byte offset, a field path.
    Code that knows more about the place than the code that raised adds it with :meth:`within`.
    """

    def __init__(self, problem: str, *place: str) -> None:
        super().__init__(problem, *place)
        self.problem = problem
        self.place = place

    def within(self, *place: str) -> Self:
        """The same error with ``place`` put in front of what is known of its place."""
        return type(self)(self.problem, *place, *self.place)

    def __str__(self) -> str:
        return ": ".join((*self.place, self.problem))


class ImageError(DyncritError):
    """Bytes that are not the image they should be: truncated, inconsistent or of another format."""


class RawImageError(ImageError):
    """A file that CRIU or its helpers wrote without records: pages, archives, netlink dumps, text."""


class DocumentError(DyncritError):
    """A JSON document, or a value in it, that can't become an image."""


class SchemaError(DyncritError):
    """A schema source that can't be read, compiled or searched."""


@contextmanager
def located(name: str) -> Iterator[None]:
    """Errors within the block say that they are about ``name``; so does a lack of memory."""
    try:
        yield
    except DyncritError as error:
        raise error.within(name) from None
    except MemoryError:
        raise DyncritError("an entry of it takes more memory than there is", name) from None


def describe(value: object) -> str:
    """What a JSON value is, as errors say it, in a few words however large it is.

    >>> describe(None), describe("x"), describe([1, 2]), describe({})
    ('null', "the string 'x'", 'a list of 2', 'an empty object')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | dict):
        kind = "list" if isinstance(value, list) else "object"
        return f"{'a' if kind == 'list' else 'an'} {kind} of {len(value)}" if value else f"an empty {kind}"
    names = {int: "the integer ", float: "the number ", str: "the string ", bytes: "the bytes "}
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    shown = repr(value[:60] if isinstance(value, str | bytes) else value)
    return names.get(type(value), "") + (shown if len(shown) <= 60 else f"{shown[:57]}...")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest known one, or nothing.

    >>> did_you_mean("pgae_id", ["page_id", "pages"])
    '; did you mean page_id?'
    """
    import difflib

    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
