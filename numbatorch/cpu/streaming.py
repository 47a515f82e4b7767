"""Results larger than the last cache: written past the caches, a line at a time.

An ordinary store first reads the line that it will overwrite, so a result that nobody can find in a cache afterwards
costs twice its size in memory traffic. Kernels for such results compute a piece at a time into a buffer in the first
cache, and `stream` writes it from there with non-temporal stores. These are ordered by the atomic instructions with
which threads hand over a region (threads.py), so no fence follows them.
"""

import contextlib
import functools
from pathlib import Path

PIECE = 256  # elements a buffer holds: best of 256..2048 for exp and casts of 64 MB, EPYC (Zen 5)

# Copies bytes: up to the first whole line of the target, line by line, then what is left.
TEXT = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define internal void @numbatorch_stream(ptr noalias %to, ptr noalias %from, i64 %bytes) nounwind {
entry:
 %address = ptrtoint ptr %to to i64
 %minus = sub i64 0, %address
 %ahead = and i64 %minus, 63
 %short = icmp ult i64 %bytes, %ahead
 %head = select i1 %short, i64 %bytes, i64 %ahead
 %some_head = icmp ne i64 %head, 0
 br i1 %some_head, label %first, label %middle
first:
 call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %head, i1 false)
 br label %middle
middle:
 %rest = sub i64 %bytes, %head
 %whole = and i64 %rest, -64
 %end = add i64 %head, %whole
 br label %next
next:
 %at = phi i64 [%head, %middle], [%after, %line]
 %more = icmp ult i64 %at, %end
 br i1 %more, label %line, label %last
line:
 %source = getelementptr i8, ptr %from, i64 %at
 %target = getelementptr i8, ptr %to, i64 %at
 %value = load <16 x i32>, ptr %source, align 1
 store <16 x i32> %value, ptr %target, align 64, !nontemporal !987654
 %after = add i64 %at, 64
 br label %next
last:
 %tail = sub i64 %bytes, %end
 %some_tail = icmp ne i64 %tail, 0
 br i1 %some_tail, label %finish, label %exit
finish:
 %source_tail = getelementptr i8, ptr %from, i64 %end
 %target_tail = getelementptr i8, ptr %to, i64 %end
 call void @llvm.memcpy.p0.p0.i64(ptr %target_tail, ptr %source_tail, i64 %tail, i1 false)
 br label %exit
exit:
 ret void
}
!987654 = !{i32 1}
"""

# Reads a byte of each line.
TOUCH = """
define internal void @numbatorch_touch(ptr %from, i64 %bytes) alwaysinline nounwind {
entry:
 br label %next
next:
 %at = phi i64 [0, %entry], [%after, %line]
 %more = icmp slt i64 %at, %bytes
 br i1 %more, label %line, label %exit
line:
 %place = getelementptr i8, ptr %from, i64 %at
 %value = load volatile i8, ptr %place
 %after = add i64 %at, 64
 br label %next
exit:
 ret void
}
"""


@functools.cache
def last_cache_bytes(folder="/sys/devices/system/cpu/cpu0/cache"):
    """The size of the CPU's largest cache; 32 MB where the system does not tell."""
    sizes = []
    for path in Path(folder).glob("index*/size"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            text = path.read_text().strip()
            sizes.append(int(text[:-1]) << {"K": 10, "M": 20, "G": 30}[text[-1]])
    return max(sizes, default=1 << 25)


def when(*outputs):
    """Whether results of these layouts are better written past the caches."""
    return sum(o.nbytes for o in outputs) >= last_cache_bytes()
