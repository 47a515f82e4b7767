"""Programs: many launches in one native call.

A program is a list of stages, walked by a driver in machine code. A stage is a thunk with a block of 8-byte slots: the
thunk of a kernel's signature unpacks the block and calls the kernel for a range of units, in the caller where these are
few, else in chunks that the thread pool claims. From the first stage to the last the pool is open: its workers stay
awake, a stage begins when they see its number, and the count of chunks that are done is the barrier after it; none of
these needs the system. Other stages read or compute numbers and put them into the blocks of
later ones, compare, or call Python. Addresses that change from run to run are written into the blocks when they do.
"""

import ctypes
import itertools
import weakref
from functools import cache

import numpy as np

from . import compile, entry, machine, stages, threads
from .blocks import Base, Block, Later, in_slots, slots_of
from .expressions import FLOATS, POWER, NotNative, expression_text, read_text

KERNEL, NUMBER, PYTHON, HELD = 0, 1, 2, 3  # HELD: a kernel that gives the GIL back itself
SEARCHED = 1024  # numbers found by rejection from which on the GIL is given back

_DRIVER = """
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyObject_CallNoArgs(ptr)
declare void @Py_DecRef(ptr)
declare ptr @numbatorch_leave()
declare void @numbatorch_return(ptr)
declare i64 @llvm.smax.i64(i64, i64)
declare void @numbatorch_region(ptr, ptr, i64, i64)
declare void @numbatorch_open()
declare void @numbatorch_close()
@numbatorch_turned = external global i64

; self: an int, the address of { stages, stage table, _, last bases, first patches, patches, lets others run, how often
; it has run to the end }.
define ptr @numbatorch_run(ptr %self, ptr %arguments, i64 %n) nounwind {
entry:
""" + entry.owned("i64 count", "ptr stages", None, "ptr last", "ptr firsts", "ptr patches", "i64 lets") + """
 %free = icmp ne i64 %lets, 0
 br label %base
base:
 %k = phi i64 [0, %entry], [%k1, %next_base]
 %some = icmp slt i64 %k, %n
 br i1 %some, label %look, label %begin
look:
 %op = getelementptr ptr, ptr %arguments, i64 %k
 %o = load ptr, ptr %op
 %value = call i64 @PyLong_AsLongLong(ptr %o)
 %lp = getelementptr i64, ptr %last, i64 %k
 %before = load i64, ptr %lp
 %same = icmp eq i64 %before, %value
 %k1 = add i64 %k, 1
 br i1 %same, label %next_base, label %changed
changed:
 store i64 %value, ptr %lp
 %fp = getelementptr i64, ptr %firsts, i64 %k
 %first = load i64, ptr %fp
 %fp1 = getelementptr i64, ptr %firsts, i64 %k1
 %end = load i64, ptr %fp1
 br label %patch
patch:
 %j = phi i64 [%first, %changed], [%j1, %write]
 %left = icmp slt i64 %j, %end
 br i1 %left, label %write, label %next_base
write:
 %pp = getelementptr { ptr, i64 }, ptr %patches, i64 %j
 %slot = load ptr, ptr %pp
 %qp = getelementptr { ptr, i64 }, ptr %patches, i64 %j, i32 1
 %offset = load i64, ptr %qp
 %sum = add i64 %value, %offset
 store i64 %sum, ptr %slot
 %j1 = add i64 %j, 1
 br label %patch
next_base:
 br label %base
begin:
 br i1 %free, label %leave, label %stage
leave:
 ; The caches hold what the run before walked last: each walks its chunks the other way.
 %turned = load atomic i64, ptr @numbatorch_turned monotonic, align 8
 %turn = xor i64 %turned, 1
 store atomic i64 %turn, ptr @numbatorch_turned monotonic, align 8
 %state0 = call ptr @numbatorch_leave()
 call void @numbatorch_open()
 br label %stage
stage:
 %i = phi i64 [0, %begin], [0, %leave], [%i1, %ran]
 %state = phi ptr [null, %begin], [%state0, %leave], [%state1, %ran]
 %more = icmp slt i64 %i, %count
 br i1 %more, label %fetch, label %finish
fetch:
 %sp = getelementptr { i64, ptr, ptr, i64, i64 }, ptr %stages, i64 %i
 %kind = load i64, ptr %sp
 %sp1 = getelementptr { i64, ptr, ptr, i64, i64 }, ptr %stages, i64 %i, i32 1
 %function = load ptr, ptr %sp1
 %sp2 = getelementptr { i64, ptr, ptr, i64, i64 }, ptr %stages, i64 %i, i32 2
 %block = load ptr, ptr %sp2
 %sp3 = getelementptr { i64, ptr, ptr, i64, i64 }, ptr %stages, i64 %i, i32 3
 %units = load i64, ptr %sp3
 %sp4 = getelementptr { i64, ptr, ptr, i64, i64 }, ptr %stages, i64 %i, i32 4
 %grain = load i64, ptr %sp4
 switch i64 %kind, label %python [ i64 0, label %kernel i64 1, label %number i64 3, label %held ]
kernel:
 %small = icmp sle i64 %units, %grain
 br i1 %small, label %direct, label %region
direct:
 call void %function(ptr %block, i64 0, i64 %units)
 br label %ran
region:
 %grain1 = call i64 @llvm.smax.i64(i64 %grain, i64 1)
 call void @numbatorch_region(ptr %function, ptr %block, i64 %units, i64 %grain1)
 br label %ran
held:
 br i1 %free, label %hold, label %call
hold:
 call void @numbatorch_close()
 call void @numbatorch_return(ptr %state)
 br label %call
call:
 call void %function(ptr %block, i64 0, i64 %units)
 br i1 %free, label %again, label %ran
number:
 %status = call i64 %function(ptr %block)
 %fine = icmp eq i64 %status, 0
 br i1 %fine, label %ran, label %stop
python:
 br i1 %free, label %return, label %ask
return:
 call void @numbatorch_close()
 call void @numbatorch_return(ptr %state)
 br label %ask
ask:
 %answer = call ptr @PyObject_CallNoArgs(ptr %block)
 %raised = icmp eq ptr %answer, null
 br i1 %raised, label %error, label %drop
error:
 ret ptr null
drop:
 call void @Py_DecRef(ptr %answer)
 br i1 %free, label %again, label %ran
again:
 %state2 = call ptr @numbatorch_leave()
 call void @numbatorch_open()
 br label %ran
ran:
 %state1 = phi ptr [%state, %direct], [%state, %region], [%state, %number], [%state, %drop], [%state, %call],
                   [%state2, %again]
 %i1 = add i64 %i, 1
 br label %stage
stop:
 %scaled = mul i64 %i, 4
 %code = add i64 %scaled, %status
 br label %finish
finish:
 %result = phi i64 [-1, %stage], [%code, %stop]
 %whole = lshr i64 %result, 63
 %tally = getelementptr i64, ptr %head, i64 7
 %before_it = load i64, ptr %tally
 %with_it = add i64 %before_it, %whole
 store i64 %with_it, ptr %tally
 br i1 %free, label %back, label %done
back:
 call void @numbatorch_close()
 call void @numbatorch_return(ptr %state)
 br label %done
done:
 %boxed = call ptr @PyLong_FromLongLong(i64 %result)
 ret ptr %boxed
}
"""


