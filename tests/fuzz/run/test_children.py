from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dyncrit.errors import DyncritError
from dyncrit.fuzz.run.children import Children

if TYPE_CHECKING:
    from pathlib import Path


def test_what_children_send_is_received(in_child) -> None:
    def body(link) -> None:
        link.send({"a": 1})
        link.send("b")

    assert in_child(body) == [{"a": 1}, "b"]


def test_an_error_of_a_child_is_told_and_stops_the_others() -> None:
    def fail(link) -> None:
        link.send("before")
        raise DyncritError("it is wrong", "here")

    def wait(link) -> None:
        while not link.is_stopped():
            pass
        link.send("stopped")

    messages = []
    with Children() as children:
        children.start(wait)
        children.start(fail)
        while children:
            messages += children.received(1)
        assert str(children.failure) == "here: it is wrong"
    assert messages == ["before", "stopped"]


def test_a_fault_of_a_child_is_told_with_its_traceback(in_child) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        in_child(lambda link: link.send(1 // 0))


def test_a_child_that_is_killed_is_told(in_child) -> None:
    with pytest.raises(DyncritError, match="ended by signal 9"):
        in_child(lambda link: os.kill(os.getpid(), signal.SIGKILL))


def test_what_the_parent_tells_reaches_all() -> None:
    def body(link) -> None:
        while not (told := list(link.received())):
            pass
        link.send(told)

    messages = []
    with Children() as children:
        children.start(body)
        children.start(body)
        children.tell("x")
        while children:
            messages += children.received(1)
    assert messages == [["x"], ["x"]]


def test_children_end_when_their_parent_is_killed(tmp_path: Path, is_alive) -> None:
    script = """
import os, sys, time
from dyncrit.fuzz.run.children import Children
def body(link):
    link.send(os.getpid())
    while not link.is_stopped(): time.sleep(0.01)
with Children() as children:
    children.start(body); children.start(body)
    pids = []
    while len(pids) < 2: pids += children.received(1)
    print(*pids, flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    handles = [os.pidfd_open(pid) for pid in pids]
    parent.kill()
    parent.wait()
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    ended: set[int] = set()
    while len(ended) < len(handles):
        found = poll.poll(20_000)
        assert found, "a child outlived its parent"
        for handle, _ in found:
            poll.unregister(handle)
            ended.add(handle)
    for handle in handles:
        os.close(handle)
    parent.stdout.close()
    assert len(pids) == 2
