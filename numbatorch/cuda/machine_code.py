"""From PTX to the machine code of a GPU, by the driver's assembler, once: cubins are kept in the kernel cache.

An entry is for one text, one compute capability and one driver, and carries a checksum (lowering/cache.py). Where the
driver refuses to link, or to load what was kept, it is given the PTX, as it would be without a cache.
"""

import ctypes
import functools
from pathlib import Path

from ..lowering import cache

_ERROR_LOG, _ERROR_LOG_BYTES = 5, 6  # CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES
_PTX = 1  # CU_JIT_INPUT_PTX


def load(driver, kernel, ptx, capability):
    """The module of a kernel, for the device that is current. CudaError has the assembler's words."""
    library, module = driver.library, ctypes.c_void_p()
    key = cache.key("cubin", _build(), driver.version, capability, ptx)
    cubin = cache.read(key)
    if cubin is None:
        cubin = _linked(library, kernel, ptx)
        if cubin is not None:
            cache.write(key, cubin)
    if cubin is not None and not library.cuModuleLoadDataEx(ctypes.byref(module), ctypes.c_char_p(cubin), 0, None,
                                                            None):
        return module
    log = ctypes.create_string_buffer(8192)
    options = (ctypes.c_int * 2)(_ERROR_LOG, _ERROR_LOG_BYTES)
    values = (ctypes.c_void_p * 2)(ctypes.addressof(log), len(log))
    status = library.cuModuleLoadDataEx(ctypes.byref(module), ctypes.c_char_p(ptx.encode()), 2, options, values)
    if status:
        driver.refuse("cuModuleLoadDataEx", status, f" for {kernel!r}: {log.value.decode(errors='replace')}")
    return module


def _linked(library, kernel, ptx):
    """The cubin of a PTX text; None where the driver does not make one."""
    state, found, size = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_size_t()
    if library.cuLinkCreate_v2(0, None, None, ctypes.byref(state)):
        return None
    try:
        text = ptx.encode() + b"\0"
        failed = library.cuLinkAddData_v2(state, _PTX, ctypes.c_char_p(text), ctypes.c_size_t(len(text)),
                                          ctypes.c_char_p(kernel.name.encode()), 0, None, None)
        if failed or library.cuLinkComplete(state, ctypes.byref(found), ctypes.byref(size)):
            return None
        return ctypes.string_at(found.value, size.value)
    finally:
        library.cuLinkDestroy(state)


@functools.cache
def _build():
    """What tells drivers of one version of CUDA apart: the text that the kernel module shows."""
    try:
        return Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return ""
