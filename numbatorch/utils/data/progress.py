"""How far an epoch has come, so that another process can go on from there with the very same batches.

An order of samples follows from the randomness that a sampler meets, so nothing but that is kept: the states of the
generators before the sampler was started and before it gave its first index. To go on, the sampler is started in those
states again and what was done is passed over. Workers draw random numbers of their own: each sends the states it has
after a batch along with the batch.
"""

from __future__ import annotations

import contextlib
import ctypes
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy

import numbatorch

VERSION = 1


def randomness() -> tuple:
    """The states of the generators that a process has: numbatorch's, Python's, NumPy's."""
    return numbatorch.default_generator.state.get_state().tobytes(), random.getstate(), _numpy_state()


def _numpy_state() -> tuple:
    # NumPy takes 100 us to tell its state, which few datasets touch: its bytes are compared first. A normal number kept
    # for the next call is not among them, so only a state without one is remembered.
    source = numpy.random.get_bit_generator()  # type: ignore[attr-defined]
    mark = None
    if isinstance(source, numpy.random.MT19937):
        mark = ctypes.string_at(source.ctypes.state_address, _MERSENNE_BYTES)
        if mark == _remembered[0]:
            return _remembered[1]
    found: Any = numpy.random.get_state()
    name, words, position, has_normal, normal = found
    state = name, words.tobytes(), position, has_normal, normal
    _remembered[:] = [None if has_normal else mark, state]
    return state


_MERSENNE_BYTES = 625 * 4  # words, and the position among them
_remembered: list = [None, None]  # bytes, state


def restore_randomness(states: tuple) -> None:
    """Put the generators of this process where they were."""
    own, python, (name, words, *rest) = states
    _remembered[:] = [None, None]
    numbatorch.set_rng_state(numbatorch.frombuffer(bytearray(own), dtype=numbatorch.uint8))
    random.setstate(python)
    numpy.random.set_state((name, numpy.frombuffer(words, dtype=numpy.uint32), *rest))


def _as_tensors(states: tuple | None) -> dict | None:
    """For a file: tensors and numbers."""
    if states is None:
        return None
    own, (version, words, gauss), (name, numpy_words, *rest) = states
    return {
        "numbatorch": numbatorch.frombuffer(bytearray(own), dtype=numbatorch.uint8),
        "python": [version, numbatorch.tensor(words, dtype=numbatorch.int64), gauss],
        "numpy": [name, numbatorch.frombuffer(bytearray(numpy_words), dtype=numbatorch.uint8), *rest],
    }


def _from_tensors(states: dict | None) -> tuple | None:
    if states is None:
        return None
    version, words, gauss = states["python"]
    name, numpy_words, *rest = states["numpy"]
    python = (version, tuple(words.tolist()), gauss)
    return states["numbatorch"].numpy().tobytes(), python, (name, numpy_words.numpy().tobytes(), *rest)


def _samplers(loader: Any) -> Iterator[Any]:
    """The samplers of a loader and those inside them."""
    for sampler in (loader.batch_sampler, loader.sampler):
        seen: list = []
        while sampler is not None and not any(sampler is s for s in seen):
            yield sampler
            seen.append(sampler)
            sampler = getattr(sampler, "sampler", None)


def _once(objects: Iterator[Any]) -> list:
    return list({id(o): o for o in objects}.values())


def generators(loader: Any) -> list:
    """The generators that a loader and its samplers were given."""
    held = [vars(sampler).values() for sampler in _samplers(loader) if hasattr(sampler, "__dict__")]
    candidates = (loader.generator, *(value for values in held for value in values))
    return _once(value for value in candidates if isinstance(value, numbatorch.Generator))


def stateful_samplers(loader: Any) -> list:
    """The samplers that tell their state."""
    return _once(s for s in _samplers(loader) if hasattr(s, "state_dict") and hasattr(s, "load_state_dict"))


def generator_states(loader: Any) -> list:
    return [generator.get_state() for generator in generators(loader)]


def set_generator_states(loader: Any, states: list) -> None:
    found = generators(loader)
    if len(found) != len(states):
        raise ValueError(f"DataLoader.load_state_dict: the state has {len(states)} generators, this loader and its "
                         f"samplers have {len(found)}: make it with the same arguments")
    for generator, state in zip(found, states, strict=True):
        generator.set_state(state)


