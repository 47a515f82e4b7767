"""Optimizers that change one parameter after the other: the loop, and the checks they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numbatorch
from numbatorch.optim.optimizer import Optimizer


class ParameterOptimizer(Optimizer):
    """An optimizer given by the state of one parameter and the formula of one step.

    Subclasses define `initial_state(param, group)` and `update(param, grad, state, group)`. `update` works in place on
    `param` and on the tensors in `state`; complex parameters reach it as pairs of reals. `grad` is never written.
    """

    takes_sparse_gradients = False

    def initial_state(self, param, group: dict[str, Any]) -> dict[str, Any]:
        return {}

    def update(self, param, grad, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError(f"{type(self).__name__}.update is not written")

    def step(self, closure: Callable | None = None):
        """Update every parameter that has a gradient; returns what `closure` returns."""
        with numbatorch.set_grad_enabled(bool(self.defaults.get("differentiable"))):
            loss = None
            if closure is not None:
                with numbatorch.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                if self._is_updated_together(group):
                    continue
                maximize = group.get("maximize", False)
                for param in group["params"]:
                    grad = param.grad
                    if grad is None:
                        continue
                    if grad.is_sparse and not self.takes_sparse_gradients:
                        raise RuntimeError(
                            f"{type(self).__name__} does not support sparse gradients, please consider SparseAdam, "
                            f"SGD or Adagrad instead"
                        )
                    state = self.state.get(param)
                    if not state:
                        state = self.initial_state(param, group)
                    if maximize:
                        grad = -grad
                    if param.is_complex():
                        self._update_complex(param, grad, state, group)
                    else:
                        self.update(param, grad, state, group)
                    if state:
                        self.state[param] = state
        return loss

    def update_together(self, params: list, grads: list, states: list, group: dict[str, Any]) -> bool:
        """Update all parameters of a group in few launches, and count its steps; False where `update` is to do it."""
        return False

    def formula(self, group: dict[str, Any]) -> tuple | None:
        """(name in ops/steps.py, {operand: key in the state}, f(*counted): its numbers) of a step on a GPU, or None."""
        return None

    def counted(self, states: list, group: dict[str, Any]) -> tuple:
        """Count a step of each parameter; what its numbers depend on: a list for each thing, a vector if capturable."""
        return (count_steps(states, group),)

    def _by_formula(self, params, grads, states, group):
        found, there = self.formula(group), bool(group.get("capturable"))
        if found is None:
            return not there and self.update_together(params, grads, states, group)
        name, kept, numbers = found
        columns = {"param": params, "grad": grads}
        columns.update({label: [state[key] for state in states] for label, key in kept.items()})
        return numbatorch._fused_step_(
            name, columns, lambda: self.counted(states, group), numbers, there, maximize=bool(group.get("maximize"))
        )

    def _is_updated_together(self, group: dict[str, Any]) -> bool:
        """Whether `update_together` has updated a group: on a GPU, unless `foreach=False` asks for one by one."""
        first = next((param for param in group["params"] if param.grad is not None), None)
        if first is None or not first.is_cuda:
            return False
        if numbatorch.cuda.is_current_stream_capturing():
            self._check_recorded(first, group)
        if group.get("differentiable") or (group.get("foreach") is False and not group.get("fused")):
            return False
        params = [param for param in group["params"] if param.grad is not None]
        grads = [param.grad for param in params]
        if any(param.is_complex() or grad.is_sparse for param, grad in zip(params, grads, strict=True)):
            return False
        states = [self.state.get(param) or self.initial_state(param, group) for param in params]
        if group.get("capturable") and any(not state["step"].is_cuda for state in states):  # of a checkpoint
            return False
        if not self._by_formula(params, grads, states, group):
            return False
        for param, state in zip(params, states, strict=True):
            if state:
                self.state[param] = state
        return True

    def _check_recorded(self, param, group: dict[str, Any]) -> None:
        """Raise where a step would not be another one at every replay of the CUDA graph that is being recorded."""
        name, state = type(self).__name__, self.state.get(param)
        if group.get("capturable"):
            if not state:
                raise RuntimeError(
                    f"{name}.step: the first step makes the optimizer's state, which every replay of a CUDA graph "
                    "would make anew; call step() once before recording"
                )
        elif "step" in (state or self.initial_state(param, group)):
            way = "pass capturable=True" if "capturable" in group else "call step() after replay()"
            raise NotImplementedError(
                f"{name}.step: cannot be recorded into a CUDA graph, because the host counts its steps and every "
                f"replay would be the same one; {way}"
            )

    def _update_complex(self, param, grad, state, group) -> None:
        as_real, as_complex = numbatorch.view_as_real, numbatorch.view_as_complex
        is_tensor = numbatorch.is_tensor
        pairs = {key: as_real(v) if is_tensor(v) and v.is_complex() else v for key, v in state.items()}
        before = dict(pairs)
        self.update(as_real(param), as_real(grad), pairs, group)
        for key, value in pairs.items():
            if value is not before.get(key):  # made or replaced by this step
                state[key] = as_complex(value) if is_tensor(value) and value.dim() else value

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for entry in self.state.values():  # old checkpoints count steps in a Python number
            if isinstance(entry, dict) and isinstance(entry.get("step"), (int, float)):
                entry["step"] = numbatorch.tensor(float(entry["step"]), dtype=numbatorch.float32)


def on_device(param: Any, group: dict[str, Any]) -> bool:
    """Whether a GPU counts the steps itself (`capturable`), so that they can be recorded into a CUDA graph."""
    return bool(group.get("capturable")) and param.is_cuda


def new_number(value: Any, param: Any, group: dict[str, Any]) -> Any:
    """A float32 scalar of a fresh parameter's state: on the CPU, or beside the parameter where that is `on_device`."""
    device = param.device if on_device(param, group) else "cpu"
    if isinstance(value, numbatorch.Tensor):
        return value.detach().to(device, numbatorch.float32).reshape(()).clone()
    return numbatorch.full((), value, dtype=numbatorch.float32, device=device)


