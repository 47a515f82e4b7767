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


def collate(batch: Any, *, collate_fn_map: dict | None = None) -> Any:
    """Join the samples by the function that `collate_fn_map` has for their type, descending into dicts, tuples, lists.

    collate_fn_map: {type or tuple of types: function(batch, *, collate_fn_map)}; exact types come before base classes.
    TypeError for types that it has no function for, RuntimeError for lists of different lengths.
    """
    first = batch[0]
    functions = collate_fn_map or {}
    found = functions.get(type(first))
    if found is None:
        found = next((function for kind, function in functions.items() if isinstance(first, kind)), None)
    if found is not None:
        return found(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        columns: Any = {key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map) for key in first}
        return _mapping_like(first, columns)
    if isinstance(first, Sequence):
        sizes = {len(sample) for sample in batch}
        if len(sizes) > 1:
            raise RuntimeError(
                f"each element in list of batch should be of equal size: default_collate got samples of "
                f"{sorted(sizes)} elements; pass collate_fn to pad them"
            )
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)]
        if _is_namedtuple(first):
            return type(first)(*columns)
        return columns if isinstance(first, tuple) else _sequence_like(first, columns)
    raise TypeError(_unsupported(type(first)))


def collate_tensor_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Any:
    """Stacked along a new first dimension."""
    return numbatorch.stack(batch, 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Any:
    """As the tensors that the arrays are. TypeError for text and objects."""
    if not _has_numbers(batch[0]):
        raise TypeError(_unsupported(batch[0].dtype))
    return collate([numbatorch.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Any:
    """One tensor of the scalars' dtype."""
    return numbatorch.as_tensor(numpy.asarray(batch))


def collate_float_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Any:
    """One float64 tensor."""
    return numbatorch.tensor(batch, dtype=numbatorch.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Any:
    """One int64 tensor, or one of bool."""
    return numbatorch.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Any:
    """The list or tuple as it is."""
    return batch


default_collate_fn_map: dict = {
    numbatorch.Tensor: collate_tensor_fn,
    numpy.ndarray: collate_numpy_array_fn,
    (numpy.bool_, numpy.number, numpy.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}  # programs add types of their own


def default_collate(batch: list) -> Any:
    """Stack the samples along a new first dimension, descending into dicts, tuples and lists.

    Tensors and NumPy arrays are stacked, Python numbers become a tensor (float64, int64, bool), text is left as a list.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


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
