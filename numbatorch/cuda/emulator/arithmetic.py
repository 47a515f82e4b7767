"""Integer and floating-point instructions, comparisons and bits: sections 9.7.1 to 9.7.8 of the manual."""

import numpy as np

from ...expr import primitives
from .operands import instruction
from .text import TYPES, PTXError


def _wide(kind):
    return TYPES[f"{kind[0]}{2 * int(kind[1:])}"]


@instruction("add", "sub")
def add(code, item):
    if "cc" in item.parts:
        raise PTXError(f"no carries here: {item.text}")
    function = {"add": np.add, "sub": np.subtract}[item.parts[0]]
    if "sat" in item.parts and item.parts[-1][0] == "s":
        raise PTXError(f"no saturation here: {item.text}")
    return code.binary(item, function)


@instruction("and", "or", "xor")
def logic(code, item):
    return code.binary(item, {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}[item.parts[0]])


@instruction("not")
def invert(code, item):
    return code.unary(item, np.invert)


@instruction("cnot")
def logical_not(code, item):
    return code.unary(item, lambda a: (a == 0).astype(a.dtype))


@instruction("mul")
def multiply(code, item):
    kind = item.parts[-1]
    if "wide" in item.parts:
        wide = _wide(kind)
        return code.binary(item, lambda a, b: a.astype(wide) * b.astype(wide))
    if "hi" in item.parts:
        return code.binary(item, lambda a, b: _high(a, b, kind))
    return code.binary(item, np.multiply)


def _high(a, b, kind):
    """The upper half of a product."""
    bits = int(kind[1:])
    if bits < 64:
        wide = _wide(kind)
        return (a.astype(wide) * b.astype(wide) >> wide.type(bits)).astype(TYPES[kind])
    a, b = np.broadcast_arrays(a, b)
    x, y = a.view("u8"), b.view("u8")
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    x0, x1, y0, y1 = x & low, x >> shift, y & low, y >> shift
    middle = x1 * y0 + (x0 * y0 >> shift)
    other = x0 * y1 + (middle & low)
    high = x1 * y1 + (middle >> shift) + (other >> shift)
    if kind[0] == "s":  # what the signs took from the unsigned product
        high = high - np.where(a < 0, y, np.uint64(0)) - np.where(b < 0, x, np.uint64(0))
    return high.view(TYPES[kind])


@instruction("mad")
def multiply_add(code, item):
    kind = item.parts[-1]
    if kind[0] == "f":
        return fused(code, item)
    if "wide" in item.parts:
        wide = _wide(kind)
        return code.ternary(item, lambda a, b, c: a.astype(wide) * b.astype(wide) + c, (kind, kind, wide))
    if "hi" in item.parts:
        return code.ternary(item, lambda a, b, c: _high(a, b, kind) + c)
    return code.ternary(item, lambda a, b, c: a * b + c)


@instruction("fma")
def fused(code, item):
    kind = item.parts[-1]
    if kind == "f32":
        return code.ternary(item, fma32)
    if kind == "f64":
        return code.ternary(item, lambda a, b, c: primitives.fma(*np.broadcast_arrays(a, b, c)))
    raise PTXError(f"no fma of {kind}: {item.text}")


def fma32(a, b, c):
    """a * b + c of float32 rounded once: the float64 sum, rounded to odd where it is not exact (Boldo 2008)."""
    product, c = a.astype("f8") * b.astype("f8"), c.astype("f8")
    total = product + c
    part = total - product
    error = (product - (total - part)) + (c - part)
    bits = np.atleast_1d(total).view("i8")
    inexact = (np.atleast_1d(error) != 0) & np.isfinite(np.atleast_1d(total)) & (bits & 1 == 0)
    away = np.where((np.atleast_1d(error) > 0) == (np.atleast_1d(total) > 0), 1, -1)
    bits = np.where(inexact, bits + away, bits)
    return bits.view("f8").reshape(np.shape(total)).astype("f4")


@instruction("div")
def divide(code, item):
    if item.parts[-1][0] == "f":
        return code.binary(item, np.divide)
    return code.binary(item, lambda a, b: _quotient(a, b)[0])


@instruction("rem")
def remainder(code, item):
    return code.binary(item, lambda a, b: _quotient(a, b)[1])


