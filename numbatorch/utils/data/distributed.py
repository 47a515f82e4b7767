"""The share of a dataset that one of several training processes sees."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sized
from typing import Any

import numbatorch
from numbatorch.utils.data.sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index, from `rank` on, of a permutation that all processes draw alike.

    The permutation follows from `seed` and the epoch: call `set_epoch(epoch)` before each, or all are the same. All
    processes get the same number of indices: some at the start of the permutation twice, or, with `drop_last`, those
    at its end nowhere. Without `num_replicas` and `rank` they are those of numbatorch.distributed; RuntimeError where
    it is not set up. ValueError for a rank outside [0, num_replicas).
    """

    def __init__(self, dataset: Sized, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True,
                 seed: int = 0, drop_last: bool = False):
        if num_replicas is None:
            num_replicas = _processes().get_world_size()
        if rank is None:
            rank = _processes().get_rank()
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        size = len(dataset)
        self.num_samples = size // num_replicas if drop_last else -(-size // num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        size = len(self.dataset)
        if self.shuffle:
            generator = numbatorch.Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = numbatorch.randperm(size, generator=generator).tolist()
        else:
            order = list(range(size))
        if size:
            order = (order * -(-self.total_size // size))[: self.total_size]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next permutation is drawn for."""
        self.epoch = epoch

    def state_dict(self) -> dict:
        """The epoch."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state_dict: dict) -> None:
        """Go on from a state of `state_dict`."""
        self.epoch = state_dict["epoch"]


def _processes() -> Any:
    try:
        distributed: Any = importlib.import_module("numbatorch.distributed")
        if distributed.is_available():
            return distributed
    except ImportError:
        pass  # said below
    raise RuntimeError("Requires distributed package to be available: DistributedSampler needs num_replicas and rank "
                       "where numbatorch.distributed is not there")
