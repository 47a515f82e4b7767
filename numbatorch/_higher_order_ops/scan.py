"""A loop that carries a value along a dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numbatorch import stack
from numbatorch.utils import _pytree as pytree


def scan(combine_fn: Callable, init: Any, xs: Any, *, dim: int = 0, reverse: bool = False) -> tuple:
    """(carry, ys): carry, y = combine_fn(carry, x) for each item of `xs` along `dim`, from the last when `reverse`.

    init, xs and what combine_fn returns: tensors in lists, tuples and dicts. ys: the y of each item, stacked along
    `dim`. ValueError for xs without items.
    """
    leaves, structure = pytree.tree_flatten(xs)
    if not leaves or not leaves[0].shape[dim]:
        raise ValueError(f"scan: xs has no items along dim {dim}: there is nothing to tell the shapes of results by")
    carry, found, made = init, [], None
    count = leaves[0].shape[dim]
    for k in range(count - 1, -1, -1) if reverse else range(count):
        carry, y = combine_fn(carry, pytree.tree_unflatten([x.select(dim, k) for x in leaves], structure))
        flat, made = pytree.tree_flatten(y)
        found.append(flat)
    rows = found[::-1] if reverse else found
    return carry, pytree.tree_unflatten([stack(list(items), dim) for items in zip(*rows, strict=True)], made)
