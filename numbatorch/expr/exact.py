"""Formulas without what changes no number: whatever the operands, NaN and -0.0 included, results are the same.

-(-x), x * 1, x / 1, x - 0, x + -0.0, |-x|, where(c, x, x), and casts there and back by a type that holds every value.
x + 0 stays, which makes -0.0 into 0.0, and so does x * 0. `functions.simplify`, for derivatives, gives up more.
(Where denormal numbers are flushed, x * 1 would flush them and x does not.)
"""

import math

from . import tree
from .functions import FUNCTIONS

REAL = ("float32", "float64")
HELD = {"float32": ("float64",), "int32": ("int64", "float64"), "int16": ("int32", "int64", "float32", "float64"),
        "int8": ("int16", "int32", "int64", "float32", "float64"),
        "uint8": ("int16", "int32", "int64", "float32", "float64")}  # by which types


def simplified(roots, operands, numbers):
    """Formulas with the same results, without what changes nothing. numbers: {operand: its value}, of those known."""
    types = {o.name: o.dtype for o in operands}
    known: dict = {}

    def type_of(node):
        if node.op in ("arg", "cast"):
            return types.get(node.args[0]) if node.op == "arg" else node.args[1]
        if id(node) not in known:
            own = FUNCTIONS.get(node.op)
            args = node.args[1:] if node.op == "where" else node.args
            given = {type_of(a) for a in args if isinstance(a, tree.Expr) and a.op != "const"}
            keeps = own is not None and len(given) == 1 and (
                own.result == "same" or own.result in ("real", "sum") and given <= set(REAL))
            known[id(node)] = node, given.pop() if keeps else None
        return known[id(node)][1]

    def is_number(node, value, beside):
        if node.op == "const":
            found = node.args[0]
        elif node.op == "arg" and node.args[0] in numbers and types[node.args[0]] == type_of(beside):
            found = numbers[node.args[0]]
        else:
            return False
        return type(found) in (int, float) and found == value and math.copysign(1, found) == math.copysign(1, value)

    def simple(node, args):
        new = tree.Expr(node.op, *args)
        if node.op in RULES:
            return RULES[node.op](new, args, type_of, is_number)
        return new
    return tree.rebuild(roots, simple)


def _product(node, a, type_of, is_number):
    for x, other in ((a[0], a[1]), (a[1], a[0])):
        if type_of(x) in REAL and is_number(other, 1, x):
            return x
    return node


def _quotient(node, a, type_of, is_number):
    return a[0] if type_of(a[0]) in REAL and is_number(a[1], 1, a[0]) else node


def _difference(node, a, type_of, is_number):
    return a[0] if type_of(a[0]) in REAL and is_number(a[1], 0, a[0]) else node


def _sum(node, a, type_of, is_number):
    for x, other in ((a[0], a[1]), (a[1], a[0])):
        if type_of(x) in REAL and is_number(other, -0.0, x):
            return x
    return node


def _negation(node, a, type_of, is_number):
    return a[0].args[0] if a[0].op == "neg" else node


def _magnitude(node, a, type_of, is_number):
    return tree.Expr("abs", a[0].args[0]) if a[0].op in ("neg", "abs") and type_of(a[0].args[0]) in REAL else node


def _choice(node, a, type_of, is_number):
    return a[1] if a[1] is a[2] else node


def _conversion(node, a, type_of, is_number):
    inner, to = a
    if inner.op == "cast" and type_of(inner.args[0]) == to and inner.args[1] in HELD.get(to, ()):
        return inner.args[0]
    return inner if to in REAL and type_of(inner) == to else node


RULES = {"mul": _product, "div": _quotient, "sub": _difference, "add": _sum, "neg": _negation, "abs": _magnitude,
         "where": _choice, "cast": _conversion}


__all__ = ["REAL", "simplified"]
