"""The GPU, as programs ask for it: this build has CPU kernels only, and says so."""


from ..absent import absent_class, face
from ..errors import OutOfMemoryError

_TYPES = "BFloat16 Bool Byte Char Double Float Half Int Long Short".split()

globals().update(face(
    "cuda",
    answers={"caching_allocator_enable": None, "host_memory_stats": {},
             "host_memory_stats_as_nested_dict": {}, "max_memory_cached": 0, "memory_cached": 0, "ipc_collect": None,
             "memory_summary": "", "list_gpu_processes": "no cuda device"},
    orders="""caching_allocator_alloc caching_allocator_delete caching_allocator_disabled check_error cudart
        current_blas_handle current_solver_handle default_stream get_allocator_backend get_sync_debug_mode
        reset_accumulated_host_memory_stats reset_max_memory_allocated reset_max_memory_cached
        reset_peak_host_memory_stats set_sync_debug_mode""".split(),
    classes="CUDAGraph CUDAPluggableAllocator ExternalStream GreenContext cudaStatus graph".split()))
globals().update({f"{_name}Tensor": absent_class("cuda", f"{_name}Tensor", TypeError) for _name in _TYPES})
globals().update({f"{_name}Storage": absent_class("cuda", f"{_name}Storage")
                  for _name in (*_TYPES, "ComplexDouble", "ComplexFloat")})
has_half = has_magma = False


class CudaError(RuntimeError):
    """The driver refused a call; there is none to refuse it."""


class DeferredCudaCallError(Exception):
    """A call that was put off until the first use of a GPU failed."""


def __getattr__(name):
    if name in ("amp", "graphs", "jiterator", "memory", "nccl", "nvtx", "profiler", "random", "sparse", "streams",
                "tunable"):
        import importlib
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["CudaError", "DeferredCudaCallError", "OutOfMemoryError", "has_half", "has_magma"]
