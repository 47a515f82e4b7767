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
from ..expr.functions import row_length
from ..layout import Layout, broadcast_shapes, broadcast_strides
from ..ops.declare import OPS, Op, Parameter
from . import written
from .modes import mode

_FORMULAS = ("elementwise", "reduction", "rowwise")
alias: Any = None  # these two are set by tensor.py, which imports this module first
empty_layout: Any = None

# Scalar functions whose op on tensors has another name.
_TENSOR_OP = {"div": "true_divide", "floordiv": "floor_divide", "mod": "remainder", "and": "bitwise_and",
              "or": "bitwise_or", "xor": "bitwise_xor", "invert": "bitwise_not", "shl": "bitwise_left_shift",
              "shr": "bitwise_right_shift", "rint": "round", "make_complex": "complex", "row_max": "amax",
              "row_min": "amin", "row_any": "any", "row_all": "all", "trigamma": "polygamma_1"}


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
        step = written.tensor_step(rule, plan.op, rule.statics)
        if step is not None:
            rule.run = step
    return rule


# Where an op does what one of PyTorch's does under another name, nodes have that name.
_NODE_NAMES = {
    "true_divide": "Div", "linear_rows": "Addmm", "add_product": "Addmm", "softmax_rows": "Softmax",
    "log_softmax_rows": "LogSoftmax", "conv_forward": "Convolution", "layer_norm_rows": "NativeLayerNorm",
    "batch_norm_rows": "NativeBatchNorm", "where_values": "Where", "var_dims": "Var", "std_dims": "Std",
    "prod_dims": "Prod", "norm2": "LinalgVectorNorm", "max_dim": "Max", "min_dim": "Min", "to": "ToCopy",
    "frame": "ConstantPadNd", "det": "LinalgDet", "inv": "LinalgInvEx", "index_set": "IndexPut", "square": "Pow",
    "scale_kept": "NativeDropout"}


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
        self._internal(op, plan, row_args)
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

    def _internal(self, op, plan, row_args):
        """The op that computes every gradient that is not simply `grad` itself."""
        self.passed = [t.op == "arg" and t.args[0] == "grad" for t in self.trees]
        trees = [t for t, passed in zip(self.trees, self.passed, strict=True) if not passed]
        self.zero = [t.op == "const" for t in self.trees]
        trees = [t for t in trees if t.op != "const"]
        self.call = None
        self.length = None
        if not trees:
            return
        numbers = {n for n in self.reads if n not in self.result_names and not isinstance(plan.specs[n], Layout)}
        kind = "elementwise"
        if op.kind != "elementwise":
            flags = rank_of(*trees, row_args=(*row_args, *numbers))
            if any(n.op.startswith("row_") and n is not row_length for n in tree.order(*tree.expand(*trees))):
                kind = "rowwise"
            elif op.kind == "reduction" and not all(flags[id(t)] for t in trees):
                kind = "elementwise"
            if any(n is row_length for n in tree.order(*tree.expand(*trees))):
                self.length = float(plan.length)
                trees = [tree.rebuild(tree.expand(t), lambda n, a: tree.arg("length_") if n is row_length
                                      else tree.Expr(n.op, *a))[0] for t in trees]
        trees = list(_narrowed(trees, plan.compute))
        if op.stepwise and plan.compute.wide is not plan.compute:
            trees = list(_rounded(trees, plan.compute.name, {*self.grad_names, *self.reads} - numbers))
        read = [*self.grad_names, *self.reads]
        parameters = [Parameter(n, "number" if n in numbers else "operand") for n in read]
        if self.length is not None:
            parameters.append(Parameter("length_", "number"))
        if kind == "rowwise":
            parameters += [Parameter("dim", "static"), Parameter("shape", "static")]
        roots = tuple(trees)
        internal = Op(f"{op.name}_backward", kind, lambda **_: roots, parameters, "", (), method=False,
                      apart=(*(a for a in op.apart if a in read), *self._positions_read(op, plan)),
                      differentiable=False, outputs=tuple(f"result{k}" for k in range(len(roots))))
        self.dims, self.shape = plan.dims, plan.shape
        self.kind = kind
        from ..calls import write_call
        write_call(internal)
        self.call = internal.call

    def _positions_read(self, op, plan):
        """Results that are positions: they keep their integer dtype."""
        return [n for n in self.reads if n in self.result_names
                and plan.layouts[op.outputs.index(n)].dtype.category < dtypes.FLOAT]

    def save(self, args, results):
        saved = []
        for source, index in self.keep:
            if source == "arg":
                saved.append(args[index])
            else:
                saved.append(results[index].detach())
        return tuple(saved)

    def general_run(self, node, grads):
        """Gradients of the operands from those of the results."""
        saved = node.unpack()
        grad = grads[0]
        op = self.op
        if mode.enabled:
            return self._recorded(node, grads, saved)
        if self.call is not None:
            inputs = [grad if n == "grad" else grads[self.grad_index[n]] for n in self.grad_names]
            if any(g is None for g in inputs):
                inputs = [_zeros(node, self.grad_index[n]) if g is None else g
                          for n, g in zip(self.grad_names, inputs, strict=True)]
            if op.kind == "reduction":
                inputs = [self._kept(g) for g in inputs]
                saved = [self._kept(s) if n in self.result_names else s
                         for n, s in zip(self.reads, saved, strict=True)]
            more = () if self.length is None else (self.length,)
            values = self.call(*inputs, *saved, *more, self.dims, self.shape) if self.kind == "rowwise" else self.call(
                *inputs, *saved, *more)
            values = [values] if not isinstance(values, tuple) else list(values)
        else:
            values = []
        if True in self.passed and op.kind == "reduction":
            grad = self._kept(grad)
        out = [None] * self.count
        k = 0
        for position, spec, passed, zero in zip(self.positions, self.specs, self.passed, self.zero, strict=True):
            if passed:
                value = grad
            elif zero:
                value = _zero(spec)
            else:
                value = values[k]
                k += 1
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
    result = value.detach()
    result._needs_grad, result._node, result._output_index = True, node, index
    return result


