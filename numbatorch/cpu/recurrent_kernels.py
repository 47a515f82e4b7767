"""Kernels of recurrent layers: the loop over time with its products as LLVM IR, the formulas of a step as Numba source.

One launch is one region of the pool, whose chunks are walkers over all steps. The units of a step are blocks of hidden
columns (and of sequences): a unit multiplies the state before by the weights of its columns, all gates of them, and
then applies the formulas to what it has just summed, so that a step has one barrier. Each walker has columns of its
own, whose weights stay in the cache of its core, and takes units of others when it is done with them, so that nobody
waits for a thread that comes late. Weights are packed into panels once a launch.
Packed weights: panel after panel of (depth, panel) elements; `target` says how wide a panel is.
"""

from __future__ import annotations

from numbatorch.cpu.irwriter import Function, Module, Value
from numbatorch.cpu.microkernel import Target, write_pack_rows, write_pack_transposed, write_rows

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}

# What the launch reads first; then comes the table of steps.
META = "region await limit formulas tiles save restore steps hidden pitch blocks row_block k_block height alone " \
       "start_row".split()
ADDRESSES = ("region", "await", "limit", "formulas", "tiles", "save", "restore")
WALKERS = 7  # at most
LINE = 64  # bytes of a step's line on the board: units done, and of each walker's own units those that are claimed
STEP = "rows gates_row before_row after_row".split()  # of each step, in the order of processing

# What a step tells its units: sizes as in META, addresses of the first rows.
FORWARD = "packed gates before after memory_before memory_after own output bias".split()
BACKWARD = "packed next_grads carry gates before after memory_before memory_after own grad grad_memory direct grads " \
           "downs".split()
READ = {"lstm": ("memory_before", "memory_after", "grad"), "gru": ("before", "own", "grad"),
        "rnn_tanh": ("after", "grad"), "rnn_relu": ("after", "grad")}  # by the formulas of backward
SIZES = "hidden pitch blocks row_block k_block height rows next_rows formulas tiles".split()


def _load_all(f: Function, pointer: Value, names: list[str], pointers: tuple[str, ...] = ()) -> dict[str, Value]:
    return {name: f.load("ptr" if name in pointers else "i64", f.offset(pointer, 8 * i), 8)
            for i, name in enumerate(names)}


def _product(f: Function, target: Target, p: dict[str, Value], a: Value, a_row: Value, depth: Value, b: Value,
             c: Value, c_row: Value, first: Value, first_row: Value | int, rows: Value, width: Value) -> None:
    """c = first + a @ b for a packed panel b, in blocks of the depth; c and `first` may be the same."""
    size, panel_bytes = target.bytes, target.panel * target.bytes
    with f.loop(0, depth, p["k_block"]) as sums:
        start = sums.index.equals(0)
        addend, addend_row = f.select(start, first, c), f.select(start, first_row, c_row)
        here, panel = f.offset(a, sums.index * size), f.offset(b, sums.index * panel_bytes)
        count = f.minimum(p["k_block"], depth - sums.index)
        f.call("rows", [p["tiles"], here, a_row, size, panel, panel_bytes, c, c_row, addend, addend_row, count, width,
                        a_row * p["height"], rows, p["height"]])


