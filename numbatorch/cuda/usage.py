"""Memory of a device as programs ask for it: how much is in use, how much is kept, and giving that back."""

from . import runtime
from .devices import index_of
from .memory_pool import readable


def _pool(device, name):
    from .backend import on
    pool = on(index_of(device, name)).pool
    pool.settle()
    return pool


def memory_allocated(device=None):
    """Bytes that tensors hold."""
    return _pool(device, "memory_allocated").statistics["allocated"]


def max_memory_allocated(device=None):
    """The most bytes that tensors held at once since the start or `reset_peak_memory_stats`."""
    return _pool(device, "max_memory_allocated").statistics["allocated_peak"]


def memory_reserved(device=None):
    """Bytes that were asked of the driver and not given back."""
    return _pool(device, "memory_reserved").statistics["reserved"]


def max_memory_reserved(device=None):
    """The most bytes that were reserved at once."""
    return _pool(device, "max_memory_reserved").statistics["reserved_peak"]


memory_cached, max_memory_cached = memory_reserved, max_memory_reserved  # their older names


def memory_stats(device=None):
    """{"allocated_bytes.all.current": ..., ...}: bytes in use and reserved, and how often memory was asked for."""
    s = _pool(device, "memory_stats").statistics
    return {
        "allocated_bytes.all.current": s["allocated"], "allocated_bytes.all.peak": s["allocated_peak"],
        "allocated_bytes.all.allocated": s["allocated_total"], "allocated_bytes.all.freed": s["freed_total"],
        "allocation.all.current": s["allocations"] - s["frees"], "allocation.all.allocated": s["allocations"],
        "allocation.all.freed": s["frees"], "reserved_bytes.all.current": s["reserved"],
        "reserved_bytes.all.peak": s["reserved_peak"],
        "segment.all.current": s["driver_allocations"] - s["driver_frees"],
        "num_device_alloc": s["driver_allocations"], "num_device_free": s["driver_frees"],
        "num_alloc_retries": s["retries"], "num_ooms": s["failures"]}


def memory_stats_as_nested_dict(device=None):
    """The same as dictionaries in dictionaries."""
    return nested(memory_stats(device))


def nested(statistics):
    """Names with dots as dictionaries in dictionaries."""
    found: dict = {}
    for name, value in statistics.items():
        *parents, last = name.split(".")
        inner = found
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return found


def memory_summary(device=None, abbreviated=False):
    """The figures of `memory_stats` as a text to read."""
    s = _pool(device, "memory_summary").statistics
    return "\n".join((f"memory of cuda:{index_of(device, 'memory_summary')}",
                      f"  tensors   {readable(s['allocated']):>12}  peak {readable(s['allocated_peak']):>12}",
                      f"  reserved  {readable(s['reserved']):>12}  peak {readable(s['reserved_peak']):>12}",
                      f"  asked for {s['allocations']} times, of the driver {s['driver_allocations']} times; "
                      f"{s['retries']} retries, {s['failures']} failures"))


def memory_snapshot(mempool_id=None):
    """NotImplementedError: segments and blocks one by one; `memory_stats` has their sums."""
    raise NotImplementedError("cuda.memory_snapshot: not part of numbatorch; cuda.memory_stats() has the sums")


def list_gpu_processes(device=None):
    """NotImplementedError: other processes; `mem_get_info` tells what all of them use together."""
    raise NotImplementedError("cuda.list_gpu_processes: not part of numbatorch; nvidia-smi lists them, "
                              "cuda.mem_get_info() has the sum")


def reset_peak_memory_stats(device=None):
    """Let peaks count from now on."""
    _pool(device, "reset_peak_memory_stats").reset_peaks()


reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats  # its older names


def reset_accumulated_memory_stats(device=None):
    """Let what only grows count from now on."""
    _pool(device, "reset_accumulated_memory_stats").reset_accumulated()


def empty_cache():
    """Give the memory that no tensor holds back to the driver, on every device that was used."""
    from .backend import used
    for device in used():
        device.pool.empty()


def mem_get_info(device=None):
    """(free, all) bytes of a device, as the driver sees them."""
    return runtime.driver().memory(index_of(device, "mem_get_info"))


def device_memory_used(device=None):
    """Bytes in use on a device, by all processes."""
    free, total = mem_get_info(device)
    return total - free


def set_per_process_memory_fraction(fraction, device=None):
    """Let this process reserve no more than a fraction of a device's memory. ValueError outside of 0..1."""
    if not isinstance(fraction, (int, float)) or isinstance(fraction, bool):
        raise TypeError("Invalid type for fraction argument, must be `float`")
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    _pool(device, "set_per_process_memory_fraction").limit = int(fraction * mem_get_info(device)[1])


def get_per_process_memory_fraction(device=None):
    """That fraction; 1 where none was set."""
    limit = _pool(device, "get_per_process_memory_fraction").limit
    return 1.0 if limit is None else limit / mem_get_info(device)[1]


def get_allocator_backend():
    """The kind of pool: "native"."""
    return "native"


def caching_allocator_enable(value=True):
    """Keep memory for the next tensors, which is always done. NotImplementedError for turning it off."""
    if not value:
        raise NotImplementedError("cuda.caching_allocator_enable: memory is always kept for the next tensors here")
