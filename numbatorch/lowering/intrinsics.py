"""The names that kernel source may use: machine operations, dtypes as casts, and mathematical functions by dtype.

Each operation is one LLVM instruction or intrinsic, generic over float32 and float64 where both make sense.
`lookup("exp_float32")` gives the function of expr/mathematics with these names bound to its globals; float64 and
complex functions that are not there are the C library's and those of cmath.
"""

import cmath
import functools
import math
from types import FunctionType

from llvmlite import ir
from numba.core import cgutils, types

from .contexts import intrinsic
from .narrow import CONVERSIONS

_TYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
          "complex64", "complex128")  # fmt: skip
_FLOATS = (types.float32, types.float64)
SCALED = "numbatorch_scaled"


def _instruction(name, arity, flags=()):
    """An operation on floats of one type by the LLVM intrinsic llvm.<name>."""

    def typed(*operands):
        operands = [types.unliteral(operand) for operand in operands]
        if operands[0] not in _FLOATS or any(operand != operands[0] for operand in operands):
            return None

        def generate(context, builder, signature, arguments):
            return builder.call(
                builder.module.declare_intrinsic(f"llvm.{name}", [arguments[0].type], _function_type(arguments)),
                arguments,
                fastmath=flags,
            )

        return operands[0](*operands), generate

    if arity == 1:
        return intrinsic(lambda context, a: typed(a))
    if arity == 2:
        return intrinsic(lambda context, a, b: typed(a, b))
    return intrinsic(lambda context, a, b, c: typed(a, b, c))


def _function_type(arguments):
    return ir.FunctionType(arguments[0].type, [argument.type for argument in arguments])


fma = _instruction("fma", 3)
rint = _instruction("rint", 1)
floor = _instruction("floor", 1)
ceil = _instruction("ceil", 1)
trunc = _instruction("trunc", 1)
sqrt = _instruction("sqrt", 1)
fabs = _instruction("fabs", 1)
copysign = _instruction("copysign", 2)
minimum = _instruction("minimum", 2)  # NaN when either operand is
maximum = _instruction("maximum", 2)
larger_of = _instruction("maximum", 2, ("nsz",))  # of 0 and -0 either
smaller_of = _instruction("minimum", 2, ("nsz",))
minnum = _instruction("minnum", 2)  # the other operand when one is NaN
maxnum = _instruction("maxnum", 2)


@intrinsic
def where(context, condition, a, b):
    """`a` if the condition holds, else `b`, by a select instead of a branch: both are evaluated."""
    a, b = types.unliteral(a), types.unliteral(b)
    if a != b:
        joined = context.unify_types(a, b)
        if joined is None:
            return None
        a = b = joined
    if not isinstance(types.unliteral(condition), (types.Boolean, types.Integer)):
        return None

    def generate(context, builder, signature, arguments):
        condition = context.cast(builder, arguments[0], signature.args[0], types.boolean)
        return builder.select(condition, arguments[1], arguments[2])

    return a(types.unliteral(condition), a, a), generate


@intrinsic
def add_reassoc(context, a, b):
    """a + b that may be summed in another order: a reduction written with it becomes vector code."""
    a, b = types.unliteral(a), types.unliteral(b)
    if a != b or a not in _FLOATS:
        return None

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments, flags=("reassoc", "nsz"))

    return a(a, a), generate


@intrinsic
def scaled(context, value, exponent):
    """A float32 times 2^exponent, |exponent| <= 252, rounded once: by two factors, or what a backend puts in for
    SCALED."""
    if types.unliteral(value) != types.float32 or types.unliteral(exponent) != types.int32:
        return None

    def generate(context, builder, signature, arguments):
        number, integer = (argument.type for argument in arguments)
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(number, [number, integer]), SCALED)
        if not function.blocks:
            function.linkage = "linkonce_odr"
            function.attributes.add("alwaysinline")
            body = ir.IRBuilder(function.append_basic_block())
            value, exponent = function.args
            half = body.ashr(exponent, integer(1))
            for part in (half, body.sub(exponent, half)):
                factor = body.shl(body.add(part, integer(127)), integer(23))
                value = body.fmul(value, body.bitcast(factor, number))
            body.ret(value)
        return builder.call(function, arguments)

    return types.float32(types.float32, types.int32), generate


