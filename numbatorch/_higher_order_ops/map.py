"""A function of each item along dimension 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numbatorch import stack
from numbatorch.utils import _pytree as pytree


def map(f: Callable, xs: Any, *args: Any) -> Any:
    """f(x, *args) for each item x of `xs` along dimension 0, stacked. ValueError for xs without items."""
    leaves, structure = pytree.tree_flatten(xs)
    if not leaves or not leaves[0].shape[0]:
        raise ValueError("map: xs has no items along dimension 0")
    found, made = [], None
    for items in zip(*leaves, strict=True):
        flat, made = pytree.tree_flatten(f(pytree.tree_unflatten(list(items), structure), *args))
        found.append(flat)
    return pytree.tree_unflatten([stack(list(row)) for row in zip(*found, strict=True)], made)
