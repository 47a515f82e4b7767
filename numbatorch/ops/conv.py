"""Convolutions in 1 to 3 dimensions and their transposes, with PyTorch's arguments."""

import functools

from ..layout import Layout
from .correlation import conv_forward, conv_input_gradient
from .declare import OPS, composite

_BOTH = ("", "nn.functional")


def _tuple(name, label, value, rank):
    """An int or a sequence of `rank` ints as a tuple."""
    if isinstance(value, int):
        return (value,) * rank
    value = tuple(int(v) for v in value)
    if len(value) == 1:
        return value * rank
    if len(value) != rank:
        raise RuntimeError(f"{name}: expected {label} to be a single integer value or a list of {rank} values, but got "
                           f"{label}={list(value)}")
    return value


def _check(name, input, weight, bias, rank, stride, dilation, groups, transposed):
    if weight.ndim != rank + 2:
        raise RuntimeError(f"{name}: weight must have {rank + 2} dimensions, got {tuple(weight.shape)}")
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input "
                           f"of size: {list(input.shape)}")
    if input.dtype is not weight.dtype:
        raise RuntimeError(f"{name}: Input type ({input.dtype.name}) and weight type ({weight.dtype.name}) should be "
                           "the same")
    if bias is not None and bias.dtype is not input.dtype:
        raise RuntimeError(f"{name}: Input type ({input.dtype.name}) and bias type ({bias.dtype.name}) should be the "
                           "same")
    if 0 in weight.shape[:1]:
        raise RuntimeError(f"{name}: expected weight to be at least 1 at dimension 0, but got weight of size "
                           f"{list(weight.shape)}")
    if 0 in weight.shape[2:]:
        raise RuntimeError(f"{name}: kernel size should be greater than zero, but got weight of size "
                           f"{list(weight.shape)}")
    if groups <= 0:
        raise RuntimeError(f"{name}: non-positive groups is not supported, got groups={groups}")
    if any(s <= 0 for s in stride):
        raise RuntimeError(f"{name}: non-positive stride is not supported, got stride={list(stride)}")
    if any(d <= 0 for d in dilation):
        raise RuntimeError(f"{name}: dilation should be greater than zero, got dilation={list(dilation)}")
    channels = input.shape[-rank - 1]
    expected = weight.shape[0] if transposed else weight.shape[1] * groups
    if channels != expected:
        raise RuntimeError(f"{name}: input has {channels} channels but weight expects {expected} (input "
                           f"{tuple(input.shape)}, weight {tuple(weight.shape)}, groups={groups})")
    if weight.shape[0] % groups:
        raise RuntimeError(f"{name}: {weight.shape[0]} channels of weight {tuple(weight.shape)} are not divisible by "
                           f"groups={groups}")
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise RuntimeError(f"{name}: expected bias to be 1-dimensional with {outputs} elements, but got bias of size "
                           f"{list(bias.shape)} instead")


