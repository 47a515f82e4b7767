"""Tiles of matrices: what a warp copies, multiplies on tensor cores and keeps, as functions of kernels.

A tile lies in shared memory as rows of `stride` bytes, by one of two layouts: "k", a row for each row of A or column of
B with its elements along k; or "x", a row for each k. `multiply` adds the product of a warp's tiles to its registers,
`keep` writes those as rows. The name of such a function has all that its code depends on, as in
`multiply_bfloat16_4x4x32_k80_x272`: 4 x 4 units of the kind, 32 along k, layouts with their strides of A and B.

Kinds: bfloat16, float16 and tf32 on tensor cores with float32 totals; float32 by three products of TF32 parts; float64
by those for float64; others, and all where a GPU has none ("plain"), by multiply-add. Fragments as in sections
9.7.14.5 and 9.7.14.6 of the PTX ISA manual.
Three products after Markidis et al. 2018, arXiv:1803.04014, and Ootomo & Yokota 2022, arXiv:2203.03341.
"""

import re
from dataclasses import dataclass

from llvmlite import ir
from numba.core import types

from ..lowering.contexts import intrinsic

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_FLOAT, _DOUBLE, _VOID = ir.FloatType(), ir.DoubleType(), ir.VoidType()


@dataclass(frozen=True)
class Kind:
    """How products of a type are computed: one unit is unit[0] x unit[1] results, `depth` along k at once.

    total: Numba's type of a part of the totals; a result has `parts` (complex: 2), a lane `count` results of a unit.
    """

    unit: tuple[int, int]
    depth: int
    nbytes: int
    total: types.Type
    count: int
    parts: int = 1
    instruction: str = ""


_MMA = ("mma.sync.aligned.m16n8k{}.row.col.f32.{}.{}.f32 {{$0,$1,$2,$3}}, {{$4,$5,$6,$7}}, {{$8,$9}}, "
        "{{$10,$11,$12,$13}};")
KINDS = {
    "bfloat16": Kind((16, 8), 16, 2, types.float32, 4, 1, _MMA.format(16, "bf16", "bf16")),
    "float16": Kind((16, 8), 16, 2, types.float32, 4, 1, _MMA.format(16, "f16", "f16")),
    "tf32": Kind((16, 8), 8, 4, types.float32, 4, 1, _MMA.format(8, "tf32", "tf32")),
    "float32": Kind((16, 8), 8, 4, types.float32, 4, 1, _MMA.format(8, "tf32", "tf32")),
    "float64": Kind((8, 8), 4, 8, types.float64, 2, 1,
                    "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {$0,$1}, {$2}, {$3}, {$4,$5};"),
    "plain32": Kind((4, 8), 1, 4, types.float32, 1), "plain64": Kind((4, 8), 1, 8, types.float64, 1),
    "int32": Kind((4, 8), 1, 4, types.int32, 1), "int64": Kind((4, 8), 1, 8, types.int64, 1),
    "complex64": Kind((4, 8), 1, 8, types.float32, 1, 2), "complex128": Kind((4, 8), 1, 16, types.float64, 1, 2),
}
_LLVM = {types.float32: _FLOAT, types.float64: _DOUBLE, types.int32: _I32, types.int64: _I64}


def assembly(builder, result, text, constraints, arguments=(), pure=False):
    """A call of PTX text. All are convergent: what a warp does together stays where all of its threads come."""
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(ir.InlineAsm(kind, text, constraints, side_effect=not pure), list(arguments),
                        attrs=("convergent", "nounwind"))


def lane(builder):
    """The number of a thread in its warp, an i32."""
    function = builder.module.declare_intrinsic("llvm.nvvm.read.ptx.sreg.tid.x", [], ir.FunctionType(_I32, []))
    return builder.and_(builder.call(function, []), _I32(31))


def shared_pointer(builder, address, element):
    """A pointer to an element of shared memory at an i32 address."""
    return builder.inttoptr(address, element.as_pointer(3))


def moved(builder, address, offset):
    """An address so many bytes on; the offset a Python number or a value."""
    if isinstance(offset, int):
        return builder.add(address, _I32(offset)) if offset else address
    return builder.add(address, offset)


