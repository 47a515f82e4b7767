"""gradcheck: the gradients of backward against finite differences."""

import warnings

import numpy as np

from ..tensor import Tensor


class GradcheckError(RuntimeError):
    """A gradient differs from its finite difference, or is not what the options ask for."""


def gradcheck(func, inputs, *, eps=1e-06, atol=1e-05, rtol=0.001, raise_exception=True, nondet_tol=0.0,
              check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False,
              check_batched_forward_grad=False, check_forward_ad=False, check_backward_ad=True, fast_mode=False,
              masked=None):
    """Whether backward's gradients of `func` at `inputs` (float64, requiring grad) match central differences.

    GradcheckError naming input, output and both values where they do not, or False without `raise_exception`. Checked
    too: that running backward twice gives the same within `nondet_tol`; with `check_undefined_grad` that an output
    nobody uses counts as one whose gradient is zeros; with `check_grad_dtypes` that gradients have the inputs' dtypes.
    fast_mode: one random direction for each pair of input and output, not every element. masked is about sparse
    inputs, of which there are none here. NotImplementedError for forward-mode and batched gradients.
    """
    _refuse(check_forward_ad=check_forward_ad, check_batched_grad=check_batched_grad,
            check_batched_forward_grad=check_batched_forward_grad)
    if not check_backward_ad:
        raise AssertionError("gradcheck: Expected either check_forward_ad or check_backward_ad to be True")
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [(k, x) for k, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have "
                         "requires_grad=True.")
    for k, x in checked:
        _check_input(k, x)
    try:
        outputs = _outputs(func, inputs)
        compare = _compare_direction if fast_mode else _compare
        for o, out in enumerate(outputs):
            for k, x in checked:
                compare(func, inputs, out, o, x, k, eps, atol, rtol)
        _check_repeatable(func, inputs, [x for _, x in checked], nondet_tol, check_grad_dtypes)
        if check_undefined_grad:
            _check_undefined(func, inputs, [x for _, x in checked])
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-06, atol=1e-05, rtol=0.001,
                  gen_non_contig_grad_outputs=False, raise_exception=True, nondet_tol=0.0, check_undefined_grad=True,
                  check_grad_dtypes=False, check_batched_grad=False, check_fwd_over_rev=False, check_rev_over_rev=True,
                  fast_mode=False, masked=False):
    """gradcheck of the gradients of `func`, themselves differentiated, with the same options.

    grad_outputs: the outputs' gradients, random when None (not contiguous with `gen_non_contig_grad_outputs`).
    """
    _refuse(check_batched_grad=check_batched_grad, check_fwd_over_rev=check_fwd_over_rev)
    if not check_rev_over_rev:
        raise AssertionError("gradgradcheck: Expected either check_fwd_over_rev or check_rev_over_rev to be True")
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = [o for o in _outputs(func, inputs) if o.requires_grad]
    if grad_outputs is None:
        generator = np.random.default_rng(0)
        grad_outputs = [_random(generator, o, gen_non_contig_grad_outputs).requires_grad_(True) for o in outputs]
    grad_outputs = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    count = len(grad_outputs)

    def gradients(*args):
        given, cotangents = args[:-count], args[-count:]
        outs = [o for o in _outputs(func, given) if o.requires_grad]
        wanted = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
        found = _gradients(outs, wanted, cotangents, create_graph=True)
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(gradients, (*inputs, *grad_outputs), eps=eps, atol=atol, rtol=rtol,
                     raise_exception=raise_exception, nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
                     check_grad_dtypes=check_grad_dtypes, fast_mode=fast_mode, masked=masked)


def _refuse(**options):
    for name, value in options.items():
        if value:
            raise NotImplementedError(f"gradcheck: {name}=True needs "
                                      f"{'vmap' if 'batched' in name else 'forward-mode gradients'}, which numbatorch "
                                      "does not have")


def _check_input(k, x):
    if x.dtype.name not in ("float64", "complex128"):
        warnings.warn(f"Input #{k} requires gradient and is not a double precision floating point or complex. This "
                      "check will likely fail if all the inputs are not of double precision floating point or "
                      "complex.", stacklevel=3)
    if x.numel() and any(s == 0 and n > 1 for n, s in zip(x.shape, x.stride(), strict=True)):
        raise RuntimeError(f"gradcheck: input {k} (shape {tuple(x.shape)}, strides {x.stride()}) has elements that "
                           "share memory, and moving one moves others; pass input.clone()")


def _gradients(outputs, inputs, cotangents, **options):
    from . import grad
    return grad(outputs, inputs, cotangents, allow_unused=True, **options)


def _outputs(function, inputs):
    result = function(*inputs)
    return tuple(r for r in (result if isinstance(result, (tuple, list)) else (result,))
                 if isinstance(r, Tensor) and r.is_floating_point() | r.is_complex())


def _values(tensor, like):
    """A gradient as a NumPy array; zeros for none."""
    return np.zeros(tuple(like.shape)) if tensor is None else np.array(tensor.detach().resolve_conj().numpy())


def _random(generator, like, apart=False):
    """A random tensor in the shape and dtype of another; every second element of a larger one when `apart`."""
    from ..creation import from_numpy
    shape = (*tuple(like.shape), 2) if apart else tuple(like.shape)
    values = np.asarray(generator.standard_normal(shape))
    if like.is_complex():
        values = values + 1j * generator.standard_normal(shape)
    made = from_numpy(np.asarray(values)).to(like.dtype)
    return made[..., 0] if apart else made


