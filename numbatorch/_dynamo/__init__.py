"""What libraries say to PyTorch's tracer by its inner name.

`compile` (numbatorch/compiler) captures what runs, not code, so most of it changes nothing here, and says so.
"""

from types import SimpleNamespace

from ..compiler import allow_in_graph, assume_constant_result, disable, is_compiling, list_backends, reset
from . import eval_frame


def mark_static_address(t, guard=False):
    """Say that a tensor stays where it is. TypeError for what is no tensor."""
    from .. import Tensor
    if not isinstance(t, Tensor):
        raise TypeError(f"mark_static_address expects a tensor but received {type(t)}")


def mark_dynamic(t, index, **_):
    """Say that dimensions of a tensor vary between calls. Without effect: each shape has its program."""


mark_static = maybe_mark_dynamic = mark_unbacked = mark_dynamic


def graph_break(msg=""):
    """End a graph here. Without effect: a function becomes one program, or runs eagerly."""


# Settings that programs make; each is kept and changes nothing.
config = SimpleNamespace(cache_size_limit=8, recompile_limit=8, capture_scalar_outputs=False, suppress_errors=False,
                         verbose=False, capture_dynamic_output_shape_ops=False, optimize_ddp=True,
                         automatic_dynamic_shapes=True, assume_static_by_default=True)


def __getattr__(name):
    if name == "OptimizedModule":
        return eval_frame.OptimizedModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [  # noqa: F822
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "eval_frame", "graph_break",
    "is_compiling", "list_backends", "mark_dynamic", "mark_static", "mark_static_address", "mark_unbacked",
    "maybe_mark_dynamic", "reset"]
