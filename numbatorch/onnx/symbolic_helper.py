"""torch.onnx.symbolic_helper: the decorator that packages put on functions which write their ops in ONNX."""

from collections.abc import Callable


def parse_args(*arg_descriptors: str) -> Callable:
    """Decorator: an export would convert arguments as the letters say. There is none: the function stays as it is."""
    return lambda function: function


__all__ = ["parse_args"]
