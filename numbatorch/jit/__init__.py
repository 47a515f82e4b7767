"""TorchScript's names for programs that are written with it. Scripted and traced functions run as the Python they are:
results are the same, control flow stays as written (a trace does not freeze it), and there is nothing to save.
"""

import types
import typing
from collections import namedtuple
from typing import Any, Final

from .. import nn

_isinstance = isinstance  # this module has one of its own
_fusion: list = [("STATIC", 2), ("DYNAMIC", 10)]
_onednn = False

Attribute = namedtuple("Attribute", ["value", "type"])
Attribute.__doc__ = "A value of a module and the type that it has in TorchScript."


class Error(Exception):
    """An exception that a compiled function raised; functions run as Python, so their own exceptions arrive."""


class ScriptModule(nn.Module):
    """A compiled module. `script` and `trace` return ordinary ones, so none is an instance of this class."""


class ScriptFunction:
    """A compiled function. `script` and `trace` return ordinary ones, so none is an instance of this class."""

    def __init__(self, *args, **kwargs):
        raise NotImplementedError("jit.ScriptFunction: functions are not compiled; use the function itself")


class CompilationUnit:
    """NotImplementedError: TorchScript in strings is not supported."""

    def __init__(self, lang=None, *_, **__):
        raise NotImplementedError("jit.CompilationUnit: TorchScript in strings is not supported; write the functions "
                                  "in Python")


# ------------------------------------------------------------------ compiling

def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """`obj` itself: a function, a module or a class. TypeError for other things."""
    if not callable(obj):
        raise TypeError(f"jit.script: expected a function, a module or a class, got {type(obj).__name__}")
    return obj


def trace(func, example_inputs=None, optimize=None, check_trace=True, **options):
    """`func` itself, a function or module, after a call with `example_inputs` as a check.

    Unlike a trace of PyTorch it keeps following its own control flow. example_kwarg_inputs: a dict of keyword
    arguments.
    """
    named = options.get("example_kwarg_inputs")
    if example_inputs is None and named is None:
        raise RuntimeError("jit.trace: example_inputs or example_kwarg_inputs should be given")
    inputs = () if example_inputs is None else example_inputs
    func(*(inputs if _isinstance(inputs, (tuple, list)) else (inputs,)), **(named or {}))
    return func


def trace_module(mod, inputs, optimize=None, check_trace=True, **options):
    """`mod` itself, after a call of each method that `inputs` names with its example inputs."""
    for name, example in inputs.items():
        getattr(mod, name)(*(example if _isinstance(example, (tuple, list)) else (example,)))
    return mod


def script_if_tracing(fn):
    """The function itself."""
    return fn


_script_if_tracing = script_if_tracing  # torchvision decorates with the private name


def freeze(mod, preserved_attrs=None, optimize_numerics=True):
    """The module itself. RuntimeError in training mode, as in PyTorch."""
    if getattr(mod, "training", False):
        raise RuntimeError("jit.freeze: Freezing module in training mode is not yet supported: call .eval() first")
    return mod


def optimize_for_inference(mod, other_methods=None):
    """`freeze`, under the name that also asked for faster kernels: these are the fastest there are."""
    return freeze(mod)


def save(m, f, _extra_files=None):
    """NotImplementedError: there is no TorchScript to write."""
    raise NotImplementedError("jit.save: TorchScript files are not supported; save m.state_dict() with save(), and "
                              "build the module from its class")


def load(f, map_location=None, _extra_files=None, _restore_shapes=False):
    """NotImplementedError: TorchScript files hold compiled code."""
    raise NotImplementedError(f"jit.load: TorchScript files are not supported, and {f!r} would be one; have PyTorch "
                              "save its state_dict(), which load() reads")


def export_opnames(m):
    """NotImplementedError: modules are not compiled into ops."""
    raise NotImplementedError("jit.export_opnames: modules are not compiled, so they have no list of ops")


# ------------------------------------------------------------------ marks

def export(fn):
    """Mark a method as one to compile: the method itself."""
    return fn


unused = export


def ignore(drop=False, **_):
    """Mark a method as one to leave to Python: the method itself, or a decorator. RuntimeError for other arguments."""
    if callable(drop):
        return drop
    if not _isinstance(drop, bool):
        raise RuntimeError(f"Argument to @torch.jit.ignore must be a bool or a function but got {drop}")
    return export


def interface(obj):
    """Mark a class as an interface: the class itself. RuntimeError for what is no class."""
    if not _isinstance(obj, type):
        raise RuntimeError("interface must be applied to a class")
    return obj