class Operand:
    """Fragments of A (side 0) or B (side 1) out of a tile in shared memory."""

    def __init__(self, builder, kind, side, layout, stride, address):
        self.builder, self.kind, self.side, self.layout, self.stride = builder, kind, side, layout, stride
        b, number = builder, lane(builder)
        self.whole = kind.nbytes == 2 or kind.nbytes == 4 and kind.depth == 8 and layout == "k"  # by ldmatrix
        low, high = b.and_(number, _I32(7)), b.lshr(number, _I32(4))
        if self.whole:
            if (side == 0) == (layout == "k"):
                row, chunk = b.and_(number, _I32(15)), high
            else:
                row, chunk = b.or_(low, b.shl(high, _I32(3))), b.and_(b.lshr(number, _I32(3)), _I32(1))
            self.address = b.add(address, b.add(b.mul(row, _I32(stride)), b.shl(chunk, _I32(4))))
            return
        if kind.depth == 1:
            x, k = (b.lshr(number, _I32(3)) if side == 0 else low), _I32(0)
        else:
            x, k = b.lshr(number, _I32(2)), b.and_(number, _I32(3))
        self.address = b.add(address, b.add(b.mul(x, _I32(self._step(1, 0))), b.mul(k, _I32(self._step(0, 1)))))

    def _step(self, x, k):
        """Bytes from an element to that x and k further on."""
        size = self.kind.nbytes
        return x * self.stride + k * size if self.layout == "k" else x * size + k * self.stride

    def _matrices(self, x, k):
        """Four 8 x 16-byte matrices: registers of one unit of A or of two of B."""
        turned = ".trans" if self.layout == "x" else ""
        text = f"ldmatrix.sync.aligned.m8n8.x4{turned}.shared.b16 {{$0,$1,$2,$3}}, [$4];"
        found = assembly(self.builder, ir.LiteralStructType([_I32] * 4), text, "=r,=r,=r,=r,r,~{memory}",
                         [moved(self.builder, self.address, self._step(x, k))])
        return [self.builder.extract_value(found, i) for i in range(4)]

    def _element(self, x, k):
        """One element, or its two parts."""
        element = _LLVM[self.kind.total]
        size = self.kind.nbytes // self.kind.parts
        return [self.builder.load(shared_pointer(self.builder, moved(
            self.builder, self.address, self._step(x, k) + size * part), element)) for part in range(self.kind.parts)]

    def fragments(self, units, k):
        """The registers of `units` neighbouring units at a place along k."""
        kind, edge = self.kind, self.kind.unit[self.side]
        if self.whole:
            if self.side == 0:
                return [self._matrices(u * edge, k) for u in range(units)]
            pairs = [self._matrices(u * edge, k) for u in range(0, units, 2)]
            return [part for four in pairs for part in (four[:2], four[2:])]
        if kind.depth == 8:
            places = [(0, 0), (8, 0), (0, 4), (8, 4)] if self.side == 0 else [(0, 0), (0, 4)]
            return [[self.builder.bitcast(self._element(u * edge + x, k + j)[0], _I32) for x, j in places]
                    for u in range(units)]
        return [self._element(u * edge, k) for u in range(units)]


def split(builder, bits):
    """(upper, lower) TF32 parts of a float32's bits: together 22 bits of its 24.

    The lower part of an infinity is NaN; such results are computed again (gemm.py).
    """
    upper = builder.and_(bits, _I32(0xFFFFE000))
    rest = builder.fsub(builder.bitcast(bits, _FLOAT), builder.bitcast(upper, _FLOAT))
    return upper, nearest(builder, rest)


def nearest(builder, value):
    """A float32 rounded to TF32."""
    return assembly(builder, _I32, "cvt.rna.tf32.f32 $0, $1;", "=r,f", [value], pure=True)


def product(builder, kind, totals, a, b):
    """The totals of a unit plus the product of two fragments on tensor cores."""
    number = len(totals)
    element, letter = (_DOUBLE, "d") if kind.total is types.float64 else (_FLOAT, "f")
    constraints = ",".join([f"={letter}"] * number + [letter if number == 2 else "r"] * (len(a) + len(b)) +
                           [letter] * number)
    found = assembly(builder, ir.LiteralStructType([element] * number), kind.instruction, constraints,
                     [*a, *b, *totals], pure=True)
    return [builder.extract_value(found, i) for i in range(number)]


def _fused(builder, a, b, c):
    function = builder.module.declare_intrinsic("llvm.fma", [a.type], ir.FunctionType(a.type, [a.type] * 3))
    return builder.call(function, [a, b, c])


