"""numbatorch: PyTorch's programming model in pure Python, its kernels generated and compiled by Numba.

    import numbatorch as torch
"""

from typing import TYPE_CHECKING, Any

from . import ops

ops.load()

from . import creation, operators, randomness, windows
from .ops import inplace as _inplace

operators.install()
globals().update(ops.namespace(""))
globals().update(_inplace.functions())
for _module in (creation, randomness, windows):
    globals().update({name: getattr(_module, name) for name in _module.FUNCTIONS})

from . import autograd, dtypes as _dtypes, indexing
from .autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .autograd.modes import is_inference_mode_enabled
from .creation import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout_type as layout,
    memory_format,
    preserve_format,
    range_ as range,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)
from .device import device
from .dtypes import can_cast, dtype, finfo, get_default_dtype, iinfo, promote_types, set_default_dtype
from .printing import set_printoptions
from .queries import broadcast_shapes, is_complex, is_floating_point, is_nonzero, is_storage, numel, result_type
from .runtime import get_num_interop_threads, get_num_threads, set_num_interop_threads, set_num_threads
from .tensor import Size, Tensor, UntypedStorage

for _d in (*_dtypes.ALL, *_dtypes.STORED):
    globals()[_d.name] = _d
globals().update(_dtypes.ALIASES)

from math import e, inf, nan, pi

newaxis = None
if TYPE_CHECKING:
    tensor: Any  # the function, not the module
__version__ = "0.1.0"

_SUBMODULES = frozenset("amp nn optim utils linalg fft special signal serialization safetensors library random backends "
                        "cuda cpu datasets testing version masked sparse".split())


_NAMES = {**dict.fromkeys("autocast is_autocast_enabled set_autocast_enabled get_autocast_dtype set_autocast_dtype is_autocast_cache_enabled set_autocast_cache_enabled clear_autocast_cache is_autocast_available "
                          "get_autocast_cpu_dtype set_autocast_cpu_dtype is_autocast_cpu_enabled "
                          "set_autocast_cpu_enabled get_autocast_gpu_dtype set_autocast_gpu_dtype".split(),
                          "amp.autocast_mode"), "GradScaler": "amp",
          "Generator": "generator", "default_generator": "generator", "save": "serialization", "load": "serialization",
          "manual_seed": "random", "seed": "random", "initial_seed": "random", "get_rng_state": "random",
          "set_rng_state": "random"}


def __getattr__(name: str) -> Any:
    """Submodules, and what they define, are imported when first named."""
    import importlib
    if name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _NAMES:
        found = globals()[name] = getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
