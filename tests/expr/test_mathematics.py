"""Every scalar function of expr/mathematics keeps the error it states and has the right values at the edges."""

import inspect
import math

import numpy as np
import pytest

from numbatorch.expr import mathematics
from numbatorch.expr.primitives import as_float32, as_float64, as_int32, as_int64, fma, where

inf, nan = math.inf, math.nan
EXTENDED = np.finfo(np.longdouble).nmant > 52

# References with more precision than the result: float64 for float32, long double for float64.
WIDER = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "cbrt": np.cbrt, "hypot": np.hypot,
    "pow": np.power, "erf": np.vectorize(math.erf), "erfc": np.vectorize(math.erfc),
    "lgamma": np.vectorize(lambda x: inf if x == 0 else math.lgamma(x)),
    "sigmoid": lambda x: np.where(x < 0, np.exp(-abs(x)), 1) / (1 + np.exp(-abs(x))),
}  # fmt: skip
# The C library's own error for functions that have no long double in Python.
LIBRARY_ULP = {"erf_float64": 1.0, "erfc_float64": 4.0}

# Correctly rounded values, from mpmath with 40 digits.
EXACT = {
    "erfinv_float64": {
        -0.999999: -3.458910737275499, -0.7: -0.7328690779592167, 1e-12: 8.86226925452758e-13,
        0.2: 0.1791434546212917, 0.5: 0.4769362762044699, 0.51: 0.4881220505159588, 0.97: 1.5344856217777179,
    },
    "ndtri_float64": {
        1e-300: -37.0470962993612, 1e-20: -9.262340089798407, 0.01: -2.326347874040841, 0.3: -0.5244005127080408,
        0.4999: -0.00025066283008800747, 0.8: 0.8416212335729144, 0.9999: 3.7190164854557084,
    },
    "log_ndtr_float64": {
        -300.0: -45006.62273211866, -8.0: -35.01343715991455, -1.0: -1.8410216450092636,
        -0.1: -0.7761545927302733, 0.3: -0.4814101615884812, 2.5: -0.006229025485860002,
        20.0: -2.7536241186062337e-89,
    },
    "digamma_float64": {
        -7.3: 4.33730730551005, -0.6: -0.8947178779184493, 1e-09: -1000000000.5772156, 0.3: -3.502524222200133,
        2.25: 0.5725464666237345, 6.9: 1.857310951331687, 1234.5: 7.118016231827998,
    },
    "trigamma_float64": {
        -7.3: 14.951383181433922, -0.6: 10.053134368307374, 1e-09: 9.999999999999999e+17,
        0.3: 12.245364546107732, 2.25: 0.5573291545071107, 6.9: 0.15593477421487847,
        1234.5: 0.0008103727271269667,
    },
    "i0_float64": {
        0.0: 1.0, 0.5: 1.0634833707413236, 3.0: 4.8807925858650245, 7.9: 389.406283282158,
        8.1: 469.5006067101215, 60.0: 5.894077055609801e+24, -700.0: 1.5295933476718737e+302,
    },
    "i0e_float64": {
        0.0: 1.0, 0.5: 0.6450352704491501, 3.0: 0.2430003541618254, 7.9: 0.14436986414104191,
        8.1: 0.14251180948829528, 60.0: 0.05161154917360984, -5000.0: 0.005642036898744589,
    },
    "i1_float64": {
        0.0: 0.0, 0.5: 0.2578943053908963, 3.0: 3.9533702174026093, 7.9: 363.8539440845084,
        8.1: 439.48430891035844, 60.0: 5.844751588390468e+24, -700.0: -1.5285003902339006e+302,
    },
    "i1e_float64": {
        0.0: 0.0, 0.5: 0.1564208031848717, 3.0: 0.19682671329730086, 7.9: 0.13489649943989376,
        8.1: 0.13340068832583662, 60.0: 0.05117963018902872, -5000.0: -0.005641472666838886,
    },
}

