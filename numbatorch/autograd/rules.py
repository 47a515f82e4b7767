"""Backward rules made from declarations.

A formula op's gradients are trees: without double backward they run as one generated kernel for all wanted operands;
with `create_graph` the same trees are evaluated on tensors, which records them. Other ops declare functions over
tensors. What is saved is what those gradients name.
"""

import functools
import inspect
import math
from typing import Any

from .. import dtypes
from ..errors import NotOnHostError, NoValuesError
from ..expr import tree
from ..expr.derive import rank_of
from ..expr.functions import row_length, row_sum
from ..layout import Layout, broadcast_shapes, broadcast_strides
from ..ops.declare import Op, Parameter
from . import written
from .evaluation import evaluate
from .modes import mode
from .sums import FEW_SUMS, Sum, together

_FORMULAS = ("elementwise", "reduction", "rowwise")
alias: Any = None  # these two are set by tensor.py, which imports this module first
empty_layout: Any = None

def make_rule(plan, wanted):
    """The rule for one plan and one choice of operands that need a gradient; None if none can have one."""
    op = plan.op
    if not op.differentiable:
        return None
    if op.kind in _FORMULAS:
        rule = FormulaRule(plan, wanted)
    else:
        layouts = {f"{n}_layout": s for n, s in plan.specs.items()}
        rule = TensorRule(plan.op, {**plan.statics, **layouts}, wanted)
    if not rule.positions:
        return None
    rule.record = written.recorder(rule, plan, wanted)
    if isinstance(rule, TensorRule):
        rule.run = written.tensor_step(rule, plan.op, rule.statics)
    return rule


# Where an op does what one of PyTorch's does under another name, nodes have that name.
_NODE_NAMES = {
    "true_divide": "Div", "linear_rows": "Addmm", "add_product": "Addmm", "softmax_rows": "Softmax",
    "log_softmax_rows": "LogSoftmax", "conv_forward": "Convolution", "layer_norm_rows": "NativeLayerNorm",
    "batch_norm_rows": "NativeBatchNorm", "where_values": "Where", "var_dims": "Var", "std_dims": "Std",
    "prod_dims": "Prod", "norm2": "LinalgVectorNorm", "max_dim": "Max", "min_dim": "Min", "to": "ToCopy",
    "frame": "ConstantPadNd", "det": "LinalgDet", "inv": "LinalgInvEx", "index_set": "IndexPut", "square": "Pow",
    "scale_kept": "NativeDropout", "gather_checked": "Gather", "scatter_onto": "Scatter"}


def backward_name(op):
    name = op.name.strip("_")
    return (_NODE_NAMES.get(name) or "".join(part.capitalize() for part in name.split("_"))) + "Backward0"


def shaped(tensor, layout_):
    """The same memory with another layout of as many elements."""
    return alias(tensor, layout_)


def fit(gradient, spec):
    """A gradient in the shape and dtype of the operand it belongs to: summed, repeated, converted."""
    own = gradient._layout
    if own.shape != spec.shape:
        wider = _expanded(own, spec.shape) if own.__class__ is Layout and not mode.enabled else None
        if wider is not None:
            gradient = shaped(gradient, wider)
        elif _is_larger(own.shape, spec.shape):
            gradient = sum_to(gradient, spec.shape)
        else:
            gradient = gradient.expand(spec.shape)
    if own.dtype is not spec.dtype:
        if own.dtype.category == dtypes.COMPLEX and spec.dtype.category != dtypes.COMPLEX:
            gradient = gradient.real
        gradient = gradient.to(spec.dtype)
    return gradient


@functools.lru_cache(4096)
def _is_larger(own, shape):
    """Whether `own` is what broadcasting `shape` gives."""
    return 0 < math.prod(shape) < math.prod(own) or len(own) > len(shape) or (
        broadcast_shapes("backward", [own, shape]) == own)


@functools.lru_cache(4096)
def _expanded(own, shape):
    """The layout of an expanded tensor; None where it is to be summed instead."""
    if _is_larger(own.shape, shape):
        return None
    return own.with_(shape=shape, strides=broadcast_strides(own.shape, own.strides, shape))


