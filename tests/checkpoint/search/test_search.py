"""Search over memory in pieces: the same hits as over one buffer, whatever the pieces are."""

from __future__ import annotations

import importlib.util
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dyncrit.checkpoint.memory.layer import Layer, Piece, State
from dyncrit.checkpoint.search import literal, windows
from dyncrit.checkpoint.search.patterns import Pattern, PatternError, hex_pattern, regex_pattern, text_pattern
from dyncrit.checkpoint.search.searching import search, spans
from dyncrit.errors import DyncritError

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 4096
BASE = 0x7F00_0000_0000
HAS_RE2 = importlib.util.find_spec("re2") is not None
needs_re2 = pytest.mark.skipif(not HAS_RE2, reason="google-re2 is not installed")
ENGINES = ["re", pytest.param("re2", marks=needs_re2)]


class Pages:
    """A pages file in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)
        self.size = len(data)

    def view(self, offset: int, size: int) -> memoryview:
        assert offset + size <= self.size
        return self.data[offset : offset + size]


class Memory(Layer):
    """Pieces one after the other from BASE on: bytes are data, a number is that many zeros, a State of a size isn't there."""

    def __init__(self, *parts: bytes | int | tuple[State, int]) -> None:
        self.all: list[Piece] = []
        address = BASE
        for part in parts:
            if isinstance(part, bytes):
                piece = Piece(address, address + len(part), State.DATA, Pages(part))
            elif isinstance(part, int):
                piece = Piece(address, address + part, State.ZERO)
            else:
                piece = Piece(address, address + part[1], part[0])
            self.all.append(piece)
            address = piece.end
        self.range = (BASE, address)

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        for piece in self.all:
            low, high = max(start, piece.start), min(end, piece.end)
            if low < high:
                yield piece._replace(start=low, end=high, offset=piece.offset + low - piece.start)


