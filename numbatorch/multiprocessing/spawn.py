"""Processes that run one function with their rank: spawn and start_processes; their errors are raised by join."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

ENV_VAR_PARALLEL_START = "TORCH_MP_PARALLEL_START"
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


class ProcessException(Exception):
    """Process `error_index` with id `pid` failed."""

    __slots__ = ("error_index", "error_pid")

    def __init__(self, msg: str, error_index: int, pid: int):
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid

    def __reduce__(self) -> tuple:
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """The function of a process raised; the message holds its traceback."""

    def __init__(self, msg: str, error_index: int, error_pid: int):
        super().__init__(msg, error_index, error_pid)


class ProcessExitedException(ProcessException):
    """A process ended with `exit_code` without an exception: killed by `signal_name`, or by sys.exit."""

    __slots__ = ("exit_code", "signal_name")

    def __init__(self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None):
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> tuple:
        return type(self), (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name)


def _end_with_parent(parent_id: int) -> None:
    """On Linux: be interrupted when the parent dies, however it does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != parent_id:  # it died before
            os.kill(os.getpid(), signal.SIGINT)


def _wrap(fn: Callable, index: int, args: tuple, error_file: str, parent_id: int | None) -> None:
    """What a process runs; an exception goes to a file, which also a full pipe or a dead parent cannot hold up."""
    if parent_id is not None:
        _end_with_parent(parent_id)
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the parent was interrupted as well, or is gone
    except Exception:
        with open(error_file, "wb") as file:
            pickle.dump(traceback.format_exc(), file)
        sys.exit(1)


class ProcessContext:
    """The processes that start_processes started."""

    def __init__(self, processes: list, error_files: list):
        self.error_files = error_files
        self.processes = processes
        self.sentinels = {process.sentinel: index for index, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait for at least one process to end; True when all have ended well, False after `timeout` seconds or before.

        When one failed the others are told to terminate, and after `grace_period` seconds killed (without a period:
        after 30). ProcessRaisedException with the traceback of one that raised, ProcessExitedException for one that
        was killed or called sys.exit with a code other than 0.
        """
        if not self.sentinels:
            return True
        failed = None
        for sentinel in connection.wait(list(self.sentinels), timeout):
            index = self.sentinels.pop(sentinel)  # type: ignore[arg-type]
            process = self.processes[index]
            process.join()
            if process.exitcode != 0 and failed is None:
                failed = index
        if failed is None:
            return not self.sentinels
        self._end_all(30.0 if grace_period is None else grace_period)
        raise self._failure(failed)

    def _end_all(self, grace_seconds: float) -> None:
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        deadline = time.monotonic() + grace_seconds
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                warnings.warn(f"spawn: process {process.pid} did not end when it was told to: it is killed",
                              stacklevel=3)
                process.kill()
                process.join()

    def _failure(self, index: int) -> ProcessException:
        process = self.processes[index]
        if os.path.getsize(self.error_files[index]) == 0:
            code = process.exitcode
            if code < 0:
                try:
                    name = signal.Signals(-code).name
                except ValueError:
                    name = f"<Unknown signal {-code}>"
                return ProcessExitedException(f"process {index} terminated with signal {name}", index, process.pid,
                                              code, name)
            return ProcessExitedException(f"process {index} terminated with exit code {code}", index, process.pid, code)
        with open(self.error_files[index], "rb") as file:
            text = pickle.load(file)
        return ProcessRaisedException(f"\n\n-- Process {index} terminated with the following error:\n{text}", index,
                                      process.pid)

    def __del__(self) -> None:
        for path in getattr(self, "error_files", ()):
            if os.path.exists(path):
                os.unlink(path)


class SpawnContext(ProcessContext):
    """The processes that spawn started."""


def start_processes(fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
                    start_method: str = "spawn") -> ProcessContext | None:
    """Run fn(rank, *args) in `nprocs` processes, rank = 0, 1, ...

    join: wait for all and raise the error of one that failed, see ProcessContext.join; otherwise return a
    ProcessContext at once. Processes end when this one dies. ValueError for unknown start methods.
    """
    context: Any = multiprocessing.get_context(start_method)
    # A forked process of a fork server has the server for a parent: it notices the end of this one by itself.
    parent_id = os.getpid() if start_method != "forkserver" else None
    processes: list = []
    error_files: list[str] = []
    started = (SpawnContext if start_method == "spawn" else ProcessContext)
    try:
        for index in range(nprocs):
            handle, path = tempfile.mkstemp(prefix="numbatorch-error-", suffix=".pickle")
            os.close(handle)
            error_files.append(path)
            process = context.Process(target=_wrap, args=(fn, index, args, path, parent_id), daemon=daemon)
            process.start()
            processes.append(process)
    except BaseException:
        started(processes, error_files)._end_all(30.0)
        raise
    running = started(processes, error_files)
    if not join:
        return running
    while not running.join():
        pass
    return None


def spawn(fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
          start_method: str = "spawn") -> ProcessContext | None:
    """start_processes with new interpreters: `fn` must be importable, and the program guard its main part."""
    if start_method != "spawn":
        warnings.warn(f"spawn: start_method={start_method!r} is not for this function, which starts processes with "
                      "'spawn': use multiprocessing.start_processes(...)", FutureWarning, stacklevel=2)
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
