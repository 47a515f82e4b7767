"""NVIDIA's driver through ctypes: devices, memory, modules, launches, streams, events and graphs.

`libcuda` is all that is needed to run; it comes with the display driver, not with a toolkit. Every call that the driver
refuses raises CudaError with its name and the driver's own words. Function names and constants are those of the CUDA
Driver API reference. `emulator/device.py` has the same interface without a GPU.
"""

import contextlib
import ctypes
import functools
import struct
import sys
import threading
from dataclasses import dataclass

from . import CudaError, machine_code
from .compile import architecture

OLDEST = 12000  # CUDA 12.0: the first whose driver reads PTX 8.0
_OUT_OF_MEMORY, _NOT_READY, _RECORDING = 2, 600, 900
MAY_NOT_WAIT = ("; while a CUDA graph is recorded nothing may wait for the device: call item(), cpu() and "
                "synchronize() before or after")
_SHARED = 49152  # bytes of shared memory that a function may have without being allowed more
_CODES = {"bool": "B", "int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint8": "B", "uint16": "H",
          "uint32": "I", "uint64": "Q", "float32": "f", "float64": "d"}
_ATTRIBUTES = {
    "max_threads_per_block": 1, "shared_memory_per_block": 8, "warp_size": 10, "regs_per_block": 12, "clock_rate": 13,
    "multi_processor_count": 16, "is_integrated": 18, "pci_bus_id": 33, "pci_device_id": 34, "memory_clock_rate": 36,
    "memory_bus_width": 37, "L2_cache_size": 38, "max_threads_per_multi_processor": 39, "pci_domain_id": 50,
    "major": 75, "minor": 76, "shared_memory_per_multiprocessor": 81, "regs_per_multiprocessor": 82,
    "is_multi_gpu_board": 84, "shared_memory_per_block_optin": 97}


class Unavailable(Exception):
    """There is no driver that can be used; the text says why."""