# Arguments and results beyond the reach of a relative error.
EDGES = {
    "exp": [(-inf, 0.0), (inf, inf), (0.0, 1.0), (-0.0, 1.0), (-1e30, 0.0), (1e30, inf)],
    "exp2": [(-inf, 0.0), (inf, inf), (0.0, 1.0), (3.0, 8.0), (-1.0, 0.5)],
    "expm1": [(-inf, -1.0), (inf, inf), (0.0, 0.0), (-0.0, -0.0)],
    "log": [(0.0, -inf), (-0.0, -inf), (1.0, 0.0), (inf, inf), (-1.0, nan), (-inf, nan)],
    "log2": [(0.0, -inf), (1.0, 0.0), (8.0, 3.0), (inf, inf), (-1.0, nan)],
    "log10": [(0.0, -inf), (1.0, 0.0), (1000.0, 3.0), (inf, inf), (-1.0, nan)],
    "log1p": [(-1.0, -inf), (0.0, 0.0), (-0.0, -0.0), (inf, inf), (-2.0, nan)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (inf, nan), (-inf, nan)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (inf, nan), (-inf, nan)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (inf, nan), (-inf, nan)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf), (1000.0, inf)],
    "cosh": [(0.0, 1.0), (inf, inf), (-inf, inf), (1000.0, inf)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0), (1000.0, 1.0)],
    "sigmoid": [(0.0, 0.5), (inf, 1.0), (-inf, 0.0)],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (2.0, nan)],
    "acos": [(1.0, 0.0), (2.0, nan), (-2.0, nan)],
    "atan": [(0.0, 0.0), (-0.0, -0.0)],
    "asinh": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf)],
    "acosh": [(1.0, 0.0), (inf, inf), (0.5, nan), (-3.0, nan)],
    "atanh": [(0.0, 0.0), (-0.0, -0.0), (1.0, inf), (-1.0, -inf), (2.0, nan)],
    "cbrt": [(0.0, 0.0), (-0.0, -0.0), (27.0, 3.0), (-8.0, -2.0), (inf, inf), (-inf, -inf)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0)],
    "erfc": [(0.0, 1.0), (inf, 0.0), (-inf, 2.0)],
    "erfinv": [(0.0, 0.0), (-0.0, -0.0), (1.0, inf), (-1.0, -inf), (2.0, nan), (-2.0, nan)],
    "ndtri": [(0.0, -inf), (0.5, 0.0), (1.0, inf), (-0.5, nan), (2.0, nan)],
    "log_ndtr": [(inf, -0.0), (-inf, -inf)],
    "lgamma": [(1.0, 0.0), (2.0, 0.0), (0.0, inf), (-3.0, inf), (inf, inf), (-inf, inf)],
    "digamma": [(0.0, -inf), (-0.0, inf), (-1.0, nan), (inf, inf), (-inf, nan)],
    "trigamma": [(0.0, inf), (-2.0, inf), (inf, 0.0)],
    "i0": [(0.0, 1.0), (inf, inf), (-inf, inf)],
    "i0e": [(0.0, 1.0), (inf, 0.0), (-inf, 0.0)],
    "i1": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf)],
    "i1e": [(0.0, 0.0), (-0.0, -0.0), (inf, 0.0), (-inf, -0.0)],
}
POW_EDGES = [
    (nan, 0.0, 1.0), (1.0, nan, 1.0), (nan, 1.0, nan), (1.0, inf, 1.0), (-1.0, inf, 1.0), (-1.0, -inf, 1.0),
    (0.0, 3.0, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (0.0, -1.0, inf), (-0.0, -1.0, -inf), (0.0, -inf, inf),
    (-2.0, 3.0, -8.0), (-2.0, 2.0, 4.0), (-2.0, 0.5, nan), (inf, -1.0, 0.0), (-inf, 3.0, -inf), (-inf, 0.5, inf),
    (0.5, inf, 0.0), (0.5, -inf, inf), (2.0, inf, inf), (3.0, 4.0, 81.0), (2.0, -149.0, 2.0**-149), (10.0, 39.0, inf),
]  # fmt: skip
ATAN2_EDGES = [
    (0.0, 1.0, 0.0), (-0.0, 1.0, -0.0), (0.0, -1.0, math.pi), (-0.0, -1.0, -math.pi), (0.0, -0.0, math.pi),
    (1.0, 0.0, math.pi / 2), (-1.0, -0.0, -math.pi / 2), (inf, inf, math.pi / 4), (inf, -inf, 3 * math.pi / 4),
    (1.0, inf, 0.0), (1.0, -inf, math.pi), (-inf, 1.0, -math.pi / 2), (nan, 1.0, nan), (1.0, nan, nan),
]  # fmt: skip

ACCURATE = sorted(mathematics.ULP)
UNARY = [name for name in ACCURATE if name.rpartition("_")[0] in EDGES]


def dtype_of(name):
    return np.dtype(name.rpartition("_")[2])


def samples(domain, dtype, seed):
    """Arguments in the domain: even ones, ones close to 0, and magnitudes from the smallest subnormal up."""
    low, high = domain
    generator = np.random.default_rng(seed)
    magnitudes = np.exp2(generator.uniform(-149.0, np.log2(max(abs(low), abs(high))), 2000))
    drawn = [
        generator.uniform(low / 2, high / 2, 1500) * 2, generator.uniform(max(low, -12.0), min(high, 12.0), 3000),
        generator.uniform(max(low, -1.0), min(high, 1.0) if low < 1.0 else high, 1500), magnitudes, -magnitudes,
    ]  # fmt: skip
    values = np.concatenate(drawn).astype(dtype)
    return values[(values >= low) & (values <= high)]


def arguments(name):
    function, dtype = mathematics.FUNCTIONS[name], dtype_of(name)
    domains = function.domain if isinstance(function.domain[0], tuple) else (function.domain,)
    drawn = [samples(domain, dtype, seed) for seed, domain in enumerate(domains)]
    if len(drawn) == 1:
        return drawn
    generator = np.random.default_rng(7)
    return [generator.choice(values, 6000) for values in drawn]


def error_in_ulp(result, exact, unit):
    """How far `result` is from `exact`, in units in the last place of what `exact` rounds to (at least of `unit`)."""
    largest = np.finfo(result.dtype).max
    rounded = exact.astype(result.dtype)
    place = np.spacing(np.clip(np.abs(rounded), unit, largest).astype(result.dtype)).astype(exact.dtype)
    error = np.abs(result.astype(exact.dtype) - exact) / place
    return np.where((result == rounded) | (np.isnan(result) & np.isnan(rounded)), 0, error).astype(np.float64)


def same(result, expected):
    expected = result.dtype.type(expected)
    if np.isnan(expected):
        return np.isnan(result)
    return result == expected and (expected != 0 or np.signbit(result) == np.signbit(expected))


@pytest.mark.parametrize("name", ACCURATE)
def test_error_stays_below_the_stated_ulp(name):
    stem, _, _ = name.rpartition("_")
    function, dtype = mathematics.FUNCTIONS[name], dtype_of(name)
    with np.errstate(all="ignore"):
        if name in EXACT:
            values = [np.array(list(EXACT[name]))]
            exact = np.array(list(EXACT[name].values()), np.longdouble)
            slack = 0.5
        else:
            values = arguments(name)
            wider = np.float64 if dtype == np.float32 else np.longdouble
            reference = WIDER.get(stem) or mathematics.FUNCTIONS[f"{stem}_float64"]
            exact = np.asarray(reference(*(value.astype(wider) for value in values)), wider)
            slack = LIBRARY_ULP.get(name, 0.0 if dtype == np.float32 or EXTENDED else 1.0)
        result = function(*values)
        assert result.dtype == dtype
        error = error_in_ulp(result, exact, function.unit)
    worst = np.argmax(error)
    assert error[worst] <= function.ulp + slack, f"{name}({[value[worst] for value in values]}) = {result[worst]}"


@pytest.mark.parametrize("name", UNARY)
def test_edges(name):
    function, dtype = mathematics.FUNCTIONS[name], dtype_of(name)
    with np.errstate(all="ignore"):
        assert np.isnan(function(dtype.type(nan)))
        for argument, expected in EDGES[name.rpartition("_")[0]]:
            result = function(dtype.type(argument))
            assert type(result) is dtype.type
            assert same(result, expected), (argument, result)


def test_edges_of_pow():
    with np.errstate(all="ignore"):
        for base, exponent, expected in POW_EDGES:
            result = mathematics.FUNCTIONS["pow_float32"](np.float32(base), np.float32(exponent))
            assert same(result, expected), (base, exponent, result)


def test_edges_of_atan2():
    with np.errstate(all="ignore"):
        for y, x, expected in ATAN2_EDGES:
            result = mathematics.FUNCTIONS["atan2_float32"](np.float32(y), np.float32(x))
            close = abs(result - expected) <= 2e-7 * abs(expected) and np.signbit(result) == np.signbit(expected)
            assert close or np.isnan(result) and np.isnan(expected), (y, x, result)


def test_exp_keeps_subnormal_results():
    values = np.float32([-88.0, -95.0, -103.0])
    assert np.array_equal(mathematics.FUNCTIONS["exp_float32"](values), np.exp(values.astype(float)).astype(np.float32))


def test_log_takes_subnormal_arguments():
    values = np.float32([1e-45, 1e-40, 1.1e-38])
    exact = np.log(values.astype(float)).astype(np.float32)
    assert np.allclose(mathematics.FUNCTIONS["log_float32"](values), exact, rtol=2e-7, atol=0)


def test_sine_of_huge_arguments():
    values = np.float32([1e10, 1.2345e20, 3e38])
    for stem, reference in (("sin", np.sin), ("cos", np.cos), ("tan", np.tan)):
        exact = reference(values.astype(float)).astype(np.float32)
        assert np.allclose(mathematics.FUNCTIONS[f"{stem}_float32"](values), exact, rtol=2e-7, atol=0), stem


def test_fma_rounds_once():
    a, c = 1.0 + 2.0**-52, -(1.0 + 2.0**-51)
    assert fma(np.float64(a), np.float64(a), np.float64(c)) == 2.0**-104
    b = np.float32(1.0 + 2.0**-23)
    assert fma(b, b, -np.float32(1.0 + 2.0**-22)) == np.float32(2.0**-46)
    assert fma(np.float32(2.0), np.float32(3.0), np.float32(4.0)).dtype == np.float32


def test_bits_and_choice_keep_scalars_scalar():
    assert as_int32(np.float32(1.0)) == 0x3F800000 and as_float32(np.int32(0x3F800000)) == 1.0
    assert as_int64(np.float64(1.0)) == 0x3FF << 52 and as_float64(np.int64(0x3FF << 52)) == 1.0
    assert type(where(np.bool_(True), np.float32(1.0), np.float32(2.0))) is np.float32


def test_functions_call_only_functions_listed_before_them():
    seen = set()
    for name, function in mathematics.FUNCTIONS.items():
        called = {other for other in function.__code__.co_names if other in mathematics.FUNCTIONS}
        assert called <= seen, (name, called - seen)
        seen.add(name)


def test_functions_are_straight_line_code():
    for name, function in mathematics.FUNCTIONS.items():
        lines = inspect.getsource(function).splitlines()
        assert not any(line.lstrip().startswith(("if ", "for ", "while ", "try")) for line in lines), name
