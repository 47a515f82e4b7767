"""Programs across processes: what was decided about a graph is kept on disk, in the cache of kernels.

A program belongs to the objects that it was captured from, so each process captures; kernels come from their cache.
What takes the rest of the time is to decide: which steps run together, what is made again instead of being kept, where
temporaries lie. Decisions are lists of numbers of steps and buffers. They hold for every graph that is the same in all
that passes and plans look at, in the same version of this library, on such a machine. So they are found by a digest of
that, and a program is made by the same passes, which apply what they would have found.
"""

import contextlib
import gc
import json
import os
import sys
import zlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ..cpu import machine
from ..cpu.threads import get_num_threads
from ..expr import tree
from ..layout import Layout
from ..lowering import cache as files
from . import MemoryLimitError, requests
from .graph import Place

MOST = 4096  # plans of which something is kept
_FOLDERS = ("", "autograd", "compiler", "compiler/passes", "cpu", "cuda", "expr", "lowering", "ops")


class _Harmless:
    """Plans of which some process has seen that their kernels leave operands as they are: digests, kept on disk."""

    known: set | None = None
    new: set = set()
    digests: dict = {}  # {id of a plan: (the plan, its digest)}


class Unfit(Exception):
    """Decisions that are not those of the graph."""


class Decisions:
    """What is decided about a program, in the order in which it is asked for: [[about what, numbers]].

    stored: as another process has found it; None where it is to be found.
    """

    def __init__(self, stored=None):
        self.stored, self.found = stored, []

    def known(self, name, given):
        """What the other process has found, about the same; None where this one has to. Unfit where it was another."""
        k, about = len(self.found), f"{name} {zlib.crc32(repr(given).encode()):x}"
        if self.stored is None:
            self.found.append([about, None])
            return None
        if k >= len(self.stored) or self.stored[k][0] != about:
            raise Unfit(f"it decides {self.stored[k][0] if k < len(self.stored) else 'nothing'} and not {about}")
        self.found.append(self.stored[k])
        return self.stored[k][1]

    def note(self, numbers):
        """Keep what was found about what was asked for last."""
        self.found[-1][1] = numbers


