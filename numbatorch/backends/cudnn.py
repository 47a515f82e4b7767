"""cuDNN: there is no GPU for it. Settings such as `benchmark` and `deterministic` are kept and mean nothing."""

from . import settings

settings(globals(), enabled=True, benchmark=False, benchmark_limit=None, deterministic=False, allow_tf32=True,
         fp32_precision="none")


def is_available():
    """Whether cuDNN computes: never."""
    return False


def version():
    """The number of its version: None."""
    return None


def is_acceptable(tensor):
    """Whether cuDNN would compute with this tensor: never."""
    return False
