"""Adafactor."""

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


class Adafactor(ParameterOptimizer):
    """param -= alpha g / sqrt(v) / max(1, rms(g / sqrt(v)) / d), alpha = max(eps2, rms(param)) min(lr, 1 / sqrt(t)).

    v is a running mean of g^2 with weight t^beta2_decay for the newest; of matrices only its means over rows and over
    columns are kept, whose product stands for it. `weight_decay` shrinks the parameter by lr * weight_decay. Shazeer &
    Stern 2018, arXiv:1804.04235, algorithm 4. RuntimeError for complex parameters.
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        check_learning_rate(lr)
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        check_not_negative("weight_decay", weight_decay)
        defaults = dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, foreach=foreach,
                        maximize=maximize)
        super().__init__(params, defaults)

    def initial_state(self, param, group):
        state = {"step": new_step(param, group)}
        if param.dim() > 1:
            shape = list(param.shape)
            state["row_var"] = param.new_zeros([*shape[:-1], 1])
            state["col_var"] = param.new_zeros([*shape[:-2], 1, shape[-1]])
        else:
            state["variance"] = numbatorch.zeros_like(param)
        return state

    def _update_complex(self, param, grad, state, group):
        raise RuntimeError("Adafactor does not support complex parameters")

    def update(self, param, grad, state, group):
        eps1, eps2 = group["eps"]
        eps1 = numbatorch.finfo(param.dtype).eps if eps1 is None else eps1
        lr, step = scalar(group["lr"]), advance(state)
        newest = step ** group["beta2_decay"]
        alpha = max(eps2, param.norm(2).item() / param.numel() ** 0.5) * min(lr, 1 / step**0.5)
        if group["weight_decay"] != 0:
            param.mul_(1 - lr * group["weight_decay"])
        if grad.dim() > 1:
            rows, columns = state["row_var"], state["col_var"]
            rows.lerp_(grad.norm(dim=-1, keepdim=True).square() / grad.shape[-1], newest)
            columns.lerp_(grad.norm(dim=-2, keepdim=True).square() / grad.shape[-2], newest)
            variance = (rows @ columns).div_(rows.mean(dim=-2, keepdim=True).clamp_(min=eps1))
        else:
            variance = state["variance"].lerp_(grad * grad, newest).clone()
        change = variance.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
        size = max(1.0, change.norm(2).item() / (change.numel() ** 0.5 * group["d"]))
        param.add_(change, alpha=-alpha / size)
