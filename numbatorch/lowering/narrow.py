"""Conversions of the types that are narrower than float32, between their bits and float32.

float16 by the CPU's own instruction where it has one; the others by integer arithmetic, which vectorises. complex32 is
two float16 in a uint32. What float8 does beyond its range is PyTorch's choice (dtypes.FLOAT8).
"""

import functools

from llvmlite import ir
from numba.core import types

from ..dtypes import FLOAT8
from .contexts import intrinsic
from .host import host, is_x86

_I8, _I16, _I32, _FLOAT = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.FloatType()


@intrinsic
def half_to_float(context, bits):
    """float32 of the bits of a float16."""
    if types.unliteral(bits) != types.uint16:
        return None

    def generate(context, builder, signature, arguments):
        return _half_to_float(builder, arguments[0])

    return types.float32(types.uint16), generate


@intrinsic
def float_to_half(context, value):
    """Bits of the float16 nearest to a float32, ties to even."""
    if types.unliteral(value) != types.float32:
        return None

    def generate(context, builder, signature, arguments):
        return _float_to_half(builder, arguments[0])

    return types.uint16(types.float32), generate


@functools.cache
def _converts_half():
    """Whether the CPU converts float16; where not, LLVM would call a function that need not exist."""
    return not is_x86() or "+f16c" in host()[1].split(",")


def _half_to_float(builder, bits):
    """By exponent arithmetic: a magnitude shifted into a float32's place is too small by 2^112, exactly."""
    if _converts_half():
        return builder.fpext(builder.bitcast(bits, ir.HalfType()), _FLOAT)
    wide = builder.zext(bits, _I32)
    sign = builder.shl(builder.and_(wide, _I32(0x8000)), _I32(16))
    shifted = builder.shl(builder.and_(wide, _I32(0x7FFF)), _I32(13))
    scaled = builder.bitcast(builder.fmul(builder.bitcast(shifted, _FLOAT), _FLOAT(2.0**112)), _I32)
    special = builder.or_(shifted, _I32(0x7F800000))
    magnitude = builder.select(builder.icmp_unsigned(">=", shifted, _I32(0x7C00 << 13)), special, scaled)
    return builder.bitcast(builder.or_(magnitude, sign), _FLOAT)


def _float_to_half(builder, value):
    """By adding a power of two that leaves the wanted bits as the lowest ones, rounded by the addition itself."""
    if _converts_half():
        return builder.bitcast(builder.fptrunc(value, ir.HalfType()), _I16)
    bits = builder.bitcast(value, _I32)
    sign = builder.and_(builder.lshr(bits, _I32(16)), _I32(0x8000))
    magnitude = builder.and_(bits, _I32(0x7FFFFFFF))
    subnormal = builder.fadd(builder.bitcast(magnitude, _FLOAT), _FLOAT(0.5))
    small = builder.sub(builder.bitcast(subnormal, _I32), _I32(0x3F000000))
    odd = builder.and_(builder.lshr(magnitude, _I32(13)), _I32(1))
    rounded = builder.add(builder.add(magnitude, _I32(0xFFF - (112 << 23) & 0xFFFFFFFF)), odd)
    normal = builder.lshr(rounded, _I32(13))
    large = builder.select(builder.icmp_unsigned(">", magnitude, _I32(0x7F800000)), _I32(0x7E00), _I32(0x7C00))
    finite = builder.select(builder.icmp_unsigned("<", magnitude, _I32(113 << 23)), small, normal)
    result = builder.select(builder.icmp_unsigned(">=", magnitude, _I32(0x47800000)), large, finite)
    return builder.trunc(builder.or_(result, sign), _I16)


@intrinsic
def bfloat_to_float(context, bits):
    """float32 of the bits of a bfloat16: its upper half."""
    if types.unliteral(bits) != types.uint16:
        return None

    def generate(context, builder, signature, arguments):
        return builder.bitcast(builder.shl(builder.zext(arguments[0], _I32), _I32(16)), _FLOAT)

    return types.float32(types.uint16), generate


@intrinsic
def float_to_bfloat(context, value):
    """Bits of the bfloat16 nearest to a float32, ties to even; NaN stays NaN."""
    if types.unliteral(value) != types.float32:
        return None

    def generate(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], _I32)
        odd = builder.and_(builder.lshr(bits, _I32(16)), _I32(1))
        rounded = builder.add(builder.add(bits, _I32(0x7FFF)), odd)
        quiet = builder.or_(bits, _I32(0x400000))
        isnan = builder.fcmp_unordered("uno", arguments[0], arguments[0])
        return builder.trunc(builder.lshr(builder.select(isnan, quiet, rounded), _I32(16)), _I16)

    return types.uint16(types.float32), generate


