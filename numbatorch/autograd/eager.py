"""Recording of ops whose bodies run on tensors: one node a call, its gradients declared as functions over tensors.

Operands may be lists of tensors. A gradient function that names a list gets the list, saved as operands are: versions
are checked, and it is let go once it was used. One that asks for `<name>_layouts` needs the layouts alone, and
`<name>_wanted` tells of each item whether it needs a gradient.
"""

from ..recording import Layouts
from .node import attach, edge, new_node
from .rules import TensorRule


def record_eager(op, values, given, result):
    """Hang the node of a call on its results. values: all arguments by name; given: the operands in their order."""
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
    rule = EagerRule(op, statics, tuple(wanted), [len(v) if isinstance(v, (list, tuple)) else None for v in given])
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


class EagerRule(TensorRule):
    """A TensorRule whose operands may be lists of tensors."""

    def __init__(self, op, statics, wanted, lengths):
        super().__init__(op, statics, wanted)
        self.lengths = lengths
        self.lists = [None if source == "result" else lengths[i] for source, i in self.keep]  # lengths of saved lists

    def save(self, args, results):
        """What the gradients name, the items of lists one after the other."""
        saved: list = []
        for (source, i), length in zip(self.keep, self.lists, strict=True):
            if length is None:
                saved.append(results[i].detach() if source == "result" else args[i])
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
