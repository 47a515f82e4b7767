"""Global memory: one NumPy array with addresses of its own. What was not allocated cannot be read or written."""

import bisect

import numpy as np

from .text import PTXError

BASE = 1 << 44  # far from any address of the host: a pointer of the wrong side is noticed
ALIGN = 256


class Arena:
    """`size` bytes; pages that were never touched cost nothing."""

    def __init__(self, size):
        self.bytes = np.zeros(-(-size // ALIGN) * ALIGN, np.uint8)
        self.size = self.bytes.size
        self._starts: list[int] = []  # of blocks in use, sorted
        self._ends: list[int] = []
        self._arrays = (np.empty(0, np.int64), np.empty(0, np.int64))

    @property
    def used(self):
        """Bytes in use."""
        return sum(-(-(end - start) // ALIGN) * ALIGN for start, end in zip(self._starts, self._ends, strict=True))

    def allocate(self, nbytes):
        """The address of a new block filled with a pattern; None where no hole is large enough."""
        start = 0
        for k, used in enumerate([*self._starts, self.size]):
            if used - start >= max(nbytes, 1):
                self._starts.insert(k, start)
                self._ends.insert(k, start + nbytes)
                self._changed()
                self.bytes[start: start + nbytes] = 0xCB  # no kernel may count on zeros
                return BASE + start
            if k < len(self._ends):
                start = -(-max(self._ends[k], used + 1) // ALIGN) * ALIGN
        return None

    def free(self, address):
        """Give a block back. PTXError for an address that is not a block's."""
        at = bisect.bisect_left(self._starts, address - BASE)
        if at == len(self._starts) or self._starts[at] != address - BASE:
            raise PTXError(f"free of {address:#x}, which is not an allocated block")
        del self._starts[at], self._ends[at]
        self._changed()

    def _changed(self):
        self._arrays = np.array(self._starts, np.int64), np.array(self._ends, np.int64)

    def window(self, address, nbytes):
        """The bytes of a range, which must lie in one block."""
        start = address - BASE
        if nbytes:
            self._check(np.array([start]), nbytes)
        return self.bytes[start: start + nbytes]

    def places(self, address, size, mask):
        """(memory as integers of `size` bytes, index of each lane) for accesses of lanes."""
        at = address - BASE
        if mask.any():
            self._check(at[mask], size)
        return self.bytes.view(f"u{size}"), np.where(mask, at, 0) // size

    def _check(self, at, size):
        starts, ends = self._arrays
        block = np.searchsorted(starts, at, "right") - 1
        bad = block < 0
        if not bad.all() and ends.size:
            bad |= at + size > ends[np.maximum(block, 0)]
        if bad.any():
            first = int(at[bad][0])
            raise PTXError(f"access of {size} bytes at {first + BASE:#x}, which is not allocated{self._near(first)}")

    def _near(self, at):
        k = bisect.bisect_right(self._starts, at) - 1
        if k < 0:
            return ""
        return f" ({at - self._ends[k]} bytes behind the end of a block of {self._ends[k] - self._starts[k]})"
