"""The strings of a process's environment as the kernel keeps track of them: what /proc/PID/environ shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dyncrit.checkpoint.memory.layer import PagesError
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dyncrit.checkpoint.processes import Process
    from dyncrit.edit.memory.words import Words

_MOST_BYTES = 8 << 20


class Block(NamedTuple):
    """The memory that mm_env_start and mm_env_end tell of."""

    start: int
    data: bytes

    @property
    def bounds(self) -> tuple[int, int]:
        """Where it begins and ends."""
        return self.start, self.start + len(self.data)

    @property
    def strings(self) -> dict[int, bytes]:
        """The strings in it by their addresses, in order."""
        found, position = {}, self.start
        for text in self.data.split(b"\0"):
            if text:
                found[position] = text
            position += len(text) + 1
        return found

    def with_variable(self, prefix: bytes, new: bytes | None) -> bytes:
        """Its strings one after the other, with ``new`` for those that begin with ``prefix``, or without."""
        texts = list(self.strings.values())
        index = next((at for at, text in enumerate(texts) if text.startswith(prefix)), len(texts))
        kept = [text for text in texts if not text.startswith(prefix)]
        if new is not None:
            kept.insert(index, new)
        return b"".join([text + b"\0" for text in kept])

    def place_of(self, wanted: bytes, changes: Mapping[int, bytes]) -> tuple[int, int] | None:
        """Where in it just some strings will stand once bytes are changed; None if they won't."""
        now = bytearray(self.data)
        for address, data in changes.items():
            position = address - self.start
            if 0 <= position < len(now):
                now[position : position + len(data)] = data
        if now == self.data and self.strings == Block(self.start, wanted).strings:
            return self.bounds  # with empty ones between them, if it had any
        position = 0 if now.startswith(wanted) else now.find(b"\0" + wanted) + 1
        if now[position : position + len(wanted)] != wanted:
            return None
        return self.start + position, self.start + position + len(wanted)


def read_block(process: Process) -> Block:
    """The environment of a process; raises DyncritError where it can't be read."""
    mm = process.mm
    if mm is None:
        raise DyncritError("its mm image is missing or damaged", f"process {process.pid}")
    start, end = mm.mm_env_start, mm.mm_env_end
    if not 0 <= end - start <= _MOST_BYTES:
        raise DyncritError(f"its environment can't be at {start:#x}-{end:#x}", f"process {process.pid}")
    try:
        return Block(start, process.memory.read(start, end - start))
    except PagesError as error:
        raise error.within(f"process {process.pid}", "its environment can't be read") from None


def is_overwritten(process: Process, words: Words, block: Block) -> bool:
    """Whether a title that the process gave itself is where its environment was, or begins before it."""
    mm = process.mm
    if mm is not None and mm.mm_arg_start < mm.mm_arg_end and words.head(mm.mm_arg_end - 1, 1):
        return True
    texts = block.strings.values()
    return bool(texts) and not any(b"=" in text for text in texts)
