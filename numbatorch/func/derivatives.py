"""grad, vjp, jvp, jacrev, jacfwd, hessian: derivatives of functions, which compose with one another and with vmap."""

import functools

import numbatorch as torch
from numbatorch import Tensor
from numbatorch.autograd.node import edge
from numbatorch.transforms.dual import dual, operand, parts
from numbatorch.transforms.reverse import differentiate, rewrap, strip
from numbatorch.transforms.vmap import flatten, vmap
from numbatorch.transforms.wrapped import Level, WrappedTensor, map_tensors, running


def _own(t):
    """An operand of its own for reverse mode, with a batch dimension for each vmap that runs: derivatives with respect
    to what all elements share are different for each of them."""
    for level in running("vmap"):
        t = rewrap(strip(t, level, level.size), level)
    return operand(t)


def _settle(value, create):
    """Results that nobody outside can differentiate leave the tape."""
    return value if create else map_tensors(lambda t: t._kept() if t.requires_grad else t, value)


def _plain(tensors):
    """The plain tensors that tensors consist of."""
    for t in tensors:
        if isinstance(t, WrappedTensor):
            yield from _plain([t._value, *([t._tangent] if hasattr(t, "_tangent") else [])])
        else:
            yield t


def _depends_elsewhere(outputs, own):
    """Whether outputs depend on something that requires grad besides the operands made here."""
    here = {id(t) for t in _plain(own)}
    stack = [edge(t) for t in _plain(o for o in outputs if isinstance(o, Tensor))]
    seen = set()
    while stack:
        place = stack.pop()
        if place is None or id(place[0]) in seen:
            continue
        seen.add(id(place[0]))
        if isinstance(place[0], Tensor):
            if id(place[0]) not in here:
                return True
        else:
            stack += place[0].edges
    return False


def _replaced(args, argnums, values):
    args = list(args)
    for k, v in zip(argnums, values, strict=True):
        args[k] = v
    return args


def _chosen(func, argnums, args):
    """The argument numbers as a tuple. RuntimeError where there are not that many arguments."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for n in numbers:
        if not isinstance(n, int):
            raise RuntimeError(f"argnums must be int or tuple of ints, got {argnums!r}")
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs of "
                               f"{getattr(func, '__name__', func)}")
    numbers = tuple(n % len(args) for n in numbers)
    if len(set(numbers)) != len(numbers):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return numbers


def grad_and_value(func, argnums=0, has_aux=False):
    """A function that returns (gradient, value) of `func`, whose result is one number.

    argnums: which arguments to differentiate (tensors, or structures of them); with a tuple the gradients come as a
    tuple. has_aux: func returns (value, extra), and the result is (gradient, (value, extra)). RuntimeError where the
    value is not a tensor of one element and no dimensions.
    """
    @functools.wraps(func)
    def derivative(*args, **kwargs):
        numbers = _chosen(func, argnums, args)
        with Level("grad"), torch.enable_grad():
            leaves, rebuild = flatten([args[n] for n in numbers])
            own = [_own(t) for t in leaves]
            output = func(*_replaced(args, numbers, rebuild(own)), **kwargs)
            extra = None
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError("grad_and_value(f)(*args): output of function f should be a tuple: (output, "
                                       "aux) if has_aux is True")
                output, extra = output
            if not isinstance(output, Tensor):
                raise RuntimeError("grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got "
                                   f"{type(output).__name__}")
            if output.dim() != 0:
                raise RuntimeError("grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor "
                                   f"with {output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?")
            outside = _depends_elsewhere(flatten((output, extra))[0], own)
            found = differentiate([output], own, [torch.ones_like(output)], create_graph=outside)
            grads = rebuild([torch.zeros_like(t) if g is None else g for g, t in zip(found, own, strict=True)])
        grads = _settle(grads[0] if isinstance(argnums, int) else tuple(grads), outside)
        output, extra = _settle(output, outside), _settle(extra, outside)
        return (grads, (output, extra)) if has_aux else (grads, output)
    return derivative


def grad(func, argnums=0, has_aux=False):
    """A function that returns the gradient of `func` with respect to the arguments `argnums`; see grad_and_value.

    With has_aux it returns (gradient, extra).
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def derivative(*args, **kwargs):
        found = both(*args, **kwargs)
        return (found[0], found[1][1]) if has_aux else found[0]
    return derivative


