"""Types for annotations, under PyTorch's names."""

import builtins
import os
from typing import IO, Any, TypeAlias

from .device import device as _device
from .dtypes import dtype as _dtype  # noqa: F401  (under this name, too)
from .size import Size
from .storage import UntypedStorage
from .symbolic import SymBool, SymFloat, SymInt
from .tensor import Tensor

# Names with an underscore stand where a class's own members hide the plain ones; packages import them.
_int, _float, _bool, _complex = builtins.int, builtins.float, builtins.bool, builtins.complex
_str, _bytes = builtins.str, builtins.bytes
_size: TypeAlias = Size | list[int] | tuple[int, ...]
_symsize: TypeAlias = Size | list[Any] | tuple[Any, ...]
_TensorOrTensors: TypeAlias = Tensor | tuple[Tensor, ...]
_Number: TypeAlias = int | float | bool

Number: TypeAlias = int | float | bool
Device: TypeAlias = _device | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Storage: TypeAlias = UntypedStorage
BoolLikeType: TypeAlias = bool | SymBool
IntLikeType: TypeAlias = int | SymInt
FloatLikeType: TypeAlias = float | SymFloat
PySymType: TypeAlias = SymInt | SymFloat | SymBool

__all__ = ["Device", "FileLike", "Number", "Storage", "Size", "Tensor"]
