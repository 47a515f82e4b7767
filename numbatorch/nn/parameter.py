"""Parameter and Buffer: the tensors a module owns, and those of lazy modules, which get their shapes later."""

from __future__ import annotations

import sys
from typing import Any

from numbatorch import Tensor, empty
from numbatorch._C import _disabled_torch_function_impl


class Parameter(Tensor):
    """A tensor that a module registers as its parameter when it is assigned as an attribute.

    Shares memory with `data`. RuntimeError when `requires_grad` is asked of an integer tensor; TypeError where
    `data` is no tensor.
    """

    __torch_function__ = _disabled_torch_function_impl

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter: data has to be a tensor, but got {type(data).__name__}; "
                            "make one with numbatorch.tensor(...)")
        return Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo: dict) -> Parameter:
        known = memo.get(id(self))
        if known is None:
            known = memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return known

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return _rebuild_parameter, (type(self), self.data, self.requires_grad)


def _rebuild_parameter(cls: type, data: Tensor, requires_grad: bool) -> Parameter:
    return cls(data, requires_grad)


class _BufferType(type(Tensor)):  # type: ignore[misc]
    """Lets isinstance(tensor, Buffer) ask for the mark, since a buffer is a plain tensor."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferType):
    """A tensor that a module registers as a buffer when it is assigned as an attribute: state that is not trained.

    Shares memory with `data`. A buffer that is not `persistent` stays out of `state_dict`.
    """

    persistent: bool

    __torch_function__ = _disabled_torch_function_impl

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:  # type: ignore[misc]
        if data is None:
            data = empty(0)
        buffer: Any = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent, buffer._is_buffer = persistent, True
        return buffer


# ---------------------------------------------------------------- parameters without a shape


def _unusable(self: Any) -> Any:
    """What stands in the place of a layout: every operation asks for it first."""
    operation = sys._getframe(1).f_code.co_name
    raise ValueError(f"{operation}: the tensor is an {type(self).__name__}, which has no shape and no values yet; call "
                     "its lazy module with an example input first, or materialize(shape)")


def _converted(name: str) -> Any:
    def convert(self: Any, *args: Any, **kwargs: Any) -> Any:
        like = getattr(self.data, name)(*args, **kwargs)
        if not isinstance(like, Tensor):
            return like
        differentiable = like.is_floating_point() or like.is_complex()
        return type(self)(requires_grad=self.requires_grad and differentiable, device=like.device, dtype=like.dtype)
    convert.__name__ = name
    convert.__doc__ = f"As Tensor.{name}, of a tensor without values."
    return convert


def _is_on(kind: str) -> Any:
    return property(lambda self: self.device.type == kind)


class UninitializedTensorMixin:
    """A tensor with a dtype and a device that gets its shape from `materialize`; operations raise ValueError."""

    cls_to_become: type
    _needs_grad: bool
    _storage: Any
    _layout = property(_unusable)
    dtype: Any = None
    device: Any = None

    def _set_up(self, requires_grad: bool, device: Any, dtype: Any) -> Any:
        like = empty(0, device=device, dtype=dtype)
        self.dtype, self.device, self._needs_grad = like.dtype, like.device, requires_grad
        return self

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of a shape, its values not set."""
        data = empty(shape, device=device or self.device, dtype=dtype or self.dtype)
        del self.device, self.dtype  # the tensor's own take their place
        self.__class__ = self.cls_to_become  # type: ignore[assignment]
        self._storage = data._storage  # there was none to replace
        self.data = data

    @property
    def shape(self) -> Any:
        raise RuntimeError(f"shape: {type(self).__name__} has no shape yet. Where this comes from load_state_dict, the "
                           "state dict is that of a lazy module which was never called: call it with an example input "
                           "before saving it.")

    @property
    def data(self) -> Tensor:
        return empty(0, device=self.device, dtype=self.dtype)

    @data.setter
    def data(self, other: Any) -> None:
        self.device, self.dtype = other.device, other.dtype

    def detach(self) -> Any:
        """Itself: there is no history to leave."""
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Whether gradients will be recorded."""
        self._needs_grad = bool(requires_grad)
        return self

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return self.dtype.is_complex

    is_cpu, is_cuda, is_meta, is_mps, is_xpu = (_is_on(t) for t in ("cpu", "cuda", "meta", "mps", "xpu"))

    def share_memory_(self) -> Any:
        raise RuntimeError(f"share_memory_: {type(self).__name__} has no memory yet; call its lazy module with an "
                           "example input first")

    def __deepcopy__(self, memo: dict) -> Any:
        known = memo.get(id(self))
        if known is None:
            known = memo[id(self)] = type(self)(**self._facts())
        return known

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return _rebuild_uninitialized, (type(self), self._facts())

    def _facts(self) -> dict:
        return {"requires_grad": self._needs_grad, "device": self.device, "dtype": self.dtype}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


for _name in "to type float double half bfloat16 char short int long cpu cuda".split():
    setattr(UninitializedTensorMixin, _name, _converted(_name))


def _rebuild_uninitialized(cls: Any, facts: dict) -> Any:
    return cls(**facts)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is not known yet; `materialize(shape)` makes it a Parameter."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return object.__new__(cls)._set_up(requires_grad, device, dtype)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose shape is not known yet; `materialize(shape)` makes it a plain tensor."""

    cls_to_become = Tensor
    persistent: bool
    _is_buffer = True
    __torch_function__ = _disabled_torch_function_impl  # a class that answers calls makes every composite op ask

    def __new__(cls, requires_grad: bool = False, device: Any = None, dtype: Any = None,
                persistent: bool = True) -> Any:
        made = object.__new__(cls)._set_up(requires_grad, device, dtype)
        made.persistent = persistent
        return made

    def _facts(self) -> dict:
        return {**super()._facts(), "persistent": self.persistent}


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(param, UninitializedTensorMixin)
