"""How a document shows a payload: under ``extra``, in CRIT's shapes; its padding under ``@padding``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dyncrit.codec.payload import Content, Payload, PayloadValue, Submessage, content_size
from dyncrit.codec.protojson import is_protojson
from dyncrit.codec.render import parse_base64, show_base64
from dyncrit.errors import DocumentError, describe
from dyncrit.schema.layout import Counted, Parts, PayloadLayout, Rest, Submessages

if TYPE_CHECKING:
    from dyncrit.codec.message import Codecs
    from dyncrit.types import Blob, JsonObject

KEY = "extra"
OTHER_KEY = "@extra"
"""Stands for ``extra`` in entries whose message has a field of that name."""
PADDING_KEY = "@padding"

_PLACEHOLDER = re.compile(r"\.\.\. <.*>")


def add_payload(document: JsonObject, shown: JsonObject) -> None:
    """Put the keys that :func:`show_payload` gave into an entry's document."""
    if KEY in document and KEY in shown:
        shown[OTHER_KEY] = shown.pop(KEY)
    document.update(shown)


def show_payload(layout: PayloadLayout, payload: Payload | None, codecs: Codecs) -> JsonObject:
    """The keys that a payload adds to its entry's document; a blob stays one, to be streamed.

    A payload that isn't there is an empty string, as CRIT has it; ghost files in chunks have no key.
    """
    if payload is None:
        return {} if isinstance(layout, Rest) else {KEY: ""}
    value = payload.value
    if isinstance(layout, Submessages):
        return _show_submessages(layout, value, codecs)
    shown: Any = value
    if isinstance(value, dict):
        shown = {name: _show_content(content) for name, content in value.items()}
    elif not isinstance(value, list):
        shown = _show_content(value)
    return {KEY: shown, PADDING_KEY: show_base64(payload.padding)} if payload.padding else {KEY: shown}


def show_placeholder(layout: PayloadLayout, payload: Payload | None) -> JsonObject:
    """What stands for a payload in a document without payloads: its size.

    >>> from dyncrit.schema.layout import Rest
    >>> show_placeholder(Rest(), Payload(bytes(1536)))
    {'extra': '... <1.5KB>'}
    """
    if payload is None and isinstance(layout, Rest):
        return {}
    size = float(content_size(layout, payload) if payload else 0)
    units = ["", "K", "M", "G", "T"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        del units[0]
    return {KEY: f"... <{int(size) if size.is_integer() else f'{size:.1f}'}{units[0]}B>"}


def take_payload(layout: PayloadLayout, document: JsonObject, codecs: Codecs) -> Payload | None:
    """The payload in an entry's document, whose keys are taken out of it.

    Raises DocumentError where there is none, or it has another shape than the layout's.
    """
    if OTHER_KEY in document:
        document = {KEY: document.pop(OTHER_KEY), PADDING_KEY: document.pop(PADDING_KEY, None)}
    if KEY not in document:
        if PADDING_KEY in document:
            raise DocumentError('there is padding, and no "extra" that it belongs to', PADDING_KEY)
        # go-crit has no key for an empty payload
        return Payload(b"") if isinstance(layout, Rest) and is_protojson(document) else None
    shown, padding = document.pop(KEY), document.pop(PADDING_KEY, None)
    if isinstance(shown, str) and _PLACEHOLDER.fullmatch(shown):
        raise DocumentError("the document was made without payloads (--nopl) and can't be encoded", KEY)
    if isinstance(layout, Submessages):
        return Payload(_parse_submessages(layout, shown, padding, codecs))
    value: PayloadValue
    if isinstance(layout, Counted | Rest):
        value = _parse_content(shown, KEY)
    elif shown == "" or shown is None:
        return None
    elif isinstance(layout, Parts):
        value = {
            name: _parse_content(item, f"{KEY}.{name}") for name, item in _expect(shown, dict, KEY).items()
        }
    else:
        value = _expect(shown, list, KEY)
    return Payload(value, b"" if padding is None else _parse_bytes(padding, PADDING_KEY))


def _show_content(content: Content) -> str | Blob:
    return show_base64(content) if isinstance(content, bytes) else content


def _parse_content(shown: object, path: str) -> Content:
    if hasattr(shown, "pieces"):
        blob: Blob = shown  # type: ignore[assignment]  # streamed by the JSON reader
        return blob
    return _parse_bytes(shown, path)


def _parse_bytes(shown: object, path: str) -> bytes:
    try:
        return parse_base64(_expect(shown, str, path))
    except ValueError as error:
        raise DocumentError(f"bad base64: {error}", path) from error


def _show_submessages(layout: Submessages, value: PayloadValue, codecs: Codecs) -> JsonObject:
    codec = codecs.codec(layout.message)
    items = [item for item in _expect(value, list, KEY) if isinstance(item, Submessage)]
    shown: list[Any] = []
    for item in items:
        shown += [codec.decode(item.record), _show_content(item.data)]
    if any(item.padding for item in items):
        return {KEY: shown, PADDING_KEY: [show_base64(item.padding) for item in items]}
    return {KEY: shown}


def _parse_submessages(
    layout: Submessages, shown: object, padding: object, codecs: Codecs
) -> list[Submessage]:
    if shown == "":
        return []
    codec = codecs.codec(layout.message)
    items = _expect(shown, list, KEY)
    if len(items) % 2:
        raise DocumentError(f"expected messages and their data in turn, found {len(items)} items", KEY)
    paddings = _expect(padding, list, PADDING_KEY) if padding is not None else [""] * (len(items) // 2)
    if len(paddings) != len(items) // 2:
        raise DocumentError(
            f"expected one for each of {len(items) // 2} messages, found {len(paddings)}", PADDING_KEY
        )
    parsed = []
    for index, pad in enumerate(paddings):
        message = _expect(items[2 * index], dict, f"{KEY}[{2 * index}]")
        try:
            record = codec.encode(message)
        except DocumentError as error:
            raise error.within(f"{KEY}[{2 * index}]") from None
        data = _parse_content(items[2 * index + 1], f"{KEY}[{2 * index + 1}]")
        parsed.append(Submessage(record, data, _parse_bytes(pad, f"{PADDING_KEY}[{index}]")))
    return parsed


def _expect(value: object, kind: type, path: str) -> Any:
    if isinstance(value, kind):
        return value
    names: dict[type, str] = {dict: "an object", list: "a list", str: "a string in base64"}
    raise DocumentError(f"expected {names[kind]}, found {describe(value)}", path)