def _zero(spec):
    """Zeros in a shape and dtype."""
    return empty_layout(spec.with_(shape=spec.shape)).zero_()


def _zeros(node, index):
    return _zero(node.plan.layouts[index])


def evaluate(root, env, plan, memo):
    """The value of a tree on tensors, through the ops of the same names."""
    if id(root) in memo:
        return memo[id(root)]
    for node in tree.order(root):
        if id(node) not in memo:
            args = [memo[id(a)] if isinstance(a, tree.Expr) else a for a in node.args]
            memo[id(node)] = _value(node, args, env, plan)
    return memo[id(root)]


def _value(node, args, env, plan):
    op = node.op
    if op == "arg":
        return env[args[0]]
    if op == "const":
        return args[0]
    if op == "call":
        return args[0].call(*args[1:])
    if op == "row_length":
        return plan.length
    if op == "row_index":
        return _row_positions(plan)
    if op in ("real", "conj", "imag") and not (hasattr(args[0], "dtype") and args[0].dtype.is_complex):
        return args[0] if op != "imag" else args[0] * 0
    if not any(hasattr(a, "_layout") for a in args):
        return _on_numbers(op, args)
    if op == "sgn" and not args[0].dtype.is_complex:
        return args[0].sign()  # whose own derivative is zero
    if op == "cast":
        return args[0].to(plan.compute if args[1] in ("compute", "narrow") else dtypes.by_name(args[1]))
    if op == "row_prod":
        value = args[0]
        for d in plan.dims:
            value = value.prod(d, True)
        return value
    if op in ("row_sum", "row_max", "row_min", "row_any", "row_all"):
        return OPS[_TENSOR_OP.get(op, op[4:])].call(args[0], plan.dims, True)
    if op == "neg":
        return -args[0]
    if op == "fma":
        return args[0] * args[1] + args[2]
    if op == "where" and not hasattr(args[0], "_layout"):
        return args[1] if args[0] else args[2]
    declared = _declared(op)
    if declared.only_tensors:
        args = [a if hasattr(a, "_layout") or p.name not in declared.only_tensors else _scalar(a)
                for a, p in zip(args, declared.parameters, strict=False)]
    return declared.call(*args)


def _declared(function):
    """The op on tensors that a scalar function is."""
    name = _TENSOR_OP.get(function, function)
    return OPS[name] if name in OPS else OPS[f"special.{name}"]


def _scalar(number):
    """A number as a 0-d tensor."""
    from ..creation import tensor
    return tensor(number, dtype=dtypes.float64 if isinstance(number, float) else None, device="cpu")


def _on_numbers(op, args):
    """A function of Python numbers, in Python."""
    import cmath
    import math
    import operator
    plain = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
             "neg": operator.neg, "pow": operator.pow, "eq": operator.eq, "ne": operator.ne, "lt": operator.lt,
             "le": operator.le, "gt": operator.gt, "ge": operator.ge, "abs": abs, "and": operator.and_,
             "or": operator.or_, "where": lambda c, a, b: a if c else b, "conj": lambda a: a, "real": lambda a: a,
             "cast": lambda a, d: a, "mod": operator.mod, "floordiv": operator.floordiv,
             "sgn": lambda a: (a > 0) - (a < 0), "isnan": lambda a: a != a,
             "logical_not": operator.not_, "invert": operator.invert, "maximum": max, "minimum": min}
    if op in plain:
        return plain[op](*args)
    if op == "log" and args[0] == 0:
        return -math.inf
    if op == "rsqrt":
        return args[0] ** -0.5
    known = getattr(cmath if isinstance(args[0], complex) else math, op, None)
    return _declared(op).call(*(_scalar(a) for a in args)) if known is None else known(*args)


def _row_positions(plan):
    from ..tensor import arange
    own = next(s for s in plan.specs.values() if isinstance(s, Layout))
    kept = tuple(n if i in plan.dims else 1 for i, n in enumerate(own.shape))
    return arange(plan.length, own.device).reshape(kept)


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
        return tuple(results[i].detach() if source == "result" else args[i] for source, i in self.keep)

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
