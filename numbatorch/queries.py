"""Questions about tensors and types, as functions."""

from . import dtypes
from .layout import broadcast_shapes as broadcast
from .tensor import Size, Tensor, UntypedStorage


def is_floating_point(input):
    """Whether `input` has a floating-point dtype."""
    return input.is_floating_point()


def is_complex(input):
    """Whether `input` has a complex dtype."""
    return input.is_complex()


def is_storage(obj):
    """Whether `obj` is a storage."""
    return isinstance(obj, UntypedStorage)


def is_nonzero(input):
    """Whether a tensor of one element is nonzero. RuntimeError for others."""
    return bool(input)


def numel(input):
    """How many elements `input` has."""
    return input.numel()


def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes broadcast to; ints count as 1-d shapes. RuntimeError where they do not."""
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    if any(n < 0 for s in given for n in s):
        raise RuntimeError(f"broadcast_shapes: sizes must not be negative, got {given}")
    return Size(broadcast("broadcast_shapes", given, [f"shape {k}" for k in range(len(given))]) if given else ())


def result_type(tensor1, tensor2):
    """The dtype that an arithmetic operation on both would have; tensors or numbers."""
    def rank(x):
        if isinstance(x, Tensor):
            return x.dtype, 2 if x.ndim else 1
        return dtypes.of_number(x), 0
    return dtypes.result_of([rank(tensor1), rank(tensor2)])
