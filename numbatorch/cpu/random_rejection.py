"""Random numbers by rejection: every result takes as many draws as it needs, so they are made one after another.

    fill_poisson(state, ptr, n, dtype, rate)              poisson(rate): rate is the address of n numbers of dtype
    fill_binomial(state, ptr, n, dtype, count, prob)      binomial(count, prob): addresses of n numbers of dtype each
    fill_gamma(state, ptr, n, dtype, concentration)       _standard_gamma: float32 and float64

dirichlet is fill_gamma in float64 over its sum. Draws and comparisons are PyTorch's: results are its bits.

Poisson: Hoermann 1993, "The transformed rejection method for generating Poisson random variables", PTRS; below 10 by
products of draws. Binomial: Hoermann 1993, "The generation of binomial random variates", BTRS; below 10 by geometric
steps. Gamma: Marsaglia & Tsang 2000, "A simple method for generating gamma variables".
"""

import functools

from . import random_kernels as kernels
from .compile import compile_kernel

# A result that runs out of draws is begun again with more of them: `taken` goes back to where it started.
_LOOP = """
def {name}(words, a, b, result, progress, normal, n, pairs, start, stop):
    i, taken, short = progress[0], int64(0), False
    kept, is_kept = normal[0], normal[1] != 0.0
    while i < n:
        first, kept_first, is_kept_first = taken, kept, is_kept
        value = 0.0
{body}
        if short:
            taken, kept, is_kept = first, kept_first, is_kept_first
            break
        result[i] = {store}
        i += 1
    progress[0], progress[1] = i, taken
    normal[0], normal[1] = kept, where(is_kept, 1.0, 0.0)
"""

_POISSON = """
rate = float64({a})
if rate < 0.0:
    progress[2] = 1
if rate >= 10.0:
    logarithm = library_log_float64(rate)
    b_ = 0.931 + 2.53 * sqrt(rate)
    a_ = -0.059 + 0.02483 * b_
    inverse = 1.1239 + 1.1328 / (b_ - 3.4)
    limit = 0.9277 - 3.6224 / (b_ - 2.0)
    while True:
        if taken + 2 > pairs:
            short = True
            break
        u, v = unit53(words, taken) - 0.5, unit53(words, taken + 1)
        taken += 2
        edge = 0.5 - fabs(u)
        value = floor((2.0 * a_ / edge + b_) * u + rate + 0.43)
        if edge >= 0.07 and v <= limit:
            break
        if value < 0.0 or (edge < 0.013 and v > edge):
            continue
        left = library_log_float64(v) + library_log_float64(inverse) - library_log_float64(a_ / (edge * edge) + b_)
        if left <= -rate + value * logarithm - library_lgamma_float64(value + 1.0):
            break
elif rate != 0.0:
    limit, product = library_exp_float64(-rate), 1.0
    while True:
        if taken + 1 > pairs:
            short = True
            break
        product *= unit53(words, taken)
        taken += 1
        if not product > limit:
            break
        value += 1.0
"""

_TAILS = '''
def stirling_rest(k):
    """log k! less Stirling's approximation: Loader's table, from 10 on the series."""
    if k > 9.0:
        square = (k + 1.0) * (k + 1.0)
        return (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / (k + 1.0)
    if k == 0.0:
        return 0.0810614667953272
    if k == 1.0:
        return 0.0413406959554092
    if k == 2.0:
        return 0.0276779256849983
    if k == 3.0:
        return 0.02079067210376509
    if k == 4.0:
        return 0.0166446911898211
    if k == 5.0:
        return 0.0138761288230707
    if k == 6.0:
        return 0.0118967099458917
    if k == 7.0:
        return 0.0104112652619720
    return 0.00925546218271273 if k == 8.0 else 0.00833056343336287
'''
_BINOMIAL = """
count, chance = float64({a}), float64({b})
mirrored = chance > 0.5
p = where(mirrored, 1.0 - chance, chance)
if count <= 0.0 or chance <= 0.0:
    value = 0.0
elif chance >= 1.0:
    value = count
elif count * p >= 10.0:
    deviation = sqrt(count * p * (1.0 - p))
    b_ = 1.15 + 2.53 * deviation
    a_ = -0.0873 + 0.0248 * b_ + 0.01 * p
    limit = 0.92 - 4.2 / b_
    odds = p / (1.0 - p)
    alpha = (2.83 + 5.1 / b_) * deviation
    m = floor((count + 1.0) * p)
    while True:
        if taken + 2 > pairs:
            short = True
            break
        u, v = unit53(words, taken) - 0.5, unit53(words, taken + 1)
        taken += 2
        edge = 0.5 - fabs(u)
        value = floor((2.0 * a_ / edge + b_) * u + (count * p + 0.5))
        if edge >= 0.07 and v <= limit:
            break
        if value < 0.0 or value > count:
            continue
        v = library_log_float64(v * alpha / (a_ / (edge * edge) + b_))
        bound = (m + 0.5) * library_log_float64((m + 1.0) / (odds * (count - m + 1.0)))
        bound += (count + 1.0) * library_log_float64((count - m + 1.0) / (count - value + 1.0))
        bound += (value + 0.5) * library_log_float64(odds * (count - value + 1.0) / (value + 1.0))
        bound += stirling_rest(m) + stirling_rest(count - m) - stirling_rest(value) - stirling_rest(count - value)
        if v <= bound:
            break
    value = where(mirrored, count - value, value)
elif count > 0.0 and p > 0.0:
    logarithm, total = library_log1p_float64(-p), 0.0
    while True:
        if taken + 1 > pairs:
            short = True
            break
        total += ceil(library_log_float64(unit53(words, taken)) / logarithm)
        taken += 1
        if total > count:
            break
        value += 1.0
    value = where(mirrored, count - value, value)
else:
    value = nan
"""

