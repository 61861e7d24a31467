"""The members of a tar file, read in place, one header after the other, with bounds on all that they say.

Single headers are read by the standard library. What stands between them is read here, because the library
takes damage in the middle for the end, and takes time and memory as a header asks for them.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from dyncrit.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from tarfile import TarInfo

Kind: TypeAlias = Literal[
    "file", "folder", "link", "hard link", "character device", "block device", "fifo", "other"
]

BLOCK_SIZE = 512
MAX_NAME_SIZE = 4096
_MAX_PAX_SIZE = 1 << 20
_MAX_EXTENSIONS = 32
_MAX_RECORDS = 10_000
_MAX_GLOBAL_RECORDS = 1 << 10
_MAX_RUNS = 1 << 16
_MAX_DIGITS = 20

# The type flags of POSIX.1-2008 and GNU tar.
_KINDS: Mapping[bytes, Kind] = {
    b"\0": "file",
    b"0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "hard link",
    b"2": "link",
    b"3": "character device",
    b"4": "block device",
    b"5": "folder",
    b"6": "fifo",
    b"D": "folder",
}
_PAX = frozenset({b"x", b"g", b"X"})
_LONG = {b"L": "path", b"K": "linkpath"}
_VOLUME_NAME = b"V"
_WITHOUT_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})


class Run(NamedTuple):
    """A stretch of a sparse file that is stored; between them are zeros."""

    offset: int
    size: int


class Member(NamedTuple):
    """A member of a tar file.

    ``size`` is that of the file in bytes; the archive holds ``stored`` bytes of it, at byte ``offset``. Of
    a sparse file ``runs`` tells where they belong. ``target`` is what a link says, ``modified`` are seconds
    since 1970. Names that aren't UTF-8 have surrogates. ``header`` is the byte where the member begins.
    """

    name: str
    kind: Kind
    size: int
    mode: int
    user_id: int
    group_id: int
    user: str
    group: str
    modified: int
    target: str
    header: int
    offset: int
    stored: int
    runs: tuple[Run, ...] | None

    @property
    def end(self) -> int:
        """The byte where its data ends, with what fills the last block."""
        end = self.offset + self.stored
        return end + -end % BLOCK_SIZE


def path_of(name: str) -> tuple[str, ...]:
    """The steps from an archive's root that a member's name stands for; raises ValueError if it leads out.

    >>> path_of("./checkpoint//stats-dump")
    ('checkpoint', 'stats-dump')
    """
    if name.startswith("/"):
        raise ValueError("an absolute name, which leads out of the archive")
    path: list[str] = []
    for step in name.split("/"):
        if step == "..":
            if not path:
                raise ValueError("a name that leads out of the archive")
            path.pop()
        elif step not in {"", "."}:
            path.append(step)
    return tuple(path)


def members(data: memoryview, place: str) -> Iterator[Member]:
    """The members of a tar file (ustar, GNU or pax), in order; of equal names the last one counts.

    Raises ImageError, which names ``place``, for what is no tar file, is damaged, or is cut off: one
    without the block of zeros at its end was cut.
    """
    reader = _Reader(data, place)
    while (member := reader.next()) is not None:
        yield member


def header_number(field: bytes) -> int | None:
    """A number of a header: octal digits, or base 256 where the first bit is set; None if it is neither."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
    digits = field.strip(b" \0")
    return int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else None


class _Header(NamedTuple):
    info: TarInfo
    block: bytes
    position: int


