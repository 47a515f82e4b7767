"""Sizes and numbers that a compiler does not know yet. There are none here, so functions on them take plain numbers."""

import builtins
import math


class _Unknown:
    """Instances come from tracing with unknown sizes, which there is none of: isinstance() of a number is False."""

    def __init__(self, *_):
        raise NotImplementedError(f"{type(self).__name__}: sizes are known here; use a Python number")


class SymInt(_Unknown):
    """An int that a compiler does not know yet."""


class SymFloat(_Unknown):
    """A float that a compiler does not know yet."""


class SymBool(_Unknown):
    """A bool that a compiler does not know yet."""


def sym_int(a):
    """int(a): a float is cut off towards 0."""
    return int(a)


def sym_float(a):
    """float(a)."""
    return float(a)


def sym_not(a):
    """not a."""
    return not a


def sym_max(a, b):
    """The larger one; a float where one of them is."""
    return _either(builtins.max, a, b)


def sym_min(a, b):
    """The smaller one; a float where one of them is."""
    return _either(builtins.min, a, b)


def _either(choose, a, b):
    chosen = choose(a, b)
    return float(chosen) if isinstance(a, float) or isinstance(b, float) else chosen


def sym_sqrt(a):
    """The square root. ValueError below 0."""
    return math.sqrt(a)


def sym_sum(*args):
    """The sum of numbers, given apart or as one sequence."""
    return builtins.sum(args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args)


def sym_ite(b, t, f):
    """t where b is true, else f. AssertionError unless b is a bool and t and f are of one type."""
    if not isinstance(b, bool):
        raise AssertionError(f"sym_ite: expected SymBool or bool, got {type(b)}")
    if type(t) is not type(f):
        raise AssertionError(f"sym_ite: type mismatch: {type(t)} vs {type(f)}")
    return t if b else f
