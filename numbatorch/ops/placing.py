"""Writing through views: a view's gradient, `*_scatter`, as_strided, and in-place changes of a shape.

A view's gradient is zero outside the view: `_place` puts it into zeros. Its own gradient is the view again.
"""

from ..layout import is_dense, span
from .declare import OPS, composite, declare, foreign, view
from .view import sizes


@foreign(name="_place", method=False, eager=True, grad=lambda grad, name, arguments: OPS[name].call(grad, *arguments))
def place(input, shape: tuple, name: str, arguments: tuple):
    """Zeros of `shape` with `input` written through the view OPS[name](zeros, *arguments)."""
    result = input.new_zeros(shape)
    OPS[name].call(result, *arguments).copy_(input)
    return result


@foreign(name="_place_over", method=False, eager=True,
         input=lambda grad, src_layout, name, arguments: place_over.call(
             grad, grad.new_zeros(src_layout.shape), name, arguments),
         src=lambda grad, name, arguments: OPS[name].call(grad, *arguments))
def place_over(input, src, name: str, arguments: tuple):
    """A copy of `input` with `src` written through the view OPS[name](copy, *arguments)."""
    result = input.clone()
    part = OPS[name].call(result, *arguments)
    if part.shape != src.shape:
        raise RuntimeError(f"{name.strip('_')}_scatter: expected src to have a size equal to the slice of self. src "
                           f"size = "
                           f"{list(src.shape)}, slice size = {list(part.shape)}")
    part.copy_(src)
    return result


@composite(out=True)
def select_scatter(input, src, dim, index):
    """A copy of `input` with `src` at `index` of dimension `dim`: `src` has the shape of input.select(dim, index)."""
    return place_over.call(input, src, "select", (dim, index))


@composite(out=True)
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy of `input` with `src` at start:end:step of dimension `dim`: `src` has the shape of that slice."""
    return place_over.call(input, src, "_slice", (dim, start, end, step))


@composite(out=True)
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy of `input` with `src` on a diagonal: `src` has the shape of input.diagonal(offset, dim1, dim2)."""
    return place_over.call(input, src, "diagonal", (offset, dim1, dim2))


# Any strides.

@composite(name="_positions", method=False)
def positions(like, count, first=0):
    """`count` numbers from `first` on as int64, on the device of `like`."""
    from ..tensor import arange
    return arange(count, like._layout.device, first)


def _strided_gradient(grad, input_layout, size, stride, offset):
    """Memory is one row: the view's elements are added into it, the input's are read from it."""
    first = min(0, offset)
    count = max(span(input_layout.shape, input_layout.strides), offset + span(size, stride)) - first
    if is_dense(size, stride):
        memory = place.call(grad, (count,), "_as_strided", (size, stride, offset - first))
    else:
        at = _as_strided.call(positions.call(grad, count), size, stride, offset - first).reshape(-1)
        memory = grad.new_zeros((count,)).index_add(0, at, grad.reshape(-1))
    if input_layout.numel and not is_dense(input_layout.shape, input_layout.strides):
        at = _as_strided.call(positions.call(grad, count), input_layout.shape, input_layout.strides, -first).reshape(-1)
        shared = grad.new_zeros((count,)).index_add(0, at, grad.new_ones((at.numel(),)))
        memory = memory / shared.clamp_min(1)
    return _as_strided.call(memory, input_layout.shape, input_layout.strides, -first)


@view(method=False, name="_as_strided", grad=_strided_gradient)
def _as_strided(input, size: tuple, stride: tuple, offset: int):
    """`size` and `stride` over the memory of `input`, `offset` elements from its first one."""
    return size, stride, offset


@composite
def as_strided(input, size, stride, storage_offset=None):
    """A view with the given sizes, strides and offset (in elements) over the storage of `input`.

    RuntimeError where it would leave the storage.
    """
    size, stride = sizes("as_strided", (tuple(size),)), sizes("as_strided", (tuple(stride),))
    if len(size) != len(stride):
        raise RuntimeError(f"as_strided: mismatch in length of strides and shape: {list(stride)} for {list(size)}")
    if any(n < 0 for n in size) or any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative sizes and strides are not supported at the moment, got sizes "
                           f"{list(size)} and strides {list(stride)}")
    own = input.storage_offset()
    offset = own if storage_offset is None else storage_offset
    if offset < 0:
        raise RuntimeError(f"as_strided: Tensor: invalid storage offset {offset}")
    itemsize = input._layout.dtype.itemsize
    need = (offset + span(size, stride)) * itemsize
    if 0 not in size and need > input._storage.nbytes:
        raise RuntimeError(f"as_strided: setStorage: sizes {list(size)}, strides {list(stride)}, storage offset "
                           f"{offset}, "
                           f"and itemsize {itemsize} requiring a storage size of {need} are out of bounds for storage "
                           f"of "
                           f"size {input._storage.nbytes}")
    return _as_strided.call(input, size, stride, offset - own)


