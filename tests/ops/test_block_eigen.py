"""lobpcg finds what eigh finds, for the options of PyTorch's, with gradients."""

import numpy as np
import pytest

import numbatorch as nt

RANDOM = np.random.default_rng(0)


def symmetric(n, shift=0.0):
    matrix = RANDOM.standard_normal((n, n))
    return matrix @ matrix.T + shift * np.eye(n)


A, B = symmetric(30, 1.0), symmetric(30, 30.0)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("method", ["ortho", "basic"])
def test_extreme_pairs_are_found(largest, method):
    nt.manual_seed(0)
    values, vectors = nt.lobpcg(nt.from_numpy(A), k=3, largest=largest, method=method)
    every = np.linalg.eigvalsh(A)
    np.testing.assert_allclose(values.numpy(), every[::-1][:3] if largest else every[:3], rtol=1e-8)
    np.testing.assert_allclose(A @ vectors.numpy(), vectors.numpy() * values.numpy(), atol=1e-4)
    np.testing.assert_allclose(vectors.numpy().T @ vectors.numpy(), np.eye(3), atol=1e-8)


@pytest.mark.parametrize("method", ["ortho", "basic"])
def test_general_problem_with_a_preconditioner(method):
    nt.manual_seed(0)
    preconditioner = nt.from_numpy(np.linalg.inv(A + 0.1 * B))
    values, vectors = nt.lobpcg(nt.from_numpy(A), 2, nt.from_numpy(B), iK=preconditioner, largest=False, method=method)
    expected = np.sort(np.linalg.eigvals(np.linalg.solve(B, A)).real)[:2]
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-8)
    np.testing.assert_allclose(vectors.numpy().T @ B @ vectors.numpy(), np.eye(2), atol=1e-8)


def test_batches_and_single_precision():
    batch = np.stack([A, B, A + B]).astype(np.float32).reshape(3, 1, 30, 30)
    nt.manual_seed(0)
    values, vectors = nt.lobpcg(nt.from_numpy(batch), k=2)
    assert values.shape == (3, 1, 2)
    assert vectors.shape == (3, 1, 30, 2)
    np.testing.assert_allclose(values.numpy(), np.linalg.eigvalsh(batch)[..., ::-1][..., :2], rtol=1e-4)


def test_tracker_sees_steps_and_stops_them():
    steps = []

    def stop(state):
        steps.append((state.ivars["istep"], tuple(state.X.shape), tuple(state.tvars["rerr"].shape)))
        if len(steps) == 3:
            state.bvars["force_stop"] = True
    nt.lobpcg(nt.from_numpy(A), k=2, n=4, tracker=stop, tol=0.0)
    assert steps == [(0, (30, 4), (4,)), (1, (30, 4), (4,)), (2, (30, 4), (4,))]
    steps.clear()
    nt.lobpcg(nt.from_numpy(A), k=2, tracker=lambda state: steps.append(state.ivars["istep"]), tol=0.0, niter=2)
    assert steps == [0, 1, 2]


def test_gradients_of_both_matrices():
    a, b = symmetric(6) - 3 * np.eye(6), symmetric(6, 6.0)
    start = np.linalg.eigh(a)[1][:, :-3:-1].copy()

    def function(a, b):
        values, vectors = nt.lobpcg((a + a.mT) / 2, B=(b + b.mT) / 2, X=nt.from_numpy(start), tol=1e-15, niter=40)
        return values, vectors * vectors[:1]  # does not depend on signs
    inputs = (nt.from_numpy(a).requires_grad_(), nt.from_numpy(b).requires_grad_())
    assert nt.autograd.gradcheck(function, inputs, atol=1e-4)


def test_second_gradients():
    a = symmetric(6) - 3 * np.eye(6)
    start = np.linalg.eigh(a)[1][:, :-3:-1].copy()

    def function(a):
        values, vectors = nt.lobpcg((a + a.mT) / 2, X=nt.from_numpy(start), tol=1e-15, niter=40)
        return values, vectors * vectors[:1]
    assert nt.autograd.gradgradcheck(function, (nt.from_numpy(a).requires_grad_(),), atol=1e-3)


@pytest.mark.parametrize(("call", "kind", "text"), [
    (lambda: nt.lobpcg(nt.ones(3, 4)), AssertionError, "square"),
    (lambda: nt.lobpcg(nt.eye(5), k=2), ValueError, "at least 6 rows"),
    (lambda: nt.lobpcg(nt.eye(9), method="power"), ValueError, "'power'"),
    (lambda: nt.lobpcg(nt.eye(9), B=nt.eye(8)), AssertionError, "same shape"),
    (lambda: nt.lobpcg(nt.eye(9), X=nt.ones(8, 1)), AssertionError, r"\(9, 1\)"),
    (lambda: nt.lobpcg(nt.eye(9, dtype=nt.int64)), RuntimeError, "int64"),
])
def test_arguments_are_checked(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
