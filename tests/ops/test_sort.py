"""Sorting against NumPy, with what NumPy leaves open: stability both ways and NaN."""

import numpy as np
import pytest

import numbatorch as nt


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("n", [1, 17, 200, 700])
def test_sort_is_stable_in_both_directions(dtype, n):
    x = (np.random.default_rng(0).standard_normal((4, n, 3)) * 5).round().astype(dtype)
    for dim in (1, 2):
        values, indices = nt.sort(nt.from_numpy(x), dim)
        assert np.array_equal(indices.numpy(), np.argsort(x, dim, kind="stable"))
        assert np.array_equal(values.numpy(), np.sort(x, dim))
        down = nt.sort(nt.from_numpy(x), dim, descending=True)
        order = -x.astype(np.float64)
        assert np.array_equal(down.indices.numpy(), np.argsort(order, dim, kind="stable"))


def test_nan_is_largest():
    x = nt.tensor([float("nan"), 1.0, float("inf"), -2.0])
    assert nt.argsort(x).tolist() == [3, 1, 2, 0]
    assert nt.argsort(x, descending=True).tolist() == [0, 2, 1, 3]
    assert nt.topk(x, 2).indices.tolist() == [0, 2]


@pytest.mark.parametrize("n", [1, 2, 3, 33, 64, 100, 128])
def test_rows_side_by_side_that_are_sorted_only_as_far_as_asked_for(n):
    x = np.random.default_rng(n).integers(-9, 9, (9, n)).astype(np.float32)
    for k in {1, -(-n // 3), n}:
        values, indices = nt.topk(nt.from_numpy(x), k)
        assert np.array_equal(indices.numpy(), np.argsort(-x, 1, kind="stable")[:, :k])
        assert np.array_equal(np.take_along_axis(x, indices.numpy(), 1), values.numpy())


@pytest.mark.parametrize("k", [1, 5, 60, 500])
def test_topk_is_the_head_of_a_sort(k):
    x = np.random.default_rng(1).standard_normal((3, 500)).astype(np.float32)
    values, indices = nt.topk(nt.from_numpy(x), k)
    assert np.array_equal(values.numpy(), -np.sort(-x, 1)[:, :k])
    assert np.array_equal(np.take_along_axis(x, indices.numpy(), 1), values.numpy())


def test_the_median_of_all_is_that_of_any_strides_and_its_gradient_is_shared():
    x = nt.arange(12.0).reshape(3, 4).requires_grad_()
    for part, median in ((x.T, 5), (x[:, ::3], 4), (x[1], 5), (x[2, 3], 11), (x[:2].expand(2, 2, 4), 3)):
        assert part.median().item() == median and part.median().shape == ()
    assert nt.vmap(nt.median, in_dims=1)(x.detach()).tolist() == [4, 5, 6, 7]
    y = nt.tensor([[2.0, 1.0, 7.0], [2.0, 9.0, 2.0]], requires_grad=True)
    y.T.median().backward()
    assert nt.allclose(y.grad, (y == 2) / 3.0)
    assert np.isnan(nt.tensor([]).median().item()) and nt.compile(lambda t: t.T.median())(x.detach()).item() == 5


def test_median_is_the_lower_one_and_sees_nan():
    x = nt.tensor([[4.0, 1.0, 3.0, 2.0], [4.0, 1.0, float("nan"), 2.0]])
    assert nt.median(x[0]).item() == 2
    assert np.isnan(nt.median(x, 1).values.numpy()[1])
    assert nt.nanmedian(x, 1).values.tolist() == [2, 2]


def test_mode_and_kthvalue():
    x = nt.tensor([3, 1, 2, 3, 1])
    assert nt.mode(x).values.item() == 1
    assert nt.kthvalue(x, 4).values.item() == 3


def test_quantiles():
    x = np.random.default_rng(2).standard_normal((6, 7))
    q = np.array([0.0, 0.3, 0.5, 1.0])
    result = nt.quantile(nt.from_numpy(x), nt.from_numpy(q), 1)
    np.testing.assert_allclose(result.numpy(), np.quantile(x, q, 1), rtol=1e-12)


def test_gradients_go_where_values_came_from():
    x = nt.tensor([3.0, 1.0, 2.0], requires_grad=True)
    (nt.sort(x).values * nt.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [100, 1, 10]


def test_k_out_of_range_is_named():
    with pytest.raises(RuntimeError, match="k is 4"):
        nt.topk(nt.zeros(3), 4)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
@pytest.mark.parametrize(("shape", "dim"), [((5, 7), 1), ((6, 90), 1), ((2, 300, 3), 1), ((2, 5000), 1)])
def test_one_element_of_each_row_is_that_of_a_stable_sort(dtype, shape, dim):
    x = (np.random.default_rng(2).standard_normal(shape) * 9).round().astype(dtype)
    order, n = np.argsort(x, dim, kind="stable"), shape[dim]
    for k in (1, n // 2 + 1, n):
        values, indices = nt.kthvalue(nt.from_numpy(x), k, dim, keepdim=True)
        assert np.array_equal(indices.numpy(), np.take(order, [k - 1], dim))
        assert np.array_equal(values.numpy(), np.take_along_axis(x, indices.numpy(), dim))
    assert np.array_equal(nt.median(nt.from_numpy(x), dim).indices.numpy(), np.take(order, (n - 1) // 2, dim))

    def most_frequent(row):
        values, counts = np.unique(row, return_counts=True)
        return values[np.argmax(counts)]
    values, indices = nt.mode(nt.from_numpy(x), dim)
    assert np.array_equal(values.numpy(), np.apply_along_axis(most_frequent, dim, x))
    assert np.array_equal(np.take_along_axis(x, np.expand_dims(indices.numpy(), dim), dim).squeeze(dim), values.numpy())


@pytest.mark.parametrize("n", [9, 100, 5000])
def test_medians_heed_and_leave_out_nan(n):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((6, n)).astype(np.float32)
    x[rng.random(x.shape) < 0.3] = np.nan
    x[:, 4], x[:, 2] = np.nan, 1.0
    values, indices = nt.median(nt.from_numpy(x), 1)
    assert np.isnan(values.numpy()).all()
    assert np.array_equal(indices.numpy(), np.isnan(x).argmax(1))
    numbers = [np.sort(row[~np.isnan(row)]) for row in x]
    assert np.array_equal(nt.nanmedian(nt.from_numpy(x), 1).values.numpy(), [r[(len(r) - 1) // 2] for r in numbers])


def test_a_quantile_of_a_number_is_that_of_a_tensor():
    x = nt.from_numpy(np.random.default_rng(4).standard_normal((4, 33)).astype(np.float32)).requires_grad_()
    for q in (0.0, 0.3, 0.5, 1.0):
        for how in ("linear", "lower", "higher", "midpoint", "nearest"):
            for dim in (None, 0, -1):
                one, many = (nt.quantile(x, p, dim, keepdim=True, interpolation=how) for p in (q, nt.tensor([q])))
                assert one.shape == many[0].shape
                assert (one == many[0]).all()
                gradients = [nt.autograd.grad(y.sum(), x)[0] for y in (one, many)]
                assert nt.allclose(*gradients)
