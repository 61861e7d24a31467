"""``dyncrit set-hostname``: another host name."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dyncrit import load
from dyncrit.checkpoint import open_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """Process 1 in UTS namespace 12, called zhost."""
    return shutil.copytree(data / "criu-4.2/programs/uns-ipc", tmp_path / "copy", symlinks=True)


def names(folder: Path) -> tuple[str, str]:
    message = load(folder / "utsns-12.img").entries[0].message
    return message.nodename, message.domainname


def test_the_name_is_changed_and_told(run: Run, folder: Path) -> None:
    assert run("set-hostname", folder, "web-2") == (0, b"utsns-12.img: host name: zhost -> web-2\n", "")
    assert names(folder) == ("web-2", "(none)")


def test_the_domain_can_be_changed_with_it(run: Run, folder: Path) -> None:
    assert run("set-hostname", "--domain", "example.org", folder, "web-2")[0] == 0
    assert names(folder) == ("web-2", "example.org")


@pytest.mark.parametrize("chosen", [("--namespace", "12"), ("-p", "1")])
def test_the_namespace_can_be_chosen(run: Run, folder: Path, chosen: tuple[str, str]) -> None:
    assert run("set-hostname", *chosen, folder, "web-2")[0] == 0
    assert names(folder) == ("web-2", "(none)")


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        (("--namespace", "4711"), "no UTS namespace 4711; expected one of its own: 12 (of process 1)"),
        (("-p", "7"), "no process 7; there is 1"),
    ],
)
def test_a_choice_of_what_is_not_there_is_an_error(
    run: Run, folder: Path, chosen: tuple[str, str], problem: str
) -> None:
    code, out, err = run("set-hostname", *chosen, folder, "web-2")
    assert (code, out) == (1, b"")
    assert problem in err
    assert names(folder) == ("zhost", "(none)")


def test_two_choices_are_a_mistake(run: Run, folder: Path) -> None:
    code, _, err = run("set-hostname", "-p", "1", "--namespace", "12", folder, "web-2")
    assert code == 2
    assert "give one" in err


def test_a_dry_run_writes_nothing(run: Run, folder: Path) -> None:
    code, out, err = run("set-hostname", "-n", folder, "web-2")
    assert (code, out, err) == (0, b'utsns-12.img entries[0].nodename: "zhost" -> "web-2"\n', "")
    assert names(folder) == ("zhost", "(none)")


def test_a_name_that_is_too_long_is_an_error(run: Run, folder: Path) -> None:
    code, out, err = run("set-hostname", folder, "a" * 65)
    assert (code, out) == (1, b"")
    assert err == "dyncrit: expected a host name of at most 64 bytes, found one of 65\n"


def test_a_checkpoint_with_the_hosts_name_is_an_error(run: Run, data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data / "demo/tree", tmp_path / "tree", symlinks=True)
    code, out, err = run("set-hostname", folder, "web-2")
    assert (code, out) == (1, b"")
    assert err.startswith(f"dyncrit: {folder}: it has no UTS namespace of its own")
    assert err.count("\n") == 1


def test_being_called_so_already_is_said_and_no_error(run: Run, folder: Path) -> None:
    code, out, err = run("set-hostname", folder, "zhost")
    assert (code, out) == (0, b"")
    assert err == f"dyncrit: {folder}: there is nothing to change: it is called so already\n"


@pytest.mark.parametrize("name", ["podman-4.3-app.tar.gz", "podman-5.8-loop.tar.zst"])
def test_an_archive_of_podman_is_changed_in_its_images_and_its_spec(
    run: Run, data: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    shutil.copy(data / "archives" / name, path)
    code, out, err = run("set-hostname", path, "web-2")
    assert (code, err) == (0, "")
    places = [line.split(":")[0] for line in out.decode().splitlines()]
    assert places[:2] == ["utsns-12.img", "spec.dump"]
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.container.hostname == "web-2"
        (space,) = (item for item in checkpoint.namespaces if item.kind == "uts" and not item.host)
        assert space.details.host_name == "web-2"


def test_in_an_archive_all_other_files_stay_as_they_are(run: Run, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "podman.tar.gz"
    shutil.copy(data / "archives/podman-4.3-app.tar.gz", path)
    before = members(path)
    assert run("set-hostname", path, "web-2")[0] == 0
    after = members(path)
    assert list(after) == list(before)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"checkpoint/utsns-12.img", "spec.dump"}


def members(path: Path) -> dict[str, bytes | None]:
    with tarfile.open(path) as archive:
        return {
            member.name: file.read() if (file := archive.extractfile(member)) else None
            for member in archive.getmembers()
        }
