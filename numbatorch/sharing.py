"""Memory that processes share: segments of pages, and how storages move into them.

A segment is mapped at any address. In a process a segment is one object, however often it arrives, so that tensors that
share memory in one process share it in the other, too. Two strategies say how another process finds it:

file_descriptor  an anonymous file whose descriptor travels. Nothing has a name, so nothing is left behind by processes
                 that are killed. Every segment keeps a descriptor open in every process that has it.
file_system      a file with a name (`leases.py` says when it is deleted). No descriptor stays open, and the sender may
                 end before the receiver looks.
"""

import collections
import ctypes
import gc
import mmap
import os
import sys
import tempfile
import threading
import time
import weakref

from . import leases
from .attributes import fields
from .device import CPU
from .storage import SharedStorage, TwinStorage, UntypedStorage, twin
from .tensor import Tensor

STRATEGIES = ("file_descriptor", "file_system")
_strategy = [STRATEGIES[0]]


def set_sharing_strategy(new_strategy):
    """How memory that is shared from now on is found by other processes. AssertionError for unknown strategies."""
    if new_strategy not in STRATEGIES:
        raise AssertionError(f"set_sharing_strategy: unknown strategy {new_strategy!r}, expected one of "
                             f"{', '.join(STRATEGIES)}")
    _strategy[:] = [new_strategy]


def get_sharing_strategy():
    """The strategy for memory that is shared from now on."""
    return _strategy[0]


def get_all_sharing_strategies():
    """The strategies that there are."""
    return set(STRATEGIES)


class Segment:
    """`nbytes` bytes of a file mapped at `ptr`; `descriptor` of the file (-1 if closed) or its `path` (or None)."""

    __slots__ = ("ptr", "nbytes", "descriptor", "path", "storages", "_start", "_unmap", "_close", "__weakref__")

    def __init__(self, descriptor, nbytes, path=None, populate=False):
        start = leases.HEADER_BYTES if path else 0
        self.nbytes, self.path, self.descriptor, self._start = nbytes, path, -1, start
        self._unmap, self._close = _libc.munmap, os.close  # __del__ may run when modules are gone
        flags = mmap.MAP_SHARED | (getattr(mmap, "MAP_POPULATE", 0) if populate else 0)
        self.ptr = _libc.mmap(None, max(nbytes, 1), mmap.PROT_READ | mmap.PROT_WRITE, flags, descriptor, start)
        if self.ptr in (None, 2**64 - 1):
            code, self.ptr = ctypes.get_errno(), None
            raise RuntimeError(f"share_memory_: cannot map {nbytes} bytes of shared memory: {os.strerror(code)}")
        if path is None:
            self.descriptor = descriptor
        self.storages = weakref.WeakValueDictionary()

    def storage(self, start, nbytes):
        """The storage of a part of the segment: one object while it lives."""
        found = self.storages.get((start, nbytes))
        if found is None:
            found = self.storages[start, nbytes] = SharedStorage.__new__(SharedStorage)
            found.block, found.ptr, found.nbytes, found.version = self, self.ptr + start, nbytes, 0
        return found

    def __del__(self):
        if getattr(self, "ptr", None) is not None:
            self._unmap(self.ptr, max(self.nbytes, 1))
            if self.descriptor >= 0:
                self._close(self.descriptor)
            if self.path and not sys.is_finalizing():
                leases.give_up(self.path)


_segments: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # by device and inode of the file


def _system():
    if sys.platform == "win32":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_longlong)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return libc


_libc = _system()


def _identity(descriptor):
    facts = os.fstat(descriptor)
    return facts.st_dev, facts.st_ino, facts.st_size


