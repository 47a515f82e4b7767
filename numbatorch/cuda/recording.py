"""Recorded work: what a stream is asked for, kept as a graph and launched as a whole.

Tensors made while recording live as long as the graph, so that a replay finds its memory. Random numbers are new at
every replay: their kernels read seed and place from memory, which a replay writes first (`draws`).
"""

import ctypes
import sys

from . import pinned, runtime
from .queues import Stream, current_stream

_MODES = {"global": 0, "thread_local": 1, "relaxed": 2}


class CUDAGraph:
    """A graph of kernels and copies; see `graph` for recording one. NoAcceleratorError where there is no device."""

    def __init__(self, keep_graph=False):
        self._driver, self._graph, self._stream, self._pool = runtime.driver(), None, None, None
        self._blocks: list = []
        self._sources: list = []  # pinned memory that replays copy from
        self._draws: dict = {}  # PhiloxState: [memory of its seed and first group, groups that a replay takes]
        self._replayed: set = set()  # streams that replays went to

    def capture_begin(self, pool=None, capture_error_mode="global"):
        """Record what the current stream is asked for from now on. RuntimeError on the default stream."""
        if capture_error_mode not in _MODES:
            raise RuntimeError(f"CUDAGraph.capture_begin: unknown capture_error_mode {capture_error_mode!r}, expected "
                               f"one of {', '.join(_MODES)}")
        stream = current_stream()
        if not stream.cuda_stream:
            raise RuntimeError("CUDA graphs must be captured on a non-default stream: `with torch.cuda.graph(g):` "
                               "chooses one")
        from .backend import on
        self.reset()
        index = stream.device.index
        self._pool = on(index).pool
        self._driver.begin_capture(index, stream.cuda_stream, _MODES[capture_error_mode])
        self._pool.keep_into(self._blocks)
        self._stream, runtime.thread.recording = stream, self

    def capture_end(self):
        """Stop recording."""
        if self._stream is None:
            raise RuntimeError("CUDAGraph.capture_end: capture_begin was not called")
        stream, self._stream = self._stream, None
        runtime.thread.recording = None
        self._pool.keep_into(None)
        self._graph = self._driver.end_capture(stream.device.index, stream.cuda_stream)

    def replay(self):
        """Do what was recorded, on the current stream."""
        if self._graph is None:
            raise RuntimeError("CUDAGraph.replay: called without a preceding successful capture")
        stream = current_stream()
        index, handle = stream.device.index, stream.cuda_stream
        if handle not in self._replayed:
            self._replayed.add(handle)
            for block in self._blocks:
                block.used_on(handle)
            for block in self._sources:
                block.used_on((index, handle))
        for state, (block, groups) in self._draws.items():
            source = pinned.pool().allocate(16)  # which waits for the copy before others get it
            (ctypes.c_uint64 * 2).from_address(source.address)[:] = state.initial_seed % 2**64, state.take(groups)
            self._driver.upload(index, block.address, source.address, 16, handle)
            source.used_on((index, handle))
        self._driver.launch_graph(index, self._graph, handle)

    def keep(self, block):
        """Let a block that a copy reads at every replay live as long as the graph."""
        self._sources.append(block)

    def draws(self, state, groups):
        """(address of a generator's seed and first group at a replay, how far these groups are behind that)."""
        if state not in self._draws:
            self._draws[state] = [self._pool.allocate(16), 0]
        held = self._draws[state]
        held[1] += groups
        return held[0].address, held[1] - groups

    def kept_bytes(self):
        """Bytes of the device that the graph keeps for its work."""
        return sum(block.size for block in self._blocks)

    def register_generator_state(self, generator):
        """Accepted: generators are noticed when they draw."""

    def reset(self):
        """Forget what was recorded, and give its memory up."""
        if self._graph is not None:
            self._driver.destroy_graph(self._graph)
        self._graph, self._blocks, self._sources, self._draws, self._replayed = None, [], [], {}, set()

    def pool(self):
        """A name for the memory that the graph keeps."""
        return 0, id(self)

    def __del__(self):
        if getattr(self, "_graph", None) is not None and not sys.is_finalizing():  # the driver may be gone then
            self._driver.destroy_graph(self._graph)


class graph:
    """`with graph(g):` records what is done into the CUDAGraph `g`, on a stream of its own or the one given."""

    def __init__(self, cuda_graph, pool=None, stream=None, capture_error_mode="global"):
        self.cuda_graph, self._pool, self._mode = cuda_graph, pool, capture_error_mode
        self._stream = Stream() if stream is None else stream

    def __enter__(self):
        from .devices import synchronize
        synchronize()
        self._stream.__enter__()
        try:
            self.cuda_graph.capture_begin(self._pool, self._mode)
        except BaseException:
            self._stream.__exit__()
            raise

    def __exit__(self, *_):
        try:
            self.cuda_graph.capture_end()
        finally:
            self._stream.__exit__()


def is_current_stream_capturing():
    """Whether the current stream's work is being recorded."""
    return current_stream().is_capturing()


def graph_pool_handle():
    """A name for memory that graphs may share; every graph keeps its own here."""
    return 0, 0
