"""Batches between processes: pickled structure, with the bytes of tensors and arrays beside it.

On Linux large batches travel as an anonymous shared-memory file whose descriptor goes through the socket: nothing is
left behind when a process is killed, and the size of /dev/shm does not matter. Elsewhere the bytes follow the pickle.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy

import numbatorch

SHARE_FROM_BYTES = 64 * 1024  # below it the copy through the socket is cheaper than mapping pages
ALIGNMENT = 64
CAN_SHARE = hasattr(os, "memfd_create") and hasattr(reduction, "sendfds") and hasattr(mmap, "MAP_SHARED")


class BatchPickler(pickle.Pickler):
    """Pickles tensors as their bytes, out of band."""

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, numbatorch.Tensor) or type(obj) not in (numbatorch.Tensor, numbatorch.nn.Parameter):
            return NotImplemented
        if obj.requires_grad and not obj.is_leaf:
            raise RuntimeError(
                f"a worker cannot send a tensor with a gradient history (shape {tuple(obj.shape)}, "
                f"made by {obj.grad_fn}): detach() it in the dataset or in collate_fn"
            )
        flat = obj.detach().contiguous().view(-1)
        if flat.dtype == numbatorch.bfloat16:
            flat = flat.view(numbatorch.int16)  # NumPy has no bfloat16 of its own
        raw = pickle.PickleBuffer(flat.numpy().view(numpy.uint8))  # type: ignore[arg-type]  # a buffer from 3.12 on
        is_parameter = type(obj) is not numbatorch.Tensor
        dtype = str(obj.dtype).rpartition(".")[2]
        return rebuild_tensor, (raw, dtype, tuple(obj.shape), obj.requires_grad, is_parameter)


def rebuild_tensor(raw: Any, dtype_name: str, shape: tuple[int, ...], requires_grad: bool, is_parameter: bool) -> Any:
    dtype = getattr(numbatorch, dtype_name)
    if memoryview(raw).nbytes == 0:
        tensor = numbatorch.empty(shape, dtype=dtype)
    else:
        array = numpy.frombuffer(raw, dtype=numpy.uint8)
        if not array.flags.writeable:
            array = array.copy()
        tensor = numbatorch.from_numpy(array).view(dtype).view(shape)
    if is_parameter:
        return numbatorch.nn.Parameter(tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


def send(connection: Connection, obj: Any) -> None:
    """Send `obj`; what cannot be pickled raises before a byte is sent."""
    buffers: list[pickle.PickleBuffer] = []
    header = io.BytesIO()
    BatchPickler(header, protocol=5, buffer_callback=buffers.append).dump(obj)
    views = [buffer.raw() for buffer in buffers]
    sizes = [view.nbytes for view in views]
    if CAN_SHARE and sum(sizes) >= SHARE_FROM_BYTES:
        descriptor = os.memfd_create("numbatorch-batch")
        try:
            for view in views:
                _write_all(descriptor, view)
                _write_all(descriptor, memoryview(bytes(-view.nbytes % ALIGNMENT)))
            connection.send((True, sizes, header.getvalue()))
            reduction.send_handle(connection, descriptor, os.getppid())
        finally:
            os.close(descriptor)
    else:
        connection.send((False, sizes, header.getvalue()))
        for view in views:
            if view.nbytes:
                connection.send_bytes(view)


def _write_all(descriptor: int, view: memoryview) -> None:
    while view.nbytes:
        view = view[os.write(descriptor, view) :]


def receive(connection: Connection) -> Any:
    """The next object; raises EOFError when the other side is gone."""
    shared, sizes, header = connection.recv()
    buffers: list[Any] = []
    if shared:
        descriptor = reduction.recv_handle(connection)
        try:
            total = sum(size + -size % ALIGNMENT for size in sizes)
            # Populate: one call maps all pages instead of one fault each.
            memory = mmap.mmap(descriptor, total, mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
        finally:
            os.close(descriptor)
        start, view = 0, memoryview(memory)
        for size in sizes:
            buffers.append(view[start : start + size])
            start += size + -size % ALIGNMENT
    else:
        for size in sizes:
            buffer = numpy.empty(size, numpy.uint8)
            if size:
                connection.recv_bytes_into(buffer.data)
            buffers.append(buffer)
    return pickle.loads(header, buffers=buffers)
