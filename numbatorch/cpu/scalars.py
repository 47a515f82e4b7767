"""What Python asks of memory without a kernel: one number, or whether indices lie in a range.

Built-ins in native code, some 40 ns each.
"""

import functools

from . import compile, entry, machine, threads

_READ = """
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyErr_Occurred()
declare ptr @{make}({wide})
define ptr @numbatorch_read_{name}(ptr %self, ptr %argument) nounwind {{
 %number = call i64 @PyLong_AsLongLong(ptr %argument)
 %suspect = icmp eq i64 %number, -1
 br i1 %suspect, label %check, label %read
check:
 %error = call ptr @PyErr_Occurred()
 %bad = icmp ne ptr %error, null
 br i1 %bad, label %failed, label %read
failed:
 ret ptr null
read:
 %place = inttoptr i64 %number to ptr
 %value = load {stored}, ptr %place
 {convert}
 %result = call ptr @{make}({wide} %wide)
 ret ptr %result
}}
"""
_EXTEND = "%wide = {how} {stored} %value to {wide}"
_KINDS = {
    "float32": ("float", "double", "fpext"), "float64": ("double", "double", "bitcast"),
    "int64": ("i64", "i64", "bitcast"), "int32": ("i32", "i64", "sext"), "int16": ("i16", "i64", "sext"),
    "int8": ("i8", "i64", "sext"), "uint8": ("i8", "i64", "zext"), "bool": ("i8", "i64", "zext"),
    "uint16": ("i16", "i64", "zext"), "uint32": ("i32", "i64", "zext")}


@functools.cache
def reader(dtype):
    """A built-in f(address) that gives the number of a dtype stored there, or None for dtypes read otherwise."""
    if dtype not in _KINDS:
        return None
    stored, wide, how = _KINDS[dtype]
    whole = "PyBool_FromLong" if dtype == "bool" else "PyLong_FromLongLong"
    make = {"double": "PyFloat_FromDouble", "i64": whole}[wide]
    text = _READ.format(make=make, wide=wide, name=dtype, stored=stored,
                        convert=_EXTEND.format(how=how, stored=stored, wide=wide))
    return _loaded(f"read_{dtype}", text, entry.METH_O)


_WITHIN = """
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyErr_Occurred()
declare ptr @PyBool_FromLong(i64)
declare void @numbatorch_parallel(ptr, ptr, i64, i64)
define internal void @chunk(ptr %block, i64 %first, i64 %stop) nounwind {{
entry:
 %place = load ptr, ptr %block
 %p_low = getelementptr i64, ptr %block, i64 1
 %low = load i64, ptr %p_low
 %p_span = getelementptr i64, ptr %block, i64 2
 %span = load i64, ptr %p_span
 br label %head
head:
 %i = phi i64 [%first, %entry], [%next, %body]
 %outside = phi i64 [0, %entry], [%together, %body]
 %more = icmp slt i64 %i, %stop
 br i1 %more, label %body, label %exit
body:
 %at = getelementptr {stored}, ptr %place, i64 %i
 %value = load {stored}, ptr %at
 {extend}
 %above = sub i64 %wide, %low
 %out = icmp uge i64 %above, %span
 %mark = zext i1 %out to i64
 %together = or i64 %outside, %mark
 %next = add i64 %i, 1
 br label %head
exit:
 %found = getelementptr i64, ptr %block, i64 3
 %ignored = atomicrmw or ptr %found, i64 %outside monotonic
 ret void
}}
define ptr @numbatorch_within_{name}(ptr %self, ptr %arguments, i64 %n) nounwind {{
entry:
 %block = alloca [4 x i64]
 %q0 = load ptr, ptr %arguments
 %p1 = getelementptr ptr, ptr %arguments, i64 1
 %q1 = load ptr, ptr %p1
 %p2 = getelementptr ptr, ptr %arguments, i64 2
 %q2 = load ptr, ptr %p2
 %p3 = getelementptr ptr, ptr %arguments, i64 3
 %q3 = load ptr, ptr %p3
 %number = call i64 @PyLong_AsLongLong(ptr %q0)
 %count = call i64 @PyLong_AsLongLong(ptr %q1)
 %low = call i64 @PyLong_AsLongLong(ptr %q2)
 %high = call i64 @PyLong_AsLongLong(ptr %q3)
 %error = call ptr @PyErr_Occurred()
 %bad = icmp ne ptr %error, null
 br i1 %bad, label %failed, label %start
failed:
 ret ptr null
start:
 %span = sub i64 %high, %low
 %b1 = getelementptr i64, ptr %block, i64 1
 %b2 = getelementptr i64, ptr %block, i64 2
 %b3 = getelementptr i64, ptr %block, i64 3
 store i64 %number, ptr %block
 store i64 %low, ptr %b1
 store i64 %span, ptr %b2
 store i64 0, ptr %b3
 %few = icmp sle i64 %count, {grain}
 br i1 %few, label %here, label %together
here:
 call void @chunk(ptr %block, i64 0, i64 %count)
 br label %done
together:
 call void @numbatorch_parallel(ptr @chunk, ptr %block, i64 %count, i64 {grain})
 br label %done
done:
 %outside = load i64, ptr %b3
 %none = icmp eq i64 %outside, 0
 %truth = zext i1 %none to i64
 %result = call ptr @PyBool_FromLong(i64 %truth)
 ret ptr %result
}}
"""
_CHECKED = 32768  # numbers that one thread looks at together


@functools.cache
def range_check(dtype):
    """A built-in f(address, count, low, high): whether count numbers ("int64", "int32") there are in [low, high).

    One pass without branches, by all threads where there are many.
    """
    stored = {"int64": "i64", "int32": "i32"}[dtype]
    extend = f"%wide = {'bitcast' if stored == 'i64' else 'sext'} {stored} %value to i64"
    text = _WITHIN.format(name=dtype, stored=stored, extend=extend, grain=_CHECKED)
    return _loaded(f"within_{dtype}", text, entry.METH_FASTCALL)


def _loaded(label, text, flags):
    """The built-in `numbatorch_<label>` of IR text."""
    name = f"numbatorch_{label}"
    code, needs = compile.compile_object(label, text, (name,))
    imports = {n: threads.parallel_address() if n == "numbatorch_parallel" else machine.python_api(n) for n in needs}
    loaded = machine.Loaded(code, (name,), imports).keep_for_ever()
    _keep.append(loaded)
    return entry.builtin(name, loaded.addresses[name], flags=flags)


_keep: list = []
