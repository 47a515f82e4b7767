"""Sequences of different lengths, packed step by step: all first elements, then all second ones, and so on."""

from __future__ import annotations

from typing import Any, NamedTuple

from numbatorch import Tensor, arange, empty_like


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """The elements of a batch of sequences, step by step, without padding: what recurrent modules run over.

    data (sum of lengths, ...); batch_sizes: how many sequences reach each step, on the CPU; sorted_indices: the
    positions in the batch of the sequences from the longest to the shortest; unsorted_indices: the way back. Make one
    with `pack_padded_sequence` or `pack_sequence`. ValueError for batch_sizes on another device.
    """

    __slots__ = ()

    def __new__(cls, data: Any, batch_sizes: Tensor | None = None, sorted_indices: Tensor | None = None,
                unsorted_indices: Tensor | None = None) -> PackedSequence:
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("PackedSequence: Expected data to be a list or tuple of length 2, (data, "
                                     f"batch_sizes), but got {type(data).__name__} without batch_sizes")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError("PackedSequence: batch_sizes should always be on CPU, but they are on "
                             f"{batch_sizes.device}")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)  # type: ignore[call-arg]

    def _with(self, data: Tensor) -> PackedSequence:
        """The same sequences with other elements, their indices on the device of the elements."""
        if data is self.data:
            return self
        indices = (x if x is None else x.to(data.device) for x in (self.sorted_indices, self.unsorted_indices))
        return type(self)(data, self.batch_sizes, *indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """data.to(...), with the indices on the same device; `self` where nothing changes."""
        return self._with(self.data.to(*args, **kwargs))

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return self._with(self.data.cuda(*args, **kwargs))

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return self._with(self.data.cpu(*args, **kwargs))

    def double(self) -> PackedSequence:
        return self._with(self.data.double())

    def float(self) -> PackedSequence:
        return self._with(self.data.float())

    def half(self) -> PackedSequence:
        return self._with(self.data.half())

    def long(self) -> PackedSequence:
        return self._with(self.data.long())

    def int(self) -> PackedSequence:
        return self._with(self.data.int())

    def short(self) -> PackedSequence:
        return self._with(self.data.short())

    def char(self) -> PackedSequence:
        return self._with(self.data.char())

    def byte(self) -> PackedSequence:
        return self._with(self.data.byte())

    @property
    def is_cuda(self) -> bool:
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        return self.data.is_pinned()

    def pin_memory(self) -> PackedSequence:
        """The same with everything but batch_sizes in pinned memory."""
        indices = (x if x is None else x.pin_memory() for x in (self.sorted_indices, self.unsorted_indices))
        return type(self)(self.data.pin_memory(), self.batch_sizes, *indices)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes `permutation` (N,): result[permutation[i]] = i. None stays None."""
    if permutation is None:
        return None
    result = empty_like(permutation)
    result[permutation] = arange(permutation.numel(), dtype=permutation.dtype, device=permutation.device)
    return result
