"""What programs run besides kernels of their own: clearing and copying bytes, and drawing words of the generator.

Drawing does what `MersenneState` (mersenne.py) does in Python, on a head of numbers that it lends: [address of the
words, how many are ready, position, whether nothing was drawn, room for words, and what kernels note].
"""

from functools import cache

from . import compile, machine, mersenne, random_kernels, threads
from .random_kernels import BLOCK, SLAB

BYTES = 1 << 18  # that one thread clears or copies at a time
HEAD = mersenne.OWN + mersenne.NOTES  # numbers that a state lends
NORMALS, PROGRESS = 8 * mersenne.OWN, 8 * mersenne.OWN + 16  # where it holds what `MersenneState` calls so
REMEMBERED = mersenne.SAVED + BLOCK // 2  # numbers that `remember` writes
WRONG = 3  # what a stage answers that looks for what kernels have found to be wrong

_CLEAR = """
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define void @clear_bytes(ptr %target, i64 %value, i64 %start, i64 %stop) nounwind {
 %here = getelementptr i8, ptr %target, i64 %start
 %count = sub i64 %stop, %start
 %byte = trunc i64 %value to i8
 call void @llvm.memset.p0.i64(ptr %here, i8 %byte, i64 %count, i1 false)
 ret void
}
"""

_COPY = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define void @copy_bytes(ptr %target, ptr %source, i64 %start, i64 %stop) nounwind {
 %to = getelementptr i8, ptr %target, i64 %start
 %from = getelementptr i8, ptr %source, i64 %start
 %count = sub i64 %stop, %start
 call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %count, i1 false)
 ret void
}
"""

# block: { head, thunk, the kernel's block, words, words a unit, bytes a unit, grain, extend, result, where else the
# number of words is, where to put how many units came before }, for kernels whose first argument are words and whose
# second is the result. Without a thunk the words are passed over.
_DRAW = """
declare i64 @llvm.smax.i64(i64, i64)
declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
declare void @numbatorch_region(ptr, ptr, i64, i64)

; Makes words until `count` are ready, or as many as there is room for: those of past blocks go.
define internal void @refill(ptr %head, ptr %extend, i64 %count) noinline nounwind {
 %words = load ptr, ptr %head
 %p1 = getelementptr i64, ptr %head, i64 1
 %ready = load i64, ptr %p1
 %p2 = getelementptr i64, ptr %head, i64 2
 %position = load i64, ptr %p2
 %p4 = getelementptr i64, ptr %head, i64 4
 %room = load i64, ptr %p4
 %before = sub i64 %position, 1
 %last = call i64 @llvm.smax.i64(i64 %before, i64 0)
 %past = sdiv i64 %last, BLOCK
 %kept = mul i64 %past, BLOCK
 %from = getelementptr i32, ptr %words, i64 %kept
 %left = sub i64 %ready, %kept
 %bytes = mul i64 %left, 4
 call void @llvm.memmove.p0.p0.i64(ptr %words, ptr %from, i64 %bytes, i1 false)
 %moved = sub i64 %position, %kept
 %end = add i64 %moved, %count
 %up = add i64 %end, LESS
 %blocks = sdiv i64 %up, BLOCK
 %whole = mul i64 %blocks, BLOCK
 %many = call i64 @llvm.smax.i64(i64 %whole, i64 EIGHT)
 %some = call i64 @llvm.smin.i64(i64 %many, i64 MOST)
 %rooms = sdiv i64 %room, BLOCK
 %fits = mul i64 %rooms, BLOCK
 %target = call i64 @llvm.smin.i64(i64 %some, i64 %fits)
 %first = sub i64 %left, BLOCK
 %source = getelementptr i32, ptr %words, i64 %first
 %made = sub i64 %target, %left
 call void %extend(ptr %source, i64 0, i64 %made)
 store i64 %target, ptr %p1
 store i64 %moved, ptr %p2
 ret void
}

