"""The GPU: kernels from the same declarations as the CPU's, compiled to PTX and launched through NVIDIA's driver.

Where no driver is (and NUMBATORCH_CUDA=emulate does not put the emulator in its place) questions are answered as on a
machine without a GPU, and orders raise NoAcceleratorError with the reason.
"""

import functools
import importlib

from ..absent import absent_class, face, present, reasons
from ..errors import OutOfMemoryError
from . import runtime

_TYPES = "BFloat16 Bool Byte Char Double Float Half Int Long Short".split()
_LIVE = {  # what works where there is a device, by the module that has it
    "devices": """can_device_access_peer current_device get_arch_list get_device_capability get_device_name
        get_device_properties get_gencode_flags init is_bf16_supported is_tf32_supported set_device synchronize""",
    "usage": """caching_allocator_enable device_memory_used empty_cache get_allocator_backend
        get_per_process_memory_fraction list_gpu_processes max_memory_allocated max_memory_cached max_memory_reserved
        mem_get_info memory_allocated memory_cached memory_reserved memory_snapshot memory_stats
        memory_stats_as_nested_dict memory_summary
        reset_accumulated_memory_stats reset_max_memory_allocated reset_max_memory_cached reset_peak_memory_stats
        set_per_process_memory_fraction""",
    "queues": "ExternalStream current_stream default_stream get_stream_from_external set_stream",
    "seeding": """get_rng_state get_rng_state_all initial_seed manual_seed manual_seed_all seed seed_all set_rng_state
        set_rng_state_all""",
    "recording": "graph_pool_handle is_current_stream_capturing",
    "graphed": "make_graphed_callables",
    "pinned": """empty_host_cache host_memory_stats host_memory_stats_as_nested_dict
        reset_accumulated_host_memory_stats reset_peak_host_memory_stats""",
}
_CLASSES = {"Event": "queues", "Stream": "queues", "StreamContext": "queues", "stream": "queues",
            "device": "devices", "device_of": "devices", "CUDAGraph": "recording", "graph": "recording"}
_SUBMODULES = ("amp", "graphs", "jiterator", "memory", "nccl", "nvtx", "profiler", "random", "sparse", "streams",
               "tunable")

present["cuda"], reasons["cuda"] = lambda: runtime.found() is not None, runtime.absent
_face = face(
    "cuda",
    answers={"caching_allocator_enable": None, "host_memory_stats": {},
             "host_memory_stats_as_nested_dict": {}, "max_memory_cached": 0, "memory_cached": 0, "ipc_collect": None,
             "memory_summary": "", "list_gpu_processes": "no cuda device"},
    orders="""caching_allocator_alloc caching_allocator_delete caching_allocator_disabled check_error cudart
        current_blas_handle current_solver_handle default_stream empty_host_cache ExternalStream get_allocator_backend
        get_sync_debug_mode reset_accumulated_host_memory_stats reset_max_memory_allocated reset_max_memory_cached
        reset_peak_host_memory_stats set_sync_debug_mode""".split(),
    classes="CUDAPluggableAllocator GreenContext cudaStatus".split())


def _either(module, name):
    """A function of a live module where there is a device, else that of the absent face."""
    without = _face[name]

    @functools.wraps(without)
    def function(*args, **kwargs):
        if runtime.found() is None:
            return without(*args, **kwargs)
        return getattr(importlib.import_module(f".{module}", __name__), name)(*args, **kwargs)
    function.__doc__ = f"See numbatorch/cuda/{module}.py."
    return function


globals().update({name: value for name, value in _face.items() if name not in (*_CLASSES, "default_generators")})
globals().update({_name: _either(_module, _name) for _module, _names in _LIVE.items() for _name in _names.split()})
globals().update({f"{_name}Tensor": absent_class("cuda", f"{_name}Tensor", TypeError) for _name in _TYPES})
globals().update({f"{_name}Storage": absent_class("cuda", f"{_name}Storage")
                  for _name in (*_TYPES, "ComplexDouble", "ComplexFloat")})
has_half = has_magma = False


def is_available():
    """Whether there is a device that tensors can be on."""
    return runtime.found() is not None


def device_count():
    """How many devices there are."""
    return runtime.count()


def is_initialized():
    """Whether this process has used a device."""
    return runtime.is_initialized()


class CudaError(RuntimeError):
    """The driver refused a call: of its name, for a reason by name and text."""


class DeferredCudaCallError(Exception):
    """A call that was put off until the first use of a GPU failed."""


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _CLASSES:
        found = getattr(importlib.import_module(f".{_CLASSES[name]}", __name__), name)
        globals()[name] = found
        return found
    if name == "default_generators":
        from .seeding import generator
        return tuple(generator(index, name) for index in range(runtime.count()))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["CudaError", "DeferredCudaCallError", "OutOfMemoryError", "device_count", "has_half", "has_magma",
           "is_available", "is_initialized"]
