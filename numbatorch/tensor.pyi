# Written from the op table by `python -m numbatorch.reference --write`: not to be edited.
from builtins import bool as _bool, complex as _complex, float as _float, int as _int
from collections.abc import Callable as _Callable, Iterator as _Iterator, Sequence as _Sequence
from typing import Any, Literal as _Literal, NamedTuple as _NamedTuple, SupportsIndex, TypeAlias as _TypeAlias, overload

from numpy import ndarray as _ndarray

from . import dtypes
from .formats import layout_type as _layout_type, memory_format as _memory_format
from .device import device as _device
from .dtypes import dtype as _dtype
from .generator import Generator
from .layout import Layout as _Layout
from .size import Size as Size
from .storage import Storage as _Storage, UntypedStorage as UntypedStorage
from .utils.hooks import RemovableHandle

_Size: _TypeAlias = Size
_Number: _TypeAlias = _bool | _int | _float | _complex
_Ints: _TypeAlias = _int | _Sequence[_int]
_DeviceLike: _TypeAlias = _device | str | _int

# What other modules of the package take from here.
TYPE_NAMES: Any
_CASTS: Any
def _cast(dtype: _dtype) -> Any: ...
def _convert(tensor: Tensor, dtype: _dtype, contiguous: Any) -> Any: ...
def _is_on(type: Any) -> Any: ...
_new: Any
def _runtime(device: _DeviceLike) -> Any: ...
_runtimes: Any
def alias(tensor: Tensor, layout_: Any, offset_bytes: _int = 0) -> Any: ...
def arange(n: _int, device: _DeviceLike = ..., first: _int = 0) -> Any: ...
def empty_layout(layout_: Any) -> Any: ...
def tensor(value: Tensor | _Number, device: _DeviceLike = ...) -> Any: ...
def tensor_from_storage(storage: Any, dtype: _dtype, shape: _Ints, strides: Any = None, offset: _int = 0) -> Any: ...

class _frexp_result(_NamedTuple):
    mantissa: Tensor
    exponent: Tensor

class _max_dim_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _min_dim_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _max_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _min_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _aminmax_result(_NamedTuple):
    min: Tensor
    max: Tensor

class _cummax_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _cummin_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _sort_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _topk_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _pick_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _kthvalue_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _median_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _nanmedian_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _mode_result(_NamedTuple):
    values: Tensor
    indices: Tensor

class _histogram_result(_NamedTuple):
    hist: Tensor
    bin_edges: Tensor

class _bounds_result(_NamedTuple):
    low: Tensor
    high: Tensor

class _slogdet_result(_NamedTuple):
    sign: Tensor
    logabsdet: Tensor

class _linalg_qr_result(_NamedTuple):
    Q: Tensor
    R: Tensor

class _qr_result(_NamedTuple):
    Q: Tensor
    R: Tensor

