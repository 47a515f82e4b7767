"""Kernel source to the CPU's LLVM IR: what lowering/frontend.py gives, independent loops marked, as `void @name`."""

import re

from llvmlite import ir
from numba.core import cgutils, types

from ..lowering import frontend
from ..lowering.contexts import intrinsic
from ..lowering.intrinsics import SCALED
from . import entry, machine, streaming


@intrinsic
def in_lanes(context, lanes):
    """Says in the body of an independent loop that all its iterations are to run in vectors of so many elements, the
    last one with lanes switched off; where the CPU has no such masks it says nothing. One lane: not in vectors."""
    if not isinstance(lanes, types.IntegerLiteral):
        return None

    def generate(context, builder, signature, arguments):
        function_type = ir.FunctionType(ir.VoidType(), [])
        mark = cgutils.get_or_insert_function(builder.module, function_type, f"{_LANES}{lanes.literal_value}")
        builder.call(mark, [])
        return context.get_dummy_value()

    return types.void(lanes), generate


@intrinsic
def in_vectors(context, lanes, count):
    """Says in the body of an independent loop that it is to run in `count` vectors of so many elements at a time, what
    is left one by one: a sum in lanes then has one order, whatever else the loop does."""
    if not (isinstance(lanes, types.IntegerLiteral) and isinstance(count, types.IntegerLiteral)):
        return None

    def generate(context, builder, signature, arguments):
        name = f"{_LANES}{lanes.literal_value}x{count.literal_value}"
        mark = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), name)
        builder.call(mark, [])
        return context.get_dummy_value()

    return types.void(lanes, count), generate


@intrinsic
def exchange(context, pointer, first, second):
    """Order eight int64 at pointer[first:] and eight at pointer[second:] pair by pair: the smaller ones go first."""
    if pointer != types.CPointer(types.int64):
        return None

    def generate(context, builder, signature, arguments):
        pointer, *places = arguments
        vector = ir.VectorType(ir.IntType(64), 8)
        places = [builder.bitcast(builder.gep(pointer, [at]), vector.as_pointer()) for at in places]
        values = [builder.load(place, align=8) for place in places]
        for place, name in zip(places, ("smin", "smax"), strict=True):
            kind = ir.FunctionType(vector, [vector] * 2)
            chosen = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v8i64")
            builder.store(builder.call(chosen, values), place, align=8)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, types.int64), generate


@intrinsic
def running(context, target, first, source, begin, total, back):
    """Write the running sums of source[begin : begin + 16], added to `total`, to target[first:]; the last of them.

    Sums are formed in the type of `total`, in registers: of neighbours, of pairs, of fours, of eights. `back`, a
    literal, says to add from the end.
    """
    if target != source or not isinstance(back, types.IntegerLiteral):
        return None
    wide = types.unliteral(total)

    def generate(context, builder, signature, arguments):
        target, first, source, begin, total, _ = arguments
        index, size = ir.IntType(32), context.get_abi_sizeof(target.type.pointee)
        kept = ir.VectorType(target.type.pointee, 8)
        vector = ir.VectorType(total.type, 8)
        floats = isinstance(wide, types.Float)
        add = builder.fadd if floats else builder.add
        zeros = ir.Constant(vector, None)

        def turned(value, lanes, other=None):
            mask = ir.Constant(ir.VectorType(index, 8), [index(lane) for lane in lanes])
            return builder.shuffle_vector(value, other or value, mask)

        order = (8, 0) if back.literal_value else (0, 8)
        halves = []
        for half in order:
            place = builder.gep(source, [builder.add(begin, begin.type(half))])
            value = builder.load(builder.bitcast(place, kept.as_pointer()), align=size)
            value = builder.fpext(value, vector) if kept != vector else value
            value = turned(value, range(7, -1, -1)) if back.literal_value else value
            for step in (1, 2, 4):  # the upper half of each block gets the sum of the lower one (Sklansky 1960)
                lower = [lane & -2 * step | step - 1 if lane & step else 8 for lane in range(8)]
                value = add(value, turned(value, lower, zeros))
            halves.append(value)
        halves[1] = add(halves[1], turned(halves[0], [7] * 8))
        base = turned(builder.insert_element(zeros, total, index(0)), [0] * 8)
        last = builder.extract_element(halves[1], index(7))
        for half, value in zip(order, halves, strict=True):
            value = add(value, base)
            value = turned(value, range(7, -1, -1)) if back.literal_value else value
            value = builder.fptrunc(value, kept) if kept != vector else value
            place = builder.gep(target, [builder.add(first, first.type(half))])
            builder.store(value, builder.bitcast(place, kept.as_pointer()), align=size)
        return add(total, last)

    return wide(target, types.int64, source, types.int64, wide, back), generate


