"""DataLoader: batches of a dataset, made here or in worker processes."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from numbatorch.utils.data import progress
from numbatorch.utils.data.collate import default_collate, default_convert
from numbatorch.utils.data.datapipes.datapipe import IterDataPipe, MapDataPipe
from numbatorch.utils.data.datapipes.iter.sharding import SHARDING_PRIORITIES
from numbatorch.utils.data.dataset import Dataset, IterableDataset
from numbatorch.utils.data.graph_settings import apply_sharding, apply_shuffle_settings
from numbatorch.utils.data.iterators import LoaderIterator, LocalIterator, WorkerIterator
from numbatorch.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from numbatorch.utils.data.worker import Job, MapFetcher, StreamFetcher, get_worker_info as get_worker_info

Batch = TypeVar("Batch", covariant=True)

FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _DatasetKind:
    """The two kinds of datasets: samples by index, samples as a stream."""

    Map = 0
    Iterable = 1


class _Endless(Sampler):
    """Stands for the indices that a stream does not have."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[Batch]):
    """Iterates over `dataset` in batches.

    With `num_workers` > 0 that many processes make batches ahead, `prefetch_factor` each; the batches come in the order
    of the sampler, or as they are ready with `in_order=False`. `generator` gives the order and the workers' seeds;
    worker w seeds Python, NumPy and numbatorch with base seed + w. `pin_memory`: batches come in memory from which
    copies to a GPU need not wait (`to(device, non_blocking=True)`); without a GPU it changes nothing.

    `state_dict` and `load_state_dict` let another process go on in the middle of an epoch with the very same batches.
    """

    _is_ready = False

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        if num_workers < 0:
            raise ValueError(
                f"num_workers option should be non-negative; use num_workers=0 to disable multiprocessing, "
                f"got {num_workers}"
            )
        if timeout < 0:
            raise ValueError(f"timeout option should be non-negative, got {timeout}")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified with num_workers > 0: "
                "nothing is prefetched in the main process"
            )
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError(f"prefetch_factor option should be positive, got {prefetch_factor}")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self._is_stream = isinstance(dataset, IterableDataset)
        if isinstance(dataset, IterDataPipe):
            dataset = apply_shuffle_settings(dataset, shuffle)
            shuffle = None
        if self._is_stream:
            for name, value in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None and value is not False:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}; "
                        f"a stream gives its own order"
                    )
        else:
            shuffle = bool(shuffle)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._is_stream:
                sampler = _Endless()
            else:
                source: Any = dataset
                sampler = RandomSampler(source, generator=generator) if shuffle else SequentialSampler(source)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._iterator: Any = None
        self._progress: progress.Progress | None = None
        self._past: dict | None = None  # where the next epoch goes on
        self._announced_length: int | None = None
        _warn_of_many_workers(num_workers)
        self._is_ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and self._is_ready:
            raise ValueError(f"{name} attribute should not be set after DataLoader is initialized")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How worker processes are started: a context of `multiprocessing`."""
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, value: Any) -> None:
        if value is not None:
            if self.num_workers == 0:
                raise ValueError(
                    f"multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
                    f"but got num_workers={self.num_workers}"
                )
            if isinstance(value, str):
                methods = multiprocessing.get_all_start_methods()
                if value not in methods:
                    raise ValueError(
                        f"multiprocessing_context option should specify a valid start method in {methods}, "
                        f"but got multiprocessing_context={value!r}"
                    )
                value = multiprocessing.get_context(value)
            if not isinstance(value, multiprocessing.context.BaseContext):
                raise TypeError(
                    f"multiprocessing_context option should be a valid context object or a string specifying the start "
                    f"method, but got multiprocessing_context={value}"
                )
        self.__multiprocessing_context = value

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    @property
    def _dataset_kind(self) -> int:
        return _DatasetKind.Iterable if self._is_stream else _DatasetKind.Map

    def __iter__(self) -> Any:
        past, self._past = self._past, None
        if not self.num_workers:
            iterator: Any = LocalIterator(self, past)
        elif not self.persistent_workers:
            iterator = WorkerIterator(self, past)
        elif self._iterator is None or self._iterator.is_closed or past is not None:
            if self._iterator is not None:
                self._iterator._close()
            iterator = self._iterator = WorkerIterator(self, past)
        else:
            iterator = self._iterator
            iterator.restart(self)
        self._progress = iterator.progress
        return iterator

    def state_dict(self) -> dict:
        """How far the latest epoch has come, in tensors, numbers and containers: what `load_state_dict` goes on from.

        A loader made with the same arguments then gives the batches that are left; workers draw the random numbers that
        they would have drawn, and the generators of the loader and its samplers are where they were. The global
        generators of this process are the program's: save them beside it (get_rng_state). A dataset that has
        `state_dict` and `load_state_dict` is asked; a stream that has not is run through again. Samplers with these
        methods are asked, too. NotImplementedError with workers and `in_order=False`.
        """
        if self._past is not None:
            return dict(self._given)
        dataset = None if self.num_workers or not hasattr(self.dataset, "state_dict") else self.dataset.state_dict()
        if self._progress is None:
            return progress.fresh_state(self, dataset)
        if self.num_workers and not self.in_order and not self._progress.is_finished:
            raise NotImplementedError("DataLoader.state_dict: with in_order=False batches come as they are ready, and "
                                      "an epoch cannot be gone on with in the same way; use in_order=True")
        state = self._progress.state(self, dataset)
        if self._progress.is_finished and not self.persistent_workers:
            state["workers"] = []
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Let the next epoch go on from a state of `state_dict`. ValueError where it does not fit this loader."""
        past = progress.read_state(state_dict)
        if past["num_workers"] != self.num_workers and (past["underway"] or past["workers"]):
            raise ValueError(f"DataLoader.load_state_dict: the state is that of {past['num_workers']} workers, this "
                             f"loader has num_workers={self.num_workers}")
        if past["dataset"] is not None and not hasattr(self.dataset, "load_state_dict"):
            raise ValueError(f"DataLoader.load_state_dict: the state holds one of the dataset, and "
                             f"{type(self.dataset).__name__} has no load_state_dict")
        progress.set_generator_states(self, past["generators"])
        progress.set_sampler_states(self, past["samplers"])
        self._past, self._given, self._progress = past, state_dict, None

    def __len__(self) -> int:
        if not self._is_stream:
            return len(self._index_sampler)
        length = self._announced_length = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is not None:
            length = length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return length

    def _shared_seed(self) -> int | None:
        """The seed of the pipes of an epoch, the same in all workers; None for what is no stream of pipes."""
        return draw_seed(self.generator) if isinstance(self.dataset, IterDataPipe) else None

    def _job(self, worker_id: int, base_seed: int, shared_seed: int | None = None) -> Job:
        return Job(
            worker_id,
            self.num_workers,
            base_seed,
            self.dataset,
            StreamFetcher if self._is_stream else MapFetcher,
            self._auto_collation,
            self.collate_fn,
            self.drop_last,
            self.batch_size or 1,
            functools.partial(_divide, self.worker_init_fn)
            if isinstance(self.dataset, (IterDataPipe, MapDataPipe)) else self.worker_init_fn,
            shared_seed=shared_seed,
        )


def _divide(init_fn: Callable | None, worker_id: int) -> None:
    """In a worker: let the pipes read its share, then call the program's function."""
    info: Any = get_worker_info()
    apply_sharding(info.dataset, info.num_workers, worker_id, SHARDING_PRIORITIES.MULTIPROCESSING)
    if init_fn is not None:
        init_fn(worker_id)


def _warn_of_many_workers(num_workers: int) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores is not None and num_workers > cores:
        warnings.warn(
            f"This DataLoader will create {num_workers} worker processes in total, and {cores} cores are available: "
            f"more processes than cores make loading slow, or stop it",
            stacklevel=3,
        )


# PyTorch's names for what iterates.
_BaseDataLoaderIter = LoaderIterator
_SingleProcessDataLoaderIter = LocalIterator
_MultiProcessingDataLoaderIter = WorkerIterator
_InfiniteConstantSampler = _Endless
