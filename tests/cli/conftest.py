"""What the tests of commands share: calling one as a user does, in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from dyncrit.cli import main

Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A call of ``dyncrit`` with arguments and stdin; gives the exit code, stdout and stderr."""

    def call(*arguments: object, stdin: bytes = b"") -> tuple[int, bytes, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return call
