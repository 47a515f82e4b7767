"""NVIDIA's profiler: not part of numbatorch, refused."""

from ..absent import orders

globals().update(orders("cuda.profiler", "init profile start stop"))
