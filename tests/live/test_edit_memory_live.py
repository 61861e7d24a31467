"""Memory and environments changed in images of real processes, and seen from inside when they run again."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from dyncrit import dump, load
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.memory.environment import set_environment
from dyncrit.edit.memory.writing import write_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dyncrit.checkpoint.editing.edit import Edit
    from dyncrit.edit.touched import Touched

PROGRAM = r"""
#include "live.h"
#include <sys/mman.h>
#include <pthread.h>

extern char **environ;

#define PAGES 8
static char *private, *shared, *memory_file, *mixed;
static const char *held;
static char **early;

static void *wait_for_ever(void *nothing) { for (;;) pause(); return nothing; }

static char *map(int flags, int fd)
{
	char *at = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (at == MAP_FAILED)
		exit(1);
	strcpy(at + 4096, "the old words");
	return at;
}

static void prepare(int count, char **arguments)
{
	early = environ;
	private = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	shared = map(MAP_SHARED | MAP_ANONYMOUS, -1);
	int fd = TRY(memfd_create("words", 0));
	TRY(ftruncate(fd, PAGES * 4096));
	memory_file = map(MAP_SHARED, fd);
	mixed = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	mixed[2 * 4096] = 'x';
	held = getenv("GREETING");
	for (int at = 0; at < count; at++) {
		if (!strcmp(arguments[at], "thread")) {
			pthread_t thread;
			TRY(-pthread_create(&thread, NULL, wait_for_ever, NULL));
		} else if (strchr(arguments[at], '=')) {
			char *name = strdup(arguments[at]);
			*strchr(name, '=') = 0;
			TRY(setenv(name, strchr(arguments[at], '=') + 1, 1));
		}
	}
}

static char *place(const char *name)
{
	return !strcmp(name, "private") ? private : !strcmp(name, "shared") ? shared :
		!strcmp(name, "memory_file") ? memory_file : mixed;
}