@intrinsic
def halves_to_complex(context, bits):
    """complex64 of the bits of a complex32: the real part is the lower half."""
    if types.unliteral(bits) != types.uint32:
        return None

    def generate(context, builder, signature, arguments):
        parts = context.make_complex(builder, types.complex64)
        parts.real = _half_to_float(builder, builder.trunc(arguments[0], _I16))
        parts.imag = _half_to_float(builder, builder.trunc(builder.lshr(arguments[0], _I32(16)), _I16))
        return parts._getvalue()

    return types.complex64(types.uint32), generate


@intrinsic
def complex_to_halves(context, value):
    """Bits of the complex32 whose parts are nearest to those of a complex64."""
    if types.unliteral(value) != types.complex64:
        return None

    def generate(context, builder, signature, arguments):
        parts = context.make_complex(builder, types.complex64, arguments[0])
        real, imag = (builder.zext(_float_to_half(builder, part), _I32) for part in (parts.real, parts.imag))
        return builder.or_(real, builder.shl(imag, _I32(16)))

    return types.uint32(types.complex64), generate


def _float8_to_float(digits, bias, largest, beyond, nan):
    """float32 of the bits of a float8, by exponent arithmetic as for float16."""

    @intrinsic
    def to_float(context, bits):
        if types.unliteral(bits) != types.uint8:
            return None

        def generate(context, builder, signature, arguments):
            wide = builder.zext(arguments[0], _I32)
            sign = builder.shl(builder.and_(wide, _I32(0x80)), _I32(24))
            code = builder.and_(wide, _I32(0x7F))
            shifted = builder.bitcast(builder.shl(code, _I32(23 - digits)), _FLOAT)
            scaled = builder.bitcast(builder.fmul(shifted, _FLOAT(2.0 ** (127 - bias))), _I32)
            if beyond != largest and beyond != nan:
                scaled = builder.select(builder.icmp_unsigned("==", code, _I32(beyond)), _I32(0x7F800000), scaled)
            isnan = (builder.icmp_unsigned("==", wide, _I32(nan)) if nan == 0x80 else
                     builder.icmp_unsigned(">", code, _I32(beyond)))
            magnitude = builder.select(isnan, _I32(0x7FC00000), scaled)
            return builder.bitcast(builder.or_(magnitude, sign), _FLOAT)

        return types.float32(types.uint8), generate

    return to_float


def _float_to_float8(digits, bias, largest, beyond, nan):
    """Bits of the float8 nearest to a float32, ties to even."""
    least = 2.0 ** (24 - bias - digits)  # its unit in the last place is the smallest subnormal number
    shift = 23 - digits

    @intrinsic
    def from_float(context, value):
        if types.unliteral(value) != types.float32:
            return None

        def generate(context, builder, signature, arguments):
            bits = builder.bitcast(arguments[0], _I32)
            sign = builder.and_(builder.lshr(bits, _I32(24)), _I32(0x80))
            magnitude = builder.and_(bits, _I32(0x7FFFFFFF))
            raised = builder.fadd(builder.bitcast(magnitude, _FLOAT), _FLOAT(least))
            small = builder.sub(builder.bitcast(raised, _I32), builder.bitcast(_FLOAT(least), _I32))
            odd = builder.and_(builder.lshr(magnitude, _I32(shift)), _I32(1))
            offset = (1 << shift - 1) - 1 - (127 - bias << 23)
            normal = builder.lshr(builder.add(builder.add(magnitude, _I32(offset & 0xFFFFFFFF)), odd), _I32(shift))
            code = builder.select(builder.icmp_unsigned("<", magnitude, _I32(128 - bias << 23)), small, normal)
            code = builder.select(builder.icmp_unsigned(">", code, _I32(largest)), _I32(beyond), code)
            code = builder.select(builder.icmp_unsigned(">", magnitude, _I32(0x7F800000)), _I32(nan), code)
            if nan == 0x80:  # the code of -0 is NaN's
                sign = builder.select(builder.icmp_unsigned("==", code, _I32(0)), _I32(0), sign)
            return builder.trunc(builder.or_(code, sign), _I8)

        return types.uint8(types.float32), generate

    return from_float


CONVERSIONS = {f.__name__: f for f in (half_to_float, float_to_half, bfloat_to_float, float_to_bfloat,
                                       halves_to_complex, complex_to_halves)}
CONVERSIONS |= {f"{name}_to_float": _float8_to_float(*codes) for name, codes in FLOAT8.items()}
CONVERSIONS |= {f"float_to_{name}": _float_to_float8(*codes) for name, codes in FLOAT8.items()}
