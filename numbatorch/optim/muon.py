"""Muon."""

from __future__ import annotations

import math

import numbatorch
from numbatorch.optim.parameterwise import ParameterOptimizer, check_learning_rate, check_not_negative, scalar

_ADJUSTMENTS = ("original", "match_rms_adamw")


class Muon(ParameterOptimizer):
    """param -= lr' orthogonal(momentum of grad), for matrices: hidden layers' weights, not embeddings, biases or heads.

    `orthogonal` replaces a matrix by one with the same singular vectors and singular values near 1, by `ns_steps` steps
    of the quintic Newton-Schulz iteration x <- a x + (b A + c A^2) x, A = x x^T, in bfloat16. lr' is lr times
    sqrt(max(1, rows / columns)) ("original") or 0.2 sqrt(max(rows, columns)) ("match_rms_adamw"). Jordan et al. 2024
    (Muon: An optimizer for hidden layers); Liu et al. 2025, arXiv:2502.16982, for the second scale. ValueError for
    parameters that are not 2-d.
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        check_learning_rate(lr)
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        check_not_negative("epsilon", eps)
        if adjust_lr_fn is not None and adjust_lr_fn not in _ADJUSTMENTS:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported; there are {_ADJUSTMENTS}")
        if ns_steps >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(ns_coefficients) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        defaults = dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov,
                        ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn)
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: "
                                     f"{tuple(p.shape)}")

    def initial_state(self, param, group):
        return {"momentum_buffer": numbatorch.zeros_like(param)}

    def _update_complex(self, param, grad, state, group):
        raise RuntimeError("Muon does not support complex parameters")

    def update(self, param, grad, state, group):
        if grad.ndim != 2:
            raise ValueError("Param gradient must be a 2D matrix")
        lr, momentum = scalar(group["lr"]), group["momentum"]
        mean = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        direction = grad.lerp(mean, momentum) if group["nesterov"] else mean
        direction = orthogonalised(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = param.shape
        adjusted = lr * (0.2 * math.sqrt(max(rows, columns)) if group["adjust_lr_fn"] == "match_rms_adamw"
                         else math.sqrt(max(1, rows / columns)))
        param.mul_(1 - lr * group["weight_decay"])
        param.add_(direction, alpha=-adjusted)


def orthogonalised(matrix, coefficients, steps, eps):
    """Newton-Schulz iteration towards the orthogonal factor of the polar decomposition, in bfloat16."""
    a, b, c = coefficients
    x = matrix.bfloat16()
    tall = matrix.shape[0] > matrix.shape[1]
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = numbatorch.addmm(x, numbatorch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
