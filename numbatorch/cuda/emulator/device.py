"""The emulator as a driver: the interface of driver.py with one device, whose work is done when a call returns."""

import collections
import ctypes
import functools
import itertools
import threading
import time

import numpy as np

from .. import CudaError
from ..driver import MAY_NOT_WAIT, Properties
from .arena import Arena
from .schedule import Program

ARCHITECTURE = "sm_80"
MEMORY = 1 << 30


class Function:
    """A kernel that the emulator runs."""

    def __init__(self, driver, kernel):
        self.kernel, self._driver = kernel, driver
        self._program = Program(kernel.ptx(ARCHITECTURE), kernel.name, driver.constant)
        self._is_pointer = [text.endswith("*") for text in kernel.signature]

    def launch(self, blocks, values, stream):
        """Run `blocks` blocks of threads."""
        self._driver.launched.append(self.kernel)
        if len(values) != len(self._is_pointer):
            raise CudaError(f"{self.kernel!r} takes {len(self._is_pointer)} values, got {len(values)}")
        self._driver.work(stream, lambda: self._program.launch(
            self._driver.arena, (blocks, 1, 1), (self.kernel.block, 1, 1), values, self.kernel.shared))


class Emulator:
    """The driver of the emulated device."""

    exact = True  # so that an access just behind a tensor is noticed
    version, count = 12000, 1

    def __init__(self, memory=MEMORY):
        self.arena = Arena(memory)
        self._functions: dict = {}
        self._handles = itertools.count(1)
        self._times: dict[int, float] = {}
        self._recorded: dict[int, list] = {}  # what streams are asked for that are being captured
        self._graphs: dict[int, list] = {}
        self._hosts: dict[int, np.ndarray] = {}
        self.gone: set[int] = set()  # streams that were destroyed
        self.launched: collections.deque = collections.deque(maxlen=1000)  # the last kernels
        self._lock = threading.RLock()

    def work(self, stream, act):
        """Do something now, or record it for a graph."""
        with self._lock:
            if stream in self._recorded:
                self._recorded[stream].append(act)
            else:
                act()

    def _check(self, name, stream=None):
        """CudaError for what a GPU forbids while a stream is recorded, or asks of a stream that was destroyed."""
        if self._recorded:
            raise CudaError(f"{name}: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED (operation not permitted when stream is "
                            f"capturing){MAY_NOT_WAIT}")
        if stream in self.gone:
            raise CudaError(f"{name}: CUDA_ERROR_INVALID_HANDLE (the stream was destroyed)")

    def constant(self, variable):
        """The address of a constant of a module."""
        address = self.allocate(0, variable.size)
        self.arena.window(address, variable.size)[:] = np.frombuffer(variable.data.ljust(variable.size, b"\0"), "u1")
        return address

    def enter(self, index):
        """One device: it is always the current one."""

    def properties(self, index):
        """The Properties of the device."""
        return Properties(
            name="numbatorch emulator", major=8, minor=0, total_memory=self.arena.size, multi_processor_count=1,
            is_integrated=1, is_multi_gpu_board=0, max_threads_per_block=1024, max_threads_per_multi_processor=2048,
            regs_per_block=65536, regs_per_multiprocessor=65536, shared_memory_per_block=49152,
            shared_memory_per_block_optin=166912, shared_memory_per_multiprocessor=167936, warp_size=32,
            L2_cache_size=1 << 20, clock_rate=1000, memory_clock_rate=1000, memory_bus_width=64, pci_bus_id=0,
            pci_device_id=0, pci_domain_id=0, uuid="00000000-0000-0000-0000-000000000000")

    def memory(self, index):
        """(free, all) bytes."""
        return self.arena.size - self.arena.used, self.arena.size

    def can_access(self, index, other):
        """There is no other device."""
        return False

    def synchronize(self, index):
        """Work is done when a call returns."""
        self._check("cuCtxSynchronize")

    def allocate(self, index, nbytes):
        """The address of new memory; None where there is not enough."""
        with self._lock:
            return self.arena.allocate(nbytes)

    def free(self, index, address):
        """Give memory back."""
        self._check("cuMemFree")
        with self._lock:
            self.arena.free(address)

    def allocate_host(self, nbytes):
        """The address of memory of the host."""
        block = np.zeros(max(nbytes, 1), np.uint8)
        self._hosts[block.ctypes.data] = block
        return block.ctypes.data

    def free_host(self, address):
        """Give such memory back."""
        del self._hosts[address]

    def upload(self, index, target, source, nbytes, stream):
        """Copy from the host."""
        self.work(stream, lambda: self._copy(target, (ctypes.c_ubyte * nbytes).from_address(source)))

    def _copy(self, target, values):
        self.arena.window(target, len(values))[:] = np.frombuffer(values, np.uint8)

    def download(self, index, target, source, nbytes, stream):
        """Copy to the host."""
        def act():
            np.frombuffer((ctypes.c_ubyte * nbytes).from_address(target), np.uint8)[:] = self.arena.window(
                source, nbytes)
        self.work(stream, act)

    def move(self, index, target, source, nbytes, stream):
        """Copy within the device."""
        self.work(stream, lambda: self._copy(target, self.arena.window(source, nbytes).copy()))

    def fill(self, index, target, value, nbytes, stream):
        """Make all bytes `value`."""
        def act():
            self.arena.window(target, nbytes)[:] = value
        self.work(stream, act)

    def function(self, index, kernel):
        """A kernel (compile.Kernel) as a Function."""
        with self._lock:
            if kernel not in self._functions:
                self._functions[kernel] = Function(self, kernel)
            return self._functions[kernel]

    def priorities(self, index):
        """(least, greatest) priority of streams."""
        return 0, -1

    def create_stream(self, index, priority):
        """A stream, which is empty whenever it is looked at."""
        return next(self._handles)

    def destroy_stream(self, stream):
        """Nothing is left to do."""
        self.gone.add(stream)

    def query_stream(self, index, stream):
        """Whether a stream's work is done: it is."""
        self._check("cuStreamQuery", stream)
        return True

    def synchronize_stream(self, index, stream):
        """Nothing is outstanding."""
        self._check("cuStreamSynchronize", stream)

    def wait_event(self, index, stream, event):
        """Nothing is outstanding."""

    def create_event(self, index, timing, blocking=False):
        """An event, which has not happened."""
        return next(self._handles)

    def destroy_event(self, event):
        """Forget an event."""
        self._times.pop(event, None)

    def record_event(self, index, event, stream):
        """It happens now."""
        if stream in self.gone:
            self._check("cuEventRecord", stream)
        self.work(stream, lambda: self._times.__setitem__(event, time.perf_counter()))

    def query_event(self, event):
        """It has happened, or was not asked to."""
        self._check("cuEventQuery")
        return True

    def synchronize_event(self, event):
        """It has happened."""
        self._check("cuEventSynchronize")

    def elapsed(self, start, end):
        """Milliseconds between two events; CudaError where one was not recorded."""
        if start not in self._times or end not in self._times:
            raise CudaError("cuEventElapsedTime: CUDA_ERROR_INVALID_HANDLE (an event was not recorded)")
        return (self._times[end] - self._times[start]) * 1e3

    def begin_capture(self, index, stream, mode):
        """Record what a stream is asked for. CudaError on the default stream, as on a GPU."""
        if not stream or stream in self._recorded:
            raise CudaError("cuStreamBeginCapture: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED (operation not permitted "
                            "when stream is capturing)")
        self._recorded[stream] = []

    def is_capturing(self, stream):
        """Whether a stream's work is being recorded."""
        return stream in self._recorded

    def end_capture(self, index, stream):
        """The graph of what was recorded."""
        graph = next(self._handles)
        self._graphs[graph] = self._recorded.pop(stream)
        return graph

    def launch_graph(self, index, graph, stream):
        """Do what a graph holds."""
        for act in self._graphs[graph]:
            self.work(stream, act)

    def destroy_graph(self, graph):
        """Forget a graph."""
        del self._graphs[graph]


@functools.cache
def shared():
    """The emulator of this process: plans, kernels and pools of memory know the driver that they were made with."""
    return Emulator()
