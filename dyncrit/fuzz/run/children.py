"""Processes of our own that do the work: forked, so that they have the corpus and the schema already.

Each runs targets one at a time and has no other children, so it can tell what a target left behind. All
of them end when the process that made them does, however it ends.
"""

from __future__ import annotations

import os
import select
import signal
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import TYPE_CHECKING, Any

from dyncrit.errors import DyncritError
from dyncrit.fuzz.run.process import StoppedError, has_hung_up
from dyncrit.fuzz.run.stragglers import adopt_orphans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    Body = Callable[["Link"], None]

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What a terminal or a supervisor sends to the whole group; the parent decides when to stop."""
_PATIENCE = 15_000
"""How long a child may take to end its target and itself, in milliseconds."""


class Link:
    """A child's way to its parent. ``life`` hangs up when the child is to stop."""

    def __init__(self, connection: Connection, life: int) -> None:
        self._connection = connection
        self.life = life

    def send(self, message: object) -> None:
        """Tell the parent; raises StoppedError if it is gone."""
        try:
            self._connection.send(message)
        except OSError:
            raise StoppedError from None

    def received(self) -> Iterator[Any]:
        """What the parent has told, without waiting."""
        try:
            while self._connection.poll():
                yield self._connection.recv()
        except (OSError, EOFError):
            raise StoppedError from None

    def is_stopped(self) -> bool:
        """Whether the child is to stop."""
        return has_hung_up(self.life)


class Children:
    """A block with child processes, each of which runs a function and sends messages.

    Leaving the block ends them, and the targets that they run. ``failure`` is the first error that one of
    them ended with; it stops all others, whose messages can still be received.
    """

    def __init__(self) -> None:
        self._life, self._life_end = os.pipe2(os.O_CLOEXEC)
        self._open: dict[Connection, int] = {}
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for connection, pid in self._open.items():
            connection.close()
            _bury(pid)
        self._open.clear()
        os.close(self._life)

    def start(self, body: Body) -> None:
        """Fork a child that runs a function; what it raises reaches the parent as an error."""
        ours, theirs = Pipe()
        held = signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
        try:
            pid = os.fork()
            if pid == 0:
                ours.close()
                self._be_child(body, theirs, held)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        theirs.close()
        self._open[ours] = pid

    def stop(self) -> None:
        """Tell all children to stop; what they had to say can still be received."""
        if self._life_end >= 0:
            os.close(self._life_end)
            self._life_end = -1

    def tell(self, message: object) -> None:
        """Send a message to all children."""
        for connection in self._open:
            with suppress(OSError):  # it has ended, and what it sent is still to be read
                connection.send(message)

    def __bool__(self) -> bool:
        """Whether some child has more to say."""
        return bool(self._open)

    def received(self, seconds: float) -> list[Any]:
        """What children have sent, after at most so many seconds."""
        messages = []
        for connection in wait(list(self._open), seconds):
            assert isinstance(connection, Connection)  # noqa: S101 (nothing else was given)
            try:
                message = connection.recv()
            except (EOFError, OSError):
                connection.close()
                status = _bury(self._open.pop(connection))
                if status:
                    self._fail(DyncritError(f"a process of the run was ended by signal {status & 0x7F}"))
                continue
            if isinstance(message, Exception):
                self._fail(message)
            else:
                messages.append(message)
        return messages

    def _fail(self, failure: Exception) -> None:
        self.failure = self.failure or failure
        self.stop()

    def _be_child(self, body: Body, connection: Connection, mask: set[signal.Signals | int]) -> None:
        """What the child does; never returns."""
        try:
            for number in _IGNORED:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.setsid()  # Ctrl-C in a terminal reaches a target even while it is being started, otherwise
            os.close(self._life_end)
            for other in self._open:
                other.close()
            adopt_orphans()
            _run(body, Link(connection, self._life))
        finally:
            os._exit(0)


def _run(body: Body, link: Link) -> None:
    problem: Exception
    try:
        body(link)
    except StoppedError:
        return
    except (DyncritError, OSError) as error:
        problem = error
    except MemoryError:
        problem = DyncritError("out of memory")
    except Exception:  # noqa: BLE001 (the parent tells it)
        problem = RuntimeError(f"in a child process: {traceback.format_exc()}")
    with suppress(StoppedError):
        link.send(problem)


def _bury(pid: int) -> int:
    """Wait for a child that is to end, and end it if it doesn't; gives how it ended, as waitpid does."""
    with suppress(ChildProcessError, ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(_PATIENCE):
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(handle)
        return os.waitpid(pid, 0)[1]
    return 0
