"""A graph as a native program (cpu/program.py)."""

import os
import sys
from collections import Counter

import numpy as np

from ..cpu import stages
from ..cpu.program import KERNEL, NUMBER, Base, Builder, Later, NotNative
from ..cpu.stages import HEAD, REMEMBERED, WRONG
from ..cpu.threads import get_num_threads
from ..device import CPU
from ..generator import default_generator
from . import contents, launches, together, traced
from .graph import Place


class Runner:
    """run(bases): as the function that replay.write gives; native stages in one call, Python for the rest.

    python: the names of the steps that need Python.
    """

    def __init__(self, graph, addresses, dynamic, options, slots=None):
        """slots: where the numbers of options are; by default in places of its own."""
        self._graph = graph
        self._bases = {b: k for k, b in enumerate(dynamic)}
        self.option_slots, self.python = slots or [], []
        self._builder, self._where, self._keep, self._current = Builder(len(dynamic)), [], [graph], []
        self._lowered, self._head = launches.lower(graph), np.zeros(HEAD, np.int64)
        self._addresses = {**addresses, launches.LENT: self._head.ctypes.data}
        for k, _ in enumerate(options):
            if slots:
                self._builder.slot(("option", k), "float64", slots[k])
            else:
                self.option_slots.append(self._builder.slot(("option", k), "float64"))
        self._saved: list = []  # [(buffer, a copy of it)] for `restore`
        self._looks = 0  # stages until the last number is read
        self._save()
        self._remembered = None  # the generator's state before the run, while that may have to be put back
        kinds = [s.kind for s in graph.steps if s.device is CPU or s.kind == "check"]
        if graph.device is CPU and "draw" in kinds and "check" in kinds[kinds.index("draw"):]:
            self._remembered = np.zeros(REMEMBERED, np.int64)
            self._builder.remember(self._head.ctypes.data, self._remembered.ctypes.data)
        self._before = len(self._builder.stages)
        self._begin()
        for number, step in enumerate(graph.steps):
            getattr(self, f"_{step.kind}")(step)
            self._where += [number] * (len(self._builder.stages) - len(self._where))
        self._end()
        self._numbers_first()
        self._together()
        self._native = self._builder.finish()
        # With the first bases only, no step being in Python; the others are as before. What `step_of` understands.
        self.run_few = self._native.run
        if any(step.kind == "draw" and step.device is CPU for step in graph.steps):
            self.run_few = self._drawing

    def _save(self):
        """Copy what outlives the call and changes before an error may come: counts of steps, mostly."""
        for b in dict.fromkeys(p.buffer for s in self._before_errors() for p in s.places if p.writes):
            if b.kind in ("state", "input") and b.device is CPU and b.nbytes:
                self._saved.append((b, np.zeros(b.nbytes, np.uint8)))
                own = Base(self._bases[b]) if b in self._bases else self._addresses[b]
                self._builder.kernel(stages.copy(), [self._saved[-1][1].ctypes.data], own, b.nbytes, stages.BYTES)

    def _before_errors(self):
        """The steps before the last number is read, where Python might raise for one, and before the last draw that
        might fail."""
        steps, ends = self._graph.steps, [-1]
        if any(may_raise(e) for step in steps for v in step.values for e in [getattr(v, "expression", None)]):
            ends += [k for k, s in enumerate(steps) if s.kind == "read"]
        ends += [k for k, s in enumerate(steps) if s in self._lowered and self._lowered[s].messages]
        return steps[:1 + max(ends)]

    def restore(self):
        """Put back what `_save` has copied: an error has ended a run, and nothing else had changed."""
        for b, copy in self._saved:
            own = int(self._native.base(self._bases[b])) if b in self._bases else self._addresses[b]
            contents.write(CPU, own, copy.tobytes())

    def _numbers_first(self):
        """Compute all numbers as soon as the last is read: what Python would raise for ends a run before the others
        have changed anything."""
        every, where, at = self._builder.stages, self._where, self._looks
        early = [k for k in range(at, len(every)) if every[k][0] == NUMBER]
        moved = set(early)
        order = [*range(at), *early, *(k for k in range(at, len(every)) if k not in moved)]
        where += [len(self._graph.steps) - 1] * (len(every) - len(where))
        self._builder.stages, self._where = [every[k] for k in order], [where[k] for k in order]

    def _together(self):
        """Let stages that do not depend on each other share regions, where there are threads for it."""
        threads, graph, builder, where = get_num_threads(), self._graph, self._builder, self._where
        if threads < 2 or graph.device is not CPU:
            return
        every, touched, found, counts = builder.stages, {}, [], Counter(where)
        for k, (kind, _, _, units, grain) in enumerate(every):
            step = graph.steps[where[k]] if k >= self._before and kind == KERNEL else None
            if step is None or step.kind not in ("launch", "join"):
                found.append(None)
                continue
            own = touched.get(step)
            if own is None:
                own = touched[step] = self._touched(step), together.seconds(step) / counts[where[k]]
            found.append(together.Stage(k, max(1, -(-units // max(grain, 1))), own[1], own[0]))
        plan = together.planned(found, threads)
        if plan is None:
            return
        builder.stages, self._where, numbers = [], [], iter(k for k, own in enumerate(found) if own is None)
        for part, joined in zip(*plan, strict=True):
            for stage in part:
                if stage not in joined:
                    k = next(numbers) if stage is None else stage.number
                    builder.stages.append(every[k])
                    self._where.append(where[k])
            if joined:
                builder.together([(every[s.number], k) for s, k in together.order(joined, threads)])
                self._where.append(where[joined[0].number])
                if "fuse" in os.environ.get("NUMBATORCH_DEBUG", ""):
                    names = " + ".join(graph.steps[where[s.number]].name for s in joined)
                    print(f"# {graph.name}, one region: {names}", file=sys.stderr)

    def _touched(self, step):
        """[(memory, start, end, whether it is written)] of a step, what it works in included."""
        work = self._lowered[step].workspaces if step in self._lowered else ()
        found = []
        for place, nbytes, writes in [*((p, p.layout.nbytes, p.writes) for p in step.places),
                                      *((launches.Spot(b, 0), b.nbytes, True) for b in work)]:
            at = self._address(place)
            base, start = (at.number + 1, at.offset) if isinstance(at, Base) else (0, at)
            found.append((base, start, start + nbytes, writes))
        return found

    def _begin(self):
        """Add stages before those of the steps."""

    def _end(self):
        """Add stages after those of the steps."""

    def drop(self):
        """Give up what is made again when it runs."""

    def option_address(self, k):
        """Where option k is put before a run, as a double."""
        return self.option_slots[k].ctypes.data

    def number(self, k):
        """The value of read `k` in the last run."""
        return self._native.numbers["read", k][0].item()

    def move(self, base, address):
        """Put another address for a base, for runs that do not give it."""
        self._native.move(base, address)

    @property
    def runs(self):
        """How often it has run to the end."""
        return self._native.runs

    def run(self, bases):
        """Run: `step_of` it."""
        self._current[:] = bases
        return self.step_of(self.run_few(*bases))

    def step_of(self, code):
        """The number of the step whose check ended a run, or -1. ZeroDivisionError as in Python's arithmetic."""
        if code < 0:
            return -1
        stage, why = divmod(code, 4)
        if why == 1:
            return self._where[stage]
        self.restore()
        if why == WRONG:
            wrong = self._head[-2:]
            message = self._lowered[self._graph.steps[self._where[stage]]].messages[0 if wrong[0] else 1]
            wrong[:] = 0
            raise RuntimeError(message)
        raise ZeroDivisionError(f"{self._graph.steps[self._where[stage]].name}: a number computed for it divides by "
                                "zero, or is no real number")

    def _drawing(self, *bases):
        """Run while the generator's state is lent to the program, which it stays until somebody else asks for it."""
        state = default_generator.state
        with state.lock:
            if state.borrower is not self._head:
                state.lend(self._head)
            code = self._native.run(*bases)
            if self._remembered is not None and code < 0:
                self._remembered[0] = 0
            return code

    def draw_again(self):
        """Put the generator back to where it was before a run that has not come to its end."""
        if self._remembered[0]:
            self._remembered[0] = 0
            default_generator.state.go_back(self._remembered)

    def _address(self, place):
        base = self._bases.get(place.buffer)
        return Base(base, place.offset) if base is not None else self._addresses.get(place.buffer, 0) + place.offset

    def _read(self, step):
        own = step.values[0]
        self._builder.read(own.layout.dtype.name, self._address(own), ("read", step.read))
        self._looks = len(self._builder.stages)

    def _check(self, step):
        self._builder.check(step.check, step.expected)
        self._looks = len(self._builder.stages)

    def _launch(self, step):
        calls = self._lowered[step].calls
        if calls is None:
            self._in_python(step)
            return
        self._keep.append(step.kernel)
        for kernel, values, meta, units, grain in calls:
            self._builder.kernel(kernel, [self._found(v) for v in values], self._found(meta), units, grain)

    def _found(self, value):
        if isinstance(value, launches.Spot):
            return self._address(value)
        return Later(value.expression) if isinstance(value, launches.Later) else value

    def _join(self, step):
        builder = self._builder
        block = builder.addresses([self._address(v) for v in step.values[:-1]])
        builder.kernel(step.kernel, [block, self._address(step.values[-1])], step.meta, step.units, step.grain)

    def _draw(self, step):
        calls = self._lowered[step].calls
        if calls is None:
            self._in_python(step)
            return
        head, builder = self._head.ctypes.data, self._builder
        for name, *given in calls:
            given = [[self._found(v) for v in part] if isinstance(part, list) else self._found(part) for part in given]
            if name == "kernel":
                kernel, (*values, last), *rest = given
                builder.kernel(kernel, values, last, *rest)
            else:
                getattr(builder, name)(head, *given)
            if name == "verify":  # numbers that were read or computed before stay so
                self._looks = len(builder.stages)

    def _in_python(self, step):
        """A stage that calls the step's kernel from Python."""
        current, addresses, bases = self._current, self._addresses, self._bases
        parts = []
        for k, v in enumerate(step.values):
            if isinstance(v, Place):
                base = bases.get(v.buffer)
                here = addresses.get(v.buffer, 0) + v.offset if base is None else Base(base, v.offset)
                parts.append(f"current[{here.number}] + {here.offset}" if isinstance(here, Base) else str(here))
            elif v.expression is not None:
                names = {s: f"slots[{s!r}][0].item()" for s in traced.sources(v.expression)}
                parts.append(traced.text(v.expression, names))
            else:
                parts.append("state" if step.kind == "draw" and v.value == "state" else f"given[{k}]")
        call = f"kernel({', '.join(parts)})"
        if step.kind == "launch":
            call = f"kernel({', '.join([*parts, str(step.meta), str(step.units), str(step.grain)])})"
        lines = ["def stage():", f"    {call}"]
        if step.kind == "draw":  # the state is lent to the program
            lines = ["def stage():", "    state = default_generator.state", "    state.take_back()", "    try:",
                     f"        {call}", "    finally:", "        state.lend(head)"]
        scope = {"current": current, "kernel": step.kernel, "default_generator": default_generator,
                 "slots": self._builder._slot_arrays, "head": self._head,
                 "given": [getattr(v, "value", None) for v in step.values]}
        exec("\n".join(lines), scope)
        self._builder.python(scope["stage"])
        self.python.append(step.name)


def may_raise(expression):
    """Whether Python may raise for an expression: a division, or a power."""
    return isinstance(expression, tuple) and (expression[0] in ("div", "pow") or any(map(may_raise, expression[1:])))


__all__ = ["NotNative", "Runner", "may_raise"]
