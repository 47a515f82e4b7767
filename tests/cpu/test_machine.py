"""Machine code in memory."""

import subprocess
import sys

import pytest

CROWDED = """
import ctypes
import numbatorch as torch

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
PAGE = 4096

def reserve(size):
    return libc.mmap(None, size, 0, 0x4022, -1, 0)  # private, anonymous, without memory behind it

x = torch.arange(64.0).view(8, 8) / 64
high, far = reserve(512 * PAGE), reserve(3 << 30)
for size in (2**20, 2**16, 2 * PAGE, PAGE):
    while reserve(size) > far:
        pass
for k in range(1, 512, 2):  # single pages are all that is free above
    libc.munmap(high + k * PAGE, PAGE)
for dtype in (torch.float32, torch.float64, torch.bfloat16):
    y = x.to(dtype)
    y @ y, torch.softmax(y, 1), y.sort(), y.cumsum(0), torch.sin(y), torch.lgamma(y)
    torch.nn.functional.conv2d(y[None, None], y[None, None, :3, :3])
print("fine")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the flags of mmap are Linux's")
def test_code_and_constants_lie_together_however_crowded_memory_is():
    done = subprocess.run([sys.executable, "-c", CROWDED], capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr


MEMORY = """
import ctypes, gc, sys
import numbatorch
from numbatorch.cpu import entry, frontend, machine
release = getattr(ctypes.CDLL(None), "malloc_trim", lambda padding: None)
def resident():
    gc.collect()
    release(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4
source = "def scale(r, a, start, stop):\\n    for i in range(start, stop):\\n        r[i] = a[i] * float32(3.0)\\n"
signature, kept = ("float32*", "float32*"), []
def text():
    return frontend.module_text("scale", source, "<scale>", signature, True) + entry.write("scale", signature)
def compiled():
    return machine.emit(machine.parse(text()), ("scale", "entry_scale"))
def grown(call, before, count):
    for _ in range(before):
        call()
    start = resident()
    for _ in range(count):
        call()
    return (resident() - start) / count
code, needs = compiled()
print(grown(compiled, 10, 40), grown(lambda: kept.append(entry.Kernel("scale", signature, "", code, needs)), 10, 200))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_of_a_kernel():
    """In KB: what compiling one leaves behind, and what one takes that is loaded, for as long as it lives."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    left, loaded = map(float, done.stdout.split())
    assert left < 40 and loaded < 60


def test_code_outlives_its_owner_until_the_next_is_loaded():
    from numbatorch.cpu import compile, machine

    name = "left_behind"
    code, _ = compile.compile_object(name, f"define void @{name}() {{\n ret void\n}}\n", (name,))
    first = machine.Loaded(code, (name,), {})
    tracker = first._tracker
    del first  # functions that lie in it may be deallocated after this, by the garbage collector
    assert machine._left == [tracker]
    second = machine.Loaded(code, (name,), {})
    assert machine._left == [] and second.addresses[name]
