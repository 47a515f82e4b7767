"""Normalisation layers over the rowwise ops."""

import math

from .. import dtypes
from ..layout import Layout
from .declare import OPS, composite, elementwise
from .rowwise import batch_norm_rows, layer_norm_rows, layer_normed_rows, rms_norm_rows

_BOTH = ("", "nn.functional")
# Elements of a channel from which on the weights of group_norm are applied while its rows are walked, at one core:
# 1.3 to 1.5 times as fast as a pass of their own at 14x14 and more, 0.75 at 7x7.
LONG_CHANNEL = 128


def _expect(name, label, value, shape):
    if value is not None and tuple(value.shape) != tuple(shape):
        raise RuntimeError(f"{name}: expected {label} to have shape {tuple(shape)}, but got {tuple(value.shape)}")


def _layer_norm(input, weight, bias, eps, rank):
    """Without mean and deviation of each row where no gradient can ask for them."""
    for x in (input, weight, bias):
        if x is not None and (x._needs_grad or x._layout.__class__ is not Layout):
            return layer_norm_rows.call(input, weight, bias, eps, rank)[0]
    return layer_normed_rows.call(input, weight, bias, eps, rank)


@composite(namespaces=_BOTH, method=False)
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn_enable=True):
    """(input - mean) / sqrt(var + eps) over the last dimensions, times weight, plus bias (arXiv:1607.06450)."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if len(shape) < 1:
        raise RuntimeError("layer_norm: Expected normalized_shape to be at least 1-dimensional, i.e., containing at "
                           f"least one element, but got normalized_shape = {list(shape)}")
    if tuple(input.shape[-len(shape):]) != shape:
        raise RuntimeError(f"layer_norm: Given normalized_shape={list(shape)}, expected input with shape "
                           f"[*, {', '.join(map(str, shape))}], but got input of size {list(input.shape)}")
    _expect("layer_norm", "weight", weight, shape)
    _expect("layer_norm", "bias", bias, shape)
    return _layer_norm(input, weight, bias, eps, len(shape))


@composite(namespaces=_BOTH, method=False)
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """input / sqrt(mean(input²) + eps) over the last dimensions, times weight (arXiv:1910.07467)."""
    from .. import dtypes
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if len(shape) < 1 or tuple(input.shape[-len(shape):]) != shape:
        raise RuntimeError(f"rms_norm: Given normalized_shape={list(shape)}, expected input with shape "
                           f"[*, {', '.join(map(str, shape))}], but got input of size {list(input.shape)}")
    _expect("rms_norm", "weight", weight, shape)
    return rms_norm_rows.call(input, weight, float(dtypes.finfo(input.dtype).eps if eps is None else eps), len(shape))


def _by_channel(x, ndim):
    return None if x is None else x.view(1, -1, *(1,) * (ndim - 2))


@elementwise(name="_normalised", method=False, out=False)
def normalised(input, mean, scale, weight=None, bias=None):
    """(input - mean) * scale, times weight, plus bias: with statistics that are known, in one pass."""
    result = (input - mean) * scale
    if weight is not None:
        result = result * weight
    return result if bias is None else result + bias


@elementwise(name="_scaled_lerp", method=False, out=False, differentiable=False)
def scaled_lerp(input, end, factor: float, weight: float):
    """input + weight * (end * factor - input)."""
    return input + weight * (end * factor - input)


def _move(running, value, factor, momentum):
    """Move a running statistic (C,) towards a batch's, of as many elements, times `factor`; unrecorded."""
    if running is None:
        return
    value = value.detach().view(-1)
    if value._layout.dtype is running._layout.dtype and not running._needs_grad:
        scaled_lerp.call_inplace(running, value, factor, momentum)
        return
    from ..autograd.modes import no_grad
    with no_grad():
        running.lerp_(value.to(running.dtype) * factor, momentum)


@composite(namespaces="nn.functional", method=False)
def batch_norm(input, running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1,
               eps=1e-05):
    """(input - mean) / sqrt(var + eps) for each channel (dimension 1), times weight, plus bias (arXiv:1502.03167).

    In training mean and variance are the batch's, and move the running ones by `momentum` (variance unbiased).
    """
    shape, ndim, numel = input._layout.shape, input._layout.ndim, input._layout.numel
    if ndim < 2:
        if numel == 0:  # nothing to normalise
            return input.clone()
        raise RuntimeError(f"batch_norm: expected at least 2 dimensions, got input {tuple(input.shape)}")
    if eps <= 0 if training else eps < 0:
        raise ValueError(f"batch_norm: eps must be {'positive during training' if training else 'non-negative'}, but "
                         f"got {eps}")
    channels = shape[1]
    for label, value in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight),
                         ("bias", bias)):
        if value is not None and value._layout.numel != channels:
            raise RuntimeError(f"batch_norm: {label} should contain {channels} elements not {value.numel()}")
    count = numel // channels if channels else 0
    if training:
        if count == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
        scale, shift = _by_channel(weight, ndim), _by_channel(bias, ndim)
        result, mean, var = batch_norm_rows.call(input, scale, shift, eps)
        if count and (running_mean is not None or running_var is not None):  # no batch moves nothing
            _move(running_mean, mean, 1.0, momentum)
            _move(running_var, var, count / max(count - 1, 1), momentum)
        return result
    if running_mean is None or running_var is None:
        raise RuntimeError("batch_norm: Expected running_mean and running_var to be defined when training=False")
    scale = OPS["rsqrt"].call(running_var + eps)
    known = running_mean, scale, weight, bias
    result = normalised.call(input, *(known if ndim == 2 else [_by_channel(x, ndim) for x in known]))
    return result if result._layout.dtype is input._layout.dtype else result.to(input._layout.dtype)


