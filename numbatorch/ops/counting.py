"""Histograms, and finite differences of sampled functions."""

from .declare import OPS, composite


def _edges(name, input, bins, low, high):
    """bins + 1 evenly spaced edges."""
    import math

    from ..creation import linspace
    if bins <= 0:
        raise RuntimeError(f"{name}: bins must be > 0, but got {bins}")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min, but got range [{low}, {high}]")
    return linspace(low, high, bins + 1, dtype=input.dtype, device=input.device)


def _real(name, input):
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f'"{name}_cpu" not implemented for {input.dtype}')


def _places(values, edges):
    """(index of each value's bin, whether it lies within the edges); the last bin has both its edges."""
    inside = (values >= edges[0]) & (values <= edges[-1])
    index = OPS["searchsorted"].call(edges, values, right=True) - 1
    return index.clamp(0, edges.shape[0] - 2), inside


def _tally(index, inside, weight, count, like):
    """Sum of weights (ones unless given) for each of `count` bins."""
    weight = like.new_ones(index.shape) if weight is None else weight
    weight = weight * inside.to(weight.dtype)
    return like.new_zeros((count,), dtype=weight.dtype).index_add(0, index, weight).to(like.dtype)


@composite(out=True, wide=True)
def histc(input, bins=100, min=0, max=0):
    """How many elements fall into each of `bins` even bins from min to max; the input's range where these are equal."""
    _real("histogram", input)
    values = input.detach().reshape(-1)
    low, high = float(min), float(max)
    if low == high and values.numel():
        low, high = values.amin().item(), values.amax().item()
    if low == high:
        low, high = low - 1, high + 1
    _edges("torch.histc", values, bins, low, high)
    inside = (values >= low) & (values <= high)
    index = ((values - low) * (bins / (high - low))).where(inside, values.new_zeros(())).long().clamp(0, bins - 1)
    return _tally(index, inside, None, bins, values)


