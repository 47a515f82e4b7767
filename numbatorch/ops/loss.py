"""Losses: an elementwise formula, then by `reduction` the "mean" or the "sum", or all of it ("none").

`size_average` and `reduce` are the older form of `reduction`. Input and target have one shape, or broadcast with a
warning where PyTorch warns; ValueError for another reduction.
"""

from ..expr import functions as f
from .declare import OPS, composite, elementwise
from .pointwise import CONTINUOUS

_F = "nn.functional"


def _reduced(loss, reduction):
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction; use 'none', 'mean' or 'sum'")


def _known(reduction):
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction; use 'none', 'mean' or 'sum'")


def _legacy(reduction, size_average, reduce):
    """The reduction that the old flags stand for."""
    if size_average is None and reduce is None:
        return reduction
    size_average, reduce = size_average is None or size_average, reduce is None or reduce
    return "none" if not reduce else "mean" if size_average else "sum"


def _same_shape(name, input, target):
    if input.shape != target.shape:
        import warnings
        warnings.warn(f"{name}: using a target size ({tuple(target.shape)}) that is different to the input size "
                      f"({tuple(input.shape)}). This will likely lead to incorrect results due to broadcasting. Please "
                      "ensure they have the same size.", stacklevel=4)


@elementwise(dtypes=CONTINUOUS, name="squared_error", method=False, inplace=False, out=False)
def squared_error(input, target):
    """(input - target)², element by element."""
    difference = input - target
    return difference * difference


@elementwise(dtypes=CONTINUOUS, name="smooth_error", method=False, inplace=False, out=False)
def smooth_error(input, target, beta: float):
    """Quadratic below beta, linear above: 0.5 d² / beta, |d| - 0.5 beta."""
    d = f.abs(input - target)
    return f.where(f.lt(d, beta), 0.5 * d * d / beta, d - 0.5 * beta)


@elementwise(dtypes=CONTINUOUS, name="huber_error", method=False, inplace=False, out=False)
def huber_error(input, target, delta: float):
    """Quadratic up to delta, linear above: 0.5 d², delta (|d| - 0.5 delta)."""
    d = f.abs(input - target)
    return f.where(f.le(d, delta), 0.5 * d * d, delta * (d - 0.5 * delta))


@elementwise(dtypes=CONTINUOUS, name="cross_entropy_of_bits", method=False, domain=(0.1, 0.9), inplace=False, out=False,
             input=lambda grad, input, target: grad * (input - target) / f.maximum((1 - input) * input, 1e-12),
             target=lambda grad, input: grad * (f.log1p(-input) - f.log(input)))
def cross_entropy_of_bits(input, target):
    """-(target log(input) + (1 - target) log(1 - input)), each logarithm at least -100."""
    return -(target * f.maximum(f.log(input), -100) + (1 - target) * f.maximum(f.log1p(-input), -100))


@elementwise(name="logit_cross_entropy", method=False, inplace=False, out=False,
             input=lambda grad, input, target: grad * (1 / (1 + f.exp(-input)) - target),
             target=lambda grad, input: -(grad * input))
def logit_cross_entropy(input, target):
    """(1 - target) input + log(1 + e^-input), without overflow."""
    return (1 - target) * input + f.maximum(-input, 0) + f.log1p(f.exp(-f.abs(input)))


@elementwise(name="weighted_logit_cross_entropy", method=False, inplace=False, out=False)
def weighted_logit_cross_entropy(input, target, pos_weight):
    """(1 - target) input + (1 + (pos_weight - 1) target) log(1 + e^-input), without overflow."""
    weight = 1 + (pos_weight - 1) * target
    return (1 - target) * input + weight * (f.log1p(f.exp(-f.abs(input))) + f.maximum(-input, 0))


@composite(namespaces=_F, method=False)
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)², the squared error; its mean, or by `reduction` the sum or all of it ("none").

    `weight` broadcasts.
    """
    _same_shape("mse_loss", input, target)
    loss = squared_error.call(input, target)
    return _weighted(loss, weight, _legacy(reduction, size_average, reduce))


def _weighted(loss, weight, reduction):
    if weight is None:
        return _reduced(loss, reduction)
    loss = loss * weight
    return loss.sum() / weight.expand(loss.shape).sum() if reduction == "mean" else _reduced(loss, reduction)


@composite(namespaces=_F, method=False)
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|, the absolute error; its mean, or by `reduction` the sum or all of it ("none").

    `weight` broadcasts.
    """
    _same_shape("l1_loss", input, target)
    return _weighted(abs(input - target), weight, _legacy(reduction, size_average, reduce))


