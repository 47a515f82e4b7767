"""Programs of a GPU: the steps between two looks at a value are one CUDA graph.

The host does the rest, in this order as far as operands allow: steps on numbers of the CPU (counts, rates), graphs,
values that are read, launches with numbers that change from run to run. Graphs know addresses. A tensor that comes in
other memory more than a few times gets a place of its own, to which it is copied before and from which after a run.
"""

import heapq
import itertools

import numpy as np

from ..determinism import are_deterministic_algorithms_enabled
from ..device import CPU
from ..errors import OutOfMemoryError
from ..generator import default_of
from ..plan import backend
from ..runtime import get_float32_matmul_precision
from . import native, traced
from .graph import Graph, Number, Place
from .memory import room
from .updates import Updates, gathered

MOVES = 3  # how often an operand may be in other memory before it is copied: a graph is recorded again each time
SCHEDULED = ("lr", "momentum")  # options of optimizers that schedulers change; others are part of a graph
BEGUN = ("{}. The compiled step {} had begun to change parameters, state or statistics on {}: what these hold is not "
         "known. Where a kernel has failed, the driver does no more work of this process. Go on from a checkpoint")
FEW = 2  # steps that are launched one by one: a graph of them would save nothing


def arranged(graph):
    """The graph with its steps in the order above, draws and checks among themselves as they were."""
    waits = _waits(graph.steps)
    left = [len(w) for w in waits]
    then: list = [[] for _ in waits]
    for k, own in enumerate(waits):
        for before in own:
            then[before].append(k)
    ready = [(_rank(s, graph), k) for k, s in enumerate(graph.steps) if not left[k]]
    heapq.heapify(ready)
    made = []
    while ready:
        _, k = heapq.heappop(ready)
        made.append(graph.steps[k])
        for after in then[k]:
            left[after] -= 1
            if not left[after]:
                heapq.heappush(ready, (_rank(graph.steps[after], graph), after))
    steps: list = []
    for _, run in itertools.groupby(made, lambda s: (s.kind == "launch", _rank(s, graph))):
        steps += gathered(list(run))
    found = Graph(graph.name, graph.buffers, steps, graph.options)
    found.check()
    return found


def _rank(step, graph):
    if step.device is CPU:
        return 0
    if step.kind == "move":
        return 0 if step.name == "upload" else 4
    return 2 if step.kind == "read" else 3 if changes(step, graph) else 1


def lasts(step):
    """Whether a step changes what a GPU holds from run to run."""
    return any(b.kind in ("state", "input") and b.device is not CPU for b in step.writes())


def _sources(step):
    return {s for v in step.values if isinstance(v, Number) and v.expression is not None
            for s in traced.sources(v.expression)}


def changes(step, graph):
    """Whether a number of a launch is to be expected to be another in each run."""
    return any(kind == "read" or graph.options[k][1] in SCHEDULED for kind, k in _sources(step))


def _waits(steps):
    """[numbers of the steps that have to come before] each step."""
    writer, readers, reads, drawn, checked, waits = {}, {}, {}, {}, None, []
    for k, step in enumerate(steps):
        own = set()
        for b in step.reads() | step.writes():
            if b in writer:
                own.add(writer[b])
        for b in step.writes():
            own |= readers.pop(b, set())
            writer[b] = k
        for b in step.reads() - step.writes():
            readers.setdefault(b, set()).add(k)
        expressions = [v.expression for v in step.values if isinstance(v, Number) and v.expression] + (
            [step.check] if step.check else [])
        own |= {reads[n] for e in expressions for kind, n in traced.sources(e) if kind == "read"}
        if checked is not None and (step.kind == "check" or any(b.kind != "temporary" for b in step.writes())):
            own.add(checked)  # until the last check a run may stop, and has to leave nothing behind
        if step.kind == "draw":
            own |= {drawn[step.device]} if step.device in drawn else set()
            drawn[step.device] = k
        if step.kind == "read":
            reads[step.read] = k
        if step.kind == "check":
            checked = k
        own.discard(k)
        waits.append(own)
    return waits


