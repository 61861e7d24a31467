"""``drop-tcp`` on a real server: restored without options, it finds its connection ended and still serves."""

from __future__ import annotations

from typing import Any

import pytest

from dyncrit.check.checking import check
from dyncrit.checkpoint import open_checkpoint
from dyncrit.cli import main

SERVER = '#include "server.h"'
PORT = 7000


@pytest.mark.parametrize("option", ["--tcp-established", "--tcp-close"])
def test_a_program_sees_the_connection_ended_while_it_still_listens(bench: Any, option: str) -> None:
    program = bench.start(SERVER, "tcp", "127.0.0.1", PORT)
    with program.connect(PORT) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello 1"
        images = program.dump(option, "--network-lock", "skip")
    assert main(["drop-tcp", str(images)]) == 0
    with open_checkpoint(images) as checkpoint:
        assert check(checkpoint).findings == ()
    restored = bench.restore(images)
    assert restored.ask("ended") == "read 0 Success, write: Broken pipe"
    with restored.connect(PORT) as client:
        client.sendall(b"again")
        assert client.recv(100) == b"again 2"


def test_both_ends_of_a_connection_to_itself_are_dropped(bench: Any) -> None:
    program = bench.start(SERVER, "pair", "127.0.0.1", PORT)
    assert program.ask("talk") == "talk 1"
    images = program.dump("--tcp-established", "--network-lock", "skip")
    assert main(["drop-tcp", str(images)]) == 0
    restored = bench.restore(images)
    assert restored.ask("ended") == "read 0 Success, write: Broken pipe"
    with restored.connect(PORT) as client:
        client.sendall(b"again")
        assert client.recv(100) == b"again 2"