define void @draw(ptr %block, i64 %start, i64 %stop) nounwind {
entry:
 %head = load ptr, ptr %block
 %b1 = getelementptr i64, ptr %block, i64 1
 %thunk = load ptr, ptr %b1
 %b2 = getelementptr i64, ptr %block, i64 2
 %inner = load ptr, ptr %b2
 %b3 = getelementptr i64, ptr %block, i64 3
 %b9 = getelementptr i64, ptr %block, i64 9
 %other = load ptr, ptr %b9
 %given = icmp eq ptr %other, null
 %b39 = select i1 %given, ptr %b3, ptr %other
 %count = load i64, ptr %b39
 %b10 = getelementptr i64, ptr %block, i64 10
 %first = load ptr, ptr %b10
 %b4 = getelementptr i64, ptr %block, i64 4
 %each = load i64, ptr %b4
 %b5 = getelementptr i64, ptr %block, i64 5
 %bytes = load i64, ptr %b5
 %b6 = getelementptr i64, ptr %block, i64 6
 %grain = load i64, ptr %b6
 %b7 = getelementptr i64, ptr %block, i64 7
 %extend = load ptr, ptr %b7
 %b8 = getelementptr i64, ptr %block, i64 8
 %result = load i64, ptr %b8
 %p1 = getelementptr i64, ptr %head, i64 1
 %p2 = getelementptr i64, ptr %head, i64 2
 %p3 = getelementptr i64, ptr %head, i64 3
 %i1 = getelementptr i64, ptr %inner, i64 1
 %i2 = getelementptr i64, ptr %inner, i64 2
 %skips = icmp eq ptr %thunk, null
 br label %look
look:
 %left = phi i64 [%count, %entry], [%rest, %drawn]
 %at = phi i64 [%result, %entry], [%next, %drawn]
 %done = phi i64 [0, %entry], [%done1, %drawn]
 %any = icmp sgt i64 %left, 0
 br i1 %any, label %ask, label %exit
ask:
 %ready0 = load i64, ptr %p1
 %position0 = load i64, ptr %p2
 %have0 = sub i64 %ready0, %position0
 %few = icmp slt i64 %have0, %left
 br i1 %few, label %more, label %have
more:
 call void @refill(ptr %head, ptr %extend, i64 %left)
 br label %have
have:
 %ready = load i64, ptr %p1
 %position = load i64, ptr %p2
 %there = sub i64 %ready, %position
 %enough = icmp sle i64 %left, %there
 %units0 = sdiv i64 %there, %each
 %part = mul i64 %units0, %each
 %length = select i1 %enough, i64 %left, i64 %part
 %units = sdiv i64 %length, %each
 %words = load ptr, ptr %head
 %here = getelementptr i32, ptr %words, i64 %position
 %after = add i64 %position, %length
 store i64 %after, ptr %p2
 store i64 0, ptr %p3
 br i1 %skips, label %drawn, label %run
run:
 store ptr %here, ptr %i1
 store i64 %at, ptr %i2
 store i64 %done, ptr %first
 %small = icmp sle i64 %units, %grain
 br i1 %small, label %direct, label %region
direct:
 call void %thunk(ptr %inner, i64 0, i64 %units)
 br label %drawn
region:
 call void @numbatorch_region(ptr %thunk, ptr %inner, i64 %units, i64 %grain)
 br label %drawn
drawn:
 %rest = sub i64 %left, %length
 %size = mul i64 %units, %bytes
 %next = add i64 %at, %size
 %done1 = add i64 %done, %units
 br label %look
exit:
 ret void
}

; MersenneState.search. block: { head, thunk, the kernel's block, results, where to put how many pairs of words there
; are, extend }
define void @search(ptr %block, i64 %start, i64 %stop) nounwind {
entry:
 %head = load ptr, ptr %block
 %b1 = getelementptr i64, ptr %block, i64 1
 %thunk = load ptr, ptr %b1
 %b2 = getelementptr i64, ptr %block, i64 2
 %inner = load ptr, ptr %b2
 %b3 = getelementptr i64, ptr %block, i64 3
 %n = load i64, ptr %b3
 %b4 = getelementptr i64, ptr %block, i64 4
 %pairs = load ptr, ptr %b4
 %b5 = getelementptr i64, ptr %block, i64 5
 %extend = load ptr, ptr %b5
 %p1 = getelementptr i64, ptr %head, i64 1
 %p2 = getelementptr i64, ptr %head, i64 2
 %p3 = getelementptr i64, ptr %head, i64 3
 %i1 = getelementptr i64, ptr %inner, i64 1
 %made = getelementptr i8, ptr %head, i64 PROGRESS
 %used = getelementptr i64, ptr %made, i64 1
 %wrong = getelementptr i64, ptr %made, i64 2
 %none = getelementptr i64, ptr %made, i64 3
 store i64 0, ptr %made
 br label %look
look:
 %count = phi i64 [1024, %entry], [%next, %found]
 %before = load i64, ptr %made
 %left = icmp slt i64 %before, %n
 br i1 %left, label %ask, label %exit
ask:
 %ready0 = load i64, ptr %p1
 %position0 = load i64, ptr %p2
 %have0 = sub i64 %ready0, %position0
 %few = icmp slt i64 %have0, %count
 br i1 %few, label %more, label %have
more:
 call void @refill(ptr %head, ptr %extend, i64 %count)
 br label %have
have:
 %ready = load i64, ptr %p1
 %position = load i64, ptr %p2
 %there = sub i64 %ready, %position
 %half = sdiv i64 %there, 2
 store i64 %half, ptr %pairs
 %words = load ptr, ptr %head
 %here = getelementptr i32, ptr %words, i64 %position
 store ptr %here, ptr %i1
 store i64 0, ptr %used
 call void %thunk(ptr %inner, i64 0, i64 1)
 %taken = load i64, ptr %used
 %length = mul i64 %taken, 2
 %after = add i64 %position, %length
 store i64 %after, ptr %p2
 %some = icmp ne i64 %taken, 0
 %fresh0 = load i64, ptr %p3
 %fresh = select i1 %some, i64 0, i64 %fresh0
 store i64 %fresh, ptr %p3
 %now = load i64, ptr %made
 %same = icmp eq i64 %now, %before
 %full = icmp sge i64 %count, SLAB
 %stuck = and i1 %same, %full
 br i1 %stuck, label %lost, label %found
lost:
 store i64 1, ptr %none
 br label %exit
found:
 %bad = load i64, ptr %wrong
 %twice = mul i64 %count, 2
 %next = call i64 @llvm.smin.i64(i64 %twice, i64 SLAB)
 %fine = icmp eq i64 %bad, 0
 br i1 %fine, label %look, label %exit
exit:
 ret void
}