def _load(name, text, exports):
    code, needs = compile.compile_object(name, text, exports)
    imports = {}
    for key in needs:
        imports[key] = (threads.program_address(key) if key in threads.FOR_PROGRAMS else
                        machine.python_api(key) if key.startswith("Py") else
                        machine.symbol(_C_NAMES.get(key, key)))
    return machine.Loaded(code, exports, imports)


def _load_for_ever(name, text):
    loaded = _load(name, text, (name,)).keep_for_ever()
    _kept.append(loaded)
    return loaded.addresses[name]


_kept: list = []
_C_NAMES = {"numbatorch_pow": "pow"}  # under a name that LLVM does not know, so that it stays the C library's


@cache
def _driver():
    return _load_for_ever("numbatorch_run", _DRIVER)


# Chunks of several kernels' stages, from a table of { thunk, block, first unit, the one after the last }.
_TABLE = """
define void @numbatorch_table(ptr %table, i64 %start, i64 %stop) nounwind {
entry:
 br label %head
head:
 %k = phi i64 [%start, %entry], [%k1, %chunk]
 %more = icmp slt i64 %k, %stop
 br i1 %more, label %chunk, label %exit
chunk:
 %row = getelementptr { ptr, ptr, i64, i64 }, ptr %table, i64 %k
""" + entry.words("row", "ptr thunk", "ptr block", "i64 first", "i64 end") + """
 call void %thunk(ptr %block, i64 %first, i64 %end)
 %k1 = add i64 %k, 1
 br label %head
exit:
 ret void
}
"""


@cache
def _table():
    return _load_for_ever("numbatorch_table", _TABLE)


