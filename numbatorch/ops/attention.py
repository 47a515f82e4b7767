"""Attention: softmax(query @ key.mT * scale) @ value, alone and between the projections of several heads.

After Vaswani et al. 2017, arXiv:1706.03762.
"""

import math
from functools import lru_cache

from .attention_core import attention, by_products, causal_mask, in_one_kernel
from .declare import OPS, composite

_F = "nn.functional"
_INFINITY = float("inf")


@composite(namespaces=_F, method=False)
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None,
                                 enable_gqa=False):
    """softmax(query @ key.mT * scale + mask) @ value; scale is 1 / sqrt(E) unless given.

    query (..., H, L, E), key (..., H, S, E), value (..., H, S, V) -> (..., H, L, V). float16 and bfloat16 are computed
    in float32. attn_mask: bool (True: may see) or added to the scores. enable_gqa: key, value may have fewer heads, a
    divisor of H.
    """
    own = _checked(query._layout, key._layout, value._layout, None if attn_mask is None else attn_mask._layout,
                   bool(is_causal), bool(enable_gqa))
    if not 0.0 <= dropout_p <= 1.0:
        raise ValueError(f"scaled_dot_product_attention: dropout_p has to be between 0 and 1, but got {dropout_p}")
    if scale is None:
        depth = query._layout.shape[-1]
        scale = 1 / math.sqrt(depth) if depth else 1.0
    fits = dropout_p == 0 and in_one_kernel(query, key, value, attn_mask)
    if own is not None and not fits:
        query, key, value = query.to(own.wide), key.to(own.wide), value.to(own.wide)
        if attn_mask is not None and attn_mask.dtype is own:
            attn_mask = attn_mask.to(own.wide)
        fits = dropout_p == 0 and in_one_kernel(query, key, value, attn_mask)
    if fits:
        result = attention(query, key, value, attn_mask, bool(is_causal), float(scale))
    else:
        shape, folded = query.shape, False
        if enable_gqa and attn_mask is None and not is_causal and key.shape[-3] == value.shape[-3] and 0 not in shape:
            folded = True
            query = query.unflatten(-3, (key.shape[-3], -1)).flatten(-3, -2)  # queries of one head (..., K, H/K * L, E)
        elif enable_gqa:
            key, value = _more_heads(key, query), _more_heads(value, query)
        if is_causal:
            attn_mask = causal_mask(query, query.shape[-2], key.shape[-2])
        result = by_products(query, key, value, attn_mask, dropout_p, scale)[0]
        if folded:
            result = result.unflatten(-2, (-1, shape[-2])).flatten(-4, -3)
    return result if own is None else result.to(own)


@lru_cache(1024)
def _checked(query, key, value, mask, causal, shared):
    """The dtype to compute in float32 instead and to return, None for others. RuntimeError for layouts that do not
    fit."""
    name = "scaled_dot_product_attention"
    for label, x in (("query", query), ("key", key), ("value", value)):
        if x.ndim < 2:
            raise RuntimeError(f"{name}: expected query, key, and value to all be at least 2 dimensional, but got "
                               f"{label} {tuple(x.shape)}")
    if not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(f"{name}: expected query, key, and value to have the same dtype, but got {query.dtype}, "
                           f"{key.dtype} and {value.dtype}")
    if causal and mask is not None:
        raise RuntimeError(f"{name}: explicit attn_mask should not be set when is_causal=True")
    if mask is not None and mask.dtype.name != "bool" and mask.dtype is not query.dtype:
        raise RuntimeError(f"{name}: expected attn_mask dtype to be bool or to match query dtype, but got "
                           f"{mask.dtype} and query.dtype: {query.dtype}")
    for label, x in (("key", key), ("value", value)) if shared else ():
        if x.ndim < 3 or query.ndim < 3 or x.shape[-3] == 0 or query.shape[-3] % x.shape[-3]:
            raise RuntimeError(f"{name}: with enable_gqa the number of heads of {label} {tuple(x.shape)} must divide "
                               f"that of query {tuple(query.shape)}")
    if not shared and query.ndim >= 3 and key.ndim >= 3 and 1 < key.shape[-3] < query.shape[-3]:
        raise RuntimeError(f"{name}: query {tuple(query.shape)} and key {tuple(key.shape)} differ in the number of "
                           "heads; enable_gqa=True lets heads of query share those of key and value")
    return None if query.dtype.wide is query.dtype else query.dtype


