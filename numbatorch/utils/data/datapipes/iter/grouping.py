"""Steps that join samples and take them apart: `batch`, `unbatch`, `groupby`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from numbatorch.utils.data.datapipes._decorator import functional_datapipe
from numbatorch.utils.data.datapipes.datapipe import DataChunk, IterDataPipe

__all__ = ["BatcherIterDataPipe", "GrouperIterDataPipe", "UnBatcherIterDataPipe"]


@functional_datapipe("batch")
class BatcherIterDataPipe(IterDataPipe):
    """Lists of `batch_size` samples; drop_last: without one that is shorter. wrapper_class makes the lists."""

    def __init__(self, datapipe: IterDataPipe, batch_size: int, drop_last: bool = False,
                 wrapper_class: type[DataChunk] = DataChunk):
        if batch_size <= 0:
            raise AssertionError(f"Batch size is required to be larger than 0! Got {batch_size}")
        self.datapipe, self.batch_size, self.drop_last = datapipe, batch_size, drop_last
        self.wrapper_class = wrapper_class

    def __iter__(self) -> Iterator[DataChunk]:
        batch: list = []
        for sample in self.datapipe:
            batch.append(sample)
            if len(batch) == self.batch_size:
                yield self.wrapper_class(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.wrapper_class(batch)

    def __len__(self) -> int:
        count = len(self.datapipe)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


@functional_datapipe("unbatch")
class UnBatcherIterDataPipe(IterDataPipe):
    """What lists hold, `unbatch_level` lists deep; -1: down to what is no list. IndexError where there are too few."""

    def __init__(self, datapipe: IterDataPipe, unbatch_level: int = 1):
        self.datapipe, self.unbatch_level = datapipe, unbatch_level

    def __iter__(self) -> Iterator:
        if self.unbatch_level < -1:
            raise ValueError("unbatch_level must be -1 or >= 0")
        for sample in self.datapipe:
            yield from self._parts(sample, self.unbatch_level)

    def _parts(self, sample: Any, level: int) -> Iterator:
        is_list = isinstance(sample, (list, DataChunk))
        if level == 0 or level < 0 and not is_list:
            yield sample
            return
        if not is_list:
            raise IndexError(f"unbatch_level {self.unbatch_level} exceeds the depth of the DataPipe")
        for part in sample:
            yield from self._parts(part, level - (level > 0))


@functional_datapipe("groupby")
class GrouperIterDataPipe(IterDataPipe):
    """Lists of samples with the same group_key_fn(sample); (key, list) with keep_key.

    A list comes when it has group_size samples, at the end, or, once buffer_size samples wait, the largest one; that
    has at least guaranteed_group_size, else it is dropped (drop_remaining) or a RuntimeError. AssertionError for sizes
    that do not go together.
    """

    def __init__(self, datapipe: IterDataPipe, group_key_fn: Callable, *, keep_key: bool = False,
                 buffer_size: int = 10000, group_size: int | None = None, guaranteed_group_size: int | None = None,
                 drop_remaining: bool = False):
        if group_size is not None and not 0 < group_size <= buffer_size:
            raise AssertionError("group_size must be > 0 and <= buffer_size")
        if guaranteed_group_size is not None and (group_size is None or not 0 < guaranteed_group_size <= group_size):
            raise AssertionError("guaranteed_group_size must be > 0 and <= group_size and group_size must be set")
        self.datapipe, self.group_key_fn, self.keep_key = datapipe, group_key_fn, keep_key
        self.max_buffer_size, self.group_size, self.drop_remaining = buffer_size, group_size, drop_remaining
        if group_size is not None and buffer_size is not None and guaranteed_group_size is None:
            guaranteed_group_size = group_size
        self.guaranteed_group_size = guaranteed_group_size
        self.wrapper_class = DataChunk

    def __iter__(self) -> Iterator:
        groups: dict[Any, list] = defaultdict(list)
        waiting = 0
        for sample in self.datapipe:
            key = self.group_key_fn(sample)
            groups[key].append(sample)
            waiting += 1
            if len(groups[key]) == self.group_size:
                waiting -= len(groups[key])
                yield self._group(key, groups.pop(key))
            if waiting == self.max_buffer_size:
                largest = max(groups, key=lambda k: len(groups[k]))
                found = groups.pop(largest)
                waiting -= len(found)
                if self.guaranteed_group_size is not None and len(found) < self.guaranteed_group_size:
                    if self.drop_remaining:
                        continue
                    raise RuntimeError(f"Failed to group items: with {self.max_buffer_size} samples waiting, the "
                                       f"largest group has {len(found)} of {self.guaranteed_group_size}: {found}")
                yield self._group(largest, found)
        for key, found in groups.items():
            yield self._group(key, found)

    def _group(self, key: Any, found: list) -> Any:
        chunk = self.wrapper_class(found)
        return (key, chunk) if self.keep_key else chunk