@intrinsic
def room(context, pointer, count):
    """Memory on the stack for so many elements of the type behind a pointer."""
    if not isinstance(pointer, types.CPointer) or not isinstance(count, types.IntegerLiteral):
        return None

    def generate(context, builder, signature, arguments):
        element = context.get_value_type(pointer.dtype)
        block = cgutils.alloca_once(builder, ir.ArrayType(element, count.literal_value))
        block.align = 64
        return builder.bitcast(block, element.as_pointer())

    return pointer(pointer, count), generate


@intrinsic
def stream(context, target, first, source, begin, count):
    """Write source[begin : begin + count] to target[first:] past the caches."""
    if target != source or not isinstance(target, types.CPointer):
        return None

    def generate(context, builder, signature, arguments):
        target, first, source, begin, count = arguments
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [byte, byte, integer])
        function = cgutils.get_or_insert_function(builder.module, kind, "numbatorch_stream")
        size = context.get_abi_sizeof(target.type.pointee)
        place = builder.bitcast(builder.gep(target, [first]), byte)
        taken = builder.bitcast(builder.gep(source, [begin]), byte)
        builder.call(function, [place, taken, builder.mul(count, integer(size))])
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.int64), generate


@intrinsic
def fetch(context, pointer, first, count):
    """Begin to bring pointer[first:] to the first cache, so many elements; an address outside is harmless."""
    if not isinstance(pointer, types.CPointer) or not isinstance(count, types.IntegerLiteral):
        return None

    def generate(context, builder, signature, arguments):
        line = max(1, 64 // context.get_abi_sizeof(arguments[0].type.pointee))
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for at in range(0, count.literal_value, line):
            place = builder.gep(arguments[0], [builder.add(arguments[1], ir.IntType(64)(at))])
            builder.call(function, [builder.bitcast(place, byte), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(pointer, types.int64, count), generate


@intrinsic
def touch(context, pointer, first, count):
    """Read a byte of each cache line of pointer[first : first + count], in order: memory comes faster so than by what
    then meets these lines in any order."""
    if not isinstance(pointer, types.CPointer):
        return None

    def generate(context, builder, signature, arguments):
        pointer, first, count = arguments
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [byte, integer])
        function = cgutils.get_or_insert_function(builder.module, kind, "numbatorch_touch")
        size = context.get_abi_sizeof(pointer.type.pointee)
        place = builder.bitcast(builder.gep(pointer, [first]), byte)
        builder.call(function, [place, builder.mul(count, integer(size))])
        return context.get_dummy_value()

    return types.void(pointer, types.int64, types.int64), generate


def module_text(name, source, path, signature, independent):
    """IR text that defines `void @name(<signature>, i64, i64)` from kernel source."""
    own = {"in_lanes": in_lanes, "in_vectors": in_vectors, "exchange": exchange, "room": room, "stream": stream,
           "fetch": fetch, "touch": touch, "running": running}
    text, native = frontend.module_text(name, source, path, signature, ("int64", "int64"), own)
    if machine.has_feature("avx512f"):  # has an instruction for it; others would call the C library
        called = text.replace(f"call float @{SCALED}(", f"call float @{_LDEXP}(")
        text = called if called == text else f"{called}\ndeclare float @{_LDEXP}(float, i32)\n"
    if independent:
        text = _mark_independent(text, native)
    text = re.sub(rf"^.*@{_LANES}[\dx]+\(.*\n", "", text, flags=re.M)
    for called, own in (("stream", streaming.TEXT), ("touch", streaming.TOUCH)):
        if f"@numbatorch_{called}(" in text:
            text = re.sub(rf"^declare .*@numbatorch_{called}\(.*\n", "", text, flags=re.M) + own
    return text + _wrapper(name, native, signature)


def _wrapper(name, native, signature):
    """`void @name`: calls Numba's function and drops its status, which is always "done": kernels do not raise."""
    listed, passed, unpack = [], [], ""
    for i, text in enumerate((*signature, "int64", "int64")):
        kind = entry.llvm_type(text)
        listed.append(f"{kind} %a{i}")
        if text.startswith("complex") and not text.endswith("*"):
            part = "float" if text == "complex64" else "double"
            for k in (0, 1):
                unpack += f" %a{i}.{k} = extractvalue {kind} %a{i}, {k}\n"
                passed.append(f"{part} %a{i}.{k}")
        else:
            passed.append(f"{kind} %a{i}")
    wide = ' "prefer-vector-width"="512"' if machine.has_feature("avx512f") else ""
    return f"""
define void @{name}({", ".join(listed)}) nounwind{wide} {{
 %result = alloca ptr
 %raised = alloca ptr
{unpack} %status = call i32 @"{native}"(ptr %result, ptr %raised, {", ".join(passed)})
 ret void
}}
"""


# Loops whose iterations are independent. LLVM takes the promise as metadata: an access group on every load and store,
# and on each branch back to a loop's head a loop id that names the group.

_DEFINE = re.compile(r"^define [^\n]*?@\"?([^\"( ]+)\"?\(.*?^}", re.M | re.S)
_ACCESS = re.compile(r"^(  (?:%\S+ = load|store) .*)$", re.M)
_LABEL = re.compile(r'^("[^"]+"|[\w.$]+):', re.M)
_TARGET = re.compile(r'label %("[^"]+"|[\w.$]+)')
_GROUP, _FIRST_LOOP = 900000, 900001
_LDEXP = "llvm.ldexp.f32.i32"
_LANES = "numbatorch_lanes_"  # calls of functions of this name mark loops, and are removed
_MARK = re.compile(rf"call void @{_LANES}(\d+)(?:x(\d+))?\(")


def _mark_independent(text, native):
    body = next(match for match in _DEFINE.finditer(text) if match[1] == native)
    labels = list(_LABEL.finditer(body[0]))
    ends = [label.start() for label in labels[1:]] + [len(body[0])]
    blocks = {label[1]: body[0][label.start() : end] for label, end in zip(labels, ends, strict=True)}
    follows = {label: _TARGET.findall(block) for label, block in blocks.items()}
    heads = _loop_heads(follows, labels[0][1])
    numbers = {head: _FIRST_LOOP + i for i, head in enumerate(dict.fromkeys(head for _, head in sorted(heads)))}
    out = [body[0][: labels[0].start()]]
    for label, block in blocks.items():
        block = _ACCESS.sub(rf"\1, !llvm.access.group !{_GROUP}", block)
        back = [head for head in follows[label] if (label, head) in heads]
        if back:
            block = re.sub(r"^(  (?:br|switch) [^\n]*)$", rf"\1, !llvm.loop !{numbers[back[0]]}", block, flags=re.M)
        out.append(block)
    metadata = f"\n!{_GROUP} = distinct !{{}}\n!{_GROUP + 100000} = !{{!\"llvm.loop.parallel_accesses\", !{_GROUP}}}\n"
    lanes = _lanes(blocks, follows, heads)
    for head, number in numbers.items():
        wishes = _wishes(*lanes[head]) if head in lanes else ()
        metadata += f"!{number} = distinct !{{!{number}, !{_GROUP + 100000}"
        metadata += "".join(f', !{{!"llvm.loop.{name}", {value}}}' for name, value in wishes) + "}\n"
    return text[: body.start()] + "".join(out) + text[body.end() :] + metadata


def _loop_heads(follows, first):
    """The edges (block, head) that lead back to a block still on the path from the entry."""
    edges, on_path, seen, stack = set(), {first}, {first}, [(first, iter(follows[first]))]
    while stack:
        label, targets = stack[-1]
        for target in targets:
            if target in on_path:
                edges.add((label, target))
            elif target not in seen:
                seen.add(target)
                on_path.add(target)
                stack.append((target, iter(follows[target])))
                break
        else:
            stack.pop()
            on_path.discard(label)
    return edges


def _wishes(lanes, count):
    """What LLVM is told of a loop that is to run in so many lanes; with a count, in so many vectors of them."""
    if lanes == 1:
        return ("vectorize.enable", "i1 0"), ("unroll.count", "i32 8")
    if count == 1:  # of a constant length: written out one by one before it could become vectors, 10 times as slow
        width = (("vectorize.width", f"i32 {lanes}"),) if machine.has_feature("avx512bw") else ()
        return *width, ("interleave.count", "i32 1"), ("unroll.disable", "i1 1")
    if not machine.has_feature("avx512bw"):
        return ()
    if count:
        return ("vectorize.width", f"i32 {lanes}"), ("interleave.count", f"i32 {count}")
    return ("vectorize.predicate.enable", "i1 1"), ("vectorize.width", f"i32 {lanes}"), ("interleave.count", "i32 1")


def _lanes(blocks, follows, heads):
    """{head: (lanes, vectors or 0)} of the innermost loops around the blocks that say so."""
    before: dict[str, list[str]] = {}
    for label, targets in follows.items():
        for target in targets:
            before.setdefault(target, []).append(label)
    loops = []
    for latch, head in heads:
        inside, stack = {head}, [latch]
        while stack:
            label = stack.pop()
            if label not in inside:
                inside.add(label)
                stack += before.get(label, ())
        loops.append((len(inside), head, inside))
    loops.sort(key=lambda loop: loop[0])
    found = {}
    for label, block in blocks.items():
        mark = _MARK.search(block)
        if mark:
            found[next(head for _, head, inside in loops if label in inside)] = int(mark[1]), int(mark[2] or 0)
    return found
