"""A step that gives each worker its share: `sharding_filter`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from numbatorch.utils.data.datapipes._decorator import functional_datapipe
from numbatorch.utils.data.datapipes.datapipe import IterDataPipe

__all__ = ["SHARDING_PRIORITIES", "ShardingFilterIterDataPipe"]


class SHARDING_PRIORITIES(IntEnum):
    """Who divides a stream: one group alone, or machines first and their workers within them."""

    DEFAULT = 1
    DISTRIBUTED = 2
    MULTIPROCESSING = 3


@functional_datapipe("sharding_filter")
class ShardingFilterIterDataPipe(IterDataPipe):
    """Every n-th sample, from the k-th on, after `apply_sharding(n, k)`: the DataLoader's workers do that."""

    def __init__(self, source_datapipe: IterDataPipe, sharding_group_filter: Any = None):
        self.source_datapipe, self.sharding_group_filter = source_datapipe, sharding_group_filter
        self.groups: dict[int, tuple[int, int]] = {}
        self.num_of_instances, self.instance_id = 1, 0

    def is_shardable(self) -> bool:
        """True."""
        return True

    def apply_sharding(self, num_of_instances: int, instance_id: int,
                       sharding_group: SHARDING_PRIORITIES = SHARDING_PRIORITIES.DEFAULT) -> None:
        """Keep share `instance_id` of `num_of_instances`. ValueError for a number that is none of them; RuntimeError
        where the group does not go with those that were applied."""
        if instance_id >= num_of_instances:
            raise ValueError(f"instance_id({instance_id}) should be smaller than num_of_instances({num_of_instances})")
        default = SHARDING_PRIORITIES.DEFAULT
        if self.groups and (sharding_group == default) != (default in self.groups):
            raise RuntimeError("ShardingFilter cannot mix DEFAULT and non DEFAULT groups")
        self.groups[sharding_group] = num_of_instances, instance_id
        number, share = 1, 0
        for group in sorted(self.groups):
            if self.sharding_group_filter is None or group == self.sharding_group_filter:
                count, own = self.groups[group]
                number, share = number * count, share * count + own
        self.num_of_instances, self.instance_id = number, share

    def __iter__(self) -> Iterator:
        for k, sample in enumerate(self.source_datapipe):
            if k % self.num_of_instances == self.instance_id:
                yield sample

    def __len__(self) -> int:
        count = len(self.source_datapipe)  # type: ignore[arg-type]
        return count // self.num_of_instances + (self.instance_id < count % self.num_of_instances)
