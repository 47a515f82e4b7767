"""How tensors and storages are pickled on their way to another process: by a handle of their shared memory."""

from __future__ import annotations

import os
import threading
import time
import weakref
from multiprocessing import parent_process, reduction, resource_sharer, util
from typing import Any

import numbatorch
from numbatorch import sharing
from numbatorch.storage import Storage, UntypedStorage

WAIT_SECONDS = 5.0  # for receivers, when a process ends that has sent descriptors


def reduce_tensor(tensor: Any) -> tuple:
    """(rebuild_tensor, arguments): the tensor again, over the same memory, in another process.

    The storage moves to shared memory; tensors of other devices travel by value. RuntimeError for a tensor with a
    gradient history: it cannot follow.
    """
    refuse_history(tensor, "detach() it, and send gradients")
    if tensor.layout is not numbatorch.strided or tensor.device.type != "cpu":
        return tensor.__reduce_ex__(2)
    sharing.share(tensor)
    metadata = (tensor.storage_offset(), *geometry(tensor), tensor.requires_grad, tensor.dtype, attributes(tensor))
    return rebuild_tensor, (type(tensor), tensor.untyped_storage(), metadata)


def refuse_history(tensor: Any, way_out: str) -> None:
    """RuntimeError for a tensor that is a result of recorded operations."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(f"multiprocessing: a tensor with a gradient history (shape {tuple(tensor.shape)}, made by "
                           f"{tensor.grad_fn}) cannot be sent to another process: {way_out}")


def geometry(tensor: Any) -> tuple:
    """(shape, strides), plain tuples."""
    return tuple(tensor.shape), tuple(tensor.stride())


def rebuild_tensor(cls: type, storage: Any, metadata: tuple) -> Any:
    """A tensor of class `cls` over a storage; metadata: (storage_offset, size, stride, requires_grad, dtype,
    attributes)."""
    offset, size, stride, requires_grad, dtype, own = metadata
    tensor = numbatorch.empty(0, dtype=dtype).set_(storage, offset, size, stride)
    if cls is not numbatorch.Tensor:
        tensor = tensor.as_subclass(cls)
    if requires_grad:
        tensor.requires_grad_()
    vars(tensor).update(own)
    return tensor


def attributes(tensor: Any) -> dict:
    """What a program has set on a tensor, and the marks of buffers."""
    return dict(vars(tensor))


def reduce_storage(storage: UntypedStorage) -> tuple:
    """(function, arguments) for the same bytes in another process; they move to shared memory.

    What is not in the host's memory travels by value.
    """
    if storage.device.type != "cpu":
        return storage.__reduce__()
    sharing.share(storage)
    shared: Any = storage._storage
    segment = shared.block
    part = (segment.nbytes, shared.ptr - segment.ptr, shared.nbytes)
    if segment.path is not None:
        courier = sharing.leases.send(segment.path)
        return rebuild_storage_filename, (type(storage), segment.path, courier, *part)
    return rebuild_storage_fd, (type(storage), reduction.DupFd(segment.descriptor), *part)


def rebuild_storage_fd(cls: type, descriptor: Any, segment_nbytes: int, start: int, nbytes: int) -> Any:
    """The storage whose descriptor another process sent. ConnectionError where that process has ended."""
    try:
        received = descriptor.detach()
    except (FileNotFoundError, ConnectionError, EOFError) as error:
        raise ConnectionError(f"multiprocessing: a tensor of {nbytes} bytes cannot be received, because the process "
                              "that sent it has ended: let it live until its tensors were received, or use "
                              "set_sharing_strategy('file_system')") from error
    segment = sharing.segment_of_descriptor(received, segment_nbytes)
    return cls(segment.storage(start, nbytes))


def rebuild_storage_filename(cls: type, path: str, courier: int, segment_nbytes: int, start: int, nbytes: int) -> Any:
    """The storage whose file name another process sent."""
    return cls(sharing.segment_of_path(path, segment_nbytes, courier).storage(start, nbytes))


def rebuild_storage_empty(cls: type) -> Any:
    """A storage of no bytes."""
    return cls(Storage.allocate(0))


class StorageWeakRef:
    """A reference to a storage that does not keep it alive; equal for views of the same one."""

    def __init__(self, storage: Any):
        self._reference = weakref.ref(storage.untyped()._storage)
        self.cdata = id(self._reference())

    def expired(self) -> bool:
        """Whether nothing views the storage any more."""
        return self._reference() is None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorageWeakRef) and self._reference == other._reference

    def __hash__(self) -> int:
        return self.cdata


def fd_id(fd: int) -> tuple[int, int]:
    """What stays the same of an open file in all processes: (device, inode)."""
    facts = os.fstat(fd)
    return facts.st_dev, facts.st_ino


def init_reductions() -> None:
    """Tell the standard library how tensors and storages travel; done when the package is imported."""
    reduction.register(numbatorch.Tensor, reduce_tensor)
    reduction.register(UntypedStorage, reduce_storage)
    util.register_after_fork(_wait_at_exit, lambda wait: wait())
    _wait_at_exit()


def _wait_at_exit() -> None:
    # After queues were closed (10), before the socket that hands descriptors out is (0).
    util.Finalize(None, _wait_for_receivers, exitpriority=5)


def _wait_for_receivers() -> None:
    """Descriptors are fetched from the sender: a child process waits at its end until they are, for some seconds."""
    parent = parent_process()
    if parent is None:
        return
    deadline = time.monotonic() + WAIT_SECONDS
    for thread in threading.enumerate():
        if thread.name == "QueueFeederThread":  # what queues still hold is sent, too
            thread.join(max(0.0, deadline - time.monotonic()))
    waiting: Any = resource_sharer._resource_sharer  # type: ignore[attr-defined]
    while waiting._cache and parent.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    resource_sharer.stop(WAIT_SECONDS)  # when the last one is through
