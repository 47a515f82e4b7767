"""Random numbers on the GPU: Philox by the number of the element, so a stream depends on its seed alone.

A `PhiloxState` is the generator: a seed and how many groups of four words were drawn. Kernels get both as numbers;
those that a graph records read them from memory, which each replay writes. Each fill takes the state first, then the
address of `n` contiguous elements and the name of their dtype, and moves the state on by the groups that it used;
`fill` brings numbers into any strides. Of the distributions that are not here the host draws (see `host_seed`).
"""

import math
import threading

import numpy as np

from .. import dtypes
from ..device import device as _device
from ..expr import kinds, write
from ..expr.philox import philox_words
from ..expr.tree import arg
from ..layout import layout
from . import runtime
from .launching import call

BLOCK = 256
_UNIT = {"float32": "float32({} >> uint64(8)) * float32(5.9604644775390625e-08)",
         "float64": "float64((({} << uint64(32)) | {}) >> uint64(11)) * 1.1102230246251565e-16"}


class PhiloxState:
    """A seed, and the number of the next group of four words. Threads may draw from one state."""

    __slots__ = ("initial_seed", "group", "_lock")

    def __init__(self, seed, group=0):
        self.initial_seed, self.group, self._lock = seed, group, threading.Lock()

    def restart(self, seed):
        """Begin again from another seed."""
        with self._lock:
            self.initial_seed, self.group = seed, 0

    def copy(self):
        """Another state in the same place."""
        return PhiloxState(self.initial_seed, self.group)

    def become(self, other):
        """Go to the place of another state."""
        with self._lock:
            self.initial_seed, self.group = other.initial_seed, other.group

    def get_state(self):
        """Seed and words drawn, 16 bytes."""
        return np.array([self.initial_seed % 2**64, 4 * self.group], np.uint64).view(np.uint8)

    def set_state(self, state):
        """Take over what `get_state` gave. RuntimeError for another size."""
        if state.dtype != np.uint8 or state.size != 16:
            raise RuntimeError(f"RNG state is wrong size: expected 16 bytes, got {state.size} of {state.dtype}")
        seed, words = np.ascontiguousarray(state).view(np.uint64).tolist()
        self.initial_seed, self.group = seed, words // 4

    def take(self, groups):
        """The number of the first of so many groups."""
        with self._lock:
            first, self.group = self.group, self.group + groups
        return first

    def host_seed(self):
        """A seed for a generator of the host, from the next group."""
        with np.errstate(over="ignore"):
            low, high, _, _ = philox_words(self.take(1), self.initial_seed % 2**64)
        return int(low) | int(high) << 32


def _signed(value):
    """A number of 64 bits as the int64 of the same bits."""
    return (int(value) + 2**63) % 2**64 - 2**63


