"""Numbers that a capture follows: what was read from memory, or from the options of an optimizer, and what was made
of it.

They are no floats, so that nothing can take their value unseen: arithmetic gives another one, a comparison becomes a
check of the program, and any other use (`float()`, `int()`, formatting) ties the program to the value.
"""

import operator

_ARITHMETIC = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
               "pow": operator.pow}
_COMPARE = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq,
            "ne": operator.ne}
SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
         "eq": "==", "ne": "!="}


class Traced:
    """A number with the expression that gives it anew in each run.

    Expressions are tuples: ("number", value), ("read", k): the k-th value that the program reads from memory,
    ("option", k): the k-th option, ("neg", a), and ("add", a, b) with the other words of `SIGNS`.
    """

    __slots__ = ("value", "expression", "capture")

    def __init__(self, value, expression, capture):
        self.value, self.expression, self.capture = value, expression, capture

    def __neg__(self):
        return Traced(-self.value, ("neg", self.expression), self.capture)

    def __pos__(self):
        return self

    def tie(self):
        """The plain value, which every later run has to find again."""
        if not isinstance(self.value, complex):
            self.capture.check(("eq", self.expression, ("number", self.value)), True)
        return self.value

    def __float__(self):
        return float(self.tie())

    def __int__(self):
        return int(self.tie())

    def __index__(self):
        return operator.index(self.tie())

    def __bool__(self):
        return self.capture.check(("ne", self.expression, ("number", 0)), bool(self.value != 0))

    def __hash__(self):
        return hash(self.tie())

    def __format__(self, spec):
        return format(self.tie(), spec)

    def __repr__(self):
        return repr(self.tie())

    def __getattr__(self, name):
        """Whatever else a float or an int can do, it does with the value as it is."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.tie(), name)


class Whole(int):
    """An int that is an object of its own, so that it is recognised in the result of a function."""

    __slots__ = ()


def _binary(name, function):
    def forward(self, other):
        own = expression(other)
        if own is None:
            return NotImplemented
        return Traced(function(self.value, plain(other)), (name, self.expression, own), self.capture)

    def backward(self, other):
        own = expression(other)
        if own is None:
            return NotImplemented
        return Traced(function(plain(other), self.value), (name, own, self.expression), self.capture)
    return forward, backward


def _comparison(name, function):
    def compare(self, other):
        own = expression(other)
        if own is None:
            return NotImplemented
        return self.capture.check((name, self.expression, own), function(self.value, plain(other)))
    return compare


def _tied(name):
    function = getattr(operator, name, None)
    if function is None:
        function = {"divmod": divmod, "round": round}[name]
    return (lambda self, *others: function(self.tie(), *map(plain, others)),
            lambda self, other: function(plain(other), self.tie()))


def expression(value):
    """The expression of a number; None for what is none."""
    if value.__class__ is Traced:
        return value.expression
    return ("number", value) if isinstance(value, (bool, int, float)) else None


def plain(value):
    """The value of a number, traced or not; of a size that is followed (sizes.py) the one that it has."""
    return value.value if value.__class__ is Traced else getattr(value, "hint", value)


for _name, _function in _ARITHMETIC.items():
    _python = "truediv" if _name == "div" else _name
    _forward, _backward = _binary(_name, _function)
    setattr(Traced, f"__{_python}__", _forward)
    setattr(Traced, f"__r{_python}__", _backward)
for _name, _function in _COMPARE.items():
    setattr(Traced, f"__{_name}__", _comparison(_name, _function))
for _name in ("floordiv", "mod", "divmod", "abs", "round"):  # rare, so with the value as it is
    _forward, _backward = _tied(_name)
    setattr(Traced, f"__{_name}__", _forward)
    if _name not in ("abs", "round"):
        setattr(Traced, f"__r{_name}__", _backward)


def sources(expression):
    """All ("read", k) and ("option", k) in an expression."""
    if expression[0] in ("read", "option"):
        return {expression}
    if expression[0] == "number":
        return set()
    return set().union(*(sources(part) for part in expression[1:]))


def value(expression, options):
    """The number that an expression over options gives, which are a list of numbers."""
    kind = expression[0]
    if kind == "number":
        return expression[1]
    if kind == "option":
        return options[expression[1]]
    if kind == "neg":
        return -value(expression[1], options)
    return getattr(operator, {"div": "truediv"}.get(kind, kind))(*(value(part, options) for part in expression[1:]))


def text(expression, names=None):
    """An expression as Python; `names` maps ("read", k) and ("option", k) to what stands for them."""
    kind = expression[0]
    if kind == "number":
        return repr(expression[1]) if expression[1] == expression[1] and abs(expression[1]) != float("inf") else (
            f"float('{expression[1]}')")
    if kind in ("read", "option"):
        return f"{kind}{expression[1]}" if names is None else names[expression]
    if kind == "neg":
        return f"(-{text(expression[1], names)})"
    return f"({text(expression[1], names)} {SIGNS[kind]} {text(expression[2], names)})"
