"""Reading one number from memory as a Python number: built-ins in native code, some 40 ns each."""

import functools

from . import compile, entry, machine

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
    name = f"numbatorch_read_{dtype}"
    code, needs = compile.compile_object(f"read_{dtype}", text, (name,))
    loaded = machine.Loaded(code, (name,), {n: machine.python_api(n) for n in needs}).keep_for_ever()
    _keep.append(loaded)
    return entry.builtin(name, loaded.addresses[name], flags=entry.METH_O)


_keep: list = []
