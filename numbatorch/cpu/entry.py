"""The native entry of a kernel: a METH_FASTCALL function, written as LLVM IR into the kernel's own object code.

`entry_<name>(self, args, n)` checks and converts the arguments, then either calls the kernel for all units at once
(units <= grain) or hands chunks of `grain` units to the pool with the GIL released. A call costs some 50 ns, because
nothing in it is Python.

A kernel whose signature ends with FLAG gets the address of an int64 that is 0; where it leaves another number there,
the call raises IndexError, for its caller to say what is wrong.
"""

import ctypes

from ..expr.write import STORAGE
from . import machine

TYPES = {
    "bool": "i8", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "i8", "uint16": "i16", "uint32": "i32", "uint64": "i64",
    "float32": "float", "float64": "double",
    "complex64": "{ float, float }", "complex128": "{ double, double }",
}  # fmt: skip

FLAG = "flag"

_DECLARATIONS = """
declare i64 @PyLong_AsLongLong(ptr)
declare i64 @PyLong_AsUnsignedLongLongMask(ptr)
declare double @PyFloat_AsDouble(ptr)
declare double @PyComplex_RealAsDouble(ptr)
declare double @PyComplex_ImagAsDouble(ptr)
declare ptr @PyErr_Occurred()
declare ptr @PyErr_Format(ptr, ptr, ...)
declare void @Py_IncRef(ptr)
@PyExc_TypeError = external global ptr
@PyExc_IndexError = external global ptr
@_Py_NoneStruct = external global i8
declare void @numbatorch_parallel(ptr, ptr, i64, i64)
"""
API = ("PyLong_AsLongLong", "PyLong_AsUnsignedLongLongMask", "PyFloat_AsDouble", "PyComplex_RealAsDouble",
       "PyComplex_ImagAsDouble", "PyErr_Occurred", "PyErr_Format", "Py_IncRef", "PyExc_TypeError",
       "PyExc_IndexError", "_Py_NoneStruct")  # fmt: skip


def stored_type(text):
    """How a kernel sees the elements behind a pointer: bool as uint8, narrow floats as integers."""
    return STORAGE.get(text, text)


def llvm_type(text):
    """LLVM type of one entry of a signature."""
    if text == FLAG:
        return "ptr"
    if text.endswith("*"):
        if stored_type(text[:-1]) not in TYPES:
            raise ValueError(f"kernel signature: unknown type {text!r}")
        return "ptr"
    if text not in TYPES:
        raise ValueError(f"kernel signature: unknown type {text!r}, known: {', '.join(TYPES)} and pointers to them")
    return TYPES[text]


def words(block, *fields):
    """IR text that reads the words of a block of memory in order: each "type name", or None for one to leave out."""
    return "".join(f" %{block}.{k} = getelementptr i64, ptr %{block}, i64 {k}\n"
                   f" %{field.split()[1]} = load {field.split()[0]}, ptr %{block}.{k}\n"
                   for k, field in enumerate(fields) if field)


def owned(*fields):
    """The same for the memory whose address is a built-in function's `__self__`, an int: what such a function does
    first."""
    return (" %address = call i64 @PyLong_AsLongLong(ptr %self)\n %head = inttoptr i64 %address to ptr\n"
            + words("head", *fields))


def write(name, signature):
    """IR text of `entry_<name>` for the function `void @<name>(<signature>, i64 start, i64 stop)`.

    Not optimised: a call takes 1 ns of some 60 longer for it, and LLVM a fifth less time for a small kernel.
    """
    flagged = signature[-1:] == (FLAG,)
    given = signature[:-1] if flagged else signature
    kinds = [llvm_type(text) for text in signature]
    count = len(given) + 2
    block = "{ " + ", ".join(kinds) + " }"
    names = [f"%a{i}" for i in range(len(given))] + ["%flag"] * flagged
    listed = "".join(f"{kind} {name}, " for kind, name in zip(kinds, names, strict=True))
    fields = [f" %p{i} = getelementptr {block}, ptr %block, i32 0, i32 {i}\n" for i in range(len(kinds))]
    loads = "".join(f"{fields[i]} {names[i]} = load {kind}, ptr %p{i}\n" for i, kind in enumerate(kinds))
    stores = "".join(f"{fields[i]} store {kind} {names[i]}, ptr %p{i}\n" for i, kind in enumerate(kinds))
    conversions = "".join(_convert(i, text) for i, text in enumerate((*given, "int64", "int64")))
    message = f"{name}: expected %zd arguments, got %zd"
    made = " %flag = alloca i64\n store i64 0, ptr %flag\n" if flagged else ""
    asked = f""" %raised = load i64, ptr %flag
 %fine = icmp eq i64 %raised, 0
 br i1 %fine, label %good, label %bad
bad:
 %index_error = load ptr, ptr @PyExc_IndexError
 %ignored2 = call ptr (ptr, ptr, ...) @PyErr_Format(ptr %index_error, ptr @outside.{name})
 ret ptr null
good:
""" if flagged else ""
    outside = f"{name}: an index is out of bounds"
    constants = f'@outside.{name} = private constant [{len(outside) + 1} x i8] c"{outside}\\00"\n' * flagged
    return f"""{_DECLARATIONS}{constants}
@message.{name} = private constant [{len(message) + 1} x i8] c"{message}\\00"
define internal void @chunk.{name}(ptr %block, i64 %start, i64 %stop) nounwind noinline optnone {{
{loads} call void @{name}({listed}i64 %start, i64 %stop)
 ret void
}}
define ptr @entry_{name}(ptr %self, ptr %arguments, i64 %n) nounwind noinline optnone {{
 %block = alloca {block}
{made} %counted = icmp eq i64 %n, {count}
 br i1 %counted, label %convert0, label %miscounted
miscounted:
 %type = load ptr, ptr @PyExc_TypeError
 %ignored = call ptr (ptr, ptr, ...) @PyErr_Format(ptr %type, ptr @message.{name}, i64 {count}, i64 %n)
 ret ptr null
failed:
 ret ptr null
{conversions}convert{count}:
 %small = icmp sle i64 %a{count - 2}, %a{count - 1}
 br i1 %small, label %direct, label %parallel
direct:
 call void @{name}({listed}i64 0, i64 %a{count - 2})
 br label %done
parallel:
{stores} call void @numbatorch_parallel(ptr @chunk.{name}, ptr %block, i64 %a{count - 2}, i64 %a{count - 1})
 br label %done
done:
{asked} call void @Py_IncRef(ptr @_Py_NoneStruct)
 ret ptr @_Py_NoneStruct
}}
"""


