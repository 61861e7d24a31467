"""Checkpoints as a whole: chains of parents, stale and missing images, and images that are damaged at random."""

from __future__ import annotations

import random
import shutil
from contextlib import suppress

import pytest

from dyncrit.checkpoint import PagesError, open_checkpoint
from dyncrit.checkpoint.memory.layer import State
from dyncrit.errors import DyncritError, ImageError
from dyncrit.schema import Schema

PAGE = 4096
PARENT = 1
REGULAR, ANON_SHARED = 1, 256


# Chains


@pytest.fixture
def chain(one_process, vma, pages):
    """Three dumps: a page of each, and one that only the first has."""
    mapped = vma(0x1000, 0x5000)
    one_process(mapped, name="1").pagemap(1, (0x1000, 4), pages=pages(4))
    two = one_process(mapped, name="2").parent("../1")
    two.pagemap(1, (0x1000, 1, PARENT), (0x2000, 1), (0x3000, 2, PARENT), pages=pages(1, first=20))
    three = one_process(mapped, name="3").parent("../2")
    return three.pagemap(1, (0x1000, 2, PARENT), (0x3000, 1), (0x4000, 1, PARENT), pages=pages(1, first=30))


def test_a_chain_is_read_through_to_its_end(chain):
    with chain.open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert memory.read(0x1000, 4 * PAGE)[::PAGE] == bytes([1, 20, 30, 4])
        assert [one.name[-1] for one in checkpoint.chain] == ["3", "2", "1"]
        assert memory.resident_of(memory.vmas[0]) == 4 * PAGE
        assert not list(checkpoint.problems)


def test_a_line_in_a_file_stands_for_the_link(chain):
    (chain.folder / "parent").unlink()
    with chain.raw("parent", b"../2").open() as checkpoint:
        assert checkpoint.processes[1].memory.read(0x1000, 4 * PAGE)[::PAGE] == bytes([1, 20, 30, 4])


def test_a_link_may_be_absolute(chain):
    (chain.folder / "parent").unlink()
    with chain.parent(str(chain.folder.parent / "2")).open() as checkpoint:
        assert checkpoint.processes[1].memory.read(0x4000, 1) == b"\4"


def test_a_chain_is_found_from_a_directory_that_is_a_link(chain, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "latest").symlink_to(chain.folder)
    with open_checkpoint(tmp_path / "elsewhere" / "latest") as checkpoint:
        assert checkpoint.processes[1].memory.read(0x4000, 1) == b"\4"


def test_a_chain_is_found_from_within_its_directory(chain, monkeypatch):
    monkeypatch.chdir(chain.folder)
    with open_checkpoint(".") as checkpoint:
        assert checkpoint.processes[1].memory.read(0x4000, 1) == b"\4"


def test_a_parent_copied_in_place_of_its_link_is_read(chain):
    (chain.folder / "parent").unlink()
    shutil.copytree(chain.folder.parent / "2", chain.folder / "parent", symlinks=True)
    (chain.folder / "parent" / "parent").unlink()
    (chain.folder / "parent" / "parent").symlink_to("../../1")
    with chain.open() as checkpoint:
        assert checkpoint.processes[1].memory.read(0x2000, 1) == bytes([20])


def test_a_missing_parent_is_a_warning_and_an_error_for_pages_that_need_it(chain):
    shutil.rmtree(chain.folder.parent / "2")
    with chain.open() as checkpoint:
        assert [(problem.severity, "../2" in problem.text) for problem in checkpoint.problems] == [
            ("warning", True)
        ]
        memory = checkpoint.processes[1].memory
        assert memory.read(0x3000, PAGE) == bytes([30]) * PAGE
        with pytest.raises(PagesError, match=r"0x1000-0x1001: .*\.\./2"):
            memory.read(0x1000, 1)
        assert [region.state for region in memory.regions()] == [State.MISSING, State.DATA, State.MISSING]
        assert not checkpoint.problems.errors


