# Written from the op table by `python -m numbatorch.reference --write`: not to be edited.
from builtins import bool as _bool, complex as _complex, float as _float, int as _int
from collections.abc import Callable as _Callable, Iterator as _Iterator, Sequence as _Sequence
from typing import Any, Literal as _Literal, NamedTuple as _NamedTuple, SupportsIndex, TypeAlias as _TypeAlias, overload

from .formats import layout_type as _layout_type, memory_format as _memory_format
from .dtypes import dtype as _dtype
from .tensor import _DeviceLike, _Ints, _Number, _Size, Tensor as Tensor, _aminmax_result, _cummax_result, _cummin_result, _frexp_result, _geqrf_result, _histogram_result, _kthvalue_result, _lu_unpack_result, _max_dim_result, _max_result, _median_result, _min_dim_result, _min_result, _mode_result, _nanmedian_result, _qr_result, _slogdet_result, _sort_result, _svd_result, _topk_result, _triangular_solve_result
from . import _C as _C
from . import _VF as _VF
from . import __config__ as __config__
from . import __future__ as __future__
from . import _custom_ops as _custom_ops
from . import _dynamo as _dynamo
from . import _higher_order_ops as _higher_order_ops
from . import _tensor_str as _tensor_str
from . import accelerator as accelerator
from . import amp as amp
from . import ao as ao
from . import autograd as autograd
from . import backends as backends
from . import compiler as compiler
from . import cpu as cpu
from . import cuda as cuda
from . import datasets as datasets
from . import distributed as distributed
from . import distributions as distributions
from . import export as export
from . import fft as fft
from . import func as func
from . import functional as functional
from . import futures as futures
from . import fx as fx
from . import hub as hub
from . import jit as jit
from . import library as library
from . import linalg as linalg
from . import masked as masked
from . import mps as mps
from . import multiprocessing as multiprocessing
from . import nested as nested
from . import nn as nn
from . import onnx as onnx
from . import optim as optim
from . import overrides as overrides
from . import profiler as profiler
from . import random as random
from . import return_types as return_types
from . import safetensors as safetensors
from . import serialization as serialization
from . import signal as signal
from . import sparse as sparse
from . import special as special
from . import testing as testing
from . import torch_version as torch_version
from . import types as types
from . import utils as utils
from . import version as version
from . import xpu as xpu
from .amp import GradScaler as GradScaler
from .amp.autocast_mode import autocast as autocast
from .amp.autocast_mode import clear_autocast_cache as clear_autocast_cache
from .amp.autocast_mode import get_autocast_cpu_dtype as get_autocast_cpu_dtype
from .amp.autocast_mode import get_autocast_dtype as get_autocast_dtype
from .amp.autocast_mode import get_autocast_gpu_dtype as get_autocast_gpu_dtype
from .amp.autocast_mode import is_autocast_available as is_autocast_available
from .amp.autocast_mode import is_autocast_cache_enabled as is_autocast_cache_enabled
from .amp.autocast_mode import is_autocast_cpu_enabled as is_autocast_cpu_enabled
from .amp.autocast_mode import is_autocast_enabled as is_autocast_enabled
from .amp.autocast_mode import set_autocast_cache_enabled as set_autocast_cache_enabled
from .amp.autocast_mode import set_autocast_cpu_dtype as set_autocast_cpu_dtype
from .amp.autocast_mode import set_autocast_cpu_enabled as set_autocast_cpu_enabled
from .amp.autocast_mode import set_autocast_dtype as set_autocast_dtype
from .amp.autocast_mode import set_autocast_enabled as set_autocast_enabled
from .amp.autocast_mode import set_autocast_gpu_dtype as set_autocast_gpu_dtype
from .autograd import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from .autograd import is_anomaly_enabled as is_anomaly_enabled
from .autograd import set_anomaly_enabled as set_anomaly_enabled
from .autograd.modes import enable_grad as enable_grad
from .autograd.modes import inference_mode as inference_mode
from .autograd.modes import is_grad_enabled as is_grad_enabled
from .autograd.modes import is_inference_mode_enabled as is_inference_mode_enabled
from .autograd.modes import no_grad as no_grad
from .autograd.modes import set_grad_enabled as set_grad_enabled
from .checks import _assert as _assert
from .checks import _assert_async as _assert_async
from .checks import _check as _check
from .checks import _check_index as _check_index
from .checks import _check_is_size as _check_is_size
from .checks import _check_not_implemented as _check_not_implemented
from .checks import _check_tensor_all as _check_tensor_all
from .checks import _check_tensor_all_with as _check_tensor_all_with
from .checks import _check_type as _check_type
from .checks import _check_value as _check_value
from .checks import _check_with as _check_with
from .compiler import compile as compile
from .control_flow import cond as cond
from .control_flow import while_loop as while_loop
from .determinism import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
from .determinism import get_deterministic_debug_mode as get_deterministic_debug_mode
from .determinism import is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled
from .determinism import set_deterministic_debug_mode as set_deterministic_debug_mode
from .determinism import use_deterministic_algorithms as use_deterministic_algorithms
from .device import device as device
from .device import get_default_device as get_default_device
from .device import set_default_device as set_default_device
from .dlpack import from_dlpack as from_dlpack
from .dlpack import to_dlpack as to_dlpack
from .dtypes import can_cast as can_cast
from .dtypes import dtype as dtype
from .dtypes import finfo as finfo
from .dtypes import get_default_dtype as get_default_dtype
from .dtypes import iinfo as iinfo
from .dtypes import promote_types as promote_types
from .dtypes import set_default_dtype as set_default_dtype
from .errors import OutOfMemoryError as OutOfMemoryError
from .formats import layout_type as layout
from .formats import memory_format as memory_format
from .func import vmap as vmap
from .generator import Generator as Generator
from .generator import default_generator as default_generator
from .jit import CompilationUnit as CompilationUnit
from .jit import Future as Future
from .jit import ScriptFunction as ScriptFunction
from .jit import ScriptModule as ScriptModule
from .legacy import Storage as Storage
from .legacy import TypedStorage as TypedStorage
from .legacy import set_default_tensor_type as set_default_tensor_type
from .printing import set_printoptions as set_printoptions
from .queries import broadcast_shapes as broadcast_shapes
from .queries import is_nonzero as is_nonzero
from .queries import is_storage as is_storage
from .queries import numel as numel
from .queries import result_type as result_type
from .queries import typename as typename
from .random import get_rng_state as get_rng_state
from .random import initial_seed as initial_seed
from .random import manual_seed as manual_seed
from .random import seed as seed
from .random import set_rng_state as set_rng_state
from .runtime import compiled_with_cxx11_abi as compiled_with_cxx11_abi
from .runtime import get_device_module as get_device_module
from .runtime import get_float32_matmul_precision as get_float32_matmul_precision
from .runtime import get_num_interop_threads as get_num_interop_threads
from .runtime import get_num_threads as get_num_threads
from .runtime import has_lapack as has_lapack
from .runtime import has_mkl as has_mkl
from .runtime import has_openmp as has_openmp
from .runtime import has_spectral as has_spectral
from .runtime import is_warn_always_enabled as is_warn_always_enabled
from .runtime import set_float32_matmul_precision as set_float32_matmul_precision
from .runtime import set_flush_denormal as set_flush_denormal
from .runtime import set_num_interop_threads as set_num_interop_threads
from .runtime import set_num_threads as set_num_threads
from .runtime import set_warn_always as set_warn_always
from .serialization import load as load
from .serialization import save as save
from .serialization.file_reader import PyTorchFileReader as PyTorchFileReader
from .size import Size as Size
from .sparse import sparse_bsc_tensor as sparse_bsc_tensor
from .sparse import sparse_bsr_tensor as sparse_bsr_tensor
from .sparse import sparse_compressed_tensor as sparse_compressed_tensor
from .sparse import sparse_coo_tensor as sparse_coo_tensor
from .sparse import sparse_csc_tensor as sparse_csc_tensor
from .sparse import sparse_csr_tensor as sparse_csr_tensor
from .storage import UntypedStorage as UntypedStorage
from .streams import Event as Event
from .streams import Stream as Stream
from .symbolic import SymBool as SymBool
from .symbolic import SymFloat as SymFloat
from .symbolic import SymInt as SymInt
from .symbolic import sym_float as sym_float
from .symbolic import sym_int as sym_int
from .symbolic import sym_ite as sym_ite
from .symbolic import sym_max as sym_max
from .symbolic import sym_min as sym_min
from .symbolic import sym_not as sym_not
from .symbolic import sym_sqrt as sym_sqrt
from .symbolic import sym_sum as sym_sum

__version__: str
BFloat16Storage: Any
BFloat16Tensor: Any
BoolStorage: Any
BoolTensor: Any
ByteStorage: Any
ByteTensor: Any
CharStorage: Any
CharTensor: Any
ComplexDoubleStorage: Any
ComplexFloatStorage: Any
DoubleStorage: Any
DoubleTensor: Any
FloatStorage: Any
FloatTensor: Any
HalfStorage: Any
HalfTensor: Any
IntStorage: Any
IntTensor: Any
LongStorage: Any
LongTensor: Any
ShortStorage: Any
ShortTensor: Any
bfloat16: _dtype
bool: _dtype
cdouble: _dtype
cfloat: _dtype
chalf: _dtype
channels_last: _memory_format
channels_last_3d: _memory_format
complex128: _dtype
complex32: _dtype
complex64: _dtype
contiguous_format: _memory_format
detach: Any
detach_: Any
double: _dtype
e: _float
float: _dtype
float16: _dtype
float32: _dtype
float64: _dtype
float8_e4m3fn: _dtype
float8_e4m3fnuz: _dtype
float8_e5m2: _dtype
float8_e5m2fnuz: _dtype
get_device: Any
half: _dtype
inf: _float
int: _dtype
int16: _dtype
int32: _dtype
int64: _dtype
int8: _dtype
is_complex: Any
is_conj: Any
is_distributed: Any
is_floating_point: Any
is_inference: Any
is_neg: Any
is_same_size: Any
is_signed: Any
jagged: _layout_type
legacy_contiguous_format: _memory_format
long: _dtype
nan: _float
newaxis: None
pi: _float
preserve_format: _memory_format
short: _dtype
sparse_bsc: _layout_type
sparse_bsr: _layout_type
sparse_coo: _layout_type
sparse_csc: _layout_type
sparse_csr: _layout_type
strided: _layout_type
uint16: _dtype
uint32: _dtype
uint64: _dtype
uint8: _dtype

def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """|input|; of complex numbers sqrt(real^2 + imag^2), in the real dtype."""
def abs_(input: Tensor) -> Tensor:
    """In place: |input|; of complex numbers sqrt(real^2 + imag^2), in the real dtype."""
def absolute(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """|input|; of complex numbers sqrt(real^2 + imag^2), in the real dtype."""
def acos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [0, pi] whose cosine is `input`; NaN outside [-1, 1]."""
def acos_(input: Tensor) -> Tensor:
    """In place: The angle in [0, pi] whose cosine is `input`; NaN outside [-1, 1]."""
def acosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number >= 0 whose hyperbolic cosine is `input`; NaN below 1."""
def acosh_(input: Tensor) -> Tensor:
    """In place: The number >= 0 whose hyperbolic cosine is `input`; NaN below 1."""
def adaptive_avg_pool1d(input: Tensor, output_size: _Ints) -> Tensor:
    """Mean of windows chosen so that the result has spatial size `output_size` (None keeps one)."""
def adaptive_max_pool1d(input: Tensor, output_size: _Ints, return_indices: _bool = False) -> Tensor:
    """Maximum of windows chosen so that the result has spatial size `output_size` (None keeps one)."""
def add(input: Tensor, other: Tensor | _Number, *, alpha: _Number = 1, out: Tensor | None = None) -> Tensor:
    """input + alpha * other."""
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """beta * input + alpha * the sum of batch1 @ batch2 over the batch: (B, N, M), (B, M, P) -> (N, P)."""
def addcdiv(input: Tensor, tensor1: Tensor | _Number, tensor2: Tensor | _Number, *, value: _Number = 1, out: Tensor | None = None) -> Tensor:
    """input + value * tensor1 / tensor2, in one pass and in floating point."""
def addcmul(input: Tensor, tensor1: Tensor | _Number, tensor2: Tensor | _Number, *, value: _Number = 1, out: Tensor | None = None) -> Tensor:
    """input + value * tensor1 * tensor2, in one pass."""
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """beta * input + alpha * mat1 @ mat2: (N, M), (M, P) -> (N, P); `input` broadcasts, and counts as 0 for beta 0."""
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """beta * input + alpha * mat @ vec: (N, M), (M,) -> (N,); `input` broadcasts, and counts as 0 for beta 0."""
def addmv_(input: Tensor, mat: Tensor, vec: Tensor, *, beta: _float = 1, alpha: _float = 1) -> Tensor:
    """In place: beta * input + alpha * mat @ vec: (N, M), (M,) -> (N,); `input` broadcasts, and counts as 0 for beta 0."""
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2): (N,), (M,) -> (N, M); `input` broadcasts, and is 0 for beta 0."""
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, and conjugated."""
def affine_grid_generator(theta: Tensor, size: _Ints, align_corners: Any) -> Tensor:
    """`nn.functional.affine_grid`, where `align_corners` has no default."""
