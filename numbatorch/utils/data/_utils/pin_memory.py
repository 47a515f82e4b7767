"""Batches in memory that an accelerator reads directly."""

from __future__ import annotations

import collections.abc
import copy
from typing import Any

import numbatorch


def pin_memory(data: Any, device: Any = None) -> Any:
    """`data` with every tensor pinned: in mappings, sequences and named tuples, and what has a `pin_memory` method.

    Plain tuples become lists, as a batch of a collation is one. What is none of these is returned as it is.
    """
    if isinstance(data, numbatorch.Tensor):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, collections.abc.Mapping):
        found = {key: pin_memory(value) for key, value in data.items()}
        return _like(data, found, lambda other: other.update(found))
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(value) for value in data))
    if isinstance(data, tuple):
        return [pin_memory(value) for value in data]
    if isinstance(data, collections.abc.Sequence):
        items = [pin_memory(value) for value in data]

        def fill(other: Any) -> None:
            for place, value in enumerate(items):
                other[place] = value
        return _like(data, items, fill)
    return data.pin_memory() if hasattr(data, "pin_memory") else data


def _like(data: Any, plain: Any, fill: Any) -> Any:
    """The plain container as one of the type of `data`: by its type, else a copy that `fill` changes, else plain."""
    if type(data) is type(plain):
        return plain
    try:
        if isinstance(data, (collections.abc.MutableMapping, collections.abc.MutableSequence)):
            other = copy.copy(data)
            fill(other)
            return other
        return type(data)(plain)
    except TypeError:  # its constructor wants something else
        return plain