def test_a_stale_link_on_a_full_dump_is_a_warning_only(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x2000)).pagemap(1, (0x1000, 1), pages=pages(1)).parent("/nowhere/at/all")
    with dump.open() as checkpoint:
        assert checkpoint.processes[1].memory.read(0x1000, 1) == b"\1"
        (problem,) = checkpoint.problems
        assert (problem.severity, "/nowhere/at/all" in problem.text) == ("warning", True)


def test_a_parent_missing_further_down_is_named_by_whoever_needs_it(chain):
    shutil.rmtree(chain.folder.parent / "1")
    with chain.open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert memory.read(0x2000, 1) == bytes([20])
        with pytest.raises(PagesError, match=r"\.\./1"):
            memory.read(0x1000, 1)


def test_a_parent_without_the_process_has_none_of_its_pages(chain):
    (chain.folder.parent / "2" / "pagemap-1.img").unlink()
    with chain.open() as checkpoint:
        memory = checkpoint.processes[1].memory
        assert memory.read(0x3000, 1) == bytes([30])
        with pytest.raises(PagesError, match=r"0x1000-0x1001: in the parent image, .*pagemap-1\.img"):
            memory.read(0x1000, 1)


def test_an_empty_directory_is_no_parent(chain):
    shutil.rmtree(chain.folder.parent / "2")
    (chain.folder.parent / "2").mkdir()
    with chain.open() as checkpoint:
        assert checkpoint.parent is None
        assert len(checkpoint.problems) == 1


def test_a_directory_without_images_is_no_parent(chain):
    shutil.rmtree(chain.folder.parent / "2")
    (chain.folder.parent / "2").mkdir()
    (chain.folder.parent / "2" / "notes.txt").write_text("x")
    with chain.open() as checkpoint:
        assert checkpoint.parent is None
        assert [problem.severity for problem in checkpoint.problems] == ["warning"]


@pytest.mark.parametrize("target", [".", "../3", "../2"])
def test_a_circular_chain_is_an_error(chain, target):
    (chain.folder.parent / "1" / "parent").symlink_to(target)
    with pytest.raises(ImageError, match="circular"):
        chain.open()


def test_a_checkpoint_that_is_its_own_parent_is_an_error(build):
    with pytest.raises(ImageError, match="circular"):
        build().parent(".").open()


@pytest.mark.parametrize("target", ["parent", "x" * 300, "a/" * 1500, "inventory.img"])
def test_a_link_that_leads_nowhere_is_a_warning(build, target):
    with build().parent(target).open() as checkpoint:
        assert [problem.severity for problem in checkpoint.problems] == ["warning"]
        assert checkpoint.parent is None


def test_a_parent_named_by_the_caller_takes_the_place_of_one_that_is_missing(chain, tmp_path):
    (tmp_path / "2").rename(tmp_path / "moved")
    with chain.open(parents=[tmp_path / "moved"]) as checkpoint:
        assert checkpoint.processes[1].memory.read(0x1000, 4 * PAGE)[::PAGE] == bytes([1, 20, 30, 4])
        assert not list(checkpoint.problems)


def test_parents_named_by_the_caller_are_taken_in_order(chain, tmp_path):
    for name in ("1", "2"):
        (tmp_path / name).rename(tmp_path / f"moved-{name}")
    with chain.open(parents=[str(tmp_path / "moved-2"), str(tmp_path / "moved-1")]) as checkpoint:
        assert checkpoint.processes[1].memory.read(0x1000, 4 * PAGE)[::PAGE] == bytes([1, 20, 30, 4])


def test_a_parent_that_nobody_needs_is_an_error(chain, build):
    other = build("other")
    with pytest.raises(ImageError, match=r"other: is not needed as a parent"):
        chain.open(parents=[other.folder])


def test_a_named_parent_that_is_no_checkpoint_is_an_error(chain, tmp_path):
    shutil.rmtree(tmp_path / "2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no checkpoint"):
        chain.open(parents=[tmp_path / "empty"])


