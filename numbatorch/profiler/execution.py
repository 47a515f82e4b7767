"""ExecutionTraceObserver: every op with its operands, one file."""

import json
import os
import tempfile
import threading

from .. import interception


class ExecutionTraceObserver:
    """Writes a JSON file with a node for each op called in this thread between `start()` and `stop()`.

    A node has an id, a name, the id of the op that called it (`ctrl_deps`), and shapes, dtypes and ids of storages of
    operands and results.
    """

    def __init__(self):
        self._path, self._mode = None, None
        self._nodes, self._open = [], []

    def register_callback(self, output_file_path=None):
        """The file to write; a temporary one where none is named. Returns the observer."""
        if self._path is None:
            if output_file_path is None:
                handle, output_file_path = tempfile.mkstemp(prefix="execution_trace_", suffix=".json")
                os.close(handle)
            self._path = os.fspath(output_file_path)
        return self

    def unregister_callback(self):
        """Stop, and forget the file."""
        self.stop()
        self._path = None

    @property
    def is_registered(self):
        """Whether there is a file to write."""
        return self._path is not None

    @property
    def is_running(self):
        """Whether ops are being written down."""
        return self._mode is not None

    def get_output_file_path(self):
        """The file, or None."""
        return self._path

    def start(self):
        """Begin; nothing where there is no file."""
        if self._path is not None and self._mode is None:
            self._nodes, self._open = [], []
            self._context = interception.mode(self._op)
            self._mode = self._context.__enter__()

    def stop(self):
        """End, and write the file."""
        if self._mode is None:
            return
        self._context.__exit__(None, None, None)
        self._mode = None
        content = {"schema": "1.1.1-chakra.0.0.4", "pid": os.getpid(), "nodes": self._nodes}
        with open(self._path, "w", encoding="utf-8") as file:
            json.dump(content, file)

    cleanup = unregister_callback

    def _op(self, op, inplace, values):
        number = len(self._nodes) + 2  # 1 is the thread
        node = {"id": number, "name": f"aten::{op.name}{'_' * inplace}", "tid": threading.get_native_id(),
                "ctrl_deps": self._open[-1] if self._open else 1, "inputs": _described(values)}
        self._nodes.append(node)
        self._open.append(number)
        try:
            result = interception.call_inside(self._mode, op, inplace, values)
        finally:
            self._open.pop()
        node["outputs"] = _described((result,))
        return result

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def _described(values):
    tensors = list(interception.tensors_of(values))
    return {"values": [id(t._storage) for t in tensors], "shapes": [list(t.shape) for t in tensors],
            "types": [f"Tensor({str(t.dtype).removeprefix('torch.')})" for t in tensors]}
