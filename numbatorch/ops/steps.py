"""Steps of optimizers as formulas: new values of a parameter and of its state, for one launch over all parameters."""

from ..expr import functions as f
from .declare import elementwise
from .pointwise import lerp

_INTERNAL = dict(method=False, inplace=False, out=False, differentiable=False)


def _decayed(param, grad, decay, weight_decay, maximize):
    """(parameter, gradient) after weight decay: of the parameter by a factor, or into the gradient."""
    grad = -grad if maximize else grad
    return param * decay, grad + weight_decay * param


@elementwise(name="_adam_step", outputs=("param", "mean", "square"), **_INTERNAL)
def adam_step(param, grad, mean, square, decay: float, weight_decay: float, towards: float, beta2: float,
              beside: float, root: float, eps: float, size: float, *, maximize: bool = False):
    """One step of Adam: mean and square follow grad and grad^2 (1 - beta1 = `towards`, 1 - beta2 = `beside`).

    param is shrunk by `decay`, grad gets weight_decay * param, and size * mean / (sqrt(square) / root + eps) is added.
    """
    param, grad = _decayed(param, grad, decay, weight_decay, maximize)
    mean = lerp(mean, grad, towards)
    square = square * beta2 + grad * grad * beside
    return param + mean / (f.sqrt(square) / root + eps) * size, mean, square


@elementwise(name="_amsgrad_step", outputs=("param", "mean", "square", "largest"), **_INTERNAL)
def amsgrad_step(param, grad, mean, square, largest, decay: float, weight_decay: float, towards: float, beta2: float,
                 beside: float, root: float, eps: float, size: float, *, maximize: bool = False):
    """One step of Adam that divides by the largest square so far."""
    param, grad = _decayed(param, grad, decay, weight_decay, maximize)
    mean = lerp(mean, grad, towards)
    square = square * beta2 + grad * grad * beside
    largest = f.maximum(largest, square)
    return param + mean / (f.sqrt(largest) / root + eps) * size, mean, square, largest


@elementwise(name="_sgd_step", **_INTERNAL)
def sgd_step(param, grad, weight_decay: float, rate: float, *, maximize: bool = False):
    """param - rate * (grad + weight_decay * param)."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    return param - grad * rate


@elementwise(name="_momentum_step", outputs=("param", "buffer"), **_INTERNAL)
def momentum_step(param, grad, buffer, weight_decay: float, momentum: float, share: float, rate: float, *,
                  nesterov: bool = False, maximize: bool = False):
    """One step of SGD: buffer follows momentum * buffer + share * grad; with nesterov the step looks ahead."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    buffer = buffer * momentum + grad * share
    return param - (grad + buffer * momentum if nesterov else buffer) * rate, buffer


@elementwise(name="_adagrad_step", outputs=("param", "sum"), **_INTERNAL)
def adagrad_step(param, grad, sum, weight_decay: float, rate: float, eps: float, *, maximize: bool = False):
    """One step of Adagrad: grad^2 is added to sum, and rate * grad / (sqrt(sum) + eps) taken off param."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    sum = sum + grad * grad
    return param - grad / (f.sqrt(sum) + eps) * rate, sum


def _followed(mean, square, grad, towards, beta2, beside):
    """Running means of grad and of grad^2 (1 - beta1 = `towards`, 1 - beta2 = `beside`)."""
    return lerp(mean, grad, towards), square * beta2 + grad * grad * beside


def _rms(grad, square, mean, alpha, beside, eps):
    """(square, mean, divisor) of a step of RMSprop; mean None: not centred."""
    square = square * alpha + grad * grad * beside
    if mean is None:
        return square, None, f.sqrt(square) + eps
    mean = lerp(mean, grad, beside)
    return square, mean, f.sqrt(square + mean * mean * -1) + eps


@elementwise(name="_rmsprop_step", outputs=("param", "square"), **_INTERNAL)
def rmsprop_step(param, grad, square, weight_decay: float, alpha: float, beside: float, eps: float, size: float, *,
                 maximize: bool = False):
    """square follows grad^2 (1 - alpha = `beside`), and size * grad / (sqrt(square) + eps) is added to param."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    square, _, divisor = _rms(grad, square, None, alpha, beside, eps)
    return param + grad / divisor * size, square


@elementwise(name="_rmsprop_momentum_step", outputs=("param", "square", "buffer"), **_INTERNAL)
def rmsprop_momentum_step(param, grad, square, buffer, weight_decay: float, alpha: float, beside: float, eps: float,
                          size: float, momentum: float, *, maximize: bool = False):
    """One step of RMSprop along a buffer that follows the steps."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    square, _, divisor = _rms(grad, square, None, alpha, beside, eps)
    buffer = buffer * momentum + grad / divisor
    return param + buffer * size, square, buffer


@elementwise(name="_rmsprop_centered_step", outputs=("param", "square", "mean"), **_INTERNAL)
def rmsprop_centered_step(param, grad, square, mean, weight_decay: float, alpha: float, beside: float, eps: float,
                          size: float, *, maximize: bool = False):
    """One step of RMSprop that divides by the deviation of grad from its mean."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    square, mean, divisor = _rms(grad, square, mean, alpha, beside, eps)
    return param + grad / divisor * size, square, mean