def _more_heads(x, query):
    """Each head of key or value repeated until there is one for each head of query."""
    times = query.shape[-3] // x.shape[-3]
    return x if times == 1 else x.repeat_interleave(times, -3)


def _as_added(name, mask, dtype):
    """A mask that is added to scores: -inf where a bool mask says True."""
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype.name != "bool":
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype}")
    return mask.new_zeros(mask.shape, dtype=dtype).masked_fill(mask, -_INFINITY)


def _check_shapes(query, key, value, key_padding_mask, attn_mask, heads):
    """Whether the inputs are batched; AssertionError where they do not fit."""
    batched = query.ndim == 3
    if query.ndim not in (2, 3):
        raise AssertionError("query should be unbatched 2D or batched 3D tensor but received "
                             f"{query.ndim}-D query tensor")
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(f"For {'batched (3-D)' if batched else 'unbatched (2-D)'} `query`, expected `key` and "
                             "`value` to be "
                             f"{query.ndim}-D but found {key.ndim}-D and {value.ndim}-D tensors respectively")
    if key_padding_mask is not None and key_padding_mask.ndim != query.ndim - 1:
        raise AssertionError(f"expected `key_padding_mask` to be None or {query.ndim - 1}-D but found "
                             f"{key_padding_mask.ndim}-D tensor instead")
    if attn_mask is not None:
        if attn_mask.ndim not in (2, 3):
            raise AssertionError(f"expected `attn_mask` to be None, 2-D or 3-D but found {attn_mask.ndim}-D tensor "
                                 "instead")
        if not batched and attn_mask.ndim == 3 and tuple(attn_mask.shape) != (heads, query.shape[0], key.shape[0]):
            raise AssertionError(f"Expected `attn_mask` shape to be {(heads, query.shape[0], key.shape[0])} but got "
                                 f"{tuple(attn_mask.shape)}")
    return batched


def _projected(query, key, value, weight, bias):
    """The three inputs through one stacked projection (3E, E); inputs that are one tensor go through it at once."""
    linear = OPS["nn.functional.linear"].call
    width = query.shape[-1]
    if query is key and key is value:
        return linear(query, weight, bias).chunk(3, -1)
    parts = weight.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    if key is value:
        both = linear(key, weight[width:], None if bias is None else bias[width:])
        return (linear(query, parts[0], biases[0]), *both.chunk(2, -1))
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), parts, biases, strict=True))


def _with_row(x, row):
    """(S, B, E) with one more source."""
    return OPS["cat"].call([x, row.expand(1, x.shape[1], x.shape[2])])


def _with_columns(mask, count):
    return mask if mask is None else OPS["nn.functional.pad"].call(mask, (0, count))


