"""Discrete Fourier transforms, with gradients.

Everything is one of three ops: `_fft_c2c`, complex to complex along some dimensions, forward or backward; `_fft_r2c`,
real to half a spectrum or the whole; `_fft_c2r`, half a spectrum to real. The adjoint of a transform is the transform
the other way with the same factor.
"""

import functools
import math

import numpy as np

from .. import dtypes
from ..expr.kinds import Native
from ..layout import layout, wrap_dim
from .declare import OPS, composite, contraction

_NORMS = (None, "backward", "ortho", "forward")


def _factor(norm, inverse, count):
    """What a transform of `count` points is multiplied by."""
    if norm == "ortho":
        return count**-0.5
    return 1 / count if inverse == (norm != "forward") else 1.0


def _result(input, dtype, shape, dims, last):
    """A dense layout: dims vary faster than the others, `last` fastest, and otherwise as the operand's strides say:
    PyTorch's order."""
    order = sorted(range(input.ndim), key=lambda d: (d in last, d in dims, -input.strides[d]))
    strides, step = [0] * input.ndim, 1
    for d in reversed(order):
        strides[d] = step
        step *= max(1, shape[d])
    return layout(dtype, tuple(shape), tuple(strides), input.device)


def _complex_gradient(grad, dims, inverse, factor):
    return complex_transform.call(grad, dims, not inverse, factor)


@contraction(name="_fft_c2c", method=False, grad=_complex_gradient)
def complex_transform(input, dims: tuple, inverse: bool, factor: object, last: tuple = ()):
    """sum over n of x[n] exp(-+2 pi i k n / N) along dims, times factor. `last` is a dimension to vary fastest."""
    result = _result(input, input.dtype, input.shape, (*dims, *last), last)
    return Native("fft", "complex_transform", (input,), [result], {"dims": dims, "inverse": inverse, "factor": factor})


