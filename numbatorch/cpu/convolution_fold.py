"""The input gradient of convolutions from few channels: weights' @ grad_output, then the sum of what meets an input.

Tiles whose rows are channels would be nearly empty; here their rows are the taps of all channels. Products are made and
folded in chunks that a cache holds, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil, prod

from numbatorch.cpu.convolution_fold_kernels import META, ROW_BYTES, write_fold
from numbatorch.cpu.convolution_geometry import Geometry, Launch, grain
from numbatorch.cpu.gemm import balanced, gemm
from numbatorch.cpu.microkernel import host_target

FEW_CHANNELS = 4
ENOUGH_OUTPUTS = 16  # of each element of a product, and 8 a channel: fewer do not repay its way through memory
CHUNK_BYTES = 2 << 20  # of products, unless a line or an image needs more
MOST_BYTES = 64 << 20
FOLD_FLOPS = 16.0  # what adding an element of a product costs, in flops of a tile


@cache
def _kernel(dtype: str) -> Callable[..., None]:
    from numbatorch.cpu.compile import compile_ir

    name = f"convolution_fold_{dtype}"
    return compile_ir(name, write_fold(name, host_target(dtype)), (f"{dtype}*",) * 2 + ("int64*",))


class FoldPlan:
    """gx (N, C, *size), which holds zeros, += from gy (N, O, *result) and w (O, C, *kernel); see `fold_plan`."""

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        size, rows, columns = host_target(g.dtype).bytes, g.c * g.taps, g.result[2]
        lines, line_bytes = g.result[0] * g.result[1], rows * columns * size
        images = balanced(g.n, max(1, CHUNK_BYTES // (lines * line_bytes)))
        at_once = lines if images > 1 else balanced(lines, max(1, CHUNK_BYTES // line_bytes))
        self.nbytes = images * at_once * line_bytes
        self.steps = g.o * lines * columns * size, g.c * prod(g.size) * size
        self.chunks: list[tuple] = []
        launches: dict[tuple[int, int, int], tuple] = {}
        for image in range(0, g.n, images):
            for line in range(0, lines, at_once):
                key = min(images, g.n - image), line, min(at_once, lines - line)
                if key not in launches:
                    launches[key] = self._product(*key), self._fold(*key)
                begin = image * self.steps[0] + line * columns * size
                self.chunks.append((begin, image * self.steps[1], *launches[key]))

    def _product(self, images: int, line: int, lines: int) -> tuple:
        """w' (C * taps, O) @ some lines of gy (O, positions)."""
        g, width = self.geometry, lines * self.geometry.result[2]
        rows, area = g.c * g.taps, prod(g.result)
        return gemm(g.dtype).plan(rows, width, g.o, rows, area, width, True, False, images, 0, g.o * area, rows * width)

    def _fold(self, images: int, line: int, lines: int) -> Launch:
        """The kernel (products, gx) for `lines` of the results from `line` on."""
        g, size = self.geometry, host_target(self.geometry.dtype).bytes
        (depth, height, width), (_, result_rows, columns), (deep, down, across) = g.size, g.result, g.kernel
        phases, apart = g.stride[2], lines * columns * size  # of two taps
        per_phase = ceil(width / phases)
        block = balanced(per_phase, ROW_BYTES // (phases * size))
        table: list[int] = []
        for tap in range(across):
            first, phase = divmod(tap * g.dilation[2] - g.padding[2], phases)
            table += [phase, first, tap * apart]
        met: dict[int, list[int]] = {}
        for result in range(line, line + lines):
            level, row = divmod(result, result_rows)
            for i in range(deep):
                plane = level * g.stride[0] + i * g.dilation[0] - g.padding[0]
                for j in range(down if 0 <= plane < depth else 0):
                    at = row * g.stride[1] + j * g.dilation[1] - g.padding[1]
                    if 0 <= at < height:
                        place = (i * down + j) * across * apart + (result - line) * columns * size
                        met.setdefault(plane * height + at, []).append(place)
        pairs: list[int] = []
        for at, places in sorted(met.items()):
            table += [at * width * size, len(pairs), len(places)]
            pairs += places
        meta = dict(
            channels=g.c,
            rows=len(met),
            width=width,
            blocks=ceil(per_phase / block),
            block=block,
            phases=phases,
            columns=columns,
            product_image=g.c * g.taps * apart,
            product_channel=g.taps * apart,
            x_image=g.c * depth * height * width * size,
            x_channel=depth * height * width * size,
            taps=across,
        )
        units = images * g.c * len(met) * meta["blocks"]
        flops = FOLD_FLOPS * images * g.c * len(pairs) * across * columns
        return Launch(_kernel(g.dtype), [meta[name] for name in META] + table + pairs, units, grain(units, flops))

    def run(self, gy_ptr: int, w_ptr: int, gx_ptr: int) -> None:
        from numbatorch.cpu.memory import address, allocate

        workspace = allocate(self.nbytes)
        base = address(workspace)
        for begin, place, (kernel, meta, units, claimed), fold in self.chunks:
            kernel(w_ptr, gy_ptr + begin, base, meta.ctypes.data, units, claimed)
            fold.run(base, gx_ptr + place)


def fold_plan(g: Geometry) -> FoldPlan | None:
    """The plan for few channels and many outputs; None where another is faster."""
    if g.groups > 1 or not 0 < g.c <= FEW_CHANNELS or g.o < max(ENOUGH_OUTPUTS, 8 * g.c) or g.taps == 1 or not g.n:
        return None
    if 0 in g.size or 0 in g.result or g.stride[2] * host_target(g.dtype).vector_bytes > ROW_BYTES:
        return None
    line_bytes = g.c * g.taps * g.result[2] * host_target(g.dtype).bytes
    return FoldPlan(g) if line_bytes <= MOST_BYTES else None
