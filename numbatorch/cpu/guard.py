"""Looking at Python objects from machine code: whether dictionaries, lists and cells still hold what they held.

A table of rows is walked in one call. What one word of memory tells, a dict's version tag among these, comes first, in
a table of (place, word) that is short enough to be read again when a program has gone through the caches. Everything
is compared by identity; who sees a difference asks again in Python. The rows keep what they compare with alive.
"""

import ctypes
import sys
import sysconfig
from collections import OrderedDict
from functools import cache

import numpy as np

from . import compile, entry, machine

WHOLE, ITEM, LIST, CELL, FLOAT, COUNT, WORD, THREAD, FLOATS = range(9)

_TEXT = """
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare i64 @PyDict_Size(ptr)
declare i32 @PyDict_Next(ptr, ptr, ptr, ptr)
declare ptr @PyDict_GetItem(ptr, ptr)
declare i64 @PyList_Size(ptr)
declare i64 @PyTuple_Size(ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare ptr @PyList_GetItem(ptr, i64)
declare ptr @PyCell_Get(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyObject_Type(ptr)
declare double @PyFloat_AsDouble(ptr)
declare ptr @PyThreadState_Get()
declare i64 @PyThreadState_GetID(ptr)
@PyFloat_Type = external global i8
@PyTuple_Type = external global i8

; self: an int, the address of { rows, table of { kind, object, what, value }, whether dicts have version tags, how many
; rows a word tells, table of { place, word } for these }. The first row that differs, or -1. A dict's tag is another
; after each change; in the table is the last one known.
define ptr @numbatorch_guard(ptr %self, ptr %unused) nounwind {
entry:
 %position = alloca i64
 %keyplace = alloca ptr
 %valueplace = alloca ptr
""" + entry.owned("i64 count", "ptr rows", "i64 tags", "i64 told", "ptr words") + """
 %tagged = icmp ne i64 %tags, 0
 br label %row
row:
 %i = phi i64 [0, %entry], [%i1, %good]
 %short = icmp slt i64 %i, %told
 br i1 %short, label %glance, label %rest
glance:
 %gp = getelementptr { ptr, i64 }, ptr %words, i64 %i
 %spot = load ptr, ptr %gp
 %gw = getelementptr { ptr, i64 }, ptr %words, i64 %i, i32 1
 %known = load i64, ptr %gw
 %latest = load i64, ptr %spot
 %alike = icmp eq i64 %latest, %known
 br i1 %alike, label %good, label %fetch
rest:
 %more = icmp slt i64 %i, %count
 br i1 %more, label %fetch, label %finish
fetch:
 %r0 = getelementptr { i64, ptr, ptr, i64 }, ptr %rows, i64 %i
 %kind = load i64, ptr %r0
 %r1 = getelementptr { i64, ptr, ptr, i64 }, ptr %rows, i64 %i, i32 1
 %object = load ptr, ptr %r1
 %r2 = getelementptr { i64, ptr, ptr, i64 }, ptr %rows, i64 %i, i32 2
 %what = load ptr, ptr %r2
 %r3 = getelementptr { i64, ptr, ptr, i64 }, ptr %rows, i64 %i, i32 3
 %value = load i64, ptr %r3
 %expected = inttoptr i64 %value to ptr
 switch i64 %kind, label %counted [ i64 0, label %all i64 1, label %item i64 2, label %list
                                    i64 3, label %cell i64 4, label %float i64 6, label %word i64 7, label %thread
                                    i64 8, label %floats ]
all:
 %size = call i64 @PyDict_Size(ptr %object)
 %fits = icmp eq i64 %size, %value
 store i64 0, ptr %position
 br i1 %fits, label %pair, label %finish
pair:
 %j = phi i64 [0, %all], [%j1, %paired]
 %any = call i32 @PyDict_Next(ptr %object, ptr %position, ptr %keyplace, ptr %valueplace)
 %some = icmp ne i32 %any, 0
 br i1 %some, label %compare, label %remember
remember:
 br i1 %tagged, label %note, label %good
note:
 %now = getelementptr i8, ptr %object, i64 TAG
 %tag = load i64, ptr %now
 %place = getelementptr { ptr, i64 }, ptr %words, i64 %i, i32 1
 store i64 %tag, ptr %place
 br label %good
compare:
 %kp = getelementptr { ptr, ptr }, ptr %what, i64 %j
 %wanted_key = load ptr, ptr %kp
 %key = load ptr, ptr %keyplace
 %same_key = icmp eq ptr %key, %wanted_key
 br i1 %same_key, label %compare_value, label %finish
compare_value:
 %vp = getelementptr { ptr, ptr }, ptr %what, i64 %j, i32 1
 %wanted = load ptr, ptr %vp
 %found = load ptr, ptr %valueplace
 %same_value = icmp eq ptr %found, %wanted
 %free = icmp eq ptr %wanted, null
 %passes = or i1 %same_value, %free
 br i1 %passes, label %paired, label %finish
paired:
 %j1 = add i64 %j, 1
 br label %pair
item:
 %got = call ptr @PyDict_GetItem(ptr %object, ptr %what)
 %held = icmp eq ptr %got, %expected
 br i1 %held, label %remember, label %finish
list:
 %length = call i64 @PyList_Size(ptr %object)
 %long = icmp eq i64 %length, %value
 br i1 %long, label %element, label %finish
element:
 %e = phi i64 [0, %list], [%e1, %next]
 %left = icmp slt i64 %e, %value
 br i1 %left, label %ask, label %good
ask:
 %member = call ptr @PyList_GetItem(ptr %object, i64 %e)
 %mp = getelementptr ptr, ptr %what, i64 %e
 %wished = load ptr, ptr %mp
 %equal = icmp eq ptr %member, %wished
 br i1 %equal, label %next, label %finish
next:
 %e1 = add i64 %e, 1
 br label %element
cell:
 %content = call ptr @PyCell_Get(ptr %object)
 %holds = icmp eq ptr %content, %expected
 %filled = icmp ne ptr %content, null
 br i1 %filled, label %drop, label %judge
drop:
 call void @Py_DecRef(ptr %content)
 br label %judge
judge:
 br i1 %holds, label %good, label %finish
float:
 %number = call ptr @PyDict_GetItem(ptr %object, ptr %what)
 %there = icmp ne ptr %number, null
 br i1 %there, label %typed, label %finish
typed:
 %type = call ptr @PyObject_Type(ptr %number)
 call void @Py_DecRef(ptr %type)
 %is_float = icmp eq ptr %type, @PyFloat_Type
 br i1 %is_float, label %take, label %finish
take:
 %double = call double @PyFloat_AsDouble(ptr %number)
 store double %double, ptr %expected
 br label %good
floats:
 %tuple = call ptr @PyDict_GetItem(ptr %object, ptr %what)
 %present = icmp ne ptr %tuple, null
 br i1 %present, label %ask_type, label %finish
ask_type:
 %tuple_type = call ptr @PyObject_Type(ptr %tuple)
 call void @Py_DecRef(ptr %tuple_type)
 %is_tuple = icmp eq ptr %tuple_type, @PyTuple_Type
 br i1 %is_tuple, label %measure, label %finish
measure:
 %width = call i64 @PyTuple_Size(ptr %tuple)
 %wanted_width = load i64, ptr %expected
 %same_width = icmp eq i64 %width, %wanted_width
 br i1 %same_width, label %part, label %finish
part:
 %p = phi i64 [0, %measure], [%p1, %keep]
 %unread = icmp slt i64 %p, %width
 br i1 %unread, label %ask_part, label %good
ask_part:
 %one = call ptr @PyTuple_GetItem(ptr %tuple, i64 %p)
 %one_type = call ptr @PyObject_Type(ptr %one)
 call void @Py_DecRef(ptr %one_type)
 %one_is_float = icmp eq ptr %one_type, @PyFloat_Type
 br i1 %one_is_float, label %keep, label %finish
keep:
 %p1 = add i64 %p, 1
 %target_place = getelementptr ptr, ptr %expected, i64 %p1
 %target = load ptr, ptr %target_place
 %one_double = call double @PyFloat_AsDouble(ptr %one)
 store double %one_double, ptr %target
 br label %part
counted:
 %references = load i64, ptr %object
 %few = icmp sle i64 %references, %value
 br i1 %few, label %good, label %finish
word:
 %content_now = load i64, ptr %object
 %kept_word = icmp eq i64 %content_now, %value
 br i1 %kept_word, label %good, label %finish
thread:
 %state = call ptr @PyThreadState_Get()
 %id = call i64 @PyThreadState_GetID(ptr %state)
 %this = icmp eq i64 %id, %value
 br i1 %this, label %good, label %finish
good:
 %i1 = add i64 %i, 1
 br label %row
finish:
 %result = phi i64 [-1, %rest], [%i, %all], [%i, %compare], [%i, %compare_value], [%i, %item], [%i, %list],
                   [%i, %ask], [%i, %judge], [%i, %float], [%i, %typed], [%i, %counted], [%i, %word],
                   [%i, %thread], [%i, %floats], [%i, %ask_type], [%i, %measure], [%i, %ask_part]
 %boxed = call ptr @PyLong_FromLongLong(i64 %result)
 ret ptr %boxed
}

; self: an int, the address of { rows, table of { place of an int, how much to add } }.
define ptr @numbatorch_count(ptr %self, ptr %unused) nounwind {
entry:
""" + entry.owned("i64 count", "ptr rows") + """
 br label %row
row:
 %i = phi i64 [0, %entry], [%i1, %add]
 %more = icmp slt i64 %i, %count
 br i1 %more, label %add, label %finish
add:
 %r0 = getelementptr { ptr, i64 }, ptr %rows, i64 %i
 %place = load ptr, ptr %r0
 %r1 = getelementptr { ptr, i64 }, ptr %rows, i64 %i, i32 1
 %by = load i64, ptr %r1
 %before = load ptr, ptr %place
 %number = call i64 @PyLong_AsLongLong(ptr %before)
 %sum = add i64 %number, %by
 %after = call ptr @PyLong_FromLongLong(i64 %sum)
 store ptr %after, ptr %place
 call void @Py_DecRef(ptr %before)
 %i1 = add i64 %i, 1
 br label %row
finish:
 %boxed = call ptr @PyLong_FromLongLong(i64 %i)
 ret ptr %boxed
}
"""


