"""Kernels: source to a callable, its argument checks, the operations that kernel source may use."""

import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from numbatorch.cpu.compile import compile_ir, compile_kernel

MAP = """
def {name}(a, b, r, start, stop):
    for i in range(start, stop):
        r[i] = {formula}
"""

CIRCULAR = "sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh exp log sqrt".split()


def run(formula, a, b, result, name="formula", **options):
    """The formula over all elements, as a kernel."""
    stored = {"float16": "uint16", "bool": "uint8"}
    signature = [stored.get(x.dtype.name, x.dtype.name) + "*" for x in (a, b, result)]
    kernel = compile_kernel(name, MAP.format(name=name, formula=formula), signature, **options)
    kernel(a.ctypes.data, b.ctypes.data, result.ctypes.data, a.size, a.size)
    return result


@pytest.fixture
def pair():
    generator = np.random.default_rng(0)
    return generator.standard_normal(1001).astype(np.float32), generator.standard_normal(1001).astype(np.float32)


def test_kernel_computes_and_is_made_once(pair):
    a, b = pair
    r = np.zeros_like(a)
    assert np.array_equal(run("a[i] + b[i]", a, b, r, "add"), a + b)
    source = MAP.format(name="add", formula="a[i] + b[i]")
    again = compile_kernel("add", source, ["float32*"] * 3)
    assert again is compile_kernel("add", source, ("float32*",) * 3)
    assert again.__self__.signature == ("float32*",) * 3 and again.__self__.address


def test_independent_kernel_works_in_place(pair):
    a, b = pair
    expected = a * b + a
    assert np.allclose(run("a[i] * b[i] + a[i]", a, b, a, "in_place", independent=True), expected, rtol=1e-6)


@pytest.mark.parametrize("formula, expected", [
    ("fma(a[i], b[i], a[i])", lambda a, b: (a.astype("d") * b + a).astype("f")),
    ("rint(a[i] * float32(10))", lambda a, b: np.rint(a * np.float32(10))),
    ("floor(a[i]) + ceil(b[i]) + trunc(a[i])", lambda a, b: np.floor(a) + np.ceil(b) + np.trunc(a)),
    ("sqrt(fabs(a[i]))", lambda a, b: np.sqrt(np.abs(a))),
    ("copysign(a[i], b[i])", np.copysign),
    ("where(a[i] > b[i], a[i], float32(0))", lambda a, b: np.where(a > b, a, 0)),
    ("a[i] if a[i] > b[i] else b[i]", np.maximum),
    ("as_float32(int32(as_int32(a[i]) & as_int32(b[i])))",
     lambda a, b: (a.view("i") & b.view("i")).view("f")),
    ("mod_float32(a[i], b[i])", np.mod),
    ("floordiv_float32(a[i], b[i])", np.floor_divide),
    ("fmod_float32(a[i], b[i])", np.fmod),
    ("nextafter_float32(a[i], b[i])", np.nextafter),
    ("float32(erf_float64(float64(a[i])))", lambda a, b: np.array([math.erf(x) for x in a], "f")),
])  # fmt: skip
def test_operations_follow_numpy(pair, formula, expected):
    a, b = pair
    assert np.array_equal(run(formula, a, b, np.zeros_like(a)), expected(a, b))


def test_minimum_and_maximum_propagate_nan_where_minnum_and_maxnum_do_not():
    a = np.array([1, np.nan, 2, np.nan], "f")
    b = np.array([2, 1, np.nan, np.nan], "f")
    for name, function in (("minimum", np.minimum), ("maximum", np.maximum), ("minnum", np.fmin), ("maxnum", np.fmax)):
        found = run(f"{name}(a[i], b[i])", a, b, np.zeros_like(a))
        assert np.array_equal(found, function(a, b), equal_nan=True)


