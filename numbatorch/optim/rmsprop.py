"""RMSprop."""

from __future__ import annotations

import numbatorch
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    add_ratio,
    add_scaled,
    advance,
    check_learning_rate,
    check_not_negative,
    group_rate,
    new_step,
    rate,
)


class RMSprop(ParameterOptimizer):
    """param -= lr * grad / (sqrt(v) + eps), v being a running mean of grad^2; `centered` takes off mean(grad)^2.

    Hinton 2012, lecture 6e; Graves 2013, arXiv:1308.0850, for the centred form.
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_learning_rate(lr)
        check_not_negative("epsilon", eps)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("alpha", alpha)
        defaults = dict(
            lr=lr,
            momentum=momentum,
            alpha=alpha,
            eps=eps,
            centered=centered,
            weight_decay=weight_decay,
            capturable=capturable,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def initial_state(self, param, group):
        state = {"step": new_step(param, group), "square_avg": numbatorch.zeros_like(param)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = numbatorch.zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = numbatorch.zeros_like(param)
        return state

    def formula(self, group):
        alpha, momentum, centered = group["alpha"], group["momentum"], group["centered"]
        numbers = {
            "weight_decay": group["weight_decay"],
            "alpha": alpha,
            "beside": 1 - alpha,
            "eps": group["eps"],
            "size": -group_rate(group),
        }
        name, kept = "rmsprop", {"square": "square_avg"}
        if centered:
            name, kept = f"{name}_centered", {**kept, "mean": "grad_avg"}
        if momentum > 0:
            name, kept = f"{name}_momentum", {**kept, "buffer": "momentum_buffer"}
            numbers["momentum"] = momentum
        return name, kept, lambda step: numbers

    def update(self, param, grad, state, group):
        alpha, lr = group["alpha"], rate(param, group)
        advance(state, param, group)
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        square = state["square_avg"]
        square.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"]
            mean.lerp_(grad, 1 - alpha)
            root = square.addcmul(mean, mean, value=-1).sqrt_()
        else:
            root = square.sqrt()
        root.add_(group["eps"])
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"]
            buffer.mul_(group["momentum"]).addcdiv_(grad, root)
            add_scaled(param, buffer, -lr)
        else:
            add_ratio(param, grad, root, -lr)
