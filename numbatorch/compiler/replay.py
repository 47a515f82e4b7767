"""Running a graph as Python: the launches one after the other, written out as source.

The native program (cpu/program.py) does the same in one call; this one is the reference for it, and runs what it does
not know.
"""

import linecache
import time
import weakref
from array import array

from ..cpu.program import Base
from ..device import CPU
from ..generator import default_of
from ..plan import backend
from . import traced
from .graph import Number, Place


def write(graph, addresses, dynamic, options, times=None, reads=None):
    """run(bases): bases, a list of addresses of the `dynamic` buffers; returns the step number of a check that failed,
    or -1.

    addresses: {buffer: address, or Base that is one of `dynamic`} of all others. options: [(dict, key)] whose numbers
    expressions name. times: a list of the seconds that each step has taken, to be added to. reads: a dict for the
    numbers that are read.
    """
    scope: dict = {"state_of": lambda: default_of(CPU).state, "now": time.perf_counter, "times": times,
                   "gpu_state_of": lambda: default_of(graph.device).state}
    if graph.device is not CPU:  # the time of a step is that of its work
        scope["now"] = lambda: (backend(graph.device).wait(), time.perf_counter())[1]
    names = {b: f"b{k}" for k, b in enumerate(dynamic)}
    lines = ["def run(bases):"]
    if names:
        lines.append(f"    {', '.join(names.values())}, = bases")
    for k, (group, key) in enumerate(options):
        scope[f"group{k}"] = group
        lines.append(f"    option{k} = group{k}[{key!r}]")

    def address(place):
        if place.buffer in names:
            return f"{names[place.buffer]} + {place.offset}" if place.offset else names[place.buffer]
        here = addresses.get(place.buffer, 0) + place.offset
        return f"b{here.number} + {here.offset}" if isinstance(here, Base) else str(here)

    def moves(place):
        return place.buffer in names or isinstance(addresses.get(place.buffer), Base)
    for number, step in enumerate(graph.steps):
        if times is not None:
            lines.append("    begin = now()")
        if step.kind == "read":
            scope[f"reader{number}"] = _reader(step.values[0].layout)
            lines.append(f"    read{step.read} = reader{number}({address(step.values[0])})")
            if reads is not None:
                scope["reads"] = reads
                lines.append(f"    reads[{step.read}] = read{step.read}")
        elif step.kind == "check":
            lines.append(f"    if {'not ' if step.expected else ''}{traced.text(step.check)}: return {number}")
        elif step.kind == "join":
            block = scope[f"addresses{number}"] = array("q", [
                0 if moves(v) else addresses.get(v.buffer, 0) + v.offset for v in step.values[:-1]])
            for k, v in enumerate(step.values[:-1]):
                if moves(v):
                    lines.append(f"    addresses{number}[{k}] = {address(v)}")
            scope[f"kernel{number}"] = step.kernel
            lines.append(f"    kernel{number}({block.buffer_info()[0]}, {address(step.values[-1])}, {step.meta}, "
                         f"{step.units}, {step.grain})")
        else:
            scope[f"kernel{number}"] = step.kernel
            given = []
            for k, v in enumerate(step.values):
                if isinstance(v, Place):
                    given.append(address(v))
                elif v.expression is not None:
                    given.append(traced.text(v.expression))
                elif step.kind == "draw" and v.value == "state":
                    given.append("state_of()" if step.device is CPU else "gpu_state_of()")
                else:
                    scope[f"value{number}_{k}"] = v.value
                    given.append(f"value{number}_{k}")
            if step.kind == "launch":
                given += [str(step.meta), str(step.units), str(step.grain)]
            lines.append(f"    kernel{number}({', '.join(given)})")
        if times is not None:
            lines.append(f"    times[{number}] += now() - begin")
    lines.append("    return -1")
    source = "\n".join(lines) + "\n"
    filename = f"<replay of {graph.name} {id(graph):x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    weakref.finalize(graph, linecache.cache.pop, filename, None).atexit = False
    exec(compile(source, filename, "exec"), scope)
    return scope["run"]


def _reader(layout):
    from ..tensor_values import _reader, _readers
    return _readers.get(layout) or _reader(layout)


__all__ = ["Number", "write"]
