"""Ids within texts: only as a whole, in JSON without touching anything else."""

from __future__ import annotations

import json

import pytest

from dyncrit.edit.places.id_in_text import Token
from dyncrit.errors import DyncritError

OLD, NEW = "0123456789abcdef" * 4, "f" * 64


@pytest.mark.parametrize(
    "text",
    [
        "/docker/{}",
        "libpod-{}.scope",
        "/var/lib/docker/containers/{}/hostname",
        "{}",
        "lowerdir=/o/{}/diff,upperdir=/o/{}/up",
        "/x_{}",
        "\0cri-{}\0",
        "é{}é",
        "\udcff{}",
    ],
)
def test_an_id_counts_between_other_characters(text: str) -> None:
    assert Token.of(OLD, NEW).replaced(text.replace("{}", OLD)) == text.replace("{}", NEW)


@pytest.mark.parametrize("text", ["a{}", "{}0", "/x{}y", OLD[:12], OLD.upper(), ""])
def test_part_of_a_word_is_no_id(text: str) -> None:
    assert Token.of(OLD, NEW).replaced(text.replace("{}", OLD)) is None


@pytest.mark.parametrize("name", ["", "/a", "a/b", "a b", "-a", "é", "a\n", "a" * 300])
def test_what_is_no_id_is_refused(name: str) -> None:
    for pair in ((name, "web"), ("web", name)):
        with pytest.raises(DyncritError, match="expected a container's id"):
            Token.of(*pair)


def test_the_same_id_is_refused() -> None:
    with pytest.raises(DyncritError, match="the same"):
        Token.of("web", "web")


def test_json_keeps_all_but_the_id() -> None:
    text = '{ "a1":["x/a1\\/hosts", "\\na1", "\\"a1\\"", "ba1"],\n\t"n": 1.50, "s": "\\u00e9a1" }'
    changed, count = Token.of("a1", "web").replaced_in_json(text)
    assert changed == text.replace('"a1', '"web').replace("/a1", "/web").replace("\\na1", "\\nweb").replace(
        '\\"a1', '\\"web'
    ).replace("e9a1", "e9web")
    assert count == 5
    assert json.loads(changed)["web"][3] == "ba1"


def test_an_id_of_digits_leaves_numbers_alone() -> None:
    assert Token.of("12", "34").replaced_in_json('{"12": 12, "a": "1.12"}') == ('{"34": 12, "a": "1.34"}', 2)
