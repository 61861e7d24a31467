"""``dyncrit fuzz mutate``."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dyncrit.fuzz.mutate.catalogue import all_mutations
from dyncrit.fuzz.mutate.explaining import explain
from dyncrit.fuzz.mutate.mutation import LAYERS
from dyncrit.fuzz.mutate.record import sidecar_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Run

NAMES = [mutation.name for mutation in all_mutations()]


@pytest.fixture
def checkpoint(data: Path) -> Path:
    return data / "criu-4.2/programs/uns-ipc"


@pytest.fixture
def image(checkpoint: Path) -> Path:
    return checkpoint / "core-1.img"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def explained(run: Run, *paths: Path) -> list[dict]:
    code, shown, err = run("fuzz", "explain", "--json", *paths)
    assert (code, err) == (0, "")
    found = json.loads(shown)
    return [found] if len(paths) == 1 else found


def test_mutants_of_an_image_and_their_sidecars(run: Run, image: Path, out: Path) -> None:
    code, shown, err = run("fuzz", "mutate", image, "--count", 3, "--seed", 5, "-o", out)
    assert (code, err) == (0, "")
    assert shown.decode() == f"{out}: 3 mutants of {image}, of seed 5\n"
    names = [f"000{index}.img" for index in range(3)]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*names, *(f"{name}.mutation.json" for name in names)]
    )
    assert all(item["steps"] for item in explained(run, *(out / name for name in names)))


def test_one_mutant_is_told_as_one(run: Run, image: Path, out: Path) -> None:
    code, shown, _ = run("fuzz", "mutate", image, "-n", 1, "-o", out)
    assert (code, shown.decode()) == (0, f"{out}: 1 mutant of {image}, of seed 0\n")


def test_what_was_written_as_json(run: Run, checkpoint: Path, out: Path) -> None:
    code, shown, err = run("fuzz", "mutate", checkpoint, "-n", 2, "-s", 3, "-o", out, "--json")
    assert (code, err) == (0, "")
    assert json.loads(shown) == {"folder": str(out), "source": str(checkpoint), "seed": 3, "count": 2}
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["0000", "0001"]


def test_the_same_seed_makes_the_same_bytes(run: Run, image: Path, tmp_path: Path) -> None:
    contents = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        assert run("fuzz", "mutate", image, "-n", 5, "--seed", seed, "-o", tmp_path / name)[0] == 0
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).glob("*.img"))])
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize("name", NAMES)
def test_each_mutation_is_made_and_explained(run: Run, checkpoint: Path, out: Path, name: str) -> None:
    """By weight alone: all others of its layer are left out."""
    mutation = next(item for item in all_mutations() if item.name == name)
    others = [
        argument
        for other in all_mutations()
        if other.layer == mutation.layer and other.name != name
        for argument in ("--weight", f"{other.name}=0")
    ]
    arguments = ("-n", 2, "--layer", mutation.layer, *others, "-o", out)
    code, _, err = run("fuzz", "mutate", checkpoint, *arguments)
    assert (code, err) == (0, "")
    for item in explained(run, out / "0000", out / "0001"):
        assert {step["mutation"] for step in item["steps"]} == {name}
        assert item["result"] == item["source_now"] == "same"
        assert all(step["place"] and step["what"] for step in item["steps"])
    code, shown, _ = run("fuzz", "explain", out / "0000")
    assert code == 0
    assert f"({mutation.layer}, {name}: {mutation.description})" in shown.decode()


def test_each_image_of_a_directory_in_turn(run: Run, checkpoint: Path, out: Path) -> None:
    assert run("fuzz", "mutate", checkpoint, "--each", "-n", 4, "-o", out)[0] == 0
    sources = {item["source"] for item in explained(run, *sorted(out.glob("*.img")))}
    assert len(sources) == 4
    assert all(Path(source).parent == checkpoint for source in sources)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_broken_alone(run: Run, checkpoint: Path, out: Path, layer: str) -> None:
    assert run("fuzz", "mutate", checkpoint, "--layer", layer, "-n", 10, "-o", out)[0] == 0
    names = {mutation.name for mutation in all_mutations() if mutation.layer == layer}
    folders = [path for path in sorted(out.iterdir()) if path.is_dir()]
    for item in explained(run, *folders):
        assert {step["mutation"] for step in item["steps"]} <= names


def test_the_list_has_all_mutations(run: Run) -> None:
    code, shown, _ = run("fuzz", "mutate", "--list")
    head, *lines = shown.decode().splitlines()
    assert code == 0
    assert head.split() == ["mutation", "layer", "weight", "what", "it", "does"]
    assert [line.split()[0] for line in lines] == NAMES
    (line,) = (line for line in lines if line.startswith("boundary "))
    assert line.split()[1:3] == ["field", "12"]


def test_the_list_as_json_with_layers_and_weights(run: Run) -> None:
    code, shown, _ = run("fuzz", "mutate", "--list", "--json", "--layer", "head", "--weight", "cut-head=77")
    found = json.loads(shown)
    assert code == 0
    assert {item["layer"] for item in found} == {"head"}
    assert [item["weight"] for item in found if item["mutation"] == "cut-head"] == [77]
    assert all(set(item) == {"mutation", "layer", "weight", "description"} for item in found)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument 'IMAGE|DIR'"),
        (("{image}",), "Missing option '-o' / '--out'"),
        (("{image}", "-o", "{out}", "--seed", "-1"), "-1 is not in the range"),
        (("{image}", "-o", "{out}", "--count", "0"), "0 is not in the range"),
        (("{image}", "-o", "{out}", "--layer", "hed"), "'hed' is not one of 'head', 'record'"),
        (("{image}", "-o", "{out}", "--weight", "boundry=3"), "'boundry'; did you mean boundary?"),
        (("{image}", "-o", "{out}", "--weight", "boundary"), "expected NAME=N, such as boundary=20"),
        (("{image}", "-o", "{out}", "--weight", "boundary=-3"), "expected NAME=N, such as boundary=20"),
        (("{image}", "-o", "{out}", "--weight", "boundary=2", "--layer", "head"), "is of the layer field, "),
        (("--list", "--weight", "nothing-like-it=3"), "no mutation 'nothing-like-it'"),
        (("{image}", "-o", "{out}", "--each"), "--each is for directories; "),
        (("{out}/nothing", "-o", "{out}"), "nothing' does not exist"),
    ],
    ids=range(12),
)
def test_wrong_usage_is_told_in_a_line(run: Run, image: Path, out: Path, arguments, words: str) -> None:
    given = [argument.format(image=image, out=out) for argument in arguments]
    code, shown, err = run("fuzz", "mutate", *given)
    assert (code, shown, err.count("\n")) == (2, b"", 1)
    assert words in err
    assert not out.exists()


def test_sources_that_are_no_image_are_told(run: Run, data: Path, tmp_path: Path, out: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.img").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    archive = data / "archives/podman-4.3-app.tar.gz"
    for source, words in (
        (tmp_path / "notes.txt", "text, not an image"),
        (tmp_path / "empty.img", "an empty file"),
        (tmp_path / "folder", "no files in it; expected a directory of images"),
        (archive, "gzip-compressed tar archive"),
    ):
        code, shown, err = run("fuzz", "mutate", source, "-o", out)
        assert (code, shown, err.count("\n")) == (1, b"", 1)
        assert err.startswith(f"dyncrit: {source}: ")
        assert words in err
        assert not out.exists()


def test_nothing_to_break_is_told(run: Run, image: Path, out: Path) -> None:
    code, _, err = run("fuzz", "mutate", image, "--layer", "checkpoint", "-o", out)
    assert code == 1
    assert err == f"dyncrit: {image}: there is nothing to break with the mutations that were chosen\n"


def test_the_output_is_a_new_folder(run: Run, image: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run("fuzz", "mutate", image, "-o", tmp_path)
    assert (code, err) == (1, f"dyncrit: {tmp_path}: is not empty; name a new folder, or an empty one\n")
    code, _, err = run("fuzz", "mutate", image, "-o", tmp_path / "file")
    assert (code, "is no folder" in err) == (1, True)
    code, _, err = run("fuzz", "mutate", image, "-o", tmp_path / "no/such")
    assert (code, "No such file or directory; 0 of 100 mutants written" in err) == (1, True)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may have over 4 KiB, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_told_with_what_was_written(run: Run, image: Path, out: Path, small_files) -> None:
    code, shown, err = run("fuzz", "mutate", image, "-n", 5000, "-s", 2, "-o", out)
    mutants = sorted(out.glob("*.img"))
    assert (code, shown) == (1, b"")
    assert err == f"dyncrit: {out}: File too large; {len(mutants)} of 5000 mutants written\n"
    assert len(mutants) > 1
    assert {path.name for path in out.iterdir()} == {
        path.name for mutant in mutants for path in (mutant, sidecar_of(mutant))
    }
    assert all(explain(mutant).result == "same" for mutant in mutants)


def test_interrupting_tells_what_was_written(run: Run, image: Path, out: Path, monkeypatch) -> None:
    write_bytes = Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if path.name == "0002.img":
            raise KeyboardInterrupt
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    code, _, err = run("fuzz", "mutate", image, "-o", out)
    assert (code, err.strip()) == (130, f"dyncrit: {out}: 2 of 100 mutants written")
    assert len(list(out.iterdir())) == 4


def test_help_has_an_example(run: Run) -> None:
    code, shown, _ = run("fuzz", "mutate", "--help")
    assert code == 0
    assert b"Examples: dyncrit fuzz mutate core-1.img" in shown
