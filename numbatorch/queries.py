"""Questions about tensors and types, as functions."""

from . import dtypes
from .layout import broadcast_shapes as broadcast
from .tensor import Size, Tensor, UntypedStorage

_METHODS = ("detach detach_ get_device is_complex is_conj is_distributed is_floating_point is_inference is_neg "
            "is_same_size is_signed").split()  # methods of Tensor that are functions, too


def _function(name):
    def function(input, *args, **kwargs):
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return getattr(input, name)(*args, **kwargs)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = getattr(Tensor, name).__doc__
    return function


FUNCTIONS = {name: _function(name) for name in _METHODS}


def is_storage(obj):
    """Whether `obj` is a storage, of bytes or of elements."""
    return isinstance(obj, UntypedStorage) or hasattr(obj, "_untyped_storage")


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


def typename(obj):
    """The name of an object's type, `torch.FloatTensor` for a tensor; of a class or function its own, with its module.

    >>> import numbatorch
    >>> numbatorch.typename(numbatorch.zeros(2)), numbatorch.typename(3)
    ('torch.FloatTensor', 'int')
    """
    if isinstance(obj, Tensor):
        return obj.type()
    if hasattr(obj, "__qualname__"):
        home, name = getattr(obj, "__module__", None) or "", obj.__qualname__
    else:
        home, name = type(obj).__module__, type(obj).__qualname__
    return name if home in ("", "builtins") else f"{home}.{name}"
