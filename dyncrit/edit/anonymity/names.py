"""Names for names: the same name has the same replacement everywhere, of the same length in bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dyncrit.edit.anonymity import vocabulary

if TYPE_CHECKING:
    from dyncrit.edit.anonymity.addresses import Addresses
    from dyncrit.edit.anonymity.keyed import Keyed


def _spelling(alphabet: bytes) -> bytes:
    """The table that makes letters of an alphabet of any bytes."""
    return bytes(alphabet[byte % len(alphabet)] for byte in range(256))


_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_DIGITS = b"0123456789"
_TO_LETTERS, _TO_DIGITS = _spelling(_LETTERS), _spelling(_DIGITS)
_TO_PLAIN, _TO_HEX = _spelling(_LETTERS + _DIGITS), _spelling(_DIGITS + b"abcdef")
_TO_PRINTABLE = _spelling(bytes(byte for byte in range(0x21, 0x7F) if byte != ord("/")))
_DASH = ord("-")

_HEX = re.compile(rb"(?=[0-9a-f-]{8})[0-9a-f]+(?:-[0-9a-f]+)*")
_NUMBER = re.compile(
    rb"[+-]?[0-9]{1,20}[kKmMgGtT%]?|0x[0-9a-fA-F]{1,16}"  # with units
    rb"|[0-9]{1,5}-[0-9]{1,5}|(?:[0-9]{1,5}|\*):(?:[0-9]{1,7}|\*)"  # ranges; numbers of devices
)
_SEPARATOR = re.compile(rb"([/\0])")
_BREAK = re.compile(rb"([\s,=;|()\[\]{}<>\"'\0]+)")
_LABEL_BREAK = re.compile(rb"([\s:/()\0,.]+)")
_PREFIX = re.compile(rb"\.|memfd:|%s" % vocabulary.ID_PREFIXES.pattern)
_LONGEST_SUFFIX = 64
_PLAIN_TRIES, _TRIES = 16, 80


class Names:
    """Replacements of names, made up as they are first met.

    A component of a path keeps its length, its leading dot, the ending that tells its kind (``.so.6``,
    ``.conf``) and whether it is of digits or hexadecimal ones alone. What every system has keeps its name.
    Different names get different replacements, unless there are more names of one byte than replacements.
    """

    def __init__(self, keyed: Keyed, addresses: Addresses) -> None:
        self._keyed = keyed
        self._addresses = addresses
        self._made: dict[bytes, bytes] = {}
        self._taken: set[bytes] = set()

    def path(self, value: bytes) -> bytes:
        """A path, or a name: every component by itself; slashes and zero bytes stay.

        >>> from dyncrit.edit.anonymity.addresses import Addresses
        >>> from dyncrit.edit.anonymity.keyed import Keyed
        >>> keyed = Keyed(b"key")
        >>> Names(keyed, Addresses(keyed)).path(b"/usr/lib/libsecret.so.1").decode()
        '/usr/lib/pnepaakad.so.1'
        """
        parts = _SEPARATOR.split(value)
        for index in range(0, len(parts), 2):
            before = parts[index - 2] if index else b""
            if not (parts[index].isdigit() and before in vocabulary.NUMBERED):
                parts[index] = self.component(parts[index])
        return b"".join(parts)

    def component(self, value: bytes) -> bytes:
        """One component of a path."""
        deleted = vocabulary.DELETED if value.endswith(vocabulary.DELETED) else b""
        return self._component(value.removesuffix(deleted)) + deleted

    def host(self, value: bytes) -> bytes:
        """The name of a host or a domain: every label by itself, as if it were a component."""
        if value in vocabulary.COMPONENTS:
            return value
        return b".".join(map(self.component, value.split(b".")))

    def interface(self, value: bytes) -> bytes:
        """The name of a network device."""
        return value if vocabulary.INTERFACES.fullmatch(value) else self.path(value)

    def words(self, value: bytes) -> bytes:
        """Settings: words that are known and numbers stay, addresses are mapped, all else is replaced."""
        parts = _BREAK.split(value)
        parts[::2] = map(self._word, parts[::2])
        return b"".join(parts)

    def label(self, value: bytes) -> bytes:
        """A label of a security module: fields that are known stay."""
        if value in vocabulary.WORDS:
            return value
        parts = _LABEL_BREAK.split(value)
        parts[::2] = (part if part in vocabulary.WORDS else self.component(part) for part in parts[::2])
        return b"".join(parts)

    def options(self, value: bytes) -> bytes:
        """Options of a mount: names that are known stay, and with them values that are words or numbers."""
        return b",".join(map(self._option, value.split(b",")))

    def _option(self, option: bytes) -> bytes:
        name, equals, value = option.partition(b"=")
        if name in vocabulary.OPTION_NAMES:
            return name + equals + b":".join(map(self._word, value.split(b":")))
        return (name if name in vocabulary.WORDS else self.path(name)) + equals + self.path(value)

    def _word(self, word: bytes) -> bytes:
        if word in vocabulary.WORDS or _NUMBER.fullmatch(word):
            return word
        return self._addresses.text(word) or self.path(word)

    def _component(self, value: bytes) -> bytes:
        if value in vocabulary.COMPONENTS or vocabulary.COINED.fullmatch(value):
            return value
        prefix = _PREFIX.match(value)
        start = prefix.end() if prefix else 0
        # the end alone, as a search in a long name would take the square of its length
        suffix = vocabulary.SUFFIXES.search(value, max(start + 1, len(value) - _LONGEST_SUFFIX))
        end = suffix.start() if suffix else len(value)
        return value[:start] + self._replacement(value[start:end]) + value[end:]

    def _replacement(self, value: bytes) -> bytes:
        if not value:
            return value
        if (made := self._made.get(value)) is None:
            made = self._made[value] = self._new(value)
            self._taken.add(made)
        return made

    def _new(self, value: bytes) -> bytes:
        """A replacement that no other name has; the last try where there is none left."""
        candidate = value
        for attempt in range(_TRIES):
            candidate = self._candidate(value, attempt)
            if (
                candidate not in self._taken
                and candidate != value
                and candidate not in vocabulary.COMPONENTS
                and candidate not in vocabulary.WORDS
            ):
                break
        return candidate

    def _candidate(self, value: bytes, attempt: int) -> bytes:
        stream = self._keyed.stream("names", attempt.to_bytes(4, "big") + value, len(value))
        if attempt >= _PLAIN_TRIES:
            return stream.translate(_TO_PRINTABLE)
        if value.isdigit():
            return stream.translate(_TO_DIGITS)
        if _HEX.fullmatch(value):
            spelled = stream.translate(_TO_HEX)
            return bytes(old if old == _DASH else new for old, new in zip(value, spelled, strict=True))
        return stream[:1].translate(_TO_LETTERS) + stream[1:].translate(_TO_PLAIN)
