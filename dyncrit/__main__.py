"""``python -m dyncrit``: the command line."""

from dyncrit.cli import run

if __name__ == "__main__":
    run()
