"""Subclasses of Tensor and `__torch_function__`: a class may answer the calls its tensors take part in.

    class Metres(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return super().__torch_function__(func, types, args, kwargs or {})

The protocol is PyTorch's ("Extending torch.Tensor"): `func` is the public function, `types` the classes that override
it. The inherited answer runs `func` on the tensors as they are and gives the results the class of the operand. A class
that sets `__torch_function__ = torch._C._disabled_torch_function_impl` (as Parameter does) is treated as plain Tensor.

How: an instance's `_layout` reads as an `_Overridden` layout, so ops find no plan for it and come to `dispatch`, until
a handler switches the protocol off for its own call. Methods that are no ops are wrapped when a class is made, other
functions ask from then on (asking.py). An object that is no tensor at all is met where a call fails on it.
"""

import functools
import inspect
import threading
from typing import Any

from . import interception
from .attributes import fields
from .layout import Layout

Tensor: Any = None  # set by tensor.py
_key = "_layout"


class _Local(threading.local):
    """How deep this thread is inside calls for which subclasses count as plain tensors."""

    off = 0


_local = _Local()


class DisableTorchFunctionSubclass:
    """Context manager: inside, subclasses of Tensor are treated as plain tensors (in this thread)."""

    def __enter__(self):
        _local.off += 1
        return self

    def __exit__(self, *_):
        _local.off -= 1


def disabled_torch_function(func, types, args=(), kwargs=None):
    """The `__torch_function__` of classes that count as plain tensors."""
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


def torch_function(cls, func, types, args=(), kwargs=None):
    """Tensor's own answer: run `func` on the operands as they are; results that are plain tensors become `cls`.

    NotImplemented when some operand's class is not related to `cls`.
    """
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    kwargs = kwargs or {}
    with DisableTorchFunctionSubclass():
        result = func(*args, **kwargs)
        if func == Tensor.__dict__["grad"].__get__:  # a gradient is what it is
            return result
        given = {id(t) for t in interception.tensors_of((*args, *kwargs.values()))}
        return _converted(result, cls, given)


def _converted(value, cls, given):
    if type(value) is Tensor and cls is not Tensor:
        if id(value) in given:  # an operand itself comes back: the class goes to another object over its memory
            return value.as_subclass(cls)
        value.__class__ = cls
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(_converted(v, cls, given) for v in value)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_converted(v, cls, given) for v in value)
    return value


class _Overridden(interception.CustomLayout):
    """What the layout of a subclass's instance reads as while the protocol is on; all fields are the true ones."""

    __slots__ = ("plain",)
    priority = -1  # sparse tensors and function transforms first
    has_values = property(lambda self: self.plain.has_values)

    def __init__(self, plain):
        interception.state.active = True
        for name in Layout.__slots__:
            if name != "has_values":
                setattr(self, name, getattr(plain, name))
        self.plain = plain

    def dispatch(self, op, inplace, values):
        tensors = list(interception.tensors_of(values))
        stray = [t for t in tensors if type(t._layout) is _Overridden and not overrides(type(t))]
        for t in stray:  # made from such a layout by code that knows plain tensors only
            t._layout = t._layout.plain
        if any(overrides(type(t)) for t in tensors):
            args, kwargs = arguments(op, values)
            return handle(op.call_inplace if inplace else op.call, tensors, args, kwargs)
        return interception.call(op, inplace, values)


_layouts: dict = {}


def _overridden(plain):
    found = _layouts.get(plain)
    if found is None:
        if len(_layouts) > 10_000:
            _layouts.clear()
        found = _layouts[plain] = _Overridden(plain)
    return found


def _read_layout(self):
    own = fields(self)[_key]
    return _overridden(own) if not _local.off and own.__class__ is Layout else own


def _write_layout(self, value):
    fields(self)[_key] = value.plain if value.__class__ is _Overridden else value


def overrides(cls):
    """Whether the instances of a class answer calls themselves."""
    own = cls.__torch_function__
    return cls is not Tensor and getattr(own, "__func__", own) is not disabled_torch_function


def answers(cls):
    """Whether the instances of a class, of tensors or not, answer calls themselves."""
    return hasattr(cls, "__torch_function__") and overrides(cls)


