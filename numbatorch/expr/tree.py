"""Scalar formulas as data: call a formula on symbols, get a tree.

A node is `Expr(op, *args)`. `op` is the name of a scalar function (functions.py), "arg" (a named operand), "const" (a
Python number), "call" (a declared op with its arguments: it stays one node until the kernel is written, so that its
declared derivative is used) or "load" (an element of an array, in index notation). Equal formulas are one object, so
common parts are computed once.
"""

import functools
import weakref


class Expr:
    """A node of a scalar formula."""

    __slots__ = ("op", "args", "__weakref__")
    _all: weakref.WeakValueDictionary = weakref.WeakValueDictionary()

    def __new__(cls, op, *args):
        key = (op, *((type(a), repr(a)) if isinstance(a, float) else (type(a), a) for a in args))
        node = cls._all.get(key)
        if node is None:
            node = object.__new__(cls)
            node.op, node.args = op, args
            cls._all[key] = node
        return node

    def __repr__(self):
        if self.op in ("arg", "const"):
            return str(self.args[0])
        return f"{self.op}({', '.join(map(repr, self.args))})"

    def __bool__(self):
        raise TypeError(f"a formula cannot branch on the value of {self!r}; use where(condition, a, b)")

    def __add__(self, other):
        return Expr("add", self, as_expr(other))

    def __radd__(self, other):
        return Expr("add", as_expr(other), self)

    def __sub__(self, other):
        return Expr("sub", self, as_expr(other))

    def __rsub__(self, other):
        return Expr("sub", as_expr(other), self)

    def __mul__(self, other):
        return Expr("mul", self, as_expr(other))

    def __rmul__(self, other):
        return Expr("mul", as_expr(other), self)

    def __truediv__(self, other):
        return Expr("div", self, as_expr(other))

    def __rtruediv__(self, other):
        return Expr("div", as_expr(other), self)

    def __floordiv__(self, other):
        return Expr("floordiv", self, as_expr(other))

    def __mod__(self, other):
        return Expr("mod", self, as_expr(other))

    def __pow__(self, other):
        return Expr("pow", self, as_expr(other))

    def __rpow__(self, other):
        return Expr("pow", as_expr(other), self)

    def __neg__(self):
        return Expr("neg", self)

    def __abs__(self):
        return Expr("abs", self)

    def __lt__(self, other):
        return Expr("lt", self, as_expr(other))

    def __le__(self, other):
        return Expr("le", self, as_expr(other))

    def __gt__(self, other):
        return Expr("gt", self, as_expr(other))

    def __ge__(self, other):
        return Expr("ge", self, as_expr(other))

    def __and__(self, other):
        return Expr("and", self, as_expr(other))

    def __or__(self, other):
        return Expr("or", self, as_expr(other))

    def __xor__(self, other):
        return Expr("xor", self, as_expr(other))

    def __invert__(self):
        return Expr("invert", self)

    def __lshift__(self, other):
        return Expr("shl", self, as_expr(other))

    def __rshift__(self, other):
        return Expr("shr", self, as_expr(other))


def as_expr(value):
    """A tree for a Python number; a tree stays what it is."""
    return value if isinstance(value, Expr) else Expr("const", value)


def arg(name):
    """The operand called `name`."""
    return Expr("arg", name)


def is_const(e, value):
    return isinstance(e, Expr) and e.op == "const" and e.args[0] == value and not isinstance(e.args[0], bool)


def order(*roots):
    """Every node below the roots, operands first, each once."""
    return list(_ordered(roots))


@functools.lru_cache(4096)  # composing a kernel asks for the same roots again and again
def _ordered(roots):
    seen: dict[int, Expr] = {}
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, done = stack.pop()
        if done:
            seen.setdefault(id(node), node)
        elif id(node) not in seen:
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args) if isinstance(a, Expr) and id(a) not in seen)
    return tuple(seen.values())


def rebuild(roots, replace):
    """The same trees with `replace(node, new_args)` in place of each node."""
    done: dict[int, Expr] = {}
    for node in order(*roots):
        args = tuple(done[id(a)] if isinstance(a, Expr) else a for a in node.args)
        done[id(node)] = replace(node, args)
    return tuple(done[id(r)] for r in roots)


def names(*roots):
    """The operands that the trees read, in order of appearance."""
    return tuple(dict.fromkeys(n.args[0] for n in order(*roots) if n.op == "arg"))


def substitute(root, values):
    """The tree with operands replaced by other trees: {name: tree}."""
    (result,) = rebuild([root], lambda n, a: values.get(n.args[0], n) if n.op == "arg" else Expr(n.op, *a))
    return result


def expand(*roots):
    """The same formulas in scalar functions only: calls of declared ops are replaced by their bodies."""
    def replace(node, args):
        if node.op == "call":
            return expand(as_expr(args[0].body(*args[1:])))[0]
        return Expr(node.op, *args)
    return rebuild(roots, replace)