def _extreme(sign):
    """min or max of two signed integers, as int64."""

    @intrinsic
    def extreme(context, a, b):
        for operand in (a, b):
            kind = types.unliteral(operand)
            if not isinstance(kind, types.Integer) or not kind.signed:
                return None

        def generate(context, builder, signature, arguments):
            a, b = arguments
            return builder.select(builder.icmp_signed(sign, a, b), a, b)

        return types.int64(types.int64, types.int64), generate

    return extreme


smaller, larger = _extreme("<"), _extreme(">")  # what `min` and, on a GPU, `max` mean in a kernel


def _bits(source, result):
    """The same bits as another type of the same size."""

    @intrinsic
    def as_type(context, value):
        if types.unliteral(value) != source:
            return None

        def generate(context, builder, signature, arguments):
            return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

        return result(source), generate

    return as_type


as_int32, as_float32 = _bits(types.float32, types.int32), _bits(types.int32, types.float32)
as_int64, as_float64 = _bits(types.float64, types.int64), _bits(types.int64, types.float64)

def _local(element):
    """A function that gives a kernel 256 elements of memory of its own, on the stack."""

    @intrinsic
    def local(context):
        def generate(context, builder, signature, arguments):
            block = ir.ArrayType(context.get_value_type(element), 256)
            return builder.bitcast(cgutils.alloca_once(builder, block), context.get_value_type(signature.return_type))

        return types.CPointer(element)(), generate

    return local


local_float32, local_float64, local_int64 = (_local(t) for t in (types.float32, types.float64, types.int64))

PRIMITIVES = {
    name: globals()[name]
    for name in ("fma", "rint", "floor", "ceil", "trunc", "sqrt", "fabs", "copysign", "minimum", "maximum", "minnum",
                 "maxnum", "larger_of", "smaller_of", "scaled", "where", "add_reassoc", "local_float32",
                 "local_float64", "local_int64", "as_int32", "as_float32", "as_int64", "as_float64")
} | CONVERSIONS  # fmt: skip
_NAMES = {**PRIMITIVES, **{name: getattr(types, name) for name in _TYPES},
          "min": smaller, "nan": math.nan, "inf": math.inf}  # fmt: skip


def namespace():
    """A fresh globals dictionary for kernel source; further names come from `lookup`."""
    return dict(_NAMES)


@functools.cache
def lookup(name):
    """The function behind a name with a dtype suffix, ready to be compiled; None for any other name.

    `library_sin_float64` is the C library's sine, whatever expr/mathematics has.
    """
    from ..expr import mathematics

    function = mathematics.FUNCTIONS.get(name)
    if function is not None:
        return rebound(function)
    stem, _, dtype = name.removeprefix("library_").rpartition("_")
    if dtype == "int64" and stem not in _INTEGER:
        return None
    known = dtype in ("int64", "float32", "float64", "complex64", "complex128")
    return _from_library(stem, dtype) if known else None


@functools.cache
def rebound(function):
    """A function of expr/mathematics whose globals are the names of kernels and the constants it uses."""
    space = namespace()
    bound = FunctionType(function.__code__, space, function.__name__)
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if name in space:
            continue
        if isinstance(value, FunctionType):
            space[name] = rebound(value)
        elif isinstance(value, (int, float, complex)):
            space[name] = value
    return bound


@functools.cache
def c_function(name, kind, arity):
    """A function of the C library on operands of one type: LLVM calls it by its name."""

    def typed(*operands):
        if any(types.unliteral(operand) != kind for operand in operands):
            return None

        def generate(context, builder, signature, arguments):
            function_type = _function_type(arguments)
            function = cgutils.get_or_insert_function(builder.module, function_type, name)
            function.attributes.add("nounwind")
            return builder.call(function, arguments)

        return kind(*operands), generate

    return intrinsic(lambda context, a: typed(a)) if arity == 1 else intrinsic(lambda context, a, b: typed(a, b))


