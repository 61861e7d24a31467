from __future__ import annotations

import shutil

import pytest

from dyncrit import dump, load
from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.edit.memory.environment import set_environment
from dyncrit.errors import DyncritError

PAGE = 4096
HEAP, STACK, FILE = 0x221, 0x203, 0x41
PRESENT = 4
DATA_AT, HEAP_AT, FILE_AT, LIBRARY_AT, STACK_AT = 0x60000, 0x70000, 0x80000, 0x40000000, 0x40800000
ENVIRON, OTHER = DATA_AT + 0x10, DATA_AT + 0x20
VARIABLES = ("FIRST=1", "GREETING=hello", "LAST=3")


class Model:
    """A program's memory: the kernel's stack, a libc's environ, and what it set itself."""

    def __init__(self, word: int = 8, order: str = "little") -> None:
        self.word, self.order = word, order
        self.at: dict[int, bytearray] = {start: bytearray(PAGE) for start in (DATA_AT, HEAP_AT, STACK_AT)}
        self.fields: dict[str, int] = {}

    def pack(self, *values: int) -> bytes:
        return b"".join(value.to_bytes(self.word, self.order) for value in values)

    def put(self, address: int, data: bytes) -> int:
        page = self.at[address - address % PAGE]
        page[address % PAGE : address % PAGE + len(data)] = data
        return address

    def start(self, *variables: str) -> Model:
        """What the kernel puts on the stack, with environ pointing to it."""
        position = STACK_AT + 0x800
        strings = []
        for text in ("program", "argument", *variables):
            strings.append(self.put(position, text.encode() + b"\0"))
            position += len(text) + 1
        environment = strings[2] if variables else position
        self.fields = {
            "mm_start_stack": STACK_AT + 0x100,
            "mm_arg_start": STACK_AT + 0x800,
            "mm_arg_end": environment,
            "mm_env_start": environment,
            "mm_env_end": position,
            "mm_start_brk": HEAP_AT,
            "mm_brk": HEAP_AT + PAGE,
        }
        self.first = STACK_AT + 0x100 + 4 * self.word
        self.put(STACK_AT + 0x100, self.pack(2, *strings[:2], 0, *strings[2:], 0, 6, PAGE, 0, 0))
        self.put(ENVIRON, self.pack(self.first))
        self.strings = strings[2:]
        return self

    def own_array(self, *variables: str, room: int, header: int | None = None, cells: int = 2) -> Model:
        """An array in a chunk for ``room`` words, as after setenv(), with its own string last."""
        chunk = HEAP_AT + 0x100
        array = chunk + 2 * self.word
        size = (room + 1) * self.word
        self.put(chunk, self.pack(0, size | 1 if header is None else header))
        position = HEAP_AT + 0x800
        added = []
        for text in variables:
            added.append(self.put(position, text.encode() + b"\0"))
            position += -(-len(text) // 16) * 16 + 16
        self.put(array, self.pack(*self.strings, *added, 0))
        self.put(chunk + size, self.pack(0, 0x21))
        self.put(ENVIRON, self.pack(array))
        if cells > 1:
            self.put(OTHER, self.pack(array))
        return self

    def scene(self, scene, vma, **mm):
        vmas = [
            vma(DATA_AT, DATA_AT + PAGE),
            vma(HEAP_AT, HEAP_AT + PAGE, HEAP),
            vma(FILE_AT, FILE_AT + PAGE, FILE),
            vma(LIBRARY_AT, LIBRARY_AT + PAGE),
            vma(STACK_AT, STACK_AT + PAGE, STACK),
        ]
        made = scene().process(*vmas, **self.fields, **mm)
        made.pagemap(
            *((start, 1, PRESENT) for start in self.at), pages=b"".join(map(bytes, self.at.values()))
        )
        if self.word == 4:
            core = load(made.folder / "core-1.img")
            core.entries[0].message.mtype = 2  # ARM
            dump(core, made.folder / "core-1.img")
        if self.order == "big":
            for path in made.folder.glob("[cimp]*.img"):
                if not path.name.startswith("pages"):
                    image = load(path)
                    image.frame = image.frame._replace(byte_order=self.order)
                    dump(image, path)
        return made


class Seen:
    """What a program would see in its memory."""

    def __init__(self, made, word: int = 8, order: str = "little") -> None:
        with open_checkpoint(made.folder) as checkpoint:
            process = checkpoint.processes[1]
            self._space, self._word, self._order = process.memory, word, order
            self.shown = self._space.read(
                process.mm.mm_env_start, process.mm.mm_env_end - process.mm.mm_env_start
            )
            self.environ, self.other = self.at(ENVIRON), self.at(OTHER)
            self.walked = self.walk(self.environ)
            self.first = self.walk(process.mm.mm_start_stack + 4 * word)
            self.vmas = [(vma.start, vma.end) for vma in self._space.vmas]
            page = STACK_AT
            self.stack = self._space.read(page, PAGE)

    def at(self, address: int) -> int:
        return int.from_bytes(self._space.read(address, self._word), self._order)

    def walk(self, array: int) -> list[str]:
        found = []
        while array and (pointer := self.at(array)):
            found.append(
                self._space.read(pointer, 200 if pointer % PAGE < PAGE - 200 else PAGE - pointer % PAGE)
            )
            array += self._word
        return [text.split(b"\0")[0].decode(errors="surrogateescape") for text in found]


def shown(*texts: str) -> bytes:
    return "".join(text + "\0" for text in texts).encode()


@pytest.fixture
def kernels(scene, vma):
    return Model().start(*VARIABLES).scene(scene, vma)


@pytest.mark.parametrize(("word", "order"), [(8, "little"), (4, "little"), (8, "big")])
@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("GREETING", "halli", ("FIRST=1", "GREETING=halli", "LAST=3")),
        ("GREETING", "hi", ("FIRST=1", "GREETING=hi", "LAST=3")),
        ("GREETING", "", ("FIRST=1", "GREETING=", "LAST=3")),
        ("GREETING", "good evening", ("FIRST=1", "GREETING=good evening", "LAST=3")),
        ("LAST", "", ("FIRST=1", "GREETING=hello", "LAST=")),
        ("GREETING", None, ("FIRST=1", "LAST=3")),
        ("FIRST", None, ("GREETING=hello", "LAST=3")),
        ("LAST", None, ("FIRST=1", "GREETING=hello")),
        ("NEW", "one", ("FIRST=1", "GREETING=hello", "LAST=3", "NEW=one")),
    ],
)
def test_both_getenv_and_the_kernel_show_the_change(scene, vma, word, order, name, value, result):
    made = Model(word, order).start(*VARIABLES).scene(scene, vma)
    touched, _, after = made.change(set_environment, name, value)
    seen = Seen(after, word, order)
    assert sorted(seen.walked) == sorted(result)
    assert seen.shown == shown(*result)
    old = dict(text.split("=") for text in VARIABLES).get(name, "")
    assert touched[0] == ("process 1", f"variable {name}", old, value or "")
    assert after.change(set_environment, name, value).touched == []