def multiply_add(builder, kind, totals, a, b):
    """The parts of one total plus those of a product."""
    if isinstance(totals[0].type, ir.IntType):
        return [builder.add(totals[0], builder.mul(a[0], b[0]))]
    real = _fused(builder, a[0], b[0], totals[0])
    if kind.parts == 1:
        return [real]
    real = _fused(builder, builder.fneg(a[1]), b[1], real)
    return [real, _fused(builder, a[1], b[0], _fused(builder, a[0], b[1], totals[1]))]


def _multiply(name, rows, columns, deep, layout_a, stride_a, layout_b, stride_b):
    """f(totals, address of A, address of B) -> totals."""
    kind = KINDS[name]
    each, length = kind.count * kind.parts, rows * columns * kind.count * kind.parts
    tuple_ = types.UniTuple(kind.total, length)

    @intrinsic
    def multiply(context, totals, a, b):
        def generate(context, builder, signature, arguments):
            totals = [builder.extract_value(arguments[0], i) for i in range(length)]
            left = Operand(builder, kind, 0, layout_a, stride_a, arguments[1])
            right = Operand(builder, kind, 1, layout_b, stride_b, arguments[2])
            for k in range(0, deep, kind.depth):
                a, b = left.fragments(rows, k), right.fragments(columns, k)
                if name == "tf32":
                    a, b = ([[nearest(builder, builder.bitcast(x, _FLOAT)) for x in f] for f in side]
                            for side in (a, b))
                elif name == "float32":
                    a, b = ([list(zip(*(split(builder, x) for x in f), strict=True)) for f in side] for side in (a, b))
                for m in range(rows):
                    for n in range(columns):
                        at = (m * columns + n) * each
                        own = totals[at: at + each]
                        if name == "float32":
                            for first, second in ((1, 0), (0, 1), (0, 0)):  # the smallest first
                                own = product(builder, kind, own, a[m][first], b[n][second])
                        else:
                            own = (product if kind.instruction else multiply_add)(builder, kind, own, a[m], b[n])
                        totals[at: at + each] = own
            return _packed(builder, kind, totals)

        return tuple_(tuple_, types.uint32, types.uint32), generate

    return multiply


def _packed(builder, kind, values):
    found = ir.Constant(ir.ArrayType(_LLVM[kind.total], len(values)), ir.Undefined)
    for i, value in enumerate(values):
        found = builder.insert_value(found, value, i)
    return found


def _zeros(name, length):
    """f() -> totals of nothing."""
    kind = KINDS[name]

    @intrinsic
    def zeros(context):
        def generate(context, builder, signature, arguments):
            return _packed(builder, kind, [_LLVM[kind.total](0)] * length)

        return types.UniTuple(kind.total, length)(), generate

    return zeros


