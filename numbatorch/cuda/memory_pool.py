"""Memory of a device, kept for the next tensors: asking the driver takes as long as many a kernel, and waits for them.

Sizes are rounded up to classes, four to a power of two, so that a block serves tensors of about its size. Small classes
are cut from slabs. A block that nobody uses any more goes to a list of its stream: its next user comes later on the
same stream, so there is nothing to wait for. `used_on` names further streams, whose work is then awaited by events.
"""

import collections
import ctypes
import threading

from ..errors import OutOfMemoryError

SLAB = 2 << 20  # bytes: small blocks are cut from so much
SMALL = SLAB // 8  # bytes up to which a block is cut from a slab
LEAST = 512


def class_size(nbytes):
    """The size that an allocation is rounded up to: LEAST, then 4 to each power of two."""
    if nbytes <= LEAST:
        return LEAST
    step = 1 << max((nbytes - 1).bit_length() - 3, 9)
    return -(-nbytes // step) * step


class Block:
    """Memory of a device while something refers to it."""

    __slots__ = ("address", "size", "stream", "streams", "_pool", "__weakref__")

    def __init__(self, pool, address, size, stream):
        self._pool, self.address, self.size, self.stream, self.streams = pool, address, size, stream, ()

    def view(self, nbytes):
        """The first bytes as an object of ctypes, of memory that is the host's."""
        return (ctypes.c_ubyte * nbytes).from_address(self.address)

    def used_on(self, stream):
        """Work on this stream uses the memory, too: it is not given to another tensor before that work is done."""
        if stream != self.stream and stream not in self.streams:
            self.streams = (*self.streams, stream)

    def __del__(self):
        self._pool.returned.append((self.address, self.size, self.stream, self.streams))


class Pool:
    """The memory of one device. `allocate(nbytes)` gives a Block; statistics are in bytes and counts."""

    recordings = 0  # pools of this process that keep blocks for a graph

    def __init__(self, driver, index, thread):
        """thread: has, as `streams`, each device's current stream in a thread."""
        self.driver, self.index, self._thread = driver, index, thread
        self.returned = collections.deque()  # blocks that nobody refers to: a collection may come at any moment
        self._free: dict[tuple, list[int]] = collections.defaultdict(list)  # (stream, size): addresses
        # Blocks that other streams used: (events, those streams while events are None, address, size, stream).
        self._pending: list[tuple] = []
        self._slabs: dict[int, int] = {}  # address of a slab: its blocks' size
        self._segments: dict[int, int] = {}  # address asked of the driver: bytes
        self._slab_of: dict[int, int] = {}
        self._lock = threading.RLock()
        self._kept: list | None = None
        self.limit = None
        self._by_request: dict[tuple, tuple] = {}  # (stream, bytes asked for): (size, its list in _free)
        self._allocated = self._peak = self._live = self._frees = self._freed = 0  # bytes, blocks, blocks, bytes
        self._statistics = dict.fromkeys((
            "reserved", "reserved_peak", "driver_allocations", "driver_frees", "retries", "failures"), 0)

    def allocate(self, nbytes):
        """A Block of at least so many bytes, for the current stream.

        OutOfMemoryError where the device has not enough, after what is kept was given back and it was tried again.
        """
        with self._lock:
            if self.returned:
                self._take_back()
            if self._pending and not Pool.recordings:
                self.settle()
            stream = self._thread.streams.get(self.index, 0)
            found = self._by_request.get((stream, nbytes))
            size, kept = found if found is not None else self._request(stream, nbytes)
            address = kept.pop() if kept else self._fresh(nbytes, size, stream)
            self._live += 1
            self._allocated = held = self._allocated + size
            if held > self._peak:
                self._peak = held
            block = Block(self, address, size, stream)
            if self._kept is not None:
                self._kept.append(block)
            return block

    def _request(self, stream, nbytes):
        """(size of the block for so many bytes, the list of those that are free), kept for the next time."""
        if len(self._by_request) > 10_000:
            self._by_request.clear()
        size = nbytes if self.driver.exact else class_size(nbytes)
        found = self._by_request[stream, nbytes] = size, self._free[stream, size]
        return found

    @property
    def statistics(self):
        """{"allocated", "reserved", ...}: bytes in use and asked of the driver, their peaks, and counts."""
        return {"allocated": self._allocated, "allocated_peak": self._peak,
                "allocated_total": self._allocated + self._freed, "freed_total": self._freed,
                "allocations": self._live + self._frees, "frees": self._frees, **self._statistics}

    def reset_peaks(self):
        """Let peaks count from now on."""
        self._peak, self._statistics["reserved_peak"] = self._allocated, self._statistics["reserved"]

    def keep_into(self, blocks):
        """Let a list keep every Block from now on, for work that is recorded and done later; None: no more.

        Meanwhile no event is recorded or asked for, nor memory given back: a stream that is recorded forbids it.
        """
        Pool.recordings += (blocks is not None) - (self._kept is not None)
        self._kept = blocks

    def _fresh(self, nbytes, size, stream):
        if self.driver.exact or size > SMALL:
            return self._segment(nbytes, size)
        slab = self._segment(nbytes, SLAB)
        addresses = [slab + at for at in range(0, SLAB - size + 1, size)]
        self._slabs[slab] = len(addresses)
        self._slab_of.update(dict.fromkeys(addresses, slab))
        self._free[stream, size] += reversed(addresses)
        return self._free[stream, size].pop()

    def _segment(self, nbytes, size):
        address = self._ask(size)
        if address is None and not Pool.recordings:
            self._statistics["retries"] += 1
            self.empty()
            address = self._ask(size)
        if address is None:
            self._statistics["failures"] += 1
            raise OutOfMemoryError(self._message(nbytes))
        s = self._statistics
        self._segments[address] = size
        s["driver_allocations"] += 1
        s["reserved"] += size
        s["reserved_peak"] = max(s["reserved_peak"], s["reserved"])
        return address

    def _ask(self, size):
        if self.limit is not None and self._statistics["reserved"] + size > self.limit:
            return None
        return self.driver.allocate(self.index, size)

    def _message(self, nbytes):
        free, total = self.driver.memory(self.index)
        s = self.statistics
        limit = "" if self.limit is None else f", this process may use {readable(self.limit)}"
        return (f"CUDA out of memory. Tried to allocate {readable(nbytes)} on cuda:{self.index}, which has "
                f"{readable(total)}, {readable(free)} of them free{limit}; tensors of this process hold "
                f"{readable(s['allocated'])} of the {readable(s['reserved'])} it has reserved.")

    def _take_back(self):
        """Count blocks that nobody refers to any more, and keep their memory."""
        returned, exact = self.returned, self.driver.exact
        while returned:
            address, size, stream, streams = returned.popleft()
            self._live -= 1
            self._frees += 1
            self._allocated -= size
            self._freed += size
            if streams or exact and Pool.recordings:
                self._pending.append((None, streams, address, size, stream))
            elif exact:
                self._release(address)
            else:
                self._free[stream, size].append(address)

    def settle(self):
        """Put blocks that are no longer in use where the next tensors find them."""
        with self._lock:
            self._take_back()
            if not self._pending or Pool.recordings:
                return
            waiting, self._pending = self._pending, []
            for events, streams, address, size, stream in waiting:
                if events is None:
                    events = [self._event(other) for other in streams if not self._is_gone(other)]
                if all(self.driver.query_event(event) for event in events):
                    for event in events:
                        self.driver.destroy_event(event)
                    if self.driver.exact:
                        self._release(address)
                    else:
                        self._free[stream, size].append(address)
                else:
                    self._pending.append((events, (), address, size, stream))

    def _is_gone(self, stream):
        """Whether a stream was destroyed, which waits for its work."""
        return stream in self.driver.gone

    def _event(self, stream):
        event = self.driver.create_event(self.index, False)
        self.driver.record_event(self.index, event, stream)
        return event

    def _give(self, address):
        """Give memory back to the driver."""
        self.driver.free(self.index, address)

    def reset_accumulated(self):
        """Let what only grows count from now on."""
        s, self._frees, self._freed = self._statistics, 0, 0
        s["driver_allocations"] -= s["driver_frees"]
        s.update(driver_frees=0, retries=0, failures=0)

    def _release(self, address):
        size = self._segments.pop(address)
        self._give(address)
        self._statistics["driver_frees"] += 1
        self._statistics["reserved"] -= size

    def empty(self):
        """Give all memory that no tensor uses back to the driver; nothing while work is recorded."""
        with self._lock:
            if Pool.recordings:
                return
            self.settle()
            for events, *_ in self._pending:
                for event in events:
                    self.driver.synchronize_event(event)
            self.settle()
            unused: dict[int, list] = collections.defaultdict(list)
            for key, addresses in list(self._free.items()):
                for address in addresses:
                    if address in self._slab_of:
                        unused[self._slab_of[address]].append((key, address))
                    else:
                        self._release(address)
                addresses[:] = [a for a in addresses if a in self._slab_of]
            for slab, blocks in unused.items():
                if len(blocks) == self._slabs[slab]:
                    for key, address in blocks:
                        self._free[key].remove(address)
                        del self._slab_of[address]
                    del self._slabs[slab]
                    self._release(slab)


def readable(nbytes):
    """2.50 GiB"""
    value = float(nbytes)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{int(value)} {unit}" if unit == "bytes" else f"{value:.2f} {unit}"
        value /= 1024
    return f"{value:.2f} GiB"