def sum_to(tensor, shape):
    """Sum over the dimensions that broadcasting from `shape` repeated."""
    lead, dims = _repeated(tensor._layout.shape, shape)
    if lead == len(dims) and lead:
        return tensor.sum(dims)
    if dims:
        tensor = tensor.sum(dims, True)
    return tensor.reshape(shape) if lead else tensor


@functools.lru_cache(4096)
def _repeated(own, shape):
    """(dimensions that `own` has in front of those of `shape`, all that broadcasting from `shape` repeated)."""
    lead = len(own) - len(shape)
    return lead, (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and own[lead + i] != 1))


class FormulaRule:
    """Gradients of a formula op: trees, and the internal op that computes them in one kernel."""

    def __init__(self, plan, wanted):
        op = self.op = plan.op
        self.name, self.plan = backward_name(op), plan
        formula = [p for p in op.formula_parameters if p.role != "static"]
        names = [p.name for p in formula]
        self.wanted = [n for n, w in zip(names, wanted, strict=True) if w]
        self.positions = [i for i, w in enumerate(wanted) if w]
        self.count = len(wanted)
        absent = tuple(n for n, s in plan.specs.items() if s is None)
        values = {k: v for k, v in plan.statics.items()
                  if k not in ("dim", "keepdim", "dtype") or op.kind == "elementwise"}
        row_args = ("grad", *op.outputs) if op.kind == "reduction" else ()
        self.trees = op.gradient_trees(self.wanted, {**dict.fromkeys(absent), **values}, absent, row_args)
        self.recorded_trees = self._without_kept({**dict.fromkeys(absent), **values}, absent)
        self.reads = [n for n in tree.names(*self.trees, *self.recorded_trees) if not n.startswith("grad")]
        self.result_names = set(op.outputs)
        self.keep = [("result", op.outputs.index(n)) if n in self.result_names else ("arg", names.index(n))
                     for n in self.reads]
        self.grad_names = [n for n in tree.names(*self.trees) if n.startswith("grad")]
        self.grad_index = {n: 0 if n == "grad" else op.outputs.index(n[5:]) for n in self.grad_names}
        self.kept_layouts: dict = {}  # layouts of results: the same with the dimensions reduced over
        if op.kind == "reduction":
            shape = next(s for s in plan.specs.values() if isinstance(s, Layout)).shape
            self.kept_shape = tuple(1 if i in plan.dims else n for i, n in enumerate(shape))
        self.specs = [plan.specs[n] for n in self.wanted]
        self.passed = [t.op == "arg" and t.args[0] == "grad" for t in self.trees]
        self.zero = [t.op == "const" for t in self.trees]
        self.sums = self._summed(op, plan)
        self._internal(op, plan, row_args)
        self.together = together(self, op, plan)
        self.run = written.formula_step(self, plan) or self.general_run

    def _without_kept(self, statics, absent):
        """The trees with further results made from the operands again, where these results take no gradient themselves:
        they were only kept to save work, and the second derivative has to see what they depend on."""
        read = tree.names(*self.trees)
        kept = [n for n, own in zip(self.op.outputs[1:], self.plan.layouts[1:], strict=True)
                if n in read and f"grad_{n}" not in read and own.dtype.category >= dtypes.FLOAT]
        if not kept:
            return self.trees
        made = dict(zip(self.op.outputs, self.op.trace(statics, absent), strict=True))
        return [tree.substitute(t, {n: made[n] for n in kept}) for t in self.trees]

    def _summed(self, op, plan):
        """[Sum] of the gradients that belong to operands which broadcasting repeated, where these are not the incoming
        gradient: summed as they are made, and never written out in the shape of the result."""
        found: dict[tuple, list[int]] = {}
        self.shared: dict[str, Any] = {}  # values of rows that such sums read, by name: made with the other gradients
        self.sum_trees = list(self.trees)
        if op.kind == "reduction" or not all(own.__class__ is Layout for own in plan.layouts):
            return []
        shape = self.sum_shape = plan.layouts[0].shape if plan.shape is None else plan.shape
        for k, (t, spec) in enumerate(zip(self.trees, self.specs, strict=True)):
            if not self.zero[k] and FEW_SUMS <= spec.numel < math.prod(shape) and not any(
                    n.startswith("grad_") for n in tree.names(t)) and self._without_rows(plan, k):
                found.setdefault(_repeated(shape, spec.shape)[1], []).append(k)
        return [Sum(self, op, plan, dims, which) for dims, which in found.items()
                if not all(self.passed[k] for k in which)]

    def _without_rows(self, plan, k):
        """Whether tree k needs no walk over rows, what does having been put among the shared values."""
        (t,) = tree.expand(self.trees[k])
        if not _walks_rows(t):
            return True
        is_row, of_rows = (rank_of(t, row_args=(*self._numbers(plan), *more)) for more in ((), self._of_rows(plan)))
        if of_rows[id(t)] or plan.compute.wide is not plan.compute:  # summed already; shared values would be rounded
            return False
        shared = {}

        def replaced(node):
            if is_row[id(node)] and _walks_rows(node):
                known = next((n for n, own in (self.shared | shared).items() if own is node), None)
                name = known or f"shared{len(self.shared) + len(shared)}_"
                shared[name] = node
                return tree.arg(name)
            return tree.Expr(node.op, *(replaced(a) if isinstance(a, tree.Expr) else a for a in node.args))
        made = replaced(t)
        if _walks_rows(made):
            return False
        self.shared |= shared
        self.sum_trees[k] = made
        return True

    def _of_rows(self, plan):
        """The operands and results with one value a row: a batch norm's mean and variance."""
        layouts = {**plan.specs, **dict(zip(self.op.outputs, plan.layouts, strict=True))}
        return [n for n in self.reads if isinstance(own := layouts[n], Layout) and all(
            d < 0 or own.shape[d] == 1 for d in (d - len(self.sum_shape) + own.ndim for d in plan.dims or ()))]

    def _internal(self, op, plan, row_args):
        """The op that computes every gradient that is neither `grad` itself nor summed as it is made."""
        apart = {k for found in self.sums for k in found.which}
        self.own = [k for k in range(len(self.trees)) if not (self.passed[k] or self.zero[k] or k in apart)]
        trees = [*(self.trees[k] for k in self.own), *self.shared.values()]
        self.call = None
        self.length = None
        self.dims, self.shape, self.kind = plan.dims, plan.shape, "elementwise"
        self.names: list[str] = []
        if not trees:
            return
        if op.kind != "elementwise":
            numbers = self._numbers(plan)
            flags = rank_of(*trees, row_args=(*row_args, *numbers))
            if any(_walks_rows(t) for t in tree.expand(*trees)):
                self.kind = "rowwise"
            elif op.kind == "reduction" and not all(flags[id(t)] for t in trees):
                self.kind = "elementwise"
            if any(n is row_length for n in tree.order(*tree.expand(*trees))):
                self.length = 1.0 * plan.length
        # Of an operand that no tree reads the shape may still be that of the results.
        self.names = [*self.grad_names, *self.reads] if not self.sums else self._read(trees)
        self.call = self.internal_op(f"{op.name}_backward", self.kind, op, plan, trees, self.names).call

    def _numbers(self, plan):
        return {n for n in self.reads if n not in self.result_names and not isinstance(plan.specs[n], Layout)}

    def _read(self, trees):
        """The names that trees read, in the order of all."""
        named = tree.names(*trees)
        return [n for n in (*self.grad_names, *self.reads, *self.shared) if n in named]

    def internal_op(self, name, kind, op, plan, trees, read, summed=False, count=0):
        """An op that computes trees of `read`; `summed`: each over the dimensions that the call says; `count`: the last
        of them over all others."""
        numbers = self._numbers(plan)
        if self.length is not None or summed:
            trees = [tree.rebuild(tree.expand(t), lambda n, a: tree.arg("length_") if n is row_length
                                  else tree.Expr(n.op, *a))[0] for t in trees]
        trees = list(_narrowed(trees, plan.compute))
        if op.stepwise and plan.compute.wide is not plan.compute:
            trees = list(_rounded(trees, plan.compute.name, {*self.grad_names, *self.reads} - numbers))
        if summed:
            trees = [row_sum(t) for t in trees]
        parameters = [Parameter(n, "number" if n in numbers else "operand") for n in read]
        if "length_" in tree.names(*trees):
            parameters.append(Parameter("length_", "number"))
        if kind == "rowwise":
            parameters += [Parameter("dim", "static"), Parameter("shape", "static")]
        roots = tuple(trees)
        internal = Op(name, kind, lambda **_: roots, parameters, "", (), method=False,
                      apart=(*(a for a in op.apart if a in read), *self._positions_read(op, plan)),
                      differentiable=False, summed=count, outputs=tuple(f"result{k}" for k in range(len(roots))))
        from ..calls import write_call
        write_call(internal)
        return internal

    def _positions_read(self, op, plan):
        """Results that are positions, or wider than the others: they keep their dtype."""
        own = {n: plan.layouts[op.outputs.index(n)].dtype for n in self.reads if n in self.result_names}
        return [n for n, d in own.items() if d.category < dtypes.FLOAT or d is plan.compute.wide is not plan.compute]

    def save(self, args, results):
        saved = []
        for source, index in self.keep:
            if source == "arg":
                saved.append(args[index])
            else:
                saved.append(results[index]._kept())
        return tuple(saved)

    def general_run(self, node, grads):
        """Gradients of the operands from those of the results."""
        saved = node.unpack()
        grad = grads[0]
        op = self.op
        if mode.enabled:
            return self._recorded(node, grads, saved)
        env = {}
        if self.call is not None or self.sums:
            for n in self.grad_names:
                g = grads[self.grad_index[n]]
                g = _zeros(node, self.grad_index[n]) if g is None else g
                env[n] = self._kept(g) if op.kind == "reduction" else g
            for n, value in zip(self.reads, saved, strict=True):
                env[n] = self._kept(value) if op.kind == "reduction" and n in self.result_names else value
        out = [None] * self.count
        if self.call is not None:
            more = () if self.length is None else (self.length,)
            dims = (self.dims, self.shape) if self.kind == "rowwise" else ()
            values = self.call(*(env[n] for n in self.names), *more, *dims)
            values = values if isinstance(values, tuple) else (values,)
            env |= zip(self.shared, values[len(self.own):], strict=True)
            for k, value in zip(self.own, values, strict=False):
                own, spec = value._layout, self.specs[k]
                out[self.positions[k]] = value if own.shape == spec.shape and own.dtype is spec.dtype else fit(
                    value, spec)
        for found in self.sums:
            for k, value in zip(found.which, found.run(env), strict=True):
                out[self.positions[k]] = value
        for k, (position, spec) in enumerate(zip(self.positions, self.specs, strict=True)):
            if self.zero[k]:
                out[position] = _zero(spec)
            elif out[position] is None:
                value = self._kept(grad) if op.kind == "reduction" else grad
                own = value._layout
                out[position] = value if own.shape == spec.shape and own.dtype is spec.dtype else fit(value, spec)
        return out

    def _kept(self, tensor):
        """A row-level tensor with its reduced dimensions as 1."""
        own = tensor._layout
        if own.shape == self.kept_shape:
            return tensor
        if mode.enabled:
            return tensor.reshape(self.kept_shape)
        known = self.kept_layouts.get(own)
        if known is None:
            strides = iter(own.strides)
            known = own.with_(shape=self.kept_shape, strides=tuple(
                0 if i in self.plan.dims else next(strides) for i in range(len(self.kept_shape))))
            if own.__class__ is Layout:
                self.kept_layouts[own] = known
        return shaped(tensor, known)

    def _recorded(self, node, grads, saved):
        env = {}
        for name, value, (source, index) in zip(self.reads, saved, self.keep, strict=True):
            if source == "result":
                value = linked(value, node, index)
                if self.op.kind == "reduction":
                    value = self._kept(value)
            env[name] = value
        for name in self.grad_names or ["grad"]:
            g = grads[self.grad_index.get(name, 0)]
            if g is None:
                g = _zeros(node, self.grad_index[name])
            env[name] = self._kept(g) if self.op.kind == "reduction" else g
        out = [None] * self.count
        memo: dict = {}
        for position, spec, t in zip(self.positions, self.specs, self.recorded_trees, strict=True):
            out[position] = _zero(spec) if t.op == "const" else fit(evaluate(t, env, self.plan, memo), spec)
        return out


