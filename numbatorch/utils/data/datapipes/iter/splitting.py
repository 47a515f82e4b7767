"""Steps that split a stream: `fork` into copies of it, `demux` into its parts.

The streams that come out read from one source. What one of them is ahead waits in a buffer for the others; when one
begins anew, all do.
"""

from __future__ import annotations

import copy as copying
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from numbatorch.utils.data.datapipes._decorator import functional_datapipe
from numbatorch.utils.data.datapipes.datapipe import IterDataPipe

__all__ = ["DemultiplexerIterDataPipe", "ForkerIterDataPipe"]

_COPIES: dict[str | None, Callable | None] = {None: None, "shallow": copying.copy, "deep": copying.deepcopy}


def _checked(name: str, num_instances: int, buffer_size: int) -> None:
    if num_instances < 1:
        raise ValueError(f"Expected `num_instances` larger than 0, but {num_instances} is found")
    if buffer_size < 0:
        warnings.warn(f"Unlimited buffer size is set for `{name}`, please be aware of OOM at random places",
                      stacklevel=4)


@functional_datapipe("fork")
class ForkerIterDataPipe(IterDataPipe):
    """`num_instances` streams of the same samples; copy: None, "shallow" or "deep", how each gets its own.

    buffer_size: how far one may be ahead, -1: any number; BufferError beyond. ValueError for other arguments.
    """

    def __new__(cls, datapipe: IterDataPipe, num_instances: int, buffer_size: int = 1000,
                copy: str | None = None) -> Any:
        _checked("fork", num_instances, buffer_size)
        if copy not in _COPIES:
            raise ValueError(f"Unknown copy method `{copy}` requested, choose one of None, `shallow` or `deep`.")
        if num_instances == 1:
            return datapipe
        container = _Fork(datapipe, num_instances, buffer_size, copy)
        return [_ChildDataPipe(container, k) for k in range(num_instances)]


@functional_datapipe("demux")
class DemultiplexerIterDataPipe(IterDataPipe):
    """`num_instances` streams of samples, each where classifier_fn(sample) says; drop_none: None says nowhere.

    buffer_size as of `fork`. ValueError for other arguments and classes.
    """

    def __new__(cls, datapipe: IterDataPipe, num_instances: int, classifier_fn: Callable, drop_none: bool = False,
                buffer_size: int = 1000) -> Any:
        _checked("demux", num_instances, buffer_size)
        container = _Demux(datapipe, num_instances, classifier_fn, drop_none, buffer_size)
        return [_ChildDataPipe(container, k) for k in range(num_instances)]


class _Split:
    """What the streams of one split share: the source's iterator and a buffer for each of them."""

    name: str

    def __init__(self, datapipe: IterDataPipe, num_instances: int, buffer_size: int):
        self.main_datapipe, self.num_instances, self.buffer_size = datapipe, num_instances, buffer_size
        self.buffers: list[deque] = [deque() for _ in range(num_instances)]
        self.source: Iterator | None = None
        self.rounds, self.ended = 0, False  # how often the source was begun

    def begin(self) -> None:
        """Begin the source anew."""
        if self.rounds and (not self.ended or any(self.buffers)):
            warnings.warn("Some child DataPipes are not exhausted when __iter__ is called. We are resetting the buffer "
                          "and each child DataPipe will read from the start again.", stacklevel=4)
        for buffer in self.buffers:
            buffer.clear()
        self.rounds, self.ended, self.source = self.rounds + 1, False, None

    def read(self, number: int) -> Any:
        """The next sample of a stream. StopIteration at its end."""
        own = self.buffers[number]
        while not own:
            if self.ended:
                raise StopIteration
            if self.source is None:
                self.source = iter(self.main_datapipe)
            try:
                self.deal(next(self.source))
            except StopIteration:
                self.ended, self.source = True, None
                raise
            if 0 <= self.buffer_size < max(len(b) for b in self.buffers if b is not own):
                raise BufferError(f"{self.name} buffer overflow, buffer size {self.buffer_size} is insufficient: a "
                                  "stream is so many samples ahead of another; give a larger buffer_size")
        return own.popleft()

    def deal(self, sample: Any) -> None:
        raise NotImplementedError

    def __getstate__(self) -> dict:
        return {**self.__dict__, "source": None, "rounds": 0, "ended": False,
                "buffers": [deque() for _ in self.buffers]}


class _Fork(_Split):
    name = "ForkerIterDataPipe"

    def __init__(self, datapipe: IterDataPipe, num_instances: int, buffer_size: int, copy: str | None):
        super().__init__(datapipe, num_instances, buffer_size)
        self.copy = copy

    def deal(self, sample: Any) -> None:
        copied = _COPIES[self.copy]
        for buffer in self.buffers:
            buffer.append(sample if copied is None else copied(sample))

    def __len__(self) -> int:
        return len(self.main_datapipe)  # type: ignore[arg-type]


class _Demux(_Split):
    name = "DemultiplexerIterDataPipe"

    def __init__(self, datapipe: IterDataPipe, num_instances: int, classifier_fn: Callable, drop_none: bool,
                 buffer_size: int):
        super().__init__(datapipe, num_instances, buffer_size)
        self.classifier_fn, self.drop_none = classifier_fn, drop_none

    def deal(self, sample: Any) -> None:
        to = self.classifier_fn(sample)
        if to is None and self.drop_none:
            return
        if to is None or not 0 <= to < self.num_instances:
            raise ValueError(f"Output of the classification fn should be between 0 and {self.num_instances - 1}. {to} "
                             "is returned.")
        self.buffers[to].append(sample)

    def __len__(self) -> int:
        raise TypeError("the lengths of the streams of `demux` are known after an iteration only")


class _ChildDataPipe(IterDataPipe):
    """One of the streams of a split."""

    def __init__(self, main_datapipe: _Split, instance_id: int):
        self.main_datapipe, self.instance_id = main_datapipe, instance_id
        self._round = 0

    def __iter__(self) -> Iterator:
        split = self.main_datapipe
        if self._round == split.rounds:
            split.begin()
        self._round = split.rounds  # streams that had not begun join the others
        return self._samples(split, self._round)

    def _samples(self, split: _Split, number: int) -> Iterator:
        while True:
            if split.rounds != number:
                raise RuntimeError("This iterator has been invalidated, because a new iterator has been created from "
                                   f"one of the ChildDataPipes of {split.name}: streams of one split begin anew "
                                   "together")
            try:
                sample = split.read(self.instance_id)
            except StopIteration:
                return
            yield sample

    def __len__(self) -> int:
        length: Any = self.main_datapipe
        return len(length)

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_round": 0}
