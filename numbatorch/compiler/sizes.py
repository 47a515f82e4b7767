"""Sizes that a capture follows: whole numbers that stand for the sizes of arguments, whatever these are.

They are no ints, so that nothing can take their value unseen. Sums and products give others (polynomials, so that equal
ones are told by their terms), a comparison that sizes of 2 and more do not decide becomes a guard, and any other use (a
`range`, an index of a list, a key of a dict, text) ties the program to the value, by a guard too. Where code asks for
their class they say int.
"""

import contextlib
import itertools
import operator
import sys
from collections import Counter

from . import traced
from .watch import inside_library

LEAST = 2  # of a size that is followed: 0 and 1 have programs of their own, as they mean something else to broadcasting


_scopes = itertools.count()


class Scope:
    """What is known of the sizes of one capture.

    atoms: [("size", number) | ("floordiv" | "mod", terms, terms)]; guards: {(terms, "eq" | "gt"): outcome} of a
    comparison with 0; checks: [(expression of numbers, outcome)]; ties: {terms: (value, where)}.
    """

    def __init__(self, capture):
        self.capture, self.atoms, self.hints, self.lows = capture, [], [], []
        self.guards, self.checks, self.ties = {}, [], {}
        # Number of the first atom: none is one of another capture's, whose results caches of functions may hold.
        self.first = next(_scopes) << 20
        self._known: dict = {}
        self.formulas: dict = {}  # {formula: whether it has sizes}
        self.paused = 0

    def size(self, hint):
        """A new size."""
        self.atoms.append(("size", sum(kind == "size" for kind, *_ in self.atoms)))
        self.hints.append(hint)
        self.lows.append(LEAST)
        return Size((((self.first + len(self.atoms) - 1,), 1),), hint, self)

    def atom(self, kind, a, b, hint, low):
        """What a division of two polynomials gives, as a part of others."""
        key = kind, a, b
        if key not in self._known:
            self._known[key] = self.first + len(self.atoms)
            self.atoms.append(key)
            self.hints.append(hint)
            self.lows.append(low)
        return Size((((self._known[key],), 1),), hint, self)

    @contextlib.contextmanager
    def aside(self):
        """Values are used as they are, by what does not decide anything."""
        self.paused += 1
        try:
            yield
        finally:
            self.paused -= 1

    def text(self, terms):
        """A polynomial as Python, in terms of n0, n1, ...: the sizes in their order."""
        parts = []
        for atoms, times in terms:
            factors = [str(times)] if not atoms or times != 1 else []
            for a in atoms:
                kind, *rest = self.atoms[a - self.first]
                sign = {"floordiv": "//", "mod": "%"}.get(kind)
                left, right = (f"({self.text(t)})" for t in rest) if sign else ("", "")
                factors.append(f"({left} {sign} {right})" if sign else f"n{rest[0]}")
            parts.append(" * ".join(factors))
        return " + ".join(parts) or "0"

    def conditions(self):
        """What the capture takes for granted of the sizes, as text."""
        found = []
        for (terms, kind), outcome in self.guards.items():
            left, right = tuple(t for t in terms if t[1] > 0), tuple((a, -n) for a, n in terms if n < 0)
            sign = {("eq", True): "==", ("eq", False): "!=", ("gt", True): ">", ("gt", False): "<="}[kind, outcome]
            found.append(f"{self.text(left)} {sign} {self.text(right)}")
        return found

    def guard(self, terms, kind, outcome):
        """Note the outcome of a comparison of a polynomial with 0."""
        if not self.paused:
            self.guards.setdefault((terms, kind), outcome)
        return outcome

    def bounds(self, terms):
        """(the least, the largest value) that a polynomial can have; None where it has no such."""
        low, high = 0, 0
        for atoms, times in terms:
            least = times
            for a in atoms:
                one = self.lows[a - self.first]
                least = None if least is None or one is None else least * one
            if not atoms:
                low, high = low and low + times if low is None else low + times, None if high is None else high + times
            elif times > 0:
                low, high = None if low is None or least is None else low + least, None
            else:
                low, high = None, None if high is None or least is None else high + least
        return low, high


