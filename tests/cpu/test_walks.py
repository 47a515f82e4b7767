"""Loops that walk memory in an order of their own, against NumPy: tiles, rows of an index; on any number of threads."""

import itertools

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.cpu import streaming

RANDOM = np.random.default_rng(0)


@pytest.fixture(params=(1, 3))
def threads(request):
    before = nt.get_num_threads()
    nt.set_num_threads(request.param)
    yield request.param
    nt.set_num_threads(before)


@pytest.mark.parametrize("shape", [(37, 70), (5, 33, 70), (3, 16, 9, 20), (8, 8), (130, 9)])
def test_tiles(shape, threads):
    whole = RANDOM.standard_normal(shape).astype(np.float32)
    x = nt.from_numpy(whole)
    for order in itertools.permutations(range(len(shape))):
        expected = np.ascontiguousarray(whole.transpose(order))
        other = RANDOM.standard_normal(expected.shape).astype(np.float32)
        y, column = nt.from_numpy(other.copy()), nt.from_numpy(other[..., :1].copy())
        assert np.array_equal(x.permute(order).contiguous().numpy(), expected)
        assert np.array_equal((y * x.permute(order)).numpy(), other * expected)
        assert np.array_equal((x.permute(order) * column).contiguous().numpy(), expected * other[..., :1])
        y.mul_(x.permute(order))
        assert np.array_equal(y.numpy(), other * expected)


@pytest.mark.parametrize(("shape", "index_shape", "dim"), [
    ((5, 7, 9), (5, 7, 9), 2), ((5, 7, 9), (4, 6, 20), 2), ((5, 7, 9), (5, 7, 9), 1), ((50,), (300,), 0),
    ((5, 7, 9), (13, 7, 9), 0), ((600, 40), (600, 100), 1)])
def test_rows_of_an_index(shape, index_shape, dim, threads):
    target = RANDOM.integers(-9, 9, shape)
    index, source = RANDOM.integers(0, shape[dim], index_shape), RANDOM.integers(-9, 9, index_shape)
    places = list(np.indices(index_shape))
    places[dim] = index
    for reduce, ufunc in (("sum", np.add), ("amax", np.maximum), ("amin", np.minimum)):
        expected = target.copy()
        ufunc.at(expected, tuple(places), source)
        x, i, s = nt.from_numpy(target), nt.from_numpy(index), nt.from_numpy(source)
        assert np.array_equal(x.scatter_reduce(dim, i, s, reduce).numpy(), expected)
        turned = nt.from_numpy(np.ascontiguousarray(target.T)).permute(*range(len(shape) - 1, -1, -1))
        assert np.array_equal(turned.scatter_reduce(dim, i, s, reduce).numpy(), expected)


@pytest.mark.parametrize(("shape", "dim", "least_bytes"), [
    ((5, 300), 1, 1 << 62), ((5, 600), 1, 0), ((3, 7, 520), 1, 0), ((900, 3), 0, 1 << 62), ((70_000,), 0, 0)])