@cache
def _loaded():
    exports = ("numbatorch_guard", "numbatorch_count")
    code, needs = compile.compile_object("guard", _TEXT.replace("TAG", str(_TAG)), exports)
    loaded = machine.Loaded(code, exports, {name: machine.python_api(name) for name in needs}).keep_for_ever()
    _kept.append(loaded)
    return loaded.addresses


_kept: list = []


@cache
def counts_references():
    """Whether an object begins with its count of references, as in the usual builds of CPython."""
    return (sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
            and not hasattr(sys, "gettotalrefcount") and ctypes.sizeof(ctypes.c_void_p) == 8)


_TYPE = 8  # where an object has its type: after the count of references
_TAG = 24  # where a dict has its version tag: after the count of references, the type and its size


def has_tags():
    """Whether dicts have version tags: until CPython 3.12."""
    return counts_references() and sys.version_info < (3, 13)


class Guard:
    """Rows that are compared in one call: `look()` gives the number of the first that differs, or -1."""

    def __init__(self):
        self._rows, self._keep = [], []
        self.look = None

    def whole(self, holder, values, free):
        """All keys and values of a dict in order, but for the values of keys in `free`."""
        pairs = np.array([n for k, v in values for n in (id(k), 0 if k in free else id(v))] or [0], np.int64)
        self._row(WHOLE, holder, pairs.ctypes.data, len(values), pairs, [(k, None if k in free else v)
                                                                         for k, v in values])

    def item(self, holder, key, value, absent):
        """One value of a dict; nothing under the key where `absent`."""
        self._row(ITEM, holder, id(key), 0 if absent else id(value), key, value)

    def list(self, holder, values):
        """All items of a list."""
        items = np.array([id(v) for v in values] or [0], np.int64)
        self._row(LIST, holder, items.ctypes.data, len(values), items, list(values))

    def cell(self, holder, value, absent):
        """What a closure's variable holds."""
        self._row(CELL, holder, 0, 0 if absent else id(value), value)

    def float(self, holder, key, address):
        """A float in a dict, whichever: it is written to an address as a double."""
        self._row(FLOAT, holder, id(key), address, key)

    def floats(self, holder, key, addresses):
        """A tuple of so many floats in a dict, whichever: each is written to its address as a double."""
        places = np.array([len(addresses), *addresses], np.int64)
        self._row(FLOATS, holder, id(key), places.ctypes.data, key, places)

    def field(self, holder, name, value):
        """What a function has as `__code__`, `__defaults__` or `__kwdefaults__`; whether it can be seen from here."""
        offset = _function_fields().get(name)
        if offset is None:
            return False
        self._rows.append((WORD, id(holder) + offset, 0, 0 if value is None else id(value)))
        self._keep += [holder, value]
        return True

    def kind(self, holder):
        """The class of an object; whether it can be seen from here."""
        if not counts_references():
            return False
        self._rows.append((WORD, id(holder) + _TYPE, 0, id(type(holder))))
        self._keep += [holder, type(holder)]
        return True

    def order(self, holder):
        """The order of an OrderedDict, which its dict does not tell; whether it can be seen from here."""
        offset = _order_offset()
        if offset is None:
            return False
        self._rows.append((WORD, id(holder) + offset, 0, _words(holder)[offset // 8]))
        self._keep.append(holder)
        return True

    def count(self, holder, most):
        """At most so many references to an object, that of its own `__dict__` or list included; not kept alive."""
        self._rows.append((COUNT, id(holder), 0, most))

    def thread(self, number):
        """The thread that looks, by Python's number."""
        self._row(THREAD, None, 0, number)

    def _row(self, kind, holder, what, value, *keep):
        self._rows.append((kind, id(holder), what, value))
        self._keep += [holder, *keep]

    def finish(self):
        """This, ready to look."""
        told = (WORD, WHOLE, ITEM) if has_tags() else (WORD,)
        self._rows.sort(key=lambda row: row[0] not in told)
        words = [(place, value) if kind == WORD else (place + _TAG, 0) for kind, place, _, value in self._rows
                 if kind in told]
        self._table, self._words = (np.array(rows or [(0, 0)], np.int64) for rows in (self._rows, words))
        self._head = np.array([len(self._rows), self._table.ctypes.data, has_tags(), len(words),
                               self._words.ctypes.data], np.int64)
        self.look = entry.builtin("guard", _loaded()["numbatorch_guard"], int(self._head.ctypes.data),
                                  entry.METH_NOARGS)
        return self


class Counter:
    """Ints in slots of objects, each moved on by its own amount in one call: `move()`."""

    def __init__(self, slots):
        """slots: [(object, name of its slot, amount)]; the objects are kept alive."""
        rows = [(id(holder) + _offset(type(holder), name), by) for holder, name, by in slots]
        self._keep, self._table = [s[0] for s in slots], np.array(rows or [(0, 0)], np.int64)
        self._head = np.array([len(rows), self._table.ctypes.data], np.int64)
        self.move = entry.builtin("count", _loaded()["numbatorch_count"], int(self._head.ctypes.data),
                                  entry.METH_NOARGS)


def _words(value):
    """The memory of an object, in words of 8 bytes."""
    return list((ctypes.c_int64 * (type(value).__basicsize__ // 8)).from_address(id(value)))


def this_thread():
    """Python's number of this thread, which no other will have."""
    return _thread_number(_thread_state())


_thread_state = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_Get", ctypes.pythonapi))
_thread_number = ctypes.PYFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(("PyThreadState_GetID", ctypes.pythonapi))


@cache
def _function_fields():
    """{name: bytes from the start of a function} of what may be put in its place."""
    if not counts_references():
        return {}
    def probe(first=..., *, second=...):
        """A function of the usual kind."""
    words = _words(probe)
    return {name: 8 * words.index(id(getattr(probe, name))) for name in ("__code__", "__defaults__", "__kwdefaults__")
            if words.count(id(getattr(probe, name))) == 1}


@cache
def _order_offset():
    """Where an OrderedDict counts its changes, those of its order included; None where that is not found."""
    if not counts_references():
        return None
    probe = OrderedDict.fromkeys("abcd")
    seen = [_words(probe)]
    for key in "abcabc":
        probe.move_to_end(key)
        seen.append(_words(probe))
    counts = [k for k in range(len(seen[0])) if all(0 < b[k] - a[k] < 8 for a, b in zip(seen, seen[1:], strict=False))
              and 0 < seen[0][k] < 1000]
    return 8 * counts[0] if len(counts) == 1 else None


@cache
def _offset(kind, name):
    """Bytes from the start of an object to a slot."""
    mark, probe = object(), kind.__new__(kind)
    setattr(probe, name, mark)
    words = (ctypes.c_size_t * (kind.__basicsize__ // 8)).from_address(id(probe))
    return 8 * list(words).index(id(mark))


__all__ = ["Counter", "Guard", "counts_references", "this_thread"]
