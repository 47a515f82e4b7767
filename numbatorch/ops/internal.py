"""Operators that PyTorch has for its own use, under `ops.aten` and where they are also found there, under `torch`."""

import builtins
from typing import Any

from ..expr.functions import row_sum
from .declare import OPS, composite, foreign, rowwise
from .pool import arranged_as

_BOTH, _ATEN = ("", "ops.aten"), "ops.aten"


# ------------------------------------------------------------------ steps of backward passes

@composite(namespaces=_BOTH, method=False)
def _softmax_backward_data(grad_output, output, dim, input_dtype):
    """The gradient of softmax: output (grad_output - sum over dim of grad_output * output), all of one shape.

    RuntimeError where `input_dtype` is narrower than the gradient.
    """
    if input_dtype.itemsize < grad_output.dtype.itemsize:
        raise RuntimeError(f"_softmax_backward_data: expected grad_output of dtype {input_dtype}, as input_dtype says, "
                           f"but found {grad_output.dtype}")
    return softmax_gradient_rows.call(grad_output, output, dim)


@rowwise(method=False)
def softmax_gradient_rows(incoming, output, dim):
    """output (incoming - sum over dim of incoming * output), in one pass over the rows."""
    return output * (incoming - row_sum(incoming * output))


@composite(namespaces=_ATEN, out=True)
def native_dropout_backward(grad_output, mask, scale):
    """grad_output where `mask`, times `scale`; 0 elsewhere."""
    return grad_output * mask.to(grad_output.dtype) * scale


def _chosen(grad, indices, input_layout):
    flat = grad.reshape(*indices.shape[:-2], -1)
    return flat.gather(-1, indices.flatten(-2)).reshape(indices.shape)


@foreign(namespaces=_ATEN, grad_output=_chosen, input=lambda input: input.new_zeros(input.shape))
def max_pool2d_with_indices_backward(grad_output, input, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
                                     ceil_mode: bool, indices):
    """grad_output (..., C, h, w) added to zeros of the shape of `input`, at the flat places `indices` of planes."""
    if grad_output.shape != indices.shape:
        raise RuntimeError(f"max_pool2d_with_indices_backward: grad_output has shape {list(grad_output.shape)}, "
                           f"indices {list(indices.shape)}")
    return arranged_as(input, OPS["_add_planes"].call(grad_output, indices, 2, tuple(input.shape[-2:])))


# ------------------------------------------------------------------ normalisation, softmax, resizing

@composite(namespaces=_BOTH, method=False, out=True)
def _native_batch_norm_legit(input, weight, bias, *rest):
    """`native_batch_norm` of input, weight, bias, [running_mean, running_var,] training, momentum, eps."""
    if len(rest) not in (3, 5):
        raise TypeError(f"_native_batch_norm_legit(): expected 6 arguments, or 8 with running statistics, got "
                        f"{len(rest) + 3}")
    running_mean, running_var = rest[:2] if len(rest) == 5 else (None, None)
    training, momentum, eps = rest[-3:]
    return OPS["native_batch_norm"].call(input, weight, bias, running_mean, running_var, training, momentum, eps)


@composite(namespaces=_ATEN)
def _batch_norm_with_update(input, weight, bias, running_mean, running_var, momentum, eps):
    """`native_batch_norm` in training, and an empty tensor, in which other devices keep what their backward needs."""
    from ..dtypes import uint8
    results = OPS["native_batch_norm"].call(input, weight, bias, running_mean, running_var, True, momentum, eps)
    return *results, input.new_empty((0,), dtype=uint8)


@composite(namespaces=_ATEN)
def _safe_softmax(input, dim, dtype=None):
    """softmax over `dim`, and 0 in rows that are -inf throughout, where softmax gives NaN."""
    hidden = (input == -float("inf")).all(dim, keepdim=True)
    rows = input.masked_fill(hidden, 0)  # so that the gradient knows no NaN either
    return OPS["softmax"].call(rows, dim, dtype=dtype).masked_fill(hidden, 0)


@composite(namespaces=_ATEN)
def _upsample_bilinear2d_aa(input, output_size, align_corners, scales_h=None, scales_w=None, *, scale_factors=None):
    """`interpolate` of (N, C, H, W) in mode "bilinear" with antialias; `scale_factors` stand for a size left out."""
    from .resize import blended
    if input.ndim != 4:
        raise RuntimeError(f"_upsample_bilinear2d_aa: expected a non-empty 4D tensor, got shape {list(input.shape)}")
    if isinstance(scales_h, (tuple, list)):  # by place, as one sequence
        scales_h, scale_factors = None, scales_h
    if (output_size is None) == (scale_factors is None):
        raise RuntimeError("_upsample_bilinear2d_aa: must specify exactly one of output_size and scale_factors, got "
                           f"{output_size} and {scale_factors}")
    if output_size is None:
        scales = tuple(scale_factors)
        output_size = [int(n * s) for n, s in zip(input.shape[2:], scales, strict=True)]
    else:
        scales = (scales_h, scales_w)
    return blended(input, tuple(output_size), scales, align_corners, False, True)


# ------------------------------------------------------------------ parts and places

@composite(namespaces=_ATEN)
def slice(input, dim=0, start=None, end=None, step=1):
    """The view start:end:step of dimension `dim`."""
    return OPS["_slice"].call(input, dim, start, end, step)