def test_a_value_of_the_same_length_changes_its_bytes_alone(kernels):
    _, changes, after = kernels.change(set_environment, "GREETING", "halli")
    assert {change.file for change in changes} == {"pages-1.img"}
    back = after.change(set_environment, "GREETING", "hello").after
    for path in kernels.folder.iterdir():
        assert (back.folder / path.name).read_bytes() == path.read_bytes()


def test_a_shorter_value_takes_the_place_of_the_old_one_for_those_who_hold_a_pointer_to_it(kernels):
    after = kernels.change(set_environment, "GREETING", "hi").after
    held = STACK_AT + 0x800 + len("program\0argument\0FIRST=1\0")
    assert after.memory(held, 15) == b"GREETING=hi\0\0\0\0"


def test_the_last_variable_shortened_or_taken_out_needs_no_new_mapping(kernels):
    for value in ("", None):
        after = Seen(kernels.change(set_environment, "LAST", value).after)
        assert after.vmas == Seen(kernels).vmas


def test_the_new_mapping_is_private_memory_in_a_gap_and_in_order(kernels):
    touched, _, after = kernels.change(set_environment, "NEW", "one")
    mapping = next(item.after for item in touched if item.what == "mapping")
    with open_checkpoint(after.folder) as checkpoint:
        messages = list(checkpoint.processes[1].mm.vmas)
    assert [vma.start for vma in messages] == sorted(vma.start for vma in messages)
    (new,) = [vma for vma in messages if mapping.startswith(f"{vma.start:#x}-")]
    assert (new.prot, new.flags, new.status, new.fd, new.shmid) == (3, 0x22, 0x201, -1, 0)
    assert LIBRARY_AT - (2 << 20) < new.start < new.end < LIBRARY_AT