@cache
def _thunk(signature):
    """Address of void thunk(block, start, stop) for kernels of a signature: slot 0 is the kernel, then arguments."""
    kinds = [entry.llvm_type(text) for text in signature]
    lines, place = [" %f = load ptr, ptr %block"], 1
    for k, kind in enumerate(kinds):
        lines += [f" %p{k} = getelementptr i64, ptr %block, i64 {place}", f" %a{k} = load {kind}, ptr %p{k}"]
        place += slots_of(signature[k])
    given = "".join(f"{kind} %a{k}, " for k, kind in enumerate(kinds))
    body = "\n".join(lines)
    text = (f"define void @thunk(ptr %block, i64 %start, i64 %stop) nounwind {{\n{body}\n"
            f" call void %f({given}i64 %start, i64 %stop)\n ret void\n}}\n")
    return _load_for_ever("thunk", text)


_expressions: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # {text: its Loaded}, as programs need them


def _load_expression(text):
    """Machine code of an expression, which lives as long as a program that has it."""
    loaded = _expressions.get(text)
    if loaded is None:
        loaded = _expressions[text] = _load("number", text, ("number",))
    return loaded


class Builder:
    """Collects stages; `finish` gives the Native. Addresses are ints or Bases.

    Expressions are nested tuples: ("number", value), ("neg", a), ("add" | "sub" | "mul" | "div" | "pow" | a comparison,
    a, b), and anything else is the name of a slot: `slots` maps names to "float64" or "int64".
    """

    def __init__(self, bases):
        self.bases, self.stages, self.blocks, self.slots = bases, [], [], {}
        self._objects: list = []
        self._remembered: dict = {}  # {code of an expression: number of the block with its last result}
        self._slot_arrays, self._slot_addresses = {}, {}
        self.wide = False

    def slot(self, name, kind, place=None):
        """A place for a number, "float64" or "int64", under a name: a new one, or `place`, an array of one."""
        self.slots[name] = kind
        own = self._slot_arrays[name] = np.zeros(1, kind) if place is None else place
        self._slot_addresses[name] = int(own.ctypes.data)
        return own

    def kernel(self, function, values, meta, units, grain):
        """A launch of a kernel (compile.compile_kernel). `values`: addresses, numbers and Laters."""
        own = function.__self__
        slots: list = [own.address]
        later = []
        for text, value in zip(own.signature, [*values, meta], strict=True):
            if isinstance(value, Later):
                later.append((value.expression, len(slots), text))
                slots += [0] * slots_of(text)
            else:
                slots += in_slots(text, value)
        block = len(self.blocks)
        self.blocks.append(slots)
        for expression, place, text in later:
            code, names = expression_text(expression, self.slots, text)
            self._expression(code, names, [Block(block, place)])
        self._objects.append(own)
        self.stages.append((HELD if own.needs_gil else KERNEL, _thunk(tuple(own.signature)), block, units, grain))

    def draw(self, head, function, result, numbers, words, each, nbytes, grain, counted=0):
        """Draw words from the state whose head is at an address (stages.py), `each` for a unit of a kernel that takes
        (words, result, *numbers) and writes some bytes a unit; one that writes none is told as its last number how many
        units came before. function None: the words are passed over. counted: where the number of words will be."""
        draw, _, extend, *_ = stages.draw()
        apart = function is not None and nbytes == 0
        inner, thunk = self._inner(function, [0, 0, *numbers, *[0] * apart])
        first = Block(inner, len(self.blocks[inner]) - apart)  # else a slot that is not used
        slots = [head, thunk, Block(inner), words, each, nbytes, grain, extend, result, counted, first]
        self._stage(KERNEL, draw, slots, 1, 1)
        self.wide |= words // each > grain

    def search(self, head, function, n, values):
        """Have a kernel draw for n results until it has found them (MersenneState.search)."""
        _, search, extend, *_ = stages.draw()
        inner, thunk = self._inner(function, [0, *values, head + stages.PROGRESS, head + stages.NORMALS, n, 0])
        pairs = Block(inner, len(self.blocks[inner]) - 1)
        self._stage(KERNEL, search, [head, thunk, Block(inner), n, pairs, extend], 1, 1)
        self.wide |= n > SEARCHED

    def verify(self, head):
        """Stop the run where a kernel has found something to be wrong."""
        self._stage(NUMBER, stages.draw()[3], [head])

    def remember(self, head, place):
        """Copy the state whose head is at an address to a place, for `MersenneState.go_back`."""
        self._stage(KERNEL, stages.draw()[4], [head, place], 1, 1)

    def _inner(self, function, values):
        """(number of a block for a kernel, its thunk); None: an empty block, and 0."""
        if function is None:
            self.blocks.append([0])
            return len(self.blocks) - 1, 0
        own = function.__self__
        slots = [own.address]
        for text, value in zip(own.signature, values, strict=True):
            slots += in_slots(text, value)
        self._objects.append(own)
        self.blocks.append(slots)
        return len(self.blocks) - 1, _thunk(tuple(own.signature))

    def _expression(self, code, names, aim):
        """A stage that computes a number; those of one expression share what it was for the numbers of before."""
        if POWER in code and code not in self._remembered:
            self._remembered[code] = len(self.blocks)
            self.blocks.append([0] * (3 + len(names)))
        memo = [Block(self._remembered[code])] if POWER in code else []
        self._number(_load_expression(code), [*(self._address(n) for n in names), *aim, *memo])

    def _number(self, loaded, slots):
        self._objects.append(loaded)
        self._stage(NUMBER, loaded.addresses["number"], slots)

    def _stage(self, kind, function, slots, units=0, grain=0):
        self.stages.append((kind, function, len(self.blocks), units, grain))
        self.blocks.append(slots)

    def together(self, chunks):
        """One region for [(a stage of a kernel, number of its chunk)]: stages that do not depend on each other."""
        rows: list = []
        for (_, thunk, block, units, grain), k in chunks:
            own = max(grain, 1)
            rows += [thunk, Block(block), k * own, min(units, (k + 1) * own)]
        self._stage(KERNEL, _table(), rows, len(chunks), 1)

    def _address(self, name):
        return self._slot_addresses[name]

    def read(self, dtype, address, name):
        """Read the number at an address into slot `name`; dtype as in kernels' signatures, floats and integers."""
        kind = "float64" if dtype in FLOATS else "int64"
        self.slot(name, kind)
        text = read_text(dtype)
        self._number(_load_expression(text), [address, self._address(name)])

    def check(self, expression, expected):
        """Stop the run, with this stage's number, where a comparison does not give `expected`."""
        text, names = expression_text(expression, self.slots, "check" if expected else "check not")
        self._expression(text, names, [0])

    def python(self, function):
        """Call a Python function without arguments."""
        self._objects.append(function)
        self.stages.append((PYTHON, 0, id(function), 0, 0))

    def addresses(self, values):
        """A block of addresses, for kernels that take one: its own address."""
        self.blocks.append(list(values))
        return Block(len(self.blocks) - 1)

    def finish(self):
        """The Native."""
        return Native(self)


