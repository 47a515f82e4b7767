"""linear_cross_entropy: the loss of a layer of classes, by chunks of rows where there are too many classes to keep."""

import functools

from .declare import OPS, composite

_F = "nn.functional"


def _check(input, linear_weight, target, linear_bias, ignore_index):
    """RuntimeError where arguments do not fit each other."""
    shape, classes = tuple(input.shape), tuple(linear_weight.shape)
    wrong = None
    if input.ndim not in (1, 2):
        wrong = f"input must be (N, in_features) or (in_features,), got {shape}"
    elif linear_weight.ndim < 2:
        wrong = f"linear_weight must be (classes, in_features) or (classes, d1, ..., in_features), got {classes}"
    elif shape[-1] != classes[-1]:
        wrong = f"input {shape} and linear_weight {classes} must have the same last size, in_features"
    elif linear_weight.ndim > 2 and input.ndim == 1:
        wrong = (f"linear_weight {classes} with more than two dimensions needs an input with a batch, "
                 f"(N, {classes[-1]}), got {shape}")
    elif linear_bias is not None and tuple(linear_bias.shape) != classes[:-1]:
        wrong = (f"linear_bias must have the shape {classes[:-1]} of linear_weight's classes, got "
                 f"{tuple(linear_bias.shape)}")
    elif ignore_index is not None and target.is_floating_point():
        wrong = f"ignore_index={ignore_index} means a class, but target holds probabilities ({target.dtype})"
    if wrong is not None:
        raise RuntimeError(f"linear_cross_entropy: {wrong}")


def _logits(input, linear_weight, linear_bias):
    """(N, C, d1, ...) for a weight (C, d1, ..., E); (C,) without N."""
    outer = tuple(linear_weight.shape[:-1])
    weight = linear_weight.reshape(-1, linear_weight.shape[-1])
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = OPS["nn.functional.linear"].call(input, weight, bias)
    return logits if len(outer) == 1 else logits.reshape(input.shape[0], *outer)


@composite(namespaces=_F, method=False)
def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean",
                         ignore_index=None, label_smoothing=0.0, options=None):
    """cross_entropy(linear(input, linear_weight, linear_bias), target, weight, ...).

    input (N, E) or (E,), linear_weight (C, E) or (C, d1, ..., E), linear_bias (C, d1, ...); target (N, d1, ...) of
    classes or (N, C, d1, ...) of probabilities. With `options` (nn.LinearCrossEntropyOptions) rows are taken in chunks:
    one chunk's logits exist at a time, and backward computes them again. RuntimeError where shapes do not fit.
    """
    _check(input, linear_weight, target, linear_bias, ignore_index)
    ignored = -100 if ignore_index is None else ignore_index
    loss = functools.partial(_loss, weight=weight, ignore_index=ignored, label_smoothing=label_smoothing)
    if options is None or input.ndim == 1 or target.shape[:1] != input.shape[:1] or input.shape[0] == 0:
        return loss(_logits(input, linear_weight, linear_bias), target, reduction=reduction)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"linear_cross_entropy: {reduction} is not a valid value for reduction")
    n, features = input.shape
    plan = options.resolve(n, features, linear_weight.shape[0], input.dtype)
    if weight is not None and weight.requires_grad:  # chunks give it no gradient
        return loss(_logits(input, linear_weight, linear_bias), target, reduction=reduction)
    kind = "none" if reduction == "none" else "sum"
    losses = _chunked().apply(input, linear_weight, linear_bias, target, functools.partial(loss, reduction=kind), plan)
    return losses / _share(target, weight, ignored, n).to(losses.dtype) if reduction == "mean" else losses


def _loss(logits, target, *, weight, reduction, ignore_index, label_smoothing):
    if weight is not None and weight.dtype is not logits.dtype:
        weight = weight.to(logits.dtype)
    if target.is_floating_point() and target.dtype is not logits.dtype:
        target = target.to(logits.dtype)
    return OPS["nn.functional.cross_entropy"].call(logits, target, weight=weight, ignore_index=ignore_index,
                                                   reduction=reduction, label_smoothing=label_smoothing)


