"""Making tensors: what a program imports; by value (filling.py), from data (from_data.py), by rule (ranges.py).

Random numbers are in randomness.py.
"""

from . import autograd
from .filling import (
    empty,
    empty_like,
    empty_strided,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from .formats import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    jagged,
    layout_type,
    legacy_contiguous_format,
    memory_format,
    preserve_format,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)
from .from_data import as_tensor, asarray, borrowed, from_file, from_numpy, frombuffer, scalar_tensor, tensor
from .ranges import arange, eye, linspace, logspace, range_, tril_indices, triu_indices
from .tensor import Tensor


def _method(maker):
    def new(self, *args, dtype=None, device=None, **options):
        return maker(*args, dtype=dtype or self.dtype, device=device or self.device, **options)
    new.__doc__ = f"`{maker.__name__}` in this tensor's dtype and device."
    return new


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False):
    """A new tensor from data, in this tensor's dtype."""
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def new(self, *args, device=None):
    """An uninitialised tensor, or one from data, in this tensor's dtype."""
    from .legacy import construct
    return construct(self.dtype, args, device or self.device)


for _name, _maker in (("new_empty", empty), ("new_zeros", zeros), ("new_ones", ones), ("new_full", full),
                      ("new_empty_strided", empty_strided)):
    setattr(Tensor, _name, _method(_maker))
Tensor.new_tensor, Tensor.new = new_tensor, new  # type: ignore[method-assign]

autograd.Tensor, autograd.ones_like = Tensor, ones_like

FUNCTIONS = ("empty empty_strided full zeros ones empty_like zeros_like ones_like full_like tensor as_tensor asarray "
             "frombuffer from_file scalar_tensor arange linspace logspace eye tril_indices "
             "triu_indices").split()

__all__ = [
    "FUNCTIONS",
    "arange",
    "as_tensor",
    "asarray",
    "borrowed",
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "empty",
    "empty_like",
    "empty_strided",
    "eye",
    "from_file",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "jagged",
    "layout_type",
    "legacy_contiguous_format",
    "linspace",
    "logspace",
    "memory_format",
    "new",
    "new_tensor",
    "ones",
    "ones_like",
    "preserve_format",
    "range_",
    "scalar_tensor",
    "sparse_bsc",
    "sparse_bsr",
    "sparse_coo",
    "sparse_csc",
    "sparse_csr",
    "strided",
    "tensor",
    "tril_indices",
    "triu_indices",
    "zeros",
    "zeros_like",
]
