"""Fourier transforms against NumPy in extended precision: lengths, the ways of cutting long ones, threads, layouts."""

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.cpu import fft, fft_walks as walks
from numbatorch.cpu.fft_tables import prime_factors, radices, reversed_order, unit_roots
from numbatorch.cpu.microkernel import host_target

COMPLEX = {"float32": np.complex64, "float64": np.complex128}
UNIT = {"float32": 6e-8, "float64": 1.2e-16}
LONG = [101, 128, 210, 243, 256, 1000, 1009, 1024, 2 * 1009, 2310, 4096, 12288, 2**15, 2**16, 2**17, 3**8 * 10]


def numbers(*shape, dtype="float64", real=False):
    rng = np.random.default_rng(shape)
    x = rng.standard_normal(shape)
    return x.astype(dtype) if real else (x + 1j * rng.standard_normal(shape)).astype(COMPLEX[dtype])


def check(result, expected, dtype, n):
    """The error in the root mean square, against that of the values, in units of the dtype's rounding."""
    got = result.numpy()
    assert got.dtype == (COMPLEX[dtype] if np.iscomplexobj(expected) else dtype)
    assert got.shape == expected.shape
    error = np.sqrt(np.mean(abs(got - expected) ** 2) / max(np.mean(abs(expected) ** 2), 1e-300))
    convolved = 3 if max(prime_factors(n), default=1) > 31 else 1
    assert error < convolved * UNIT[dtype] * (1 + np.sqrt(np.log2(n + 1)))


def wide(x):
    return x.astype(np.clongdouble if np.iscomplexobj(x) else np.longdouble)


