"""Running combinations along a dimension, in a number of steps that grows with the logarithm of its size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numbatorch import Tensor, cat, vmap
from numbatorch.utils import _pytree as pytree


def associative_scan(combine_fn: Callable, xs: Any, dim: int, reverse: bool = False,
                     combine_mode: str = "pointwise") -> Any:
    """Result i along `dim`: the items 0..i (i..the last when `reverse`) of `xs` combined by an associative function.

    xs: a tensor, or tensors of one size along `dim` in lists, tuples and dicts; combine_fn(earlier, later) takes and
    returns the like. "pointwise": it works element by element, on many items at once; "generic": it sees one item, with
    `dim` taken away. Doubling after Hillis & Steele 1986, "Data parallel algorithms": each of log2(n) steps combines
    items that lie 1, 2, 4, ... apart. ValueError where xs does not fit, or what combine_fn returns.
    """
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(f"associative_scan: Combine_mode must be either 'pointwise' or 'generic', got "
                         f"{combine_mode!r}")
    leaves, structure = pytree.tree_flatten(xs)
    if not leaves or not all(isinstance(x, Tensor) for x in leaves):
        raise ValueError("associative_scan: xs has to be one or more tensors, in lists, tuples and dicts")
    if len({x.shape[dim] for x in leaves}) > 1:
        raise ValueError(f"associative_scan: all tensors of xs must have one size along dim {dim}, got "
                         f"{[tuple(x.shape) for x in leaves]}")
    rows = [x.movedim(dim, 0) for x in leaves]
    rows = [x.flip(0) for x in rows] if reverse else rows
    act = vmap(combine_fn) if combine_mode == "generic" else combine_fn
    step, count = 1, rows[0].shape[0]
    while step < count:
        earlier, later = ([x[:-step] for x in rows], [x[step:] for x in rows])
        combined, made = pytree.tree_flatten(act(pytree.tree_unflatten(earlier, structure),
                                                 pytree.tree_unflatten(later, structure)))
        if made != structure or any(c.shape != x.shape for c, x in zip(combined, later, strict=True)):
            raise ValueError("associative_scan: combine_fn must return what it takes: "
                             f"{[tuple(x.shape) for x in later]}, got {[tuple(c.shape) for c in combined]}")
        rows = [cat([x[:step], c]) for x, c in zip(rows, combined, strict=True)]
        step *= 2
    rows = [x.flip(0) for x in rows] if reverse else rows
    return pytree.tree_unflatten([x.movedim(0, dim) for x in rows], structure)
