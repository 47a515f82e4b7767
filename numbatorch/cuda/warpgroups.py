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


def _scores_begin(columns):
    """f(): the registers of 64 x columns scores of four warps, and of weights, two halves each."""
    return _statement(f".reg .f32 group_score<{columns // 2}>; .reg .b32 group_weight<{columns // 4}>;")


def _scores(dtype, columns, depth, rows):
    """f(address of A, address of B): scores = A (64 of `rows` rows, depth) @ B (columns, depth).T, both along k.

    128 bytes of every row lie together, for all rows, then the next 128.
    """
    registers, kind = ", ".join(f"group_score{i}" for i in range(columns // 2)), _TYPES[dtype]
    steps = " ".join(
        f"add.s64 a, $0, {k // 4 * rows * ROW // 16 + k % 4 * 2}; "
        f"add.s64 b, $1, {k // 4 * columns * ROW // 16 + k % 4 * 2}; "
        f"wgmma.mma_async.sync.aligned.m64n{columns}k16.f32.{kind}.{kind} {{{registers}}}, a, b, "
        f"{'later' if k else 'first'}, 1, 1, 0, 0;" for k in range(depth // 16))
    text = ("{ .reg .pred first; .reg .pred later; .reg .b64 a; .reg .b64 b; setp.ne.b32 first, 0, 0; "
            f"setp.eq.b32 later, 0, 0; wgmma.fence.sync.aligned; {steps} wgmma.commit_group.sync.aligned; }}")

    @intrinsic
    def scores(context, a, b):
        def generate(context, builder, signature, arguments):
            assembly(builder, _VOID, text, "l,l,~{memory}", [_descriptor(builder, x) for x in arguments])
            return context.get_dummy_value()

        return types.none(types.uint32, types.uint32), generate

    return scores


def _score(number):
    """f() -> one score of a thread."""

    @intrinsic
    def score(context):
        def generate(context, builder, signature, arguments):
            return assembly(builder, _FLOAT, f"mov.f32 $0, group_score{number};", "=f,~{memory}")

        return types.float32(), generate

    return score


def _weight(number):
    """f(uint32): two weights of a thread."""

    @intrinsic
    def weight(context, value):
        def generate(context, builder, signature, arguments):
            assembly(builder, _VOID, f"mov.b32 group_weight{number}, $0;", "r,~{memory}", arguments)
            return context.get_dummy_value()

        return types.none(types.uint32), generate

    return weight


def _scale(columns):
    """f(a, b): the totals of a thread's first row times a, those of its second times b; all zero for a zero."""
    text = "{ .reg .pred some0; .reg .pred some1; " + " ".join(
        f"setp.ne.f32 some{r}, ${r}, 0f00000000;" for r in (0, 1)) + " " + " ".join(
        f"mul.f32 group_total{i}, group_total{i}, ${i // 2 % 2}; "
        f"selp.f32 group_total{i}, group_total{i}, 0f00000000, some{i // 2 % 2};" for i in range(columns // 2)) + " }"

    @intrinsic
    def scale(context, a, b):
        def generate(context, builder, signature, arguments):
            assembly(builder, _VOID, text, "f,f,~{memory}", arguments)
            return context.get_dummy_value()

        return types.none(types.float32, types.float32), generate

    return scale


def _weigh(dtype, columns, depth):
    """f(address of B): totals += weights (64, depth) @ B, of layout "x"."""
    registers, kind = ", ".join(f"group_total{i}" for i in range(columns // 2)), _TYPES[dtype]
    steps = " ".join(
        f"add.s64 b, $0, {k * 16 * ROW // 16}; wgmma.mma_async.sync.aligned.m64n{columns}k16.f32.{kind}.{kind} "
        f"{{{registers}}}, {{{', '.join(f'group_weight{4 * k + i}' for i in range(4))}}}, b, later, 1, 1, 1;"
        for k in range(depth // 16))
    text = ("{ .reg .pred later; .reg .b64 b; setp.eq.b32 later, 0, 0; wgmma.fence.sync.aligned; "
            f"{steps} wgmma.commit_group.sync.aligned; }}")

    @intrinsic
    def weigh(context, b):
        def generate(context, builder, signature, arguments):
            assembly(builder, _VOID, text, "l,~{memory}", [_descriptor(builder, arguments[0])])
            return context.get_dummy_value()

        return types.none(types.uint32), generate

    return weigh


NAMES = {"group_fence": _statement("fence.proxy.async.shared::cta;"),
         **{f"group_wait_{n}": _statement(f"wgmma.wait_group.sync.aligned {n};") for n in (0, 1)}}
_BEGIN = re.compile(r"\bgroup_begin_(\d+)\b")
_MULTIPLY = re.compile(r"\bgroup_multiply_([a-z]+\d+)_(\d+)_([kx][kx])\b")
_KEEP = re.compile(r"\bgroup_keep_(\d+)_(\d+)\b")
_SCORES_BEGIN = re.compile(r"\bgroup_scores_begin_(\d+)\b")
_SCORES = re.compile(r"\bgroup_scores_([a-z]+\d+)_(\d+)_(\d+)_(\d+)\b")
_SCORE = re.compile(r"\bgroup_score_(\d+)\b")
_WEIGHT = re.compile(r"\bgroup_weight_(\d+)\b")
_SCALE = re.compile(r"\bgroup_scale_(\d+)\b")
_WEIGH = re.compile(r"\bgroup_weigh_([a-z]+\d+)_(\d+)_(\d+)\b")
_PATTERNS = {_BEGIN: _begin, _MULTIPLY: _multiply, _KEEP: _keep, _SCORES_BEGIN: _scores_begin, _SCORES: _scores,
             _SCORE: _score, _WEIGHT: _weight, _SCALE: _scale, _WEIGH: _weigh}
_made: dict[str, object] = {}


def named(source):
    """The functions of this module that a kernel source names."""
    for pattern, make in _PATTERNS.items():
        for match in pattern.finditer(source):
            if match[0] not in _made:
                _made[match[0]] = make(*(int(x) if x.isdigit() else x for x in match.groups()))
    return {name: function for name, function in {**NAMES, **_made}.items() if name in source}