_EXACT = frozenset("arg const cast neg abs conj real where maximum minimum sgn signbit isnan isinf lt le gt ge eq ne "
                   "and "
                   "or xor invert logical_not floor ceil trunc rint row_sum row_length row_index".split())


def _walks_rows(root):
    """Whether a tree has functions of a row, besides its length."""
    return any(n.op.startswith("row_") and n is not row_length for n in tree.order(root))


def _rounded(roots, dtype, tensors):
    """Trees whose every step on values of `tensors` is rounded to a narrow dtype; the last one is when it is stored.

    Sums over rows are not steps of their own: means are rounded once.
    """
    last = {id(r) for r in roots}

    def step(node, args):
        made = tree.Expr(node.op, *args)
        exact = node.op in _EXACT or id(node) in last or tensors.isdisjoint(tree.names(node))
        return made if exact else tree.Expr("cast", made, dtype)
    return tree.rebuild(tuple(roots), step)


def _narrowed(roots, dtype):
    """Trees with the casts to "narrow" as casts to the dtype of the operands where that is one, else without them."""
    def step(node, args):
        if node.op != "cast" or args[1] != "narrow":
            return tree.Expr(node.op, *args)
        return args[0] if dtype.wide is dtype else tree.Expr("cast", args[0], dtype.name)
    return tree.rebuild(tuple(roots), step)


