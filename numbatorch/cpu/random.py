"""Random numbers on the CPU: PyTorch's streams, bit for bit. What is drawn from which bits: README.md, "Seeds".

A `MersenneState` (mersenne.py) is the generator. Every fill takes it first, then the address of `n` contiguous elements
and the name of their dtype, writes them in order and moves the state on as PyTorch does:

    fill_uniform(state, ptr, n, dtype, low=0.0, high=1.0)           rand, uniform_
    fill_normal(state, ptr, n, dtype, mean=0.0, std=1.0)            randn, normal_ (fill_normal_pairs: not contiguous)
    fill_randint(state, ptr, n, dtype, low, high)                   randint, random_(low, high); high=None: no end
    fill_random(state, ptr, n, dtype)                               random_()
    fill_randperm(state, ptr, n, dtype)                             randperm
    fill_bernoulli_scalar(state, ptr, n, dtype, p)                  bernoulli_(p), dropout
    fill_bernoulli_tensor(state, ptr, n, dtype, chance, chance_dtype)    bernoulli(p): chance is an address
    fill_exponential(state, ptr, n, dtype, rate=1.0)                and fill_geometric(p), fill_cauchy(median, sigma),
    fill_log_normal(state, ptr, n, dtype, mean=1.0, std=2.0)        the in-place methods of the same names
    fill_multinomial(state, ptr, chance, dtype, rows, categories, samples)    multinomial with replacement

    fill(function, state, ptr, shape, strides, dtype, *arguments)   any of the first into dense memory of any order

fill_poisson, fill_binomial, fill_gamma: random_rejection.py. multinomial without replacement is the largest of p / q,
q from fill_exponential.

Of complex numbers `fill` alone knows. Fills touch no memory themselves: they tell the state which kernels to call
(`draw`, `draw_apart`, `search`, `call`, `verify`), so that a program can do the same without them. They check no
arguments but those that only the drawing sees; randint's `bounds` raises what PyTorch raises. Results do not depend on
the number of threads: words of the generator are made in one go, and every result depends on its own words only.
"""

import functools
import math
import warnings

import numpy as np

from . import random_kernels as kernels
from .mersenne import GRAIN, MersenneState as MersenneState
from .random_rejection import fill_binomial as fill_binomial, fill_gamma as fill_gamma, fill_poisson as fill_poisson
from .random_slopes import dirichlet_slope as dirichlet_slope, gamma_slope as gamma_slope

_MANTISSA = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
_CARRIER = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}


def _draw(state, kernel, ptr, n, itemsize, words_each, *arguments, units_each=1):
    """Call kernel(words, result, *arguments, units, grain) until n results are there.

    Each takes words_each words; units of the kernel are `units_each` results.
    """
    state.draw(kernel, ptr, n, itemsize, words_each, arguments, units_each)


def fill_uniform(state, ptr, n, dtype, low=0.0, high=1.0):
    """Numbers of [low, high): float64 from 53 bits of two words, others from 24 bits of one, in float32."""
    words_each = 2 if dtype == "float64" else 1
    _draw(state, kernels.uniform(dtype), ptr, n, _itemsize(dtype), words_each, *_interval(dtype, low, high))


@functools.lru_cache(256)
def _interval(dtype, low, high):
    """Numbers of the uniform kernel: low, high - low, and both ends as `dtype` holds them."""
    number = np.float64 if dtype == "float64" else np.float32
    low, high = number(low), number(high)
    bottom, bound = (float(value.astype(_numpy(dtype))) for value in (low, high))
    return float(low), float(high - low), bound, bottom


def fill_normal(state, ptr, n, dtype, mean=0.0, std=1.0):
    """Normal numbers by Box & Muller: in pairs if fewer than 16, else in blocks of 16."""
    if n < 16:
        fill_normal_pairs(state, ptr, n, dtype, mean, std)
        return
    kernel, words_each, itemsize = kernels.normal_blocks(dtype), 2 if dtype == "float64" else 1, _itemsize(dtype)
    rest = n % 16
    _draw(state, kernel, ptr, n - rest, itemsize, words_each, float(mean), float(std), units_each=16)
    if rest:  # the last 16 results are drawn again
        if dtype not in ("float16", "bfloat16"):
            state.discard(rest * words_each)
        last = ptr + (n - 16) * itemsize
        _draw(state, kernel, last, 16, itemsize, words_each, float(mean), float(std), units_each=16)


def fill_normal_pairs(state, ptr, n, dtype, mean=0.0, std=1.0):
    """Normal numbers for memory that is not contiguous: pairs of them, the odd one kept in the state for the next."""
    _fill_in_pairs("normal", state, ptr, n, dtype, mean, std)


def fill_log_normal(state, ptr, n, dtype, mean=1.0, std=2.0):
    """e to the power of normal numbers."""
    _fill_in_pairs("log_normal", state, ptr, n, dtype, mean, std)