def vjp(func, *primals, has_aux=False):
    """(func(*primals), pull): `pull(cotangents)` gives the vector-Jacobian products, one for each primal.

    With has_aux: (value, pull, extra). RuntimeError where cotangents do not have the structure of the value.
    """
    with Level("grad"), torch.enable_grad():
        leaves, rebuild = flatten(list(primals))
        own = [_own(t) if isinstance(t, Tensor) else t for t in leaves]
        output = func(*rebuild(own))
        extra = None
        if has_aux:
            if not (isinstance(output, tuple) and len(output) == 2):
                raise RuntimeError("vjp(f, *primals): output of function f should be a tuple: (output, aux) if has_aux "
                                   "is True")
            output, extra = output
    outputs, _ = flatten(output)
    if not outputs or not all(isinstance(o, Tensor) for o in outputs):
        raise RuntimeError("vjp(f, *primals): Expected f(*primals) to return a Tensor or a structure of Tensors")

    outside = _depends_elsewhere(flatten((output, extra))[0], own)

    def pull(cotangents, retain_graph=True, create_graph=None):
        seeds, _ = flatten(cotangents)
        if len(seeds) != len(outputs):
            raise RuntimeError(f"Expected pytree structure of cotangents to be the same as pytree structure of outputs "
                               f"to the function. cotangents: {len(seeds)} leaves, primal output: {len(outputs)}")
        create = outside or any(s.requires_grad for s in seeds) if create_graph is None else create_graph
        with torch.enable_grad() if create else torch.no_grad():
            found = differentiate(outputs, own, seeds, create_graph=create)
        grads = rebuild([torch.zeros_like(t) if g is None else g for g, t in zip(found, own, strict=True)])
        grads = _settle(grads, create)
        return tuple(grads) if len(primals) != 1 else (grads[0],)
    value = _settle(output, outside)
    return (value, pull, extra) if has_aux else (value, pull)


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """(func(*primals), its directional derivative along `tangents`), by forward mode; has_aux adds what else comes.

    RuntimeError where tangents do not have the structure and the shapes of primals; with strict=True also where the
    result does not depend on them.
    """
    if not isinstance(primals, tuple) or not primals:
        raise RuntimeError(f"jvp(f, primals, tangents): Expected primals to be a tuple of at least one tensor, got "
                           f"{type(primals).__name__}")
    flat, rebuild = flatten(list(primals))
    moved, _ = flatten(list(tangents))
    if len(flat) != len(moved):
        raise RuntimeError(f"jvp(f, primals, tangents): Expected primals and tangents to have the same python "
                           f"structure, got {len(flat)} and {len(moved)} tensors")
    for k, (p, t) in enumerate(zip(flat, moved, strict=True)):
        if p.shape != t.shape:
            raise RuntimeError(f"jvp: tangent {k} has shape {tuple(t.shape)}, its primal {tuple(p.shape)}")
    with Level("jvp") as level:
        output = func(*rebuild([dual(p, t, level) for p, t in zip(flat, moved, strict=True)]))
        extra = None
        if has_aux:
            output, extra = output
            extra = map_tensors(lambda t: parts(t, level)[0], extra)

        def tangent(t):
            found = parts(t, level)[1]
            if found is None:
                if strict:
                    raise RuntimeError("jvp(f, primals, tangents, strict=True): The output of f is independent of the "
                                       "inputs. This is not allowed with strict=True.")
                return torch.zeros_like(t)
            return found
        result = map_tensors(lambda t: parts(t, level)[0], output), map_tensors(tangent, output)
    return (*result, extra) if has_aux else result


def _basis(leaves):
    """For each tensor the unit vectors of its space, (numel, *shape), and zeros for the others: stacked in order."""
    total = sum(t.numel() for t in leaves)
    found, start = [], 0
    for t in leaves:
        n = t.numel()
        block = torch.zeros(total, n, dtype=t.dtype, device=t.device)
        block[start:start + n] = torch.eye(n, dtype=t.dtype, device=t.device)
        found.append(block.reshape(total, *t.shape))
        start += n
    return found


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """The Jacobian by reverse mode: for results of shape (*out) and arguments of shape (*in), tensors (*out, *in).

    Structures nest: results outside, arguments inside. All rows at once through vmap; chunk_size bounds the memory.
    """
    @functools.wraps(func)
    def jacobian(*args, **kwargs):
        numbers = _chosen(func, argnums, args)

        def of_chosen(*chosen):
            return func(*_replaced(args, numbers, chosen), **kwargs)
        found = vjp(of_chosen, *[args[n] for n in numbers], has_aux=has_aux)
        outputs, rebuild_outputs = flatten(found[0])
        inputs, rebuild_inputs = flatten([args[n] for n in numbers])
        basis = _basis(outputs)
        rows = vmap(lambda *seeds: tuple(flatten(found[1](rebuild_outputs(list(seeds))))[0]),
                    chunk_size=chunk_size)(*basis)
        result, start = [], 0
        for o in outputs:
            n = o.numel()
            blocks = [r[start:start + n].reshape(*o.shape, *t.shape) for r, t in zip(rows, inputs, strict=True)]
            nested = rebuild_inputs(blocks)
            result.append(nested[0] if isinstance(argnums, int) else tuple(nested))
            start += n
        jacobians = rebuild_outputs(result)
        return (jacobians, found[2]) if has_aux else jacobians
    return jacobian


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """The Jacobian by forward mode, one column for each element of the arguments; shapes as for jacrev."""
    @functools.wraps(func)
    def jacobian(*args, **kwargs):
        numbers = _chosen(func, argnums, args)
        inputs, rebuild_inputs = flatten([args[n] for n in numbers])
        state = {}

        def column(*tangents):
            def of_chosen(*leaves):
                value = func(*_replaced(args, numbers, rebuild_inputs(list(leaves))), **kwargs)
                if has_aux:
                    value, state["extra"] = value
                    state["extra"] = map_tensors(_bare, state["extra"])
                leaves_, state["rebuild"] = flatten(value)
                return tuple(leaves_)
            return jvp(of_chosen, tuple(inputs), tangents)[1]
        columns = vmap(column, randomness=randomness)(*_basis(inputs))
        result = []
        for c in columns:
            shape, blocks, start = c.shape[1:], [], 0
            for t in inputs:
                n = t.numel()
                blocks.append(c[start:start + n].movedim(0, -1).reshape(*shape, *t.shape))
                start += n
            nested = rebuild_inputs(blocks)
            result.append(nested[0] if isinstance(argnums, int) else tuple(nested))
        jacobians = state["rebuild"](result)
        return (jacobians, state["extra"]) if has_aux else jacobians
    return jacobian


def _bare(t):
    """What a tensor wraps: the extra results of a function do not depend on its tangents."""
    while hasattr(t, "_value"):
        t = t._value
    return t


def hessian(func, argnums=0):
    """The matrix of second derivatives: jacfwd(jacrev(func))."""
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func, *primals):
    """(func(*primals), push): `push(*tangents)` gives the directional derivative at these primals."""
    value = func(*primals)

    def push(*tangents):
        return jvp(func, tuple(primals), tuple(tangents))[1]
    return value, push
