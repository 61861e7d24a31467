"""What tests of anonymizing share: copies made with a fixed key, what a checkpoint says, and its skeleton."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.anonymity import vocabulary
from dyncrit.edit.anonymity.copying import anonymized_copy
from dyncrit.edit.anonymity.treatments import Pseudonyms, number_treatment
from dyncrit.entry import Entry
from dyncrit.errors import DyncritError
from dyncrit.image import load
from dyncrit.schema.engine import is_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = b"a key for tests, known to all"
_SHORTEST = 4
_BREAK = re.compile(rb"[/\0\s,:=]+")
_KEPT = (vocabulary.COINED, vocabulary.INTERFACES, vocabulary.PROPERTIES, vocabulary.PLUGINS)


class Anonymized:
    """A checkpoint and its anonymized copy; ``touched`` tells what :func:`anonymized_copy` told."""

    def __init__(self, before: Path, after: Path, key: bytes = KEY) -> None:
        self.before, self.after = before, after
        with open_checkpoint(before) as checkpoint:
            self.touched = anonymized_copy(checkpoint, after, Pseudonyms(key))

    @property
    def content(self) -> bytes:
        """All bytes of all files of the copy."""
        return b"\0".join(path.read_bytes() for path in files(self.after))


@pytest.fixture
def anonymized(tmp_path: Path) -> Callable[..., Anonymized]:
    """Makes an anonymized copy of a checkpoint."""
    return lambda before, name="copy", key=KEY: Anonymized(Path(before), tmp_path / name, key)


@pytest.fixture(scope="session")
def secrets() -> Callable[[Path], set[bytes]]:
    """What the images of a checkpoint say in texts and payloads that is known of no other system."""
    return lambda folder: {secret for path in files(folder) for secret in _secrets_of(path)}


@pytest.fixture(scope="session")
def skeleton() -> Callable[[Path], object]:
    """What is left of an image when values that are scrubbed are taken for their sizes."""
    return _skeleton


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def read_entries(path: Path) -> list[Entry]:
    try:
        return load(path).entries
    except DyncritError:  # raw
        return []


def texts(message: Any) -> Iterator[tuple[str, bytes]]:
    """The texts and bytes in a message, with message and field."""
    for field, value in message.ListFields():
        for item in value if is_repeated(field) else [value]:
            if field.message_type is not None:
                yield from texts(item)
            elif isinstance(item, str | bytes):
                name = f"{message.DESCRIPTOR.name}.{field.name}"
                yield name, item if isinstance(item, bytes) else item.encode("utf-8", "surrogateescape")


def _secrets_of(path: Path) -> Iterator[bytes]:
    for entry in read_entries(path):
        for name, text in texts(entry.message):
            if name.startswith(("seccomp_filter.", "siginfo_entry.", "cpuinfo_")):
                continue  # said to stay
            for word in _BREAK.split(text):
                if len(word) >= _SHORTEST and not _is_known(word):
                    yield word
        yield from _payload_secrets(entry.payload)


def _payload_secrets(payload: Any) -> Iterator[bytes]:
    if isinstance(payload, dict):
        for value in payload.values():
            yield from _payload_secrets(value)
    elif isinstance(payload, list):
        for item in payload:
            if isinstance(item, Entry):
                yield from _payload_secrets(item.payload)
    elif payload is not None:
        data = bytes(payload)
        yield from (word for word in re.findall(rb"[ -~]{6,}", data[:4096]) if set(word) != {0x78})


def _is_known(word: bytes) -> bool:
    words = (word, word.rpartition(b"=")[2])
    return (
        any(part in vocabulary.WORDS or part in vocabulary.OPTION_NAMES for part in words)
        or any(pattern.fullmatch(word) for pattern in _KEPT)
        or re.fullmatch(rb"[0-9-]+[kmg]?|memfd|\(deleted\)", word) is not None
    )


def _skeleton(path: Path) -> object:
    return [
        (_message_skeleton(entry.message), _payload_skeleton(entry.payload)) for entry in read_entries(path)
    ]


def _message_skeleton(message: Any, *, in_cpu: bool = False) -> object:
    found = []
    for field, value in message.ListFields():
        items = value if is_repeated(field) else [value]
        if field.message_type is not None:
            below = in_cpu or field.message_type.name.startswith("thread_info_")
            shown: Any = [_message_skeleton(item, in_cpu=below) for item in items]
        elif field.type in {field.TYPE_STRING, field.TYPE_BYTES}:
            shown = [
                len(item if isinstance(item, bytes) else item.encode("utf-8", "replace")) for item in items
            ]
        elif number_treatment(field, in_cpu=in_cpu) is not None:
            shown = len(items)
        else:
            shown = list(items)
        found.append((field.name, shown))
    return found


def _payload_skeleton(payload: Any) -> object:
    if isinstance(payload, dict):
        return {name: _payload_skeleton(value) for name, value in payload.items()}
    if isinstance(payload, list):
        return [
            (_message_skeleton(item.message), _payload_skeleton(item.payload))
            if isinstance(item, Entry)
            else item
            for item in payload
        ]
    if payload is None:
        return None
    return len(payload) if isinstance(payload, bytes) else payload.size