; What MersenneState.go_back needs, for the case that a check fails. block: { head, where to, whose first number says
; that it is there }
define void @remember(ptr %block, i64 %start, i64 %stop) nounwind {
 %head = load ptr, ptr %block
 %b1 = getelementptr i64, ptr %block, i64 1
 %kept = load ptr, ptr %b1
 call void @llvm.memmove.p0.p0.i64(ptr %kept, ptr %head, i64 64, i1 false)
 %p2 = getelementptr i64, ptr %head, i64 2
 %position = load i64, ptr %p2
 %before = sub i64 %position, 1
 %last = call i64 @llvm.smax.i64(i64 %before, i64 0)
 %past = sdiv i64 %last, BLOCK
 %gone = mul i64 %past, BLOCK
 %moved = sub i64 %position, %gone
 %k2 = getelementptr i64, ptr %kept, i64 2
 store i64 %moved, ptr %k2
 %words = load ptr, ptr %head
 %from = getelementptr i32, ptr %words, i64 %gone
 %to = getelementptr i64, ptr %kept, i64 SAVED
 call void @llvm.memmove.p0.p0.i64(ptr %to, ptr %from, i64 SIZE, i1 false)
 store i64 1, ptr %kept
 ret void
}

; Whether a kernel has found something to be wrong. block: { head }
define i64 @verify(ptr %block) nounwind {
 %head = load ptr, ptr %block
 %first = getelementptr i8, ptr %head, i64 PROGRESS
 %p2 = getelementptr i64, ptr %first, i64 2
 %a = load i64, ptr %p2
 %p3 = getelementptr i64, ptr %first, i64 3
 %b = load i64, ptr %p3
 %any = or i64 %a, %b
 %some = icmp ne i64 %any, 0
 %answer = select i1 %some, i64 WRONG, i64 0
 ret i64 %answer
}
"""
_DRAWING = ("draw", "search", "verify", "remember")


@cache
def clear():
    """kernel(target, value, units, grain): units are bytes."""
    return compile.compile_ir("clear_bytes", _CLEAR, ("uint8*", "int64"))


@cache
def copy():
    """kernel(target, source, units, grain): units are bytes that do not overlap."""
    return compile.compile_ir("copy_bytes", _COPY, ("uint8*", "uint8*"))


@cache
def draw():
    """Addresses: of void draw(block, start, stop) and void search(block, start, stop), of the kernel that makes words,
    of i64 verify(block) and of void remember(block, start, stop)."""
    text = _DRAW
    for name, number in (("LESS", BLOCK - 1), ("EIGHT", 8 * BLOCK), ("MOST", SLAB + BLOCK), ("BLOCK", BLOCK),
                         ("SLAB", SLAB), ("PROGRESS", PROGRESS), ("WRONG", WRONG),
                         ("SAVED", mersenne.SAVED), ("SIZE", 4 * BLOCK)):
        text = text.replace(name, str(number))
    code, needs = compile.compile_object("draw", text, _DRAWING)
    imports = {name: threads.region_address() if name == "numbatorch_region" else machine.symbol(name)
               for name in needs}
    loaded = machine.Loaded(code, _DRAWING, imports).keep_for_ever()
    _kept.append(loaded)
    own = loaded.addresses
    return own["draw"], own["search"], random_kernels.extend().__self__.address, own["verify"], own["remember"]


_kept: list = []
