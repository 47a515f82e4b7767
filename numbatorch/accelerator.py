"""The accelerator beside the CPU, whichever it is: the GPU where there is one; else what is asked of it is refused."""

from .absent import absent_class, device, face, present

_ORDERS = """
    current_device_idx current_device_index current_stream empty_cache empty_host_cache get_device_capability
    get_memory_info max_memory_allocated max_memory_reserved memory_allocated memory_reserved memory_stats
    reset_accumulated_memory_stats reset_peak_memory_stats set_device_idx set_device_index set_stream synchronize
""".split()
_CUDA = {  # the same by the name that cuda has for it
    "current_device_idx": "current_device", "current_device_index": "current_device", "get_memory_info": "mem_get_info",
    "set_device_idx": "set_device", "set_device_index": "set_device"}
_face = face("accelerator", orders=_ORDERS)
Graph = absent_class("accelerator", "Graph")


def _is_present():
    from . import cuda
    return cuda.is_available()


present["accelerator"] = _is_present


def _either(name):
    """The function of the absent face, which asks `cuda` where that has a device."""
    without = _face[name]

    def function(*args, **kwargs):
        from . import cuda
        found = getattr(cuda, _CUDA.get(name, name), None) if cuda.is_available() else None
        return (found or without)(*args, **kwargs)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`cuda.{_CUDA.get(name, name)}` of the GPU; without one: {without.__doc__}"
    return function


globals().update({name: _either(name) for name in (*_ORDERS, "is_available", "device_count")})


def current_accelerator(check_available=False):
    """The device of the accelerator: "cuda" where there is a GPU, else None."""
    from . import cuda
    from .device import device
    return device("cuda") if cuda.is_available() else None


class device_index(device):
    """`with device_index(n):` makes accelerator n current; None changes nothing, others are refused without one."""

    kind = "accelerator"

    def __enter__(self):
        from . import cuda
        if self.idx >= 0 and cuda.is_available():
            self._chosen = cuda.device(self.idx)
            return self._chosen.__enter__()
        return super().__enter__()

    def __exit__(self, *_):
        chosen, self._chosen = getattr(self, "_chosen", None), None
        return chosen.__exit__() if chosen is not None else False
