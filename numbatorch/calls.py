"""Calls: each op's function, written out as source for its parameters.

A call looks its plan up by the layouts of its operands and its static arguments, allocates, runs the kernel, and hangs
a node on the result when an operand needs a gradient. Everything else happens on the first call of a combination.
"""

import functools
import inspect
import linecache
import types
import warnings
from typing import Any

import numpy as np

from . import dtypes, plan as planning
from .autograd.modes import mode
from .autograd.node import attach, edge, new_node
from .autograd.rules import TensorRule
from .interception import answer, call as call_with, state
from .layout import Layout
from .ops.declare import OPS, Op
from .plan import Plan
from .recording import Layouts, check_overlap, inplace_by_copy, new_rule, record_inplace
from .storage import Storage

_KERNELS = ("elementwise", "reduction", "rowwise", "scan", "contraction", "window", "gather", "scatter", "sort", "view")
_FORMULAS = ("elementwise", "reduction", "rowwise")
_NUMBERS = (bool, int, float, complex, np.generic)
Tensor: Any = None  # set by tensor.py, which imports this module first


def write_call(op: Op):
    """Give an op its functions `call` and, where it has one, `call_inplace`."""
    if op.kind == "composite":
        op.call = _composite(op)
    elif op.kind in _KERNELS and not op.eager:
        op.call = _written(op, False)
        if op.kind == "elementwise" and op.inplace:
            op.call_inplace = _written(op, True)
    else:
        op.call = _eager(op)
    op.call.__doc__, op.call.__name__, op.call.__qualname__ = op.doc, op.name, op.name
    op.call.__signature__ = _signature(op)
    if op.inplace and op.call_inplace is None:
        op.call_inplace = inplace_by_copy(op)
    if op.call_inplace is not None:
        op.call_inplace.__doc__ = f"In-place form of `{op.name}`: the result replaces the first operand."
        op.call_inplace.__name__ = op.call_inplace.__qualname__ = f"{op.name}_"


def _signature(op):
    parameters = [inspect.Parameter(p.name, inspect.Parameter.VAR_POSITIONAL) if p.name == op.spread else
                  inspect.Parameter(p.name, p.kind, default=p.default) for p in op.parameters]
    if op.out:
        last = len(parameters) - (bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
        parameters.insert(last, inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None))
    return inspect.Signature(parameters)


def _head(op, with_out):
    """The parameter list of an op, as text, and the defaults it refers to."""
    parts, env, star = [], {}, False
    for p in op.parameters:
        if p.kind is inspect.Parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        if p.name == op.spread:
            parts += [f"*{p.name}", "**named"]
        elif p.default is inspect.Parameter.empty:
            parts.append(p.name)
        else:
            env[f"default_{p.name}"] = p.default
            parts.append(f"{p.name}=default_{p.name}")
    if with_out:
        parts += ["out=None"] if star else ["*", "out=None"]
    return ", ".join(parts), env


