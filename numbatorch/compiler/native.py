"""A graph as a native program (cpu/program.py)."""

from ..cpu.program import Base, Builder, Later, NotNative
from ..generator import default_generator
from . import launches, traced
from .graph import Place


class Runner:
    """run(bases): as the function that replay.write gives; native stages in one call, Python for the rest.

    python: how many steps need Python, and their names.
    """

    def __init__(self, graph, addresses, dynamic, options):
        self._graph, self._addresses = graph, addresses
        self._bases = {b: k for k, b in enumerate(dynamic)}
        self._option_slots, self.python = [], []
        self._builder, self._where, self._keep, self._current = Builder(len(dynamic)), [], [], []
        for k, _ in enumerate(options):
            self._option_slots.append(self._builder.slot(("option", k), "float64"))
        for number, step in enumerate(graph.steps):
            getattr(self, f"_{step.kind}")(step)
            self._where += [number] * (len(self._builder.stages) - len(self._where))
        self._native = self._builder.finish()

    def option_address(self, k):
        """Where option k is put before a run, as a double."""
        return self._option_slots[k].ctypes.data

    def number(self, k):
        """The value of read `k` in the last run."""
        return self._native.numbers["read", k][0].item()

    def move(self, base, address):
        """Put another address for a base, for runs that do not give it."""
        self._native.move(base, address)

    def run(self, bases):
        """Run; the number of the step whose check failed, or -1. ZeroDivisionError as in Python's arithmetic."""
        self._current[:] = bases
        return self.run_few(bases)

    def run_few(self, bases):
        """`run` with the first bases only, no step being in Python; the others are as before."""
        code = self._native.run(*bases)
        if code < 0:
            return -1
        stage, why = divmod(code, 4)
        if why == 1:
            return self._where[stage]
        raise ZeroDivisionError(f"{self._graph.steps[self._where[stage]].name}: a number computed for it divides by "
                                "zero, or is no real number")

    def _address(self, place, look=False):
        base = self._bases.get(place.buffer)
        if base is not None:
            return launches.stand_in(base) + place.offset if look else Base(base, place.offset)
        return self._addresses.get(place.buffer, 0) + place.offset

    def _value(self, value):
        if isinstance(value, Place):
            return self._address(value)
        if value.expression is not None:
            return Later(value.expression)
        return value.value

    def _read(self, step):
        own = step.values[0]
        self._builder.read(own.layout.dtype.name, self._address(own), ("read", step.read))

    def _check(self, step):
        self._builder.check(step.check, step.expected)

    def _launch(self, step):
        if launches.is_native(step.kernel):
            self._builder.kernel(step.kernel, [self._value(v) for v in step.values], step.meta, step.units, step.grain)
            return
        given: list = []
        for v in step.values:
            if isinstance(v, Place):
                given.append(self._address(v, True))
            elif v.expression is not None:
                given.append(_Mark(v.expression))
            else:
                given.append(v.value)
        try:
            calls, blocks = launches.found(step.kernel, (*given, step.meta, step.units, step.grain))
        except launches.Opaque:
            self._in_python(step)
            return
        self._keep.append((blocks, step.kernel))
        for kernel, arguments in calls:
            *values, meta, units, grain = arguments
            self._builder.kernel(kernel, [self._found(v) for v in values], meta, units, grain)

    def _found(self, value):
        if isinstance(value, _Mark):
            return Later(value.expression)
        base = launches.base_of(value)
        return value if base is None else Base(*base)

    def _join(self, step):
        builder = self._builder
        block = builder.addresses([self._address(v) for v in step.values[:-1]])
        builder.kernel(step.kernel, [block, self._address(step.values[-1])], step.meta, step.units, step.grain)

    def _draw(self, step):
        self._in_python(step)

    def _in_python(self, step):
        """A stage that calls the step's kernel from Python."""
        current, addresses, bases = self._current, self._addresses, self._bases
        parts = []
        for k, v in enumerate(step.values):
            if isinstance(v, Place):
                base = bases.get(v.buffer)
                parts.append(f"current[{base}] + {v.offset}" if base is not None else
                             str(addresses.get(v.buffer, 0) + v.offset))
            elif v.expression is not None:
                names = {s: f"slots[{s!r}][0].item()" for s in traced.sources(v.expression)}
                parts.append(traced.text(v.expression, names))
            else:
                parts.append("default_generator.state" if step.kind == "draw" and v.value == "state" else f"given[{k}]")
        if step.kind == "launch":
            parts += [str(step.meta), str(step.units), str(step.grain)]
        scope = {"current": current, "kernel": step.kernel, "default_generator": default_generator,
                 "slots": self._builder._slot_arrays, "given": [getattr(v, "value", None) for v in step.values]}
        exec(f"def stage(): kernel({', '.join(parts)})", scope)
        self._builder.python(scope["stage"])
        self.python.append(step.name)


class _Mark:
    """Stands for a number that is computed later, in a call that is only looked at."""

    __slots__ = ("expression",)

    def __init__(self, expression):
        self.expression = expression


__all__ = ["NotNative", "Runner"]
