"""numbatorch.fft: the ops of the table's namespace "fft"."""

from .ops import namespace
from .tensor import Tensor as Tensor

globals().update(namespace("fft"))

__all__ = list(namespace("fft"))
