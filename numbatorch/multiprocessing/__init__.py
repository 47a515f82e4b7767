"""The standard library's multiprocessing, whose queues and pipes pass tensors without copying them.

    import numbatorch.multiprocessing as mp

    def work(queue):
        queue.get().add_(1)              # the sender sees it

A tensor that is sent moves to shared memory first (`Tensor.share_memory_`), and what arrives is a tensor over the same
memory; its gradient stays behind. Forked processes share what was in shared memory before. `numbatorch/sharing.py` says
how the memory is found, `reductions.py` what travels.
"""

from multiprocessing import (
    Array,
    AuthenticationError,
    Barrier,
    BoundedSemaphore,
    BufferTooShort,
    Condition,
    Event,
    JoinableQueue,
    Lock,
    Manager,
    Pipe,
    Pool,
    Process,
    ProcessError,
    Queue,
    RawArray,
    RawValue,
    RLock,
    Semaphore,
    SimpleQueue,
    TimeoutError,
    Value,
    active_children,
    allow_connection_pickling,
    cpu_count,
    current_process,
    freeze_support,
    get_all_start_methods,
    get_context,
    get_logger,
    get_start_method,
    log_to_stderr,
    parent_process,
    reducer,
    set_executable,
    set_forkserver_preload,
    set_start_method,
)

from numbatorch.multiprocessing.reductions import init_reductions as init_reductions
from numbatorch.multiprocessing.spawn import (
    ENV_VAR_PARALLEL_START as ENV_VAR_PARALLEL_START,
    ProcessContext as ProcessContext,
    ProcessExitedException as ProcessExitedException,
    ProcessRaisedException as ProcessRaisedException,
    SpawnContext as SpawnContext,
    spawn as spawn,
    start_processes as start_processes,
)
from numbatorch.sharing import get_all_sharing_strategies, get_sharing_strategy, set_sharing_strategy

__all__ = [
    "Array", "AuthenticationError", "Barrier", "BoundedSemaphore", "BufferTooShort", "Condition", "Event",
    "JoinableQueue", "Lock", "Manager", "Pipe", "Pool", "Process", "ProcessError", "Queue", "RLock", "RawArray",
    "RawValue", "Semaphore", "SimpleQueue", "TimeoutError", "Value", "active_children", "allow_connection_pickling",
    "cpu_count", "current_process", "freeze_support", "get_all_sharing_strategies", "get_all_start_methods",
    "get_context", "get_logger", "get_sharing_strategy", "get_start_method", "log_to_stderr", "parent_process",
    "reducer", "set_executable", "set_forkserver_preload", "set_sharing_strategy", "set_start_method",
]  # fmt: skip

init_reductions()
