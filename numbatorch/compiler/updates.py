"""Steps with one formula over memory that outlives a call, as an optimizer has, in one launch (cuda/together.py)."""

from ..expr import kinds
from ..layout import Layout, is_dense
from ..plan import backend
from .graph import Number, Place
from .passes.compose import elementwise_of


class Updates:
    """Steps with one formula; a call asks the current stream for all of them."""

    name = "updates"

    def __init__(self, step, form, request, runner):
        self.steps, self.form, self._request, self._runner = [step], form, request, runner
        self._numbers: list = []
        self._run = self._prepared = None

    @staticmethod
    def of(steps, runner):
        """The steps in their order; those that can be one, as Updates at the place of the first."""
        found: list = []
        groups: dict = {}  # form: place of its group
        for step in steps:
            known = _form(step)
            if known is None:
                found.append(step)
                continue
            form, request = known
            at = groups.get(form)
            if at is not None and not any(_meet(step, other) for part in found[at:] for other in _members(part)):
                found[at].steps.append(step)
            else:
                groups[form] = len(found)
                found.append(Updates(step, form, request, runner))
        found = [p.steps[0] if isinstance(p, Updates) and len(p.steps) == 1 else p for p in found]
        for part in found:
            if isinstance(part, Updates):
                part._finish()
        return found

    def _finish(self):
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
            return
        for numbers, places in found.items():  # parameters whose counts of steps differ
            self._run([rows[k] for k in places], [self._sizes[k] for k in places], numbers)


def _members(part):
    return part.steps if isinstance(part, Updates) else (part,)


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

