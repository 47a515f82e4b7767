"""Images: pixels into channels and back, patches, and sampling at given places."""

import itertools

from .declare import OPS, composite, window

_F = "nn.functional"
_BOTH = ("", _F)


# ------------------------------------------------------------------ shuffles

@composite(namespaces=_BOTH, method=False)
def pixel_shuffle(input, upscale_factor):
    """(..., C r², H, W) -> (..., C, H r, W r): r² channels become blocks of r by r pixels (arXiv:1609.05158)."""
    r = upscale_factor
    if input.ndim < 3:
        raise RuntimeError("pixel_shuffle expects input to have at least 3 dimensions, but got input with "
                           f"{input.ndim} "
                           "dimension(s)")
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *outer, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError("pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
                           f"upscale_factor, but input.size(-3)={c} is not divisible by {r * r}")
    n = len(outer)
    parts = input.reshape(*outer, c // (r * r), r, r, h, w)
    parts = parts.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return _copied(parts.reshape(*outer, c // (r * r), h * r, w * r), input)


@composite(namespaces=_BOTH, method=False)
def pixel_unshuffle(input, downscale_factor):
    """(..., C, H r, W r) -> (..., C r², H, W) for r = `downscale_factor`: the inverse of `pixel_shuffle`."""
    r = downscale_factor
    if input.ndim < 3:
        raise RuntimeError("pixel_unshuffle expects input to have at least 3 dimensions, but got input with "
                           f"{input.ndim} "
                           "dimension(s)")
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *outer, c, h, w = input.shape
    for label, size, place in (("height", h, -2), ("width", w, -1)):
        if size % r:
            raise RuntimeError(f"pixel_unshuffle expects {label} to be divisible by downscale_factor, but "
                               f"input.size({place})={size} is not divisible by {r}")
    n = len(outer)
    parts = input.reshape(*outer, c, h // r, r, w // r, r)
    parts = parts.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return _copied(parts.reshape(*outer, c * r * r, h // r, w // r), input)


def _copied(result, input):
    """`result`, in memory of its own."""
    return result.clone() if result.data_ptr() == input.data_ptr() else result


@composite(namespaces=_BOTH, method=False, aliases=("native_channel_shuffle",))
def channel_shuffle(input, groups):
    """(N, C, ...) with channel g * (C / groups) + k moved to k * groups + g (arXiv:1707.01083)."""
    if input.ndim <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    n, c, *sizes = input.shape
    if c % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.")
    return input.reshape(n, groups, c // groups, *sizes).transpose(1, 2).reshape(n, c, *sizes)


# ------------------------------------------------------------------ patches

def _pair(name, what, value, least):
    values = (value, value) if isinstance(value, int) else tuple(value)
    values = values * 2 if len(values) == 1 else values
    if len(values) != 2:
        raise RuntimeError(f"{name}: expected {what} to be an int or two ints, but got {value}")
    if min(values) < least:
        raise RuntimeError(f"{name}: {what} should be {'greater than zero' if least else 'non-negative'}, but got "
                           f"{value}")
    return values


def _patch_counts(name, size, kernel, dilation, padding, stride):
    counts = tuple((size[d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) // stride[d] + 1 for d in (0, 1))
    if min(counts) < 1:
        raise RuntimeError(f"{name}: given input with spatial size {tuple(size)}, kernel_size={kernel}, "
                           f"dilation={dilation}, "
                           f"padding={padding}, stride={stride}, the array of sliding blocks has shape {counts}, "
                           "which is "
                           "too small (non-positive)")
    return counts


def _touching(size, count, offset, padding, stride):
    """(patches, pixels) as slices: the patches whose element at `offset` lies inside the image, and where that is."""
    first = max(0, -(-(padding - offset) // stride))
    last = min(count, (size + padding - offset - 1) // stride + 1)
    start = first * stride + offset - padding
    return slice(first, max(last, first)), slice(start, max(start + (last - first - 1) * stride + 1, start), stride)


def _offsets(size, counts, kernel, dilation, padding, stride):
    """(i, j, patches and pixels of both dimensions) of each element of the kernel that meets the image."""
    for i, j in itertools.product(range(kernel[0]), range(kernel[1])):
        rows, ys = _touching(size[0], counts[0], i * dilation[0], padding[0], stride[0])
        columns, xs = _touching(size[1], counts[1], j * dilation[1], padding[1], stride[1])
        if rows.start < rows.stop and columns.start < columns.stop:
            yield i, j, rows, columns, ys, xs


def _patches_gradient(grad, input_layout, kernel, dilation, padding, stride):
    return from_patches.call(grad, input_layout.shape[2:], kernel, dilation, padding, stride)


@window(name="_patches", eager=True, grad=_patches_gradient)
def patches(input, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple):
    """(N, C, H, W) -> (N, C kernel, blocks): each patch a column, zeros outside the image."""
    n, c, *size = input.shape
    counts = _patch_counts("unfold", size, kernel, dilation, padding, stride)
    result = (input.new_zeros if any(padding) else input.new_empty)((n, c, *kernel, *counts))
    for i, j, rows, columns, ys, xs in _offsets(size, counts, kernel, dilation, padding, stride):
        result[:, :, i, j, rows, columns].copy_(input[:, :, ys, xs])
    return result.reshape(n, c * kernel[0] * kernel[1], counts[0] * counts[1])


@window(name="_from_patches", eager=True, grad=lambda grad, size, kernel, dilation, padding, stride: patches.call(
    grad, kernel, dilation, padding, stride))
def from_patches(input, size: tuple, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple):
    """(N, C kernel, blocks) -> (N, C, *size): patches added up where they lie."""
    counts = _patch_counts("fold", size, kernel, dilation, padding, stride)
    n, rows_of_all, _ = input.shape
    blocks = input.reshape(n, rows_of_all // (kernel[0] * kernel[1]), *kernel, *counts)
    result = input.new_zeros((n, blocks.shape[1], *size))
    for i, j, rows, columns, ys, xs in _offsets(size, counts, kernel, dilation, padding, stride):
        result[:, :, ys, xs].add_(blocks[:, :, i, j, rows, columns])
    return result


def _patch_arguments(name, kernel_size, dilation, padding, stride):
    return (_pair(name, "kernel_size", kernel_size, 1), _pair(name, "dilation", dilation, 1),
            _pair(name, "padding", padding, 0), _pair(name, "stride", stride, 1))


@composite(namespaces=_F, method=False)
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """Patches of (N, C, H, W) or (C, H, W) as columns: (N, C * kernel, blocks)."""
    arguments = _patch_arguments("unfold", kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError("unfold: expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other "
                           "non-zero "
                           f"dimensions for input, but got: {list(input.shape)}")
    if input.ndim == 3:
        return patches.call(input.unsqueeze(0), *arguments).squeeze(0)
    return patches.call(input, *arguments)


@composite(namespaces=_F, method=False)
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of patches (N, C * kernel, blocks) laid back where `unfold` took them: (N, C, *output_size)."""
    size = _pair("fold", "output_size", output_size, 1)
    kernel, dilation, padding, stride = _patch_arguments("fold", kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError("fold: expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
                           "non-zero "
                           f"dimensions for input, but got: {list(input.shape)}")
    area = kernel[0] * kernel[1]
    if input.shape[-2] % area:
        raise RuntimeError("fold: expected size of input's dimension 1 to be divisible by the product of kernel_size, "
                           "but got "
                           f"input.size(1)={input.shape[-2]} and kernel_size={kernel}")
    counts = _patch_counts("fold", size, kernel, dilation, padding, stride)
    if input.shape[-1] != counts[0] * counts[1]:
        raise RuntimeError(f"fold: given output_size={size}, kernel_size={kernel}, dilation={dilation}, "
                           f"padding={padding}, "
                           f"stride={stride}, expected size of input's dimension 2 to match the calculated number of "
                           "sliding "
                           f"blocks {counts[0]} * {counts[1]} = {counts[0] * counts[1]}, but got input.size(2)="
                           f"{input.shape[-1]}")
    if input.ndim == 2:
        return from_patches.call(input.unsqueeze(0), size, kernel, dilation, padding, stride).squeeze(0)
    return from_patches.call(input, size, kernel, dilation, padding, stride)


# ------------------------------------------------------------------ sampling

@composite(namespaces=_F, method=False)
def affine_grid(theta, size, align_corners=None):
    """Sampling grids (N, H, W, 2) or (N, D, H, W, 3) of affine maps theta (N, 2, 3) or (N, 3, 4) for results of `size`.

    Coordinates run from -1 to 1 between the centers of the corner pixels (align_corners), else between outer edges.
    """
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    rank = len(size) - 2
    if rank not in (2, 3):
        raise NotImplementedError("affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
                                  "respectively. "
                                  f"Got size {tuple(size)}.")
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (rank, rank + 1):
        raise ValueError(f"Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size "
                         f"{tuple(size)}. Got "
                         f"{tuple(theta.shape)}.")
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    from ..creation import linspace
    n, spatial = size[0], tuple(size[2:])
    axes = []
    for d in reversed(range(rank)):  # x, the last dimension, comes first
        length = spatial[d]
        axis = linspace(-1, 1, length, dtype=theta.dtype, device=theta.device) if length > 1 else theta.new_zeros((1,))
        if not align_corners:
            axis = axis * ((length - 1) / length)
        shape = [1] * rank
        shape[d] = length
        axes.append(axis.reshape(shape).expand(spatial))
    axes.append(theta.new_ones(spatial))
    base = OPS["stack"].call(axes, -1).reshape(1, -1, rank + 1)
    return base.expand(n, -1, -1).matmul(theta.transpose(1, 2)).reshape(n, *spatial, rank)


def _place(x, size, align_corners):
    """Coordinates in [-1, 1] as positions in a row of `size` pixels."""
    return (x + 1) * ((size - 1) / 2) if align_corners else ((x + 1) * size - 1) / 2


def _bounded(x, size, padding_mode, align_corners):
    """Positions brought inside the image, as the padding mode says."""
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if span == 0:
            return x * 0
        distance = (x - low).abs()
        turns = (distance / span).floor().detach()
        rest = distance - turns * span
        odd = turns.remainder(2) != 0
        x = OPS["where"].call(odd, span - rest, rest) + low
    return x.clamp(0, size - 1)


def _sample(flat, size, places):
    """Values (N, C, out) at integer positions (float tensors (N, out), one a dimension); 0 outside."""
    inside, index = None, None
    for x, n in zip(places, size, strict=True):
        x = x.detach()
        ok = (x >= 0) & (x <= n - 1)
        inside = ok if inside is None else inside & ok
        whole = OPS["where"].call(ok, x, 0.0).long()
        index = whole if index is None else index * n + whole
    index = OPS["where"].call(inside, index, 0).unsqueeze(1).expand(-1, flat.shape[1], -1)
    return flat.gather(2, index) * inside.unsqueeze(1).to(flat.dtype)


def _sampled_bicubic(flat, size, places, padding_mode, align_corners):
    lows = [x.detach().floor() for x in places]
    taps = []
    for x, low in zip(places, lows, strict=True):
        t = x - low
        taps.append([_cubic_weight(t + 1), _cubic_weight(t), _cubic_weight(1 - t), _cubic_weight(2 - t)])
    total = None
    for j, i in itertools.product(range(4), range(4)):
        at = [_bounded(low + (k - 1), n, padding_mode, align_corners)
              for low, k, n in zip(lows, (j, i), size, strict=True)]
        part = _sample(flat, size, [x.round() for x in at]) * (taps[0][j] * taps[1][i]).unsqueeze(1)
        total = part if total is None else total + part
    return total


def _cubic_weight(x):
    """Keys' cubic kernel with a = -0.75, x in [0, 2]."""
    a = -0.75
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = ((x - 5) * x + 8) * x * a - 4 * a
    return OPS["where"].call(x <= 1, inner, outer)


@composite(namespaces=_F, method=False, wide=True)
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """`input` (N, C, H, W) at the places grid (N, H', W', 2): (N, C, H', W'); 5-d inputs likewise with 3 coordinates.

    Grid coordinates are (x, y) in [-1, 1]. mode: bilinear, nearest or (4-d) bicubic. padding_mode: what lies outside is
    zeros, the border, or a reflection.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError("nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but "
                         "got: "
                         f"'{mode}'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError("nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
                         "'reflection', but "
                         f"got: '{padding_mode}'")
    rank = input.ndim - 2
    if rank not in (2, 3) or grid.ndim != input.ndim:
        raise RuntimeError("grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got "
                           "input "
                           f"with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}")
    if input.dtype is not grid.dtype:
        raise RuntimeError(f"grid_sampler(): expected input and grid to have same dtype, but input has {input.dtype} "
                           "and "
                           f"grid has {grid.dtype}")
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError("grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
                           f"{list(input.shape)} and grid with sizes {list(grid.shape)}")
    if grid.shape[-1] != rank:
        raise RuntimeError(f"grid_sampler(): expected grid to have size {rank} in last dimension, but got grid with "
                           "sizes "
                           f"{list(grid.shape)}")
    if 0 in input.shape[2:]:
        raise RuntimeError("grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                           f"{list(input.shape)}")
    if mode == "bicubic" and rank == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    n, c, *size = input.shape
    out = tuple(grid.shape[1:-1])
    flat = input.reshape(n, c, -1)
    coordinates = grid.reshape(n, -1, rank).unbind(-1)
    places = [_place(coordinates[rank - 1 - d], size[d], align_corners) for d in range(rank)]  # y, x
    if mode == "bicubic":
        return _sampled_bicubic(flat, size, places, padding_mode, align_corners).reshape(n, c, *out)
    places = [_bounded(x, s, padding_mode, align_corners) for x, s in zip(places, size, strict=True)]
    if mode == "nearest":
        result = _sample(flat, size, [x.round() for x in places])
        if grid.requires_grad:  # it has a gradient, of zeros
            result = result + (places[0].masked_fill(places[0].detach() == places[0].detach(), 0)).unsqueeze(1)
        return result.reshape(n, c, *out)
    lows = [x.detach().floor() for x in places]
    total = None
    for corner in itertools.product((0, 1), repeat=rank):
        weight = None
        for x, low, high in zip(places, lows, corner, strict=True):
            share = x - low if high else low + 1 - x
            weight = share if weight is None else weight * share
        part = _sample(flat, size, [low + high if high else low for low, high in zip(lows, corner, strict=True)])
        part = part * weight.unsqueeze(1)
        total = part if total is None else total + part
    return total.reshape(n, c, *out)
