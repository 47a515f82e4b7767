"""Running sums, products and extremes against NumPy's accumulate."""

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.cpu import streaming


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_running_results_along_every_dimension(dim):
    x = np.random.default_rng(0).standard_normal((5, 11, 9))
    for view in (x, x.transpose(2, 0, 1)):
        t = nt.from_numpy(view)
        np.testing.assert_allclose(nt.cumsum(t, dim).numpy(), np.cumsum(view, dim), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(nt.cumprod(t, dim).numpy(), np.cumprod(view, dim), rtol=1e-12)
        assert np.array_equal(nt.cummax(t, dim).values.numpy(), np.maximum.accumulate(view, dim))
        values, indices = nt.cummin(t, dim)
        assert np.array_equal(np.take_along_axis(view, indices.numpy(), dim), values.numpy())
        np.testing.assert_allclose(nt.logcumsumexp(t, dim).numpy(), np.logaddexp.accumulate(view, dim), rtol=1e-12)


@pytest.mark.parametrize("least_bytes", [1 << 62, 0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("n", [31, 32, 47, 256, 600])
def test_sums_along_memory(n, dtype, least_bytes, monkeypatch):
    monkeypatch.setattr(streaming, "last_cache_bytes", lambda: least_bytes)
    shape = (3, n) if least_bytes else (1, 3, n)  # plans are kept by shape
    x = (np.random.default_rng(n).standard_normal(shape) * 100).astype(dtype)
    wide = x if dtype == "int64" else x.astype("float64")
    t = nt.from_numpy(x).requires_grad_(dtype != "int64")
    np.testing.assert_allclose(nt.cumsum(t, -1).detach().numpy(), np.cumsum(wide, -1), rtol=1e-6, atol=1e-6)
    if dtype != "int64":
        weight = nt.from_numpy(x)
        (nt.cumsum(t, -1) * weight).sum().backward()
        np.testing.assert_allclose(t.grad.numpy(), wide[..., ::-1].cumsum(-1)[..., ::-1], rtol=1e-6, atol=1e-6)


def test_numbers_that_are_not_finite_reach_only_what_follows():
    x = nt.arange(64.0)
    x[20], x[40] = float("inf"), float("nan")
    sums = nt.cumsum(x, 0)
    assert sums[:20].isfinite().all() and sums[20:40].isinf().all() and sums[40:].isnan().all()


def test_integers_count_in_int64():
    assert nt.cumsum(nt.tensor([200, 100], dtype=nt.uint8), 0).tolist() == [200, 300]
    assert nt.cumsum(nt.tensor([True, True]), 0).dtype is nt.int64


def test_the_gradient_of_cumprod_holds_with_zeros():
    values = [2.0, 0.0, 3.0, 0.0, 5.0]
    x = nt.tensor(values, dtype=nt.float64, requires_grad=True)
    nt.cumprod(x, 0).sum().backward()
    expected = []
    for k in range(5):
        step = np.zeros(5)
        step[k] = 1e-6
        expected.append((np.cumprod(values + step).sum() - np.cumprod(values - step).sum()) / 2e-6)
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-8)


def test_the_gradient_of_cumsum_counts_what_follows():
    x = nt.zeros(4, requires_grad=True)
    nt.cumsum(x, 0).sum().backward()
    assert x.grad.tolist() == [4, 3, 2, 1]


def test_logcumsumexp_of_nothing_but_minus_infinity():
    assert nt.logcumsumexp(nt.full((3,), float("-inf")), 0).tolist() == [float("-inf")] * 3


def test_no_differences_join_nothing_on():
    x = nt.arange(3.0)
    assert nt.diff(x, n=0, prepend=nt.zeros(2)).tolist() == [0, 1, 2]
    assert nt.diff(x, n=1, prepend=nt.zeros(2)).tolist() == [0, 0, 1, 1]
