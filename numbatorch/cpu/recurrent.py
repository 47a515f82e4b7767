"""Template of recurrent layers of float32 and float64 in one direction: all steps in one launch, forward and backward.

Sequences are packed as in ops/recurrent_layer.py. `states` (N + R, H) holds the state before every step and after it:
the start stands before the first step, which for a reversed layer is the end of the memory. Results do not depend on
the number of threads: a unit sums whole products in a fixed order.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import accumulate
from math import ceil

from ..expr.kinds import Launch
from . import machine, recurrent_kernels as kernels, threads, tiles
from .gemm import K_BLOCK, balanced, gemm
from .geometry import block
from .memory import address, allocate
from .microkernel import ADDED, PLAIN, host_target, wide_target

WIDE_VECTORS = 4  # of few sequences: 1x64x256 in 0.6 ms on two cores; 0.85 with 6, which give one of them twice as much
TILES = 4  # of rows in a unit: the panels of weights are read once for all of them
SMALL = 4e5  # operations of a step that are not worth a second thread: some 4 us


def _target(dtype, wide):
    """Of few sequences: narrower than other wide targets, so that walkers have as many columns each."""
    target = host_target(dtype)
    return replace(wide_target(target), vectors=WIDE_VECTORS) if wide else target


@cache
def _walk(kind, dtype, wide, backward):
    """The kernel that walks the steps."""
    from .compile import compile_ir
    target = _target(dtype, wide)
    name = f"{kind}_{'backward' if backward else 'forward'}_{'wide_' if wide else ''}walk_{dtype}"
    write = kernels.write_backward if backward else kernels.write_forward
    kernel = compile_ir(name, write(name, kind, target), (*(f"{dtype}*",) * (12 if backward else 10), "int64*"))
    kernel.__self__.needs_gil = True
    return kernel


@cache
def _packing(dtype, wide, backward):
    from .compile import compile_ir
    target = _target(dtype, wide)
    name = f"recurrent_{'backward' if backward else 'forward'}_{'wide_' if wide else ''}packing_{dtype}"
    return compile_ir(name, kernels.write_packing(name, target, backward), (f"{dtype}*", f"{dtype}*", "int64*"))


@cache
def _formulas(kind, dtype, backward, with_memory):
    """The address of the compiled formulas, and what keeps them."""
    from .compile import compile_kernel
    kernel = compile_kernel(*kernels.formulas(kind, dtype, backward, with_memory), independent=True)
    return kernel.__self__.address, kernel


def _table(sizes, reverse):
    """Rows of each step in processing order, as STEP says; a step of no rows ends it."""
    batch, lines = sizes[0], []
    starts = [0, *accumulate(sizes[:-1])]
    if reverse:  # all sizes are equal: states end with the start
        for row in reversed(starts):
            lines.append((batch, row, row + batch, row))
    else:
        before = 0
        for size, row in zip(sizes, starts, strict=True):
            lines.append((size, row, before, row + batch))
            before = row + batch
    return [*lines, (0, 0, 0, 0)]


class _Walk:
    """What forward and backward share: sizes, the packed weights and the parameter block."""

    def __init__(self, request, backward, with_memory=False):
        options = request.options
        self.kind, self.dtype, hidden, sizes = options["kind"], options["dtype"], options["hidden"], options["sizes"]
        batch, self.hidden, self.rows = sizes[0], hidden, sum(sizes)
        gates = kernels.GATES[self.kind]
        wide = batch <= wide_target(host_target(self.dtype)).rows
        target = _target(self.dtype, wide)
        blocks = ceil(hidden / target.panel)
        row_block = balanced(batch, TILES * target.rows)
        alone = 2.0 * batch * hidden * hidden * gates <= SMALL
        self.code, self.keep = _formulas(self.kind, self.dtype, backward, with_memory)
        depth = hidden * gates if backward else hidden
        runs = {rows for size in set(sizes) for rows in (min(size, row_block), size % row_block)}
        height = balanced(row_block, target.rows)
        found = tiles.address(target, runs, height, tiles.panels(hidden, target.panel), PLAIN if backward else ADDED)
        values = [threads.region_address(), threads.await_address(), threads.limit_address(), self.code, found,
                  machine.python_api("PyEval_SaveThread"), machine.python_api("PyEval_RestoreThread"), len(sizes),
                  hidden, options["pitch"], blocks, row_block, balanced(depth, K_BLOCK), height, int(alone),
                  self.rows if options["reverse"] else 0]
        self.meta, self.at_meta = block(values, *_table(sizes, options["reverse"]))
        self.run = _walk(self.kind, self.dtype, wide, backward)
        self.pack, self.pack_units = _packing(self.dtype, wide, backward), gates * blocks
        self.pack_meta, self.at_pack_meta = block(gates, hidden, blocks)
        self.pack_grain = max(1, int(65536 // max(1, hidden * target.panel)))
        self.packed_bytes = gates * blocks * hidden * target.panel * target.bytes
        self.state_bytes = batch * hidden * target.bytes
        self.board_bytes = kernels.LINE * len(sizes)

    def packed(self, weight):
        """The weights in panels; keep what this returns until the walk is over."""
        workspace = allocate(max(64, self.packed_bytes))
        self.pack(weight, address(workspace), self.at_pack_meta, self.pack_units, self.pack_grain)
        return workspace


def forward(request):
    """data, w_ih, w_hh, hidden, bias or None, extra or None -> output, gates, states, memory (LSTM) or own contribution
    to the candidate (GRU)."""
    walk = _Walk(request, False)
    kind, run, meta = walk.kind, walk.run, walk.at_meta
    features, columns = request.inputs[1].shape[1], request.inputs[1].shape[0]
    with_bias = request.inputs[4] is not None
    product, sizes, units, grain = gemm(walk.dtype).plan(walk.rows, columns, features, features, features,
                                                         request.options["pitch"], trans_b=True, bias=with_bias)
    at_sizes = sizes.ctypes.data

    def kernel(data, w_ih, weight, hidden, bias, extra, output, gates, states, beside, *_):
        if with_bias:
            product(data, w_ih, bias, gates, at_sizes, units, grain)
        else:
            product(data, w_ih, gates, at_sizes, units, grain)
        workspace, board = walk.packed(weight), allocate(walk.board_bytes)
        packed, lines = address(workspace), address(board)
        if kind == "lstm":
            run(gates, packed, states, beside, 0, 0, output, hidden, extra, lines, meta, 1, 1)
        else:
            run(gates, packed, states, 0, beside, extra, output, hidden, 0, lines, meta, 1, 1)
    return Launch(kernel, 0, 1, 1, (walk, sizes))


def backward(request):
    """grad, gates, states, weight, extra or None, grad_memory or None -> grads, direct, downs; see the kernels."""
    walk = _Walk(request, True, request.options["with_memory"])
    kind, run, count, meta = walk.kind, walk.run, walk.state_bytes, walk.at_meta

    def kernel(grad, gates, states, weight, extra, grad_memory, grads, direct, downs, *_):
        workspace, carried, board = walk.packed(weight), allocate(max(64, count)), allocate(walk.board_bytes)
        memory, own = (extra, 0) if kind == "lstm" else (0, extra)
        run(address(workspace), gates, states, memory, own, grad, grad_memory, address(carried),
            direct if kind in ("lstm", "gru") else 0, grads, downs, address(board), meta, 1, 1)
    return Launch(kernel, 0, 1, 1, walk)