def _within(grad, size, stride, offset):
    """`grad` inside a strided view and 0 outside: the gradient of `as_strided_scatter` as PyTorch has it."""
    result = grad.new_zeros(grad.shape)
    inside = OPS["_as_strided"].call(grad.contiguous(), size, stride, offset)
    OPS["_as_strided"].call(result, size, stride, offset).copy_(inside)
    return result


@foreign(name="_strided_over", method=False, eager=True,
         input=_within, src=lambda grad, size, stride, offset: OPS["_as_strided"].call(
             grad.contiguous(), size, stride, offset))
def strided_over(input, src, size: tuple, stride: tuple, offset: int):
    """A copy of `input` with `src` written through a view of strides of its own."""
    return place_over.call(input, src, "_as_strided", (size, stride, offset))


@composite(out=True)
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of `input` with `src` written through as_strided(copy, size, stride, storage_offset)."""
    offset = 0 if storage_offset is None else storage_offset - input.storage_offset()
    as_strided.call(input, size, stride, storage_offset)  # checks
    return strided_over.call(input, src, tuple(size), tuple(stride), offset)


# In place: the tensor itself gets the view's shape.

def _become(name, input, changed):
    """Give `input` the layout and the history of a view of itself."""
    from ..autograd.modes import check_changeable
    check_changeable(name, input)
    if input._base is None and input._needs_grad and input._node is None:
        raise RuntimeError(f"{name}: a leaf Variable that requires grad is being used in an in-place operation.")
    input._layout, input._ptr = changed._layout, changed._ptr
    if changed._needs_grad:
        input._needs_grad, input._node, input._output_index = True, changed._node, changed._output_index
    return input


@composite(name="squeeze_", namespaces="Tensor", method=True)
def squeeze_(input, dim=None):
    """`squeeze` in place: `input` itself, without its dimensions of size 1."""
    return _become("squeeze_", input, OPS["squeeze"].call(input, dim))


@composite(name="unsqueeze_", namespaces="Tensor", method=True)
def unsqueeze_(input, dim):
    """`unsqueeze` in place: `input` itself, with a dimension of size 1 at `dim`."""
    return _become("unsqueeze_", input, OPS["unsqueeze"].call(input, dim))


@composite(name="transpose_", namespaces="Tensor", method=True, aliases=("swapdims_", "swapaxes_"))
def transpose_(input, dim0, dim1):
    """`transpose` in place: `input` itself, its dimensions exchanged."""
    return _become("transpose_", input, OPS["transpose"].call(input, dim0, dim1))


@composite(name="t_", namespaces="Tensor", method=True)
def t_(input):
    """`t` in place: `input` itself, transposed."""
    return _become("t_", input, OPS["t"].call(input))


@composite(name="as_strided_", namespaces=("", "Tensor"), method=True)
def as_strided_(input, size, stride, storage_offset=None):
    """`as_strided` in place: `input` itself, with the given geometry over its storage."""
    return _become("as_strided_", input, as_strided.call(input, size, stride, storage_offset))




@composite(name="zero_", namespaces=("", "Tensor"), method=True)
def zero_(input):
    """0 everywhere, in place; what `input` was computed from gets no gradient through it."""
    return input.fill_(0)


# Copies of views.

def _copying(name, key):
    """Declare `<name>_copy`: the view, with memory of its own."""
    def copy(*args, **kwargs):
        if name == "narrow" and len(args) > 1 and args[1] >= args[0].ndim > 0:  # narrow() raises IndexError here
            raise RuntimeError(f"narrow_copy(): expected dim < {args[0].ndim}, the number of dimensions, got {args[1]}")
        found = OPS[key].call(*args, **kwargs)
        if isinstance(found, tuple):
            return tuple(_fresh(f) for f in found)
        return _fresh(found)
    copy.__doc__ = f"`{name}`, with memory of its own: the arguments of `{name}`, and a copy of what it views."
    declare("composite", copy, name=f"{name}_copy", method=name == "narrow", out=True)


def _fresh(tensor):
    return OPS["_to"].call(tensor, tensor._layout.dtype, True)


for _name in ("permute", "t", "transpose", "squeeze", "unsqueeze", "select", "diagonal", "narrow", "as_strided",
              "unbind", "split", "split_with_sizes", "view_as_real", "view_as_complex"):
    _copying(_name, _name)
for _name in ("view", "expand", "unfold"):
    _copying(_name, f"Tensor.{_name}")
_copying("slice", "_slice")


@composite(method=False, out=True)
def alias_copy(input):
    """`input`, with memory of its own."""
    return _fresh(input)


@composite(method=False, out=True)
def detach_copy(input):
    """`input` off the tape, with memory of its own."""
    return _fresh(input.detach())
