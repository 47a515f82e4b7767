"""Steps that compute: `map` and `collate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from numbatorch.utils.data.collate import default_collate
from numbatorch.utils.data.datapipes._decorator import functional_datapipe
from numbatorch.utils.data.datapipes.datapipe import IterDataPipe
from numbatorch.utils.data.datapipes.utils.common import columns, validate_input_col

__all__ = ["CollatorIterDataPipe", "MapperIterDataPipe"]


@functional_datapipe("map")
class MapperIterDataPipe(IterDataPipe):
    """fn of every sample, or of columns of it.

    input_col: None for the sample, an index or key, or several for as many arguments. output_col: where the result goes
    (the first input column for None), -1: appended. ValueError for columns that do not fit.
    """

    def __init__(self, datapipe: IterDataPipe, fn: Callable, input_col: Any = None, output_col: Any = None):
        if input_col is None and output_col is not None:
            raise ValueError("`output_col` must be None when `input_col` is None.")
        if isinstance(output_col, (list, tuple)):
            if len(output_col) != 1:
                raise ValueError("`output_col` must be a single-element list or tuple")
            output_col = output_col[0]
        validate_input_col(fn, input_col)
        self.datapipe, self.fn, self.input_col, self.output_col = datapipe, fn, input_col, output_col

    def _applied(self, sample: Any) -> Any:
        if self.input_col is None:
            return self.fn(sample)
        result = columns(sample, self.input_col, self.fn)
        changed: Any = dict(sample) if isinstance(sample, dict) else list(sample)
        if self.output_col is not None:
            if self.output_col == -1 and isinstance(changed, list):
                changed.append(result)
            else:
                changed[self.output_col] = result
        elif isinstance(self.input_col, (list, tuple)):
            changed[self.input_col[0]] = result
            for c in sorted(self.input_col[1:], reverse=True):  # from the end, so that places before stay
                del changed[c]
        else:
            changed[self.input_col] = result
        return tuple(changed) if isinstance(sample, tuple) else changed

    def __iter__(self) -> Iterator:
        for sample in self.datapipe:
            yield self._applied(sample)

    def __len__(self) -> int:
        return len(self.datapipe)


@functional_datapipe("collate")
class CollatorIterDataPipe(MapperIterDataPipe):
    """Batches as tensors: `default_collate`, or another function of a batch."""

    def __init__(self, datapipe: IterDataPipe, conversion: Any = default_collate, collate_fn: Callable | None = None):
        super().__init__(datapipe, fn=collate_fn if collate_fn is not None else _of_columns(conversion))


def _of_columns(conversion: Any) -> Callable:
    """The function of a batch; a dictionary says it for each column of samples that are dictionaries."""
    if callable(conversion):
        return conversion

    def collate(batch: Any) -> dict:
        return {key: conversion.get(key, default_collate)([sample[key] for sample in batch]) for key in batch[0]}
    return collate
