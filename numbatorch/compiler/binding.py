"""Sizes and their values: what is made of sizes (sizes.py), as numbers; kernels that are asked for by these."""

import contextlib
import functools
import operator
import threading
from dataclasses import dataclass, fields as fields_of, is_dataclass, replace

from ..expr import kinds, tree
from ..layout import Layout, layout
from . import traced
from .graph import Number
from .sizes import Size
from .watch import all_backends

_PLAIN = frozenset((int, float, bool, str, type(None)))
_ONE = threading.RLock()  # one capture with sizes at a time


@dataclass
class Asked:
    """What keeps a launch alive that was made of a request with sizes, and the request."""

    request: object
    keep: object


def is_symbolic(own):
    """Whether a layout has sizes."""
    return any(type(n) is Size for n in (*own.shape, *own.strides))


@functools.cache
def _names_of(kind):
    """The fields of a class of requests; none of others."""
    return [f.name for f in fields_of(kind)] if is_dataclass(kind) and kind.__module__ == kinds.__name__ else []


@contextlib.contextmanager
def requests_with_sizes(scope):
    """Devices are asked for kernels by requests with sizes: they get the values, and what is answered tells of both."""
    hints = Binding(scope, None)

    def asked(before):
        def plan(request):
            bound = hints.of(request)
            with scope.aside():
                launch = before(bound)
            if launch is None or bound is request:
                return launch
            return replace(launch, keep=Asked(request, launch.keep))
        return plan
    with _ONE:
        found = [(own, own.plan) for _, own in all_backends()]
        try:
            for own, before in found:
                own.plan = asked(before)
            yield
        finally:
            for own, before in found:
                own.plan = before


class Binding:
    """Values of all sizes of a scope: those of the capture, or given ones."""

    def __init__(self, scope, sizes):
        self._scope, self._known, self._layouts = scope, {}, {}
        self.sizes = None if sizes is None else tuple(sizes)
        self.asked: dict = {}  # {id of an Asked: (its request, the launch)} and {id of a plan: plan} of a program's
        self._atoms: list = []
        if sizes is not None:
            self._more()

    def _more(self):
        for kind, *rest in self._scope.atoms[len(self._atoms):]:
            if kind == "size":
                self._atoms.append(self.sizes[rest[0]])
            else:
                a, b = map(self.number, rest)
                self._atoms.append(a // b if kind == "floordiv" else a % b)

    def number(self, terms):
        """The value of a polynomial. ZeroDivisionError where one divides by zero."""
        found = self._known.get(terms)
        if found is None:
            found, first = 0, self._scope.first
            for atoms, times in terms:
                for a in atoms:
                    times *= self._atoms[a - first]
                found += times
            self._known[terms] = found
        return found

    def of(self, value):
        """A value with numbers for sizes; the value itself where it has none."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is Size:
            return value.hint if self.sizes is None else self.number(value.terms)
        if kind is Layout:
            return self.layout(value)
        if kind is tuple or kind is list:
            made = [v if type(v) in _PLAIN else self.of(v) for v in value]
            return value if all(map(operator.is_, made, value)) else kind(made)
        if kind is dict:
            made = {k: self.of(v) for k, v in value.items()}
            return value if all(made[k] is v for k, v in value.items()) else made
        if kind is tree.Expr:
            return self._formula(value)
        if kind is Number:
            return self.number_of(value)
        if kind is kinds.Operand:
            own = self.of(value.layout)
            return value if own is value.layout else kinds.Operand(value.name, own, value.dtype)
        changed = {}
        for name in _names_of(kind):
            old = getattr(value, name)
            new = self.of(old)
            if new is not old:
                changed[name] = new
        return replace(value, **changed) if changed else value

    def layout(self, own):
        """A layout with numbers for sizes."""
        found = self._layouts.get(id(own))
        if found is None:
            new = own
            if own.__class__ is Layout and is_symbolic(own):
                new = layout(own.dtype, self.of(own.shape), self.of(own.strides), own.device)
            found = self._layouts[id(own)] = own, new
        return found[1]

    def _formula(self, root):
        known = self._scope.formulas
        if root not in known:
            known[root] = any(type(a) is Size for n in tree.order(root) for a in n.args)
        if not known[root]:
            return root
        return tree.rebuild((root,), lambda n, args: tree.Expr(n.op, *(self.of(a) for a in args)))[0]

    def expression(self, own):
        """An expression with numbers for sizes."""
        if own[0] == "number":
            return "number", self.of(own[1])
        return own if own[0] in ("read", "option") else (own[0], *map(self.expression, own[1:]))

    def number_of(self, own):
        """A Number: a plain one where its expression was made of sizes alone."""
        if own.expression is None:
            new = self.of(own.value)
            return own if new is own.value else Number(new)
        made = self.expression(own.expression)
        if not traced.sources(made):
            return Number(traced.value(made, ()))
        return own if made == own.expression else Number(own.value, made)


__all__ = ["Asked", "Binding", "is_symbolic", "requests_with_sizes"]
