"""`compile` and what programs say to a compiler. Functions run as they are, kernel by kernel: results are those of
PyTorch's compiled functions, and nothing becomes faster.
"""

import contextlib

_STANCES = ("default", "force_eager", "eager_on_recompile", "fail_on_recompile", "eager_then_compile",
            "aot_eager_then_compile")


def compile(model=None, *, fullgraph=False, dynamic=None, backend="inductor", mode=None, options=None, disable=False):
    """`model` itself, a function or module; without one, a decorator. The other arguments are accepted.

    RuntimeError where both mode and options are given; TypeError for a model that cannot be called.
    """
    if mode is not None and options is not None:
        raise RuntimeError("compile: Either mode or options can be specified, but both can't be specified at the same "
                           "time.")
    if model is None:
        return lambda function: compile(function, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode,
                                        options=options, disable=disable)
    if not callable(model):
        raise TypeError(f"compile: expected a function or a module, got {type(model).__name__}")
    return model


def _unchanged(fn):
    """The function itself: there is no compiler that would treat it differently."""
    return fn


allow_in_graph = assume_constant_result = nested_compile_region = _unchanged


def disable(fn=None, recursive=True, *, reason=None):
    """Keep the compiler from a function: the function itself; without one, a decorator."""
    return _unchanged if fn is None else fn


def is_compiling():
    """Whether the compiler runs: never."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def list_backends(exclude_tags=("debug", "experimental")):
    """Names of the compilers that `compile` can use: none."""
    return []


def reset():
    """Forget what was compiled: nothing was."""


def cudagraph_mark_step_begin():
    """Say that a step of training begins, for graphs of GPU work, of which there are none."""


class set_stance(contextlib.ContextDecorator):
    """How compiled functions act, from now on or inside `with`: they run as they are. RuntimeError for other words."""

    def __init__(self, stance="default", *, skip_guard_eval_unsafe=False, force_backend=None):
        if stance not in _STANCES:
            raise RuntimeError(f"set_stance: invalid stance {stance!r}, expected one of {', '.join(_STANCES)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None