@functools.lru_cache(4096, typed=True)
def _arranged(rank, input, weight, bias, stride, padding, dilation, groups):
    """(stride, padding, dilation, what the end is padded with) for layouts, after all checks."""
    name = f"conv{rank}d"
    stride, dilation = _tuple(name, "stride", stride, rank), _tuple(name, "dilation", dilation, rank)
    _check(name, input, weight, bias, rank, stride, dilation, groups, False)
    kernel, sizes, more = tuple(weight.shape[2:]), tuple(input.shape[-rank:]), None
    if isinstance(padding, str):
        if padding == "same":
            if any(s != 1 for s in stride):
                raise RuntimeError(f"{name}: padding='same' is not supported for strided convolutions")
            total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
            if any(t % 2 for t in total):  # the odd one goes to the end
                more = tuple([v for t in reversed(total) for v in (0, t % 2)])
                sizes = tuple([n + t % 2 for n, t in zip(sizes, total, strict=True)])
            padding = tuple([t // 2 for t in total])
        elif padding == "valid":
            padding = (0,) * rank
        else:
            raise RuntimeError(f"{name}: invalid padding string {padding!r}; should be 'valid' or 'same'")
    padding = _tuple(name, "padding", padding, rank)
    if any(p < 0 for p in padding):
        raise RuntimeError(f"{name}: negative padding is not supported, got padding={list(padding)}")
    if 0 in sizes and 0 not in ((1, *input.shape) if input.ndim == rank + 1 else input.shape)[:2]:
        raise RuntimeError(f"{name}: only a batch or channels of size 0 are supported, but got input of shape "
                           f"{list(input.shape)}, which has no positions")
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padded = [n + 2 * p for n, p in zip(sizes, padding, strict=True)]
    if any(n < r for n, r in zip(padded, reach, strict=True)):
        raise RuntimeError(f"{name}: calculated padded input size per channel: {padded}. Kernel size: {reach}. Kernel "
                           "size can't be greater than actual input size")
    return stride, padding, dilation, more


def _convolve(rank, input, weight, bias, *options):
    own, other, last = input._layout, weight._layout, None if bias is None else bias._layout
    options = tuple([tuple(o) if o.__class__ is list else o for o in options])
    plain = own.__class__ is Layout and other.__class__ is Layout and (last is None or last.__class__ is Layout)
    arrange = _arranged if plain else _arranged.__wrapped__
    stride, padding, dilation, more = arrange(rank, own, other, last, *options)
    if more is not None:
        input = OPS["nn.functional.pad"].call(input, more)
    single = own.ndim == rank + 1
    if single:
        input = input.unsqueeze(0)
    input = input if input._layout.is_contiguous else input.contiguous()
    weight = weight if other.is_contiguous else weight.contiguous()
    result = conv_forward.call(input, weight, bias, stride, padding, dilation, options[-1])
    return result.squeeze(0) if single else result


@composite(namespaces=_BOTH, method=False)
def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of (N, C, L) with (O, C / groups, K), plus bias (O,): (N, O, L')."""
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


@composite(namespaces=_BOTH, method=False)
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of (N, C, H, W) with (O, C / groups, kH, kW), plus bias (O,): (N, O, H', W')."""
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


@composite(namespaces=_BOTH, method=False)
def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of (N, C, D, H, W) with (O, C / groups, kD, kH, kW), plus bias (O,)."""
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


def _transposed(rank, input, weight, bias, stride, padding, output_padding, groups, dilation):
    name = f"conv_transpose{rank}d"
    stride, padding = _tuple(name, "stride", stride, rank), _tuple(name, "padding", padding, rank)
    output_padding = _tuple(name, "output_padding", output_padding, rank)
    dilation = _tuple(name, "dilation", dilation, rank)
    _check(name, input, weight, bias, rank, stride, dilation, groups, True)
    for o, s, d in zip(output_padding, stride, dilation, strict=True):
        if o >= s and o >= d:
            raise RuntimeError(f"{name}: output padding must be smaller than either stride or dilation, but got "
                               f"output_padding={list(output_padding)}, stride={list(stride)}, "
                               f"dilation={list(dilation)}")
    single = input.ndim == rank + 1
    if single:
        input = input.unsqueeze(0)
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + o + 1 for n, s, p, d, k, o in zip(
        input.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding, strict=True))
    if any(p < 0 for p in padding):
        raise RuntimeError(f"{name}: negative padding is not supported, got padding={list(padding)}")
    if any(n < 0 for n in size):
        raise RuntimeError(f"{name}: given input size per channel: {list(input.shape[2:])}. Calculated output size per "
                           f"channel: {list(size)}. Output size is too small; give less padding")
    if 0 in input.shape[2:]:
        raise RuntimeError(f"{name}: only a batch or channels of size 0 are supported, but got input of shape "
                           f"{list(input.shape)}, which has no positions")
    shape = (input.shape[0], weight.shape[1] * groups, *size)
    beyond = [o // s for o, s in zip(output_padding, stride, strict=True)]
    if any(beyond):  # a convolution of the result would have more positions than input has: the others are zeros
        from .declare import OPS
        input = OPS["nn.functional.pad"].call(input, [n for extra in reversed(beyond) for n in (0, extra)])
    result = conv_input_gradient.call(input.contiguous(), weight.contiguous(), shape, stride, padding, dilation, groups)
    if bias is not None:
        result = result + bias.view(1, -1, *(1,) * rank)
    return result.squeeze(0) if single else result


@composite(namespaces=_BOTH, method=False, wide=True)
def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transposed convolution of (N, C, L) with (C, O / groups, K): the gradient of conv1d by its input."""
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite(namespaces=_BOTH, method=False, wide=True)
def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transposed convolution of (N, C, H, W) with (C, O / groups, kH, kW)."""
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composite(namespaces=_BOTH, method=False, wide=True)
def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transposed convolution of (N, C, D, H, W) with (C, O / groups, kD, kH, kW)."""
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