def alias_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input`, with memory of its own."""
def all(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """True where every element along `dim` is nonzero; True of nothing."""
def allclose(input: Tensor, other: Tensor | _Number, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> _bool:
    """Whether `isclose` holds for all elements, as a bool."""
def alpha_dropout(input: Tensor, p: _float | str, train: Any) -> Tensor:
    """Dropout for selu, which keeps mean and variance (Klambauer et al. 2017, arXiv:1706.02515, section 3)."""
def alpha_dropout_(input: Tensor, p: _float | str, train: Any) -> Tensor:
    """In place: Dropout for selu, which keeps mean and variance (Klambauer et al. 2017, arXiv:1706.02515, section 3)."""
def amax(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """Maximum over `dim`, an int or several; NaN if any is."""
def amin(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """Minimum over `dim`, an int or several; NaN if any is."""
def aminmax(input: Tensor, *, dim: _Ints | None = None, keepdim: _bool = False, out: tuple[Tensor, ...] | None = None) -> _aminmax_result:
    """(min, max) along one `dim`, or of all elements; both NaN if any is."""
def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in radians, atan2(imaginary part, real part); of real numbers 0, below 0 pi, NaN at NaN."""
def any(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """True where some element along `dim` is nonzero; False of nothing."""
def arange(start: Any = None, end: Any = None, step: _Number = 1, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, out: Tensor | None = None, layout: _layout_type | None = None, pin_memory: _bool | None = False) -> Tensor: ...
def arccos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [0, pi] whose cosine is `input`; NaN outside [-1, 1]."""
def arccos_(input: Tensor) -> Tensor:
    """In place: The angle in [0, pi] whose cosine is `input`; NaN outside [-1, 1]."""
def arccosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number >= 0 whose hyperbolic cosine is `input`; NaN below 1."""
def arccosh_(input: Tensor) -> Tensor:
    """In place: The number >= 0 whose hyperbolic cosine is `input`; NaN below 1."""
def arcsin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [-pi/2, pi/2] whose sine is `input`; NaN outside [-1, 1]."""
def arcsin_(input: Tensor) -> Tensor:
    """In place: The angle in [-pi/2, pi/2] whose sine is `input`; NaN outside [-1, 1]."""
def arcsinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose hyperbolic sine is `input`: log(input + sqrt(input^2 + 1))."""
def arcsinh_(input: Tensor) -> Tensor:
    """In place: The number whose hyperbolic sine is `input`: log(input + sqrt(input^2 + 1))."""
def arctan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [-pi/2, pi/2] whose tangent is `input`."""
def arctan2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [-pi, pi] of the point with x = `other` and y = `input`; its sides decide the quadrant."""
def arctan_(input: Tensor) -> Tensor:
    """In place: The angle in [-pi/2, pi/2] whose tangent is `input`."""
def arctanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose hyperbolic tangent is `input`; infinite at -1 and 1, NaN outside."""
def arctanh_(input: Tensor) -> Tensor:
    """In place: The number whose hyperbolic tangent is `input`; infinite at -1 and 1, NaN outside."""
def argmax(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """Position (int64) of the maximum along `dim` or of all, the first of equals; NaN counts as the largest."""
def argmin(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """Position (int64) of the minimum along `dim` or of all, the first of equals; NaN counts as the smallest."""
def argsort(input: Tensor, dim: _Ints = -1, descending: _bool = False, stable: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """Positions (int64) that sort the input along `dim`, equal ones in order when `stable`; NaN is the largest."""
def argwhere(input: Tensor) -> Tensor:
    """The coordinates of nonzero elements, in row-major order: int64 (count, rank)."""
def as_strided(input: Tensor, size: _Ints, stride: _Ints | None, storage_offset: Any = None) -> Tensor:
    """A view with the given sizes, strides and offset (in elements) over the storage of `input`."""
def as_strided_(input: Tensor, size: _Ints, stride: _Ints | None, storage_offset: Any = None) -> Tensor:
    """`as_strided` in place: `input` itself, with the given geometry over its storage."""
def as_strided_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`as_strided`, with memory of its own: the arguments of `as_strided`, and a copy of what it views."""
def as_strided_scatter(input: Tensor, src: Tensor, size: _Ints, stride: _Ints | None, storage_offset: Any = None, *, out: Tensor | None = None) -> Tensor:
    """A copy of `input` with `src` written through as_strided(copy, size, stride, storage_offset)."""
def as_tensor(data: Any, dtype: _dtype | None = None, device: _DeviceLike | None = None) -> Tensor: ...
def asarray(obj: Any, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, copy: Any = None, requires_grad: _bool | None = False) -> Tensor: ...
def asin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [-pi/2, pi/2] whose sine is `input`; NaN outside [-1, 1]."""
def asin_(input: Tensor) -> Tensor:
    """In place: The angle in [-pi/2, pi/2] whose sine is `input`; NaN outside [-1, 1]."""
def asinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose hyperbolic sine is `input`: log(input + sqrt(input^2 + 1))."""
def asinh_(input: Tensor) -> Tensor:
    """In place: The number whose hyperbolic sine is `input`: log(input + sqrt(input^2 + 1))."""
def atan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [-pi/2, pi/2] whose tangent is `input`."""
def atan2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle in [-pi, pi] of the point with x = `other` and y = `input`; its sides decide the quadrant."""
def atan_(input: Tensor) -> Tensor:
    """In place: The angle in [-pi/2, pi/2] whose tangent is `input`."""
def atanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose hyperbolic tangent is `input`; infinite at -1 and 1, NaN outside."""
def atanh_(input: Tensor) -> Tensor:
    """In place: The number whose hyperbolic tangent is `input`; infinite at -1 and 1, NaN outside."""
def atleast_1d(*tensors: Tensor | _Sequence[Tensor]) -> Tensor:
    """0-d tensors with one dimension; others as they are."""
def atleast_2d(*tensors: Tensor | _Sequence[Tensor]) -> Tensor:
    """Tensors of less than two dimensions with two, (n,) as (1, n); others as they are."""
def atleast_3d(*tensors: Tensor | _Sequence[Tensor]) -> Tensor:
    """Tensors of less than three dimensions with three: (n,) as (1, n, 1), (n, m) as (n, m, 1)."""
def avg_pool1d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, ceil_mode: _bool = False, count_include_pad: _bool = True) -> Tensor:
    """Mean of 1-dimensional windows."""
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """beta * input + alpha * batch1 @ batch2: (B, N, M), (B, M, P) -> (B, N, P), to which `input` broadcasts."""
def bartlett_window(window_length: Any, periodic: _bool = True, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, pin_memory: _bool | None = False, requires_grad: _bool | None = False) -> Tensor: ...
def batch_norm(input: Tensor, weight: Tensor, bias: Tensor, running_mean: Tensor, running_var: Tensor, training: Any, momentum: Any, eps: _float, cudnn_enabled: Any) -> Tensor:
    """`nn.functional.batch_norm` with the parameters first."""
def batch_norm_rows(input: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: _Number = 1e-05) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised over everything but dimension 1, with the batch's mean and (biased) variance of each channel."""
def bernoulli(input: Tensor, p: _float | str | None = None, *, generator: Any = None, out: Tensor | None = None) -> Tensor:
    """1 with the probability that each element of `input` gives (or `p` everywhere), else 0."""
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1[..., i] weight[o, i, j] input2[..., j] + bias[o]: (..., I), (..., J), (O, I, J), (O,) -> (..., O)."""
def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None, reduction: _int = 0) -> Tensor:
    """`nn.functional.binary_cross_entropy_with_logits` with the reduction as a number; input and target broadcast."""
def bincount(input: Tensor, weights: Tensor | None = None, minlength: _int = 0) -> Tensor:
    """How often each non-negative int occurs, or the sum of its weights; at least `minlength` entries."""
def binomial(count: Any, prob: Any, generator: Any = None) -> Tensor:
    """How many of `count` trials succeed, each with chance `prob`; both are tensors that broadcast."""
def bitwise_and(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input & other, bit by bit, of integers; of bools: and."""
def bitwise_left_shift(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input << other; 0 where `other` is negative or 64 and more."""
def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """~input: every bit of integers turned, -input - 1; of bools: not."""
def bitwise_or(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input | other, bit by bit, of integers; of bools: or."""
def bitwise_right_shift(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input >> other; all sign bits where `other` is negative or 64 and more."""
def bitwise_xor(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input ^ other, bit by bit, of integers; of bools: where they differ."""
def blackman_window(window_length: Any, periodic: _bool = True, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, pin_memory: _bool | None = False, requires_grad: _bool | None = False) -> Tensor: ...
def block_diag(*tensors: Tensor | _Sequence[Tensor]) -> Tensor:
    """A matrix of zeros with the given matrices along its diagonal: sizes add up."""
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Batched matrix product: (B, N, M) @ (B, M, P) -> (B, N, P)."""
def broadcast_tensors(*tensors: Tensor | _Sequence[Tensor]) -> tuple[Tensor, ...]:
    """A tuple of all tensors expanded to their common shape, without copies."""
def broadcast_to(input: Tensor, size: _Ints) -> Tensor:
    """`input` expanded to `size` without a copy, as broadcasting would."""
def bucketize(input: Tensor, boundaries: Tensor, *, out_int32: _bool = False, right: _bool = False, out: Tensor | None = None) -> Tensor:
    """The index of the bucket between 1-d `boundaries` that each value falls into."""
def cartesian_prod(*tensors: Tensor | _Sequence[Tensor]) -> Tensor:
    """All combinations of one element from each 1-d tensor, (count, number of tensors)."""
def cat(tensors: _Sequence[Tensor], dim: _Ints = 0, *, axis: Any = None, out: Tensor | None = None) -> Tensor:
    """Tensors one after the other along `dim`, in their common dtype."""
def ccol_indices_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `Tensor.ccol_indices()` gives."""
def cdist(x1: Tensor, x2: Tensor, p: _float | str = 2.0, compute_mode: str = 'use_mm_for_euclid_dist_if_necessary') -> Tensor:
    """p-norm distances (..., P, R) between the rows of (..., P, M) and (..., R, M)."""
def ceil(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest integer not below `input`, in its dtype; integers as they are."""
def ceil_(input: Tensor) -> Tensor:
    """In place: The smallest integer not below `input`, in its dtype; integers as they are."""
def celu(input: Tensor, alpha: _Number = 1.0, *, out: Tensor | None = None) -> Tensor:
    """max(0, input) + min(0, alpha * (e^(input/alpha) - 1))."""
def celu_(input: Tensor, alpha: _Number = 1.0) -> Tensor:
    """In place: max(0, input) + min(0, alpha * (e^(input/alpha) - 1))."""
def chain_matmul(*matrices: Tensor) -> Tensor:
    """Product of matrices in the cheapest order: `linalg.multi_dot`."""
def channel_shuffle(input: Tensor, groups: _int) -> Tensor:
    """(N, C, ...) with channel g * (C / groups) + k moved to k * groups + g (arXiv:1707.01083)."""
def cholesky(input: Tensor, upper: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """The Cholesky factor of positive definite matrices: `linalg.cholesky`, under its old name."""
def cholesky_inverse(L: Any, upper: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """Inverse of A = L L^H (L^H L when `upper`) from its Cholesky factor: (..., N, N) -> (..., N, N)."""
def cholesky_solve(B: Tensor, L: Any, upper: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """X with A X = B for A = L L^H (L^H L when `upper`): B (..., N, K), L (..., N, N) -> (..., N, K)."""
def chunk(input: Tensor, chunks: _int, dim: _Ints = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal size along `dim`; the last may be smaller."""
def clamp(input: Tensor, min: Tensor | _Number | None = None, max: Tensor | _Number | None = None, *, out: Tensor | None = None) -> Tensor:
    """`input` limited to [min, max], numbers or tensors that broadcast; None means no limit, and not both may be None."""
def clamp_(input: Tensor, min: Tensor | _Number | None = None, max: Tensor | _Number | None = None) -> Tensor:
    """In place: `input` limited to [min, max], numbers or tensors that broadcast; None means no limit, and not both may be None."""
def clamp_max(input: Tensor, max: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """min(input, max): `input` up to `max`, a number or a tensor; NaN stays NaN."""
def clamp_max_(input: Tensor, max: Tensor | _Number) -> Tensor:
    """In place: min(input, max): `input` up to `max`, a number or a tensor; NaN stays NaN."""
def clamp_min(input: Tensor, min: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """max(input, min): `input` from `min` on, a number or a tensor; NaN stays NaN."""
def clamp_min_(input: Tensor, min: Tensor | _Number) -> Tensor:
    """In place: max(input, min): `input` from `min` on, a number or a tensor; NaN stays NaN."""
def clip(input: Tensor, min: Tensor | _Number | None = None, max: Tensor | _Number | None = None, *, out: Tensor | None = None) -> Tensor:
    """`input` limited to [min, max], numbers or tensors that broadcast; None means no limit, and not both may be None."""
def clip_(input: Tensor, min: Tensor | _Number | None = None, max: Tensor | _Number | None = None) -> Tensor:
    """In place: `input` limited to [min, max], numbers or tensors that broadcast; None means no limit, and not both may be None."""
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy of `input` with memory of its own; gradients pass through."""
def col_indices_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `Tensor.col_indices()` gives."""
def column_stack(tensors: _Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors as columns: along dimension 1, those of less than two dimensions as one column."""
def combinations(input: Tensor, r: _int = 2, with_replacement: _bool = False) -> Tensor:
    """All choices of r elements of a 1-d tensor in their order, (count, r)."""
def complex(real: Tensor, imag: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """real + i imag: complex64 of float32, complex128 of float64."""
def concat(tensors: _Sequence[Tensor], dim: _Ints = 0, *, axis: Any = None, out: Tensor | None = None) -> Tensor:
    """Tensors one after the other along `dim`, in their common dtype."""
def concatenate(tensors: _Sequence[Tensor], dim: _Ints = 0, *, axis: Any = None, out: Tensor | None = None) -> Tensor:
    """Tensors one after the other along `dim`, in their common dtype."""
def conj(input: Tensor) -> Tensor:
    """The complex conjugate, real - i imag; `input` itself when it is real."""
def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate; `input` itself when it is real."""
def conj_physical_(input: Tensor) -> Tensor:
    """In place: The complex conjugate; `input` itself when it is real."""
def constant_pad_nd(input: Tensor, pad: _Ints, value: Tensor | _Number = 0) -> Tensor:
    """`input` inside a tensor of `value`; pad as in nn.functional.pad."""
def conv1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, dilation: _Ints = 1, groups: _int = 1) -> Tensor:
    """Cross-correlation of (N, C, L) with (O, C / groups, K), plus bias (O,): (N, O, L')."""
def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, dilation: _Ints = 1, groups: _int = 1) -> Tensor:
    """Cross-correlation of (N, C, H, W) with (O, C / groups, kH, kW), plus bias (O,): (N, O, H', W')."""
def conv3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, dilation: _Ints = 1, groups: _int = 1) -> Tensor:
    """Cross-correlation of (N, C, D, H, W) with (O, C / groups, kD, kH, kW), plus bias (O,)."""
def conv_forward(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = (), padding: _Ints | str = (), dilation: _Ints = (), groups: _int = 1) -> Tensor:
    """Cross-correlation of (N, C, *S) with (O, C / groups, *K), zero-padded: (N, O, *S')."""
def conv_input_gradient(gradient: Any, weight: Tensor, shape: _Ints, stride: _Ints | None, padding: _Ints | str, dilation: _Ints, groups: _int) -> Tensor:
    """What convolution's input of `shape` gets: the transposed convolution of `gradient` with `weight`."""
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: _Ints = 0) -> Tensor:
    """Convolution over time: input (T, B, I), weight (K, I, O), bias (O,) -> (T + 2 pad - K + 1, B, O)."""
def conv_transpose1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, output_padding: _Ints = 0, groups: _int = 1, dilation: _Ints = 1) -> Tensor:
    """The transposed convolution of (N, C, L) with (C, O / groups, K): the gradient of conv1d by its input."""
def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, output_padding: _Ints = 0, groups: _int = 1, dilation: _Ints = 1) -> Tensor:
    """The transposed convolution of (N, C, H, W) with (C, O / groups, kH, kW)."""
def conv_transpose3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints | None = 1, padding: _Ints | str = 0, output_padding: _Ints = 0, groups: _int = 1, dilation: _Ints = 1) -> Tensor:
    """The transposed convolution of (N, C, D, H, W) with (C, O / groups, kD, kH, kW)."""
def conv_weight_gradient(input: Tensor, gradient: Any, shape: _Ints, stride: _Ints | None, padding: _Ints | str, dilation: _Ints, groups: _int) -> Tensor:
    """What convolution's weight of `shape` gets: the correlation of input and `gradient`."""
def convolution(input: Tensor, weight: Tensor, bias: Tensor, stride: _Ints | None, padding: _Ints | str, dilation: _Ints, transposed: Any, output_padding: _Ints, groups: _int) -> Tensor:
    """`conv1d` to `conv3d`, or with `transposed` `conv_transpose1d` to `conv_transpose3d`, by the rank of `weight`."""
def copy(input: Tensor, src: Tensor | _Number, non_blocking: _bool = False) -> Tensor:
    """The values of `src`, broadcast to the shape of `input`; `copy_` writes them into `input` in its dtype."""
def copysign(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """|input| with the sign of `other`, that of -0.0 and of NaN included; the result is floating point."""
def corrcoef(input: Tensor) -> Tensor:
    """Correlation coefficients of the rows: the covariance over the product of the standard deviations, within [-1, ' '1]."""
def cos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The cosine of an angle in radians; NaN at infinity."""
def cos_(input: Tensor) -> Tensor:
    """In place: The cosine of an angle in radians; NaN at infinity."""
def cosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The hyperbolic cosine, (e^input + e^-input) / 2."""
def cosh_(input: Tensor) -> Tensor:
    """In place: The hyperbolic cosine, (e^input + e^-input) / 2."""
def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: _float = 0, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1."""
def cosine_similarity(x1: Tensor, x2: Tensor, dim: _Ints = 1, eps: _float = 1e-08) -> Tensor:
    """sum(x1 x2) / (|x1| |x2|) along `dim`, each norm at least `eps`; x1 and x2 broadcast."""
def count_nonzero(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
    """How many elements along `dim`, or of all, are nonzero, in int64; NaN is nonzero."""
def cov(input: Tensor, *, correction: _int = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
    """Covariance of the rows of (variables, observations): (variables, variables), or () of one variable."""
def cross(input: Tensor, other: Tensor | _Number, dim: _Ints | None = None, *, out: Tensor | None = None) -> Tensor:
    """Vector product of 3-vectors along `dim`, the first dimension of size 3 when None."""
def cross_entropy_of_bits(input: Tensor, target: Tensor | _Number) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)), each logarithm at least -100."""
def crow_indices_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `Tensor.crow_indices()` gives."""
def ctc_loss(log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: _int = 0, reduction: _int = 0, zero_infinity: _bool = False) -> Tensor:
    """`nn.functional.ctc_loss` with the reduction as a number."""
def cube(input: Tensor) -> Tensor:
    """input * input * input: pow(input, 3)."""
def cummax(input: Tensor, dim: _int, *, out: tuple[Tensor, ...] | None = None) -> _cummax_result:
    """Largest element so far along `dim` and where it is (the last of equals); NaN stays."""
def cummin(input: Tensor, dim: _int, *, out: tuple[Tensor, ...] | None = None) -> _cummin_result:
    """Smallest element so far along `dim` and where it is (the last of equals); NaN stays."""
def cumprod(input: Tensor, dim: _Ints, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """result[i] = input[0] * ... * input[i] along `dim`; bool and integers count in int64."""
def cumsum(input: Tensor, dim: _Ints, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """result[i] = input[0] + ... + input[i] along `dim`; bool and integers count in int64."""
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: _Ints = -1) -> Tensor:
    """Running integral of samples y along `dim` by the trapezoidal rule."""
def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians of angles in degrees: input * pi / 180."""
def deg2rad_(input: Tensor) -> Tensor:
    """In place: Radians of angles in degrees: input * pi / 180."""
def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Determinant of square matrices: (..., N, N) -> (...); 1 of (0, 0)."""
def detach_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input` off the tape, with memory of its own."""
def diag(input: Tensor, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """A matrix with the 1-d `input` on a diagonal, or the diagonal of a matrix."""
def diag_embed(input: Tensor, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> Tensor:
    """Zeros with the last dimension of `input` on the diagonal of the new dimensions dim1 and dim2."""
def diagflat(input: Tensor, offset: _int = 0) -> Tensor:
    """A matrix with all elements of `input`, in row-major order, on a diagonal, and zeros elsewhere."""
def diagonal(input: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> Tensor:
    """The diagonal of dimensions dim1 and dim2, as the last dimension of a view; `offset` above the main one, or below it."""
def diagonal_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`diagonal`, with memory of its own: the arguments of `diagonal`, and a copy of what it views."""
def diagonal_scatter(input: Tensor, src: Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1, *, out: Tensor | None = None) -> Tensor:
    """A copy of `input` with `src` on a diagonal: `src` has the shape of input.diagonal(offset, dim1, dim2)."""
