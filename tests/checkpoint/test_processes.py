"""Processes: the tree, whatever pstree.img says, and what each of them was."""

from __future__ import annotations

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.errors import DyncritError

PAGE = 4096


@pytest.fixture
def tree(build):
    """Makes the process tree of pairs of pid and parent's pid; gives it with its problems."""

    def make(*tasks):
        dump = build().pstree(*tasks)
        for pid in dict(tasks):
            dump.core(pid)
        checkpoint = dump.open()
        return checkpoint.processes, [str(problem) for problem in checkpoint.problems]

    return make


def shape(tree):
    return [(depth, process.pid) for depth, process in tree.walk()]


# The tree


def test_processes_stand_in_the_order_of_the_image_and_under_their_parents(tree):
    found, problems = tree((10, 0), (12, 10), (11, 10), (13, 12))
    assert [process.pid for process in found] == [10, 12, 11, 13]
    assert shape(found) == [(0, 10), (1, 12), (2, 13), (1, 11)]
    assert [root.pid for root in found.roots] == [10]
    assert [child.pid for child in found[10].children] == [12, 11]
    assert found[13].parent is found[12]
    assert found[10].parent is None
    assert (len(found), 13 in found, 99 in found) == (4, True, False)
    assert problems == []


def test_parents_may_stand_behind_their_children(tree):
    found, problems = tree((13, 12), (12, 10), (10, 0))
    assert shape(found) == [(0, 10), (1, 12), (2, 13)]
    assert problems == []


def test_there_may_be_several_roots(tree):
    found, problems = tree((10, 0), (20, 0), (21, 20))
    assert shape(found) == [(0, 10), (0, 20), (1, 21)]
    assert problems == []


def test_a_process_whose_parent_is_missing_is_a_root_and_said(tree):
    found, problems = tree((10, 0), (12, 11))
    assert shape(found) == [(0, 10), (0, 12)]
    assert problems == ["pstree.img: process 12: its parent 11 is not there"]


def test_a_process_that_is_its_own_parent_is_a_root_and_said(tree):
    found, problems = tree((10, 0), (11, 11), (12, 11))
    assert shape(found) == [(0, 10), (0, 11), (1, 12)]
    assert found[11].parent is None
    assert ["11" in problem for problem in problems] == [True]


def test_a_cycle_is_cut_at_one_process_and_said(tree):
    found, problems = tree((10, 0), (11, 13), (12, 11), (13, 12))
    assert shape(found) == [(0, 10), (0, 11), (1, 12), (2, 13)]
    assert ["own ancestor" in problem for problem in problems] == [True]


def test_what_hangs_on_a_cycle_stays_where_it_hangs(tree):
    found, problems = tree((20, 11), (11, 12), (12, 11))
    assert found[20].parent is found[11]
    assert sorted(process.pid for _, process in found.walk()) == [11, 12, 20]
    assert problems == ["pstree.img: process 11 is its own ancestor; shown as a root"]


def test_every_process_is_walked_once_whatever_the_tree_says(tree):
    for tasks in ([(0, 0)], [(1, 2), (2, 1)], [(1, 1), (2, 2)], [(3, 1), (4, 3), (1, 2), (2, 1), (5, 9)]):
        found, problems = tree(*tasks)
        assert sorted(process.pid for _, process in found.walk()) == sorted(dict(tasks))
        assert problems


def test_a_pid_that_stands_twice_is_shown_once_and_said(tree):
    found, problems = tree((10, 0), (11, 10), (11, 0))
    assert [(process.pid, process.ppid) for process in found] == [(10, 0), (11, 10)]
    assert problems == ["pstree.img: process 11 stands in it twice; the first is shown"]


def test_an_unknown_pid_is_an_error_that_lists_those_that_are_there(tree):
    found, _ = tree((10, 0), (11, 10))
    with pytest.raises(DyncritError, match="no process 5; there are 10, 11"):
        found[5]


def test_an_unknown_pid_among_many_lists_some(tree):
    found, _ = tree((1, 0), *((pid, 1) for pid in range(2, 101)))
    with pytest.raises(DyncritError, match=r"50 and 50 more$"):
        found[500]


def test_without_a_tree_there_are_no_processes(build):
    found = build().pagemap(1).open().processes
    assert (len(found), found.roots, list(found.walk())) == (0, [], [])
    with pytest.raises(DyncritError, match="no process 1; there are none"):
        found[1]


def test_a_deep_tree_is_walked(build):
    found = build().pstree(*((pid, pid - 1) for pid in range(1, 3001))).open().processes
    assert [depth for depth, _ in found.walk()] == list(range(3000))