@pytest.mark.parametrize("hardware", [True, False])
def test_half_conversions_agree_with_numpy_on_every_value(monkeypatch, hardware):
    from numbatorch.lowering import narrow

    name = "half"
    if not hardware:
        monkeypatch.setattr(narrow, "_converts_half", lambda: False)
        name = "half_by_arithmetic"
    bits = np.arange(65536, dtype=np.uint16)
    wide = run("half_to_float(a[i])", bits, bits, np.zeros(65536, "f"), name)
    assert np.array_equal(wide, bits.view("e").astype("f"), equal_nan=True)
    with np.errstate(over="ignore", invalid="ignore"):
        near = [wide, np.nextafter(wide, np.float32(0)), wide * np.float32(1.0004883), wide * np.float32(3)]
        middles = np.concatenate(near)
        expected = middles.astype("e")
    found = run("float_to_half(a[i])", middles, middles, np.zeros(middles.size, np.uint16), name).view("e")
    assert np.array_equal(found, expected, equal_nan=True)


def test_bfloat_conversions_round_to_even_and_keep_nan():
    import ml_dtypes

    generator = np.random.default_rng(1)
    values = generator.integers(0, 2**32, 20000, dtype=np.uint32).view("f")
    values[:4] = np.nan, np.inf, -np.inf, np.uint32(0x7F800001).view("f")
    found = run("float_to_bfloat(a[i])", values, values, np.zeros(values.size, np.uint16))
    with np.errstate(over="ignore", invalid="ignore"):
        expected = values.astype(ml_dtypes.bfloat16).astype("f")
    wide = run("bfloat_to_float(a[i])", found, found, np.zeros(values.size, "f"))
    assert np.array_equal(wide, expected, equal_nan=True)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_functions(dtype):
    generator = np.random.default_rng(2)
    a, b = (generator.standard_normal((2, 50, 2)).astype(f"f{np.dtype(dtype).itemsize // 2}").view(dtype)[..., 0])
    for formula, expected in ((f"exp_{dtype}(a[i] * b[i])", np.exp(a * b)), (f"pow_{dtype}(a[i], b[i])", a**b),
                              (f"log1p_{dtype}(a[i]) / b[i]", np.log1p(a) / b)):  # fmt: skip
        assert np.allclose(run(formula, a, b, np.zeros_like(a)), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", CIRCULAR)
def test_complex_functions_of_one_number(name, dtype):
    """Numba's circular functions call the hyperbolic ones, which are kernel code: its libraries link ours."""
    a = np.random.default_rng(3).standard_normal((50, 2)).astype(f"f{np.dtype(dtype).itemsize // 2}").view(dtype)[:, 0]
    ours = f"{name.replace('arc', 'a')}_{dtype}(a[i])"
    assert np.allclose(run(ours, a, a, np.zeros_like(a)), getattr(np, name)(a), rtol=1e-5)


def test_scalar_arguments_of_every_type():
    scalars = {"bool": True, "int8": -3, "uint8": 200, "int32": -5, "uint64": 2**64 - 1, "float32": 0.1,
               "float64": 0.1, "complex64": 1 + 2j, "complex128": 3 - 1j}  # fmt: skip
    for name, value in scalars.items():
        source = "def store(r, value, start, stop):\n    r[0] = value\n"
        kernel = compile_kernel("store", source, (f"{name}*", name))
        result = np.zeros(1, name)
        kernel(result.ctypes.data, value, 1, 1)
        assert result[0] == np.dtype(name).type(value)


def test_wrong_arguments_raise_type_error(pair):
    a, b = pair
    kernel = compile_kernel("add", MAP.format(name="add", formula="a[i] + b[i]"), ("float32*",) * 3)
    p = a.ctypes.data
    with pytest.raises(TypeError, match="add: expected 5 arguments, got 2"):
        kernel(p, p)
    with pytest.raises(TypeError):
        kernel(p, p, "result", 1, 1)
    with pytest.raises(TypeError):
        kernel(p, p, 1.5, 1, 1)
    with pytest.raises(OverflowError):
        kernel(p, p, 2**70, 1, 1)


def test_a_source_that_does_not_compile_is_named():
    with pytest.raises(RuntimeError, match=r"kernel broken\(float32\*\) does not compile: .*missing") as caught:
        compile_kernel("broken", "def broken(r, start, stop):\n    r[0] = missing(1)\n", ("float32*",))
    assert caught.value.__cause__ is not None
    with pytest.raises(ValueError, match="unknown type 'float31"):
        compile_kernel("store", "def store(r, start, stop):\n    r[0] = 1\n", ("float31*",))
    with pytest.raises(RuntimeError, match="kernel odd: LLVM does not accept"):
        compile_ir("odd", "define void @odd(ptr %p, i64 %start, i64 %stop) { ret i8 }", ("float32*",))


def test_functions_beside_the_kernel_are_inlined():
    source = """
def twice(x):
    return x + x


def helped(r, start, stop):
    for i in range(start, stop):
        r[i] = twice(float32(i))
"""
    r = np.zeros(10, "f")
    compile_kernel("helped", source, ("float32*",))(r.ctypes.data, 10, 10)
    assert np.array_equal(r, 2 * np.arange(10))


def test_compile_ir():
    text = """
define void @mark(ptr %p, i64 %start, i64 %stop) {
 %q = getelementptr i64, ptr %p, i64 %start
 store i64 %stop, ptr %q
 ret void
}
"""
    marks = np.zeros(10, np.int64)
    compile_ir("mark", text, ("int64*",))(marks.ctypes.data, 10, 3)
    assert marks.tolist() == [3, 0, 0, 6, 0, 0, 9, 0, 0, 10]


def test_concurrent_threads_get_one_kernel():
    source = MAP.format(name="shared", formula="a[i] * b[i] - a[i]")
    found = []

    def make():
        found.append(compile_kernel("shared", source, ("float64*",) * 3))

    workers = [threading.Thread(target=make) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(map(id, found))) == 1


def test_a_cached_kernel_needs_no_numba(tmp_path):
    program = """
import sys, numpy as np
from numbatorch.cpu.compile import compile_kernel
source = "def exponential(a, start, stop):\\n    for i in range(start, stop):\\n        a[i] = exp_float32(a[i])\\n"
a = np.ones(100, "f")
compile_kernel("exponential", source, ("float32*",))(a.ctypes.data, 100, 100)
assert abs(a[7] - np.e) < 1e-6
print("numba" in sys.modules)
"""
    command, environment = [sys.executable, "-c", program], os.environ | {"NUMBATORCH_CACHE_DIR": str(tmp_path)}
    seen = [subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True).stdout for _ in range(2)]
    assert seen == ["True\n", "False\n"]


