"""Views of parts: an index, a slice, a diagonal, windows; real and imaginary parts.

Bodies are as in view.py: from the input's Layout and the static arguments to (shape, strides, offset in elements).
"""

from ..layout import wrap_dim
from .declare import OPS, composite, view
from .view import reshape, view_

# Parts.

@view(grad=lambda grad, input_layout, dim, index: OPS["_place"].call(grad, input_layout.shape, "select", (dim, index)))
def select(input, dim: int, index: int):
    """The part of `input` at `index` of dimension `dim`, which goes away. IndexError outside."""
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d]
    if not -n <= index < n:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension "
                         f"{d}")
    at = index + n if index < 0 else index
    return input.shape[:d] + input.shape[d + 1:], input.strides[:d] + input.strides[d + 1:], at * input.strides[d]


@view(name="_slice", method=False, grad=lambda grad, input_layout, dim, start, end, step: OPS["_place"].call(
    grad, input_layout.shape, "_slice", (dim, start, end, step)))
def slice_(input, dim: int = 0, start: object = None, end: object = None, step: int = 1):
    """Indices start..end of dimension `dim` in steps, limits as in Python."""
    if input.ndim == 0:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, input.ndim)
    if step <= 0:
        raise RuntimeError(f"slice step must be positive, got {step}")
    picked = range(*slice(start, end, step).indices(input.shape[d]))
    shape = (*input.shape[:d], len(picked), *input.shape[d + 1:])
    strides = (*input.strides[:d], input.strides[d] * step, *input.strides[d + 1:])
    return shape, strides, picked.start * input.strides[d]


@view(name="_narrow", method=False, grad=lambda grad, input_layout, dim, start, length: OPS["_place"].call(
    grad, input_layout.shape, "_narrow", (dim, start, length)))
def narrow_(input, dim: int, start: int, length: int):
    """Indices start..start+length of dimension `dim`. IndexError, RuntimeError where that does not fit."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d]
    if length < 0:
        raise RuntimeError(f"narrow(): length must be non-negative, got {length}")
    if not -n <= start <= n:
        raise IndexError(f"narrow(): start {start} out of range for dimension {d} of size {n} (expected to be in "
                         f"range of "
                         f"[{-n}, {n}])")
    start = start + n if start < 0 else start
    if start + length > n:
        raise RuntimeError(f"narrow(): start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return (*input.shape[:d], length, *input.shape[d + 1:]), input.strides, start * input.strides[d]


@composite
def narrow(input, dim, start, length):
    """Indices start..start+length of dimension `dim`; `start` may be a 0-d tensor of integers."""
    if hasattr(start, "_layout"):
        if start._layout.ndim or start._layout.dtype.category != 1:
            raise RuntimeError("narrow(): start must be an 0-dim integral Tensor.")
        start = start.item()
    return narrow_.call(input, dim, start, length)


@view(grad=lambda grad, input_layout, offset, dim1, dim2: OPS["_place"].call(
    grad, input_layout.shape, "diagonal", (offset, dim1, dim2)))
def diagonal(input, offset: int = 0, dim1: int = 0, dim2: int = 1):
    """The diagonal of dimensions dim1 and dim2, as the last dimension of a view; `offset` above the main one, or below
    it.
    """
    a, b = wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rows, columns = input.shape[a], input.shape[b]
    length = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    start = (offset * input.strides[b] if offset >= 0 else -offset * input.strides[a]) if length else 0
    keep = [d for d in range(input.ndim) if d not in (a, b)]
    return ((*(input.shape[d] for d in keep), length),
            (*(input.strides[d] for d in keep), input.strides[a] + input.strides[b]), start)


def _unfold_gradient(grad, input_layout, dimension, size, step):
    count = input_layout.numel
    positions = OPS["_positions"].call(grad, count)
    windows = unfold.call(view_.call(positions, input_layout.shape), dimension, size, step)
    total = grad.new_zeros((count,)).index_add(0, reshape.call(windows, (-1,)), reshape.call(grad, (-1,)))
    return view_.call(total, input_layout.shape)


@view(namespaces="Tensor", method=True, grad=_unfold_gradient)
def unfold(input, dimension: int, size: int, step: int):
    """All windows of `size` along `dimension`, `step` apart; the window is the last dimension of the result."""
    d = wrap_dim(dimension, input.ndim)
    own, stride = (input.shape[d], input.strides[d]) if input.ndim else (1, 1)
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > own:
        raise RuntimeError(f"unfold: maximum size for tensor at dimension {d} is {own} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    count = (own - size) // step + 1
    if input.ndim == 0:
        return (size,), (1,), 0
    return (*input.shape[:d], count, *input.shape[d + 1:], size), (*input.strides[:d], stride * step,
                                                                   *input.strides[d + 1:], stride), 0


# Complex numbers as pairs.

@view(method=False, grad=lambda grad: view_as_complex.call(grad.contiguous()))
def view_as_real(input):
    """Complex numbers as a last dimension of size 2: real and imaginary parts. RuntimeError for other dtypes."""
    if not input.dtype.is_complex:
        raise RuntimeError(f"view_as_real is only supported for complex tensors, got {input.dtype}")
    return (*input.shape, 2), (*(2 * s for s in input.strides), 1), 0, input.dtype.to_real()


@view(method=False, grad=lambda grad: view_as_real.call(grad))
def view_as_complex(input):
    """A last dimension of size 2 as complex numbers. RuntimeError where sizes, strides or dtype do not allow it."""
    if input.dtype.name not in ("float16", "float32", "float64"):
        raise RuntimeError("view_as_complex is only supported for half, float and double tensors, but got a tensor of "
                           f"scalar type: {input.dtype}")
    if input.ndim == 0:
        raise RuntimeError("view_as_complex: Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError(f"view_as_complex: Tensor must have a last dimension of size 2, got {input.shape}")
    if input.strides[-1] != 1:
        raise RuntimeError("view_as_complex: Tensor must have a last dimension with stride 1")
    if any(s % 2 for s in input.strides[:-1]):
        raise RuntimeError("view_as_complex: Tensor must have a stride divisible by 2 for all but last dimension")
    return input.shape[:-1], tuple(s // 2 for s in input.strides[:-1]), 0, input.dtype.to_complex()


@composite(method="property")
def real(input):
    """The real parts, as a view in the real dtype; `input` itself where it is not complex."""
    return select.call(view_as_real.call(input), -1, 0) if input._layout.dtype.is_complex else input


@composite(method="property")
def imag(input):
    """The imaginary parts, as a view. RuntimeError where `input` is not complex."""
    if not input._layout.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return select.call(view_as_real.call(input), -1, 1)
