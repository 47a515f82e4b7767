"""The names that kernels of the GPU may use besides those of lowering/intrinsics.py: where a thread is, what it shares.

`grid()` is a thread's number among all of a launch; `block_index()`, `thread_index()` and `block_size()` are its parts.
Threads of a block meet at `barrier()` and exchange values through `shared_<type>()`, one array of SHARED elements for
each type, or, within a warp, through `shuffle_down`, `shuffle_up` and `match_any`; `warp_barrier()` is a warp's own.
"""

from llvmlite import ir
from numba.core import types

from ..expr.philox import philox_words
from ..lowering.contexts import intrinsic
from ..lowering.intrinsics import larger, rebound
from . import matrix_tiles, warpgroups

SHARED = 1024  # elements of a shared array: one for each thread of the largest block
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_SPECIAL = {"thread_index": "tid.x", "block_index": "ctaid.x", "block_index_y": "ctaid.y", "block_size": "ntid.x"}


def _register(builder, name):
    function = builder.module.declare_intrinsic(f"llvm.nvvm.read.ptx.sreg.{name}", [], ir.FunctionType(_I32, []))
    return builder.call(function, [])


def _special(name):
    """A function of kernels that reads a special register, as an int64."""

    @intrinsic
    def read(context):
        def generate(context, builder, signature, arguments):
            return builder.zext(_register(builder, name), _I64)

        return types.int64(), generate

    return read


@intrinsic
def grid(context):
    """The number of this thread among all of the launch, as an int64."""

    def generate(context, builder, signature, arguments):
        block, size, thread = (builder.zext(_register(builder, _SPECIAL[name]), _I64)
                               for name in ("block_index", "block_size", "thread_index"))
        return builder.add(builder.mul(block, size), thread)

    return types.int64(), generate


@intrinsic
def barrier(context):
    """Wait until every thread of the block is here, and see what they stored before."""

    def generate(context, builder, signature, arguments):
        function = builder.module.declare_intrinsic("llvm.nvvm.barrier0", [], ir.FunctionType(ir.VoidType(), []))
        builder.call(function, [])
        return context.get_dummy_value()

    return types.none(), generate


def _shared(element):
    """A function that gives a kernel the block's array of SHARED elements of a type."""

    @intrinsic
    def shared(context):
        def generate(context, builder, signature, arguments):
            kind = ir.ArrayType(context.get_value_type(element), SHARED)
            name = f"shared_{element}"
            found = builder.module.globals.get(name)
            if found is None:
                found = ir.GlobalVariable(builder.module, kind, name, addrspace=3)
                found.initializer = ir.Constant(kind, ir.Undefined)
                found.linkage = "linkonce_odr"  # one array, however many functions are linked that name it
                found.align = 16
            return builder.addrspacecast(found, context.get_value_type(signature.return_type))

        return types.CPointer(element)(), generate

    return shared


def _pointer(element):
    """A function that makes an int64, an address, a pointer to elements of a type."""

    @intrinsic
    def pointer(context, address):
        if types.unliteral(address) != types.int64:
            return None

        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), generate

    return pointer


_ELEMENTS = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()


def _shuffle(mode):
    """A function that gives a thread the value of the one `distance` further on in its warp, or its own at the end."""
    clamp = {"down": 31, "up": 0, "bfly": 31}[mode]

    @intrinsic
    def shuffle(context, value, distance):
        value = types.unliteral(value)
        if not isinstance(value, types.Number):
            return None

        def generate(context, builder, signature, arguments):
            function = builder.module.declare_intrinsic(
                f"llvm.nvvm.shfl.sync.{mode}.i32", [], ir.FunctionType(_I32, [_I32] * 4))
            given, distance = arguments
            distance = builder.trunc(distance, _I32)

            def word(part):
                return builder.call(function, [_I32(-1), part, distance, _I32(clamp)])

            def exchange(part):
                if isinstance(part.type, ir.LiteralStructType):  # a complex number
                    found = part
                    for k in (0, 1):
                        found = builder.insert_value(found, exchange(builder.extract_value(part, k)), k)
                    return found
                if not isinstance(part.type, ir.IntType):
                    bits = _I32 if isinstance(part.type, ir.FloatType) else _I64
                    return builder.bitcast(exchange(builder.bitcast(part, bits)), part.type)
                if part.type.width < 32:
                    return builder.trunc(word(builder.zext(part, _I32)), part.type)
                if part.type.width == 32:
                    return word(part)
                low, high = builder.trunc(part, _I32), builder.trunc(builder.lshr(part, _I64(32)), _I32)
                low, high = (builder.zext(word(half), _I64) for half in (low, high))
                return builder.or_(low, builder.shl(high, _I64(32)))
            return exchange(given)

        return value(value, types.int64), generate

    return shuffle


