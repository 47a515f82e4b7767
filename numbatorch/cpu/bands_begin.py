"""Products of what elementwise formulas give (begin.py): a unit reads some rows of the left side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..expr import kinds
from ..layout import Layout, broadcast_strides
from . import bands, begin
from .memory import address
from .threads import get_num_threads

COLUMNS = 512  # of a product, of which more take so long that its left side does not matter (1024: 1.01 to 1.03)
LEAST_BYTES = 8 << 20  # of a left side: 2 to 4 MB are as fast (0.99 to 1.03)


def taken(step: Any) -> dict[str, int] | None:
    """{name: number} of the plan of a product whose left side is one block of rows; None for other steps."""
    numbers = bands.product(step)
    if numbers is None or numbers["n"] > COLUMNS:
        return None
    size = {"float32": 4, "float64": 8}[step.kernel.__self__.signature[0].rstrip("*")]
    whole = numbers["a_step"] == size and numbers["a_row"] == numbers["k"] * size
    return numbers if whole else None


def when(numbers: dict[str, int], request: kinds.Elementwise) -> bool:
    """Whether a formula gives the left side of a product, row by row, and is worth evaluating with it.

    One core, CPU time, with what gelu, relu, a bias or a residual give: 1.05 to 1.3 times as fast with 32 to 256
    columns, 1.02 to 1.05 with 512.
    """
    out = request.outputs[0]
    if len(request.outputs) != 1 or out.nbytes < LEAST_BYTES or not out.is_contiguous or (
            out.shape != request.shape or out.numel != numbers["m"] * numbers["k"]):
        return False
    return None not in [_strides(o.layout, request.shape, numbers["k"]) for o in request.operands
                        if isinstance(o.layout, Layout)]


def _strides(own: Layout, shape: tuple[int, ...], length: int) -> tuple[int, int, int] | None:
    """0 and the steps in elements from row to row of so many elements, and from one to the next; None for others."""
    if own.numel == 1:
        return 0, 0, 0
    if own.is_contiguous and own.shape == shape:
        return 0, length, 1
    *lead, inner = broadcast_strides(own.shape, own.strides, shape)
    if shape[-1] != length or inner not in (0, 1):
        return None
    sizes = [(n, s) for n, s in zip(shape, lead, strict=False) if n > 1]
    if any(s != sizes[d + 1][1] * sizes[d + 1][0] for d, (_, s) in enumerate(sizes[:-1])):
        return None
    return 0, sizes[-1][1] if sizes else 0, inner


def plan(numbers: dict[str, int], step: Any, request: kinds.Elementwise, after: Any, keep: Any) -> kinds.Launch | None:
    """The Launch of a request and, on what it gives, a product: (its pointers but the left side's, those of the
    request's operands, ...); None where parts of the left side are too large or too few."""
    m, k, down, across = (numbers[name] for name in ("m", "k", "unit_rows", "units_across"))

    def read(unit: int) -> list[tuple[int, begin.Part]]:
        row = unit // across * down
        return [(0, (row, min(row + down, m), 0, k))]
    tensors = [o.layout for o in request.operands if isinstance(o.layout, Layout)]
    steps = [_strides(own, request.shape, k) or (0, 0, 0) for own in tensors]
    found = begin.chunks(step.units, read, m, 0)  # a chunk is a row of units
    threads = get_num_threads()
    if -(-len(found) // threads) * threads > begin.EVEN * len(found):
        return None
    begun = begin.Begun(step.kernel, step.meta, 0, request, steps, (0, k), found)
    if not begun.fits:
        return None
    return kinds.Launch(_product(begun), begun.meta, begun.units, max(1, step.grain // across), (begun, keep))


def _product(begun: begin.Begun) -> Callable[..., None]:
    def run(*given: Any) -> None:
        block = begun.buffers()
        begun.kernel(address(block), *given)
    return run


__all__ = ["plan", "taken", "when"]
