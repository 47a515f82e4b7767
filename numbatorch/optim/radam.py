"""RAdam."""

from __future__ import annotations

import numbatorch
from numbatorch.fused import moment_numbers
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    advance,
    check_betas,
    check_learning_rate,
    check_not_negative,
    group_rate,
    new_step,
    on_device,
    rate,
)


class RAdam(ParameterOptimizer):
    """Adam that steps along the plain mean until the variance estimate rests on enough gradients (rho > 5).

    Liu et al. 2019, arXiv:1908.03265, algorithm 2.
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            decoupled_weight_decay=decoupled_weight_decay,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def initial_state(self, param, group):
        return {
            "step": new_step(param, group),
            "exp_avg": numbatorch.zeros_like(param),
            "exp_avg_sq": numbatorch.zeros_like(param),
        }

    def formula(self, group):
        (beta1, beta2), lr, decay = group["betas"], group_rate(group), group["weight_decay"]
        fixed = moment_numbers(lr, beta1, beta2, decay, group["decoupled_weight_decay"])

        def numbers(step):
            correction2 = 1 - beta2**step
            length, rectified = _rectified(beta2, step, correction2)
            if group["capturable"]:
                factor = numbatorch.where(length > 5.0, rectified(), 0.0)
            else:
                factor = rectified() if length > 5.0 else 0.0
            return {
                **fixed,
                "correction": 1 - beta1**step,
                "rate": lr,
                "root": correction2**0.5,
                "eps": group["eps"],
                "rectified": factor,
            }

        return "radam", {"mean": "exp_avg", "square": "exp_avg_sq"}, numbers

    def update(self, param, grad, state, group):
        (beta1, beta2), lr = group["betas"], rate(param, group)
        step = advance(state, param, group)
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * group["weight_decay"])
            else:
                grad = grad.add(param, alpha=group["weight_decay"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        correction2 = 1 - beta2**step
        change = mean / (1 - beta1**step) * lr
        length, rectified = _rectified(beta2, step, correction2)
        rectifies = length > 5.0
        if on_device(param, group) or rectifies:
            adapted = correction2**0.5 / square.sqrt().add_(group["eps"])
            scaled = change * adapted * rectified()
            change = numbatorch.where(rectifies, scaled, change) if on_device(param, group) else scaled
        param.add_(change, alpha=-1.0)


def _rectified(beta2, step, correction2):
    """(length of the moving average of the squares, f() that gives the factor of steps longer than 5)."""
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / correction2
    return length, lambda: ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5