class Native:
    """A program ready to run: `run(*bases)` returns -1, or 4 * the number of the stage that stopped it + why.

    Bases that are left out at the end are where they were.
    """

    def __init__(self, builder):
        starts = [0, *itertools.accumulate(len(b) + 1 for b in builder.blocks)]
        self._memory = np.zeros(starts[-1] + 1, np.int64)
        origin = self._memory.ctypes.data
        where = [origin + 8 * start for start in starts]
        patches: list = [[] for _ in range(builder.bases)]
        found: list = []
        for block in builder.blocks:
            for value in block:
                if isinstance(value, Base):
                    patches[value.number].append((origin + 8 * len(found), value.offset))
                    value = 0
                elif isinstance(value, Block):
                    value = where[value.number] + 8 * value.slot
                found.append(value)
            found.append(0)
        self._memory[:len(found)] = found
        stages = [(kind, function, where[block] if kind != PYTHON else block, units, grain)
                  for kind, function, block, units, grain in builder.stages]
        self._stages = np.array(stages or [(0,) * 5], np.int64)
        self._last = np.zeros(max(1, builder.bases), np.int64)
        self._firsts = np.cumsum([0, *map(len, patches)]).astype(np.int64)
        self._patches = np.array([p for group in patches for p in group] or [(0, 0)], np.int64)
        wide = builder.wide or any(kind == HELD or kind == KERNEL and units > grain
                                   for kind, _, _, units, grain in stages)
        self._head = np.array([len(stages), self._stages.ctypes.data, builder.bases, self._last.ctypes.data,
                               self._firsts.ctypes.data, self._patches.ctypes.data, wide, 0], np.int64)
        self._keep = builder._objects, builder._slot_arrays
        self.numbers = builder._slot_arrays
        self._slots = patches
        self.run = entry.builtin("program", _driver(), int(self._head.ctypes.data))

    @property
    def runs(self):
        """How often it has run to the end."""
        return int(self._head[7])

    def base(self, number):
        """The address of a base in the last run."""
        return self._last[number]

    def move(self, base, address):
        """Another address for a base, for runs that are not given it."""
        self._last[base] = address
        for place, offset in self._slots[base]:
            ctypes.c_int64.from_address(place).value = address + offset


__all__ = ["Base", "Block", "Builder", "Later", "Native", "NotNative"]