def test_a_long_chain_is_read(build, one_process, vma, pages):
    length = 250
    build("0").pagemap(1, (0x1000, 1), pages=pages(1))
    for number in range(1, length - 1):
        build(str(number)).parent(f"../{number - 1}").pagemap(1, (0x1000, 1, PARENT), pages=b"")
    dump = (
        one_process(vma(0x1000, 0x2000)).parent(f"../{length - 2}").pagemap(1, (0x1000, 1, PARENT), pages=b"")
    )
    with dump.open() as checkpoint:
        assert len(list(checkpoint.chain)) == length
        assert checkpoint.processes[1].memory.read(0x1000, PAGE) == b"\1" * PAGE


def test_the_real_chains_have_all_their_parents(corpus):
    for folder in ("criu-4.2/pre-dump/maps00/3", "criu-4.2/pre-dump/mem-touch/3"):
        with open_checkpoint(corpus / folder) as checkpoint:
            assert len(list(checkpoint.chain)) == 3
            assert [one.is_full for one in checkpoint.chain] == [True, False, False]
            states = [region.reason for region in checkpoint.processes[66].memory.regions()]
            assert not any("that doesn't have it" in reason for reason in states)


def test_closing_a_checkpoint_closes_its_parents(chain, monkeypatch):
    from dyncrit.checkpoint.storage.tree import DirectoryTree

    closed = []
    monkeypatch.setattr(DirectoryTree, "close", lambda tree: closed.append(tree.name[-1]))
    with chain.open():
        assert closed == []
    assert sorted(closed) == ["1", "2", "3"]


# What is missing or mixed


def test_images_of_tasks_that_the_tree_lacks_are_said_and_left_alone(one_process, vma):
    dump = one_process(vma(0x1000, 0x2000)).pagemap(1)
    dump.core(77).mm(78, vma(0x9000, 0xA000)).pagemap(79)
    with dump.open() as checkpoint:
        assert [process.pid for process in checkpoint.processes] == [1]
        (problem,) = checkpoint.problems
        assert (problem.severity, "77, 78, 79" in problem.text) == ("warning", True)


def test_threads_are_no_strangers(build):
    dump = build().process(1).core(2)
    tree = {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1, 2]}
    with dump.write("pstree.img", "PSTREE", tree).pagemap(1).open() as checkpoint:
        assert len(checkpoint.processes) == 1
        assert not list(checkpoint.problems)


def test_a_pre_dump_has_no_strangers(build):
    with build().pagemap(1).pagemap(2).open() as checkpoint:
        assert len(checkpoint.processes) == 0
        assert not list(checkpoint.problems)


def test_two_dumps_in_one_directory_show_the_one_that_the_tree_is_of(corpus, tmp_path):
    shutil.copytree(corpus / "demo/sockets", tmp_path / "mixed")
    for path in (corpus / "demo/tree").iterdir():
        shutil.copy(path, tmp_path / "mixed" / path.name)
    with open_checkpoint(tmp_path / "mixed") as checkpoint:
        assert [process.pid for process in checkpoint.processes] == [9834, 9838, 9840, 9839]
        assert any("9860" in problem.text for problem in checkpoint.problems)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("core-2.img", {"comm", "state"}),
        ("mm-2.img", {"memory"}),
        ("pagemap-2.img", {"bytes"}),
        ("fdinfo-2.img", {"descriptors"}),
        ("fs-2.img", {"cwd"}),
    ],
)
@pytest.mark.parametrize("how", ["missing", "empty", "cut", "other"])
def test_an_image_missing_or_damaged_for_one_task_is_said_and_the_rest_is_shown(
    build, vma, pages, name, lost, how
):
    dump = build().pstree((1, 0), (2, 1))
    regular = {
        "id": 5,
        "flags": 0,
        "pos": 0,
        "fown": dict.fromkeys(("uid", "euid", "signum", "pid_type", "pid"), 0),
    }
    dump.files({"type": "REG", "id": 5, "reg": {**regular, "name": "/a"}})
    for pid in (1, 2):
        dump.process(pid, vma(0x1000, 0x2000)).pagemap(pid, (0x1000, 1), pages=pages(1))
        dump.write(f"fdinfo-{pid}.img", "FDINFO", {"id": 5, "flags": 0, "type": "REG", "fd": 3})
        dump.write(f"fs-{pid}.img", "FS", {"cwd_id": 5, "root_id": 5})
    whole = (dump.folder / name).read_bytes()
    if how == "missing":
        dump.remove(name)
    else:
        dump.raw(
            name, {"empty": b"", "cut": whole[:10], "other": (dump.folder / "ids-1.img").read_bytes()}[how]
        )
    with dump.open() as checkpoint:
        one, two = checkpoint.processes
        assert seen(one) == {"comm", "state", "memory", "bytes", "descriptors", "cwd"}
        assert seen(two) == seen(one) - lost - ({"bytes"} if "memory" in lost else set())
        assert name in {problem.place for problem in checkpoint.problems.errors}