class _linalg_eigh_result(_NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor

class _linalg_eig_result(_NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor

class _svd_result(_NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor

class _linalg_svd_result(_NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor

class _linalg_lstsq_result(_NamedTuple):
    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor

class _linalg_inv_ex_result(_NamedTuple):
    inverse: Tensor
    info: Tensor

class _linalg_cholesky_ex_result(_NamedTuple):
    L: Tensor
    info: Tensor

class _lu_factor_result(_NamedTuple):
    LU: Tensor
    pivots: Tensor
    info: Tensor

class _linalg_lu_factor_result(_NamedTuple):
    LU: Tensor
    pivots: Tensor

class _linalg_lu_factor_ex_result(_NamedTuple):
    LU: Tensor
    pivots: Tensor
    info: Tensor

class _linalg_lu_result(_NamedTuple):
    P: Tensor
    L: Tensor
    U: Tensor

class _lu_unpack_result(_NamedTuple):
    P: Tensor
    L: Tensor
    U: Tensor

class _triangular_solve_result(_NamedTuple):
    solution: Tensor
    cloned_coefficient: Tensor

class _geqrf_result(_NamedTuple):
    a: Tensor
    tau: Tensor

class _linalg_ldl_factor_ex_result(_NamedTuple):
    LD: Tensor
    pivots: Tensor
    info: Tensor

class _linalg_ldl_factor_result(_NamedTuple):
    LD: Tensor
    pivots: Tensor

class _lobpcg_result(_NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor

class _adam_step_result(_NamedTuple):
    param: Tensor
    mean: Tensor
    square: Tensor

class _amsgrad_step_result(_NamedTuple):
    param: Tensor
    mean: Tensor
    square: Tensor
    largest: Tensor

class _momentum_step_result(_NamedTuple):
    param: Tensor
    buffer: Tensor

class _adagrad_step_result(_NamedTuple):
    param: Tensor
    sum: Tensor

class _rmsprop_step_result(_NamedTuple):
    param: Tensor
    square: Tensor

class _rmsprop_momentum_step_result(_NamedTuple):
    param: Tensor
    square: Tensor
    buffer: Tensor

class _rmsprop_centered_step_result(_NamedTuple):
    param: Tensor
    square: Tensor
    mean: Tensor

class _rmsprop_centered_momentum_step_result(_NamedTuple):
    param: Tensor
    square: Tensor
    mean: Tensor
    buffer: Tensor

class _adadelta_step_result(_NamedTuple):
    param: Tensor
    square: Tensor
    moved: Tensor

class _adamax_step_result(_NamedTuple):
    param: Tensor
    mean: Tensor
    bound: Tensor

class _radam_step_result(_NamedTuple):
    param: Tensor
    mean: Tensor
    square: Tensor

class _nadam_step_result(_NamedTuple):
    param: Tensor
    mean: Tensor
    square: Tensor

class _asgd_step_result(_NamedTuple):
    param: Tensor
    average: Tensor

class _rprop_step_result(_NamedTuple):
    param: Tensor
    previous: Tensor
    size: Tensor

class Tensor:
    def __init__(self, *data: Any, dtype: _dtype | None = None, device: _DeviceLike | None = None) -> None: ...
    _layout: _Layout
    _storage: _Storage
    _ptr: _int
    @property
    def H(self) -> Tensor: ...
    @property
    def T(self) -> Tensor: ...
    def abs(self) -> Tensor:
        """|input|; of complex numbers sqrt(real^2 + imag^2), in the real dtype."""
    def abs_(self) -> Tensor:
        """In place: |input|; of complex numbers sqrt(real^2 + imag^2), in the real dtype."""
    def absolute(self) -> Tensor:
        """|input|; of complex numbers sqrt(real^2 + imag^2), in the real dtype."""
    def absolute_(self) -> Tensor:
        """In place: |input|; of complex numbers sqrt(real^2 + imag^2), in the real dtype."""
    def acos(self) -> Tensor:
        """The angle in [0, pi] whose cosine is `input`; NaN outside [-1, 1]."""
    def acos_(self) -> Tensor:
        """In place: The angle in [0, pi] whose cosine is `input`; NaN outside [-1, 1]."""
    def acosh(self) -> Tensor:
        """The number >= 0 whose hyperbolic cosine is `input`; NaN below 1."""
    def acosh_(self) -> Tensor:
        """In place: The number >= 0 whose hyperbolic cosine is `input`; NaN below 1."""
    def add(self, other: Tensor | _Number, *, alpha: _Number = 1) -> Tensor:
        """input + alpha * other."""
    def add_(self, other: Tensor | _Number, *, alpha: _Number = 1) -> Tensor:
        """In place: input + alpha * other."""
    def addbmm(self, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """beta * input + alpha * the sum of batch1 @ batch2 over the batch: (B, N, M), (B, M, P) -> (N, P)."""
    def addbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """In-place form of `addbmm`; an `input` that is broadcast takes the shape of the result, as in PyTorch."""
    def addcdiv(self, tensor1: Tensor | _Number, tensor2: Tensor | _Number, *, value: _Number = 1) -> Tensor:
        """input + value * tensor1 / tensor2, in one pass and in floating point."""
    def addcdiv_(self, tensor1: Tensor | _Number, tensor2: Tensor | _Number, *, value: _Number = 1) -> Tensor:
        """In place: input + value * tensor1 / tensor2, in one pass and in floating point."""
    def addcmul(self, tensor1: Tensor | _Number, tensor2: Tensor | _Number, *, value: _Number = 1) -> Tensor:
        """input + value * tensor1 * tensor2, in one pass."""
    def addcmul_(self, tensor1: Tensor | _Number, tensor2: Tensor | _Number, *, value: _Number = 1) -> Tensor:
        """In place: input + value * tensor1 * tensor2, in one pass."""
    def addmm(self, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """beta * input + alpha * mat1 @ mat2: (N, M), (M, P) -> (N, P); `input` broadcasts, and counts as 0 for beta 0."""
    def addmm_(self, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """In place: beta * input + alpha * mat1 @ mat2: (N, M), (M, P) -> (N, P); `input` broadcasts, and counts as 0 for beta 0."""
    def addmv(self, mat: Tensor, vec: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """beta * input + alpha * mat @ vec: (N, M), (M,) -> (N,); `input` broadcasts, and counts as 0 for beta 0."""
    def addmv_(self, mat: Tensor, vec: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """In place: beta * input + alpha * mat @ vec: (N, M), (M,) -> (N,); `input` broadcasts, and counts as 0 for beta 0."""
    def addr(self, vec1: Tensor, vec2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """beta * input + alpha * outer(vec1, vec2): (N,), (M,) -> (N, M); `input` broadcasts, and is 0 for beta 0."""
    def addr_(self, vec1: Tensor, vec2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """In place: beta * input + alpha * outer(vec1, vec2): (N,), (M,) -> (N, M); `input` broadcasts, and is 0 for beta 0."""
    def adjoint(self) -> Tensor:
        """The last two dimensions exchanged, and conjugated."""
    def all(self, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
        """True where every element along `dim` is nonzero; True of nothing."""
    def allclose(self, other: Tensor | _Number, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> _bool:
        """Whether `isclose` holds for all elements, as a bool."""
    def amax(self, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
        """Maximum over `dim`, an int or several; NaN if any is."""
    def amin(self, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
        """Minimum over `dim`, an int or several; NaN if any is."""
    def aminmax(self, *, dim: _Ints | None = None, keepdim: _bool = False) -> _aminmax_result:
        """(min, max) along one `dim`, or of all elements; both NaN if any is."""
    def angle(self) -> Tensor:
        """The angle in radians, atan2(imaginary part, real part); of real numbers 0, below 0 pi, NaN at NaN."""
    def angle_(self) -> Tensor:
        """In place: The angle in radians, atan2(imaginary part, real part); of real numbers 0, below 0 pi, NaN at NaN."""
    def any(self, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
        """True where some element along `dim` is nonzero; False of nothing."""
    def apply_(self, function: _Callable[..., Any]) -> Tensor: ...
    def arccos(self) -> Tensor:
        """The angle in [0, pi] whose cosine is `input`; NaN outside [-1, 1]."""
    def arccos_(self) -> Tensor:
        """In place: The angle in [0, pi] whose cosine is `input`; NaN outside [-1, 1]."""
    def arccosh(self) -> Tensor:
        """The number >= 0 whose hyperbolic cosine is `input`; NaN below 1."""
    def arccosh_(self) -> Tensor:
        """In place: The number >= 0 whose hyperbolic cosine is `input`; NaN below 1."""
    def arcsin(self) -> Tensor:
        """The angle in [-pi/2, pi/2] whose sine is `input`; NaN outside [-1, 1]."""
    def arcsin_(self) -> Tensor:
        """In place: The angle in [-pi/2, pi/2] whose sine is `input`; NaN outside [-1, 1]."""
    def arcsinh(self) -> Tensor:
        """The number whose hyperbolic sine is `input`: log(input + sqrt(input^2 + 1))."""
    def arcsinh_(self) -> Tensor:
        """In place: The number whose hyperbolic sine is `input`: log(input + sqrt(input^2 + 1))."""
    def arctan(self) -> Tensor:
        """The angle in [-pi/2, pi/2] whose tangent is `input`."""
    def arctan_(self) -> Tensor:
        """In place: The angle in [-pi/2, pi/2] whose tangent is `input`."""
    def arctan2(self, other: Tensor) -> Tensor:
        """The angle in [-pi, pi] of the point with x = `other` and y = `input`; its sides decide the quadrant."""
    def arctan2_(self, other: Tensor) -> Tensor:
        """In place: The angle in [-pi, pi] of the point with x = `other` and y = `input`; its sides decide the quadrant."""
    def arctanh(self) -> Tensor:
        """The number whose hyperbolic tangent is `input`; infinite at -1 and 1, NaN outside."""
    def arctanh_(self) -> Tensor:
        """In place: The number whose hyperbolic tangent is `input`; infinite at -1 and 1, NaN outside."""
    def argmax(self, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
        """Position (int64) of the maximum along `dim` or of all, the first of equals; NaN counts as the largest."""
    def argmin(self, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
        """Position (int64) of the minimum along `dim` or of all, the first of equals; NaN counts as the smallest."""
    def argsort(self, dim: _Ints = -1, descending: _bool = False, stable: _bool = False) -> Tensor:
        """Positions (int64) that sort the input along `dim`, equal ones in order when `stable`; NaN is the largest."""
    def argwhere(self) -> Tensor:
        """The coordinates of nonzero elements, in row-major order: int64 (count, rank)."""
    def as_strided(self, size: _Ints, stride: _Ints | None, storage_offset: Any = None) -> Tensor:
        """A view with the given sizes, strides and offset (in elements) over the storage of `input`."""
    def as_strided_(self, size: _Ints, stride: _Ints | None, storage_offset: Any = None) -> Tensor:
        """`as_strided` in place: `input` itself, with the given geometry over its storage."""
    def as_strided_scatter(self, src: Tensor, size: _Ints, stride: _Ints | None, storage_offset: Any = None) -> Tensor:
        """A copy of `input` with `src` written through as_strided(copy, size, stride, storage_offset)."""
    def as_subclass(self, cls: Any) -> Any: ...
    def asin(self) -> Tensor:
        """The angle in [-pi/2, pi/2] whose sine is `input`; NaN outside [-1, 1]."""
    def asin_(self) -> Tensor:
        """In place: The angle in [-pi/2, pi/2] whose sine is `input`; NaN outside [-1, 1]."""
    def asinh(self) -> Tensor:
        """The number whose hyperbolic sine is `input`: log(input + sqrt(input^2 + 1))."""
    def asinh_(self) -> Tensor:
        """In place: The number whose hyperbolic sine is `input`: log(input + sqrt(input^2 + 1))."""
    def atan(self) -> Tensor:
        """The angle in [-pi/2, pi/2] whose tangent is `input`."""
    def atan_(self) -> Tensor:
        """In place: The angle in [-pi/2, pi/2] whose tangent is `input`."""
    def atan2(self, other: Tensor) -> Tensor:
        """The angle in [-pi, pi] of the point with x = `other` and y = `input`; its sides decide the quadrant."""
    def atan2_(self, other: Tensor) -> Tensor:
        """In place: The angle in [-pi, pi] of the point with x = `other` and y = `input`; its sides decide the quadrant."""
    def atanh(self) -> Tensor:
        """The number whose hyperbolic tangent is `input`; infinite at -1 and 1, NaN outside."""
    def atanh_(self) -> Tensor:
        """In place: The number whose hyperbolic tangent is `input`; infinite at -1 and 1, NaN outside."""
    def backward(self, gradient: Any = None, retain_graph: Any = None, create_graph: _bool = False, inputs: Any = None) -> None: ...
    def baddbmm(self, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """beta * input + alpha * batch1 @ batch2: (B, N, M), (B, M, P) -> (B, N, P), to which `input` broadcasts."""
    def baddbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """In place: beta * input + alpha * batch1 @ batch2: (B, N, M), (B, M, P) -> (B, N, P), to which `input` broadcasts."""
    def bernoulli(self, p: _float | str | None = None, *, generator: Any = None) -> Tensor:
        """1 with the probability that each element of `input` gives (or `p` everywhere), else 0."""
    def bernoulli_(self, p: _float | str = 0.5, *, generator: Generator | None = None) -> Tensor: ...
    def bfloat16(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def bincount(self, weights: Tensor | None = None, minlength: _int = 0) -> Tensor:
        """How often each non-negative int occurs, or the sum of its weights; at least `minlength` entries."""
    def bitwise_and(self, other: Tensor | _Number) -> Tensor:
        """input & other, bit by bit, of integers; of bools: and."""
    def bitwise_and_(self, other: Tensor | _Number) -> Tensor:
        """In place: input & other, bit by bit, of integers; of bools: and."""
    def bitwise_left_shift(self, other: Tensor | _Number) -> Tensor:
        """input << other; 0 where `other` is negative or 64 and more."""
    def bitwise_left_shift_(self, other: Tensor | _Number) -> Tensor:
        """In place: input << other; 0 where `other` is negative or 64 and more."""
    def bitwise_not(self) -> Tensor:
        """~input: every bit of integers turned, -input - 1; of bools: not."""
    def bitwise_not_(self) -> Tensor:
        """In place: ~input: every bit of integers turned, -input - 1; of bools: not."""
    def bitwise_or(self, other: Tensor | _Number) -> Tensor:
        """input | other, bit by bit, of integers; of bools: or."""
    def bitwise_or_(self, other: Tensor | _Number) -> Tensor:
        """In place: input | other, bit by bit, of integers; of bools: or."""
    def bitwise_right_shift(self, other: Tensor | _Number) -> Tensor:
        """input >> other; all sign bits where `other` is negative or 64 and more."""
    def bitwise_right_shift_(self, other: Tensor | _Number) -> Tensor:
        """In place: input >> other; all sign bits where `other` is negative or 64 and more."""
    def bitwise_xor(self, other: Tensor | _Number) -> Tensor:
        """input ^ other, bit by bit, of integers; of bools: where they differ."""
    def bitwise_xor_(self, other: Tensor | _Number) -> Tensor:
        """In place: input ^ other, bit by bit, of integers; of bools: where they differ."""
    def bmm(self, mat2: Tensor) -> Tensor:
        """Batched matrix product: (B, N, M) @ (B, M, P) -> (B, N, P)."""
    def bool(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def broadcast_to(self, size: _Ints) -> Tensor:
        """`input` expanded to `size` without a copy, as broadcasting would."""
    def byte(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def cauchy_(self, *args: Any, generator: Generator | None = None, **kwargs: Any) -> Tensor: ...
    def ccol_indices(self) -> Tensor:
        """Where each column's values begin."""
    def cdouble(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def ceil(self) -> Tensor:
        """The smallest integer not below `input`, in its dtype; integers as they are."""
    def ceil_(self) -> Tensor:
        """In place: The smallest integer not below `input`, in its dtype; integers as they are."""
    def celu(self, alpha: _Number = 1.0) -> Tensor:
        """max(0, input) + min(0, alpha * (e^(input/alpha) - 1))."""
    def celu_(self, alpha: _Number = 1.0) -> Tensor:
        """In place: max(0, input) + min(0, alpha * (e^(input/alpha) - 1))."""
    def cfloat(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def chalf(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def char(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def cholesky(self, upper: _bool = False) -> Tensor:
        """The Cholesky factor of positive definite matrices: `linalg.cholesky`, under its old name."""
    def cholesky_inverse(self, upper: _bool = False) -> Tensor:
        """Inverse of A = L L^H (L^H L when `upper`) from its Cholesky factor: (..., N, N) -> (..., N, N)."""
    def cholesky_solve(self, L: Any, upper: _bool = False) -> Tensor:
        """X with A X = B for A = L L^H (L^H L when `upper`): B (..., N, K), L (..., N, N) -> (..., N, K)."""
    def chunk(self, chunks: _int, dim: _Ints = 0) -> tuple[Tensor, ...]:
        """At most `chunks` views of equal size along `dim`; the last may be smaller."""
    def clamp(self, min: Tensor | _Number | None = None, max: Tensor | _Number | None = None) -> Tensor:
        """`input` limited to [min, max], numbers or tensors that broadcast; None means no limit, and not both may be None."""
    def clamp_(self, min: Tensor | _Number | None = None, max: Tensor | _Number | None = None) -> Tensor:
        """In place: `input` limited to [min, max], numbers or tensors that broadcast; None means no limit, and not both may be None."""
    def clamp_max(self, max: Tensor | _Number) -> Tensor:
        """min(input, max): `input` up to `max`, a number or a tensor; NaN stays NaN."""
    def clamp_max_(self, max: Tensor | _Number) -> Tensor:
        """In place: min(input, max): `input` up to `max`, a number or a tensor; NaN stays NaN."""
    def clamp_min(self, min: Tensor | _Number) -> Tensor:
        """max(input, min): `input` from `min` on, a number or a tensor; NaN stays NaN."""
    def clamp_min_(self, min: Tensor | _Number) -> Tensor:
        """In place: max(input, min): `input` from `min` on, a number or a tensor; NaN stays NaN."""
    def clip(self, min: Tensor | _Number | None = None, max: Tensor | _Number | None = None) -> Tensor:
        """`input` limited to [min, max], numbers or tensors that broadcast; None means no limit, and not both may be None."""
    def clip_(self, min: Tensor | _Number | None = None, max: Tensor | _Number | None = None) -> Tensor:
        """In place: `input` limited to [min, max], numbers or tensors that broadcast; None means no limit, and not both may be None."""
    def clone(self, *, memory_format: Any = None) -> Tensor:
        """A copy of `input` with memory of its own; gradients pass through."""
    def coalesce(self) -> Tensor:
        """With sorted, distinct indices; values at equal indices are added up."""
    def col_indices(self) -> Tensor:
        """The column of each value."""
    def combinations(self, r: _int = 2, with_replacement: _bool = False) -> Tensor:
        """All choices of r elements of a 1-d tensor in their order, (count, r)."""
    def conj(self) -> Tensor:
        """The complex conjugate, real - i imag; `input` itself when it is real."""
    def conj_physical(self) -> Tensor:
        """The complex conjugate; `input` itself when it is real."""
    def conj_physical_(self) -> Tensor:
        """In place: The complex conjugate; `input` itself when it is real."""
    def const_data_ptr(self) -> Any: ...
    def contiguous(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def copy(self, src: Tensor | _Number, non_blocking: _bool = False) -> Tensor:
        """The values of `src`, broadcast to the shape of `input`; `copy_` writes them into `input` in its dtype."""
    def copy_(self, src: Tensor | _Number, non_blocking: _bool = False) -> Tensor:
        """In place: The values of `src`, broadcast to the shape of `input`; `copy_` writes them into `input` in its dtype."""
    def copysign(self, other: Tensor | _Number) -> Tensor:
        """|input| with the sign of `other`, that of -0.0 and of NaN included; the result is floating point."""
    def copysign_(self, other: Tensor | _Number) -> Tensor:
        """In place: |input| with the sign of `other`, that of -0.0 and of NaN included; the result is floating point."""
    def corrcoef(self) -> Tensor:
        """Correlation coefficients of the rows: the covariance over the product of the standard deviations, within [-1, ' '1]."""
    def cos(self) -> Tensor:
        """The cosine of an angle in radians; NaN at infinity."""
    def cos_(self) -> Tensor:
        """In place: The cosine of an angle in radians; NaN at infinity."""
    def cosh(self) -> Tensor:
        """The hyperbolic cosine, (e^input + e^-input) / 2."""
    def cosh_(self) -> Tensor:
        """In place: The hyperbolic cosine, (e^input + e^-input) / 2."""
    def count_nonzero(self, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
        """How many elements along `dim`, or of all, are nonzero, in int64; NaN is nonzero."""
    def cov(self, *, correction: _int = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
        """Covariance of the rows of (variables, observations): (variables, variables), or () of one variable."""
    def cpu(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def cross(self, other: Tensor | _Number, dim: _Ints | None = None) -> Tensor:
        """Vector product of 3-vectors along `dim`, the first dimension of size 3 when None."""
    def crow_indices(self) -> Tensor:
        """Where each row's values begin."""
    def cuda(self, device: _DeviceLike | None = None, non_blocking: _bool = False, memory_format: _memory_format | None = None) -> Tensor: ...
    def cummax(self, dim: _int) -> _cummax_result:
        """Largest element so far along `dim` and where it is (the last of equals); NaN stays."""
    def cummin(self, dim: _int) -> _cummin_result:
        """Smallest element so far along `dim` and where it is (the last of equals); NaN stays."""
    def cumprod(self, dim: _Ints, *, dtype: _dtype | None = None) -> Tensor:
        """result[i] = input[0] * ... * input[i] along `dim`; bool and integers count in int64."""
    def cumprod_(self, dim: _Ints, *, dtype: _dtype | None = None) -> Tensor:
        """In place: result[i] = input[0] * ... * input[i] along `dim`; bool and integers count in int64."""
    def cumsum(self, dim: _Ints, *, dtype: _dtype | None = None) -> Tensor:
        """result[i] = input[0] + ... + input[i] along `dim`; bool and integers count in int64."""
    def cumsum_(self, dim: _Ints, *, dtype: _dtype | None = None) -> Tensor:
        """In place: result[i] = input[0] + ... + input[i] along `dim`; bool and integers count in int64."""
    @property
    def data(self) -> Tensor: ...
    @data.setter
    def data(self, value: Tensor) -> None: ...
    def data_ptr(self) -> _int: ...
    def deg2rad(self) -> Tensor:
        """Radians of angles in degrees: input * pi / 180."""
    def deg2rad_(self) -> Tensor:
        """In place: Radians of angles in degrees: input * pi / 180."""
    def dense_dim(self) -> Tensor:
        """How many dimensions are dense: all of a strided tensor."""
    dequantize: Any
    def det(self) -> Tensor:
        """Determinant of square matrices: (..., N, N) -> (...); 1 of (0, 0)."""
    def detach(self) -> Tensor: ...
    def detach_(self) -> Tensor: ...
    @property
    def device(self) -> _device: ...
    def diag(self, diagonal: _int = 0) -> Tensor:
        """A matrix with the 1-d `input` on a diagonal, or the diagonal of a matrix."""
    def diag_embed(self, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> Tensor:
        """Zeros with the last dimension of `input` on the diagonal of the new dimensions dim1 and dim2."""
    def diagflat(self, offset: _int = 0) -> Tensor:
        """A matrix with all elements of `input`, in row-major order, on a diagonal, and zeros elsewhere."""
    def diagonal(self, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
        """The diagonal of dimensions dim1 and dim2, as the last dimension of a view; `offset` above the main one, or below it."""
    def diagonal_scatter(self, src: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
        """A copy of `input` with `src` on a diagonal: `src` has the shape of input.diagonal(offset, dim1, dim2)."""
    def diff(self, n: _int = 1, dim: _Ints = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
        """input[i + 1] - input[i] along `dim`, n times; `prepend` and `append` are joined on first, unless n is 0."""
    def digamma(self) -> Tensor:
        """The derivative of lgamma; -inf at 0, NaN at the negative integers."""
    def digamma_(self) -> Tensor:
        """In place: The derivative of lgamma; -inf at 0, NaN at the negative integers."""
    def dim(self) -> _int: ...
    def dim_order(self, ambiguity_check: _bool = False) -> Any: ...
    def dist(self, other: Tensor | _Number, p: _float | str = 2) -> Tensor:
        """The p-norm of input - other, which broadcast, over all elements: a 0-d tensor."""
    def div(self, other: Tensor | _Number, *, rounding_mode: Any = None) -> Tensor:
        """input / other; `rounding_mode` 'trunc' or 'floor' rounds the quotient and keeps integers integer."""
    def div_(self, other: Tensor | _Number, *, rounding_mode: Any = None) -> Tensor:
        """In place: input / other; `rounding_mode` 'trunc' or 'floor' rounds the quotient and keeps integers integer."""
    def divide(self, other: Tensor | _Number, *, rounding_mode: Any = None) -> Tensor:
        """input / other; `rounding_mode` 'trunc' or 'floor' rounds the quotient and keeps integers integer."""
    def divide_(self, other: Tensor | _Number, *, rounding_mode: Any = None) -> Tensor:
        """In place: input / other; `rounding_mode` 'trunc' or 'floor' rounds the quotient and keeps integers integer."""
    def dot(self, tensor: Tensor) -> Tensor:
        """sum(input * tensor) of two vectors of equal length: (N,), (N,) -> ()."""
    def double(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def dsplit(self, indices_or_sections: _Ints | None = None, *, indices: Tensor | None = None, sections: _Ints | None = None) -> tuple[Tensor, ...]:
        """tensor_split along dimension 2 into equal parts."""
    @property
    def dtype(self) -> _dtype: ...
    def element_size(self) -> _int: ...
    def eq(self, other: Tensor | _Number) -> Tensor:
        """input == other, element by element: bools, in the shape that both broadcast to."""
    def eq_(self, other: Tensor | _Number) -> Tensor:
        """In place: input == other, element by element: bools, in the shape that both broadcast to."""
    def equal(self, other: Tensor | _Number) -> _bool:
        """Whether both have one shape and equal elements, as a bool; NaN equals nothing."""
    def erf(self) -> Tensor:
        """The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to `input`."""
    def erf_(self) -> Tensor:
        """In place: The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to `input`."""
    def erfc(self) -> Tensor:
        """1 - erf(input), accurate where that is small."""
    def erfc_(self) -> Tensor:
        """In place: 1 - erf(input), accurate where that is small."""
    def erfinv(self) -> Tensor:
        """The number whose erf is `input`; infinite at -1 and 1, NaN outside."""
    def erfinv_(self) -> Tensor:
        """In place: The number whose erf is `input`; infinite at -1 and 1, NaN outside."""
    def exp(self) -> Tensor:
        """e ** input, the exponential; integers in the default dtype."""
    def exp_(self) -> Tensor:
        """In place: e ** input, the exponential; integers in the default dtype."""
    def exp2(self) -> Tensor:
        """2 ** input, exact where `input` is an integer."""
    def exp2_(self) -> Tensor:
        """In place: 2 ** input, exact where `input` is an integer."""
    def expand(self, *size: _Ints) -> Tensor:
        """Dimensions of size 1 repeated to `size` without a copy; -1 keeps a size."""
    def expand_as(self, other: Tensor | _Number) -> Tensor:
        """`input` expanded to the shape of `other` without a copy: input.expand(other.shape)."""
    def expit(self) -> Tensor:
        """Logistic function, 1 / (1 + e^-input)."""
    def expit_(self) -> Tensor:
        """In place: Logistic function, 1 / (1 + e^-input)."""
    def expm1(self) -> Tensor:
        """e ** input - 1, accurate near 0, where exp(input) - 1 would lose its digits."""
    def expm1_(self) -> Tensor:
        """In place: e ** input - 1, accurate near 0, where exp(input) - 1 would lose its digits."""
    def exponential_(self, *args: Any, generator: Generator | None = None, **kwargs: Any) -> Tensor: ...
    def fill(self, value: Tensor | _Number) -> Tensor:
        """`value`, a number or a 0-d tensor, everywhere, in the shape and dtype of `input`."""
    def fill_(self, value: Tensor | _Number) -> Tensor:
        """In place: `value`, a number or a 0-d tensor, everywhere, in the shape and dtype of `input`."""
    def fill_diagonal_(self, fill_value: Tensor | _Number, wrap: _bool = False) -> Tensor:
        """Write `fill_value` on the main diagonal, in place; with `wrap`, of each square block of a tall matrix."""
    def fix(self) -> Tensor:
        """`input` rounded towards zero, in its dtype; integers as they are."""
    def fix_(self) -> Tensor:
        """In place: `input` rounded towards zero, in its dtype; integers as they are."""
    def flatten(self, start_dim: _int = 0, end_dim: _int = -1) -> Tensor:
        """Dimensions start_dim..end_dim as one."""
    def flip(self, *dims: _Ints, **named: Any) -> Tensor:
        """The elements of `input` in the opposite order along `dims`: a copy, of the same shape."""
    def fliplr(self) -> Tensor:
        """`input` reversed along dimension 1."""
    def flipud(self) -> Tensor:
        """`input` reversed along dimension 0."""
    def float(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def float_power(self, exponent: Tensor | _Number) -> Tensor:
        """input ** exponent, both converted to float64, or complex128 where one is complex, as the result is."""
    def float_power_(self, exponent: Tensor | _Number) -> Tensor:
        """In place: input ** exponent, both converted to float64, or complex128 where one is complex, as the result is."""
    def floor(self) -> Tensor:
        """The largest integer not above `input`, in its dtype; integers as they are."""
    def floor_(self) -> Tensor:
        """In place: The largest integer not above `input`, in its dtype; integers as they are."""
    def floor_divide(self, other: Tensor | _Number) -> Tensor:
        """floor(input / other), as Python's //: integers stay integers, and halves go down, not to zero."""
    def floor_divide_(self, other: Tensor | _Number) -> Tensor:
        """In place: floor(input / other), as Python's //: integers stay integers, and halves go down, not to zero."""
    def fmax(self, other: Tensor) -> Tensor:
        """The larger of both, element by element; where one is NaN, the other."""
    def fmax_(self, other: Tensor) -> Tensor:
        """In place: The larger of both, element by element; where one is NaN, the other."""
    def fmin(self, other: Tensor) -> Tensor:
        """The smaller of both, element by element; where one is NaN, the other."""
    def fmin_(self, other: Tensor) -> Tensor:
        """In place: The smaller of both, element by element; where one is NaN, the other."""
    def fmod(self, other: Tensor | _Number) -> Tensor:
        """input - other * trunc(input / other): the sign is that of `input`."""
    def fmod_(self, other: Tensor | _Number) -> Tensor:
        """In place: input - other * trunc(input / other): the sign is that of `input`."""
    def frac(self) -> Tensor:
        """The fractional part, input - trunc(input): it has the sign of `input`."""
    def frac_(self) -> Tensor:
        """In place: The fractional part, input - trunc(input): it has the sign of `input`."""
    def frexp(self) -> _frexp_result:
        """(mantissa, exponent) with input = mantissa * 2**exponent and mantissa in [0.5, 1); exponent is int32."""
    def gammainc(self, other: Tensor | _Number) -> Tensor:
        """Regularised lower incomplete gamma function P(input, other)."""
    def gammainc_(self, other: Tensor | _Number) -> Tensor:
        """In place: Regularised lower incomplete gamma function P(input, other)."""
    def gammaincc(self, other: Tensor | _Number) -> Tensor:
        """Regularised upper incomplete gamma function Q = 1 - P(input, other)."""
    def gammaincc_(self, other: Tensor | _Number) -> Tensor:
        """In place: Regularised upper incomplete gamma function Q = 1 - P(input, other)."""
    def gather(self, dim: _Ints, index: Tensor, *, sparse_grad: _bool = False) -> Tensor:
        """result[i, j, k] = input[index[i, j, k], j, k] for dim 0, and so on."""
    def gcd(self, other: Tensor | _Number) -> Tensor:
        """Greatest common divisor of integers, never negative; gcd(0, 0) = 0."""
    def gcd_(self, other: Tensor | _Number) -> Tensor:
        """In place: Greatest common divisor of integers, never negative; gcd(0, 0) = 0."""
    def ge(self, other: Tensor | _Number) -> Tensor:
        """input >= other, element by element: bools, in the shape that both broadcast to."""
    def ge_(self, other: Tensor | _Number) -> Tensor:
        """In place: input >= other, element by element: bools, in the shape that both broadcast to."""
    def geometric_(self, *args: Any, generator: Generator | None = None, **kwargs: Any) -> Tensor: ...
    def geqrf(self) -> _geqrf_result:
        """QR factorisation as LAPACK leaves it: R on and above the diagonal, reflectors below, and their factors tau."""
    def ger(self, vec2: Tensor) -> Tensor:
        """input[i] * vec2[j] of two vectors: (N,), (M,) -> (N, M)."""
    def get_device(self) -> _int: ...
    @property
    def grad(self) -> Tensor | None: ...
    @grad.setter
    def grad(self, value: Tensor | None) -> None: ...
    @grad.deleter
    def grad(self) -> None: ...
    @property
    def grad_dtype(self) -> Any: ...
    @grad_dtype.setter
    def grad_dtype(self, value: Any) -> None: ...
    @property
    def grad_fn(self) -> Any: ...
    def greater(self, other: Tensor | _Number) -> Tensor:
        """input > other, element by element: bools, in the shape that both broadcast to."""
    def greater_(self, other: Tensor | _Number) -> Tensor:
        """In place: input > other, element by element: bools, in the shape that both broadcast to."""
    def greater_equal(self, other: Tensor | _Number) -> Tensor:
        """input >= other, element by element: bools, in the shape that both broadcast to."""
    def greater_equal_(self, other: Tensor | _Number) -> Tensor:
        """In place: input >= other, element by element: bools, in the shape that both broadcast to."""
    def gt(self, other: Tensor | _Number) -> Tensor:
        """input > other, element by element: bools, in the shape that both broadcast to."""
    def gt_(self, other: Tensor | _Number) -> Tensor:
        """In place: input > other, element by element: bools, in the shape that both broadcast to."""
    def half(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def hardshrink(self, lambd: _Number = 0.5) -> Tensor:
        """`input` where |input| > lambd, else 0."""
    def hardshrink_(self, lambd: _Number = 0.5) -> Tensor:
        """In place: `input` where |input| > lambd, else 0."""
    def hash_tensor(self, dim: _Ints = (), *, keepdim: _bool = False, mode: _int = 0) -> Tensor:
        """The bits of all elements over `dim`, as float64 or int64, combined by exclusive or (mode 0): uint64."""
    def heaviside(self, values: Tensor) -> Tensor:
        """The step: 0 where `input` is below 0 or NaN, 1 above, `values` at 0."""
    def heaviside_(self, values: Tensor) -> Tensor:
        """In place: The step: 0 where `input` is below 0 or NaN, 1 above, `values` at 0."""
    def histc(self, bins: _int = 100, min: _float = 0, max: _float = 0) -> Tensor:
        """How many elements fall into each of `bins` even bins from min to max; the input's range where these are equal."""
    def histogram(self, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: _bool = False) -> _histogram_result:
        """(hist, bin_edges): how many elements, or how much weight, falls into each bin; `bins` a number or the edges."""
    def hsplit(self, indices_or_sections: _Ints | None = None, *, indices: Tensor | None = None, sections: _Ints | None = None) -> tuple[Tensor, ...]:
        """tensor_split along dimension 1, or 0 for 1-dimensional tensors; sections must be equal."""
    def hypot(self, other: Tensor) -> Tensor:
        """sqrt(input^2 + other^2), the hypotenuse, without overflow in between."""
    def hypot_(self, other: Tensor) -> Tensor:
        """In place: sqrt(input^2 + other^2), the hypotenuse, without overflow in between."""
    def i0(self) -> Tensor:
        """The modified Bessel function of the first kind of order 0; it grows as e^|input|."""
    def i0_(self) -> Tensor:
        """In place: The modified Bessel function of the first kind of order 0; it grows as e^|input|."""
    def igamma(self, other: Tensor | _Number) -> Tensor:
        """Regularised lower incomplete gamma function P(input, other)."""
    def igamma_(self, other: Tensor | _Number) -> Tensor:
        """In place: Regularised lower incomplete gamma function P(input, other)."""
    def igammac(self, other: Tensor | _Number) -> Tensor:
        """Regularised upper incomplete gamma function Q = 1 - P(input, other)."""
    def igammac_(self, other: Tensor | _Number) -> Tensor:
        """In place: Regularised upper incomplete gamma function Q = 1 - P(input, other)."""
    @property
    def imag(self) -> Tensor: ...
    def index(self, positions: Any, dims: _Ints) -> Any: ...
    def index_add(self, dim: _Ints, index: Tensor, source: Tensor, *, alpha: _float = 1) -> Tensor:
        """A copy of `input` with alpha * source[i] added to its part index[i] along `dim`."""
    def index_add_(self, *args: Any, **kwargs: Any) -> Tensor:
        """In-place form of `index_add`: its arguments, and the result replaces `input`."""
    def index_copy(self, dim: _Ints, index: Tensor, source: Tensor) -> Tensor:
        """A copy of `input` with source[i] as its part index[i] along `dim`; `index` is one-dimensional, int64."""
    def index_copy_(self, *args: Any, **kwargs: Any) -> Tensor:
        """In-place form of `index_copy`: its arguments, and the result replaces `input`."""
    def index_fill(self, dim: _Ints, index: Tensor, value: Tensor | _Number) -> Tensor:
        """A copy of `input` with `value`, a number or a 0-d tensor, in its parts `index` (int64) along `dim`."""
    def index_fill_(self, *args: Any, **kwargs: Any) -> Tensor:
        """In-place form of `index_fill`: its arguments, and the result replaces `input`."""
    def index_put(self, indices: Tensor, values: Any, accumulate: _bool = False) -> Tensor:
        """A copy of `input` with `values` at input[indices], added where `accumulate`."""
    def index_put_(self, indices: Tensor, values: Any, accumulate: _bool = False) -> Tensor:
        """Put `values` at input[indices] in place, added where `accumulate`."""
    def index_reduce(self, dim: _Ints, index: Tensor, source: Tensor, reduce: Any, *, include_self: _bool = True) -> Tensor:
        """A copy of `input` reduced ('prod', 'mean', 'amax', 'amin') with source[i] in its part index[i] along `dim`."""
    def index_reduce_(self, dim: _Ints, index: Tensor, source: Tensor, reduce: Any, *, include_self: _bool = True) -> Tensor:
        """In place: A copy of `input` reduced ('prod', 'mean', 'amax', 'amin') with source[i] in its part index[i] along `dim`."""
    def index_select(self, dim: _Ints, index: Tensor) -> Tensor:
        """The parts of `input` at `index`, a 1-d tensor of ints, along `dim`."""
    def indices(self) -> Tensor:
        """Indices (sparse_dim, nnz) of a coalesced tensor."""
    def inner(self, other: Tensor | _Number) -> Tensor:
        """Sum of products over the last dimension of both, (*N, K) with (*M, K) -> (*N, *M); 0-d tensors multiply."""
    def int(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def inverse(self) -> Tensor:
        """Inverse of square matrices (..., N, N): `linalg.inv` under its old name."""
    def is_coalesced(self) -> Tensor:
        """Whether indices are sorted and distinct."""
    def is_complex(self) -> _bool: ...
    def is_conj(self) -> _bool: ...
    def is_contiguous(self, memory_format: _memory_format | None = None) -> _bool: ...
    @property
    def is_cpu(self) -> Any: ...
    @property
    def is_cuda(self) -> Any: ...
    def is_distributed(self) -> Any: ...
    def is_floating_point(self) -> _bool: ...
    def is_inference(self) -> _bool: ...
    @property
    def is_leaf(self) -> _bool: ...
    @property
    def is_meta(self) -> Any: ...
    is_mkldnn: _bool
    @property
    def is_mps(self) -> Any: ...
    def is_neg(self) -> _bool: ...
    is_nested: _bool
    def is_nonzero(self) -> Any: ...
    def is_pinned(self, device: _DeviceLike | None = None) -> _bool: ...
    is_quantized: _bool
    def is_same_size(self, other: Tensor) -> Any: ...
    def is_set_to(self, other: Tensor) -> _bool: ...
    def is_shared(self) -> _bool: ...
    def is_signed(self) -> _bool: ...
    is_sparse: _bool
    is_sparse_csr: _bool
    def is_tensor(self) -> _bool:
        """Whether `obj` is a Tensor, as a bool."""
    @property
    def is_xpu(self) -> Any: ...
    def isclose(self, other: Tensor | _Number, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> Tensor:
        """|input - other| <= atol + rtol * |other|; equal infinities are close, NaN only with `equal_nan`."""
    def isfinite(self) -> Tensor:
        """True where `input` is neither infinite nor NaN: everywhere in integers."""
    def isinf(self) -> Tensor:
        """True where `input` is inf or -inf: nowhere in integers; where either part is in complex numbers."""
    def isnan(self) -> Tensor:
        """True where `input` is not a number: nowhere in integers; where either part is NaN in complex numbers."""
    def isneginf(self) -> Tensor:
        """True where `input` is -inf, and nowhere in integers."""
    def isposinf(self) -> Tensor:
        """True where `input` is inf, and nowhere in integers."""
    def isreal(self) -> Tensor:
        """True where the imaginary part is 0: everywhere in real tensors."""
    def istft(self, n_fft: Any, hop_length: Any = None, win_length: Any = None, window: Tensor | None = None, center: _bool = True, normalized: _bool = False, onesided: Any = None, length: Any = None, return_complex: _bool = False) -> Tensor:
        """The signal whose stft is `input` (..., frequencies, frames): overlapping frames added, windows divided out."""
    def item(self) -> Any: ...
    @property
    def itemsize(self) -> _int: ...
    def kron(self, other: Tensor | _Number) -> Tensor:
        """The Kronecker product: blocks of `other`, one scaled by each element of `input`; each size is the product of both."""
    def kthvalue(self, k: _int, dim: _Ints = -1, keepdim: _bool = False) -> _kthvalue_result:
        """The k-th smallest element along `dim` (k counts from 1) and where it is."""
    @property
    def layout(self) -> Any: ...
    def lcm(self, other: Tensor | _Number) -> Tensor:
        """Least common multiple of integers, never negative; 0 where one of them is 0."""
    def lcm_(self, other: Tensor | _Number) -> Tensor:
        """In place: Least common multiple of integers, never negative; 0 where one of them is 0."""
    def ldexp(self, other: Tensor | _Number) -> Tensor:
        """input * 2**other, in floating point: the inverse of frexp."""
    def ldexp_(self, other: Tensor | _Number) -> Tensor:
        """In place: input * 2**other, in floating point: the inverse of frexp."""
    def le(self, other: Tensor | _Number) -> Tensor:
        """input <= other, element by element: bools, in the shape that both broadcast to."""
    def le_(self, other: Tensor | _Number) -> Tensor:
        """In place: input <= other, element by element: bools, in the shape that both broadcast to."""
    def lerp(self, end: Tensor, weight: Tensor | _Number) -> Tensor:
        """input + weight * (end - input), from the nearer end, so that weight 1 gives `end` exactly."""
    def lerp_(self, end: Tensor, weight: Tensor | _Number) -> Tensor:
        """In place: input + weight * (end - input), from the nearer end, so that weight 1 gives `end` exactly."""
    def less(self, other: Tensor | _Number) -> Tensor:
        """input < other, element by element: bools, in the shape that both broadcast to."""
    def less_(self, other: Tensor | _Number) -> Tensor:
        """In place: input < other, element by element: bools, in the shape that both broadcast to."""
    def less_equal(self, other: Tensor | _Number) -> Tensor:
        """input <= other, element by element: bools, in the shape that both broadcast to."""
    def less_equal_(self, other: Tensor | _Number) -> Tensor:
        """In place: input <= other, element by element: bools, in the shape that both broadcast to."""
    def lgamma(self) -> Tensor:
        """log |gamma(input)|; inf at 0 and the negative integers."""
    def lgamma_(self) -> Tensor:
        """In place: log |gamma(input)|; inf at 0 and the negative integers."""
    def log(self) -> Tensor:
        """The natural logarithm; -inf at 0, NaN below."""
    def log_(self) -> Tensor:
        """In place: The natural logarithm; -inf at 0, NaN below."""
    def log10(self) -> Tensor:
        """The logarithm to base 10; -inf at 0, NaN below."""
    def log10_(self) -> Tensor:
        """In place: The logarithm to base 10; -inf at 0, NaN below."""
    def log1p(self) -> Tensor:
        """log(1 + input), accurate near 0; -inf at -1, NaN below."""
    def log1p_(self) -> Tensor:
        """In place: log(1 + input), accurate near 0; -inf at -1, NaN below."""
    def log2(self) -> Tensor:
        """The logarithm to base 2; -inf at 0, NaN below."""
    def log2_(self) -> Tensor:
        """In place: The logarithm to base 2; -inf at 0, NaN below."""
    def log_normal_(self, *args: Any, generator: Generator | None = None, **kwargs: Any) -> Tensor: ...
    def log_softmax(self, dim: _Ints | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None) -> Tensor:
        """log(softmax(input, dim)), without overflow; in `dtype` when given."""
    def logaddexp(self, other: Tensor) -> Tensor:
        """log(exp(input) + exp(other)), without overflow; of complex numbers by their real parts."""
    def logaddexp_(self, other: Tensor) -> Tensor:
        """In place: log(exp(input) + exp(other)), without overflow; of complex numbers by their real parts."""
    def logaddexp2(self, other: Tensor) -> Tensor:
        """log2(2**input + 2**other), without overflow."""
    def logaddexp2_(self, other: Tensor) -> Tensor:
        """In place: log2(2**input + 2**other), without overflow."""
    def logcumsumexp(self, dim: _Ints) -> Tensor:
        """log(exp(input[0]) + ... + exp(input[i])) along `dim`, without overflow."""
    def logdet(self) -> Tensor:
        """log det of square matrices, (..., N, N) -> (...); NaN where the determinant is negative, -inf where it is 0."""
    def logical_and(self, other: Tensor) -> Tensor:
        """True where both are nonzero, of any dtypes; the result is bool."""
    def logical_and_(self, other: Tensor) -> Tensor:
        """In place: True where both are nonzero, of any dtypes; the result is bool."""
    def logical_not(self) -> Tensor:
        """True where `input` is zero or False, of any dtype."""
    def logical_not_(self) -> Tensor:
        """In place: True where `input` is zero or False, of any dtype."""
    def logical_or(self, other: Tensor) -> Tensor:
        """True where at least one is nonzero, of any dtypes; the result is bool."""
    def logical_or_(self, other: Tensor) -> Tensor:
        """In place: True where at least one is nonzero, of any dtypes; the result is bool."""
    def logical_xor(self, other: Tensor) -> Tensor:
        """True where exactly one is nonzero, of any dtypes; the result is bool."""
    def logical_xor_(self, other: Tensor) -> Tensor:
        """In place: True where exactly one is nonzero, of any dtypes; the result is bool."""
    def logit(self, eps: _float | None = None) -> Tensor:
        """log(input / (1 - input)); `input` limited to [eps, 1 - eps] when given."""
    def logit_(self, eps: _float | None = None) -> Tensor:
        """In place: log(input / (1 - input)); `input` limited to [eps, 1 - eps] when given."""
    def logsumexp(self, dim: _Ints, keepdim: _bool = False) -> Tensor:
        """log(sum(exp(input))) over `dim`, without overflow."""
    def long(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def lt(self, other: Tensor | _Number) -> Tensor:
        """input < other, element by element: bools, in the shape that both broadcast to."""
    def lt_(self, other: Tensor | _Number) -> Tensor:
        """In place: input < other, element by element: bools, in the shape that both broadcast to."""
    def lu(self, pivot: _bool = True, get_infos: _bool = False) -> tuple[Tensor, ...]:
        """(LU, pivots), and info with `get_infos`: `linalg.lu_factor_ex`."""
    def lu_solve(self, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
        """X with A X = b, A given by its packed factorisation: `linalg.lu_solve` with `b` first."""
    @property
    def mH(self) -> Tensor: ...
    @property
    def mT(self) -> Tensor: ...
    def map_(self, other: Tensor, function: _Callable[..., Any]) -> Tensor: ...
    def map2_(self, x: Any, y: Any, callable: Any) -> Any: ...
    def masked_fill(self, mask: Tensor | _Number, value: Tensor | _Number) -> Tensor:
        """`value` where `mask` (bool, broadcast) is True, else `input`, in the dtype of `input`."""
    def masked_fill_(self, mask: Tensor | _Number, value: Tensor | _Number) -> Tensor:
        """In place: `value` where `mask` (bool, broadcast) is True, else `input`, in the dtype of `input`."""
    def masked_scatter(self, mask: Tensor, source: Tensor) -> Tensor:
        """A copy of `input`, broadcast with `mask`, with consecutive elements of `source` where `mask`."""
    def masked_scatter_(self, mask: Tensor, source: Tensor) -> Tensor:
        """In place: A copy of `input`, broadcast with `mask`, with consecutive elements of `source` where `mask`."""
    def masked_select(self, mask: Tensor) -> Tensor:
        """The elements of `input` where `mask` (bool), both broadcast, in row-major order: (count,)."""
    def matmul(self, other: Tensor | _Number) -> Tensor:
        """Matrix product of vectors, matrices and batches of them, broadcast over the leading dimensions."""
    def matrix_exp(self) -> Tensor:
        """exp of square matrices: scaling and squaring around a Taylor polynomial of degree 18, in double precision."""
    def matrix_power(self, n: _int) -> Tensor:
        """The n-th power of square matrices (..., N, N), by repeated squaring; of their inverse for negative n."""
    @overload
    def max(self) -> Tensor:
        """max(input): the maximum of all. max(input, dim, keepdim): (values, indices) along `dim`. max(input, other): elementwise."""
    @overload
    def max(self, dim: _int, keepdim: _bool = False) -> _max_result: ...
    @overload
    def max(self, other: Tensor) -> Tensor: ...
    def maximum(self, other: Tensor) -> Tensor:
        """The larger of both, element by element; NaN where either is."""
    def maximum_(self, other: Tensor) -> Tensor:
        """In place: The larger of both, element by element; NaN where either is."""
    def mean(self, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> Tensor:
        """Arithmetic mean over `dim`; NaN of nothing."""
    @overload
    def median(self) -> Tensor:
        """The lower median of all elements, or (values, indices) along `dim`; NaN if any is."""
    @overload
    def median(self, dim: _int, keepdim: _bool = False) -> _median_result: ...
    @overload
    def min(self) -> Tensor:
        """min(input): the minimum of all. min(input, dim, keepdim): (values, indices) along `dim`. min(input, other): elementwise."""
    @overload
    def min(self, dim: _int, keepdim: _bool = False) -> _min_result: ...
    @overload
    def min(self, other: Tensor) -> Tensor: ...
    def minimum(self, other: Tensor) -> Tensor:
        """The smaller of both, element by element; NaN where either is."""
    def minimum_(self, other: Tensor) -> Tensor:
        """In place: The smaller of both, element by element; NaN where either is."""
    def mm(self, mat2: Tensor) -> Tensor:
        """Matrix product: (N, M) @ (M, P) -> (N, P)."""
    def mode(self, dim: _Ints = -1, keepdim: _bool = False) -> _mode_result:
        """The most frequent value along `dim` (the smallest of equally frequent ones) and where it is."""
    def module_load(self, other: Tensor, assign: _bool = False) -> Any: ...
    def moveaxis(self, source: Tensor, destination: _Ints) -> Tensor:
        """Dimensions `source` at the places `destination`, the others in their order around them."""
    def movedim(self, source: Tensor, destination: _Ints) -> Tensor:
        """Dimensions `source` at the places `destination`, the others in their order around them."""
    def msort(self) -> Tensor:
        """The input sorted along dimension 0, ascending, NaN last."""
    def mul(self, other: Tensor | _Number) -> Tensor:
        """input * other, element by element."""
    def mul_(self, other: Tensor | _Number) -> Tensor:
        """In place: input * other, element by element."""
    def multinomial(self, num_samples: _int, replacement: _bool = False, *, generator: Any = None) -> Tensor:
        """`num_samples` category numbers (int64) a row of weights: (C,) or (N, C) -> (..., num_samples)."""
    def multiply(self, other: Tensor | _Number) -> Tensor:
        """input * other, element by element."""
    def multiply_(self, other: Tensor | _Number) -> Tensor:
        """In place: input * other, element by element."""
    def mv(self, vec: Tensor) -> Tensor:
        """Matrix times vector: (N, M) @ (M,) -> (N,)."""
    def mvlgamma(self, p: _float | str) -> Tensor:
        """The logarithm of the multivariate gamma function of dimension p: p (p - 1) / 4 log(pi) + the sum of lgamma(input - k / 2) over k < p."""
    def mvlgamma_(self, p: _float | str) -> Tensor:
        """In place: The logarithm of the multivariate gamma function of dimension p: p (p - 1) / 4 log(pi) + the sum of lgamma(input - k / 2) over k < p."""
    @property
    def name(self) -> Any: ...
    @property
    def names(self) -> tuple[None, ...]: ...
    def nan_to_num(self, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Tensor:
        """`input` with NaN, inf and -inf replaced: by 0, the largest and the lowest finite value unless given."""
    def nan_to_num_(self, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Tensor:
        """In place: `input` with NaN, inf and -inf replaced: by 0, the largest and the lowest finite value unless given."""
    def nanmean(self, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> Tensor:
        """The mean over `dim` of what is not NaN; NaN where nothing is."""
    @overload
    def nanmedian(self) -> Tensor:
        """The lower median of what is not NaN, of all elements or along `dim`."""
    @overload
    def nanmedian(self, dim: _int, keepdim: _bool = False) -> _nanmedian_result: ...
    def nanquantile(self, q: Any, dim: _Ints | None = None, keepdim: _bool = False, *, interpolation: str = 'linear') -> Tensor:
        """The q-quantiles of what is not NaN, along `dim` or of all elements: as `quantile`, but for NaN."""
    def nansum(self, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> Tensor:
        """Sum over `dim`, NaN counted as 0; NaNs get no gradient."""
    def narrow(self, dim: _Ints, start: Any, length: Any) -> Tensor:
        """Indices start..start+length of dimension `dim`; `start` may be a 0-d tensor of integers."""
    def narrow_copy(self, **kwargs: Any) -> Tensor:
        """`narrow`, with memory of its own: the arguments of `narrow`, and a copy of what it views."""
    @property
    def nbytes(self) -> _int: ...
    @property
    def ndim(self) -> _int: ...
    def ndimension(self) -> _int: ...
    def ne(self, other: Tensor | _Number) -> Tensor:
        """input != other, element by element: bools, in the shape that both broadcast to."""
    def ne_(self, other: Tensor | _Number) -> Tensor:
        """In place: input != other, element by element: bools, in the shape that both broadcast to."""
    def neg(self) -> Tensor:
        """-input: the number with the other sign."""
    def neg_(self) -> Tensor:
        """In place: -input: the number with the other sign."""
    def negative(self) -> Tensor:
        """-input: the number with the other sign."""
    def negative_(self) -> Tensor:
        """In place: -input: the number with the other sign."""
    def nelement(self) -> _int: ...
    def new(self, *args: Any, device: _DeviceLike | None = None) -> Tensor: ...
    def new_empty(self, *args: Any, dtype: _dtype | None = None, device: _DeviceLike | None = None, **options: Any) -> Tensor: ...
    def new_empty_strided(self, *args: Any, dtype: _dtype | None = None, device: _DeviceLike | None = None, **options: Any) -> Tensor: ...
    def new_full(self, *args: Any, dtype: _dtype | None = None, device: _DeviceLike | None = None, **options: Any) -> Tensor: ...
    def new_ones(self, *args: Any, dtype: _dtype | None = None, device: _DeviceLike | None = None, **options: Any) -> Tensor: ...
    def new_tensor(self, data: Any, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False) -> Tensor: ...
    def new_zeros(self, *args: Any, dtype: _dtype | None = None, device: _DeviceLike | None = None, **options: Any) -> Tensor: ...
    def nextafter(self, other: Tensor) -> Tensor:
        """The next representable value after `input` towards `other`, in its dtype; `other` itself where both are equal."""
    def nextafter_(self, other: Tensor) -> Tensor:
        """In place: The next representable value after `input` towards `other`, in its dtype; `other` itself where both are equal."""
    def nonzero(self, *, as_tuple: _bool = False) -> Tensor:
        """The coordinates of nonzero elements: (count, rank), or a tuple of one tensor for each dimension."""
    def nonzero_static(self, *, size: _Ints, fill_value: Tensor | _Number = -1) -> Tensor:
        """The first `size` rows of nonzero(input), filled up with `fill_value`."""
    def norm(self, p: _float | str = 'fro', dim: _Ints | None = None, keepdim: _bool = False, dtype: _dtype | None = None) -> Tensor:
        """The vector norm of order `p` over `dim`; 'fro' is 2, 'nuc' the nuclear norm of matrices."""
    def normal_(self, *args: Any, generator: Generator | None = None, **kwargs: Any) -> Tensor: ...
    def not_equal(self, other: Tensor | _Number) -> Tensor:
        """input != other, element by element: bools, in the shape that both broadcast to."""
    def not_equal_(self, other: Tensor | _Number) -> Tensor:
        """In place: input != other, element by element: bools, in the shape that both broadcast to."""
    def numel(self) -> _int: ...
    def numpy(self, *, force: _bool = False) -> _ndarray: ...
    @property
    def numpy_T(self) -> Tensor: ...
    def orgqr(self, input2: Tensor) -> Tensor:
        """The first columns of a product of elementary reflectors: `linalg.householder_product`, under its old name."""
    def ormqr(self, tau: Any, other: Tensor | _Number, left: _bool = True, transpose: _bool = False) -> Tensor:
        """Q other (other Q unless `left`), Q = H1 H2 ... Hk of all rows; Q^H in its place with `transpose`."""
    def outer(self, vec2: Tensor) -> Tensor:
        """input[i] * vec2[j] of two vectors: (N,), (M,) -> (N, M)."""
    @property
    def output_nr(self) -> _int: ...
    def permute(self, *dims: _Ints) -> Tensor:
        """The dimensions of `input` in the order `dims`, as a view: result.shape[i] is input.shape[dims[i]]."""
    def pin_memory(self, device: _DeviceLike | None = None) -> Tensor: ...
    def pinverse(self, rcond: _float = 1e-15) -> Tensor:
        """The pseudoinverse, (..., M, N) -> (..., N, M); singular values up to rcond * largest count as zero."""
    def polygamma(self, n: _int) -> Tensor:
        """`polygamma(n, input)` with the tensor first, for `Tensor.polygamma`."""
    def polygamma_(self, n: _int) -> Tensor:
        """In place: `polygamma(n, input)` with the tensor first, for `Tensor.polygamma`."""
    def positive(self) -> Tensor:
        """+input, which is `input` itself."""
    def pow(self, exponent: Tensor | _Number) -> Tensor:
        """input ** exponent, of tensors and numbers."""
    def pow_(self, exponent: Tensor | _Number) -> Tensor:
        """In place: input ** exponent, of tensors and numbers."""
    def prelu(self, weight: Tensor) -> Tensor:
        """`input` above 0, weight * input below: one weight, or one for each channel, dimension 1 (arXiv:1502.01852)."""
    def prod(self, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> Tensor:
        """Product of all elements, or along `dim`."""
    def put(self, index: Tensor, source: Tensor, accumulate: _bool = False) -> Tensor:
        """A copy of `input` with `source` at places `index` in row-major order, added where `accumulate`."""
    def put_(self, index: Tensor, source: Tensor, accumulate: _bool = False) -> Tensor:
        """In place: A copy of `input` with `source` at places `index` in row-major order, added where `accumulate`."""
    q_per_channel_axis: Any
    q_per_channel_scales: Any
    q_per_channel_zero_points: Any
    q_scale: Any
    q_zero_point: Any
    def qr(self, some: _bool = True) -> _qr_result:
        """(Q, R) with Q R = input: `linalg.qr` under its old name, reduced when `some`, else complete."""
    qscheme: Any
    def quantile(self, q: Any, dim: _Ints | None = None, keepdim: _bool = False, *, interpolation: str = 'linear') -> Tensor:
        """The q-quantiles of all elements or along `dim`; NaN if any is."""
    def rad2deg(self) -> Tensor:
        """Degrees of angles in radians: input * 180 / pi."""
    def rad2deg_(self) -> Tensor:
        """In place: Degrees of angles in radians: input * 180 / pi."""
    def random_(self, *bounds: _Ints, generator: Generator | None = None, **named: Any) -> Tensor: ...
    def ravel(self) -> Tensor:
        """All elements in one dimension, in row-major order."""
    @property
    def real(self) -> Tensor: ...
    def reciprocal(self) -> Tensor:
        """1 / input, in floating point; inf at 0."""
    def reciprocal_(self) -> Tensor:
        """In place: 1 / input, in floating point; inf at 0."""
    def record_stream(self, stream: Any) -> None: ...
    def register_hook(self, hook: _Callable[..., Any]) -> RemovableHandle: ...
    def register_post_accumulate_grad_hook(self, hook: _Callable[..., Any]) -> RemovableHandle: ...
    def relu(self) -> Tensor:
        """max(input, 0): 0 below 0, where it gets no gradient, and `input` above; NaN stays NaN."""
    def relu_(self) -> Tensor:
        """In place: max(input, 0): 0 below 0, where it gets no gradient, and `input` above; NaN stays NaN."""
    def remainder(self, other: Tensor | _Number) -> Tensor:
        """input - other * floor(input / other): the sign is that of `other`, as Python's %."""
    def remainder_(self, other: Tensor | _Number) -> Tensor:
        """In place: input - other * floor(input / other): the sign is that of `other`, as Python's %."""
    def renorm(self, p: _float | str, dim: _Ints, maxnorm: Any) -> Tensor:
        """The parts of `input` along `dim`, those whose p-norm exceeds `maxnorm` scaled down to it."""
    def renorm_(self, p: _float | str, dim: _Ints, maxnorm: Any) -> Tensor:
        """In place: The parts of `input` along `dim`, those whose p-norm exceeds `maxnorm` scaled down to it."""
    def repeat(self, *repeats: _Ints, **named: Any) -> Tensor:
        """`input` put side by side repeats[d] times along each dimension; more dimensions may be put in front."""
    def repeat_interleave(self, repeats: _Ints | None = None, dim: _Ints | None = None, *, output_size: _Ints | None = None) -> Tensor:
        """Each part of `input` along `dim` (or each element) repeated, `repeats` times or as often as that tensor says."""
    @property
    def requires_grad(self) -> _bool: ...
    @requires_grad.setter
    def requires_grad(self, value: _bool) -> None: ...
    def requires_grad_(self, requires_grad: _bool = True) -> Tensor: ...
    def reshape(self, *shape: _Ints, **named: Any) -> Tensor:
        """The elements of `input` in another shape: a view where strides allow, else a copy."""
    def reshape_as(self, other: Tensor | _Number) -> Tensor:
        """`input` reshaped to the shape of `other`: input.reshape(other.shape)."""
    def resize_(self, *size: _Ints, memory_format: _memory_format | None = None) -> Tensor: ...
    def resize_as_(self, other: Tensor, memory_format: _memory_format | None = None) -> Tensor: ...
    def resize_as_sparse_(self, the_template: Any) -> Tensor:
        """Take the shape, sparse and dense dimensions of another sparse tensor, in place."""
    def resolve_conj(self) -> Tensor: ...
    def resolve_neg(self) -> Tensor: ...
    def retain_grad(self) -> None: ...
    @property
    def retains_grad(self) -> _bool: ...
    def roll(self, shifts: _Ints, dims: _Ints | None = None) -> Tensor:
        """Elements moved by `shifts` along `dims`; what leaves at one end comes in at the other."""
    def rot90(self, k: _int = 1, dims: _Ints = (0, 1)) -> Tensor:
        """`input` turned by k times 90 degrees in the plane of `dims`, from the first towards the second."""
    def round(self, *, decimals: _int = 0) -> Tensor:
        """`input` rounded to `decimals` places (tens, hundreds ... when negative), halves to the even digit."""
    def round_(self, *, decimals: _int = 0) -> Tensor:
        """In place: `input` rounded to `decimals` places (tens, hundreds ... when negative), halves to the even digit."""
    def row_indices(self) -> Tensor:
        """The row of each value."""
    def rsqrt(self) -> Tensor:
        """1 / sqrt(input); inf at 0, NaN below."""
    def rsqrt_(self) -> Tensor:
        """In place: 1 / sqrt(input); inf at 0, NaN below."""
    def rsub(self, other: Tensor | _Number, *, alpha: _Number = 1) -> Tensor:
        """other - alpha * input: `sub` with its operands exchanged."""
    def rsub_(self, other: Tensor | _Number, *, alpha: _Number = 1) -> Tensor:
        """In place: other - alpha * input: `sub` with its operands exchanged."""
    def saddmm(self, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """beta * input + alpha * mat1 @ mat2 as a sparse matrix; input and mat1 sparse, mat2 strided."""
    def scatter(self, dim: _Ints, index: Tensor, src: Tensor | None = None, *, value: Tensor | _Number | None = None, reduce: Any = None) -> Tensor:
        """A copy of `input` with `src` (or one number) at index[i, j, k] along `dim`; or added, or multiplied."""
    def scatter_(self, *args: Any, **kwargs: Any) -> Tensor:
        """In-place form of `scatter`: its arguments, and the result replaces `input`."""
    def scatter_add(self, dim: _Ints, index: Tensor, src: Tensor) -> Tensor:
        """A copy of `input` with `src` added: result[index[i, j, k], j, k] += src[i, j, k] for `dim` 0."""
    def scatter_add_(self, *args: Any, **kwargs: Any) -> Tensor:
        """In-place form of `scatter_add`: its arguments, and the result replaces `input`."""
    def scatter_reduce(self, dim: _Ints, index: Tensor, src: Tensor, reduce: Any, *, include_self: _bool = True) -> Tensor:
        """A copy of `input` reduced ('sum', 'prod', 'mean', 'amax', 'amin') with `src` at index[i, j, k] along `dim`."""
    def scatter_reduce_(self, dim: _Ints, index: Tensor, src: Tensor, reduce: Any, *, include_self: _bool = True) -> Tensor:
        """In place: A copy of `input` reduced ('sum', 'prod', 'mean', 'amax', 'amin') with `src` at index[i, j, k] along `dim`."""
    def select(self, dim: _int, index: _int) -> Tensor:
        """The part of `input` at `index` of dimension `dim`, which goes away."""
    def select_scatter(self, src: Tensor, dim: _Ints, index: Tensor) -> Tensor:
        """A copy of `input` with `src` at `index` of dimension `dim`: `src` has the shape of input.select(dim, index)."""
    def selu(self) -> Tensor:
        """scale * elu(input, alpha) with the constants of Klambauer et al. 2017, arXiv:1706.02515."""
    def selu_(self) -> Tensor:
        """In place: scale * elu(input, alpha) with the constants of Klambauer et al. 2017, arXiv:1706.02515."""
    def set_(self, source: Tensor | None = None, storage_offset: _int = 0, size: _Ints | None = None, stride: _Ints | None = None) -> Tensor: ...
    def sgn(self) -> Tensor:
        """The sign: -1, 0 or 1, also of bools and integers; of complex numbers input / |input|, and 0 at 0."""
    def sgn_(self) -> Tensor:
        """In place: The sign: -1, 0 or 1, also of bools and integers; of complex numbers input / |input|, and 0 at 0."""
    @property
    def shape(self) -> _Size: ...
    def share_memory_(self) -> Tensor: ...
    def short(self, memory_format: _memory_format | None = None) -> Tensor: ...
    def sigmoid(self) -> Tensor:
        """Logistic function, 1 / (1 + e^-input)."""
    def sigmoid_(self) -> Tensor:
        """In place: Logistic function, 1 / (1 + e^-input)."""
    def sign(self) -> Tensor:
        """The sign: -1 below 0, 1 above, 0 at 0 and at NaN. No complex numbers: use sgn."""
    def sign_(self) -> Tensor:
        """In place: The sign: -1 below 0, 1 above, 0 at 0 and at NaN. No complex numbers: use sgn."""
    def signbit(self) -> Tensor:
        """True where the sign bit is set: of negative numbers, of -0.0, and of NaNs that have it."""
    def sin(self) -> Tensor:
        """The sine of an angle in radians; NaN at infinity."""
    def sin_(self) -> Tensor:
        """In place: The sine of an angle in radians; NaN at infinity."""
    def sinc(self) -> Tensor:
        """sin(pi input) / (pi input), and 1 at 0: the transform of a box."""
    def sinc_(self) -> Tensor:
        """In place: sin(pi input) / (pi input), and 1 at 0: the transform of a box."""
    def sinh(self) -> Tensor:
        """The hyperbolic sine, (e^input - e^-input) / 2."""
    def sinh_(self) -> Tensor:
        """In place: The hyperbolic sine, (e^input - e^-input) / 2."""
    @overload
    def size(self, dim: None = None) -> _Size: ...
    @overload
    def size(self, dim: _int) -> _int: ...
    def slice_scatter(self, src: Tensor, dim: _Ints = 0, start: Any = None, end: Any = None, step: _Number = 1) -> Tensor:
        """A copy of `input` with `src` at start:end:step of dimension `dim`: `src` has the shape of that slice."""
    def slogdet(self) -> _slogdet_result:
        """(sign, log |det|) of square matrices, (..., N, N) -> two of (...): det without overflow; (0, -inf) of singular ones."""
    def smm(self, mat: Tensor) -> Tensor:
        """The product of a sparse and a strided matrix as a sparse matrix."""
    def softmax(self, dim: _Ints | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None) -> Tensor:
        """exp(input) / sum(exp(input)) along `dim`: positive rows whose sum is 1, in `dtype` when given."""
    def sort(self, dim: _Ints = -1, descending: _bool = False, stable: _bool = False) -> _sort_result:
        """(values, indices) in ascending order along `dim`, or descending."""
    def sparse_dim(self) -> Tensor:
        """How many dimensions are sparse: 0 of a strided tensor."""
    def sparse_mask(self, mask: Tensor) -> Tensor:
        """The elements of `input` where `mask`, a sparse tensor of the same shape, has values; in its layout."""
    def sparse_resize_(self, size: _Ints, sparse_dim: Any, dense_dim: Any) -> Tensor:
        """Give a tensor in coordinate format another shape in place; values stay, so that it can only grow."""
    def sparse_resize_and_clear_(self, size: _Ints, sparse_dim: Any, dense_dim: Any) -> Tensor:
        """Give a tensor in coordinate format another shape in place, and no values."""
    def split(self, split_size_or_sections: _Ints | None = None, dim: _Ints = 0, *, split_size: Any = None) -> tuple[Tensor, ...]:
        """Views of parts of `split_size` (the last may be smaller), or of the given sizes, along `dim`."""
    def split_with_sizes(self, split_sizes: _Ints, dim: _Ints = 0) -> tuple[Tensor, ...]:
        """Views of parts of the given sizes along `dim`."""
    def sqrt(self) -> Tensor:
        """The square root; NaN below 0."""
    def sqrt_(self) -> Tensor:
        """In place: The square root; NaN below 0."""
    def square(self) -> Tensor:
        """input * input; of bool in int64."""
    def square_(self) -> Tensor:
        """In place: input * input; of bool in int64."""
    def squeeze(self, dim: _Ints | None = None) -> Tensor:
        """Without the dimensions of size 1, as a view: all of them, or those among `dim`; others among `dim` stay."""
    def squeeze_(self, dim: _Ints | None = None) -> Tensor:
        """`squeeze` in place: `input` itself, without its dimensions of size 1."""
    def sspaddmm(self, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
        """beta * input + alpha * mat1 @ mat2 as a sparse matrix; input and mat1 sparse, mat2 strided."""
    def std(self, dim: _Ints | None = None, unbiased: Any = None, keepdim: _bool = False, *, correction: Any = None) -> Tensor:
        """Standard deviation over `dim` with divisor n - correction (1 unless given; `unbiased=False` means 0)."""
    def stft(self, n_fft: Any, hop_length: Any = None, win_length: Any = None, window: Tensor | None = None, center: _bool = True, pad_mode: str = 'reflect', normalized: _bool = False, onesided: Any = None, return_complex: Any = None, align_to_window: Any = None) -> Tensor:
        """Fourier transforms of frames of n_fft samples, hop_length apart: (..., T) -> (..., frequencies, frames)."""
    def storage(self) -> Any: ...
    def storage_offset(self) -> _int: ...
    def storage_type(self) -> Any: ...
    @overload
    def stride(self, dim: None = None) -> tuple[_int, ...]: ...
    @overload
    def stride(self, dim: _int) -> _int: ...
    def sub(self, other: Tensor | _Number, *, alpha: _Number = 1) -> Tensor:
        """input - alpha * other."""
    def sub_(self, other: Tensor | _Number, *, alpha: _Number = 1) -> Tensor:
        """In place: input - alpha * other."""
    def subtract(self, other: Tensor | _Number, *, alpha: _Number = 1) -> Tensor:
        """input - alpha * other."""
    def subtract_(self, other: Tensor | _Number, *, alpha: _Number = 1) -> Tensor:
        """In place: input - alpha * other."""
    def sum(self, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> Tensor:
        """Sum over `dim` (all dimensions when None); bool and integer inputs count in int64."""
    def sum_to_size(self, *size: _Ints) -> Tensor:
        """The sum over what broadcasting from `size` repeated."""
    def svd(self, some: _bool = True, compute_uv: _bool = True) -> _svd_result:
        """U diag(S) V^H = input: `linalg.svd`, but with V itself; U and V are zeros unless `compute_uv`."""
    def swapaxes(self, axis0: _int, axis1: _int) -> Tensor:
        """Dimensions axis0 and axis1 exchanged, as a view: `transpose` under NumPy's name."""
    def swapaxes_(self, dim0: _int, dim1: _int) -> Tensor:
        """`transpose` in place: `input` itself, its dimensions exchanged."""
    def swapdims(self, dim0: _int, dim1: _int) -> Tensor:
        """Dimensions dim0 and dim1 exchanged, as a view: element [i, j] of the result is [j, i] of `input`."""
    def swapdims_(self, dim0: _int, dim1: _int) -> Tensor:
        """`transpose` in place: `input` itself, its dimensions exchanged."""
    def t(self) -> Tensor:
        """The transpose of a matrix; tensors of less than two dimensions as they are."""
    def t_(self) -> Tensor:
        """`t` in place: `input` itself, transposed."""
    def take(self, index: Tensor) -> Tensor:
        """Elements of `input` by their places in row-major order, in the shape of `index`."""
    def take_along_dim(self, indices: Tensor, dim: _Ints | None = None) -> Tensor:
        """Elements of `input` chosen along `dim` by `indices`, both broadcast elsewhere; of all elements without `dim`."""
    def tan(self) -> Tensor:
        """The tangent of an angle in radians; NaN at infinity."""
    def tan_(self) -> Tensor:
        """In place: The tangent of an angle in radians; NaN at infinity."""
    def tanh(self) -> Tensor:
        """The hyperbolic tangent, (e^input - e^-input) / (e^input + e^-input), in [-1, 1]."""
    def tanh_(self) -> Tensor:
        """In place: The hyperbolic tangent, (e^input - e^-input) / (e^input + e^-input), in [-1, 1]."""
    def tensor_split(self, indices_or_sections: _Ints | None = None, dim: _Ints = 0, *, indices: Tensor | None = None, sections: _Ints | None = None) -> tuple[Tensor, ...]:
        """Views of `sections` nearly equal parts along `dim`, or of the parts between `indices`."""
    def threshold(self, threshold: _Number, value: _Number) -> Tensor:
        """`input` above `threshold`, else `value`, where it gets no gradient."""
    def threshold_(self, threshold: _Number, value: _Number) -> Tensor:
        """In place: `input` above `threshold`, else `value`, where it gets no gradient."""
    def tile(self, *dims: _Ints, **named: Any) -> Tensor:
        """`repeat` with `dims` filled up with 1 in front: a copy, each size times its number."""
    def to(self, *args: Any, **kwargs: Any) -> Tensor: ...
    def to_dense(self, dtype: _dtype | None = None, *, masked_grad: Any = None) -> Tensor:
        """The strided tensor with the same elements; a strided tensor itself, in `dtype` where one is given."""
    def to_padded_tensor(self, padding: _Ints | str, output_size: _Ints | None = None) -> Any: ...
    def to_sparse(self, sparse_dim: Any = None, *, layout: _layout_type | None = None, blocksize: Any = None, dense_dim: Any = None) -> Tensor:
        """In coordinate format over the first `sparse_dim` dimensions (all), or in `layout`; elements that are 0 go."""
    def to_sparse_bsc(self, blocksize: Any, dense_dim: Any = None) -> Tensor:
        """In compressed columns of blocks of `blocksize` (height, width), which must divide the matrix."""
    def to_sparse_bsr(self, blocksize: Any, dense_dim: Any = None) -> Tensor:
        """In compressed rows of blocks of `blocksize` (height, width), which must divide the matrix."""
    def to_sparse_coo(self) -> Tensor:
        """In coordinate format over all dimensions."""
    def to_sparse_csc(self, dense_dim: Any = None) -> Tensor:
        """In compressed columns: (*batch, rows, columns, *dense), the last `dense_dim` dimensions dense."""
    def to_sparse_csr(self, dense_dim: Any = None) -> Tensor:
        """In compressed rows: (*batch, rows, columns, *dense), the last `dense_dim` dimensions dense."""
    def tolist(self) -> Any: ...
    def topk(self, k: _int, dim: _int = -1, largest: _bool = True, sorted: _bool = True) -> _topk_result:
        """(values, indices): the k largest (or smallest) elements along `dim`, in order when `sorted`, and where they are."""
    def trace(self) -> Tensor:
        """The sum of the main diagonal of a matrix: (N, M) -> ()."""
    def transpose(self, dim0: _int, dim1: _int) -> Tensor:
        """Dimensions dim0 and dim1 exchanged, as a view: element [i, j] of the result is [j, i] of `input`."""
    def transpose_(self, dim0: _int, dim1: _int) -> Tensor:
        """`transpose` in place: `input` itself, its dimensions exchanged."""
    def triangular_solve(self, A: Tensor, upper: _bool = True, transpose: _bool = False, unitriangular: _bool = False) -> _triangular_solve_result:
        """(solution, cloned_coefficient): X with A X = b for triangular A (A^T with `transpose`), and a copy of A."""
    def tril(self, diagonal: _int = 0) -> Tensor:
        """`input` (..., N, M) with zeros above a diagonal of its last two dimensions: 0 the main one, 1 above it."""
    def tril_(self, diagonal: _int = 0) -> Tensor:
        """In place: `input` (..., N, M) with zeros above a diagonal of its last two dimensions: 0 the main one, 1 above it."""
    def triu(self, diagonal: _int = 0) -> Tensor:
        """`input` (..., N, M) with zeros below a diagonal of its last two dimensions: 0 the main one, 1 above it."""
    def triu_(self, diagonal: _int = 0) -> Tensor:
        """In place: `input` (..., N, M) with zeros below a diagonal of its last two dimensions: 0 the main one, 1 above it."""
    def true_divide(self, other: Tensor | _Number) -> Tensor:
        """input / other, in floating point: integers are converted to the default dtype. x / 0 is inf, 0 / 0 NaN."""
    def true_divide_(self, other: Tensor | _Number) -> Tensor:
        """In place: input / other, in floating point: integers are converted to the default dtype. x / 0 is inf, 0 / 0 NaN."""
    def trunc(self) -> Tensor:
        """`input` rounded towards zero, in its dtype; integers as they are."""
    def trunc_(self) -> Tensor:
        """In place: `input` rounded towards zero, in its dtype; integers as they are."""
    @overload
    def type(self, dtype: None = None) -> str: ...
    @overload
    def type(self, dtype: _dtype | str) -> Tensor: ...
    def type_as(self, other: Tensor) -> Tensor: ...
    def unbind(self, dim: _Ints = 0) -> tuple[Tensor, ...]:
        """All parts of `input` along `dim`, which goes away, as a tuple of views."""
    def unflatten(self, dim: _Ints, sizes: _Ints) -> Tensor:
        """Dimension `dim` split into `sizes`, of which one may be -1: (..., 6, ...) -> (..., 2, 3, ...)."""
    def unfold(self, dimension: _int, size: _int, step: _int) -> Tensor:
        """All windows of `size` along `dimension`, `step` apart; the window is the last dimension of the result."""
    def uniform_(self, *args: Any, generator: Generator | None = None, **kwargs: Any) -> Tensor: ...
    def unique(self, sorted: _bool = True, return_inverse: _bool = False, return_counts: _bool = False, dim: _Ints | None = None) -> Tensor:
        """The distinct values (or parts along `dim`), sorted; where each element is among them; how often each occurs."""
    def unique_consecutive(self, return_inverse: _bool = False, return_counts: _bool = False, dim: _Ints | None = None) -> Tensor:
        """Runs of equal neighbours as one each; which run each element is in; how long each run is."""
    def unsafe_chunk(self, chunks: _int, dim: _Ints = 0) -> tuple[Tensor, ...]:
        """`chunk`, whose parts may be changed in place; for programs that do not use `input` itself afterwards."""
    def unsafe_split(self, split_size: Any, dim: _Ints = 0) -> tuple[Tensor, ...]:
        """`split` whose parts may be changed in place; for programs that do not use `tensor` itself afterwards."""
    def unsafe_split_with_sizes(self, split_sizes: _Ints, dim: _Ints = 0) -> tuple[Tensor, ...]:
        """`split_with_sizes`, whose parts may be changed in place; for programs that do not use `input` afterwards."""
    def unsqueeze(self, dim: _int) -> Tensor:
        """With a dimension of size 1 at place `dim`, as a view: 0..ndim, or counted from the end."""
    def unsqueeze_(self, dim: _Ints) -> Tensor:
        """`unsqueeze` in place: `input` itself, with a dimension of size 1 at `dim`."""
    def untyped_storage(self) -> UntypedStorage: ...
    def values(self) -> Tensor:
        """The values of a coalesced or compressed tensor; differentiable."""
    def var(self, dim: _Ints | None = None, unbiased: Any = None, keepdim: _bool = False, *, correction: Any = None) -> Tensor:
        """Variance over `dim` with divisor n - correction (1 unless given; `unbiased=False` means 0)."""
    def vdot(self, other: Tensor | _Number) -> Tensor:
        """sum(conj(input) * other) of two vectors of equal length: (N,), (N,) -> ()."""
    @overload
    def view(self, dtype: _dtype) -> Tensor:
        """The elements of `input` in another shape, or their bytes as another dtype, without a copy."""
    @overload
    def view(self, *size: _int | _Sequence[_int]) -> Tensor: ...
    def view_as(self, other: Tensor | _Number) -> Tensor:
        """`input` viewed in the shape of `other`: input.view(other.shape), without a copy."""
    def vsplit(self, indices_or_sections: _Ints | None = None, *, indices: Tensor | None = None, sections: _Ints | None = None) -> tuple[Tensor, ...]:
        """tensor_split along dimension 0 into equal parts."""
    def where(self, condition: Tensor, other: Tensor | _Number) -> Tensor:
        """`input` where `condition`, else `other`: where(condition, input, other)."""
    def xlogy(self, other: Tensor | _Number) -> Tensor:
        """input * log(other), and 0 where `input` is 0, whatever `other` is but NaN."""
    def xlogy_(self, other: Tensor | _Number) -> Tensor:
        """In place: input * log(other), and 0 where `input` is 0, whatever `other` is but NaN."""
    def xpu(self, device: _DeviceLike | None = None, non_blocking: _bool = False, memory_format: _memory_format | None = None) -> Tensor: ...
    def zero_(self) -> Tensor: ...
    def __abs__(self) -> Tensor: ...
    def __add__(self, other: Tensor | _Number) -> Tensor: ...
    def __and__(self, other: Tensor | _Number) -> Tensor: ...
    def __array__(self, dtype: _dtype | None = None, copy: Any = None) -> _ndarray: ...
    def _array(self) -> Any: ...
    __array_priority__: _int
    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: _bool = False) -> Tensor: ...
    _base: Any
    def __bool__(self) -> _bool: ...
    def __complex__(self) -> _complex: ...
    _conj: _bool
    def __contains__(self, element: Any) -> _bool: ...
    def __deepcopy__(self, memo: Any) -> Tensor: ...
    def __dir__(self) -> list[str]: ...
    def __div__(self, other: Tensor | _Number) -> Tensor: ...
    def __dlpack__(self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[_int, _int]: ...
    def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
    def __float__(self) -> _float: ...
    def __floordiv__(self, other: Tensor | _Number) -> Tensor: ...
    def __format__(self, spec: Any) -> str: ...
    def __ge__(self, other: Tensor | _Number) -> Tensor: ...
    _generation: _int
    def __getitem__(self, index: Any) -> Tensor: ...
    _grad: Any
    _grad_dtype: Any
    def __gt__(self, other: Tensor | _Number) -> Tensor: ...
    def __hash__(self) -> _int: ...
    _hooks: Any
    def __iadd__(self, other: Tensor | _Number) -> Tensor: ...
    def __iand__(self, other: Tensor | _Number) -> Tensor: ...
    def __idiv__(self, other: Tensor | _Number) -> Tensor: ...
    def __ifloordiv__(self, other: Tensor | _Number) -> Tensor: ...
    def __ilshift__(self, other: Any) -> Tensor: ...
    def __imod__(self, other: Tensor | _Number) -> Tensor: ...
    def __imul__(self, other: Tensor | _Number) -> Tensor: ...
    def __index__(self) -> _int: ...
    def _indices(self) -> Tensor:
        """Indices (sparse_dim, nnz) as they are."""
    def __int__(self) -> _int: ...
    def __invert__(self) -> Tensor: ...
    def __ior__(self, other: Tensor | _Number) -> Tensor: ...
    def __ipow__(self, other: Tensor | _Number) -> Tensor: ...
    def __irshift__(self, other: Any) -> Tensor: ...
    def _is_view(self) -> _bool: ...
    def __isub__(self, other: Tensor | _Number) -> Tensor: ...
    def __iter__(self) -> _Iterator[Tensor]: ...
    def __itruediv__(self, other: Tensor | _Number) -> Tensor: ...
    def __ixor__(self, other: Tensor | _Number) -> Tensor: ...
    def _kept(self) -> Tensor: ...
    def __le__(self, other: Tensor | _Number) -> Tensor: ...
    def __len__(self) -> _int: ...
    def __lshift__(self, other: Any) -> Tensor: ...
    def __lshift___(self, other: Any) -> Tensor: ...
    def __lt__(self, other: Tensor | _Number) -> Tensor: ...
    @staticmethod
    def _make_subclass(*args: Any, **kwargs: Any) -> Any: ...
    def __matmul__(self, other: Tensor | _Number) -> Tensor: ...
    def __mod__(self, other: Tensor | _Number) -> Tensor: ...
    def __mul__(self, other: Tensor | _Number) -> Tensor: ...
    def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
    _needs_grad: _bool
    def __neg__(self) -> Tensor: ...
    def _nnz(self) -> Tensor:
        """How many values (or blocks) are specified, in each batch."""
    _node: Any
    def _number(self, kind: Any) -> Any: ...
    def __or__(self, other: Tensor | _Number) -> Tensor: ...
    _output_index: _int
    def __pos__(self) -> Tensor: ...
    _post_hooks: Any
    def __pow__(self, other: Tensor | _Number) -> Tensor: ...
    def __radd__(self, other: Tensor | _Number) -> Tensor: ...
    def __rand__(self, other: Tensor | _Number) -> Tensor: ...
    def __rdiv__(self, other: Tensor | _Number) -> Tensor: ...
    def __reduce_ex__(self, protocol: Any) -> Any: ...
    def _refresh_view(self) -> Any: ...
    def __repr__(self) -> str: ...
    _retains: _bool
    def __reversed__(self) -> Tensor: ...
    def __rfloordiv__(self, other: Tensor | _Number) -> Tensor: ...
    def __rlshift__(self, other: Any) -> Tensor: ...
    def __rmatmul__(self, other: Tensor | _Number) -> Tensor: ...
    def __rmod__(self, other: Tensor | _Number) -> Tensor: ...
    def __rmul__(self, other: Tensor | _Number) -> Tensor: ...
    def __ror__(self, other: Tensor | _Number) -> Tensor: ...
    def __rpow__(self, other: Tensor | _Number) -> Tensor: ...
    def __rrshift__(self, other: Any) -> Tensor: ...
    def __rshift__(self, other: Any) -> Tensor: ...
    def __rshift___(self, other: Any) -> Tensor: ...
    def __rsub__(self, other: Tensor | _Number) -> Tensor: ...
    def __rtruediv__(self, other: Tensor | _Number) -> Tensor: ...
    def __rxor__(self, other: Tensor | _Number) -> Tensor: ...
    _seen_generation: _int
    def __setitem__(self, index: Any, value: Any) -> None: ...
    def __sub__(self, other: Tensor | _Number) -> Tensor: ...
    @classmethod
    def __torch_function__(cls, *args: Any, **kwargs: Any) -> Any: ...
    def __truediv__(self, other: Tensor | _Number) -> Tensor: ...
    def _values(self) -> Tensor:
        """The values as they are, outside the tape."""
    @property
    def _version(self) -> _int: ...
    _viewed: _int
    def __xor__(self, other: Tensor | _Number) -> Tensor: ...
