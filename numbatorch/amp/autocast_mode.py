"""autocast: while it is on, products run in a lower precision and delicate ops in float32.

Which op belongs where is PyTorch's choice for the CPU and for CUDA (documentation of torch.amp, "Op-Specific
Behavior"); ops in neither list run in the precision of their operands. A watched op's operands are converted by
ordinary, recorded conversions, so gradients arrive in the dtype of what was converted.
"""

import functools
import threading
import warnings

from .. import cuda, dtypes, interception
from ..device import device as make_device
from ..tensor import Tensor
from . import recurrent

LOWER = frozenset(
    "mm bmm addmm addbmm baddbmm matmul linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d "
    "conv_tbc convolution vecdot tensordot prelu scaled_dot_product_attention".split())
FLOAT32 = frozenset((
    "cdist cholesky cholesky_ex cholesky_inverse cholesky_solve view_as_complex stft geqrf lu lu_factor lu_factor_ex "
    "lu_solve quantile nanquantile ormqr orgqr householder_product qr triangular_solve svd svdvals polar pinverse "
    "trace prod ctc_loss cond eig eigvals eigh eigvalsh lstsq inv inverse inv_ex solve solve_ex matrix_rank tensorinv "
    "tensorsolve grid_sample grid_sampler grid_sampler_2d grid_sampler_3d adaptive_avg_pool3d adaptive_max_pool3d "
    "avg_pool3d max_pool3d fractional_max_pool2d fractional_max_pool3d max_unpool1d max_unpool2d max_unpool3d "
    "binary_cross_entropy binary_cross_entropy_with_logits soft_margin_loss margin_ranking_loss multi_margin_loss "
    "multilabel_margin_loss triplet_margin_loss smooth_l1_loss l1_loss mse_loss cosine_embedding_loss nll_loss "
    "cross_entropy linear_cross_entropy hinge_embedding_loss huber_loss poisson_nll_loss kl_div "
    "fft fft2 fftn hfft rfft rfft2 rfftn ifft ifft2 ifftn ihfft irfft irfft2 irfftn").split())
WIDEST = frozenset("cat stack index_copy".split())
AS_THEY_ARE = frozenset("mv dot vdot".split())  # made of matrix products here, but not converted
_WATCHED = LOWER | FLOAT32 | WIDEST | AS_THEY_ARE | recurrent.NAMES
CUDA_LOWER = frozenset(
    "mm bmm mv addmm addmv addr addbmm baddbmm matmul linear chain_matmul conv1d conv2d conv3d conv_transpose1d "
    "conv_transpose2d conv_transpose3d conv_tbc convolution gru_cell lstm_cell rnn_tanh_cell rnn_relu_cell gru lstm "
    "rnn_tanh rnn_relu prelu scaled_dot_product_attention".split())
CUDA_FLOAT32 = frozenset(
    "pow float_power acos asin cosh sinh tan erfinv exp expm1 log log10 log1p log2 reciprocal rsqrt softplus softmax "
    "softmin log_softmax cumprod cumsum prod sum norm vector_norm dist pdist cdist renorm logsumexp cosine_similarity "
    "group_norm layer_norm normalize binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy "
    "hinge_embedding_loss kl_div l1_loss margin_ranking_loss mse_loss multilabel_margin_loss multi_margin_loss "
    "nll_loss poisson_nll_loss smooth_l1_loss huber_loss soft_margin_loss triplet_margin_loss".split())
CUDA_WIDEST = frozenset(
    "addcdiv addcmul atan2 bilinear cat stack cross dot vdot grid_sample grid_sampler index_put scatter_add "
    "tensordot".split())
_CUDA_WATCHED = CUDA_LOWER | CUDA_FLOAT32 | CUDA_WIDEST | {"binary_cross_entropy"}
_PADDED = frozenset(("pad",))  # float32 for other modes than "constant"


class _Settings(threading.local):
    """What this thread has set: whether autocast is on and the lower dtype, by kind of device."""

    def __init__(self):
        self.enabled = {"cpu": False, "cuda": False}
        self.dtype = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16}
        self.watched: frozenset = frozenset()
        self.cache_enabled, self.depth = True, 0
        self.cache: dict = {}
        self.running = None  # the mode that watches the ops while autocast is on


settings = _Settings()


def _known(device_type):
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    name = make_device(device_type).type
    if name not in settings.enabled:
        raise RuntimeError(f"autocast: no support for device type {device_type!r}; there are {list(settings.enabled)}")
    return name