@composite(namespaces=_F, method=False)
def multi_head_attention_forward(query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k,
                                 bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True,
                                 key_padding_mask=None, need_weights=True, attn_mask=None,
                                 use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None,
                                 v_proj_weight=None, static_k=None, static_v=None, average_attn_weights=True,
                                 is_causal=False) -> tuple:
    """Attention of num_heads heads between input and output projections: (result, weights or None).

    query (L, N, E), key and value (S, N, E), or without N -> (L, N, E), (N, L, S).
    key_padding_mask (N, S) and attn_mask (L, S) or (N heads, L, S): True, or -inf, where not to look.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError("multi_head_attention_forward: Need attn_mask if specifying the is_causal hint.")
    if not batched:
        same_key, same_value = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same_key else key.unsqueeze(1)
        value = key if same_value else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    head = width // num_heads
    if head * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(f"key's sequence and batch dims {tuple(key.shape[:2])} do not match value's "
                             f"{tuple(value.shape[:2])}")
    if use_separate_proj_weight:
        linear = OPS["nn.functional.linear"].call
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        maps = (q_proj_weight, k_proj_weight, v_proj_weight)
        for label, w in zip("qkv", maps, strict=True):
            if w is None:
                raise AssertionError(f"use_separate_proj_weight is True but {label}_proj_weight is None")
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), maps, biases, strict=True))
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}")
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias)
    key_padding_mask = _as_added("key_padding_mask", key_padding_mask, q.dtype)
    mask = _as_added("attn_mask", attn_mask, q.dtype)
    if mask is not None:
        rows = (length, key.shape[0])
        if mask.ndim == 2 and tuple(mask.shape) != rows:
            raise RuntimeError(f"The shape of the 2D attn_mask is {tuple(mask.shape)}, but should be {rows}.")
        if mask.ndim == 3 and tuple(mask.shape) != (batch * num_heads, *rows):
            raise RuntimeError(f"The shape of the 3D attn_mask is {tuple(mask.shape)}, but should be "
                               f"{(batch * num_heads, *rows)}.")
        if mask.ndim == 3:
            mask = mask.reshape(batch, num_heads, *rows)
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must both be given, or neither")
    added = int(bias_k is not None)
    if bias_k is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value")
        k, v = _with_row(k, bias_k), _with_row(v, bias_v)
    # (S, N, E) -> (N, heads, S, head)
    q = q.reshape(length, batch, num_heads, head).permute(1, 2, 0, 3)
    k = _split_heads("static_k", k, static_k, batch, num_heads, head)
    v = _split_heads("static_v", v, static_v, batch, num_heads, head)
    if add_zero_attn:
        zeros = k.new_zeros((batch, num_heads, 1, head))
        k, v = OPS["cat"].call([k, zeros], 2), OPS["cat"].call([v, zeros], 2)
        added += 1
    if added:
        mask, key_padding_mask = _with_columns(mask, added), _with_columns(key_padding_mask, added)
    sources = k.shape[2]
    if key_padding_mask is not None:
        if tuple(key_padding_mask.shape) != (batch, sources):
            raise AssertionError(f"expecting key_padding_mask shape of {(batch, sources)}, but got "
                                 f"{tuple(key_padding_mask.shape)}")
        padding = key_padding_mask.reshape(batch, 1, 1, sources)
        mask = padding if mask is None else mask + padding
    drop = dropout_p if training else 0.0
    scale = 1 / math.sqrt(head) if head else 1.0
    if need_weights:
        scores = (q * scale).matmul(k.transpose(-2, -1))
        weights = OPS["softmax"].call(scores if mask is None else scores + mask, -1)
        if drop > 0:
            weights = OPS["nn.functional.dropout"].call(weights, drop, True)
        result = weights.matmul(v)
    else:
        if drop == 0 and in_one_kernel(q, k, v, mask):
            result = attention(q, k, v, mask, False, scale)
        else:
            result = by_products(q, k, v, mask, drop, scale)[0]
        weights = None
    result = result.permute(2, 0, 1, 3).reshape(length * batch, width)
    result = OPS["nn.functional.linear"].call(result, out_proj_weight, out_proj_bias)
    result = result.reshape(length, batch, result.shape[1])
    if weights is not None and average_attn_weights:
        weights = weights.mean(1)
    if not batched:
        result = result.squeeze(1)
        weights = None if weights is None else weights.squeeze(0)
    return result, weights


def _split_heads(name, x, static, batch, heads, head):
    if static is None:
        return x.reshape(x.shape[0], batch, heads, head).permute(1, 2, 0, 3)
    if static.shape[0] != batch * heads or static.shape[2] != head:
        raise AssertionError(f"expecting {name} of shape ({batch * heads}, S, {head}), but got {tuple(static.shape)}")
    return static.reshape(batch, heads, static.shape[1], head)
