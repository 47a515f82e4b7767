"""oneDNN: not part of numbatorch, whose kernels do its work. Settings are kept and mean nothing."""

from . import settings
from .mkl import VERBOSE_OFF, VERBOSE_ON, verbose as _verbose

VERBOSE_ON_CREATION = 2

settings(globals(), enabled=True, deterministic=False, allow_tf32=None, fp32_precision="none")


def is_available():
    """Whether oneDNN computes: never."""
    return False


def is_acl_available():
    """Whether it computes with the Arm Compute Library: never."""
    return False


class verbose(_verbose):
    """Context in which oneDNN would print its calls; there are none."""

    def __init__(self, level):
        super().__init__(level)
        self.level = level


__all__ = ["VERBOSE_OFF", "VERBOSE_ON", "VERBOSE_ON_CREATION", "is_acl_available", "is_available", "verbose"]
