"""Formulas on numbers: the value of a tree in float64 (or complex128), through NumPy. Kernels are tested against it."""

import math

import numpy as np

from . import mathematics
from .tree import Expr, expand, order


def _vectorised(function):
    return lambda *xs: np.vectorize(function, otypes=[np.float64])(*xs)


def _sgn(a):
    if np.iscomplexobj(a):
        return np.where(a == 0, 0, a / np.where(a == 0, 1, np.abs(a)))
    return np.where(a > 0, 1, np.where(a < 0, -1, 0)).astype(np.asarray(a).dtype)


def _gamma(a):
    return math.lgamma(a) if math.isfinite(a) and not (a <= 0 and a == math.floor(a)) else math.inf


_VALUES = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.mod, "fmod": np.fmod, "pow": np.power, "neg": np.negative, "abs": np.abs, "sgn": _sgn,
    "fma": lambda a, b, c: a * b + c, "conj": np.conj, "real": np.real, "imag": np.imag,
    "make_complex": lambda a, b: a + 1j * b, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "invert": np.invert, "logical_not": np.logical_not, "shl": np.left_shift,
    "shr": np.right_shift, "where": np.where, "isnan": np.isnan, "isinf": np.isinf, "signbit": np.signbit,
    "maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax, "fmin": np.fmin, "floor": np.floor, "ceil": np.ceil,
    "trunc": np.trunc, "rint": np.rint, "copysign": np.copysign, "nextafter": np.nextafter, "sqrt": np.sqrt,
    "rsqrt": lambda a: 1 / np.sqrt(a), "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log,
    "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "hypot": np.hypot, "erf": _vectorised(math.erf),
    "erfc": _vectorised(math.erfc), "lgamma": _vectorised(_gamma)}


def evaluate(root, values, axes=()):
    """The value of a tree for `values` {operand: array}; `axes` are what row functions combine."""
    root = expand(root)[0]
    done: dict[int, object] = {}
    with np.errstate(all="ignore"):
        for node in order(root):
            args = [done[id(a)] if isinstance(a, Expr) else a for a in node.args]
            done[id(node)] = _value(node, args, values, axes)
    return done[id(root)]


def _value(node, args, values, axes):
    op = node.op
    if op == "arg":
        return values[args[0]]
    if op == "const":
        return args[0]
    if op == "cast":
        return args[0]
    if op in ("row_length", "row_index"):
        shape = np.broadcast_shapes(*(np.shape(v) for v in values.values()))
        sizes = [shape[a] for a in axes]
        if op == "row_length":
            return math.prod(sizes)
        return np.arange(math.prod(sizes)).reshape([n if d in axes else 1 for d, n in enumerate(shape)])
    if op.startswith("row_"):
        (a,) = args
        if op == "row_first":
            last = np.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
            flat = last.reshape([*last.shape[:last.ndim - len(axes)], -1])
            return np.expand_dims(np.where(flat.any(-1), flat.argmax(-1), flat.shape[-1]), axes)
        name = {"row_sum": "sum", "row_prod": "prod", "row_max": "max", "row_min": "min", "row_any": "any",
                "row_all": "all"}[op]
        return getattr(np.asarray(a), name)(axis=tuple(axes), keepdims=True)
    if op in _VALUES:
        return _VALUES[op](*args)
    return getattr(mathematics, f"{op}_float64")(*(np.asarray(a, dtype=np.float64) for a in args))
