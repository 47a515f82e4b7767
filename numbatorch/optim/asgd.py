"""Averaged stochastic gradient descent."""

from __future__ import annotations

import numbatorch
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    advance,
    check_learning_rate,
    check_not_negative,
    new_step,
    scalar,
)


class ASGD(ParameterOptimizer):
    """SGD with decay eta = lr / (1 + lambd * lr * step)^alpha; `ax` is the mean of the parameters after step t0.

    Polyak & Juditsky 1992; Bottou's schedule.
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_learning_rate(lr)
        check_not_negative("weight_decay", weight_decay)
        defaults = dict(
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def initial_state(self, param, group):
        return {
            "step": new_step(),
            "eta": numbatorch.full((), scalar(group["lr"]), dtype=numbatorch.float32),
            "mu": numbatorch.ones((), dtype=numbatorch.float32),
            "ax": numbatorch.zeros_like(param),
        }

    def update(self, param, grad, state, group):
        step = advance(state)
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        eta, mu, mean = state["eta"].item(), state["mu"].item(), state["ax"]
        param.mul_(1 - group["lambd"] * eta)
        param.add_(grad, alpha=-eta)
        if mu != 1:
            mean.add_(param.sub(mean).mul_(mu))
        else:
            mean.copy_(param)
        lr = scalar(group["lr"])
        state["eta"].fill_(lr / (1 + group["lambd"] * lr * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))
