"""MultiheadAttention: attention of several heads between learnt projections."""

from __future__ import annotations

from typing import Any

import numbatorch
from numbatorch import Tensor, empty

from .. import functional as F, init
from ..parameter import Parameter
from .linear import NonDynamicallyQuantizableLinear
from .module import Module


class MultiheadAttention(Module):
    """softmax(q @ k.mT / sqrt(head_dim)) @ v for each head of the projected inputs, then a projection of all heads.

    query (L, N, E), key (S, N, kdim), value (S, N, vdim) -> result (L, N, E), weights (N, L, S); with `batch_first`
    the batch leads in inputs and result; without a batch N is left out. Vaswani et al. 2017, arXiv:1706.03762, 3.2.2.
    `add_bias_kv` adds a learnt row to keys and values, `add_zero_attn` a row of zeros.
    ValueError for sizes below 1; AssertionError where the heads do not divide embed_dim.
    """

    __constants__ = ["batch_first"]
    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
                 add_bias_kv: bool = False, add_zero_attn: bool = False, kdim: int | None = None,
                 vdim: int | None = None, batch_first: bool = False, device: Any = None, dtype: Any = None) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError("MultiheadAttention: embed_dim and num_heads must be greater than 0, but got "
                             f"embed_dim={embed_dim} and num_heads={num_heads}")
        if embed_dim % num_heads:
            raise AssertionError("MultiheadAttention: embed_dim must be divisible by num_heads, but got "
                                 f"embed_dim={embed_dim} and num_heads={num_heads}")
        super().__init__()
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn

        def parameter(wanted: bool, *shape: int) -> Parameter | None:
            return Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
        together = self._qkv_same_embed_dim
        self.register_parameter("q_proj_weight", parameter(not together, embed_dim, embed_dim))
        self.register_parameter("k_proj_weight", parameter(not together, embed_dim, self.kdim))
        self.register_parameter("v_proj_weight", parameter(not together, embed_dim, self.vdim))
        self.register_parameter("in_proj_weight", parameter(together, 3 * embed_dim, embed_dim))
        self.register_parameter("in_proj_bias", parameter(bias, 3 * embed_dim))
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self.register_parameter("bias_k", parameter(add_bias_kv, 1, 1, embed_dim))
        self.register_parameter("bias_v", parameter(add_bias_kv, 1, 1, embed_dim))
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight, self.in_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                init.xavier_normal_(row)

    def __setstate__(self, state: dict) -> None:
        state.setdefault("_qkv_same_embed_dim", True)  # not known to the first checkpoints
        super().__setstate__(state)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
                need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> tuple[Tensor, Tensor | None]:
        """(result, weights or None). Masks: True, or a number that is added to the scores, -inf for "do not look".

        key_padding_mask (N, S), attn_mask (L, S) or (N * num_heads, L, S). `is_causal` says that attn_mask is causal.
        Weights are those of each head, (N, heads, L, S), where not `average_attn_weights`.
        """
        leads = self.batch_first and query.dim() == 3
        if leads:  # (N, L, E) -> (L, N, E); inputs that are one tensor stay one, which spares projections
            turned: dict[int, Tensor] = {}
            query, key, value = (turned.setdefault(id(x), x.transpose(1, 0)) for x in (query, key, value))
        result, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias,
            training=self.training, key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim, q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight, v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal)
        return result.transpose(1, 0) if leads else result, weights

    def merge_masks(self, attn_mask: Tensor | None, key_padding_mask: Tensor | None,
                    query: Tensor) -> tuple[Tensor | None, int | None]:
        """Both masks as one, and what it is: None without masks, 1 the key_padding_mask, 2 one for every head.

        A mask of kind 2 is (N, num_heads, L, S), masks of numbers added; kind 1 stays (N, S). query (N, L, E).
        """
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch, rows = query.shape[0], attn_mask.shape[-2:]
        if attn_mask.dim() == 3:
            merged = attn_mask.view(batch, -1, *rows)
        else:
            merged = attn_mask.view(1, 1, *rows).expand(batch, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            padding = key_padding_mask.view(batch, 1, 1, rows[1]).expand(-1, self.num_heads, -1, -1)
            merged = merged | padding if merged.dtype is numbatorch.bool else merged + padding
        return merged, 2
