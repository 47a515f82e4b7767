"""Averaged stochastic gradient descent."""

from __future__ import annotations

import numbatorch
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    add_scaled,
    advance,
    check_learning_rate,
    check_not_negative,
    count_steps,
    group_rate,
    new_number,
    new_step,
    on_device,
    rate,
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
            "step": new_step(param, group),
            "eta": new_number(group["lr"], param, group),
            "mu": new_number(1.0, param, group),
            "ax": numbatorch.zeros_like(param),
        }

    def formula(self, group):
        def numbers(eta, mu):
            return {
                "weight_decay": group["weight_decay"],
                "shrink": 1 - group["lambd"] * eta,
                "size": -eta,
                "share": mu,
            }

        return "asgd", {"average": "ax"}, numbers

    def counted(self, states, group):
        if group["capturable"]:
            sizes, shares = ([state[key] for state in states] for key in ("eta", "mu"))
            now = numbatorch.stack(sizes), numbatorch.stack(shares)
            step, lr = count_steps(states, group), group_rate(group)
            size, share = _next(lr, step, (step - group["t0"]).clamp(min=1), group)
            numbatorch._foreach_copy_([*sizes, *shares], [*size.unbind(), *share.unbind()])
            return now
        now = [state["eta"].item() for state in states], [state["mu"].item() for state in states]
        for state, step in zip(states, count_steps(states, group), strict=True):
            _set_next(state, scalar(group["lr"]), step, max(1, step - group["t0"]), group)
        return now

    def update(self, param, grad, state, group):
        step, counts = advance(state, param, group), on_device(param, group)
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])
        eta, mu, mean = state["eta"], state["mu"], state["ax"]
        if not counts:
            eta, mu = eta.item(), mu.item()
        param.mul_(1 - group["lambd"] * eta)
        add_scaled(param, grad, -eta)
        if counts:
            mean.copy_(numbatorch.where(mu == 1, param, mean + (param - mean) * mu))
        elif mu != 1:
            mean.add_(param.sub(mean).mul_(mu))
        else:
            mean.copy_(param)
        late = step - group["t0"]
        _set_next(state, rate(param, group), step, late.clamp(min=1) if counts else max(1, late), group)


def _next(lr, step, late, group):
    """What the next step goes by: its size, and the share of the parameters in their mean."""
    return lr / (1 + group["lambd"] * lr * step) ** group["alpha"], 1 / late


def _set_next(state, lr, step, late, group):
    size, share = _next(lr, step, late, group)
    state["eta"].fill_(size)
    state["mu"].fill_(share)