def _place(f: Function, target: Target, p: dict[str, Value], index: Value) -> tuple[Value, Value, Value, Value]:
    """(first sequence, count of sequences, first column, count of columns) of a unit."""
    blocks = _row_blocks(p)
    row, column = (index % blocks) * p["row_block"], (index // blocks) * target.panel
    return (row, f.minimum(p["row_block"], p["rows"] - row), column,
            f.minimum(target.panel, p["hidden"] - column))


def _row_blocks(p: dict[str, Value]) -> Value:
    return (p["rows"] + (p["row_block"] - 1)) // p["row_block"]


def _apply(f: Function, p: dict[str, Value], pointers: list[Value], width: Value, rows: Value) -> None:
    """Call the compiled formulas for a block of sequences and columns."""
    f.call_at(p["formulas"], [*pointers, p["hidden"], p["pitch"], width, 0, rows])


def _fetch(f: Function, target: Target, rows: Value, places: list[tuple[Value, Value]]) -> None:
    """Ask for `rows` rows of a panel's width at each place: (pointer, bytes from row to row)."""
    with f.loop(0, rows) as loop:
        for pointer, row in places:
            for byte in range(0, target.panel * target.bytes, 64):
                f.prefetch(f.offset(f.offset(pointer, row * loop.index), byte))


def write_forward(name: str, kind: str, target: Target) -> str:
    """(gates, packed, states, memory, own, bias, output, hidden, start, board, meta).

    gates holds what the input contributes and becomes what they are after their functions. states and memory have the
    rows of the start and of every step, in the order of the table; own is what a GRU's state contributes to its
    candidate, with `bias`. output has the states after each step once more. hidden and start are copied to the start of
    states and, where it is not null, of memory.
    """
    module, gates = Module(), GATES[kind]
    size = target.bytes
    write_rows(module, "rows", target)
    f = module.function("unit", [("block", "ptr"), ("start", "i64"), ("stop", "i64")])
    block, start, stop = f.parameters
    p = _load_all(f, block, [*FORWARD, *SIZES], (*FORWARD, "formulas", "tiles"))
    state_row, gates_row, depth = p["hidden"] * size, p["pitch"] * size, p["hidden"]
    panel_bytes = depth * (target.panel * size)
    with f.loop(start, stop) as units:
        row, rows, column, width = _place(f, target, p, units.index)
        at, at_gates = row * state_row + column * size, row * gates_row + column * size
        a = f.offset(p["before"], row * state_row)
        for gate in range(gates):
            b = f.offset(p["packed"], (p["blocks"] * gate + column // target.panel) * panel_bytes)
            if kind == "gru" and gate == 2:
                c, c_row, first_row = f.offset(p["own"], at), state_row, f.value(0)
                first = f.select(f.is_null(p["bias"]), p["bias"], f.offset(p["bias"], column * size))
            else:
                c, c_row = f.offset(p["gates"], at_gates + state_row * gate), gates_row
                first, first_row = c, c_row
            _product(f, target, p, a, state_row, depth, b, c, c_row, first, first_row, rows, width)
        shifted = [f.offset(p[n], at) for n in ("before", "after", "memory_before", "memory_after", "own", "output")]
        _apply(f, p, [f.offset(p["gates"], at_gates), *shifted], width, rows)
    pointers = "gates packed states memory own bias output hidden_start memory_start board".split()

    def fill(f: Function, p: dict[str, Value], now: dict[str, Value]) -> dict[str, Value]:
        def at(name: str, row: Value, length: str = "hidden") -> Value:
            return f.offset(p[name], row * (p[length] * size))

        return {"packed": p["packed"], "bias": p["bias"], "gates": at("gates", now["gates_row"], "pitch"),
                "before": at("states", now["before_row"]), "after": at("states", now["after_row"]),
                "memory_before": at("memory", now["before_row"]), "memory_after": at("memory", now["after_row"]),
                "own": at("own", now["gates_row"]), "output": at("output", now["gates_row"])}

    def begin(f: Function, p: dict[str, Value]) -> None:
        place = p["start_row"] * (p["hidden"] * size)
        count = p["batch"] * (p["hidden"] * size)
        _copy(f, f.offset(p["states"], place), p["hidden_start"], count)
        with f.when(f.emit("i1", f"icmp ne ptr {p['memory_start'].text}, null")):
            _copy(f, f.offset(p["memory"], place), p["memory_start"], count)

    _write_walk(module, name, pointers, FORWARD, fill, begin, False)
    return module.text()


def write_backward(name: str, kind: str, target: Target) -> str:
    """(packed, gates, states, memory, own, grad, grad_memory, carry, direct, grads, downs, board, meta).

    The last step comes first. grads are the gradients of the sums of the gates by the input, downs those by the state
    where they differ (GRU); carry and, where it is not null, direct become zeros first: what a step passes down through
    the weights, and beside them.
    """
    module, gates = Module(), GATES[kind]
    size = target.bytes
    write_rows(module, "rows", target)
    f = module.function("unit", [("block", "ptr"), ("start", "i64"), ("stop", "i64")])
    block, start, stop = f.parameters
    p = _load_all(f, block, [*BACKWARD, *SIZES], (*BACKWARD, "formulas", "tiles"))
    state_row, gates_row, depth = p["hidden"] * size, p["pitch"] * size, p["hidden"] * gates
    with f.loop(start, stop) as units:
        row, rows, column, width = _place(f, target, p, units.index)
        at, at_gates = row * state_row + column * size, row * gates_row + column * size
        b = f.offset(p["packed"], column // target.panel * (depth * (target.panel * size)))
        # What the formulas read comes from afar by short pieces of rows: 32x64x256 of an LSTM, 6.67 to 6.33 ms.
        read = [(f.offset(p[n], at), state_row) for n in READ[kind]]
        if not kind.startswith("rnn"):
            read += [(f.offset(p["gates"], at_gates + state_row * gate), gates_row) for gate in range(gates)]
        _fetch(f, target, rows, read)
        going_on = f.minimum(rows, p["next_rows"] - row)
        _product(f, target, p, f.offset(p["next_grads"], row * gates_row), gates_row, depth, b,
                 f.offset(p["carry"], at), state_row, Value(f, "ptr", "null"), 0, going_on, width)
        wide = [f.offset(p[n], at_gates) for n in ("gates", "grads", "downs")]
        shifted = [f.offset(p[n], at) for n in BACKWARD[2:] if n not in ("gates", "grads", "downs")]
        _apply(f, p, [*wide, *shifted], width, rows)
    pointers = "packed gates states memory own grad grad_memory carry direct grads downs board".split()

    def fill(f: Function, p: dict[str, Value], now: dict[str, Value]) -> dict[str, Value]:
        def at(name: str, row: Value, length: str = "hidden") -> Value:
            return f.offset(p[name], row * (p[length] * size))

        passed = "downs" if kind == "gru" else "grads"
        return {"packed": p["packed"], "carry": p["carry"], "direct": p["direct"],
                "next_grads": at(passed, now["next_gates_row"], "pitch"),
                "gates": at("gates", now["gates_row"], "pitch"),
                "before": at("states", now["before_row"]), "after": at("states", now["after_row"]),
                "memory_before": at("memory", now["before_row"]), "memory_after": at("memory", now["after_row"]),
                "own": at("own", now["gates_row"]), "grad": at("grad", now["gates_row"]),
                "grad_memory": at("grad_memory", now["gates_row"]), "grads": at("grads", now["gates_row"], "pitch"),
                "downs": at("downs", now["gates_row"], "pitch")}

    def begin(f: Function, p: dict[str, Value]) -> None:
        count = p["batch"] * (p["hidden"] * size)
        _clear(f, p["carry"], count)
        with f.when(f.emit("i1", f"icmp ne ptr {p['direct'].text}, null")):
            _clear(f, p["direct"], count)

    _write_walk(module, name, pointers, BACKWARD, fill, begin, True)
    return module.text()


def _copy(f: Function, to: Value, source: Value, count: Value) -> None:
    f.module.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    f.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {to.text}, ptr {source.text}, i64 {count.text}, i1 false)")


def _clear(f: Function, at: Value, count: Value) -> None:
    f.module.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    f.line(f"call void @llvm.memset.p0.i64(ptr {at.text}, i8 0, i64 {count.text}, i1 false)")


def _write_walk(module, name, pointers, fields, fill, begin, backward):
    """The exported function: what `begin` does, a cleared board, and a region of walkers.

    For each step a walker writes down what its units must know, claims units, its own first, and waits until all are
    done. `board` has a line for each step.
    """
    f = module.function("walker", [("shared", "ptr"), ("start", "i64"), ("stop", "i64")])
    shared, first, last = f.parameters
    p = _load_all(f, shared, [*pointers, "meta", "walkers"], (*pointers, "meta"))
    p |= _load_all(f, p["meta"], META, ADDRESSES)
    block = f.stack(8 * (len(fields) + len(SIZES)))
    table = f.offset(p["meta"], 8 * len(META))
    with f.loop(first, last) as walkers, f.loop(0, p["steps"]) as steps:
        number = p["steps"] - 1 - steps.index if backward else steps.index
        line = f.offset(table, number * (8 * len(STEP)))
        now = _load_all(f, line, STEP)
        later = f.offset(line, 8 * len(STEP))  # the table ends with a step of no rows
        now |= {f"next_{label}": value for label, value in _load_all(f, later, STEP).items()}
        values = {**p, **fill(f, p, now), "rows": now["rows"], "next_rows": now["next_rows"]}
        for i, label in enumerate([*fields, *SIZES]):
            f.store(values[label], f.offset(block, 8 * i), 8)
        units, done = _row_blocks(values) * p["blocks"], f.offset(p["board"], steps.index * LINE)
        with f.loop(0, p["walkers"]) as turns:
            owner = (walkers.index + turns.index) % p["walkers"]
            low, high = units * owner // p["walkers"], units * (owner + 1) // p["walkers"]
            claims = f.offset(done, owner * 8 + 8)
            with f.loop(low, high):
                seen = f.emit("i64", f"load atomic i64, ptr {claims.text} monotonic, align 8")
                with f.when(low + seen < high):
                    own = low + f.emit("i64", f"atomicrmw add ptr {claims.text}, i64 1 monotonic")
                    with f.when(own < high):
                        f.call("unit", [block, own, own + 1])
                        f.line(f"{'%' + f.fresh()} = atomicrmw add ptr {done.text}, i64 1 acq_rel")
        f.call_at(p["await"], [done, units])

    f = module.function(name, [*((label, "ptr") for label in pointers), ("meta", "ptr"), ("start", "i64"),
                               ("stop", "i64")], internal=False)
    p = dict(zip([*pointers, "meta"], f.parameters, strict=False))
    shared = f.stack(8 * (len(pointers) + 2))
    for i, label in enumerate([*pointers, "meta"]):
        f.store(p[label], f.offset(shared, 8 * i), 8)
    p |= _load_all(f, p["meta"], META, ADDRESSES)
    p |= {"batch": f.load("i64", f.offset(p["meta"], 8 * len(META)), 8)}
    thread = f.emit("ptr", f"call ptr {p['save'].text}()")  # the lock of Python is given back for the whole walk
    begin(f, p)
    _clear(f, p["board"], p["steps"] * LINE)
    helpers = f.emit("i64", f"load atomic i64, ptr {p['limit'].text} monotonic, align 8")
    walkers = f.select(p["alone"].differs(0), 1, f.minimum(helpers + 1, WALKERS))
    f.store(walkers, f.offset(shared, 8 * (len(pointers) + 1)), 8)
    f.call_at(p["region"], [Value(f, "ptr", "@walker"), shared, walkers, f.value(1)])
    f.line(f"call void {p['restore'].text}(ptr {thread.text})")


def write_packing(name: str, target: Target, backward: bool) -> str:
    """(weight (gates * hidden, hidden), packed, (gates, hidden, blocks)): one unit per gate and block of columns.

    Forward panels are of weight.T, (hidden, panel) each, gate after gate; backward ones of weight, (gates * hidden,
    panel), of which a unit packs the rows of its gate.
    """
    module, size, panel_bytes = Module(), target.bytes, target.panel * target.bytes
    (write_pack_rows if backward else write_pack_transposed)(module, "pack", target)
    f = module.function(name, [("weight", "ptr noalias"), ("packed", "ptr noalias"), ("meta", "ptr noalias"),
                               ("start", "i64"), ("stop", "i64")], internal=False)
    weight, packed, meta, start, stop = f.parameters
    p = _load_all(f, meta, ["gates", "hidden", "blocks"])
    with f.loop(start, stop) as units:
        gate, column = units.index // p["blocks"], (units.index % p["blocks"]) * target.panel
        width = f.minimum(target.panel, p["hidden"] - column)
        row_bytes = p["hidden"] * size
        if backward:
            source = f.offset(weight, gate * p["hidden"] * row_bytes + column * size)
            there = f.offset(packed, ((units.index % p["blocks"]) * p["gates"] + gate) * (p["hidden"] * panel_bytes))
            f.call("pack", [source, row_bytes, there, p["hidden"], width])
        else:
            source = f.offset(weight, (gate * p["hidden"] + column) * row_bytes)
            there = f.offset(packed, units.index * (p["hidden"] * panel_bytes))
            for j in range(target.vectors):
                left = f.maximum(f.minimum(width - j * target.lanes, target.lanes), 0)
                with f.when(left > 0):
                    f.call("pack", [f.offset(source, row_bytes * (j * target.lanes)), row_bytes,
                                    f.offset(there, j * target.vector_bytes), panel_bytes, p["hidden"], left])
    return module.text()


# The formulas of a step, for all sequences and columns of a unit. ONE is 1 in the dtype; i, f, g, o and r, z, n are the
# gates. Backward, `grad` and `carry` reach the state after the step, `grad_memory` and `direct` the memory.

_FORWARD = "gates before after memory_before memory_after own output".split()
_BACKWARD = "gates grads downs carry before after memory_before memory_after own grad grad_memory direct".split()

_FORWARD_TEXT = {
    "lstm": """
i = sigmoid(gates[at])
f = sigmoid(gates[at + hidden])
g = tanh(gates[at + 2 * hidden])
o = sigmoid(gates[at + 3 * hidden])
c = f * memory_before[k] + i * g
gates[at] = i
gates[at + hidden] = f
gates[at + 2 * hidden] = g
gates[at + 3 * hidden] = o
memory_after[k] = c
h = o * tanh(c)
""",
    "gru": """
r = sigmoid(gates[at])
z = sigmoid(gates[at + hidden])
n = tanh(gates[at + 2 * hidden] + r * own[k])
gates[at] = r
gates[at + hidden] = z
gates[at + 2 * hidden] = n
h = n + z * (before[k] - n)
""",
    "rnn_tanh": "h = tanh(gates[at])\n",
    "rnn_relu": "v = gates[at]\nh = ZERO if v < ZERO else v\n",
}

_BACKWARD_TEXT = {
    "lstm": """
i = gates[at]
f = gates[at + hidden]
g = gates[at + 2 * hidden]
o = gates[at + 3 * hidden]
s = tanh(memory_after[k])
d = grad[k] + carry[k]
c = d * o * (ONE - s * s) + direct[k]
ADD_MEMORY
grads[at] = c * g * i * (ONE - i)
grads[at + hidden] = c * memory_before[k] * f * (ONE - f)
grads[at + 2 * hidden] = c * i * (ONE - g * g)
grads[at + 3 * hidden] = d * s * o * (ONE - o)
direct[k] = c * f
""",
    "gru": """
r = gates[at]
z = gates[at + hidden]
n = gates[at + 2 * hidden]
d = grad[k] + carry[k] + direct[k]
t = d * (ONE - z) * (ONE - n * n)
reset = t * own[k] * r * (ONE - r)
update = d * (before[k] - n) * z * (ONE - z)
grads[at] = reset
grads[at + hidden] = update
grads[at + 2 * hidden] = t
downs[at] = reset
downs[at + hidden] = update
downs[at + 2 * hidden] = t * r
direct[k] = d * z
""",
    "rnn_tanh": "h = after[k]\ngrads[at] = (grad[k] + carry[k]) * (ONE - h * h)\n",
    "rnn_relu": "grads[at] = grad[k] + carry[k] if after[k] > ZERO else ZERO\n",
}


def formulas(kind: str, dtype: str, backward: bool, with_memory: bool = False) -> tuple[str, str, tuple[str, ...]]:
    """(name, source, signature) of the formulas of a step; with_memory: grad_memory is given."""
    names = _BACKWARD if backward else _FORWARD
    name = f"{kind}_{'backward' if backward else 'forward'}_{'memory_' if with_memory else ''}{dtype}"
    text = (_BACKWARD_TEXT if backward else _FORWARD_TEXT)[kind]
    text += "" if backward else "after[k] = h\noutput[k] = h\n"  # backward keeps one, the other may be changed
    text = text.replace("ADD_MEMORY", "c = c + grad_memory[k]" if with_memory else "").replace("ONE", f"{dtype}(1.0)")
    text = text.replace("ZERO", f"{dtype}(0.0)").replace("sigmoid(", f"sigmoid_{dtype}(")
    text = text.replace("tanh(", f"tanh_{dtype}(")
    lines = [f"def {name}({', '.join(names)}, hidden, pitch, width, start, stop):",
             "    for row in range(start, stop):", "        for column in range(width):",
             "            k = row * hidden + column", "            at = row * pitch + column"]
    lines += [f"            {line}" for line in text.strip().splitlines() if line]
    return name, "\n".join(lines) + "\n", (*(f"{dtype}*" for _ in names), "int64", "int64", "int64")
