"""The Transformer of Vaswani et al. 2017, arXiv:1706.03762: encoder and decoder, layers of attention and of two maps.

Sequences are (L, N, E), with `batch_first` (N, L, E), without a batch (L, E). Masks are those of MultiheadAttention:
True, or -inf in a mask of numbers, where not to look.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numbatorch
from numbatorch import Tensor

from .. import functional as F, init
from .activation import GELU, ReLU
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

Activation = str | Callable[[Tensor], Tensor]


def _causal_mask(size: int, device: Any = None, dtype: Any = None) -> Tensor:
    return numbatorch.full((size, size), float("-inf"), device=device, dtype=dtype).triu(1)


def _is_causal(mask: Tensor | None, known: bool | None, length: int) -> bool:
    """Whether a mask lets position i see positions up to i: as the caller says, else by looking at it."""
    if known is not None:
        return known
    if mask is None or tuple(mask.shape) != (length, length):
        return False
    causal = _causal_mask(length, mask.device)
    return bool((mask == (causal < 0 if mask.dtype is numbatorch.bool else causal.to(mask.dtype))).all())


def _length(x: Tensor, layers: ModuleList) -> int:
    """The length of sequences; layers of one's own may say in self_attn.batch_first that the batch leads."""
    attention = next((layer.self_attn for layer in layers if hasattr(layer, "self_attn")), None)
    return x.shape[1 if x.dim() == 3 and getattr(attention, "batch_first", False) else 0]


def _activation(given: Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(given, str):
        return given
    if given not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be 'relu', 'gelu' or a function of a tensor, not {given!r}")
    return getattr(F, given)


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class _Layer(Module):
    """What layers of encoder and decoder share: attention to oneself, two maps, and norms before or after."""

    __constants__ = ["norm_first"]
    self_attn: MultiheadAttention
    activation: Callable[[Tensor], Tensor]

    def _attend(self, attention: MultiheadAttention, x: Tensor, source: Tensor, mask: Tensor | None,
                padding: Tensor | None, is_causal: bool) -> Tensor:
        return attention(x, source, source, attn_mask=mask, key_padding_mask=padding, is_causal=is_causal,
                         need_weights=False)[0]

    def _sa_block(self, x: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None,
                  is_causal: bool = False) -> Tensor:
        return self.dropout1(self._attend(self.self_attn, x, x, attn_mask, key_padding_mask, is_causal))

    def _maps(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        if "activation" not in self._modules:  # early checkpoints hold none
            self.__dict__.setdefault("activation", F.relu)


class TransformerEncoderLayer(_Layer):
    """x = norm1(x + attention(x)), then norm2(x + linear2(activation(linear1(x)))); src and result (L, N, d_model).

    With `norm_first` the norms come before attention and maps (arXiv:2002.04745).
    RuntimeError for an unknown activation.
    """

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: Activation = F.relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first,
                                            **where)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout2(self._maps(x))

    def forward(self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                is_causal: bool = False) -> Tensor:
        x = src
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), src_mask, src_key_padding_mask, is_causal)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(x + self._sa_block(x, src_mask, src_key_padding_mask, is_causal))
        return self.norm2(x + self._ff_block(x))


class TransformerDecoderLayer(_Layer):
    """As the encoder's layer, with attention to `memory`, the encoder's result, between the two steps.

    tgt (T, N, d_model), memory (S, N, d_model) -> (T, N, d_model). RuntimeError for an unknown activation.
    """

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: Activation = F.relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        heads: dict[str, Any] = {"dropout": dropout, "bias": bias, "batch_first": batch_first, **where}
        self.self_attn = MultiheadAttention(d_model, nhead, **heads)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **heads)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.dropout1, self.dropout2, self.dropout3 = Dropout(dropout), Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)

    def _mha_block(self, x: Tensor, mem: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None,
                   is_causal: bool = False) -> Tensor:
        return self.dropout2(self._attend(self.multihead_attn, x, mem, attn_mask, key_padding_mask, is_causal))

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout3(self._maps(x))

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                tgt_is_causal: bool = False, memory_is_causal: bool = False) -> Tensor:
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        x = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(x + self._sa_block(x, *own))
        x = self.norm2(x + self._mha_block(x, *other))
        return self.norm3(x + self._ff_block(x))


