"""Adamax."""

from __future__ import annotations

import numbatorch
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    add_ratio,
    advance,
    check_betas,
    check_learning_rate,
    check_not_negative,
    group_rate,
    new_step,
    rate,
)


class Adamax(ParameterOptimizer):
    """param -= lr * m / u, u = max(beta2 * u, |grad| + eps). Kingma & Ba 2014, arXiv:1412.6980, algorithm 2."""

    def __init__(
        self,
        params,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_learning_rate(lr)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def initial_state(self, param, group):
        return {
            "step": new_step(param, group),
            "exp_avg": numbatorch.zeros_like(param),
            "exp_inf": numbatorch.zeros_like(param),
        }

    def formula(self, group):
        (beta1, beta2), lr = group["betas"], group_rate(group)
        numbers = {
            "weight_decay": group["weight_decay"],
            "towards": 1 - beta1,
            "beta2": beta2,
            "eps": group["eps"],
        }
        kept = {"mean": "exp_avg", "bound": "exp_inf"}
        return "adamax", kept, lambda step: {**numbers, "size": -(lr / (1 - beta1**step))}

    def update(self, param, grad, state, group):
        beta1, beta2 = group["betas"]
        step = advance(state, param, group)
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        mean, bound = state["exp_avg"], state["exp_inf"]
        mean.lerp_(grad, 1 - beta1)
        bound.copy_(numbatorch.maximum(bound.mul_(beta2), grad.abs().add_(group["eps"])))
        add_ratio(param, mean, bound, -(rate(param, group) / (1 - beta1**step)))
