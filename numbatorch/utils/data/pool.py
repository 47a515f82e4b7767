"""The worker processes of a DataLoader as the main process sees them."""

from __future__ import annotations

import os
import signal
import socket
import time
from multiprocessing import connection
from typing import Any

from numbatorch.utils.data import transport
from numbatorch.utils.data.worker import Job, run_worker

JOIN_SECONDS = 5.0


class WorkerPool:
    """Starts one process a job, each with a two-way pipe; notices their death; shuts them down."""

    def __init__(self, context: Any, jobs: list[Job]):
        self.owner_id = os.getpid()
        self.processes: list[Any] = []
        self.pipes: list[Any] = []
        try:
            for job in jobs:
                ours, theirs = context.Pipe(duplex=True)
                self.pipes.append(ours)
                inherited = list(self.pipes) if context.get_start_method() == "fork" else []
                process = context.Process(target=run_worker, args=(theirs, inherited, job), daemon=True)
                try:
                    process.start()
                finally:
                    theirs.close()
                self.processes.append(process)
        except BaseException:
            self.close()
            raise

    def send(self, worker: int, task: Any) -> None:
        try:
            self.pipes[worker].send(task)
        except (BrokenPipeError, ConnectionResetError):
            raise self._death(worker) from None

    def receive(self, timeout: float) -> tuple[int, Any]:
        """(worker, answer), whichever comes first; RuntimeError when a worker died or `timeout` seconds passed."""
        by_sentinel = {process.sentinel: number for number, process in enumerate(self.processes)}
        ready = connection.wait([*self.pipes, *by_sentinel], timeout or None)
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
        for number, pipe in enumerate(self.pipes):
            if pipe in ready:
                try:
                    return number, transport.receive(pipe)
                except (EOFError, ConnectionResetError):
                    raise self._death(number) from None
        raise self._death(next(by_sentinel[sentinel] for sentinel in ready))  # type: ignore[index]

    def _death(self, worker: int) -> RuntimeError:
        process = self.processes[worker]
        process.join(1.0)
        code = process.exitcode
        how = f"with exit code {code}"
        if code is not None and code < 0:
            how = f"killed by signal {signal.Signals(-code).name}"
            if -code == getattr(signal, "SIGKILL", None):
                how += " (was the machine out of memory?)"
        return RuntimeError(
            f"DataLoader worker (pid {process.pid}) exited unexpectedly: worker {worker}, {how}. "
            f"num_workers=0 runs the same code in the main process and shows where it fails"
        )

    def close(self) -> None:
        """End the workers: they finish the sample at hand, and are killed if that takes longer than some seconds."""
        if os.getpid() != self.owner_id:  # a forked copy of the iterator: the processes are not ours
            return
        for pipe in self.pipes:
            _hang_up(pipe)
        deadline = time.monotonic() + JOIN_SECONDS
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        for process in self.processes:
            process.join(1.0)
            if process.is_alive():
                process.kill()
                process.join()
        self.pipes.clear()


def _hang_up(pipe: Any) -> None:
    """Close a pipe for good: also when a process forked meanwhile holds a copy of our end."""
    if hasattr(socket, "AF_UNIX"):
        with socket.socket(fileno=os.dup(pipe.fileno())) as end:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:  # the other side has closed already
                pass
    pipe.close()
