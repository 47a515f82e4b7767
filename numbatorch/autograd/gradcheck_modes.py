"""What gradcheck does about forward mode, and about many directions at once."""

import numpy as np

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


def _tangent(func, inputs, o, k, direction):
    """What output o changes by when input k moves in a direction (a tensor); zeros where it does not."""
    from .forward_ad import dual_level, make_dual, unpack_dual
    with dual_level():
        given = [make_dual(x, direction) if i == k else x for i, x in enumerate(inputs)]
        out = outputs_of(func, given)[o]
        primal, tangent = unpack_dual(out)
        return primal * 0 if tangent is None else tangent


def compare_tangents(func, inputs, o, k, eps, atol, rtol, fast):
    """Tangents of output o by input k against central differences: along one random direction, or by each element."""
    from ..creation import from_numpy
    x = inputs[k]

    def check(found, expected, allowed, where):
        if not np.allclose(found, expected, rtol=rtol, atol=allowed, equal_nan=True):
            worst = np.unravel_index(int(np.argmax(np.abs(found - expected))), expected.shape)
            raise GradcheckError(f"Jacobian mismatch for output {o} with respect to input {k} in forward mode: {where} "
                                 f"changes element {list(map(int, worst))} of the output by {expected[worst]} by "
                                 f"finite differences, by {found[worst]} by the tangent")
    if fast:
        direction = direction_in(np.random.default_rng([o, k]), x)
        expected = along(func, inputs, x, o, direction, eps)
        found = values_of(_tangent(func, inputs, o, k, from_numpy(np.array(direction))), expected)
        check(found, expected, atol * float(np.abs(direction).sum()), "a random direction")
        return
    for at, columns in zip(np.ndindex(tuple(x.shape)), differences(func, inputs, x, o, eps), strict=True):
        for part, column in zip((1, 1j), columns, strict=False):
            direction = np.zeros(tuple(x.shape), x.dtype.numpy)
            direction[at] = part
            found = values_of(_tangent(func, inputs, o, k, from_numpy(direction)), column).reshape(-1)
            check(found, column, atol, f"element {list(at)} of the input")


def _batch(generator, like, count=2):
    from ..ops.declare import OPS
    return OPS["stack"].call([random_like(generator, like) for _ in range(count)])


def compare_batched_tangents(func, inputs, o, k):
    """Tangents under vmap against one after the other."""
    from ..transforms.vmap import vmap
    directions = _batch(np.random.default_rng([o, k]), inputs[k])
    found = vmap(lambda d: _tangent(func, inputs, o, k, d))(directions)
    for i in range(len(directions)):
        expected = _tangent(func, inputs, o, k, directions[i])
        if not np.allclose(values_of(found[i], expected), values_of(expected, expected), equal_nan=True):
            raise GradcheckError(f"tangents of output {o} with respect to input {k} differ under vmap from those taken "
                                 "one after the other")


def compare_batched_gradients(func, inputs, wanted):
    """Gradients of each output under vmap against one after the other."""
    from ..transforms.vmap import vmap
    for o, out in enumerate(outputs_of(func, inputs)):
        if not out.requires_grad:
            continue
        weights = _batch(np.random.default_rng(o), out)

        def pull(weight, out=out):
            found = gradients(out, wanted, weight, retain_graph=True)
            return tuple(x * 0 if g is None else g for g, x in zip(found, wanted, strict=True))
        batched = vmap(pull)(weights)
        for i in range(len(weights)):
            for k, (found, expected) in enumerate(zip(batched, pull(weights[i]), strict=True)):
                if not np.allclose(values_of(found[i], expected), values_of(expected, expected), equal_nan=True):
                    raise GradcheckError(f"gradients of output {o} with respect to input {k} differ under vmap from "
                                         "those taken one after the other")