@dataclass
class Properties:
    """What a device is: its name, compute capability (major, minor), memory in bytes and sizes of its parts."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    is_integrated: int
    is_multi_gpu_board: int
    max_threads_per_block: int
    max_threads_per_multi_processor: int
    regs_per_block: int
    regs_per_multiprocessor: int
    shared_memory_per_block: int
    shared_memory_per_block_optin: int
    shared_memory_per_multiprocessor: int
    warp_size: int
    L2_cache_size: int
    clock_rate: int
    memory_clock_rate: int
    memory_bus_width: int
    pci_bus_id: int
    pci_device_id: int
    pci_domain_id: int
    uuid: str

    def __repr__(self):
        return (f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
                f"total_memory={self.total_memory // 2**20}MB, multi_processor_count={self.multi_processor_count}, "
                f"uuid={self.uuid}, L2_cache_size={self.L2_cache_size // 2**20}MB)")


class Function:
    """A kernel loaded on a device: `launch(blocks, values, stream)`, values as its signature lists them.

    The driver gets one block of bytes, CUlaunchConfig and the values behind it, which a single `pack_into` writes.
    """

    _CONFIG = "@7IPPI4x"  # grid, block, shared memory; stream, attributes and how many of those
    _STREAM = 32  # where a stream, and what a call brings, begin

    def __init__(self, driver, index, kernel, handle, module):
        self.kernel, self._driver, self._index, self._module = kernel, driver, index, module
        codes = ["Q" if text.endswith("*") else _CODES[text] for text in kernel.signature]
        self._pack = struct.Struct(self._CONFIG + "".join(codes))
        self._codes = codes
        self._block, first, pointers = self._buffer()
        self._handle = handle
        self._lock = threading.Lock()  # the block is one for all threads; the driver copies it before it returns
        shared = kernel.shared
        if shared > _SHARED:
            driver.allow_shared(handle, shared)
        call, block, lock, pack, threads = driver.launching, self._block, self._lock, self._pack.pack_into, kernel.block
        # Objects of ctypes, made once: converting numbers would take longer than the call.
        config, function, none = ctypes.c_void_p(first), ctypes.c_void_p(handle.value), ctypes.c_void_p(0)
        thread, enter = driver.thread, driver.enter

        def launch(blocks, values, stream):
            """Run `blocks` blocks of threads on a stream; without waiting."""
            if thread.index != index:
                enter(index)
            with lock:
                pack(block, 0, blocks, 1, 1, threads, 1, 1, shared, stream, 0, 0, *values)
                status = call(config, function, pointers, none)
            if status:
                driver.refuse("cuLaunchKernelEx", status, f" for {kernel!r}")
        self.launch = launch

    def _buffer(self):
        """(memory of a launch's block, its address, pointers to the values in it)."""
        codes = self._codes
        block = ctypes.create_string_buffer(self._pack.size + 8)
        first = ctypes.addressof(block)
        ends = [struct.calcsize(self._CONFIG + "".join(codes[: k + 1])) for k in range(len(codes))]
        places = [first + end - struct.calcsize(code) for end, code in zip(ends, codes, strict=True)]
        return block, first, (ctypes.c_void_p * len(places))(*places)

    def prepared(self, blocks, values, streams):
        """f(*given, meta, units, grain) that launches with `given` before `values`, on the current stream of a thread.

        What does not change from call to call is written now; the function is written out for its number of arguments.
        streams: has, as `streams`, each device's current stream in a thread.
        """
        block, first, pointers = self._buffer()
        count = len(self._codes) - len(values)
        zeros = [0.0 if code in "fd" else 0 for code in self._codes[:count]]
        self._pack.pack_into(block, 0, blocks, 1, 1, self.kernel.block, 1, 1, self.kernel.shared, 0, 0, 0, *zeros,
                             *values)
        driver = self._driver
        space = {"thread": driver.thread, "enter": driver.enter, "index": self._index, "lock": threading.Lock(),
                 "pack": struct.Struct("@Q16x" + "".join(self._codes[:count])).pack_into, "block": block,
                 "call": driver.launching, "config": ctypes.c_void_p(first), "streams": streams, "unfit": struct.error,
                 "function": ctypes.c_void_p(self._handle.value), "pointers": pointers, "none": ctypes.c_void_p(0),
                 "refuse": self._refused}
        exec(_prepared(count), space)
        return space["run"]

    def resources(self):
        """Registers and bytes of local memory (of spilled values) of a thread, bytes of shared memory of a block."""
        attribute = self._driver.function_attribute
        return {name: attribute(self._handle, number) for name, number in (("shared", 1), ("local", 3), (
            "registers", 4))}

    def _refused(self, status):
        self._driver.refuse("cuLaunchKernelEx", status, f" for {self.kernel!r}")


@functools.cache
def _prepared(count):
    """The code of a prepared call with so many arguments."""
    names = "".join(f"p{k}, " for k in range(count))
    return compile(f"""
def run({names}meta=0, units=0, grain=0):
    if thread.index != index:
        enter(index)
    try:
        with lock:
            pack(block, {Function._STREAM}, streams.streams.get(index, 0), {names})
            status = call(config, function, pointers, none)
    except unfit as error:  # an int beyond its type
        raise OverflowError(str(error)) from None
    if status:
        refuse(status)
""", "<launch>", "exec")


class _Thread(threading.local):
    """The device that a thread's calls are for; None at first."""

    index: int | None = None


def _libraries():
    """libcuda twice: with calls that give the GIL up, and with calls that keep it. OSError where it is not found."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    return ctypes.CDLL(name), ctypes.PyDLL(name)


class Driver:
    """libcuda and its devices. Unavailable, with the reason, where it cannot be used.

    Devices are given by their number, memory by its address, streams (0: the default one), events and graphs by handle.
    """

    exact = False  # whether memory is better asked for tensor by tensor than in segments

    def __init__(self):
        try:
            self.library, launching = _libraries()
        except OSError as error:
            raise Unavailable(f"NVIDIA's driver was not found ({error})") from None
        status = self.library.cuInit(0)
        if status:
            raise Unavailable(f"NVIDIA's driver cannot be used: {self._name(status)}")
        self.version = self._integer("cuDriverGetVersion")
        if self.version < OLDEST:
            raise Unavailable(f"NVIDIA's driver is for CUDA {self._readable(self.version)}; kernels need "
                              f"{self._readable(OLDEST)} or newer: update the driver")
        self.count = self._integer("cuDeviceGetCount")
        if not self.count:
            raise Unavailable("NVIDIA's driver has no device")
        # A launch takes less than giving the GIL up and taking it again, and copies its values before it returns.
        self.launching = launching.cuLaunchKernelEx
        self._contexts: dict[int, ctypes.c_void_p] = {}
        self._functions: dict[tuple, Function] = {}
        self.gone: set[int] = set()  # streams that were destroyed, whose handles nothing may be asked of
        self.thread = _Thread()
        self._lock = threading.RLock()

    @staticmethod
    def _readable(version):
        return f"{version // 1000}.{version % 1000 // 10}"

    def _name(self, status):
        found, text = ctypes.c_char_p(), ctypes.c_char_p()
        self.library.cuGetErrorName(status, ctypes.byref(found))
        self.library.cuGetErrorString(status, ctypes.byref(text))
        return f"{(found.value or b'unknown error').decode()} ({(text.value or b'').decode()})"

    def refuse(self, name, status, detail=""):
        """Raise the CudaError of a call."""
        waits = status == _RECORDING and name != "cuStreamBeginCapture"
        raise CudaError(f"{name}: {self._name(status)}{detail}{MAY_NOT_WAIT if waits else ''}")

    def _call(self, name, *arguments):
        status = getattr(self.library, name)(*arguments)
        if status:
            self.refuse(name, status)

    def _integer(self, name, *arguments):
        value = ctypes.c_int()
        self._call(name, ctypes.byref(value), *arguments)
        return value.value

    def _handle(self, name, *arguments):
        value = ctypes.c_void_p()
        self._call(name, ctypes.byref(value), *arguments)
        return value.value

    def _device(self, index):
        return ctypes.c_int(self._integer("cuDeviceGet", ctypes.c_int(index)))

    def enter(self, index):
        """Make a device the one that this thread's calls are for."""
        if self.thread.index == index:
            return
        with self._lock:
            if index not in self._contexts:
                context = ctypes.c_void_p()
                self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device(index))
                self._contexts[index] = context
        self._call("cuCtxSetCurrent", self._contexts[index])
        self.thread.index = index

    @contextlib.contextmanager
    def _while_recording(self):
        """Calls that a stream which records a graph forbids to its thread, though they are no part of the graph."""
        mode = ctypes.c_int(2)  # CU_STREAM_CAPTURE_MODE_RELAXED
        self._call("cuThreadExchangeStreamCaptureMode", ctypes.byref(mode))
        try:
            yield
        finally:
            self._call("cuThreadExchangeStreamCaptureMode", ctypes.byref(mode))

    # Devices.

    def properties(self, index):
        """The Properties of a device."""
        device = self._device(index)
        name, total = ctypes.create_string_buffer(256), ctypes.c_size_t()
        self._call("cuDeviceGetName", name, 256, device)
        self._call("cuDeviceTotalMem_v2", ctypes.byref(total), device)
        uuid = ctypes.create_string_buffer(16)
        self._call("cuDeviceGetUuid_v2", uuid, device)
        digits = uuid.raw.hex()
        parts = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        numbers = {key: self._integer("cuDeviceGetAttribute", ctypes.c_int(value), device)
                   for key, value in _ATTRIBUTES.items()}
        return Properties(name=name.value.decode(), total_memory=total.value, uuid=parts, **numbers)

    def memory(self, index):
        """(free, all) bytes of a device."""
        self.enter(index)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def can_access(self, index, other):
        """Whether a device reads the memory of another one directly."""
        return bool(self._integer("cuDeviceCanAccessPeer", self._device(index), self._device(other)))

    def synchronize(self, index):
        """Wait until a device has done all that was asked of it."""
        self.enter(index)
        self._call("cuCtxSynchronize")

    # Memory.

    def allocate(self, index, nbytes):
        """The address of new memory of a device; None where there is not enough."""
        self.enter(index)
        address = ctypes.c_uint64()
        with self._while_recording():
            status = self.library.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(nbytes))
        if status == _OUT_OF_MEMORY:
            return None
        if status:
            self.refuse("cuMemAlloc", status)
        return address.value

    def free(self, index, address):
        """Give memory of a device back; waits for the work that may use it."""
        self.enter(index)
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def allocate_host(self, nbytes):
        """The address of memory of the host that devices read and write directly; CudaError where there is none."""
        self.enter(self.thread.index or 0)
        return self._handle("cuMemHostAlloc", ctypes.c_size_t(nbytes), ctypes.c_uint(1))  # for all devices

    def free_host(self, address):
        """Give such memory back."""
        self._call("cuMemFreeHost", ctypes.c_void_p(address))

    def upload(self, index, target, source, nbytes, stream):
        """Copy from the host. Pageable memory has been read when this returns; pinned memory may be read later."""
        self.enter(index)
        self._call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(target), ctypes.c_void_p(source), ctypes.c_size_t(nbytes),
                   ctypes.c_void_p(stream))

    def download(self, index, target, source, nbytes, stream):
        """Copy to the host; `synchronize_stream` tells when pinned memory has been written."""
        self.enter(index)
        self._call("cuMemcpyDtoHAsync_v2", ctypes.c_void_p(target), ctypes.c_uint64(source), ctypes.c_size_t(nbytes),
                   ctypes.c_void_p(stream))

    def move(self, index, target, source, nbytes, stream):
        """Copy within a device, or from another one: the driver knows by the addresses."""
        self.enter(index)
        self._call("cuMemcpyAsync", ctypes.c_uint64(target), ctypes.c_uint64(source), ctypes.c_size_t(nbytes),
                   ctypes.c_void_p(stream))

    def fill(self, index, target, value, nbytes, stream):
        """Make all bytes `value`."""
        self.enter(index)
        self._call("cuMemsetD8Async", ctypes.c_uint64(target), ctypes.c_ubyte(value), ctypes.c_size_t(nbytes),
                   ctypes.c_void_p(stream))

    # Kernels.

    def function(self, index, kernel):
        """A kernel (compile.Kernel) as the Function of a device, loaded once. CudaError has the assembler's words."""
        key = (index, kernel)
        with self._lock:
            if key not in self._functions:
                self._functions[key] = self._load(index, kernel)
            return self._functions[key]

    def _load(self, index, kernel):
        self.enter(index)
        device = self._device(index)
        capability = tuple(self._integer("cuDeviceGetAttribute", ctypes.c_int(k), device) for k in (75, 76))
        handle = ctypes.c_void_p()
        with self._while_recording():
            module = machine_code.load(self, kernel, kernel.ptx(architecture(capability)), capability)
        self._call("cuModuleGetFunction", ctypes.byref(handle), module, kernel.name.encode())
        return Function(self, index, kernel, handle, module)

    def allow_shared(self, handle, nbytes):
        """Let a function be launched with so much shared memory. CudaError where the device has less."""
        with self._while_recording():
            self._call("cuFuncSetAttribute", handle, ctypes.c_int(8), ctypes.c_int(nbytes))

    def function_attribute(self, handle, number):
        """A number of a function, by CUfunction_attribute."""
        return self._integer("cuFuncGetAttribute", ctypes.c_int(number), handle)

    # Streams and events.

    def priorities(self, index):
        """(least, greatest) priority of streams; a smaller number goes first."""
        self.enter(index)
        least, greatest = ctypes.c_int(), ctypes.c_int()
        self._call("cuCtxGetStreamPriorityRange", ctypes.byref(least), ctypes.byref(greatest))
        return least.value, greatest.value

    def create_stream(self, index, priority):
        """A queue of work of its own, which does not wait for the default one."""
        self.enter(index)
        handle = self._handle("cuStreamCreateWithPriority", ctypes.c_uint(1), ctypes.c_int(priority))
        self.gone.discard(handle)
        return handle

    def destroy_stream(self, stream):
        """Give a stream up when its work is done: memory goes by handles, and the next stream may get this one's."""
        with self._while_recording():
            self._call("cuStreamSynchronize", ctypes.c_void_p(stream))
            self.gone.add(stream)
            self._call("cuStreamDestroy_v2", ctypes.c_void_p(stream))

    def _is_ready(self, name, handle):
        status = getattr(self.library, name)(ctypes.c_void_p(handle))
        if status not in (0, _NOT_READY):
            self.refuse(name, status)
        return status == 0

    def query_stream(self, index, stream):
        """Whether a stream's work is done."""
        self.enter(index)
        return self._is_ready("cuStreamQuery", stream)

    def synchronize_stream(self, index, stream):
        """Wait until a stream's work is done."""
        self.enter(index)
        self._call("cuStreamSynchronize", ctypes.c_void_p(stream))

    def wait_event(self, index, stream, event):
        """Let later work of a stream wait for an event."""
        self.enter(index)
        self._call("cuStreamWaitEvent", ctypes.c_void_p(stream), ctypes.c_void_p(event), ctypes.c_uint(0))

    def create_event(self, index, timing, blocking=False):
        """A place in a stream's work. timing: `elapsed` may ask for its time; blocking: waiting threads sleep."""
        self.enter(index)
        return self._handle("cuEventCreate", ctypes.c_uint((0 if timing else 2) | (1 if blocking else 0)))

    def destroy_event(self, event):
        """Give an event up."""
        self._call("cuEventDestroy_v2", ctypes.c_void_p(event))

    def record_event(self, index, event, stream):
        """Put an event behind what a stream was asked for."""
        self.enter(index)
        self._call("cuEventRecord", ctypes.c_void_p(event), ctypes.c_void_p(stream))

    def query_event(self, event):
        """Whether an event has happened."""
        return self._is_ready("cuEventQuery", event)

    def synchronize_event(self, event):
        """Wait until an event has happened."""
        self._call("cuEventSynchronize", ctypes.c_void_p(event))

    def elapsed(self, start, end):
        """Milliseconds between two events that have happened."""
        value = ctypes.c_float()
        self._call("cuEventElapsedTime", ctypes.byref(value), ctypes.c_void_p(start), ctypes.c_void_p(end))
        return value.value

    # Graphs: the work of a stream, recorded once and launched as a whole.

    def begin_capture(self, index, stream, mode):
        """Record what a stream is asked for instead of doing it. mode: 0 global, 1 this thread, 2 relaxed."""
        self.enter(index)
        self._call("cuStreamBeginCapture_v2", ctypes.c_void_p(stream), ctypes.c_int(mode))

    def is_capturing(self, stream):
        """Whether a stream's work is being recorded."""
        return self._integer_last("cuStreamIsCapturing", ctypes.c_void_p(stream)) != 0

    def _integer_last(self, name, *arguments):
        value = ctypes.c_int()
        self._call(name, *arguments, ctypes.byref(value))
        return value.value

    def end_capture(self, index, stream):
        """The graph of what was recorded, ready to be launched."""
        self.enter(index)
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamEndCapture", ctypes.c_void_p(stream), ctypes.byref(graph))
        try:
            self._call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
        finally:
            self._call("cuGraphDestroy", graph)
        return executable.value

    def launch_graph(self, index, graph, stream):
        """Do what a graph holds."""
        self.enter(index)
        self._call("cuGraphLaunch", ctypes.c_void_p(graph), ctypes.c_void_p(stream))

    def destroy_graph(self, graph):
        """Give a graph up."""
        self._call("cuGraphExecDestroy", ctypes.c_void_p(graph))
