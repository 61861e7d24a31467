"""The dictionary for AFL++ and libFuzzer."""

from __future__ import annotations

import re

from dyncrit.fuzz.dictionary import MAX_TOKEN, Token, dictionary, show_dictionary
from dyncrit.schema import Schema


def test_magics_tags_integers_and_names_are_in_it() -> None:
    tokens = {token.data for token in dictionary(Schema.default())}
    assert bytes.fromhex("47380555") in tokens  # CORE, little-endian
    assert bytes.fromhex("55053847") in tokens
    assert bytes.fromhex("1943565447380555") in tokens
    assert bytes.fromhex("5456431955053847") in tokens
    assert bytes((5 << 3,)) in tokens
    assert b"\xff\xff\xff\xff\x0f" in tokens
    assert b"eth0" in tokens


def test_tokens_are_unique_and_no_longer_than_fuzzers_take() -> None:
    tokens = dictionary(Schema.default())
    assert len({token.data for token in tokens}) == len(tokens) == len({token.name for token in tokens})
    assert all(0 < len(token.data) <= MAX_TOKEN for token in tokens)


def test_each_line_is_a_name_and_a_quoted_text() -> None:
    text = show_dictionary(dictionary(Schema.default()))
    for line in text.splitlines():
        assert re.fullmatch(r'[a-zA-Z0-9_]+="([ !#-\[\]-~]|\\x[0-9a-f]{2})+"', line), line


def test_quotes_and_backslashes_are_escaped() -> None:
    assert show_dictionary([Token("a", b'"\\\n\xff ok')]) == 'a="\\x22\\x5c\\x0a\\xff ok"\n'
