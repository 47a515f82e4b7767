"""Methods of Tensor that few programs call; `install` hangs them on it."""

import numpy as np

from . import dtypes
from .autograd.modes import check_changeable
from .layout import has_format, memory_order
from .tensor import Tensor


def as_subclass(self, cls):
    """This tensor as an instance of `cls`: the same memory, and the same place on the tape.

    TypeError unless `cls` is a subclass of Tensor.
    """
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass: {cls!r} does not inherit from Tensor; make a class that does")
    result = self.view_as(self)
    result.__class__ = cls
    return result


def const_data_ptr(self):
    """The address of element 0, for reading."""
    return self.data_ptr()


def dim_order(self, ambiguity_check=False):
    """Dimensions in the order in which they lie in memory, outermost first.

    ambiguity_check: RuntimeError where more than one order fits (True), or where not exactly one of a list of memory
    formats does. TypeError for other values.
    """
    formats = isinstance(ambiguity_check, list) and all(hasattr(f, "name") for f in ambiguity_check)
    if not isinstance(ambiguity_check, bool) and not formats:
        raise TypeError("dim_order: The ambiguity_check argument must be a bool or a list of memory formats, got "
                        f"{ambiguity_check!r}")
    strides = self.stride()
    ambiguous = 1 in self.shape or any(a == b for a, b in zip(strides, strides[1:], strict=False))
    if formats:
        ambiguous = ambiguous and sum(has_format(self._layout, f.name) for f in ambiguity_check) != 1
    if ambiguous and ambiguity_check is not False:
        raise RuntimeError(f"dim_order: The tensor of shape {tuple(self.shape)} and strides {strides} does not have "
                           "unique dim order, or cannot map to exact one of the given memory formats.")
    in_rows = self.is_contiguous()
    in_channels = self.ndim == 4 and has_format(self._layout, "channels_last")
    if in_rows and not in_channels:
        return tuple(range(self.ndim))
    if in_channels and not in_rows:
        return (0, 2, 3, 1)
    return tuple(reversed(memory_order(self.shape, [strides])))


def index(self, positions, dims):
    """NotImplementedError: first-class dimensions are not supported; index with self[...]."""
    raise NotImplementedError("Tensor.index: first-class dimensions (functorch.dim) are not supported; use self[...]")


def is_distributed(self):
    """Whether the tensor is spread over processes: never."""
    return False


def is_nonzero(self):
    """Whether the one element is nonzero. RuntimeError for other tensors than of one element."""
    return bool(self)


def is_same_size(self, other):
    """Whether both have the same shape."""
    return self.shape == other.shape


def map2_(self, x, y, callable):
    """Replace each element by callable(element, that of x, that of y), in Python. RuntimeError if it requires grad."""
    if self.requires_grad:
        raise RuntimeError("Can't call map2_() on Variable that requires grad. Use var.detach().map2_() instead.")
    check_changeable("map2_", self)
    arrays = [t.detach().expand(self.shape)._array() for t in (x, y)]
    own = self._array()
    for at in np.ndindex(own.shape):
        own[at] = callable(own[at].item(), *(a[at].item() for a in arrays))
    self._storage.version += 1
    return self


def module_load(self, other, assign=False):
    """What stands for this parameter after loading `other`: this one with its values, or `other` itself to assign."""
    return other.detach() if assign else self.copy_(other).detach()


def name(self):
    """None: tensors have no names."""
    return None


def to_padded_tensor(self, padding, output_size=None):
    """NotImplementedError: nested tensors, which this would pad, are not supported."""
    raise NotImplementedError("to_padded_tensor: nested tensors are not supported; pad with nn.utils.rnn.pad_sequence")


def storage_type(self):
    """The class of this tensor's storage: torch.FloatStorage for float32, ..."""
    return self.storage()._class()


def grad_dtype(self):
    """The dtype of `.grad`, to which gradients are converted: that of the tensor unless set; None for any.

    Leaves only, RuntimeError for others.
    """
    if self.grad_fn is not None:
        raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
    return self.dtype if self._grad_dtype is None else None if self._grad_dtype == "any" else self._grad_dtype


def _set_grad_dtype(self, dtype):
    if self.grad_fn is not None:
        raise RuntimeError("grad_dtype can only be set on leaf tensors.")
    if dtype is not None and not isinstance(dtype, dtypes.dtype):
        raise TypeError(f"grad_dtype must be a torch dtype or None, not {type(dtype).__name__}")
    self._grad_dtype = "any" if dtype is None else dtype


_METHODS = (as_subclass, const_data_ptr, dim_order, index, is_distributed, is_nonzero, is_same_size, map2_, module_load,
            to_padded_tensor, storage_type)


def install():
    """Hang the methods and properties on Tensor."""
    for method in _METHODS:
        setattr(Tensor, method.__name__, method)
    Tensor.name = property(name)  # type: ignore[attr-defined]
    Tensor.grad_dtype = property(grad_dtype, _set_grad_dtype)  # type: ignore[attr-defined]
    Tensor.__idiv__ = Tensor.__itruediv__  # type: ignore[attr-defined]
