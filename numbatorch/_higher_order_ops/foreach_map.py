"""A function of each item of lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def foreach_map(op: Callable, *operands: Any, **kwargs: Any) -> list:
    """[op(a, b, ..., **kwargs)] for items of the operands that are lists, side by side; others go to each call."""
    sizes = {len(o) for o in operands if isinstance(o, (list, tuple))}
    if len(sizes) != 1:
        raise ValueError(f"foreach_map: expected lists of one length among the operands, got lengths {sorted(sizes)}")
    each = [o if isinstance(o, (list, tuple)) else [o] * sizes.copy().pop() for o in operands]
    return [op(*items, **kwargs) for items in zip(*each, strict=True)]
