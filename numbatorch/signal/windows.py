"""Windows for spectra and filters: M points, symmetric, or one period of M points with sym=False.

A periodic window is the symmetric one of M + 1 points without its last. All take dtype (float32 or float64), layout,
device and requires_grad; ValueError for a negative M, for other dtypes and for parameters out of range. Harris 1978.
"""

from collections.abc import Iterable
from math import pi

import numbatorch as torch

__all__ = ["bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming",
           "hann", "kaiser", "nuttall"]


def _window(name, values, M, sym, dtype, layout, device, requires_grad):
    """values(k, n) at the positions k = 0, 1, ... of a symmetric window of n points, the first M of them."""
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout not in (None, torch.strided):
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    if M < 2:
        return torch.ones((M,), dtype=dtype, device=device, requires_grad=requires_grad)
    with torch.no_grad():
        points = torch.arange(M, dtype=torch.float64, device=device)
        found = values(points, M if sym else M + 1).to(dtype)
    return found.requires_grad_(requires_grad)


def _cosines(a):
    """sum of (-1)^j a_j cos(2 pi j k / (n - 1))."""
    weights = [(-1) ** j * w for j, w in enumerate(a)]
    return lambda k, n: sum(w * torch.cos(k * (2 * pi * j / (n - 1))) for j, w in enumerate(weights))


def exponential(M, *, center=None, tau=1.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """exp(-|k - center| / tau); the centre is the middle, and may be given for periodic windows only."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError(f"Center must be None for symmetric windows, got {center}")

    def values(k, n):
        return torch.exp(-(k - ((n - 1) / 2 if center is None else center)).abs() / tau)
    return _window("exponential", values, M, sym, dtype, layout, device, requires_grad)


def cosine(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """sin(pi (k + 1/2) / n)."""
    return _window("cosine", lambda k, n: torch.sin((k + 0.5) * (pi / n)), M, sym, dtype, layout, device, requires_grad)


def gaussian(M, *, std=1.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """exp(-((k - middle) / std)^2 / 2)."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")

    def values(k, n):
        return torch.exp(((k - (n - 1) / 2) / std) ** 2 * -0.5)
    return _window("gaussian", values, M, sym, dtype, layout, device, requires_grad)


def kaiser(M, *, beta=12.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """I0(beta sqrt(1 - x^2)) / I0(beta), x from -1 to 1 over the window (Kaiser & Schafer 1980)."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def values(k, n):
        x = k * (2 / (n - 1)) - 1
        # e^(root - beta) keeps large beta from overflowing
        root = beta * torch.sqrt((1 - x * x).clamp(min=0))
        scale = torch.special.i0e(torch.tensor(float(beta), dtype=torch.float64, device=k.device))
        return torch.special.i0e(root) * torch.exp(root - beta) / scale
    return _window("kaiser", values, M, sym, dtype, layout, device, requires_grad)


def general_cosine(M, *, a, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """a[0] - a[1] cos(t) + a[2] cos(2 t) - ..., t from 0 to 2 pi over the window."""
    if not isinstance(a, Iterable):
        raise TypeError(f"Coefficients must be a list/tuple, got {type(a).__name__}")
    a = list(a)
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return _window("general_cosine", _cosines(a), M, sym, dtype, layout, device, requires_grad)


def general_hamming(M, *, alpha=0.54, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """alpha - (1 - alpha) cos(t), t from 0 to 2 pi over the window."""
    return _window("general_hamming", _cosines([alpha, 1 - alpha]), M, sym, dtype, layout, device, requires_grad)


def hamming(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """0.54 - 0.46 cos(t)."""
    return _window("hamming", _cosines([0.54, 0.46]), M, sym, dtype, layout, device, requires_grad)


def hann(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """1/2 - 1/2 cos(t)."""
    return _window("hann", _cosines([0.5, 0.5]), M, sym, dtype, layout, device, requires_grad)


def blackman(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """0.42 - 0.5 cos(t) + 0.08 cos(2 t)."""
    return _window("blackman", _cosines([0.42, 0.5, 0.08]), M, sym, dtype, layout, device, requires_grad)


def nuttall(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """Four cosines whose side lobes stay below -98 dB (Nuttall 1981, with continuous first derivative left out)."""
    return _window("nuttall", _cosines([0.3635819, 0.4891775, 0.1365995, 0.0106411]), M, sym, dtype, layout, device,
                   requires_grad)


def bartlett(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    """The triangle 1 - |2 k / (n - 1) - 1|."""
    return _window("bartlett", lambda k, n: 1 - (k * (2 / (n - 1)) - 1).abs(), M, sym, dtype, layout, device,
                   requires_grad)
