"""L-BFGS: a quasi-Newton method that remembers the last steps."""

from __future__ import annotations

import numbatorch
from numbatorch.optim.optimizer import Optimizer
from numbatorch.optim.parameterwise import check_learning_rate, scalar


class LBFGS(Optimizer):
    """theta += t d, d = -H g, H the inverse Hessian that the last `history_size` steps show (two-loop recursion).

    A step makes up to `max_iter` iterations and `max_eval` evaluations of `closure`, which must clear the gradients,
    compute the loss, call backward and return the loss. t is `lr`, or found by `line_search_fn="strong_wolfe"`.
    Iteration ends when the largest gradient is below `tolerance_grad`, or the step or the change of the loss below
    `tolerance_change`. Nocedal & Wright, Numerical Optimization, algorithms 7.4, 7.5, 3.5 and 3.6. One parameter group.
    """

    def __init__(
        self,
        params,
        lr=1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        check_learning_rate(lr)
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, dict(lr=lr, max_iter=max_iter, max_eval=max_eval, tolerance_grad=tolerance_grad,
                                      tolerance_change=tolerance_change, history_size=history_size,
                                      line_search_fn=line_search_fn))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _gradient(self):
        """The gradients of all parameters as one vector; complex ones as pairs of reals."""
        parts = []
        for p in self._params:
            g = numbatorch.zeros_like(p) if p.grad is None else p.grad.to_dense() if p.grad.is_sparse else p.grad
            parts.append((numbatorch.view_as_real(g) if g.is_complex() else g).reshape(-1))
        return numbatorch.cat(parts)

    def _move(self, t, direction):
        at = 0
        for p in self._params:
            target = numbatorch.view_as_real(p) if p.is_complex() else p
            n = target.numel()
            target.add_(direction[at:at + n].view_as(target), alpha=t)
            at += n

    def _evaluate(self, closure, start, t, direction):
        """Loss and gradient at start + t * direction; the parameters are put back."""
        self._move(t, direction)
        loss = float(closure())
        gradient = self._gradient()
        for p, value in zip(self._params, start, strict=True):
            p.copy_(value)
        return loss, gradient

    @numbatorch.no_grad()
    def step(self, closure):
        """Up to `max_iter` iterations; returns the loss at the start. RuntimeError for an unknown line search."""
        closure = numbatorch.enable_grad()(closure)
        group = self.param_groups[0]
        lr, tolerance_change = scalar(group["lr"]), group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if gradient.abs().max() <= group["tolerance_grad"]:
            return first_loss
        direction, t, history = state.get("d"), state.get("t"), _History(state, group["history_size"])
        before, loss_before = state.get("prev_flat_grad"), state.get("prev_loss")
        iteration = 0
        while iteration < group["max_iter"]:
            iteration += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                direction = gradient.neg()
                history.clear()
            else:
                history.remember(gradient.sub(before), direction.mul(t))
                direction = history.direction(gradient)
            before = gradient.clone()
            loss_before = loss
            t = min(1.0, 1.0 / gradient.abs().sum().item()) * lr if state["n_iter"] == 1 else lr
            slope = gradient.dot(direction).item()
            if slope > -tolerance_change:
                break
            used = 0
            if group["line_search_fn"] is not None:
                start = [p.clone() for p in self._params]

                def at(t, start=start, direction=direction):
                    return self._evaluate(closure, start, t, direction)
                loss, gradient, t, used = _strong_wolfe(at, t, direction, loss, gradient, slope, tolerance_change,
                                                        most=group["max_eval"] - evaluations)
                self._move(t, direction)
                small = gradient.abs().max() <= group["tolerance_grad"]
            else:
                self._move(t, direction)
                small = False
                if iteration != group["max_iter"]:
                    loss, used = float(closure()), 1
                    gradient = self._gradient()
                    small = gradient.abs().max() <= group["tolerance_grad"]
            evaluations += used
            state["func_evals"] += used
            if iteration == group["max_iter"] or evaluations >= group["max_eval"] or small:
                break
            if direction.mul(t).abs().max() <= tolerance_change or abs(loss - loss_before) < tolerance_change:
                break
        state["d"], state["t"], state["prev_flat_grad"], state["prev_loss"] = direction, t, before, loss_before
        history.store(state)
        return first_loss


