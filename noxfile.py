"""Every job that a person or CI runs: ``nox`` checks all, ``nox -l`` lists the jobs."""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = True


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, and the direction of imports between the layers."""
    session.install("-q", "--group", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Static types, strictly."""
    session.install("-q", ".", "--group", "types")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, with branch coverage."""
    session.install("-q", "-e", ".[test]")
    session.run("pytest", "-n", "auto", "--cov", "--cov-report=term:skip-covered", *session.posargs)


@nox.session
@nox.parametrize("protobuf", ["5.29", "6.33"])
def protobuf(session: nox.Session, protobuf: str) -> None:
    """All tests on an older protobuf series, with the grpcio-tools for it; `tests` has the newest (7.x)."""
    session.install("-q", ".[test]", f"protobuf=={protobuf}.*")
    session.run("pytest", "-n", "auto", "-q", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Side by side with CRIT: ratios of time, and memory."""
    session.install("-q", ".")
    session.run("python", "benchmarks/compare.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Atheris on decoding and encoding, for a minute: ``nox -s fuzz -- -max_total_time=3600`` for longer."""
    session.install("-q", ".[fuzz]")
    folder = Path(session.create_tmp()).resolve()
    corpus, dictionary = folder / "corpus", folder / "dictionary"
    session.run("dyncrit", "fuzz", "seeds", "--force", "-o", str(corpus), "--dictionary", str(dictionary))
    options = session.posargs or ["-max_total_time=60"]
    crashes = f"-artifact_prefix={folder}/"
    session.run("python", "-m", "dyncrit.fuzz.harness", f"-dict={dictionary}", crashes, *options, str(corpus))


@nox.session
def catalogue(session: nox.Session) -> None:
    """Write the bundled schema anew from dyncrit/schema/data/history.json."""
    session.install("-q", "-e", ".")
    session.run("python", "-m", "dyncrit.schema.catalogue")
