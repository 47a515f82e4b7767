"""Recording: nodes for calls, and what in-place changes do to the history of a tensor, its base and its views."""

import gc
from typing import Any

from . import dtypes
from .autograd.modes import check_changeable, mode
from .autograd.node import FunctionRule, Node, attach, edge, new_node
from .autograd.rules import make_rule
from .interception import answer, state
from .layout import is_dense
from .ops.declare import OPS
from .plan import type_name

Tensor: Any = None  # set by tensor.py, which imports this module first


class Layouts:
    """What a node of an eager op knows about its results."""

    __slots__ = ("layouts",)

    def __init__(self, layouts):
        self.layouts = layouts


def new_rule(plan, wanted):
    """The rule of a plan for a choice of operands that need a gradient; False where none can have one."""
    rule = plan.rules[wanted] = make_rule(plan, wanted) or False
    return rule


def record(plan, args, results):
    """Hang a node on the results of a call that was not written out."""
    wanted = tuple([isinstance(a, Tensor) and a._needs_grad for a in args])
    rule = plan.rules.get(wanted)
    if rule is None:
        rule = new_rule(plan, wanted)
    if rule:
        rule.record(*args, *results)


def record_inplace(op, plan, args):
    """An in-place call that must be recorded."""
    target = args[0]
    check_inplace(op.name, target)
    before = [a._kept() if a is target else a for a in args]
    rule = None
    wanted = tuple(isinstance(a, Tensor) and a._needs_grad for a in args)
    if any(wanted):
        rule = plan.rules.get(wanted)
        if rule is None:
            rule = new_rule(plan, wanted)
        rule = rule or None
    edges = [None] * len(wanted)
    saved = ()
    if rule is not None:
        for i in rule.positions:
            edges[i] = edge(args[i])
        # A formula that reads the old value of what is overwritten keeps a copy, with its history for double backward.
        reads_target = any(source == "arg" and args[i] is target for source, i in rule.keep)
        if reads_target:
            old = OPS["clone"].call(target)
            before = [old if a is target else a for a in args]
        else:
            before = list(args)
    _run_inplace(plan, args)
    target._storage.version += 1
    if rule is not None and rule.positions:
        results = (target,)
        saved = rule.save(before, results) if rule.keep else ()
        rebase(target, new_node(rule, plan, edges, saved))
    return target


def _run_inplace(plan, args):
    passed = [a._ptr if isinstance(a, Tensor) else 0 if a is None else a for a in args]
    plan.kernel(*passed, args[0]._ptr, plan.meta, plan.units, plan.grain)


def check_inplace(name, target):
    """RuntimeError when a tensor may not be changed in place: while recording, or because inference mode made it."""
    if target._storage.version < 0:
        check_changeable(f"{name}_", target)
    if target._needs_grad and mode.enabled:
        if target._node is None:
            raise RuntimeError(f"{name}_: a leaf Variable that requires grad is being used in an in-place operation. "
                               "Do it inside torch.no_grad(), or on a clone().")
    base = target._base
    if base is None or not base._needs_grad or not mode.enabled:
        return
    if base._node is None:
        raise RuntimeError(f"{name}_: a view of a leaf Variable that requires grad is being used in an in-place "
                           "operation. Do it inside torch.no_grad(), or on a clone().")
    if not target._needs_grad:
        raise RuntimeError(f"{name}_: A view was created in no_grad mode and is being modified inplace with grad mode "
                           "enabled: its base requires grad, but what happens here would not be recorded. Make both "
                           "inside no_grad() or both outside, or detach() the view.")
    check_single(target, "is being modified inplace")


def check_single(view, what):
    """RuntimeError for a view that is one of several results of one operation, or a view of such a view."""
    node = view._node
    while node is not None:
        op = getattr(node.rule, "op", None)
        if op is None or not op.several and op.kind != "view":
            return
        if op.several:
            raise RuntimeError(f"Output {view._output_index} of {view._node.name()} is a view and {what}. This view is "
                               "the output of a function that returns multiple views. Such functions do not allow the "
                               "output views to be modified inplace. Replace the in-place operation by an out-of-place "
                               "one, or write into the tensor that was split.")
        node = node.edges[0][0] if node.edges[0] is not None else None
        node = node if isinstance(node, Node) else None


def check_overlap(name, target, other, separate=False):
    """RuntimeError when a call would read what it has already overwritten; strided views are not examined.

    The same elements in the same places are in order, unless `separate`.
    """
    a, b = target._layout, other._layout
    if a is b and target._ptr == other._ptr and not separate or not (a.numel and b.numel):
        return
    if not (is_dense(a.shape, a.strides) and is_dense(b.shape, b.strides)):
        return
    start, end, other_end = target._ptr, target._ptr + a.nbytes, other._ptr + b.nbytes
    if end <= other._ptr or other_end <= start:
        return
    if start == other._ptr and end == other_end and not separate:
        steps = [[s for s, n in zip(x.strides, x.shape, strict=True) if n != 1] for x in (a, b)]
        if steps[0] == steps[1]:
            return
    raise RuntimeError(f"{name}: unsupported operation: some elements of the input tensor and the written-to tensor "
                       "refer to a single memory location. Please clone() the tensor before performing the operation.")


