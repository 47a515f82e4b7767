"""Attention whose scores and mask are functions of positions.

    def causal(batch, head, query, key): return query >= key
    flex_attention(q, k, v, block_mask=create_block_mask(causal, None, None, 128, 128))

Functions of (batch, head, query position, key position) are run once over the whole grid of positions by `vmap`; every
score is computed, and masks leave out none of the work. After Dong et al. 2024, arXiv:2412.05496, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numbatorch
from numbatorch import Tensor

_DEFAULT_SPARSE_BLOCK_SIZE = 128
MaskFunction = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

__all__ = ["AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention",
           "noop_mask", "or_masks"]


class AuxRequest(NamedTuple):
    """What `flex_attention` is to return beside its result."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for by AuxRequest, (B, Hq, L) each: log of the sums of exponentials, and the largest scores."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask that lets everything through."""
    return batch.new_ones((), dtype=numbatorch.bool)


def and_masks(*mask_mods: MaskFunction) -> MaskFunction:
    """The mask of what all of several masks let through. RuntimeError for what is no function."""
    return _joined("and_masks", mask_mods, lambda one, other: one & other, True)


def or_masks(*mask_mods: MaskFunction) -> MaskFunction:
    """The mask of what any of several masks lets through. RuntimeError for what is no function."""
    return _joined("or_masks", mask_mods, lambda one, other: one | other, False)


def _joined(name, mask_mods, join, start):
    if not all(callable(mask_mod) for mask_mod in mask_mods):
        raise RuntimeError(f"{name}: all inputs should be callable mask_mods, got {mask_mods}")

    def mask(batch, head, token_q, token_kv):
        result = batch.new_full((), start, dtype=numbatorch.bool)
        for mask_mod in mask_mods:
            result = join(result, mask_mod(batch, head, token_q, token_kv))
        return result
    return mask


def _over_positions(function: Callable, leading: tuple, sizes: tuple[int, int, int, int], device: Any) -> Tensor:
    """function(*leading, b, h, q, kv) at all positions of a grid of four sizes; `leading` is indexed by all of them."""
    positions = [numbatorch.arange(size, device=device) for size in sizes]
    for k in reversed(range(4)):
        dims = [0 if k == at else None for at in range(4)]
        function = numbatorch.vmap(function, in_dims=(*(0 for _ in leading), *dims))
    return function(*leading, *positions)


def create_mask(mod_fn: MaskFunction, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int,
                device: Any = "cpu") -> Tensor:
    """bool mask (B, H, Q_LEN, KV_LEN) of a function of positions, True where attention goes; None stands for 1."""
    sizes = (1 if B is None else B, 1 if H is None else H, Q_LEN, KV_LEN)
    return _over_positions(mod_fn, (), sizes, device).expand(sizes)


class BlockMask:
    """A mask for `flex_attention`: a function of positions, and which blocks of the grid it leaves empty.

    `mask` (B, H, Q_LEN, KV_LEN) holds it position by position; shape, seq_lengths, BLOCK_SIZE, mask_mod describe it.
    """

    def __init__(self, mask: Tensor, mask_mod: MaskFunction, block_size: tuple[int, int]):
        self.mask, self.mask_mod, self.BLOCK_SIZE = mask, mask_mod, block_size
        self.seq_lengths = (mask.shape[-2], mask.shape[-1])

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.mask.shape)

    def numel(self) -> int:
        """Positions, with those that are masked."""
        return self.mask.numel()

    def to_dense(self) -> Tensor:
        """int32 (B, H, blocks of queries, blocks of keys): 1 where a block has a position to attend to."""
        rows, columns = self.BLOCK_SIZE
        queries, keys = self.seq_lengths
        padded = numbatorch.nn.functional.pad(self.mask, (0, -keys % columns, 0, -queries % rows))
        blocks = padded.view(*self.mask.shape[:2], padded.shape[-2] // rows, rows, padded.shape[-1] // columns, columns)
        return blocks.any(-1).any(-2).to(numbatorch.int32)

    def sparsity(self) -> float:
        """Percentage of blocks without a position to attend to."""
        dense = self.to_dense()
        return 100 * (1 - dense.sum().item() / dense.numel())

    def to(self, device: Any) -> BlockMask:
        """The mask on another device."""
        return BlockMask(self.mask.to(device), self.mask_mod, self.BLOCK_SIZE)

    def __getitem__(self, index: Any) -> BlockMask:
        """The mask of some batch elements and heads."""
        index = index if isinstance(index, tuple) else (index,)
        if len(index) > 2:
            raise ValueError(f"BlockMask: only batch and head can be indexed, got {len(index)} indices")
        kept = tuple(slice(i, i + 1 or None) if isinstance(i, int) else i for i in index)
        return BlockMask(self.mask[kept], self.mask_mod, self.BLOCK_SIZE)

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, BLOCK_SIZE={self.BLOCK_SIZE})"


def create_block_mask(mask_mod: MaskFunction, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None,
                      BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE,
                      _compile: bool = False) -> BlockMask:
    """The BlockMask of a function of (batch, head, query position, key position); None for B and H stands for 1.

    TypeError for what is no function.
    """
    if not callable(mask_mod):
        raise TypeError(f"create_block_mask: mask_mod must be a function, got {type(mask_mod).__name__}")
    rows, columns = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    return BlockMask(create_mask(mask_mod, B, H, Q_LEN, KV_LEN, "cpu" if device is None else device), mask_mod,
                     (rows, columns))


def flex_attention(query: Tensor, key: Tensor, value: Tensor, score_mod: Callable | None = None,
                   block_mask: BlockMask | None = None, scale: float | None = None, enable_gqa: bool = False,
                   return_lse: bool = False, kernel_options: dict | None = None, *,
                   return_aux: AuxRequest | None = None) -> Any:
    """softmax(score_mod(query @ key.mT * scale, b, h, q, kv) where the mask lets through) @ value.

    query (B, Hq, L, E), key (B, H, S, E), value (B, H, S, V) -> (B, Hq, L, V); with return_lse also log of the sums of
    exponentials, (B, Hq, L), with return_aux an AuxOutput. scale defaults to 1 / sqrt(E); with enable_gqa several query
    heads share a key head. Rows whose mask lets nothing through are zero. ValueError for other shapes.
    """
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4:
        raise ValueError("flex_attention: query, key and value must have 4 dimensions (B, H, length, E), got "
                         f"{tuple(query.shape)}, {tuple(key.shape)}, {tuple(value.shape)}")
    heads, shared = query.size(1), key.size(1)
    if heads != shared:
        if not enable_gqa or heads % shared:
            raise ValueError(f"flex_attention: query has {heads} heads and key {shared}; enable_gqa=True lets whole "
                             "multiples share key heads")
        key, value = (t.repeat_interleave(heads // shared, dim=1) for t in (key, value))
    scores = (query @ key.mT) * (1 / math.sqrt(query.size(-1)) if scale is None else scale)  # (B, Hq, L, S)
    if score_mod is not None:
        scores = _over_positions(score_mod, (scores,), tuple(scores.shape), scores.device).to(scores.dtype)
    if block_mask is not None:
        if block_mask.seq_lengths != (scores.size(-2), scores.size(-1)):
            raise ValueError(f"flex_attention: block_mask is for lengths {block_mask.seq_lengths}, query and key have "
                             f"{(scores.size(-2), scores.size(-1))}")
        scores = scores.masked_fill(~block_mask.mask.to(scores.device), -math.inf)
    sums = numbatorch.logsumexp(scores, dim=-1)
    empty = (sums == -math.inf).unsqueeze(-1)
    weights = numbatorch.softmax(scores.masked_fill(empty, 0.0), dim=-1).masked_fill(empty, 0.0)
    result = weights.to(value.dtype) @ value
    if return_aux is not None:
        return result, AuxOutput(sums if return_aux.lse else None, scores.amax(-1) if return_aux.max_scores else None)
    return (result, sums) if return_lse else result
