"""Programs go on where they were, restored from images that were decoded and encoded again."""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.cli import main
from dyncrit.image import Image, dump, load

PAGE = 4096
IN_PARENT, PRESENT = 1, 4
RAW = ("pages-", "iptables-", "ip6tables-", "nftables-", "ifaddr-", "route-", "route6-", "rule-", "tmpfs-")


class Kind(NamedTuple):
    """A program, what it is asked before its dump and after its restore, and how both are done."""

    program: str
    before: dict[str, str]
    after: dict[str, str]
    arguments: tuple[object, ...] = ()
    namespaces: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


ALL_NAMESPACES = ("net", "uts", "ipc", "mnt", "pid")
SYSV_ANSWERS = {"ids": "1", "shm": "text in shared memory", "sem": "0 3"}
TCP_AFTER = {"there": "there", "back": "and back", "send goes on": "sent", "again": "goes on"}
TIMER_ANSWERS = {"setitimer": "it fires", "timer_create": "it fires", "later": "1"}

KINDS = {
    "counter": Kind("counter", {"next": "42"}, {"next": "43", "again": "44"}, (41,)),
    "counter-in-namespaces": Kind("counter", {"next": "42"}, {"next": "43"}, (41,), ALL_NAMESPACES),
    "counter-in-pid-namespace": Kind("counter", {"next": "42"}, {"next": "43"}, (41,), ("pid",)),
    "pipes": Kind(
        "pipes",
        {"size": "131072"},
        {"size": "131072", "pipe": "what waits in the pipe", "fifo": "what waits in the fifo"},
    ),
    "unix": Kind(
        "unix_sockets",
        {},
        {"there": "there", "back": "and back", "packet": "one", "next": "another", "more": "a third"},
    ),
    "tcp": Kind("tcp", {}, TCP_AFTER, (8000,), (), ("--tcp-established",)),
    "tcp-in-namespace": Kind("tcp", {}, TCP_AFTER, (8000,), ("net",), ("--tcp-established",)),
    "ghost": Kind(
        "ghost", {"read": "content"}, {"stat": "0 links, mode 640, 1048576 bytes", "read": " of a d"}
    ),
    "memfd": Kind(
        "memfd",
        {"2": "text in a memfd"},
        {"2": "text in a memfd", "seals": "1", "mapped": "text in a memfd", "3": "written after"},
    ),
    "timers": Kind("timers", TIMER_ANSWERS, TIMER_ANSWERS | {"timerfd": "1"}),
    "sysv": Kind("sysv", SYSV_ANSWERS, SYSV_ANSWERS | {"2": "second", "1": "first"}, (), ("ipc",)),
    "signals": Kind("signals", {"first": "42 from 1"}, {"second": "43 from 1"}),
    "polling": Kind(
        "polling",
        {"epoll": "1 1122334455667788"},
        {"epoll": "1 1122334455667788", "eventfd": "5", "inotify": "made"},
    ),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_program_goes_on_where_it_was(kind: Kind, bench: Any) -> None:
    program = bench.start(source(kind.program), *kind.arguments, namespaces=kind.namespaces)
    before = {question: program.ask(question) for question in kind.before}
    assert before == kind.before
    same = {question: program.ask(question) for question in ("pid", "cwd", "exe", "hostname")}

    restored = round_trip(bench, program, *kind.options)

    assert {question: restored.ask(question) for question in same} == same
    after = {question: restored.ask(question) for question in kind.after}
    assert after == kind.after


def test_threads_go_on_each_where_it_was(bench: Any) -> None:
    program = bench.start(source("threads"))
    before = counted(program.ask("next"))
    assert list(before.values()) == [1, 11, 21]

    restored = round_trip(bench, program)

    assert counted(restored.ask("next")) == {thread: count + 1 for thread, count in before.items()}


def test_a_tree_of_processes_goes_on(bench: Any) -> None:
    program = bench.start(source("processes"))
    before, family = counted(program.ask("next")), processes(bench)
    assert list(before.values()) == [101, 201, 301]
    assert [is_zombie for is_zombie, *_ in family.values()].count(True) == 1
    assert len(family) == 5
    assert len({session for *_, session in family.values()}) == 2

    restored = round_trip(bench, program)

    assert processes(bench) == family
    assert counted(restored.ask("next")) == {process: count + 1 for process, count in before.items()}
    assert restored.ask("zombie") == "exited 7"


def test_a_connection_from_outside_goes_on(bench: Any) -> None:
    program = bench.start(source("tcp"), 8000)
    with closing(program.connect(8000)) as peer:
        assert program.ask("accept") == "accepted"
        peer.sendall(b"sent before")
        images = program.dump("--tcp-established")
        assert_whole(images)
        peer.sendall(b", sent while it was gone")

        restored = bench.restore(encoded_again(images), "--tcp-established")

        received = restored.ask("there")
        while "gone" not in received:
            received += restored.ask("there")
        assert received == "sent before, sent while it was gone"
        restored.ask("send a reply")
        assert peer.recv(64) == b"a reply"


def test_a_chain_of_dumps_goes_on(bench: Any) -> None:
    program = bench.start(source("counter"), 41)
    first = program.dump("--leave-running", images=bench.folder / "first")
    assert program.ask("next") == "42"
    last = program.dump(images=bench.folder / "last")
    shared = make_increment(first, last)
    assert shared > 0
    assert_whole(last)

    restored = bench.restore(chain_encoded_again(first, last))

    assert restored.ask("next") == "43"


def test_a_chain_of_pre_dumps_goes_on(bench: Any) -> None:
    if bench.run(bench.criu, "check", "--feature", "mem_dirty_track", check=False).returncode:
        pytest.skip("this kernel doesn't track changes of memory (CONFIG_MEM_SOFT_DIRTY)")
    program = bench.start(source("counter"), 41)
    first = program.dump("--track-mem", action="pre-dump", images=bench.folder / "first")
    assert program.ask("next") == "42"
    last = program.dump("--track-mem", "--prev-images-dir", "../first", images=bench.folder / "last")
    assert_whole(last)

    restored = bench.restore(chain_encoded_again(first, last))

    assert restored.ask("next") == "43"


def counted(answer: str) -> dict[str, int]:
    """What each thread or process counted to: "1 in 7, 11 in 8", or "7 is 1 8 is 11"."""
    return {who: int(count) for count, who in re.findall(r"(\d+) in (\d+)", answer)} | {
        who: int(count) for who, count in re.findall(r"(\d+) is (\d+)", answer)
    }


def processes(bench: Any) -> dict[str, tuple[bool, str, str]]:
    """Of each process of the program: whether it is a zombie, its process group and session."""
    stats = "".join(path.read_text() for path in bench.world.proc.glob("[0-9]*/stat"))
    found = re.findall(r"^(\d+) \(program.*\) (\S) \d+ (\d+) (\d+) ", stats, re.MULTILINE)
    return {pid: (state == "Z", group, session) for pid, state, group, session in found}


def make_increment(parent: Path, images: Path) -> int:
    """Leave out of a full dump the pages that are the same in its parent, as CRIU does where the kernel helps.

    Gives how many these are.
    """
    count = 0
    (images / "parent").symlink_to(f"../{parent.name}")
    for path in images.glob("pagemap-*.img"):
        known = pages(parent / path.name) if (parent / path.name).exists() else {}
        pagemap = load(path)
        increment = Image.new("PAGEMAP")
        increment.add(pages_id=pagemap.entries[0].message.pages_id)
        kept = []
        for address, page in pages(path).items():
            same = known.get(address) == page
            increment.add(vaddr=address, nr_pages=1, compat_nr_pages=0, flags=IN_PARENT if same else PRESENT)
            kept += [] if same else [page]
            count += same
        dump(increment, path)
        (images / f"pages-{pagemap.entries[0].message.pages_id}.img").write_bytes(b"".join(kept))
    return count


def pages(pagemap: Path) -> dict[int, bytes]:
    """The pages of a full dump's pagemap."""
    head, *entries = (entry.message for entry in load(pagemap).entries)
    found = {}
    with (pagemap.parent / f"pages-{head.pages_id}.img").open("rb") as file:
        for entry in entries:
            assert entry.flags & PRESENT
            for number in range(entry.nr_pages or entry.compat_nr_pages):
                found[entry.vaddr + number * PAGE] = file.read(PAGE)
    return found


def chain_encoded_again(first: Path, last: Path) -> Path:
    encoded, parent = encoded_again(last), encoded_again(first)
    (encoded / "parent").symlink_to(f"../{parent.name}")
    return encoded


def source(name: str) -> str:
    return Path(__file__).with_name("programs").joinpath(f"{name}.c").read_text()


def round_trip(bench: Any, program: Any, *options: str) -> Any:
    """Dump a program, decode and encode what that gives, and restore the program from the result."""
    images = program.dump(*options)
    assert_whole(images)
    return bench.restore(encoded_again(images), *options)


def assert_whole(images: Path) -> None:
    with open_checkpoint(images) as checkpoint:
        found = check(checkpoint, deep=True).findings
    assert [str(finding) for finding in found if finding.severity == "error"] == []


def encoded_again(images: Path) -> Path:
    """A new folder with the images, decoded by ``dyncrit decode`` and made by ``dyncrit encode``."""
    documents, target = (images.with_name(f"{images.name}-{kind}") for kind in ("documents", "encoded"))
    assert main(["decode", str(images), "-o", str(documents)]) == 0
    assert main(["encode", str(documents), "-o", str(target)]) == 0
    names = {path.name for path in images.iterdir() if not path.is_symlink()}
    made = {path.name for path in target.iterdir()}
    assert {name for name in names - made if not name.startswith(RAW)} == set()
    for name in names:
        if name not in made:
            shutil.copy(images / name, target)
        assert (target / name).read_bytes() == (images / name).read_bytes()
    return target
