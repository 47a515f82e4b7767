"""A small writer of LLVM IR text: values with operators, structured loops and branches, one function at a time.

The fast templates (GEMM, convolution) need exact control over registers, masks and addresses, which loops in Numba do
not give. They are written with this instead of by hand: everything is in SSA form as it is emitted, loops carry their
values through phi nodes, and a module is the text of its functions plus the declarations they used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Value:
    """One SSA value or constant: its LLVM type and its text. Integer operators are those of i64."""

    __slots__ = ("function", "type", "text")

    def __init__(self, function: Function, type: str, text: str) -> None:
        self.function, self.type, self.text = function, type, text

    def _binary(self, instruction: str, other: Value | int) -> Value:
        other = self.function.value(other, self.type)
        return self.function.emit(self.type, f"{instruction} {self.type} {self.text}, {other.text}")

    def __add__(self, other: Value | int) -> Value:
        return self._binary("add nsw", other)

    def __sub__(self, other: Value | int) -> Value:
        return self._binary("sub nsw", other)

    def __mul__(self, other: Value | int) -> Value:
        return self._binary("mul nsw", other)

    def __floordiv__(self, other: Value | int) -> Value:
        """Division rounding to zero: operands are never negative here."""
        return self._binary("sdiv", other)

    def __mod__(self, other: Value | int) -> Value:
        return self._binary("srem", other)

    def __and__(self, other: Value | int) -> Value:
        return self._binary("and", other)

    def _compare(self, predicate: str, other: Value | int) -> Value:
        other = self.function.value(other, self.type)
        return self.function.emit("i1", f"icmp {predicate} {self.type} {self.text}, {other.text}")

    def __lt__(self, other: Value | int) -> Value:
        return self._compare("slt", other)

    def __le__(self, other: Value | int) -> Value:
        return self._compare("sle", other)

    def __gt__(self, other: Value | int) -> Value:
        return self._compare("sgt", other)

    def __ge__(self, other: Value | int) -> Value:
        return self._compare("sge", other)

    def equals(self, other: Value | int) -> Value:
        return self._compare("eq", other)

    def differs(self, other: Value | int) -> Value:
        return self._compare("ne", other)


class Loop:
    """A counted loop under construction: its index, and the values it carries from one round to the next."""

    def __init__(self, index: Value, carried: list[Value]) -> None:
        self.index, self.carried = index, carried
        self.following: list[Value] = list(carried)

    def carry(self, values: Sequence[Value]) -> None:
        """The values of the next round; after the loop, `carried` holds those of the last."""
        self.following = list(values)


class Function:
    """One `define void` under construction. `internal` functions are not inlined: each is a kernel of its own."""

    def __init__(self, module: Module, name: str, parameters: Sequence[tuple[str, str]], internal: bool) -> None:
        self.module, self.name, self.count, self.block = module, name, 0, "entry"
        self.lines: list[str] = []
        self.listed = ", ".join(f"{kind} %{label}" for label, kind in parameters)
        self.internal = internal
        self.parameters = [Value(self, kind.removesuffix(" noalias"), f"%{label}") for label, kind in parameters]

    def export(self) -> None:
        """Let other modules call it."""
        self.internal = False

    def text(self) -> str:
        linkage, attributes = ("internal ", "noinline nounwind") if self.internal else ("", "nounwind")
        head = f"define {linkage}void @{self.name}({self.listed}) {attributes} {{\nentry:"
        return "\n".join([head, *self.lines, " ret void", "}"])

    # Plain instructions

    def line(self, text: str) -> None:
        self.lines.append(" " + text)

    def fresh(self, stem: str = "v") -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def emit(self, type: str, instruction: str) -> Value:
        name = "%" + self.fresh()
        self.line(f"{name} = {instruction}")
        return Value(self, type, name)

    def value(self, value: Value | int, type: str = "i64") -> Value:
        if isinstance(value, Value):
            return value
        return Value(self, type, "null" if type == "ptr" else str(value))

    def call(self, name: str, arguments: Sequence[Value | int]) -> None:
        listed = ", ".join(f"{a.type} {a.text}" for a in (self.value(x) for x in arguments))
        self.line(f"call void @{name}({listed})")

    def call_at(self, address: Value, arguments: Sequence[Value | int]) -> None:
        """Call the function at an address."""
        listed = ", ".join(f"{a.type} {a.text}" for a in (self.value(x) for x in arguments))
        self.line(f"call void {address.text}({listed})")

    def intrinsic(self, type: str, name: str, arguments: Sequence[Value]) -> Value:
        self.module.declare(f"declare {type} @{name}({', '.join(a.type for a in arguments)})")
        return self.emit(type, f"call {type} @{name}({', '.join(f'{a.type} {a.text}' for a in arguments)})")

    def select(self, condition: Value, chosen: Value | int, other: Value | int) -> Value:
        type = next((x.type for x in (chosen, other) if isinstance(x, Value)), "i64")
        chosen, other = self.value(chosen, type), self.value(other, type)
        return self.emit(type, f"select i1 {condition.text}, {type} {chosen.text}, {type} {other.text}")

    def minimum(self, first: Value | int, second: Value | int) -> Value:
        first, second = self.value(first), self.value(second)
        return self.select(first < second, first, second)

    def maximum(self, first: Value | int, second: Value | int) -> Value:
        first, second = self.value(first), self.value(second)
        return self.select(first > second, first, second)

    # Memory: addresses are byte offsets from a pointer

    def offset(self, pointer: Value, bytes: Value | int) -> Value:
        bytes = self.value(bytes)
        return self.emit("ptr", f"getelementptr i8, ptr {pointer.text}, i64 {bytes.text}")

    def is_null(self, pointer: Value) -> Value:
        return self.emit("i1", f"icmp eq ptr {pointer.text}, null")

    def load(self, type: str, pointer: Value, align: int) -> Value:
        return self.emit(type, f"load {type}, ptr {pointer.text}, align {align}")

    def store(self, value: Value, pointer: Value, align: int) -> None:
        self.line(f"store {value.type} {value.text}, ptr {pointer.text}, align {align}")

    def stack(self, bytes: int) -> Value:
        """A block on the thread's stack, 64-byte aligned, for the whole call: only outside loops."""
        return self.emit("ptr", f"alloca [{bytes} x i8], align 64")

    def masked_load(self, type: str, pointer: Value, align: int, mask: Value, other: Value | None = None) -> Value:
        name = f"llvm.masked.load.{short_name(type)}.p0"
        other = other or Value(self, type, "zeroinitializer")
        return self.intrinsic(type, name, [pointer, Value(self, "i32", str(align)), mask, other])

    def gather(
        self, type: str, pointer: Value, stride: Value, align: int, mask: Value, other: Value | None = None
    ) -> Value:
        """Lane l from pointer + l * stride bytes; `other` (zeros) where masked out."""
        lanes = int(type.strip("<>").split(" x ")[0])
        numbers = "<" + ", ".join(f"i64 {lane}" for lane in range(lanes)) + ">"
        wide = self.splat(stride, lanes)
        steps = self.emit(wide.type, f"mul {wide.type} {wide.text}, {numbers}")
        pointers = f"<{lanes} x ptr>"
        addresses = self.emit(pointers, f"getelementptr i8, ptr {pointer.text}, {steps.type} {steps.text}")
        name = f"llvm.masked.gather.{short_name(type)}.v{lanes}p0"
        other = other or Value(self, type, "zeroinitializer")
        return self.intrinsic(type, name, [addresses, Value(self, "i32", str(align)), mask, other])

    def masked_store(self, value: Value, pointer: Value, align: int, mask: Value) -> None:
        name = f"llvm.masked.store.{short_name(value.type)}.p0"
        self.module.declare(f"declare void @{name}({value.type}, ptr, i32, {mask.type})")
        listed = f"{value.type} {value.text}, ptr {pointer.text}, i32 {align}, {mask.type} {mask.text}"
        self.line(f"call void @{name}({listed})")

    def prefetch(self, pointer: Value, write: bool = False) -> None:
        """A hint to read, or to write; an address outside any object is harmless."""
        self.module.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.line(f"call void @llvm.prefetch.p0(ptr {pointer.text}, i32 {int(write)}, i32 3, i32 1)")

    # Vectors

    def splat(self, scalar: Value, lanes: int) -> Value:
        type = f"<{lanes} x {scalar.type}>"
        first = self.emit(type, f"insertelement {type} poison, {scalar.type} {scalar.text}, i32 0")
        mask = f"<{lanes} x i32> zeroinitializer"
        return self.emit(type, f"shufflevector {type} {first.text}, {type} poison, {mask}")

    def shuffle(self, first: Value, second: Value, lanes: Sequence[int]) -> Value:
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        element = first.type.split(" x ")[1]
        text = f"shufflevector {first.type} {first.text}, {second.type} {second.text}, <{len(lanes)} x i32> <{mask}>"
        return self.emit(f"<{len(lanes)} x {element}", text)

    def lanes_between(self, lanes: int, low: Value | None, high: Value) -> Value:
        """Mask of the lanes l with low <= l < high; limits outside 0..lanes are allowed."""
        type = f"<{lanes} x i32>"
        numbers = Value(self, type, "<" + ", ".join(f"i32 {lane}" for lane in range(lanes)) + ">")

        def test(predicate: str, limit: Value) -> Value:
            clipped = self.minimum(self.maximum(limit, 0), lanes)
            narrow = self.emit("i32", f"trunc i64 {clipped.text} to i32")
            wide = self.splat(narrow, lanes)
            return self.emit(f"<{lanes} x i1>", f"icmp {predicate} {type} {numbers.text}, {wide.text}")

        below = test("slt", high)
        if low is None:
            return below
        above = test("sge", low)
        return self.emit(below.type, f"and {below.type} {below.text}, {above.text}")

    # Control flow

    def start(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    @contextmanager
    def loop(
        self, begin: Value | int, end: Value | int, step: Value | int = 1, carry: Sequence[Value] = ()
    ) -> Iterator:
        """for index in range(begin, end, step), tested at the top; yields a Loop."""
        begin, end, step = self.value(begin), self.value(end), self.value(step)
        label, before = self.fresh("loop"), self.block
        self.line(f"br label %{label}")
        self.start(label)
        position = len(self.lines)
        index = Value(self, "i64", f"%{label}.index")
        carried = [Value(self, value.type, f"%{label}.carry{i}") for i, value in enumerate(carry)]
        self.lines += [""] * (1 + len(carried))
        inside = index < end
        self.line(f"br i1 {inside.text}, label %{label}.body, label %{label}.exit")
        self.start(f"{label}.body")
        loop = Loop(index, carried)
        yield loop
        self.line(f"br label %{label}.latch")
        self.start(f"{label}.latch")
        following = index + step
        self.line(f"br label %{label}, !llvm.loop !{self.module.loop_number()}")
        for i, (now, first, then) in enumerate(
            zip([index, *carried], [begin, *carry], [following, *loop.following], strict=True)
        ):
            edges = f"[{first.text}, %{before}], [{then.text}, %{label}.latch]"
            self.lines[position + i] = f" {now.text} = phi {now.type} {edges}"
        self.start(f"{label}.exit")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        label = self.fresh("when")
        self.line(f"br i1 {condition.text}, label %{label}, label %{label}.end")
        self.start(label)
        yield
        self.line(f"br label %{label}.end")
        self.start(f"{label}.end")

    @contextmanager
    def cases(self, selector: Value, numbers: Sequence[int]) -> Iterator:
        """Yields a context manager `case(number)`; numbers not listed do nothing."""
        label = self.fresh("cases")
        arms = " ".join(f"i64 {number}, label %{label}.{number}" for number in numbers)
        self.line(f"switch i64 {selector.text}, label %{label}.end [ {arms} ]")

        @contextmanager
        def case(number: int) -> Iterator[None]:
            self.start(f"{label}.{number}")
            yield
            self.line(f"br label %{label}.end")

        yield case
        self.start(f"{label}.end")


class Module:
    """Functions and the intrinsics they call, as one text."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.declarations: dict[str, None] = {}
        self.loops = 0

    def loop_number(self) -> int:
        """Metadata of one more loop that is not unrolled: copies of a tile's body do not fit the registers."""
        self.loops += 1
        return self.loops

    def declare(self, text: str) -> None:
        self.declarations[text] = None

    def function(self, name: str, parameters: Sequence[tuple[str, str]], internal: bool = True) -> Function:
        made = self.functions[name] = Function(self, name, parameters, internal)
        return made

    def text(self) -> str:
        lines = [*self.declarations, *(function.text() for function in self.functions.values())]
        lines += ['!0 = !{!"llvm.loop.unroll.disable"}']
        lines += [f"!{number} = distinct !{{!{number}, !0}}" for number in range(1, self.loops + 1)]
        return "\n".join(lines) + "\n"


def short_name(type: str) -> str:
    """The suffix of an intrinsic's name: `<16 x float>` -> `v16f32`."""
    lanes, element = type.strip("<>").split(" x ")
    return f"v{lanes}" + {"float": "f32", "double": "f64", "i16": "i16", "i32": "i32", "i64": "i64"}[element]
