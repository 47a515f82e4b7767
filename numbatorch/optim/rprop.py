"""Rprop."""

from __future__ import annotations

import numbatorch
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    advance,
    check_learning_rate,
    new_step,
    scalar,
)


class Rprop(ParameterOptimizer):
    """param -= sign(grad) * size; size grows while the sign of the gradient stays and shrinks when it flips.

    After a flip the element rests for one step. Riedmiller & Braun 1993, without backtracking (iRprop-).
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        etas=(0.5, 1.2),
        step_sizes=(1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_learning_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = dict(
            lr=lr,
            etas=etas,
            step_sizes=step_sizes,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def initial_state(self, param, group):
        lr = scalar(group["lr"])
        return {
            "step": new_step(param, group),
            "prev": numbatorch.zeros_like(param),
            # complex parameters are stepped as pairs of reals, so both halves start at lr
            "step_size": numbatorch.full_like(param, complex(lr, lr) if param.is_complex() else lr),
        }

    def formula(self, group):
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        numbers = {"shrink": shrink, "grow": grow, "smallest": smallest, "largest": largest}
        return "rprop", {"previous": "prev", "size": "step_size"}, lambda step: numbers

    def update(self, param, grad, state, group):
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        advance(state, param, group)
        previous, size = state["prev"], state["step_size"]
        agreement = grad.mul(previous).sign()
        factor = numbatorch.ones_like(agreement)
        factor.masked_fill_(agreement > 0, grow)
        factor.masked_fill_(agreement < 0, shrink)
        size.mul_(factor).clamp_(smallest, largest)
        grad = grad.masked_fill(agreement < 0, 0)
        param.addcmul_(grad.sign(), size, value=-1)
        previous.copy_(grad)