def _output(function, inputs, index):
    return np.array(_outputs(function, inputs)[index].detach().resolve_conj().numpy())


def _numerical(function, inputs, x, index, eps):
    """d output[index] / d x by central differences: for each element of x, one column of outputs for each part."""
    array = x.detach()._array()
    rows = []
    for at in np.ndindex(array.shape):
        before = array[at].copy()
        columns = []
        for step in (eps, 1j * eps) if x.is_complex() else (eps,):
            array[at] = before + step
            plus = _output(function, inputs, index).reshape(-1)
            array[at] = before - step
            columns.append((plus - _output(function, inputs, index).reshape(-1)) / (2 * eps))
            array[at] = before
        rows.append(columns)
    return rows


def _compare(func, inputs, out, o, x, k, eps, atol, rtol):
    """Every element of an input by every element of an output."""
    from ..creation import zeros_like
    numerical = _numerical(func, inputs, x, o, eps)
    if not out.requires_grad:
        if any(np.abs(c).max(initial=0) > atol for columns in numerical for c in columns):
            raise GradcheckError(f"output {o} does not require grad, but its finite differences by input {k} are not "
                                 "zero")
        return
    for j in range(out.numel()):
        for part in ((1.0, 1j) if out.is_complex() else (1.0,)):
            cotangent = zeros_like(out.detach(), memory_format=None)
            flat = cotangent._array()
            flat[np.unravel_index(j, flat.shape)] = part
            (analytic,) = _gradients(_outputs(func, inputs)[o], x, cotangent, retain_graph=True)
            values = _values(analytic, x).reshape(-1)
            for i, columns in enumerate(numerical):
                expected = np.real(np.conj(part) * columns[0][j])
                if x.is_complex():
                    expected = expected + 1j * np.real(np.conj(part) * columns[1][j])
                if not np.allclose(values[i], expected, rtol=rtol, atol=atol, equal_nan=True):
                    raise GradcheckError(f"Jacobian mismatch for output {o} with respect to input {k}: element {j} of "
                                         f"the output by element {i} of the input is {expected} by finite differences, "
                                         f"{values[i]} by backward")


def _compare_direction(func, inputs, out, o, x, k, eps, atol, rtol):
    """One random direction of an input, weighted by one random cotangent of an output."""
    generator = np.random.default_rng([o, k])
    direction, weight = _random(generator, x).numpy(), _random(generator, out)
    direction = direction / max(float(np.linalg.norm(direction)), 1e-300)
    array = x.detach()._array()
    before = array.copy()
    array[...] = before + eps * direction
    plus = _output(func, inputs, o)
    array[...] = before - eps * direction
    minus = _output(func, inputs, o)
    array[...] = before
    expected = float(np.real(np.conj(weight.numpy()) * (plus - minus)).sum()) / (2 * eps)
    found = 0.0
    if out.requires_grad:
        (analytic,) = _gradients(_outputs(func, inputs)[o], x, weight)
        found = float(np.real(np.conj(_values(analytic, x)) * direction).sum())
    allowed = atol * float(np.abs(direction).sum()) * float(np.abs(weight.numpy()).sum())  # each element's own
    if not np.allclose(found, expected, rtol=rtol, atol=allowed, equal_nan=True):
        raise GradcheckError(f"Jacobian mismatch for output {o} with respect to input {k} in fast mode: a random "
                             f"direction is {expected} by finite differences, {found} by backward; fast_mode=False "
                             "names the elements")


def _check_repeatable(func, inputs, wanted, tolerance, dtypes):
    """Backward twice through one tape; the gradients' dtypes."""
    outputs = [o for o in _outputs(func, inputs) if o.requires_grad]
    if not outputs:
        return
    generator = np.random.default_rng(0)
    weights = [_random(generator, o) for o in outputs]
    first = _gradients(outputs, wanted, weights, retain_graph=True)
    second = _gradients(outputs, wanted, weights)
    for x, a, b in zip(wanted, first, second, strict=True):
        if not np.allclose(_values(a, x), _values(b, x), rtol=0, atol=tolerance, equal_nan=True):
            raise GradcheckError("Backward is not reentrant: run twice with the same gradients of the outputs it gives "
                                 f"values that differ by more than nondet_tol={tolerance}")
        if dtypes and a is not None and a.dtype is not x.dtype:
            raise GradcheckError(f"the gradient of an input in {x.dtype} is in {a.dtype}")


def _check_undefined(func, inputs, wanted):
    """Each output alone: the same gradients as when those of the other outputs are zeros."""
    from ..creation import zeros_like
    outputs = [o for o in _outputs(func, inputs) if o.requires_grad]
    if len(outputs) < 2:
        return
    generator = np.random.default_rng(0)
    for k, out in enumerate(outputs):
        weight = _random(generator, out)
        others = [weight if out is o else zeros_like(o.detach()) for o in outputs]
        alone = _gradients(out, wanted, weight, retain_graph=True)
        together = _gradients(outputs, wanted, others, retain_graph=True)
        for i, (x, a, b) in enumerate(zip(wanted, alone, together, strict=True)):
            if not np.allclose(_values(a, x), _values(b, x), equal_nan=True):
                raise GradcheckError(f"Expected backward function to handle undefined output grads: the gradient of "
                                     f"input {i} from output {k} alone is not that with zeros for the other outputs")
