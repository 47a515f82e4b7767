"""Passes: each takes a graph and gives a better one; `run` checks the graph after each."""

import os
import sys

from . import bands, common, constants, dead, early, elementwise, outer, rows

PASSES = (("dead", dead.run), ("constants", constants.run), ("common", common.run), ("early", early.run),
          ("outer", outer.run), ("elementwise", elementwise.run), ("rows", rows.run), ("bands", bands.run))


def run(graph):
    """The graph after all passes. RuntimeError, naming the pass, where one makes it unsound."""
    for name, one in PASSES:
        before = len(graph.steps)
        graph = one(graph)
        try:
            graph.check()
        except RuntimeError as error:
            raise RuntimeError(f"compile: the pass {name!r} made an unsound graph of {graph.name}: {error}") from error
        if "fuse" in os.environ.get("NUMBATORCH_DEBUG", ""):
            print(f"# {graph.name}, {name}: {before} steps became {len(graph.steps)}", file=sys.stderr)
    return graph