def linked(value, node, index):
    """A saved result as it was recorded: the same memory, with its node."""
    if value.dtype.category < dtypes.FLOAT:
        return value
    result = value._kept()
    result._needs_grad, result._node, result._output_index = True, node, index
    return result


def _zero(spec):
    """Zeros in a shape and dtype."""
    return empty_layout(spec.with_(shape=spec.shape)).zero_()


def _zeros(node, index):
    return _zero(node.plan.layouts[index])


@functools.cache
def _names_read(function):
    """The parameters of a declared gradient; asked for at every call of an eager op."""
    return tuple(inspect.signature(function).parameters)


class TensorRule:
    """Gradients declared as functions over tensors."""

    def __init__(self, op, statics, wanted):
        self.op, self.name, self.statics = op, backward_name(op), statics
        operands = [p.name for p in op.operands]
        self.count = len(wanted)
        self.rules = []
        named: list[str] = []
        for i, (name, w) in enumerate(zip(operands, wanted, strict=True)):
            if w and name in op.grads:
                function = op.grads[name]
                reads = _names_read(function)
                self.rules.append((i, name, function, reads))
                named += reads
        self.reads = [n for n in dict.fromkeys(named) if n in operands or n in op.outputs]
        self.keep = [("result", op.outputs.index(n)) if n in op.outputs else ("arg", operands.index(n))
                     for n in self.reads]
        self.positions = [r[0] for r in self.rules]

    def run(self, node, grads):
        """What the engine calls; not an attribute of the rule, which would keep a rule made for one call in a cycle."""
        return self.general_run(node, grads)

    def save(self, args, results):
        return tuple(results[i]._kept() if source == "result" else args[i] for source, i in self.keep)

    def general_run(self, node, grads):
        """Gradients of the operands from those of the results."""
        return self.gradients(node, grads, node.unpack())

    def gradients(self, node, grads, saved):
        """The same from what `node` saved, in the order of `reads`."""
        env = dict(self.statics)
        for name, value, (source, index) in zip(self.reads, saved, self.keep, strict=True):
            env[name] = linked(value, node, index) if source == "result" and mode.enabled else value
        env["grads"] = grads
        for k, name in enumerate(self.op.outputs):
            env[f"grad_{name}"] = grads[k]
        env["grad"] = grads[0]
        out = [None] * self.count
        for position, _, function, reads in self.rules:
            for n in reads:
                if n.startswith("grad") and n != "grads" and env[n] is None:
                    env[n] = _zeros(node, 0 if n == "grad" else self.op.outputs.index(n[5:]))
            given = {n: env[n] for n in reads}
            try:
                out[position] = function(**given)
            except (NotOnHostError, NoValuesError) as error:
                from ..transfer import gradient_on_host
                out[position] = gradient_on_host(function, given, error)
        return out
