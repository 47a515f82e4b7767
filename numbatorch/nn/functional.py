"""Functions on tensors that neural networks are made of: all that the op table declares for `nn.functional`."""

from ..ops import namespace

globals().update(namespace("nn.functional"))
del namespace
