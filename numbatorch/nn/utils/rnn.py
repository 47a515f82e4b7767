"""Sequences of different lengths as one padded tensor or as a PackedSequence, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numbatorch import Tensor, int64, tensor

from .packed_sequence import PackedSequence, invert_permutation

__all__ = ["PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
           "pad_sequence", "unpack_sequence", "unpad_sequence"]


def pad_sequence(sequences: Tensor | Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0,
                 padding_side: str = "right") -> Tensor:
    """Tensors (L_k, ...) as one (max L, N, ...), or (N, max L, ...) where `batch_first`, short ones padded.

    RuntimeError for no sequences, for trailing sizes that differ and for an unknown side.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError("pad_sequence: Expected iterable for input sequences, but got arg of type: "
                           f"{type(sequences)}")
    sequences = list(sequences.unbind(0) if isinstance(sequences, Tensor) else sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    first, rest = sequences[0], sequences[0].shape[1:]
    for position, sequence in enumerate(sequences):
        if sequence.shape[1:] != rest:
            raise RuntimeError(f"pad_sequence: sequence {position} has shape {tuple(sequence.shape)}, whose sizes "
                               f"after the first differ from those of sequence 0, {tuple(first.shape)}")
    longest = max(sequence.shape[0] for sequence in sequences)
    leading = (len(sequences), longest) if batch_first else (longest, len(sequences))
    result = first.new_full((*leading, *rest), padding_value)
    for k, sequence in enumerate(sequences):
        length = sequence.shape[0]
        place = slice(longest - length, longest) if padding_side == "left" else slice(0, length)
        result[(k, place) if batch_first else (place, k)] = sequence
    return result


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor, each cut to its length. ValueError where their counts differ."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    if len(lengths) != padded_sequences.shape[0]:
        raise ValueError(f"unpad_sequence: got {len(lengths)} lengths for {padded_sequences.shape[0]} sequences "
                         f"(padded_sequences {'' if batch_first else 'transposed to '}{tuple(padded_sequences.shape)})")
    return [padded_sequences[k, :int(length)] for k, length in enumerate(lengths)]


def _rows(batch_sizes: list[int], batch: int, device: Any) -> Tensor:
    """Where the rows of packed data lie in padded data (T, N) made flat: t * N + k for all k < batch_sizes[t]."""
    return tensor([t * batch + k for t, size in enumerate(batch_sizes) for k in range(size)], dtype=int64,
                  device=device)


def pack_padded_sequence(input: Tensor, lengths: Tensor | list[int], batch_first: bool = False,
                         enforce_sorted: bool = True) -> PackedSequence:
    """The first lengths[k] steps of each sequence k of padded input (T, N, ...), or (N, T, ...) where batch_first.

    With `enforce_sorted` lengths must not grow; otherwise the sequences are sorted, and the result knows how.
    RuntimeError for lengths that do not fit: too many or too few, none, not positive, longer than input, not sorted.
    """
    name = "pack_padded_sequence"
    if input.ndim < 2:
        raise IndexError(f"{name}: input must have steps and sequences as dimensions, but its shape is "
                         f"{tuple(input.shape)}")
    sizes = [int(n) for n in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
    padded = input.transpose(0, 1) if batch_first else input
    steps, batch = padded.shape[:2]
    if padded.numel() == 0:
        raise RuntimeError(f"{name}: Cannot pack empty tensors: input {tuple(input.shape)}")
    if len(sizes) != batch:
        raise RuntimeError(f"{name}: Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} "
                           f"(batch_size={batch})")
    if min(sizes) <= 0 or max(sizes) > steps:
        wrong = next(n for n in sizes if n <= 0 or n > steps)
        raise RuntimeError(f"{name}: Length of all samples has to be greater than 0 and at most that of input, "
                           f"{steps}, but found {wrong} in lengths (input {tuple(input.shape)}, batch_first="
                           f"{batch_first})")
    sorted_indices = None
    if not enforce_sorted:
        order = sorted(range(batch), key=lambda k: -sizes[k])
        sorted_indices = tensor(order, dtype=int64, device=input.device)
        sizes = [sizes[k] for k in order]
        padded = padded.index_select(1, sorted_indices)
    elif any(a < b for a, b in zip(sizes, sizes[1:], strict=False)):
        raise RuntimeError(f"{name}: `lengths` array must be sorted in decreasing order when `enforce_sorted` is True, "
                           f"but got {sizes}. Pass enforce_sorted=False to have the sequences sorted here.")
    batch_sizes = _counts(sizes)
    data = padded.reshape(steps * batch, *padded.shape[2:]).index_select(0, _rows(batch_sizes, batch, input.device))
    return PackedSequence(data, tensor(batch_sizes, dtype=int64), sorted_indices)


def _counts(numbers: list[int]) -> list[int]:
    """For numbers that do not grow, how many are more than 0, more than 1, ...: lengths to batch sizes, and back."""
    counts, k = [], len(numbers)
    for t in range(numbers[0] if numbers else 0):
        while numbers[k - 1] <= t:
            k -= 1
        counts.append(k)
    return counts


def pad_packed_sequence(sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
                        total_length: int | None = None) -> tuple[Tensor, Tensor]:
    """(padded (T, N, ...), or (N, T, ...) where batch_first, and lengths (N,)) of packed sequences, in the order they
    had before they were packed. T is the longest length, or total_length.

    ValueError for a total_length below the longest.
    """
    data, sizes = sequence.data, sequence.batch_sizes.tolist()
    steps, batch = len(sizes), sizes[0]
    if total_length is not None:
        if total_length < steps:
            raise ValueError("pad_packed_sequence: Expected total_length to be at least the length of the longest "
                             f"sequence in input, but got total_length={total_length} and max sequence length being "
                             f"{steps}")
        steps = total_length
    rest = data.shape[1:]
    padded = data.new_full((steps * batch, *rest), padding_value).index_copy(0, _rows(sizes, batch, data.device), data)
    padded, lengths = padded.view(steps, batch, *rest), tensor(_counts(sizes), dtype=int64)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.cpu()]
    return padded.transpose(0, 1) if batch_first else padded, lengths


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Tensors (L_k, ...) packed; longest first, or in any order without `enforce_sorted`."""
    return pack_padded_sequence(pad_sequence(sequences), [sequence.shape[0] for sequence in sequences],
                                enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a PackedSequence, in the order they had before they were packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
