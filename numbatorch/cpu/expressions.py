"""Numbers that a program reads and computes as it runs: LLVM IR of expressions, which mean what Python means by them.

Expressions are nested tuples: see program.Builder. A function of a block of addresses answers 0, or why it stops.
"""

import struct

from . import entry

POWER = "@numbatorch_pow("
FAILED, ARITHMETIC = 1, 2  # what a number stage may answer, besides 0: its check, or that Python would raise


class NotNative(Exception):
    """An expression that only Python computes."""


FLOATS = {"float16": "half", "float32": "float", "float64": "double", "bfloat16": "bfloat"}


def read_text(dtype):
    if dtype in FLOATS:
        kind = FLOATS[dtype]
        widen = "" if kind == "double" else f" %w = fpext {kind} %v to double\n"
        value = "double %w" if widen else "double %v"
    else:
        if dtype not in entry.TYPES:
            raise NotNative(f"numbers of {dtype}")
        kind = entry.TYPES[dtype]
        signed = "sext" if dtype.startswith("int") else "zext"
        widen = "" if kind == "i64" else f" %w = {signed} {kind} %v to i64\n"
        value = "i64 %w" if widen else "i64 %v"
        if dtype == "uint64":
            raise NotNative("numbers of uint64")
    return (f"define i64 @number(ptr %block) nounwind {{\n %source = load ptr, ptr %block\n"
            f" %p = getelementptr ptr, ptr %block, i64 1\n %target = load ptr, ptr %p\n"
            f" %v = load {kind}, ptr %source\n{widen} store {value}, ptr %target\n ret i64 0\n}}\n")


_OPERATION = {"add": ("add", "fadd"), "sub": ("sub", "fsub"), "mul": ("mul", "fmul")}
_PREDICATE = {"lt": ("slt", "olt"), "le": ("sle", "ole"), "gt": ("sgt", "ogt"), "ge": ("sge", "oge"),
              "eq": ("eq", "oeq"), "ne": ("ne", "une")}


class _Writer:
    """IR of an expression as Python computes it, in int64 and float64; `bad` collects what Python would raise for."""

    def __init__(self, slots):
        self.slots, self.lines, self.names, self.bad, self.count = slots, [], [], [], 0

    def name(self):
        self.count += 1
        return f"%t{self.count}"

    def emit(self, text):
        name = self.name()
        self.lines.append(f" {name} = {text}")
        return name

    def value(self, expression):
        """(type, text) of an expression."""
        kind = expression[0] if isinstance(expression, tuple) else None
        if expression in self.slots:
            own = "double" if self.slots[expression] == "float64" else "i64"
            if expression not in self.names:
                self.names.append(expression)
            k = self.names.index(expression)
            place = self.emit(f"getelementptr ptr, ptr %block, i64 {k}")
            source = self.emit(f"load ptr, ptr {place}")
            return own, self.emit(f"load {own}, ptr {source}")
        if kind == "number":
            value = expression[1]
            if isinstance(value, (bool, int)):
                if not -2**53 <= value <= 2**53:
                    raise NotNative(f"the number {value}")
                return "i64", str(int(value))
            return "double", f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
        if kind == "neg":
            own, a = self.value(expression[1])
            return own, self.emit(f"sub i64 0, {a}" if own == "i64" else f"fneg double {a}")
        (left, a), (right, b) = self.value(expression[1]), self.value(expression[2])
        if kind in ("div", "pow") or left != right:
            if kind == "pow" and (left, right) == ("i64", "i64"):
                raise NotNative("a power of integers")
            a, b = self._wide(left, a), self._wide(right, b)
            left = "double"
        whole = left == "i64"
        if kind in _OPERATION:
            return left, self.emit(f"{_OPERATION[kind][not whole]} {left} {a}, {b}")
        if kind == "div":
            self.bad.append(self.emit(f"fcmp oeq double {b}, 0.0"))
            return "double", self.emit(f"fdiv double {a}, {b}")
        if kind == "pow":
            result = self.emit(f"call double {POWER}double {a}, double {b})")
            size = self.emit(f"call double @llvm.fabs.f64(double {result})")
            infinite = self.emit(f"fcmp oeq double {size}, 0x7FF0000000000000")
            below = self.emit(f"fcmp olt double {a}, 0.0")
            self.bad += [infinite, below]
            return "double", result
        if kind in _PREDICATE:
            what = "icmp" if whole else "fcmp"
            return "i1", self.emit(f"{what} {_PREDICATE[kind][not whole]} {left} {a}, {b}")
        raise NotNative(f"expressions of {kind}")

    def _wide(self, own, text):
        return text if own == "double" else self.emit(f"sitofp i64 {text} to double")