def test_debug_prints_the_source(monkeypatch, capsys):
    monkeypatch.setenv("NUMBATORCH_DEBUG", "kernel")
    compile_kernel("shown", "def shown(r, start, stop):\n    r[0] = start\n", ("int64*",))
    assert "def shown(r, start, stop):" in capsys.readouterr().err


def test_minimum_of_integers_is_known_in_kernels(tmp_path):
    """Numba's own `min` is an overload, compiled in contexts that kernels do without."""
    source = "def least(r, a, start, stop):\n    for i in range(start, stop):\n        r[i] = min(a[i] * 2, 5)\n"
    r, a = np.zeros(4, np.int64), np.array([-3, 1, 2, 3], np.int64)
    compile_kernel("least", source, ("int64*", "int64*"))(r.ctypes.data, a.ctypes.data, 4, 4)
    assert r.tolist() == [-6, 2, 4, 5]
    with pytest.raises(RuntimeError, match="does not compile"):
        compile_kernel("least", source, ("float32*", "float32*"))


def test_compiling_loads_neither_scipy_nor_numba_arrays():
    program = (
        "import sys, numpy as np\n"
        "from numbatorch.cpu.compile import compile_kernel\n"
        "source = 'def f(r, start, stop):\\n    for i in range(start, stop):\\n        r[i] = exp_float32(r[i])\\n'\n"
        "r = np.zeros(1, np.float32)\n"
        "compile_kernel('f', source, ('float32*',))(r.ctypes.data, 1, 1)\n"
        "assert r[0] == 1\n"
        "print([m for m in ('scipy.linalg', 'numba.np.arrayobj', 'numba.cpython.unicode') if m in sys.modules])\n"
    )
    environment = {**os.environ, "NUMBATORCH_CACHE_DIR": os.devnull + "/none"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True,
                          env=environment, check=True)
    assert done.stdout.strip() == "[]"
