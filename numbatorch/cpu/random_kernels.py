"""Kernels of random numbers: words of the Mersenne Twister, and what becomes of them.

The twister's words are made one after another (`extend`), but not tempered: tempering looks at a single word, so every
kernel below tempers the words it reads, and runs in parallel over its results. Parameters: words, (inputs), results,
numbers. One source serves several dtypes: `_STORE` says how a value is written.

Matsumoto & Nishimura 1998, "Mersenne Twister"; Box & Muller 1958. What PyTorch draws, and from which bits: README.md.
"""

import functools

from .compile import compile_kernel

BLOCK = 624  # words that the generator makes of the words before them
SLAB = 128 * BLOCK  # words made at a time, 320 KB: stays in a core's cache until they are used

_WORDS = '''
def tempered(word):
    word = uint32(word ^ (word >> uint32(11)))
    word = uint32(word ^ uint32(uint32(word << uint32(7)) & uint32(0x9D2C5680)))
    word = uint32(word ^ uint32(uint32(word << uint32(15)) & uint32(0xEFC60000)))
    return uint32(word ^ (word >> uint32(18)))


def wide(words, i):
    """64 bits: the first of two words is the upper one."""
    return uint64((uint64(tempered(words[2 * i])) << uint64(32)) | uint64(tempered(words[2 * i + 1])))


def unit24(word):
    """[0, 1) in steps of 2^-24."""
    return float32(int32(tempered(word) & uint32(0xFFFFFF))) * float32(5.9604644775390625e-08)


def unit53(words, i):
    """[0, 1) in steps of 2^-53."""
    return float64(int64(wide(words, i) & uint64(0x1FFFFFFFFFFFFF))) * 1.1102230246251565e-16
'''

# Distance 227 between what is written and the nearest word that is read: vector code without checks.
_EXTEND = """
def {name}(words, start, stop):
    for i in range(start, stop):
        low = words[i + 1]
        mixed = uint32(uint32(words[i] & uint32(0x80000000)) | uint32(low & uint32(0x7FFFFFFF)))
        twist = uint32(uint32(uint32(0) - uint32(low & uint32(1))) & uint32(0x9908B0DF))
        words[i + 624] = uint32(uint32(words[i + 397] ^ (mixed >> uint32(1))) ^ twist)
"""

