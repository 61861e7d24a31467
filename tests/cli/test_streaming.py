from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import dyncrit

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
LIMIT = 100 * MIB

# A small process between the tests and dyncrit: a child's peak begins with its parent's.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def run(*arguments: object) -> tuple[int, int]:
    """The exit code of dyncrit and the most memory that it held, in bytes."""
    command = [sys.executable, "-m", "dyncrit", *map(str, arguments)]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command], stdout=subprocess.PIPE, timeout=300, check=True
    )
    code, peak = map(int, done.stdout.split())
    return code, peak


def same(first: Path, second: Path) -> bool:
    return subprocess.run(["cmp", "-s", str(first), str(second)], check=False).returncode == 0


@pytest.fixture
def ghost(tmp_path: Path) -> Path:
    image = dyncrit.Image.new("GHOST_FILE")
    image.add(b"", uid=0, gid=0, mode=0o100644, dev=1, ino=2)
    path = tmp_path / "ghost-file-1.img"
    dyncrit.dump(image, path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 64 * MIB)
        file.seek(40 * MIB)
        file.write(os.urandom(1000))
    return path


@pytest.fixture
def pagemap(tmp_path: Path) -> Path:
    image = dyncrit.Image.new("PAGEMAP")
    image.add(pages_id=1)
    entry = image.add(vaddr=0x7F00_0000_0000, compat_nr_pages=0, flags=4, nr_pages=17)
    framed = len(entry.record).to_bytes(4, "little") + entry.record
    path = tmp_path / "pagemap-1.img"
    path.write_bytes(dyncrit.dumps(image) + framed * 199_999)
    return path


@pytest.mark.parametrize("options", [[], ["--pretty"], ["--format", "ndjson"]], ids=" ".join)
def test_a_large_payload_takes_little_memory_both_ways(
    options: list[str], ghost: Path, tmp_path: Path
) -> None:
    document, again = tmp_path / "document", tmp_path / "again.img"
    code, peak = run("decode", *options, ghost, "-o", document)
    assert code == 0
    assert peak < LIMIT
    code, peak = run("encode", document, "-o", again)
    assert code == 0
    assert peak < LIMIT
    assert same(ghost, again)


@pytest.mark.parametrize("options", [[], ["--pretty"], ["--format", "ndjson"]], ids=" ".join)
def test_many_entries_take_little_memory_both_ways(options: list[str], pagemap: Path, tmp_path: Path) -> None:
    document, again = tmp_path / "document", tmp_path / "again.img"
    code, peak = run("decode", *options, pagemap, "-o", document)
    assert code == 0
    assert peak < LIMIT
    code, peak = run("encode", document, "-o", again)
    assert code == 0
    assert peak < LIMIT
    assert same(pagemap, again)


def test_info_takes_little_memory(ghost: Path, pagemap: Path) -> None:
    code, peak = run("info", ghost, pagemap)
    assert code == 0
    assert peak < LIMIT


def test_a_document_with_sorted_keys_takes_little_memory(ghost: Path, pagemap: Path, tmp_path: Path) -> None:
    """Its magic stands behind its entries."""
    for path in (ghost, pagemap):
        document, again = tmp_path / "document", tmp_path / "again.img"
        assert run("decode", path, "-o", document)[0] == 0
        text = document.read_bytes()
        head, _, rest = text.partition(b'"entries":')
        magic = head.removeprefix(b"{").rstrip(b",")
        document.write_bytes(b'{"entries":' + rest.rstrip().removesuffix(b"}") + b"," + magic + b"}\n")
        code, peak = run("encode", document, "-o", again)
        assert code == 0
        assert peak < LIMIT
        assert same(path, again)


def test_a_large_file_from_a_pipe_takes_little_memory(ghost: Path, tmp_path: Path) -> None:
    code = (
        f"import subprocess,sys; sys.exit(subprocess.run('cat {ghost} | {sys.executable} -m dyncrit decode "
    )
    code += f"| {sys.executable} -m dyncrit encode > {tmp_path / 'again.img'}', shell=True).returncode)"
    done = subprocess.run([sys.executable, "-c", _MEASURE, sys.executable, "-c", code], stdout=-1, check=True)
    exit_code, peak = map(int, done.stdout.split())
    assert exit_code == 0
    assert peak < LIMIT
    assert same(ghost, tmp_path / "again.img")