def sampler_states(loader: Any) -> list:
    return [sampler.state_dict() for sampler in stateful_samplers(loader)]


def set_sampler_states(loader: Any, states: list) -> None:
    found = stateful_samplers(loader)
    if len(found) != len(states):
        raise ValueError(f"DataLoader.load_state_dict: the state has {len(states)} samplers with a state, this loader "
                         f"has {len(found)}: make it with the same arguments")
    for sampler, state in zip(found, states, strict=True):
        sampler.load_state_dict(state)


class Indices:
    """What the index sampler of a loader gives in an epoch; `start` and `first` are the randomness it met."""

    def __init__(self, loader: Any, state: dict | None = None):
        self.loader = loader
        self.first: dict | None = None
        if state is None:
            self.start = {**self._met(), "samplers": sampler_states(loader)}
        else:
            self.start, self.first = state["start"], state["first"]
            set_sampler_states(loader, self.start["samplers"])
            self._meet(self.start)
        self._iterator = iter(loader._index_sampler)
        self._began = False

    def __next__(self) -> Any:
        if not self._began:
            self._began = True
            if self.first is None:
                self.first = self._met()
            else:
                self._meet(self.first)
        return next(self._iterator)

    def _met(self) -> dict:
        return {"randomness": randomness(), "generators": generator_states(self.loader)}

    def _meet(self, states: dict) -> None:
        restore_randomness(states["randomness"])
        set_generator_states(self.loader, states["generators"])

    def state(self) -> dict:
        return {"start": self.start, "first": self.first}


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """What is drawn inside is not missing afterwards."""
    found = randomness()
    try:
        yield
    finally:
        restore_randomness(found)


@dataclass
class WorkerProgress:
    """A worker's randomness at the start of the epoch (None: as seeded) and after its last batch that was handed out;
    how many these are; the state of its dataset, where that tells it."""

    start: tuple | None = None
    now: tuple | None = None
    batches: int = 0
    dataset: Any = None

    def next_epoch(self) -> WorkerProgress:
        return WorkerProgress(self.now, self.now)


@dataclass
class Progress:
    """An epoch: its seed, its indices, how many batches were handed out, whose turn it is, what workers drew."""

    base_seed: int
    indices: Indices
    batches: int = 0
    turn: int = 0
    is_finished: bool = False
    workers: list[WorkerProgress] = field(default_factory=list)
    shared_seed: int | None = None  # of pipes that shuffle, in all workers

    def state(self, loader: Any, dataset: Any) -> dict:
        """The state of a loader in tensors, numbers and containers."""
        order = {key: value and {**value, "randomness": _as_tensors(value["randomness"])}
                 for key, value in self.indices.state().items()}
        return {
            "version": VERSION,
            "underway": not self.is_finished,
            "batches": self.batches,
            "num_workers": loader.num_workers,
            "base_seed": self.base_seed,
            "shared_seed": self.shared_seed,
            "turn": self.turn,
            "order": order,
            "workers": [
                {"start": _as_tensors(w.start), "now": _as_tensors(w.now), "batches": w.batches, "dataset": w.dataset}
                for w in self.workers
            ],
            "generators": generator_states(loader),
            "samplers": sampler_states(loader),
            "dataset": dataset,
        }


def read_state(state: dict) -> dict:
    """A state as `Progress` gave it, randomness in the form that generators take. ValueError for anything else."""
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise ValueError(f"DataLoader.load_state_dict: expected what DataLoader.state_dict() returned (version "
                         f"{VERSION}), got {type(state).__name__} {list(state)[:5] if isinstance(state, dict) else ''}")
    order = {key: value and {**value, "randomness": _from_tensors(value["randomness"])}
             for key, value in (state["order"] or {}).items()}
    workers = [WorkerProgress(_from_tensors(w["start"]), _from_tensors(w["now"]), w["batches"], w["dataset"])
               for w in state["workers"]]
    return {**state, "order": order, "workers": workers}


def fresh_state(loader: Any, dataset: Any) -> dict:
    """The state of a loader that no epoch was begun with."""
    return {
        "version": VERSION, "underway": False, "batches": 0, "num_workers": loader.num_workers, "base_seed": None,
        "turn": 0, "order": None, "workers": [], "generators": generator_states(loader),
        "samplers": sampler_states(loader), "dataset": dataset,
    }  # fmt: skip