@intrinsic
def match_any(context, value):
    """Which threads of the warp, a bit for each, have the same int32. All of them have to come."""
    if types.unliteral(value) != types.int32:
        return None

    def generate(context, builder, signature, arguments):
        return matrix_tiles.assembly(builder, _I32, "match.any.sync.b32 $0, $1, 0xffffffff;", "=r,r", arguments)

    return types.uint32(types.int32), generate


@intrinsic
def bits_set(context, value):
    """How many bits of a uint32 are set, as an int32."""
    if types.unliteral(value) != types.uint32:
        return None

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int32(types.uint32), generate


@intrinsic
def quotient(context, number, magic, shift):
    """The upper 32 bits of number * magic, shifted to the right: a division (geometry.py). All are uint32."""
    if any(types.unliteral(t) != types.uint32 for t in (number, magic, shift)):
        return None

    def generate(context, builder, signature, arguments):
        number, magic, shift = arguments
        product = builder.mul(builder.zext(number, _I64), builder.zext(magic, _I64))
        return builder.lshr(builder.trunc(builder.lshr(product, _I64(32)), _I32), shift)

    return types.uint32(types.uint32, types.uint32, types.uint32), generate


@intrinsic
def atomic_add(context, pointer, index, value):
    """pointer[index] += value, of global memory, with no other thread in between."""
    value = types.unliteral(value)
    kind = {types.float32: "f32", types.float64: "f64", types.int32: "u32", types.int64: "u64"}.get(value)
    if not isinstance(pointer, types.CPointer) or pointer.dtype != value or kind is None:
        return None
    letter = {"f32": "f", "f64": "d", "u32": "r", "u64": "l"}[kind]

    def generate(context, builder, signature, arguments):
        address, index, value = arguments
        place = builder.add(builder.ptrtoint(address, _I64), builder.mul(index, _I64(int(kind[1:]) // 8)))
        matrix_tiles.assembly(builder, ir.VoidType(), f"red.global.add.{kind} [$0], $1;", f"l,{letter},~{{memory}}",
                              [place, value])
        return context.get_dummy_value()

    return types.none(pointer, types.int64, value), generate


NAMES = {
    "atomic_add": atomic_add, "match_any": match_any, "bits_set": bits_set, "quotient": quotient,
    "warp_barrier": matrix_tiles._statement("bar.warp.sync 0xffffffff;"),
    "philox_words": rebound(philox_words),
    **{name: _special(register) for name, register in _SPECIAL.items()},
    "grid": grid, "barrier": barrier, "max": larger, "shuffle_down": _shuffle("down"), "shuffle_up": _shuffle("up"),
    "shuffle_xor": _shuffle("bfly"),
    **matrix_tiles.NAMES,
    **{f"shared_{name}": _shared(getattr(types, name)) for name in _ELEMENTS},
    **{f"pointer_{name}": _pointer(getattr(types, name)) for name in _ELEMENTS},
}  # fmt: skip


def names(source):
    """What a kernel source may say: NAMES, and the functions of tiles that it names."""
    return {**NAMES, **matrix_tiles.named(source), **warpgroups.named(source)}
