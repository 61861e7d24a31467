"""Which addresses were mapped: a number that leads there is a pointer and no secret."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dyncrit.checkpoint.editing.edit import Edit

_SMALL = 1 << 16


class Mappings:
    """The memory that any process has mapped."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        """``ranges`` are pairs of the first address and the one behind the last."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(ranges):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def tells_nothing(self, value: int, bits: int) -> bool:
        """Whether a number of ``bits`` is small, of either sign, or leads into memory, or to its end.

        >>> mappings = Mappings([(0x7F0000000000, 0x7F0000002000)])
        >>> [mappings.tells_nothing(value, 64) for value in (8, 2**64 - 1, 0x7F0000001234, 1 << 62)]
        [True, True, True, False]
        """
        if value < _SMALL or any(0 <= (1 << size) - value <= _SMALL for size in (32, bits)):
            return True
        index = bisect_right(self._starts, value) - 1
        return index >= 0 and value <= self._ends[index]


def read_mappings(edit: Edit) -> Mappings:
    """The mappings of all processes, in whichever images they stand; what is damaged has none."""
    return Mappings(_ranges(edit))


def _ranges(edit: Edit) -> Iterator[tuple[int, int]]:
    for name in edit.images.names():
        image_type = edit.schema.table.by_file_name(name)
        if image_type is None or image_type.name not in {"MM", "VMAS"}:
            continue
        try:
            for entry in edit.entries(name):
                areas = entry.message.vmas if image_type.name == "MM" else [entry.message]
                yield from ((area.start, area.end) for area in areas if area.start < area.end)
        except ImageError:
            continue  # told when the image itself is scrubbed