def is_autocast_available(device_type):
    """Whether autocast knows a kind of device."""
    return make_device(device_type).type in settings.enabled


def is_autocast_enabled(device_type="cuda"):
    """Whether autocast is on in this thread for a kind of device."""
    return settings.enabled[_known(device_type)]


def get_autocast_dtype(device_type):
    """The lower precision of autocast for a kind of device: bfloat16 on the CPU."""
    return settings.dtype[_known(device_type)]


def set_autocast_dtype(device_type, dtype):
    """Set the lower precision of autocast for a kind of device."""
    settings.dtype[_known(device_type)] = dtype


def set_autocast_enabled(device_type, enabled=None):
    """Switch autocast on or off for a kind of device, in this thread; with one argument, for CUDA."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    name = _known(device_type)
    settings.enabled[name] = bool(enabled)
    _watch()


# The older names, one for each kind of device.
get_autocast_cpu_dtype = functools.partial(get_autocast_dtype, "cpu")
get_autocast_gpu_dtype = functools.partial(get_autocast_dtype, "cuda")
set_autocast_cpu_dtype = functools.partial(set_autocast_dtype, "cpu")
set_autocast_gpu_dtype = functools.partial(set_autocast_dtype, "cuda")
is_autocast_cpu_enabled = functools.partial(is_autocast_enabled, "cpu")
set_autocast_cpu_enabled = functools.partial(set_autocast_enabled, "cpu")


def is_autocast_cache_enabled():
    """Whether conversions of parameters are kept until the outermost autocast ends."""
    return settings.cache_enabled


def set_autocast_cache_enabled(enabled):
    """Keep conversions of parameters until the outermost autocast ends, or not."""
    settings.cache_enabled = bool(enabled)


def clear_autocast_cache():
    """Forget the conversions of parameters that were kept."""
    settings.cache.clear()


def _watch():
    """Watch the ops of the kinds of devices that autocast is on for, and no others."""
    wanted = frozenset()
    if settings.enabled["cpu"]:
        wanted |= _WATCHED | _PADDED
    if settings.enabled["cuda"]:
        wanted |= _CUDA_WATCHED
    if settings.watched == wanted:
        return
    if settings.running is not None:
        running, settings.running = settings.running, None
        running.__exit__(None, None, None)
    if wanted:
        settings.running = interception.mode(_cast, wanted)
        settings.running.__enter__()
    settings.watched = wanted


def _cast(op, inplace, values):
    """The handler of the mode: the op with its tensors converted, by the lists of the device that they are on."""
    kind = next((t.device.type for t in interception.tensors_of(values) if t.dtype.is_floating_point), None)
    if kind not in settings.enabled or not settings.enabled[kind]:
        return NotImplemented
    return _cast_on_cuda(op, inplace, values) if kind == "cuda" else _cast_on_cpu(op, inplace, values)


def _widest(values):
    """The dtype that those of floating-point tensors promote to; None where there is another tensor."""
    target = None
    for t in interception.tensors_of(values):
        target = t.dtype if target is None else dtypes.promote_types(target, t.dtype)
    return target if target is not None and target.is_floating_point else None


def _cast_on_cuda(op, inplace, values):
    if inplace:
        return NotImplemented
    if op.name == "binary_cross_entropy":
        raise RuntimeError("binary_cross_entropy: under autocast its gradient leaves the range of float16; use "
                           "binary_cross_entropy_with_logits (BCEWithLogitsLoss), which is safe there")
    if op.name in CUDA_LOWER:
        target = settings.dtype["cuda"]
    elif op.name in CUDA_WIDEST:
        target = _widest([t for t in interception.tensors_of(values) if t.dtype.is_floating_point])
    elif op.name in CUDA_FLOAT32:
        target = dtypes.float32
    else:  # watched for the CPU
        return NotImplemented
    if target is None or any(t.dtype is dtypes.float64 for t in interception.tensors_of(values)):
        return NotImplemented
    return interception.call(op, False, [_converted(v, target) for v in values])


def _cast_on_cpu(op, inplace, values):
    if op.name not in _WATCHED and op.name not in _PADDED or inplace or op.name in _PADDED and values[2] == "constant":
        return NotImplemented
    if op.name in AS_THEY_ARE:
        return interception.call(op, inplace, values)
    if op.name in recurrent.NAMES:
        return recurrent.run(op, values, settings.dtype["cpu"], _converted)
    if op.name in LOWER:
        target = settings.dtype["cpu"]
    elif op.name in WIDEST:
        target = _widest(values)
        if target is None:
            return NotImplemented
    else:
        target = dtypes.float32
    return interception.call(op, False, [_converted(v, target) for v in values])


def _converted(value, target):
    if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value):
        return type(value)(_converted(v, target) for v in value)
    if not isinstance(value, Tensor) or not value.dtype.is_floating_point or value.dtype in (target, dtypes.float64):
        return value
    if not settings.enabled.get(value.device.type):
        return value
    keep = (settings.cache_enabled and value.requires_grad and value.is_leaf and value.dtype is dtypes.float32
            and target is settings.dtype[value.device.type] and not value.is_inference())
    if not keep:
        return value.to(target)
    kept = settings.cache.get(id(value))
    # A conversion made while nothing was recorded must not serve a pass that is recorded.
    if kept is None or kept[1] != value._version or kept[2].dtype is not target or not kept[2].requires_grad:
        kept = settings.cache[id(value)] = (value, value._version, value.to(target))
    return kept[2]


class autocast:
    """Context manager and decorator: ops inside run in the precision that suits them.

    device_type: "cpu" or "cuda", which warns and stays off where there is no GPU. dtype: the lower precision, bfloat16
    or float16; others warn and switch autocast off. enabled: False switches it off inside. cache_enabled: keep
    conversions of parameters until the outermost context ends. RuntimeError for kinds of devices it does not know.
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        self.device = _known(device_type)
        self.fast_dtype = settings.dtype[self.device] if dtype is None else dtype
        self._cache_enabled = settings.cache_enabled if cache_enabled is None else cache_enabled
        self._enabled = bool(enabled)
        if self._enabled and self.device == "cuda" and not cuda.is_available():
            warnings.warn("User provided device_type of 'cuda', but CUDA is not available. Disabling", stacklevel=2)
            self._enabled = False
        if self._enabled and self.fast_dtype not in (dtypes.bfloat16, dtypes.float16):
            warnings.warn(f"In {self.device.upper()} autocast, but the target dtype {self.fast_dtype} is not "
                          "supported. Disabling autocast. It takes torch.bfloat16 and torch.float16.", stacklevel=2)
            self._enabled = False
        self._previous: list = []

    def __enter__(self):
        name = self.device
        self._previous.append((settings.enabled[name], settings.dtype[name], settings.cache_enabled))
        settings.dtype[name], settings.cache_enabled = self.fast_dtype, self._cache_enabled
        settings.depth += 1
        set_autocast_enabled(name, self._enabled)
        return self

    def __exit__(self, *_):
        name = self.device
        settings.depth -= 1
        if not settings.depth:
            settings.cache.clear()
        enabled, settings.dtype[name], settings.cache_enabled = self._previous.pop()
        set_autocast_enabled(name, enabled)
        return False

    def __call__(self, function):
        @functools.wraps(function)
        def inside(*args, **kwargs):
            with self:
                return function(*args, **kwargs)
        return inside


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """Decorator for the `forward` of an autograd.Function: run it without autocast on operands converted to
    `cast_inputs`; without `cast_inputs`, run it as it is. `backward` then follows through `custom_bwd`."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    name = _known(device_type)

    @functools.wraps(fwd)
    def forward(ctx, *args, **kwargs):
        ctx._dtype = settings.dtype[name]
        ctx._fwd_used_autocast = settings.enabled[name]
        if cast_inputs is None or not settings.enabled[name]:
            return fwd(ctx, *args, **kwargs)
        ctx._fwd_used_autocast = False
        with autocast(device_type, enabled=False):
            return fwd(ctx, *(_cast_all(a, cast_inputs) for a in args),
                       **{k: _cast_all(v, cast_inputs) for k, v in kwargs.items()})
    return forward


def custom_bwd(bwd=None, *, device_type):
    """Decorator for the `backward` of an autograd.Function: it runs with autocast as `forward` did."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    _known(device_type)

    @functools.wraps(bwd)
    def backward(ctx, *args, **kwargs):
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)
    return backward


def _cast_all(value, dtype):
    if isinstance(value, Tensor):
        eligible = value.dtype.is_floating_point and value.dtype is not dtypes.float64
        return value.to(dtype) if eligible else value
    if isinstance(value, dict):
        return {k: _cast_all(v, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast_all(v, dtype) for v in value)
    return value
