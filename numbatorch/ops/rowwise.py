"""Softmax and normalisation: every element of a row depends on the whole row."""

from ..expr import functions as f
from ..expr.functions import row_length, row_max, row_sum
from .declare import FLOAT, composite, rowwise


def _floating(op, specs, statics):
    """Integers are only taken where `dtype` says what to compute in, which must be floating point."""
    wanted = statics["dtype"] or specs["input"].dtype
    if not wanted.is_floating_point:
        from ..plan import type_name
        name, kind = op.name.removesuffix("_rows"), type_name(wanted)
        raise NotImplementedError(f'"{name}" not implemented for \'{kind}\': give a floating point dtype=')


@rowwise(name="softmax_rows", method=False, check=_floating, promote=FLOAT,
         grad=lambda grad, result: result * (grad - row_sum(grad * result)))
def softmax_rows(input, dim, dtype=None):
    """exp(input - max) / sum(exp(input - max)) along `dim`."""
    e = f.exp(input - row_max(input))
    return e / row_sum(e)


@rowwise(name="log_softmax_rows", method=False, check=_floating, promote=FLOAT,
         grad=lambda grad, result: grad - f.exp(result) * row_sum(grad))
def log_softmax_rows(input, dim, dtype=None):
    """input - max - log(sum(exp(input - max))) along `dim`."""
    shifted = input - row_max(input)
    return shifted - f.log(row_sum(f.exp(shifted)))


def _softmax_dim(name, ndim, dim):
    if dim is None:
        return 0 if ndim in (0, 1, 3) else 1
    return dim


def _softmax_dtype(third, dtype):
    """`torch.softmax` takes a dtype where `nn.functional.softmax` has `_stacklevel`."""
    return dtype if dtype is not None or isinstance(third, int) else third


@composite(namespaces=("", "nn.functional", "special"), out=True)
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(input) / sum(exp(input)) along `dim`: positive rows whose sum is 1, in `dtype` when given. No overflow.

    A row of -inf gives NaN.
    """
    dtype = _softmax_dtype(_stacklevel, dtype)
    return softmax_rows.call(input, _softmax_dim("softmax", input.ndim, dim), dtype)


@composite(namespaces=("", "nn.functional", "special"), out=True)
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log(softmax(input, dim)), without overflow; in `dtype` when given."""
    dtype = _softmax_dtype(_stacklevel, dtype)
    return log_softmax_rows.call(input, _softmax_dim("log_softmax", input.ndim, dim), dtype)


@composite(namespaces="nn.functional", method=False)
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-input, dim): positive rows whose sum is 1, largest where `input` is smallest."""
    return softmax.call(-input, dim, dtype=dtype)


def _last(shape, statics):
    return tuple(range(len(shape) - statics["rank"], len(shape)))


def _normalised_gradient(grad, weight, input, mean, rstd):
    """Gradient of (input - mean) * rstd for an incoming grad * weight."""
    xhat = (input - mean) * rstd
    g = grad if weight is None else grad * weight
    return rstd * (g - row_sum(g) / row_length - xhat * (row_sum(g * xhat) / row_length))


def _layer_norm(input, weight, bias, eps):
    mean = row_sum(input) / row_length
    centred = input - mean
    rstd = f.rsqrt(row_sum(centred * centred) / row_length + eps)
    result = centred * rstd
    if weight is not None:
        result = result * weight
    return result if bias is None else result + bias, mean, rstd


@rowwise(name="layer_norm_rows", method=False, dims=_last, input=_normalised_gradient,
         weight=lambda grad, input, mean, rstd: grad * ((input - mean) * rstd),
         bias=lambda grad: grad,
         outputs=("result", "mean", "rstd"), result=(None, None, None))
def layer_norm_rows(input, weight=None, bias=None, eps: float = 1e-5, rank: int = 1):
    """(input - mean) / sqrt(var + eps) over the last `rank` dimensions, times weight, plus bias; then mean, and
    1 / sqrt(var + eps), for the gradient."""
    return _layer_norm(input, weight, bias, eps)


@rowwise(name="layer_normed_rows", method=False, dims=_last, differentiable=False)
def layer_normed_rows(input, weight=None, bias=None, eps: float = 1e-5, rank: int = 1):
    """The result of layer_norm_rows alone, where nothing needs a gradient."""
    return _layer_norm(input, weight, bias, eps)[0]


@rowwise(name="rms_norm_rows", method=False, dims=_last)
def rms_norm_rows(input, weight=None, eps: float = 1e-6, rank: int = 1):
    """input / sqrt(mean(input²) + eps) over the last `rank` dimensions, times weight."""
    result = input * f.rsqrt(row_sum(input * input) / row_length + eps)
    return result if weight is None else result * weight


def _channels(shape, statics):
    return tuple(i for i in range(len(shape)) if i != 1)


def _rstd(var, eps):
    return f.cast(f.rsqrt(var + eps), "narrow")


@rowwise(name="batch_norm_rows", method=False, dims=_channels,
         input=lambda grad, input, weight, eps, mean, var: _normalised_gradient(grad, weight, input, mean,
                                                                                _rstd(var, eps)),
         weight=lambda grad, input, eps, mean, var: row_sum(grad * (input - mean)) * _rstd(var, eps),
         bias=lambda grad: row_sum(grad),
         outputs=("result", "mean", "var"), result=(None, None, None))
def batch_norm_rows(input, weight=None, bias=None, eps: float = 1e-5):
    """Normalised over everything but dimension 1, with the batch's mean and (biased) variance of each channel."""
    mean = row_sum(input) / row_length
    centred = input - mean
    var = row_sum(centred * centred) / row_length
    result = centred * f.rsqrt(var + eps)
    if weight is not None:
        result = result * weight
    return result if bias is None else result + bias, mean, var


