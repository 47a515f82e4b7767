"""One epoch of a DataLoader after the other: in this process, or in worker processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import warnings
import weakref
from typing import Any

import numbatorch
from numbatorch.utils.data.graph_settings import seed_pipes
from numbatorch.utils.data.pool import WorkerPool
from numbatorch.utils.data.progress import Indices, Progress, WorkerProgress, aside, set_generator_states
from numbatorch.utils.data.sampler import draw_seed
from numbatorch.utils.data.worker import StreamEnd


def _warn_of_long_stream(loader: Any, yielded: int) -> None:
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
            stacklevel=4,
        )


class LoaderIterator:
    """What iterates over a DataLoader, by itself or through workers."""

    _loader: Any

    def _handed(self, batch: Any) -> Any:
        """A batch as the program gets it: pinned where the loader says so and there is an accelerator."""
        if self._loader.pin_memory and numbatorch.cuda.is_available():
            from numbatorch.utils.data._utils.pin_memory import pin_memory
            return pin_memory(batch)
        return batch


class LocalIterator(LoaderIterator):
    """One epoch in this process."""

    def __init__(self, loader: Any, state: dict | None = None):
        self._loader = loader
        underway = state is not None and state["underway"]
        shared_seed = state.get("shared_seed") if state and underway else loader._shared_seed()
        base_seed = state["base_seed"] if state and underway else draw_seed(loader.generator)
        with aside() if underway else contextlib.nullcontext():
            indices = Indices(loader, state["order"] if state and underway else None)
            self.progress = Progress(base_seed, indices, shared_seed=shared_seed)
            if state and state["dataset"] is not None:
                loader.dataset.load_state_dict(state["dataset"])
            job = loader._job(0, base_seed)
            seed_pipes(job.dataset, shared_seed)
            self._fetcher = job.make_fetcher(job.dataset, job.auto_collation, job.collate_fn, job.drop_last)
            if state and underway:
                replays = loader._is_stream and state["dataset"] is None
                for _ in range(state["batches"]):
                    index = next(indices)
                    if replays:
                        self._fetcher.fetch(index)
                self.progress.batches = state["batches"]
                set_generator_states(loader, state["generators"])

    def __iter__(self) -> LocalIterator:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def __next__(self) -> Any:
        try:
            batch = self._fetcher.fetch(next(self.progress.indices))
        except StopIteration:
            self.progress.is_finished = True
            raise
        except Exception:
            self.progress.batches += 1  # a batch that fails is passed over; one that Ctrl-C hit is made again
            raise
        self.progress.batches += 1
        _warn_of_long_stream(self._loader, self.progress.batches)
        return self._handed(batch)


class WorkerIterator(LoaderIterator):
    """Epochs in worker processes: batches are numbered when asked for, and handed out in that order."""

    def __init__(self, loader: Any, state: dict | None = None):
        self._loader = loader
        workers = state["workers"] if state else []
        if state and not state["underway"]:
            workers = [progress.next_epoch() for progress in workers]
        goes_on = bool(workers)  # in the middle of an epoch, or with persistent workers between two
        shared_seed = state.get("shared_seed") if state and state["underway"] else loader._shared_seed()
        base_seed = state["base_seed"] if state and goes_on else draw_seed(loader.generator)
        if not (state and state["underway"]):
            loader._shared_seed()  # PyTorch draws one here that nobody uses: what is drawn later stays the same
        context = loader.multiprocessing_context or multiprocessing.get_context()
        jobs = [loader._job(number, base_seed, shared_seed) for number in range(loader.num_workers)]
        for job, progress in zip(jobs, workers, strict=False):
            job.past = progress
        self._pool = WorkerPool(context, jobs)
        self._close = weakref.finalize(self, self._pool.close)
        self._epoch = -1
        self._begin(base_seed, shared_seed, workers or [WorkerProgress() for _ in jobs], state)

    def _shutdown_workers(self) -> None:
        """End the workers, under the name by which packages ask for it."""
        self._close()

    def restart(self, loader: Any) -> None:
        """Another epoch with the same workers."""
        self._loader = loader
        self._begin(self.progress.base_seed, loader._shared_seed(), [w.next_epoch() for w in self.progress.workers])

    def _begin(self, base_seed: int, shared_seed: int | None, workers: list[WorkerProgress],
               state: dict | None = None) -> None:
        loader = self._loader
        self._epoch += 1
        self._active = [True] * loader.num_workers
        self._asked = 0  # number of the next batch to ask for
        self._wanted = 0  # number of the next batch to hand out
        self._owner: dict[int, int] = {}  # batch asked for and not here yet -> worker
        self._arrived: dict[int, Any] = {}
        underway = state is not None and state["underway"]
        with aside() if underway else contextlib.nullcontext():
            indices = Indices(loader, state["order"] if state and underway else None)
            self.progress = Progress(base_seed, indices, workers=workers, shared_seed=shared_seed)
            if state and underway:
                self.progress.batches, self.progress.turn = state["batches"], state["turn"]
                for _ in range(0 if loader._is_stream else state["batches"]):
                    next(indices)
            self._turn = self.progress.turn  # whom to ask next
            for _ in range((loader.prefetch_factor or 2) * loader.num_workers):
                self._ask()
            if state and underway:
                set_generator_states(loader, state["generators"])

    @property
    def is_closed(self) -> bool:
        return not self._close.alive

    def __iter__(self) -> WorkerIterator:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def _ask(self) -> None:
        """Give the next index list to the next worker that still has samples."""
        count = len(self._active)
        worker = next((w % count for w in range(self._turn, self._turn + count) if self._active[w % count]), None)
        if worker is None:
            return
        try:
            index = next(self.progress.indices)
        except StopIteration:
            return
        self._turn = worker + 1
        self._pool.send(worker, (self._epoch, self._asked, index, self.progress.shared_seed))
        self._owner[self._asked] = worker
        self._asked += 1

    def __next__(self) -> Any:
        try:
            return self._next()
        except StopIteration:
            self.progress.is_finished = True
            if not self._loader.persistent_workers:
                self._close()
            raise
        except Exception:
            raise  # an error in one batch leaves the others reachable
        except BaseException:  # Ctrl-C
            self._close()
            raise

    def _next(self) -> Any:
        progress = self.progress
        while not progress.is_finished:
            number = self._ready()
            if number is not None:
                worker, batch, failure, snapshot = self._arrived.pop(number)
                past = progress.workers[worker]
                past.now, past.dataset = snapshot or (past.now, past.dataset)
                progress.turn = worker + 1
                is_end = isinstance(batch, StreamEnd)
                if is_end:  # in its turn, so that who gives which batch does not depend on who was fast
                    self._active[worker] = False
                else:
                    past.batches += 1
                    progress.batches += 1
                self._ask()
                if is_end:
                    continue
                if failure is not None:
                    failure.reraise()
                _warn_of_long_stream(self._loader, progress.batches)
                return self._handed(batch)
            if not self._owner:
                break
            try:
                worker, answer = self._pool.receive(self._loader.timeout)
            except Exception:
                self._close()  # a dead worker or one that does not answer: its batches are lost
                self._owner.clear()
                self._arrived.clear()
                raise
            epoch, number, *what = answer
            if epoch == self._epoch:
                del self._owner[number]
                self._arrived[number] = (worker, *what)
        raise StopIteration

    def _ready(self) -> int | None:
        """The number of the batch to hand out now, if it is here."""
        if not self._loader.in_order:
            return next(iter(self._arrived), None)
        if self._wanted not in self._arrived:
            return None
        self._wanted += 1
        return self._wanted - 1