def test_gathering_checks_its_indices_itself(shape, dim, least_bytes, threads, monkeypatch):
    monkeypatch.setattr(streaming, "last_cache_bytes", lambda: least_bytes)
    values, index = RANDOM.standard_normal(shape), RANDOM.integers(0, shape[dim], shape)
    x = nt.from_numpy(values)
    assert np.array_equal(x.gather(dim, nt.from_numpy(index)).numpy(), np.take_along_axis(values, index, dim))
    for at in (0, index.size // 2, index.size - 1):
        for wrong in (-1, shape[dim], 1 << 40):
            spoilt = index.copy()
            spoilt.flat[at] = wrong
            with pytest.raises(RuntimeError, match=f"index {wrong} is out of bounds .* position {at} "):
                x.gather(dim, nt.from_numpy(spoilt))


@pytest.mark.parametrize("least_bytes", [1 << 62, 0])
@pytest.mark.parametrize(("shape", "count"), [
    ((5, 40), 40), ((3, 300), 600), ((2, 3, 7), 9), ((1, 5000), 300), ((6,), 10)])
def test_scattering_copies_rows_and_checks_its_indices_itself(shape, count, least_bytes, threads, monkeypatch):
    monkeypatch.setattr(streaming, "last_cache_bytes", lambda: least_bytes)
    shape = shape if least_bytes else (1, *shape)  # plans are kept by shape
    values, source = RANDOM.integers(-9, 9, shape), RANDOM.integers(-9, 9, (*shape[:-1], count))
    index = RANDOM.integers(0, shape[-1], source.shape)
    places = (*np.indices(index.shape)[:-1], index)
    x, i, s = nt.from_numpy(values), nt.from_numpy(index), nt.from_numpy(source)
    added, written = values.copy(), values.copy()
    np.add.at(added, places, source)
    for at in np.ndindex(index.shape):
        written[(*at[:-1], index[at])] = source[at]
    assert np.array_equal(x.scatter_add(-1, i, s).numpy(), added)
    assert np.array_equal(x.scatter(-1, i, s).numpy(), written)
    assert np.array_equal(x.numpy(), values)
    for at in (0, index.size - 1):
        for wrong in (-1, shape[-1]):
            spoilt = index.copy()
            spoilt.flat[at] = wrong
            with pytest.raises(RuntimeError, match=f"index {wrong} is out of bounds .* position {at} "):
                x.scatter_add(-1, nt.from_numpy(spoilt), s)


@pytest.mark.parametrize("shape", [(1, 8), (7, 9), (8, 300), (4, 19, 33), (67, 513), (9, 2500)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_columns(shape, dtype, threads):
    whole = RANDOM.standard_normal(shape).astype(dtype)
    x = nt.from_numpy(whole)
    exact = whole.astype(np.float64)
    tolerance = {"float16": 1e-2, "float32": 1e-5, "float64": 1e-12}[dtype]
    assert np.allclose(x.sum(-2).numpy(), exact.sum(-2), atol=tolerance * shape[-2])
    assert np.allclose(x.mean(-2).numpy(), exact.mean(-2), atol=tolerance)
    assert np.allclose((x * 0.5 + 1).prod(-2).numpy(), (exact * 0.5 + 1).prod(-2), rtol=30 * tolerance, atol=tolerance)
    assert np.array_equal(x.amax(-2).numpy(), whole.max(-2)) and np.array_equal(x.amin(-2).numpy(), whole.min(-2))


@pytest.mark.parametrize(("shape", "dims"), [((70_001,), (0,)), ((3, 40_000, 2), (1, 2)), ((2, 9, 9_000), (0, 1, 2)),
                                             ((300, 300), (0, 1)), ((90_000, 2), (0,))])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool", "bfloat16", "complex64"])
def test_few_long_rows(shape, dims, dtype):
    whole = nt.from_numpy(RANDOM.integers(0, 3, shape)).to(getattr(nt, dtype))
    exact, before = whole.to(nt.complex128 if dtype == "complex64" else nt.float64).numpy(), nt.get_num_threads()
    ops = {"sum": lambda x: x.sum(dims), "any": lambda x: x.any(dims), "all": lambda x: (x + 1).all(dims)}
    if dtype != "complex64":
        ops |= {"max": lambda x: x.amax(dims), "min": lambda x: x.amin(dims)}
        ops["nonzero"] = lambda x: x.count_nonzero(dims)
    if dtype.startswith(("float", "bfloat")):
        ops |= {"mean": lambda x: x.mean(dims), "norm": lambda x: nt.linalg.vector_norm(x, 3, dims)}
    numpy = {"sum": np.sum, "any": np.any, "all": lambda x, axis: np.all(x + 1, axis), "max": np.max, "min": np.min,
             "nonzero": np.count_nonzero, "mean": np.mean,
             "norm": lambda x, axis: (np.abs(x) ** 3).sum(axis) ** (1 / 3)}
    turned = nt.from_numpy(np.ascontiguousarray(whole.to(nt.float32).numpy().T)).to(whole.dtype).permute(
        *range(len(shape) - 1, -1, -1)) if dtype != "complex64" else whole
    for name, op in ops.items():
        results = []
        for threads in (1, 2, 4):
            nt.set_num_threads(threads)
            results.append(op(whole))
        nt.set_num_threads(before)
        assert all(nt.equal(results[0], r) for r in results[1:])
        wide = nt.complex128 if dtype == "complex64" else nt.float64
        for result in (results[0], op(turned)):
            assert np.allclose(result.to(wide).numpy(), numpy[name](exact, axis=dims), rtol=1e-2 if dtype ==
                               "bfloat16" else 1e-6), name


@pytest.mark.parametrize("shape", [(5, 3), (17, 40), (300, 513), (2, 9, 33), (3, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_positions_of_extremes(shape, dtype, threads):
    """Along every dimension, by rows and by columns: the first of equal ones; a NaN is the extreme."""
    draw = np.random.default_rng(3)
    values = (draw.standard_normal(shape) * 3).round(1).astype(dtype)
    if dtype != "int32":
        values[draw.random(shape) < 0.02] = np.nan
    x = nt.from_numpy(values)
    for dim in range(len(shape)):
        for name in ("max", "min"):
            found, at = getattr(x, name)(dim)
            np.testing.assert_array_equal(found.numpy(), getattr(values, name)(dim))
            np.testing.assert_array_equal(at.numpy(), getattr(values, f"arg{name}")(dim))
            np.testing.assert_array_equal(getattr(x, f"arg{name}")(dim).numpy(), getattr(values, f"arg{name}")(dim))
    assert x.argmax().item() == values.argmax()
    if dtype != "int32":
        np.testing.assert_allclose(x.nan_to_num().var(0, correction=0).numpy(), np.nan_to_num(values).var(0), 1e-4)
