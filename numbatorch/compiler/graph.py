"""A captured program as data: buffers of memory and the steps that read and write them, in order.

Steps are launches of kernels on memory, below views and gradients: what eager code ran is what a program runs.
"""

import functools
from dataclasses import dataclass, field
from typing import Any

from ..device import CPU
from ..dtypes import uint8
from ..layout import Layout, layout


@dataclass(eq=False)
class Buffer:
    """A block of memory. kind: "input" (of a tensor among the arguments), "state" (there before the call), "constant"
    (made from Python data), "temporary" (made and dropped by the call), "result" (alive after the call)."""

    number: int
    kind: str
    nbytes: int
    name: str = ""
    storage: Any = None  # of a state: what holds the memory; of an input: the place among the arguments
    address: int = 0  # while capturing, and of a state
    content: bytes = b""  # of a constant
    device: Any = CPU

    @property
    def label(self):
        """A name for it in printed graphs."""
        return f"{self.kind[0]}{self.number}"


@dataclass(eq=False)
class Place:
    """An operand: a layout at an offset (in bytes) of a buffer, and whether a step reads and writes it."""

    buffer: Buffer
    offset: int
    layout: Layout
    reads: bool
    writes: bool


@dataclass(eq=False)
class Number:
    """A number passed by value; `expression` where it is computed anew in each run (traced.py)."""

    value: Any
    expression: tuple | None = None


@dataclass(eq=False)
class Step:
    """One step. kinds:

    "launch": kernel(*values, meta, units, grain); `values` are Places and Numbers.
    "join": kernel(address of the values' addresses, result, meta, units, grain); the last value is the result.
    "move": kernel(*values), addresses of what is written and of what is read, bytes, whether to wait: a copy from or to
    a GPU.
    "draw": kernel(generator's state, *values) with a Place at each address.
    "read": the first value's element becomes number `read`.
    "check": the expression `check` has to give `expected`; every check comes before the first change of a state. (A
    generator that was drawn from can be put back.)
    """

    kind: str
    name: str
    values: list = field(default_factory=list)
    kernel: Any = None
    meta: int = 0
    units: int = 0
    grain: int = 0
    plan: Any = None
    read: int = -1
    check: tuple | None = None
    expected: bool = True
    where: str = ""
    keep: Any = None
    returned: bool = False  # whether the number of a "read" is part of the result
    request: Any = None  # of a step that a pass has made
    parts: tuple = ()  # steps that are one kernel by turns (passes/bands.py)

    @functools.cached_property
    def places(self):
        """The operands in memory. Steps are not changed once they are made."""
        return [v for v in self.values if isinstance(v, Place)]

    @functools.cached_property
    def device(self):
        """Where its operands are; of a copy from or to a GPU that one, of a check the CPU."""
        return next((p.layout.device for p in self.places if p.layout.device is not CPU), CPU)

    def reads(self):
        """Buffers whose contents the step uses."""
        return self._sets[0]

    def writes(self):
        """Buffers that the step changes."""
        return self._sets[1]

    @functools.cached_property
    def _sets(self):
        return (frozenset([v.buffer for v in self.places if v.reads]),
                frozenset([v.buffer for v in self.places if v.writes]))


class Graph:
    """buffers, steps; the options of optimizers that expressions name, [(dict, key, path)]."""

    decisions: Any = None  # stored.py

    def __init__(self, name, buffers, steps, options):
        self.name, self.buffers, self.steps, self.options = name, buffers, steps, options
        self.lowered: dict | None = None  # launches.py
        self.spans: dict | None = None  # updates.py

    @functools.cached_property
    def device(self):
        """The device that the program is for: the GPU of its steps, or the CPU."""
        return next((s.device for s in self.steps if s.device is not CPU), CPU)

    def known(self, name, given=None):
        """What was decided in another process, under a name, about what is given, by default the names of the steps.

        None where nothing is known.
        """
        if self.decisions is None:
            return None
        return self.decisions.known(name, [s.name for s in self.steps] if given is None else given)

    def decided(self, numbers):
        """Lists of numbers, noted for other processes as what was last asked for."""
        if self.decisions is not None:
            self.decisions.note(numbers)
        return numbers

    def decide(self, name, search, given=None):
        """What is known under a name; else what `search` finds."""
        found = self.known(name, given)
        return self.decided(search()) if found is None else found

    def __str__(self):
        """The program as Python that runs by itself (writing.py)."""
        from .writing import write
        return write(self)

    def state(self):
        """{name in the printed program: bytes of the memory that it stands for}, of what was there before the call."""
        from ..storage import Storage
        from ..tensor import Tensor
        found = {}
        for b in self.buffers:
            if b.kind == "state" and isinstance(b.storage, Storage):
                found[b.label] = made = object.__new__(Tensor)
                made._layout = layout(uint8, (b.nbytes,), None, b.device)
                made._storage, made._ptr = b.storage, b.address
        return found

    def check(self):
        """RuntimeError where the program is not sound: reads of what was never written, checks after changes."""
        known = {b for b in self.buffers if b.kind in ("input", "state", "constant")}
        written, changed = set(), None
        reads = set()
        for number, step in enumerate(self.steps):
            for b in {v.buffer: None for v in step.places if v.reads and v.layout.nbytes}:  # nothing can be early
                if b.nbytes and b not in known and b not in written:
                    raise RuntimeError(f"step {number}, {step.name}: reads {b.label}, which nothing has written")
            for place in step.places:
                end = place.offset + place.layout.nbytes
                if place.offset < 0 or end > place.buffer.nbytes:
                    raise RuntimeError(f"step {number}, {step.name}: bytes {place.offset} to {end} of "
                                       f"{place.buffer.label}, which has {place.buffer.nbytes}")
            expressions = [v.expression for v in step.values if isinstance(v, Number) and v.expression]
            expressions += [step.check] if step.check else []
            for expression in expressions:
                missing = _reads_of(expression) - reads
                if missing:
                    raise RuntimeError(f"step {number}, {step.name}: uses the numbers {sorted(missing)} before they "
                                       "are read")
            if step.kind == "read":
                reads.add(step.read)
            if step.kind == "check" and changed is not None:
                raise RuntimeError(f"step {number}: a check after {changed} has changed memory that outlives the call")
            if any(b.kind in ("state", "input") for b in step.writes()):
                changed = changed or step.name
            if any(b.kind == "constant" for b in step.writes()):
                raise RuntimeError(f"step {number}, {step.name}: writes a constant")
            written |= step.writes()


def _reads_of(expression):
    from .traced import sources
    return {k for kind, k in sources(expression) if kind == "read"}
