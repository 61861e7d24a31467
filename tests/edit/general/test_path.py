from __future__ import annotations

import pytest

from dyncrit.edit.general.path import (
    All,
    Comparison,
    Index,
    Name,
    Path,
    PathError,
    Where,
    parse_assignment,
    parse_path,
)


def steps(text: str) -> tuple[object, ...]:
    return parse_path(text).steps


def test_names_indices_and_all() -> None:
    assert steps('entries[3].reg."name"[-1][*]') == (
        Name("entries"),
        Index(3),
        Name("reg"),
        Name("name"),
        Index(-1),
        All(),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[type==REG]", "REG"),
        ("[?type=='REG']", '"REG"'),
        ('[type == "REG"]', '"REG"'),
        ("[type==`REG`]", "REG"),
        ("[type==O_RDWR | O_CLOEXEC ]", "O_RDWR | O_CLOEXEC"),
        ("[type==10.0.0.7]", "10.0.0.7"),
        (r"[type=='it\'s']", '"it\'s"'),
        ("[type==a&b]", "a&b"),
    ],
)
def test_a_condition_compares_with_a_value_in_any_quotes_or_none(text: str, value: str) -> None:
    (_, where) = steps(f"entries{text}")
    assert isinstance(where, Where)
    assert where.tests == (Comparison((Name("type"),), "==", value),)
    assert str(where) == text


def test_conditions_are_joined_and_have_paths_of_their_own() -> None:
    (_, where, name) = steps("""entries[reg.name=="]&&" && fds[0].fd>=3 && tty].id""")
    assert where.tests == (
        Comparison((Name("reg"), Name("name")), "==", '"]&&"'),
        Comparison((Name("fds"), Index(0), Name("fd")), ">=", "3"),
        Comparison((Name("tty"),)),
    )
    assert name == Name("id")


def test_an_item_that_is_a_value_itself_is_called_at() -> None:
    assert steps("entries[0].groups[@!=5]")[-1].tests == (Comparison((), "!=", "5"),)
    assert steps("entries[?@unknown]")[-1].tests == (Comparison((Name("@unknown"),)),)


def test_an_assignment_ends_its_path_at_the_first_sign_outside_of_brackets() -> None:
    path, value, append = parse_assignment("entries[a==1 && b<=2].c== d=e ")
    assert (str(path), value, append) == ("entries[a==1 && b<=2].c", "= d=e ", False)
    assert parse_assignment("entries[0].groups+=7") == (parse_path("entries[0].groups"), "7", True)
    assert parse_assignment("entries[0].a=").value == ""


def test_a_path_is_shown_as_it_was_written() -> None:
    for text in ("entries[3].reg.name", "entries[?type=='REG'][*].x", 'entries[0]."odd name"'):
        assert str(parse_path(text)) == text


def test_a_path_names_one_place_if_it_has_neither_all_nor_conditions() -> None:
    assert parse_path("entries[-1].reg.name").is_exact
    assert not parse_path("entries[*].reg.name").is_exact
    assert not parse_path("entries[a==1].reg.name").is_exact
    assert isinstance(parse_path("a"), Path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a field's name at its end"),
        ("entries[", "expected a field's name at its end"),
        ("entries[0", "expected a field's name at character 9, '0'"),
        ("entries[0]x", "expected . or [ or the end of the path at character 11, 'x'"),
        ("entries[a==1", "expected ] or && and another condition at its end"),
        ("entries[a==]", "expected a value to compare with at character 12, ']'"),
        ("entries[a==1 || b==2]", "there is no || in conditions, at character 14"),
        ("entries[a[b==1]==1]", "conditions within conditions are not to be had, at character 11"),
        ("entries[@]", "expected a comparison behind @ at character 10"),
        ("entries.", "expected a field's name at its end"),
        ('entries."\\x"', 'expected a string in "" at character 9'),
    ],
)
def test_a_path_that_is_none_says_where(text: str, problem: str) -> None:
    with pytest.raises(PathError) as caught:
        parse_path(text)
    assert problem in str(caught.value)


def test_an_assignment_without_a_value_says_so() -> None:
    with pytest.raises(
        PathError, match=r"path entries\[0\].a: expected = and a value, or \+= to append one at its"
    ):
        parse_assignment("entries[0].a")


def test_a_path_of_a_million_characters_takes_no_time() -> None:
    with pytest.raises(PathError):
        parse_path("entries[a==" + "&" * 10**6)
    assert len(parse_path("a" + ".a" * 10**5).steps) == 10**5 + 1
