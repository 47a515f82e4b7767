"""One formula over lists of tensors in a single launch, where the device has that (Backend.together).

`each` is for whoever calls an elementwise op for one tensor after the other; it says by None that these must do.
"""

import dataclasses

from .autograd.modes import mode
from .dtypes import can_cast
from .expr.kinds import Elementwise
from .interception import state, watched_by_a_mode
from .layout import Layout, is_dense, layout
from .ops.declare import OPS
from .plan import Plan, backend, elementwise_request
from .tensor import Tensor, empty_layout

_functions: dict = {}
_KINDS = {bool: "bool", int: "int", float: "float"}


def fits(name, columns, into=None):
    """Whether one launch can do op `name` for each set of tensors beside each other, if its dtypes and numbers allow.

    Not on devices without such launches, for tensors of several shapes in a set, several dtypes in a column, views and
    gaps, what some mode watches, and what is recorded.
    """
    first = next(iter(columns.values()))
    if not first or watched_by_a_mode(OPS[name]) or state.traced is not None:
        return False
    device = first[0]._layout.device
    if not hasattr(backend(device), "together"):
        return False
    dtypes = [ts[0]._layout.dtype if isinstance(ts[0], Tensor) else None for ts in columns.values()]
    return all(_fits(ts, first, dtype, device) for ts, dtype in zip(columns.values(), dtypes, strict=True)) and not any(
        t._base is not None or t._storage.version < 0 for n in into or () for t in columns[n])


def each(name, columns, numbers=(), into=None, statics=None, values=None):
    """The results of op `name` for each set of tensors beside each other; None where they are to be had one by one.

    columns: {parameter: list of tensors}, all equally long. numbers: {parameter: number}, the same for all sets. into:
    the parameters whose tensors get the results (one list for each output), or None for new tensors. values:
    {parameter: list of 0-d tensors of the device}, numbers that each set has its own of. Gives a list for each output;
    None where these do not fit (`fits`).
    """
    if not fits(name, columns, into):
        return None
    values = values or {}
    lists = [*columns.values(), *values.values()]
    first, device = lists[0], lists[0][0]._layout.device
    dtypes = [ts[0]._layout.dtype for ts in lists]
    changed = [columns[n] for n in into or ()]
    numbers, statics = dict(numbers), dict(statics or {})
    if any(type(v) not in _KINDS for v in numbers.values()):
        return None
    key = (name, device, tuple(columns), tuple(values), tuple(dtypes), tuple((n, type(v)) for n, v in numbers.items()),
           tuple(into or ()), tuple(statics.items()))
    found = _functions.get(key)
    if found is None:
        specs = {n: layout(dtype, () if n in values else (16,), None, device)
                 for n, dtype in zip([*columns, *values], dtypes, strict=True)}
        found = _functions[key] = _function(name, specs, numbers, into, statics, device)
    if not found or any(type(v) is int and abs(v) >= 2**63 for v in numbers.values()):
        return None
    run, results, order, given = found
    if into is None:
        changed = [[empty_layout(layout(dtype, own.shape, own.strides, device)) for own in (t._layout for t in first)]
                   for dtype in results]
    given_lists = {**columns, **values}
    run([tuple(t._ptr for t in row) for row in zip(*(given_lists[n] for n in order), *changed, strict=True)],
        [t._layout.numel for t in first], [numbers[n] for n in given])
    if into is not None:
        for ts in changed:
            for t in ts:
                t._storage.version += 1
    return changed


def _fits(tensors, first, dtype, device):
    """Whether tensors lie as those of the first list do, without gaps, and nothing is recorded of them."""
    for t, beside in zip(tensors, first, strict=True):
        own, other = t._layout if isinstance(t, Tensor) else None, beside._layout
        if own is not other and (own.__class__ is not Layout or own.dtype is not dtype or own.shape != other.shape
                                 or own.strides != other.strides or own.device is not device):
            return False
        if own.__class__ is not Layout or own.dtype is not dtype or own.device is not device or (
                not own.is_contiguous and not is_dense(own.shape, own.strides)) or t._needs_grad and mode.enabled:
            return False
    return True


def _function(name, specs, numbers, into, statics, device):
    """(the backend's function, dtypes of the results, operands in its order, numbers in its order); () for none."""
    op, plan = OPS[name], Plan()
    dtypes = {n: spec.dtype for n, spec in specs.items()}
    specs.update({n: _KINDS[type(v)] for n, v in numbers.items()})
    for p in op.parameters:
        if p.role == "neutral":
            if p.name not in numbers:
                specs[p.name], statics[p.name] = None, p.default
        elif p.role == "static":
            statics.setdefault(p.name, p.default)
    specs = {p.name: specs[p.name] for p in op.parameters if p.name in specs}
    if op.dtypes is not None and any(dtype.name not in op.dtypes for dtype in dtypes.values()):
        return ()
    try:
        if op.check is not None:
            op.check(op, specs, statics)
        request: Elementwise = elementwise_request(op, plan, specs, statics)
    except (RuntimeError, TypeError):  # said again, with its shapes, by the call for one tensor
        return ()
    if into is not None:
        if not all(op.casts or can_cast(o.dtype, dtypes[n]) for o, n in zip(request.outputs, into, strict=True)):
            return ()
        request = dataclasses.replace(request, outputs=[specs[n] for n in into])
    operands = [o for o in request.operands if isinstance(o.layout, Layout)]
    given = [o.name for o in request.operands if not isinstance(o.layout, Layout) and o.name in numbers]
    absent = [o.name for o in request.operands if not isinstance(o.layout, Layout) and o.name not in numbers]
    request = dataclasses.replace(request, operands=[o for o in request.operands if o.name not in absent])
    run = backend(device).together(request)
    return () if run is None else (run, [o.dtype for o in request.outputs], [o.name for o in operands], given)