def diff(input: Tensor, n: _int = 1, dim: _Ints = -1, prepend: Tensor | None = None, append: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """input[i + 1] - input[i] along `dim`, n times; `prepend` and `append` are joined on first, unless n is 0."""
def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of lgamma; -inf at 0, NaN at the negative integers."""
def dist(input: Tensor, other: Tensor | _Number, p: _float | str = 2, *, out: Tensor | None = None) -> Tensor:
    """The p-norm of input - other, which broadcast, over all elements: a 0-d tensor."""
def div(input: Tensor, other: Tensor | _Number, *, rounding_mode: Any = None, out: Tensor | None = None) -> Tensor:
    """input / other; `rounding_mode` 'trunc' or 'floor' rounds the quotient and keeps integers integer."""
def divide(input: Tensor, other: Tensor | _Number, *, rounding_mode: Any = None, out: Tensor | None = None) -> Tensor:
    """input / other; `rounding_mode` 'trunc' or 'floor' rounds the quotient and keeps integers integer."""
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sum(input * tensor) of two vectors of equal length: (N,), (N,) -> ()."""
def dropout(input: Tensor, p: _float | str, train: Any) -> Tensor:
    """Each element is 0 with chance p, else scaled by 1 / (1 - p) (arXiv:1207.0580)."""
def dropout_(input: Tensor, p: _float | str, train: Any) -> Tensor:
    """In place: Each element is 0 with chance p, else scaled by 1 / (1 - p) (arXiv:1207.0580)."""
def dsmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """mm: matrix product of a sparse and a strided matrix (the old name of it)."""
def dsplit(input: Tensor, indices_or_sections: _Ints | None = None, *, indices: Tensor | None = None, sections: _Ints | None = None) -> tuple[Tensor, ...]:
    """tensor_split along dimension 2 into equal parts."""
def dstack(tensors: _Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors behind each other: cat along dimension 2, (n,) as (1, n, 1) and (n, m) as (n, m, 1)."""
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sum of products in Einstein notation: einsum('bij,bjk->bik', a, b); `...` stands for broadcast dimensions."""
def embedding(weight: Tensor, indices: Tensor, padding_idx: _int = -1, scale_grad_by_freq: _bool = False, sparse: _bool = False) -> Tensor:
    """Rows of `weight` at `indices`; the row padding_idx (none where it is negative) gets no gradient."""
def embedding_bag(weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: _bool = False, mode: _int = 0, sparse: _bool = False, per_sample_weights: Tensor | None = None, include_last_offset: _bool = False, padding_idx: Any = None) -> tuple[Tensor, ...]:
    """(`nn.functional.embedding_bag`, bag of each index, indices in each bag, where maxima lie)."""
def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: Any, norm_type: _float) -> Tensor:
    """`input` (V, E) itself, its rows at `indices` shortened to norm `max_norm` in place."""
def empty(*size: _Ints, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, out: Tensor | None = None, layout: _layout_type | None = None, pin_memory: _bool | None = False, memory_format: _memory_format | None = None, **named: Any) -> Tensor: ...
def empty_like(input: Tensor, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, memory_format: _memory_format | None = None, pin_memory: _bool | None = False) -> Tensor: ...
def empty_permuted(size: _Ints, physical_layout: Any, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, pin_memory: _bool | None = False) -> Tensor:
    """A tensor of shape `size` whose dimensions lie in memory in the order `physical_layout`, outermost first."""
def empty_strided(size: _Ints, stride: _Ints | None, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, layout: _layout_type | None = None, pin_memory: _bool | None = False) -> Tensor: ...
def eq(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input == other, element by element: bools, in the shape that both broadcast to."""
def equal(input: Tensor, other: Tensor | _Number) -> _bool:
    """Whether both have one shape and equal elements, as a bool; NaN equals nothing."""
def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to `input`."""
def erf_(input: Tensor) -> Tensor:
    """In place: The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to `input`."""
def erfc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 - erf(input), accurate where that is small."""
def erfc_(input: Tensor) -> Tensor:
    """In place: 1 - erf(input), accurate where that is small."""
def erfinv(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose erf is `input`; infinite at -1 and 1, NaN outside."""
def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e ** input, the exponential; integers in the default dtype."""
def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """2 ** input, exact where `input` is an integer."""
def exp2_(input: Tensor) -> Tensor:
    """In place: 2 ** input, exact where `input` is an integer."""
def exp_(input: Tensor) -> Tensor:
    """In place: e ** input, the exponential; integers in the default dtype."""
def expand_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`expand`, with memory of its own: the arguments of `expand`, and a copy of what it views."""
def expit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logistic function, 1 / (1 + e^-input)."""
def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e ** input - 1, accurate near 0, where exp(input) - 1 would lose its digits."""
def expm1_(input: Tensor) -> Tensor:
    """In place: e ** input - 1, accurate near 0, where exp(input) - 1 would lose its digits."""
def eye(n: _int, m: Any = None, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, out: Tensor | None = None, layout: _layout_type | None = None) -> Tensor: ...
def fake_quantize_per_channel_affine(input: Tensor, scale: Any, zero_point: Any, axis: Any, quant_min: Any, quant_max: Any) -> Tensor:
    """`fake_quantize_per_tensor_affine` with a scale and a zero point for each place along dimension `axis`."""
def fake_quantize_per_tensor_affine(input: Tensor, scale: Any, zero_point: Any, quant_min: Any, quant_max: Any) -> Tensor:
    """`input` rounded to the multiples of `scale` whose number, plus zero_point, lies in [quant_min, quant_max]."""
def feature_alpha_dropout(input: Tensor, p: _float | str, train: Any) -> Tensor:
    """`alpha_dropout` of whole channels, input[n, c]."""
def feature_alpha_dropout_(input: Tensor, p: _float | str, train: Any) -> Tensor:
    """In place: `alpha_dropout` of whole channels, input[n, c]."""
def feature_dropout(input: Tensor, p: _float | str, train: Any) -> Tensor:
    """Whole channels, input[n, c], are dropped."""
def feature_dropout_(input: Tensor, p: _float | str, train: Any) -> Tensor:
    """In place: Whole channels, input[n, c], are dropped."""
def fill(input: Tensor, value: Tensor | _Number) -> Tensor:
    """`value`, a number or a 0-d tensor, everywhere, in the shape and dtype of `input`."""
def fill_(input: Tensor, value: Tensor | _Number) -> Tensor:
    """In place: `value`, a number or a 0-d tensor, everywhere, in the shape and dtype of `input`."""
def fix(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input` rounded towards zero, in its dtype; integers as they are."""
def fix_(input: Tensor) -> Tensor:
    """In place: `input` rounded towards zero, in its dtype; integers as they are."""
def flatten(input: Tensor, start_dim: _int = 0, end_dim: _int = -1) -> Tensor:
    """Dimensions start_dim..end_dim as one."""
def flip(input: Tensor, *dims: _Ints, **named: Any) -> Tensor:
    """The elements of `input` in the opposite order along `dims`: a copy, of the same shape."""
def fliplr(input: Tensor) -> Tensor:
    """`input` reversed along dimension 1."""
def flipud(input: Tensor) -> Tensor:
    """`input` reversed along dimension 0."""
def float_power(input: Tensor, exponent: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input ** exponent, both converted to float64, or complex128 where one is complex, as the result is."""
def floor(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest integer not above `input`, in its dtype; integers as they are."""
def floor_(input: Tensor) -> Tensor:
    """In place: The largest integer not above `input`, in its dtype; integers as they are."""
def floor_divide(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """floor(input / other), as Python's //: integers stay integers, and halves go down, not to zero."""
def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of both, element by element; where one is NaN, the other."""
def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of both, element by element; where one is NaN, the other."""
def fmod(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input - other * trunc(input / other): the sign is that of `input`."""
def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The fractional part, input - trunc(input): it has the sign of `input`."""
def frac_(input: Tensor) -> Tensor:
    """In place: The fractional part, input - trunc(input): it has the sign of `input`."""
def frexp(input: Tensor, *, out: tuple[Tensor, ...] | None = None) -> _frexp_result:
    """(mantissa, exponent) with input = mantissa * 2**exponent and mantissa in [0.5, 1); exponent is int32."""
def frobenius_norm(input: Tensor, dim: _Ints, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """Root of the sum of squares over one or two `dim` (over all for an empty tuple): `linalg.vector_norm`."""
def from_file(filename: Any, shared: Any = None, size: _Ints = 0, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, pin_memory: _bool | None = False, requires_grad: _bool | None = False) -> Tensor: ...
def from_numpy(array: Any) -> Tensor: ...
def frombuffer(buffer: Any, *, dtype: _dtype, count: _int = -1, offset: _int = 0, requires_grad: _bool | None = False) -> Tensor: ...
def full(size: _Ints, fill_value: Tensor | _Number, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, out: Tensor | None = None, layout: _layout_type | None = None, pin_memory: _bool | None = False) -> Tensor: ...
def full_like(input: Tensor, fill_value: Tensor | _Number, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, memory_format: _memory_format | None = None, pin_memory: _bool | None = False) -> Tensor: ...
def gammainc(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Regularised lower incomplete gamma function P(input, other)."""
def gammaincc(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Regularised upper incomplete gamma function Q = 1 - P(input, other)."""
def gated(input: Tensor, gate: Tensor | _Number) -> Tensor:
    """input * sigmoid(gate): what glu makes of its halves."""
def gather(input: Tensor, dim: _Ints, index: Tensor, *, sparse_grad: _bool = False, out: Tensor | None = None) -> Tensor:
    """result[i, j, k] = input[index[i, j, k], j, k] for dim 0, and so on."""
def gcd(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Greatest common divisor of integers, never negative; gcd(0, 0) = 0."""
def gcd_(input: Tensor, other: Tensor | _Number) -> Tensor:
    """In place: Greatest common divisor of integers, never negative; gcd(0, 0) = 0."""
def ge(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input >= other, element by element: bools, in the shape that both broadcast to."""
def geqrf(input: Tensor, *, out: tuple[Tensor, ...] | None = None) -> _geqrf_result:
    """QR factorisation as LAPACK leaves it: R on and above the diagonal, reflectors below, and their factors tau."""
def ger(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input[i] * vec2[j] of two vectors: (N,), (M,) -> (N, M)."""
def gradient(input: Tensor, *, spacing: Any = None, dim: _Ints | None = None, edge_order: _int = 1) -> tuple[Tensor, ...]:
    """Derivatives of sampled values along `dim` (every one unless given), a tensor for each."""
def greater(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input > other, element by element: bools, in the shape that both broadcast to."""
def greater_equal(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input >= other, element by element: bools, in the shape that both broadcast to."""
def grid_sampler(input: Tensor, grid: Tensor, interpolation_mode: Any, padding_mode: Any, align_corners: Any) -> Tensor:
    """`nn.functional.grid_sample` with its modes as numbers: bilinear, nearest, bicubic; zeros, border, reflection."""
def grid_sampler_2d(input: Tensor, grid: Tensor, interpolation_mode: Any, padding_mode: Any, align_corners: Any) -> Tensor:
    """`nn.functional.grid_sample` with its modes as numbers: bilinear, nearest, bicubic; zeros, border, reflection."""
def grid_sampler_3d(input: Tensor, grid: Tensor, interpolation_mode: Any, padding_mode: Any, align_corners: Any) -> Tensor:
    """`nn.functional.grid_sample` with its modes as numbers: bilinear, nearest, bicubic; zeros, border, reflection."""
def group_norm(input: Tensor, num_groups: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: _float = 1e-05, cudnn_enabled: _bool = True) -> Tensor:
    """input (N, C, ...) normalised over each of `num_groups` groups of channels of each sample (arXiv:1803.08494)."""
def gru(*args: Any, **named: Any) -> tuple[Tensor, ...]:
    """(output, h_n) of a GRU over padded or packed sequences; arguments as for `lstm`, with hx = h_0."""
def gru_cell(input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> Tensor:
    """h' of one step of a GRU: input (N, I), hx (N, H); weights (3H, I), (3H, H)."""
def gt(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input > other, element by element: bools, in the shape that both broadcast to."""
def hamming_window(window_length: Any, periodic: _bool = True, alpha: _float = 0.54, beta: _float = 0.46, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, pin_memory: _bool | None = False, requires_grad: _bool | None = False) -> Tensor: ...
def hann_window(window_length: Any, periodic: _bool = True, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, pin_memory: _bool | None = False, requires_grad: _bool | None = False) -> Tensor: ...
def hardshrink(input: Tensor, lambd: _Number = 0.5, *, out: Tensor | None = None) -> Tensor:
    """`input` where |input| > lambd, else 0."""
def hash_tensor(input: Tensor, dim: _Ints = (), *, keepdim: _bool = False, mode: _int = 0, out: Tensor | None = None) -> Tensor:
    """The bits of all elements over `dim`, as float64 or int64, combined by exclusive or (mode 0): uint64."""
def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The step: 0 where `input` is below 0 or NaN, 1 above, `values` at 0."""
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: _float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """`input`, a distance, where target is 1; max(0, margin - input) where it is -1."""
def histc(input: Tensor, bins: _int = 100, min: _float = 0, max: _float = 0, *, out: Tensor | None = None) -> Tensor:
    """How many elements fall into each of `bins` even bins from min to max; the input's range where these are equal."""
def histogram(input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: _bool = False, out: tuple[Tensor, ...] | None = None) -> _histogram_result:
    """(hist, bin_edges): how many elements, or how much weight, falls into each bin; `bins` a number or the edges."""
def histogramdd(input: Tensor, bins: Any, range: Any = None, weight: Tensor | None = None, density: _bool = False) -> Tensor:
    """(hist, bin_edges) of points in the last dimension of `input`: one number of bins, or edges, a coordinate."""
def hsmm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """The product of a sparse and a strided matrix as a hybrid one: rows that are present are strided."""
def hsplit(input: Tensor, indices_or_sections: _Ints | None = None, *, indices: Tensor | None = None, sections: _Ints | None = None) -> tuple[Tensor, ...]:
    """tensor_split along dimension 1, or 0 for 1-dimensional tensors; sections must be equal."""
def hspmm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """The product of a sparse and a strided matrix as a hybrid one: rows that are present are strided."""
def hstack(tensors: _Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors side by side: cat along dimension 1, or 0 for 1-d tensors; 0-d ones count as (1,)."""
def huber_error(input: Tensor, target: Tensor | _Number, delta: _Number) -> Tensor:
    """Quadratic up to delta, linear above: 0.5 d², delta (|d| - 0.5 delta)."""
def hypot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sqrt(input^2 + other^2), the hypotenuse, without overflow in between."""
def i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind of order 0; it grows as e^|input|."""
def i0_(input: Tensor) -> Tensor:
    """In place: The modified Bessel function of the first kind of order 0; it grows as e^|input|."""
def igamma(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Regularised lower incomplete gamma function P(input, other)."""
def igammac(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Regularised upper incomplete gamma function Q = 1 - P(input, other)."""
def imag(input: Tensor) -> Tensor:
    """The imaginary parts, as a view."""
def index_add(input: Tensor, dim: _Ints, index: Tensor, source: Tensor, *, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """A copy of `input` with alpha * source[i] added to its part index[i] along `dim`."""
def index_copy(input: Tensor, dim: _Ints, index: Tensor, source: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of `input` with source[i] as its part index[i] along `dim`; `index` is one-dimensional, int64."""
def index_fill(input: Tensor, dim: _Ints, index: Tensor, value: Tensor | _Number) -> Tensor:
    """A copy of `input` with `value`, a number or a 0-d tensor, in its parts `index` (int64) along `dim`."""
def index_put(input: Tensor, indices: Tensor, values: Any, accumulate: _bool = False) -> Tensor:
    """A copy of `input` with `values` at input[indices], added where `accumulate`."""
def index_put_(input: Tensor, indices: Tensor, values: Any, accumulate: _bool = False) -> Tensor:
    """Put `values` at input[indices] in place, added where `accumulate`."""
def index_reduce(input: Tensor, dim: _Ints, index: Tensor, source: Tensor, reduce: Any, *, include_self: _bool = True, out: Tensor | None = None) -> Tensor:
    """A copy of `input` reduced ('prod', 'mean', 'amax', 'amin') with source[i] in its part index[i] along `dim`."""
def index_select(input: Tensor, dim: _Ints, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The parts of `input` at `index`, a 1-d tensor of ints, along `dim`."""
def indices_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `Tensor.indices()` gives."""
def inner(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Sum of products over the last dimension of both, (*N, K) with (*M, K) -> (*N, *M); 0-d tensors multiply."""
def instance_norm(input: Tensor, weight: Tensor, bias: Tensor, running_mean: Tensor, running_var: Tensor, use_input_stats: Any, momentum: Any, eps: _float, cudnn_enabled: Any) -> Tensor:
    """`nn.functional.instance_norm` with the parameters first."""
def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse of square matrices (..., N, N): `linalg.inv` under its old name."""
def is_tensor(obj: Any) -> _bool:
    """Whether `obj` is a Tensor, as a bool."""
def isclose(input: Tensor, other: Tensor | _Number, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> Tensor:
    """|input - other| <= atol + rtol * |other|; equal infinities are close, NaN only with `equal_nan`."""
def isfinite(input: Tensor) -> Tensor:
    """True where `input` is neither infinite nor NaN: everywhere in integers."""
def isin(elements: Tensor | _Number, test_elements: Tensor | _Number, *, assume_unique: _bool = False, invert: _bool = False, out: Tensor | None = None) -> Tensor:
    """Where `elements` are among `test_elements`, as bools in the shape of `elements`; either may be a number."""
def isinf(input: Tensor) -> Tensor:
    """True where `input` is inf or -inf: nowhere in integers; where either part is in complex numbers."""
def isnan(input: Tensor) -> Tensor:
    """True where `input` is not a number: nowhere in integers; where either part is NaN in complex numbers."""
def isneginf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where `input` is -inf, and nowhere in integers."""
def isposinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where `input` is inf, and nowhere in integers."""
def isreal(input: Tensor) -> Tensor:
    """True where the imaginary part is 0: everywhere in real tensors."""
def istft(input: Tensor, n_fft: Any, hop_length: Any = None, win_length: Any = None, window: Tensor | None = None, center: _bool = True, normalized: _bool = False, onesided: Any = None, length: Any = None, return_complex: _bool = False) -> Tensor:
    """The signal whose stft is `input` (..., frequencies, frames): overlapping frames added, windows divided out."""
def kaiser_window(window_length: Any, periodic: _bool = True, beta: _float = 12.0, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, pin_memory: _bool | None = False, requires_grad: _bool | None = False) -> Tensor: ...
def kl_div(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = 'mean', log_target: _bool = False) -> Tensor:
    """target * (log target - input), `input` being a logarithm, and `target` too with `log_target`."""
def kron(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: blocks of `other`, one scaled by each element of `input`; each size is the product of both."""
def kthvalue(input: Tensor, k: _int, dim: _Ints = -1, keepdim: _bool = False, *, out: tuple[Tensor, ...] | None = None) -> _kthvalue_result:
    """The k-th smallest element along `dim` (k counts from 1) and where it is."""
def layer_norm(input: Tensor, normalized_shape: _Ints, weight: Tensor | None = None, bias: Tensor | None = None, eps: _float = 1e-05, cudnn_enable: _bool = True) -> Tensor:
    """(input - mean) / sqrt(var + eps) over the last dimensions, times weight, plus bias (arXiv:1607.06450)."""
def layer_norm_rows(input: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: _Number = 1e-05, rank: _int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """(input - mean) / sqrt(var + eps) over the last `rank` dimensions, times weight, plus bias; then mean, and 1 / sqrt(var + eps), for the gradient."""
def layer_normed_rows(input: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: _Number = 1e-05, rank: _int = 1) -> Tensor:
    """The result of layer_norm_rows alone, where nothing needs a gradient."""
def lcm(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Least common multiple of integers, never negative; 0 where one of them is 0."""
def lcm_(input: Tensor, other: Tensor | _Number) -> Tensor:
    """In place: Least common multiple of integers, never negative; 0 where one of them is 0."""
def ldexp(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input * 2**other, in floating point: the inverse of frexp."""
def ldexp_(input: Tensor, other: Tensor | _Number) -> Tensor:
    """In place: input * 2**other, in floating point: the inverse of frexp."""
def le(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input <= other, element by element: bools, in the shape that both broadcast to."""
def lerp(input: Tensor, end: Tensor, weight: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input + weight * (end - input), from the nearer end, so that weight 1 gives `end` exactly."""
def less(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input < other, element by element: bools, in the shape that both broadcast to."""
def less_equal(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input <= other, element by element: bools, in the shape that both broadcast to."""
def lgamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log |gamma(input)|; inf at 0 and the negative integers."""
def limited(input: Tensor, min_val: _Number, max_val: _Number) -> Tensor:
    """input limited to [min_val, max_val], with gradient only strictly inside."""
def linear_rows(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias: (N, K), (M, K), (M,) -> (N, M)."""
def linspace(start: Any, end: Any, steps: _Number, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, out: Tensor | None = None, layout: _layout_type | None = None) -> Tensor: ...
def lobpcg(A: Tensor, k: _int | None = None, B: Tensor | None = None, X: Any = None, n: _int | None = None, iK: Any = None, niter: Any = None, tol: Any = None, largest: Any = None, method: Any = None, tracker: Any = None, ortho_iparams: Any = None, ortho_fparams: Any = None, ortho_bparams: Any = None) -> Tensor:
    """(eigenvalues (..., k), eigenvectors (..., m, k)) of symmetric A (..., m, m), or of A x = e B x: the largest, descending, or the smallest, ascending, unless `largest`."""
def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The natural logarithm; -inf at 0, NaN below."""
def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm to base 10; -inf at 0, NaN below."""
def log10_(input: Tensor) -> Tensor:
    """In place: The logarithm to base 10; -inf at 0, NaN below."""
def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(1 + input), accurate near 0; -inf at -1, NaN below."""
def log1p_(input: Tensor) -> Tensor:
    """In place: log(1 + input), accurate near 0; -inf at -1, NaN below."""
def log2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm to base 2; -inf at 0, NaN below."""
def log2_(input: Tensor) -> Tensor:
    """In place: The logarithm to base 2; -inf at 0, NaN below."""
def log_(input: Tensor) -> Tensor:
    """In place: The natural logarithm; -inf at 0, NaN below."""
def log_softmax(input: Tensor, dim: _Ints | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(softmax(input, dim)), without overflow; in `dtype` when given."""
def log_softmax_rows(input: Tensor, dim: _Ints, dtype: _dtype | None = None) -> Tensor:
    """input - max - log(sum(exp(input - max))) along `dim`."""
def logaddexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(exp(input) + exp(other)), without overflow; of complex numbers by their real parts."""
def logaddexp2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log2(2**input + 2**other), without overflow."""
def logcumsumexp(input: Tensor, dim: _Ints, *, out: Tensor | None = None) -> Tensor:
    """log(exp(input[0]) + ... + exp(input[i])) along `dim`, without overflow."""
def logdet(input: Tensor) -> Tensor:
    """log det of square matrices, (..., N, N) -> (...); NaN where the determinant is negative, -inf where it is 0."""
def logical_and(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where both are nonzero, of any dtypes; the result is bool."""
def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where `input` is zero or False, of any dtype."""
def logical_or(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where at least one is nonzero, of any dtypes; the result is bool."""
def logical_xor(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where exactly one is nonzero, of any dtypes; the result is bool."""
def logit(input: Tensor, eps: _float | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(input / (1 - input)); `input` limited to [eps, 1 - eps] when given."""
def logit_(input: Tensor, eps: _float | None = None) -> Tensor:
    """In place: log(input / (1 - input)); `input` limited to [eps, 1 - eps] when given."""
def logit_cross_entropy(input: Tensor, target: Tensor | _Number) -> Tensor:
    """(1 - target) input + log(1 + e^-input), without overflow."""
def logspace(start: Any, end: Any, steps: _Number, base: _float = 10.0, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, out: Tensor | None = None, layout: _layout_type | None = None) -> Tensor: ...
def logsumexp(input: Tensor, dim: _Ints, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """log(sum(exp(input))) over `dim`, without overflow."""
def lstm(*args: Any, **named: Any) -> tuple[Tensor, ...]:
    """(output, h_n, c_n) of an LSTM over padded or packed sequences."""
def lstm_cell(input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> tuple[Tensor, ...]:
    """(h', c') of one step of an LSTM: input (N, I), hx = (h, c), each (N, H); weights (4H, I), (4H, H)."""
def lt(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input < other, element by element: bools, in the shape that both broadcast to."""
def lu(A: Tensor, pivot: _bool = True, get_infos: _bool = False, out: Tensor | None = None) -> tuple[Tensor, ...]:
    """(LU, pivots), and info with `get_infos`: `linalg.lu_factor_ex`."""
def lu_solve(b: Any, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None) -> Tensor:
    """X with A X = b, A given by its packed factorisation: `linalg.lu_solve` with `b` first."""
def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: _bool = True, unpack_pivots: _bool = True, *, out: tuple[Tensor, ...] | None = None) -> _lu_unpack_result:
    """(P, L, U) of a packed factorisation; what is not unpacked is an empty tensor."""
def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: _float = 0, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """max(0, -target * (input1 - input2) + margin): target 1 says that input1 should be the larger, -1 that input2 should."""
def masked_fill(input: Tensor, mask: Tensor | _Number, value: Tensor | _Number) -> Tensor:
    """`value` where `mask` (bool, broadcast) is True, else `input`, in the dtype of `input`."""
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of `input`, broadcast with `mask`, with consecutive elements of `source` where `mask`."""
def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of `input` where `mask` (bool), both broadcast, in row-major order: (count,)."""
def matmul(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """Matrix product of vectors, matrices and batches of them, broadcast over the leading dimensions."""
def matrix_exp(input: Tensor) -> Tensor:
    """exp of square matrices: scaling and squaring around a Taylor polynomial of degree 18, in double precision."""
def matrix_power(input: Tensor, n: _int, *, out: Tensor | None = None) -> Tensor:
    """The n-th power of square matrices (..., N, N), by repeated squaring; of their inverse for negative n."""
@overload
def max(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """max(input): the maximum of all. max(input, dim, keepdim): (values, indices) along `dim`. max(input, other): elementwise."""
@overload
def max(input: Tensor, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, ...] | None = None) -> _max_result: ...
@overload
def max(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
def max_dim(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False) -> _max_dim_result:
    """(values, indices): the maximum along `dim` and where it is, the first of equals; NaN counts as the largest."""
def max_pool1d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Tensor:
    """Maximum of 1-dimensional windows; padding counts as -inf."""
def max_pool1d_with_indices(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> tuple[Tensor, ...]:
    """`max_pool1d`, and the flat position of each maximum in its input plane (int64)."""
def max_pool2d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Tensor:
    """Maximum of 2-dimensional windows; padding counts as -inf."""
def max_pool3d(input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints | str = 0, dilation: _Ints = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Tensor:
    """Maximum of 3-dimensional windows; padding counts as -inf."""
def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of both, element by element; NaN where either is."""
def mean(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Arithmetic mean over `dim`; NaN of nothing."""
@overload
def median(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The lower median of all elements, or (values, indices) along `dim`; NaN if any is."""
@overload
def median(input: Tensor, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, ...] | None = None) -> _median_result: ...
def meshgrid(*tensors: Tensor | _Sequence[Tensor], indexing: Any = None) -> tuple[Tensor, ...]:
    """Coordinates of the grid of 1-d tensors, as expanded views; indexing 'ij' (default) or 'xy' (columns first)."""
@overload
def min(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """min(input): the minimum of all. min(input, dim, keepdim): (values, indices) along `dim`. min(input, other): elementwise."""
@overload
def min(input: Tensor, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, ...] | None = None) -> _min_result: ...
@overload
def min(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...
def min_dim(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False) -> _min_dim_result:
    """(values, indices): the minimum along `dim` and where it is, the first of equals; NaN counts as the smallest."""
def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of both, element by element; NaN where either is."""
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Matrix product: (N, M) @ (M, P) -> (N, P)."""
def mode(input: Tensor, dim: _Ints = -1, keepdim: _bool = False, *, out: tuple[Tensor, ...] | None = None) -> _mode_result:
    """The most frequent value along `dim` (the smallest of equally frequent ones) and where it is."""
def moveaxis(input: Tensor, source: Tensor, destination: _Ints) -> Tensor:
    """Dimensions `source` at the places `destination`, the others in their order around them."""
def movedim(input: Tensor, source: Tensor, destination: _Ints) -> Tensor:
    """Dimensions `source` at the places `destination`, the others in their order around them."""
def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The input sorted along dimension 0, ascending, NaN last."""
def mul(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input * other, element by element."""
def multinomial(input: Tensor, num_samples: _int, replacement: _bool = False, *, generator: Any = None, out: Tensor | None = None) -> Tensor:
    """`num_samples` category numbers (int64) a row of weights: (C,) or (N, C) -> (..., num_samples)."""
def multiply(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input * other, element by element."""
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Matrix times vector: (N, M) @ (M,) -> (N,)."""
def mvlgamma(input: Tensor, p: _float | str, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p: p (p - 1) / 4 log(pi) + the sum of lgamma(input - k / 2) over k < p."""
def nan_to_num(input: Tensor, nan: Any = None, posinf: Any = None, neginf: Any = None, *, out: Tensor | None = None) -> Tensor:
    """`input` with NaN, inf and -inf replaced: by 0, the largest and the lowest finite value unless given."""
def nan_to_num_(input: Tensor, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Tensor:
    """In place: `input` with NaN, inf and -inf replaced: by 0, the largest and the lowest finite value unless given."""
def nan_to_num_values(input: Tensor, nan: _Number, posinf: _Number, neginf: _Number) -> Tensor:
    """`input` with NaN, inf and -inf replaced by the numbers `nan`, `posinf` and `neginf`."""
def nanmean(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """The mean over `dim` of what is not NaN; NaN where nothing is."""
@overload
def nanmedian(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The lower median of what is not NaN, of all elements or along `dim`."""
@overload
def nanmedian(input: Tensor, dim: _int, keepdim: _bool = False, *, out: tuple[Tensor, ...] | None = None) -> _nanmedian_result: ...
def nanquantile(input: Tensor, q: Any, dim: _Ints | None = None, keepdim: _bool = False, *, interpolation: str = 'linear', out: Tensor | None = None) -> Tensor:
    """The q-quantiles of what is not NaN, along `dim` or of all elements: as `quantile`, but for NaN."""
def nansum(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Sum over `dim`, NaN counted as 0; NaNs get no gradient."""
def narrow(input: Tensor, dim: _Ints, start: Any, length: Any) -> Tensor:
    """Indices start..start+length of dimension `dim`; `start` may be a 0-d tensor of integers."""
def narrow_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`narrow`, with memory of its own: the arguments of `narrow`, and a copy of what it views."""
def native_batch_norm(input: Tensor, weight: Tensor, bias: Tensor, running_mean: Tensor, running_var: Tensor, training: Any, momentum: Any, eps: _float, *, out: Tensor | None = None) -> tuple[Tensor, ...]:
    """(`batch_norm`, mean, 1 / sqrt(var + eps)) of each channel in training; empty statistics otherwise."""
def native_channel_shuffle(input: Tensor, groups: _int) -> Tensor:
    """(N, C, ...) with channel g * (C / groups) + k moved to k * groups + g (arXiv:1707.01083)."""
def native_dropout(input: Tensor, p: _float | str, train: Any) -> tuple[Tensor, ...]:
    """(`dropout`, the mask of what was kept); `train` None counts as True."""
def native_group_norm(input: Tensor, weight: Tensor, bias: Tensor, N: Any, C: Any, HxW: Any, group: Any, eps: _float) -> tuple[Tensor, ...]:
    """(`group_norm`, mean, 1 / sqrt(var + eps)); mean and deviation (N, group) of groups of channels."""
def native_layer_norm(input: Tensor, normalized_shape: _Ints, weight: Tensor, bias: Tensor, eps: _float) -> tuple[Tensor, ...]:
    """(`layer_norm`, mean, 1 / sqrt(var + eps)) over the last dimensions, which `normalized_shape` lists."""
def native_norm(input: Tensor, p: _float | str = 2, dim: _Ints | None = None, keepdim: _bool = False, dtype: _dtype | None = None) -> Tensor:
    """What PyTorch runs `norm` of sparse tensors with."""
def ne(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input != other, element by element: bools, in the shape that both broadcast to."""
def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-input: the number with the other sign."""
def neg_(input: Tensor) -> Tensor:
    """In place: -input: the number with the other sign."""
def negative(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-input: the number with the other sign."""
def negative_(input: Tensor) -> Tensor:
    """In place: -input: the number with the other sign."""
def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The next representable value after `input` towards `other`, in its dtype; `other` itself where both are equal."""
def nonzero(input: Tensor, *, as_tuple: _bool = False, out: Tensor | None = None) -> Tensor:
    """The coordinates of nonzero elements: (count, rank), or a tuple of one tensor for each dimension."""
def nonzero_static(input: Tensor, *, size: _Ints, fill_value: Tensor | _Number = -1, out: Tensor | None = None) -> Tensor:
    """The first `size` rows of nonzero(input), filled up with `fill_value`."""
def norm(input: Tensor, p: _float | str = 'fro', dim: _Ints | None = None, keepdim: _bool = False, dtype: _dtype | None = None, *, out: Tensor | None = None) -> Tensor:
    """The vector norm of order `p` over `dim`; 'fro' is 2, 'nuc' the nuclear norm of matrices."""
def norm_0(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
    """How many elements along `dim` are nonzero, in the input's dtype: what linalg.vector_norm runs for order 0."""
def norm_1(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
    """sum |input| along `dim`: what linalg.vector_norm runs for order 1."""
def norm_2(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
    """sqrt(sum |input|²), the Euclidean norm along `dim`: what linalg.vector_norm runs for order 2."""
def norm_inf(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
    """max |input| along `dim`: what linalg.vector_norm runs for order inf."""
def norm_neg_inf(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
    """min |input| along `dim`: what linalg.vector_norm runs for order -inf."""
def norm_p(input: Tensor, ord: _Number, dim: _Ints | None = None, keepdim: _bool = False) -> Tensor:
    """(sum |input|^ord)^(1/ord) along `dim`: what linalg.vector_norm runs for other orders."""
def normal(mean: _float = 0.0, std: _float = 1.0, size: _Ints | None = None, *, generator: Generator | None = None, out: Tensor | None = None, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, layout: _layout_type | None = None, pin_memory: _bool | None = False) -> Tensor: ...
def normal_like(input: Tensor, mean: _Number = 0.0, std: _Number = 1.0, *, generator: Any = None) -> Tensor:
    """Normal numbers of mean `mean` and deviation `std`, in the shape and dtype of `input`."""
def not_equal(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input != other, element by element: bools, in the shape that both broadcast to."""
def nuclear_norm(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """Sum of the singular values of matrices in the two dimensions `dim`, the last when None: `linalg.matrix_norm`."""
def ones(*size: _Ints, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, out: Tensor | None = None, layout: _layout_type | None = None, pin_memory: _bool | None = False, **named: Any) -> Tensor: ...
def ones_like(input: Tensor, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, memory_format: _memory_format | None = None, pin_memory: _bool | None = False) -> Tensor: ...
def orgqr(input: Tensor, input2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first columns of a product of elementary reflectors: `linalg.householder_product`, under its old name."""
def ormqr(input: Tensor, tau: Any, other: Tensor | _Number, left: _bool = True, transpose: _bool = False, *, out: Tensor | None = None) -> Tensor:
    """Q other (other Q unless `left`), Q = H1 H2 ... Hk of all rows; Q^H in its place with `transpose`."""
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input[i] * vec2[j] of two vectors: (N,), (M,) -> (N, M)."""
def pairwise_distance(x1: Tensor, x2: Tensor, p: _float | str = 2.0, eps: _float = 1e-06, keepdim: _bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension: (..., M), (..., M) -> (...), or (..., 1) with `keepdim`."""
def pca_lowrank(A: Tensor, q: Any = None, center: _bool = True, niter: _int = 2) -> tuple[Tensor, ...]:
    """(U, S, V) of A, its columns centred with `center`: principal components by `svd_lowrank`."""
def pdist(input: Tensor, p: _float | str = 2.0) -> Tensor:
    """p-norm distances of each pair of rows i < j of (N, M), one after the other: (N (N - 1) / 2,)."""
def permute(input: Tensor, *dims: _Ints) -> Tensor:
    """The dimensions of `input` in the order `dims`, as a view: result.shape[i] is input.shape[dims[i]]."""
def permute_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`permute`, with memory of its own: the arguments of `permute`, and a copy of what it views."""
def picked_rows(input: Tensor, target: Tensor, dim: _Ints) -> Tensor:
    """-input[target] along `dim`, of size 1 in `target` and in the result."""
def pinverse(input: Tensor, rcond: _float = 1e-15) -> Tensor:
    """The pseudoinverse, (..., M, N) -> (..., N, M); singular values up to rcond * largest count as zero."""
def pixel_shuffle(input: Tensor, upscale_factor: Any) -> Tensor:
    """(..., C r², H, W) -> (..., C, H r, W r): r² channels become blocks of r by r pixels (arXiv:1609.05158)."""
def pixel_unshuffle(input: Tensor, downscale_factor: Any) -> Tensor:
    """(..., C, H r, W r) -> (..., C r², H, W) for r = `downscale_factor`: the inverse of `pixel_shuffle`."""
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Poisson numbers with the rates in `input`, in its shape and dtype."""
def poisson_nll_loss(input: Tensor, target: Tensor, log_input: _bool = True, full: _bool = False, size_average: Any = None, eps: _float = 1e-08, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """exp(input) - target * input (log_input), else input - target * log(input + eps); `full` adds Stirling's term."""
def polar(abs: Tensor, angle: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """abs * (cos(angle) + i sin(angle)), the angle in radians."""
def polygamma(n: _int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The nth derivative of digamma, n >= 0: (-1)^(n + 1) n! zeta(n + 1, input)."""
def polygamma_1(input: Tensor) -> Tensor:
    """The derivative of digamma, as a function on tensors."""
def positive(input: Tensor) -> Tensor:
    """+input, which is `input` itself."""
def pow(input: Tensor, exponent: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input ** exponent, of tensors and numbers."""
def pow_general(input: Tensor, exponent: Tensor | _Number) -> Tensor:
    """input ** exponent, both of any shape: what pow runs where no shorter form will do."""
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`input` above 0, weight * input below: one weight, or one for each channel, dimension 1 (arXiv:1502.01852)."""
def prelu_kernel(input: Tensor, weight: Tensor | _Number) -> Tensor:
    """input above 0, weight * input below."""
def prod(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Product of all elements, or along `dim`."""
def prod_dims(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Product over `dim`; bool and integer inputs count in int64."""
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: _bool = False) -> Tensor:
    """A copy of `input` with `source` at places `index` in row-major order, added where `accumulate`."""
def qr(input: Tensor, some: _bool = True, *, out: tuple[Tensor, ...] | None = None) -> _qr_result:
    """(Q, R) with Q R = input: `linalg.qr` under its old name, reduced when `some`, else complete."""
def quantile(input: Tensor, q: Any, dim: _Ints | None = None, keepdim: _bool = False, *, interpolation: str = 'linear', out: Tensor | None = None) -> Tensor:
    """The q-quantiles of all elements or along `dim`; NaN if any is."""
def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees of angles in radians: input * 180 / pi."""
def rad2deg_(input: Tensor) -> Tensor:
    """In place: Degrees of angles in radians: input * 180 / pi."""
def rand(*size: _Ints, generator: Generator | None = None, out: Tensor | None = None, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, pin_memory: _bool | None = False, **named: Any) -> Tensor: ...
def rand_like(input: Tensor, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, memory_format: _memory_format | None = None, generator: Generator | None = None) -> Tensor: ...
def randint(low: _Number = 0, high: _Number | None = None, size: _Ints | None = None, *, generator: Generator | None = None, out: Tensor | None = None, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, pin_memory: _bool | None = False) -> Tensor: ...
def randint_like(input: Tensor, low: _Number = 0, high: _Number | None = None, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, memory_format: _memory_format | None = None, generator: Generator | None = None) -> Tensor: ...
def randn(*size: _Ints, generator: Generator | None = None, out: Tensor | None = None, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, pin_memory: _bool | None = False, **named: Any) -> Tensor: ...
def randn_like(input: Tensor, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, memory_format: _memory_format | None = None, generator: Generator | None = None) -> Tensor: ...
def randperm(n: _int, *, generator: Generator | None = None, out: Tensor | None = None, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, pin_memory: _bool | None = False) -> Tensor: ...
def range(start: _int = 0, end: Any = None, step: _Number = 1, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, **options: Any) -> Tensor: ...
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension, in row-major order."""
def real(input: Tensor) -> Tensor:
    """The real parts, as a view in the real dtype; `input` itself where it is not complex."""
def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / input, in floating point; inf at 0."""
def reciprocal_(input: Tensor) -> Tensor:
    """In place: 1 / input, in floating point; inf at 0."""
def relu(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """max(input, 0): 0 below 0, where it gets no gradient, and `input` above; NaN stays NaN."""
def relu_(input: Tensor) -> Tensor:
    """In place: max(input, 0): 0 below 0, where it gets no gradient, and `input` above; NaN stays NaN."""
def remainder(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input - other * floor(input / other): the sign is that of `other`, as Python's %."""
def renorm(input: Tensor, p: _float | str, dim: _Ints, maxnorm: Any, *, out: Tensor | None = None) -> Tensor:
    """The parts of `input` along `dim`, those whose p-norm exceeds `maxnorm` scaled down to it."""
def repeat_interleave(input: Tensor, repeats: _Ints | None = None, dim: _Ints | None = None, *, output_size: _Ints | None = None) -> Tensor:
    """Each part of `input` along `dim` (or each element) repeated, `repeats` times or as often as that tensor says."""
def reshape(input: Tensor, *shape: _Ints, **named: Any) -> Tensor:
    """The elements of `input` in another shape: a view where strides allow, else a copy."""
def resize_as_(input: Tensor, the_template: Any, *, memory_format: _memory_format | None = None) -> Tensor:
    """`input` itself, resized in place to the shape of `the_template`."""
def resize_as_sparse_(input: Tensor, the_template: Any) -> Tensor:
    """Take the shape, sparse and dense dimensions of another sparse tensor, in place."""
def resolve_conj(input: Tensor) -> Tensor:
    """`input` itself: conjugates are computed at once here."""
def resolve_neg(input: Tensor) -> Tensor:
    """`input` itself: negatives are computed at once here."""
def rms_norm(input: Tensor, normalized_shape: _Ints, weight: Tensor | None = None, eps: _float | None = None) -> Tensor:
    """input / sqrt(mean(input²) + eps) over the last dimensions, times weight (arXiv:1910.07467)."""
def rms_norm_rows(input: Tensor, weight: Tensor | None = None, eps: _Number = 1e-06, rank: _int = 1) -> Tensor:
    """input / sqrt(mean(input²) + eps) over the last `rank` dimensions, times weight."""
def rnn_relu(*args: Any, **named: Any) -> tuple[Tensor, ...]:
    """(output, h_n) of h' = relu(w_ih x + b_ih + w_hh h + b_hh); arguments as for `lstm`, with hx = h_0."""
def rnn_relu_cell(input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> Tensor:
    """relu(w_ih input + b_ih + w_hh hx + b_hh): input (N, I), hx (N, H); weights (H, I), (H, H)."""
def rnn_tanh(*args: Any, **named: Any) -> tuple[Tensor, ...]:
    """(output, h_n) of h' = tanh(w_ih x + b_ih + w_hh h + b_hh); arguments as for `lstm`, with hx = h_0."""
def rnn_tanh_cell(input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> Tensor:
    """tanh(w_ih input + b_ih + w_hh hx + b_hh): input (N, I), hx (N, H); weights (H, I), (H, H)."""
def roll(input: Tensor, shifts: _Ints, dims: _Ints | None = None) -> Tensor:
    """Elements moved by `shifts` along `dims`; what leaves at one end comes in at the other."""
def rot90(input: Tensor, k: _int = 1, dims: _Ints = (0, 1)) -> Tensor:
    """`input` turned by k times 90 degrees in the plane of `dims`, from the first towards the second."""
def round(input: Tensor, *, decimals: _int = 0, out: Tensor | None = None) -> Tensor:
    """`input` rounded to `decimals` places (tens, hundreds ... when negative), halves to the even digit."""
def round_(input: Tensor, *, decimals: _int = 0) -> Tensor:
    """In place: `input` rounded to `decimals` places (tens, hundreds ... when negative), halves to the even digit."""
def round_coarse(input: Tensor, step: _Number, *, out: Tensor | None = None) -> Tensor:
    """`input` rounded to multiples of `step`: what round runs for `decimals` below 0."""
def round_half_even(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input` rounded to the nearest integer, halves to the even one, in its dtype."""
def round_scaled(input: Tensor, scale: _Number, *, out: Tensor | None = None) -> Tensor:
    """`input` rounded to multiples of 1 / scale: what round runs for `decimals` above 0."""
def row_indices_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `Tensor.row_indices()` gives."""
def row_stack(tensors: _Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors as rows: cat along dimension 0, 1-d tensors (n,) as (1, n)."""
def rrelu(input: Tensor, lower: _float = 0.125, upper: _float = 0.3333333333333333, training: _bool = False, generator: Generator | None = None) -> Tensor:
    """`nn.functional.rrelu`: leaky_relu whose slope is drawn from [lower, upper) in training."""
def rrelu_(input: Tensor, lower: _float = 0.125, upper: _float = 0.3333333333333333, training: _bool = False, generator: Generator | None = None) -> Tensor:
    """In place: `nn.functional.rrelu`: leaky_relu whose slope is drawn from [lower, upper) in training."""
def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / sqrt(input); inf at 0, NaN below."""
def rsqrt_(input: Tensor) -> Tensor:
    """In place: 1 / sqrt(input); inf at 0, NaN below."""
def rsub(input: Tensor, other: Tensor | _Number, *, alpha: _Number = 1, out: Tensor | None = None) -> Tensor:
    """other - alpha * input: `sub` with its operands exchanged."""
def saddmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """beta * input + alpha * mat1 @ mat2 as a sparse matrix; input and mat1 sparse, mat2 strided."""
def scalar_tensor(value: Tensor | _Number, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, layout: _layout_type | None = None, pin_memory: _bool | None = False) -> Tensor: ...
def scale_kept(input: Tensor, kept: Tensor | _Number, q: _Number) -> Tensor:
    """input * (kept / q): what dropout leaves, scaled up by the chance to stay."""
def scatter(input: Tensor, dim: _Ints, index: Tensor, src: Tensor | None = None, *, value: Tensor | _Number | None = None, reduce: Any = None, out: Tensor | None = None) -> Tensor:
    """A copy of `input` with `src` (or one number) at index[i, j, k] along `dim`; or added, or multiplied."""
def scatter_add(input: Tensor, dim: _Ints, index: Tensor, src: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of `input` with `src` added: result[index[i, j, k], j, k] += src[i, j, k] for `dim` 0."""
def scatter_reduce(input: Tensor, dim: _Ints, index: Tensor, src: Tensor, reduce: Any, *, include_self: _bool = True, out: Tensor | None = None) -> Tensor:
    """A copy of `input` reduced ('sum', 'prod', 'mean', 'amax', 'amin') with `src` at index[i, j, k] along `dim`."""
def searchsorted(sorted_sequence: Tensor, input: Tensor, *, out_int32: _bool = False, right: _bool = False, side: Any = None, sorter: Tensor | None = None, out: Tensor | None = None) -> Tensor:
    """The index before which each value of `input` keeps the last dimension of `sorted_sequence` sorted."""
def segment_reduce(data: Any, reduce: Any, *, lengths: Any = None, indices: Tensor | None = None, offsets: Tensor | None = None, axis: _int = 0, unsafe: _bool = False, initial: Any = None) -> Tensor:
    """sum, mean, max, min or prod of consecutive parts of dimension `axis`: shape (*outer, segments, *inner)."""
def select(input: Tensor, dim: _int, index: _int) -> Tensor:
    """The part of `input` at `index` of dimension `dim`, which goes away."""
def select_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`select`, with memory of its own: the arguments of `select`, and a copy of what it views."""
def select_scatter(input: Tensor, src: Tensor, dim: _Ints, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of `input` with `src` at `index` of dimension `dim`: `src` has the shape of input.select(dim, index)."""
def selu(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """scale * elu(input, alpha) with the constants of Klambauer et al. 2017, arXiv:1706.02515."""
def selu_(input: Tensor) -> Tensor:
    """In place: scale * elu(input, alpha) with the constants of Klambauer et al. 2017, arXiv:1706.02515."""
def sgn(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sign: -1, 0 or 1, also of bools and integers; of complex numbers input / |input|, and 0 at 0."""
def shrunk(input: Tensor, lambd: _Number) -> Tensor:
    """`input` moved towards 0 by `lambd`, 0 where it would cross it."""
def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logistic function, 1 / (1 + e^-input)."""
def sigmoid_(input: Tensor) -> Tensor:
    """In place: Logistic function, 1 / (1 + e^-input)."""
def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sign: -1 below 0, 1 above, 0 at 0 and at NaN. No complex numbers: use sgn."""
def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where the sign bit is set: of negative numbers, of -0.0, and of NaNs that have it."""
def sin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sine of an angle in radians; NaN at infinity."""
def sin_(input: Tensor) -> Tensor:
    """In place: The sine of an angle in radians; NaN at infinity."""
def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sin(pi input) / (pi input), and 1 at 0: the transform of a box."""
def sinc_(input: Tensor) -> Tensor:
    """In place: sin(pi input) / (pi input), and 1 at 0: the transform of a box."""
def sinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The hyperbolic sine, (e^input - e^-input) / 2."""
def sinh_(input: Tensor) -> Tensor:
    """In place: The hyperbolic sine, (e^input - e^-input) / 2."""
def slice_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`slice`, with memory of its own: the arguments of `slice`, and a copy of what it views."""
def slice_scatter(input: Tensor, src: Tensor, dim: _Ints = 0, start: Any = None, end: Any = None, step: _Number = 1, *, out: Tensor | None = None) -> Tensor:
    """A copy of `input` with `src` at start:end:step of dimension `dim`: `src` has the shape of that slice."""
def slogdet(A: Tensor, *, out: tuple[Tensor, ...] | None = None) -> _slogdet_result:
    """(sign, log |det|) of square matrices, (..., N, N) -> two of (...): det without overflow; (0, -inf) of singular ones."""
def smm(input: Tensor, mat: Tensor) -> Tensor:
    """The product of a sparse and a strided matrix as a sparse matrix."""
def smooth_error(input: Tensor, target: Tensor | _Number, beta: _Number) -> Tensor:
    """Quadratic below beta, linear above: 0.5 d² / beta, |d| - 0.5 beta."""
def smoothed_rows(input: Tensor, target: Tensor, weight: Tensor | None = None, dim: _Ints = 1, certain: _Number = 1.0, share: _Number = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """-log_softmax(input) along `dim` times what is expected of each class: `share`, and `certain` more of the target; each times the `weight` of the class, unless that is None."""
def softmax(input: Tensor, dim: _Ints | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None, *, out: Tensor | None = None) -> Tensor:
    """exp(input) / sum(exp(input)) along `dim`: positive rows whose sum is 1, in `dtype` when given."""
def softmax_gradient_rows(incoming: Tensor, output: Tensor, dim: _Ints) -> Tensor:
    """output (incoming - sum over dim of incoming * output), in one pass over the rows."""
def softmax_rows(input: Tensor, dim: _Ints, dtype: _dtype | None = None) -> Tensor:
    """exp(input - max) / sum(exp(input - max)) along `dim`."""
def sort(input: Tensor, dim: _Ints = -1, descending: _bool = False, stable: _bool = False, *, out: tuple[Tensor, ...] | None = None) -> _sort_result:
    """(values, indices) in ascending order along `dim`, or descending."""
def split(tensor: Tensor, split_size_or_sections: _Ints | None = None, dim: _Ints = 0, *, split_size: Any = None) -> tuple[Tensor, ...]:
    """Views of parts of `split_size` (the last may be smaller), or of the given sizes, along `dim`."""
def split_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`split`, with memory of its own: the arguments of `split`, and a copy of what it views."""
def split_with_sizes(input: Tensor, split_sizes: _Ints, dim: _Ints = 0) -> tuple[Tensor, ...]:
    """Views of parts of the given sizes along `dim`."""
def split_with_sizes_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`split_with_sizes`, with memory of its own: the arguments of `split_with_sizes`, and a copy of what it views."""
def spmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """mm: matrix product of a sparse and a strided matrix (the old name of it)."""
def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The square root; NaN below 0."""
def sqrt_(input: Tensor) -> Tensor:
    """In place: The square root; NaN below 0."""
def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input * input; of bool in int64."""
def square_(input: Tensor) -> Tensor:
    """In place: input * input; of bool in int64."""
def squared_error(input: Tensor, target: Tensor | _Number) -> Tensor:
    """(input - target)², element by element."""
def squeeze(input: Tensor, dim: _Ints | None = None) -> Tensor:
    """Without the dimensions of size 1, as a view: all of them, or those among `dim`; others among `dim` stay."""
def squeeze_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`squeeze`, with memory of its own: the arguments of `squeeze`, and a copy of what it views."""
def sspaddmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: _float = 1, alpha: _float = 1, out: Tensor | None = None) -> Tensor:
    """beta * input + alpha * mat1 @ mat2 as a sparse matrix; input and mat1 sparse, mat2 strided."""
def stack(tensors: _Sequence[Tensor], dim: _Ints = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape along a new dimension `dim`: n tensors (A, B) -> (n, A, B) for `dim` 0."""
def std(input: Tensor, dim: _Ints | None = None, unbiased: Any = None, keepdim: _bool = False, *, correction: Any = None, out: Tensor | None = None) -> Tensor:
    """Standard deviation over `dim` with divisor n - correction (1 unless given; `unbiased=False` means 0)."""
def std_dims(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, correction: _Number = 1.0) -> Tensor:
    """Standard deviation over `dim`, the root of `var`."""
def std_mean(input: Tensor, dim: _Ints | None = None, unbiased: Any = None, keepdim: _bool = False, *, correction: Any = None) -> tuple[Tensor, ...]:
    """(standard deviation, mean) over `dim`, the first as `std` has it."""
def stft(input: Tensor, n_fft: Any, hop_length: Any = None, win_length: Any = None, window: Tensor | None = None, center: _bool = True, pad_mode: str = 'reflect', normalized: _bool = False, onesided: Any = None, return_complex: Any = None, align_to_window: Any = None) -> Tensor:
    """Fourier transforms of frames of n_fft samples, hop_length apart: (..., T) -> (..., frequencies, frames)."""
def sub(input: Tensor, other: Tensor | _Number, *, alpha: _Number = 1, out: Tensor | None = None) -> Tensor:
    """input - alpha * other."""
def subtract(input: Tensor, other: Tensor | _Number, *, alpha: _Number = 1, out: Tensor | None = None) -> Tensor:
    """input - alpha * other."""
def sum(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Sum over `dim` (all dimensions when None); bool and integer inputs count in int64."""
def surprise_rows(input: Tensor, target: Tensor, dim: _Ints) -> tuple[Tensor, Tensor, Tensor]:
    """-log_softmax(input)[target] along `dim`, of size 1 in `target` and in the result."""
def svd(input: Tensor, some: _bool = True, compute_uv: _bool = True, *, out: tuple[Tensor, ...] | None = None) -> _svd_result:
    """U diag(S) V^H = input: `linalg.svd`, but with V itself; U and V are zeros unless `compute_uv`."""
def svd_lowrank(A: Tensor, q: _int = 6, niter: _int = 2, M: Any = None) -> tuple[Tensor, ...]:
    """(U, S, V) of rank q with A - M nearly U diag(S) V^H, from a random projection and `niter` power iterations."""
def swapaxes(input: Tensor, axis0: _int, axis1: _int) -> Tensor:
    """Dimensions axis0 and axis1 exchanged, as a view: `transpose` under NumPy's name."""
def swapdims(input: Tensor, dim0: _int, dim1: _int) -> Tensor:
    """Dimensions dim0 and dim1 exchanged, as a view: element [i, j] of the result is [j, i] of `input`."""
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; tensors of less than two dimensions as they are."""
def t_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`t`, with memory of its own: the arguments of `t`, and a copy of what it views."""
def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elements of `input` by their places in row-major order, in the shape of `index`."""
def take_along_dim(input: Tensor, indices: Tensor, dim: _Ints | None = None, *, out: Tensor | None = None) -> Tensor:
    """Elements of `input` chosen along `dim` by `indices`, both broadcast elsewhere; of all elements without `dim`."""
def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The tangent of an angle in radians; NaN at infinity."""
def tan_(input: Tensor) -> Tensor:
    """In place: The tangent of an angle in radians; NaN at infinity."""
def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The hyperbolic tangent, (e^input - e^-input) / (e^input + e^-input), in [-1, 1]."""
def tanh_(input: Tensor) -> Tensor:
    """In place: The hyperbolic tangent, (e^input - e^-input) / (e^input + e^-input), in [-1, 1]."""
def tensor(data: Any, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, pin_memory: _bool | None = False) -> Tensor: ...
def tensor_split(input: Tensor, indices_or_sections: _Ints | None = None, dim: _Ints = 0, *, indices: Tensor | None = None, sections: _Ints | None = None) -> tuple[Tensor, ...]:
    """Views of `sections` nearly equal parts along `dim`, or of the parts between `indices`."""
def tensordot(a: Any, b: Any, dims: _Ints = 2, out: Tensor | None = None) -> Tensor:
    """Sum of products over pairs of dimensions: the last `dims` of a with the first of b, or lists of both."""
def threshold(input: Tensor, threshold: _Number, value: _Number, *, out: Tensor | None = None) -> Tensor:
    """`input` above `threshold`, else `value`, where it gets no gradient."""
def threshold_(input: Tensor, threshold: _Number, value: _Number) -> Tensor:
    """In place: `input` above `threshold`, else `value`, where it gets no gradient."""
def tile(input: Tensor, *dims: _Ints, **named: Any) -> Tensor:
    """`repeat` with `dims` filled up with 1 in front: a copy, each size times its number."""
def topk(input: Tensor, k: _int, dim: _int = -1, largest: _bool = True, sorted: _bool = True, *, out: tuple[Tensor, ...] | None = None) -> _topk_result:
    """(values, indices): the k largest (or smallest) elements along `dim`, in order when `sorted`, and where they are."""
def trace(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of the main diagonal of a matrix: (N, M) -> ()."""
def transpose(input: Tensor, dim0: _int, dim1: _int) -> Tensor:
    """Dimensions dim0 and dim1 exchanged, as a view: element [i, j] of the result is [j, i] of `input`."""
def transpose_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`transpose`, with memory of its own: the arguments of `transpose`, and a copy of what it views."""
def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: _Ints = -1) -> Tensor:
    """Integral of samples y along `dim` by the trapezoidal rule, at places x or `dx` apart."""
def trapz(y: Any, x: Any = None, *, dx: Any = None, dim: _Ints = -1) -> Tensor:
    """Integral of samples y along `dim` by the trapezoidal rule, at places x or `dx` apart."""
def triangular_solve(b: Any, A: Tensor, upper: _bool = True, transpose: _bool = False, unitriangular: _bool = False, *, out: tuple[Tensor, ...] | None = None) -> _triangular_solve_result:
    """(solution, cloned_coefficient): X with A X = b for triangular A (A^T with `transpose`), and a copy of A."""
def tril(input: Tensor, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """`input` (..., N, M) with zeros above a diagonal of its last two dimensions: 0 the main one, 1 above it."""
def tril_indices(row: Any, col: Any, offset: _int = 0, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, layout: _layout_type | None = None, pin_memory: _bool | None = None) -> Tensor: ...
def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: _float = 1.0, p: _float | str = 2, eps: _float = 1e-06, swap: _bool = False, size_average: Any = None, reduce: Any = None, reduction: str = 'mean') -> Tensor:
    """max(0, |anchor - positive| - |anchor - negative| + margin); `swap` also looks from the positive's side."""
def triu(input: Tensor, diagonal: _int = 0, *, out: Tensor | None = None) -> Tensor:
    """`input` (..., N, M) with zeros below a diagonal of its last two dimensions: 0 the main one, 1 above it."""
def triu_indices(row: Any, col: Any, offset: _int = 0, *, dtype: _dtype | None = None, device: _DeviceLike | None = None, layout: _layout_type | None = None, pin_memory: _bool | None = None) -> Tensor: ...
def true_divide(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input / other, in floating point: integers are converted to the default dtype. x / 0 is inf, 0 / 0 NaN."""
def trunc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input` rounded towards zero, in its dtype; integers as they are."""
def trunc_(input: Tensor) -> Tensor:
    """In place: `input` rounded towards zero, in its dtype; integers as they are."""
def unbind(input: Tensor, dim: _Ints = 0) -> tuple[Tensor, ...]:
    """All parts of `input` along `dim`, which goes away, as a tuple of views."""
def unbind_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`unbind`, with memory of its own: the arguments of `unbind`, and a copy of what it views."""
def unflatten(input: Tensor, dim: _Ints, sizes: _Ints) -> Tensor:
    """Dimension `dim` split into `sizes`, of which one may be -1: (..., 6, ...) -> (..., 2, 3, ...)."""
def unfold_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`unfold`, with memory of its own: the arguments of `unfold`, and a copy of what it views."""
def uniform_like(input: Tensor, low: _Number = 0.0, high: _Number = 1.0, *, generator: Any = None) -> Tensor:
    """Numbers spread evenly over [low, high), in the shape and dtype of `input`."""
def unique(input: Tensor, sorted: _bool = True, return_inverse: _bool = False, return_counts: _bool = False, dim: _Ints | None = None) -> Tensor:
    """The distinct values (or parts along `dim`), sorted; where each element is among them; how often each occurs."""
def unique_consecutive(input: Tensor, return_inverse: _bool = False, return_counts: _bool = False, dim: _Ints | None = None) -> Tensor:
    """Runs of equal neighbours as one each; which run each element is in; how long each run is."""
def unravel_index(indices: Tensor, shape: _Ints) -> Tensor:
    """The coordinates of places in row-major order of `shape`: a tuple of one tensor for each dimension."""
def unsafe_chunk(input: Tensor, chunks: _int, dim: _Ints = 0) -> tuple[Tensor, ...]:
    """`chunk`, whose parts may be changed in place; for programs that do not use `input` itself afterwards."""
def unsafe_split(tensor: Tensor, split_size: Any, dim: _Ints = 0) -> tuple[Tensor, ...]:
    """`split` whose parts may be changed in place; for programs that do not use `tensor` itself afterwards."""
def unsafe_split_with_sizes(input: Tensor, split_sizes: _Ints, dim: _Ints = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes`, whose parts may be changed in place; for programs that do not use `input` afterwards."""
def unsqueeze(input: Tensor, dim: _int) -> Tensor:
    """With a dimension of size 1 at place `dim`, as a view: 0..ndim, or counted from the end."""
def unsqueeze_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`unsqueeze`, with memory of its own: the arguments of `unsqueeze`, and a copy of what it views."""
def values_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `Tensor.values()` gives."""
def vander(x: Any, N: Any = None, increasing: _bool = False) -> Tensor:
    """Columns x^(N-1), ..., x, 1 of a vector; in the other order when `increasing`."""
def var(input: Tensor, dim: _Ints | None = None, unbiased: Any = None, keepdim: _bool = False, *, correction: Any = None, out: Tensor | None = None) -> Tensor:
    """Variance over `dim` with divisor n - correction (1 unless given; `unbiased=False` means 0)."""
def var_dims(input: Tensor, dim: _Ints | None = None, keepdim: _bool = False, correction: _Number = 1.0) -> Tensor:
    """Variance over `dim`: sum |input - mean|² / (n - correction); two passes."""
def var_mean(input: Tensor, dim: _Ints | None = None, unbiased: Any = None, keepdim: _bool = False, *, correction: Any = None) -> tuple[Tensor, ...]:
    """(variance, mean) over `dim`, the first as `var` has it."""
def vdot(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """sum(conj(input) * other) of two vectors of equal length: (N,), (N,) -> ()."""
def view_as_complex(input: Tensor) -> Tensor:
    """A last dimension of size 2 as complex numbers."""
def view_as_complex_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`view_as_complex`, with memory of its own: the arguments of `view_as_complex`, and a copy of what it views."""
def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers as a last dimension of size 2: real and imaginary parts."""
def view_as_real_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`view_as_real`, with memory of its own: the arguments of `view_as_real`, and a copy of what it views."""
def view_copy(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
    """`view`, with memory of its own: the arguments of `view`, and a copy of what it views."""
def vsplit(input: Tensor, indices_or_sections: _Ints | None = None, *, indices: Tensor | None = None, sections: _Ints | None = None) -> tuple[Tensor, ...]:
    """tensor_split along dimension 0 into equal parts."""
def vstack(tensors: _Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors as rows: cat along dimension 0, 1-d tensors (n,) as (1, n)."""
def weighted_logit_cross_entropy(input: Tensor, target: Tensor | _Number, pos_weight: Tensor | _Number) -> Tensor:
    """(1 - target) input + (1 + (pos_weight - 1) target) log(1 + e^-input), without overflow."""
@overload
def where(condition: Tensor, *, out: Tensor | None = None) -> tuple[Tensor, ...]:
    """`input` where `condition`, else `other`; with `condition` alone, the coordinates where it is nonzero."""
@overload
def where(condition: Tensor, input: Tensor | _float, other: Tensor | _float, *, out: Tensor | None = None) -> Tensor: ...
def where_values(condition: Tensor, input: Tensor | _Number, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """`input` where `condition`, else `other`."""
def xlogy(input: Tensor, other: Tensor | _Number, *, out: Tensor | None = None) -> Tensor:
    """input * log(other), and 0 where `input` is 0, whatever `other` is but NaN."""
def xlogy_(input: Tensor, other: Tensor | _Number) -> Tensor:
    """In place: input * log(other), and 0 where `input` is 0, whatever `other` is but NaN."""
def zero_(input: Tensor) -> Tensor:
    """0 everywhere, in place; what `input` was computed from gets no gradient through it."""
def zeros(*size: _Ints, dtype: _dtype | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, out: Tensor | None = None, layout: _layout_type | None = None, pin_memory: _bool | None = False, **named: Any) -> Tensor: ...
def zeros_like(input: Tensor, *, dtype: _dtype | None = None, layout: _layout_type | None = None, device: _DeviceLike | None = None, requires_grad: _bool | None = False, memory_format: _memory_format | None = None, pin_memory: _bool | None = False, out: Tensor | None = None) -> Tensor: ...