class _Reader:
    def __init__(self, data: memoryview, place: str) -> None:
        self._data = data
        self._place = place
        self._position = 0
        self._global: dict[str, str] = {}

    def next(self) -> Member | None:
        """The next member, with what headers before its own say of it; None at the end."""
        said: dict[str, str] = {}
        first = self._position
        extensions = 0
        while (header := self._header()) is not None:
            kind = header.info.type
            extensions += 1
            if extensions > _MAX_EXTENSIONS:
                raise self._error(f"more than {_MAX_EXTENSIONS} extended headers of one member", first)
            if kind in _PAX:
                records = self._pax_records(self._extension(header, _MAX_PAX_SIZE), header.position)
                (self._global if kind == b"g" else said).update(records)
                self._check_records(said, header.position)
            elif kind in _LONG:
                said[_LONG[kind]] = _text(self._extension(header, MAX_NAME_SIZE + 1).split(b"\0", 1)[0])
            elif kind != _VOLUME_NAME:
                return self._member(header, {**self._global, **said} if self._global else said, first)
        if said:
            raise self._error("an extended header without a member", first)
        return None

    def _header(self) -> _Header | None:
        position = self._position
        block = bytes(self._data[position : position + BLOCK_SIZE])
        if len(block) < BLOCK_SIZE:
            if position == 0:
                raise ImageError(
                    f"no tar archive: {len(block)} bytes, a header alone takes {BLOCK_SIZE}", self._place
                )
            raise self._error("cut off: the block of zeros at the end is missing", position)
        if block.count(0) == BLOCK_SIZE:
            return None
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            if position == 0:
                raise ImageError(f"no tar archive: it begins with no header ({error})", self._place) from None
            raise self._error(f"damaged: expected the header of a member ({error})", position) from None
        self._position += BLOCK_SIZE
        return _Header(info, block, position)

    def _extension(self, header: _Header, limit: int) -> bytes:
        size = header.info.size
        if size > limit:
            raise self._error(
                f"an extended header of {size} bytes, more than the {limit} that are read", header.position
            )
        return bytes(self._take(size, "an extended header", header.position))

    def _check_records(self, said: dict[str, str], position: int) -> None:
        if len(self._global) > _MAX_GLOBAL_RECORDS or sum(map(len, said.values())) > _MAX_PAX_SIZE:
            raise self._error("more pax records than are read", position)

    def _pax_records(self, content: bytes, header: int) -> dict[str, str]:
        """The records ``LENGTH KEY=VALUE`` of a pax header (POSIX.1-2008, pax)."""
        records: dict[str, str] = {}
        sparse: list[str] = []
        position = 0
        while position < len(content) and content[position] != 0:
            digits = content[position : position + _MAX_DIGITS].partition(b" ")[0]
            end = position + (_decimal(digits) or 0)
            key, equals, value = content[position + len(digits) + 1 : max(end - 1, 0)].partition(b"=")
            if not equals or content[end - 1 : end] != b"\n":
                raise self._error(f"a damaged record at byte {position} of a pax header", header)
            position = end
            if len(records) >= _MAX_RECORDS:
                raise self._error(f"more than {_MAX_RECORDS} records in a pax header", header)
            if key in {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}:  # version 0.0 repeats them
                sparse.append(_text(value))
            else:
                records[_text(key)] = _text(value)
        if sparse:
            records["GNU.sparse.map"] = ",".join(sparse)
        return records

    def _member(self, header: _Header, said: dict[str, str], start: int) -> Member:
        info = header.info
        name = said.get("GNU.sparse.name") or said.get("path") or info.name
        kind = _KINDS.get(info.type, "other")
        if kind == "file" and name.endswith("/"):  # as tar had it before there were folders
            kind = "folder"
        if not name or "\0" in name or len(name) > MAX_NAME_SIZE:
            raise self._error(f"a name of {len(name)} characters, expected 1 to {MAX_NAME_SIZE}", start)
        runs = None
        stored = size = 0
        if info.type not in _WITHOUT_DATA:
            stored = size = self._number(said.get("size", info.size), name, start)
        if info.type == b"S":
            runs, size = self._gnu_runs(header, name)
        offset = self._position
        data = self._take(stored, repr(name), start)
        if kind == "file" and _is_pax_sparse(said):
            runs, map_size = _pax_runs(said, data)
            offset, stored = offset + map_size, stored - map_size
            size = self._number(
                said.get("GNU.sparse.realsize") or said.get("GNU.sparse.size") or "", name, start
            )
        if runs is not None and not _fit(runs, size, stored):
            raise self._error(f"{name!r}: a sparse file whose map doesn't fit its {size} bytes", start)
        return Member(
            name=name,
            kind=kind,
            size=size,
            mode=info.mode & 0o7777,
            user_id=info.uid,
            group_id=info.gid,
            user=said.get("uname", info.uname),
            group=said.get("gname", info.gname),
            modified=_seconds(said.get("mtime", ""), int(info.mtime)),
            target=said.get("linkpath") or info.linkname,
            header=start,
            offset=offset,
            stored=stored,
            runs=runs,
        )

    def _gnu_runs(self, header: _Header, name: str) -> tuple[tuple[Run, ...], int]:
        """The map and size of an old GNU sparse member: four runs in its header, 21 in each block behind."""
        table, more, size = header.block[386:482], header.block[482], header_number(header.block[483:495])
        while more:
            if len(table) > 24 * _MAX_RUNS:
                raise self._error(f"{name!r}: a sparse file of more than {_MAX_RUNS} runs", header.position)
            block = bytes(self._take(BLOCK_SIZE, "the map of a sparse file", header.position))
            table, more = table + block[:504], block[504]
        starts = (place for place in range(0, len(table), 12) if table[place])
        numbers = [header_number(table[place : place + 12]) for place in starts]
        return _runs(numbers), -1 if size is None else size

    def _number(self, value: str | int, name: str, start: int) -> int:
        number = value if isinstance(value, int) else _decimal(value)
        if number is None or number < 0:
            raise self._error(f"{name!r} has a size of {str(value)[:40]!r}", start)
        return number

    def _take(self, size: int, what: str, start: int) -> memoryview:
        """The next ``size`` bytes; goes on to the block behind them."""
        left = len(self._data) - self._position
        if not 0 <= size <= left:
            raise self._error(
                f"{what} of {size} bytes, {left} left in the archive: it is cut off or damaged", start
            )
        view = self._data[self._position : self._position + size]
        self._position += size + -size % BLOCK_SIZE
        return view

    def _error(self, problem: str, position: int) -> ImageError:
        return ImageError(problem, self._place, f"byte {position}")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _decimal(text: str | bytes) -> int | None:
    if not text or len(text) > _MAX_DIGITS or not text.isascii() or not text.isdigit():
        return None
    return int(text)