class Size:
    """A polynomial of sizes: `terms`, ((numbers of atoms, factor), ...) in order; `hint`: its value in this capture."""

    __slots__ = ("terms", "hint", "scope")

    def __init__(self, terms, hint, scope):
        self.terms, self.hint, self.scope = terms, hint, scope

    __class__ = property(lambda self: int)  # type: ignore[assignment]

    def tie(self):
        """The plain value, which the sizes of later calls have to give again."""
        scope = self.scope
        if not scope.paused:
            scope.ties.setdefault(self.terms, (self.hint, _where()))
            scope.guard(_minus(self.terms, self.hint), "eq", True)
        return self.hint

    def __index__(self):
        return self.tie()

    def __int__(self):
        return self.tie()

    def __float__(self):
        return float(self.tie())

    def __bool__(self):
        return _compare(self, 0, "ne")

    def __hash__(self):
        if inside_library(sys._getframe(1).f_code.co_filename):
            return hash(self.terms)
        return hash(self.tie())

    def __repr__(self):
        return repr(self.tie())

    def __format__(self, spec):
        return format(self.tie(), spec)

    def __neg__(self):
        return Size(tuple((atoms, -times) for atoms, times in self.terms), -self.hint, self.scope)

    def __invert__(self):
        return -self - 1

    def __pos__(self):
        return self

    __trunc__ = __floor__ = __ceil__ = __pos__

    def __abs__(self):
        return self if self >= 0 else -self

    def __divmod__(self, other):
        return self // other, self % other

    def __rdivmod__(self, other):
        return other // self, other % self

    def __getattr__(self, name):
        """Whatever else an int can do, it does with the value as it is."""
        if name.startswith("__") or not hasattr(int, name):
            raise AttributeError(f"'int' object has no attribute '{name}'")
        return getattr(self.tie(), name)

    def __reduce__(self):
        return int, (self.tie(),)


def is_size(value):
    """Whether a number is one that a capture follows."""
    return type(value) is Size


def plain(value):
    """The value of a number in this capture."""
    return value.hint if type(value) is Size else value