def _inside(name, input, indices):
    """Indices cut to the sizes that they index, which makes those that a mask hides harmless."""
    for position, index in enumerate(indices):
        if not hasattr(index, "_layout"):
            raise TypeError(f"{name}(): expected Tensor as element {position} of indices, but got "
                            f"{type(index).__name__}")
    return tuple(i.clamp(-n, n - 1) for i, n in zip(indices, input.shape, strict=False))


@composite(namespaces=_BOTH, method=False)
def _unsafe_masked_index(input, mask, indices, fill):
    """input[indices] where `mask`, which has its shape, else `fill`; hidden indices may lie outside."""
    if input.numel() == 0:
        return input.new_full(mask.shape, fill)
    return input[_inside("_unsafe_masked_index", input, indices)].masked_fill(~mask, fill)


@composite(namespaces=_BOTH, method=False)
def _unsafe_masked_index_put_accumulate(input, mask, indices, values):
    """A copy of `input` with `values` added at `indices` where `mask`; hidden indices may lie outside."""
    if input.numel() == 0:
        return input.clone()
    places = _inside("_unsafe_masked_index_put_accumulate", input, indices)
    return input.index_put(places, values.masked_fill(~mask, 0), accumulate=True)


@composite(namespaces=_BOTH, method=False, out=True)
def _chunk_cat(tensors, dim, num_chunks):
    """Each tensor cut into `num_chunks` equal chunks along `dim`, filled up with 0; the chunks k of all make row k.

    Dimensions before `dim` are common; the result is (*common, num_chunks, elements of a chunk of all tensors).
    """
    tensors = list(tensors)
    if num_chunks < 1:
        raise RuntimeError(f"_chunk_cat expects positive num_chunks, got {num_chunks}")
    if not tensors:
        raise RuntimeError("_chunk_cat expects a non-empty input tensor list")
    first = tensors[0]
    if any(t.ndim != first.ndim for t in tensors):
        if dim < 0:
            raise RuntimeError("_chunk_cat expects non-negative dim when input tensors have different ndims, got "
                               f"{dim}")
        if any(dim >= t.ndim for t in tensors):
            raise RuntimeError(f"_chunk_cat expects dim < ndim for all input tensors, got dim {dim} and ndims "
                               f"{[t.ndim for t in tensors]}")
    from ..layout import wrap_dim
    dim, rows = wrap_dim(dim, first.ndim), []
    for t in tensors:
        if t.numel() == 0:
            raise RuntimeError(f"_chunk_cat expects non-empty tensor, got shape {list(t.shape)}")
        if t.dtype is not first.dtype:
            raise RuntimeError(f"_chunk_cat expects all input tensors with the same dtype, got {first.dtype} and "
                               f"{t.dtype}")
        if t.shape[:dim] != first.shape[:dim]:
            raise RuntimeError(f"_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors, got "
                               f"{list(first.shape)} and {list(t.shape)} with dim {dim}")
        missing = -t.shape[dim] % num_chunks
        if missing:
            t = OPS["cat"].call([t, t.new_zeros((*t.shape[:dim], missing, *t.shape[dim + 1:]))], dim)
        rows.append(t.reshape(*t.shape[:dim], num_chunks, -1))
    return OPS["cat"].call(rows, dim + 1)


# ------------------------------------------------------------------ methods and indexing, as operators

@composite(namespaces=_ATEN, method=False)
def alias(input):
    """The same memory, as another tensor."""
    return OPS["Tensor.view"].call(input, input.shape) if input.is_contiguous() else OPS["as_strided"].call(
        input, input.shape, input.stride(), input.storage_offset())


@composite(namespaces=_ATEN, method=False)
def detach(input):
    """The same memory without history."""
    return input.detach()


@composite(namespaces=_ATEN, method=False)
def index(input, indices):
    """input[indices]: a list of index tensors, with None for dimensions that are taken whole."""
    return input[tuple([builtins.slice(None) if i is None else i for i in indices])]


@composite(namespaces=_ATEN, method=False)
def _to_copy(input, *, dtype=None, layout=None, device=None, pin_memory=None, non_blocking=False, memory_format=None):
    """A copy of `input`, in another dtype, on another device, in another order."""
    if layout is not None and layout != input.layout:
        raise NotImplementedError(f"_to_copy: {input.layout} to {layout}; use to_dense(), to_sparse() and their like")
    named = {} if memory_format is None else {"memory_format": memory_format}
    return input.to(device=device, dtype=dtype or input.dtype, non_blocking=non_blocking, copy=True, **named)


@composite(namespaces=_ATEN, method=False)
def _pin_memory(input, device=None):
    """input.pin_memory()."""
    return input.pin_memory()


@composite(namespaces=_ATEN, method=False)
def _sparse_addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * mat1 @ mat2 for a sparse `mat1`."""
    from ..sparse import addmm
    return addmm(input, mat1, mat2, beta=beta, alpha=alpha)


@composite(namespaces=_ATEN, method=False)
def _sparse_mm_reduce_impl(input, other, reduce) -> tuple:
    """(sparse `input` @ `other` with another `reduce` than the sum, places of what was chosen: none for sums).

    NotImplementedError for amax and amin, whose places would be positions of values.
    """
    if reduce not in ("sum", "mean"):
        raise NotImplementedError(f"_sparse_mm_reduce_impl: reduce={reduce!r} would tell the places of what it chose; "
                                  "torch.sparse.mm(input, other, reduce) gives the values")
    from ..sparse import mm
    return mm(input, other, reduce), other.new_empty((0,), dtype=_int64())


def _int64():
    from .. import dtypes
    return dtypes.int64