def _seconds(text: str, otherwise: int) -> int:
    """The whole seconds of pax's time, ``1700000000.25``; else what the header says."""
    whole = _decimal(text.partition(".")[0].removeprefix("-"))
    if whole is None:
        return otherwise
    return -whole if text.startswith("-") else whole


def _is_pax_sparse(said: Mapping[str, str]) -> bool:
    return "GNU.sparse.map" in said or said.get("GNU.sparse.major") == "1"


def _pax_runs(said: Mapping[str, str], data: memoryview) -> tuple[tuple[Run, ...], int]:
    """The map of a pax sparse member, and how many bytes of its data the map takes (version 1.0)."""
    if "GNU.sparse.map" in said:
        return _runs([_decimal(text) for text in said["GNU.sparse.map"].split(",") if text]), 0
    count = _decimal(bytes(data[:_MAX_DIGITS]).partition(b"\n")[0])
    if count is None or count > _MAX_RUNS:
        return _IMPOSSIBLE, 0
    lines = bytes(data[: (_MAX_DIGITS + 1) * (2 * count + 1)]).split(b"\n", 2 * count + 1)
    if len(lines) < 2 * count + 2:
        return _IMPOSSIBLE, 0
    used = sum(len(line) + 1 for line in lines[:-1])
    return _runs([_decimal(line) for line in lines[1:-1]]), min(used + -used % BLOCK_SIZE, len(data))


_IMPOSSIBLE = (Run(-1, 0),)


def _runs(numbers: list[int | None]) -> tuple[Run, ...]:
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or len(known) % 2 or len(known) > 2 * _MAX_RUNS:
        return _IMPOSSIBLE
    return tuple(Run(offset, size) for offset, size in zip(known[::2], known[1::2], strict=True))


def _fit(runs: tuple[Run, ...], size: int, stored: int) -> bool:
    position = 0
    for run in runs:
        if run.offset < position or run.size < 0:
            return False
        position = run.offset + run.size
    return position <= size and sum(run.size for run in runs) <= stored
