"""Adam for sparse gradients."""

from __future__ import annotations

import math

import numbatorch
from numbatorch.optim.optimizer import Optimizer
from numbatorch.optim.parameterwise import ParameterOptimizer, check_betas, check_learning_rate, scalar


class SparseAdam(ParameterOptimizer):
    """Adam that moves only what a sparse gradient names: parameters and moments elsewhere stay as they are.

    A masked form of Adam (Kingma & Ba 2015, arXiv:1412.6980): rows without a gradient do not decay their moments. Meant
    for tables with `sparse=True`, such as nn.Embedding. RuntimeError for strided gradients.
    """

    takes_sparse_gradients = True

    def __init__(
        self,
        params,
        lr=1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ):
        check_learning_rate(lr)
        if not scalar(lr) > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))
        sparse = [
            [number, position]
            for number, group in enumerate(self.param_groups)
            for position, param in enumerate(group["params"])
            if param.layout is not numbatorch.strided
        ]
        if any(param.is_complex() for group in self.param_groups for param in group["params"]):
            raise ValueError("SparseAdam does not support complex parameters")
        if sparse:
            raise ValueError(f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors")

    def initial_state(self, param, group):
        return {"step": 0, "exp_avg": numbatorch.zeros_like(param), "exp_avg_sq": numbatorch.zeros_like(param)}

    def update(self, param, grad, state, group):
        if not grad.is_sparse:
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        state["step"] += 1
        grad = grad.coalesce()
        values = grad.values()
        if values.numel() == 0:
            return
        first, second = group["betas"]
        mean = _move(state["exp_avg"], grad, values, 1 - first)
        square = _move(state["exp_avg_sq"], grad, values * values, 1 - second)
        rate = math.sqrt(1 - second ** state["step"]) / (1 - first ** state["step"]) * scalar(group["lr"])
        param.add_(_at(grad, mean / (square.sqrt() + group["eps"])), alpha=-rate)

    def __setstate__(self, state) -> None:
        Optimizer.__setstate__(self, state)  # steps are Python numbers here


def _at(pattern, values):
    """A sparse tensor with other values at the places of a coalesced one."""
    return numbatorch.sparse_coo_tensor(
        pattern.indices(), values, pattern.shape, is_coalesced=True, check_invariants=False
    )


def _move(average, grad, values, share):
    """Move a running average at the places of `grad` towards `values` by a share of the way; its values there."""
    before = average.sparse_mask(grad).values()
    step = (values - before) * share
    average.add_(_at(grad, step))
    return before + step
