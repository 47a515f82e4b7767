"""gradcheck: the gradients of backward against finite differences."""

import numpy as np

from ..tensor import Tensor


class GradcheckError(RuntimeError):
    """A gradient differs from its finite difference."""


def _outputs(function, inputs):
    result = function(*inputs)
    return tuple(r for r in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(r, Tensor))


def _numerical(function, inputs, x, index, eps):
    """d output[index] / d x as a matrix (elements of x, elements of the output), by central differences."""
    array = x.detach()._array()
    rows = []
    for at in np.ndindex(array.shape):
        before = array[at].copy()
        steps = (eps, 1j * eps) if x.is_complex() else (eps,)
        columns = []
        for step in steps:
            array[at] = before + step
            plus = np.array(_outputs(function, inputs)[index].detach()._array(), copy=True).reshape(-1)
            array[at] = before - step
            minus = np.array(_outputs(function, inputs)[index].detach()._array(), copy=True).reshape(-1)
            array[at] = before
            columns.append((plus - minus) / (2 * eps))
        rows.append(columns)
    return rows


def gradcheck(func, inputs, *, eps=1e-06, atol=1e-05, rtol=0.001, raise_exception=True, nondet_tol=0.0,
              check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False,
              check_batched_forward_grad=False, check_forward_ad=False, check_backward_ad=True, fast_mode=False,
              masked=None):
    """Whether backward's gradients of `func` at `inputs` (float64, requiring grad) match central differences.

    GradcheckError naming input, output and both values where they do not, or False without `raise_exception`.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    from . import grad
    checked = [(k, x) for k, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have "
                         "requires_grad=True.")
    for k, x in checked:
        if x.dtype.name not in ("float64", "complex128"):
            import warnings
            warnings.warn(f"Input #{k} requires gradient and is not a double precision floating point or complex. This "
                          "check will likely fail if all the inputs are not of double precision floating point or "
                          "complex.",
                          stacklevel=2)
    try:
        outputs = _outputs(func, inputs)
        for o, out in enumerate(outputs):
            if not out.requires_grad:
                continue
            for k, x in checked:
                _compare(func, inputs, out, o, x, k, eps, atol, rtol, grad)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(func, inputs, out, o, x, k, eps, atol, rtol, grad):
    from ..creation import zeros_like
    numerical = _numerical(func, inputs, x, o, eps)
    width = out.numel()
    for j in range(width):
        for part in ((1.0, 1j) if out.is_complex() else (1.0,)):
            cotangent = zeros_like(out.detach(), memory_format=None)
            flat = cotangent._array()
            flat[np.unravel_index(j, flat.shape)] = part
            (analytic,) = grad(_outputs(func, inputs)[o], x, cotangent, retain_graph=True, allow_unused=True)
            values = np.zeros(x.numel(), dtype=np.complex128) if analytic is None else np.asarray(
                analytic.detach()._array()).reshape(-1)
            for i, columns in enumerate(numerical):
                expected = np.real(np.conj(part) * columns[0][j])
                if x.is_complex():
                    expected = expected + 1j * np.real(np.conj(part) * columns[1][j])
                if not np.allclose(values[i], expected, rtol=rtol, atol=atol, equal_nan=True):
                    raise GradcheckError(f"Jacobian mismatch for output {o} with respect to input {k}: element {j} of "
                                         f"the output by element {i} of the input is {expected} by finite differences, "
                                         f"{values[i]} by backward")


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-06, atol=1e-05, rtol=0.001,
                  gen_non_contig_grad_outputs=False, raise_exception=True, nondet_tol=0.0, check_undefined_grad=True,
                  check_grad_dtypes=False,
                  check_batched_grad=False, check_fwd_over_rev=False, check_rev_over_rev=True, fast_mode=False,
                  masked=False):
    """gradcheck of the gradients of `func`, themselves differentiated."""
    from ..creation import from_numpy
    from . import grad
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = [o for o in _outputs(func, inputs) if o.requires_grad]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        grad_outputs = []
        for o in outputs:
            values = rng.standard_normal(tuple(o.shape))
            if o.is_complex():
                values = values + 1j * rng.standard_normal(tuple(o.shape))
            grad_outputs.append(from_numpy(np.array(values)).to(o.dtype).requires_grad_(True))
    grad_outputs = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    count = len(grad_outputs)

    def gradients(*args):
        given, cotangents = args[:-count], args[-count:]
        outs = [o for o in _outputs(func, given) if o.requires_grad]
        wanted = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
        found = grad(outs, wanted, cotangents, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(gradients, (*inputs, *grad_outputs), eps=eps, atol=atol, rtol=rtol,
                     raise_exception=raise_exception, nondet_tol=nondet_tol)