static const char *answer(const char *question)
{
	char name[32], value[4096];
	unsigned long offset;
	if (sscanf(question, "where %31s", name) == 1)
		return SAY("%lu", (unsigned long)place(name));
	if (sscanf(question, "text %31s %lu", name, &offset) == 2)
		return place(name)[offset] ? place(name) + offset : "(nothing)";
	if (sscanf(question, "touch %31s %lu", name, &offset) == 2)
		return strcpy(place(name) + offset, "touched");
	if (sscanf(question, "set %31[^=]=%4095s", name, value) == 2)
		return setenv(name, value, 1) ? "?" : "set";
	if (!strcmp(question, "held"))
		return held ? held : "(nothing)";
	if (!strcmp(question, "walk")) {
		for (char **at = environ; *at; at++)
			strcat(strcat(live_text, *at), "\n");
		return live_text;
	}
	if (!strcmp(question, "first")) {
		for (char **at = early; *at; at++)
			strcat(strcat(live_text, *at), "\n");
		return live_text;
	}
	if (!strcmp(question, "/proc")) {
		FILE *file = fopen("/proc/self/environ", "r");
		size_t size = fread(live_text, 1, sizeof live_text - 1, file);
		fclose(file);
		for (size_t at = 0; at < size; at++)
			live_text[at] = live_text[at] ? live_text[at] : '\n';
		return live_text;
	}
	if (!strcmp(question, "command")) {
		FILE *file = fopen("/proc/self/cmdline", "r");
		size_t size = fread(live_text, 1, sizeof live_text - 1, file);
		fclose(file);
		for (size_t at = 0; at + 1 < size; at++)
			live_text[at] = live_text[at] ? live_text[at] : ' ';
		return live_text;
	}
	return NULL;
}
"""

COLOUR = "COLOUR=blue"
IN_PARENT, PRESENT = 1, 4


def change(images: Path, operation: Callable[[Edit], list[Touched]]) -> list[Touched]:
    with open_checkpoint(images) as checkpoint, checkpoint.edit() as edit:
        touched = operation(edit)
    with open_checkpoint(images) as checkpoint:
        report = check(checkpoint, deep=True)
    assert [str(finding) for finding in report.findings if finding.severity != "note"] == []
    assert touched
    return touched


def increment(parent: Path, folder: Path) -> Path:
    """An increment on a full dump in which no page had changed: not every kernel can track them."""
    shutil.copytree(parent, folder)
    (folder / "parent").symlink_to(f"../{parent.name}")
    for path in folder.glob("pagemap-*.img"):
        image = load(path)
        for entry in image.entries[1:]:
            entry.message.flags = entry.message.flags & ~PRESENT | IN_PARENT
        dump(image, path)
    for path in folder.glob("pages-*.img"):
        path.unlink()
    return folder


def written(name: str, offset: int, data: bytes, bench, *, before: bytes = b"the old words") -> None:
    program = bench.start(PROGRAM)
    address = int(program.ask(f"where {name}")) + offset
    images = program.dump()
    (touched, *_) = change(images, lambda edit: write_memory(edit, program.pid, address, data))
    assert touched.before == before.ljust(len(data), b"\0")[: len(data)].hex(" ")
    restored = bench.restore(images)
    assert restored.ask(f"text {name} {offset}") == data.rstrip(b"\0").decode()


@pytest.mark.parametrize("name", ["private", "shared", "memory_file", "mixed"])
def test_bytes_in_a_page_that_is_in_the_images_come_back_changed(bench, name):
    written(name, 4096, b"the new words\0", bench)


@pytest.mark.parametrize("name", ["private", "shared", "memory_file", "mixed"])
def test_bytes_in_a_page_that_was_never_touched_come_back(bench, name):
    written(name, 5 * 4096, b"words out of nothing\0", bench, before=b"")


def test_bytes_across_a_page_that_is_there_and_one_that_is_not_come_back(bench):
    program = bench.start(PROGRAM)
    start = int(program.ask("where private"))
    images = program.dump()
    text = b"a text over two pages\0"
    touched = change(images, lambda edit: write_memory(edit, program.pid, start + 8192 - 10, text))
    assert len(touched) == 2
    restored = bench.restore(images)
    assert restored.ask(f"text private {8192 - 10}") == text[:-1].decode()
    assert restored.ask("text private 4096") == "the old words"


@pytest.mark.parametrize("name", ["private", "shared", "memory_file", "mixed"])
def test_a_page_that_only_the_parent_holds_is_copied_up_and_comes_back_changed(bench, name):
    program = bench.start(PROGRAM)
    offset = 2 * 4096 if name == "mixed" else 4096  # where it has a page of its own
    address = int(program.ask(f"where {name}")) + offset
    parent = program.dump(images=bench.folder / "1")
    last = increment(parent, bench.folder / "2")
    before = {path: path.read_bytes() for path in parent.iterdir() if path.is_file()}
    (touched,) = change(last, lambda edit: write_memory(edit, program.pid, address, b"the new"))
    assert "copied up from the parent" in touched.what
    assert before == {path: path.read_bytes() for path in parent.iterdir() if path.is_file()}
    restored = bench.restore(last)
    assert restored.ask(f"text {name} {offset}") == ("the new" if name == "mixed" else "the new words")
    others = {"private", "shared", "memory_file"} - {name}
    assert {restored.ask(f"text {other} 4096") for other in others} == {"the old words"}


def test_a_page_that_only_a_pre_dump_holds_is_copied_up_and_comes_back_changed(bench):
    feature = [bench.criu, "check", "--feature", "mem_dirty_track"]
    if bench.run(*feature, check=False).returncode:
        pytest.skip("the kernel doesn't track which pages are written to")
    program = bench.start(PROGRAM)
    address = int(program.ask("where private")) + 4096
    program.dump("--track-mem", images=bench.folder / "1", action="pre-dump")
    program.ask("touch private 12288")
    last = program.dump("--track-mem", "--prev-images-dir", "../1", images=bench.folder / "2")
    (touched,) = change(last, lambda edit: write_memory(edit, program.pid, address, b"the new"))
    assert "copied up from the parent" in touched.what
    restored = bench.restore(last)
    assert restored.ask("text private 4096") == "the new words"
    assert restored.ask("text private 12288") == "touched"


def test_variables_of_an_increment_are_set_where_only_the_parent_holds_the_memory(bench):
    program = bench.start(PROGRAM, environment={"GREETING": "hello"})
    last = increment(program.dump(images=bench.folder / "1"), bench.folder / "2")
    change(last, lambda edit: set_environment(edit, program.pid, "GREETING", "good evening"))
    change(last, lambda edit: set_environment(edit, program.pid, "COLOUR", "blue"))
    restored = bench.restore(last)
    assert {"GREETING=good evening", COLOUR} <= set(restored.ask("walk").splitlines())
    assert {"GREETING=good evening", COLOUR} <= set(restored.ask("/proc").splitlines())


GREETINGS = {
    "same": "halloo",
    "shorter": "hi",
    "empty": "",
    "longer": "good evening to you all, " * 20,
    "over a page": "x" * 5000,
}


@pytest.mark.parametrize("value", GREETINGS.values(), ids=GREETINGS)
@pytest.mark.parametrize(
    "own", [(), ("GREETING=salut!",), ("SIZE=large", "thread")], ids=["kernel", "set", "other"]
)
def test_another_value_is_what_the_program_and_the_kernel_tell(bench, value, own):
    program = bench.start(PROGRAM, *own, environment={"GREETING": "hello!", "COLOUR": "blue"})
    walk, shown, command = (program.ask(question) for question in ("walk", "/proc", "command"))
    images = program.dump()
    change(images, lambda edit: set_environment(edit, program.pid, "GREETING", value))
    restored = bench.restore(images)
    old = "GREETING=salut!" if "GREETING=salut!" in own else "GREETING=hello!"
    assert restored.ask("walk") == walk.replace(old, f"GREETING={value}")
    assert f"GREETING={value}" in restored.ask("first").splitlines()
    assert restored.ask("/proc") == shown.replace("GREETING=hello!", f"GREETING={value}")
    assert restored.ask("command") == command
    assert restored.ask("set COLOUR=red") == "set"
    assert restored.ask("set MORE=yes") == "set"
    assert (restored.ask("env COLOUR"), restored.ask("env MORE")) == ("red", "yes")


@pytest.mark.parametrize("own", [(), ("SIZE=large",), ("SIZE=large", "TASTE=sweet"), ("A=1", "B=2", "C=3")])
def test_new_variables_are_what_the_program_and_the_kernel_tell(bench, own):
    program = bench.start(PROGRAM, *own, environment={"COLOUR": "blue"})
    walk, shown, command = (program.ask(question) for question in ("walk", "/proc", "command"))
    images = program.dump()
    change(images, lambda edit: set_environment(edit, program.pid, "GREETING", "hello"))
    change(images, lambda edit: set_environment(edit, program.pid, "FAREWELL", "bye"))
    change(images, lambda edit: set_environment(edit, program.pid, "GREETING", "hello, hello"))
    restored = bench.restore(images)
    new = {"GREETING=hello, hello", "FAREWELL=bye"}
    assert sorted(restored.ask("walk").splitlines()) == sorted([*walk.splitlines(), *new])
    assert sorted(restored.ask("/proc").splitlines()) == sorted([*shown.splitlines(), *new])
    assert restored.ask("command") == command
    for number in range(200):  # more than there is room for: the array is enlarged by the program
        assert restored.ask(f"set VARIABLE{number}={number}") == "set"
    assert restored.ask("env VARIABLE0") == "0"
    assert restored.ask("env GREETING") == "hello, hello"


@pytest.mark.parametrize("own", [(), ("GREETING=salut!",)], ids=["kernel", "set"])
def test_a_variable_that_was_taken_out_is_gone(bench, own):
    program = bench.start(PROGRAM, *own, environment={"GREETING": "hello!", "COLOUR": "blue"})
    walk, shown = program.ask("walk"), program.ask("/proc")
    images = program.dump()
    change(images, lambda edit: set_environment(edit, program.pid, "GREETING", None))
    restored = bench.restore(images)
    kept = [line for line in walk.splitlines() if not line.startswith("GREETING=")]
    assert restored.ask("walk").splitlines() == kept
    assert restored.ask("/proc") == shown.replace("GREETING=hello!\n", "")
    assert restored.ask("set GREETING=again") == "set"
    assert restored.ask("env GREETING") == "again"


def test_a_changed_process_can_be_dumped_and_changed_again(bench):
    program = bench.start(PROGRAM, environment={"GREETING": "hello"})
    images = program.dump()
    change(images, lambda edit: set_environment(edit, program.pid, "GREETING", "good evening"))
    change(images, lambda edit: set_environment(edit, program.pid, "COLOUR", "blue"))
    images = bench.restore(images).dump()
    with open_checkpoint(images) as checkpoint:
        shown = checkpoint.processes[program.pid].environment
    assert {"GREETING=good evening", COLOUR} <= set(shown)
    change(images, lambda edit: set_environment(edit, program.pid, "COLOUR", "red and yellow"))
    change(images, lambda edit: set_environment(edit, program.pid, "GREETING", None))
    left = {text for text in shown if not text.startswith(("GREETING=", "COLOUR="))}
    again = bench.restore(images)
    assert set(again.ask("walk").splitlines()) == left | {"COLOUR=red and yellow"}
    assert set(again.ask("/proc").splitlines()) == left | {"COLOUR=red and yellow"}


@pytest.mark.parametrize("value", ["halloo", "hi"])
def test_a_value_that_is_no_longer_is_seen_by_who_asked_for_it_before(bench, value):
    program = bench.start(PROGRAM, environment={"GREETING": "hello!", "COLOUR": "blue"})
    images = program.dump()
    change(images, lambda edit: set_environment(edit, program.pid, "GREETING", value))
    assert bench.restore(images).ask("held") == value
