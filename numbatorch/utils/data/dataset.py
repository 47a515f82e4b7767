"""Datasets: what has samples, and how datasets are cut and joined."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numbatorch

Sample = TypeVar("Sample", covariant=True)


class Dataset(Generic[Sample]):
    """Samples by index: subclasses define `__getitem__`, and `__len__` where a sampler needs it.

    `__getitems__(indices)`, if defined, returns the list of samples of a whole batch in one call.
    """

    def __getitem__(self, index) -> Sample:
        raise NotImplementedError(f"{type(self).__name__}.__getitem__ is not written: subclasses of Dataset define it")

    def __add__(self, other: Dataset) -> Dataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[Sample], Iterable[Sample]):
    """Samples as a stream: subclasses define `__iter__`.

    Every worker process iterates over its own copy: use `get_worker_info()` to give each its share.
    """

    def __add__(self, other: Dataset) -> ChainDataset:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Sample i is (tensor[i] for each tensor); all tensors have the same size in dim 0."""

    def __init__(self, *tensors):
        sizes = [tensor.size(0) for tensor in tensors]
        if len(set(sizes)) > 1:
            raise AssertionError(f"Size mismatch between tensors: TensorDataset got sizes {sizes} in dim 0")
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self):
        return self.tensors[0].size(0)


class StackDataset(Dataset):
    """Sample i is the tuple (or, with keywords, the dict) of sample i of every dataset."""

    def __init__(self, *args: Dataset, **kwargs: Dataset):
        if args and kwargs:
            raise ValueError("StackDataset takes datasets by position (tuples) or by keyword (dicts), not both")
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets: Any = args or kwargs
        sizes = [len(dataset) for dataset in (args or kwargs.values())]  # type: ignore[arg-type]
        if len(set(sizes)) > 1:
            raise ValueError(f"Size mismatch between datasets: {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list) -> list:
        if isinstance(self.datasets, dict):
            columns = [_samples(dataset, indices) for dataset in self.datasets.values()]
            return [dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)]
        return list(zip(*[_samples(dataset, indices) for dataset in self.datasets], strict=True))

    def __len__(self):
        return self._length


def _samples(dataset: Any, indices: list) -> list:
    """The samples of a batch, in one call where the dataset has one."""
    if callable(getattr(dataset, "__getitems__", None)):
        samples = dataset.__getitems__(indices)
        if len(samples) != len(indices):
            raise ValueError(
                f"{type(dataset).__name__}.__getitems__ returned {len(samples)} samples for {len(indices)} indices"
            )
        return samples
    return [dataset[index] for index in indices]


class ConcatDataset(Dataset[Sample]):
    """The samples of the first dataset, then those of the second, ..."""

    datasets: list[Dataset[Sample]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise AssertionError("ConcatDataset does not support IterableDataset: chain them with ChainDataset")
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))  # type: ignore[arg-type]

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        position = index + len(self) if index < 0 else index
        if position < 0:
            raise ValueError("absolute value of index should not exceed dataset length")
        number = bisect_right(self.cumulative_sizes, position)
        if number == len(self.datasets):
            raise IndexError(f"ConcatDataset: index {index} is outside {len(self)} samples")
        return self.datasets[number][position - (self.cumulative_sizes[number - 1] if number else 0)]


class ChainDataset(IterableDataset):
    """The samples of several streams, one stream after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        super().__init__()
        self.datasets = datasets

    def __iter__(self) -> Iterator:
        for dataset in self.datasets:
            _check_stream(dataset)
            yield from dataset  # type: ignore[misc]

    def __len__(self):
        total = 0
        for dataset in self.datasets:
            _check_stream(dataset)
            total += len(dataset)  # type: ignore[arg-type]
        return total


def _check_stream(dataset: Any) -> None:
    if not isinstance(dataset, IterableDataset):
        raise AssertionError(f"ChainDataset only supports IterableDataset, got {type(dataset).__name__}")


class Subset(Dataset[Sample]):
    """The samples of `dataset` at `indices`."""

    def __init__(self, dataset: Dataset[Sample], indices: Sequence[int]):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        wanted = [self.indices[i] for i in indices]
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.dataset.__getitems__(wanted)  # type: ignore[attr-defined]
        return [self.dataset[i] for i in wanted]

    def __len__(self):
        return len(self.indices)


def random_split(dataset: Dataset, lengths: Sequence[int | float], generator=None) -> list[Subset]:
    """Cut `dataset` at random into parts of the given sizes, or of the given shares when these sum to 1.

    Shares are rounded down and what is left goes to the parts one by one from the first.
    """
    size = len(dataset)  # type: ignore[arg-type]
    total = sum(lengths)
    if math.isclose(total, 1) and total <= 1:
        sizes = []
        for index, share in enumerate(lengths):
            if share < 0 or share > 1:
                raise ValueError(f"Fraction at index {index} is not between 0 and 1")
            sizes.append(math.floor(size * share))
        for index in range(size - sum(sizes)):
            sizes[index % len(sizes)] += 1
        for index, length in enumerate(sizes):
            if length == 0:
                warnings.warn(
                    f"Length of split at index {index} is 0. This might result in an empty dataset.", stacklevel=2
                )
        lengths = sizes
    if sum(lengths) != size:
        raise ValueError(
            f"Sum of input lengths does not equal the length of the input dataset! "
            f"random_split: lengths {list(lengths)} sum to {sum(lengths)}, the dataset has {size} samples"
        )
    order = numbatorch.randperm(size, generator=generator).tolist()
    ends = list(accumulate(lengths))
    return [Subset(dataset, order[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def gather_batch(dataset: Any, indices: list[int]) -> list | None:
    """What `default_collate` would make of these samples of a TensorDataset, one gather a tensor; None if not one.

    Subsets of it are seen through. A subclass that changes how samples are made is left to the general path.
    """
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or not indices or not all(type(i) is int for i in indices):
        return None
    return [tensor[indices] for tensor in dataset.tensors]