def _quotient(a, b):
    """(quotient towards zero, remainder); by zero, which the manual leaves open, all bits set and the dividend."""
    a, b = np.broadcast_arrays(a, b)
    safe = np.where(b == 0, b.dtype.type(1), b)
    rest = np.fmod(a, safe)
    quotient = (a - rest) // safe
    return (np.where(b == 0, np.array(-1).astype(a.dtype), quotient).astype(a.dtype),
            np.where(b == 0, a, rest).astype(a.dtype))


@instruction("max", "min")
def extreme(code, item):
    kind, largest = item.parts[-1], item.parts[0] == "max"
    if not set(item.parts[1:-1]) <= {"NaN", "relu"}:
        raise PTXError(f"no such extreme here: {item.text}")
    if kind[0] != "f":
        function = np.maximum if largest else np.minimum
        if "relu" in item.parts:  # numbers below zero become zero
            return code.binary(item, lambda a, b: np.maximum(function(a, b), a.dtype.type(0)))
        return code.binary(item, function)
    function = (np.maximum if largest else np.minimum) if "NaN" in item.parts else (np.fmax if largest else np.fmin)

    def choose(a, b):
        zeros = (a == 0) & (b == 0)  # -0 is below +0
        signs = np.signbit(a) & np.signbit(b) if largest else np.signbit(a) | np.signbit(b)
        return np.where(zeros, np.where(signs, a.dtype.type(-0.0), a.dtype.type(0)), function(a, b))
    return code.binary(item, choose)


@instruction("neg")
def negate(code, item):
    return code.unary(item, np.negative)


@instruction("abs")
def absolute(code, item):
    return code.unary(item, np.abs)


@instruction("copysign")
def copysign(code, item):
    return code.binary(item, lambda sign, size: np.copysign(size, sign))


_ROUNDED = {  # through float64: the approximate ones are better here than on a GPU
    "ex2": np.exp2, "lg2": np.log2, "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "rsqrt": lambda x: 1 / np.sqrt(x),
    "rcp": lambda x: 1 / x, "sqrt": np.sqrt}


@instruction(*_ROUNDED)
def function(code, item):
    compute = _ROUNDED[item.parts[0]]
    return code.unary(item, lambda a: compute(a.astype("f8")).astype(a.dtype))


@instruction("shl", "shr")
def shift(code, item):
    """Shifts by 32 or more bits of 32 leave zeros, or signs."""
    kind, target = TYPES[item.parts[-1]], code.target(item.operands[0])
    a, count = code.source(item.operands[1], kind), code.source(item.operands[2], "u32")
    bits, left = 8 * kind.itemsize, item.parts[0] == "shl"

    def run(state, mask):
        value, by = a(state), count(state)
        capped = np.minimum(by, bits - 1).astype(kind)
        moved = value << capped if left else value >> capped
        target(state, moved if kind.kind == "i" and not left else np.where(by < bits, moved, kind.type(0)), mask)
    return run


@instruction("shf")
def funnel_shift(code, item):
    left, wrap = item.parts[1] == "l", "wrap" in item.parts

    def compute(low, high, by):
        by = (by & np.uint32(31) if wrap else np.minimum(by, np.uint32(32))).astype("u8")
        pair = high.astype("u8") << np.uint64(32) | low.astype("u8")
        return (pair << by >> np.uint64(32) if left else pair >> by).astype("u4")
    return code.ternary(item, compute, ("u32",) * 3)


@instruction("popc")
def count_bits(code, item):
    return code.unary(item, lambda a: np.bitwise_count(a).astype("u4"))


@instruction("clz")
def leading_zeros(code, item):
    bits = int(item.parts[-1][1:])

    def compute(a):
        found, rest = np.zeros(np.shape(a), "u4"), a.copy()
        for step in (32, 16, 8, 4, 2, 1):
            if step < bits:
                large = rest >= a.dtype.type(1) << a.dtype.type(step)
                found = found + np.where(large, step, 0).astype("u4")
                rest = np.where(large, rest >> a.dtype.type(step), rest)
        return (np.uint32(bits - 1) - found + (a == 0)).astype("u4")
    return code.unary(item, compute)


@instruction("brev")
def reverse_bits(code, item):
    bits = int(item.parts[-1][1:])

    def compute(a):
        return sum(((a >> a.dtype.type(k) & a.dtype.type(1)) << a.dtype.type(bits - 1 - k) for k in range(bits)),
                   a.dtype.type(0)).astype(a.dtype)
    return code.unary(item, compute)


