"""From a list of samples to one batch."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy

import numbatorch

TEXT = (str, bytes)


def _is_namedtuple(data: Any) -> bool:
    return isinstance(data, tuple) and hasattr(data, "_fields")


def _has_numbers(array: Any) -> bool:
    return array.dtype.kind not in "SUO"


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars become tensors, inside containers too; everything else stays as it is."""
    if isinstance(data, numbatorch.Tensor):
        return data
    if isinstance(data, (numpy.ndarray, numpy.generic)):
        return numbatorch.as_tensor(data) if _has_numbers(data) else data
    if isinstance(data, Mapping):
        return _mapping_like(data, {key: default_convert(data[key]) for key in data})
    if _is_namedtuple(data):
        return type(data)(*(default_convert(item) for item in data))
    if isinstance(data, tuple):
        return [default_convert(item) for item in data]
    if isinstance(data, Sequence) and not isinstance(data, TEXT):
        return _sequence_like(data, [default_convert(item) for item in data])
    return data


def default_collate(batch: list) -> Any:
    """Stack the samples along a new first dimension, descending into dicts, tuples and lists.

    Tensors and NumPy arrays are stacked, Python numbers become a tensor (float64, int64, bool), text is left as a list.
    """
    first = batch[0]
    if isinstance(first, numbatorch.Tensor):
        return numbatorch.stack(batch, 0)
    if isinstance(first, numpy.ndarray):
        if not _has_numbers(first):
            raise TypeError(_unsupported(first.dtype))
        return default_collate([numbatorch.as_tensor(array) for array in batch])
    if isinstance(first, numpy.generic) and not isinstance(first, TEXT):
        return numbatorch.as_tensor(numpy.asarray(batch))
    if isinstance(first, float):
        return numbatorch.tensor(batch, dtype=numbatorch.float64)
    if isinstance(first, int):
        return numbatorch.tensor(batch)
    if isinstance(first, TEXT):
        return batch
    if isinstance(first, Mapping):
        return _mapping_like(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if _is_namedtuple(first):
        return type(first)(*(default_collate(column) for column in map(list, zip(*batch, strict=True))))
    if isinstance(first, Sequence):
        sizes = {len(sample) for sample in batch}
        if len(sizes) > 1:
            raise RuntimeError(
                f"each element in list of batch should be of equal size: default_collate got samples of "
                f"{sorted(sizes)} elements; pass collate_fn to pad them"
            )
        columns = [default_collate(list(column)) for column in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else _sequence_like(first, columns)
    raise TypeError(_unsupported(type(first)))


def _unsupported(kind: Any) -> str:
    return f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}"


def _mapping_like(original: Mapping, items: dict) -> Any:
    """A mapping of the same type (with the same settings) holding `items`, or a dict where there is no way to it."""
    try:
        if isinstance(original, MutableMapping):
            clone = copy.copy(original)
            clone.update(items)
            return clone
        return type(original)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _sequence_like(original: Sequence, items: list) -> Any:
    try:
        if isinstance(original, MutableSequence):
            clone = copy.copy(original)
            for position, item in enumerate(items):
                clone[position] = item
            return clone
        return type(original)(items)  # type: ignore[call-arg]
    except TypeError:
        return items
