"""Copies of a module on devices, and calls of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numbatorch import is_grad_enabled, set_grad_enabled

from ..modules.hooks import name_failing_module
from ..modules.module import Module
from ..parameter import is_lazy
from .scatter_gather import as_device


def replicate(network: Module, devices: Sequence[Any], detach: bool = False) -> list[Module]:
    """A copy of a module for each device, whose parameters are those of the module moved there.

    Gradients reach the module's own parameters, unless `detach`. The first copy shares the module's buffers, so that
    running statistics are kept; the others have their own. RuntimeError for lazy modules that have no shapes yet.
    """
    for path, module in network.named_modules():
        if any(is_lazy(tensor) for tensor in (*module._parameters.values(), *module._buffers.values())):
            raise RuntimeError(f"replicate: module {path or type(network).__name__} has parameters without a shape: "
                               "call it with an example input first")
    return [_replica(network, as_device(device), position, detach, {}) for position, device in enumerate(devices)]


def _replica(module: Module, device: Any, position: int, detach: bool, made: dict[Module, Module]) -> Module:
    if module in made:  # used in two places: still one module
        return made[module]
    copy = made[module] = module.__new__(type(module))
    copy.__dict__ = dict(module.__dict__)
    parameters: dict = {}
    for name, parameter in module._parameters.items():
        if parameter is not None:
            parameter = parameter.detach() if detach else parameter
            parameter = parameter if parameter.device == device else parameter.to(device)
        parameters[name] = parameter
    buffers = {name: buffer if buffer is None or (position == 0 and buffer.device == device)
               else buffer.detach().clone().to(device) for name, buffer in module._buffers.items()}
    children = {name: None if child is None else _replica(child, device, position, detach, made)
                for name, child in module._modules.items()}
    copy.__dict__.update(_parameters=parameters, _buffers=buffers, _modules=children)
    return copy


def parallel_apply(modules: Sequence[Module], inputs: Sequence[Any], kwargs_tup: Sequence[dict] | None = None,
                   devices: Sequence[Any] | None = None) -> list[Any]:
    """[module(*input, **kwargs) for each module]; an input that is no tuple is the only argument.

    Calls follow each other: kernels use all cores by themselves. ValueError where the numbers of modules, inputs,
    kwargs and devices differ. An exception names the module's number.
    """
    named: Sequence[dict] = [{}] * len(modules) if kwargs_tup is None else kwargs_tup
    counts = {"modules": len(modules), "inputs": len(inputs), "kwargs_tup": len(named)}
    if devices is not None:
        counts["devices"] = len(devices)
    if len(set(counts.values())) > 1:
        raise ValueError("parallel_apply: there must be as many of each, got "
                         + ", ".join(f"{count} {what}" for what, count in counts.items()))
    results = []
    recording = is_grad_enabled()
    for position, (module, input, kwargs) in enumerate(zip(modules, inputs, named, strict=True)):
        with set_grad_enabled(recording):
            try:
                results.append(module(*(input if isinstance(input, (list, tuple)) else (input,)), **kwargs))
            except Exception as error:
                name_failing_module(module, error)
                error.add_note(f"in replica {position} of parallel_apply")
                raise
    return results