def places(builder, kind):
    """(row, column) of each result of a lane in a unit."""
    number = lane(builder)
    if kind.depth == 1:
        return [(builder.lshr(number, _I32(3)), builder.and_(number, _I32(7)))]
    row, column = builder.lshr(number, _I32(2)), builder.shl(builder.and_(number, _I32(3)), _I32(1))
    return [(builder.add(row, _I32(i // 2 * 8)), builder.add(column, _I32(i % 2))) for i in range(kind.count)]


def _keep(name, rows, columns, stride):
    """f(totals, address): the totals as rows of a tile in shared memory."""
    kind = KINDS[name]
    length = rows * columns * kind.count * kind.parts
    size = {types.float32: 4, types.int32: 4}.get(kind.total, 8)

    @intrinsic
    def keep(context, totals, address):
        def generate(context, builder, signature, arguments):
            totals, address = arguments
            here = [builder.add(address, builder.add(builder.mul(row, _I32(stride)), builder.mul(
                column, _I32(size * kind.parts)))) for row, column in places(builder, kind)]
            i = 0
            for m in range(rows):
                for n in range(columns):
                    for place in here:
                        start = m * kind.unit[0] * stride + n * kind.unit[1] * size * kind.parts
                        for part in range(kind.parts):
                            pointer = shared_pointer(builder, moved(builder, place, start + part * size),
                                                     _LLVM[kind.total])
                            builder.store(builder.extract_value(totals, i), pointer)
                            i += 1
            return context.get_dummy_value()

        return types.none(types.UniTuple(kind.total, length), types.uint32), generate

    return keep


def _rescale(name, rows, columns):
    """f(totals, address): each total times a float32 of its row."""
    kind = KINDS[name]
    length = rows * columns * kind.count
    tuple_ = types.UniTuple(kind.total, length)

    @intrinsic
    def rescale(context, totals, address):
        def generate(context, builder, signature, arguments):
            totals, address = arguments
            lines = [builder.add(address, builder.shl(row, _I32(2))) for row, _ in places(builder, kind)]
            found = []
            for m in range(rows):
                factors = [builder.load(shared_pointer(builder, moved(builder, line, 4 * m * kind.unit[0]), _FLOAT))
                           for line in lines]
                for i in range(m * columns * kind.count, (m + 1) * columns * kind.count):
                    found.append(builder.fmul(builder.extract_value(totals, i), factors[i % kind.count]))
            return _packed(builder, kind, found)

        return tuple_(tuple_, types.uint32), generate

    return rescale


@intrinsic
def shared_base(context):
    """The address of the shared memory that the launch gives a block."""

    def generate(context, builder, signature, arguments):
        found = builder.module.globals.get("shared_given")
        if found is None:
            found = ir.GlobalVariable(builder.module, ir.ArrayType(ir.IntType(8), 0), "shared_given", addrspace=3)
            found.linkage, found.align = "external", 1024
        return builder.ptrtoint(found, _I32)

    return types.uint32(), generate


@intrinsic
def copy_async(context, address, pointer, index, nbytes):
    """Copy 16 bytes from pointer[index] to an address of shared memory, without waiting; zeros beyond `nbytes`."""
    if not isinstance(pointer, types.CPointer):
        return None

    def generate(context, builder, signature, arguments):
        address, pointer_, index, nbytes = arguments
        size = context.get_abi_sizeof(context.get_value_type(pointer.dtype))
        source = builder.add(builder.ptrtoint(pointer_, _I64), builder.mul(index, _I64(size)))
        assembly(builder, _VOID, "cp.async.cg.shared.global [$0], [$1], 16, $2;", "r,l,r,~{memory}",
                 [address, source, nbytes])
        return context.get_dummy_value()

    return types.none(types.uint32, pointer, types.int64, types.int32), generate


def _statement(text):
    """A function without parameters that is one instruction."""

    @intrinsic
    def act(context):
        def generate(context, builder, signature, arguments):
            assembly(builder, _VOID, text, "~{memory}")
            return context.get_dummy_value()

        return types.none(), generate

    return act


@intrinsic
def shared_write(context, address, value):
    """Store a number at an address of shared memory."""
    value = types.unliteral(value)
    if not isinstance(value, types.Number):
        return None

    def generate(context, builder, signature, arguments):
        address, value = arguments
        builder.store(value, shared_pointer(builder, address, value.type))
        return context.get_dummy_value()

    return types.none(types.uint32, value), generate


def _shared_read(kind):
    """A function that loads a number of shared memory by its address."""

    @intrinsic
    def read(context, address):
        def generate(context, builder, signature, arguments):
            return builder.load(shared_pointer(builder, arguments[0], context.get_value_type(kind)))

        return kind(types.uint32), generate

    return read


NAMES = {"shared_base": shared_base, "copy_async": copy_async, "copies_end": _statement("cp.async.commit_group;"),
         "shared_write": shared_write,
         **{f"copies_wait_{n}": _statement(f"cp.async.wait_group {n};") for n in range(4)},
         **{f"shared_read_{t}": _shared_read(t) for t in (
             types.uint16, types.float32, types.float64, types.int32, types.int64, types.complex64,
             types.complex128)}}  # fmt: skip
_MULTIPLY = re.compile(r"\bmultiply_([a-z]+\d+)_(\d+)x(\d+)x(\d+)_([kx])(\d+)_([kx])(\d+)\b")
_KEEP = re.compile(r"\bkeep_([a-z]+\d+)_(\d+)x(\d+)_(\d+)\b")
_RESCALE = re.compile(r"\brescale_([a-z]+\d+)_(\d+)x(\d+)\b")
_ZEROS = re.compile(r"\bzeros_([a-z]+\d+)_(\d+)\b")
_made: dict[str, object] = {}


def named(source):
    """The functions of tiles that a kernel source names."""
    for pattern, make in ((_MULTIPLY, _multiply), (_KEEP, _keep), (_RESCALE, _rescale), (_ZEROS, _zeros)):
        for match in pattern.finditer(source):
            if match[0] not in _made:
                _made[match[0]] = make(*(int(x) if x.isdigit() else x for x in match.groups()))
    return {name: function for name, function in _made.items() if name in source}
