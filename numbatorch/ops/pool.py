"""Pooling: the maximum, mean or norm of windows over the last one to three dimensions.

Inputs are (N, C, spatial...) or (C, spatial...). Window sizes, strides, paddings and dilations are an int or one int a
dimension; a stride of None is the window's size. Results are
contiguous, or channels last where the input is.
"""

import math

from ..expr import kinds
from ..layout import Layout, contiguous_strides, layout
from .declare import OPS, composite, window


def _ints(name, what, value, rank):
    """One int a dimension; RuntimeError for another count."""
    if isinstance(value, int):
        return (int(value),) * rank
    values = tuple(value)
    if len(values) == 1:
        return (int(values[0]),) * rank
    if len(values) != rank:
        raise RuntimeError(f"{name}: {what} must either be a single int, or a tuple of {rank} ints, got {value}")
    return tuple(int(v) for v in values)


def _spatial(name, input, rank):
    shape = input.shape
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}: expected {rank + 1}D or {rank + 2}D (batch mode) tensor for input, but got "
                           f"{input.ndim}D input of shape {list(shape)}")
    if any(n == 0 for n in shape[-rank - 1:]):
        raise RuntimeError(f"{name}: expected {rank + 1}D or {rank + 2}D (batch mode) tensor with optional 0 dim batch "
                           f"size for input, but got: {list(shape)}")
    return shape[-rank:]


def _output_size(n, k, s, p, d, ceil_mode):
    size = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
    if ceil_mode and (size - 1) * s >= n + p:  # the last window must start inside the input or its left padding
        size -= 1
    return size


def _windows(name, input, rank, kernel_size, stride, padding, dilation, ceil_mode):
    """(options of the request, output sizes); RuntimeError where the arguments do not fit together."""
    kernel = _ints(name, "kernel_size", kernel_size, rank)
    empty = stride is None or (isinstance(stride, tuple) and not stride)
    strides = kernel if empty else _ints(name, "stride", stride, rank)
    pads, steps = _ints(name, "padding", padding, rank), _ints(name, "dilation", dilation, rank)
    if min(kernel) <= 0:
        raise RuntimeError(f"{name}: kernel_size should be greater than zero, but got {list(kernel)}")
    if min(strides) <= 0:
        raise RuntimeError(f"{name}: stride should be greater than zero, but got {list(strides)}")
    if min(steps) <= 0:
        raise RuntimeError(f"{name}: dilation should be greater than zero, but got {list(steps)}")
    for k, p in zip(kernel, pads, strict=True):
        if p < 0:
            raise RuntimeError(f"{name}: pad must be non-negative, but got pad: {p}")
        if p > k // 2:
            raise RuntimeError(f"{name}: pad should be at most half of kernel_size, but got pad={p} and "
                               f"kernel_size={k}")
    sizes = _spatial(name, input, rank)
    out = tuple(_output_size(n, k, s, p, d, ceil_mode)
                for n, k, s, p, d in zip(sizes, kernel, strides, pads, steps, strict=True))
    if min(out) < 1:
        raise RuntimeError(f"{name}: given input size {tuple(input.shape[-rank - 1:])}, the calculated output size is "
                           f"{out}: it is too small")
    return {"rank": rank, "kernel": kernel, "stride": strides, "padding": pads, "dilation": steps}, out


