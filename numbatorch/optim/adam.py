"""Adam and AdamW."""

from __future__ import annotations

import numbatorch
from numbatorch.fused import adam_numbers
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    add_ratio,
    advance,
    check_betas,
    check_implementation,
    check_learning_rate,
    check_not_negative,
    group_rate,
    new_step,
    rate,
    scalar,
)


class Adam(ParameterOptimizer):
    """param -= lr * m / (sqrt(v) + eps), m and v being bias-corrected running means of grad and grad^2.

    `weight_decay` is added to the gradient, or with `decoupled_weight_decay` shrinks the parameter. `amsgrad` divides
    by the largest v so far. Kingma & Ba 2014, arXiv:1412.6980, algorithm 1; Reddi et al. 2018 for AMSGrad.
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        check_learning_rate(lr, foreach, capturable)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        if len({isinstance(beta, numbatorch.Tensor) for beta in betas}) > 1:
            raise ValueError(f"betas must be either both floats or both Tensors, got {betas}")
        for index, beta in enumerate(betas):
            if isinstance(beta, numbatorch.Tensor):
                if foreach and not capturable:
                    raise ValueError(
                        f"betas[{index}] as a Tensor is not supported for capturable=False and foreach=True"
                    )
                if beta.numel() != 1:
                    raise ValueError(f"Tensor betas[{index}] must be 1-element, got shape {tuple(beta.shape)}")
        check_not_negative("weight_decay", weight_decay)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=decoupled_weight_decay,
        )
        check_implementation(fused, foreach, differentiable)
        super().__init__(params, defaults)

    def initial_state(self, param, group):
        state = {
            "step": new_step(param, group),
            "exp_avg": numbatorch.zeros_like(param),
            "exp_avg_sq": numbatorch.zeros_like(param),
        }
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = numbatorch.zeros_like(param)
        return state

    def formula(self, group):
        (beta1, beta2), lr, decay = map(scalar, group["betas"]), group_rate(group), group["weight_decay"]
        name, kept = "adam", {"mean": "exp_avg", "square": "exp_avg_sq"}
        if group["amsgrad"]:
            name, kept = "amsgrad", {**kept, "largest": "max_exp_avg_sq"}

        def numbers(step):
            return adam_numbers(step, lr, beta1, beta2, decay, group["decoupled_weight_decay"], group["eps"])

        return name, kept, numbers

    def update(self, param, grad, state, group):
        beta1, beta2 = map(scalar, group["betas"])
        lr, weight_decay = rate(param, group), group["weight_decay"]
        step = advance(state, param, group)
        if weight_decay != 0:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * weight_decay)
            else:
                grad = grad.add(param, alpha=weight_decay)
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"].copy_(numbatorch.maximum(state["max_exp_avg_sq"], square))
        denominator = (square.sqrt() / (1 - beta2**step) ** 0.5).add_(group["eps"])
        add_ratio(param, mean, denominator, -(lr / (1 - beta1**step)))


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter directly. Loshchilov & Hutter 2017, arXiv:1711.05101."""

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:  # a checkpoint of an older AdamW does not say so
            group["decoupled_weight_decay"] = True
