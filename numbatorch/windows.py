"""Windows for spectra: hann_window, hamming_window, blackman_window, bartlett_window, kaiser_window.

A periodic window of n points is the symmetric one of n + 1 without its last, as transforms of n points want it.
"""

import numpy as np

from . import dtypes
from .filling import _dtype, _finish
from .from_data import tensor


def _window(name, values, window_length, periodic, dtype, device, requires_grad):
    """values(x, n) for the positions x = 0..window_length-1 of a symmetric window of n points."""
    if window_length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={window_length}")
    own = _dtype(dtype)
    if own.category < dtypes.FLOAT:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {own}")
    points = window_length + 1 if periodic else window_length
    found = np.ones(window_length) if points < 2 or window_length == 1 else values(np.arange(window_length), points)
    return _finish(tensor(found, dtype=own, device=device), requires_grad)


def _cosines(x, n, *weights):
    """weights[0] - weights[1] cos(t) + weights[2] cos(2 t) - ..., t from 0 to 2 pi over the window."""
    t = 2 * np.pi * x / (n - 1)
    return sum((-1) ** k * w * np.cos(k * t) for k, w in enumerate(weights))


def hann_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False,
                requires_grad=False):
    """1/2 - 1/2 cos(2 pi x / (n - 1))."""
    return _window("hann_window", lambda x, n: _cosines(x, n, 0.5, 0.5), window_length, periodic, dtype, device,
                   requires_grad)


def hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, layout=None, device=None,
                   pin_memory=False, requires_grad=False):
    """alpha - beta cos(2 pi x / (n - 1))."""
    return _window("hamming_window", lambda x, n: _cosines(x, n, alpha, beta), window_length, periodic, dtype, device,
                   requires_grad)


def blackman_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False,
                    requires_grad=False):
    """0.42 - 0.5 cos(2 pi x / (n - 1)) + 0.08 cos(4 pi x / (n - 1))."""
    return _window("blackman_window", lambda x, n: np.maximum(_cosines(x, n, 0.42, 0.5, 0.08), 0), window_length,
                   periodic, dtype, device, requires_grad)


def bartlett_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False,
                    requires_grad=False):
    """The triangle 1 - |2 x / (n - 1) - 1|."""
    return _window("bartlett_window", lambda x, n: 1 - np.abs(2 * x / (n - 1) - 1), window_length, periodic, dtype,
                   device, requires_grad)


def kaiser_window(window_length, periodic=True, beta=12.0, *, dtype=None, layout=None, device=None, pin_memory=False,
                  requires_grad=False):
    """I0(beta sqrt(1 - (2 x / (n - 1) - 1)^2)) / I0(beta), I0 the modified Bessel function."""
    return _window("kaiser_window", lambda x, n: np.i0(beta * np.sqrt(np.maximum(1 - (2 * x / (n - 1) - 1) ** 2, 0))) /
                   np.i0(beta), window_length, periodic, dtype, device, requires_grad)


FUNCTIONS = ("hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window")