def seen(process):
    """What of a process can be shown."""
    found = {what for what in ("comm", "descriptors", "cwd") if getattr(process, what)}
    if process.state != "unknown":
        found.add("state")
    try:
        if process.memory.vmas:
            found.add("memory")
        if process.memory.read(0x1000, 1) == b"\1":
            found.add("bytes")
    except DyncritError:
        pass
    return found


def test_mappings_that_overlap_are_left_out_and_said(one_process, vma):
    dump = one_process(vma(0x1000, 0x4000), vma(0x3000, 0x5000), vma(0x9000, 0x8000)).pagemap(1)
    with dump.open() as checkpoint:
        assert [found.start for found in checkpoint.processes[1].memory.vmas] == [0x1000]
        texts = [problem.text for problem in checkpoint.problems.errors]
        assert ["0x3000-0x5000" in texts[0], "0x9000-0x8000" in texts[1]] == [True, True]


@pytest.mark.parametrize("release", ["v1.1", "v2.12.1", "v3.4", "v4.1"])
def test_the_schema_of_an_older_release_shows_the_same(corpus, release):
    schema = Schema.release(release)
    for folder in ("demo/tree", "criu-2.12/programs/seccomp", "criu-1.1/host/memfd00"):
        with (
            open_checkpoint(corpus / folder, schema=schema) as one,
            open_checkpoint(corpus / folder) as other,
        ):
            for process, same in zip(one.processes, other.processes, strict=True):
                assert [repr(getattr(process, view)) for view in PROCESS_VIEWS] == [
                    repr(getattr(same, view)) for view in PROCESS_VIEWS
                ]
                if process.is_alive:
                    assert list(process.memory.regions()) == list(same.memory.regions())


def test_a_missing_inventory_hinders_nothing(one_process, vma, pages):
    dump = one_process(vma(0x1000, 0x2000)).pagemap(1, (0x1000, 1), pages=pages(1)).remove("inventory.img")
    with dump.open() as checkpoint:
        assert checkpoint.inventory is None
        assert checkpoint.processes[1].memory.read(0x1000, 1) == b"\1"


# Page sizes


@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_the_page_size_is_told_by_the_pages_file_or_the_auxiliary_vector(build, vma, pages, size):
    dump = build().pstree((1, 0), (2, 1), (3, 1))
    mapped = vma(0x100000, 0x200000)
    dump.process(1, mapped).pagemap(1, (0x100000, 3), pages=pages(3, size))
    dump.process(2, mapped, page_size=size).pagemap(2, (0x100000, 3, 2))
    dump.process(3, mapped, page_size=size).pagemap(3, (0x100000, 3), pages=pages(3, size)[:-1])
    with dump.open() as checkpoint:
        assert [process.memory.page_size for process in checkpoint.processes] == [size] * 3
        assert checkpoint.processes[1].memory.read(0x100000 + 2 * size, 1) == b"\3"
        assert next(checkpoint.processes[2].memory.regions()).end == 0x100000 + 3 * size


def test_an_auxiliary_vector_that_tells_nonsense_is_not_believed(build, vma, pages):
    dump = build().pstree((1, 0)).process(1, vma(0x1000, 0x2000), page_size=1 << 40)
    with dump.pagemap(1).open() as checkpoint:
        assert checkpoint.processes[1].memory.page_size == 4096


