"""Stochastic gradient descent."""

from __future__ import annotations

import numbatorch
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    check_implementation,
    check_learning_rate,
    check_not_negative,
    scalar,
)


class SGD(ParameterOptimizer):
    """param -= lr * (grad + weight_decay * param), with momentum if asked.

    buffer = momentum * buffer + (1 - dampening) * grad, starting at the first gradient itself; with `nesterov` the step
    is grad + momentum * buffer. Sutskever et al. 2013, On the importance of initialization and momentum.
    """

    takes_sparse_gradients = True

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay=0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_learning_rate(lr)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = dict(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            fused=fused,
        )
        check_implementation(fused, foreach, differentiable)
        super().__init__(params, defaults)

    def update_together(self, params, grads, states, group):
        is_first = [state.get("momentum_buffer") is None for state in states]
        if group["momentum"] and any(is_first) and not all(is_first):
            return False
        if group["momentum"] and is_first[0]:
            for param, state in zip(params, states, strict=True):
                state["momentum_buffer"] = numbatorch.zeros_like(param)
        numbatorch._fused_sgd_(
            params,
            grads,
            [state.get("momentum_buffer") for state in states],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=scalar(group["lr"]),
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            is_first_step=bool(group["momentum"]) and is_first[0],
        )
        return True

    def update(self, param, grad, state, group):
        momentum = group["momentum"]
        if scalar(group["weight_decay"]) != 0:
            grad = grad.add(param, alpha=scalar(group["weight_decay"]))
        if momentum != 0:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = grad.detach().clone()
            else:
                buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad.add(buffer, alpha=momentum) if group["nesterov"] else buffer
        param.add_(grad, alpha=-scalar(group["lr"]))
