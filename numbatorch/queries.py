"""Questions about tensors and types, as functions."""

from . import dtypes
from .tensor import Tensor, UntypedStorage


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


def result_type(tensor1, tensor2):
    """The dtype that an arithmetic operation on both would have; tensors or numbers."""
    def rank(x):
        if isinstance(x, Tensor):
            return x.dtype, 2 if x.ndim else 1
        return dtypes.of_number(x), 0
    return dtypes.result_of([rank(tensor1), rank(tensor2)])