def _fill_in_pairs(kind, state, ptr, n, dtype, mean, std):
    if n == 0:
        return
    before, kernel = kernels.pairs(kind, dtype)
    numbers = state.normals, state.progress, float(mean), float(std), n
    with state.lock:
        state.call(before, ptr, *numbers, 1, 1)
        state.draw_apart(kernel, ptr, (n + 1) // 2 * 4, 4, numbers, GRAIN, counted=True)


@functools.lru_cache(256)
def bounds(dtype, low, high):
    """First value and number of values of random_(low, high); high None: to the largest value of the dtype.

    A number of 2^64 stands for all of int64. RuntimeError when the bounds are empty or outside the dtype.
    """
    digits = _MANTISSA.get(dtype)
    if digits:
        largest = int(np.finfo(_numpy(dtype)).max) if dtype != "bfloat16" else int(float.fromhex("0x1.fep127"))
        smallest = -largest
    elif dtype == "bool":
        smallest, largest = 0, 1
    else:
        smallest, largest = (int(getattr(np.iinfo(dtype), end)) for end in ("min", "max"))
    if not smallest <= low <= largest:
        raise RuntimeError(f"random_: from is out of bounds for {dtype}: got from={low}")
    if high is None:
        if digits:
            end = 2**digits + 1
            low = _first_exact(low, digits)
            if low >= end:
                raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={end - 1}")
            return low, end - low
        return low, largest - low + 1
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if not smallest <= high - 1 <= largest:
        raise RuntimeError(f"random_: to - 1 is out of bounds for {dtype}: got to={high}")
    if digits:
        for label, value in (("from", low), ("to - 1", high - 1)):
            if abs(value) > 2**digits:
                warnings.warn(f"random_: {label} = {value} is outside [-(2^{digits}), 2^{digits}], the integers that "
                              f"{dtype} holds exactly; values will not be evenly distributed", stacklevel=3)
        low, high = _first_exact(low, digits), _end_exact(high, digits)
        if low >= high:
            raise RuntimeError(f"random_ expects 'from' to be less than 'to' after rounding to {dtype}, "
                               f"but got from={low} >= to={high}")
    return low, high - low


def _to_digits(value, digits):
    """The integer nearest to `value` with that many binary digits, ties to even."""
    shift = max(0, abs(value).bit_length() - digits)
    half, size = (1 << shift) >> 1, abs(value)
    size = (size + max(half - 1, 0) + (size >> shift & 1 if shift else 0)) >> shift << shift
    return size if value >= 0 else -size


def _first_exact(low, digits):
    near = _to_digits(low + 1, digits)
    return low if near >= low else near + (1 << max(0, abs(low + 1).bit_length() - digits))


def _end_exact(high, digits):
    near = _to_digits(high - 1, digits)
    return high if near < high else near - (1 << max(0, abs(high - 1).bit_length() - digits))


def fill_randint(state, ptr, n, dtype, low, high):
    """Integers of [low, high): a word modulo their number, two words when that is 2^28 or more."""
    base, number = bounds(dtype, low, high)
    _fill_modulo(state, ptr, n, dtype, base, number, number >= 2**28)


def fill_random(state, ptr, n, dtype):
    """All non-negative integers of an integer dtype, all from 0 to 2^digits of a floating-point one."""
    if dtype in _MANTISSA:
        number = 2 ** _MANTISSA[dtype] + 1
    else:
        number = 2 if dtype == "bool" else int(np.iinfo(dtype).max) + 1
    _fill_modulo(state, ptr, n, dtype, 0, number, dtype in ("float64", "int64"))


def _fill_modulo(state, ptr, n, dtype, base, number, is_wide):
    if number == 2**64:
        _draw(state, kernels.whole(dtype), ptr, n, _itemsize(dtype), 2)
    else:
        _draw(state, kernels.modulo(dtype, is_wide), ptr, n, _itemsize(dtype), 2 if is_wide else 1, base, number)


def fill_randperm(state, ptr, n, dtype):
    """The numbers 0 to n - 1, int32 or int64, shuffled (Fisher & Yates); from some 2^27.7 on by inserting, with 64-bit
    draws."""
    if n < (2**32 - 1) // 20:
        state.call(kernels.positions(dtype), ptr, n, GRAIN)
        state.draw_apart(kernels.exchange(dtype), ptr, max(n - 1, 0), 1, (n,), n)
    else:
        state.draw_apart(kernels.insert(dtype), ptr, 2 * n, 2, (), n)


def fill_bernoulli_scalar(state, ptr, n, dtype, p):
    """1 where 53 bits of two words, as a number of [0, 1), are below p, else 0."""
    carrier, one = _one(dtype)
    _draw(state, kernels.bernoulli(carrier), ptr, n, _itemsize(dtype), 2, math.ceil(float(p) * 2.0**53), one)


def fill_bernoulli_tensor(state, ptr, n, dtype, chance, chance_dtype):
    """1 where a draw is below its own chance: 53 bits for float64 chances, 24 for others.

    RuntimeError when a chance is not in [0, 1].
    """
    carrier, one = _one(dtype)
    words_each = 2 if chance_dtype == "float64" else 1
    with state.lock:
        state.draw_apart(kernels.bernoulli_tensor(carrier, chance_dtype), ptr, n * words_each, words_each,
                         (chance, state.progress, one), GRAIN)
        state.verify("bernoulli: Expected p_in >= 0 && p_in <= 1 to be true for all probabilities, but got false")


@functools.cache
def _one(dtype):
    """The carrier of a dtype and the bits of its one."""
    carrier = _CARRIER[_itemsize(dtype)]
    return carrier, int(np.ones(1, dtype=_numpy(dtype)).view(carrier)[0])


def fill_exponential(state, ptr, n, dtype, rate=1.0):
    """-log(1 - u) / rate."""
    _draw(state, kernels.from_unit("exponential", dtype), ptr, n, _itemsize(dtype), 2, -1.0 / float(rate), 0.0)


def fill_geometric(state, ptr, n, dtype, p):
    """ceil(log u / log(1 - p)), for integer and floating-point dtypes."""
    _draw(state, kernels.from_unit("geometric", dtype), ptr, n, _itemsize(dtype), 2, math.log1p(-float(p)), 0.0)


def fill_cauchy(state, ptr, n, dtype, median=0.0, sigma=1.0):
    """median + sigma tan(pi (u - 1/2))."""
    _draw(state, kernels.from_unit("cauchy", dtype), ptr, n, _itemsize(dtype), 2, float(median), float(sigma))


def fill_multinomial(state, ptr, chance, dtype, rows, categories, samples):
    """Categories, int64 (rows, samples), drawn with replacement by chances (rows, categories) of a floating dtype.

    The first category whose cumulative chance is not below a draw of 53 bits. RuntimeError for rows that are no
    distribution.
    """
    grain = max(1, GRAIN // max(1, categories))
    memory, cumulative = state.room(8 * rows * categories)
    with state.lock:
        state.call(kernels.cumulate(dtype), chance, cumulative, state.progress, categories, rows, grain)
        state.verify("multinomial: probability tensor contains either `inf`, `nan` or element < 0",
                     "multinomial: invalid multinomial distribution (sum of probabilities <= 0)")
        state.draw_apart(kernels.categorical(), ptr, 2 * rows * samples, 2, (cumulative, categories, samples), GRAIN)


def fill(function, state, ptr, shape, strides, dtype, *arguments):
    """Fill dense memory, permuted or not, with fill_<name> `function`: in the order of memory, as PyTorch does.

    Normal numbers that are not contiguous in the order of dims are drawn in pairs. Complex numbers are pairs of uniform
    numbers, or of normal ones that share the variance; both get the mean.
    """
    if dtype.startswith("complex"):
        _fill_complex(function, state, ptr, shape, strides, dtype, *arguments)
        return
    n, _, _, is_contiguous = _arranged(shape, strides)
    if function is fill_normal and not is_contiguous:
        function = fill_normal_pairs
    if n:
        function(state, ptr, n, dtype, *arguments)


def _fill_complex(function, state, ptr, shape, strides, dtype, *arguments):
    part = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}[dtype]
    if function in (fill_normal, fill_normal_pairs):
        mean = arguments[0] if arguments else 0.0
        std = arguments[1] if len(arguments) > 1 else 1.0
        arguments = (mean, std / math.sqrt(2.0))
    fill(function, state, ptr, (*shape, 2), (*(2 * stride for stride in strides), 1), part, *arguments)


@functools.lru_cache(4096)
def _arranged(shape, strides):
    """(number of elements, order to draw them in, whether they are dense in that order, and in the order of dims)."""
    n, order = math.prod(shape), draw_order(shape, strides)
    return n, order, n == 0 or _is_dense(shape, strides, order), _is_dense(shape, strides, range(len(shape)))


def is_dense(shape, strides):
    """Whether elements fill their memory without gaps, so that `fill` writes them in place."""
    return _arranged(tuple(shape), tuple(strides))[2]


def draw_order(shape, strides):
    """Dims from the one with the widest steps to the one with the narrowest: the order in which elements are drawn."""
    return sorted(range(len(shape)), key=lambda d: -strides[d] if shape[d] != 1 else 0)


def _is_dense(shape, strides, order):
    step = 1
    for d in reversed(order):
        if shape[d] != 1 and strides[d] != step:
            return False
        step *= shape[d]
    return True


def _numpy(dtype):
    if dtype == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype)


@functools.cache
def _itemsize(dtype):
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
