"""Softmax over many classes of unequal frequency, in clusters."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numbatorch
from numbatorch import Tensor

from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """(log-probability of each target (N), its mean as a loss) of input (N, in_features), target (N); or without N.

    Classes are sorted by frequency, the most frequent first. `cutoffs` part them: the head tells the classes below
    cutoffs[0] and the later clusters apart, each cluster its own classes through a projection to
    in_features // div_value^i. Clusters that no target belongs to are not computed.
    Grave et al. 2016, arXiv:1609.04309.
    ValueError for cutoffs that do not rise from 1 to n_classes - 1.
    """

    def __init__(self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0,
                 head_bias: bool = False, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("AdaptiveLogSoftmaxWithLoss: cutoffs should hold at least one class number, got []")
        bounds = [0, *cutoffs, n_classes]
        if any(int(c) != c for c in cutoffs) or any(a >= b for a, b in zip(bounds[:-1], bounds[1:], strict=True)):
            raise ValueError("AdaptiveLogSoftmaxWithLoss: cutoffs should be unique integers in increasing order, each "
                             f"from 1 to n_classes - 1 = {n_classes - 1}, got {cutoffs}")
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            classes = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(Sequential(Linear(in_features, width, bias=False, device=device, dtype=dtype),
                                        Linear(width, classes, bias=False, device=device, dtype=dtype)))

    def reset_parameters(self) -> None:
        self.head.reset_parameters()
        for cluster in self.tail:
            for layer in cluster.children():
                layer.reset_parameters()

    def forward(self, input: Tensor, target: Tensor) -> Any:
        self._check(input, target)
        single = target.dim() == 0
        if single:
            input, target = input.unsqueeze(0), target.unsqueeze(0)
        head = F.log_softmax(self.head(input), 1)  # (N, head_size)
        place = target.clone()  # of each target's class, or of its cluster, in the head
        tails = numbatorch.zeros_like(head[:, 0])
        for i, tail in enumerate(self.tail):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if rows.numel():
                place.index_fill_(0, rows, self.shortlist_size + i)
                within = F.log_softmax(tail(input.index_select(0, rows)), 1)
                classes = target.index_select(0, rows) - low
                tails = tails.index_add(0, rows, within.gather(1, classes.unsqueeze(1)).squeeze(1))
        output = head.gather(1, place.unsqueeze(1)).squeeze(1) + tails
        return _ASMoutput(output.squeeze(0) if single else output, -output.mean())

    def _check(self, input: Tensor, target: Tensor) -> None:
        got = f"got input {tuple(input.shape)} and target {tuple(target.shape)}"
        if target.dim() > 1:
            raise RuntimeError(f"AdaptiveLogSoftmaxWithLoss: target must be 0-d or 1-d, {got}")
        if input.dim() != target.dim() + 1:
            raise RuntimeError(f"AdaptiveLogSoftmaxWithLoss: input must have one dimension more than target, {got}")
        if target.dim() == 1 and input.shape[0] != target.shape[0]:
            raise RuntimeError(f"AdaptiveLogSoftmaxWithLoss: input and target must have one batch size, {got}")
        if target.numel() and (int(target.min()) < 0 or int(target.max()) >= self.n_classes):
            raise RuntimeError(f"AdaptiveLogSoftmaxWithLoss: targets must lie in [0, {self.n_classes - 1}], but are "
                               f"in [{int(target.min())}, {int(target.max())}]")

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        head = F.log_softmax(head_output, 1)
        parts = [head[:, :self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            parts.append(F.log_softmax(tail(input), 1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return numbatorch.cat(parts, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """Log-probabilities of all classes: (N, in_features) -> (N, n_classes)."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most likely class of each row: (N, in_features) -> (N). Clusters that the head rules out are not run."""
        head = self.head(input)
        best = head.argmax(1)
        unsure = best >= self.shortlist_size
        if bool(unsure.any()):
            rows = unsure.nonzero().squeeze(1)
            classes = self._get_full_log_prob(input.index_select(0, rows), head.index_select(0, rows)).argmax(1)
            best.index_copy_(0, rows, classes)
        return best
