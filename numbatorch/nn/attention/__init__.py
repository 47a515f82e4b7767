"""Which way scaled_dot_product_attention is computed: names that PyTorch programs use. Here there is one way."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Sequence

__all__ = ["SDPBackend", "WARN_FOR_UNFUSED_KERNELS", "sdpa_kernel"]

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(enum.IntEnum):
    """Ways to compute attention. numbatorch has one, whatever is asked for."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextlib.contextmanager
def sdpa_kernel(backends: Sequence[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict]:
    """Ask for some ways of computing attention, in a with statement or as a decorator. It changes nothing.

    AssertionError for what is no SDPBackend.
    """
    asked = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(asked, (list, tuple)) or not all(isinstance(backend, SDPBackend) for backend in asked):
        raise AssertionError(f"sdpa_kernel: backends must be an SDPBackend or a list of them, got {backends!r}")
    yield {}