def test_arguments_and_the_auxiliary_vector_stay_as_they_are(kernels):
    after = Seen(kernels.change(set_environment, "NEW", "one").after)
    assert after.stack == Seen(kernels).stack
    with open_checkpoint(kernels.folder.with_name("images-changed")) as checkpoint:
        assert checkpoint.processes[1].command_line == ["program", "argument"]


def test_a_second_new_variable_goes_into_the_room_that_the_first_one_made(kernels):
    first = kernels.change(set_environment, "NEW", "one").after
    second = first.change(set_environment, "MORE", "two").after
    assert Seen(second).environ == Seen(first).environ
    assert sorted(Seen(second).walked) == sorted([*VARIABLES, "NEW=one", "MORE=two"])
    assert Seen(second).shown == shown(*VARIABLES, "NEW=one", "MORE=two")


def test_an_empty_environment_gets_its_first_variable(scene, vma):
    made = Model().start().scene(scene, vma)
    after = made.change(set_environment, "NEW", "one").after
    assert Seen(after).walked == ["NEW=one"]
    assert Seen(after).shown == shown("NEW=one")


class TestOwnArrays:
    def test_a_variable_that_the_program_set_is_changed_where_it_stands(self, scene, vma):
        made = Model().start(*VARIABLES).own_array("OWN=abc", room=7).scene(scene, vma)
        after = made.change(set_environment, "OWN", "xyz").after
        assert Seen(after).walked == [*VARIABLES, "OWN=xyz"]
        assert Seen(after).shown == shown(*VARIABLES, "OWN=xyz")
        assert Seen(after).environ == Seen(made).environ

    def test_all_arrays_show_the_change(self, scene, vma):
        made = Model().start(*VARIABLES).own_array("OWN=abc", room=7).scene(scene, vma)
        after = Seen(made.change(set_environment, "GREETING", "good evening").after)
        assert after.walked == ["FIRST=1", "GREETING=good evening", "LAST=3", "OWN=abc"]
        assert after.first == ["FIRST=1", "GREETING=good evening", "LAST=3"]

    def test_an_environment_wholly_of_the_programs_own_is_found_by_the_name(self, scene, vma):
        model = Model().start(*VARIABLES)
        model.strings = []
        made = model.own_array("OWN=abc", "GREETING=salut", room=7).scene(scene, vma)
        after = made.change(set_environment, "GREETING", "good evening").after
        assert Seen(after).walked == ["OWN=abc", "GREETING=good evening"]

    def test_room_in_the_chunk_of_the_allocator_is_used(self, scene, vma):
        made = Model().start(*VARIABLES).own_array("OWN=abc", room=7).scene(scene, vma)
        after = Seen(made.change(set_environment, "NEW", "one").after)
        assert after.walked == [*VARIABLES, "OWN=abc", "NEW=one"]
        assert after.environ == Seen(made).environ

    def test_without_room_it_moves_to_a_mapping_that_the_allocator_can_enlarge(self, scene, vma):
        made = Model().start(*VARIABLES).own_array("OWN=abc", room=5).scene(scene, vma)
        touched, _, after = made.change(set_environment, "NEW", "one")
        seen = Seen(after)
        assert sorted(seen.walked) == sorted([*VARIABLES, "OWN=abc", "NEW=one"])
        assert seen.environ == seen.other != Seen(made).environ
        start = next(int(item.after.split("-")[0], 16) for item in touched if item.what == "mapping")
        assert seen.environ == start + 16
        assert after.memory(start, 16) == (0).to_bytes(8, "little") + (PAGE | 2).to_bytes(8, "little")

    def test_an_array_of_an_unknown_allocator_that_is_kept_in_two_places_is_left_alone(self, scene, vma):
        made = Model().start(*VARIABLES).own_array("OWN=abc", room=5, header=0x1234).scene(scene, vma)
        with pytest.raises(DyncritError, match=r"process 1: keeps its environment at 0x70110, .*not known"):
            made.change(set_environment, "NEW", "one")
        assert Seen(made.change(set_environment, "OWN", "changed").after).walked[-1] == "OWN=changed"

    def test_an_array_that_one_place_points_to_can_be_moved(self, scene, vma):
        model = Model().start(*VARIABLES).own_array("OWN=abc", room=5, header=0x1234, cells=1)
        after = Seen(model.scene(scene, vma).change(set_environment, "NEW", "one").after)
        assert sorted(after.walked) == sorted([*VARIABLES, "OWN=abc", "NEW=one"])

    def test_strings_in_unchanged_pages_of_files_are_kept_and_a_new_variable_stands_before_them(
        self, scene, vma
    ):
        model = Model().start(*VARIABLES)
        model.strings.append(FILE_AT + 0x100)
        made = model.own_array("OWN=abc", room=7).scene(scene, vma)
        after = made.change(set_environment, "NEW", "one").after
        with open_checkpoint(after.folder) as checkpoint:
            memory = checkpoint.processes[1].memory
            (array,) = (int.from_bytes(memory.read(ENVIRON, 8), "little"),)
            pointers = [int.from_bytes(memory.read(array + 8 * at, 8), "little") for at in range(7)]
            assert memory.read(pointers[0], 8) == b"NEW=one\0"
        assert pointers[1:] == [*model.strings, HEAP_AT + 0x800, 0]


