"""The accelerator beside the CPU, whichever it is: there is none in this build, so what is asked of it is refused."""

from .absent import absent_class, device, face

_ORDERS = """
    current_device_idx current_device_index current_stream empty_cache empty_host_cache get_device_capability
    get_memory_info max_memory_allocated max_memory_reserved memory_allocated memory_reserved memory_stats
    reset_accumulated_memory_stats reset_peak_memory_stats set_device_idx set_device_index set_stream synchronize
""".split()
_face = face("accelerator", orders=_ORDERS)
globals().update({name: _face[name] for name in (*_ORDERS, "is_available", "device_count")})
Graph = absent_class("accelerator", "Graph")


def current_accelerator(check_available=False):
    """The device of the accelerator: None."""
    return None


class device_index(device):
    """`with device_index(n):` makes accelerator n current; None changes nothing, others are refused."""

    kind = "accelerator"
