"""Numbers too small to be normal: whether the processor computes with them or takes them for 0.

The C library's floating-point environment of a thread holds the control register: MXCSR on x86-64 (Intel SDM volume 1,
10.2.3: bit 15 flushes results, bit 6 operands), FPCR on AArch64 (bit 24).
"""

import ctypes
import platform
import sys

_PLACES = {"x86_64": (28, 0x8040), "aarch64": (0, 1 << 24)}  # of the register in glibc's fenv_t, and its bits


def flush(on):
    """Set the calling thread's mode; whether this machine can."""
    place = _PLACES.get(platform.machine())
    if place is None or not sys.platform.startswith("linux"):
        return False
    try:
        library = ctypes.CDLL("libm.so.6")
    except OSError:  # a C library with another environment
        return False
    offset, bits = place
    environment = (ctypes.c_char * 64)()
    if library.fegetenv(environment):
        return False
    register = ctypes.c_uint32.from_buffer(environment, offset)
    register.value = register.value | bits if on else register.value & ~bits
    return library.fesetenv(environment) == 0