def _edges_halved(n):
    """Weights of a half-spectrum of n points: how often each frequency is in the whole one."""
    weights = np.full(n // 2 + 1, 2.0)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights


def _along(values, ndim, dim, like):
    from ..creation import tensor
    shape = [1] * ndim
    shape[dim] = len(values)
    return tensor(values, dtype=like.dtype.to_real(), device=like.device).reshape(tuple(shape))


def _real_gradient(grad, input, dim, factor, full):
    if full:
        return OPS["real"].call(complex_transform.call(grad, (dim,), True, factor))
    n = input.shape[dim]
    weights = 1 / _edges_halved(n)
    return half_to_real.call(grad * _along(weights, grad.ndim, dim, grad), dim, n, factor)


@contraction(name="_fft_r2c", method=False, grad=_real_gradient)
def real_to_half(input, dim: int, factor: object, full: bool = False):
    """The first N // 2 + 1 frequencies of real input along dim, or all of them when `full`, times factor."""
    n = input.shape[dim]
    shape = [size if d != dim or full else n // 2 + 1 for d, size in enumerate(input.shape)]
    result = _result(input, input.dtype.to_complex(), shape, (dim,), (dim,))
    return Native("fft", "real_to_spectrum", (input,), [result], {"dim": dim, "factor": factor, "full": full})


def _half_gradient(grad, dim, n, factor):
    spectrum = real_to_half.call(grad, dim, factor)
    return spectrum * _along(_edges_halved(n), spectrum.ndim, dim, spectrum)


@contraction(name="_fft_c2r", method=False, grad=_half_gradient)
def half_to_real(input, dim: int, n: int, factor: object, others: tuple = ()):
    """The real signal of n points whose half-spectrum the input is, times factor; then `others` vary fastest."""
    shape = [n if d == dim else size for d, size in enumerate(input.shape)]
    result = _result(input, input.dtype.to_real(), shape, (*others, dim), (dim,))
    return Native("fft", "spectrum_to_real", (input,), [result], {"dim": dim, "factor": factor})


# ------------------------------------------------------------------ arguments

def _floating(name, input, kind):
    """Integers in the default float; RuntimeError for what no transform takes."""
    dtype = input.dtype
    if kind == "real" and dtype.is_complex:
        raise RuntimeError(f"fft.{name}: expects a real input tensor, but got {dtype}")
    if dtype.category < dtypes.FLOAT:
        dtype = dtypes.get_default_dtype()
        input = input.to(dtype)
    if dtype.itemsize < 4 or dtype is dtypes.complex32:
        raise RuntimeError(f"fft.{name}: Unsupported dtype {dtype}")
    return input.to(dtype.to_complex()) if kind == "complex" and not dtype.is_complex else input


def _sized(input, dims, sizes):
    """Cut or padded with zeros to sizes along dims."""
    for dim, n in zip(dims, sizes, strict=True):
        present = input.shape[dim]
        if n < present:
            input = input.narrow(dim, 0, n)
        elif n > present:
            from ..creation import zeros
            shape = list(input.shape)
            shape[dim] = n - present
            input = OPS["cat"].call([input, zeros(*shape, dtype=input.dtype, device=input.device)], dim)
    return input


def _arguments(name, input, s, dim, norm, inverse, last=None):
    """(dims, sizes, factor, whether the sizes are the input's). `last`: what a size of the last dimension means there,
    and its default: "half" for n // 2 + 1 frequencies of n points."""
    if type(s) is list:
        s = tuple(s)
    if type(dim) is list:
        dim = tuple(dim)
    return _resolved(name, input.shape, s, dim, norm, inverse, last)


@functools.lru_cache(maxsize=1024)
def _resolved(name, shape, s, dim, norm, inverse, last):
    ndim = len(shape)
    if norm not in _NORMS:
        raise RuntimeError(f"fft.{name}: Invalid normalization mode: {norm!r}")
    if dim is None:
        dims = tuple(range(ndim)) if s is None else tuple(range(ndim - len(s), ndim))
        if s is not None and len(s) > ndim:
            raise RuntimeError(f"fft.{name}: Got shape with {len(s)} values but input tensor only has {ndim} "
                               "dimensions.")
    else:
        if ndim == 0:
            raise IndexError(f"fft.{name}: Dimension specified as {dim} but tensor has no dimensions")
        dims = tuple(wrap_dim(d, ndim) for d in ((dim,) if isinstance(dim, int) else dim))
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"fft.{name}: FFT dims must be unique, got {dims}")
    if s is not None and len(s) != len(dims):
        raise RuntimeError(f"fft.{name}: When given, dim and shape arguments must have the same length, got "
                           f"{len(dims)} and {len(s)}")
    sizes = [shape[d] if s is None or s[k] in (-1, None) else int(s[k]) for k, d in enumerate(dims)]
    if last is not None and dims and (s is None or s[-1] in (-1, None)):
        sizes[-1] = 2 * (shape[dims[-1]] - 1)
    if any(n < 1 for n in sizes):
        raise RuntimeError(f"fft.{name}: Invalid number of data points ({min(sizes)}) specified")
    factor = _factor(norm, inverse, math.prod(sizes))
    taken = [*sizes[:-1], sizes[-1] // 2 + 1] if last is not None and dims else sizes
    return dims, tuple(sizes), factor, all(shape[d] == n for d, n in zip(dims, taken, strict=True))


def _transform(name, input, s, dim, norm, inverse):
    dims, sizes, factor, fits = _arguments(name, input, s, dim, norm, inverse)
    real = len(dims) == 1 and not inverse and not input.dtype.is_complex  # half the work
    input = _floating(name, input, "real" if real else "complex")
    if not fits:
        input = _sized(input, dims, sizes)
    if real:
        return real_to_half.call(input, dims[0], factor, True)
    return complex_transform.call(input, dims, inverse, factor, ()) if dims else input


def _forward_real(name, input, s, dim, norm, inverse=False):
    """Half-spectrum of real input; conjugated, with the inverse's factor, for `inverse` (ihfft)."""
    input = _floating(name, input, "real")
    dims, sizes, factor, fits = _arguments(name, input, s, dim, norm, inverse)
    if not dims:
        raise RuntimeError(f"fft.{name}: must transform at least one axis")
    if not fits:
        input = _sized(input, dims, sizes)
    result = real_to_half.call(input, dims[-1], factor, False)
    if inverse:
        result = result.conj()
    if len(dims) == 1:
        return result
    return complex_transform.call(result, dims[:-1], inverse, 1.0, () if inverse else dims[-1:])


def _backward_real(name, input, s, dim, norm, inverse=True):
    """Real signal of a half-spectrum; of its conjugate, with the forward's factor, unless `inverse` (hfft)."""
    input = _floating(name, input, "complex")
    dims, sizes, factor, fits = _arguments(name, input, s, dim, norm, inverse, "half")
    if not dims:
        raise RuntimeError(f"fft.{name}: must transform at least one axis")
    if not fits:
        input = _sized(input, dims, [*sizes[:-1], sizes[-1] // 2 + 1])
    if len(dims) > 1:
        input = complex_transform.call(input, dims[:-1], inverse, 1.0, ())
    if not inverse:
        input = input.conj()
    return half_to_real.call(input, dims[-1], sizes[-1], factor, dims[:-1])


# ------------------------------------------------------------------ public names

_DOCS = {
    "fft": "Discrete Fourier transform", "ifft": "Inverse discrete Fourier transform",
    "rfft": "Discrete Fourier transform of real input: the frequencies that are not negative",
    "irfft": "Inverse of rfft: a real signal",
    "hfft": "Discrete Fourier transform of a Hermitian signal, given by its first half: real",
    "ihfft": "Inverse of hfft: the first half of a Hermitian signal"}


def _define(name, run):
    def one(input, n=None, dim=-1, norm=None):
        return run(name, input, None if n is None else (n,), dim, norm)

    def two(input, s=None, dim=(-2, -1), norm=None):
        return run(f"{name}2", input, s, dim, norm)

    def many(input, s=None, dim=None, norm=None):
        return run(f"{name}n", input, s, dim, norm)
    text = _DOCS[name]
    scale = 'norm: "backward" scales the inverse by 1/n, "forward" the forward one, "ortho" both by 1/sqrt(n).'
    one.__doc__ = f"{text} along `dim`, of n points. {scale}"
    two.__doc__ = f"{text} over two dimensions, of sizes s. {scale}"
    many.__doc__ = f"{text} over several dimensions (all when None), of sizes s. {scale}"
    for suffix, function in (("", one), ("2", two), ("n", many)):
        composite(name=f"{name}{suffix}", namespaces="fft", out=True)(function)


_define("fft", lambda name, x, s, dim, norm: _transform(name, x, s, dim, norm, False))
_define("ifft", lambda name, x, s, dim, norm: _transform(name, x, s, dim, norm, True))
_define("rfft", _forward_real)
_define("irfft", _backward_real)
_define("hfft", lambda name, x, s, dim, norm: _backward_real(name, x, s, dim, norm, False))
_define("ihfft", lambda name, x, s, dim, norm: _forward_real(name, x, s, dim, norm, True))


def _shift(input, dim, sign):
    dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if not dims:
        return input.clone()
    return OPS["roll"].call(input, tuple(sign * (input.shape[d] // 2) for d in dims), dims)


@composite(namespaces="fft")
def fftshift(input, dim=None):
    """Frequency 0 moved to the middle, along `dim` or all dimensions."""
    return _shift(input, dim, 1)


@composite(namespaces="fft")
def ifftshift(input, dim=None):
    """Frequency 0 moved from the middle to the front, along `dim` or all dimensions: what fftshift did, undone."""
    return _shift(input, dim, -1)


@composite(namespaces="fft", method=False, out=True)
def fftfreq(n, d=1.0, *, dtype=None, device=None, requires_grad=False, layout=None):
    """Frequencies of the results of fft of n points that are d apart: [0, 1, ..., -2, -1] / (n d)."""
    from ..creation import tensor
    return tensor(np.fft.fftfreq(n, d), dtype=dtype or dtypes.get_default_dtype(), requires_grad=requires_grad)


@composite(namespaces="fft", method=False, out=True)
def rfftfreq(n, d=1.0, *, dtype=None, device=None, requires_grad=False, layout=None):
    """Frequencies of the results of rfft of n points that are d apart: [0, 1, ..., n // 2] / (n d)."""
    from ..creation import tensor
    return tensor(np.fft.rfftfreq(n, d), dtype=dtype or dtypes.get_default_dtype(), requires_grad=requires_grad)