def _share(target, weight, ignored, n):
    """What the mean divides by: the weights of the classes that count, or how many distributions there are."""
    if target.is_floating_point():
        positions = target.numel() // target.shape[1] if target.shape[1] else 0
        return target.new_full((), positions)
    counted = target != ignored
    if weight is None:
        return counted.sum()
    chosen = OPS["where"].call(counted, target, 0).reshape(-1)
    return (weight.index_select(0, chosen) * counted.reshape(-1).to(weight.dtype)).sum()


@functools.cache
def _chunked():
    """The Function of a loss by chunks, made when it is first wanted: this layer is below that of the tape."""
    from ..autograd import Function, enable_grad, grad, is_grad_enabled

    class ChunkedLinearCrossEntropy(Function):
        """Forward keeps its inputs alone. Backward does a chunk's forward again, recorded, and sums the gradients."""

        @staticmethod
        def forward(ctx, input, linear_weight, linear_bias, target, loss, plan):
            ctx.save_for_backward(input, linear_weight, linear_bias, target)
            ctx.loss, ctx.plan = loss, plan
            weights = _wide(plan, linear_weight, linear_bias)
            parts = [loss(_logits(*_wide(plan, input[rows]), *weights), target[rows]).to(plan.sum_dtype)
                     for rows in _chunks(input, plan)]
            if parts[0].ndim:
                return OPS["cat"].call(parts).to(input.dtype)
            return OPS["stack"].call(parts).sum().to(input.dtype)

        @staticmethod
        def backward(ctx, grad_result):
            input, linear_weight, linear_bias, target = ctx.saved_tensors
            plan, (needs_input, needs_weight, needs_bias, needs_target, *_) = ctx.plan, ctx.needs_input_grad
            if is_grad_enabled():  # gradients of gradients go through all logits
                whole = ctx.loss(_logits(input, linear_weight, linear_bias), target)
                operands = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=False)
                found = list(grad(whole, [t for t, need in operands if need], grad_result.to(whole.dtype),
                                  create_graph=True))
                return tuple(found.pop(0) if need else None for need in ctx.needs_input_grad)
            wide_weight, wide_bias = _wide(plan, linear_weight, linear_bias)
            flat = wide_weight.reshape(-1, wide_weight.shape[-1])  # (C d1 ..., E)
            of_input = input.new_empty(input.shape) if needs_input else None
            of_weight = flat.new_zeros(flat.shape, dtype=plan.sum_dtype) if needs_weight else None
            of_bias = flat.new_zeros(flat.shape[:1], dtype=plan.sum_dtype) if needs_bias else None
            of_target = target.new_empty(target.shape) if needs_target else None
            for rows in _chunks(input, plan):
                x, = _wide(plan, input[rows])
                logits = _logits(x, wide_weight, wide_bias).requires_grad_()
                goal = target[rows].detach().requires_grad_(needs_target)
                with enable_grad():
                    part = ctx.loss(logits, goal)
                outer = grad_result[rows] if part.ndim else grad_result
                slopes, *more = grad(part, (logits, goal) if needs_target else (logits,), outer.to(part.dtype))
                slopes = slopes.reshape(-1, flat.shape[0])  # (rows, C d1 ...)
                if needs_target:
                    of_target[rows] = more[0]
                if needs_input:
                    of_input[rows] = slopes.matmul(flat).to(input.dtype)
                if needs_weight:
                    _add_product(of_weight, slopes.t(), x)
                if needs_bias:
                    of_bias.add_(slopes.sum(0, dtype=plan.sum_dtype))
            return (of_input, None if of_weight is None else of_weight.to(linear_weight.dtype).reshape(
                linear_weight.shape), None if of_bias is None else of_bias.to(linear_bias.dtype).reshape(
                linear_bias.shape), of_target, None, None)

    return ChunkedLinearCrossEntropy


def _add_product(total, a, b):
    if total.dtype is a.dtype:
        total.addmm_(a, b)
    else:
        total.add_(a.matmul(b).to(total.dtype))


def _wide(plan, *tensors):
    """Tensors in the dtype that chunks are computed in."""
    return [t if t is None or plan.compute_dtype is None else t.to(plan.compute_dtype) for t in tensors]


def _chunks(input, plan):
    n = input.shape[0]
    return [slice(start, min(start + plan.rows, n)) for start in range(0, n, plan.rows)]
