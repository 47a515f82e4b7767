"""Pinned memory: memory of the host that devices read and write while the host goes on.

It is kept like a device's (memory_pool.py). Where a copy was asked for without waiting, the block notes its stream, and
nobody gets the memory before that stream's work is done.
"""

import bisect
import types
import weakref

from . import runtime
from .memory_pool import Pool, readable


class HostPool(Pool):
    """The pinned memory of this process. Streams are (index of a device, handle): work of any device may use it."""

    def __init__(self, driver):
        super().__init__(driver, 0, types.SimpleNamespace(streams={0: None}))
        self._starts: list[int] = []  # of blocks in use, sorted
        self._blocks: dict[int, weakref.ref] = {}

    def allocate(self, nbytes):
        """A Block of at least so many bytes. OutOfMemoryError where the host gives no more."""
        with self._lock:
            block = super().allocate(max(nbytes, 1))
            bisect.insort(self._starts, block.address)
            self._blocks[block.address] = weakref.ref(block)
            return block

    def _take_back(self):
        for address, *_ in list(self.returned):
            if self._blocks.pop(address, None) is not None:
                del self._starts[bisect.bisect_left(self._starts, address)]
        super()._take_back()

    def covering(self, address):
        """The Block in use that an address of the host lies in, or None."""
        if not self._starts:
            return None
        with self._lock:
            k = bisect.bisect_right(self._starts, address) - 1
            found = self._blocks[self._starts[k]]() if k >= 0 else None
            return found if found is not None and address < found.address + max(found.size, 1) else None

    def _ask(self, size):
        return self.driver.allocate_host(size)

    def _give(self, address):
        self.driver.free_host(address)

    def _event(self, stream):
        index, handle = stream
        event = self.driver.create_event(index, False)
        self.driver.record_event(index, event, handle)
        return event

    def _is_gone(self, stream):
        return stream[1] in self.driver.gone

    def _message(self, nbytes):
        return (f"CUDA: tried to allocate {readable(nbytes)} of pinned memory, and the host gives no more; pinned "
                f"tensors hold {readable(self.statistics['allocated'])}")


_pools: dict = {}


def pool():
    """The HostPool of the driver."""
    driver = runtime.driver()
    found = _pools.get(driver)
    if found is None:
        found = _pools.setdefault(driver, HostPool(driver))
    return found


def covering(address):
    """The pinned Block that an address of the host lies in, or None."""
    found = _pools.get(runtime.found())
    return None if found is None else found.covering(address)


def host_memory_stats():
    """{"allocated_bytes.current": ..., ...}: pinned memory in use and kept."""
    used = _pools.get(runtime.found())
    if used is None:
        return {}
    used.settle()
    s = used.statistics
    return {"allocated_bytes.current": s["allocated"], "allocated_bytes.peak": s["allocated_peak"],
            "allocated_bytes.allocated": s["allocated_total"], "allocated_bytes.freed": s["freed_total"],
            "allocations.current": s["allocations"] - s["frees"], "allocations.allocated": s["allocations"],
            "allocations.freed": s["frees"], "reserved_bytes.current": s["reserved"],
            "reserved_bytes.peak": s["reserved_peak"], "num_host_alloc": s["driver_allocations"],
            "num_host_free": s["driver_frees"]}


def host_memory_stats_as_nested_dict():
    """The same as dictionaries in dictionaries."""
    from .usage import nested
    return nested(host_memory_stats())


def reset_peak_host_memory_stats():
    """Let peaks of pinned memory count from now on."""
    pool().reset_peaks()


def empty_host_cache():
    """Give the pinned memory that no tensor holds back to the system."""
    pool().empty()


def reset_accumulated_host_memory_stats():
    """Let what only grows count from now on."""
    pool().reset_accumulated()
