"""The test bench of the live tests: programs that run, are dumped by a real CRIU, and run again.

    PROGRAM = '''
    #include "live.h"
    static int counter;
    static void prepare(int count, char **arguments) { counter = atoi(arguments[0]); }
    static const char *answer(const char *question) { return SAY("%d", ++counter); }
    '''

    def test_the_counter_goes_on(bench):
        program = bench.start(PROGRAM, "41", environment={"COLOUR": "red"}, cwd=bench.folder / "old")
        images = program.dump()                      # the program is gone now
        ...                                          # change the images in the folder ``images``
        restored = bench.restore(images)
        assert restored.ask("next") == "42"
        assert restored.ask("env COLOUR") == "red"   # live.h knows: pid, cwd, exe, hostname, terminal, env NAME
        assert (restored.proc / "cwd").readlink() == bench.folder / "new"

A bench is a world of its own: a process whose only work is to be process 1 of new namespaces (pid, mount, net, uts,
ipc), in which all programs and CRIU run. So pids never clash with those of other tests, ports and addresses are
free, CRIU locks no network but the world's, and all of it (processes, mounts, firewall rules) ends with that one
process. It ends when its stdin is closed, so also when the tests are killed. Host files are visible in it, /run is not.

- ``bench.start(source, ..., namespaces=("net", "uts"))`` gives the program namespaces of its own, which CRIU dumps and
  restores; without, it has the world's, which are as they were when it is restored: set them up by
  ``bench.run("ip", "address", "add", "10.0.0.7/8", "dev", "lo")``. ``lo`` is up in a world and in ``net`` namespaces.
  One with ``mnt`` has ``bench.root`` for its /, and the bench's folder in it at its own path, as containers have.
- ``program.dump(*options)`` and ``bench.restore(images, *options)`` take options of CRIU's; an error of CRIU's fails
  the test with the end of its log. Sockets that are connected take ``--tcp-established`` in both. What the bench
  knows itself (``--network-lock nftables``, ``--root`` and ``--external`` of programs with ``mnt``) it adds.
- ``program.connect(port)`` is a socket into the program's network; ``program.memory(address, size)`` its memory.
- The bench is over when nothing of it is left, which is asserted: processes, mounts, firewall rules, its folder.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import itertools
import os
import select
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_PEERCRED, SOL_SOCKET
from typing import TYPE_CHECKING, NoReturn, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# Modules beside a conftest.py can't be imported by name: the tests are no package.
TRACES = importlib.util.spec_from_file_location("dyncrit_live_traces", Path(__file__).with_name("traces.py"))
assert TRACES is not None
assert TRACES.loader is not None
traces = importlib.util.module_from_spec(TRACES)
TRACES.loader.exec_module(traces)

GET_CRIU = Path(__file__).parents[3] / "shared" / "tools" / "get-criu"
HEADERS = Path(__file__).parent
DEADLINE = 60
TOOLS = ("gcc", "ip", "nsenter", "unshare")
# Process 1 ignores SIGCHLD, so that the kernel reaps what is orphaned.
WORLD = """
mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mount -t devpts -o ptmxmode=666 devpts /dev/pts || exit
ip link set lo up && echo ready && exec env --ignore-signal=CHLD cat
"""
# Files that a program has open must be of the world's mounts, so it opens them there.
LAUNCH = 'cd "$0" || exit; log=$1; shift; exec "$@" </dev/null 2>>"$log"'
LAUNCH_WITH_NETWORK = f"ip link set lo up || exit; {LAUNCH}"
Answer = TypeVar("Answer")
CLONE_NEWNET = 0x40000000
NAMESPACES = {"net": "--net", "uts": "--uts", "ipc": "--ipc", "mnt": "--mount", "pid": "--pid"}


def lacking(what: str, switch: str) -> NoReturn:
    """Skip the test for what is missing, or fail it where the environment sets the switch."""
    if os.environ.get(switch):
        pytest.fail(f"{switch} is set, and {what}")
    pytest.skip(what)


@pytest.fixture(scope="session", name="lacking")
def lacking_fixture() -> Callable[[str, str], NoReturn]:
    return lacking


@pytest.fixture(scope="session")
def criu(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CRIU that works here: the one that DYNCRIT_CRIU names, or Debian sid's."""
    if os.geteuid() != 0:
        lacking("dumping takes root", "DYNCRIT_REQUIRE_CRIU")
    program = os.environ.get("DYNCRIT_CRIU") or fetch(tmp_path_factory)
    check = subprocess.run([program, "check"], capture_output=True, text=True, timeout=DEADLINE, check=False)
    if check.returncode:
        lacking(f"criu check fails: {(check.stdout + check.stderr).strip()[-300:]}", "DYNCRIT_REQUIRE_CRIU")
    return program


