"""Memory that chunks of a kernel's work share: as many buffers as there are threads, of which each chunk claims one.

A block holds the number of buffers, a flag for each, 64 bytes apart, and the buffers. Who finds none free waits.
"""

from ctypes import memmove, memset

import numpy as np

from .memory import address, allocate
from .threads import get_num_threads

_COUNTS = np.arange(1025)  # numbers that are copied to where kernels read them

# fmt: off
CLAIM = """
; The number of a working buffer that no other chunk is using: flags are 64 bytes apart.
define internal i64 @claim(ptr %flags, i64 %count) nounwind {
entry:
 br label %look
look:
 %slot = phi i64 [0, %entry], [%next, %taken]
 %shift = mul i64 %slot, 64
 %flag = getelementptr i8, ptr %flags, i64 %shift
 %pair = cmpxchg ptr %flag, i64 0, i64 1 acquire monotonic
 %mine = extractvalue { i64, i1 } %pair, 1
 br i1 %mine, label %exit, label %taken
taken:
 %following = add i64 %slot, 1
 %beyond = icmp sge i64 %following, %count
 %next = select i1 %beyond, i64 0, i64 %following
 br label %look
exit:
 ret i64 %slot
}
"""
# fmt: on


def count(chunks):
    """How many buffers chunks need."""
    return min(get_num_threads(), chunks, len(_COUNTS) - 1)


def made(buffers, nbytes):
    """A block with so many buffers of `nbytes`, a multiple of 64, all free."""
    block = allocate(64 * (1 + buffers) + buffers * nbytes)
    work = address(block)
    memset(work, 0, 64 * (1 + buffers))
    memmove(work, _COUNTS.ctypes.data + 8 * buffers, 8)
    return block


__all__ = ["CLAIM", "count", "made"]
