"""Packed LU, reflectors, low-rank factors, histograms and finite differences against their definitions."""

import numpy as np
import pytest

import numbatorch as torch


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(1)


def close(a, b, tolerance=1e-10):
    assert tuple(a.shape) == tuple(b.shape)
    assert float((a - b).abs().max()) < tolerance if a.numel() else True


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (2, 4, 4), (0, 3, 3)])
def test_lu(shape):
    a = torch.randn(*shape, dtype=torch.float64)
    p, lower, upper = torch.linalg.lu(a)
    close(p @ lower @ upper, a)
    packed = torch.lu(a)
    close(torch.lu_unpack(*packed)[1], lower)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
def test_gradient_of_lu(shape):
    a = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: torch.linalg.lu(x)[1:], (a,))


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_lu_solve(left, adjoint):
    a = torch.randn(2, 3, 3, dtype=torch.complex128)
    b = torch.randn(2, 3, 3, dtype=torch.complex128)
    x = torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b, left=left, adjoint=adjoint)
    matrix = a.mH if adjoint else a
    close(matrix @ x if left else x @ matrix, b)


def test_singular_matrices_are_named():
    with pytest.raises(torch.linalg.LinAlgError, match=r"U\[2,2\] is zero"):
        torch.linalg.lu_factor(torch.ones(2, 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_reflectors(dtype):
    a = torch.randn(2, 5, 3, dtype=dtype)
    packed, tau = torch.geqrf(a)
    q = torch.linalg.householder_product(packed, tau)
    close(q @ packed.triu()[:, :3], a)
    c = torch.randn(2, 5, 4, dtype=dtype)
    turned = torch.ormqr(packed, tau, c, True, True)
    close(turned[:, :3], q.mH @ c)
    close(torch.ormqr(packed, tau, turned), c)


def test_low_rank():
    a = torch.randn(20, 3, dtype=torch.float64) @ torch.randn(3, 9, dtype=torch.float64)
    for matrix in (a, a.mT):
        u, s, v = torch.svd_lowrank(matrix, 4)
        close(u @ torch.diag(s) @ v.mT, matrix)


def test_histograms():
    x = torch.tensor([0.0, 0.5, 1.0, 1.0, 2.0, 7.0])
    assert torch.histc(x, 4, 0, 2).tolist() == [1, 1, 2, 1]
    counts, edges = torch.histogram(x, torch.tensor([0.0, 1.0, 2.0]))
    assert counts.tolist() == [2, 3] and edges.tolist() == [0, 1, 2]
    density, _ = torch.histogram(x, 4, range=(0.0, 8.0), density=True)
    assert float(density.sum() * 2) == pytest.approx(1)
    points = np.random.default_rng(0).normal(size=(50, 2))
    grid, _ = torch.histogramdd(torch.tensor(points), [3, 4])
    assert grid.tolist() == np.histogramdd(points, [3, 4])[0].tolist()


@pytest.mark.parametrize("order", [1, 2])
def test_gradient_agrees_with_numpy(order):
    values, places = np.random.default_rng(0).normal(size=(5, 6)), np.array([0.0, 1, 3, 4, 4.5, 7])
    got = torch.gradient(torch.tensor(values), spacing=(torch.arange(5.0).double() * 2, torch.tensor(places)),
                         edge_order=order)
    for mine, want in zip(got, np.gradient(values, 2.0, places, edge_order=order), strict=True):
        if order == 2:
            np.testing.assert_allclose(mine.numpy()[1:-1, 1:-1], want[1:-1, 1:-1], atol=1e-12)
        else:
            np.testing.assert_allclose(mine.numpy(), want, atol=1e-12)


def test_masked_reductions():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    mask = torch.tensor([[True, False], [True, True]])
    assert torch.masked.mean(x, 1, mask=mask).tolist() == [1, 3.5]
    assert torch.masked.prod(x, mask=mask).item() == 12
    torch.masked.var(x, 1, correction=0, mask=mask)[1].backward()
    assert x.grad.tolist() == [[0, 0], [-0.5, 0.5]]
    assert torch.masked.softmax(x, 1, mask=mask)[0].tolist() == [1, 0]


def test_windows():
    windows = torch.signal.windows
    assert windows.bartlett(5).tolist() == [0, 0.5, 1, 0.5, 0]
    for name in ("hann", "hamming", "blackman", "nuttall", "cosine", "gaussian", "kaiser", "exponential", "bartlett"):
        periodic, whole = (getattr(windows, name)(n, sym=s, dtype=torch.float64) for n, s in ((8, False), (9, True)))
        close(periodic, whole[:8])
    with pytest.raises(ValueError, match="non-negative"):
        windows.hann(-1)