@composite(namespaces=_F, method=False)
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """0.5 d² / beta where |d| < beta, else |d| - 0.5 beta (arXiv:1504.08083)."""
    _same_shape("smooth_l1_loss", input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return l1_loss.call(input, target, reduction=_legacy(reduction, size_average, reduce))
    return _reduced(smooth_error.call(input, target, float(beta)), _legacy(reduction, size_average, reduce))


@composite(namespaces=_F, method=False)
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """0.5 d² where |d| <= delta, else delta (|d| - 0.5 delta)."""
    _same_shape("huber_loss", input, target)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, got {delta}")
    return _weighted(huber_error.call(input, target, float(delta)), weight, reduction)


@composite(namespaces=_F, method=False)
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-(target log(input) + (1 - target) log(1 - input)); input must lie in [0, 1]."""
    if input.shape != target.shape:
        raise ValueError(f"binary_cross_entropy: using a target size ({tuple(target.shape)}) that is different to the "
                         f"input size ({tuple(input.shape)}) is deprecated. Please ensure they have the same size.")
    if input.numel() and input._layout.has_values:
        detached = input.detach()
        if bool((detached < 0).any()) or bool((detached > 1).any()):
            raise RuntimeError("binary_cross_entropy: all elements of input should be between 0 and 1")
    loss = cross_entropy_of_bits.call(input, target)
    return _reduced(loss if weight is None else loss * weight, _legacy(reduction, size_average, reduce))


@composite(namespaces=_F, method=False)
def binary_cross_entropy_with_logits(input, target, weight=None, size_average=None, reduce=None, reduction="mean",
                                     pos_weight=None):
    """binary_cross_entropy(sigmoid(input), target), without overflow; `pos_weight` counts errors where the target is 1.

    `weight` and `pos_weight` broadcast. RuntimeError where the shapes of input and target differ.
    """
    if input.shape != target.shape:
        raise ValueError(f"Target size ({tuple(target.shape)}) must be the same as input size ({tuple(input.shape)})")
    loss = (logit_cross_entropy.call(input, target) if pos_weight is None else
            weighted_logit_cross_entropy.call(input, target, pos_weight))
    return _reduced(loss if weight is None else loss * weight, _legacy(reduction, size_average, reduce))


@composite(namespaces=("", _F), method=False)
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target * (log target - input), `input` being a logarithm, and `target` too with `log_target`.

    `reduction` "batchmean" is the sum over the size of dimension 0.
    """
    if input.dtype.category < 2 or target.dtype.category < 2:
        raise RuntimeError(f"kl_div: Integral inputs not supported, got {input.dtype} and {target.dtype}")
    reduction = _legacy(reduction, size_average, reduce)
    loss = target.exp() * (target - input) if log_target else OPS["xlogy"].call(target, target) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0] if input.ndim else loss.sum()
    if isinstance(reduction, int):
        reduction = ("none", "mean", "sum")[reduction]
    return _reduced(loss, reduction)


@composite(namespaces=(_F, ""), method=False)
def poisson_nll_loss(input, target, log_input=True, full=False, size_average=None, eps=1e-08, reduce=None,
                     reduction="mean"):
    """exp(input) - target * input (log_input), else input - target * log(input + eps); `full` adds Stirling's term."""
    reduction = _legacy(reduction, size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (target * 6.283185307179586).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return _reduced(loss, reduction)


@composite(namespaces=_F, method=False)
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """0.5 (log var + (input - target)² / var), var at least eps; `full` adds 0.5 log(2 pi)."""
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input * 0 + var
    elif var._layout.has_values and bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if tuple(var.shape) != tuple(input.shape):
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif tuple(input.shape[:-1]) != tuple(var.shape[:-1]) or var.shape[-1] != 1:
            if not all(a == b or a == 1 or b == 1 for a, b in zip(reversed(var.shape), reversed(input.shape),
                                                                  strict=False)):
                raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    from ..autograd.modes import no_grad
    held = var.clone()
    with no_grad():
        held.clamp_(min=eps)
    difference = input - target
    loss = 0.5 * (held.log() + difference * difference / held)
    if full:
        loss = loss + 0.9189385332046727
    return _reduced(loss, reduction)


@composite(namespaces=(_F, ""), method=False, wide=True)
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """`input`, a distance, where target is 1; max(0, margin - input) where it is -1."""
    from_margin = (margin - input).clamp_min(0)
    loss = OPS["where"].call(target != 1, from_margin, 0.0) + OPS["where"].call(target != -1, input, 0.0)
    return _reduced(loss, _legacy(reduction, size_average, reduce))


@composite(namespaces=(_F, ""), method=False)
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -target * (input1 - input2) + margin): target 1 says that input1 should be the larger, -1 that input2
    should.
    """
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(f"margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
                           f"{tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)} ")
    return _reduced((-target * (input1 - input2) + margin).clamp_min(0), _legacy(reduction, size_average, reduce))


@composite(namespaces=(_F, ""), method=False)
def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1."""
    if target.ndim not in (0, 1):
        raise RuntimeError("cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported")
    if target.ndim == 1 and input1.ndim != 2 or target.ndim == 0 and input1.ndim != 1:
        raise RuntimeError(f"cosine_embedding_loss: {target.ndim}D target tensor expects {target.ndim + 1}D input "
                           f"tensors, but found inputs with sizes {list(input1.shape)} and {list(input2.shape)}.")
    tiny = 1e-12
    cos = (input1 * input2).sum(-1) / (((input1 * input1).sum(-1) + tiny) * ((input2 * input2).sum(-1) + tiny)).sqrt()
    loss = (OPS["where"].call(target == 1, 1 - cos, 0.0) +
            OPS["where"].call(target == -1, (cos - margin).clamp_min(0), 0.0))
    return _reduced(loss, _legacy(reduction, size_average, reduce))


