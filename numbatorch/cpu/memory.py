"""Memory for tensors: aligned blocks from free lists by size, in native code.

`allocate(nbytes)` gives a block, a capsule whose end returns the memory to its list; `address(block)` its address. Both
are built-in functions (some 60 ns together when a list has a block) and rely on the GIL for exclusion. Blocks are
aligned to 64 bytes, a cache line and the widest vector. Sizes are powers of two with four steps between. A fresh page
costs a page fault, which is most of the time of a large memory-bound op: that is what the lists save. What they hold is
bounded: a program whose sizes change takes larger blocks that are free, and memory in use and in the lists together
grows little beyond the most that was ever in use. Larger blocks are asked from the system in huge pages.
"""

import ctypes
import functools
import os
import sys

from ..errors import NoMemoryError
from . import compile, entry, machine

_FIELDS = ("allocated", "cached", "peak", "hits", "misses", "limit")
CACHE_BYTES = 2**30  # at most, and no more than a quarter of the machine's memory
_CONSTANTS = {
    "LARGE_CLASS": 63,  # of 64 KB: smaller blocks are few bytes in all, and stay in their lists
    "LARGER_CLASSES": 3,  # a large block may be up to 1.75 times what was asked for
    "SPARE_BYTES": 16 * 2**20,  # besides a quarter: what the lists may hold above the most that was in use
}

_POSIX = """
declare i32 @posix_memalign(ptr, i64, i64)
declare void @free(ptr)
define internal ptr @obtain(i64 %size) nounwind {
 %place = alloca ptr
 %status = call i32 @posix_memalign(ptr %place, i64 64, i64 %size)
 %good = icmp eq i32 %status, 0
 br i1 %good, label %made, label %failed
failed:
 ret ptr null
made:
 %block = load ptr, ptr %place
 ret ptr %block
}
define internal void @give_back(ptr %block, i64 %size) nounwind {
 call void @free(ptr %block)
 ret void
}
"""
# Large blocks are mappings of their own, in huge pages: when they are given back the system has them, whereas malloc
# keeps what it had aligned to 2 MB in pieces that fit nothing. A mapping is made 2 MB longer, then cut to what is
# aligned.
_LINUX = """
declare i32 @posix_memalign(ptr, i64, i64)
declare void @free(ptr)
declare ptr @mmap(ptr, i64, i32, i32, i32, i64)
declare i32 @munmap(ptr, i64)
declare i32 @madvise(ptr, i64, i32)
define internal ptr @obtain(i64 %size) nounwind {
 %place = alloca ptr
 %large = icmp uge i64 %size, 4194304
 br i1 %large, label %map, label %small
small:
 %status = call i32 @posix_memalign(ptr %place, i64 64, i64 %size)
 %good = icmp eq i32 %status, 0
 br i1 %good, label %made, label %failed
failed:
 ret ptr null
made:
 %block = load ptr, ptr %place
 ret ptr %block
map:
 %length = add i64 %size, 2097152
 %mapped = call ptr @mmap(ptr null, i64 %length, i32 3, i32 34, i32 -1, i64 0)
 %number = ptrtoint ptr %mapped to i64
 %refused = icmp eq i64 %number, -1
 br i1 %refused, label %failed, label %cut
cut:
 %beyond = add i64 %number, 2097151
 %start = and i64 %beyond, -2097152
 %aligned = inttoptr i64 %start to ptr
 %head = sub i64 %start, %number
 %some_head = icmp ne i64 %head, 0
 br i1 %some_head, label %cut_head, label %behind
cut_head:
 %cut1 = call i32 @munmap(ptr %mapped, i64 %head)
 br label %behind
behind:
 %tail = sub i64 2097152, %head
 %end = add i64 %start, %size
 %rest = inttoptr i64 %end to ptr
 %some_tail = icmp ne i64 %tail, 0
 br i1 %some_tail, label %cut_tail, label %advise
cut_tail:
 %cut2 = call i32 @munmap(ptr %rest, i64 %tail)
 br label %advise
advise:
 %advised = call i32 @madvise(ptr %aligned, i64 %size, i32 14)
 ret ptr %aligned
}
define internal void @give_back(ptr %block, i64 %size) nounwind {
 %large = icmp uge i64 %size, 4194304
 br i1 %large, label %unmap, label %small
unmap:
 %unmapped = call i32 @munmap(ptr %block, i64 %size)
 ret void
small:
 call void @free(ptr %block)
 ret void
}
"""
_WINDOWS = """
declare ptr @_aligned_malloc(i64, i64)
declare void @_aligned_free(ptr)
define internal ptr @obtain(i64 %size) nounwind {
 %block = call ptr @_aligned_malloc(i64 %size, i64 64)
 ret ptr %block
}
define internal void @give_back(ptr %block, i64 %size) nounwind {
 call void @_aligned_free(ptr %block)
 ret void
}
"""

