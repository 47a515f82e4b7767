"""Recording of ops whose bodies run on tensors: one node a call, its gradients declared as functions over tensors.

Operands may be lists of tensors. A gradient function that names a list gets the list, saved as operands are: versions
are checked, and it is let go once it was used. One that asks for `<name>_layouts` needs the layouts alone, and
`<name>_wanted` tells of each item whether it needs a gradient.
"""

from ..device import device
from ..dtypes import dtype
from ..layout import Layout
from ..recording import Layouts
from . import written
from .node import attach, edge, new_node
from .rules import TensorRule

_PLAIN = frozenset((bool, int, float, str, type(None), dtype, device))  # what equal keys say all about
_rules: dict = {}


def record_eager(op, values, given, result):
    """Hang the node of a call on its results. values: all arguments by name; given: the operands in their order."""
    rule = _rule(op, values, given)
    if not rule.positions:
        return
    edges = []
    for k, v in enumerate(given):
        if isinstance(v, (list, tuple)):
            edges += [edge(t) if k in rule.positions and hasattr(t, "_layout") else None for t in v]
        else:
            edges.append(edge(v) if k in rule.positions else None)
    results = result if isinstance(result, tuple) else (result,)
    node = new_node(rule, Layouts(tuple([r._layout for r in results])), edges, rule.save(given, results), len(results))
    for k, r in enumerate(results):
        if r._layout.dtype.category >= 2:
            attach(r, node, k)


def _rule(op, values, given):
    """The rule for these arguments: the one that an earlier call with such arguments made, else a new one.

    From its second use on, its backward step is written out. Arguments that a key does not tell all about, and
    tensors that are not plain, have a rule for this call alone.
    """
    key = [op]
    for v in given:
        for t in v if isinstance(v, (list, tuple)) else (v,):
            own = getattr(t, "_layout", None)
            if own.__class__ is not Layout and own is not None:
                return _made(op, values, given)
            key += own, own is not None and t._needs_grad
        key.append(len(v) if isinstance(v, (list, tuple)) else None)
    for p in op.parameters:
        if p.role != "operand":
            v = values[p.name]
            kinds = tuple(map(type, v)) if v.__class__ is tuple else (v.__class__,)
            if not _PLAIN.issuperset(kinds):
                return _made(op, values, given)
            key += v, kinds
    found = _rules.get(tuple(key))
    if found is None:
        if len(_rules) > 4096:  # arguments that never come again
            _rules.clear()
        found = _rules[tuple(key)] = _made(op, values, given)
    elif not found.written:
        found.written = True
        if found.lists.count(None) == len(found.lists):  # lists that are saved have no place of their own
            found.run = written.tensor_step(found, op, found.statics)
    return found


def _made(op, values, given):
    """A new rule for the arguments of a call."""
    wanted, statics = [], {p.name: values[p.name] for p in op.parameters if p.role != "operand"}
    for p, v in zip(op.operands, given, strict=True):
        if isinstance(v, (list, tuple)):
            items = [hasattr(t, "_layout") and t._needs_grad for t in v]
            wanted.append(True in items)
            statics[f"{p.name}_wanted"] = items
            statics[f"{p.name}_layouts"] = [t._layout if hasattr(t, "_layout") else None for t in v]
        else:
            wanted.append(hasattr(v, "_layout") and v._needs_grad)
            if hasattr(v, "_layout"):
                statics[f"{p.name}_layout"] = v._layout
    return EagerRule(op, statics, tuple(wanted), [len(v) if isinstance(v, (list, tuple)) else None for v in given])


class EagerRule(TensorRule):
    """A TensorRule whose operands may be lists of tensors."""

    written = False

    def __init__(self, op, statics, wanted, lengths):
        super().__init__(op, statics, wanted)
        self.lengths = lengths
        self.lists = [None if source == "result" else lengths[i] for source, i in self.keep]  # lengths of saved lists

    def save(self, args, results):
        """What the gradients name, the items of lists one after the other."""
        saved: list = []
        for (source, i), length in zip(self.keep, self.lists, strict=True):
            if length is None:
                saved.append(results[i]._kept() if source == "result" else args[i])
            else:
                saved += args[i]
        return tuple(saved)

    def general_run(self, node, grads):
        """Gradients of the operands, those of a list one after the other."""
        values = iter(node.unpack())
        saved = [next(values) if n is None else [next(values) for _ in range(n)] for n in self.lists]
        flat: list = []
        for value, n in zip(self.gradients(node, grads, saved), self.lengths, strict=True):
            if n is None:
                flat.append(value)
            else:
                flat += [None] * n if value is None else list(value)
        return flat