class TestWhatCannotBeKnown:
    def test_without_a_pointer_to_the_array_it_is_told(self, scene, vma):
        model = Model().start(*VARIABLES)
        model.put(ENVIRON, bytes(8))
        touched, _, after = model.scene(scene, vma).change(set_environment, "GREETING", "good evening")
        assert touched[-1].what == "pointers to its environment"
        assert "may not see the change" in touched[-1].after
        assert Seen(after).first == ["FIRST=1", "GREETING=good evening", "LAST=3"]

    def test_a_title_where_the_environment_was_is_left_alone_and_told(self, scene, vma):
        model = Model().start(*VARIABLES)
        model.put(model.fields["mm_arg_start"], b"worker process: idle for a while\0".ljust(60, b"\0"))
        model.strings = []
        made = model.own_array("GREETING=salut", room=7).scene(scene, vma)
        touched, _, after = made.change(set_environment, "GREETING", "good evening")
        assert Seen(after).walked == ["GREETING=good evening"]
        assert Seen(after).shown == Seen(made).shown
        assert touched[-1][:2] == ("process 1", "/proc/PID/environ")


class TestErrors:
    @pytest.mark.parametrize(
        ("name", "value", "why"),
        [
            ("", "x", "no name"),
            ("A=B", "x", "no name"),
            ("A\0", "x", "no name"),
            ("A", "x\0y", "NUL"),
            ("A", "x" * (1 << 17), "at most 131071"),
        ],
    )
    def test_what_can_not_be_in_an_environment_is_refused(self, kernels, name, value, why):
        with pytest.raises(DyncritError, match=why):
            kernels.change(set_environment, name, value)

    def test_an_environment_that_is_lost_is_told(self, kernels):
        (kernels.folder / "pages-1.img").write_bytes(bytes(2 * PAGE))
        with pytest.raises(DyncritError, match=r"process 1: .*past the end of .*pages-1\.img"):
            kernels.change(set_environment, "GREETING", "hi")

    def test_bounds_that_can_not_be_are_told(self, kernels):
        mm = load(kernels.folder / "mm-1.img")
        mm.entries[0].message.mm_env_end = 1 << 60
        dump(mm, kernels.folder / "mm-1.img")
        with pytest.raises(DyncritError, match=r"can't be at 0x[0-9a-f]+-0x1000000000000000"):
            kernels.change(set_environment, "GREETING", "hi")

    def test_no_room_is_told(self, kernels, vma):
        mm = load(kernels.folder / "mm-1.img")
        for entry in mm.entries[0].message.vmas:
            entry.end = {FILE_AT: LIBRARY_AT, LIBRARY_AT: STACK_AT, HEAP_AT: FILE_AT}.get(
                entry.start, entry.end
            )
        mm.entries[0].message.mm_brk = FILE_AT
        mm.entries[0].message.vmas[0].end = HEAP_AT
        dump(mm, kernels.folder / "mm-1.img")
        with pytest.raises(DyncritError, match="process 1: no room"):
            kernels.change(set_environment, "NEW", "one")


