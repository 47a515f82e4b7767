"""Connectionist temporal classification: the chance of a label sequence under unaligned predictions.

Forward-backward in logarithms (Graves et al. 2006, "Connectionist temporal classification", ICML, section 4), over the
sequence blank, l1, blank, l2, ..., blank for all of a batch at once.
"""

from .declare import OPS, composite, scan

_INFINITY = float("inf")


def _states(targets, blank):
    """(N, 2S + 1): the labels with blanks around them."""
    n, count = targets.shape
    states = targets.new_full((n, 2 * count + 1), blank)
    states[:, 1::2] = targets
    return states


def _may_skip(states, blank):
    """Whether state s may be reached from s - 2, which is when a blank between different labels is left out."""
    n, count = states.shape
    may = states.new_zeros((n, count), dtype=_bool())
    may[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    return may


def _bool():
    from ..dtypes import bool as bool_
    return bool_


def _later(x, steps):
    """x (N, L) moved `steps` states on, -inf in front."""
    result = x.new_full(x.shape, -_INFINITY)
    if steps < x.shape[1]:
        result[:, steps:] = x[:, :x.shape[1] - steps]
    return result


def _earlier(x, steps):
    result = x.new_full(x.shape, -_INFINITY)
    if steps < x.shape[1]:
        result[:, :x.shape[1] - steps] = x[:, steps:]
    return result


def _last_states(target_lengths):
    """The two states a sequence may end in, as positions (N, 1): its last blank and its last label."""
    end = (target_lengths * 2).unsqueeze(1)
    return end, (end - 1).clamp(min=0)


@scan(name="_ctc", eager=True, method=False, outputs=("result0", "result1"),
      log_probs=lambda grad_result0, log_probs, targets, input_lengths, target_lengths, result1, blank, zero_infinity:
      ctc_backward.call(grad_result0, log_probs, targets, input_lengths, target_lengths, result1, blank, zero_infinity))
def ctc(log_probs, targets, input_lengths, target_lengths, blank: int, zero_infinity: bool):
    """(losses (N,), forward logarithms (T, N, L)) of log_probs (T, N, C) and padded targets (N, S).

    Logarithms grow with T while their differences count, so they are kept in float64.
    """
    steps, n, _ = log_probs.shape
    states = _states(targets, blank)
    skip = _may_skip(states, blank)
    emitted = log_probs.gather(2, states.unsqueeze(0).expand(steps, -1, -1)).double()  # (T, N, L)
    alphas = emitted.new_full(emitted.shape, -_INFINITY)
    alpha = alphas[0]
    alpha[:, :2] = emitted[0, :, :2]
    none = target_lengths == 0
    if alpha.shape[1] > 1:
        alpha[:, 1].masked_fill_(none, -_INFINITY)
    logaddexp, where = OPS["logaddexp"].call, OPS["where"].call
    for t in range(1, steps):
        reach = logaddexp(alpha, _later(alpha, 1))
        reach = logaddexp(reach, where(skip, _later(alpha, 2), -_INFINITY))
        alphas[t] = alpha = reach + emitted[t]
    return _losses(alphas, input_lengths, target_lengths).to(log_probs.dtype), alphas


def _losses(alphas, input_lengths, target_lengths):
    """-log of the chance to be in one of the last two states at the end."""
    logaddexp, where = OPS["logaddexp"].call, OPS["where"].call
    none, n = target_lengths == 0, alphas.shape[1]
    last = (input_lengths - 1).clamp(min=0).reshape(1, n, 1).expand(1, n, alphas.shape[2])
    final = alphas.gather(0, last)[0]  # (N, L)
    end, label = _last_states(target_lengths)
    ends = logaddexp(final.gather(1, end), where(none.unsqueeze(1), -_INFINITY, final.gather(1, label)))
    losses = -ends.squeeze(1)
    # Without any time step only the empty sequence is possible.
    return where(input_lengths == 0, where(none, 0.0, _INFINITY).to(losses.dtype), losses)


def _no_second_gradient(grad):
    raise NotImplementedError("ctc_loss: its gradient has no gradient, as in PyTorch; leave out create_graph")


@scan(name="_ctc_backward", eager=True, method=False, grad=_no_second_gradient, log_probs=_no_second_gradient)
def ctc_backward(grad, log_probs, targets, input_lengths, target_lengths, alphas, blank: int, zero_infinity: bool):
    """exp(log_probs) - the chance of each class at each step given the labels, which is PyTorch's gradient: right for
    normalised input."""
    steps, n, _ = log_probs.shape
    states = _states(targets, blank)
    skip = _may_skip(states, blank)
    index = states.unsqueeze(0).expand(steps, -1, -1)
    emitted = log_probs.gather(2, index).double()
    losses = _losses(alphas, input_lengths, target_lengths)
    logaddexp, where = OPS["logaddexp"].call, OPS["where"].call
    end, label = _last_states(target_lengths)
    places = OPS["_positions"].call(states, states.shape[1]).unsqueeze(0)
    ends = (places == end) | ((places == label) & (target_lengths > 0).unsqueeze(1))
    finish = where(ends, 0.0, -_INFINITY).to(emitted.dtype)
    beta = emitted.new_full(alphas.shape[1:], -_INFINITY)
    chances = emitted.new_zeros(alphas.shape)
    for t in range(steps - 1, -1, -1):
        # beta leaves out what step t itself emits, which alpha holds.
        if t < steps - 1:
            after = beta + emitted[t + 1]
            reach = logaddexp(after, _earlier(after, 1))
            beta = logaddexp(reach, _earlier(where(skip, after, -_INFINITY), 2))
        beta = where((input_lengths - 1 == t).unsqueeze(1), finish, beta)
        chances[t] = (alphas[t] + beta + losses.unsqueeze(1)).exp()
    result = log_probs.exp() - log_probs.new_zeros(log_probs.shape).scatter_add(2, index, chances.to(log_probs.dtype))
    result = result * grad.reshape(1, n, 1)
    steps_left = OPS["_positions"].call(states, steps).unsqueeze(1) >= input_lengths.unsqueeze(0)  # (T, N)
    drop = steps_left
    if zero_infinity:
        drop = drop | (losses == _INFINITY).unsqueeze(0)
    return result.masked_fill(drop.unsqueeze(2), 0)


def _lengths(name, given, like):
    from ..creation import tensor
    if isinstance(given, (list, tuple)):
        return tensor(list(given), dtype=_int64(), device=like.device)
    if given.is_floating_point():
        raise RuntimeError(f"ctc_loss: {name} must be integral, got {given.dtype}")
    return given.long().reshape(-1).to(like.device)


def _int64():
    from ..dtypes import int64
    return int64


def _padded(targets, lengths):
    """Targets that stand one after the other, as rows of equal length."""
    n, longest = lengths.shape[0], int(lengths.max()) if lengths.shape[0] else 0
    total = int(lengths.sum())
    if targets.shape[0] < total:
        raise RuntimeError(f"ctc_loss: Expected tensor to have size at least {total} at dimension 0, but got size "
                           f"{targets.shape[0]} for targets")
    rows = targets.new_zeros((n, max(longest, 1)))
    place = 0
    for k in range(n):
        length = int(lengths[k])
        rows[k, :length] = targets[place:place + length]
        place += length
    return rows


@composite(namespaces="nn.functional", method=False)
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """-log of the chance that log_probs (T, N, C), normalised over C, give the label sequences `targets`.

    targets: (N, S) padded, or all sequences one after the other; (T, C) and (S,) without a batch. The mean is over
    loss / target length. The gradient is that of PyTorch: with respect to what log_softmax was applied to.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if not log_probs.is_floating_point():
        raise RuntimeError(f"ctc_loss: log_probs must be floating point, got {log_probs.dtype}")
    batched = log_probs.ndim == 3
    if not batched:
        if log_probs.ndim != 2:
            raise RuntimeError(f"ctc_loss: log_probs must be 2-d or 3-d, got {tuple(log_probs.shape)}")
        log_probs = log_probs.unsqueeze(1)
        targets = targets.unsqueeze(0) if targets.ndim == 1 else targets
    steps, n, classes = log_probs.shape
    if targets.is_floating_point():
        raise RuntimeError(f"ctc_loss: targets must be integral, got {targets.dtype}")
    input_lengths = _lengths("input_lengths", input_lengths, log_probs)
    target_lengths = _lengths("target_lengths", target_lengths, log_probs)
    if not 0 <= blank < classes:
        raise RuntimeError(f"blank must be in label range, got {blank} for {classes} classes")
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if lengths.shape[0] != n:
            raise RuntimeError(f"{name} must be of size batch_size {n}, got {lengths.shape[0]}")
    if n:
        if int(input_lengths.max()) > steps or int(input_lengths.min()) < 0:
            raise RuntimeError(f"ctc_loss: Expected input_lengths to have values between 0 and {steps}, but got "
                               f"{input_lengths.tolist()}")
        if int(target_lengths.min()) < 0:
            raise RuntimeError("ctc_loss: Expected target_lengths to be non-negative, but got "
                               f"{target_lengths.tolist()}")
    targets = targets.long()
    if targets.ndim == 1:
        targets = _padded(targets, target_lengths)
    elif targets.ndim != 2 or targets.shape[0] != n or (n and targets.shape[1] < int(target_lengths.max())):
        raise RuntimeError(f"ctc_loss: targets {tuple(targets.shape)} do not fit a batch of {n} with target_lengths "
                           f"{target_lengths.tolist()}")
    # Labels behind a sequence's end are never read for it; they may hold anything.
    targets = targets.clamp(0, classes - 1)
    losses, _ = ctc.call(log_probs, targets, input_lengths, target_lengths, blank, bool(zero_infinity))
    if zero_infinity:
        losses = losses.masked_fill(losses.detach() == _INFINITY, 0)
    if reduction == "mean":
        return (losses / target_lengths.clamp(min=1).to(losses.dtype)).mean()
    if reduction == "sum":
        return losses.sum()
    return losses if batched else losses.squeeze(0)