def _all_edges(name, points, bins, range):
    """The edges along each column of points (n, d), from their number or as given."""
    edges = []
    for d, own in enumerate(bins):
        if hasattr(own, "_layout"):
            edges.append(own.detach())
            continue
        column = points[:, d]
        if range is not None:
            if len(range) != 2 * len(bins):
                raise RuntimeError(f"{name}: for a {len(bins)}-dimensional histogram range should have "
                                   f"{2 * len(bins)} elements, but got {len(range)}")
            low, high = float(range[2 * d]), float(range[2 * d + 1])
        else:
            low, high = (column.amin().item(), column.amax().item()) if column.numel() else (0.0, 1.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        edges.append(_edges(name, points, own, low, high))
    return edges


def _histogram(name, points, bins, range, weight, density):
    """(counts, edges) of points (n, d); with `density` counts over total and volume of the bin."""
    edges = _all_edges(name, points, bins, range)
    index, inside, count = 0, True, 1
    for d, own in enumerate(edges):
        at, within = _places(points[:, d].contiguous(), own)
        size = own.shape[0] - 1
        index, inside, count = index * size + at, within & inside, count * size
    if weight is not None:
        if weight.dtype is not points.dtype:
            raise RuntimeError(f"{name}: if weight tensor is provided, input tensor and weight tensor should have the "
                               f"same dtype, but got input {points.dtype}, and weight {weight.dtype}")
        weight = weight.detach().reshape(-1)
        if weight.shape[0] != points.shape[0]:
            raise RuntimeError(f"{name}: if weight tensor is provided it should have the same shape as the input "
                               f"tensor excluding its innermost dimension, but got {weight.shape[0]} weights for "
                               f"{points.shape[0]} points")
    counts = _tally(index, inside, weight, count, points).reshape([e.shape[0] - 1 for e in edges])
    if density:
        counts = counts / counts.sum()
        for d, own in enumerate(edges):
            width = own[1:] - own[:-1]
            counts = counts / width.reshape([-1 if k == d else 1 for k, _ in enumerate(edges)])
    return counts, edges


@composite(outputs=("hist", "bin_edges"), out=True)
def histogram(input, bins, *, range=None, weight=None, density=False):
    """(hist, bin_edges): how many elements, or how much weight, falls into each bin; `bins` a number or the edges."""
    from ..results import named_results
    _real("histogram", input)
    if hasattr(bins, "_layout") and bins.ndim != 1:
        raise RuntimeError(f"torch.histogram(): bins tensor should have one dimension, but got {bins.ndim} dimensions")
    counts, (edges,) = _histogram("torch.histogram()", input.detach().reshape(-1, 1), [bins], range, weight, density)
    return named_results("histogram", ("hist", "bin_edges"))((counts, edges.clone()))


@composite(method=False)
def histogramdd(input, bins, range=None, weight=None, density=False):
    """(hist, bin_edges) of points in the last dimension of `input`: one number of bins, or edges, a coordinate."""
    from ..results import named_results
    _real("histogramdd", input)
    if input.ndim < 2:
        raise RuntimeError(f"torch.histogramdd: input tensor should have at least 2 dimensions, but got {input.ndim}")
    size = input.shape[-1]
    bins = [bins] * size if isinstance(bins, int) else list(bins)
    if len(bins) != size:
        raise RuntimeError(f"torch.histogramdd: expected {size} sequences of bin edges for a {size}-dimensional "
                           f"histogram but got {len(bins)}")
    points = input.detach().reshape(-1, size)
    counts, edges = _histogram("torch.histogramdd", points, bins, range, weight, density)
    return named_results("histogramdd", ("hist", "bin_edges"))((counts, tuple(edges)))


# ------------------------------------------------------------------ finite differences

def _along(input, d, start, length):
    return input.narrow(d, start, length)


def _difference(input, d, spacing, edge_order):
    """Derivative along dimension d: second order inside, `edge_order` at the ends (Fornberg 1988)."""
    n = input.shape[d]
    shape = [-1 if k == d else 1 for k in range(input.ndim)]
    if hasattr(spacing, "_layout") and spacing.ndim:
        steps = (spacing[1:] - spacing[:-1]).reshape(shape)
    else:
        steps = None
    before, middle, after = (_along(input, d, k, n - 2) for k in range(3))
    if steps is None:
        inside = (after - before) / (2 * spacing)
        h0 = h1 = last = before_last = spacing
    else:
        left, right = _along(steps, d, 0, n - 2), _along(steps, d, 1, n - 2)
        inside = ((after - middle) * left / right + (middle - before) * right / left) / (left + right)
        h0, h1 = _along(steps, d, 0, 1), _along(steps, d, 1, 1)
        last, before_last = _along(steps, d, n - 2, 1), _along(steps, d, n - 3, 1)
    point = [_along(input, d, k, 1) for k in (0, 1, 2, n - 3, n - 2, n - 1)]
    first, final = (point[1] - point[0]) / h0, (point[5] - point[4]) / last
    if edge_order == 2:
        second = (point[2] - point[1]) / h1
        first = first - (second - first) * h0 / (h0 + h1)
        previous = (point[4] - point[3]) / before_last
        final = final + (final - previous) * last / (last + before_last)
    return OPS["cat"].call([first, inside, final], d)


@composite(method=False, wide=True)
def gradient(input, *, spacing=None, dim=None, edge_order=1) -> tuple:
    """Derivatives of sampled values along `dim` (every one unless given), a tensor for each.

    `spacing`: the step, one for each dimension, or tensors with the coordinates. Central differences inside; one-sided
    ones of first or second order at the ends. RuntimeError where a dimension has fewer than edge_order + 1 points.
    """
    from ..layout import wrap_dim
    name = "torch.gradient"
    if edge_order not in (1, 2):
        raise RuntimeError(f"{name} only supports edge_order=1 and edge_order=2, got {edge_order}")
    dims = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [wrap_dim(d, input.ndim) for d in dims]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{name}: dim {tuple(dims)} appears multiple times in the list of dims")
    if isinstance(spacing, (list, tuple)) or (hasattr(spacing, "_layout") and spacing.ndim):
        steps = list(spacing)
    else:
        steps = [1.0 if spacing is None else spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(f"{name} expected spacing to be unspecified, a scalar, or a list of length {len(dims)} for "
                           f"dim {dims}, but got a list of length {len(steps)}")
    for d, step in zip(dims, steps, strict=True):
        if input.shape[d] < edge_order + 1:
            raise RuntimeError(f"{name} expected each dimension size to be at least edge_order+1, got size "
                               f"{input.shape[d]} in dimension {d}")
        if hasattr(step, "_layout") and step.ndim and step.shape != (input.shape[d],):
            raise RuntimeError(f"{name} expected coordinates of length {input.shape[d]} for dimension {d}, got shape "
                               f"{tuple(step.shape)}")
    return tuple(_difference(input, d, step, edge_order) for d, step in zip(dims, steps, strict=True))