@composite(namespaces=(_F, ""), method=False)
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-06, swap=False, size_average=None,
                        reduce=None, reduction="mean"):
    """max(0, |anchor - positive| - |anchor - negative| + margin); `swap` also looks from the positive's side."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(f"The anchor, positive, and negative tensors are expected to have the same number of "
                           f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
                           f"{negative.ndim}D inputs")
    distance = OPS["pairwise_distance"].call
    near, far = distance(anchor, positive, p, eps), distance(anchor, negative, p, eps)
    if swap:
        far = OPS["minimum"].call(far, distance(positive, negative, p, eps))
    return _reduced((near - far + margin).clamp_min(0), _legacy(reduction, size_average, reduce))


@composite(namespaces=_F, method=False)
def triplet_margin_with_distance_loss(anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False,
                                      reduction="mean"):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with a `distance_function` d of one's own.

    d is pairwise_distance when None. `swap`: d(positive, negative) counts where it is smaller.
    """
    distance = distance_function or OPS["pairwise_distance"].call
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = OPS["minimum"].call(far, distance(positive, negative))
    return _reduced((near - far + margin).clamp_min(0), reduction)


@composite(namespaces=_F, method=False)
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target * input)), for targets 1 and -1."""
    return _reduced(OPS["log1p"].call(OPS["exp"].call(-target * input)), _legacy(reduction, size_average, reduce))


@composite(namespaces=_F, method=False)
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """The mean over classes of the cross-entropy of sigmoid(input): input and target (N, C), `weight` (C,)."""
    logsigmoid = OPS["nn.functional.logsigmoid"].call
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _reduced(loss.sum(input.ndim - 1) / input.shape[-1], _legacy(reduction, size_average, reduce))


@composite(namespaces=_F, method=False)
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Mean over classes of max(0, margin - input[target] + input[i])^p, weighted by weight[target]."""
    _known(_legacy(reduction, size_average, reduce))
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    if weight is not None and input.ndim and weight.shape[0] != input.shape[-1]:
        raise RuntimeError(f"multi_margin_loss: inconsistent weight size, expected {input.shape[-1]} but got "
                           f"{list(weight.shape)}")
    single = input.ndim < 2
    rows = input.reshape(1, -1) if single else input
    labels = target.reshape(-1)
    if rows.ndim != 2 or rows.shape[1] == 0 or labels.shape[0] != rows.shape[0]:
        raise RuntimeError(f"multi_margin_loss: inconsistent target size, got input {list(input.shape)}, target "
                           f"{list(target.shape)}")
    own = rows.gather(1, labels.unsqueeze(1))
    terms = (margin - own + rows).clamp_min(0)
    if p == 2:
        terms = terms * terms
    if weight is not None:
        terms = terms * weight.index_select(0, labels).unsqueeze(1)
    hit = OPS["nn.functional.one_hot"].call(labels, rows.shape[1]).bool()
    loss = terms.masked_fill(hit, 0.0).sum(1) / rows.shape[1]
    loss = loss.squeeze(0) if single else loss
    return _reduced(loss, _legacy(reduction, size_average, reduce))


@composite(namespaces=_F, method=False)
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Sum over wanted classes j and unwanted i of max(0, 1 - input[j] + input[i]) / classes; targets end at -1."""
    _known(_legacy(reduction, size_average, reduce))
    single = input.ndim < 2
    rows, labels = (input.reshape(1, -1), target.reshape(1, -1)) if single else (input, target)
    if rows.shape != labels.shape:
        raise RuntimeError(f"multilabel_margin_loss: inconsistent target size: {list(target.shape)} for input of size: "
                           f"{list(input.shape)}")
    ended = (labels < 0).to(labels.dtype).cumsum(1) > 0
    wanted = labels.masked_fill(ended, 0)
    count = (~ended).to(rows.dtype)
    is_target = OPS["nn.functional.one_hot"].call(wanted, rows.shape[1]).to(rows.dtype)
    is_target = (is_target * count.unsqueeze(2)).sum(1) > 0
    own = rows.gather(1, wanted)
    terms = (1 - own.unsqueeze(2) + rows.unsqueeze(1)).clamp_min(0)
    terms = terms * count.unsqueeze(2)
    loss = terms.masked_fill(is_target.unsqueeze(1), 0.0).sum((1, 2)) / rows.shape[1]
    loss = loss.squeeze(0) if single else loss
    return _reduced(loss, _legacy(reduction, size_average, reduce))
