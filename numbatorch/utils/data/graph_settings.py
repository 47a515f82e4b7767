"""What a DataLoader sets in a graph of data pipes: whether they shuffle, with which seeds, and which share is read."""

from __future__ import annotations

import warnings
from typing import Any

from numbatorch import Generator
from numbatorch.utils.data.datapipes.iter.sharding import SHARDING_PRIORITIES
from numbatorch.utils.data.graph import DataPipeGraph, traverse_dps
from numbatorch.utils.data.sampler import draw_seed

__all__ = ["apply_random_seed", "apply_sharding", "apply_shuffle_seed", "apply_shuffle_settings",
           "get_all_graph_pipes"]


def get_all_graph_pipes(graph: DataPipeGraph) -> list:
    """The pipes of a graph, each once."""
    found: dict[int, Any] = {}

    def look(part: DataPipeGraph) -> None:
        for key, (pipe, inner) in part.items():
            found.setdefault(key, pipe)
            look(inner)
    look(graph)
    return list(found.values())


def _has(pipe: Any, *names: str) -> bool:
    return all(callable(getattr(pipe, name, None)) for name in names)


def apply_sharding(datapipe: Any, num_of_instances: int, instance_id: int,
                   sharding_group: SHARDING_PRIORITIES = SHARDING_PRIORITIES.DEFAULT) -> Any:
    """Let the pipes that can be divided give share `instance_id` of `num_of_instances`.

    RuntimeError for two of them one after the other.
    """
    def look(graph: DataPipeGraph, above: Any) -> None:
        for pipe, inner in graph.values():
            divided = above
            if _has(pipe, "is_shardable") and pipe.is_shardable() and _has(pipe, "apply_sharding"):
                if above is not None and above is not pipe:
                    raise RuntimeError("Sharding twice on a single pipeline is likely unintended and will cause data "
                                       f"loss. Sharding already applied to {above} while trying to apply to {pipe}")
                pipe.apply_sharding(num_of_instances, instance_id, sharding_group)
                divided = pipe
            look(inner, divided)
    look(traverse_dps(datapipe), None)
    return datapipe


def apply_shuffle_settings(datapipe: Any, shuffle: bool | None = None) -> Any:
    """Switch the shuffling pipes on or off; with none of them, one at the end is added and a warning given."""
    if shuffle is None:
        return datapipe
    shufflers = [p for p in get_all_graph_pipes(traverse_dps(datapipe)) if _has(p, "set_shuffle", "set_seed")]
    if not shufflers and shuffle:
        warnings.warn("`shuffle=True` was set, but the datapipe does not contain a `Shuffler`. Adding one at the end. "
                      "Be aware that the default buffer size might not be sufficient for your task.", stacklevel=3)
        datapipe = datapipe.shuffle()
        shufflers = [datapipe]
    for shuffler in shufflers:
        shuffler.set_shuffle(shuffle)
    return datapipe


def apply_random_seed(datapipe: Any, rng: Generator) -> Any:
    """Give the pipes that draw random numbers a seed each, from a generator."""
    for pipe in get_all_graph_pipes(traverse_dps(datapipe)):
        if _has(pipe, "set_seed"):
            pipe.set_seed(draw_seed(rng))
    return datapipe


def apply_shuffle_seed(datapipe: Any, rng: Generator) -> Any:
    """`apply_random_seed` under its old name."""
    return apply_random_seed(datapipe, rng)


def seed_pipes(datapipe: Any, shared_seed: int | None) -> None:
    """`apply_random_seed` with the seed that all workers of an epoch share; None: nothing to do."""
    if shared_seed is not None:
        generator = Generator()
        generator.manual_seed(shared_seed)
        apply_random_seed(datapipe, generator)
