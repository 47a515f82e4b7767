"""Show or empty the folder of compiled kernels."""

import argparse

HELP = "show or empty the cache of compiled kernels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["info", "clear"], help="info: where it is and how large; clear: empty it")


def describe(facts: dict) -> str:
    """One line: the folder, how many kernels, how many megabytes."""
    return f"{facts['path']} ({facts['kernels']} kernels, {facts['bytes'] / 1e6:.1f} MB)"


def main(options: argparse.Namespace) -> int:
    from numbatorch.cpu import cache

    before = cache.info()
    if options.action == "clear":
        cache.clear()
        print(f"removed {before['kernels']} kernels, {before['bytes'] / 1e6:.1f} MB, from {before['path']}")
    else:
        print(f"kernel cache: {describe(before)}")
    return 0