def _surprise_gradient(grad, input, target, largest, total):
    """softmax(input), less 1 at the target."""
    return grad / total * f.exp(input - largest) - f.where(f.eq(f.row_index, target), grad, 0)


@rowwise(name="surprise_rows", method=False, apart=("target",), promote=FLOAT, input=_surprise_gradient,
         outputs=("result", "largest", "total"), result=(None, "wide", "wide"))
def surprise_rows(input, target, dim):
    """-log_softmax(input)[target] along `dim`, of size 1 in `target` and in the result. Targets must be checked.

    No logarithms but those of the targets are made. The other results are what the gradient is made of: the maximum of
    each row, and the sum of e^(input - maximum), both in float32 where the input is narrower: 65504 classes are enough
    for a sum that float16 does not hold.
    """
    largest = row_max(input)
    chosen = row_sum(f.where(f.eq(f.row_index, target), input, 0))
    total = row_sum(f.exp(input - largest))
    return f.log(total) - (chosen - largest), largest, total


def _weights(weight, target):
    """(the weight of the target's class, that of all classes together)."""
    if weight is None:
        return 1, row_length
    return row_sum(f.where(f.eq(f.row_index, target), weight, 0)), row_sum(weight)


def _smoothed_gradient(grad, input, target, weight, largest, total, certain, share):
    """softmax(input) times all that is expected, less what is expected of each class."""
    own, whole = _weights(weight, target)
    spread = grad * share if weight is None else grad * share * weight
    expected = grad * (certain * own + share * whole)
    return expected / total * f.exp(input - largest) - spread - f.where(
        f.eq(f.row_index, target), grad * certain * own, 0)


def _weight_gradient(grad, input, target, largest, total, certain, share):
    """-log_softmax(input) times how much of each class is expected where all weigh the same."""
    surprise = f.log(total) - (input - largest)
    return grad * surprise * (share + f.where(f.eq(f.row_index, target), certain, 0))


@rowwise(name="smoothed_rows", method=False, apart=("target",), promote=FLOAT, input=_smoothed_gradient,
         weight=_weight_gradient, outputs=("result", "largest", "total"), result=(None, "wide", "wide"))
def smoothed_rows(input, target, weight=None, dim=1, certain: float = 1.0, share: float = 0.0):
    """-log_softmax(input) along `dim` times what is expected of each class: `share`, and `certain` more of the target;
    each times the `weight` of the class, unless that is None.

    Otherwise as `surprise_rows`.
    """
    largest = row_max(input)
    chosen = row_sum(f.where(f.eq(f.row_index, target), input, 0))
    own, whole = _weights(weight, target)
    shifted = input - largest
    total, others = row_sum(f.exp(shifted)), row_sum(shifted if weight is None else weight * shifted)
    return ((certain * own + share * whole) * f.log(total) - certain * own * (chosen - largest) - share * others,
            largest, total)


@rowwise(name="picked_rows", method=False, apart=("target",),
         input=lambda grad, target: f.where(f.eq(f.row_index, target), -grad, 0))
def picked_rows(input, target, dim):
    """-input[target] along `dim`, of size 1 in `target` and in the result. Targets must be checked."""
    return -row_sum(f.where(f.eq(f.row_index, target), input, 0))
