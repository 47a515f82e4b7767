"""Adagrad."""

from __future__ import annotations

import numbatorch
from numbatorch.optim.parameterwise import (
    ParameterOptimizer,
    advance,
    check_implementation,
    check_learning_rate,
    check_not_negative,
    new_step,
    scalar,
)


class Adagrad(ParameterOptimizer):
    """param -= lr / (1 + (step - 1) * lr_decay) * grad / (sqrt(sum of grad^2) + eps).

    Duchi, Hazan & Singer 2011, Adaptive subgradient methods, JMLR 12. The state exists from the start, as in torch.
    Of a sparse gradient, only what it names is updated.
    """

    takes_sparse_gradients = True

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_learning_rate(lr)
        check_not_negative("lr_decay", lr_decay)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("initial_accumulator_value", initial_accumulator_value)
        check_not_negative("epsilon", eps)
        defaults = dict(
            lr=lr,
            lr_decay=lr_decay,
            eps=eps,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            fused=fused,
        )
        check_implementation(fused, foreach, differentiable)
        super().__init__(params, defaults)

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        with numbatorch.no_grad():
            for param in self.param_groups[-1]["params"]:
                self.state[param] = self.initial_state(param, self.param_groups[-1])

    def initial_state(self, param, group):
        start = group["initial_accumulator_value"]
        if param.is_complex():
            start = complex(start, start)
        return {"step": new_step(param, group), "sum": numbatorch.full_like(param, start, requires_grad=False)}

    def share_memory(self) -> None:
        """Put the state where other processes can write it."""
        for state in self.state.values():
            state["sum"].share_memory_()

    def update_together(self, params, grads, states, group):
        for state in states:
            advance(state)
        numbatorch._fused_adagrad_(
            params,
            grads,
            [state["sum"] for state in states],
            [state["step"] for state in states],
            lr=scalar(group["lr"]),
            lr_decay=group["lr_decay"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
        )
        return True

    def update(self, param, grad, state, group):
        step = advance(state)
        if group["weight_decay"] != 0:
            if grad.is_sparse:
                raise RuntimeError("weight_decay option is not compatible with sparse gradients")
            grad = grad.add(param, alpha=group["weight_decay"])
        rate = scalar(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        if grad.is_sparse:
            grad = grad.coalesce()  # the update is not linear
            state["sum"].add_(grad.pow(2))
            values = grad.values() / (state["sum"].sparse_mask(grad).values().sqrt() + group["eps"])
            param.add_(numbatorch.sparse_coo_tensor(grad.indices(), values, grad.shape), alpha=-rate)
            return
        state["sum"].addcmul_(grad, grad, value=1)
        param.addcdiv_(grad, state["sum"].sqrt().add_(group["eps"]), value=-rate)