_LISTS = """
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyErr_Occurred()
declare ptr @PyErr_Format(ptr, ptr, ...)
declare ptr @PyCapsule_New(ptr, ptr, ptr)
declare ptr @PyCapsule_GetPointer(ptr, ptr)
declare i32 @PyCapsule_SetContext(ptr, ptr)
declare ptr @PyCapsule_GetContext(ptr)
declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.smax.i64(i64, i64)
@numbatorch_no_memory = external global ptr
@PyExc_ValueError = external global ptr
@name = internal constant [17 x i8] c"numbatorch.block\\00"
@exhausted = internal constant [32 x i8] c"cpu: cannot allocate %lld bytes\\00"
@negative = internal constant [56 x i8] c"cpu: cannot allocate a negative number of bytes (%lld)\\00\\00"

; allocated, cached, peak, hits, misses, limit
@numbatorch_memory = global [6 x i64] zeroinitializer, align 64
; The first free block of each size; the start of a free block holds the next.
@lists = internal global [256 x ptr] zeroinitializer, align 64

; Size class c: (5 + c % 4) * 2^(c / 4 - 2) bytes.
define internal i64 @size_of(i64 %class) alwaysinline nounwind {
 %step = and i64 %class, 3
 %steps = add i64 %step, 5
 %octave = lshr i64 %class, 2
 %shift = sub i64 %octave, 2
 %size = shl i64 %steps, %shift
 ret i64 %size
}

define internal void @add(i64 %field, i64 %amount) alwaysinline nounwind {
 %p = getelementptr i64, ptr @numbatorch_memory, i64 %field
 %old = load i64, ptr %p
 %new = add i64 %old, %amount
 store i64 %new, ptr %p
 ret void
}

define internal void @release(ptr %block, i64 %class) nounwind {
 %size = call i64 @size_of(i64 %class)
 %less = sub i64 0, %size
 call void @add(i64 0, i64 %less)
 %cached = load i64, ptr getelementptr (i64, ptr @numbatorch_memory, i64 1)
 %limit = load i64, ptr getelementptr (i64, ptr @numbatorch_memory, i64 5)
 %would = add i64 %cached, %size
 %fits = icmp sle i64 %would, %limit
 br i1 %fits, label %keep, label %drop
keep:
 store i64 %would, ptr getelementptr (i64, ptr @numbatorch_memory, i64 1)
 %list = getelementptr ptr, ptr @lists, i64 %class
 %first = load ptr, ptr %list
 store ptr %first, ptr %block
 store ptr %block, ptr %list
 ret void
drop:
 call void @give_back(ptr %block, i64 %size)
 ret void
}

define internal void @destroy(ptr %capsule) nounwind {
 %block = call ptr @PyCapsule_GetPointer(ptr %capsule, ptr @name)
 %context = call ptr @PyCapsule_GetContext(ptr %capsule)
 %class = ptrtoint ptr %context to i64
 %exact = icmp sge i64 %class, 4194304
 br i1 %exact, label %whole, label %listed
listed:
 call void @release(ptr %block, i64 %class)
 ret void
whole:
 %less = sub i64 0, %class
 call void @add(i64 0, i64 %less)
 call void @give_back(ptr %block, i64 %class)
 ret void
}

; A block of exactly so many bytes, 4 MB or more, that no list keeps: the capsule's context is its size.
define ptr @numbatorch_exact(ptr %self, ptr %argument) nounwind {
 %wanted = call i64 @PyLong_AsLongLong(ptr %argument)
 %least = call i64 @llvm.smax.i64(i64 %wanted, i64 4194304)
 %up = add i64 %least, 4095
 %size = and i64 %up, -4096
 %block = call ptr @obtain(i64 %size)
 %got = icmp ne ptr %block, null
 br i1 %got, label %have, label %none
none:
 %memory_error = load ptr, ptr @numbatorch_no_memory
 %ignored = call ptr (ptr, ptr, ...) @PyErr_Format(ptr %memory_error, ptr @exhausted, i64 %wanted)
 ret ptr null
have:
 %capsule = call ptr @PyCapsule_New(ptr %block, ptr @name, ptr @destroy)
 %whole = icmp ne ptr %capsule, null
 br i1 %whole, label %finish, label %undo
undo:
 call void @give_back(ptr %block, i64 %size)
 ret ptr null
finish:
 call void @add(i64 0, i64 %size)
 %allocated = load i64, ptr @numbatorch_memory
 %peak = load i64, ptr getelementptr (i64, ptr @numbatorch_memory, i64 2)
 %highest = call i64 @llvm.smax.i64(i64 %allocated, i64 %peak)
 store i64 %highest, ptr getelementptr (i64, ptr @numbatorch_memory, i64 2)
 %context = inttoptr i64 %size to ptr
 %set = call i32 @PyCapsule_SetContext(ptr %capsule, ptr %context)
 ret ptr %capsule
}

; Give large blocks back, the largest first, until so many bytes are.
define internal void @trim(i64 %bytes) noinline nounwind {
entry:
 br label %class
class:
 %c = phi i64 [255, %entry], [%c, %free], [%next_class, %ended]
 %freed = phi i64 [0, %entry], [%more_freed, %free], [%freed, %ended]
 %list = getelementptr ptr, ptr @lists, i64 %c
 %first = load ptr, ptr %list
 %some = icmp ne ptr %first, null
 %wanted = icmp slt i64 %freed, %bytes
 %goes = and i1 %some, %wanted
 br i1 %goes, label %free, label %ended
free:
 %next = load ptr, ptr %first
 store ptr %next, ptr %list
 %size = call i64 @size_of(i64 %c)
 call void @give_back(ptr %first, i64 %size)
 %less = sub i64 0, %size
 call void @add(i64 1, i64 %less)
 %more_freed = add i64 %freed, %size
 br label %class
ended:
 %next_class = sub i64 %c, 1
 %large = icmp sge i64 %next_class, LARGE_CLASS
 %more = and i1 %large, %wanted
 br i1 %more, label %class, label %exit
exit:
 ret void
}

define void @numbatorch_empty() noinline nounwind {
entry:
 br label %class
class:
 %c = phi i64 [0, %entry], [%next_class, %ended]
 %list = getelementptr ptr, ptr @lists, i64 %c
 br label %block
block:
 %first = load ptr, ptr %list
 %some = icmp ne ptr %first, null
 br i1 %some, label %free, label %ended
free:
 %next = load ptr, ptr %first
 store ptr %next, ptr %list
 %size = call i64 @size_of(i64 %c)
 call void @give_back(ptr %first, i64 %size)
 br label %block
ended:
 %next_class = add i64 %c, 1
 %more = icmp slt i64 %next_class, 256
 br i1 %more, label %class, label %exit
exit:
 store i64 0, ptr getelementptr (i64, ptr @numbatorch_memory, i64 1)
 ret void
}

define ptr @numbatorch_allocate(ptr %self, ptr %argument) nounwind {
 %wanted = call i64 @PyLong_AsLongLong(ptr %argument)
 %below = icmp slt i64 %wanted, 0
 br i1 %below, label %odd, label %sized
odd:
 %error = call ptr @PyErr_Occurred()
 %bad = icmp ne ptr %error, null
 br i1 %bad, label %failed, label %minus
minus:
 %value_error = load ptr, ptr @PyExc_ValueError
 %ignored = call ptr (ptr, ptr, ...) @PyErr_Format(ptr %value_error, ptr @negative, i64 %wanted)
 br label %failed
failed:
 ret ptr null
sized:
 %at_least = call i64 @llvm.smax.i64(i64 %wanted, i64 64)
 %last = sub i64 %at_least, 1
 %zeros = call i64 @llvm.ctlz.i64(i64 %last, i1 true)
 %octave = sub i64 63, %zeros
 %shift = sub i64 %octave, 2
 %steps = lshr i64 %last, %shift
 %octaves = shl i64 %octave, 2
 %step = sub i64 %steps, 4
 %own_class = add i64 %octaves, %step
 %is_large = icmp sge i64 %own_class, LARGE_CLASS
 %room = select i1 %is_large, i64 LARGER_CLASSES, i64 0
 %last_class = add i64 %own_class, %room
 br label %look
look:
 %found_class = phi i64 [%own_class, %sized], [%next_class, %empty]
 %list = getelementptr ptr, ptr @lists, i64 %found_class
 %first = load ptr, ptr %list
 %hit = icmp ne ptr %first, null
 br i1 %hit, label %pop, label %empty
empty:
 %next_class = add i64 %found_class, 1
 %more = icmp sle i64 %next_class, %last_class
 br i1 %more, label %look, label %fresh
pop:
 %next = load ptr, ptr %first
 store ptr %next, ptr %list
 %found_size = call i64 @size_of(i64 %found_class)
 %less = sub i64 0, %found_size
 call void @add(i64 1, i64 %less)
 call void @add(i64 3, i64 1)
 br label %have
fresh:
 call void @add(i64 4, i64 1)
 %sane = icmp ult i64 %wanted, 4611686018427387904
 br i1 %sane, label %obtain, label %none
obtain:
 %own_size = call i64 @size_of(i64 %own_class)
 %before = load i64, ptr @numbatorch_memory
 %with = add i64 %before, %own_size
 %most = load i64, ptr getelementptr (i64, ptr @numbatorch_memory, i64 2)
 %base = call i64 @llvm.smax.i64(i64 %with, i64 %most)
 %quarter = lshr i64 %base, 2
 %share = add i64 %base, %quarter
 %may = add i64 %share, SPARE_BYTES
 %kept = load i64, ptr getelementptr (i64, ptr @numbatorch_memory, i64 1)
 %footprint = add i64 %with, %kept
 %over = sub i64 %footprint, %may
 %is_over = icmp sgt i64 %over, 0
 br i1 %is_over, label %cut, label %ask
cut:
 call void @trim(i64 %over)
 br label %ask
ask:
 %made = call ptr @obtain(i64 %own_size)
 %got = icmp ne ptr %made, null
 br i1 %got, label %have, label %again
again:
 call void @numbatorch_empty()
 %second = call ptr @obtain(i64 %own_size)
 %got2 = icmp ne ptr %second, null
 br i1 %got2, label %have, label %none
none:
 %memory_error = load ptr, ptr @numbatorch_no_memory
 %ignored2 = call ptr (ptr, ptr, ...) @PyErr_Format(ptr %memory_error, ptr @exhausted, i64 %wanted)
 br label %failed
have:
 %block = phi ptr [%first, %pop], [%made, %ask], [%second, %again]
 %class = phi i64 [%found_class, %pop], [%own_class, %ask], [%own_class, %again]
 %size = call i64 @size_of(i64 %class)
 call void @add(i64 0, i64 %size)
 %allocated = load i64, ptr @numbatorch_memory
 %peak = load i64, ptr getelementptr (i64, ptr @numbatorch_memory, i64 2)
 %highest = call i64 @llvm.smax.i64(i64 %allocated, i64 %peak)
 store i64 %highest, ptr getelementptr (i64, ptr @numbatorch_memory, i64 2)
 %capsule = call ptr @PyCapsule_New(ptr %block, ptr @name, ptr @destroy)
 %whole = icmp ne ptr %capsule, null
 br i1 %whole, label %finish, label %undo
undo:
 call void @release(ptr %block, i64 %class)
 br label %failed
finish:
 %context = inttoptr i64 %class to ptr
 %set = call i32 @PyCapsule_SetContext(ptr %capsule, ptr %context)
 ret ptr %capsule
}

define ptr @numbatorch_address(ptr %self, ptr %capsule) nounwind {
 %block = call ptr @PyCapsule_GetPointer(ptr %capsule, ptr @name)
 %good = icmp ne ptr %block, null
 br i1 %good, label %give, label %failed
give:
 %number = ptrtoint ptr %block to i64
 %result = call ptr @PyLong_FromLongLong(i64 %number)
 ret ptr %result
failed:
 ret ptr null
}
"""


