"""The base of the learning-rate schedules, and what they share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numbatorch
from numbatorch.optim.optimizer import Optimizer

EPOCH_WARNING = "{}.step: the epoch argument is deprecated; call step() once per epoch without it"


def number(value: Any) -> float:
    return value.item() if isinstance(value, numbatorch.Tensor) else value


def detached(value: Any) -> Any:
    return value.clone() if isinstance(value, numbatorch.Tensor) else value


def values(optimizer: Optimizer, key: str) -> list[Any]:
    return [detached(group[key]) for group in optimizer.param_groups]


def set_option(group: dict[str, Any], key: str, value: Any) -> None:
    """Set an option; a tensor option keeps its identity, because compiled steps hold on to it."""
    if isinstance(group[key], numbatorch.Tensor):
        group[key].fill_(number(value))
    else:
        group[key] = value


def per_group(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """One value for each parameter group, from a single value or a list."""
    groups = len(optimizer.param_groups)
    if isinstance(value, (list, tuple)):
        if len(value) != groups:
            raise ValueError(f"{name} must have the same length as optimizer.param_groups: {len(value)} != {groups}")
        return list(value)
    return [value] * groups


def check_optimizer(scheduler: Any, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(scheduler).__name__}: {type(optimizer).__name__} is not an Optimizer")


class LRScheduler:
    """The base: subclasses give `get_lr()`, the rates of epoch `last_epoch`, one for each parameter group.

    last_epoch: -1 to start; otherwise the epoch to resume after, and the groups must hold `initial_lr`.
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        check_optimizer(self, optimizer)
        self.optimizer = optimizer
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", detached(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{index}] when resuming an optimizer"
                )
        self.base_lrs: list[Any] = values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        optimizer._opt_called = False
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates set by the last step."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        raise NotImplementedError(f"{type(self).__name__}.get_lr is not written")

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch and set its rates; call it after `optimizer.step()`."""
        if self._step_count == 1 and not getattr(self.optimizer, "_opt_called", True):
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(): call optimizer.step() first, "
                "or the first value of the learning rate schedule is skipped",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING.format(type(self).__name__), UserWarning, stacklevel=2)
        self._go_to(epoch)

    def _go_to(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                rates = self._get_closed_form_lr() if hasattr(self, "_get_closed_form_lr") else self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set_rates(rates)

    def _set_rates(self, rates: Sequence[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_option(group, "lr", rate)
        self._last_lr: list[Any] = values(self.optimizer, "lr")

    def _present(self) -> list[Any]:
        """The rates now in force; `get_lr` starts from them."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                f"{type(self).__name__}: get_lr() is for step() to call; "
                f"the last computed learning rate is get_last_lr()",
                UserWarning,
                stacklevel=3,
            )
        return values(self.optimizer, "lr")
