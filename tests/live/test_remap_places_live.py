"""A program that is dumped, moved to other places, and restored: what it sees of them from inside."""

from __future__ import annotations

import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.places.cgroups import remap_cgroup
from dyncrit.edit.places.container_id import remap_container_id
from dyncrit.edit.places.paths import remap_path
from dyncrit.edit.places.terminals import remap_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Bench, Program

    from dyncrit.edit.touched import Touched

FILES = r"""
#include "live.h"
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int file, deleted, fifo, bound, watch;
static char *mapped;

static int bind_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int made = TRY(socket(AF_UNIX, SOCK_DGRAM, 0));
	strcpy(address.sun_path, path);
	TRY(bind(made, (struct sockaddr *)&address, sizeof address));
	return made;
}

static void prepare(int count, char **arguments)
{
	char path[4096], byte;
	file = TRY(open("data", O_RDWR));
	TRY(read(file, &byte, 1));
	int descriptor = TRY(open("mapped", O_RDONLY));
	mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, descriptor, 0);
	TRY(close(descriptor));
	deleted = TRY(open("deleted", O_RDWR | O_CREAT, 0600));
	TRY(write(deleted, "ghost", 5));
	TRY(unlink("deleted"));
	TRY(mkfifo("fifo", 0600));
	fifo = TRY(open("fifo", O_RDWR));
	snprintf(path, sizeof path, "%s/absolute.sock", arguments[0]);
	bound = bind_to(path);
	bind_to("relative.sock");
	watch = TRY(inotify_init1(IN_NONBLOCK));
	TRY(inotify_add_watch(watch, arguments[0], IN_CREATE));
}

static const char *link_of(int descriptor)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
	live_text[TRY(readlink(path, live_text, sizeof live_text - 1))] = 0;
	return live_text;
}

static const char *answer(const char *question)
{
	if (!strcmp(question, "file"))
		return link_of(file);
	if (!strcmp(question, "rest"))
		return live_text[TRY(read(file, live_text, 64))] = 0, live_text;
	if (!strcmp(question, "mapped"))
		return mapped;
	if (!strcmp(question, "deleted"))
		return link_of(deleted);
	if (!strcmp(question, "ghost"))
		return live_text[TRY(pread(deleted, live_text, 64, 0))] = 0, live_text;
	if (!strcmp(question, "fifo"))
		return link_of(fifo);
	if (!strcmp(question, "bound")) {
		struct sockaddr_un address;
		socklen_t size = sizeof address;
		TRY(getsockname(bound, (struct sockaddr *)&address, &size));
		return SAY("%s", address.sun_path);
	}
	if (!strcmp(question, "datagram"))
		return live_text[TRY(recv(bound, live_text, 64, 0))] = 0, live_text;
	if (!strcmp(question, "event")) {
		char event[4096];
		TRY(read(watch, event, sizeof event));
		return SAY("%s", ((struct inotify_event *)event)->name);
	}
	return NULL;
}
"""


def test_a_program_goes_on_in_another_folder(bench: Bench) -> None:
    old, new = bench.folder / "old", bench.folder / "new" / "deeper"
    old.mkdir()
    (old / "data").write_text("contents")
    (old / "mapped").write_text("what is mapped")
    program = bench.start(FILES, old, cwd=old, executable=old / "bin" / "program")
    assert program.ask("cwd") == str(old)
    images = program.dump()
    new.parent.mkdir()
    old.rename(new)

    touched = change(images, remap_path, str(old), str(new))
    assert {"unix socket", "directory of the unix socket 'relative.sock'", "watched path"} <= {
        item.what for item in touched
    }

    restored = bench.restore(images)
    assert restored.ask("cwd") == str(new)
    assert restored.ask("exe") == f"{new}/bin/program"
    assert restored.ask("file") == f"{new}/data"
    assert restored.ask("rest") == "ontents"
    assert restored.ask("mapped") == "what is mapped"
    assert restored.ask("deleted") == f"{new}/deleted (deleted)"
    assert restored.ask("ghost") == "ghost"
    assert restored.ask("fifo") == f"{new}/fifo"
    assert restored.ask("bound") == f"{new}/absolute.sock"
    (new / "created").touch()
    assert restored.ask("event") == "created"
    for name in ("absolute.sock", "relative.sock"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(new / name))
            sender.send(b"to the new place")
    assert restored.ask("datagram") == "to the new place"
    maps = (restored.proc / "maps").read_text()
    assert f"{new}/mapped" in maps
    assert f"{old}/" not in maps
    assert not old.exists()


MOUNTS = r"""
#include "live.h"
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void prepare(int count, char **arguments)
{
	TRY(chdir(arguments[0]));
	TRY(mount("own", "own", "tmpfs", 0, NULL));
	TRY(mkdir("own/inner", 0700));
	int file = TRY(open("own/inner/file", O_RDWR | O_CREAT, 0600));
	TRY(write(file, "kept", 4));
	TRY(mount("own/inner", "bound", NULL, MS_BIND, NULL));
}

static const char *answer(const char *path)
{
	int file = open(path, O_RDONLY);
	return file < 0 ? "none" : (live_text[TRY(read(file, live_text, 64))] = 0, TRY(close(file)), live_text);
}
"""


def test_mounts_of_a_program_are_in_another_folder(bench: Bench) -> None:
    old, new = bench.folder / "old", bench.folder / "new"
    for name in ("own", "bound"):
        (old / name).mkdir(parents=True)
    program = bench.start(MOUNTS, old, namespaces=("mnt",))
    assert program.ask(f"{old}/bound/file") == "kept"
    images = program.dump()
    old.rename(new)

    change(images, remap_path, str(old), str(new))

    restored = bench.restore(images)
    assert restored.ask("cwd") == str(new)
    assert restored.ask(f"{new}/bound/file") == "kept"
    assert restored.ask(f"{new}/own/inner/file") == "kept"
    mounts = (restored.proc / "mountinfo").read_text()
    assert f"/inner {new}/bound " in mounts
    assert f"{old}/" not in mounts


