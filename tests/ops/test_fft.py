"""Fourier transforms against NumPy, and their gradients through Parseval's identity."""

import numpy as np
import pytest

import numbatorch as nt

X = np.random.default_rng(0).standard_normal((3, 8, 5))


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 4, 11])
def test_transforms_along_a_dimension(norm, n):
    x = nt.from_numpy(X)
    for name in ("fft", "ifft", "rfft", "ihfft"):
        expected = getattr(np.fft, name)(X, n, 1, norm)
        np.testing.assert_allclose(getattr(nt.fft, name)(x, n, 1, norm).numpy(), expected, atol=1e-12)
    for name in ("irfft", "hfft"):
        expected = getattr(np.fft, name)(X + 0j, n, 1, norm)
        np.testing.assert_allclose(getattr(nt.fft, name)(x, n, 1, norm).numpy(), expected, atol=1e-12)


def test_transforms_over_several_dimensions():
    x = nt.from_numpy(X)
    np.testing.assert_allclose(nt.fft.fft2(x).numpy(), np.fft.fft2(X), atol=1e-12)
    np.testing.assert_allclose(nt.fft.rfftn(x).numpy(), np.fft.rfftn(X), atol=1e-12)
    np.testing.assert_allclose(nt.fft.irfftn(nt.fft.rfftn(x), X.shape).numpy(), X, atol=1e-12)
    assert np.array_equal(nt.fft.ifftshift(nt.fft.fftshift(x)).numpy(), X)


@pytest.mark.parametrize("name", ["fft", "rfft", "ifft"])
def test_gradient_of_the_energy(name):
    x = nt.from_numpy(X.copy()).requires_grad_()
    spectrum = getattr(nt.fft, name)(x, dim=1, norm="ortho")
    weight = np.ones(spectrum.shape[1])
    if name == "rfft":
        weight[1:-1] = 2  # frequencies that the half-spectrum leaves out
    energy = (spectrum.abs() ** 2 * nt.from_numpy(weight).reshape(1, -1, 1)).sum()
    energy.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * X, atol=1e-10)


def test_frequencies():
    assert nt.fft.fftfreq(4).tolist() == [0, 0.25, -0.5, -0.25]
    assert nt.fft.rfftfreq(4, 0.5).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("n", [None, 5, 9])
def test_gradients_of_both_orders(name, n):
    real = name in ("rfft", "ihfft")
    given = [X[:, :4, 0].copy()] if real else [X[:, :4, 0] + 1j * X[:, 4:, 1], X[:, :4, 0].copy()]
    for values in given:  # real input of a complex transform is a path of its own
        x = nt.from_numpy(values).requires_grad_()

        def function(t):
            return getattr(nt.fft, name)(t, n, 1, "ortho")
        assert nt.autograd.gradcheck(function, (x,))
        assert nt.autograd.gradgradcheck(function, (x,))


@pytest.mark.parametrize("name", ["fftn", "rfftn", "irfftn", "hfft2", "ihfft2"])
def test_gradients_over_two_dimensions(name):
    x = nt.from_numpy(X[:2, :3, :4] if name in ("rfftn", "ihfft2") else X[:2, :3, :4] + 1j * X[1:, 3:6, :4])
    assert nt.autograd.gradcheck(lambda t: getattr(nt.fft, name)(t, dim=(0, 2)), (x.clone().requires_grad_(),))
