"""Reductions over any dimensions, in every template: rows, columns, several dimensions at once."""

import numpy as np
import pytest

import numbatorch as torch

CASES = [((64, 300), 0), ((7, 5, 33), 1), ((2, 3, 4, 40), (1, 2)), ((1000, 10), 0), ((3, 9), 0), ((2, 600), 0),
         ((5, 6, 7), (0, 2)), ((4, 5), 1), ((1, 8), 0), ((6,), 0)]


@pytest.mark.parametrize("shape, dim", CASES)
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "prod"])
def test_reduction_equals_numpy_along_any_dims(name, shape, dim):
    x = np.random.default_rng(0).uniform(0.9, 1.1, shape).astype(np.float32)
    if name == "prod" and isinstance(dim, tuple):
        pytest.skip("prod takes one dimension")
    wanted = getattr(np, name)(x.astype(np.float64), axis=dim)
    got = getattr(torch.tensor(x), name)(dim)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=2e-6)
    transposed = torch.tensor(np.ascontiguousarray(x.T)).permute(*range(x.ndim - 1, -1, -1))
    np.testing.assert_allclose(getattr(transposed, name)(dim).numpy(), wanted, rtol=2e-6)


def test_column_sum_of_many_small_numbers_keeps_its_accuracy():
    x = torch.full((100_000, 16), 0.1)
    assert abs(x.sum(0)[0].item() - np.float64(np.float32(0.1)) * 100_000) < 1e-3


def test_columns_carry_nan_and_infinities():
    x = torch.ones(5, 300)
    x[3, 7], x[2, 299] = float("nan"), float("inf")
    result = x.amax(0)
    assert torch.isnan(result[7]).item() and result[299].item() == float("inf") and result[0].item() == 1


def test_sum_of_bool_counts_in_int64():
    result = torch.tensor([[True, True], [True, False]]).sum(0)
    assert result.dtype is torch.int64 and result.tolist() == [2, 1]


def test_column_sums_do_not_depend_on_threads():
    x = torch.rand(3000, 1000)
    before = torch.get_num_threads()
    try:
        results = []
        for n in (1, 2, 4):
            torch.set_num_threads(n)
            results.append(x.sum(0).numpy().tobytes())
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float32"])
def test_columns_of_all_dtypes(dtype):
    """Totals side by side, over the first dimension: of whole numbers, of what is true, of positions."""
    whole = np.random.default_rng(1).integers(-2**63, 2**63 - 1, (37, 90))
    whole[:, ::7] = 0
    whole[5, 3:20] = (-2**63, 2**63 - 1, *range(-7, 8))
    given = (whole % 5 - 2 if dtype == "float32" else whole).astype(dtype)
    x = torch.tensor(given)
    for name in ("any", "all", "amax", "amin", "sum") if dtype == "bool" else ("any", "amin", "sum", "argmax"):
        found = getattr(x, name)(dim=0).numpy()
        np.testing.assert_array_equal(found, getattr(given, name.replace("am", "m"))(axis=0), name)
    np.testing.assert_array_equal(torch.count_nonzero(x, 0).numpy(), np.count_nonzero(given, 0))
