"""`Variable`, which PyTorch merged with Tensor: `from numbatorch.autograd.variable import Variable`."""

from ..tensor import Tensor as Variable

__all__ = ["Variable"]