class _History:
    """The last steps and changes of the gradient, and the scale of the first estimate of the inverse Hessian."""

    def __init__(self, state, size):
        self.size = size
        self.changes = state.get("old_dirs", [])
        self.steps = state.get("old_stps", [])
        self.ro = state.get("ro", [])
        self.scale = state.get("H_diag", 1)

    def clear(self):
        self.changes, self.steps, self.ro, self.scale = [], [], [], 1

    def remember(self, change, step):
        """Keep a pair whose curvature is positive."""
        curvature = change.dot(step)
        if curvature > 1e-10:
            if len(self.changes) == self.size:
                for kept in (self.changes, self.steps, self.ro):
                    kept.pop(0)
            self.changes.append(change)
            self.steps.append(step)
            self.ro.append(1.0 / curvature)
            self.scale = curvature / change.dot(change)

    def direction(self, gradient):
        """-H gradient by the two-loop recursion."""
        q, alphas = gradient.neg(), []
        for change, step, ro in zip(reversed(self.changes), reversed(self.steps), reversed(self.ro), strict=True):
            alphas.append(step.dot(q) * ro)
            q.add_(change, alpha=-alphas[-1].item())
        r = q * self.scale
        for change, step, ro, alpha in zip(self.changes, self.steps, self.ro, reversed(alphas), strict=True):
            r.add_(step, alpha=(alpha - change.dot(r) * ro).item())
        return r

    def store(self, state):
        state["old_dirs"], state["old_stps"], state["ro"], state["H_diag"] = (
            self.changes, self.steps, self.ro, self.scale)
        state.setdefault("al", None)


def _cubic(x1, f1, g1, x2, f2, g2, bounds=None):
    """The minimum of the cubic through two points with their slopes, kept inside the bounds (formula 3.59)."""
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if x1 <= x2:
        place = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        place = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(place, low), high)


def _strong_wolfe(at, t, direction, f, g, slope, tolerance, most, c1=1e-4, c2=0.9):
    """(loss, gradient, t, evaluations) at a t that meets the strong Wolfe conditions, or the best one found."""
    length = direction.abs().max().item()
    g = g.clone()
    f_new, g_new = at(t)
    count, slope_new = 1, g_new.dot(direction).item()
    t_before, f_before, g_before, slope_before = 0.0, f, g, slope
    bracket, done, k = None, False, 0
    while k < most:
        if f_new > f + c1 * t * slope or (k > 1 and f_new >= f_before):
            bracket = [(t_before, f_before, g_before, slope_before), (t, f_new, g_new.clone(), slope_new)]
            break
        if abs(slope_new) <= -c2 * slope:
            bracket, done = [(t, f_new, g_new, slope_new)], True
            break
        if slope_new >= 0:
            bracket = [(t_before, f_before, g_before, slope_before), (t, f_new, g_new.clone(), slope_new)]
            break
        bounds = (t + 0.01 * (t - t_before), t * 10)
        here = t
        t = _cubic(t_before, f_before, slope_before, t, f_new, slope_new, bounds)
        t_before, f_before, g_before, slope_before = here, f_new, g_new.clone(), slope_new
        f_new, g_new = at(t)
        count, slope_new = count + 1, g_new.dot(direction).item()
        k += 1
    if bracket is None:
        bracket = [(0.0, f, g, slope), (t, f_new, g_new, slope_new)]
    stalled = False
    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    while not done and k < most:
        if abs(bracket[1][0] - bracket[0][0]) * length < tolerance:
            break
        t = _cubic(*(bracket[0][i] for i in (0, 1, 3)), *(bracket[1][i] for i in (0, 1, 3)))
        left, right = min(b[0] for b in bracket), max(b[0] for b in bracket)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near an end: step away from it unless that was tried
            if stalled or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        f_new, g_new = at(t)
        count, slope_new = count + 1, g_new.dot(direction).item()
        k += 1
        found = (t, f_new, g_new.clone(), slope_new)
        if f_new > f + c1 * t * slope or f_new >= bracket[low][1]:
            bracket[high] = found
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(slope_new) <= -c2 * slope:
                done = True
            elif slope_new * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = found
    t, f_new, g_new, _ = bracket[low]
    return f_new, g_new, t, count
