"""Marks in NVIDIA's profilers: not part of numbatorch, refused."""

from ..absent import orders

globals().update(orders("cuda.nvtx", "mark range range_end range_pop range_push range_start"))
