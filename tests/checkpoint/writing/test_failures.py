"""All or nothing: whatever goes wrong on the way, what was there is there, and nothing else."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from dyncrit.checkpoint.location import locate
from dyncrit.checkpoint.writing import directory, renaming
from dyncrit.checkpoint.writing.commit import staging_folder
from dyncrit.errors import DyncritError

OLD = {"a.img": b"a", "b.img": b"b", "c.img": b"c"}
NEW = {"a.img": b"new a", "b.img": None, "d.img": b"new d"}
ENGINE = {"spec.dump": b"new spec"}
HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path, data: Path) -> Path:
    """A checkpoint in a directory of an engine's layout."""
    images = tmp_path / "place" / "dump" / "checkpoint"
    images.mkdir(parents=True)
    shutil.copyfile(data / "demo/tree/inventory.img", images / "inventory.img")
    for name, content in OLD.items():
        (images / name).write_bytes(content)
    (images.parent / "spec.dump").write_bytes(b"spec")
    return images.parent


@pytest.fixture(params=["directory", "archive"])
def place(request: pytest.FixtureRequest, folder: Path) -> Path:
    """The same in a directory, and in an archive."""
    if request.param == "directory":
        return folder
    path = folder.parent / "dump.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.add(folder, ".")
    shutil.rmtree(folder)
    return path


CALLS = ["rename", "replace", "link", "exchange", "fsync", "chown", "chmod", "utime", "mkdir"]


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, number: int, error: BaseException) -> list[str]:
    """Let the call number ``number`` of a function fail; what it gives tells the calls."""
    calls: list[str] = []
    module = renaming if name == "exchange" else os
    right = getattr(module, name)

    def call(*arguments: object, **options: object) -> object:
        calls.append(name)
        if len(calls) == number:
            raise error
        return right(*arguments, **options)

    monkeypatch.setattr(module, name, call)
    return calls


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("is_swapped", [False, True], ids=["exchanged", "one by one"])
@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()], ids=["error", "interrupt"]
)
def test_a_failure_anywhere_leaves_all_as_it_was_or_all_changed(
    place, change, contents, hidden, name, error, is_swapped
):
    before = contents(place)
    after = {**before, "a.img": b"new a", "d.img": b"new d", "outer/spec.dump": b"new spec"}
    after.pop("b.img")
    failures = 0
    for number in range(1, 40):
        with pytest.MonkeyPatch.context() as monkeypatch:
            if is_swapped:
                monkeypatch.setattr(directory, "_must_stay", lambda top: True)
            calls = fail_at(monkeypatch, name, number, error)
            caught = None
            try:
                change(place, NEW, ENGINE)
            except (KeyboardInterrupt, OSError, DyncritError) as failure:
                caught = failure
            monkeypatch.undo()
            found = contents(place)
            if caught is None:
                assert found == after
            elif isinstance(caught, KeyboardInterrupt):
                assert found in (before, after)
            else:
                assert found == before
                assert ".dyncrit-" not in str(caught)
            failures += caught is not None
            assert hidden(place.parent) == []
        if contents(place) == after:
            change(place, {"a.img": b"a", "b.img": b"b", "d.img": None}, {"spec.dump": b"spec"})
            assert contents(place) == before
        if len(calls) < number:
            break
    else:
        pytest.fail("it never got through")
    if name in {"fsync", "chmod", "utime"}:
        assert failures > 0


KILLER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import change_files
from dyncrit.checkpoint.writing import directory, renaming, swap, commit
place, number, after = Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "after"
count = 0
def deadly(right):
    def call(*arguments, **options):
        global count
        count += 1
        if count == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = right(*arguments, **options)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call
for name in ("rename", "replace", "link", "fsync", "chmod", "utime", "unlink", "rmdir", "mkdir"):
    setattr(os, name, deadly(getattr(os, name)))
renaming.exchange = deadly(renaming.exchange)
change_files(place, {"a.img": b"new a", "b.img": None, "d.img": b"new d"}, {"spec.dump": b"new spec"})
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_process_leaves_all_as_it_was_or_all_changed(place, contents, tmp_path, moment):
    before = contents(place)
    after = {**before, "a.img": b"new a", "d.img": b"new d", "outer/spec.dump": b"new spec"}
    after.pop("b.img")
    copy = tmp_path / "copy" / place.name
    seen, number = set(), 0
    while True:
        number += 1
        shutil.rmtree(copy.parent, ignore_errors=True)
        shutil.copytree(place.parent, copy.parent)
        command = [sys.executable, "-c", KILLER, HERE, copy, str(number), moment]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = contents(copy)
        assert found in (before, after)
        seen.add(found == after)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        # every second point; before and after it are the other ones
        number += 1 if place.is_dir() else 0
    assert found == after
    assert seen == {False, True}


def run_limited(place: Path, limit: int) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[1])\nfrom conftest import change_files\n"
        "change_files(Path(sys.argv[2]), {'a.img': b'z' * 3000, 'b.img': b'y'})\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, HERE, place],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )


def test_no_room_is_an_error_that_names_the_checkpoint_and_leaves_all_as_it_was(
    folder, data, contents, hidden
):
    path = folder.parent / "dump.tar"
    with tarfile.open(path, "w") as file:
        file.add(folder, ".")
    before, size = contents(path), path.stat().st_size
    done = run_limited(path, size - 4096)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert str(path) in last
    assert "File too large" in last
    assert ".dyncrit-" not in last
    assert contents(path) == before
    assert hidden(folder.parent) == []