# Damage at random

SMALL = ("demo/tree", "criu-2.12/namespaces/shm-mp", "criu-1.1/programs/ns-ipc", "criu-4.2/host-32bit/pty00")


CHECKPOINT_VIEWS = [
    "sockets",
    "mounts",
    "namespaces",
    "cgroups",
    "statistics",
    "releases",
    "container",
    "inventory",
]
PROCESS_VIEWS = [
    *(
        "architecture",
        "cgroups",
        "command_line",
        "credentials",
        "cwd",
        "descriptors",
        "environment",
        "executable",
    ),
    *(
        "exit_code",
        "limits",
        "namespaces",
        "root",
        "seccomp",
        "signal_actions",
        "signals",
        "state",
        "threads",
    ),
    *("timers", "umask"),
]


def walk(path):
    """Look at everything that a checkpoint has; only errors of ours and of the system may come of it."""
    checkpoint = open_checkpoint(path)
    with checkpoint:
        looks = [lambda what=what: getattr(checkpoint, what) for what in CHECKPOINT_VIEWS]
        looks += [lambda: list(checkpoint.files), lambda: list(checkpoint.processes.walk())]
        processes = list(checkpoint.processes)
        for process in processes:
            looks += [
                lambda process=process, what=what: repr(getattr(process, what)) for what in PROCESS_VIEWS
            ]
            looks.append(lambda process=process: memory(process))
        for look in looks:
            with suppress(DyncritError, OSError):
                look()
        return len(processes), [str(problem) for problem in checkpoint.problems]


def memory(process):
    space = process.memory
    for region in space.regions():
        if region.state is not State.MISSING:
            space.read(region.start, min(region.size, 5000))
    for vma in space.vmas:
        space.resident_of(vma)


@pytest.mark.parametrize("folder", SMALL)
@pytest.mark.parametrize("seed", range(4))
def test_damage_at_random_gives_problems_and_errors_of_ours_only(corpus, tmp_path, folder, seed):
    source = corpus / folder
    chance = random.Random(f"{folder}-{seed}")
    for round_number in range(4):
        copy = tmp_path / str(round_number)
        shutil.copytree(source, copy)
        paths = sorted(
            path for path in copy.iterdir() if path.suffix == ".img" and path.stat().st_size < 100_000
        )
        for path in chance.sample(paths, min(6, len(paths))):
            path.chmod(0o600)
            content = bytearray(path.read_bytes())
            for _ in range(chance.choice((1, 2, 8))):
                if content:
                    content[chance.randrange(len(content))] = chance.choice(
                        (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
                    )
            if chance.random() < 0.2:
                del content[chance.randrange(len(content) + 1) :]
            path.write_bytes(content)
        with suppress(DyncritError, OSError):
            walk(copy)
        shutil.rmtree(copy)


@pytest.mark.parametrize("folder", SMALL)
def test_what_is_whole_has_no_problems_but_pages_that_are_left_out(corpus, folder):
    count, problems = walk(corpus / folder)
    assert count > 0
    assert [text for text in problems if "pages image is missing" not in text] == []


def test_images_under_each_others_names_give_errors_of_ours_only(corpus, tmp_path):
    names = sorted(path.name for path in (corpus / "demo/tree").glob("*.img") if "pages-" not in path.name)
    for shift in (1, 5, 11):
        copy = tmp_path / str(shift)
        copy.mkdir()
        for name, other in zip(names, names[shift:] + names[:shift], strict=True):
            shutil.copy(corpus / "demo/tree" / other, copy / name)
        _, problems = walk(copy)
        assert problems


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 64, b"text\n"])
def test_images_that_are_none_give_errors_of_ours_only(corpus, tmp_path, content):
    (tmp_path / "bad").mkdir()
    for path in (corpus / "demo/tree").glob("*.img"):
        (tmp_path / "bad" / path.name).write_bytes(content)
    count, problems = walk(tmp_path / "bad")
    assert count == 0
    assert problems
