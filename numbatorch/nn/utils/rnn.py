"""Sequences of different lengths as one padded tensor, and back."""

from __future__ import annotations

from collections.abc import Iterable

from numbatorch import Tensor


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
    """The sequences of a padded tensor, each cut to its length."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [padded_sequences[k, :int(length)] for k, length in enumerate(lengths)]