TERMINAL = r"""
#include "live.h"
#include <fcntl.h>
#include <termios.h>

static int master, slave;

static void prepare(int count, char **arguments)
{
	struct termios settings;
	master = TRY(posix_openpt(O_RDWR | O_NOCTTY));
	TRY(grantpt(master));
	TRY(unlockpt(master));
	slave = TRY(open(ptsname(master), O_RDWR | O_NOCTTY));
	TRY(tcgetattr(slave, &settings));
	cfmakeraw(&settings);
	TRY(tcsetattr(slave, TCSANOW, &settings));
	TRY(write(master, "unread", 6));
}

static const char *answer(const char *question)
{
	if (!strcmp(question, "slave"))
		return SAY("%s", ttyname(slave));
	if (!strcmp(question, "master"))
		return SAY("%s", ptsname(master));
	if (!strcmp(question, "unread"))
		return live_text[TRY(read(slave, live_text, 64))] = 0, live_text;
	TRY(write(slave, question, strlen(question)));
	return live_text[TRY(read(master, live_text, 64))] = 0, live_text;
}
"""


def test_a_terminal_gets_another_number(bench: Bench) -> None:
    program = bench.start(TERMINAL)
    number = int(program.ask("slave").removeprefix("/dev/pts/"))
    images = program.dump()
    free = max((int(path.name) for path in Path("/dev/pts").glob("[0-9]*")), default=0) + 17

    change(images, remap_terminal, number, free)

    restored = bench.restore(images)
    assert restored.ask("slave") == f"/dev/pts/{free}"
    assert restored.ask("master") == f"/dev/pts/{free}"
    assert restored.ask("unread") == "unread"
    assert restored.ask("from end to end") == "from end to end"


COUNTER = r"""
#include "live.h"
static int counter;
static void prepare(int count, char **arguments) {}
static const char *answer(const char *question) { return SAY("%d", ++counter); }
"""


@pytest.fixture
def hierarchy() -> Iterator[Path]:
    """A control group of the unified hierarchy, or of that of pids, which is gone afterwards."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mountpoint, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "pids" in options.split(",")):
            top = Path(mountpoint) / f"dyncrit-{os.getpid()}"
            try:
                top.mkdir()
            except OSError:
                continue
            with ExitStack() as stack:
                stack.callback(remove_groups, top)
                yield top
            return
    pytest.skip("there is no hierarchy of control groups that can be written")


def remove_groups(top: Path) -> None:
    for folder in sorted(top.rglob("*/"), reverse=True):
        folder.rmdir()
    top.rmdir()


def group_of(program: Program, hierarchy: Path) -> str:
    """The group that a program is in, relative to the test's own."""
    lines = (program.proc / "cgroup").read_text().splitlines()
    (path,) = (match[1] for line in lines if (match := re.search(rf":/{hierarchy.name}/(.*)$", line)))
    return path


@pytest.mark.parametrize("way", ["remap_cgroup", "remap_container_id"])
def test_a_program_is_in_another_control_group(hierarchy: Path, bench: Bench, way: str) -> None:
    (hierarchy / "box-1").mkdir()
    program = bench.start(COUNTER)
    (hierarchy / "box-1" / "cgroup.procs").write_text(str(program.host_pid))
    assert group_of(program, hierarchy) == "box-1"
    assert program.ask("next") == "1"
    images = program.dump("--manage-cgroups")
    (hierarchy / "box-1").rmdir()

    if way == "remap_cgroup":
        after = "sub/other"
        change(images, remap_cgroup, f"/{hierarchy.name}/box-1", f"/{hierarchy.name}/sub/other")
    else:
        after = "box-2f"
        change(images, remap_container_id, "box-1", "box-2f")

    restored = bench.restore(images, "--manage-cgroups")
    assert group_of(restored, hierarchy) == after
    assert restored.ask("next") == "2"
    assert not (hierarchy / "box-1").exists()


NAMESPACE = r"""
#include "live.h"
#include <fcntl.h>
#include <sched.h>
static void prepare(int count, char **arguments) {}
static const char *answer(const char *question)
{
	if (!strcmp(question, "unshare"))
		return TRY(unshare(CLONE_NEWCGROUP)), "done";
	int file = TRY(open("/proc/self/cgroup", O_RDONLY));
	return live_text[TRY(read(file, live_text, 4000))] = 0, TRY(close(file)), live_text;
}
"""


def test_a_cgroup_namespace_hides_as_much_as_before(hierarchy: Path, bench: Bench) -> None:
    (hierarchy / "box" / "inner").mkdir(parents=True)
    program = bench.start(NAMESPACE)
    for group, question in (("box", "unshare"), ("box/inner", "groups")):
        (hierarchy / group / "cgroup.procs").write_text(str(program.host_pid))
        program.ask(question)
    assert group_of(program, hierarchy) == "box/inner"
    images = program.dump("--manage-cgroups")

    change(images, remap_cgroup, f"/{hierarchy.name}/box", f"/{hierarchy.name}/a-longer/name")

    restored = bench.restore(images, "--manage-cgroups")
    assert group_of(restored, hierarchy) == "a-longer/name/inner"
    assert ":/inner" in {line[line.rindex(":") :] for line in restored.ask("groups").splitlines()}


def change(images: Path, operation: Callable[..., list[Touched]], *arguments: object) -> list[Touched]:
    with open_checkpoint(images) as checkpoint, checkpoint.edit() as edit:
        touched = operation(edit, *arguments)
    assert touched
    return touched