def test_the_tree_of_the_demo_is_that_of_its_source(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        found = checkpoint.processes
        assert [(depth, process.comm, process.state) for depth, process in found.walk()] == [
            (0, "tree", "alive"),
            (1, "child", "alive"),
            (2, "grandchild", "alive"),
            (1, "tree", "zombie"),
        ]
        child = found[9838]
        assert (child.sid, child.pgid, child.ppid) == (9838, 9838, 9834)
        assert not list(checkpoint.problems)


# States


@pytest.mark.parametrize(
    ("number", "state", "alive"),
    [
        (1, "alive", True),
        (2, "zombie", False),
        (3, "stopped", True),
        (4, "dead", False),
        (6, "zombie", False),
        (99, "unknown", True),
    ],
)
def test_the_core_image_tells_the_state(build, number, state, alive):
    process = build().pstree((1, 0)).core(1, task={"task_state": number}).open().processes[1]
    assert (process.state, process.is_alive) == (state, alive)


def test_a_zombie_has_an_exit_code_and_nothing_else_and_that_is_no_problem(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        zombie = checkpoint.processes[9839]
        assert (zombie.exit_code >> 8, zombie.comm, zombie.ppid) == (7, "tree", 9834)
        assert (zombie.threads, zombie.descriptors, zombie.command_line, zombie.environment) == (
            [],
            [],
            [],
            [],
        )
        assert (zombie.cwd, zombie.root, zombie.executable, zombie.umask, zombie.ids, zombie.credentials) == (
            None,
        ) * 6
        assert (zombie.timers, zombie.limits, zombie.namespaces, zombie.seccomp.mode) == (
            [],
            [],
            {},
            "disabled",
        )
        with pytest.raises(DyncritError, match="process 9839: has no memory: it is a zombie process"):
            _ = zombie.memory
        assert not list(checkpoint.problems)


def test_a_zombie_killed_by_a_signal_has_it_in_its_exit_code(corpus):
    with open_checkpoint(corpus / "criu-4.2/programs/pytree") as checkpoint:
        codes = {
            process.pid: process.exit_code for process in checkpoint.processes if process.state == "zombie"
        }
        assert codes == {65: 3 << 8, 66: 9}
        assert not checkpoint.problems.errors


def test_a_stopped_process_has_memory_and_files(corpus):
    with open_checkpoint(corpus / "criu-4.2/host/stopped12") as checkpoint:
        stopped = checkpoint.processes[67]
        assert (stopped.state, stopped.is_alive) == ("stopped", True)
        assert [descriptor.fd for descriptor in stopped.descriptors] == [0, 1, 2, 3, 4, 5]
        assert stopped.memory.vmas


# What a process was


def test_threads_have_names_of_their_own(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        process = checkpoint.processes[9834]
        assert [(thread.tid, thread.comm) for thread in process.threads] == [
            (9834, "tree"),
            (9836, "worker-a"),
            (9837, "worker-b"),
        ]
        assert all(thread.core is not None for thread in process.threads)


def test_names_of_threads_before_criu_3_are_the_process_s(corpus):
    with open_checkpoint(corpus / "criu-2.12/host/pthread_timers_h") as checkpoint:
        names = [thread.comm for thread in checkpoint.processes[66].threads]
    assert names == ["pthread_timers_", "pthread_timers_"]


def test_names_that_are_not_utf_8_keep_their_bytes(corpus):
    with open_checkpoint(corpus / "criu-2.12/programs/seccomp") as checkpoint:
        comm = checkpoint.processes[52].comm
    assert comm.encode("utf-8", "surrogateescape") == b'seccd \xff\xfe"name'


def test_a_thread_whose_core_image_is_missing_is_shown_without_it(corpus, tmp_path):
    import shutil

    shutil.copytree(corpus / "demo/tree", tmp_path / "tree", ignore=shutil.ignore_patterns("core-9836.img"))
    with open_checkpoint(tmp_path / "tree") as checkpoint:
        thread = checkpoint.processes[9834].threads[1]
        assert (thread.tid, thread.core, thread.comm) == (9836, None, "tree")
        assert [problem.place for problem in checkpoint.problems.errors] == ["core-9836.img"]


def test_command_line_and_environment_are_read_from_memory(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        for pid in (9834, 9838, 9840):
            process = checkpoint.processes[pid]
            assert process.command_line == ["./tree", "--config", "/etc/demo.conf", "an argument with spaces"]
            assert process.environment == [
                "PATH=/usr/bin:/bin",
                "HOME=/",
                "LANG=C",
                "DEMO_SECRET=correct-horse-battery-staple",
            ]


def test_an_increment_reads_the_command_line_of_its_parent(corpus):
    with (
        open_checkpoint(corpus / "demo/memory/2") as one,
        open_checkpoint(corpus / "demo/memory/2-full") as other,
    ):
        assert one.processes[9899].command_line == other.processes[9899].command_line != []
        assert one.processes[9899].environment == other.processes[9899].environment != []


@pytest.fixture
def arguments(one_process, vma):
    """Makes a process whose arguments are these bytes; ``end`` and ``start`` move the range that mm tells."""

    def make(data, start=0x1000, end=None):
        end = 0x1000 + len(data) if end is None else end
        dump = one_process(vma(0x1000, 0x2000), mm_arg_start=start, mm_arg_end=end)
        checkpoint = dump.pagemap(1, (0x1000, 1), pages=data.ljust(PAGE, b"\0")).open()
        return checkpoint.processes[1], checkpoint.problems

    return make


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\0b c\0", ["a", "b c"]),
        (b"a\0\0b\0", ["a", "", "b"]),
        (b"a\0\0", ["a", ""]),
        (b"no end", ["no end"]),
        (b"\xff\n\0", ["\udcff\n"]),
        (b"\0", [""]),
        (b"", []),
    ],
)
def test_arguments_are_what_stands_between_zeros(arguments, data, expected):
    process, problems = arguments(data)
    assert process.command_line == expected
    assert not list(problems)


def test_arguments_that_end_outside_of_memory_are_empty_and_said(arguments):
    process, problems = arguments(b"a\0b\0", end=0x2001)
    assert process.command_line == []
    assert [(problem.place, "command line" in problem.text) for problem in problems] == [("process 1", True)]


@pytest.mark.parametrize(
    ("start", "end"), [(0x1004, 0x1000), (0, 0), (0, 1 << 63), (0x1000, 0x1000), ((1 << 64) - 2, 1)]
)
def test_a_range_of_arguments_that_is_none_is_empty(arguments, start, end):
    assert arguments(b"a\0", start, end)[0].command_line == []


def test_ids_and_namespaces_are_in_the_core_image_or_in_one_of_their_own(build):
    ids = {"vm_id": 1, "files_id": 2, "fs_id": 3, "sighand_id": 4}
    dump = build().pstree((1, 0), (2, 1))
    dump.core(1).ids(1, net_ns_id=9, mnt_ns_id=8)
    dump.core(2, ids={**ids, "net_ns_id": 7})
    one, two = dump.open().processes
    assert one.namespaces == {"net": 9, "mnt": 8}
    assert two.namespaces == {"net": 7}


def test_cgroups_are_told_by_controller(corpus):
    with open_checkpoint(corpus / "criu-4.2/host-32bit/cgroup03") as checkpoint:
        paths = [process.cgroups for process in checkpoint.processes]
        if not checkpoint.cgroups.sets:
            pytest.skip("the dump has no cgroup sets")
    assert paths[0]


def test_the_architecture_and_the_byte_order_are_told(build):
    process = build().pstree((1, 0)).core(1, mtype="S390").open().processes[1]
    assert (process.architecture, process.byte_order) == ("S390", "little")


def test_where_a_process_stands_and_what_it_runs(corpus):
    with open_checkpoint(corpus / "demo/tree") as checkpoint:
        process = checkpoint.processes[9834]
        files = [process.cwd, process.root, process.executable]
        assert [file.path if file else None for file in files] == ["/srv/demo", "/", "/srv/demo/tree"]
        assert process.umask == 0o022


@pytest.mark.parametrize("folder", ["criu-1.1/host/maps02", "criu-2.12/host/timerfd", "criu-4.2/host/env00"])
def test_every_release_tells_where_its_processes_stood(corpus, folder):
    with open_checkpoint(corpus / folder) as checkpoint:
        for process in checkpoint.processes:
            assert process.root is not None
            assert process.root.path == "/"
            assert process.cwd is not None
            assert process.executable is not None
            assert process.executable.path.endswith(folder.split("/")[-1])
            assert process.credentials is not None
            assert len(process.limits) == 16


def test_a_process_without_a_core_image_is_shown_as_far_as_it_goes(build, vma):
    dump = build().pstree((1, 0)).process(1, vma(0x1000, 0x2000)).pagemap(1).remove("core-1.img")
    with dump.open() as checkpoint:
        process = checkpoint.processes[1]
        assert (process.comm, process.state, process.architecture, process.exit_code) == (
            "",
            "unknown",
            "",
            0,
        )
        assert (process.limits, process.timers, process.signal_actions) == ([], [], [])
        assert process.memory.read(0x1000, 8) == bytes(8)
        assert [thread.tid for thread in process.threads] == [1]
        assert [problem.place for problem in checkpoint.problems] == ["core-1.img"]
        assert repr(process) == "<Process 1 '', unknown>"
