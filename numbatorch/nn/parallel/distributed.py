"""DistributedDataParallel, which needs several processes."""

from __future__ import annotations

from typing import Any

from ..modules.module import Module


class DistributedDataParallel(Module):
    """Training over several processes: not there. NotImplementedError when it is made."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        raise NotImplementedError("DistributedDataParallel: numbatorch has no process groups; train in one process, "
                                  "where kernels use all cores, or use DataParallel")