def check_apart(name, target, others):
    """RuntimeError when one of `others`, tensors or anything else, has memory that a call by index writes to."""
    for other in others:
        if isinstance(other, Tensor) and other._storage.root is target._storage.root:
            check_overlap(name, target, other, separate=True)


def rebase(target, node, index=0):
    """Make an in-place changed tensor output `index` of `node`; a change of a view goes into its base's history.

    Edge 0 of `node` is that of the target itself.
    """
    base = target._base
    if base is None:
        tell_views(target, 0)
        attach(target, node, index)
        target._generation += 1
        return
    tell_views(base, 1)
    offset = (target._ptr - base._ptr) // base._layout.dtype.itemsize
    rule = _CopySlices(base._layout, target._layout, offset, index, len(node.edges) + 1)
    attach(base, new_node(rule, Layouts((base._layout,)), [edge(base), None, *node.edges[1:]], (node,)))
    base._generation += 1
    target._needs_grad = True
    target._refresh_view()


def tell_views(base, known):
    """Before a tensor without history gets one: let views that were taken earlier read theirs from it.

    Views do not register with their base, which would cost every view; where more than `known` were ever taken, they
    are looked for among the objects that refer to it.
    """
    if base._needs_grad or base._viewed <= known:
        return
    holders = gc.get_referrers(base)
    holders += [owner for d in holders if type(d) is dict and d.get("_base") is base for owner in gc.get_referrers(d)]
    for view in holders:
        if isinstance(view, Tensor) and view._base is base:
            view._needs_grad, view._seen_generation = True, -1


class _CopySlices:
    """The rule of an in-place change of a view, seen from its base: outside the view gradients pass through."""

    name = "CopySlices"

    def __init__(self, base_layout, geometry, offset, index, edge_count):
        self.base_layout, self.geometry, self.offset, self.index = base_layout, geometry, offset, index
        self.positions = range(edge_count)

    def run(self, node, grads):
        from .tensor import empty_layout
        (change,) = node.unpack()
        whole = empty_layout(self.base_layout)
        whole.copy_(grads[0])
        part = whole.as_strided(self.geometry.shape, self.geometry.strides, self.offset)
        inner = [None] * change.outputs
        inner[self.index] = part.clone()
        own, *others = change.rule.run(change, inner)
        if own is None:
            part.zero_()
        else:
            part.copy_(own)
        return [whole, None, *others]


def inplace_by_copy(op):
    """The in-place form of an op without a kernel for it: compute, then write the result into the first operand."""
    def call(input, *args, **kwargs):
        if state.active:
            bound = op.call.__signature__.bind(input, *args, **kwargs)
            bound.apply_defaults()
            found = answer(op, True, tuple(v for n, v in bound.arguments.items() if n != "out"))
            if found is not NotImplemented:
                return found
        check_inplace(op.name, input)
        if op.separate:
            check_apart(f"{op.name}_", input, (*args, *kwargs.values()))
        recorded = mode.enabled
        # What is recorded may save the input, so it gets values that this call does not overwrite.
        source = OPS["clone"].call(input) if recorded and input._needs_grad else input
        result = op.call(source, *args, **kwargs)
        if not op.casts and not dtypes.can_cast(result._layout.dtype, input._layout.dtype):
            raise RuntimeError(f"{op.name}_: result type {type_name(result._layout.dtype)} can't be cast to "
                               f"the desired output type {type_name(input._layout.dtype)}")
        if op.exact_out and result._layout.dtype is not input._layout.dtype:
            raise RuntimeError(f"{op.name}_: the result has dtype {result._layout.dtype}, which the tensor it would "
                               f"replace, of {input._layout.dtype}, does not have; use {op.name}")
        if result._layout.shape != input._layout.shape:
            raise RuntimeError(f"{op.name}_: output with shape {list(input._layout.shape)} doesn't match the result's "
                               f"shape {list(result._layout.shape)}")
        overwrite(input, result, recorded)
        return input
    return call


def overwrite(target, result, recorded=True):
    """Put a result's values and history in place of a tensor's own."""
    before, mode.enabled = mode.enabled, False
    try:
        target.copy_(result._kept() if result._needs_grad else result)
    finally:
        mode.enabled = before
    if recorded and result._needs_grad:
        if target._base is not None:
            rule = FunctionRule("CopyBackwards", lambda n, g: [None, g[0]])
            rebase(target, new_node(rule, Layouts((target._layout,)), [None, edge(result)], ()))
        else:
            tell_views(target, 0)
            target._needs_grad, target._node = True, result._node
            target._output_index = result._output_index
            target._generation += 1
            if result._node is None:
                rule = FunctionRule("CopyBackwards", lambda n, g: [g[0]])
                attach(target, new_node(rule, Layouts((target._layout,)), [edge(result)], ()))