def stand_in(op, inplace, values):
    """What an object that is no tensor, but has `__torch_function__`, makes of a call that it is an argument of.

    NotImplemented where there is none. From the first on, all functions ask before they run.
    """
    given = list(_objects(values))
    if _local.off or not any(answers(type(v)) and not isinstance(v, Tensor) for v in given):
        return NotImplemented
    if not interception.state.stand_ins:
        from .asking import watch
        interception.state.stand_ins = True
        watch()
    args, kwargs = arguments(op, values)
    return handle(op.call_inplace if inplace else op.call, [v for v in given if answers(type(v))], args, kwargs)


interception.stand_in = stand_in


def _objects(values):
    for v in values:
        if isinstance(v, (list, tuple)):
            yield from _objects(v)
        else:
            yield v


def arguments(op, values):
    """(args, kwargs) of a call whose values are in parameter order; what has its default is left out."""
    args, kwargs, open_ = [], {}, True
    for p, v in zip(op.parameters, values, strict=True):
        if p.kind is inspect.Parameter.VAR_POSITIONAL or p.name == op.spread:
            args += v if isinstance(v, (list, tuple)) else (v,)
        elif p.kind is inspect.Parameter.VAR_KEYWORD:
            kwargs.update(v)
        elif open_ and p.default is inspect.Parameter.empty and p.kind is not inspect.Parameter.KEYWORD_ONLY:
            args.append(v)
        elif v is not p.default:
            open_ = False
            kwargs[p.name] = v
        else:
            open_ = False
    return tuple(args), kwargs


def handle(func, tensors, args, kwargs):
    """Ask the classes of the operands in turn, subclasses before their parents. TypeError when none answers."""
    classes: list = []
    for t in tensors:
        cls = type(t)
        if cls not in classes and answers(cls):
            place = next((k for k, other in enumerate(classes) if issubclass(cls, other)), len(classes))
            classes.insert(place, cls)
    for cls in classes:
        result = cls.__torch_function__(func, tuple(classes), args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(f"no implementation found for '{getattr(func, '__name__', func)}' on types that implement "
                    f"__torch_function__: {[c.__qualname__ for c in classes]}")


_UNWRAPPED = frozenset("""__new__ __init__ __class__ __dict__ __doc__ __module__ __weakref__ __init_subclass__ __slots__
    __annotations__ __torch_function__ __getattribute__ __getattr__ __setattr__ __delattr__ __dir__ __hash__ __sizeof__
    __subclasshook__ __array_priority__ _make_subclass as_subclass _layout _storage _ptr _refresh_view __getstate__
    __static_attributes__ __firstlineno__ requires_grad is_leaf""".split())


def prepare(cls):
    """Called for every new subclass of Tensor: route what its instances do through `__torch_function__`."""
    if not overrides(cls):
        return
    from .asking import watch
    watch()
    cls._layout = property(_read_layout, _write_layout)
    for base in Tensor.__mro__[:-1]:
        for name, member in vars(base).items():
            if name in _UNWRAPPED or name.startswith("_") and not name.startswith("__"):
                continue
            if inspect.getattr_static(cls, name, None) is not member:
                continue  # overridden on the way
            if inspect.isfunction(member) and not hasattr(member, "_plans"):
                setattr(cls, name, _method(member))
            elif isinstance(member, property):
                setattr(cls, name, property(_method(member.fget, member.__get__), member.fset and _method(
                    member.fset, member.__set__), member.fdel, member.__doc__))


def _method(function, shown=None):
    """A method that asks `__torch_function__` first; `shown` is what handlers see as `func`."""
    @functools.wraps(function)
    def method(self, *args, **kwargs):
        if _local.off:
            return function(self, *args, **kwargs)
        tensors = list(interception.tensors_of((self, *args, *kwargs.values())))
        return handle(shown or function, tensors, (self, *args), kwargs)
    return method


def install(tensor_class):
    """Give Tensor the protocol; called once, when Tensor is complete."""
    global Tensor
    Tensor = tensor_class
    Tensor.__torch_function__ = classmethod(torch_function)
    Tensor.__init_subclass__ = classmethod(lambda cls, **kwargs: prepare(cls))