def _adaptive(name, input, rank, output_size):
    """The same for adaptive pooling; evenly divided inputs become ordinary windows."""
    if not isinstance(output_size, (int, tuple)) and output_size is not None:
        raise TypeError(f"{name}: output_size must be an int or a tuple, got {type(output_size).__name__}")
    if isinstance(output_size, tuple) and len(output_size) not in (1, rank):
        raise RuntimeError(f"{name}: output_size must be {rank}, got {output_size}")
    if input.ndim not in (rank + 1, rank + 2):
        listed = isinstance(output_size, tuple) and rank > 1 and input.ndim <= rank
        raise (ValueError if listed else RuntimeError)(
            f"{name}: expected {rank + 1}D or {rank + 2}D tensor, but got {list(input.shape)}")
    free = input.ndim - rank if "avg" in name and rank < 3 else int(input.ndim == rank + 2)  # means of no channels
    for i in range(free, input.ndim):
        if input.shape[i] == 0:
            raise RuntimeError(f"{name}: expected input to have non-zero size for non-batch dimensions, but input has "
                               f"sizes {list(input.shape)} with dimension {i} being empty")
    given = output_size if isinstance(output_size, tuple) else (output_size,) * rank
    given = given * rank if len(given) == 1 else given
    sizes = input.shape[-rank:]
    out = tuple(n if o is None else int(o) for n, o in zip(sizes, given, strict=True))
    if min(out) < 0:
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0, but received "
                           f"{list(out)}")
    options = {"rank": rank, "kernel": None, "stride": None, "padding": (0,) * rank, "dilation": (1,) * rank}
    if 0 in out:  # no window at all, of any size
        options["kernel"] = options["stride"] = (1,) * rank
    elif all(n % o == 0 for n, o in zip(sizes, out, strict=True)):
        options["kernel"] = options["stride"] = tuple(n // o for n, o in zip(sizes, out, strict=True))
    return options, out


def _result(input, rank, out, dtype=None):
    shape = (*input.shape[:-rank], *out)
    return layout(dtype or input.dtype, shape, None, input.device)


def _like(input, rank, out, dtype=None):
    """The layout of a result: channels last where the input has them last."""
    result = _result(input, rank, out, dtype)
    if rank == 1 or input.ndim != rank + 2 or input.is_contiguous or input.strides != _channels_last(input.shape):
        return result
    return result.with_(shape=result.shape, strides=_channels_last(result.shape))


def arranged_as(input, result):
    """`result` (N, C, h, w) with channels last where `input` has them last."""
    wanted = _like(input._layout, 2, tuple(result.shape[2:])) if input.ndim == 4 else result._layout
    if wanted.strides == result._layout.strides:
        return result
    from ..creation import channels_last
    return result.contiguous(memory_format=channels_last)


def _channels_last(shape):
    n, c, *sizes = shape
    inner = contiguous_strides((*sizes, c))
    return (math.prod(shape[1:]), 1, *inner[:-1])


def _real(name, input):
    if input.dtype.is_complex or input.dtype.name == "bool":
        raise RuntimeError(f'"{name}" not implemented for \'{input.dtype.name}\'')


def _maximum_geometry(rank, input, kernel_size, stride, padding, dilation, ceil_mode, output_size):
    if output_size is not None:
        name = f"adaptive_max_pool{rank}d"
        options, out = _adaptive(name, input, rank, output_size)
    else:
        name = f"max_pool{rank}d"
        options, out = _windows(name, input, rank, kernel_size, stride, padding, dilation, ceil_mode)
    _real(name, input)
    return options, out


def _average_geometry(rank, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override,
                      output_size):
    if output_size is not None:
        name = f"adaptive_avg_pool{rank}d"
        options, out = _adaptive(name, input, rank, output_size)
    else:
        name = f"avg_pool{rank}d"
        options, out = _windows(name, input, rank, kernel_size, stride, padding, 1, ceil_mode)
        if rank == 3 and any(n < k for n, k in zip(input.shape[-3:], options["kernel"], strict=True)):
            raise RuntimeError(f"{name}: input image {list(input.shape[-3:])} is smaller than kernel_size "
                               f"{list(options['kernel'])}")
        if divisor_override == 0:
            raise RuntimeError(f"{name}: divisor_override must not be zero")
    _real(name, input)
    return {**options, "average": True, "count_include_pad": bool(count_include_pad), "divisor": divisor_override}, out


# ------------------------------------------------------------------ maximum

def _max_gradient(grad, input, rank, kernel_size, stride, padding, dilation, ceil_mode):
    _, taps = max_pool_taps.call(input, rank, kernel_size, stride, padding, dilation, ceil_mode)
    return spread_taps.call(grad, taps, rank, tuple(input.shape), kernel_size, stride, padding, dilation, ceil_mode)


@window(name="_max_pool", grad=_max_gradient)
def max_pool(input, rank: int, kernel_size: tuple, stride: tuple = None, padding: tuple | int = 0,
             dilation: tuple | int = 1, ceil_mode: bool = False):
    """Maximum of each window, NaN if any is."""
    options, out = _maximum_geometry(rank, input, kernel_size, stride, padding, dilation, ceil_mode, None)
    return kinds.Native("window", "max_pool", (input,), [_like(input, rank, out)], options)


def _tap_gradient(grad_result, input_layout, taps, rank, kernel_size, stride, padding, dilation, ceil_mode):
    return spread_taps.call(grad_result, taps, rank, input_layout.shape, kernel_size, stride, padding, dilation,
                            ceil_mode)


@window(name="_max_pool_taps", outputs=("result", "taps"), grad=_tap_gradient)
def max_pool_taps(input, rank: int, kernel_size: tuple, stride: tuple = None, padding: tuple | int = 0,
                  dilation: tuple | int = 1, ceil_mode: bool = False):
    """Maximum of each window, and the number of its tap: a byte, where backward would need eight for a position."""
    from .. import dtypes
    options, out = _maximum_geometry(rank, input, kernel_size, stride, padding, dilation, ceil_mode, None)
    number = dtypes.uint8 if math.prod(options["kernel"]) <= 256 else dtypes.int32
    results = [_like(input, rank, out), _like(input, rank, out, number)]
    return kinds.Native("window", "max_pool", (input,), results, options)


def _picked(grad, taps, rank, kernel_size, stride, padding, dilation, ceil_mode):
    return pick_taps.call(grad, taps, rank, kernel_size, stride, padding, dilation, ceil_mode)


@window(name="_spread_taps", grad=_picked)
def spread_taps(grad_output, taps, rank: int, size: tuple, kernel_size: tuple, stride: tuple, padding: tuple,
                dilation: tuple, ceil_mode: bool):
    """The gradient of `max_pool`, of shape `size`: each window's gradient at its maximum."""
    result = layout(grad_output.dtype, size, None, grad_output.device)
    options, _ = _maximum_geometry(rank, result, kernel_size, stride, padding, dilation, ceil_mode, None)
    return kinds.Native("window", "spread_taps", (grad_output, taps), [result], options)


def _spread_again(grad, input_layout, taps, rank, kernel_size, stride, padding, dilation, ceil_mode):
    return spread_taps.call(grad, taps, rank, input_layout.shape, kernel_size, stride, padding, dilation, ceil_mode)


@window(name="_pick_taps", grad=_spread_again)
def pick_taps(input, taps, rank: int, kernel_size: tuple, stride: tuple, padding: tuple, dilation: tuple,
              ceil_mode: bool):
    """The element of each window that its tap names: the gradient of `spread_taps`."""
    options, out = _maximum_geometry(rank, input, kernel_size, stride, padding, dilation, ceil_mode, None)
    return kinds.Native("window", "pick_taps", (input, taps), [_result(input, rank, out)], options)


def _take(values, indices, rank):
    """values (..., spatial) at the flat positions `indices` of each plane."""
    flat = values.reshape(*values.shape[:-rank], -1)
    return flat.gather(-1, indices.reshape(*indices.shape[:-rank], -1)).reshape(indices.shape)


def _indexed_gradient(grad_result, input, indices, rank):
    return add_planes.call(grad_result, indices, rank, tuple(input.shape[-rank:]))


@window(name="_max_pool_indices", outputs=("result", "indices"), grad=_indexed_gradient)
def max_pool_indices(input, rank: int, kernel_size: tuple = None, stride: tuple = None, padding: tuple | int = 0,
                     dilation: tuple | int = 1, ceil_mode: bool = False, output_size: tuple = None):
    """Maximum of each window, and where in its input plane it lies (row-major)."""
    from .. import dtypes
    options, out = _maximum_geometry(rank, input, kernel_size, stride, padding, dilation, ceil_mode, output_size)
    results = [_like(input, rank, out), _like(input, rank, out, dtypes.int64)]
    return kinds.Native("window", "max_pool", (input,), results, options)


@window(name="_add_planes", grad=lambda grad, indices, rank: _take(grad, indices, rank))
def add_planes(input, indices, rank: int, size: tuple):
    """Planes of zeros with input added at the flat positions `indices`."""
    return kinds.Native("window", "scatter_planes", (input, indices), [_result(input, rank, size)],
                        {**_no_windows(rank), "add": True})


@window(name="_put_planes", grad=lambda grad, indices, rank: _take(grad, indices, rank))
def put_planes(input, indices, rank: int, size: tuple):
    """Planes of zeros with input written at the flat positions `indices`."""
    return kinds.Native("window", "scatter_planes", (input, indices), [_result(input, rank, size)],
                        {**_no_windows(rank), "add": False})


def _no_windows(rank):
    return {"rank": rank, "kernel": None, "stride": None, "padding": (0,) * rank, "dilation": (1,) * rank}


def _maximum(input, *windows):
    """Maxima, and where backward will follow the taps they are at."""
    if input._needs_grad and input._layout.__class__ is Layout:
        return max_pool_taps.call(input, *windows)[0]
    return max_pool.call(input, *windows)


def _define_max(rank):
    name = f"max_pool{rank}d"

    def with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
                     return_indices=False) -> tuple:
        result, indices = max_pool_indices.call(input, rank, kernel_size, stride, padding, dilation, ceil_mode)
        return result, indices

    def pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        if return_indices:
            return with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
        return _maximum(input, rank, kernel_size, stride, padding, dilation, ceil_mode)

    def adaptive_with_indices(input, output_size, return_indices=False) -> tuple:
        result, indices = max_pool_indices.call(input, rank, output_size=output_size)
        return result, indices

    def adaptive(input, output_size, return_indices=False):
        if return_indices:
            return adaptive_with_indices(input, output_size)
        own = input._layout
        options, out = _adaptive(f"adaptive_{name}", own, rank, output_size)
        if own.__class__ is Layout and math.prod(out) == 1 and own.is_contiguous and own.dtype.is_floating_point:
            plane = input.flatten(-rank)  # one window is a row, which the templates of rows walk
            return (plane.max(-1)[0] if input._needs_grad else plane.amax(-1)).view(*own.shape[:-rank], *out)
        if options["kernel"] is not None and 0 not in out:
            return _maximum(input, rank, options["kernel"], None, 0, 1, False)
        return max_pool_indices.call(input, rank, output_size=output_size)[0]

    def unpool(input, indices, kernel_size, stride=None, padding=0, output_size=None):
        result = put_planes.call(input, indices, rank, _unpooled_size(
            rank, input, indices, kernel_size, stride, padding, output_size))
        return arranged_as(input, result) if rank == 2 else result
    pool.__doc__ = f"""Maximum of {rank}-dimensional windows; padding counts as -inf. With `return_indices` also
        the flat position of each maximum in its input plane."""
    with_indices.__doc__ = f"`{name}`, and the flat position of each maximum in its input plane (int64)."
    adaptive.__doc__ = "Maximum of windows chosen so that the result has spatial size `output_size` (None keeps one)."
    adaptive_with_indices.__doc__ = f"`adaptive_{name}`, and the flat position of each maximum in its plane (int64)."
    unpool.__doc__ = (f"Zeros of the size that `{name}` had as input, with values put back at `indices`, as it gave"
                     " them. `output_size` says that size where strides leave it open.")
    functional, both = ("nn.functional",), ("", "nn.functional")
    spaces = both if rank == 1 else functional
    composite(name=name, namespaces=both, method=False)(pool)
    composite(name=f"{name}_with_indices", namespaces=spaces, method=False)(with_indices)
    composite(name=f"adaptive_{name}", namespaces=spaces, method=False)(adaptive)
    composite(name=f"adaptive_{name}_with_indices", namespaces="nn.functional", method=False)(adaptive_with_indices)
    composite(name=f"max_unpool{rank}d", namespaces="nn.functional", method=False)(unpool)


