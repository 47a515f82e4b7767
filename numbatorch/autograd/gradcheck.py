"""gradcheck: the gradients of backward against finite differences."""

import warnings

import numpy as np

from ..creation import strided
from ..tensor import Tensor
from .finite_differences import (
    GradcheckError,
    along,
    differences,
    direction_in,
    gradients,
    outputs_of,
    random_like,
    values_of,
)
from .gradcheck_modes import compare_batched_gradients, compare_batched_tangents, compare_tangents


def gradcheck(func, inputs, *, eps=1e-06, atol=1e-05, rtol=0.001, raise_exception=True, nondet_tol=0.0,
              check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False,
              check_batched_forward_grad=False, check_forward_ad=False, check_backward_ad=True, fast_mode=False,
              masked=None):
    """Whether backward's gradients of `func` at `inputs` (float64, requiring grad) match central differences.

    GradcheckError naming input, output and both values where they do not, or False without `raise_exception`. Checked
    too: that running backward twice gives the same within `nondet_tol`; with `check_undefined_grad` that an output
    nobody uses counts as one whose gradient is zeros; with `check_grad_dtypes` that gradients have the inputs' dtypes.
    fast_mode: one random direction for each pair of input and output, not every element. masked is about sparse
    inputs, which are not checked. check_forward_ad: the tangents of forward mode, too; check_backward_ad: not the
    gradients when False. check_batched_grad, check_batched_forward_grad: the same under `vmap` over a batch of them.
    """
    if not (check_backward_ad or check_forward_ad):
        raise AssertionError("gradcheck: Expected either check_forward_ad or check_backward_ad to be True")
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [(k, x) for k, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have "
                         "requires_grad=True.")
    for k, x in checked:
        _check_input(k, x)
    try:
        wanted = [x for _, x in checked]
        compare = _compare_direction if fast_mode else _compare
        for o, out in enumerate(outputs_of(func, inputs)):
            for k, x in checked:
                if check_forward_ad:
                    compare_tangents(func, inputs, o, k, eps, atol, rtol, fast_mode)
                if check_batched_forward_grad:
                    compare_batched_tangents(func, inputs, o, k)
                if check_backward_ad:
                    compare(func, inputs, out, o, x, k, eps, atol, rtol)
        if check_backward_ad:
            _check_repeatable(func, inputs, wanted, nondet_tol, check_grad_dtypes)
            if check_undefined_grad:
                _check_undefined(func, inputs, wanted)
            if check_batched_grad:
                compare_batched_gradients(func, inputs, wanted)
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
    if not (check_rev_over_rev or check_fwd_over_rev):
        raise AssertionError("gradgradcheck: Expected either check_fwd_over_rev or check_rev_over_rev to be True")
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = [o for o in outputs_of(func, inputs) if o.requires_grad]
    if grad_outputs is None:
        generator = np.random.default_rng(0)
        grad_outputs = [random_like(generator, o, gen_non_contig_grad_outputs).requires_grad_(True) for o in outputs]
    grad_outputs = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    count = len(grad_outputs)

    from ..transforms.reverse import differentiate

    def first(*args):
        given, cotangents = args[:-count], args[-count:]
        outs = [o for o in outputs_of(func, given) if o.requires_grad]
        wanted = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
        found = differentiate(outs, wanted, cotangents, create_graph=True)  # also in forward mode and under vmap
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(first, (*inputs, *grad_outputs), eps=eps, atol=atol, rtol=rtol,
                     raise_exception=raise_exception, nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
                     check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad,
                     check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev, fast_mode=fast_mode,
                     masked=masked)


def _check_input(k, x):
    if x.layout is not strided:
        raise NotImplementedError(f"gradcheck: input {k} is sparse ({x.layout}); check a function of its values")
    if x.dtype.name not in ("float64", "complex128"):
        warnings.warn(f"Input #{k} requires gradient and is not a double precision floating point or complex. This "
                      "check will likely fail if all the inputs are not of double precision floating point or "
                      "complex.", stacklevel=3)
    if x.numel() and any(s == 0 and n > 1 for n, s in zip(x.shape, x.stride(), strict=True)):
        raise RuntimeError(f"gradcheck: input {k} (shape {tuple(x.shape)}, strides {x.stride()}) has elements that "
                           "share memory, and moving one moves others; pass input.clone()")


def _compare(func, inputs, out, o, x, k, eps, atol, rtol):
    """Every element of an input by every element of an output."""
    from ..creation import zeros_like
    numerical = differences(func, inputs, x, o, eps)
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
            (analytic,) = gradients(outputs_of(func, inputs)[o], x, cotangent, retain_graph=True)
            values = values_of(analytic, x).reshape(-1)
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
    weight = random_like(generator, out)
    direction = direction_in(generator, x)
    moved = along(func, inputs, x, o, direction, eps)
    expected = float(np.real(np.conj(weight.numpy()) * moved).sum())
    found = 0.0
    if out.requires_grad:
        (analytic,) = gradients(outputs_of(func, inputs)[o], x, weight)
        found = float(np.real(np.conj(values_of(analytic, x)) * direction).sum())
    allowed = atol * float(np.abs(direction).sum()) * float(np.abs(weight.numpy()).sum())  # each element's own
    if not np.allclose(found, expected, rtol=rtol, atol=allowed, equal_nan=True):
        raise GradcheckError(f"Jacobian mismatch for output {o} with respect to input {k} in fast mode: a random "
                             f"direction is {expected} by finite differences, {found} by backward; fast_mode=False "
                             "names the elements")


def _check_repeatable(func, inputs, wanted, tolerance, dtypes):
    """Backward twice through one tape; the gradients' dtypes."""
    outputs = [o for o in outputs_of(func, inputs) if o.requires_grad]
    if not outputs:
        return
    generator = np.random.default_rng(0)
    weights = [random_like(generator, o) for o in outputs]
    first = gradients(outputs, wanted, weights, retain_graph=True)
    second = gradients(outputs, wanted, weights)
    for x, a, b in zip(wanted, first, second, strict=True):
        if not np.allclose(values_of(a, x), values_of(b, x), rtol=0, atol=tolerance, equal_nan=True):
            raise GradcheckError("Backward is not reentrant: run twice with the same gradients of the outputs it gives "
                                 f"values that differ by more than nondet_tol={tolerance}")
        if dtypes and a is not None and a.dtype is not x.dtype:
            raise GradcheckError(f"the gradient of an input in {x.dtype} is in {a.dtype}")


def _check_undefined(func, inputs, wanted):
    """Each output alone: the same gradients as when those of the other outputs are zeros."""
    from ..creation import zeros_like
    outputs = [o for o in outputs_of(func, inputs) if o.requires_grad]
    if len(outputs) < 2:
        return
    generator = np.random.default_rng(0)
    for k, out in enumerate(outputs):
        weight = random_like(generator, out)
        others = [weight if out is o else zeros_like(o.detach()) for o in outputs]
        alone = gradients(out, wanted, weight, retain_graph=True)
        together = gradients(outputs, wanted, others, retain_graph=True)
        for i, (x, a, b) in enumerate(zip(wanted, alone, together, strict=True)):
            if not np.allclose(values_of(a, x), values_of(b, x), equal_nan=True):
                raise GradcheckError(f"Expected backward function to handle undefined output grads: the gradient of "
                                     f"input {i} from output {k} alone is not that with zeros for the other outputs")
