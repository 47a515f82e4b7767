"""Which data pipes another one reads from."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from numbatorch.utils.data.datapipes.datapipe import IterDataPipe, MapDataPipe

__all__ = ["traverse", "traverse_dps"]

DataPipeGraph = dict[int, tuple[Any, dict]]


def traverse_dps(datapipe: Any) -> DataPipeGraph:
    """{id of the pipe: (the pipe, the graphs of those that its attributes hold)}. RuntimeError for what is no pipe."""
    if not isinstance(datapipe, (IterDataPipe, MapDataPipe)):
        raise RuntimeError(f"Expected `IterDataPipe` or `MapDataPipe`, but {type(datapipe)} is found")
    return _graph(datapipe, set())


def traverse(datapipe: Any, only_datapipe: bool = False) -> DataPipeGraph:
    """`traverse_dps` under its old name; `only_datapipe` changes nothing."""
    return traverse_dps(datapipe)


def _graph(pipe: Any, seen: set[int]) -> DataPipeGraph:
    inner: DataPipeGraph = {}
    for source in _held(vars(pipe), {id(pipe), *seen}):
        inner.update(_graph(source, {id(pipe), *seen}))
    return {id(pipe): (pipe, inner)}


def _held(value: Any, seen: set[int]) -> Iterator[Any]:
    """The pipes inside a value: in containers, bound arguments, and objects that share a source."""
    if isinstance(value, (str, bytes, int, float, type(None))) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, (IterDataPipe, MapDataPipe)):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from _held(v, seen)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for v in value:
            yield from _held(v, seen)
    elif isinstance(value, functools.partial):
        yield from _held((value.func, value.args, value.keywords), seen)
    elif hasattr(value, "main_datapipe"):
        yield from _held(value.main_datapipe, seen)
    elif hasattr(value, "__self__"):
        yield from _held(value.__self__, seen)
