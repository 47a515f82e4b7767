"""Adadelta."""

from __future__ import annotations

import numbatorch
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    add_scaled,
    advance,
    check_learning_rate,
    check_not_negative,
    group_rate,
    new_step,
    rate,
)


class Adadelta(ParameterOptimizer):
    """param -= lr * grad * sqrt(u + eps) / sqrt(v + eps), v and u being running means of grad^2 and of the step^2.

    Zeiler 2012, arXiv:1212.5701, algorithm 1.
    """

    def __init__(
        self,
        params,
        lr=1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_learning_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative("epsilon", eps)
        check_not_negative("weight_decay", weight_decay)
        defaults = dict(
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            capturable=capturable,
            foreach=foreach,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def initial_state(self, param, group):
        return {
            "step": new_step(param, group),
            "square_avg": numbatorch.zeros_like(param),
            "acc_delta": numbatorch.zeros_like(param),
        }

    def formula(self, group):
        rho = group["rho"]
        numbers = {
            "weight_decay": group["weight_decay"],
            "rho": rho,
            "beside": 1 - rho,
            "eps": group["eps"],
            "size": -group_rate(group),
        }
        return "adadelta", {"square": "square_avg", "moved": "acc_delta"}, lambda step: numbers

    def update(self, param, grad, state, group):
        rho, eps = group["rho"], group["eps"]
        advance(state, param, group)
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        square, moved = state["square_avg"], state["acc_delta"]
        square.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        change = moved.add(eps).sqrt_().div_(square.add(eps).sqrt_()).mul_(grad)
        moved.mul_(rho).addcmul_(change, change, value=1 - rho)
        add_scaled(param, change, -rate(param, group))
