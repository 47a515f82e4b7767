"""Helpers that programs written for PyTorch import from here: sizes for each dimension, prefixes of state dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .sizes import in_reverse_twice, repeated

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple]:
    def parse(x: Any) -> tuple:
        return repeated(x, n)
    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: tuple, n: int) -> tuple:
    if n == 2:
        return tuple(in_reverse_twice(t))
    return tuple(value for value in reversed(t) for _ in range(n))


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take a prefix such as "module." off the keys of a state dict, and off those of its metadata, in place."""
    for key in [key for key in state_dict if key.startswith(prefix)]:
        state_dict[key[len(prefix):]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is None:
        return
    for key in list(metadata):
        # "module" is the entry of the wrapper's only child, "module.layer" that of a part of it.
        if key == prefix.rstrip(".") or key.startswith(prefix):
            metadata[key[len(prefix):]] = metadata.pop(key)
