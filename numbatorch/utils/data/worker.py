"""What runs in a worker process of a DataLoader: take index lists, send batches."""

from __future__ import annotations

import copy
import multiprocessing
import os
import queue
import random
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

import numpy

import numbatorch
from numbatorch.utils.data import progress, transport
from numbatorch.utils.data.collate import default_collate
from numbatorch.utils.data.dataset import gather_batch
from numbatorch.utils.data.graph_settings import seed_pipes

PARENT_CHECK_SECONDS = 5.0


@dataclass(frozen=True)
class WorkerInfo:
    """Who a worker is: `id` of `num_workers`, its `seed`, and its copy of the `dataset`.

    rng: generators of its own, None: a process has those of the libraries.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str = "multiprocessing"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process, what it is; None in the main process."""
    return _worker_info


class MapFetcher:
    """Batches of a dataset with indices."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool):
        self.dataset, self.auto_collation, self.collate_fn = dataset, auto_collation, collate_fn

    def fetch(self, index: Any) -> Any:
        dataset = self.dataset
        if not self.auto_collation:
            return self.collate_fn(dataset[index])
        if self.collate_fn is default_collate:
            batch = gather_batch(dataset, index)
            if batch is not None:
                return batch
        if getattr(dataset, "__getitems__", None):
            return self.collate_fn(dataset.__getitems__(index))
        return self.collate_fn([dataset[i] for i in index])


class StreamFetcher:
    """Batches of an IterableDataset; StopIteration at its end."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool):
        self.samples = iter(dataset)
        self.auto_collation, self.collate_fn, self.drop_last = auto_collation, collate_fn, drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.samples))
        batch = []
        for _ in index:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True
                break
        if not batch or (self.drop_last and self.ended):
            raise StopIteration
        return self.collate_fn(batch)


class StreamEnd:
    """Sent when a worker's share of an IterableDataset is exhausted."""


class WorkerError:
    """An exception with the text of its traceback, to be raised again in another process."""

    def __init__(self, error: BaseException, where: str):
        self.kind = type(error)
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.message = f"Caught {self.kind.__name__} {where}.\nOriginal {text}"

    def reraise(self) -> None:
        if self.kind is KeyError:
            raise KeyError(_Verbatim(self.message))
        try:
            error = self.kind(self.message)
        except Exception:
            # A type whose constructor wants other arguments.
            raise RuntimeError(self.message) from None
        raise error


class _Verbatim(str):
    """Text that a KeyError prints as it is: it shows the repr of its key, with line breaks as \\n."""

    def __repr__(self) -> str:
        return str(self)


@dataclass
class Job:
    """What a worker needs to know at its start."""

    worker_id: int
    num_workers: int
    base_seed: int
    dataset: Any
    make_fetcher: type
    auto_collation: bool
    collate_fn: Callable
    drop_last: bool
    batch_size: int
    init_fn: Callable | None
    past: progress.WorkerProgress | None = None  # where it goes on
    shared_seed: int | None = None  # of the first epoch's pipes


