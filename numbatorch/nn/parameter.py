"""Parameter and Buffer: the tensors a module owns."""

from __future__ import annotations

from typing import Any

from numbatorch import Tensor, empty


class Parameter(Tensor):
    """A tensor that a module registers as its parameter when it is assigned as an attribute.

    Shares memory with `data`. RuntimeError when `requires_grad` is asked of an integer tensor; TypeError where
    `data` is no tensor.
    """

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

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:  # type: ignore[misc]
        if data is None:
            data = empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent, buffer._is_buffer = persistent, True
        return buffer
