from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit import DyncritError, Image, ImageError, dumps
from dyncrit.fuzz import exercise
from dyncrit.fuzz.chance import Chance
from dyncrit.fuzz.exercise import BrokenPromiseError, exercise_checkpoint, exercise_image
from dyncrit.fuzz.generate.checkpoints import CheckpointGenerator
from dyncrit.fuzz.generate.images import ImageGenerator, known_types, usual_name
from dyncrit.fuzz.mutate.across import mutate_checkpoint
from dyncrit.fuzz.mutate.mutator import Mutator
from dyncrit.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from dyncrit.checkpoint import Checkpoint

SCHEMA = Schema.default()


@pytest.fixture(scope="module")
def pstree() -> bytes:
    image = Image.new("PSTREE")
    image.add(pid=1, ppid=0, pgid=1, sid=1, threads=[1])
    return dumps(image)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in which nothing is wrong."""
    folder = tmp_path_factory.mktemp("checkpoint")
    for name, content in CheckpointGenerator(SCHEMA, Chance(1)).generate().items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def every_view() -> tuple[Callable[[Checkpoint], object], ...]:
    return runpy.run_path(str(Path(__file__).with_name("every_view.py")))["EVERY_VIEW"]


def test_an_image_is_accepted(pstree: bytes) -> None:
    assert exercise_image(pstree, SCHEMA) is True


@pytest.mark.parametrize("content", [b"", b"text", bytes(100)])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    assert exercise_image(content, SCHEMA) is False


def test_a_damaged_image_is_refused(pstree: bytes) -> None:
    assert exercise_image(pstree[:-1], SCHEMA) is False
    assert exercise_image(pstree + b"\1", SCHEMA) is False


def test_the_name_tells_types_without_a_magic() -> None:
    rows = [row for row in known_types(SCHEMA) if row.magic is None]
    assert rows
    for row in rows:
        content = ImageGenerator(SCHEMA, Chance(1)).generate(row)
        assert exercise_image(content, SCHEMA, usual_name(row)) is True
        assert exercise_image(content, SCHEMA) is False


def test_mutated_images_keep_what_is_promised(pstree: bytes, data: Path) -> None:
    mutator = Mutator(SCHEMA)
    core = (data / "criu-4.2/host/env00/core-66.img").read_bytes()
    accepted = {
        exercise_image(mutator.mutate_bytes(image, Chance(seed)).data, SCHEMA)
        for image in (pstree, core)
        for seed in range(60)
    }
    assert accepted == {True, False}


def test_an_image_that_is_written_as_another_breaks_the_promise(pstree, monkeypatch) -> None:
    monkeypatch.setattr(exercise, "dumps", lambda _: pstree[:-1] + b"\7")
    place = len(pstree) - 1
    words = f"^read and written, it is another from byte {place} on: {len(pstree)} bytes, then {len(pstree)}$"
    with pytest.raises(BrokenPromiseError, match=words):
        exercise_image(pstree, SCHEMA)


def test_an_image_that_is_written_shorter_breaks_the_promise(pstree, monkeypatch) -> None:
    monkeypatch.setattr(exercise, "dumps", lambda _: pstree[:-4])
    with pytest.raises(BrokenPromiseError, match=f"from byte {len(pstree) - 4} on"):
        exercise_image(pstree, SCHEMA)


def test_documents_that_give_another_image_break_the_promise(pstree, monkeypatch) -> None:
    monkeypatch.setattr(
        exercise, "encode_document", lambda _source, _name, target, _schema: target.write(b"x")
    )
    with pytest.raises(BrokenPromiseError, match="decoded plain and encoded, it is another from byte 0"):
        exercise_image(pstree, SCHEMA)


def test_documents_that_encode_refuses_break_the_promise(pstree, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise DyncritError("not this one")

    monkeypatch.setattr(exercise, "encode_document", refuse)
    with pytest.raises(BrokenPromiseError, match=r"^decoded, and refused by encode: not this one$"):
        exercise_image(pstree, SCHEMA)


def decode_unless(refuses: Callable[[object], bool]) -> Callable[..., None]:
    """Decoding that is refused in some ways."""
    decode = exercise.decode_image

    def decoded(source, name, target, schema, way) -> None:
        if refuses(way):
            raise ImageError("refused")
        decode(source, name, target, schema, way)

    return decoded


@pytest.mark.parametrize(("pretty", "one"), [(True, "plain"), (False, "pretty")])
def test_both_ways_of_decoding_are_to_agree(pstree, monkeypatch, pretty, one) -> None:
    monkeypatch.setattr(exercise, "decode_image", decode_unless(lambda way: way.pretty is pretty))
    with pytest.raises(BrokenPromiseError, match=f"^decoded {one} only$"):
        exercise_image(pstree, SCHEMA)


def test_what_is_decoded_is_to_be_an_image_in_memory_too(pstree, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> Image:
        raise ImageError("refused")

    monkeypatch.setattr(exercise, "loads", refuse)
    with pytest.raises(BrokenPromiseError, match=r"^decoded in a stream, and refused as an image$"):
        exercise_image(pstree, SCHEMA)


def test_keep_going_changes_nothing_on_a_whole_image(pstree, monkeypatch) -> None:
    monkeypatch.setattr(exercise, "decode_image", decode_unless(lambda way: way.keep_going))
    with pytest.raises(BrokenPromiseError, match="with keep-going, the document of a whole image is another"):
        exercise_image(pstree, SCHEMA)


def test_what_keep_going_left_is_encoded_to_the_same_bytes_or_refused(pstree, monkeypatch) -> None:
    monkeypatch.setattr(
        exercise, "encode_document", lambda _source, _name, target, _schema: target.write(b"x")
    )
    with pytest.raises(BrokenPromiseError, match="decoded with keep-going and encoded, it is another"):
        exercise_image(pstree[:-1], SCHEMA)


def test_errors_have_words(pstree, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> Image:
        raise ImageError(" ")

    monkeypatch.setattr(exercise, "loads", refuse)
    with pytest.raises(BrokenPromiseError, match=r"^an error without words$"):
        exercise_image(pstree, SCHEMA)


def test_a_fault_goes_through_as_it_is(pstree, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> Image:
        raise KeyError("fault")

    monkeypatch.setattr(exercise, "loads", fail)
    with pytest.raises(KeyError, match="fault"):
        exercise_image(pstree, SCHEMA)


def test_a_checkpoint_is_checked_and_looked_at_in_every_way(checkpoint: Path, every_view) -> None:
    seen = []
    assert exercise_checkpoint(checkpoint, SCHEMA, [*every_view, seen.append]) == 0
    assert len(seen) == 1
    assert len(every_view) > 20


def test_the_number_of_findings_is_told(checkpoint: Path, tmp_path: Path) -> None:
    for path in checkpoint.iterdir():
        if not path.name.startswith("core-"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    count = exercise_checkpoint(tmp_path, SCHEMA)
    assert count is not None
    assert count > 0


def test_what_is_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert exercise_checkpoint(tmp_path / "nothing", SCHEMA) is None
    assert exercise_checkpoint(tmp_path, SCHEMA) is None


@pytest.mark.parametrize("error", [DyncritError("damaged"), OSError(5, "Input/output error")])
def test_a_view_may_say_that_it_cannot(checkpoint: Path, error: Exception) -> None:
    def view(_: Checkpoint) -> None:
        raise error

    assert exercise_checkpoint(checkpoint, SCHEMA, [view]) == 0


def test_a_view_that_says_nothing_breaks_the_promise(checkpoint: Path) -> None:
    def view(_: Checkpoint) -> None:
        raise DyncritError("")

    with pytest.raises(BrokenPromiseError, match="without words"):
        exercise_checkpoint(checkpoint, SCHEMA, [view])


def test_a_fault_of_a_view_goes_through(checkpoint: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        exercise_checkpoint(checkpoint, SCHEMA, [lambda _: 1 // 0])


def test_check_may_not_give_up(checkpoint: Path, monkeypatch) -> None:
    def give_up(*_: object, **__: object) -> None:
        raise ImageError("damaged")

    monkeypatch.setattr(exercise, "check", give_up)
    with pytest.raises(BrokenPromiseError, match=r"^check gave up: damaged$"):
        exercise_checkpoint(checkpoint, SCHEMA)


def test_mutated_checkpoints_keep_what_is_promised(checkpoint: Path, tmp_path: Path, every_view) -> None:
    files = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    mutator = Mutator(SCHEMA)
    counts = []
    for seed in range(12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        for name, content in mutate_checkpoint(files, mutator, Chance(seed))[0].items():
            (folder / name).write_bytes(content)
        counts.append(exercise_checkpoint(folder, SCHEMA, every_view))
    assert any(counts)
