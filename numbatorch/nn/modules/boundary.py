"""The edge of a module on the tape: identity functions around its inputs and outputs that call backward hooks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from numbatorch import Tensor
from numbatorch.autograd import Function


class _Tap(Function):
    """Identity on some tensors; `backward` passes the gradients through a function."""

    @staticmethod
    def forward(ctx: Any, change: Callable, fill: bool, *tensors: Tensor) -> tuple:
        ctx.change = change
        ctx.set_materialize_grads(fill)
        results = tuple(t.detach() for t in tensors)
        ctx.mark_non_differentiable(*[r for r, t in zip(results, tensors, strict=True) if not t.requires_grad])
        return results

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple:
        return None, None, *ctx.change(grads)


class Boundary:
    """The backward hooks of one call of a module.

    Gradients that come in through `leave` pass the pre-hooks and wait; gradients that go out through `enter` meet
    the hooks together with those that waited.
    """

    def __init__(self, module: Any, hooks: Sequence[Callable], pre_hooks: Sequence[Callable]):
        self.module, self.hooks, self.pre_hooks = module, list(hooks), list(pre_hooks)
        self.grad_outputs: tuple | None = None
        self.input_count = 0
        self.inputs: list[int] | None = None
        self.outputs: list[int] = []
        self.output_count = 0

    def enter(self, args: tuple) -> tuple:
        """The arguments of forward, their tensors tapped where one of them needs a gradient."""
        self.input_count = len(args)
        if not self.hooks:
            return args
        args, self.inputs = _tap(args, self._input_grads, True)
        return args

    def leave(self, result: Any) -> Any:
        """The result of forward, its tensors tapped."""
        single = isinstance(result, Tensor)
        values = (result,) if single else result
        if not isinstance(values, tuple):
            self.hooks = []  # no way to know the gradients of the outputs
            return result
        self.output_count = len(values)
        tapped, positions = _tap(values, self._output_grads, False)
        if positions is None:
            return result
        self.outputs = positions
        if single:
            return tapped[0]
        # A named tuple is made from separate values.
        return type(result)(*tapped) if hasattr(result, "_fields") else type(result)(tapped)

    def _output_grads(self, grads: tuple) -> tuple:
        full = _spread(grads, self.outputs, self.output_count)
        for hook in self.pre_hooks:
            changed = hook(self.module, full)
            if changed is not None:
                full = _as_tuple(changed, len(full), "Backward pre hook", "grad_output")
        self.grad_outputs = full
        if self.inputs is None and self.hooks:
            warnings.warn("Full backward hook is firing when gradients are computed with respect to module outputs "
                          "since no inputs require gradients.", stacklevel=2)
            for hook in self.hooks:
                changed = hook(self.module, (None,) * self.input_count, full)
                if changed is not None and not (isinstance(changed, tuple) and all(g is None for g in changed)):
                    raise RuntimeError("Backward hook for Modules where no input requires gradient should always "
                                       "return None or None for all gradients.")
            self.grad_outputs = None
        return tuple(full[at] for at in self.outputs)

    def _input_grads(self, grads: tuple) -> tuple:
        if not self.hooks:
            return grads
        if self.grad_outputs is None:
            raise RuntimeError("Module backward hook for grad_input is called before the grad_output one. This happens "
                               "because the gradient in your nn.Module flows to the Module's input without passing "
                               "through the Module's output. Make sure that the output depends on the input and "
                               "that the loss is computed based on the output.")
        full = _spread(grads, self.inputs or [], self.input_count)
        for hook in self.hooks:
            changed = hook(self.module, full, self.grad_outputs)
            if changed is not None:
                full = _as_tuple(changed, len(full), "Backward hook", "grad_input")
        self.grad_outputs = None
        return tuple(full[at] for at in self.inputs or [])


def _tap(values: tuple, change: Callable, fill: bool) -> tuple[tuple, list[int] | None]:
    """The values with their tensors tapped and where those stand, or None where no gradient is needed.

    `fill` replaces missing gradients by zeros.
    """
    positions = [at for at, value in enumerate(values) if isinstance(value, Tensor)]
    if not any(values[at].requires_grad for at in positions):
        return values, None
    tapped = list(values)
    for at, tensor in zip(positions, _Tap.apply(change, fill, *[values[at] for at in positions]), strict=True):
        tapped[at] = tensor
    return tuple(tapped), positions


def _spread(grads: tuple, positions: list[int], count: int) -> tuple:
    full = [None] * count
    for at, grad in zip(positions, grads, strict=True):
        full[at] = grad
    return tuple(full)


def _as_tuple(value: Any, count: int, who: str, what: str) -> tuple:
    value = value if isinstance(value, tuple) else (value,)
    if len(value) != count:
        raise RuntimeError(f"{who} returned an invalid number of {what}, got {len(value)}, but expected {count}")
    return value