# What the C library has, with the number of operands. In float32 they go through float64, but for those that are exact.
C_FUNCTIONS = dict.fromkeys(
    "exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc lgamma "
    "tgamma cbrt".split(), 1
) | dict.fromkeys("atan2 hypot pow fmod nextafter".split(), 2)  # fmt: skip
_IN_TYPE = ("fmod", "nextafter")

# Further functions in terms of others, as the body of `def name_type(x, y)`; T stands for the type.
_REAL = {
    "mod": (2, """
    rest = fmod_T(x, y)
    return rest + y if rest != T(0) and (rest < T(0)) != (y < T(0)) else rest"""),
    "floordiv": (2, """
    rest = fmod_T(x, y)
    quotient = (x - rest) / y
    if rest != T(0) and (rest < T(0)) != (y < T(0)):
        quotient = quotient - T(1)
    near = floor(quotient)
    near = near + T(1) if quotient - near > T(0.5) else near
    return x / y if y == T(0) else (copysign(T(0), x / y) if quotient == T(0) else near)"""),
}  # fmt: skip
_INTEGER = {
    # Modulo 2^64 for every exponent: Numba's own power goes through float64 where it is above 2^16.
    "pow": (2, """
    power = T(1)
    while y > T(0):
        power = power * x if y & T(1) else power
        x, y = x * x, y >> T(1)
    return power"""),
}
_COMPLEX = {
    "abs": (1, "\n    return T(abs(complex128(x)))"),
    "log2": (1, "\n    return T(library.log(complex128(x)) * 1.4426950408889634)"),
    "log1p": (1, "\n    return T(library.log(complex128(x) + 1.0))"),
    "expm1": (1, "\n    return T(library.exp(complex128(x)) - 1.0)"),
    "exp2": (1, "\n    return T(library.exp(complex128(x) * 0.6931471805599453))"),
    # exp(y log(x)) also where x is 0, whose logarithm is -inf: Numba's own power has 1 for 0 ** 0 and NaN for others.
    "pow": (2, """
    if x == T(0):
        if y.real > 0:
            return T(0)
        return T(complex(inf if y.real < 0 else nan, nan))
    return T(complex128(x) ** complex128(y))"""),
    # The compiler's own division leaves the kernel where y is 0. Scaled after Smith 1962, CACM 5(8), algorithm 116.
    "divide": (2, """
    a, b, c, d = float64(x.real), float64(x.imag), float64(y.real), float64(y.imag)
    if fabs(c) >= fabs(d):
        if c == 0.0:
            return T(complex(a / fabs(c), b / fabs(c)))
        ratio = d / c
        whole = c + d * ratio
        return T(complex((a + b * ratio) / whole, (b - a * ratio) / whole))
    ratio = c / d
    whole = d + c * ratio
    return T(complex((a * ratio + b) / whole, (b * ratio - a) / whole))"""),
}


def _from_library(stem, dtype):
    """The function by the C library, by cmath or by a formula in terms of those; None where there is none."""
    space, complex_ = namespace(), dtype.startswith("complex")
    formula = (_COMPLEX if complex_ else _INTEGER if dtype == "int64" else _REAL).get(stem)
    if formula is not None:
        arity, body = formula
    elif complex_ and hasattr(cmath, stem):
        arity, body = 1, f"\n    return T(library.{stem}(complex128(x)))"
    elif not complex_ and stem in C_FUNCTIONS:
        arity, own = C_FUNCTIONS[stem], stem in _IN_TYPE or dtype == "float64"
        name = stem if dtype == "float64" or not own else f"{stem}f"
        space["function"] = c_function(name, getattr(types, dtype) if own else types.float64, arity)
        operands = ", ".join(letter if own else f"float64({letter})" for letter in "xy"[:arity])
        body = f"\n    return T(function({operands}))"
    else:
        return None
    space["library"] = cmath
    exec(f"def {stem}_{dtype}({', '.join('xy'[:arity])}):{body}".replace("T", dtype), space)
    return space[f"{stem}_{dtype}"]
