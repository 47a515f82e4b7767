"""Cutting the tensors of a nested structure into parts for devices, and joining what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numbatorch
from numbatorch import Tensor


def as_device(given: Any) -> Any:
    """A device from a device, its name or the number of a GPU; -1 is the CPU."""
    if isinstance(given, int):
        return numbatorch.device("cpu") if given < 0 else numbatorch.device("cuda", given)
    return numbatorch.device(given)


def _is_named(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """Cut each tensor into one part for each device along `dim`; other values go to all devices.

    Lists, tuples and dicts are gone through: the result has one structure for each device.
    """
    devices = [as_device(device) for device in target_gpus]

    def parts(value: Any) -> list:
        if isinstance(value, Tensor):
            return [part.to(device) for part, device in zip(value.chunk(len(devices), dim), devices, strict=False)]
        if isinstance(value, (list, tuple)) and value:
            columns = zip(*map(parts, value), strict=False)
            if _is_named(value):
                return [type(value)(*column) for column in columns]
            return [type(value)(column) for column in columns]
        if isinstance(value, dict) and value:
            return [type(value)(items) for items in zip(*map(parts, value.items()), strict=False)]
        return [value for _ in devices]
    return parts(inputs)


def scatter_kwargs(inputs: tuple, kwargs: dict | None, target_gpus: Sequence[Any],
                   dim: int = 0) -> tuple[tuple[tuple, ...], tuple[dict, ...]]:
    """Positional and named arguments for each device; where one has fewer parts it is empty for the others."""
    scattered = scatter(inputs, target_gpus, dim) if inputs else []
    named = scatter(kwargs, target_gpus, dim) if kwargs else []
    count = max(len(scattered), len(named))
    scattered += [()] * (count - len(scattered))
    named += [{} for _ in range(count - len(named))]
    return tuple(scattered), tuple(named)


def gather(outputs: Sequence[Any], target_device: Any, dim: int = 0) -> Any:
    """Join the results of several devices on one: tensors along `dim`, lists, tuples and dicts item by item.

    Results without dimensions become a vector. ValueError where dicts have different keys.
    """
    device = as_device(target_device)

    def join(values: Sequence[Any]) -> Any:
        first = values[0]
        if isinstance(first, Tensor):
            moved = [value.to(device) for value in values]
            return numbatorch.stack(moved) if first.dim() == 0 else numbatorch.cat(moved, dim)
        if first is None:
            return None
        if isinstance(first, dict):
            if any(value.keys() != first.keys() for value in values):
                raise ValueError("gather: all dicts must have the same keys, got "
                                 + " and ".join(str(list(value)) for value in values))
            return type(first)((key, join([value[key] for value in values])) for key in first)
        joined = map(join, zip(*values, strict=True))
        return type(first)(*joined) if _is_named(first) else type(first)(joined)
    return join(outputs)
