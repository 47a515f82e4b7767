"""What a tensor is for Python and NumPy: numbers, lists, arrays, DLPack, len, iteration, text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .device import CPU
from .layout import Layout
from .storage import window

if TYPE_CHECKING:
    from .tensor import Tensor
else:
    Tensor: Any = None  # these three are set by tensor.py, whose class takes over the members of Part
alias: Any = None
empty_layout: Any = None
_readers: dict = {}  # functions from an address to a Python number, by layout


def _reader(own):
    from .transfer import reader
    found = reader(own)
    if own.__class__ is Layout:  # interned
        _readers[own] = found
    return found


class Part:
    """Members of Tensor."""

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...

    def item(self):
        """The value of a tensor of one element as a Python number. RuntimeError if there are more or none."""
        own = self._layout
        if own.numel == 1:
            return (_readers.get(own) or _reader(own))(self._ptr)
        raise RuntimeError(f"a Tensor with {own.numel} elements cannot be converted to Scalar")

    def _array(self):
        own = self._layout
        size = own.dtype.itemsize
        return window(self._storage, self._ptr, own.shape, [s * size for s in own.strides], own.dtype.numpy)

    def numpy(self, *, force=False) -> np.ndarray:
        """The same memory as a NumPy array. RuntimeError on tensors that require grad.

        TypeError for dtypes that NumPy does not have, bfloat16, complex32 and float8, and on other devices than the
        CPU. With `force` a copy where none of them can be shared.
        """
        if force:
            return self.detach().cpu().resolve_conj().numpy()
        if self._needs_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        own = self._layout.dtype
        if own.is_foreign:
            raise TypeError(f"numpy(): NumPy has no {own.name}; convert first: tensor.to({own.familiar}).numpy()")
        return self._array()

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(self, array, context=None, return_scalar=False) -> Tensor:
        from .creation import from_numpy
        return from_numpy(np.asarray(array))

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        """A capsule over the memory, for other libraries. BufferError for tensors that require grad."""
        if self._needs_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if stream not in (None, -1):
            raise AssertionError(f"__dlpack__: stream should be None on cpu, got {stream!r}")
        self.__dlpack_device__()
        from .dlpack import exported
        return exported(self, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        if self._layout.device is not CPU:
            raise BufferError(f"__dlpack_device__: tensors on device {self._layout.device} are not exported: copy it "
                              "to the host first, tensor.cpu()")
        return (1, 0)

    def tolist(self):
        """Nested lists of Python numbers; a number for a 0-d tensor."""
        own = self._layout
        if own.__class__ is Layout and own.device is CPU and not own.dtype.is_foreign:
            return self._array().tolist()
        host = self.detach().cpu()
        return (host.to(own.dtype.familiar) if own.dtype.is_foreign else host)._array().tolist()

    def __bool__(self) -> bool:
        own = self._layout
        if own.numel != 1:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous" if own.numel == 0 else
                               "Boolean value of Tensor with more than one value is ambiguous")
        return bool(self.item())

    def _number(self, kind):
        """The one element as a real number. ValueError for more or none, RuntimeError for what `kind` cannot hold."""
        if self._layout.numel != 1:
            raise ValueError(f"only one element tensors can be converted to Python scalars, not shape "
                             f"{list(self._layout.shape)}")
        value = self.item()
        if isinstance(value, complex) and kind != "complex":
            if value.imag:
                raise RuntimeError(f"value cannot be converted to type {kind} without overflow: {value} has an "
                                   "imaginary part")
            return value.real
        return value

    def __int__(self) -> int:
        return int(self._number("int"))

    def __float__(self) -> float:
        return float(self._number("float"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __index__(self) -> int:
        if self._layout.dtype.category > dtypes.INTEGER or self._layout.numel != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if self._layout.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._layout.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self._layout.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element) -> bool:
        return bool((self == element).any())

    def __hash__(self) -> int:
        return id(self)

    def __reversed__(self) -> Tensor:
        return self if self._layout.ndim == 0 else self.flip(tuple(range(self._layout.ndim)))  # type: ignore[return-value]

    def __format__(self, spec) -> str:
        if self._layout.ndim == 0 and not isinstance(self.item(), complex) and type(self) is Tensor:
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    def __repr__(self) -> str:
        from .printing import text
        return text(self)

    def __dir__(self) -> list[str]:
        return sorted(set(dir(type(self))) | set(self.__dict__))