def is_scripting():
    """Whether the code runs compiled: never."""
    return False


is_tracing = is_scripting


# ------------------------------------------------------------------ types

def annotate(the_type, the_value):
    """The value; the type was for the compiler."""
    return the_value


def isinstance(obj, target_type):
    """isinstance() that looks into containers: List[int], Dict[str, Tensor], Tuple[int, str], Optional[int].

    RuntimeError for a container without the type of what it holds.
    """
    if _isinstance(target_type, tuple):
        return any(isinstance(obj, t) for t in target_type)
    origin, inner = typing.get_origin(target_type), typing.get_args(target_type)
    if origin is None:
        if target_type in (list, dict, tuple, typing.List, typing.Dict, typing.Tuple):  # noqa: UP006
            name = getattr(target_type, "__name__", str(target_type))
            raise RuntimeError(f"Attempted to use {name} without a contained type. Please add a contained type, e.g. "
                               f"{name}[int]")
        return target_type is Any or (obj is None if target_type is None else _isinstance(obj, target_type))
    if origin in (typing.Union, types.UnionType):
        return any(isinstance(obj, type(None) if t is None else t) for t in inner)
    if not _isinstance(obj, origin):
        return False
    if origin is tuple:
        return len(obj) == len(inner) and all(isinstance(v, t) for v, t in zip(obj, inner, strict=True))
    if origin is dict:
        return all(isinstance(k, inner[0]) and isinstance(v, inner[1]) for k, v in obj.items())
    return all(isinstance(v, inner[0]) for v in obj)


# ------------------------------------------------------------------ tasks

class Future:
    """The result of a task: a value, or the exception that it raised."""

    def __init__(self):
        self._value, self._error, self._done, self._callbacks = None, None, False, []

    def done(self):
        """Whether there is a result."""
        return self._done

    def value(self):
        """The result, or its exception."""
        if not self._done:
            raise RuntimeError("Future.value: the future is not completed")
        if self._error is not None:
            raise self._error
        return self._value

    wait = value

    def _complete(self, value, error):
        if self._done:
            raise RuntimeError("Future: the result can only be set once")
        self._value, self._error, self._done = value, error, True
        for callback in self._callbacks:
            callback(self)

    def set_result(self, result):
        """Give the result, once."""
        self._complete(result, None)

    def set_exception(self, result):
        """Give the exception, once."""
        self._complete(None, result)

    def add_done_callback(self, callback):
        """Call callback(self) when there is a result, at once if there is one."""
        if self._done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def then(self, callback):
        """The future result of callback(self)."""
        result = Future()
        self.add_done_callback(lambda own: _run(result, callback, own))
        return result


def _run(future, func, *args, **kwargs):
    try:
        value = func(*args, **kwargs)
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(value)
    return future


def fork(func, *args, **kwargs):
    """func(*args, **kwargs) as a task; it runs at once, in the calling thread."""
    return _run(Future(), func, *args, **kwargs)


def wait(future):
    """The result of a task."""
    if not _isinstance(future, Future):
        raise TypeError(f"wait(): expected a Future, got {type(future).__name__}")
    return future.wait()


# ------------------------------------------------------------------ settings of the compiler

def set_fusion_strategy(strategy):
    """Keep a list of ("STATIC" or "DYNAMIC", depth), and return the one before. ValueError for others."""
    global _fusion
    for behaviour, _ in strategy:
        if behaviour not in ("STATIC", "DYNAMIC"):
            raise ValueError(f"FusionBehavior only supported 'STATIC' or 'DYNAMIC', got: {behaviour}")
    before, _fusion = _fusion, list(strategy)
    return before


def _overload(func):
    """One of several signatures that a script compiler would choose from: the function itself."""
    return func


_overload_method = _overload


def enable_onednn_fusion(enabled):
    """Keep whether oneDNN may fuse; it is not part of this build."""
    global _onednn
    _onednn = bool(enabled)


def onednn_fusion_enabled():
    """What `enable_onednn_fusion` set."""
    return _onednn


class strict_fusion:
    """Context in which everything was to be fused; without effect, as nothing is compiled."""

    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


__all__ = ["Attribute", "CompilationUnit", "Error", "Final", "Future", "ScriptFunction", "ScriptModule", "annotate",
           "enable_onednn_fusion", "export", "export_opnames", "fork", "freeze", "ignore", "interface", "isinstance",
           "load", "onednn_fusion_enabled", "optimize_for_inference", "save", "script", "script_if_tracing",
           "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused", "wait"]