def check_length(dtype, lines, n):
    x, r = numbers(lines, n, dtype=dtype), numbers(lines, n, dtype=dtype, real=True)
    half = numbers(lines, n // 2 + 1, dtype=dtype)
    for name in ("fft", "ifft"):
        check(getattr(nt.fft, name)(nt.from_numpy(x)), getattr(np.fft, name)(wide(x)), dtype, n)
    for name in ("fft", "ifft", "rfft", "ihfft"):
        check(getattr(nt.fft, name)(nt.from_numpy(r)), getattr(np.fft, name)(wide(r)), dtype, n)
    for name in ("irfft", "hfft"):
        check(getattr(nt.fft, name)(nt.from_numpy(half), n), getattr(np.fft, name)(wide(half), n), dtype, n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lines", [1, 21])
def test_every_length(dtype, lines):
    for n in range(1, 65):
        check_length(dtype, lines, n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", LONG)
def test_long_lines(dtype, n):
    check_length(dtype, 1 if n > 5000 else 3, n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lines_side_by_side(dtype):
    for n in (1, 2, 7, 16, 45, 37, 512):
        for outer, inner in ((1, 2), (3, 5), (1, 16), (2, 33)):
            x = numbers(outer, n, inner, dtype=dtype)
            check(nt.fft.fft(nt.from_numpy(x), dim=1), np.fft.fft(wide(x), axis=1), dtype, n)
    for shape in ((3, 40, 33), (2, 7, 16), (1, 512, 64), (2, 17, 20)):
        x = numbers(*shape, dtype=dtype)
        check(nt.fft.fft2(nt.from_numpy(x)), np.fft.fft2(wide(x)), dtype, shape[1] * shape[2])
    x = numbers(1, 2 * fft.COLUMN, 3, dtype=dtype)
    check(nt.fft.ifft(nt.from_numpy(x), dim=1), np.fft.ifft(wide(x), axis=1), dtype, x.shape[1])


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "hfft2", "ihfft2"])
@pytest.mark.parametrize("dims", [(0, 1), (2, 0), (1, 2), (-1, 1)])
def test_several_dimensions(name, dims):
    real = name in ("rfftn", "ihfft2")
    x = numbers(6, 10, 9, real=real)
    values = wide(x)
    if name in ("hfft2", "ihfft2"):  # one dimension of a Hermitian signal, and a plain one
        first, last = ("fft", "hfft") if name == "hfft2" else ("ifft", "ihfft")
        order = [(first, dims[0]), (last, dims[1])] if name == "hfft2" else [(last, dims[1]), (first, dims[0])]
        expected = values
        for one, dim in order:
            expected = getattr(np.fft, one)(expected, axis=dim)
    else:
        expected = getattr(np.fft, name)(values, axes=dims)
    for source in (nt.from_numpy(x), nt.from_numpy(x.transpose(2, 0, 1).copy()).permute(1, 2, 0)):
        check(getattr(nt.fft, name)(source, dim=dims), expected, "float64", 16)


def test_results_do_not_depend_on_the_number_of_threads(set_threads):
    cases = [(300, 16), (40, 64), (33, 1000), (9, 4096), (400, 101), (1, 2**17), (1, 3 * 2**15), (1, 70001)]
    for shape in cases:
        for dtype in COMPLEX:
            x, r = nt.from_numpy(numbers(*shape, dtype=dtype)), nt.from_numpy(numbers(*shape, dtype=dtype, real=True))
            results = []
            for threads in (1, 2, 4):
                set_threads(threads)
                made = nt.fft.fft(x), nt.fft.fft(x, dim=0), nt.fft.rfft(r), nt.fft.fft(r), nt.fft.irfft(x, shape[1])
                results.append([t.numpy().tobytes() for t in made])
            assert results[0] == results[1] == results[2], shape


def test_layouts_of_the_input():
    x = numbers(8, 6, 20)
    t = nt.from_numpy(x)
    views = [(t.transpose(0, 2), x.transpose(2, 1, 0)), (t[::2, 1:, ::3], x[::2, 1:, ::3]),
             (t[0, 0].expand(5, 20), np.broadcast_to(x[0, 0], (5, 20))), (t.real, x.real), (t.imag[:, 2], x.imag[:, 2])]
    for view, values in views:
        for dim in range(values.ndim):
            values = wide(values)
            for n in (None, 3, 24):
                check(nt.fft.fft(view, n, dim), np.fft.fft(values, n, dim), "float64", 24)
                if not np.iscomplexobj(values):
                    check(nt.fft.rfft(view, n, dim), np.fft.rfft(values, n, dim), "float64", 24)
                check(nt.fft.irfft(view, n, dim), np.fft.irfft(values, n, dim), "float64", 24)
    assert np.array_equal(t.numpy(), numbers(8, 6, 20))


def test_out_receives_the_result():
    x = numbers(4, 12)
    out = nt.empty(4, 12, dtype=nt.complex128)
    assert nt.fft.fft(nt.from_numpy(x), out=out) is out
    check(out, np.fft.fft(wide(x)), "float64", 12)


def test_no_lines():
    for shape in ((0, 8), (3, 0, 8)):
        assert nt.fft.fft(nt.empty(shape, dtype=nt.complex64)).shape == shape
        assert nt.fft.rfft(nt.empty(shape)).shape == (*shape[:-1], 5)
        assert nt.fft.irfft(nt.empty(shape, dtype=nt.complex64)).shape == (*shape[:-1], 14)
    with pytest.raises(RuntimeError, match="number of data points"):
        nt.fft.fft(nt.empty(3, 0))


@pytest.mark.parametrize("n", [8, 12, 37, 64, 512])
def test_a_line_of_nan_stays_alone(n):
    x = numbers(20, n, real=True)
    x[7, n // 2] = np.nan
    for name in ("fft", "rfft", "ifft"):
        result = getattr(nt.fft, name)(nt.from_numpy(x)).numpy()
        assert np.isnan(result[7]).any()
        assert np.isfinite(np.delete(result, 7, 0)).all()


@pytest.mark.parametrize("n", [2, 4, 7, 16, 30, 512, 2**17])
def test_the_way_back_ignores_what_a_real_signal_cannot_have(n):
    half = np.fft.rfft(numbers(2, n, real=True))
    plain = nt.fft.irfft(nt.from_numpy(half.copy()), n).numpy()
    half[:, 0] += 5j
    if n % 2 == 0:
        half[:, -1] += 7j
    assert np.array_equal(nt.fft.irfft(nt.from_numpy(half), n).numpy(), plain)


@pytest.mark.parametrize("feature", ["avx2", "neon"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors_of_other_machines(monkeypatch, feature, dtype):
    target = host_target(dtype, feature)
    monkeypatch.setattr(walks, "host_target", lambda dtype: target)
    for n in (3, 8, 20, 64):
        x = numbers(11, n, dtype=dtype)
        for make in (walks.row_walk, walks.line_walk):
            y = np.zeros_like(x)
            make(dtype, 11, n, False, 1.0).run(x.ctypes.data, y.ctypes.data)
            check(nt.from_numpy(y), np.fft.fft(wide(x)), dtype, n)
        y = np.zeros_like(x)
        walks.columns(dtype, 1, 11, n, True, 1.0).run(x.ctypes.data, y.ctypes.data)
        check(nt.from_numpy(y), np.fft.ifft(wide(x), axis=0, norm="forward"), dtype, n)
        spectrum = np.zeros((11, n // 2 + 1), x.dtype)
        if n % 2 == 0:
            for make, way in ((walks.real_row_walk, walks.half_row_walk), (walks.real_line_walk, walks.half_line_walk)):
                real = np.ascontiguousarray(x.real)
                make(dtype, 11, n // 2, 1.0, *([False] * (make is walks.real_line_walk))).run(
                    real.ctypes.data, spectrum.ctypes.data)
                check(nt.from_numpy(spectrum), np.fft.rfft(wide(real)), dtype, n)
                back = np.zeros_like(real)
                way(dtype, 11, n // 2, 1 / n).run(spectrum.ctypes.data, back.ctypes.data)
                check(nt.from_numpy(back), wide(real), dtype, n * n)


def test_tables_are_bounded(monkeypatch):
    monkeypatch.setattr(fft, "TABLE_BYTES", 1 << 16)
    x = nt.from_numpy(numbers(4096))
    for n in (*range(64, 4096, 333), 64):
        check(nt.fft.fft(x, n), np.fft.fft(wide(numbers(4096)), n), "float64", n)
    assert sum(made.table_bytes for made in fft._made.values()) <= 2 * fft.TABLE_BYTES
    assert len(fft._made) < 10


def test_numbers_of_a_transform():
    for n in range(1, 300):
        if max(prime_factors(n), default=1) <= 31:
            assert np.prod(radices(n)) == n
            assert sorted(reversed_order(radices(n))) == list(range(n))
        re, im = unit_roots(np.arange(n), n)
        assert abs(re + 1j * im - np.exp(-2j * np.pi * np.arange(n) / n)).max() < 2e-15
    re, im = unit_roots(np.array([1, 2, 3, 5, 7]), 8)
    np.testing.assert_allclose(abs(re[[0, 2, 3, 4]]), 0.5**0.5, rtol=2.3e-16)
    assert re[1] == 0 and im[1] == -1


@pytest.mark.parametrize("dtype", [nt.float16, nt.bfloat16, nt.complex32])
def test_narrow_floats_are_refused(dtype):
    with pytest.raises(RuntimeError, match="Unsupported dtype"):
        nt.fft.fft(nt.ones(4).to(dtype))


@pytest.mark.parametrize("shape, dims", [((8, 37, 1), (0, 2)), ((5, 12, 1), (0, 2)), ((12, 1), (1,)),
                                         ((1, 8, 1, 3), (1, 2)), ((31, 1, 12), (0, 1)), ((1, 1), (0, 1))])
def test_dimensions_of_one_number_change_nothing(shape, dims):
    x = numbers(*shape)
    assert np.allclose(nt.fft.fftn(nt.tensor(x), dim=dims).numpy(), np.fft.fftn(x, axes=dims), atol=1e-12)
    found = nt.fft.ifftn(nt.tensor(x), dim=dims, norm="forward").numpy()
    assert np.allclose(found, np.fft.ifftn(x, axes=dims, norm="forward"), atol=1e-12)