def run_worker(tasks: connection.Connection, parents_ends: list, job: Job) -> None:
    """The life of a worker: answer (epoch, number, index, seed of the epoch's data pipes) with (epoch, number, batch,
    error, snapshot) until the pipe closes.

    snapshot: the randomness and the dataset's state after the batch, None where neither changed. The pipe is read by a
    thread of its own, so that the main process never waits for a worker that waits for it.
    """
    global _worker_info
    for end in parents_ends:  # forked copies, which would keep the pipes of other workers open
        end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's; it shuts us down
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    inbox: queue.SimpleQueue = queue.SimpleQueue()
    reader = _Reader(tasks, inbox)
    reader.start()
    where = f"in DataLoader worker process {job.worker_id}"
    initial_error: WorkerError | None = None
    fetcher: Any = None
    try:
        seed = job.base_seed + job.worker_id
        numbatorch.set_num_threads(1)
        random.seed(seed)
        numbatorch.manual_seed(seed)
        numpy.random.seed(numpy.random.SeedSequence([job.worker_id, job.base_seed]).generate_state(4))
        _worker_info = WorkerInfo(job.worker_id, job.num_workers, seed, job.dataset)
        if job.init_fn is not None:
            job.init_fn(job.worker_id)
        fetcher = _first_fetcher(job)
    except Exception as error:
        initial_error = WorkerError(error, where)
    epoch = 0
    last: tuple = (None, None) if job.past is None else (job.past.now, job.past.dataset)
    while (task := inbox.get()) is not None:
        task_epoch, number, index, shared_seed = task
        if task_epoch < reader.newest_epoch:  # the main process has gone on to another epoch
            continue
        batch, failure = None, initial_error
        if failure is None:
            try:
                if task_epoch != epoch:
                    seed_pipes(job.dataset, shared_seed)
                    fetcher = job.make_fetcher(job.dataset, job.auto_collation, job.collate_fn, job.drop_last)
                    epoch = task_epoch
                batch = fetcher.fetch(index)
            except StopIteration as error:
                if isinstance(fetcher, StreamFetcher):
                    batch = StreamEnd()
                else:
                    failure = WorkerError(error, where)
            except Exception as error:
                failure = WorkerError(error, where)
        reached = (progress.randomness(), _dataset_state(job.dataset))
        snapshot = None if reached == last else reached
        last = reached
        try:
            _answer(tasks, (task_epoch, number, batch, failure, snapshot), where)
        except (BrokenPipeError, ConnectionResetError):
            return
        del batch


def _first_fetcher(job: Job) -> Any:
    """The fetcher of the first epoch: where the worker goes on, it has what was handed out behind it."""
    past = job.past
    if past is not None and past.dataset is not None:
        job.dataset.load_state_dict(past.dataset)
    if past is not None and past.start is not None:
        progress.restore_randomness(past.start)
    seed_pipes(job.dataset, job.shared_seed)
    fetcher = job.make_fetcher(job.dataset, job.auto_collation, job.collate_fn, job.drop_last)
    if past is not None:
        if job.make_fetcher is StreamFetcher and past.dataset is None:
            for _ in range(past.batches):
                fetcher.fetch([None] * job.batch_size)
        if past.now is not None and past.batches:  # at first, what starting has drawn stays drawn
            progress.restore_randomness(past.now)
    return fetcher


def _dataset_state(dataset: Any) -> Any:
    if hasattr(dataset, "state_dict") and hasattr(dataset, "load_state_dict"):
        return copy.deepcopy(dataset.state_dict())
    return None


def _answer(tasks: connection.Connection, answer: tuple, where: str) -> None:
    try:
        transport.send(tasks, answer)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # the batch, or the type of the exception, cannot be pickled
        failure = WorkerError(error, f"{where} while its batch was packed") if answer[3] is None else answer[3]
        failure.kind = failure.kind if failure.kind.__module__ == "builtins" else RuntimeError
        transport.send(tasks, (answer[0], answer[1], None, failure, answer[4]))


class _Reader(threading.Thread):
    """Moves tasks from the pipe to the inbox, and ends the process when its parent is gone."""

    def __init__(self, tasks: connection.Connection, inbox: queue.SimpleQueue):
        super().__init__(daemon=True)
        self.tasks, self.inbox = tasks, inbox
        self.newest_epoch = 0

    def run(self) -> None:
        parent = multiprocessing.parent_process()
        sentinel = [parent.sentinel] if parent is not None else []
        parent_id = os.getppid()
        while True:
            ready = connection.wait([self.tasks, *sentinel], PARENT_CHECK_SECONDS)
            if self.tasks in ready:
                try:
                    task = self.tasks.recv()
                except (EOFError, OSError):
                    task = None
                if task is None:
                    self.inbox.put(None)
                    return
                self.newest_epoch = max(self.newest_epoch, task[0])
                self.inbox.put(task)
            elif ready or os.getppid() != parent_id:
                os._exit(1)  # nobody is left to work for, and the main thread may be stuck sending
