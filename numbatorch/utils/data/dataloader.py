"""DataLoader: batches of a dataset, made here or in worker processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from numbatorch.utils.data.collate import default_collate, default_convert
from numbatorch.utils.data.dataset import Dataset, IterableDataset
from numbatorch.utils.data.pool import WorkerPool
from numbatorch.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from numbatorch.utils.data.worker import Job, MapFetcher, StreamEnd, StreamFetcher

FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _Endless(Sampler):
    """Stands for the indices that a stream does not have."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader:
    """Iterates over `dataset` in batches.

    With `num_workers` > 0 that many processes make batches ahead, `prefetch_factor` each; the batches come in the order
    of the sampler, or as they are ready with `in_order=False`. `generator` gives the order and the workers' seeds;
    worker w seeds Python, NumPy and numbatorch with base seed + w. `pin_memory` is accepted and has no effect on a CPU.
    """

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
        self._announced_length: int | None = None
        _warn_of_many_workers(num_workers)
        self._is_ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and self.__dict__.get("_is_ready"):
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

    def __iter__(self) -> Any:
        if not (self.persistent_workers and self.num_workers > 0):
            return _make_iterator(self)
        if self._iterator is None or self._iterator.is_closed:
            self._iterator = _make_iterator(self)
        else:
            self._iterator.restart(self)
        return self._iterator

    def __len__(self) -> int:
        if not self._is_stream:
            return len(self._index_sampler)
        length = self._announced_length = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is not None:
            length = length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return length

    def _job(self, worker_id: int, base_seed: int) -> Job:
        return Job(
            worker_id,
            self.num_workers,
            base_seed,
            self.dataset,
            StreamFetcher if self._is_stream else MapFetcher,
            self._auto_collation,
            self.collate_fn,
            self.drop_last,
            self.worker_init_fn,
        )


def _make_iterator(loader: DataLoader) -> Any:
    return _WorkerIterator(loader) if loader.num_workers else _LocalIterator(loader)


def _warn_of_many_workers(num_workers: int) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores is not None and num_workers > cores:
        warnings.warn(
            f"This DataLoader will create {num_workers} worker processes in total, and {cores} cores are available: "
            f"more processes than cores make loading slow, or stop it",
            stacklevel=3,
        )


class _LocalIterator:
    """One epoch in this process."""

    def __init__(self, loader: DataLoader):
        self._loader = loader
        self._base_seed = draw_seed(loader.generator)
        self._indices = iter(loader._index_sampler)
        job = loader._job(0, self._base_seed)
        self._fetcher = job.make_fetcher(job.dataset, job.auto_collation, job.collate_fn, job.drop_last)
        self._yielded = 0

    def __iter__(self) -> _LocalIterator:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def __next__(self) -> Any:
        batch = self._fetcher.fetch(next(self._indices))
        self._yielded += 1
        _warn_of_long_stream(self._loader, self._yielded)
        return batch


def _warn_of_long_stream(loader: DataLoader, yielded: int) -> None:
    """A stream that gives more than it said ends training loops at the wrong place: tell."""
    announced = loader._announced_length
    if announced is None or not loader._is_stream:
        return
    expected = announced if loader.batch_size is None else -(-announced // loader.batch_size)
    if yielded > expected:
        warnings.warn(
            f"Length of IterableDataset {loader.dataset} was reported to be {announced} (when accessing "
            f"len(dataloader)), but {yielded} batches have been fetched; with workers, each must take only its share: "
            f"see get_worker_info()",
            stacklevel=3,
        )


class _WorkerIterator:
    """Epochs in worker processes: batches are numbered when asked for, and handed out in that order."""

    def __init__(self, loader: DataLoader):
        self._loader = loader
        self._base_seed = draw_seed(loader.generator)
        context = loader.multiprocessing_context or multiprocessing.get_context()
        jobs = [loader._job(number, self._base_seed) for number in range(loader.num_workers)]
        self._pool = WorkerPool(context, jobs)
        self._close = weakref.finalize(self, self._pool.close)
        self._epoch = -1
        self._begin()

    def restart(self, loader: DataLoader) -> None:
        self._loader = loader
        self._begin()

    def _begin(self) -> None:
        self._epoch += 1
        self._indices = iter(self._loader._index_sampler)
        self._active = [True] * self._loader.num_workers
        self._turns = itertools.cycle(range(self._loader.num_workers))
        self._asked = 0  # number of the next batch to ask for
        self._wanted = 0  # number of the next batch to hand out
        self._owner: dict[int, int] = {}  # batch asked for and not here yet -> worker
        self._arrived: dict[int, Any] = {}
        self._yielded = 0
        self._is_exhausted = False
        for _ in range((self._loader.prefetch_factor or 2) * self._loader.num_workers):
            self._ask()

    @property
    def is_closed(self) -> bool:
        return not self._close.alive

    def __iter__(self) -> _WorkerIterator:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def _ask(self) -> None:
        """Give the next index list to the next worker that still has samples."""
        for _ in range(len(self._active)):
            worker = next(self._turns)
            if self._active[worker]:
                break
        else:
            return
        try:
            index = next(self._indices)
        except StopIteration:
            return
        self._pool.send(worker, (self._epoch, self._asked, index))
        self._owner[self._asked] = worker
        self._asked += 1

    def __next__(self) -> Any:
        try:
            return self._next()
        except StopIteration:
            self._is_exhausted = True
            if not self._loader.persistent_workers:
                self._close()
            raise
        except Exception:
            raise  # an error in one batch leaves the others reachable
        except BaseException:  # Ctrl-C
            self._close()
            raise

    def _next(self) -> Any:
        while True:
            if self._is_exhausted:
                raise StopIteration
            number = self._ready()
            if number is not None:
                batch, failure = self._arrived.pop(number)
                self._ask()
                if failure is not None:
                    failure.reraise()
                self._yielded += 1
                _warn_of_long_stream(self._loader, self._yielded)
                return batch
            if not self._owner:
                raise StopIteration
            try:
                worker, answer = self._pool.receive(self._loader.timeout)
            except Exception:
                self._close()  # a dead worker or one that does not answer: its batches are lost
                self._is_exhausted = True
                raise
            epoch, number, batch, failure = answer
            if epoch != self._epoch:
                continue
            del self._owner[number]
            if isinstance(batch, StreamEnd):
                self._active[worker] = False
                self._ask()
            else:
                self._arrived[number] = (batch, failure)

    def _ready(self) -> int | None:
        """The number of the batch to hand out now, if it is here; numbers that ended a stream are passed over."""
        if not self._loader.in_order:
            return next(iter(self._arrived), None)
        while self._wanted < self._asked:
            if self._wanted in self._arrived:
                self._wanted += 1
                return self._wanted - 1
            if self._wanted in self._owner:
                return None
            self._wanted += 1
        return None