def _unpooled_size(rank, input, indices, kernel_size, stride, padding, output_size):
    """Sizes before pooling; RuntimeError or ValueError where they do not fit."""
    name = f"max_unpool{rank}d"
    kernel = _ints(name, "kernel_size", kernel_size, rank)
    strides = kernel if stride is None else _ints(name, "stride", stride, rank)
    pads = _ints(name, "padding", padding, rank)
    if min(strides) <= 0:
        raise RuntimeError(f"{name}: strides should be greater than zero, but got {strides}")
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}: expected {rank + 1}D or {rank + 2}D input, but got {list(input.shape)}")
    if indices.dtype.name != "int64":
        raise RuntimeError(f"{name}: elements in indices should be type int64 but got {indices.dtype}")
    if tuple(indices.shape) != tuple(input.shape):
        raise RuntimeError(f"{name}: expected shape of indices to be that of input {list(input.shape)}, but got "
                           f"{list(indices.shape)}")
    default = tuple((n - 1) * s + k - 2 * p
                    for n, s, k, p in zip(input.shape[-rank:], strides, kernel, pads, strict=True))
    size = default
    if output_size is not None:
        size = tuple(output_size)[-rank:]
        if len(output_size) not in (rank, rank + 1, rank + 2):
            raise ValueError(f"{name}: output_size should be a sequence containing {rank} or {rank + 2} elements, but "
                             f"it has a length of '{len(output_size)}'")
        for d, (asked, n, s) in enumerate(zip(size, default, strides, strict=True)):
            if not n - s < asked < n + s:
                raise ValueError(f"{name}: invalid output_size {list(size)} (dim {d} must be between {n - s} and "
                                 f"{n + s})")
    if input.numel() and indices._layout.has_values and int(indices.max()) >= math.prod(size):
        raise RuntimeError(f"{name}: found an invalid max index: {int(indices.max())} (output volumes are of size "
                           f"{' x '.join(map(str, size))})")
    return size


