"""NVIDIA's profiler: refused, there is no GPU to profile."""

from ..absent import orders

globals().update(orders("cuda.profiler", "init profile start stop"))