def _convert(i, text):
    """Blocks that turn argument i into %a<i>, or leave with the error that Python has set."""
    head = f"convert{i}:\n %q{i} = getelementptr ptr, ptr %arguments, i64 {i}\n %o{i} = load ptr, ptr %q{i}\n"
    if text in ("complex64", "complex128"):
        part = "float" if text == "complex64" else "double"
        pair = TYPES[text]
        narrow = "".join(f" %n{i}{k} = fptrunc double %v{i}{k} to float\n" for k in "ri") if part == "float" else ""
        stem = "n" if narrow else "v"
        head += f" %v{i}r = call double @PyComplex_RealAsDouble(ptr %o{i})\n"
        head += f" %v{i}i = call double @PyComplex_ImagAsDouble(ptr %o{i})\n{narrow}"
        head += f" %h{i} = insertvalue {pair} poison, {part} %{stem}{i}r, 0\n"
        head += f" %a{i} = insertvalue {pair} %h{i}, {part} %{stem}{i}i, 1\n"
        head += f" %odd{i} = fcmp oeq double %v{i}r, -1.0\n"
    elif text.startswith("float") and not text.endswith("*"):
        wide = f"%a{i}" if text == "float64" else f"%v{i}"
        head += f" {wide} = call double @PyFloat_AsDouble(ptr %o{i})\n"
        if text == "float32":
            head += f" %a{i} = fptrunc double %v{i} to float\n"
        head += f" %odd{i} = fcmp oeq double {wide}, -1.0\n"
    else:
        function = "PyLong_AsUnsignedLongLongMask" if text == "uint64" else "PyLong_AsLongLong"
        kind = llvm_type(text)
        wide = f"%a{i}" if kind == "i64" else f"%v{i}"
        head += f" {wide} = call i64 @{function}(ptr %o{i})\n"
        if text == "bool":  # any number but zero is true
            head += f" %t{i} = icmp ne i64 {wide}, 0\n %a{i} = zext i1 %t{i} to i8\n"
        elif kind == "ptr":
            head += f" %a{i} = inttoptr i64 {wide} to ptr\n"
        elif kind != "i64":
            head += f" %a{i} = trunc i64 {wide} to {kind}\n"
        head += f" %odd{i} = icmp eq i64 {wide}, -1\n"
    return head + (
        f" br i1 %odd{i}, label %ask{i}, label %convert{i + 1}\n"
        f"ask{i}:\n %e{i} = call ptr @PyErr_Occurred()\n %bad{i} = icmp ne ptr %e{i}, null\n"
        f" br i1 %bad{i}, label %failed, label %convert{i + 1}\n"
    )


class MethodDef(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = [("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int),
                ("doc", ctypes.c_char_p)]  # fmt: skip


METH_NOARGS, METH_O, METH_FASTCALL = 0x0004, 0x0008, 0x0080


def builtin(name, address, owner=None, flags=METH_FASTCALL, doc=""):
    """A built-in function of Python around machine code. `owner` becomes its `__self__` and keeps the code alive."""
    definition = MethodDef(name.encode(), address, flags, doc.encode())
    _definitions.append(definition)  # a built-in function reads its definition for as long as it lives
    return _new_builtin(ctypes.addressof(definition), owner, None)


_definitions: list[MethodDef] = []
_new_builtin = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)


class Kernel:
    """What a kernel's built-in function carries as `__self__`: the code, its address and the text it was made from."""

    needs_gil = False  # whether it gives Python's lock back by itself, so that a program's caller has to hold it

    def __init__(self, name, signature, source, code, needs):
        from . import threads

        self.name, self.signature, self.source = name, signature, source
        entry = f"entry_{name}"
        imports = {key: machine.python_api(key) for key in API if key in needs}
        for key in needs:
            if key not in imports:
                imports[key] = threads.parallel_address() if key == "numbatorch_parallel" else machine.symbol(key)
        self._loaded = machine.Loaded(code, (name, entry), imports)
        self.address = self._loaded.addresses[name]
        self._entry = self._loaded.addresses[entry]

    def __repr__(self):
        return f"<kernel {self.name}({', '.join(self.signature)})>"

    def function(self):
        """The built-in function `kernel(*arguments, units, grain)`."""
        return builtin(self.name, self._entry, self)
