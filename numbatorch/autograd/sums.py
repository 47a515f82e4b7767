"""Gradients of operands that broadcasting repeated: summed as they are made, never written in a result's shape."""

from types import SimpleNamespace

from ..expr import tree
from ..expr.functions import row_length
from ..layout import Layout, contiguous_strides
from ..plan import backend
from . import rules

FEW_SUMS = 16  # of fewer totals each is made of many elements, and that is done best by a sum alone


class Sum:
    """Gradients of some operands of a formula op, each summed over the same dimensions of the result's shape."""

    def __init__(self, rule, op, plan, dims, which):
        trees = [rule.sum_trees[k] for k in which]
        self.dims, self.which, self.shape = dims, which, rule.sum_shape
        self.names = rule._read(trees)
        rule.length = None
        made = rule.internal_op(f"{op.name}_backward_sums", "rowwise", op, plan, trees, self.names, True)
        self.call = made.call
        self.length = 1.0 * plan.length if any(p.name == "length_" for p in made.parameters) else None
        self.specs = [rule.specs[k] for k in which]
        self.layouts: dict = {}  # of a total with the dimensions summed over: the same in the operand's shape

    def run(self, env):
        """The gradients from what the formulas read."""
        more = () if self.length is None else (self.length,)
        return self.finish(self.call(*(env[n] for n in self.names), *more, self.dims, self.shape))

    def finish(self, values):
        """Totals in the shapes and dtypes of the operands."""
        values = values if isinstance(values, tuple) else (values,)
        return [self._fit(value, spec) for value, spec in zip(values, self.specs, strict=True)]

    def _fit(self, value, spec):
        own = value._layout
        if own.__class__ is not Layout:
            value = value.reshape(spec.shape)
        else:
            key = own, spec
            if key not in self.layouts:
                self.layouts[key] = own.with_(shape=spec.shape, strides=contiguous_strides(spec.shape))
            value = rules.shaped(value, self.layouts[key])
        return value if own.dtype is spec.dtype else rules.fit(value, spec)


def together(rule, op, plan):
    """The `call`, and the `names` it reads, of one op in place of a rule's own and the only one of its `sums`: where
    rows are summed over, and the device makes such sums on the way; None elsewhere."""
    if (rule.kind != "rowwise" or len(rule.sums) != 1 or rule.shared or plan.compute.wide is not plan.compute
            or {*rule.sums[0].dims} != {*range(len(plan.shape))} - {*plan.dims}
            or not getattr(backend(plan.layouts[0].device), "sums_rows", False)):
        return None
    trees = [*(rule.trees[k] for k in rule.own), *(rule.sum_trees[k] for k in rule.sums[0].which)]
    if rule.length is None and any(n is row_length for n in tree.order(*tree.expand(*trees))):
        return None
    names, count = rule._read(trees), len(rule.sums[0].which)
    made = rule.internal_op(f"{op.name}_backward", "rowwise", op, plan, trees, names, count=count)
    return SimpleNamespace(call=made.call, names=names)