def expression_text(expression, slots, target):
    """(IR of a number stage, names of the slots in its block). target: the type in a signature, "check" or
    "check not". NotNative where only Python computes it."""
    own = _known.get((id(expression), target))
    if own is not None and own[0] is expression and all(slots.get(name) == kind for name, kind in own[1]):
        return own[2]
    key = repr(expression), target, _kinds(expression, slots)  # text tells 1 from 1.0
    found = _texts.get(key)
    if found is None:
        if len(_texts) >= MOST_TEXTS:
            _texts.clear()
        found = _texts[key] = _text(expression, slots, target)
    if len(_known) >= MOST_TEXTS:
        _known.clear()
    _known[id(expression), target] = expression, [(name, slots[name]) for name in found[1]], found
    return found


MOST_TEXTS = 4096
_texts: dict[tuple, tuple] = {}  # programs for other sizes compute the same numbers
_known: dict[tuple, tuple] = {}  # and have the same expressions, told by identity: (it, kinds of its slots, its text)


def _kinds(expression, slots):
    """Whether the slots that an expression names, in their order, are floats or integers."""
    if expression in slots:
        return (slots[expression],)
    parts = expression[1:] if isinstance(expression, tuple) and expression[0] != "number" else ()
    return tuple([kind for part in parts for kind in _kinds(part, slots)])


def _text(expression, slots, target):
    w = _Writer(slots)
    own, value = w.value(expression)
    lines, status = w.lines, "0"
    if target.startswith("check"):
        if own != "i1":
            raise NotNative("a check of what is no comparison")
        right = value if target == "check" else w.emit(f"xor i1 {value}, true")
        status = w.emit(f"select i1 {right}, i64 0, i64 {FAILED}")
        stored = "i64 0"
    elif target in ("float64", "float32"):
        value = w._wide(own, value)
        stored = f"double {value}" if target == "float64" else f"float {w.emit(f'fptrunc double {value} to float')}"
    elif target == "int64" and own == "i64":
        stored = f"i64 {value}"
    else:
        raise NotNative(f"a number of {own} for {target}")
    for flag in w.bad:
        status = w.emit(f"select i1 {flag}, i64 {ARITHMETIC}, i64 {status}")
    kind, value = stored.split()
    begin, end = _remembered(len(w.names) + 1, kind, value, status) if POWER in "".join(lines) else ([], [
        f" %result = select i1 true, {stored}, {stored}", f" %status = select i1 true, i64 {status}, i64 {status}"])
    if not target.startswith("check"):
        end += [f" %aims = getelementptr ptr, ptr %block, i64 {len(w.names)}", " %aim = load ptr, ptr %aims",
                f" store {kind} %result, ptr %aim"]
    text = "\n".join([*begin, *lines, *end])
    return (f"declare double {POWER}double, double)\ndeclare double @llvm.fabs.f64(double)\n"
            f"define i64 @number(ptr %block) nounwind {{\n{text}\n ret i64 %status\n}}\n"), w.names


def _remembered(place, kind, value, status):
    """Lines before and after those of an expression that takes long, which is not computed again for the same numbers.

    Slot `place` of the block is the address of { whether it was computed, status, result, numbers }, which stages of
    one expression share: counts of steps are mostly the same for all parameters.
    """
    begin = [f" %memos = getelementptr ptr, ptr %block, i64 {place}", " %memo = load ptr, ptr %memos",
             " %known = load i64, ptr %memo", " %same0 = icmp eq i64 %known, 1"]
    keep = []
    for k in range(place - 1):
        begin += [f" %ns{k} = getelementptr ptr, ptr %block, i64 {k}", f" %np{k} = load ptr, ptr %ns{k}",
                  f" %n{k} = load i64, ptr %np{k}", f" %mp{k} = getelementptr i64, ptr %memo, i64 {3 + k}",
                  f" %m{k} = load i64, ptr %mp{k}", f" %eq{k} = icmp eq i64 %n{k}, %m{k}",
                  f" %same{k + 1} = and i1 %same{k}, %eq{k}"]
        keep.append(f" store i64 %n{k}, ptr %mp{k}")
    begin += [" %sp = getelementptr i64, ptr %memo, i64 1", " %rp = getelementptr i64, ptr %memo, i64 2",
              f" br i1 %same{place - 1}, label %done, label %compute", "compute:"]
    return begin, [f" store i64 {status}, ptr %sp", f" store {kind} {value}, ptr %rp", *keep,
                   " store i64 1, ptr %memo", " br label %done", "done:", " %status = load i64, ptr %sp",
                   f" %result = load {kind}, ptr %rp"]


__all__ = ["FLOATS", "NotNative", "expression_text", "read_text"]
