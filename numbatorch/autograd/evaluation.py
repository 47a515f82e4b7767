"""Formulas evaluated on tensors, through the ops of the same names: the backward pass that is itself recorded."""

import math

from .. import dtypes
from ..expr import tree
from ..layout import Layout
from ..ops.declare import OPS

# Scalar functions whose op on tensors has another name.
_TENSOR_OP = {"div": "true_divide", "floordiv": "floor_divide", "mod": "remainder", "and": "bitwise_and",
              "or": "bitwise_or", "xor": "bitwise_xor", "invert": "bitwise_not", "shl": "bitwise_left_shift",
              "shr": "bitwise_right_shift", "rint": "round", "make_complex": "complex", "row_max": "amax",
              "row_min": "amin", "row_any": "any", "row_all": "all", "trigamma": "polygamma_1"}


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
