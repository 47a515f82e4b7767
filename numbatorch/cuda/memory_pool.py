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

    def __init__(self, driver, index, current_stream):
        self.driver, self.index, self._current_stream = driver, index, current_stream
        self.returned = collections.deque()  # blocks that nobody refers to: a collection may come at any moment
        self._free: dict[tuple, list[int]] = collections.defaultdict(list)  # (stream, size): addresses
        # Blocks that other streams used: (events, those streams while events are None, address, size, stream).
        self._pending: list[tuple] = []
        self._slabs: dict[int, int] = {}  # address of a slab: its blocks' size
        self._segments: dict[int, int] = {}  # address asked of the driver: bytes
        self._slab_of: dict[int, int] = {}
        self._lock = threading.RLock()
        self._kept: list | None = None
        self._sizes: dict[int, int] = {}  # bytes asked for: bytes of the block
        self.limit = None
        self.statistics = dict.fromkeys((
            "allocated", "allocated_peak", "allocated_total", "freed_total", "reserved", "reserved_peak",
            "allocations", "frees", "driver_allocations", "driver_frees", "retries", "failures"), 0)

    def allocate(self, nbytes):
        """A Block of at least so many bytes, for the current stream.

        OutOfMemoryError where the device has not enough, after what is kept was given back and it was tried again.
        """
        with self._lock:
            if self.returned or self._pending and not Pool.recordings:
                self.settle()
            stream = self._current_stream(self.index)
            size = self._sizes.get(nbytes) or self._size(nbytes)
            kept = self._free.get((stream, size))
            address = kept.pop() if kept else self._fresh(nbytes, size, stream)
            s = self.statistics
            s["allocations"] += 1
            s["allocated_total"] += size
            s["allocated"] = held = s["allocated"] + size
            if held > s["allocated_peak"]:
                s["allocated_peak"] = held
            block = Block(self, address, size, stream)
            if self._kept is not None:
                self._kept.append(block)
            return block

    def _size(self, nbytes):
        """The size of the block for so many bytes, kept for the next time."""
        if len(self._sizes) > 10_000:
            self._sizes.clear()
        size = self._sizes[nbytes] = nbytes if self.driver.exact else class_size(nbytes)
        return size

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
            self.statistics["retries"] += 1
            self.empty()
            address = self._ask(size)
        if address is None:
            self.statistics["failures"] += 1
            raise OutOfMemoryError(self._message(nbytes))
        s = self.statistics
        self._segments[address] = size
        s["driver_allocations"] += 1
        s["reserved"] += size
        s["reserved_peak"] = max(s["reserved_peak"], s["reserved"])
        return address

    def _ask(self, size):
        if self.limit is not None and self.statistics["reserved"] + size > self.limit:
            return None
        return self.driver.allocate(self.index, size)

    def _message(self, nbytes):
        free, total = self.driver.memory(self.index)
        s = self.statistics
        limit = "" if self.limit is None else f", this process may use {readable(self.limit)}"
        return (f"CUDA out of memory. Tried to allocate {readable(nbytes)} on cuda:{self.index}, which has "
                f"{readable(total)}, {readable(free)} of them free{limit}; tensors of this process hold "
                f"{readable(s['allocated'])} of the {readable(s['reserved'])} it has reserved.")

    def settle(self):
        """Put blocks that are no longer in use where the next tensors find them."""
        with self._lock:
            s, returned = self.statistics, self.returned
            while returned:
                address, size, stream, streams = returned.popleft()
                s["frees"] += 1
                s["allocated"] -= size
                s["freed_total"] += size
                if streams or Pool.recordings and self.driver.exact:
                    self._pending.append((None, streams, address, size, stream))
                elif self.driver.exact:
                    self._release(address)
                else:
                    self._free[stream, size].append(address)
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
        s = self.statistics
        s["allocations"] -= s["frees"]
        s["driver_allocations"] -= s["driver_frees"]
        s.update(allocated_total=s["allocated"], **dict.fromkeys((
            "freed_total", "frees", "driver_frees", "retries", "failures"), 0))

    def _release(self, address):
        size = self._segments.pop(address)
        self._give(address)
        self.statistics["driver_frees"] += 1
        self.statistics["reserved"] -= size

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
                self._free[key] = [a for a in addresses if a in self._slab_of]
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
