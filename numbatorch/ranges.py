"""Making tensors by rule: ranges, identity, indices of triangles."""

import math
from ctypes import memmove

import numpy as np

from . import dtypes
from .arguments import check_fits
from .device import CPU
from .filling import _device, _dtype, _finish, _strided, ones
from .from_data import _at, _of_array
from .interception import state
from .layout import layout as layout_of
from .tensor import Tensor, empty_layout


def arange(start=None, end=None, step=1, *, dtype=None, device=None, requires_grad=False, out=None, layout=None,
           pin_memory=False):
    """start, start + step, ... up to but without `end`; int64 for ints, else the default float dtype."""
    if layout is not None:
        _strided("arange", layout)
    if end is None:
        start, end = None, start
    first = 0 if start is None else start
    if (end.__class__ is int and first.__class__ is int and step.__class__ is int and out is None and step > 0
            and first <= end and (dtype is None or dtype is dtypes.int64) and state.traced is None
            and _device(device) is CPU):
        return _finish(_counted(first, -(-(end - first) // step), step), requires_grad, pin_memory)
    if end is None:
        raise TypeError("arange(): missing the argument end")
    start = 0 if start is None else start
    start, end, step = (v.item() if isinstance(v, (Tensor, np.generic)) else v for v in (start, end, step))
    if step == 0:
        raise RuntimeError("arange(): step must be nonzero")
    for v in (start, end):
        if isinstance(v, float) and not math.isfinite(v):
            raise RuntimeError(f"arange(): unsupported range: {start} -> {end}")
    if (step > 0) != (end >= start) and end != start:
        raise RuntimeError("arange(): upper bound and lower bound inconsistent with step sign: "
                           f"{start} -> {end} step {step}")
    integer = all(isinstance(v, int) for v in (start, end, step))
    d = out.dtype if out is not None else _dtype(dtype, dtypes.int64 if integer else dtypes.get_default_dtype())
    if d.category == dtypes.INTEGER:  # int64 counts in whole numbers, the others as the numbers are given
        if int(step) == 0:
            raise ValueError(f"arange(): step must be nonzero, but {step} is 0 in {d}")
        if d is dtypes.int64:
            start, end, step = (v if isinstance(v, int) else int(v) for v in (start, end, step))
            integer = True
    n = -(-(end - start) // step) if integer else math.ceil((end - start) / step)
    place = _device(device)
    if type(n) is not int:  # a size that a capture follows: kernels count
        counted = ones(n, dtype=dtypes.int64, device=place).cumsum(0) - 1
        counted = counted if d.category == dtypes.INTEGER else counted.to(dtypes.float64)
        made = (counted * step + start).to(d)
    elif _room(d, n) and (integer or d.category == dtypes.INTEGER):
        made = _of_array(np.arange(n, dtype=np.int64) * int(step) + int(start) if d.category == dtypes.INTEGER else (
            np.arange(n, dtype=np.float64) * step + start), d)
    else:
        made = _of_array(start + step * np.arange(n, dtype=np.float64), d)
    result = _at(made, place)
    return _finish(result if out is None else out.resize_(result.shape).copy_(result), requires_grad, pin_memory)


def _room(dtype, *shape):
    """True; RuntimeError for a size that no memory has: NumPy has words of its own."""
    return any(type(n) is not int for n in shape) or layout_of(dtype, shape) is not None


_FEW = np.arange(4096)  # what is asked for most is copied from here
_few_at = _FEW.ctypes.data


def _counted(first, n, step):
    """n whole numbers from `first` on, `step` apart."""
    result = empty_layout(layout_of(dtypes.int64, (n,)))
    if step == 1 and 0 <= first and first + n <= len(_FEW):
        memmove(result._ptr, _few_at + 8 * first, 8 * n)
    elif n:
        with np.errstate(all="ignore"):
            result._array()[...] = np.arange(n) * step + first
    return result


def range_(start=0, end=None, step=1, *, dtype=None, device=None, **options):
    """Like arange, but `end` is included where a step meets it."""
    place = _device(device)
    n = math.floor((end - start) / step) + 1
    return _at(_of_array(start + step * np.arange(n, dtype=np.float64), _dtype(dtype)), place)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False, out=None, layout=None):
    """`steps` evenly spaced values from `start` to `end`, both included."""
    _strided("linspace", layout)
    place = _device(device)
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {steps}")
    default = dtypes.get_default_dtype()
    d = _dtype(dtype, default.to_complex() if isinstance(start, complex) or isinstance(end, complex) else default)
    _room(d, steps)
    wide = np.complex128 if d.is_complex else np.float64
    i = np.arange(steps, dtype=np.float64)
    if d.category == dtypes.INTEGER:
        start, end = int(start), int(end)
        for v in (start, end):
            check_fits("linspace", d, v)
        start, end = (v & 255 if d is dtypes.uint8 else v for v in (start, end))
    if not d.is_complex:
        i = i.astype(np.longdouble)  # products are rounded once they are added, as PyTorch's are
    width = (end - start) / (steps - 1) if steps > 1 else 0.0
    if d.name in ("float32", "complex64") and steps > 1:
        part = np.complex64 if d.is_complex else np.float32
        start, end = part(start), part(end)
        width, wide = part((end - start) / part(steps - 1)), part
        i = i.astype(np.float32) if d.is_complex else i
    forward, back = start + width * i, end - width * (steps - 1 - i)
    values = np.where(i < steps // 2, forward, back).astype(wide) if steps > 1 else np.full(steps, start, dtype=wide)
    result = _at(_of_array(values, d), place)
    return _finish(result if out is None else out.resize_(result.shape).copy_(result), requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad=False, out=None, layout=None):
    """base ** linspace(start, end, steps)."""
    _strided("logspace", layout)
    place = _device(device)
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    d = _dtype(dtype)
    if d.category == dtypes.INTEGER:
        start, end = int(start), int(end)
    values = np.power(base, np.asarray(linspace(start, end, steps, dtype=dtypes.float64, device="cpu").numpy()))
    result = _at(_of_array(values, d), place)
    return _finish(result if out is None else out.resize_(result.shape).copy_(result), requires_grad)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False, out=None, layout=None):
    """The n × m matrix with 1 on the diagonal and 0 elsewhere."""
    _strided("eye", layout)
    place = _device(device)
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}" if n < 0 else
                           f"m must be greater or equal to 0, got {m}")
    _room(_dtype(dtype), n, m)
    if type(n) is int and type(m) is int:
        result = _at(_of_array(np.eye(n, m), _dtype(dtype)), place)
    else:  # sizes that a capture follows
        result = (arange(n, device=place).unsqueeze(1) == arange(m, device=place)).to(_dtype(dtype))
    return _finish(result if out is None else out.resize_(result.shape).copy_(result), requires_grad)


def tril_indices(row, col, offset=0, *, dtype=None, device=None, layout=None, pin_memory=None):
    """Indices of the lower triangle of a row × col matrix: (2, N), row by row; RuntimeError for negative sizes."""
    ends = _crossings("tril_indices", row, col, offset + 1)
    return _triangle("tril_indices", np.zeros_like(ends), ends, dtype, device, layout, pin_memory)


def triu_indices(row, col, offset=0, *, dtype=None, device=None, layout=None, pin_memory=None):
    """Indices of the upper triangle of a row × col matrix: (2, N), row by row; RuntimeError for negative sizes."""
    starts = _crossings("triu_indices", row, col, offset)
    return _triangle("triu_indices", starts, np.full_like(starts, col), dtype, device, layout, pin_memory)


def _crossings(name, row, col, offset):
    """Where in each row the diagonal `offset` begins, between 0 and col."""
    if row < 0 or col < 0:
        raise RuntimeError(f"{name}: row and col must be non-negative, got {row} and {col}")
    return np.clip(np.arange(row) + offset, 0, col)


def _triangle(name, starts, ends, dtype, device, layout, pin_memory):
    """The elements from `starts` to `ends` of each row."""
    _strided(name, layout)
    counts = ends - starts
    found = np.empty((2, int(counts.sum())), np.int64)
    found[0] = np.repeat(np.arange(len(counts)), counts)
    np.subtract(np.arange(found.shape[1]), np.repeat(np.cumsum(counts) - ends, counts), out=found[1])
    return _finish(_at(_of_array(found, _dtype(dtype, dtypes.int64)), _device(device)), False, pin_memory)