@elementwise(name="_rmsprop_centered_momentum_step", outputs=("param", "square", "mean", "buffer"), **_INTERNAL)
def rmsprop_centered_momentum_step(param, grad, square, mean, buffer, weight_decay: float, alpha: float, beside: float,
                                   eps: float, size: float, momentum: float, *, maximize: bool = False):
    """One step of RMSprop along a buffer that follows the steps, which are divided by grad's deviation."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    square, mean, divisor = _rms(grad, square, mean, alpha, beside, eps)
    buffer = buffer * momentum + grad / divisor
    return param + buffer * size, square, mean, buffer


@elementwise(name="_adadelta_step", outputs=("param", "square", "moved"), **_INTERNAL)
def adadelta_step(param, grad, square, moved, weight_decay: float, rho: float, beside: float, eps: float, size: float,
                  *, maximize: bool = False):
    """square and moved follow grad^2 and change^2; change = sqrt(moved + eps) / sqrt(square + eps) * grad."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    square = square * rho + grad * grad * beside
    change = f.sqrt(moved + eps) / f.sqrt(square + eps) * grad
    return param + change * size, square, moved * rho + change * change * beside


@elementwise(name="_adamax_step", outputs=("param", "mean", "bound"), **_INTERNAL)
def adamax_step(param, grad, mean, bound, weight_decay: float, towards: float, beta2: float, eps: float, size: float, *,
                maximize: bool = False):
    """mean follows grad, bound is max(beta2 * bound, |grad| + eps), and size * mean / bound is added to param."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    mean, bound = lerp(mean, grad, towards), f.maximum(bound * beta2, f.abs(grad) + eps)
    return param + mean / bound * size, mean, bound


@elementwise(name="_radam_step", outputs=("param", "mean", "square"), **_INTERNAL)
def radam_step(param, grad, mean, square, decay: float, weight_decay: float, towards: float, beta2: float,
               beside: float, correction: float, rate: float, root: float, eps: float, rectified: float, *,
               maximize: bool = False):
    """param goes by -rate * mean / correction, adapted by rectified * root / (sqrt(square) + eps) unless that is 0."""
    param, grad = _decayed(param, grad, decay, weight_decay, maximize)
    mean, square = _followed(mean, square, grad, towards, beta2, beside)
    change = mean / correction * rate
    adapted = change * (root / (f.sqrt(square) + eps)) * rectified
    return param - f.where(rectified > 0, adapted, change), mean, square


@elementwise(name="_nadam_step", outputs=("param", "mean", "square"), **_INTERNAL)
def nadam_step(param, grad, mean, square, decay: float, weight_decay: float, towards: float, beta2: float,
               beside: float, correction: float, eps: float, size: float, ahead: float, *, maximize: bool = False):
    """(size * grad + ahead * mean) / (sqrt(square / correction) + eps) is added to param."""
    param, grad = _decayed(param, grad, decay, weight_decay, maximize)
    mean, square = _followed(mean, square, grad, towards, beta2, beside)
    divisor = f.sqrt(square / correction) + eps
    return param + grad / divisor * size + mean / divisor * ahead, mean, square


@elementwise(name="_asgd_step", outputs=("param", "average"), **_INTERNAL)
def asgd_step(param, grad, average, weight_decay: float, shrink: float, size: float, share: float, *,
              maximize: bool = False):
    """param is shrunk and goes by size * grad; the average follows it by `share`, and is it where that is 1."""
    _, grad = _decayed(param, grad, 1.0, weight_decay, maximize)
    param = param * shrink + grad * size
    return param, f.where(share < 1, average + (param - average) * share, param)


@elementwise(name="_rprop_step", outputs=("param", "previous", "size"), **_INTERNAL)
def rprop_step(param, grad, previous, size, shrink: float, grow: float, smallest: float, largest: float, *,
               maximize: bool = False):
    """size grows where grad keeps its sign and shrinks where that flips, where param rests; else it goes by size."""
    grad = -grad if maximize else grad
    agreement = f.sgn(grad * previous)
    size = size * f.where(agreement > 0, grow, f.where(agreement < 0, shrink, 1.0))
    size = f.minimum(f.maximum(size, smallest), largest)
    grad = f.where(agreement < 0, 0.0, grad)
    return param - f.sgn(grad) * size, grad, size
