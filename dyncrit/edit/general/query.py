"""JMESPath over the documents of images, which are decoded when an expression comes to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jmespath import compile as compile_expression
from jmespath.exceptions import (
    ArityError,
    EmptyExpressionError,
    IncompleteExpressionError,
    JMESPathError,
    LexerError,
    ParseError,
    UnknownFunctionError,
)
from jmespath.functions import Functions
from jmespath.visitor import Options

from dyncrit.checkpoint.images import read_image_frame
from dyncrit.codec.extra import KEY, OTHER_KEY, show_placeholder
from dyncrit.codec.header import ENTRIES_KEY, show_header
from dyncrit.codec.message import codecs_for
from dyncrit.codec.payload import Payload
from dyncrit.codec.plan import Style
from dyncrit.codec.reader import ImageReader
from dyncrit.codec.source import Source
from dyncrit.errors import DyncritError, RawImageError, located
from dyncrit.schema.layout import Rest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.edit.general.source import Reading
    from dyncrit.types import Json, JsonObject

_SHOWN = 20
_TAKES_EXPRESSION = {"map": 0, "max_by": 1, "min_by": 1, "sort_by": 1}
"""Functions that take an expression (&...), and as which argument."""


_STRAY = f"an & stands where only {', '.join(_TAKES_EXPRESSION)} have one: as their argument"


class QueryError(DyncritError):
    """An expression that is wrong; says at which character."""


class Query:
    """A JMESPath expression.

    >>> from dyncrit.edit.general.source import open_source
    >>> with open_source("tests/data/demo/tree") as reading:
    ...     Query('"inventory.img".entries[0].img_version').evaluate(reading)
    2

    Raises QueryError for one that is wrong.
    """

    def __init__(self, expression: str) -> None:
        self._text = expression
        try:
            self._compiled = compile_expression(expression)
        except (JMESPathError, ValueError, RecursionError) as error:
            raise QueryError(_problem(error, expression), "expression") from None
        _require_values(self._compiled.parsed)

    def evaluate(self, reading: Reading, *, pretty: bool = True) -> Json:
        """What the expression gives for an image's document, or for an object of all documents by image name.

        Payloads of over 1 MiB are placeholders with their size. Raises QueryError for a function that isn't
        there, DyncritError for values that a function can't work on, and ImageError where an image that the
        expression comes to is damaged.
        """
        images = _Images(reading, pretty=pretty)
        root = images if reading.name is None else images.document(reading.name)
        try:
            result = self._compiled.search(root, options=Options(custom_functions=_Functions()))
        except (UnknownFunctionError, ArityError) as error:
            raise QueryError(_one_line(error), "expression") from None
        except DyncritError:
            raise
        except (JMESPathError, TypeError, ValueError, OverflowError, RecursionError) as error:
            problem = "nested too deeply" if isinstance(error, RecursionError) else _one_line(error)
            raise DyncritError(f"{problem:.300}", "expression") from None
        shown: Json = _realised(result) if "@" in self._text else result
        return shown


class _Images:
    """The documents of all images by their names, as JMESPath looks into an object."""

    def __init__(self, reading: Reading, *, pretty: bool) -> None:
        self._reading = reading
        self._pretty = pretty
        self._last: tuple[str, JsonObject] | None = None

    def get(self, name: str) -> JsonObject | None:
        """The document of an image; None if there is none of that name."""
        return self.document(name) if name in self._reading.checkpoint.images else None

    def values(self) -> Iterator[JsonObject]:
        """All documents, one by one; files that are no images are left out."""
        return (document for _, document in self.items())

    def items(self) -> Iterator[tuple[str, JsonObject]]:
        """All names and documents."""
        for name in self._reading.names:
            try:
                yield name, self.document(name)
            except RawImageError:
                continue

    def keys(self) -> list[str]:
        """The names of all images."""
        return [name for name in self._reading.names if self._is_image(name)]

    def document(self, name: str) -> JsonObject:
        """The document of an image; raises ImageError."""
        if self._last is None or self._last[0] != name:
            self._last = (name, self._decode(name))
        return self._last[1]

    def _decode(self, name: str) -> JsonObject:
        images = self._reading.checkpoint.images
        with images.tree.open(name) as file, located(images.path(name)):
            source = Source(file, images.path(name))
            frame = read_image_frame(source, name, images.schema)
            codecs = codecs_for(images.schema, Style(self._pretty, frame.byte_order))
            entries: list[JsonObject] = []
            for batch in ImageReader(source, frame).documents(codecs):
                if frame.image_type.has_payload:
                    _replace_blobs(batch)
                entries += batch
            return {**show_header(frame), ENTRIES_KEY: entries}

    def _is_image(self, name: str) -> bool:
        try:
            self._reading.checkpoint.images.frame(name)
        except RawImageError:
            return False
        return True


class _Functions(Functions):
    """JMESPath's functions, for which the object of all images is an object like others."""

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        """Call a function; for ``keys`` and ``length``, no image needs to be decoded."""
        by_name = function_name in ("keys", "length", "type")
        return super().call_function(function_name, [_as_object(value, by_name) for value in resolved_args])


def _as_object(value: Any, by_name: bool) -> Any:
    if not isinstance(value, _Images):
        return value
    return dict.fromkeys(value.keys()) if by_name else dict(value.items())


def _replace_blobs(documents: list[JsonObject]) -> None:
    for document in documents:
        for key in (KEY, OTHER_KEY):
            if key in document:
                document[key] = _without_blobs(document[key])


def _without_blobs(value: Any) -> Any:
    """A payload as it is shown, with placeholders for what is too large."""
    if isinstance(value, dict):
        return {key: _without_blobs(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_blobs(item) for item in value]
    return show_placeholder(Rest(), Payload(value))[KEY] if hasattr(value, "pieces") else value


def _realised(value: Any) -> Any:
    """A result with a plain object in place of that of all images."""
    if isinstance(value, _Images):
        return dict(value.items())
    if isinstance(value, dict):
        return {key: _realised(item) for key, item in value.items()}
    return [_realised(item) for item in value] if isinstance(value, list) else value


def _require_values(root: Any) -> None:
    """Raise QueryError for an &... that isn't a function's: it would come out as an object of Python's."""
    nodes = [root]
    if root["type"] == "expref":
        raise QueryError(_STRAY, "expression")
    while nodes:
        node = nodes.pop()
        is_call = node["type"] == "function_expression"
        for index, child in enumerate(node.get("children", ())):
            if not isinstance(child, dict):  # a bound of a slice
                continue
            is_taken = is_call and _TAKES_EXPRESSION.get(node["value"], -1) == index
            if child["type"] == "expref" and not is_taken:
                raise QueryError(_STRAY, "expression")
            nodes.append(child)


def _problem(error: Exception, expression: str) -> str:
    """What is wrong with an expression, and where, in a line."""
    if isinstance(error, EmptyExpressionError) or not expression.strip():
        return "is empty"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, IncompleteExpressionError):
        return "ends too early"
    if not isinstance(error, ParseError) or isinstance(error, ArityError):
        return _one_line(error)
    position = error.lex_position
    found = expression[position : position + _SHOWN]
    problem = error.message if isinstance(error, LexerError) else "unexpected"
    return f"{problem} at character {position + 1}, {found!r}" if found else f"{problem} at its end"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