def found(memory: Memory, pattern: Pattern, *ranges: tuple[int, int]) -> list[tuple[int, bytes]]:
    """Hits as offsets from BASE, with what matched."""
    return [
        (hit.address - BASE, hit.match)
        for hit in search(memory, ranges or (memory.range,), pattern, context=0)
    ]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows so small that a little memory takes many."""
    shrink(monkeypatch)


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_LARGE", 1)
    monkeypatch.setattr(windows, "_WINDOW", 7)
    monkeypatch.setattr(literal, "_SMALL_BUFFER", 0)


@st.composite
def fragmented(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    data = draw(st.lists(st.sampled_from([b"a", b"b", b"\0", b"\n", b"abab", b"bbbbb"]), max_size=60))
    whole = b"".join(data)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(whole) - 1)), max_size=12)))
    edges = [0, *cuts, len(whole)]
    return whole, [whole[a:b] for a, b in pairwise(edges) if a < b]


EXPRESSIONS = [
    "a",
    "ab",
    "abab",
    "bb",
    "b{4}a",
    "a.",
    "(?:a|ab)b",
    "a+b?",
    r"\bab",
    "^a",
    "(?m:^b)",
    "[^a]+?b",
    "(?s:..)",
    r"b\Z",
    "b$",
    "(?<=a)b",
    "(a)b(?!a)",
    r"(b)\1",
]


@pytest.mark.parametrize("engine", [None, "re"])
@pytest.mark.parametrize("expression", EXPRESSIONS)
@settings(max_examples=40)
@given(case=fragmented())
def test_any_fragmentation_has_the_hits_of_the_whole(
    expression: str, engine: str | None, case: tuple[bytes, list[bytes]]
) -> None:
    whole, parts = case
    pattern = regex_pattern(expression, engine=engine)
    expected = [(m.start(), m.group()) for m in re.finditer(expression.encode(), whole)]
    longest = max((len(match) for _, match in expected), default=1)
    pattern.reach = pattern.behind = longest + 2  # for what is looked ahead
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch)
        assert found(Memory(*parts), pattern) == expected


@settings(max_examples=200)
@given(
    case=fragmented(),
    needle=st.sampled_from(["a", "ba", "bbb", "abab", "babab", "a\0b\n", "b" * 9]),
    memmem=st.booleans(),
)
def test_literals_have_the_hits_of_the_whole_with_and_without_memmem(
    case: tuple[bytes, list[bytes]], needle: str, memmem: bool
) -> None:
    whole, parts = case
    expected = [(m.start(), m.group()) for m in re.finditer(re.escape(needle.encode()), whole)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch)
        if not memmem:
            monkeypatch.setattr(literal, "_memmem", lambda: None)
        assert found(Memory(*parts), text_pattern(needle)) == expected


@settings(max_examples=200)
@given(case=fragmented(), context=st.integers(0, 30))
def test_context_is_what_stands_around_a_hit(case: tuple[bytes, list[bytes]], context: int) -> None:
    whole, parts = case
    memory = Memory(*parts)
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch)
        for hit in search(memory, [memory.range], text_pattern("ab"), context=context):
            at = hit.address - BASE
            assert hit.before == whole[max(0, at - context) : at]
            assert hit.after == whole[at + 2 : at + 2 + context]


def test_memmem_is_there_and_used_in_large_buffers() -> None:
    assert literal._memmem() is not None
    data = b"x" * 100_000 + b"needle" + b"y" * 50_000 + b"needle"
    assert found(Memory(data), text_pattern("needle")) == [(100_000, b"needle"), (150_006, b"needle")]


def test_hits_across_large_and_small_pieces_at_their_real_sizes() -> None:
    big = bytearray(40 << 20)
    for at in (0, (16 << 20) - 2, (32 << 20) + 65530, len(big) - 5):
        big[at : at + 5] = b"first"
    parts = [b"--fi", b"rst-" + b"fir", b"st" + bytes(big), b"fi", b"rst" + b"x" * 3_000_000 + b"fi", b"rst"]
    whole = b"".join(parts)
    expected = [(m.start(), m.group()) for m in re.finditer(b"first", whole)]
    assert len(expected) == 8
    assert found(Memory(*parts), text_pattern("first")) == expected
    assert found(Memory(*parts), regex_pattern("fir[rst]t|first")) == expected


def test_ranges_that_adjoin_are_searched_as_one() -> None:
    memory = Memory(b"abcde", b"fghij")
    assert found(memory, text_pattern("def"), (BASE, BASE + 5), (BASE + 5, BASE + 10)) == [(3, b"def")]
    assert found(memory, text_pattern("de"), (BASE, BASE + 4), (BASE + 5, BASE + 10)) == []
    assert found(memory, text_pattern("e"), (BASE, BASE + 7), (BASE + 2, BASE + 10)) == [(4, b"e")]


@pytest.mark.parametrize("state", [State.MISSING, State.HOLE])
def test_what_is_missing_ends_a_stretch(state: State) -> None:
    memory = Memory(b"one-ab", (state, PAGE), b"cd-two")
    assert found(memory, regex_pattern("ab.*cd")) == []
    assert found(memory, regex_pattern("^..|..$")) == [
        (0, b"on"),
        (4, b"ab"),
        (6 + PAGE, b"cd"),
        (10 + PAGE, b"wo"),
    ]
    hits = list(search(memory, [memory.range], regex_pattern("ab|cd"), context=3))
    assert [(hit.before, hit.after) for hit in hits] == [(b"ne-", b""), (b"", b"-tw")]


def test_zeros_beside_data_take_part() -> None:
    memory = Memory(3 * PAGE, b"ab", 100, b"cd", 3 * PAGE)
    start = 3 * PAGE
    assert found(memory, hex_pattern("00 61")) == [(start - 1, b"\0a")]
    assert found(memory, regex_pattern(r"b\0+c")) == [(start + 1, b"b" + bytes(100) + b"c")]
    assert found(memory, hex_pattern("64 00 00")) == [(start + 103, b"d\0\0")]
    zeros = found(memory, regex_pattern(r"\0+"))
    assert [(at, len(match)) for at, match in zeros] == [
        (start - PAGE, PAGE),
        (start + 2, 100),
        (start + 104, PAGE),
    ]


@pytest.mark.parametrize(("size", "together"), [(1, True), (2 * PAGE, True), (2 * PAGE + 1, False)])
def test_zeros_between_data_join_it_up_to_two_pages(size: int, together: bool) -> None:
    memory = Memory(b"a", size, b"b")
    hits = list(spans(memory, [memory.range], regex_pattern(r"a\0+b")))
    assert [end - start for _, _, start, end in hits] == [size + 2] * together


def test_zeros_without_data_are_not_looked_at() -> None:
    assert found(Memory(PAGE), hex_pattern("00")) == []
    assert found(Memory(PAGE, (State.MISSING, PAGE), b"x"), hex_pattern("00")) == []


def test_terabytes_of_zeros_cost_nothing() -> None:
    parts: list[bytes | int] = []
    for _ in range(100):
        parts += [1 << 44, b"needle"]
    memory = Memory(*parts)
    counted: list[int] = []
    hits = list(search(memory, [memory.range], text_pattern("needle"), progress=counted.append))
    assert len(hits) == 100
    assert sum(counted) < 100 * 3 * PAGE
    assert hits[0].before == bytes(16)


def test_progress_counts_every_byte_once(small: None) -> None:
    memory = Memory(b"x" * 100, b"y" * 3, b"z" * 41, (State.HOLE, 9), b"w" * 17)
    for pattern in (text_pattern("abc"), regex_pattern("a.c")):
        pattern.reach = 3
        counted: list[int] = []
        assert not list(search(memory, [memory.range], pattern, context=2, progress=counted.append))
        assert sum(counted) == 161


def test_many_small_pieces_in_one_file_are_searched_in_place() -> None:
    pages = Pages(b"-" * 10 + b"needle" + b"-" * 10)

    class Split(Layer):
        def pieces(self, start: int, end: int) -> Iterator[Piece]:
            for at in range(26):
                yield Piece(BASE + at, BASE + at + 1, State.DATA, pages, at)

    (span,) = spans(Split(), [(BASE, BASE + 26)], text_pattern("needle"))
    assert span[0] == BASE + 10


def test_a_long_match_is_cut_in_what_it_shows() -> None:
    memory = Memory(b"a" * 10_000 + b"b")
    (hit,) = search(memory, [memory.range], regex_pattern("a+"), context=1)
    assert (len(hit.match), hit.size, hit.after) == (4096, 10_000, b"b")


def test_a_match_longer_than_a_window_is_given_in_parts_that_adjoin() -> None:
    size = 40 << 20
    memory = Memory(b"-" + b"a" * size + b"-")
    parts = list(spans(memory, [memory.range], regex_pattern("a{4,}")))
    assert parts[0][0] == BASE + 1
    assert sum(end - start for _, _, start, end in parts) == size
    ends = [address + end - start for address, _, start, end in parts]
    assert [address for address, *_ in parts[1:]] == ends[:-1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("expression", "ignore_case"),
    [
        (r"\s+", False), (r"[\s]", False), (r"\S{2}", False), (r"\w\W\d?", False), (r".", False), (r"(?s).", False),
        (r"k|\xe9", True), (r"[\xc0-\xff]", True), (r"[^k]", True), (r"[a-c\xb5]+", True), (r"(?i:K)s", False),
        (r"a{,2}b", False), (r"x{2,3}?", False), (r"(?m:^.)", False), (r"(?m:.$)", False), (r"\b\w", False), (r"\Aa", False),
        (r"\B.", False), (r"(?P<name>a)(?:b|)c", False), (r"(?x) a b # c", False), (r"\x00\012\v", False), ("é", False), (r"\[\]\\-", False),
        (r"(?:a|b|cd){2}", False), (r"[]\-a^]", False),
    ],
)  # fmt: skip
def test_both_engines_find_what_re_finds(engine: str, expression: str, ignore_case: bool) -> None:
    data = (
        bytes(range(256)) * 2
        + b"aab abc ABC kK sS xxxxx\nab aabc\n\x0b\x00\x0a\x0b cdab []\\- \xe9\xc9\xb5 \xc3\xa9"
    )
    data = b"a" + data
    pattern = regex_pattern(expression, ignore_case, engine=engine)
    assert pattern.engine == engine  # type: ignore[attr-defined]
    expected = re.finditer(expression.encode(), data, re.IGNORECASE if ignore_case else 0)
    assert found(Memory(data), pattern) == [(m.start(), m.group()) for m in expected]


@needs_re2
@pytest.mark.parametrize(
    "expression",
    ["(?<=a)b", "a(?=b)", r"(a)\1", "a$", "a{1001}", "(?:a?)*b", "a++b", "(?>a)b", r"[^\x00-\xff]a"],
)
def test_re_does_what_re2_does_not_or_does_otherwise(expression: str) -> None:
    pattern = regex_pattern(expression)
    assert pattern.engine == "re"  # type: ignore[attr-defined]
    with pytest.raises(PatternError, match="google-re2"):
        regex_pattern(expression, engine="re2")
    data = b"aab aa " + b"a" * 1001 + b"b a"
    assert found(Memory(data), pattern) == [
        (m.start(), m.group()[:4096]) for m in re.finditer(expression.encode(), data)
    ]


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\b", "^", "\n", "é", r"\s", r"\Z"])


@needs_re2
@settings(max_examples=300)
@given(
    expression=st.recursive(
        ATOMS,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map("".join),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
            st.tuples(inner, st.sampled_from(["*", "+?", "{1,2}", "??", "{,2}"])).map(
                lambda pair: f"(?:{pair[0]}){pair[1]}"
            ),
        ),
        max_leaves=6,
    ),
    data=st.binary(max_size=10) | st.text("ab\n é", max_size=20).map(str.encode),
    ignore_case=st.booleans(),
)
def test_the_engines_agree_on_any_expression(expression: str, data: bytes, ignore_case: bool) -> None:
    try:
        with_re2 = regex_pattern(expression, ignore_case)
    except PatternError:
        return
    with_re = regex_pattern(expression, ignore_case, engine="re")
    assert found(Memory(data), with_re2) == found(Memory(data), with_re)


def test_without_re2_expressions_are_searched_with_re(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "re2", None)
    pattern = regex_pattern("a+b")
    assert pattern.engine == "re"  # type: ignore[attr-defined]
    assert found(Memory(b"xaab"), pattern) == [(1, b"aab")]


def test_text_is_searched_in_its_encoding() -> None:
    memory = Memory("Zoë".encode("utf-16le") + "Zoë".encode() + "Zoë".encode("latin-1"))
    assert found(memory, text_pattern("Zoë", "utf-16le"))[0][0] == 0
    assert found(memory, text_pattern("Zoë"))[0][0] == 6
    assert found(memory, text_pattern("Zoë", "latin-1"))[0][0] == 10
    assert found(Memory(b"a\xff"), text_pattern("\udcff")) == [(1, b"\xff")]


@pytest.mark.parametrize("text", ["de ad be ef", "DEADBEEF", " dead\tbe ef\n", "de ?? be ef", "de ???? ef"])
def test_hex_is_read_with_and_without_spaces_and_wildcards(text: str) -> None:
    assert found(Memory(b"\0\xde\xad\xbe\xef\0"), hex_pattern(text)) == [(1, b"\xde\xad\xbe\xef")]


def test_any_byte_of_hex_is_a_newline_too() -> None:
    assert found(Memory(b"a\nb"), hex_pattern("61??62")) == [(0, b"a\nb")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: text_pattern(""), "is empty"),
        (lambda: text_pattern("a" * 65_537), "longer than 65536"),
        (lambda: text_pattern("é", "ascii"), "can't be written in ascii"),
        (lambda: text_pattern("a", "klingon"), "unknown encoding 'klingon'"),
        (lambda: text_pattern("a", "base64"), "unknown encoding"),
        (lambda: hex_pattern(""), "is empty"),
        (lambda: hex_pattern("de a"), "'a' is not two hex digits"),
        (lambda: hex_pattern("0xde"), "'0x' is not two hex digits"),
        (lambda: hex_pattern("?? ??"), "needs a byte"),
        (lambda: hex_pattern("?a"), "'\\?a' is not two"),
        (lambda: hex_pattern("00" + "??" * 65_536), "longer than 65536"),
        (lambda: regex_pattern("a(b"), "missing \\), unterminated subpattern at character 2, '\\(b'"),
        (lambda: regex_pattern("é("), "at character 2"),
        (lambda: regex_pattern("a{3,1}"), "min repeat greater than max"),
        (lambda: regex_pattern("a*"), "no byte at all"),
        (lambda: regex_pattern(r"\b"), "no byte at all"),
        (lambda: regex_pattern("(?=a)"), "no byte at all"),
        (lambda: regex_pattern("[[:alpha:]]"), "nested set"),
        (lambda: regex_pattern("(" * 5000 + ")" * 5000), "regular expression"),
        (lambda: regex_pattern("a{99999999999}"), "regular expression"),
        (lambda: search(Memory(b"a"), [], text_pattern("a"), context=-1), "context of -1"),
        (lambda: search(Memory(b"a"), [], text_pattern("a"), context=1 << 40), "context of"),
    ],
)
def test_patterns_that_cannot_be_searched_say_why(make, message: str) -> None:
    with pytest.raises(DyncritError, match=message):
        make()
