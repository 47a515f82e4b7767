"""Running sums, products and extremes against NumPy's accumulate."""

import numpy as np
import pytest

import numbatorch as nt


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
