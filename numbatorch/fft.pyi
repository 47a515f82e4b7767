# Written from the op table by `python -m numbatorch.reference --write`: not to be edited.
from builtins import bool as _bool, complex as _complex, float as _float, int as _int
from collections.abc import Callable as _Callable, Iterator as _Iterator, Sequence as _Sequence
from typing import Any, Literal as _Literal, NamedTuple as _NamedTuple, SupportsIndex, TypeAlias as _TypeAlias, overload

from .formats import layout_type as _layout_type, memory_format as _memory_format
from .dtypes import dtype as _dtype
from .generator import Generator
from .tensor import _DeviceLike, _Ints, _Number, _Size, Tensor

def fft(input: Tensor, n: _int | None = None, dim: _Ints = -1, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Discrete Fourier transform along `dim`, of n points. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def fft2(input: Tensor, s: _Ints | None = None, dim: _Ints = (-2, -1), norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Discrete Fourier transform over two dimensions, of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def fftfreq(n: _int, d: _float = 1.0, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, layout: _layout_type | None = None, out: Tensor | None = None) -> Tensor:
    """Frequencies of the results of fft of n points that are d apart: [0, 1, ..., -2, -1] / (n d)."""
def fftn(input: Tensor, s: _Ints | None = None, dim: _Ints | None = None, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Discrete Fourier transform over several dimensions (all when None), of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def fftshift(input: Tensor, dim: _Ints | None = None) -> Tensor:
    """Frequency 0 moved to the middle, along `dim` or all dimensions."""
def hfft(input: Tensor, n: _int | None = None, dim: _Ints = -1, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Discrete Fourier transform of a Hermitian signal, given by its first half: real along `dim`, of n points. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def hfft2(input: Tensor, s: _Ints | None = None, dim: _Ints = (-2, -1), norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Discrete Fourier transform of a Hermitian signal, given by its first half: real over two dimensions, of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def hfftn(input: Tensor, s: _Ints | None = None, dim: _Ints | None = None, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Discrete Fourier transform of a Hermitian signal, given by its first half: real over several dimensions (all when None), of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def ifft(input: Tensor, n: _int | None = None, dim: _Ints = -1, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Inverse discrete Fourier transform along `dim`, of n points. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def ifft2(input: Tensor, s: _Ints | None = None, dim: _Ints = (-2, -1), norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Inverse discrete Fourier transform over two dimensions, of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def ifftn(input: Tensor, s: _Ints | None = None, dim: _Ints | None = None, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Inverse discrete Fourier transform over several dimensions (all when None), of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def ifftshift(input: Tensor, dim: _Ints | None = None) -> Tensor:
    """Frequency 0 moved from the middle to the front, along `dim` or all dimensions: what fftshift did, undone."""
def ihfft(input: Tensor, n: _int | None = None, dim: _Ints = -1, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Inverse of hfft: the first half of a Hermitian signal along `dim`, of n points. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def ihfft2(input: Tensor, s: _Ints | None = None, dim: _Ints = (-2, -1), norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Inverse of hfft: the first half of a Hermitian signal over two dimensions, of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def ihfftn(input: Tensor, s: _Ints | None = None, dim: _Ints | None = None, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Inverse of hfft: the first half of a Hermitian signal over several dimensions (all when None), of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def irfft(input: Tensor, n: _int | None = None, dim: _Ints = -1, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Inverse of rfft: a real signal along `dim`, of n points. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def irfft2(input: Tensor, s: _Ints | None = None, dim: _Ints = (-2, -1), norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Inverse of rfft: a real signal over two dimensions, of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def irfftn(input: Tensor, s: _Ints | None = None, dim: _Ints | None = None, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Inverse of rfft: a real signal over several dimensions (all when None), of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def rfft(input: Tensor, n: _int | None = None, dim: _Ints = -1, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Discrete Fourier transform of real input: the frequencies that are not negative along `dim`, of n points. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def rfft2(input: Tensor, s: _Ints | None = None, dim: _Ints = (-2, -1), norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Discrete Fourier transform of real input: the frequencies that are not negative over two dimensions, of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
def rfftfreq(n: _int, d: _float = 1.0, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, layout: _layout_type | None = None, out: Tensor | None = None) -> Tensor:
    """Frequencies of the results of rfft of n points that are d apart: [0, 1, ..., n // 2] / (n d)."""
def rfftn(input: Tensor, s: _Ints | None = None, dim: _Ints | None = None, norm: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Discrete Fourier transform of real input: the frequencies that are not negative over several dimensions (all when None), of sizes s. norm: 'backward' scales the inverse by 1/n, 'forward' the forward one, 'ortho' both by 1/sqrt(n)."""
