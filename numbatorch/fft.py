"""numbatorch.fft: the ops of the table's namespace "fft"."""

from .ops import namespace

globals().update(namespace("fft"))

__all__ = list(namespace("fft"))