def made(make, graph, second, limit):
    """The program that `make` gives of a graph (and of that of its backward pass, or None) for a memory limit."""
    _keep_harmless()
    texts = [text_of(g) for g in (graph, second) if g is not None]
    # Nothing in them is of this process alone; under a profiler fewer kernels are looked into (launches.py).
    lasts = sys.getprofile() is None and not any(" at 0x" in t for t in texts)
    key = files.key("program", _versions(), machine.host(), get_num_threads(), limit, *texts)
    stored = _read(key) if lasts else None
    if stored is not None:
        try:
            program = _with(Decisions(stored), make, graph, second)
        except MemoryLimitError:
            raise
        except (Unfit, LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            _tell(f"what the cache has for {graph.name} does not fit it ({type(error).__name__}: {error})")
        else:
            _tell(f"{graph.name} was arranged as the cache says")
            return program
    decisions = Decisions()
    program = _with(decisions, make, graph, second)
    if lasts:
        files.write(key, json.dumps(decisions.found, separators=(",", ":")).encode())
        _tell(f"how {graph.name} is arranged was found and put into the cache")
    return program


def is_harmless(plan):
    """Whether some process has seen that a plan's kernel leaves its operands as they are."""
    if _Harmless.known is None:
        _Harmless.known = set(_read(_harmless_key()) or ())
    return _digest(plan) in _Harmless.known


def harmless(plan):
    """Note that a plan's kernel was seen to; on disk when the next program is made."""
    _Harmless.new.add(_digest(plan))


def _digest(plan):
    found = _Harmless.digests.get(id(plan))
    if found is None or found[0] is not plan:
        if len(_Harmless.digests) >= MOST:
            _Harmless.digests.clear()
        found = _Harmless.digests[id(plan)] = plan, files.key(text_of_plan(plan))[:24]
    return found[1]


def _harmless_key():
    return files.key("harmless", _versions(), machine.host())


def _keep_harmless():
    """Put what this process has seen beside what others have."""
    if _Harmless.new:
        found = [*set(_read(_harmless_key()) or ()), *_Harmless.new]
        files.write(_harmless_key(), json.dumps(list(dict.fromkeys(found))[-MOST:]).encode())
        _Harmless.known.update(_Harmless.new)
        _Harmless.new.clear()


@contextlib.contextmanager
def uncollected():
    """While a program is made: nothing of it is garbage, so none is looked for."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _with(decisions, make, graph, second):
    """What `make` gives while graphs have decisions to ask."""
    try:
        for g in (graph, second):
            if g is not None:
                g.decisions = decisions
        with uncollected():
            program = make()
        if decisions.stored is not None and len(decisions.stored) != len(decisions.found):
            raise Unfit("more was decided")
        return program
    finally:
        decisions.stored = None


def _tell(text):
    if "capture" in os.environ.get("NUMBATORCH_DEBUG", ""):
        print(f"# {text}", file=sys.stderr)


def _read(key):
    """The decisions under a key; None where there are none, or they are damaged."""
    data = files.read(key)
    try:
        return None if data is None else json.loads(data)
    except ValueError:
        return None


@cache
def _versions():
    """What besides a graph decides: the files of this library, as the system dates them, and what runs them."""
    root = Path(__file__).parent.parent
    found = [(folder, e.name, e.stat().st_size, e.stat().st_mtime_ns) for folder in _FOLDERS
             for e in os.scandir(root / folder) if e.name.endswith(".py")]
    return str([sorted(found), version("numba"), version("llvmlite"), sys.version_info[:2]])


def text_of(graph):
    """All that passes and memory plans look at in a graph, as text."""
    numbers: dict = {}
    plans: dict = {}
    lines = []
    for step in graph.steps:
        parts = [step.kind, step.name, step.units, step.grain, step.read, step.check, step.expected, step.returned,
                 getattr(step.kernel, "__qualname__", ""), _plan_text(step, plans)]
        for v in step.values:
            if isinstance(v, Place):
                parts.append((_number(v.buffer, numbers, lines), v.offset, _layout_text(v.layout), v.reads, v.writes))
            else:
                parts.append((type(v.value).__name__, repr(v.value)) if v.expression is None else v.expression)
        lines.append(repr(parts))
    lines += [str(_number(b, numbers, lines)) for b in graph.buffers]
    return "\n".join(lines)


def _number(buffer, numbers, lines):
    """A buffer by when it was first met; what it is goes to the lines."""
    if buffer not in numbers:
        numbers[buffer] = len(numbers)
        content = files.key(buffer.content) if buffer.kind == "constant" else ""
        lines.append(f"{len(numbers) - 1} {buffer.kind} {buffer.nbytes} {content}")
    return numbers[buffer]


def _layout_text(own):
    return f"{own.dtype.name}{own.shape}{own.strides}{own.device}" if isinstance(own, Layout) else repr(own)


def _plan_text(step, plans):
    """The plan of a step: what the op was given, and the formulas of its results."""
    plan = step.plan
    if plan is None:
        return ""
    if id(plan) in plans:
        return plans[id(plan)]
    plans[id(plan)] = len(plans)  # when it is met again
    return text_of_plan(plan)


def text_of_plan(plan):
    """What an op was given, and the formulas of its results, as text."""
    request = requests.of(plan)
    return repr((plan.op.name, plan.op.kind, [(name, _layout_text(s)) for name, s in plan.specs.items()],
                 plan.statics, "" if request is None else _formulas(request.roots)))


def _formulas(roots):
    """Formulas as text, each part of them once."""
    numbers: dict = {}
    nodes: list = []
    for n in tree.order(*roots):
        nodes.append((n.op, [numbers[id(a)] if isinstance(a, tree.Expr) else (type(a).__name__, repr(a))
                             for a in n.args]))
        numbers[id(n)] = len(nodes)
    return repr((nodes, [numbers[id(r)] for r in roots]))


__all__ = ["Decisions", "made", "text_of"]
