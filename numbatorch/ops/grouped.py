"""Matrix products in groups of unequal size, and of matrices stored as numbers times scales."""

import enum

from ..dtypes import bfloat16
from .declare import OPS, composite

_F = "nn.functional"


class ScalingType(enum.IntEnum):
    """What one scale belongs to: the tensor, a row, or a block of rows x columns along the summed dimension."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(enum.IntEnum):
    """The order in which scales lie in memory."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1


def _bounds(name, offs, groups, size):
    """Start and end of each group."""
    if offs.ndim != 1 or offs.dtype.name != "int32":
        raise RuntimeError(f"{name}: offs has to be 1-d and int32, got {tuple(offs.shape)} of {offs.dtype}")
    ends = offs.tolist()
    if groups is not None and len(ends) != groups:
        raise RuntimeError(f"{name}: offs has {len(ends)} groups, but the 3-d operand {groups}: matrix batch sizes "
                           "have to match")
    starts = [0, *ends[:-1]]
    if any(a > b for a, b in zip(starts, ends, strict=True)) or (ends and ends[-1] > size):
        raise RuntimeError(f"{name}: offs has to rise from 0 to at most {size}, got {ends}")
    return list(zip(starts, ends, strict=True))


def _check_matrices(name, mat_a, mat_b, offs):
    if mat_a.ndim not in (2, 3) or mat_b.ndim not in (2, 3):
        raise RuntimeError(f"{name}: mat_a and mat_b have to be 2 or 3 dimensional, got {tuple(mat_a.shape)} and "
                           f"{tuple(mat_b.shape)}")
    if mat_a.shape[-1] != mat_b.shape[-2]:
        raise RuntimeError(f"{name}: contraction dimension of mat_a and mat_b must match, got {tuple(mat_a.shape)} and "
                           f"{tuple(mat_b.shape)}")
    if (offs is None) != (mat_a.ndim == 3 and mat_b.ndim == 3):
        raise RuntimeError(f"{name}: offs has to be given where there is a 2-d matrix, and only there, got mat_a "
                           f"{tuple(mat_a.shape)}, mat_b {tuple(mat_b.shape)}, offs "
                           f"{None if offs is None else tuple(offs.shape)}")


@composite(namespaces=_F, method=False)
def grouped_mm(mat_a, mat_b, *, offs=None, bias=None, out_dtype=None):
    """Products of matrices in groups; offs (G,) int32 holds where each group ends in the 2-d operands.

    mat_a (M, K) cut in rows, mat_b (G, K, N) -> (M, N); mat_a (G, M, K), mat_b (K, N) cut in columns -> (M, N);
    mat_a (M, K) and mat_b (K, N) both cut along K -> (G, M, N); without offs (G, M, K), (G, K, N) -> (G, M, N).
    What lies behind the last offset gives zeros. `bias` is added to each group's product.
    RuntimeError for shapes that do not fit, dtypes that differ or are not floating point.
    """
    name = "grouped_mm"
    if mat_a.dtype is not mat_b.dtype or not mat_a.is_floating_point():
        raise RuntimeError(f"{name}: expected mat_a and mat_b of one floating point dtype, got {mat_a.dtype} and "
                           f"{mat_b.dtype}")
    _check_matrices(name, mat_a, mat_b, offs)
    result = _products(name, mat_a, mat_b, offs, bias)
    return result if out_dtype is None else result.to(out_dtype)


def _products(name, mat_a, mat_b, offs, bias):
    def product(a, b):
        c = a.matmul(b)
        return c if bias is None else c + bias
    if offs is None:
        if mat_a.shape[0] != mat_b.shape[0]:
            raise RuntimeError(f"{name}: matrix batch sizes have to match, got {tuple(mat_a.shape)} and "
                               f"{tuple(mat_b.shape)}")
        return product(mat_a, mat_b)
    if mat_a.ndim == 2 and mat_b.ndim == 2:
        bounds = _bounds(name, offs, None, mat_a.shape[1])
        if not bounds:
            return mat_a.new_zeros((0, mat_a.shape[0], mat_b.shape[1]))
        return OPS["stack"].call([product(mat_a[:, i:j], mat_b[i:j]) for i, j in bounds])
    rows = mat_a.ndim == 2
    groups, size = (mat_b.shape[0], mat_a.shape[0]) if rows else (mat_a.shape[0], mat_b.shape[1])
    bounds = _bounds(name, offs, groups, size)
    parts = [product(mat_a[i:j], mat_b[g]) if rows else product(mat_a[g], mat_b[:, i:j])
             for g, (i, j) in enumerate(bounds)]
    rest = size - (bounds[-1][1] if bounds else 0)
    if rest or not parts:
        parts.append(mat_a.new_zeros((rest, mat_b.shape[2]) if rows else (mat_a.shape[1], rest)))
    return OPS["cat"].call(parts, 0 if rows else 1)


