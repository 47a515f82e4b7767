"""Modules over several devices: inputs are cut, copies of the module run on the parts, results are joined.

Without GPUs DataParallel is the module itself. Training over several processes is not there.
"""

from .data_parallel import DataParallel, data_parallel
from .distributed import DistributedDataParallel
from .replicas import parallel_apply, replicate
from .scatter_gather import gather, scatter, scatter_kwargs

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel", "gather", "parallel_apply", "replicate",
           "scatter", "scatter_kwargs"]
