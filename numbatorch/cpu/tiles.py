"""Parts of product kernels as object code of their own: compiled when a plan first needs them, shared by all products.

A machine has some thirty tiles (rows x vectors) for each element type and variant, and a product of one shape meets
four of them at most. Kernels therefore find their tiles through a table of addresses, which plans fill.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np

from . import compile, machine
from .irwriter import Module
from .microkernel import PLAIN, SLOTS, Target, write_pack_transposed, write_tile

_lock = threading.RLock()
_routines: dict[str, machine.Loaded] = {}


@cache
def _table(target: Target, variant: str, row_numbers: bool) -> np.ndarray:
    """(target.vectors, SLOTS) addresses: of the tile of `rows` rows and `vectors` vectors at [vectors - 1, rows]."""
    return np.zeros((target.vectors, SLOTS), np.int64)


def address(
    target: Target, lengths: Iterable[int], height: int, widths: Iterable[int], variant: str = PLAIN,
    row_numbers: bool = False,
) -> int:
    """Address of a table that has the tiles for runs of `lengths` rows cut into tiles of `height`.

    widths: the columns that panels may have; each is rounded up to whole vectors.
    """
    found = _table(target, variant, row_numbers)
    heights = {rows for length in lengths for rows in (min(height, length), length % height) if rows}
    vectors = {target.vectors if target.wide else -(-width // target.lanes) for width in widths if width}
    for rows in heights:
        for count in vectors:
            if not found[count - 1, rows]:
                found[count - 1, rows] = _load(target, rows, count, variant, row_numbers)
    return found.ctypes.data


def panels(total: int, panel: int) -> tuple[int, int]:
    """The widths of the panels that `total` columns are cut into: that of the whole ones, and the last one's."""
    return min(total, panel), total % panel


def _load(target: Target, rows: int, vectors: int, variant: str, row_numbers: bool) -> int:
    kind = f"{variant}{'_wide' * target.wide}{'_numbers' * row_numbers}"
    name = f"tile_{target.label}_{rows}x{vectors}_{kind}"
    return routine(name, lambda module: write_tile(module, name, target, rows, vectors, variant, row_numbers))


def transpose(target: Target) -> int:
    """Address of `write_pack_transposed`."""
    name = f"pack_transposed_{target.label}"
    return routine(name, lambda module: write_pack_transposed(module, name, target))


def routine(name: str, write: Callable[[Module], None]) -> int:
    """Address of the function `name` that `write` writes into a module; written and compiled once."""
    with _lock:
        if name not in _routines:
            module = Module()
            write(module)
            module.functions[name].export()
            code, _ = compile.compile_object(name, module.text(), (name,))
            _routines[name] = machine.Loaded(code, (name,), {}).keep_for_ever()
        return _routines[name].addresses[name]
