"""torch._custom_ops, the older home of library.custom_op, which packages still import."""

from .custom_ops import custom_op

__all__ = ["custom_op", "get_ctx"]


def get_ctx():
    """RuntimeError: only a function of shapes that a tracer runs has a context; calls here have values."""
    raise RuntimeError("get_ctx() can only be called inside a function given to register_fake, while it is traced")
