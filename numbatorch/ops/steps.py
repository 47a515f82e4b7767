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
