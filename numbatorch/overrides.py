"""torch.overrides: asking for, and joining in, the `__torch_function__` protocol (see subclassing.py)."""

import functools
import importlib
import inspect

from . import asking, interception, subclassing
from .tensor import Tensor


def has_torch_function(relevant_args):
    """Whether one of the arguments is of a class that answers calls itself."""
    return any(_answers(a) for a in relevant_args)


def has_torch_function_unary(argument):
    """`has_torch_function((argument,))`."""
    return _answers(argument)


def has_torch_function_variadic(*arguments):
    """`has_torch_function(arguments)`."""
    return has_torch_function(arguments)


def _answers(value):
    return not subclassing._local.off and subclassing.answers(type(value))


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Let the classes of `relevant_args` answer a call of `public_api(*args, **kwargs)`. TypeError when none does."""
    return subclassing.handle(public_api, [a for a in relevant_args if _answers(a)], args, kwargs)


def wrap_torch_function(dispatcher):
    """Decorator: a function of one's own takes part in the protocol; `dispatcher(*args, **kwargs)` gives the arguments
    whose classes may answer."""
    def decorate(function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)
        return wrapped
    return decorate


def is_tensor_like(inp):
    """Whether something is a Tensor or of a class that has `__torch_function__`."""
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")


def get_default_nowrap_functions():
    """The functions whose results keep their class under Tensor's own `__torch_function__`."""
    return {Tensor.__dict__["grad"].__get__}


def is_tensor_method_or_property(func):
    """Whether a function is a method, or the getter or setter of a property, of Tensor."""
    owner = getattr(func, "__self__", None)
    return any(member is func or member is owner for member in vars(Tensor).values()) or getattr(
        func, "__name__", "") in ("__get__", "__set__")


def resolve_name(func):
    """A readable name of a function that `__torch_function__` was given: "torch.Tensor.shape.__get__", "torch.add"."""
    owner = getattr(func, "__self__", None)
    for name, member in vars(Tensor).items():
        if isinstance(member, property) and member is owner:
            return f"torch.Tensor.{name}.{func.__name__}"
    name = getattr(func, "__name__", None)
    if name is None:
        return None
    places = [("torch", vars(_module("")))] + [(f"torch.{n}", vars(_module(f".{n}"))) for n in _NAMESPACES]
    places.insert(1, ("torch.Tensor", vars(Tensor)))
    return next((f"{place}.{name}" for place, members in places if members.get(name) is func), f"torch.{name}")


_NAMESPACES = ("nn.functional", "linalg", "fft", "special", "nn.init")


def _module(name):
    return importlib.import_module(f"numbatorch{name}")


def get_overridable_functions():
    """{namespace: functions that the protocol covers}, for torch, Tensor and nn.functional."""
    import numbatorch
    from numbatorch.nn import functional

    def of(owner):
        return [f for n, f in vars(owner).items() if inspect.isfunction(f) and not n.startswith("_")]
    return {numbatorch: of(numbatorch), Tensor: of(Tensor), functional: of(functional)}


class TorchFunctionMode:
    """A context manager whose `__torch_function__(func, types, args, kwargs)` sees every function of tensors called
    inside it: ops, functions that make tensors, methods and properties.

    Inside the handler the mode is off. Modes nest; the innermost answers first.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError(f"{type(self).__name__} has to define __torch_function__(func, types, args, kwargs)")

    def __enter__(self):
        def handler(op, inplace, values):
            args, kwargs = subclassing.arguments(op, values)
            types = tuple(dict.fromkeys(type(t) for t in interception.tensors_of(values) if _answers(t)))
            return self.__torch_function__(op.call_inplace if inplace else op.call, types, args, kwargs)
        asking.watch_members(1)
        self._mode = interception.mode(handler)
        self._mode.__enter__().answers = self.__torch_function__
        return self

    def __exit__(self, *_):
        self._mode.__exit__(None, None, None)
        asking.watch_members(-1)
