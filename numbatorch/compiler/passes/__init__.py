"""Passes: each takes a graph and gives a better one; `run` checks the graph after each."""

import os
import sys

from ...device import CPU
from . import (
    algebra,
    arranged,
    bands,
    begin,
    common,
    constants,
    dead,
    early,
    elementwise,
    epilogues,
    finish,
    operands,
    outer,
    rows,
)
from .compose import planned

PASSES = (("dead", dead.run), ("constants", constants.run), ("common", common.run), ("algebra", algebra.run),
          ("early", early.run), ("outer", outer.run), ("operands", operands.run), ("elementwise", elementwise.run),
          ("epilogues", epilogues.run), ("rows", rows.run), ("arranged", arranged.run), ("bands", bands.run),
          ("finish", finish.run), ("begin", begin.run))
ON_CPU = ("operands", "bands", "finish", "begin")  # they know the CPU's templates
ON_GPU = ("epilogues",)


def run(graph):
    """The graph after all passes. RuntimeError, naming the pass, where one makes it unsound."""
    for name, one in PASSES:
        if name in (ON_GPU if graph.device is CPU else ON_CPU):
            continue
        before, decisions = len(graph.steps), graph.decisions
        graph = one(graph)
        graph.decisions = decisions
        if "fuse" in os.environ.get("NUMBATORCH_DEBUG", ""):
            print(f"# {graph.name}, {name}: {before} steps became {len(graph.steps)}", file=sys.stderr)
        if decisions is None or decisions.stored is None:  # else the process that has decided so has looked
            _check(graph, name)
    graph = planned(graph)
    _check(graph, PASSES[-1][0])
    return graph


def _check(graph, name):
    try:
        graph.check()
    except RuntimeError as error:
        raise RuntimeError(f"compile: the pass {name!r} made an unsound graph of {graph.name}: {error}") from error