# ------------------------------------------------------------------ mean

def _mean_gradient(grad, input, rank, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override,
                   output_size):
    return avg_pool_backward.call(grad, rank, tuple(input.shape[-rank:]), kernel_size, stride, padding, ceil_mode,
                                  count_include_pad, divisor_override, output_size)


@window(name="_avg_pool", grad=_mean_gradient)
def avg_pool(input, rank: int, kernel_size: tuple = None, stride: tuple = None, padding: tuple | int = 0,
             ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int = None,
             output_size: tuple = None):
    """Mean of each window."""
    options, out = _average_geometry(rank, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                                     divisor_override, output_size)
    return kinds.Native("window", "avg_pool", (input,), [_like(input, rank, out)], options)


def _mean_again(grad, rank, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, output_size):
    return avg_pool.call(grad, rank, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override,
                         output_size)


@window(name="_avg_pool_backward", grad=_mean_again)
def avg_pool_backward(grad_output, rank: int, size: tuple, kernel_size: tuple, stride: tuple, padding: tuple,
                      ceil_mode: bool, count_include_pad: bool, divisor_override: int, output_size: tuple):
    """The gradient of `avg_pool`: each window's gradient, divided, at all of its elements."""
    shape = (*grad_output.shape[:-rank], *size)
    input = layout(grad_output.dtype, shape, None, grad_output.device)
    options, _ = _average_geometry(rank, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                                   divisor_override, output_size)
    return kinds.Native("window", "avg_pool_backward", (grad_output,), [input], options)