def _first_call(*args, **kwargs):
    """What every written call is at first: `fill` (in its globals) writes the function proper and calls it."""
    return fill(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


def _written(op, inplace):
    """The call function of an op with a kernel or a view; its source is written and compiled at the first call."""
    plans: dict = {}
    scope = {"Tensor": Tensor, "Storage": Storage, "Plan": Plan, "plans": plans, "find": plans.get, "miss": miss,
             "op": op, "mode": mode, "new": object.__new__, "new_rule": new_rule, "record_inplace": record_inplace,
             "Layout": Layout, "check_overlap": check_overlap, "check_divisor": check_divisor,
             "deliver": deliver, "by_name": _by_name}
    function = _lazily(op.name, scope, lambda: _source(op, inplace))
    function._plans = plans
    return function


def _lazily(name, scope, write):
    """A function whose source (`write()` gives its name, its text and names it refers to) is compiled at first call."""
    function: Any = types.FunctionType(_first_call.__code__, scope, name)

    def fill(*args, **kwargs):
        label, source, env = write()
        filename = f"<call of {label}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        scope.update(env)
        made: dict = {}
        exec(compile(source, filename, "exec"), scope, made)
        proper = made[label]
        function.__defaults__, function.__kwdefaults__ = proper.__defaults__, proper.__kwdefaults__
        function.__code__ = proper.__code__
        return function(*args, **kwargs)
    scope["fill"] = fill
    return function


def check_divisor(name, input, other):
    """RuntimeError, with PyTorch's text, where integers are divided by zero."""
    zero = bool((other == 0).any()) if isinstance(other, Tensor) else other == 0
    if zero and not (isinstance(input, Tensor) and input._layout.numel == 0):
        raise RuntimeError(f"ZeroDivisionError: {name}: an integer is divided by zero")


def _source(op, inplace):
    """(name, text, names it refers to) of the call function of an op with a kernel or a view."""
    head, env = _head(op, op.out and not inplace)
    lines = [f"def {op.name}{'_' if inplace else ''}({head}):"]
    keys, passed, needs, formula = [], [], [], []
    if op.spread:
        lines.append(f"    if named: {op.spread} = by_name(op, {op.spread}, named)")
    for k, p in enumerate(op.parameters):
        if p.role == "operand":
            number = f"0 if {p.name} is None else {p.name}" if p.optional else p.name
            lines += [f"    if isinstance({p.name}, Tensor):",
                      f"        k{k} = {p.name}._layout; a{k} = {p.name}._ptr; g{k} = {p.name}._needs_grad",
                      "    else:",
                      f"        k{k} = {p.name}.__class__; a{k} = {number}; g{k} = False"]
            keys.append(f"k{k}")
            passed.append(f"a{k}")
            needs.append(f"g{k}")
            formula.append(p.name)
        elif p.role == "number":
            keys.append(f"{p.name}.__class__")
            passed.append(f"{p.name}" if p.default is not None else f"(0 if {p.name} is None else {p.name})")
            formula.append(p.name)
        elif p.role == "neutral":
            keys.append(f"(None if {p.name} == default_{p.name} else {p.name}.__class__)")
            passed.append(p.name)
            formula.append(p.name)
        else:
            keys.append(p.name)
    names = ", ".join(p.name for p in op.parameters)
    lines += ["    try:",
              f"        plan = find(({', '.join(keys)}{',' if len(keys) == 1 else ''}))",
              "    except TypeError:  # an argument that does not hash",
              "        plan = None",
              "    if plan is None:",
              f"        plan = miss(op, {inplace}, plans, ({names}{',' if len(op.parameters) == 1 else ''}))",
              "        if plan.__class__ is not Plan:",
              "            return plan" + (" if out is None else deliver(op, plan, out)" * (op.out and not inplace))]
    if op.divides:
        lines += ["    if plan.compute.category < 2:",
                  f"        check_divisor(op.name, {op.operands[0].name}, {op.operands[1].name})"]
    if inplace:
        first = op.operands[0].name
        for k, p in enumerate(op.parameters):
            if p.role == "operand" and p.name != first:
                lines += [f"    if k{k}.__class__ is Layout and {p.name}._storage is {first}._storage:",
                          f"        check_overlap(op.name, {first}, {p.name})"]
        lines += [f"    if {' or '.join(needs)}:", "        if mode.enabled:",
                  f"            return record_inplace(op, plan, ({', '.join(formula)},))"]
        lines += [f"    plan.kernel({', '.join(passed)}, {first}._ptr, plan.meta, plan.units, plan.grain)",
                  f"    {first}._storage.version += 1", f"    return {first}"]
    elif op.kind == "view":
        first = op.operands[0].name
        lines += ["    r = new(Tensor)", "    r._layout = plan.layout", f"    r._storage = {first}._storage",
                  f"    r._ptr = a0 + plan.offset; b = {first}._base", f"    r._base = b = {first} if b is None else b",
                  "    b._viewed += 1",
                  "    if b._generation: r._seen_generation = b._generation",
                  *_recording(["g0"], ["g0"], [first], ["r"]), "    return r"]
    else:
        results = [f"r{k}" for k in range(len(op.outputs))]
        for k, r in enumerate(results):
            spec = "plan.layout" if len(results) == 1 else f"plan.layouts[{k}]"
            size = "plan.nbytes" if len(results) == 1 else f"{spec}.nbytes"
            lines += [f"    {r} = new(Tensor)", f"    {r}._storage = s = new(Storage)", f"    s.nbytes = n = {size}",
                      "    s.block = block = plan.allocate(n)", f"    {r}._ptr = p{k} = s.ptr = plan.address(block)",
                      f"    s.version = 0; {r}._layout = {spec}"]
        pointers = [f"p{k}" for k in range(len(results))]
        lines.append(f"    plan.kernel({', '.join([*passed, *pointers])}, plan.meta, plan.units, plan.grain)")
        if op.differentiable and needs:
            wanted = [f"g{k}" if p.role == "operand" else "False" for k, p in enumerate(op.parameters)
                      if p.role != "static"]
            lines += _recording(needs, wanted, formula, results)
        value = results[0] if len(results) == 1 else f"{'tuple_of' if len(results) > 1 else ''}({', '.join(results)})"
        if op.out:
            lines.append(f"    return {value} if out is None else deliver(op, {value}, out)")
        else:
            lines.append(f"    return {value}")
    env["tuple_of"] = result_type(op)
    return f"{op.name}{'_' if inplace else ''}", "\n".join(lines) + "\n", env


def _recording(needs, wanted, operands, results):
    """Lines that hang a node on the results when an operand needs a gradient."""
    return [f"    if ({' or '.join(needs)}) and mode.enabled:",
            f"        rule = plan.rules.get(({', '.join(wanted)},))",
            f"        if rule is None: rule = new_rule(plan, ({', '.join(wanted)},))",
            f"        if rule: rule.record({', '.join([*operands, *results])})"]


_types: dict = {}


def result_type(op):
    """What several results come in: a named tuple with PyTorch's field names, or a plain tuple."""
    if len(op.outputs) < 2 or op.outputs[0].startswith("result"):
        return lambda *values: values
    found = _types.get((op.name, op.outputs))
    if found is None:
        found = _types[op.name, op.outputs] = named_results(op.name.removesuffix("_dim"), op.outputs)
    return lambda *values: found(values)


@functools.cache
def named_results(name, fields):
    """A tuple type with named fields that prints as PyTorch's: torch.return_types.sort(values=..., indices=...)."""
    from collections import namedtuple
    base = namedtuple(name, fields)

    def __new__(cls, values):
        return base.__new__(cls, *values)

    def __repr__(self):
        parts = ",\n".join(f"{f}={v!r}" for f, v in zip(fields, self, strict=True))
        return f"torch.return_types.{name}(\n{parts})"
    return type(name, (base,), {"__new__": __new__, "__repr__": __repr__, "__slots__": (),
                                "__reduce__": lambda self: (tuple, (tuple(self),)), "__module__": "torch.return_types"})


def deliver(op, results, out):
    """Copy results into the tensors given as `out=`."""
    if isinstance(out, (tuple, list)):
        values = results if isinstance(results, tuple) else (results,)
        for r, o in zip(values, out, strict=True):
            deliver(op, r, o)
        return type(results)(tuple(out)) if hasattr(results, "_fields") else tuple(out)
    if not isinstance(out, Tensor):
        raise TypeError(f"{op.name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if mode.enabled and (out._needs_grad or (isinstance(results, Tensor) and results._needs_grad)):
        raise RuntimeError(f"{op.name}(): functions with out=... arguments don't support automatic differentiation, "
                           "but one of the arguments requires grad.")
    own = out._layout
    if not dtypes.can_cast(results._layout.dtype, own.dtype):
        raise RuntimeError(f"{op.name}(): result type {planning.type_name(results._layout.dtype)} can't be cast to "
                           f"the desired output type {planning.type_name(own.dtype)}")
    if op.exact_out and own.dtype is not results._layout.dtype:
        raise RuntimeError(f"{op.name}(): Expected out tensor to have dtype {results._layout.dtype}, but got "
                           f"{own.dtype} instead")
    if own.numel and any(s == 0 and n > 1 for n, s in zip(own.shape, own.strides, strict=True)):
        raise RuntimeError(f"{op.name}(): unsupported operation: more than one element of the written-to tensor out "
                           "refers to a single memory location. Please clone() the tensor before performing the "
                           "operation.")
    if own.shape != results._layout.shape:
        if own.numel:
            warnings.warn(f"{op.name}: an output with one or more elements was resized since it had shape "
                          f"{list(own.shape)}, which does not match the required output shape "
                          f"{list(results._layout.shape)}. Resize it to zero elements first: out.resize_(0).",
                          stacklevel=3)
        out.resize_(results._layout.shape)
    out.copy_(results.detach())
    return out


def miss(op, inplace, plans, values):
    """Make the plan of a call that has none yet; or, after converting arguments, do the call itself."""
    if state.active:
        found = answer(op, inplace, values)
        if found is not NotImplemented:
            return found
    specs, statics, converted, changed = {}, {}, [], False
    key = []
    tensors = [v for p, v in zip(op.parameters, values, strict=True) if p.role == "operand" and isinstance(v, Tensor)]
    formula = op.kind in _FORMULAS
    for position, (p, value) in enumerate(zip(op.parameters, values, strict=True)):
        if p.role == "operand":
            if isinstance(value, Tensor):
                specs[p.name] = value._layout
                key.append(value._layout)
            elif value is None and p.optional:
                specs[p.name] = None
                key.append(type(None))
            elif formula and isinstance(value, _NUMBERS) and tensors and not (
                    (position == 0 and inplace) or p.name in op.only_tensors):
                if isinstance(value, np.generic):
                    value, changed = value.item(), True
                if isinstance(value, complex):
                    from .tensor import tensor
                    value, changed = tensor(value), True
                elif isinstance(value, int) and not -2**63 <= value < 2**63:
                    if value >= 2**64 or value < -2**63:
                        raise RuntimeError(f"{op.name}(): argument '{p.name}' = {value} overflows int64")
                    value, changed = value - 2**64, True
                else:
                    specs[p.name] = _number_kind(value)
                key.append(type(value))
            else:
                raise TypeError(f"{op.name}(): argument '{p.name}' (position {position + 1}) must be Tensor, not "
                                f"{type(value).__name__}")
        elif p.role in ("number", "neutral"):
            if isinstance(value, Tensor):
                value, changed = value.item(), True
            elif isinstance(value, np.generic):
                value, changed = value.item(), True
            if p.role == "neutral" and value == p.default:
                specs[p.name], statics[p.name] = None, p.default
                key.append(None)
            elif value is None and p.default is None:
                specs[p.name] = None
                key.append(type(None))
            elif isinstance(value, (bool, int, float)):
                specs[p.name] = _number_kind(value)
                key.append(type(value))
            elif isinstance(value, complex):
                raise RuntimeError(f"{op.name}(): argument '{p.name}' must be a real number here, got {value}")
            else:
                raise TypeError(f"{op.name}(): argument '{p.name}' must be a number, not {type(value).__name__}")
        else:
            plain = _static(op, p, value)
            changed = changed or plain is not value
            value = plain
            statics[p.name] = value
            key.append(value)
        converted.append(value)
    if changed:
        return call_with(op, inplace, converted)
    plan = plans.get(tuple(key)) if state.active else None  # while a mode watches an op, its plans are not looked up
    if plan is not None:
        return plan
    plan = planning.make(op, specs, statics, values[0]._layout if inplace else None)
    if len(plans) > 20_000:  # shapes that never come again
        plans.clear()
    plans[tuple(key)] = plan
    return plan


def _by_name(op, given, named):
    """The spread argument of a call that passes it by name."""
    (name, value), *more = named.items()
    if given or more or name != op.spread:
        raise TypeError(f"{op.name}() got an unexpected keyword argument '{(more[0][0] if more else name)}'; "
                        f"it takes {op.spread} as separate ints or as one tuple")
    return (value,)


def _number_kind(value):
    return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "float"


def _static(op, p, value):
    """A static argument in hashable form, checked against what its annotation says."""
    if isinstance(value, Tensor) and value._layout.numel == 1 and value._layout.dtype.category < 2:
        return value.item()
    if isinstance(value, (list, tuple)):
        plain = tuple(_static(op, p, v) for v in value)
        return value if type(value) is tuple and all(a is b for a, b in zip(plain, value, strict=True)) else plain
    if isinstance(value, np.generic):
        return value.item()
    if p.name == "dim" and value is not None and not isinstance(value, int):
        if hasattr(value, "__index__"):
            return value.__index__()
        raise TypeError(f"{op.name}(): argument 'dim' must be int or tuple of ints, not {type(value).__name__}")
    if p.annotation is int and value is not None and not isinstance(value, int):
        if hasattr(value, "__index__"):
            return value.__index__()
        raise TypeError(f"{op.name}(): argument '{p.name}' must be int, not {type(value).__name__}")
    return value


def _composite(op):
    """A composite is its body, after `answer`; `out=` is added where declared."""
    scope = {"op": op, "body": op.body, "answer": answer, "state": state, "missing": NotImplemented,
             "deliver": deliver}
    return _lazily(op.name, scope, lambda: _composite_source(op))


def _composite_source(op):
    """(name, text, names it refers to) of the call function of a composite."""
    head, passed, values, scope = [], [], [], {}
    star = False
    for p in op.parameters:
        label = p.name
        if p.kind is inspect.Parameter.VAR_POSITIONAL:
            label, star = f"*{p.name}", True
        elif p.kind is inspect.Parameter.VAR_KEYWORD:
            label = f"**{p.name}"
        elif p.kind is inspect.Parameter.KEYWORD_ONLY:
            if not star:
                head.append("*")
                star = True
            label = f"{p.name}={p.name}"
        values.append(p.name)
        passed.append(label)
        declared = p.name if p.kind is inspect.Parameter.KEYWORD_ONLY else label
        if p.default is inspect.Parameter.empty:
            head.append(declared)
        else:
            scope[f"default_{p.name}"] = p.default
            head.append(f"{declared}=default_{p.name}")
    if op.out:
        last = len(head) - (bool(op.parameters) and op.parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
        head[last:last] = ["out=None"] if star else ["*", "out=None"]
    given = f"({', '.join(values)}{',' if len(values) == 1 else ''})"
    lines = [f"def {op.name}({', '.join(head)}):",
             f"    result = answer(op, False, {given}) if state.active else missing",
             "    if result is missing:",
             f"        result = body({', '.join(passed)})",
             "    return result" + " if out is None else deliver(op, result, out)" * op.out]
    return op.name, "\n".join(lines) + "\n", scope


def _eager(op):
    """An op whose body runs on tensors, unrecorded; its declared gradients make the node."""
    body, parameters = op.body, op.parameters
    signature = inspect.Signature([inspect.Parameter(p.name, p.kind, default=p.default) for p in parameters])
    operands = [p.name for p in op.operands]

    def call(*args, out=None, **kwargs):
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{op.name}(): {error}") from None
        bound.apply_defaults()
        values = bound.arguments
        for p in parameters:
            v = values[p.name]
            if p.role == "operand" and not isinstance(v, (Tensor, list, tuple)) and not (v is None and p.optional):
                raise TypeError(f"{op.name}(): argument '{p.name}' must be Tensor, not {type(v).__name__}")
        if state.active:
            result = answer(op, False, tuple(values.values()))
            if result is not NotImplemented:
                return result if out is None else deliver(op, result, out)
        before, mode.enabled = mode.enabled, False
        try:
            result = body(**values)
        finally:
            mode.enabled = before
        if before and op.differentiable and op.grads:
            given = [values[n] for n in operands]
            flat = [t for v in given for t in (v if isinstance(v, (list, tuple)) else (v,))]
            if any(isinstance(t, Tensor) and t._needs_grad for t in flat):
                _record_eager(op, values, given, result)
        if op.outputs[0] != "result" and type(result) is tuple:
            result = result_type(op)(*result)
        return result if out is None else deliver(op, result, out)
    return call


def _record_eager(op, values, given, result):
    """The node of an op with a tensor-level rule; list operands have one edge an item."""
    wanted = tuple(any(isinstance(t, Tensor) and t._needs_grad for t in (v if isinstance(v, (list, tuple)) else (v,)))
                   for v in given)
    statics = {p.name: values[p.name] for p in op.parameters if p.role != "operand"}
    for p, v in zip(op.operands, given, strict=True):
        if isinstance(v, Tensor):
            statics[f"{p.name}_layout"] = v._layout
        if isinstance(v, (list, tuple)):
            statics[p.name] = v
    rule = _EagerRule(op, statics, wanted, [len(v) if isinstance(v, (list, tuple)) else None for v in given])
    if not rule.positions:
        return
    edges = []
    for k, v in enumerate(given):
        if isinstance(v, (list, tuple)):
            edges += [edge(t) if k in rule.positions and isinstance(t, Tensor) else None for t in v]
        else:
            edges.append(edge(v) if k in rule.positions else None)
    results = result if isinstance(result, tuple) else (result,)
    saved = rule.save(given, results)
    node = new_node(rule, Layouts(tuple(r._layout for r in results)), edges, saved, len(results))
    for k, r in enumerate(results):
        if r._layout.dtype.category >= 2:
            attach(r, node, k)


class _EagerRule(TensorRule):
    """A TensorRule whose operands may be lists of tensors."""

    def __init__(self, op, statics, wanted, lengths):
        super().__init__(op, statics, wanted)
        self.lengths = lengths
        listed = {p.name for p, n in zip(op.operands, lengths, strict=True) if n is not None}
        kept = [(n, k) for n, k in zip(self.reads, self.keep, strict=True) if n not in listed]
        self.reads, self.keep = [n for n, _ in kept], [k for _, k in kept]

    def general_run(self, node, grads):
        out = super().general_run(node, grads)
        flat = []
        for value, n in zip(out, self.lengths, strict=True):
            if n is None:
                flat.append(value)
            else:
                flat += [None] * n if value is None else list(value)
        return flat


__all__ = ["OPS", "Layout", "write_call"]