class Runner(native.Runner):
    """run(bases) of a program with steps on a GPU: `graphs` of its parts, and why some are not (`refusals`)."""

    def __init__(self, graph, addresses, dynamic, options, slots=None):
        from ..cuda import CudaError, runtime  # there, as the graph has steps of a GPU
        self.device, self.there, self.runtime, self.refused = graph.device, backend(graph.device), runtime, CudaError
        self._dynamic, self._own, self._moves = dynamic, {}, [0] * len(dynamic)
        self._resolved: list = [None] * len(dynamic)
        self._queue: list = []
        self.graphs: list = []
        self.updates: list = []
        self.refusals: dict = {}
        self._changing, self.begun = 0, False
        self._lasting = {s for s in graph.steps if lasts(s)}
        self._draws = any(s.kind == "draw" for s in graph.steps)
        written = set().union(*(s.writes() for s in graph.steps)) if graph.steps else set()
        read = set().union(*(s.reads() for s in graph.steps)) if graph.steps else set()
        borrowed = {b.number for b in addresses.values() if hasattr(b, "number")}
        self._comes = [b.kind == "input" and (b in read or b in written) for b in dynamic]
        self._goes = [b in written or b.kind == "result" and k in borrowed for k, b in enumerate(dynamic)]
        super().__init__(graph, addresses, dynamic, options, slots)

    def run(self, bases):
        """Run. What has changed on the CPU, and generators, are put back where that fails.

        Memory is asked for and graphs are recorded before the GPU changes what outlives the run, so that a failure of
        these leaves all as it was. An error after that says so.
        """
        self.begun = False
        drawn = [(s, s.copy()) for s in (default_of(d).state for d in (CPU, self.device))] if self._draws else []
        try:
            return super().run(bases)
        except BaseException as error:
            self.restore()
            for state, copy in drawn:
                state.become(copy)
            if self.begun and isinstance(error, (self.refused, OutOfMemoryError)):
                error.args = (BEGUN.format(error, self._graph.name, self.device), *error.args[1:])
            raise

    def _before_errors(self):
        """All steps: a driver may report one at any of them."""
        return self._graph.steps

    def drop(self):
        """Give up the graphs, and the places of operands that come in other memory."""
        self._own.clear()
        self._moves, self._resolved = [0] * len(self._dynamic), [None] * len(self._dynamic)
        for part in [*self.graphs, *self.updates]:
            part.forget()

    def _numbers_first(self):
        """See native.Runner; of several launches with numbers that change each would compute its own."""
        super()._numbers_first()
        own = [v for s in self._graph.steps if s.device is not CPU for v in s.values
               if native.may_raise(getattr(v, "expression", None))]
        if own and self._changing > 1:
            self._stage_of(self.numbers(own), "numbers")
            self._builder.stages.insert(self._looks, self._builder.stages.pop())
            self._where.insert(self._looks, self._where[-1])

    # ------------------------------------------------------------ memory

    def _begin(self):
        self._stage_of(self._enter, "memory of operands")

    def _end(self):
        self._flush()
        self._stage_of(self._leave, "memory of results")

    def _stage_of(self, function, name):
        self._builder.python(function)
        self.python.append(name)

    def _enter(self):
        """Find where operands are, and forget the graphs that know other addresses."""
        again = False
        for k, address in enumerate(self._current):
            b = self._dynamic[k]
            if b.device is not self.device:
                continue
            if k not in self._own and address != self._resolved[k]:
                self._moves[k] += self._resolved[k] is not None
                if self._moves[k] >= MOVES and b.kind != "temporary":
                    self._own[k] = room(self.device, b.nbytes)
                    address = self._own[k][1]
                self._resolved[k], again = address, True
            if k in self._own and self._comes[k]:
                self.there.move(self._resolved[k], self._current[k], b.nbytes)
        if again:
            for part in [*self.graphs, *self.updates]:
                part.forget()
        if not self.recording():
            for part in [*self.updates, *self.graphs]:
                part.prepare()

    def _leave(self):
        for k in self._own:
            if self._goes[k]:
                self.there.move(self._current[k], self._resolved[k], self._dynamic[k].nbytes)

    def place(self, place):
        """The address of an operand of a GPU's step in this run."""
        base = self._bases.get(place.buffer)
        if base is not None:
            return self._resolved[base] + place.offset
        here = self._addresses.get(place.buffer, 0)
        return (here if isinstance(here, int) else self._resolved[here.number] + here.offset) + place.offset

    def recording(self):
        """Whether this thread's work is recorded, into a graph of the program or of the user's own."""
        return self.runtime.thread.recording is not None

    def describe(self):
        """Lines on what runs how."""
        inside, changing = sum(map(len, self.graphs)), [s for s in self._graph.steps if changes(s, self._graph)]
        lines = [f"on {self.device}: {len(self.graphs)} graph{'s' * (len(self.graphs) != 1)} of {inside} launches, "
                 f"{len(changing)} steps with numbers that change in {self._changing} launches, "
                 f"{sum(s.kind == 'read' and s.device is not CPU for s in self._graph.steps)} values that the host "
                 f"waits for, {sum(s.device is CPU for s in self._graph.steps)} steps on the host; {self.kept} bytes "
                 "for operands in other memory and work of kernels"]
        return lines + [f"not a graph, so launched one by one: {why}" for why in self.refusals]

    @property
    def kept(self):
        """Bytes that operands' own places take, and what kernels of graphs work in."""
        return sum(self._dynamic[k].nbytes for k in self._own) + sum(part.kept for part in self.graphs)

    # ------------------------------------------------------------ stages

    def _put(self, step):
        if self._queue and changes(self._queue[-1], self._graph) is not changes(step, self._graph):
            self._flush()
        self._queue.append(step)

    def _flush(self):
        """Stages of the steps that wait."""
        steps, self._queue = self._queue, []
        if not steps:
            return
        parts = Updates.of(steps, self)
        self.updates += [p for p in parts if isinstance(p, Updates)]
        moving = changes(steps[0], self._graph)
        self._changing += len(parts) if moving else 0
        if moving or len(parts) <= FEW:
            for part in parts:
                self._stage_of(part if isinstance(part, Updates) else lambda own=part: self.start(own),
                               getattr(part, "name", "updates"))
        else:
            self.graphs.append(Recorded(parts, self, set().union(*map(_sources, steps))))
            self._stage_of(self.graphs[-1], "a graph")

    def _launch(self, step):
        if step.device is CPU:
            self._flush()
            super()._launch(step)
        else:
            self._put(step)

    def _join(self, step):
        if step.device is CPU:
            self._flush()
            super()._join(step)
        else:
            self._put(step)

    def _draw(self, step):
        if step.device is CPU:
            self._flush()
            super()._draw(step)
        else:
            self._put(step)

    def _move(self, step):
        self._flush()

        def copy():
            step.kernel(*(self._here(v) if isinstance(v, Place) else v.value for v in step.values))
        self._stage_of(copy, step.name)

    def _here(self, place):
        """The address of an operand of the GPU or of the CPU in this run."""
        base = self._bases.get(place.buffer)
        on_host = base is not None and place.buffer.device is CPU
        return self._current[base] + place.offset if on_host else self.place(place)

    def _check(self, step):
        self._flush()
        super()._check(step)

    def _read(self, step):
        self._flush()
        if step.device is CPU:
            super()._read(step)
            return
        own = step.values[0]
        landing = np.zeros(16, np.uint8)
        self._keep.append(landing)

        def fetch():
            self.there.download(landing.ctypes.data, self.place(own), own.layout.dtype.itemsize)
        self._stage_of(fetch, "read")
        self._builder.read(own.layout.dtype.name, landing.ctypes.data, ("read", step.read))

    def options(self, sources):
        """f() that gives what some options are in this run."""
        return self.numbers([Number(None, s) for s in sorted(sources)])

    def numbers(self, values):
        """f() that gives what some Numbers are in this run."""
        parts, scope = [], {"slots": self._builder._slot_arrays}
        for k, v in enumerate(values):
            if v.expression is None:
                scope[f"value{k}"] = v.value
                parts.append(f"value{k}")
            else:
                parts.append(traced.text(v.expression, {s: f"slots[{s!r}][0].item()"
                                                        for s in traced.sources(v.expression)}))
        return eval(f"lambda: ({', '.join(parts)}{',' * (len(parts) == 1)})", scope)

    def start(self, step):
        """Ask the current stream for a step."""
        self._ask(step)
        self.wrote(step in self._lasting)

    def wrote(self, lasting):
        """Note that the current stream was asked for what changes memory that outlives the run."""
        self.begun = self.begun or lasting and not self.recording()

    def _ask(self, step):
        if step.kind == "join":
            block = np.array([self.place(v) for v in step.values[:-1]], np.int64)
            step.kernel(block.ctypes.data, self.place(step.values[-1]), step.meta, step.units, step.grain)
            return
        given = [self.place(v) if isinstance(v, Place) else v.value if v.expression is None else self.numbers([v])()[0]
                 for v in step.values]
        if step.kind == "draw":
            state = default_of(step.device).state
            step.kernel(*(state if type(v) is str and v == "state" else v for v in given))
        else:
            step.kernel(*given, step.meta, step.units, step.grain)


