"""Steps with one formula over memory that outlives a call, as an optimizer has, in one launch (cuda/together.py)."""

from ..expr import kinds
from ..layout import Layout, is_dense
from ..plan import backend
from .graph import Number, Place
from .passes.compose import elementwise_of


class Updates:
    """Steps with one formula; a call asks the current stream for all of them."""

    name = "updates"

    @staticmethod
    def of(steps, runner):
        """The steps in their order; those beside each other that can be one, as Updates."""
        return [part[0] if len(part) == 1 else Updates(part, runner) for part in bundles(steps)]

    def __init__(self, steps, runner):
        self.steps, self._runner = steps, runner
        self._request = _form(steps[0])[1]
        self._numbers: list = []
        self._prepared = None
        self._run = backend(self._request.outputs[0].device).together(self._request)
        names = [isinstance(o.layout, Layout) for o in self._request.operands]
        for step in self.steps:
            self._numbers.append(self._runner.numbers([v for v, is_tensor in zip(step.values, names, strict=False)
                                                       if not is_tensor]))
        self._sizes = [s.values[-1].layout.numel for s in self.steps]

    def _rows(self):
        return [tuple(self._runner.place(v) for v in step.values if isinstance(v, Place)) for step in self.steps]

    def forget(self):
        """Addresses have changed."""
        self._prepared = None

    def prepare(self):
        """Bring the table of addresses to the device; not while work is recorded."""
        if self._run is not None and self._prepared is None:
            rows = self._rows()
            self._prepared = rows, self._run.prepare(rows, self._sizes)
            if not self._runner.recording():
                self._runner.there.wait()  # streams that replay it later do not

    def __call__(self):
        if self._run is None:  # a function is missing that the formula calls
            for step in self.steps:
                self._runner.start(step)
            return
        self.prepare()
        rows, start = self._prepared
        found: dict = {}
        for k, numbers in enumerate(self._numbers):
            found.setdefault(numbers(), []).append(k)
        if len(found) == 1:
            start(next(iter(found)))
            self._runner.wrote(True)
            return
        for numbers, places in found.items():  # parameters whose counts of steps differ
            self._run([rows[k] for k in places], [self._sizes[k] for k in places], numbers)
            self._runner.wrote(True)


def gathered(steps):
    """The steps, which can be in any order that keeps what each reads, with those that can be one beside each other."""
    found: list = []  # lists of steps
    groups: dict = {}  # form: place of the last such list
    for step in steps:
        form, _ = _form(step) or (None, None)
        at = groups.get(form) if form is not None else None
        if at is not None and not any(_meet(step, other) for part in found[at:] for other in part):
            found[at].append(step)
            continue
        if form is not None:
            groups[form] = len(found)
        found.append([step])
    return [step for part in found for step in part]


def bundles(steps):
    """[[step, ...]]: runs of steps that are one launch."""
    found: list = []
    last = None
    for step in steps:
        form, _ = _form(step) or (None, None)
        if form is not None and form == last and not any(_meet(step, other) for other in found[-1]):
            found[-1].append(step)
        else:
            found.append([step])
        last = form
    return found


def spans(graph):
    """{step: (number of the first, of the last step that runs at the same time)}, of programs of a GPU."""
    found, number = {}, 0
    for part in bundles(graph.steps):
        found.update(dict.fromkeys(part, (number, number + len(part) - 1)))
        number += len(part)
    return found


def _meet(step, other):
    return not (step.writes().isdisjoint(other.reads() | other.writes()) and step.reads().isdisjoint(other.writes()))


def _form(step):
    """(what steps of one launch have in common, the request); None for other steps."""
    if step.kind != "launch" or not step.writes() or any(b.kind == "input" for b in step.writes()):
        return None
    if not any(b.kind == "state" for b in step.writes()):
        return None
    request = elementwise_of(step)
    if request is None or not isinstance(request, kinds.Elementwise):
        return None
    first = request.outputs[0]
    own = [*(o.layout for o in request.operands if isinstance(o.layout, Layout) and o.layout.shape), *request.outputs]
    if not first.shape or not is_dense(first.shape, first.strides) or any(
            o.shape != first.shape or o.strides != first.strides for o in own):
        return None
    reads: dict = {}
    numbers = tuple((type(v.value), repr(v.value)) if v.expression is None else _pattern(v.expression, reads)
                    for v in step.values if isinstance(v, Number))
    operands = tuple((o.name, o.dtype, *((o.layout.dtype.name, not o.layout.shape) if isinstance(o.layout, Layout)
                                         else (o.layout,))) for o in request.operands)
    outputs = tuple(o.dtype.name for o in request.outputs)
    return (request.roots, operands, outputs, request.compute, numbers), request


def _pattern(expression, reads):
    """An expression with its reads numbered as they come."""
    if expression[0] == "read":
        return "read", reads.setdefault(expression[1], len(reads))
    if expression[0] in ("option", "number"):
        return expression
    return (expression[0], *(_pattern(part, reads) for part in expression[1:]))

