from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dyncrit.atomic import open_atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, data: bytes = b"new") -> None:
    with open_atomic(path) as file:
        file.write(data)


def interrupted(path: Path, error: BaseException) -> None:
    with open_atomic(path) as file:
        file.write(b"half of the ne")
        raise error


def test_a_new_file_has_what_was_written_and_leaves_no_neighbour(tmp_path: Path) -> None:
    write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_gets_the_mode_that_the_umask_allows(tmp_path: Path, umask: int, mode: int) -> None:
    # A process of its own: the umask is the whole process's.
    code = "import os, sys\nos.umask(int(sys.argv[2]))\nfrom dyncrit.atomic import open_atomic\n"
    code += "with open_atomic(sys.argv[1]) as file:\n    file.write(b'new')\n"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "file"), str(umask)], check=True)
    assert (tmp_path / "file").stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o444])
def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(mode)
    write(target)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o7777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_is_there_keeps_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    os.chown(target, 1234, 5678)
    write(target)
    assert (target.stat().st_uid, target.stat().st_gid) == (1234, 5678)


def test_until_the_block_ends_the_old_file_stands_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with open_atomic(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_an_error_in_the_block_leaves_the_old_file_and_no_neighbour(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(error):
        interrupted(target, error("stop"))
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_an_error_in_the_block_makes_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"):
        interrupted(tmp_path / "file", ValueError("stop"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("absolute", [True, False])
def test_a_symbolic_link_stays_one_and_its_target_is_written(tmp_path: Path, absolute: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "file", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target if absolute else Path("elsewhere", "file"))
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["file"]


def test_a_dangling_link_stays_one_and_its_target_is_made(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("file")
    write(link)
    assert link.is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_dev_null_stays_a_device() -> None:
    before = Path("/dev/null").stat().st_rdev
    write(Path("/dev/null"))
    assert Path("/dev/null").stat().st_rdev == before
    assert Path("/dev/null").is_char_device()


def test_a_pipe_is_written_to_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write(pipe)
    reader.join(20)
    assert read == [b"new"]
    assert pipe.is_fifo()


def test_a_directory_is_refused_and_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught, open_atomic(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path)


def test_a_missing_folder_is_an_error_that_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "file"
    with pytest.raises(FileNotFoundError) as caught, open_atomic(target):
        pass
    assert str(caught.value.filename) in (str(target), str(target.parent))


@pytest.mark.parametrize("length", [230, 243, 255])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, length: int) -> None:
    target = tmp_path / ("n" * length)
    write(target)
    assert target.read_bytes() == b"new"


def test_a_path_may_be_text(tmp_path: Path) -> None:
    with open_atomic(str(tmp_path / "file")) as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