@instruction("bfe")
def extract(code, item):
    kind = TYPES[item.parts[-1]]
    bits = 8 * kind.itemsize

    def compute(a, at, length):
        at, length = (np.minimum(v & np.uint32(255), bits).astype("i8") for v in (at, length))
        number = a.astype("i8" if kind.kind == "i" else "u8")
        up = np.maximum(64 - np.minimum(at + length, bits), 0)
        kept = np.maximum(64 - length, 0)
        moved = number << np.minimum(up, 63).astype(number.dtype)
        return np.where(length == 0, 0, moved >> np.minimum(kept, 63).astype(number.dtype)).astype(kind)
    return code.ternary(item, compute, (kind, "u32", "u32"))


@instruction("bfi")
def insert(code, item):
    kind = TYPES[item.parts[-1]]
    target, (a, b) = code.target(item.operands[0]), (code.source(o, kind) for o in item.operands[1:3])
    at, length = (code.source(o, "u32") for o in item.operands[3:5])

    def run(state, mask):
        start, count = at(state).astype("u8"), length(state).astype("u8")
        ones = np.where(count >= 64, np.uint64(2**64 - 1), (np.uint64(1) << np.minimum(count, 63)) - np.uint64(1))
        window = ones << start
        target(state, (b(state).astype("u8") & ~window | a(state).astype("u8") << start & window).astype(kind), mask)
    return run


@instruction("prmt")
def permute(code, item):
    if len(item.parts) > 2:
        raise PTXError(f"no such permutation here: {item.text}")

    def compute(a, b, choice):
        pair, found = b.astype("u8") << np.uint64(32) | a.astype("u8"), np.uint32(0)
        for k in range(4):
            selector = choice >> np.uint32(4 * k)
            byte = pair >> ((selector & np.uint32(7)) * np.uint32(8)).astype("u8") & np.uint64(255)
            sign = np.where(byte >= 128, np.uint64(255), np.uint64(0))
            byte = np.where(selector & np.uint32(8), sign, byte)
            found = found | byte.astype("u4") << np.uint32(8 * k)
        return found
    return code.ternary(item, compute, ("u32",) * 3)


@instruction("lop3")
def logic_of_three(code, item):
    table = int(item.operands[4], 0)
    kind = TYPES["b32"]

    def compute(a, b, c):
        found = kind.type(0)
        for k in range(8):
            if table >> k & 1:
                found = found | (a if k & 4 else ~a) & (b if k & 2 else ~b) & (c if k & 1 else ~c)
        return found
    return code.ternary(item, compute, ("b32",) * 3)


_COMPARE = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
            "ge": np.greater_equal, "lo": np.less, "ls": np.less_equal, "hi": np.greater, "hs": np.greater_equal}
_JOIN = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}


def _comparison(name, is_float):
    if name in ("num", "nan"):
        return lambda a, b: (np.isnan(a) | np.isnan(b)) == (name == "nan")
    if is_float and name.endswith("u") and name[:-1] in _COMPARE:
        return lambda a, b: _COMPARE[name[:-1]](a, b) | np.isnan(a) | np.isnan(b)
    if is_float and name == "ne":
        return lambda a, b: (a != b) & ~(np.isnan(a) | np.isnan(b))
    return _COMPARE[name]


@instruction("setp")
def compare(code, item):
    kind = item.parts[-1]
    function = _comparison(item.parts[1], kind[0] == "f")
    names = item.operands[0].split("|")
    targets = [code.target(name.strip()) for name in names]
    a, b = (code.source(o, kind) for o in item.operands[1:3])
    join = None
    if len(item.operands) > 3:
        name = item.operands[3]
        join, flip, other = _JOIN[item.parts[2]], name.startswith("!"), code.source(name.lstrip("!"), "pred")

    def run(state, mask):
        found = function(a(state), b(state))
        for k, target in enumerate(targets):
            value = ~found if k else found
            target(state, value if join is None else join(value, other(state) != flip), mask)
    return run


@instruction("selp")
def select(code, item):
    return code.ternary(item, lambda a, b, chosen: np.where(chosen, a, b), (item.parts[-1],) * 2 + ("pred",))


@instruction("testp")
def test(code, item):
    kind, what = item.parts[-1], item.parts[1]
    least = np.finfo(TYPES[kind]).smallest_normal
    tests = {"finite": np.isfinite, "infinite": np.isinf, "number": lambda a: ~np.isnan(a), "notanumber": np.isnan,
             "normal": lambda a: np.isfinite(a) & (np.abs(a) >= least),
             "subnormal": lambda a: (a != 0) & (np.abs(a) < least)}
    return code.unary(item, tests[what])
