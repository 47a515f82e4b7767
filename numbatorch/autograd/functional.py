"""Derivatives of functions of tensors: vjp, jvp, vhp, hvp, jacobian, hessian. `torch.func` has composable ones.

`inputs` is a tensor or a tuple of them, and results come in the same form. create_graph: results can be differentiated
further. strict: RuntimeError where an output or a gradient does not depend on an input, in place of zeros.
"""

from ..creation import zeros, zeros_like
from ..ops.declare import OPS
from ..tensor import Tensor
from . import enable_grad, grad


def _tuple(value, what, name):
    if isinstance(value, Tensor):
        return (value,), True
    if isinstance(value, (tuple, list)) and value and all(isinstance(v, Tensor) for v in value):
        return tuple(value), False
    raise TypeError(f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the given {what} "
                    "has "
                    f"type {type(value)}.")


def _operands(inputs, create_graph):
    """Inputs that can be differentiated: recorded copies with create_graph, else leaves of their own."""
    return tuple(t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_() for t in inputs)


def _outputs(func, inputs, name, strict):
    outputs, single = _tuple(func(*inputs), "outputs", f"the user-provided function given to {name}")
    if strict:
        for k, o in enumerate(outputs):
            if not o.requires_grad:
                raise RuntimeError(f"Output {k} of the user-provided function does not require gradients. The "
                                   "outputs must "
                                   f"be computed in a differentiable manner from the input when running {name} in "
                                   "strict "
                                   "mode.")
    return outputs, single


def _vectors(v, like, name, what):
    """The vectors to multiply with; ones where a single number is differentiated and none are given."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"{name}: The vector v can only be None if the {what} is a single Tensor with one "
                               "element")
        return (like[0].new_ones(like[0].shape),)
    v, _ = _tuple(v, "v", name)
    if len(v) != len(like):
        raise RuntimeError(f"{name}: v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
    for k, (a, b) in enumerate(zip(v, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(f"{name}: Entry {k} in v has invalid size: should be {tuple(b.shape)} but got "
                               f"{tuple(a.shape)}.")
    return v


def _gradients(outputs, inputs, vectors, create_graph, strict, name):
    """Gradients with zeros (or, in strict mode, an error) where there is no dependence."""
    pairs = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o.requires_grad]
    found = grad([o for o, _ in pairs], inputs, [v for _, v in pairs], retain_graph=True, create_graph=create_graph,
                 allow_unused=True) if pairs else (None,) * len(inputs)
    result = []
    for k, (g, t) in enumerate(zip(found, inputs, strict=True)):
        if g is None and strict:
            raise RuntimeError(f"{name}: The output of the user-provided function is independent of input {k}. This "
                               "is not "
                               "allowed in strict mode.")
        if strict and create_graph and not g.requires_grad:
            raise RuntimeError(f"{name}: The jacobian of the user-provided function is independent of input {k}. "
                               "This is "
                               "not allowed in strict mode when create_graph=True.")
        result.append(zeros_like(t) if g is None else g)
    return tuple(result)


def _given(values, single, create_graph):
    values = values if create_graph else tuple(v.detach() for v in values)
    return values[0] if single else values


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v^T J): the product of a vector shaped like the outputs with the Jacobian."""
    inputs, single = _tuple(inputs, "inputs", "vjp")
    with enable_grad():
        own = _operands(inputs, create_graph)
        outputs, single_output = _outputs(func, own, "vjp", strict)
        vectors = _vectors(v, outputs, "vjp", "output of the function")
        found = _gradients(outputs, own, vectors, create_graph, strict, "vjp")
    return _given(outputs, single_output, create_graph), _given(found, single, create_graph)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), J v): the product of the Jacobian with a vector shaped like the inputs, by two reverse passes."""
    inputs, _ = _tuple(inputs, "inputs", "jvp")
    with enable_grad():
        own = _operands(inputs, create_graph)
        vectors = _vectors(v, own, "jvp", "input to the user-provided function")
        outputs, single_output = _outputs(func, own, "jvp", strict)
        seeds = tuple(zeros_like(o).requires_grad_() for o in outputs)
        pulled = _gradients(outputs, own, seeds, True, strict, "jvp")
        found = _gradients(pulled, seeds, vectors, create_graph, False, "jvp")
    return _given(outputs, single_output, create_graph), _given(found, single_output, create_graph)


def _scalar(outputs, name):
    if len(outputs) != 1 or outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v^T H): the product of a vector shaped like the inputs with the Hessian of a scalar function."""
    inputs, single = _tuple(inputs, "inputs", "vhp")
    with enable_grad():
        own = _operands(inputs, create_graph)
        vectors = _vectors(v, own, "vhp", "input to the user-provided function")
        outputs, single_output = _outputs(func, own, "vhp", strict)
        _scalar(outputs, "vhp")
        gradient = _gradients(outputs, own, [outputs[0].new_ones(outputs[0].shape)], True, strict, "vhp")
        found = _gradients(gradient, own, vectors, create_graph, strict, "vhp")
    return _given(outputs, single_output, create_graph), _given(found, single, create_graph)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), H v). The Hessian is symmetric, so this is `vhp`."""
    return vhp(func, inputs, v, create_graph, strict)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """The Jacobian: for output (*out) and input (*in) a tensor (*out, *in); tuples nest, outputs outside.

    vectorize: all rows at once by vmap. strategy "forward-mode" (with vectorize) goes by columns.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(f'Expected strategy to be either "forward-mode" or "reverse-mode". Got {strategy!r}')
    inputs, single = _tuple(inputs, "inputs", "jacobian")
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError("torch.autograd.functional.jacobian: `create_graph=True` and `strategy="
                                      "\"forward-mode\"` are not supported together; use torch.func.jacfwd")
        if not vectorize:
            raise NotImplementedError('jacobian: strategy="forward-mode" needs vectorize=True')
        return _by_columns(func, inputs, single)
    with enable_grad():
        own = _operands(inputs, create_graph)
        outputs, single_output = _outputs(func, own, "jacobian", strict)
        rows = tuple(_rows(o, own, create_graph, strict, vectorize) for o in outputs)
    rows = tuple(_given(r, single, create_graph) for r in rows)
    return rows[0] if single_output else rows