def _plain(name, label, matrix, scale, recipe, swizzle, columns):
    """A scaled matrix in float32. `columns`: its summed dimension is the one before the last, as in mat_b."""
    scale, recipe, swizzle = (v[0] if isinstance(v, (list, tuple)) and len(v) == 1 else v
                              for v in (scale, recipe, swizzle))
    if isinstance(scale, (list, tuple)) or isinstance(recipe, (list, tuple)):
        raise NotImplementedError(f"{name}: several scales for {label} belong to 4-bit formats, which numbatorch does "
                                  "not have")
    if swizzle not in (None, SwizzleType.NO_SWIZZLE):
        raise NotImplementedError(f"{name}: swizzle {swizzle!r} of {label} is a layout of GPU kernels; give scales in "
                                  "their plain order")
    if recipe in (ScalingType.BlockWise1x16, ScalingType.BlockWise1x32):
        raise NotImplementedError(f"{name}: {ScalingType(recipe).name} of {label} belongs to the formats float4_e2m1 "
                                  "and float8_e8m0, which numbatorch does not have")
    if not matrix.dtype.is_float8:
        raise ValueError(f"{name}: {label} has to be float8, got {matrix.dtype}")
    scale = scale.float()
    outer, inner = (matrix.shape[-1], matrix.shape[-2]) if columns else matrix.shape[-2:]
    if recipe == ScalingType.TensorWise:
        if scale.numel() != 1:
            raise ValueError(f"{name}: TensorWise needs one scale for {label}, got {tuple(scale.shape)}")
        return matrix.float() * scale.reshape(())
    high, wide = {ScalingType.RowWise: (1, inner), ScalingType.BlockWise1x128: (1, 128),
                  ScalingType.BlockWise128x128: (128, 128)}[ScalingType(recipe)]
    shape = [-(-outer // high), -(-inner // wide) if wide else 1]
    shape = [*matrix.shape[:-2], *(reversed(shape) if columns else shape)]
    count = 1
    for n in shape:
        count *= n
    if scale.numel() != count or (scale.ndim == matrix.ndim and list(scale.shape) != shape):
        raise ValueError(f"{name}: {ScalingType(recipe).name} of {label} {tuple(matrix.shape)} needs scales "
                         f"{tuple(shape)}, got {tuple(scale.shape)}")
    scale = scale.reshape(shape)
    for dim, times in ((-2, wide if columns else high), (-1, high if columns else wide)):
        if times > 1:
            scale = scale.repeat_interleave(times, dim).narrow(dim, 0, matrix.shape[dim])
    return matrix.float() * scale


@composite(namespaces=_F, method=False)
def scaled_mm(mat_a, mat_b, scale_a, scale_recipe_a, scale_b, scale_recipe_b, swizzle_a=None, swizzle_b=None, bias=None,
              output_dtype=bfloat16, contraction_dim=(), use_fast_accum=False):
    """(mat_a * scale_a) @ (mat_b * scale_b) + bias for float8 matrices (M, K) and (K, N), computed in float32.

    Recipes (ScalingType) say what a scale belongs to: TensorWise one scale; RowWise (M, 1) and (1, N); BlockWise1x128
    (M, K / 128) and (K / 128, N); BlockWise128x128 blocks both ways. output_dtype: bfloat16; None for that of mat_a.
    ValueError for scales that do not fit; NotImplementedError for 4-bit formats and swizzled scales.
    """
    name = "scaled_mm"
    _check_contraction(name, contraction_dim)
    if mat_a.ndim != 2 or mat_b.ndim != 2 or mat_a.shape[1] != mat_b.shape[0]:
        raise RuntimeError(f"{name}: mat1 and mat2 shapes cannot be multiplied, got {tuple(mat_a.shape)} and "
                           f"{tuple(mat_b.shape)}")
    a = _plain(name, "mat_a", mat_a, scale_a, scale_recipe_a, swizzle_a, False)
    b = _plain(name, "mat_b", mat_b, scale_b, scale_recipe_b, swizzle_b, True)
    result = a.matmul(b)
    return (result if bias is None else result + bias.float()).to(mat_a.dtype if output_dtype is None else output_dtype)


@composite(namespaces=_F, method=False)
def scaled_grouped_mm(mat_a, mat_b, scale_a, scale_recipe_a, scale_b, scale_recipe_b, swizzle_a=None, swizzle_b=None,
                      bias=None, offs=None, output_dtype=bfloat16, contraction_dim=(), use_fast_accum=False):
    """grouped_mm of float8 matrices times scales, computed in float32; scales and recipes as in scaled_mm.

    Scales of a 3-d operand have its group dimension in front, and may leave out dimensions of size 1.
    """
    name = "scaled_grouped_mm"
    _check_contraction(name, contraction_dim)
    _check_matrices(name, mat_a, mat_b, offs)
    if offs is not None and mat_a.ndim == 2 and mat_b.ndim == 2:
        raise NotImplementedError(f"{name}: groups along the summed dimension have scales for each group; multiply the "
                                  "groups one by one with scaled_mm")
    a = _plain(name, "mat_a", mat_a, scale_a, scale_recipe_a, swizzle_a, False)
    b = _plain(name, "mat_b", mat_b, scale_b, scale_recipe_b, swizzle_b, True)
    result = _products(name, a, b, offs, None if bias is None else bias.float())
    return result.to(mat_a.dtype if output_dtype is None else output_dtype)


def _check_contraction(name, contraction_dim):
    if tuple(contraction_dim) not in ((), (-1, -2), (1, 0)):
        raise NotImplementedError(f"{name}: contraction_dim={contraction_dim} is not supported: the last dimension of "
                                  "mat_a and the one before the last of mat_b are summed")
