"""``python -m dyncrit``: the command line."""

import sys

from dyncrit.cli import main

if __name__ == "__main__":
    sys.exit(main())