class Fills:
    """The fill functions of one device."""

    new_state = PhiloxState

    def __init__(self, index, allocate):
        self._device, self._allocate = _device("cuda", index), allocate
        self._kernels: dict = {}

    def _run(self, state, ptr, n, dtype, label, words, lines, values, names, types):
        """Launch a kernel: `lines` turn the words w0..w3 into the elements x0, x1, ... of a thread."""
        each = 4 // words
        groups = -(-n // each)
        if not n:
            return
        graph = runtime.thread.recording
        key = label, dtype, groups, graph is not None
        found = self._kernels.get(key)
        if found is None:
            name = f"philox_{label}_{dtype}{'_replayed' * key[-1]}"
            seed = ("place[1] + group", "place[0]") if key[-1] else ("group", "seed")
            head = [f"def {name}({', '.join(['out', *names, 'place' if key[-1] else 'seed', 'group', 'n'])}):",
                    "    i = grid()", f"    if i * {each} < n:",
                    f"        w0, w1, w2, w3 = philox_words(i + {seed[0]}, {seed[1]})"]
            body = [" " * 8 + line for line in lines]
            for k in range(each):
                body += [f"        if i * {each} + {k} < n:" if k else "        if True:",
                         f"            out[i * {each} + {k}] = x{k}"]
            signature = (f"{write.storage(dtype)}*", *types, "int64*" if key[-1] else "int64", "int64", "int64")
            if len(self._kernels) > 1000:
                self._kernels.clear()
            found = self._kernels[key] = call(name, "\n".join([*head, *body]) + "\n", signature, self._device, (),
                                              -(-groups // BLOCK), BLOCK)
        if graph is not None:
            place, first = graph.draws(state, groups)
        else:
            place, first = _signed(state.initial_seed), state.take(groups)
        found(ptr, *values, place, first, n, 0, 0, 0)

    def _from_unit(self, state, ptr, n, dtype, label, formula, values, names):
        """Elements by a formula of u in [0, 1), in float64 for that dtype and in float32 for others."""
        compute = "float64" if dtype in ("float64", "int64", "int32", "uint8", "int8", "int16") else "float32"
        words = 2 if compute == "float64" else 1
        lines = [f"{v} = {compute}({v})" for v in names]
        for k in range(4 // words):
            pair = (f"w{2 * k}", f"w{2 * k + 1}") if words == 2 else (f"w{k}",)
            lines += [f"u{k} = {_UNIT[compute].format(*pair)}", *(line.replace("@", str(k)).replace("T", compute)
                                                                  for line in formula[:-1])]
            value = formula[-1].replace("@", str(k)).replace("T", compute)
            lines.append(f"x{k} = {write.store(f'({value})', compute, dtype)}")
        self._run(state, ptr, n, dtype, label, words, lines, [float(v) for v in values], list(names),
                  ["float64"] * len(names))

    def fill_uniform(self, state, ptr, n, dtype, low=0.0, high=1.0):
        """Numbers of [low, high)."""
        compute = "float64" if dtype == "float64" else "float32"
        rounded = write.load(write.store("v@", compute, dtype), dtype)
        self._from_unit(state, ptr, n, dtype, "uniform",
                        ["v@ = low + u@ * (high - low)", f"low if {rounded} >= high else v@"], (low, high),
                        ("low", "high"))

    def fill_exponential(self, state, ptr, n, dtype, rate=1.0):
        """-log(1 - u) / rate."""
        self._from_unit(state, ptr, n, dtype, "exponential", ["-log1p_T(-u@) / rate"], (rate,), ("rate",))

    def fill_geometric(self, state, ptr, n, dtype, p):
        """ceil(log(1 - u) / log(1 - p)), at least 1."""
        self._from_unit(state, ptr, n, dtype, "geometric", ["v@ = ceil(log1p_T(-u@) / divisor)",
                                                            "T(1) if v@ < T(1) else v@"], (math.log1p(-float(p)),),
                        ("divisor",))

    def fill_cauchy(self, state, ptr, n, dtype, median=0.0, sigma=1.0):
        """median + sigma tan(pi (u - 1/2))."""
        self._from_unit(state, ptr, n, dtype, "cauchy",
                        ["median + sigma * tan_T(T(3.141592653589793) * (u@ - T(0.5)))"], (median, sigma),
                        ("median", "sigma"))

    def fill_bernoulli_scalar(self, state, ptr, n, dtype, p):
        """1 where a word is below p 2^32, else 0."""
        one, zero = (write.store(write.literal(v, write.compute_type(dtype)), write.compute_type(dtype), dtype)
                     for v in (1, 0))
        lines = [f"x{k} = {one} if int64(w{k}) < bound else {zero}" for k in range(4)]
        self._run(state, ptr, n, dtype, "bernoulli", 1, lines, [math.ceil(float(p) * 2.0**32)], ["bound"], ["int64"])

    def fill_normal(self, state, ptr, n, dtype, mean=0.0, std=1.0, label="normal", last="v"):
        """Normal numbers by Box & Muller: two from two uniform ones."""
        compute = "float64" if dtype == "float64" else "float32"
        words = 2 if compute == "float64" else 1
        lines = [f"mean = {compute}(mean)", f"std = {compute}(std)"]
        for k in range(2 // words):
            pairs = (("w0", "w1"), ("w2", "w3")) if words == 2 else ((f"w{2 * k}",), (f"w{2 * k + 1}",))
            u, v = (_UNIT[compute].format(*pair) for pair in pairs)
            lines += [f"radius = sqrt({compute}(-2) * log1p_{compute}(-({u})))",
                      f"angle = {compute}(6.283185307179586) * ({v})"]
            for j, turn in enumerate(("cos", "sin")):
                value = last.replace("v", f"(mean + std * (radius * {turn}_{compute}(angle)))").replace("T", compute)
                lines.append(f"x{2 * k + j} = {write.store(f'({value})', compute, dtype)}")
        self._run(state, ptr, n, dtype, label, words, lines, [float(mean), float(std)], ["mean", "std"],
                  ["float64"] * 2)

    def fill_log_normal(self, state, ptr, n, dtype, mean=1.0, std=2.0):
        """e to the power of normal numbers."""
        self.fill_normal(state, ptr, n, dtype, mean, std, "log_normal", "exp_T(v)")

    def fill_randint(self, state, ptr, n, dtype, low, high):
        """Integers of [low, high), without end where high is None: words modulo their number."""
        if high is None:
            high = int(np.iinfo(dtype).max) + 1 if dtypes.by_name(dtype).category == dtypes.INTEGER else 2**24
        self._modulo(state, ptr, n, dtype, low, high - low)

    def fill_random(self, state, ptr, n, dtype):
        """All non-negative integers of an integer dtype, all from 0 to 2^digits of a floating-point one."""
        digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}.get(dtype)
        number = 2**digits + 1 if digits else 2 if dtype == "bool" else int(np.iinfo(dtype).max) + 1
        self._modulo(state, ptr, n, dtype, 0, number)

    def _modulo(self, state, ptr, n, dtype, low, number):
        wide = number > 2**32
        words, compute = 2 if wide else 1, write.compute_type(dtype)
        lines = []
        for k in range(4 // words):
            word = f"((w{2 * k} << uint64(32)) | w{2 * k + 1})" if wide else f"w{k}"
            rest = f"int64({word})" if number == 2**64 else f"int64({word} % uint64(number))"
            value = f"int64({rest} + low)"
            lines.append(f"x{k} = {write.store(write.convert(value, 'int64', compute), compute, dtype)}")
        label = "whole" if number == 2**64 else "modulo_wide" if wide else "modulo"
        self._run(state, ptr, n, dtype, label, words, lines, [_signed(low), _signed(number)], ["low", "number"],
                  ["int64", "int64"])

    def fill(self, function, state, ptr, shape, strides, dtype, *arguments):
        """Fill elements of any strides with fill_<name> `function`, in the order of memory.

        Complex numbers are pairs of numbers; normal ones share the variance, and both get the mean.
        """
        if dtype.startswith("complex"):
            part = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}[dtype]
            if function.__name__ == "fill_normal":
                given = dict(zip(("mean", "std"), arguments, strict=False))
                arguments = (given.get("mean", 0.0), given.get("std", 1.0) / math.sqrt(2.0))
            self.fill(function, state, ptr, (*shape, 2), (*(2 * stride for stride in strides), 1), part, *arguments)
            return
        n = math.prod(shape)
        order = sorted(range(len(shape)), key=lambda d: -strides[d] if shape[d] != 1 else 0)
        step, dense = 1, True
        for d in reversed(order):
            dense = dense and (shape[d] == 1 or strides[d] == step)
            step *= shape[d]
        if dense or not n:
            function(state, ptr, n, dtype, *arguments)
            return
        from . import elementwise
        shape, strides = tuple(shape[d] for d in order), tuple(strides[d] for d in order)
        given, own = layout(dtypes.by_name(dtype), shape, None, self._device), dtypes.by_name(dtype)
        scratch = self._allocate(given.nbytes)
        function(state, scratch.address, n, dtype, *arguments)
        request = kinds.Elementwise("convert", (arg("input"),), [kinds.Operand("input", given, own.compute)],
                                    [layout(own, shape, strides, self._device)], shape, own.compute)
        launch = elementwise.plan(request)
        launch.kernel(scratch.address, ptr, launch.meta, launch.units, launch.grain)
