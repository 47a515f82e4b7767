"""Sizes given as one number or as a tuple with one number for each dimension."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def repeated(value: Any, n: int) -> tuple:
    """(value,) * n for a number; a tuple of the values for an iterable."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * n


def in_reverse_twice(sizes: Iterable[int]) -> list[int]:
    """(a, b) -> [b, b, a, a]: paddings in the order that `pad` takes them, last dimension first."""
    return [size for size in reversed(tuple(sizes)) for _ in range(2)]
