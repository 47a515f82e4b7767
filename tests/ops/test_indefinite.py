"""LDL factors multiply to the matrix they come from, pivots are as LAPACK packs them, and equations are solved."""

import numpy as np
import pytest

import numbatorch as nt


def unpacked(ld, pivots, hermitian):
    """The matrix that a packed factorisation stands for, by multiplying its elementary factors from the last on."""
    n = len(ld)
    matrix = np.zeros_like(ld)
    transposed = (lambda t: t.conj().T) if hermitian else (lambda t: t.T)
    steps, k = [], 0
    while k < n:
        size = 1 if pivots[k] > 0 else 2
        steps.append((k, k + size, abs(pivots[k]) - 1))
        k += size
    for k, end, other in reversed(steps):
        block = np.tril(ld[k:end, k:end])
        matrix[k:end, k:end] = block + transposed(np.tril(block, -1))
        factor = np.eye(n, dtype=ld.dtype)
        factor[end:, k:end] = ld[end:, k:end]
        exchange = np.eye(n)
        exchange[[end - 1, other]] = exchange[[other, end - 1]]
        matrix = exchange @ factor @ matrix @ transposed(factor) @ exchange
    return matrix


def symmetric(n, dtype, hermitian, seed=0):
    generator = np.random.default_rng(seed)
    matrix = generator.standard_normal((3, n, n)).astype(dtype)
    if np.iscomplexobj(matrix):
        matrix = matrix + 1j * generator.standard_normal((3, n, n))
    matrix[1] -= np.eye(n) * matrix[1]  # a diagonal of zeros: 2 by 2 pivots
    other = matrix.swapaxes(-2, -1)
    return matrix + (other.conj() if hermitian else other)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize(("dtype", "hermitian"), [("float64", False), ("complex128", False), ("complex128", True)])
def test_factors_multiply_to_the_matrix(n, dtype, hermitian):
    if n == 1:
        matrices = symmetric(n, dtype, hermitian)[[0, 2]]
    else:
        matrices = symmetric(n, dtype, hermitian)
    ld, pivots = nt.linalg.ldl_factor(nt.from_numpy(matrices), hermitian=hermitian)
    assert n == 1 or int(pivots[1].min()) < 0
    for a, b, c in zip(ld.numpy(), pivots.numpy(), matrices, strict=True):
        np.testing.assert_allclose(unpacked(a, b, hermitian), c, atol=1e-10)
    b = nt.from_numpy(np.random.default_rng(1).standard_normal((n, 2)).astype(dtype))
    x = nt.linalg.ldl_solve(ld, pivots, b, hermitian=hermitian)
    np.testing.assert_allclose(matrices @ x.numpy(), np.broadcast_to(b.numpy(), x.shape), atol=1e-9)


def test_pivots_name_rows_from_one():
    """Bunch and Kaufman's choice on a matrix whose first column calls for row 3, then for a block."""
    matrix = nt.tensor([[0.0, 1.0, 5.0], [1.0, 2.0, 0.0], [5.0, 0.0, 0.0]], dtype=nt.float64)
    ld, pivots, info = nt.linalg.ldl_factor_ex(matrix)
    assert pivots.tolist() == [-3, -3, 3]
    assert pivots.dtype is nt.int32
    assert info.item() == 0
    np.testing.assert_allclose(ld.numpy(), [[0, 0, 0], [5, 0, 0], [0, 0.2, 2]], atol=1e-15)


def test_only_the_lower_triangle_is_read():
    matrix = nt.from_numpy(symmetric(4, "float64", False)[0])
    whole, half = nt.linalg.ldl_factor(matrix).LD, nt.linalg.ldl_factor(matrix.tril()).LD
    np.testing.assert_array_equal(whole.numpy(), half.numpy())


def test_zero_blocks_are_reported():
    singular = nt.zeros(2, 3, 3)
    singular[0] = nt.eye(3)
    assert nt.linalg.ldl_factor_ex(singular).info.tolist() == [0, 1]
    with pytest.raises(nt.linalg.LinAlgError, match=r"Batch element 1.*D\[1,1\] is zero"):
        nt.linalg.ldl_factor(singular)


@pytest.mark.parametrize(("pivots", "b", "text"), [
    ([1], nt.ones(2, 1), "pivots.shape to be the same"),
    ([1.0, 2.0], nt.ones(2, 1), "pivots to be integers"),
    ([1, 3], nt.ones(2, 1), "from 1 to 2"),
    ([1, 2], nt.ones(3, 1), "Incompatible matrix sizes"),
    ([1, 2], nt.ones(2), "at least 2 dimensions"),
    ([1, 2], nt.ones(2, 1, dtype=nt.float64), "same dtype"),
])
def test_arguments_of_solve_are_checked(pivots, b, text):
    with pytest.raises(RuntimeError, match=text):
        nt.linalg.ldl_solve(nt.eye(2), nt.tensor(pivots), b)


def test_results_lie_in_memory_by_columns():
    matrix = nt.from_numpy(symmetric(4, "float64", False))
    ld, pivots = nt.linalg.ldl_factor(matrix)
    assert ld.stride() == (16, 1, 4)
    assert nt.linalg.ldl_solve(ld, pivots, nt.ones(3, 4, 2, dtype=nt.float64)).stride() == (8, 1, 4)
