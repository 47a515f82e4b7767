"""Types for annotations, under PyTorch's names."""

import os
from typing import IO, TypeAlias

from .device import device as _device
from .size import Size
from .storage import UntypedStorage
from .symbolic import SymBool, SymFloat, SymInt
from .tensor import Tensor

Number: TypeAlias = int | float | bool
Device: TypeAlias = _device | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Storage: TypeAlias = UntypedStorage
BoolLikeType: TypeAlias = bool | SymBool
IntLikeType: TypeAlias = int | SymInt
FloatLikeType: TypeAlias = float | SymFloat
PySymType: TypeAlias = SymInt | SymFloat | SymBool

__all__ = ["Device", "FileLike", "Number", "Storage", "Size", "Tensor"]