def _define_mean(rank):
    def pool(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
             divisor_override=None):
        return avg_pool.call(input, rank, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    def pool1(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        return avg_pool.call(input, rank, kernel_size, stride, padding, ceil_mode, count_include_pad)

    def adaptive(input, output_size):
        if not isinstance(output_size, int):
            output_size = tuple(input.shape[-rank:][d] if o is None else o for d, o in enumerate(output_size)) if len(
                output_size) == rank else tuple(output_size)
        own = input._layout
        if own.__class__ is Layout and output_size in one and own.ndim in (rank + 1, rank + 2) and own.numel and (
                own.is_contiguous and own.dtype.is_floating_point):
            return input.mean(dims, True)  # one window is the whole plane: a row, which the template of rows walks
        return avg_pool.call(input, rank, output_size=output_size)
    one, dims = (1, (1,), (1,) * rank), tuple(range(-rank, 0))
    own = pool1 if rank == 1 else pool
    pool.__doc__ = pool1.__doc__ = f"""Mean of {rank}-dimensional windows. Padding counts as zeros, and among the
        elements that are divided by unless `count_include_pad` is False."""
    adaptive.__doc__ = "Mean of windows chosen so that the result has spatial size `output_size` (None keeps one)."
    spaces = ("", "nn.functional") if rank == 1 else "nn.functional"
    composite(name=f"avg_pool{rank}d", namespaces=spaces, method=False, out=rank > 1)(own)
    composite(name=f"adaptive_avg_pool{rank}d", namespaces=spaces, method=False)(adaptive)


# ------------------------------------------------------------------ norms

def _define_norm(rank):
    def lp_pool(input, norm_type, kernel_size, stride=None, ceil_mode=False):
        name = f"lp_pool{rank}d"
        area = math.prod(_ints(name, "kernel_size", kernel_size, rank))
        mean = OPS[f"nn.functional.avg_pool{rank}d"].call(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
        return (mean.sign() * mean.abs().relu()).mul(area).pow(1.0 / norm_type)
    lp_pool.__doc__ = f"(sum of input^norm_type over each {rank}-dimensional window)^(1/norm_type)."
    composite(name=f"lp_pool{rank}d", namespaces="nn.functional", method=False)(lp_pool)


for _rank in (1, 2, 3):
    _define_max(_rank)
    _define_mean(_rank)
    _define_norm(_rank)