def _rows(output, own, create_graph, strict, vectorize):
    """The blocks (*output.shape, *input.shape) of one output."""
    n = output.numel()
    basis = zeros(n, n, dtype=output.dtype, device=output.device)
    basis.diagonal().fill_(1)
    seeds = basis.reshape(n, *output.shape)
    if vectorize and n:
        if strict:
            raise RuntimeError("torch.autograd.functional.jacobian: `strict=True` and `vectorize=True` are not "
                               "supported "
                               "together.")
        from ..transforms.vmap import vmap
        blocks = vmap(lambda s: _gradients([output], own, [s], create_graph, False, "jacobian"))(seeds)
    else:
        per_row = [_gradients([output], own, [seeds[k]], create_graph, strict, "jacobian") for k in range(n)]
        blocks = [OPS["stack"].call(list(column), 0) for column in zip(*per_row, strict=True)] if n else [
            zeros(0, *t.shape, dtype=t.dtype, device=t.device) for t in own]
    return tuple(b.reshape(*output.shape, *t.shape) for b, t in zip(blocks, own, strict=True))


def _by_columns(func, inputs, single):
    from ..func import jacfwd
    single_output = True

    def of_tuple(*xs):
        nonlocal single_output
        outputs, single_output = _tuple(func(*xs), "outputs", "the user-provided function given to jacobian")
        return outputs
    blocks = jacfwd(of_tuple, argnums=tuple(range(len(inputs))))(*(t.detach() for t in inputs))
    rows = tuple(b[0] if single else tuple(b) for b in blocks)
    return rows[0] if single_output else rows


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False,
            outer_jacobian_strategy="reverse-mode"):
    """The Hessian of a scalar function: for inputs (*a) and (*b) a tensor (*a, *b); tuples nest."""
    inputs, single = _tuple(inputs, "inputs", "hessian")

    def gradient(*xs):
        outputs, _ = _tuple(func(*xs), "outputs", "the user-provided function given to hessian")
        _scalar(outputs, "hessian")
        if outer_jacobian_strategy == "forward-mode":
            from ..func import grad as functional_grad
            return functional_grad(lambda *ys: func(*ys).reshape(()), argnums=tuple(range(len(xs))))(*xs)
        return _gradients([outputs[0].reshape(())], xs, [outputs[0].new_ones(())], True, strict, "hessian")
    found = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found[0][0] if single else found
