"""``remap ip`` and ``remap port`` on real servers: restored, they answer at the new address and port."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from dyncrit.cli import main

if TYPE_CHECKING:
    from pathlib import Path

SERVER = '#include "server.h"'
ESTABLISHED = ("--tcp-established", "--network-lock", "skip")
DEADLINE = 60


def ask(program: Any, kind: str, host: str, port: int) -> str:
    """What a server in the program's network answers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with program.inside(lambda: socket.socket(family, getattr(socket, f"SOCK_{kind}"))) as client:
        client.settimeout(DEADLINE)
        client.connect((host, port))
        client.send(b"hello")
        return client.recv(100).decode()


def remap(what: str, images: Path, *arguments: object) -> None:
    assert main(["remap", what, str(images), *map(str, arguments)]) == 0


@pytest.fixture
def addresses(bench: Any) -> None:
    """Addresses of the world to move from and to."""
    for address in ("10.0.0.7/24", "10.0.0.8/24"):
        bench.run("ip", "address", "add", address, "dev", "lo")
    for address in ("fd00::7/64", "fd00::8/64"):
        bench.run("ip", "-6", "address", "add", address, "dev", "lo", "nodad")


@pytest.mark.usefixtures("addresses")
def test_servers_answer_at_their_new_addresses_and_ports(bench: Any) -> None:
    servers = ("tcp", "10.0.0.7", 7000, "tcp", "fd00::7", 7001, "udp", "10.0.0.7", 7002)
    program = bench.start(SERVER, *servers)
    assert ask(program, "STREAM", "10.0.0.7", 7000) == "hello 1"
    images = program.dump(*ESTABLISHED)
    remap("ip", images, "10.0.0.7", "10.0.0.8")
    remap("ip", images, "fd00::/64", "fd00:0:0:1::/64")
    remap("ip", images, "fd00:0:0:1::7", "fd00::8")
    remap("port", images, 7000, 80)
    remap("port", images, 7002, 53, "--proto", "udp")
    restored = bench.restore(images)
    assert ask(restored, "STREAM", "10.0.0.8", 80) == "hello 2"
    assert ask(restored, "STREAM", "fd00::8", 7001) == "hello 3"
    assert ask(restored, "DGRAM", "10.0.0.8", 53) == "hello 4"
    with pytest.raises(ConnectionRefusedError):
        ask(restored, "STREAM", "10.0.0.7", 7000)


@pytest.mark.usefixtures("addresses")
def test_a_connection_goes_on_between_its_new_ends(bench: Any) -> None:
    program = bench.start(SERVER, "pair", "10.0.0.7", 7000)
    assert program.ask("talk") == "talk 1"
    images = program.dump(*ESTABLISHED)
    remap("ip", images, "10.0.0.7", "10.0.0.8")
    remap("port", images, 7000, 8000, "--connected")
    restored = bench.restore(images, "--tcp-established")
    assert restored.ask("talk") == "talk 2"
    assert ask(restored, "STREAM", "10.0.0.8", 8000) == "hello 3"


def test_a_network_namespace_comes_back_with_its_new_addresses(bench: Any) -> None:
    program = bench.start(SERVER, "tcp", "0.0.0.0", 7000, namespaces=("net",))
    enter = ("nsenter", "--target", program.pid, "--net", "ip")
    bench.run(*enter, "address", "add", "10.0.0.7/24", "broadcast", "10.0.0.255", "dev", "lo")
    bench.run(*enter, "route", "add", "10.9.0.0/16", "via", "10.0.0.1", "src", "10.0.0.7")
    bench.run(*enter, "rule", "add", "from", "10.0.0.7", "lookup", "100")
    images = program.dump(*ESTABLISHED)
    remap("ip", images, "10.0.0.0/24", "10.1.0.0/24")
    restored = bench.restore(images)
    assert ask(restored, "STREAM", "10.1.0.7", 7000) == "hello 1"
    enter = ("nsenter", "--target", restored.pid, "--net", "ip")
    shown = [bench.run(*enter, what, "show").stdout for what in ("address", "route", "rule")]
    for text, expected in zip(
        shown,
        (
            "inet 10.1.0.7/24 brd 10.1.0.255",
            "10.9.0.0/16 via 10.1.0.1 dev lo src 10.1.0.7",
            "from 10.1.0.7 lookup 100",
        ),
        strict=True,
    ):
        assert expected in text
        assert "10.0.0." not in text
