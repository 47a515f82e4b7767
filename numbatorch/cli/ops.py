"""Print what the reference says of an operation: what it computes, shapes, dtypes, gradient and where it is declared.

Without a name: every public operation in a line. The whole reference is in numbatorch/ops/README.md.
"""

import argparse
import difflib
import sys

HELP = "look an operation up in the reference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="such as sigmoid, nn.functional.gelu or Tensor.add_")


def main(options: argparse.Namespace) -> int:
    from numbatorch import reference

    if options.name is None:
        for name, summary in reference.summaries().items():
            print(f"{name}  {summary}")
        return 0
    try:
        print(reference.entry(options.name))
    except KeyError:
        near = difflib.get_close_matches(options.name, reference.summaries(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`numbatorch ops` lists them all"
        print(f"numbatorch ops: there is no operation {options.name!r}; {hint}", file=sys.stderr)
        return 2
    return 0
