"""The command line: reads arguments, calls the library, prints."""

from dyncrit.cli.main import main, run

__all__ = ["main", "run"]
