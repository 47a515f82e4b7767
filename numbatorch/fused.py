"""`_fused_adam_` and its like: a step of an optimizer for all parameters at once, in one launch on a GPU.

Step counts are those of this step, so that the caller counts first. With `grad_scale` gradients are divided by it, in
place; where `found_inf` is not 0 nothing is changed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from numbatorch.interception import state
from numbatorch.ops import OPS
from numbatorch.tensor import Tensor
from numbatorch.together import each, fits

__all__ = ["_fused_adagrad_", "_fused_adam_", "_fused_adamw_", "_fused_sgd_", "_fused_step_"]


def _number(value: Any) -> Any:
    """A number of an option: as it is while a compiled function is captured, which follows it."""
    value = value.item() if isinstance(value, Tensor) else value
    return value if state.traced is not None else float(value)


def _run(name: str, columns: dict, numbers: dict, into: tuple, **statics: Any) -> None:
    """Do a step for the parameters beside each other in the columns."""
    if each(name, columns, numbers, into, statics) is not None:
        return
    for row in zip(*columns.values(), strict=True):
        results = OPS[name].call(*row, **numbers, **statics)
        results = results if isinstance(results, tuple) else (results,)
        for label, result in zip(into, results, strict=True):
            row[list(columns).index(label)].copy_(result)


def _fused_step_(name: str, columns: dict, count: Any, numbers: Any, there: bool = False, **statics: Any) -> bool:
    """A step by the formula `_<name>_step` (ops/steps.py) for the tensors beside each other in the columns.

    numbers(*counted): its numbers, by what count() gives: a list for each thing counted, with what each
    set has counted. Every column but `grad` gets a result. there: the device counts, in a vector for each thing, and
    numbers are vectors, too, or the same for all. False, and nothing is counted, where that is not one launch.
    """
    into = tuple(k for k in columns if k != "grad")
    if there:
        if not fits(f"_{name}_step", columns, into):
            return False
        given, sets = numbers(*count()), len(columns["param"])
        values = {k: list(v.unbind()) if v.dim() else [v] * sets for k, v in given.items()
                  if isinstance(v, Tensor) and v.is_cuda}
        done = each(f"_{name}_step", columns, {k: _number(v) for k, v in given.items() if k not in values}, into,
                    statics, values)
        assert done is not None, f"_{name}_step has no launch for several tensors"
        return True
    for values, places in _alike(list(zip(*count(), strict=True))):
        given = numbers(*values)
        _run(f"_{name}_step", {label: [tensors[k] for k in places] for label, tensors in columns.items()},
             {k: _number(v) for k, v in given.items()}, into, **statics)
    return True


def _skips(grads: list, grad_scale: Any, found_inf: Any) -> bool:
    """Whether there is nothing to be done; else gradients are unscaled."""
    if found_inf is not None and float(found_inf):
        return True
    if grad_scale is not None:
        for grad in grads:
            grad.div_(grad_scale)
    return False


def _alike(counted: list) -> list:
    """[(numbers, places of the parameters that have counted them)]."""
    if state.traced is not None:  # and no number is compared
        return [(tuple(map(_number, values)), [place]) for place, values in enumerate(counted)]
    found: dict = defaultdict(list)
    for place, values in enumerate(counted):
        found[tuple(map(float, values))].append(place)
    return list(found.items())


def moment_numbers(lr: Any, beta1: Any, beta2: Any, weight_decay: Any, decoupled: bool) -> dict:
    """Numbers of each step with running means of grad and grad^2: weight decay, of either kind, and shares."""
    return {"decay": 1 - lr * weight_decay if decoupled else 1.0, "weight_decay": 0.0 if decoupled else weight_decay,
            "towards": 1 - beta1, "beta2": beta2, "beside": 1 - beta2}


def adam_numbers(step: Any, lr: Any, beta1: Any, beta2: Any, weight_decay: Any, decoupled: bool, eps: Any) -> dict:
    """The numbers of a step of Adam; step and lr are numbers or tensors."""
    return {**moment_numbers(lr, beta1, beta2, weight_decay, decoupled), "root": (1 - beta2 ** step) ** 0.5, "eps": eps,
            "size": -(lr / (1 - beta1 ** step))}


def _adam(decoupled: bool, self: list, grads: list, exp_avgs: list, exp_avg_sqs: list, max_exp_avg_sqs: list,
          state_steps: list, lr: Any, beta1: float, beta2: float, weight_decay: float, eps: float, amsgrad: bool,
          maximize: bool, grad_scale: Any, found_inf: Any) -> None:
    if _skips(grads, grad_scale, found_inf):
        return
    lr, beta1, beta2 = _number(lr), _number(beta1), _number(beta2)
    lists = {"param": self, "grad": grads, "mean": exp_avgs, "square": exp_avg_sqs}
    if amsgrad:
        lists["largest"] = max_exp_avg_sqs
    for (step,), places in _alike([(step,) for step in state_steps]):
        numbers = adam_numbers(step, lr, beta1, beta2, weight_decay, decoupled, eps)
        columns = {label: [tensors[k] for k in places] for label, tensors in lists.items()}
        _run("_amsgrad_step" if amsgrad else "_adam_step", columns, {k: _number(v) for k, v in numbers.items()},
             tuple(label for label in lists if label != "grad"), maximize=bool(maximize))


def _fused_adam_(self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, *, lr, beta1, beta2, weight_decay,
                 eps, amsgrad, maximize, grad_scale=None, found_inf=None) -> None:
    """A step of Adam for lists of parameters, gradients and state; see optim.Adam."""
    _adam(False, self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, lr, beta1, beta2, weight_decay, eps,
          amsgrad, maximize, grad_scale, found_inf)


def _fused_adamw_(self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, *, lr, beta1, beta2, weight_decay,
                  eps, amsgrad, maximize, grad_scale=None, found_inf=None) -> None:
    """A step of AdamW for lists of parameters, gradients and state; see optim.AdamW."""
    _adam(True, self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, lr, beta1, beta2, weight_decay, eps,
          amsgrad, maximize, grad_scale, found_inf)


def _fused_sgd_(self, grads, momentum_buffer_list, *, weight_decay, momentum, lr, dampening, nesterov, maximize,
                is_first_step, grad_scale=None, found_inf=None) -> None:
    """A step of SGD for lists of parameters, gradients and momenta, which the first step begins; see optim.SGD."""
    if _skips(grads, grad_scale, found_inf):
        return
    numbers = {"weight_decay": float(weight_decay)}
    if not momentum:
        _run("_sgd_step", {"param": self, "grad": grads}, {**numbers, "rate": _number(lr)}, ("param",),
             maximize=bool(maximize))
        return
    share = 1.0 if is_first_step else 1.0 - dampening
    if is_first_step:
        for buffer in momentum_buffer_list:
            buffer.zero_()
    _run("_momentum_step", {"param": self, "grad": grads, "buffer": momentum_buffer_list},
         {**numbers, "momentum": float(momentum), "share": share, "rate": _number(lr)}, ("param", "buffer"),
         nesterov=bool(nesterov), maximize=bool(maximize))


def _fused_adagrad_(self, grads, state_sums, state_steps, *, lr, lr_decay, weight_decay, eps, maximize,
                    grad_scale=None, found_inf=None) -> None:
    """A step of Adagrad for lists of parameters, gradients and sums of squares; see optim.Adagrad."""
    if _skips(grads, grad_scale, found_inf):
        return
    for (step,), places in _alike([(step,) for step in state_steps]):
        columns = {label: [tensors[k] for k in places] for label, tensors in (
            ("param", self), ("grad", grads), ("sum", state_sums))}
        _run("_adagrad_step", columns, {"weight_decay": float(weight_decay), "eps": float(eps),
                                        "rate": _number(lr) / (1 + (step - 1) * lr_decay)}, ("param", "sum"),
             maximize=bool(maximize))
