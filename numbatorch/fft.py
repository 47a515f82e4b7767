"""numbatorch.fft: the ops of the table's namespace "fft"."""

from typing import TYPE_CHECKING, Any

from .ops import namespace
from .tensor import Tensor as Tensor

globals().update(namespace("fft"))

__all__ = list(namespace("fft"))

if TYPE_CHECKING:  # names come from the op table
    def __getattr__(name: str) -> Any: ...
