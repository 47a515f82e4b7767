"""Batches between processes: pickled structure, with the bytes of tensors and arrays beside it.

Tensors travel as in numbatorch.multiprocessing, but copied, and all those of a batch together: large batches as one
segment of shared memory whose descriptor goes through the same socket, so that no other connection is made and nothing
is left behind when a process is killed. Where that cannot be, and for small ones, the bytes follow the pickle.
"""

from __future__ import annotations

import io
import os
import pickle
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy

import numbatorch
from numbatorch import sharing
from numbatorch.multiprocessing import reductions
from numbatorch.storage import UntypedStorage, under

SHARE_FROM_BYTES = 64 * 1024  # below it the copy through the socket is cheaper than mapping pages
ALIGNMENT = 64
CAN_SHARE = hasattr(os, "memfd_create") and hasattr(reduction, "sendfds")


class BatchPickler(pickle.Pickler):
    """Pickles tensors as their bytes, out of band; subclasses of Tensor hold a plain one when they are pickled."""

    dispatch_table = reduction.ForkingPickler(io.BytesIO()).dispatch_table

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not numbatorch.Tensor:
            return NotImplemented
        reductions.refuse_history(obj, "detach() it in the dataset or in collate_fn")
        flat = obj.detach()
        if flat.numel() != 1 + sum((n - 1) * step for n, step in zip(flat.shape, flat.stride(), strict=True)):
            flat = flat.contiguous()
        start = flat.storage_offset() * flat.element_size()
        raw = flat.untyped_storage().numpy()[start : start + flat.numel() * flat.element_size()]
        metadata = (0, *reductions.geometry(flat), obj.requires_grad, obj.dtype, reductions.attributes(obj))
        return rebuild_packed, (pickle.PickleBuffer(raw), metadata)


def rebuild_packed(raw: Any, metadata: tuple) -> Any:
    """A tensor over the bytes that were sent beside the pickle."""
    array = raw if isinstance(raw, numpy.ndarray) else numpy.frombuffer(raw, dtype=numpy.uint8)
    return reductions.rebuild_tensor(numbatorch.Tensor, UntypedStorage(under(array)), metadata)


def send(connection: Connection, obj: Any) -> None:
    """Send `obj`; what cannot be pickled raises before a byte is sent."""
    buffers: list[pickle.PickleBuffer] = []
    header = io.BytesIO()
    BatchPickler(header, protocol=5, buffer_callback=buffers.append).dump(obj)
    views = [buffer.raw() for buffer in buffers]
    sizes = [view.nbytes for view in views]
    if CAN_SHARE and sum(sizes) >= SHARE_FROM_BYTES:
        descriptor = sharing.anonymous_file(_padded(sizes))
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


def _padded(sizes: list[int]) -> int:
    return sum(size + -size % ALIGNMENT for size in sizes)


def _write_all(descriptor: int, view: memoryview) -> None:
    # write(2) and not a mapping: the worker would take a page fault for each page that it never reads again.
    while view.nbytes:
        view = view[os.write(descriptor, view) :]


def receive(connection: Connection) -> Any:
    """The next object; raises EOFError when the other side is gone."""
    shared, sizes, header = connection.recv()
    buffers: list[Any] = []
    if shared:
        # Populate: one call maps all pages instead of one fault each.
        segment = sharing.segment_of_descriptor(reduction.recv_handle(connection), _padded(sizes), populate=True)
        start = 0
        for size in sizes:
            buffers.append(segment.storage(start, size).numpy())
            start += size + -size % ALIGNMENT
    else:
        for size in sizes:
            buffer = numpy.empty(size, numpy.uint8)
            if size:
                connection.recv_bytes_into(buffer.data)
            buffers.append(buffer)
    return pickle.loads(header, buffers=buffers)