class Recorded:
    """Steps that are recorded at the first run, and replayed from then on."""

    def __init__(self, parts, runner, options):
        """options: sources of the numbers that the steps bring; where these change, or settings by which calls choose
        between kernels, the graph is recorded again."""
        self._parts, self._runner, self._graph, self._plainly = parts, runner, None, False
        self._options, self._recorded_for = runner.options(options), ()
        self._lasts = any(isinstance(part, Updates) or lasts(part) for part in parts)

    def __len__(self):
        return len(self._parts)

    @property
    def kept(self):
        return 0 if self._graph is None else self._graph.kept_bytes()

    def forget(self):
        """Addresses have changed."""
        self._graph = None

    def prepare(self):
        """Record the steps, where that was not done for these addresses and options. OutOfMemoryError where there is
        no room for what their kernels work in."""
        options = self._options(), get_float32_matmul_precision(), are_deterministic_algorithms_enabled()
        if self._plainly or self._graph is not None and options == self._recorded_for:
            return
        self._graph, self._recorded_for = None, options
        try:
            with self._runner.runtime.current(self._runner.device.index):
                self._graph = self._recorded()
        except self._runner.refused as error:
            self._plainly = True
            self._runner.refusals[str(error)] = self._runner.refusals.get(str(error), 0) + 1

    def __call__(self):
        if self._plainly or self._runner.recording():  # a graph of the user's own takes the steps
            self._start()
            return
        with self._runner.runtime.current(self._runner.device.index):
            self._graph.replay()
        self._runner.wrote(self._lasts)

    def _start(self):
        for part in self._parts:
            if isinstance(part, Updates):
                part()
            else:
                self._runner.start(part)

    def _recorded(self):
        from ..cuda.queues import Stream
        from ..cuda.recording import CUDAGraph, graph
        made = CUDAGraph()
        with graph(made, stream=Stream(self._runner.device), capture_error_mode="thread_local"):
            self._start()
        return made