# PyTorch's own constants and sums are float32 where its arguments are: {real} is the type of those.
_GAMMA = """
alpha, scale = {a}, 1.0
if alpha != alpha:
    value = float64(alpha)
elif alpha != {real}(0):
    if alpha < {real}(1):
        if taken + 1 > pairs:
            short = True
        else:
            power = float64({real}(1) / alpha)
            scale = library_pow_float64(1.0 - unit53(words, taken), power)
            taken += 1
            alpha = alpha + {real}(1)
    d = float64(alpha - {real}(float32(0.3333333433674407)))
    c = 1.0 / sqrt(9.0 * d)
    while not short:
        if taken + 3 > pairs:
            short = True
            break
        x = kept
        if is_kept:
            is_kept = False
        else:
            angle, radius = 6.283185307179586 * unit53(words, taken), unit53(words, taken + 1)
            taken += 2
            radius = sqrt(-2.0 * library_log1p_float64(-radius))
            kept, is_kept = radius * library_sin_float64(angle), True
            x = radius * library_cos_float64(angle)
        y = 1.0 + c * x
        if y <= 0.0:
            continue
        v, u, square = y * y * y, 1.0 - unit53(words, taken), x * x
        taken += 1
        value = scale * d * v
        if u < 1.0 - 0.03310000151395798 * square * square:
            break
        if library_log_float64(u) < 0.5 * square + d * (1.0 - v + library_log_float64(v)):
            break
value = where(value < {tiny}, {tiny}, value)
"""
_TINY = {"float32": 1.1754943508222875e-38, "float64": 2.2250738585072014e-308}


@functools.cache
def _kernel(kind, dtype):
    body = {"poisson": _POISSON, "binomial": _BINOMIAL, "gamma": _GAMMA}[kind]
    a, b = (kernels._LOAD[dtype].replace("chance", name) for name in "ab")
    body = body.format(a=a, b=b, real=dtype, tiny=_TINY.get(dtype))
    body = "\n".join(" " * 8 + line for line in body.strip().splitlines())
    name = f"{kind}_{dtype}"
    source = kernels._WORDS + _TAILS + _LOOP.format(name=name, body=body, store=kernels._store(dtype))
    pointers = [f"{dtype}*"] * 3
    return compile_kernel(name, source, ("uint32*", *pointers, "int64*", "float64*", "int64", "int64"))


def _fill(kind, state, ptr, n, dtype, a, b):
    with state.lock:
        state.search(_kernel(kind, dtype), n, (a, b, ptr))
        state.verify(f"{kind}: invalid Poisson rate, expected rate to be non-negative",
                     f"{kind}: no number found for an element after {kernels.SLAB} draws")


def fill_poisson(state, ptr, n, dtype, rate):
    """Poisson numbers, each of its own rate. RuntimeError when one is negative."""
    _fill("poisson", state, ptr, n, dtype, rate, rate)


def fill_binomial(state, ptr, n, dtype, count, prob):
    """Successes of `count` trials of chance `prob`."""
    _fill("binomial", state, ptr, n, dtype, count, prob)


def fill_gamma(state, ptr, n, dtype, concentration):
    """Gamma numbers of rate 1, none below the smallest normal number of the dtype."""
    _fill("gamma", state, ptr, n, dtype, concentration, concentration)
