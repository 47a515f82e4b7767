"""torch._dynamo.eval_frame: the class by which packages recognise a compiled module."""

from . import OptimizedModule

__all__ = ["OptimizedModule"]