def test_bytes_that_are_no_text_are_set_and_shown(kernels):
    after = Seen(kernels.change(set_environment, "NEW", "\udcff\udc80").after)
    assert after.shown.endswith(b"NEW=\xff\x80\0")


def test_mappings_in_an_image_of_their_own_are_added_there(kernels, vma):
    mm = load(kernels.folder / "mm-1.img")
    message = mm.entries[0].message
    fields = [{field.name: value for field, value in entry.ListFields()} for entry in message.vmas]
    kernels.write("vmas-1.img", "VMAS", *fields)
    del message.vmas[:]
    dump(mm, kernels.folder / "mm-1.img")
    after = kernels.change(set_environment, "NEW", "one").after
    assert Seen(after).shown == shown(*VARIABLES, "NEW=one")
    starts = [entry.message.start for entry in load(after.folder / "vmas-1.img").entries]
    assert len(starts) == len(fields) + 1
    assert starts == sorted(starts)
    assert not load(after.folder / "mm-1.img").entries[0].message.vmas


@pytest.mark.parametrize("value", ["horse", "correct-horse-battery-stapler", "x" * 10000, None])
def test_a_real_process_shows_it_and_its_child_does_not(data, tmp_path, value):
    folder = shutil.copytree(data / "demo" / "tree", tmp_path / "tree")
    with open_checkpoint(folder) as checkpoint, checkpoint.edit() as edit:
        assert set_environment(edit, 9834, "DEMO_SECRET", value)
    with open_checkpoint(folder) as checkpoint:
        expected = ["PATH=/usr/bin:/bin", "HOME=/", "LANG=C"]
        assert checkpoint.processes[9838].environment == [
            *expected,
            "DEMO_SECRET=correct-horse-battery-staple",
        ]
        expected += [] if value is None else [f"DEMO_SECRET={value}"]
        assert checkpoint.processes[9834].environment == expected
        assert checkpoint.processes[9834].command_line[0] == "./tree"
        assert check(checkpoint, deep=True).findings == ()


@pytest.mark.parametrize(("name", "value"), [("\ud800", "x"), ("X", "\ud800"), ("\ud800", None)])
def test_characters_that_are_none_are_refused(kernels, name, value):
    with pytest.raises(DyncritError, match="characters that are none"):
        kernels.change(set_environment, name, value)


def test_memory_that_a_32_bit_process_cant_have_is_refused(scene, vma):
    made = Model(4).start(*VARIABLES).scene(scene, vma)
    image = load(made.folder / "mm-1.img")
    image.entries[0].message.vmas.add(**vma(1 << 40, (1 << 40) + PAGE))
    dump(image, made.folder / "mm-1.img")
    with pytest.raises(
        DyncritError, match="process 1: its core says that it is a 32-bit process, but it has"
    ):
        made.change(set_environment, "NEW", "one")
