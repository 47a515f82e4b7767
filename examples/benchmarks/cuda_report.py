"""What the sections of cuda_check.py share: rows of results, PyTorch where it has the GPU, times of the GPU."""

import json
import os

EMULATED = os.environ.get("NUMBATORCH_CUDA") == "emulate"


def say(name, value=None, unit="", beside=None, holds=None, note=""):
    """A result; in the emulator nothing is said of speed."""
    row = {"name": name, "value": value, "unit": unit, "beside": beside, "holds": holds, "note": note}
    print("@result " + json.dumps({k: v for k, v in row.items() if v not in (None, "") or k == "name"}), flush=True)


def fast(holds):
    """A claim about speed, which the emulator cannot make."""
    return None if EMULATED else bool(holds)


def pytorch():
    """PyTorch, where it is installed and has the GPU."""
    try:
        import torch as other
    except ImportError:
        return None
    return other if other.cuda.is_available() else None


def best(library, function, runs):
    """The least time of the GPU for a call, in seconds."""
    function()
    times = []
    for _ in range(runs):
        start, end = (library.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return max(min(times), 1e-9)
