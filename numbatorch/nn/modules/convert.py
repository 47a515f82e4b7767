"""Moving and converting a module's tensors: to, float, cpu, ..., and functions applied to all parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numbatorch
from numbatorch.tensor_moves import parse_to


class Convertible:
    """What applies a function to every tensor or every module of a tree."""

    _parameters: dict
    _buffers: dict
    children: Callable

    def apply(self, fn: Callable) -> Any:
        """Call fn(module) for all modules below, then for this one; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable, recurse: bool = True) -> Any:
        """Replace the memory of all parameters, their gradients and buffers by that of fn(tensor)."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            grad = parameter.grad
            with numbatorch.no_grad():
                parameter.data = fn(parameter)
                if grad is not None:
                    grad.data = fn(grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move and convert parameters and buffers in place: to(device), to(dtype), to(device, dtype), to(tensor).

        Only floating point and complex tensors change their dtype. TypeError for an integer dtype.
        """
        if "tensor" in kwargs:
            kwargs["other"] = kwargs.pop("tensor")
        dtype, device, _ = parse_to(*args, **kwargs)
        non_blocking = bool(kwargs.get("non_blocking") or any(a is True for a in args))
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError("nn.Module.to only accepts floating point or complex dtypes, but got desired "
                            f"dtype={dtype}")

        def convert(tensor: Any) -> Any:
            if tensor.is_meta and device is not None and device.type != "meta":
                raise NotImplementedError("Cannot copy out of meta tensor; no data! Please use torch.nn.Module."
                                          "to_empty() instead of torch.nn.Module.to() when moving module from meta to "
                                          "a different device.")
            changes = dtype is not None and (tensor.is_floating_point() or tensor.is_complex())
            if device is None:
                return tensor.to(dtype) if changes else tensor
            return tensor.to(device, dtype if changes else None, non_blocking)
        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Move to a device without the values: the memory there is not initialised."""
        return self._apply(lambda tensor: numbatorch.empty_like(tensor, device=device), recurse)

    def type(self, dst_type: Any) -> Any:
        """Convert all parameters and buffers, integers included."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def float(self) -> Any:
        """Convert floating point parameters and buffers to float32."""
        return self._apply(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    def double(self) -> Any:
        """Convert floating point parameters and buffers to float64."""
        return self._apply(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    def half(self) -> Any:
        """Convert floating point parameters and buffers to float16."""
        return self._apply(lambda tensor: tensor.half() if tensor.is_floating_point() else tensor)

    def bfloat16(self) -> Any:
        """Convert floating point parameters and buffers to bfloat16."""
        return self._apply(lambda tensor: tensor.bfloat16() if tensor.is_floating_point() else tensor)

    def cpu(self) -> Any:
        """Move parameters and buffers to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: Any = None) -> Any:
        """Move parameters and buffers to a GPU."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def share_memory(self) -> Any:
        """Move parameters and buffers to memory that processes share."""
        return self._apply(lambda tensor: tensor.share_memory_())
