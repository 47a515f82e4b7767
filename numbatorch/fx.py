"""Programs as graphs of operations: this build draws none, and says so where one is asked for.

Libraries mark functions for tracing as they are imported, and ask whether a value is a Proxy. Both have their answers
here; what would trace, hold or rewrite a graph raises NotImplementedError.
"""

_WORDS = "programs are not traced into graphs in this build; call the module or function itself"


def wrap(fn_or_name):
    """Marks a function as one that a trace records as a call and does not look into.

    Takes a function, or the name of one in the calling module, and returns it unchanged: calls that
    are not traced are never changed by it. RuntimeError for anything else.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("fx.wrap: takes a function of a module, or the name of one, "
                           f"got {type(fn_or_name).__name__}")
    return fn_or_name


def has_side_effect(fn):
    """Marks a function whose call a graph would keep though nothing uses its result. Returns it unchanged."""
    return fn


def _absent(name):
    def refuse(self, *args, **kwargs):
        raise NotImplementedError(f"fx.{name}: {_WORDS}")
    return type(name, (), {"__init__": refuse, "__module__": __name__, "__doc__": f"NotImplementedError: {_WORDS}."})


CodeGen, Graph, Interpreter, Node, Proxy, Tracer, Transformer = map(
    _absent, "CodeGen Graph Interpreter Node Proxy Tracer Transformer".split())


class GraphModule:
    """A module made from a graph: there is none, and no module is one."""

    def __init__(self, root, graph, class_name="GraphModule"):
        raise NotImplementedError(f"fx.GraphModule: {_WORDS}")


def symbolic_trace(root, concrete_args=None):
    """NotImplementedError: would trace a module or function into a GraphModule."""
    raise NotImplementedError(f"fx.symbolic_trace: {_WORDS}")


def replace_pattern(gm, pattern, replacement):
    """NotImplementedError: would replace a part of a graph."""
    raise NotImplementedError(f"fx.replace_pattern: {_WORDS}")


__all__ = ["CodeGen", "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer",
           "has_side_effect", "replace_pattern", "symbolic_trace", "wrap"]
