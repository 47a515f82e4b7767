"""`python -m numbatorch` is the `numbatorch` command."""

import sys

from numbatorch.cli import main

if __name__ == "__main__":
    sys.exit(main())
