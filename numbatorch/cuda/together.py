"""Template of formulas over lists of tensors: one launch for all of them, as for the step of an optimizer.

A table in the device's memory has a row for each set of operands, their addresses and how many elements they have, and
then one entry a block: which row, and which piece of it. It is kept by its contents, as the memory of parameters, their
state and mostly their gradients stays where it is from step to step.
"""

import numpy as np

from ..expr import tree, write
from ..expr.tree import arg
from ..layout import Layout
from . import backend, pinned, runtime
from .compile import compile_kernel
from .elementwise import NUMBER

BLOCK = 256
PIECE = 4096  # elements that a block does: 16 a thread
KEPT = 64  # tables of a formula


def plan(request):
    """f(rows, sizes, numbers) that evaluates an `Elementwise` request for several sets of dense operands.

    rows: a tuple of addresses for each set, operands, then outputs; sizes: their elements. Of the request's layouts
    only the dtypes count, and which of them are 0-d, as one value for all elements of a set.
    """
    name, text, signature, width = _write(request)
    index = request.outputs[0].device.index
    function = runtime.driver().function(index, compile_kernel(name, text, signature, BLOCK))
    tables: dict = {}
    device = backend.on(index)

    def run(rows, sizes, numbers):
        stream = runtime.stream(index)
        key = stream, tuple(rows), tuple(sizes)
        found = tables.get(key)
        if found is None:
            found = _table(device, rows, sizes, width, stream)
            if runtime.thread.recording is None:  # else it is only written when the graph is replayed
                if len(tables) >= KEPT:
                    tables.clear()
                tables[key] = found
        block, first, blocks = found
        if blocks:
            function.launch(blocks, (block.address, first, *numbers), stream)

    def prepare(rows, sizes):
        """f(numbers) for these sets, with a table of its own, which is on its way to the device."""
        block, first, blocks = _table(device, rows, sizes, width, runtime.stream(index))

        def start(numbers):
            if blocks:
                function.launch(blocks, (block.address, first, *numbers), runtime.stream(index))
        return start
    run.kernel, run.prepare = function.kernel, prepare
    return run


def _table(device, rows, sizes, width, stream):
    """(the table's memory, the place of its first block, how many blocks there are)."""
    pieces = [-(-size // PIECE) for size in sizes]
    values = np.empty(len(rows) * width + sum(pieces), np.int64)
    head = values[: len(rows) * width].reshape(len(rows), width)
    head[:, :-1], head[:, -1] = rows, sizes
    values[len(rows) * width:] = [row << 32 | piece for row, count in enumerate(pieces) for piece in range(count)]
    source, block = pinned.pool().allocate(values.nbytes), device.allocate(values.nbytes)
    np.frombuffer(source.view(values.nbytes), np.int64)[:] = values
    device.driver.upload(device.index, block.address, source.address, values.nbytes, stream)
    source.used_on((device.index, stream))
    if runtime.thread.recording is not None:
        runtime.thread.recording.keep(source)
    return block, len(rows) * width, sum(pieces)


def _write(request):
    """(name, text, signature, entries of a row of the table)."""
    tensors = [o for o in request.operands if isinstance(o.layout, Layout)]
    numbers = [o for o in request.operands if not isinstance(o.layout, Layout)]
    outputs = [f"out{k or ''}" for k in range(len(request.outputs))]
    width, pad, deep = len(tensors) + len(outputs) + 1, " " * 4, " " * 8
    stored = [(o.name, o.layout.dtype.name) for o in tensors]
    stored += [(name, o.dtype.name) for name, o in zip(outputs, request.outputs, strict=True)]
    lines = [f"{pad}entry = table[first + block_index()]", f"{pad}row = (entry >> 32) * {width}"]
    lines += [f"{pad}{name} = pointer_{write.storage(dtype)}(table[row + {k}])" for k, (name, dtype) in
              enumerate(stored)]
    lines += [f"{pad}start = (entry & int64(0xffffffff)) * {PIECE}",
              f"{pad}last = min(start + {PIECE}, table[row + {width - 1}])"]
    bound, used, keep = {}, set(tree.names(*request.roots)), [arg(o.name) for o in request.operands]
    for o in numbers:
        if o.name in used:
            lines.append(f"{pad}{o.name}_ = {write.convert(o.name, NUMBER[o.layout], o.dtype)}")
        bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
    lines += [f"{pad}i = start + thread_index()", f"{pad}while i < last:"]
    for o in tensors:
        if o.name in used:
            at = "i" if o.layout.shape else "0"  # a 0-d operand goes with all elements
            lines.append(f"{deep}{o.name}_ = {write.load(f'{o.name}[{at}]', o.layout.dtype.name, o.dtype)}")
        bound[id(arg(o.name))] = (f"{o.name}_", o.dtype)
    writer = write.Writer(request.compute, bound, deep)
    stores = []
    for root, out, layout in zip(request.roots, outputs, request.outputs, strict=True):
        text, type_ = writer.typed(root, None if root.op != "const" else write.compute_type(layout.dtype.name))
        stores.append(f"{deep}{out}[i] = {write.store(text, type_, layout.dtype.name)}")
    del keep
    dtypes = "_".join(dict.fromkeys(dtype for _, dtype in stored))
    single = "".join("s" if not o.layout.shape else "d" for o in tensors)
    name = f"{request.name}_{request.compute}_together_{dtypes}{f'_{single}' if 's' in single else ''}"
    head = f"def {name}({', '.join(['table', 'first', *(o.name for o in numbers)])}):"
    text = "\n".join([head, *lines, *writer.lines, *stores, f"{deep}i = i + {BLOCK}"]) + "\n"
    return name, text, ("int64*", "int64", *(NUMBER[o.layout] for o in numbers)), width
