"""DataParallel: a batch cut over the GPUs of one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numbatorch

from ..modules.module import Module
from .replicas import parallel_apply, replicate
from .scatter_gather import gather, scatter_kwargs


def _gpus() -> list[int]:
    return list(range(numbatorch.cuda.device_count())) if numbatorch.cuda.is_available() else []


class DataParallel(Module):
    """module(input), with input cut along `dim` over `device_ids`, by default all GPUs; results on output_device.

    Without GPUs it calls the module. Its state dict has "module." before each key, as PyTorch's has.
    """

    def __init__(self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None,
                 dim: int = 0) -> None:
        super().__init__()
        self.module, self.dim = module, dim
        gpus = _gpus()
        self.device_ids: list = [] if not gpus else list(gpus if device_ids is None else device_ids)
        self.output_device = self.device_ids[0] if output_device is None and self.device_ids else output_device

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        return data_parallel(self.module, inputs, self.device_ids, self.output_device, self.dim, kwargs)


def data_parallel(module: Module, inputs: Any, device_ids: Sequence[Any] | None = None, output_device: Any = None,
                  dim: int = 0, module_kwargs: dict | None = None) -> Any:
    """module(*inputs, **module_kwargs), cut along `dim` over device_ids: by default all GPUs; without any, uncut."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,) if inputs is not None else ()
    devices = list(_gpus() if device_ids is None else device_ids)
    if not devices:
        return module(*inputs, **(module_kwargs or {}))
    parts, named = scatter_kwargs(inputs, module_kwargs, devices, dim)
    if not parts:
        parts, named = ((),), ({},)
    if len(devices) == 1:
        return module(*parts[0], **named[0])
    used = devices[:len(parts)]
    results = parallel_apply(replicate(module, used), parts, named, used)
    return gather(results, devices[0] if output_device is None else output_device, dim)