def new_step(param: Any, group: dict[str, Any]) -> Any:
    """The step count of a fresh parameter: a float32 scalar, as torch keeps it."""
    return new_number(0.0, param, group)


def advance(state: dict[str, Any], param: Any = None, group: Any = None) -> Any:
    """Count one step; the number of this step, starting at 1: as a tensor where `on_device`."""
    if param is None or group is None or not on_device(param, group):
        state["step"].add_(1)
        return state["step"].item()
    if not state["step"].is_cuda:  # of a checkpoint
        state["step"] = state["step"].to(param.device)
    return state["step"].add_(1)


def count_steps(states, group):
    """Count one step of each; the numbers of these steps: a list, or a vector of the device if that counts."""
    if not group.get("capturable"):
        return [advance(state) for state in states]
    steps = [state["step"] for state in states]
    numbatorch._foreach_add_(steps, 1)
    return numbatorch.stack(steps)


def group_rate(group: dict[str, Any]) -> Any:
    """The learning rate of a formula: a number, or itself where a replay is to find what a tensor holds then."""
    return _without_dimensions(group["lr"]) if group.get("capturable") else scalar(group["lr"])


def rate(param: Any, group: dict[str, Any]) -> Any:
    """The learning rate: a number, or itself where `on_device`: a replay finds what a tensor holds then."""
    return _without_dimensions(group["lr"]) if on_device(param, group) else scalar(group["lr"])


def _without_dimensions(lr: Any) -> Any:
    """A learning rate that goes with any other number: as a tensor of one element it may have dimensions."""
    return lr.reshape(()) if isinstance(lr, numbatorch.Tensor) and lr.dim() else lr


def add_scaled(param: Any, change: Any, size: Any) -> None:
    """param += size * change, for a size that may be a tensor."""
    if isinstance(size, numbatorch.Tensor):
        param.add_(change * size)
    else:
        param.add_(change, alpha=size)


def add_ratio(param: Any, change: Any, divisor: Any, size: Any) -> None:
    """param += size * change / divisor, for a size that may be a tensor."""
    if isinstance(size, numbatorch.Tensor):
        param.add_(change / divisor * size)
    else:
        param.addcdiv_(change, divisor, value=size)


def scalar(value: Any) -> Any:
    """The number in an option that may be a one-element tensor."""
    return value.item() if isinstance(value, numbatorch.Tensor) else value


def check_learning_rate(lr: Any, foreach: bool | None = None, capturable: bool = True) -> None:
    if isinstance(lr, numbatorch.Tensor):
        if lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, got shape {tuple(lr.shape)}")
        if foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
    if not scalar(lr) >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_not_negative(what: str, value: Any) -> None:
    if not scalar(value) >= 0.0:
        raise ValueError(f"Invalid {what} value: {value}")


def check_betas(betas: Sequence[Any]) -> None:
    for index, beta in enumerate(betas):
        if not 0.0 <= scalar(beta) < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {beta}")


def check_implementation(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """`fused` and `foreach` choose how torch runs the update; here they are accepted, and checked as there."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
