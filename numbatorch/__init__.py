"""numbatorch: PyTorch's programming model in pure Python, its kernels generated and compiled by Numba.

    import numbatorch as torch
"""

from typing import TYPE_CHECKING, Any

from . import ops

ops.load()

from . import creation, methods, operators, queries, randomness, windows
from .ops import inplace as _inplace

operators.install()
globals().update(ops.namespace(""))
globals().update(_inplace.functions())
methods.install()
for _module in (creation, randomness, windows):
    globals().update({name: getattr(_module, name) for name in _module.FUNCTIONS})
globals().update(queries.FUNCTIONS)

from . import autograd, dtypes as _dtypes, indexing
from .autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .autograd.modes import is_inference_mode_enabled
from .creation import (
    borrowed as from_numpy,
    channels_last,
    channels_last_3d,
    contiguous_format,
    jagged,
    layout_type as layout,
    legacy_contiguous_format,
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
from .device import device, get_default_device, set_default_device
from .dtypes import can_cast, dtype, finfo, get_default_dtype, iinfo, promote_types, set_default_dtype
from .printing import set_printoptions
from .queries import broadcast_shapes, is_nonzero, is_storage, numel, result_type, typename
from .tensor import Size, Tensor, UntypedStorage

for _d in (*_dtypes.ALL, *_dtypes.STORED):
    globals()[_d.name] = _d
globals().update(_dtypes.ALIASES)

from math import e, inf, nan, pi

newaxis = None
if TYPE_CHECKING:
    tensor: Any  # the function, not the module
__version__ = "0.1.0"

# Imported when first named: submodules, and names by the submodule that defines them.
_SUBMODULES = frozenset("""
    __config__ __future__ _C _VF _custom_ops _dynamo _higher_order_ops _tensor_str accelerator amp ao backends
    compiler cpu cuda datasets distributed distributions export fft func functional futures fx hub jit library
    linalg masked mps multiprocessing nested nn onnx optim overrides profiler random return_types safetensors
    serialization signal sparse special testing torch_version types utils version xpu
""".split())
_DEFINED_IN = {
    "amp": "GradScaler",
    "amp.autocast_mode": """
        autocast clear_autocast_cache get_autocast_cpu_dtype get_autocast_dtype get_autocast_gpu_dtype
        is_autocast_available is_autocast_cache_enabled is_autocast_cpu_enabled is_autocast_enabled
        set_autocast_cache_enabled set_autocast_cpu_dtype set_autocast_cpu_enabled set_autocast_dtype
        set_autocast_enabled set_autocast_gpu_dtype""",
    "autograd": "is_anomaly_check_nan_enabled is_anomaly_enabled set_anomaly_enabled",
    "checks": """
        _assert _assert_async _check _check_index _check_is_size _check_not_implemented _check_tensor_all
        _check_tensor_all_with _check_type _check_value _check_with""",
    "compiler": "compile",
    "control_flow": "cond while_loop",
    "determinism": """
        are_deterministic_algorithms_enabled get_deterministic_debug_mode is_deterministic_algorithms_warn_only_enabled
        set_deterministic_debug_mode use_deterministic_algorithms""",
    "dlpack": "from_dlpack to_dlpack",
    "errors": "OutOfMemoryError",
    "func": "vmap",
    "generator": "Generator default_generator",
    "legacy": """
        BFloat16Storage BFloat16Tensor BoolStorage BoolTensor ByteStorage ByteTensor CharStorage CharTensor
        ComplexDoubleStorage ComplexFloatStorage DoubleStorage DoubleTensor FloatStorage FloatTensor HalfStorage
        HalfTensor IntStorage IntTensor LongStorage LongTensor ShortStorage ShortTensor Storage TypedStorage
        set_default_tensor_type""",
    "random": "get_rng_state initial_seed manual_seed seed set_rng_state",
    "runtime": """
        compiled_with_cxx11_abi get_device_module get_float32_matmul_precision get_num_interop_threads get_num_threads
        has_lapack has_mkl has_openmp has_spectral is_warn_always_enabled set_float32_matmul_precision
        set_flush_denormal set_num_interop_threads set_num_threads set_warn_always""",
    "jit": "CompilationUnit Future ScriptFunction ScriptModule",
    "serialization": "load save",
    "serialization.file_reader": "PyTorchFileReader",
    "streams": "Event Stream",
    "symbolic": """
        SymBool SymFloat SymInt sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum""",
    "sparse": """
        sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor sparse_csc_tensor
        sparse_csr_tensor""",
}
_NAMES = {name: module for module, names in _DEFINED_IN.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Submodules, and what they define, are imported when first named."""
    import importlib
    if name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _NAMES:
        found = globals()[name] = getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
        return found
    if name.startswith("_foreach_"):
        return getattr(importlib.import_module(".foreach", __name__), name)
    if name in ("_fused_adagrad_", "_fused_adam_", "_fused_adamw_", "_fused_sgd_", "_fused_step_"):
        return getattr(importlib.import_module(".fused", __name__), name)
    if name == "torch":  # PyTorch's module holds itself under its own name, and programs say torch.torch
        import sys
        return sys.modules[__name__]
    if not name.startswith("__"):
        from .missing import MISSING, refuse
        if f"torch.{name}" in MISSING:
            refuse("torch", name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
