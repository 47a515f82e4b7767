"""Cross-entropy and the negative logarithm of a class: one walk over each row, with weights and smoothing, too."""

from .declare import OPS, composite
from .index import bounds, within
from .loss import _known, _legacy, _reduced
from .rowwise import picked_rows, smoothed_rows, surprise_rows

_F = "nn.functional"


@composite(namespaces=_F, method=False)
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """-weight[target] * input[target]; the mean divides by the weights that counted. (N, C, ...), (N, ...) of int64."""
    reduction = _legacy(reduction, size_average, reduce)
    _known(reduction)
    dim, classes, rows = _checked("nll_loss", input, target, weight)
    counted, rows = _counted(rows, ignore_index, classes)
    if input.ndim <= 2 and rows.numel():
        loss = picked_rows.call(input, rows, dim)
    else:
        loss = -OPS["gather"].call(input, dim, rows)
    return _shared(loss, dim, counted, rows, weight, reduction)


@composite(namespaces=_F, method=False)
def cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
                  label_smoothing=0.0):
    """nll_loss(log_softmax(input), target) for class indices; -sum(target * log_softmax(input)) for probabilities.

    With `label_smoothing` that share of what is expected is spread over all classes.
    """
    reduction = _legacy(reduction, size_average, reduce)
    _known(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if target._layout.dtype.is_floating_point:
        return _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    if not input._layout.dtype.is_floating_point:
        from ..plan import type_name
        raise NotImplementedError(f'"cross_entropy" not implemented for \'{type_name(input.dtype)}\': input must be '
                                  "floating point")
    dim, classes, rows = _checked("cross_entropy", input, target, weight)
    counted, rows = _counted(rows, ignore_index, classes)
    if not label_smoothing:
        return _shared(surprise_rows.call(input, rows, dim)[0], dim, counted, rows, weight, reduction)
    along = None if weight is None else weight.view(_along(input.ndim, dim, classes))
    loss = smoothed_rows.call(input, rows, along, dim, 1 - label_smoothing, label_smoothing / max(classes, 1))[0]
    return _shared(loss, dim, counted, rows, weight, reduction, weighed=True)


def _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing):
    """-sum(weight * target * log_softmax(input)), the mean over all rows."""
    if target.shape != input.shape:
        if input.ndim > 1 and target.ndim and input.shape[0] != target.shape[0]:
            raise ValueError(f"cross_entropy: Expected input batch_size ({input.shape[0]}) to match target batch_size "
                             f"({target.shape[0]}).")
        raise RuntimeError(f"cross_entropy: expected scalar type Long for target {tuple(target.shape)} with input "
                           f"{tuple(input.shape)}, but found {target.dtype.name}")
    if ignore_index >= 0:
        raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target, got "
                           f"ignore_index={ignore_index}")
    dim = 0 if input.ndim == 1 else 1
    logs, classes = OPS["log_softmax"].call(input, dim), input.shape[dim]
    _check_weight(weight, classes)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / max(classes, 1)
    terms = logs * target if weight is None else logs * target * weight.view(_along(input.ndim, dim, classes))
    loss = -terms.sum(dim)
    return loss.sum() / (input.numel() // max(classes, 1)) if reduction == "mean" else _reduced(loss, reduction)


def _along(ndim, dim, classes):
    """The shape in which a weight of each class meets an input."""
    return [classes if d == dim else 1 for d in range(ndim)]


def _check_weight(weight, classes):
    if weight is not None and (weight.ndim != 1 or weight.shape[0] != classes):
        raise RuntimeError(f"weight tensor should be defined either for all {classes} classes or no classes but got "
                           f"weight tensor of shape: {list(weight.shape)}")


def _checked(name, input, target, weight):
    """(the dimension of the classes, how many these are, the targets with that dimension of size 1).

    An error where the arguments do not fit each other.
    """
    shape, given = input._layout.shape, target._layout.shape
    if len(shape) > 1 and (not given or shape[0] != given[0]):
        raise ValueError(f"{name}: Expected input batch_size ({shape[0]}) to match target batch_size "
                         f"({given[0] if given else 0}).")
    if not shape or len(given) not in (len(shape) - 1, 0):
        raise RuntimeError(f"{name}: input {tuple(shape)} and target {tuple(given)} do not fit")
    dim = 0 if len(shape) == 1 else 1
    expected = (*shape[:dim], *shape[dim + 1:])
    if given != expected:
        raise RuntimeError(f"{name}: expected target size {list(expected)}, got {list(given)}")
    kind, classes = target._layout.dtype.name, shape[dim]
    if kind not in ("int64", "uint8", "int32"):
        raise RuntimeError(f"{name}: expected scalar type Long but found {kind}")
    _check_weight(weight, classes)
    if weight is not None and weight.dtype is not input.dtype:
        raise RuntimeError(f"{name}: expected scalar type {input.dtype.name} but found {weight.dtype.name}: weight "
                           "and input must have one dtype")
    return dim, classes, OPS["unsqueeze"].call(target if kind == "int64" else target.long(), dim)


def _counted(target, ignore_index, classes):
    """(which targets count, or None where all do; the targets, 0 for those that do not).

    IndexError for a target that is neither a class nor `ignore_index`.
    """
    own = target._layout
    sure = within(target, 0, classes)
    if sure and not 0 <= ignore_index < classes or not own.numel:
        return None, target
    if sure is None and own.has_values:
        low, high = (bound.item() for bound in bounds.call(target))
        sure = 0 <= low and high < classes
        if sure and not low <= ignore_index <= high:
            return None, target
    counted = target != ignore_index
    rows = OPS["where"].call(counted, target, 0)
    if not sure and own.has_values and not within(rows, 0, classes):
        low, high = (bound.item() for bound in bounds.call(rows))
        if low < 0 or high >= classes:
            raise IndexError(f"nll_loss: Target {low if low < 0 else high} is out of bounds for {classes} classes.")
    return counted, rows


def _shared(loss, dim, counted, rows, weight, reduction, weighed=False):
    """Losses of rows, 0 where they do not count, times the weights of their classes, unless these are in them
    (`weighed`); the mean divides by the weights."""
    share = None
    if weight is not None and (reduction == "mean" or not weighed):
        share = weight.index_select(0, rows.reshape(-1)).reshape(rows.shape)
    if share is not None and not weighed:
        loss = loss * share
    if counted is not None:
        loss = OPS["where"].call(counted, loss, 0.0)
        share = counted if share is None else OPS["where"].call(counted, share, 0.0)
    if share is None or reduction != "mean":
        return _reduced(loss.squeeze(dim) if reduction == "none" else loss, reduction)
    return loss.sum() / share.sum()
