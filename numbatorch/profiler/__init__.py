"""torch.profiler: record what runs step by step, with schedules, traces and tables.

    with profile(schedule=schedule(wait=1, warmup=1, active=3), on_trace_ready=tensorboard_trace_handler("log")) as p:
        for batch in data:
            train(batch)
            p.step()
    print(p.key_averages().table(sort_by="self_cpu_time_total", row_limit=10))
"""

from ..autograd.profiler import DeviceType, record_function
from .execution import ExecutionTraceObserver
from .limits import MachineLimits, machine_limits
from .sessions import (
    ProfilerAction,
    ProfilerActivity,
    kineto_available,
    profile,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)

__all__ = ["profile", "schedule", "supported_activities", "tensorboard_trace_handler", "ProfilerAction",
           "ProfilerActivity", "kineto_available", "DeviceType", "record_function", "ExecutionTraceObserver",
           "MachineLimits", "machine_limits"]