_STORE = {
    "float64": "float64({})", "float32": "float32({})", "float16": "float_to_half(float32({}))",
    "bfloat16": "float_to_bfloat(float32({}))", "bool": "uint8({})",
    **{name: name + "({})" for name in ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")},
}  # fmt: skip

# Rounding may reach the upper bound, which does not belong to the interval: such a draw becomes the lower bound.
_UNIFORM = """
def {name}(words, result, low, span, bound, bottom, start, stop):
    for i in range(start, stop):
        value = fma({unit}, span, low)
        {rounded}
        result[i] = {chosen}
"""
_UNIFORM_PARTS = {
    "float64": ("unit53(words, i)", "rounded = value", "where(rounded == bound, bottom, rounded)"),
    "float32": ("unit24(words[i])", "rounded = value", "where(rounded == bound, bottom, rounded)"),
    "float16": ("unit24(words[i])", "rounded = half_to_float(float_to_half(value))",
                "float_to_half(where(rounded == bound, bottom, rounded))"),
    "bfloat16": ("unit24(words[i])", "rounded = bfloat_to_float(float_to_bfloat(value))",
                 "float_to_bfloat(where(rounded == bound, bottom, rounded))"),
}  # fmt: skip

# The quotient by way of float64 is off by one at most; integer division is not vector code.
_MODULO32 = """
def {name}(words, result, base, modulus, start, stop):
    inverse = 1.0 / float64(modulus)
    for i in range(start, stop):
        word = int64(tempered(words[i]))
        rest = word - int64(float64(word) * inverse) * modulus
        rest = where(rest < 0, rest + modulus, rest)
        rest = where(rest >= modulus, rest - modulus, rest)
        value = rest + base
        result[i] = {store}
"""
_MODULO64 = """
def {name}(words, result, base, modulus, start, stop):
    for i in range(start, stop):
        value = int64(wide(words, i) % modulus) + base
        result[i] = {store}
"""
_WIDE = """
def {name}(words, result, start, stop):
    for i in range(start, stop):
        value = int64(wide(words, i))
        result[i] = {store}
"""
_EXCHANGE = """
def {name}(words, result, count, first, start, stop):
    for k in range(start, stop):
        here = first + k
        there = here + int64(tempered(words[k])) % (count - here)
        kept = result[here]
        result[here] = result[there]
        result[there] = kept
"""
_POSITIONS = """
def {name}(result, start, stop):
    for value in range(start, stop):
        result[value] = {store}
"""
_INSERT = """
def {name}(words, result, first, start, stop):
    for i in range(start, stop):
        here = first + i
        there = int64(wide(words, i) % uint64(here + 1))
        result[here] = {here}
        result[here] = result[there]
        result[there] = {here}
"""
_BERNOULLI = """
def {name}(words, result, threshold, one, start, stop):
    for i in range(start, stop):
        drawn = int64(wide(words, i) & uint64(0x1FFFFFFFFFFFFF))
        result[i] = where(drawn < threshold, one, {type}(0))
"""
_BERNOULLI_TENSOR = """
def {name}(words, result, chance, progress, one, first, start, stop):
    outside = int64(0)
    for k in range(start, stop):
        i = first + k
        p = {load}
        inside = int64(p >= {real}(0)) & int64(p <= {real}(1))
        outside = outside | (int64(1) - inside)
        result[i] = where({unit} < p, one, {type}(0))
    if outside != 0:
        progress[2] = 1
"""
_LOAD = {"float64": "chance[i]", "float32": "chance[i]", "float16": "half_to_float(chance[i])",
         "bfloat16": "bfloat_to_float(chance[i])"}  # fmt: skip

# Functions of float32 in the polynomials and the order of operations that PyTorch's vector code has on x86: bit by bit
# the same results, which expr/mathematics, more accurate, does not give. Coefficients: Moshier's Cephes, single/.
_POLYNOMIALS = '''
def natural_logarithm(x):
    """log x for normal positive x."""
    bits = as_int32(x)
    exponent = float32(int32(int32(bits >> int32(23)) - int32(126)))
    m = as_float32(int32(int32(bits & int32(0x7FFFFF)) | int32(0x3F000000)))
    small = m < float32(0.70710677)
    exponent = where(small, exponent - float32(1), exponent)
    m = where(small, m - float32(1) + m, m - float32(1))
    square = m * m
    p = float32(7.0376836292e-2)
    p = fma(p, m, float32(-1.1514610310e-1))
    p = fma(p, m, float32(1.1676998740e-1))
    p = fma(p, m, float32(-1.2420140846e-1))
    p = fma(p, m, float32(1.4249322787e-1))
    p = fma(p, m, float32(-1.6668057665e-1))
    p = fma(p, m, float32(2.0000714765e-1))
    p = fma(p, m, float32(-2.4999993993e-1))
    p = fma(p, m, float32(3.3333331174e-1))
    p = fma(p * m, square, exponent * float32(-2.12194440e-4))
    p = fma(-square, float32(0.5), p)
    return fma(exponent, float32(0.693359375), m + p)


def octant(x):
    """Of x >= 0 in turns of pi/4: the even number next to it."""
    return int32(int32(int32(x * float32(1.2732395447)) + int32(1)) & int32(-2))


def remainder(x, turns):
    """x less that many times pi/4."""
    y = float32(turns)
    x = fma(y, float32(-0.78515625), x)
    x = fma(y, float32(-2.4187564849853515625e-4), x)
    return fma(y, float32(-3.77489497744594108e-8), x)


def cosine_near_zero(x):
    z = x * x
    p = fma(float32(2.443315711809948e-5), z, float32(-1.388731625493765e-3))
    p = fma(p, z, float32(4.166664568298827e-2))
    return fma(p * z, z, -(z * float32(0.5))) + float32(1)


def sine_near_zero(x):
    z = x * x
    p = fma(float32(-1.9515295891e-4), z, float32(8.3321608736e-3))
    p = fma(p, z, float32(-1.6666654611e-1))
    return fma(p * z, x, x)


def negated(x, sign):
    """x with its sign bit changed by bit 31 of `sign`."""
    return as_float32(int32(as_int32(x) ^ int32(sign & int32(-2147483648))))
'''
_NORMAL32 = """
def {name}(words, result, mean, std, start, stop):
    for block in range(start, stop):
        first = 16 * block
        for k in range(8):
            radius = sqrt(float32(-2) * natural_logarithm(float32(1) - unit24(words[first + k])))
            angle = float32(6.2831855) * unit24(words[first + k + 8])
            turns = octant(angle)
            rest = remainder(angle, turns)
            even, odd = cosine_near_zero(rest), sine_near_zero(rest)
            quarter = int32(turns & int32(2)) != int32(0)
            cosine = negated(where(quarter, odd, even), int32(int32(turns + int32(2)) << int32(29)))
            sine = negated(where(quarter, even, odd), int32(turns << int32(29)))
            value = fma(radius * cosine, std, mean)
            result[first + k] = {store}
            value = fma(radius * sine, std, mean)
            result[first + k + 8] = {store}
"""
_NORMAL64 = """
def {name}(words, result, mean, std, start, stop):
    for block in range(start, stop):
        first = 16 * block
        for k in range(8):
            radius = sqrt(-2.0 * library_log_float64(1.0 - unit53(words, first + k)))
            angle = 6.283185307179586 * unit53(words, first + k + 8)
            result[first + k] = fma(radius * library_cos_float64(angle), std, mean)
            result[first + k + 8] = fma(radius * library_sin_float64(angle), std, mean)
"""
# The first of n results is the number that waits, if one does; progress: words to draw, how many results there are.
_BEFORE_PAIRS = """
def {name}(result, normals, progress, mean, std, n, start, stop):
    for call in range(start, stop):
        progress[1] = 0
        if normals[1] != 0.0:
            normal = normals[0]
            value = {formula}
            result[0] = {store}
            progress[1] = 1
        left = n - progress[1]
        progress[0] = 4 * ((left + 1) // 2)
        normals[1] = float64(left % 2)
"""
_PAIRS = """
def {name}(words, result, normals, progress, mean, std, n, first, start, stop):
    for k in range(start, stop):
        i = progress[1] + 2 * (first + k)
        angle = 6.283185307179586 * unit53(words, 2 * k)
        radius = sqrt(-2.0 * library_log1p_float64(-unit53(words, 2 * k + 1)))
        normal = radius * library_cos_float64(angle)
        value = {formula}
        result[i] = {store}
        normal = radius * library_sin_float64(angle)
        if i + 1 < n:
            value = {formula}
            result[i + 1] = {store}
        else:
            normals[0] = normal
"""
_FROM_UNIT = """
def {name}(words, result, a, b, start, stop):
    for i in range(start, stop):
        value = {formula}
        result[i] = {store}
"""
_FORMULAS = {
    "normal": "fma(normal, std, mean)",
    "log_normal": "library_exp_float64(fma(normal, std, mean))",
    "exponential": "a * library_log1p_float64(-unit53(words, i))",
    "geometric": "ceil(library_log_float64(unit53(words, i)) / a)",
    "cauchy": "fma(library_tan_float64(3.141592653589793 * (unit53(words, i) - 0.5)), b, a)",
}
# Sums run in the order of the row, in float32 unless the numbers are float64, as the comparison with draws sees them.
_CUMULATE = """
def {name}(chance, cumulative, progress, categories, start, stop):
    for row in range(start, stop):
        total = {real}(0)
        for k in range(categories):
            i = row * categories + k
            p = {load}
            if not (p >= {real}(0) and p < {real}(inf)):
                progress[2] = 1
            total = total + p
            cumulative[i] = float64(total)
        if not total > {real}(0):
            progress[3] = 1
        for k in range(categories):
            i = row * categories + k
            cumulative[i] = float64({real}(cumulative[i]) / total)
"""
_CATEGORICAL = """
def {name}(words, result, cumulative, categories, samples, first, start, stop):
    for k in range(start, stop):
        i = first + k
        row = (i // samples) * categories
        drawn = unit53(words, k)
        left, right = int64(0), categories
        while right > left:
            middle = left + (right - left) // 2
            if cumulative[row + middle] < drawn:
                left = middle + 1
            else:
                right = middle
        result[i] = left
"""


@functools.cache
def extend():
    """words[624 + i], ... from the 624 words before each, for i in units."""
    return compile_kernel("mersenne_extend", _EXTEND.format(name="mersenne_extend"), ("uint32*",))


@functools.cache
def uniform(dtype):
    """(words, result, low, span, bound, bottom)"""
    unit, rounded, chosen = _UNIFORM_PARTS[dtype]
    number = "float64" if dtype == "float64" else "float32"
    return _compile("uniform", _UNIFORM, dtype, [number] * 4, unit=unit, rounded=rounded, chosen=chosen)


@functools.cache
def modulo(dtype, is_wide):
    """(words, result, base, modulus): draws of 32 or 64 bits modulo `modulus`, plus `base`."""
    template, kind = (_MODULO64, "uint64") if is_wide else (_MODULO32, "int64")
    return _compile(f"randint{64 if is_wide else 32}", template, dtype, ["int64", kind], store=_store(dtype))


@functools.cache
def whole(dtype):
    """(words, result): all 64 bits."""
    return _compile("random_bits", _WIDE, dtype, [], store=_store(dtype))


@functools.cache
def exchange(dtype):
    """(words, result, count, first): steps `first + units` of shuffling `count` numbers, in one chunk."""
    return _compile("randperm", _EXCHANGE, dtype, ["int64", "int64"], independent=False)


@functools.cache
def positions(dtype):
    """(result): 0, 1, 2, ..."""
    name = f"positions_{dtype}"
    return compile_kernel(name, _POSITIONS.format(name=name, store=_store(dtype)), (f"{dtype}*",), independent=True)


@functools.cache
def insert(dtype):
    """(words, result, first): steps `first + units` of shuffling numbers while they are written."""
    return _compile("randperm_insert", _INSERT, dtype, ["int64"], independent=False,
                    here=_STORE[dtype].format("here"))


@functools.cache
def bernoulli(carrier):
    """(words, result, threshold, one): bits `one` where 53 bits are below the threshold, an integer."""
    return _compile("bernoulli", _BERNOULLI, carrier, ["int64", carrier], type=carrier)


@functools.cache
def bernoulli_tensor(carrier, dtype):
    """(words, result, chance, progress, one, first): each element has its own chance; it is wrong if one is not in
    [0, 1]."""
    real, unit = ("float64", "unit53(words, k)") if dtype == "float64" else ("float32", "unit24(words[k])")
    name = f"bernoulli_{dtype}_{carrier}"
    source = _WORDS + _BERNOULLI_TENSOR.format(name=name, load=_LOAD[dtype], real=real, unit=unit, type=carrier)
    signature = ("uint32*", f"{carrier}*", f"{dtype}*", "int64*", carrier, "int64")
    return compile_kernel(name, source, signature, independent=True)


@functools.cache
def normal_blocks(dtype):
    """(words, result, mean, std): units are blocks of 16 results, 8 radii and then 8 angles make one."""
    if dtype == "float64":
        return _compile("normal", _NORMAL64, dtype, ["float64", "float64"])
    return _compile("normal", _POLYNOMIALS + _NORMAL32, dtype, ["float32", "float32"], store=_store(dtype))


@functools.cache
def pairs(kind, dtype):
    """(kernel before, kernel) of normal or log_normal numbers from pairs of standard normal float64: (result, normals,
    progress, mean, std, n) and (words, result, normals, progress, mean, std, n, first), whose units are pairs."""
    parts = {"formula": _FORMULAS[kind], "store": _store(dtype)}
    own, name = (f"{dtype}*", "float64*", "int64*", "float64", "float64", "int64"), f"{kind}_pairs_{dtype}"
    before = compile_kernel(f"before_{name}", _BEFORE_PAIRS.format(name=f"before_{name}", **parts), own)
    source = _WORDS + _PAIRS.format(name=name, **parts)
    return before, compile_kernel(name, source, ("uint32*", *own, "int64"), independent=True)


@functools.cache
def from_unit(kind, dtype):
    """(words, result, a, b): exponential (a = -1/rate), geometric (a = log(1 - p)), cauchy (a median, b sigma)."""
    store = _store(dtype) if "float" in dtype else _STORE[dtype].format("int64(value)")
    return _compile(kind, _FROM_UNIT, dtype, ["float64", "float64"], formula=_FORMULAS[kind], store=store)


@functools.cache
def cumulate(dtype):
    """(chance, cumulative, progress, categories): units are rows; wrong are a bad number, a row of zeros."""
    name, real = f"cumulate_{dtype}", "float64" if dtype == "float64" else "float32"
    source = _CUMULATE.format(name=name, load=_LOAD[dtype], real=real)
    return compile_kernel(name, source, (f"{dtype}*", "float64*", "int64*", "int64"))


@functools.cache
def categorical():
    """(words, result, cumulative, categories, samples, first): units are samples of all rows, from `first` on."""
    source = _WORDS + _CATEGORICAL.format(name="categorical")
    signature = ("uint32*", "int64*", "float64*", "int64", "int64", "int64")
    return compile_kernel("categorical", source, signature, independent=True)


def _store(dtype):
    return _STORE[dtype].format("value")


def _compile(stem, template, dtype, numbers, independent=True, **parts):
    name = f"{stem}_{dtype}"
    head, start, body = template.rpartition("\ndef {name}")
    source = _WORDS + head + (start + body).format(name=name, **parts)
    return compile_kernel(name, source, ("uint32*", f"{dtype}*", *numbers), independent=independent)
