"""`python -m numbatorch.reference [--write]`: whether the reference and the stub are current; write them."""

import argparse
import sys

from . import stale, write


def main(arguments=None):
    """The exit status: 0 where everything is current, or was written; 1 where files are out of date."""
    parser = argparse.ArgumentParser(prog="python -m numbatorch.reference", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files that are out of date")
    options = parser.parse_args(arguments)
    changed = write() if options.write else stale()
    for path in changed:
        print(f"{'wrote' if options.write else 'out of date:'} numbatorch/{path}")
    return 0 if options.write or not changed else 1


if __name__ == "__main__":
    sys.exit(main())
