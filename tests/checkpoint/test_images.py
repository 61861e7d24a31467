"""Images by their names: what can't be read is a problem, not a failure."""

from __future__ import annotations

import pytest

from dyncrit.errors import ImageError


def test_an_image_that_is_not_there_has_no_entries(build):
    images = build().images()
    assert (images.messages("core-1.img"), images.first("core-1.img"), len(images.problems)) == ([], None, 0)
    assert "core-1.img" not in images
    assert "inventory.img" in images


def test_the_absence_of_what_is_needed_is_a_problem_that_says_for_whom(build):
    images = build().images()
    assert images.first("core-1.img", required_by="process 1") is None
    (problem,) = images.problems
    assert (problem.severity, problem.place, "process 1" in problem.text) == ("error", "core-1.img", True)


def test_entries_before_the_damage_are_given(build):
    dump = build().pstree((1, 0), (2, 1), (3, 1))
    whole = (dump.folder / "pstree.img").read_bytes()
    images = dump.raw("pstree.img", whole[:-3]).images()
    assert [message.pid for message in images.messages("pstree.img")] == [1, 2]
    (problem,) = images.problems
    assert (problem.place, "entry 2 at byte" in problem.text) == ("pstree.img", True)
    assert str(dump.folder) not in problem.text


def test_entries_behind_a_damaged_record_are_given_too(build):
    dump = build().pstree((1, 0), (2, 1), (3, 1))
    data = bytearray((dump.folder / "pstree.img").read_bytes())
    size = (len(data) - 8) // 3
    data[8 + size + 4 : 8 + 2 * size] = b"\xff" * (size - 4)
    images = dump.raw("pstree.img", bytes(data)).images()
    assert [message.pid for message in images.messages("pstree.img")] == [1, 3]
    assert ["entry 1 at byte" in problem.text for problem in images.problems] == [True]


@pytest.mark.parametrize("data", [b"", b"\0", b"text, not an image", b"\x7fELF" * 20, b"\xff" * 8])
def test_what_is_no_image_is_a_problem(build, data):
    images = build().raw("core-1.img", data).images()
    assert images.messages("core-1.img") == []
    assert [problem.place for problem in images.problems.errors] == ["core-1.img"]
    with pytest.raises(ImageError):
        images.frame("core-1.img")


def test_an_image_under_the_name_of_another_type_is_a_problem(build):
    dump = build().core(1)
    images = dump.raw("mm-1.img", (dump.folder / "core-1.img").read_bytes()).images()
    assert images.messages("mm-1.img") == []
    assert "MM" in images.problems.errors[0].text
    assert "CORE" in images.problems.errors[0].text


def test_a_problem_stands_once_however_often_it_is_met(build):
    images = build().raw("core-1.img", b"nothing").images()
    for _ in range(3):
        images.messages("core-1.img")
    assert len(images.problems) == 1


def test_numbers_are_those_in_the_names_in_order(build):
    dump = build()
    for name in ("mm-10.img", "mm-9.img", "mm-x.img", "mm-1.img.bak", "xmm-3.img", "mm--1.img", "mm-²1.img"):
        dump.raw(name, b"")
    (dump.folder / "mm-8.img").mkdir()
    assert dump.images().numbers("mm") == [9, 10]
    assert dump.images().numbers("m.") == []


@pytest.mark.parametrize("order", ["little", "big"])
def test_the_inventory_tells_the_byte_order(build, order):
    dump = build().write("inventory.img", "INVENTORY", {"img_version": 2}, byte_order=order)
    assert dump.images().byte_order == order


def test_the_tree_tells_the_byte_order_where_the_inventory_is_missing(build):
    dump = build().remove("inventory.img").write("pstree.img", "PSTREE", byte_order="big")
    assert dump.images().byte_order == "big"
    assert dump.remove("pstree.img").images().byte_order == "little"


def test_numbers_are_those_that_criu_writes(build):
    dump = build()
    for number in ("0", "7", "10", "007", "00", "", "-1", "\u0667", "1x", "9" * 21):
        dump.raw(f"mm-{number}.img", b"")
    assert dump.images().numbers("mm") == [0, 7, 10]
