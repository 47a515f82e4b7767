"""NAdam."""

from __future__ import annotations

import numbatorch
from numbatorch.fused import moment_numbers
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    add_ratio,
    advance,
    check_betas,
    check_learning_rate,
    check_not_negative,
    count_steps,
    group_rate,
    new_number,
    new_step,
    on_device,
    rate,
)


class NAdam(ParameterOptimizer):
    """Adam with Nesterov momentum whose coefficient grows: mu = beta1 * (1 - 0.96^(step * momentum_decay) / 2).

    Dozat 2016, Incorporating Nesterov momentum into Adam, algorithm 2.
    """

    def __init__(
        self,
        params,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative("momentum_decay", momentum_decay)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def initial_state(self, param, group):
        return {
            "step": new_step(param, group),
            "mu_product": new_number(1.0, param, group),
            "exp_avg": numbatorch.zeros_like(param),
            "exp_avg_sq": numbatorch.zeros_like(param),
        }

    def formula(self, group):
        (beta1, beta2), lr, decay = group["betas"], group_rate(group), group["weight_decay"]
        fixed = moment_numbers(lr, beta1, beta2, decay, group["decoupled_weight_decay"])

        def numbers(step, mu_product):
            mu, mu_next = _momenta(step, group)
            return {
                **fixed,
                "correction": 1 - beta2**step,
                "eps": group["eps"],
                "size": -lr * (1 - mu) / (1 - mu_product),
                "ahead": -lr * mu_next / (1 - mu_product * mu_next),
            }

        return "nadam", {"mean": "exp_avg", "square": "exp_avg_sq"}, numbers

    def counted(self, states, group):
        steps, products = count_steps(states, group), [state["mu_product"] for state in states]
        if group["capturable"]:
            numbatorch._foreach_mul_(products, list(_momenta(steps, group)[0].unbind()))
            return steps, numbatorch.stack(products)
        pairs = zip(products, steps, strict=True)
        return steps, [product.mul_(_momenta(step, group)[0]).item() for product, step in pairs]

    def update(self, param, grad, state, group):
        (beta1, beta2), lr = group["betas"], rate(param, group)
        step = advance(state, param, group)
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * group["weight_decay"])
            else:
                grad = grad.add(param, alpha=group["weight_decay"])
        mu, mu_next = _momenta(step, group)
        mu_product = state["mu_product"].mul_(mu)
        mu_product = mu_product if on_device(param, group) else mu_product.item()
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        denominator = square.div(1 - beta2**step).sqrt().add_(group["eps"])
        add_ratio(param, grad, denominator, -lr * (1 - mu) / (1 - mu_product))
        add_ratio(param, mean, denominator, -lr * mu_next / (1 - mu_product * mu_next))


def _momenta(step, group):
    """The coefficients mu of a step and of the next one."""
    beta1, decay = group["betas"][0], group["momentum_decay"]
    mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (k * decay)) for k in (step, step + 1))
    return mu, mu_next
