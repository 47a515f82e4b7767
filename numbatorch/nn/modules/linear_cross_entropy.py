"""LinearCrossEntropyLoss: a layer of classes and its cross entropy, in chunks of rows where asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numbatorch
from numbatorch import Tensor

from .. import functional as F
from .linear import Linear
from .loss import _WeightedLoss

_POLICIES = ("accurate", "balanced", "compact", "auto")
_FEWEST = 64  # rows of an "auto" chunk: 8 take 3.5 times as long; 1024 x 128 by 16000 classes, 2-core EPYC
_HALVES = (numbatorch.float16, numbatorch.bfloat16)


class _Plan(NamedTuple):
    """How one call is done: rows a chunk; the dtype of logits (None: the input's) and of sums over chunks."""

    rows: int
    compute_dtype: Any
    sum_dtype: Any


def _divisor(method: Any) -> int | None:
    """N of "aspect_ratio:N", 1 of "aspect_ratio"; None for another text."""
    name, colon, number = str(method).partition(":")
    if name != "aspect_ratio" or (colon and not number.isdecimal()):
        return None
    return int(number) if colon else 1


@dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """How linear_cross_entropy cuts its rows into chunks, of which one's logits exist at a time.

    batch_chunk_size: rows a chunk. chunking_method: "aspect_ratio" takes so many rows that their logits are about as
    large as the input, "aspect_ratio:N" an N-th of them; "auto" takes batch_chunk_size or, without it, half of them,
    but 64 rows where their logits are small beside the weight; None takes batch_chunk_size or, without it, all rows.
    acc_dtype: the dtype of sums over chunks, float32 for float16 and bfloat16 by default. acc_policy "accurate"
    computes chunks in acc_dtype too; "balanced" and "compact" compute them in the input's dtype. allow_retain_graph:
    backward computes chunks anew, so that it may always be repeated. ValueError for values that mean nothing.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        size, method = self.batch_chunk_size, self.chunking_method
        if size is not None and (not isinstance(size, int) or size < 1):
            raise ValueError(f"batch_chunk_size must be a positive int or None, got {size}")
        if method not in (None, "auto") and not _divisor(method):
            raise ValueError("chunking_method must be 'auto', 'aspect_ratio', 'aspect_ratio:N' with N >= 1 or None, "
                             f"got {method!r}")
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"acc_policy must be one of {_POLICIES}, got {self.acc_policy!r}")
        if self.acc_dtype not in (None, *_HALVES, numbatorch.float32, numbatorch.float64):
            raise ValueError(f"acc_dtype must be None, float16, bfloat16, float32 or float64, got {self.acc_dtype}")

    def resolve(self, rows: int, in_features: int, num_classes: int, dtype: Any) -> _Plan:
        """The plan of a call with input (rows, in_features). ValueError where two settings ask for different sizes.

        RuntimeError for an acc_dtype that the input's dtype does not go with.
        """
        half = dtype in _HALVES
        acc_dtype = self.acc_dtype or (numbatorch.float32 if half else dtype)
        if acc_dtype is not dtype and not (half and acc_dtype is numbatorch.float32):
            raise RuntimeError(f"linear_cross_entropy: acc_dtype={acc_dtype} does not go with an input of {dtype}: use "
                               f"{dtype}, or float32 for float16 and bfloat16")
        policy, method, size = self.acc_policy, self.chunking_method, self.batch_chunk_size
        if policy == "auto":
            policy = "accurate" if half else "compact"
        if method == "auto":
            if size is None:
                # Products of few rows are slow; logits of in_features / 2 rows are half as large as the weight.
                size = max(_aspect_rows(rows, in_features, num_classes, 1 if half else 2),
                           min(_FEWEST, in_features // 2, rows))
        elif method is not None:
            meant = _aspect_rows(rows, in_features, num_classes, _divisor(method) or 1)
            if size is not None and size != meant:
                raise ValueError(f"linear_cross_entropy: batch_chunk_size={size} and chunking_method={method!r}, which "
                                 f"means {meant} here, disagree: give one of them")
            size = meant
        widens = policy == "accurate" and acc_dtype is not dtype
        return _Plan(max(size or rows, 1), acc_dtype if widens else None, acc_dtype)


def _aspect_rows(rows: int, in_features: int, num_classes: int, divisor: int) -> int:
    """Rows whose logits take the memory of the input, up to a power of two; an N-th of them for a divisor N."""
    share = math.ceil(rows / max(math.ceil(num_classes / max(in_features, 1)), 1))
    power = 1 << max(share - 1, 0).bit_length()
    return max(min(power // divisor, rows), 1)


class LinearCrossEntropyLoss(_WeightedLoss):
    """cross_entropy(linear(input), target): input (N, in_features), target (N, *out_features) of classes, or of
    probabilities (N, num_classes, *out_features).

    With `options` the logits of a few rows exist at a time, and backward computes them again.
    """

    __constants__ = ["num_classes", "out_features", "reduction", "ignore_index", "label_smoothing"]

    def __init__(self, in_features: int, num_classes: int, *, out_features: tuple[int, ...] = (), bias: bool = False,
                 device: Any = None, dtype: Any = None, reduction: str = "mean", weight: Tensor | None = None,
                 ignore_index: int | None = None, label_smoothing: float = 0.0,
                 options: LinearCrossEntropyOptions | None = None) -> None:
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, tuple(out_features)
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        self.linear = Linear(in_features, num_classes * math.prod(self.out_features), bias=bias, device=device,
                             dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        outer = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(input, self.linear.weight.view(*outer, self.linear.in_features), target,
                                      linear_bias=None if bias is None else bias.view(outer), weight=self.weight,
                                      reduction=self.reduction, ignore_index=self.ignore_index,
                                      label_smoothing=self.label_smoothing, options=self.options)

    def extra_repr(self) -> str:
        return (f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
                f"out_features={self.out_features}, bias={self.linear.bias is not None}, reduction={self.reduction}, "
                f"ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, options={self.options}")