@composite(namespaces=_BOTH, method=False)
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05, cudnn_enabled=True):
    """input (N, C, ...) normalised over each of `num_groups` groups of channels of each sample (arXiv:1803.08494).

    (input - mean) / sqrt(var + eps), times weight (C,), plus bias (C,). RuntimeError where the groups do not divide C.
    """
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    n, c = input.shape[:2]
    if num_groups <= 0 or c % num_groups:
        raise RuntimeError(f"Expected number of channels in input to be divisible by num_groups, but got input of "
                           f"shape {list(input.shape)} and num_groups={num_groups}")
    _expect("group_norm", "weight", weight, (c,))
    _expect("group_norm", "bias", bias, (c,))
    shape = input._layout.shape
    if not input._layout.numel:
        return _affine(input.clone(), weight, bias).to(input._layout.dtype)
    if weight is not None and math.prod(shape[2:]) >= LONG_CHANNEL:
        scale, shift = (None if x is None else x.view(1, num_groups, -1, 1) for x in (weight, bias))
        result = _layer_norm(input.reshape(n, num_groups, c // num_groups, -1), scale, shift, eps, 2).reshape(shape)
    else:
        rows = input.reshape(n, num_groups, -1)
        result = _affine(_layer_norm(rows, None, None, eps, 1).reshape(shape), weight, bias)
    return result if result._layout.dtype is input._layout.dtype else result.to(input._layout.dtype)


def _affine(input, weight, bias):
    """input * weight + bias, by channel, in one pass."""
    weight, bias = _by_channel(weight, input._layout.ndim), _by_channel(bias, input._layout.ndim)
    if weight is not None and bias is not None:
        return OPS["addcmul"].call(bias, input, weight)
    return input * weight if weight is not None else input if bias is None else input + bias


@composite(namespaces="nn.functional", method=False)
def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
                  momentum=0.1, eps=1e-05):
    """input (N, C, ...): each channel of each sample normalised by itself (arXiv:1607.08022).

    (input - mean) / sqrt(var + eps), times weight (C,), plus bias (C,). running_mean and running_var (C,) move towards
    mean and variance by `momentum`, and are used instead of them when `use_input_stats` is False.
    """
    n, c = input.shape[:2]
    if use_input_stats:
        size = 1
        for k in input.shape[2:]:
            size *= k
        if size == 1:
            raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    def repeat(x):
        return None if x is None else x.repeat(n)
    mean, var = repeat(running_mean), repeat(running_var)
    result = batch_norm.call(input.reshape(1, n * c, *input.shape[2:]), mean, var, repeat(weight), repeat(bias),
                             use_input_stats, momentum, eps).reshape(input.shape)
    if use_input_stats and running_mean is not None:
        from ..autograd.modes import no_grad
        with no_grad():
            running_mean.copy_(mean.view(n, c).mean(0))
            running_var.copy_(var.view(n, c).mean(0))
    return result


@composite(namespaces="nn.functional", method=False)
def local_response_norm(input, size, alpha=0.0001, beta=0.75, k=1.0):
    """input / (k + alpha * mean of squares over `size` neighbouring channels) ** beta (Krizhevsky et al. 2012, 3.3)."""
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if input.numel() == 0:
        return input
    squares = (input * input).unsqueeze(1)
    pad, pool = OPS["nn.functional.pad"].call, OPS["nn.functional.avg_pool2d"].call
    if input.ndim == 3:
        mean = pool(pad(squares, (0, 0, size // 2, (size - 1) // 2)), (size, 1), 1).squeeze(1)
    else:
        n, _, c, *rest = squares.shape
        flat = squares.reshape(n, 1, c, -1)
        mean = pool(pad(flat, (0, 0, size // 2, (size - 1) // 2)), (size, 1), 1).reshape(input.shape)
    return input / (mean * alpha + k) ** beta


@composite(namespaces="nn.functional", method=False)
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """input / max(|input|, eps), |input| being the p-norm along `dim`: rows of norm 1, and zeros where they were."""
    from .reduce_forms import vector_norm_of
    result = input / vector_norm_of(input, p, dim, True).clamp_min(eps).expand_as(input)
    return result if out is None else out.copy_(result)


@composite(namespaces=_BOTH, method=False, wide=True)
def cosine_similarity(x1, x2, dim=1, eps=1e-08):
    """sum(x1 x2) / (|x1| |x2|) along `dim`, each norm at least `eps`; x1 and x2 broadcast. In [-1, 1]."""
    from ..queries import result_type
    from .reduce_forms import vector_norm_of
    both = result_type(x1, x2)
    if not both.is_floating_point:
        from ..plan import type_name
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {type_name(both)}")
    x1, x2 = OPS["broadcast_tensors"].call(*(x.to(both) if x.dtype.category < dtypes.FLOAT else x for x in (x1, x2)))
    first = vector_norm_of(x1, 2, dim, True).clamp_min(eps)
    second = vector_norm_of(x2, 2, dim, True).clamp_min(eps)
    return ((x1 / first) * (x2 / second)).sum(dim)


@composite(namespaces=_BOTH, method=False)
def pairwise_distance(x1, x2, p=2.0, eps=1e-06, keepdim=False):
    """The p-norm of x1 - x2 + eps over the last dimension: (..., M), (..., M) -> (...), or (..., 1) with `keepdim`."""
    from .reduce_forms import vector_norm_of
    return vector_norm_of(x1 - x2 + eps, p, -1, keepdim)
