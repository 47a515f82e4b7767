"""Normalisations that also return mean and inverse deviation, memory orders, and fractional pooling."""

import math

from .declare import OPS, composite


def _statistics(input, dims, eps):
    """(mean, 1 / sqrt(var + eps)) over dims, kept."""
    var, mean = OPS["var_mean"].call(input, dims, correction=0, keepdim=True)
    return mean, OPS["rsqrt"].call(var + eps)


def _scaled(value, weight, bias):
    value = value if weight is None else value * weight
    return value if bias is None else value + bias


@composite(method=False, wide=True)
def native_layer_norm(input, normalized_shape, weight, bias, eps) -> tuple:
    """(`layer_norm`, mean, 1 / sqrt(var + eps)) over the last dimensions, which `normalized_shape` lists."""
    shape = tuple(normalized_shape)
    if not shape or input.shape[-len(shape):] != shape:
        raise RuntimeError(f"native_layer_norm: expected input with shape [*, {', '.join(map(str, shape))}], but got "
                           f"input of size {list(input.shape)}")
    mean, scale = _statistics(input, tuple(range(-len(shape), 0)), eps)
    return _scaled((input - mean) * scale, weight, bias), mean.detach(), scale.detach()


@composite(method=False, wide=True)
def native_group_norm(input, weight, bias, N, C, HxW, group, eps) -> tuple:
    """(`group_norm`, mean, 1 / sqrt(var + eps)); mean and deviation (N, group) of groups of channels."""
    if group <= 0 or C % group:
        raise RuntimeError(f"native_group_norm: expected number of channels in input to be divisible by num_groups, "
                           f"but got C={C} and num_groups={group}")
    mean, scale = _statistics(input.reshape(N, group, C // group * HxW), (2,), eps)
    value = ((input.reshape(N, group, C // group * HxW) - mean) * scale).reshape(input.shape)
    weight, bias = (None if x is None else x.view(1, -1, *(1,) * (input.ndim - 2)) for x in (weight, bias))
    return _scaled(value, weight, bias), mean.squeeze(2), scale.squeeze(2)


@composite(method=False, out=True)
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps) -> tuple:
    """(`batch_norm`, mean, 1 / sqrt(var + eps)) of each channel in training; empty statistics otherwise."""
    value = OPS["nn.functional.batch_norm"].call(input, running_mean, running_var, weight, bias, training, momentum,
                                                 eps)
    if not training:
        return value, input.new_empty((0,)), input.new_empty((0,))
    mean, scale = _statistics(input.detach(), tuple(d for d in range(input.ndim) if d != 1), eps)
    return value, mean.reshape(-1), scale.reshape(-1)


@composite(method=False)
def empty_permuted(size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False,
                   pin_memory=False):
    """A tensor of shape `size` whose dimensions lie in memory in the order `physical_layout`, outermost first."""
    from ..creation import empty
    order = list(physical_layout)
    if sorted(order) != list(range(len(size))):
        raise RuntimeError(f"empty_permuted: number of dimensions in size ({len(size)}) and physical_layout {order} "
                           "do not match, or a dimension is named twice")
    places = [0] * len(order)
    for place, d in enumerate(order):
        places[d] = place
    result = empty([size[d] for d in order], dtype=dtype, device=device).permute(places)
    return result.requires_grad_(requires_grad)


@composite(name="resize_as_", method=False)
def resize_as(input, the_template, *, memory_format=None):
    """`input` itself, resized in place to the shape of `the_template`."""
    return input.resize_as_(the_template, memory_format=memory_format)


# ------------------------------------------------------------------ fractional max pooling, arXiv:1412.6071

def _starts(samples, size, kernel, count):
    """First positions of `count` windows for each random number u: int((i + u) a) - int(u a), the last at the end."""
    from ..creation import arange
    last = samples.new_full((*samples.shape, 1), size - kernel).long()
    if count == 1:
        return last
    step = (size - kernel) / (count - 1)
    u = samples.unsqueeze(-1)
    inner = ((arange(count - 1, device=u.device).to(u.dtype) + u) * step).long() - (u * step).long()
    return OPS["cat"].call([inner, last], -1)


def _fractional(name, rank, input, kernel_size, output_size, output_ratio, samples):
    kernel = (kernel_size,) * rank if isinstance(kernel_size, int) else tuple(kernel_size)
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}: expected a {rank + 1}D or {rank + 2}D tensor, but got shape {tuple(input.shape)}")
    sizes = input.shape[-rank:]
    if output_size is None:
        if output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
        ratios = (output_ratio,) * rank if isinstance(output_ratio, (int, float)) else tuple(output_ratio)
        out = tuple(int(n * r) for n, r in zip(sizes, ratios, strict=True))
    else:
        out = (output_size,) * rank if isinstance(output_size, int) else tuple(output_size)
    if len(kernel) != rank or len(out) != rank:
        raise RuntimeError(f"{name}: kernel_size and output_size must be an int or {rank} ints, got {kernel} and {out}")
    if any(o + k - 1 > n for o, k, n in zip(out, kernel, sizes, strict=True)) or min(out) < 1:
        raise RuntimeError(f"{name}: output size {out} with kernel {kernel} does not fit into input {tuple(sizes)}")
    planes = input if input.ndim == rank + 2 else input.unsqueeze(0)
    batch, channels = planes.shape[:2]
    if samples is None:
        from ..randomness import rand
        samples = rand(batch, channels, rank, dtype=input.dtype, device=input.device)
    if samples.ndim != 3 or samples.shape[0] < batch or tuple(samples.shape[1:]) != (channels, rank):
        raise RuntimeError(f"{name}: expected _random_samples of shape {(batch, channels, rank)}, got "
                           f"{tuple(samples.shape)}")
    samples = samples[:batch]  # those of the first images, as PyTorch takes them
    from ..creation import arange
    index = None  # (batch, channels, out 0, kernel 0, out 1, kernel 1, ...): flat places in a plane
    for d in range(rank):
        own = samples[:, :, rank - 1 - d if rank == 2 else d]  # two dimensions: width first
        place = _starts(own, sizes[d], kernel[d], out[d]).unsqueeze(-1) + arange(kernel[d], device=input.device)
        if index is None:
            index = place
        else:
            index = index[..., None, None] * sizes[d] + place.reshape(batch, channels, *(1,) * (2 * d), out[d],
                                                                      kernel[d])
    order = [0, 1, *(2 + 2 * d for d in range(rank)), *(3 + 2 * d for d in range(rank))]
    index = index.permute(order).reshape(batch, channels, *out, math.prod(kernel))
    flat = planes.reshape(batch, channels, math.prod(sizes))
    if not flat.numel():
        empty = index.new_zeros((*input.shape[:-rank], *out))
        return flat.sum() + empty.to(flat.dtype), empty
    values = flat.detach().gather(2, index.reshape(batch, channels, -1)).reshape(index.shape)
    chosen = index.gather(-1, values.argmax(-1, keepdim=True)).squeeze(-1)
    result = flat.gather(2, chosen.reshape(batch, channels, -1)).reshape(chosen.shape)
    return (result, chosen) if input.ndim == rank + 2 else (result.squeeze(0), chosen.squeeze(0))


def _declare_fractional(rank):
    name = f"fractional_max_pool{rank}d"

    def with_indices(input, kernel_size, output_size=None, output_ratio=None, return_indices=False,
                     _random_samples=None):
        return _fractional(name, rank, input, kernel_size, output_size, output_ratio, _random_samples)

    def pool(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        found = _fractional(name, rank, input, kernel_size, output_size, output_ratio, _random_samples)
        return found if return_indices else found[0]
    with_indices.__doc__ = f"(`{name}`, the flat position of each maximum in its input plane)."
    pool.__doc__ = ("Maximum of overlapping windows at random steps, `output_size` of them, or that share of the "
                    "input's size. `_random_samples` (batch, channels, dimensions) in [0, 1) place them.")
    composite(name=name, namespaces="nn.functional", method=False)(pool)
    composite(name=f"{name}_with_indices", namespaces="nn.functional", method=False)(with_indices)


_declare_fractional(2)
_declare_fractional(3)


# ------------------------------------------------------------------ grid_sample by number

def _declare_grid_sampler(name, ranks):
    def sampler(input, grid, interpolation_mode, padding_mode, align_corners):
        if input.ndim not in ranks:
            raise RuntimeError(f"{name}: expected input with {' or '.join(map(str, ranks))} dimensions, got "
                               f"{tuple(input.shape)}")
        return OPS["nn.functional.grid_sample"].call(
            input, grid, ("bilinear", "nearest", "bicubic")[interpolation_mode],
            ("zeros", "border", "reflection")[padding_mode], align_corners)
    sampler.__doc__ = ("`nn.functional.grid_sample` with its modes as numbers: bilinear, nearest, bicubic; zeros, "
                       "border, reflection.")
    composite(name=name, method=False)(sampler)


_declare_grid_sampler("grid_sampler", (4, 5))
_declare_grid_sampler("grid_sampler_2d", (4,))
_declare_grid_sampler("grid_sampler_3d", (5,))