def _text():
    lists = _LISTS
    for name, value in _CONSTANTS.items():
        lists = lists.replace(name, str(value))
    if sys.platform == "win32":
        return lists + _WINDOWS
    if sys.platform == "linux":
        return lists + _LINUX
    return lists + _POSIX


_no_memory = ctypes.py_object(NoMemoryError)  # the class that the allocator raises


@functools.cache
def _loaded():
    """Addresses of the allocator's functions and counters."""
    exports = ("numbatorch_allocate", "numbatorch_exact", "numbatorch_address", "numbatorch_empty",
               "numbatorch_memory")
    code, needs = compile.compile_object("memory", _text(), exports)
    own = {"numbatorch_no_memory": ctypes.addressof(_no_memory)}
    imports = {name: own.get(name) or (machine.python_api if name.startswith("Py") else machine.symbol)(name)
               for name in needs}
    loaded = machine.Loaded(code, exports, imports).keep_for_ever()
    _keep.append(loaded)
    _counters(loaded.addresses)[_FIELDS.index("limit")] = _limit_bytes()
    return loaded.addresses


_keep: list[machine.Loaded] = []


def _counters(addresses):
    return (ctypes.c_int64 * len(_FIELDS)).from_address(addresses["numbatorch_memory"])


def _limit_bytes():
    try:
        return min(CACHE_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4)
    except (AttributeError, ValueError, OSError):
        return CACHE_BYTES


allocate = entry.builtin(
    "allocate", _loaded()["numbatorch_allocate"], None, entry.METH_O,
    "allocate(nbytes): a block of memory aligned to 64 bytes. NoMemoryError when the system has none left.",
)  # fmt: skip
_exact = entry.builtin("exact", _loaded()["numbatorch_exact"], None, entry.METH_O)
address = entry.builtin(
    "address", _loaded()["numbatorch_address"], None, entry.METH_O,
    "address(block): the address of a block, valid while the block is.",
)  # fmt: skip


def memory_stats():
    """{"allocated", "cached", "peak"} in bytes, and how often a list had a block ("hits") or not ("misses")."""
    values = dict(zip(_FIELDS, _counters(_loaded()), strict=True))
    del values["limit"]
    return values


def allocate_exact(nbytes):
    """A block of so many bytes for long use: a large one is no larger than asked for, and in no list afterwards."""
    return _exact(nbytes) if nbytes >= 4 << 20 else allocate(nbytes)


def empty_cache():
    """Give the memory of all unused blocks back to the system."""
    ctypes.PYFUNCTYPE(None)(_loaded()["numbatorch_empty"])()