def test_no_room_for_contents_leaves_a_directory_as_it_was(folder, contents, hidden):
    before = contents(folder)
    done = run_limited(folder, 2000)
    assert done.returncode == 1
    assert contents(folder) == before
    assert hidden(folder.parent) == []


@pytest.mark.parametrize("which", ["dump", "dump/checkpoint"])
def test_two_changes_at_once_are_refused(folder, change, contents, which):
    before = contents(folder)
    handle = os.open(folder.parent / which, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(DyncritError, match="another process is changing it"):
            change(folder, {"a.img": b"new"})
        assert contents(folder) == before
    finally:
        os.close(handle)
    change(folder, {"a.img": b"new"})
    assert contents(folder)["a.img"] == b"new"


def test_two_changes_of_an_archive_at_once_are_refused(place, change, contents):
    before = contents(place)
    handle = os.open(place, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(DyncritError, match="another process is changing it"):
            change(place, {"a.img": b"new"})
    finally:
        os.close(handle)
    assert contents(place) == before


def as_nobody(code: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """Run some code as a user that has no rights of root; what it needs is imported before."""
    start = (
        "import os, sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[1])\n"
        "from conftest import change_files\nimport dyncrit.checkpoint.storage.archive, dyncrit.checkpoint.storage.oci\n"
        "import dyncrit.checkpoint.documents, zlib, bz2, lzma, tarfile, encodings.idna\n"
        "os.setgroups([]), os.setgid(65534), os.setuid(65534)\n"
    )
    command = [sys.executable, "-c", start + code, HERE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def of_nobody(tmp_path: Path) -> None:
    """Let others into the folders of a test."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    for path in (tmp_path, *tmp_path.parents[:-2]):
        if path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o711)


@pytest.mark.usefixtures("of_nobody")
@pytest.mark.parametrize("names", [{"a.img": "x"}, {"a.img": "x", "b.img": "y"}], ids=["one", "two"])
def test_what_may_not_be_written_is_an_error_that_names_it(place, contents, hidden, names):
    before = contents(place)
    code = f"change_files(Path(sys.argv[2]), {{name: b'x' for name in {list(names)!r}}})\n"
    done = as_nobody(code, place)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "ermission denied" in last
    assert str(place) in last
    assert contents(place) == before
    assert hidden(place.parent) == []


@pytest.mark.usefixtures("of_nobody")
@pytest.mark.parametrize("is_parent_writable", [True, False])
def test_the_owner_of_a_directory_needs_no_rights_around_it(folder, contents, hidden, is_parent_writable):
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    folder.parent.chmod(0o777 if is_parent_writable else 0o755)
    known = (folder / "checkpoint/c.img").stat().st_ino
    code = "change_files(Path(sys.argv[2]), {'a.img': b'new', 'b.img': None}, {'spec.dump': b'new'})\n"
    done = as_nobody(code, folder)
    assert done.returncode == 0, done.stderr
    found = contents(folder)
    assert (found["a.img"], found["outer/spec.dump"], "b.img" in found) == (b"new", b"new", False)
    assert (folder / "checkpoint/c.img").stat().st_ino == known
    assert hidden(folder.parent) == []


@pytest.mark.usefixtures("of_nobody")
def test_a_directory_of_somebody_else_keeps_its_owner(folder, contents, hidden):
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)
    folder.parent.chmod(0o777)
    code = "change_files(Path(sys.argv[2]), {'a.img': b'new', 'b.img': None}, {'spec.dump': b'new'})\n"
    done = as_nobody(code, folder)
    assert done.returncode == 0, done.stderr
    assert contents(folder)["a.img"] == b"new"
    assert (folder / "checkpoint").stat().st_uid == 0
    assert hidden(folder.parent) == []


def test_the_staging_folder_is_private_beside_and_gone_afterwards(place):
    location = locate(place)
    with staging_folder(place, location) as staging:
        (staging / "folder").mkdir()
        (staging / "folder" / "file").write_bytes(b"x")
        assert staging.stat().st_mode & 0o777 == 0o700
        assert staging.parent == place.parent
        assert staging.stat().st_dev == place.stat().st_dev
    assert not staging.exists()
    location.root.close()


def test_the_staging_folder_goes_when_its_block_raises(folder, hidden):
    with pytest.raises(ZeroDivisionError), staging_folder(folder, locate(folder)):
        _ = 1 / 0
    assert hidden(folder.parent) == []


def test_a_file_that_cannot_be_undone_is_said_to_lie_beside(folder, change, monkeypatch):
    monkeypatch.setattr(directory, "_must_stay", lambda top: True)
    exchange, replace, calls = renaming.exchange, os.replace, []

    def broken(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) > 1:
            raise OSError(errno.EIO, "Input/output error")
        exchange(*arguments)

    monkeypatch.setattr(renaming, "exchange", broken)
    monkeypatch.setattr(os, "replace", lambda *paths: broken(*paths) if calls else replace(*paths))
    with pytest.raises(DyncritError, match=r"old contents: that of .*a.img is in ") as caught:
        change(folder, {"a.img": b"new a", "c.img": b"new c"})
    place = Path(str(caught.value).rpartition(" is in ")[2])
    assert place.read_bytes() == b"a"
    assert (folder / "checkpoint/c.img").read_bytes() == b"c"
