"""Products of tiles by four warps together (wgmma of sm_90a), as functions of kernels.

Tiles lie in shared memory as rows of 128 bytes, in which the 16-byte pieces of row r are exchanged by r & 7: the
128-byte swizzle. Layout "k": a row for each row of A or column of B, along k. Layout "x": a row for each k, along 64
rows of A or columns of B, the next 64 a block further on. Totals live in PTX registers that have names, `group_total0`
on: as values of the compiler the assembler would wait for every product. Section 9.7.15 of the PTX ISA manual.
"""

import re

from llvmlite import ir
from numba.core import types

from ..lowering.contexts import intrinsic
from .matrix_tiles import _statement, assembly, lane, moved, shared_pointer

_I32, _I64, _FLOAT, _VOID = ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.VoidType()
ROW = 128  # bytes of a row of a tile
BLOCK = 64 * ROW  # from a block of 64 columns of layout "x" to the next
_TYPES = {"bfloat16": "bf16", "float16": "f16", "tf32": "tf32"}


def _begin(columns):
    """f(): the registers of 64 x columns totals of four warps."""
    return _statement(f".reg .f32 group_total<{columns // 2}>;")


def _descriptor(builder, address):
    """What tells wgmma where a tile lies: its address, bytes to the next block and to the next eight rows, swizzle."""
    place = builder.lshr(builder.and_(builder.zext(address, _I64), _I64(0x3FFFF)), _I64(4))
    return builder.or_(place, _I64((BLOCK >> 4) << 16 | (1024 >> 4) << 32 | 1 << 62))


def _multiply(dtype, columns, layouts):
    """f(address of A, address of B, again): totals = A (64, d) @ B (columns, d).T, plus the totals if `again`.

    d: what 128 bytes hold. layouts: of A and B.
    """
    registers = ", ".join(f"group_total{i}" for i in range(columns // 2))
    kind, depth = _TYPES[dtype], 8 if dtype == "tf32" else 16
    a, b = (2 if layout == "k" else depth * ROW >> 4 for layout in layouts)  # 16 bytes from one product to the next
    turned = "" if dtype == "tf32" else "".join(f", {int(layout == 'x')}" for layout in layouts)
    steps = " ".join(
        f"add.s64 a, $0, {a * k}; add.s64 b, $1, {b * k}; "
        f"wgmma.mma_async.sync.aligned.m64n{columns}k{depth}.f32.{kind}.{kind} "
        f"{{{registers}}}, a, b, {'first' if k == 0 else 'later'}, 1, 1{turned};" for k in range(4))
    text = ("{ .reg .pred first; .reg .pred later; .reg .b64 a; .reg .b64 b; setp.ne.b32 first, $2, 0; "
            f"setp.eq.b32 later, 0, 0; wgmma.fence.sync.aligned; {steps} wgmma.commit_group.sync.aligned; }}")

    @intrinsic
    def multiply(context, a, b, again):
        def generate(context, builder, signature, arguments):
            a, b, again = arguments
            assembly(builder, _VOID, text, "l,l,r,~{memory}",
                     [_descriptor(builder, a), _descriptor(builder, b), again])
            return context.get_dummy_value()

        return types.none(types.uint32, types.uint32, types.int32), generate

    return multiply


def _keep(columns, stride):
    """f(address): the totals as rows of float32 in shared memory."""

    @intrinsic
    def keep(context, address):
        def generate(context, builder, signature, arguments):
            function = builder.module.declare_intrinsic("llvm.nvvm.read.ptx.sreg.tid.x", [], ir.FunctionType(_I32, []))
            warp = builder.and_(builder.lshr(builder.call(function, []), _I32(5)), _I32(3))
            number = lane(builder)
            row = builder.add(builder.shl(warp, _I32(4)), builder.lshr(number, _I32(2)))
            column = builder.shl(builder.and_(number, _I32(3)), _I32(3))
            here = builder.add(arguments[0], builder.add(builder.mul(row, _I32(stride)), column))
            for i in range(columns // 2):
                value = assembly(builder, _FLOAT, f"mov.f32 $0, group_total{i};", "=f,~{memory}")
                place = moved(builder, here, i // 4 * 32 + i // 2 % 2 * 8 * stride + i % 2 * 4)
                builder.store(value, shared_pointer(builder, place, _FLOAT))
            return context.get_dummy_value()

        return types.none(types.uint32), generate

    return keep


NAMES = {"group_fence": _statement("fence.proxy.async.shared::cta;"),
         **{f"group_wait_{n}": _statement(f"wgmma.wait_group.sync.aligned {n};") for n in (0, 1)}}
_BEGIN = re.compile(r"\bgroup_begin_(\d+)\b")
_MULTIPLY = re.compile(r"\bgroup_multiply_([a-z]+\d+)_(\d+)_([kx][kx])\b")
_KEEP = re.compile(r"\bgroup_keep_(\d+)_(\d+)\b")
_made: dict[str, object] = {}


def named(source):
    """The functions of this module that a kernel source names."""
    for pattern, make in ((_BEGIN, _begin), (_MULTIPLY, _multiply), (_KEEP, _keep)):
        for match in pattern.finditer(source):
            if match[0] not in _made:
                _made[match[0]] = make(*(int(x) if x.isdigit() else x for x in match.groups()))
    return {name: function for name, function in {**NAMES, **_made}.items() if name in source}
