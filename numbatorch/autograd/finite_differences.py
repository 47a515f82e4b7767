"""Functions at points near their inputs: what gradcheck compares derivatives with."""

import numpy as np

from ..tensor import Tensor


class GradcheckError(RuntimeError):
    """A gradient differs from its finite difference, or is not what the options ask for."""


def gradients(outputs, inputs, cotangents, **options):
    """`autograd.grad`, None for inputs that are not used."""
    from . import grad
    return grad(outputs, inputs, cotangents, allow_unused=True, **options)


def outputs_of(function, inputs):
    """The function's results that can have a derivative."""
    result = function(*inputs)
    return tuple(r for r in (result if isinstance(result, (tuple, list)) else (result,))
                 if isinstance(r, Tensor) and r.is_floating_point() | r.is_complex())


def values_of(tensor, like):
    """A gradient as a NumPy array; zeros for none."""
    return np.zeros(tuple(like.shape)) if tensor is None else np.array(tensor.detach().resolve_conj().numpy())


def random_like(generator, like, apart=False):
    """A random tensor in the shape and dtype of another; every second element of a larger one when `apart`."""
    from ..creation import from_numpy
    shape = (*tuple(like.shape), 2) if apart else tuple(like.shape)
    values = np.asarray(generator.standard_normal(shape))
    if like.is_complex():
        values = values + 1j * generator.standard_normal(shape)
    made = from_numpy(np.asarray(values)).to(like.dtype)
    return made[..., 0] if apart else made


def output_of(function, inputs, index):
    """One result as a NumPy array of its own."""
    return np.array(outputs_of(function, inputs)[index].detach().resolve_conj().numpy())


def differences(function, inputs, x, index, eps):
    """d output[index] / d x by central differences: for each element of x, one column of outputs for each part."""
    array = x.detach()._array()
    rows = []
    for at in np.ndindex(array.shape):
        before = array[at].copy()
        columns = []
        for step in (eps, 1j * eps) if x.is_complex() else (eps,):
            array[at] = before + step
            plus = output_of(function, inputs, index).reshape(-1)
            array[at] = before - step
            columns.append((plus - output_of(function, inputs, index).reshape(-1)) / (2 * eps))
            array[at] = before
        rows.append(columns)
    return rows


def along(function, inputs, x, index, direction, eps):
    """The change of output[index] along one direction (an array) of x, by central differences."""
    array = x.detach()._array()
    before = array.copy()
    array[...] = before + eps * direction
    plus = output_of(function, inputs, index)
    array[...] = before - eps * direction
    minus = output_of(function, inputs, index)
    array[...] = before
    return (plus - minus) / (2 * eps)


def direction_in(generator, x):
    """A random array of length 1 in the shape and dtype of x."""
    values = random_like(generator, x).numpy()
    return values / max(float(np.linalg.norm(values)), 1e-300)
