"""Pools of processes whose arguments and results may hold tensors: the standard library's."""

from multiprocessing.pool import Pool, ThreadPool

__all__ = ["Pool", "ThreadPool"]
