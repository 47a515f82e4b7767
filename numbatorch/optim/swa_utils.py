"""Averages of the weights along training: SWA (Izmailov et al. 2018) and exponential moving averages."""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numbatorch as torch
from numbatorch import Tensor
from numbatorch.nn import Module
from numbatorch.optim.lr_scheduler import LRScheduler


def get_ema_avg_fn(decay=0.999):
    """average, new, count -> decay * average + (1 - decay) * new. ValueError for a decay outside [0, 1]."""
    _check_decay(decay)

    @torch.no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param
    return ema_update


def get_swa_avg_fn():
    """average, new, count -> the mean of all count + 1 so far."""
    @torch.no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)
    return swa_update


def get_ema_multi_avg_fn(decay=0.999):
    """The exponential average of lists of tensors, in place."""
    _check_decay(decay)

    @torch.no_grad()
    def ema_update(ema_param_list, current_param_list, _):
        for average, new in zip(ema_param_list, current_param_list, strict=True):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(new, 1 - decay)
            else:
                average.copy_(average * decay + new * (1 - decay))
    return ema_update


def get_swa_multi_avg_fn():
    """The mean of lists of tensors, in place."""
    @torch.no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged):
        share = 1 / (float(num_averaged) + 1)
        for average, new in zip(averaged_param_list, current_param_list, strict=True):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(new, share)
            else:
                average.add_(((new - average) * share).to(average.dtype))
    return swa_update


def _check_decay(decay):
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's, updated by `update_parameters(model)`.

    avg_fn(average, new, count) or multi_avg_fn(averages, news, count) say how; the mean of all without them.
    use_buffers: average the buffers too; else they are copied. AssertionError when both functions are given.
    """

    n_averaged: Tensor

    def __init__(self, model: Module, device: Any = None, avg_fn: Callable | None = None,
                 multi_avg_fn: Callable | None = None, use_buffers: bool = False) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.long))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def _tensors(self, model: Module) -> list[Tensor]:
        return list(itertools.chain(model.parameters(), model.buffers() if self.use_buffers else ()))

    @torch.no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of `model` into the averages."""
        own, given = self._tensors(self.module), [t.detach() for t in self._tensors(model)]
        count = self.n_averaged
        if int(count) == 0:
            for average, new in zip(own, given, strict=True):
                average.detach().copy_(new)
        elif self.multi_avg_fn is not None or self.avg_fn is None:
            averages = [t.detach() for t in own]
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, given, count)
        else:
            for average, new in zip(own, given, strict=True):
                average.detach().copy_(self.avg_fn(average.detach(), new, count))
        if not self.use_buffers:
            for average, new in zip(self.module.buffers(), model.buffers(), strict=True):
                average.detach().copy_(new.detach())
        self.n_averaged += 1


@torch.no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch norms anew, as means over one pass of `loader`.

    Batches that are lists or tuples have the input first.
    """
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = {m: m.momentum for m in norms}
    training = model.training
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    model.train()
    try:
        for batch in loader:
            given = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(given if device is None else given.to(device))
    finally:
        for m, momentum in momenta.items():
            m.momentum = momentum
        model.train(training)


class SWALR(LRScheduler):
    """Anneal the learning rate to `swa_lr` in `anneal_epochs` epochs ("cos" or "linear") and keep it there.

    swa_lr: a number, or one for each parameter group. ValueError for what does not fit.
    """

    def __init__(self, optimizer, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos",
                 last_epoch: int = -1):
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must by one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._set_anneal_func(anneal_strategy)
        rates = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * len(optimizer.param_groups)
        if len(rates) != len(optimizer.param_groups):
            raise ValueError("swa_lr must have the same length as optimizer.param_groups: swa_lr has "
                             f"{len(rates)}, optimizer.param_groups has {len(optimizer.param_groups)}")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _set_anneal_func(self, anneal_strategy):
        self._anneal_strategy = anneal_strategy

    def _share(self, t: float) -> float:
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        if not self._get_lr_called_within_step:
            warnings.warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                          stacklevel=2)
        step = self._step_count - 1
        epochs = max(1, self.anneal_epochs)
        before = self._share(max(0, min(1, (step - 1) / epochs)))
        now = self._share(max(0, min(1, step / epochs)))
        result = []
        for group in self.optimizer.param_groups:
            target = group["swa_lr"]
            if before == 1:
                result.append(target)
                continue
            start = (group["lr"] - before * target) / (1 - before)
            result.append(target * now + start * (1 - now))
        return result