def anonymous_file(nbytes):
    """The descriptor of a file of zeros that no name leads to: it ends with its last descriptor and mapping."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("numbatorch", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, nbytes)
    return descriptor


def new_segment(nbytes, strategy=None):
    """A segment of zeros. RuntimeError where the system has no memory or no descriptors left."""
    if _libc is None:
        raise NotImplementedError("share_memory_: sharing memory between processes is not supported on Windows")
    size, path = max(nbytes, 1), None
    try:
        if (strategy or _strategy[0]) == "file_system":
            descriptor, path = leases.create(size)
        else:
            descriptor = anonymous_file(size)
    except OSError as error:
        raise RuntimeError(f"share_memory_: cannot make {nbytes} bytes of shared memory: {error.strerror}; "
                           "where descriptors run out, raise `ulimit -n` or use "
                           "multiprocessing.set_sharing_strategy('file_system')") from error
    return _mapped(descriptor, nbytes, path)


def _mapped(descriptor, nbytes, path=None, populate=False):
    """The segment of a file, which takes over the descriptor."""
    key = _identity(descriptor)
    segment = _segments.get(key)
    if segment is None:
        try:
            segment = _segments[key] = Segment(descriptor, nbytes, path, populate)
        except BaseException:
            os.close(descriptor)
            raise
        if path is None:
            return segment
    elif path is not None:
        leases.give_up(path)  # this process holds one already
    os.close(descriptor)
    return segment


def segment_of_descriptor(descriptor, nbytes, populate=False):
    """The segment whose descriptor another process sent; it is taken over."""
    return _mapped(descriptor, nbytes, None, populate)


def segment_of_path(path, nbytes, courier):
    """The segment whose name another process sent. RuntimeError when no process holds it any more."""
    return _mapped(leases.accept(path, courier), nbytes, path)


def share(owner):
    """Move the storage of a tensor (or an UntypedStorage) to shared memory, and with it all tensors over it.

    Memory that is not the host's stays where it is.
    """
    viewed = owner._storage
    storage = viewed.root
    if isinstance(storage, SharedStorage) or storage.device is not CPU:
        return
    if storage is viewed:
        alone = sys.getrefcount(storage) <= 4  # the owner's, this function's two and the call's: nobody else to tell
    else:
        alone = sys.getrefcount(storage) <= 3 and sys.getrefcount(viewed) <= 3
    shared = new_segment(storage.nbytes).storage(0, storage.nbytes)
    ctypes.memmove(shared.ptr, storage.ptr, storage.nbytes)
    shared.version = storage.version
    for holder in [owner if viewed is storage else viewed] if alone else gc.get_referrers(storage):
        if isinstance(holder, TwinStorage):
            moved = twin(shared, holder.version)
            for viewer in [owner] if alone else gc.get_referrers(holder):
                _follow(viewer, holder, moved)
        else:
            _follow(holder, storage, shared)
    if threading.current_thread() is not threading.main_thread():
        _retire(storage)


def _follow(holder, old, new):
    """Let a tensor (or the attributes of one) or an UntypedStorage view the new memory; others keep the old one."""
    if isinstance(holder, UntypedStorage):
        holder._storage = new
    elif isinstance(holder, Tensor):
        _follow(fields(holder), old, new)
    elif isinstance(holder, dict) and holder.get("_storage") is old and "_ptr" in holder:
        holder["_ptr"] += new.ptr - old.ptr
        holder["_storage"] = new


_retired: collections.deque = collections.deque()  # (when, storage)
RETIRED_SECONDS = 10.0  # longer than any kernel runs


def _retire(storage):
    """Keep memory for a while that a thread has moved, as a queue's does: a kernel of another one may be at work there.
    """
    _retired.append((time.monotonic(), storage))
    if len(_retired) == 1:
        _let_go_later()


def _let_go_later():
    timer = threading.Timer(RETIRED_SECONDS, _let_go)
    timer.daemon = True
    timer.start()


def _let_go():
    while _retired and time.monotonic() - _retired[0][0] >= RETIRED_SECONDS:
        _retired.popleft()
    if _retired:
        _let_go_later()


def _inherit():
    """In a forked child: segments with a name have one more holder; no other thread is at work."""
    _retired.clear()
    for segment in list(_segments.values()):
        if segment.path:
            leases.take(segment.path)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inherit)
