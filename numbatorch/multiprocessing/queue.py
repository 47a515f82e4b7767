"""Queues that pass tensors: the standard library's, which learn how when numbatorch.multiprocessing is imported."""

from __future__ import annotations

import io
import pickle
from multiprocessing.queues import JoinableQueue, Queue, SimpleQueue
from multiprocessing.reduction import ForkingPickler
from typing import Any


class ConnectionWrapper:
    """A connection (or what has send_bytes and recv_bytes) whose objects may hold tensors."""

    def __init__(self, conn: Any):
        self.conn = conn

    def send(self, obj: Any) -> None:
        """Send an object; its tensors move to shared memory."""
        buffer = io.BytesIO()
        ForkingPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(obj)
        self.send_bytes(buffer.getvalue())

    def recv(self) -> Any:
        """The next object."""
        return pickle.loads(self.recv_bytes())

    def __getattr__(self, name: str) -> Any:
        if name == "conn":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'conn'")
        return getattr(self.conn, name)


__all__ = ["ConnectionWrapper", "JoinableQueue", "Queue", "SimpleQueue"]
