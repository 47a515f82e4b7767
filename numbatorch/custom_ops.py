"""Ops that are Python functions, under a name of their own: library.custom_op and torch.ops.NAMESPACE.NAME.

    @library.custom_op("mine::clipped_sin", mutates_args=())
    def clipped_sin(x: Tensor, limit: float) -> Tensor:
        return from_numpy(np.sin(x.numpy()).clip(-limit, limit))

The function sees tensors without gradients; `register_autograd` gives it one.
"""

import inspect
import types
from collections.abc import Callable
from typing import Any

from .autograd import Function, no_grad
from .tensor import Tensor

_DEFINED: dict[str, "CustomOpDef"] = {}
_EARLY_FAKES: dict[str, Callable] = {}  # of ops that are not defined yet, or whose C++ library is not here


class CustomOpDef:
    """A function with a qualified name, as an op: call it, or torch.ops.NAMESPACE.NAME."""

    def __init__(self, name: str, fn: Callable, mutates_args: Any, schema: str | None):
        namespace, mark, opname = name.partition("::")
        if not mark or not namespace.isidentifier() or not opname.isidentifier():
            raise ValueError(f"custom_op: the name must be 'namespace::name', got {name!r}")
        self._namespace, self._name, self._qualname = namespace, opname, name
        self._kernel = fn
        self._fake: Callable | None = _EARLY_FAKES.get(name)
        self._backward: Callable | None = None
        self._setup: Callable | None = None
        self._vmap: Callable | None = None
        self._records = False  # whether the function's own operations are recorded
        self._signature, self._schema = inspect.signature(fn), schema
        known = [*self._signature.parameters, "unknown"]
        wrong = [] if mutates_args == "unknown" else [arg for arg in mutates_args if arg not in known]
        if wrong:
            raise ValueError(f"custom_op: mutates_args names {wrong}, the parameters of {name} are {known[:-1]}")
        self.__name__, self.__doc__ = opname, fn.__doc__
        _DEFINED[name] = self

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, *args, **kwargs):
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()

        def kernel(*values):
            return self._kernel(*map(_plain, values), **{key: _plain(value) for key, value in bound.kwargs.items()})
        if self._records and self._backward is None:
            return self._kernel(*bound.args, **bound.kwargs)
        if self._backward is not None or self._vmap is not None:
            return _with_gradient(self, kernel).apply(*bound.args)
        with no_grad():
            return kernel(*bound.args)

    def register_kernel(self, device_types: Any, fn: Callable | None = None, /) -> Callable:
        """The function for some devices; those of this build are "cpu" and None, all of them."""
        def register(function):
            named = [device_types] if isinstance(device_types, str) or device_types is None else list(device_types)
            if "cpu" in named or None in named:
                self._kernel = function
            return function
        return register if fn is None else register(fn)

    def register_fake(self, fn: Callable, /) -> Callable:
        """A function of shapes only, kept for tracers; calls here have values, and compute them."""
        self._fake = fn
        return fn

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """backward(ctx, *gradients) gives one gradient or None for each argument; setup_context(ctx, inputs, output)
        saves what it needs.
        """
        self._backward, self._setup = backward, setup_context


def _plain(value: Any) -> Any:
    """An argument without gradients: a tensor's values, also inside lists and tuples."""
    if isinstance(value, Tensor):
        return value.detach()
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


def _with_gradient(op: CustomOpDef, kernel: Callable) -> Any:
    class Run(Function):
        @staticmethod
        def forward(ctx, *inputs):
            output = kernel(*inputs)
            if op._setup is not None:
                op._setup(ctx=ctx, inputs=inputs, output=output)
            return output

        @staticmethod
        def backward(ctx, *gradients):
            if op._backward is None:
                raise RuntimeError(f"{op._qualname} has no gradient: give it one with register_autograd")
            return op._backward(ctx, *gradients)
    if op._vmap is not None:
        Run.vmap = staticmethod(op._vmap)
    Run.__name__ = Run.__qualname__ = op._name
    return Run


def custom_op(name: str, fn: Callable | None = None, /, *, mutates_args: Any, device_types: Any = None,
              schema: str | None = None, tags: Any = None) -> Any:
    """An op from a function: CustomOpDef; without one, a decorator. `name` is "namespace::name".

    ValueError for other names, and for mutates_args that are no parameters.
    """
    def define(function: Callable) -> CustomOpDef:
        return CustomOpDef(name, function, mutates_args, schema)
    return define if fn is None else define(fn)


def _found(act: str, op: Any) -> CustomOpDef:
    found = op if isinstance(op, CustomOpDef) else _DEFINED.get(str(op))
    if found is None:
        raise RuntimeError(f"{act}: there is no op {op!r} made by custom_op; known are "
                           f"{', '.join(sorted(_DEFINED)) or 'none'}")
    return found


def register_fake(op: Any, func: Callable | None = None, /, **_: Any) -> Any:
    """CustomOpDef.register_fake by the op's name; without a function, a decorator.

    A function for an op that is not defined yet waits for it: packages register those of their C++ ops, too.
    """
    if isinstance(op, str) and op not in _DEFINED:
        if "::" not in op:
            raise ValueError(f"register_fake: the name must be 'namespace::name', got {op!r}")

        def wait(function: Callable) -> Callable:
            return _EARLY_FAKES.setdefault(op, function)
        return wait if func is None else wait(func)
    found = _found("register_fake", op)
    return found.register_fake if func is None else found.register_fake(func)


def load_library(path: str) -> None:
    """OSError: a library of C++ ops needs PyTorch's own runtime. Packages that can do without it catch this."""
    raise OSError(f"Could not load this library: {path} holds C++ operators for PyTorch; numbatorch runs Python "
                  "functions as ops (library.custom_op), or formulas (library.elementwise)")


def register_kernel(op: Any, device_types: Any, func: Callable | None = None, /, **_: Any) -> Any:
    """CustomOpDef.register_kernel by the op's name."""
    return _found("register_kernel", op).register_kernel(device_types, func)


def register_autograd(op: Any, backward: Callable, /, *, setup_context: Callable | None = None, **_: Any) -> None:
    """CustomOpDef.register_autograd by the op's name."""
    _found("register_autograd", op).register_autograd(backward, setup_context=setup_context)


def namespace(name: str) -> Any:
    """torch.ops.NAME: its custom ops as attributes, each with itself as `default`; None where there are none."""
    ops = {op._name: op for op in _DEFINED.values() if op._namespace == name}
    for op in ops.values():
        vars(op)["default"] = op
    return types.SimpleNamespace(**ops) if ops else None


__all__ = ["CustomOpDef", "custom_op", "load_library", "register_autograd", "register_fake", "register_kernel"]