def _where():
    frame = sys._getframe(2)
    while frame is not None and inside_library(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def terms_of(value):
    return value.terms if type(value) is Size else (((), int(value)),) if value else ()


def _made(found, hint, scope):
    """The number with these terms, {atoms: factor}: an int where it depends on no size."""
    terms = tuple(sorted((atoms, times) for atoms, times in found.items() if times))
    if not terms or len(terms) == 1 and not terms[0][0]:
        return hint
    return Size(terms, hint, scope)


def _minus(terms, number):
    found = dict(terms)
    found[()] = found.get((), 0) - number
    return tuple(sorted((atoms, times) for atoms, times in found.items() if times))


def _add(a, b, sign=1):
    found = dict(terms_of(a))
    for atoms, times in terms_of(b):
        found[atoms] = found.get(atoms, 0) + sign * times
    return _made(found, plain(a) + sign * plain(b), _scope(a, b))


def _multiply(a, b):
    found: dict = {}
    for first, x in terms_of(a):
        for second, y in terms_of(b):
            atoms = tuple(sorted(first + second)) if first and second else first or second
            found[atoms] = found.get(atoms, 0) + x * y
    return _made(found, plain(a) * plain(b), _scope(a, b))


def _scope(a, b):
    return a.scope if type(a) is Size else b.scope


def _divided(a, b):
    """({atoms: factor} of a part of a that b divides, the terms that are left)."""
    terms = terms_of(b)
    if len(terms) != 1:
        return ({(): 1}, ()) if terms_of(a) == terms else ({}, terms_of(a))
    (divisor, by), = terms
    found, left = {}, []
    for atoms, times in terms_of(a):
        rest = Counter(atoms)
        rest.subtract(divisor)
        if times % by or any(n < 0 for n in rest.values()):
            left.append((atoms, times))
        else:
            found[tuple(sorted(rest.elements()))] = times // by
    return found, tuple(left)


def _floordiv(a, b):
    if b == 0:  # a guard, where it is a size that could be
        raise ZeroDivisionError("integer division or modulo by zero")
    scope, (found, left) = _scope(a, b), _divided(a, b)
    hint = plain(a) // plain(b)
    if _is_less(scope, a, b):
        return 0
    if not left:
        return _made(found, hint, scope)
    if type(b) is not Size and len(left) == 1 and not left[0][0]:  # (8 n + 5) // 8
        found[()] = found.get((), 0) + left[0][1] // b
        return _made(found, hint, scope)
    rest_hint = sum(times * _product(scope.hints[k - scope.first] for k in atoms) for atoms, times in left)
    rest = scope.atom("floordiv", left, terms_of(b), rest_hint // plain(b), 0 if _nonnegative(scope, left, b) else None)
    return _add(_made(found, hint - rest.hint, scope), rest)


def _mod(a, b):
    if b == 0:
        raise ZeroDivisionError("integer division or modulo by zero")
    scope, (_, left) = _scope(a, b), _divided(a, b)
    hint = plain(a) % plain(b)
    if _is_less(scope, a, b):
        return a
    if not left or type(b) is not Size and len(left) == 1 and not left[0][0]:
        return hint
    return scope.atom("mod", left, terms_of(b), hint, 0 if _nonnegative(scope, (), b) else None)


def _is_less(scope, a, b):
    """Whether a number is at least 0 and less than any value of a polynomial."""
    least, _ = scope.bounds(terms_of(b))
    return type(a) is not Size and least is not None and 0 <= a < least


def _product(numbers):
    result = 1
    for n in numbers:
        result *= n
    return result


def _nonnegative(scope, terms, divisor):
    low, _ = scope.bounds(terms)
    least, _ = scope.bounds(terms_of(divisor))
    return low is not None and low >= 0 and least is not None and least > 0


def _power(a, b):
    if type(b) is int and 0 <= b <= 8:
        result = 1
        for _ in range(b):
            result = _multiply(a, result)
        return result
    return _as_traced(a, b, "pow", operator.pow)


def _as_traced(a, b, name, function):
    """A float made of sizes, as a traced number."""
    if not all(isinstance(v, (int, float)) for v in (a, b)):
        return NotImplemented
    return traced.Traced(function(plain(a), plain(b)), (name, ("number", a), ("number", b)), _scope(a, b).capture)


def _compare(a, b, kind):
    """A comparison of numbers, by what sizes can be where that decides it; else as a guard."""
    d = _add(a, b, -1) if type(a) is Size else -_add(b, a, -1)
    if type(d) is not Size:
        return _TESTS[kind](d, 0)
    scope, negative = d.scope, kind in ("lt", "ge")
    terms = tuple((atoms, -times) for atoms, times in d.terms) if negative else d.terms
    low, high = scope.bounds(terms)
    if kind in ("eq", "ne"):
        if low is not None and low > 0 or high is not None and high < 0:
            return kind == "ne"
        if d.terms[-1][1] < 0:
            terms = tuple((atoms, -times) for atoms, times in d.terms)
        return scope.guard(terms, "eq", d.hint == 0) is (kind == "eq")
    value = -d.hint if negative else d.hint
    if low is not None and low > 0:
        positive = True
    elif high is not None and high <= 0:
        positive = False
    else:
        positive = scope.guard(terms, "gt", value > 0)
    return positive if kind in ("gt", "lt") else not positive


_TESTS = {name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")}


def _binary(name, whole, function):
    def forward(self, other):
        if type(other) is Size or type(other) in (int, bool):
            return whole(self, other) if whole is not None else _as_traced(self, other, name, function)
        return _as_traced(self, other, name, function) if type(other) is float and name in traced.SIGNS else (
            _tied(self, other))

    def backward(self, other):
        if type(other) in (int, bool):
            return whole(other, self) if whole is not None else _as_traced(other, self, name, function)
        return _as_traced(other, self, name, function) if type(other) is float and name in traced.SIGNS else (
            _tied(self, other, True))

    def _tied(self, other, turned=False):
        if type(other) is not float:
            return NotImplemented
        return function(other, self.tie()) if turned else function(self.tie(), other)
    return forward, backward


def _comparison(name, function):
    def compare(self, other):
        if type(other) is Size or type(other) in (int, bool):
            return _compare(self, other, name)
        if type(other) is float:
            return self.scope.capture.check((name, ("number", self), ("number", other)), function(self.hint, other))
        return NotImplemented
    return compare


def _with_value(name, function):
    def forward(self, *others):
        if any(type(o) not in (int, bool, float, Size, type(None)) for o in others):
            return NotImplemented
        return function(self.tie(), *map(_value, others))

    def backward(self, other):
        return function(other, self.tie()) if type(other) in (int, bool, float) else NotImplemented
    return forward, backward


def _value(other):
    return other.tie() if type(other) is Size else other


for _name, _whole, _function in (
        ("add", _add, operator.add), ("sub", lambda a, b: _add(a, b, -1), operator.sub),
        ("mul", _multiply, operator.mul), ("floordiv", _floordiv, operator.floordiv), ("mod", _mod, operator.mod),
        ("div", None, operator.truediv), ("pow", _power, operator.pow)):
    _forward, _backward = _binary(_name, _whole, _function)
    _python = "truediv" if _name == "div" else _name
    setattr(Size, f"__{_python}__", _forward)
    setattr(Size, f"__r{_python}__", _backward)
for _name, _function in _TESTS.items():
    setattr(Size, f"__{_name}__", _comparison(_name, _function))
for _name, _function in (("and", operator.and_), ("or", operator.or_), ("xor", operator.xor),
                         ("lshift", operator.lshift), ("rshift", operator.rshift), ("round", round)):
    _forward, _backward = _with_value(_name, _function)
    setattr(Size, f"__{_name}__", _forward)
    setattr(Size, f"__r{_name}__", _backward)


__all__ = ["LEAST", "Scope", "Size", "is_size", "plain", "terms_of"]
