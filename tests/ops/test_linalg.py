"""Linear algebra through what its results must satisfy; gradients against finite differences."""

import numpy as np
import pytest

import numbatorch as nt

RANDOM = np.random.default_rng(0)
SQUARE = RANDOM.standard_normal((2, 4, 4))
TALL = RANDOM.standard_normal((5, 3))
POSITIVE = SQUARE @ SQUARE.swapaxes(-2, -1) + 4 * np.eye(4)


def check_gradient(function, values):
    """A random directional derivative of sum(w * function) against central differences."""
    x = nt.from_numpy(values.copy()).requires_grad_()
    result = function(x)
    weight = nt.from_numpy(np.random.default_rng(1).standard_normal(tuple(result.shape)))
    (result * weight).sum().backward()
    direction = np.random.default_rng(2).standard_normal(values.shape)
    if values is POSITIVE:
        direction = direction + direction.swapaxes(-2, -1)
    step = 1e-6
    ends = [float((function(nt.from_numpy(values + s * step * direction)) * weight).sum()) for s in (1, -1)]
    slope = float((x.grad.numpy() * direction).sum())
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_equations_are_solved():
    a, b = nt.from_numpy(SQUARE), nt.from_numpy(RANDOM.standard_normal((4, 2)))
    np.testing.assert_allclose((a @ nt.linalg.solve(a, b)).numpy(), np.broadcast_to(b.numpy(), (2, 4, 2)), atol=1e-10)
    np.testing.assert_allclose((a @ nt.linalg.inv(a)).numpy(), np.broadcast_to(np.eye(4), (2, 4, 4)), atol=1e-10)
    np.testing.assert_allclose(nt.linalg.pinv(nt.from_numpy(TALL)).numpy(), np.linalg.pinv(TALL), atol=1e-12)


def test_factors_multiply_to_the_matrix():
    u, s, vh = nt.linalg.svd(nt.from_numpy(TALL), full_matrices=False)
    np.testing.assert_allclose((u * s @ vh).numpy(), TALL, atol=1e-12)
    q, r = nt.linalg.qr(nt.from_numpy(TALL))
    np.testing.assert_allclose((q @ r).numpy(), TALL, atol=1e-12)
    factor = nt.linalg.cholesky(nt.from_numpy(POSITIVE))
    np.testing.assert_allclose((factor @ factor.mT).numpy(), POSITIVE, atol=1e-12)
    values, vectors = nt.linalg.eigh(nt.from_numpy(POSITIVE))
    np.testing.assert_allclose((vectors * values.unsqueeze(-2) @ vectors.mT).numpy(), POSITIVE, atol=1e-11)


@pytest.mark.parametrize("function", [
    nt.linalg.inv, nt.linalg.det, lambda a: nt.linalg.slogdet(a).logabsdet, lambda a: nt.linalg.solve(a, a * a + 1),
    lambda a: nt.linalg.qr(a).R, lambda a: nt.linalg.qr(a).Q, nt.linalg.svdvals, nt.linalg.pinv,
    lambda a: nt.linalg.matrix_power(a, 3), lambda a: nt.linalg.norm(a, "nuc", (-2, -1)), nt.linalg.matrix_exp])
def test_gradients(function):
    check_gradient(function, SQUARE)


@pytest.mark.parametrize("function", [nt.linalg.cholesky, nt.linalg.eigvalsh])
def test_gradients_of_symmetric_matrices(function):
    check_gradient(function, POSITIVE)


def test_the_gradient_of_det_holds_for_singular_matrices():
    a = nt.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=nt.float64, requires_grad=True)
    nt.linalg.det(a).backward()
    np.testing.assert_allclose(a.grad.numpy(), [[4, -2], [-2, 1]], atol=1e-12)


def test_singular_matrices_are_named():
    with pytest.raises(nt.linalg.LinAlgError, match="singular"):
        nt.linalg.inv(nt.zeros(2, 2))
    with pytest.raises(nt.linalg.LinAlgError, match="Batch element 1"):
        nt.linalg.cholesky(nt.stack([nt.eye(2), -nt.eye(2)]))


def test_norms():
    a = nt.from_numpy(TALL)
    for ord in (None, "fro", "nuc", 1, -1, 2, -2, float("inf")):
        assert float(nt.linalg.norm(a, ord)) == pytest.approx(np.linalg.norm(TALL, ord))


def test_old_norms():
    a = nt.from_numpy(SQUARE)
    values = np.linalg.svd(SQUARE, compute_uv=False).sum(-1)
    np.testing.assert_allclose(nt.nuclear_norm(a, (1, 2)).numpy(), values)
    assert nt.nuclear_norm(a[0], True).shape == (1, 1)
    assert nt.nuclear_norm(a[0]).item() == pytest.approx(values[0])
    np.testing.assert_allclose(nt.nuclear_norm(a).numpy(), values)
    with pytest.raises(RuntimeError, match="at most 2 dimensions"):
        nt.frobenius_norm(a, (0, 1, 2))
    np.testing.assert_allclose(nt.frobenius_norm(a, (0, 2)).numpy(), np.sqrt((SQUARE**2).sum((0, 2))))
    assert nt.frobenius_norm(a, ()).item() == pytest.approx(np.sqrt((SQUARE**2).sum()))
    with pytest.raises(NotImplementedError, match="native_norm"):
        nt.native_norm(a)


def test_results_lie_in_memory_as_lapack_leaves_them():
    a, b = nt.from_numpy(SQUARE), nt.from_numpy(RANDOM.standard_normal((2, 4, 3)))
    assert nt.linalg.solve(a, b).stride() == (12, 1, 4)
    assert nt.linalg.solve(a, b[..., 0]).stride() == (1, 2)
    assert nt.linalg.solve_triangular(a, b.mT, upper=True, left=False).stride() == (12, 1, 3)
    tall = nt.from_numpy(TALL)
    assert nt.linalg.lstsq(tall, tall).solution.stride() == (1, 5)
    assert nt.cholesky_inverse(nt.linalg.cholesky(nt.from_numpy(POSITIVE))).stride() == (16, 1, 4)


def test_complex_qr_keeps_the_diagonal_of_r_real():
    values = RANDOM.standard_normal((3, 3)) + 1j * RANDOM.standard_normal((3, 3))
    x = nt.from_numpy(values).requires_grad_()
    assert nt.autograd.gradcheck(nt.linalg.qr, (x,))
    assert nt.autograd.gradgradcheck(nt.linalg.qr, (x,))