class TransformerEncoder(Module):
    """`num_layers` copies of a layer one after the other, then `norm`. src (L, N, E) -> (L, N, E).

    Positions that are padding get values too, which mean nothing. They are 0 (before `norm`) where PyTorch leaves them
    out: with `enable_nested_tensor`, outside of training and of recording, when padding ends the sequences, the batch
    leads and norms come last. `mask_check` asks whether padding ends the sequences.
    """

    __constants__ = ["norm"]

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None,
                 enable_nested_tensor: bool = True, mask_check: bool = True) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                is_causal: bool | None = None) -> Tensor:
        causal = _is_causal(mask, is_causal, _length(src, self.layers))
        leaves_out = mask is None and self._leaves_out(src, src_key_padding_mask)
        for layer in self.layers:
            src = layer(src, src_mask=mask, is_causal=causal, src_key_padding_mask=src_key_padding_mask)
        if leaves_out and src_key_padding_mask is not None:
            src = src.masked_fill((src_key_padding_mask != 0).unsqueeze(2), 0.0)
        return src if self.norm is None else self.norm(src)

    def _leaves_out(self, src: Tensor, padding: Tensor | None) -> bool:
        """Whether padding is left out, as PyTorch does in inference with layers of its own."""
        first: Any = self.layers[0] if self.layers else None
        if (padding is None or not self.enable_nested_tensor or src.dim() != 3
                or not isinstance(first, TransformerEncoderLayer) or first.training or first.norm_first):
            return False
        attention = first.self_attn
        known = first.activation in (F.relu, F.gelu) or isinstance(first.activation, (ReLU, GELU))
        if not (attention.batch_first and attention.in_proj_bias is not None and attention.num_heads % 2 == 0 and known
                and first.norm1.eps == first.norm2.eps):
            return False
        if numbatorch.is_grad_enabled() and any(tensor.requires_grad for tensor in (src, *first.parameters())):
            return False
        blocked = padding != 0
        return not self.mask_check or not bool((blocked[:, :-1] & ~blocked[:, 1:]).any())


class TransformerDecoder(Module):
    """`num_layers` copies of a layer one after the other, then `norm`. tgt (T, N, E), memory (S, N, E) -> (T, N, E)."""

    __constants__ = ["norm"]

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                tgt_is_causal: bool | None = None, memory_is_causal: bool = False) -> Tensor:
        causal = _is_causal(tgt_mask, tgt_is_causal, _length(tgt, self.layers))
        for layer in self.layers:
            tgt = layer(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                        tgt_key_padding_mask=tgt_key_padding_mask, memory_key_padding_mask=memory_key_padding_mask,
                        tgt_is_causal=causal, memory_is_causal=memory_is_causal)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """decoder(tgt, encoder(src)). src (S, N, d_model), tgt (T, N, d_model) -> (T, N, d_model).

    RuntimeError where the batches of src and tgt differ, or their last sizes are not d_model.
    """

    def __init__(self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
                 dim_feedforward: int = 2048, dropout: float = 0.1, activation: Activation = F.relu,
                 custom_encoder: Any = None, custom_decoder: Any = None, layer_norm_eps: float = 1e-5,
                 batch_first: bool = False, norm_first: bool = False, bias: bool = True, device: Any = None,
                 dtype: Any = None) -> None:
        super().__init__()
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        if custom_encoder is None:
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
            custom_encoder = TransformerEncoder(TransformerEncoderLayer(*layer, **where), num_encoder_layers, norm)
        self.encoder = custom_encoder
        if custom_decoder is None:
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
            custom_decoder = TransformerDecoder(TransformerDecoderLayer(*layer, **where), num_decoder_layers, norm)
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)

    def forward(self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None,
                memory_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                src_is_causal: bool | None = None, tgt_is_causal: bool | None = None,
                memory_is_causal: bool = False) -> Tensor:
        batch = 0 if self.batch_first else 1
        if src.dim() == 3 and tgt.dim() == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError("Transformer: the batch sizes of src and tgt must be equal, but got src "
                               f"{tuple(src.shape)} and tgt {tuple(tgt.shape)} with batch_first={self.batch_first}")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(f"Transformer: the last size of src and tgt must be d_model={self.d_model}, but got src "
                               f"{tuple(src.shape)} and tgt {tuple(tgt.shape)}")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                            tgt_key_padding_mask=tgt_key_padding_mask, memory_key_padding_mask=memory_key_padding_mask,
                            tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """(sz, sz) of 0 on and below the diagonal and -inf above it: position i may see positions up to i."""
        return _causal_mask(sz, device, dtype)
