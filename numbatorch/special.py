"""Special functions, under PyTorch's names."""

from .ops import namespace

globals().update(namespace("special"))
