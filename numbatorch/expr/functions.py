"""The scalar functions that formulas are made of: one row each, in groups for the reader.

A row states the result type ("same": that of the operands; "bool"; "real": the real type of a complex one; or the name
of a dtype) and the derivative: `adjoint(g, y, *arguments)` gives what reaches each argument for an adjoint `g` of the
value `y` (None: nothing does). Conjugates follow PyTorch's convention for complex gradients (Wirtinger, conjugated);
on real types they vanish in the writer. Kernels get each function from mathematics.py or the compiler.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .tree import Expr, as_expr, is_const


@dataclass(frozen=True)
class Function:
    """A row of the table of scalar functions."""

    name: str
    arity: int
    result: str = "same"
    adjoint: Callable | None = None
    symbol: str | None = None  # how kernels write it; None: a call name_dtype(...)


FUNCTIONS: dict[str, Function] = {}
Row = Callable[..., Expr]  # stated where a derivative names a row that comes later


def row(name, arity, adjoint=None, result="same", symbol=None):
    """Enter a scalar function; returns what formulas call."""
    FUNCTIONS[name] = Function(name, arity, result, adjoint, symbol)

    def function(*operands):
        return Expr(name, *map(as_expr, operands))
    function.__name__ = name
    return function


conj: Row = row("conj", 1, lambda g, y, a: (conj(g),))
real = row("real", 1, lambda g, y, a: (g,), result="real")
imag = row("imag", 1, lambda g, y, a: (make_complex(0, g),), result="real")
make_complex: Row = row("make_complex", 2, lambda g, y, a, b: (real(g), imag(g)), result="complex")

# Arithmetic.
add = row("add", 2, lambda g, y, a, b: (g, g), symbol="{} + {}")
sub = row("sub", 2, lambda g, y, a, b: (g, -g), symbol="{} - {}")
mul = row("mul", 2, lambda g, y, a, b: (g * conj(b), g * conj(a)), symbol="{} * {}")
div = row("div", 2, lambda g, y, a, b: (g / conj(b), -(g * conj(y / b))), symbol="{} / {}")
floordiv = row("floordiv", 2, symbol="{} // {}")
mod = row("mod", 2, lambda g, y, a, b: (g, -(g * floor(a / b))), symbol="{} % {}")
fmod = row("fmod", 2, lambda g, y, a, b: (g, -(g * trunc(a / b))))
pow: Row = row("pow", 2, lambda g, y, a, b: (
    where(eq(b, 0), 0, g * conj(b * pow(a, b - 1))),
    g * conj(where(eq(a, 0) & ge(real(b), 0), 0, y * log(a)))))
neg = row("neg", 1, lambda g, y, a: (-g,), symbol="-{}")
abs = row("abs", 1, lambda g, y, a: (g * sgn(a),), result="real")
sgn: Row = row("sgn", 1, lambda g, y, a: (
    where(eq(a, 0), 0, (g - y * real(g * conj(y))) / where(eq(a, 0), 1, abs(a))),))
fma = row("fma", 3, lambda g, y, a, b, c: (g * b, g * a, g))

# Comparison and logic.
lt = row("lt", 2, result="bool", symbol="{} < {}")
le = row("le", 2, result="bool", symbol="{} <= {}")
gt = row("gt", 2, result="bool", symbol="{} > {}")
ge: Row = row("ge", 2, result="bool", symbol="{} >= {}")
eq: Row = row("eq", 2, result="bool", symbol="{} == {}")
ne = row("ne", 2, result="bool", symbol="{} != {}")
and_ = row("and", 2, symbol="{} & {}")
or_ = row("or", 2, symbol="{} | {}")
xor = row("xor", 2, symbol="{} ^ {}")
invert = row("invert", 1, symbol="~{}")
logical_not = row("logical_not", 1, result="bool", symbol="not {}")
shl = row("shl", 2, symbol="{} << {}")
shr = row("shr", 2, symbol="{} >> {}")
where: Row = row("where", 3, lambda g, y, c, a, b: (None, where(c, g, 0), where(c, 0, g)))
isnan = row("isnan", 1, result="bool")
isinf = row("isinf", 1, result="bool")
signbit = row("signbit", 1, result="bool")
maximum = row("maximum", 2, lambda g, y, a, b: _split(g, a, b, gt))
minimum = row("minimum", 2, lambda g, y, a, b: _split(g, a, b, lt))
fmax = row("fmax", 2, lambda g, y, a, b: _split(g, a, b, lambda p, q: ge(p, q) | isnan(q), half=False))
fmin = row("fmin", 2, lambda g, y, a, b: _split(g, a, b, lambda p, q: le(p, q) | isnan(q), half=False))


def _split(g, a, b, first_wins, half=True):
    """The gradient of a choice between a and b: to the winner, halved between equals."""
    if half:
        return (where(eq(a, b), g / 2, where(first_wins(a, b), g, 0)),
                where(eq(a, b), g / 2, where(first_wins(b, a), g, 0)))
    return where(first_wins(a, b), g, 0), where(first_wins(a, b), 0, g)


# Rounding.
floor: Row = row("floor", 1, lambda g, y, a: (0 * g,))
ceil = row("ceil", 1, lambda g, y, a: (0 * g,))
trunc: Row = row("trunc", 1, lambda g, y, a: (0 * g,))
rint = row("rint", 1, lambda g, y, a: (0 * g,))
copysign = row("copysign", 2, lambda g, y, a, b: (
    where(eq(a, 0), 0, g * where(signbit(a) ^ signbit(b), -1, 1)), 0 * g))
nextafter = row("nextafter", 2)

# Powers, exponentials, logarithms.
LN2, LN10, PI = 0.6931471805599453, 2.302585092994046, 3.141592653589793
sqrt = row("sqrt", 1, lambda g, y, a: (g / conj(2 * y),))
rsqrt = row("rsqrt", 1, lambda g, y, a: (g * conj(y * y * y) * -0.5,))
exp = row("exp", 1, lambda g, y, a: (g * conj(y),))
exp2 = row("exp2", 1, lambda g, y, a: (g * conj(y) * LN2,))
expm1 = row("expm1", 1, lambda g, y, a: (g * conj(y + 1),))
log: Row = row("log", 1, lambda g, y, a: (g / conj(a),))
log2 = row("log2", 1, lambda g, y, a: (g / conj(a * LN2),))
log10 = row("log10", 1, lambda g, y, a: (g / conj(a * LN10),))
log1p = row("log1p", 1, lambda g, y, a: (g / conj(a + 1),))

# Circular and hyperbolic functions.
sin = row("sin", 1, lambda g, y, a: (g * conj(cos(a)),))
cos: Row = row("cos", 1, lambda g, y, a: (-(g * conj(sin(a))),))
tan = row("tan", 1, lambda g, y, a: (g * conj(1 + y * y),))
asin = row("asin", 1, lambda g, y, a: (g * conj(rsqrt(1 - a * a)),))
acos = row("acos", 1, lambda g, y, a: (-(g * conj(rsqrt(1 - a * a))),))
atan = row("atan", 1, lambda g, y, a: (g / conj(a * a + 1),))
atan2 = row("atan2", 2, lambda g, y, a, b: _atan2(g, a, b))
sinh = row("sinh", 1, lambda g, y, a: (g * conj(cosh(a)),))
cosh: Row = row("cosh", 1, lambda g, y, a: (g * conj(sinh(a)),))
tanh = row("tanh", 1, lambda g, y, a: (g * conj(1 - y * y),))
asinh = row("asinh", 1, lambda g, y, a: (g * conj(rsqrt(a * a + 1)),))
acosh = row("acosh", 1, lambda g, y, a: (g * conj(rsqrt(a - 1) * rsqrt(a + 1)),))
atanh = row("atanh", 1, lambda g, y, a: (g / conj(1 - a * a),))
hypot = row("hypot", 2, lambda g, y, a, b: (g * a / y, g * b / y))


def _atan2(g, a, b):
    inverse = where(eq(a, 0) & eq(b, 0), 0, 1 / (a * a + b * b))
    return g * b * inverse, g * -a * inverse


# Special functions.
erf = row("erf", 1, lambda g, y, a: (g * 1.1283791670955126 * exp(-(a * a)),))
erfc = row("erfc", 1, lambda g, y, a: (g * -1.1283791670955126 * exp(-(a * a)),))
erfinv = row("erfinv", 1, lambda g, y, a: (g * 0.8862269254527579 * exp(y * y),))
lgamma = row("lgamma", 1, lambda g, y, a: (g * digamma(a),))
digamma: Row = row("digamma", 1, lambda g, y, a: (g * trigamma(a),))
trigamma: Row = row("trigamma", 1)
i0 = row("i0", 1, lambda g, y, a: (g * i1(a),))
i0e = row("i0e", 1, lambda g, y, a: (g * (i1e(a) - sgn(a) * y),))
i1: Row = row("i1", 1, lambda g, y, a: (g * where(eq(a, 0), 0.5, i0(a) - y / where(eq(a, 0), 1, a)),))
i1e: Row = row("i1e", 1, lambda g, y, a: (g * where(
    eq(a, 0), 0.5, i0e(a) - y * (sgn(a) + 1 / where(eq(a, 0), 1, a))),))
ndtri = row("ndtri", 1, lambda g, y, a: (g * 2.5066282746310002 * exp(y * y / 2),))
log_ndtr = row("log_ndtr", 1, lambda g, y, a: (g * 0.7978845608028654 * exp(-(a * a) / 2 - y) / 2,))

# Functions of a whole row (rowwise and reduction formulas): from elements to one value a row.
row_sum = row("row_sum", 1, lambda g, y, a: (g,), result="sum")
row_max = row("row_max", 1, lambda g, y, a: (_share(g, y, a),))
row_min = row("row_min", 1, lambda g, y, a: (_share(g, y, a),))
row_prod = row("row_prod", 1, lambda g, y, a: (g * conj(y / a),), result="sum")
row_any = row("row_any", 1, result="bool")
row_all = row("row_all", 1, result="bool")
row_first = row("row_first", 1, result="int64")  # position of the first element that is true; row_length if none is
ROW = ("row_sum", "row_max", "row_min", "row_prod", "row_any", "row_all", "row_first")


def row_argmax(value):
    """Position of the first largest element of a row; a NaN is larger than all else.

    Two passes without a branch, which become vector code: the extreme first, then where it stands.
    """
    return _position(value, row_max(value))


def row_argmin(value):
    """Position of the first smallest element of a row; a NaN is smaller than all else."""
    return _position(value, row_min(value))


def _position(value, extreme):
    return row_first(eq(value, extreme) | isnan(value))  # where there is a NaN, the extreme is one


def _share(g, y, a):
    """The gradient of an extreme of a row: shared evenly among the elements that attain it."""
    hit = eq(a, y) | (isnan(a) & isnan(y))
    return where(hit, g / row_sum(where(hit, 1.0, 0.0)), 0)


row_length = Expr("row_length")   # elements in a row, in the formula's type
row_index = Expr("row_index")     # position in the row, int64


def cast(value, dtype):
    """The value in another dtype, given by name."""
    return Expr("cast", as_expr(value), dtype)


FUNCTIONS["cast"] = Function("cast", 2, "cast", lambda g, y, a, d: (g, None))


def simplify(node):
    """Neutral elements and zeros removed; NaN from 0 * inf is given up only where 0 came from a derivative rule."""
    op, a = node.op, node.args
    if op == "add":
        if is_const(a[0], 0):
            return a[1]
        if is_const(a[1], 0):
            return a[0]
    elif op == "sub" and is_const(a[1], 0):
        return a[0]
    elif op == "mul":
        if is_const(a[0], 1):
            return a[1]
        if is_const(a[1], 1):
            return a[0]
        if is_const(a[0], 0) or is_const(a[1], 0):
            return as_expr(0)
    elif op == "div" and is_const(a[1], 1):
        return a[0]
    elif op == "neg" and is_const(a[0], 0):
        return as_expr(0)
    elif op == "conj" and a[0].op in ("const", "conj") and not isinstance(a[0].args[0], complex):
        return a[0] if a[0].op == "const" else a[0].args[0]
    elif op == "where" and a[1] is a[2]:
        return a[1]
    elif op == "row_sum" and is_const(a[0], 0):
        return a[0]
    elif op == "pow" and is_const(a[1], 1):
        return a[0]
    elif op == "real" and a[0].op == "const" and not isinstance(a[0].args[0], complex):
        return a[0]
    return node