def fetch(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not GET_CRIU.is_file():
        lacking(f"no CRIU: set DYNCRIT_CRIU, or have {GET_CRIU}", "DYNCRIT_REQUIRE_CRIU")
    shared = shared_folder(tmp_path_factory)
    with (shared / "criu.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [GET_CRIU, "sid", shared / "criu"], capture_output=True, text=True, timeout=300, check=False
        )
    if done.returncode:
        lacking(f"CRIU can't be had: {done.stderr.strip()[-300:]}", "DYNCRIT_REQUIRE_CRIU")
    return done.stdout.split()[-1]


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all workers of this run of the tests."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """What compiles the source of a program, once a session."""
    folder = tmp_path_factory.mktemp("programs")
    made: dict[tuple[str, bool], Path] = {}

    def compile_source(source: str, *, static: bool = False) -> Path:
        if (source, static) not in made:
            target = folder / f"program-{len(made)}"
            command = ["gcc", "-g", "-O1", "-pthread", "-I", HEADERS, "-xc", "-", "-o", target]
            command += ["-static"] if static else []
            done = subprocess.run(
                command, input=source, capture_output=True, text=True, timeout=DEADLINE, check=False
            )
            assert done.returncode == 0, done.stderr
            made[source, static] = target
        return made[source, static]

    return compile_source


@pytest.fixture
def bench(criu: str, compiled: Callable[..., Path]) -> Iterator[Bench]:
    """A world of its own for programs; afterwards nothing of it is left."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        lacking(f"missing: {', '.join(missing)}", "DYNCRIT_REQUIRE_CRIU")
    before = traces.of_system()
    folder = Path(tempfile.mkdtemp(prefix="dyncrit-live-"))  # short, as the paths of sockets must be
    try:
        with ExitStack() as handles:
            with ExitStack() as keepers, closing(World()) as world:
                spaces = {handles.enter_context(path.open("rb")) for path in world.namespaces}
                yield Bench(criu, compiled, folder, world, keepers)
            # open files of namespaces keep their numbers from going to the world of another test
            left = traces.processes_in({os.fstat(space.fileno()).st_ino for space in spaces})
            assert not left, "processes are left in a world that has ended"
    finally:
        shutil.rmtree(folder)
    assert traces.of_system() == before, (
        "mounts or firewall rules are left behind, or another's have changed meanwhile"
    )


class World:
    """New namespaces for all that a test runs, kept by a process that does nothing until its stdin is closed."""

    def __init__(self) -> None:
        flags = ("--pid", "--mount", "--net", "--uts", "--ipc")
        command = ["unshare", "--fork", "--kill-child", *flags, "sh", "-c", WORLD]
        self._keeper = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/"
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"ready\n":
            _, errors = self._keeper.communicate(timeout=DEADLINE)
            lacking(f"no new namespaces: {errors.decode()}", "DYNCRIT_REQUIRE_CRIU")
        self.first = only_child(self._keeper.pid)
        self.proc = Path(f"/proc/{self.first}/root/proc")
        """The world's own /proc, with its own pids."""
        self.namespaces = [
            Path(f"/proc/{self.first}/ns/{kind}") for kind in ("pid", "mnt", "net", "uts", "ipc")
        ]
        for path in self.namespaces:
            assert path.stat().st_ino != Path(f"/proc/self/ns/{path.name}").stat().st_ino

    def close(self) -> None:
        """End the first process, and with it all others: the kernel lets it go when they are gone."""
        self._keeper.communicate(timeout=DEADLINE)

    def command(self, *arguments: object) -> list[str]:
        """The command that runs another inside."""
        flags = ("--mount", "--pid", "--net", "--uts", "--ipc")
        return ["nsenter", "--target", str(self.first), *flags, "--", *map(str, arguments)]


@dataclass
class Bench:
    """Where programs run, are dumped and restored."""

    criu: str
    compiled: Callable[..., Path]
    folder: Path
    """For the files of the test; gone afterwards."""
    world: World
    keepers: ExitStack
    """Ends what is left of the programs, once the world has ended."""
    _runs: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def start(
        self,
        source: str,
        *arguments: object,
        name: str = "program",
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        executable: Path | None = None,
        namespaces: Sequence[str] = (),
    ) -> Program:
        """Compile and run a program that includes ``live.h``, in a session of its own; gives it once it is ready.

        It runs from the file ``executable``, in the folder ``cwd`` (both in the bench's folder by default, and
        made if need be), with PATH and ``environment``; ``namespaces`` of net, uts, ipc, mnt and pid are its
        own. The ``name`` tells programs of one test apart.
        """
        file, cwd = executable or self.folder / f"{name}.bin", cwd or self.folder
        for folder in (file.parent, cwd):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.compiled(source, static="mnt" in namespaces), file)
        root = ["--root", self._make_root()] if "mnt" in namespaces else []
        own = [NAMESPACES[kind] for kind in namespaces]
        if own:
            own = ["unshare", *own, *(["--fork"] if "pid" in namespaces else []), "--"]
        launch = LAUNCH_WITH_NETWORK if "net" in namespaces else LAUNCH
        control, log = self.folder / f"{name}.socket", self.folder / f"{name}.log"
        command = self.world.command(*own, "sh", "-c", launch, cwd, log, file, *root, control, *arguments)
        keeper = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), **(environment or {})},
        )
        self.keepers.callback(keeper.wait, DEADLINE)
        assert keeper.stdout is not None
        with keeper.stdout as out:
            if (said := out.readline()) != b"ready\n":
                reason = (said + out.read()).decode() + (log.read_text() if log.exists() else "")
                pytest.fail(f"{name} did not start: {reason}")
        return Program(self, name, control)

    def restore(
        self, images: Path, *options: object, name: str = "program", control: Path | None = None
    ) -> Program:
        """Restore images; gives the program that ``start`` gave this name.

        ``control`` is the path of its socket, if the images were changed in that.
        """
        control = control or self.folder / f"{name}.socket"
        root = ["--root", self.root, "--external", f"mnt[bench]:{self.folder}"] if self.root.exists() else []
        self.call_criu("restore", "--images-dir", images, "--restore-detached", *root, *options)
        return Program(self, name, control)

    @property
    def root(self) -> Path:
        """What is / for programs with mounts of their own; in it the bench's folder is mounted, at its own path."""
        return self.folder / "root"

    def _make_root(self) -> Path:
        for folder in (self.root / "proc", self.root / "dev", self.root / self.folder.relative_to("/")):
            folder.mkdir(parents=True)
        os.mknod(self.root / "dev" / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        self.run("mount", "--bind", self.root, self.root)
        return self.root

    def call_criu(self, action: str, *options: object, check: bool = True) -> str:
        """Run CRIU in the world; gives its log. Raises AssertionError with the end of it if CRIU fails."""
        log = self.folder / f"criu-{next(self._runs)}-{action}.log"
        defaults = () if "--network-lock" in options else ("--network-lock", "nftables")
        done = self.run(self.criu, action, "-v4", "--log-file", log, *defaults, *options, check=False)
        text = log.read_text(errors="replace") if log.exists() else ""
        if check and done.returncode:
            wrong = [line for line in text.splitlines() if "Error" in line or "Warn" in line]
            pytest.fail("\n".join([f"criu {action} failed: {done.stderr}", *wrong, "...", text[-2000:]]))
        return text

    def run(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the world."""
        done = subprocess.run(
            self.world.command(*arguments),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DEADLINE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done


class Program:
    """A program that runs in a bench, started or restored."""

    def __init__(self, bench: Bench, name: str, control: Path) -> None:
        self.name, self.control = name, control
        self._bench = bench
        with self._connected() as connection:
            self.host_pid = struct.unpack("iII", connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))[0]
            self._handle = os.pidfd_open(self.host_pid)
        bench.keepers.callback(os.close, self._handle)
        self.pid = namespaced_pids(self.host_pid)[len(namespaced_pids(bench.world.first)) - 1]
        """Its pid in the world, so in its images."""
        self.proc = bench.world.proc / str(self.pid)
        """Its folder in the world's /proc."""

    def ask(self, question: str) -> str:
        """What it answers; a program that has no answer raises AssertionError."""
        with self._connected() as connection:
            connection.sendall(question.encode())
            parts = list(iter(lambda: connection.recv(1 << 16), b""))
        reply = b"".join(parts).decode(errors="surrogateescape")
        assert reply[:1] not in {"", "?"}, f"{self.name} has no answer to {question!r}: {reply}"
        return reply

    def dump(self, *options: object, images: Path | None = None, action: str = "dump") -> Path:
        """Dump it to a new folder (given, or made here); gives the folder. It is gone then, unless options keep it."""
        images = images or Path(tempfile.mkdtemp(prefix="images-", dir=self._bench.folder))
        images.mkdir(exist_ok=True)
        bench, tree = self._bench, self.tree()
        root = ["--external", f"mnt[{bench.folder}]:bench"] if bench.root.exists() else []
        bench.call_criu(action, "--tree", self.pid, "--images-dir", images, *root, *options)
        if action == "dump" and not {"--leave-running", "-R", "--leave-stopped", "-s"} & set(options):
            self.wait()
            deadline = time.monotonic() + DEADLINE
            while any(process.exists() for process in tree):  # a pid is free only when all are reaped
                assert time.monotonic() < deadline, f"{self.name} still runs"
                time.sleep(0.001)
        return images

    def tree(self) -> list[Path]:
        """Its folder in the world's /proc, and those of its descendants."""
        found = [self.proc]
        for process in found:  # which grows meanwhile
            for children in process.glob("task/*/children"):
                found += [self._bench.world.proc / pid for pid in children.read_text().split()]
        return found

    def wait(self) -> None:
        """Wait until it is gone."""
        assert select.select([self._handle], [], [], DEADLINE)[0], f"{self.name} still runs"

    def memory(self, address: int, size: int) -> bytes:
        """Bytes of its memory."""
        with (self.proc / "mem").open("rb", buffering=0) as file:
            file.seek(address)
            return file.read(size)

    def connect(self, port: int, host: str = "127.0.0.1") -> socket.socket:
        """A TCP connection to a port in its network namespace."""
        return self.inside(lambda: socket.create_connection((host, port), timeout=DEADLINE))

    def inside(self, function: Callable[[], Answer]) -> Answer:
        """Call a function in its network namespace: sockets that it makes stay there."""

        def call() -> Answer:
            with Path(f"/proc/{self.host_pid}/ns/net").open("rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return function()

        with ThreadPoolExecutor(1) as thread:  # which alone enters the namespace
            return thread.submit(call).result()

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(DEADLINE)
        connection.connect(str(self.control))
        return connection


def only_child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def namespaced_pids(pid: int) -> list[int]:
    """The pids of a process: first here, then in each pid namespace further in."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return [int(word) for word in line.split()[1:]]
    raise AssertionError(f"no NSpid of {pid}")
