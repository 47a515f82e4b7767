"""Calls: each op's function, written out as source for its parameters.

A call looks its plan up by the layouts of its operands and its static arguments, allocates, runs the kernel, and hangs
a node on the result when an operand needs a gradient. Everything else happens on the first call of a combination.
"""

import inspect
import linecache
import types
from typing import Any

import numpy as np

from . import dtypes, plan as planning
from .arguments import (
    absent,
    by_name,
    check_divisor,
    check_fits,
    named_apart,
    number_kind,
    refuse,
    refuse_other,
    renamed,
    required,
    static,
    widened,
)
from .autograd.eager import record_eager
from .autograd.modes import check_changeable, mode
from .eager_calls import eager_call
from .errors import NotOnHostError, NoValuesError
from .interception import answer, call as call_with, elsewhere, state
from .layout import Layout
from .ops.declare import OPS, Op
from .plan import Plan
from .recording import check_inplace, check_overlap, inplace_by_copy, new_rule, record, record_inplace
from .results import deliver, result_type
from .subclassing import stand_in
from .versions import start

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
        op.call = eager_call(op)
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
        else:
            env[f"default_{p.name}"] = absent if p.default is inspect.Parameter.empty else p.default
            parts.append(f"{p.name}=default_{p.name}")
    if with_out:
        parts += ["out=None"] if star else ["*", "out=None"]
    if not op.spread:
        parts.append("**named")
    return ", ".join(parts), env


def _first_call(*args, **kwargs):
    """What every written call is at first: `fill` (in its globals) writes the function proper and calls it."""
    return fill(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


def _written(op, inplace):
    """The call function of an op with a kernel or a view; its source is written and compiled at the first call."""
    plans: dict = dtypes.forget_at_new_default({})
    scope = {"Tensor": Tensor, "Plan": Plan, "plans": plans, "find": plans.get, "miss": miss,
             "op": op, "mode": mode, "new": object.__new__, "new_rule": new_rule, "record_inplace": record_inplace,
             "Layout": Layout, "check_overlap": check_overlap, "check_inplace": check_inplace,
             "check_divisor": check_divisor, "start": start, "check_changeable": check_changeable,
             "deliver": deliver, "by_name": by_name, "renamed": renamed, "refuse": refuse,
             "too_large": too_large}
    function = _lazily(op.name, scope, lambda: _source(named_apart(op, scope), inplace))
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


def _source(op, inplace):
    """(name, text, names it refers to) of the call function of an op with a kernel or a view."""
    # Its own variables are named as no parameter is: an operand must live until its kernel has run.
    head, env = _head(op, op.out and not inplace)
    lines = [f"def {op.name}{'_' if inplace else ''}({head}):"]
    keys, passed, needs, formula = [], [], [], []
    given = f"({', '.join(p.name for p in op.parameters)}{',' if len(op.parameters) == 1 else ''})"
    named_out = ", out=out" * (op.out and not inplace)
    lines.append(f"    if named: {op.spread} = by_name(op, {op.spread}, named)" if op.spread else
                 f"    if named: return renamed(op, {inplace}, {given}, named{named_out})")
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
            same = "is" if isinstance(p.default, int) else "=="  # 1.0 and True equal 1, but kernels take an int
            keys.append(f"(None if {p.name} {same} default_{p.name} else {p.name}.__class__)")
            passed.append(p.name)
            formula.append(p.name)
        else:
            keys.append(p.name)
    operands = f"({', '.join(p.name for p in op.operands)},)"
    lines += ["    try:",
              f"        plan = find(({', '.join(keys)}{',' if len(keys) == 1 else ''}))",
              "    except TypeError:  # an argument that does not hash",
              "        plan = None",
              "    if plan is None:",
              f"        plan = miss(op, {inplace}, plans, {given})",
              "        if plan.__class__ is not Plan:", "            return plan" + (
                  f" if out is None else deliver(op, plan, out, {operands})" * (op.out and not inplace))]
    for k, p in enumerate(op.parameters):
        if p.name in op.fits:
            lines += [f"    if k{k}.__class__ is not Layout and not plan.low <= a{k} <= plan.high:",
                      f"        refuse(op, '{p.name}', plan.compute, a{k})"]
    if op.divides:
        lines += ["    if plan.compute.category < 2:",
                  f"        check_divisor(op.name, {op.operands[0].name}, {op.operands[1].name})"]
    if inplace:
        first = op.operands[0].name
        lines.append(f"    if {first}._storage.version < 0: check_changeable(op.name + '_', {first})")
        for k, p in enumerate(op.parameters):
            if p.role == "operand" and p.name != first and not (op.casts and p.name in op.fits):  # fills by itself
                lines += [f"    if k{k}.__class__ is Layout and {p.name}._storage.block is {first}._storage.block:",
                          f"        check_overlap(op.name + '_', {first}, {p.name})"]
        lines += [f"    if {' or '.join(needs)}:", "        if mode.enabled:",
                  f"            return record_inplace(op, plan, ({', '.join(formula)},))",
                  f"    if {first}._base is not None: check_inplace(op.name, {first})"]
        lines += [*_running(op, inplace, [*passed, f"{first}._ptr"], given, ""),
                  f"    {first}._storage.version += 1", f"    return {first}"]
    elif op.kind == "view":
        first = op.operands[0].name
        lines += [f"    r_ = new(Tensor); r_._layout = plan.layout; r_._storage = {first}._storage",
                  f"    r_._ptr = a0 + plan.offset; b_ = {first}._base",
                  f"    r_._base = b_ = {first} if b_ is None else b_; b_._viewed += 1",
                  "    if b_._generation: r_._seen_generation = b_._generation",
                  *_recording(["g0"], ["g0"], [first], ["r_"]), "    return r_"]
    else:
        results = [f"r{k}" for k in range(len(op.outputs))]
        if op.out and needs and len(results) == 1 and op.kind in (*_FORMULAS, "contraction"):
            lines += _into_out(op, keys, passed, needs, given, operands)
        for k, r in enumerate(results):
            spec = "plan.layout" if len(results) == 1 else f"plan.layouts[{k}]"
            size = "plan.nbytes" if len(results) == 1 else f"{spec}.nbytes"
            lines += [f"    {r} = new(Tensor)", f"    {r}._storage = s_ = new(plan.storage)",
                      f"    s_.nbytes = n_ = {size}; s_.block = block_ = plan.allocate(n_)",
                      f"    {r}._ptr = p{k} = s_.ptr = plan.address(block_)",
                      f"    s_.version = start.version; {r}._layout = {spec}"]
        pointers = [f"p{k}" for k in range(len(results))]
        lines += _running(op, inplace, [*passed, *pointers], given, operands)
        if op.differentiable and needs:
            wanted = [f"g{k}" if p.role == "operand" else "False" for k, p in enumerate(op.parameters)
                      if p.role != "static"]
            lines += _recording(needs, wanted, formula, results)
        value = results[0] if len(results) == 1 else f"{'tuple_of' if len(results) > 1 else ''}({', '.join(results)})"
        if op.out:
            lines.append(f"    return {value} if out is None else deliver(op, {value}, out, {operands})")
        else:
            lines.append(f"    return {value}")
    env["tuple_of"] = result_type(op)
    return f"{op.name}{'_' if inplace else ''}", "\n".join(lines) + "\n", env


def _into_out(op, keys, passed, needs, given, operands):
    """Lines that run the kernel on the memory of `out` where it is as the result would be, and nothing is recorded.

    A formula may read an element right before it is written; other kernels need memory that no operand has. Kernels
    know new memory, which is aligned to a cache line; those of formulas of elements any.
    """
    apart = []
    for key, p in zip(keys, op.parameters, strict=True):
        if p.role == "operand":
            there = f" or {key} is plan.layout and {p.name}._ptr == out._ptr"
            apart.append(f"({key}.__class__ is not Layout or {p.name}._storage.block is not out._storage.block"
                         f"{there if op.kind == 'elementwise' and not op.separate else ''})")
    return ["    if (out is not None and out.__class__ is Tensor and out._layout is plan.layout and not out._needs_grad"
            " and not (", f"            mode.enabled and ({' or '.join(needs)})) and out._storage.version >= 0",
            "            and (out._base is None or not out._base._needs_grad)" + (
                "" if op.kind == "elementwise" else " and not out._ptr & 63"),
            f"            and {' and '.join(apart)}):",
            *(f"    {line}" for line in _running(op, False, [*passed, "out._ptr"], given, operands)),
            "        out._storage.version += 1", "        return out"]


def _running(op, inplace, passed, given, operands):
    """Lines that run the kernel; an int beyond int64 among numbers comes back as OverflowError."""
    line = f"plan.kernel({', '.join(passed)}, plan.meta, plan.units, plan.grain)"
    if op.kind != "elementwise":
        return [f"    {line}"]
    again = f"too_large(op, {inplace}, plans, {given})"
    return ["    try:", f"        {line}", "    except OverflowError:", f"        return {again}" + (
        f" if out is None else deliver(op, {again}, out, {operands})" * (op.out and not inplace))]


def too_large(op, inplace, plans, values):
    """The result of a call with an int that kernels do not take: as a float, wrapped, or OverflowError naming it."""
    result = miss(op, inplace, plans, values)
    if result.__class__ is Plan:
        raise  # noqa: PLE0704  (inside the handler of the call: something else was too large)
    return result


def _recording(needs, wanted, operands, results):
    """Lines that hang a node on the results when an operand needs a gradient."""
    return [f"    if ({' or '.join(needs)}) and mode.enabled:",
            f"        rule = plan.rules.get(({', '.join(wanted)},))",
            f"        if rule is None: rule = new_rule(plan, ({', '.join(wanted)},))",
            f"        if rule: rule.record({', '.join([*operands, *results])})"]


def miss(op, inplace, plans, values):
    """Make the plan of a call that has none yet; or, after converting arguments, do the call itself."""
    if state.traced is not None:
        found = state.traced(op, inplace, values)
        if found is not NotImplemented:
            return found
    if state.active:
        found = answer(op, inplace, values)
        if found is not NotImplemented:
            return found
    required(op, values)
    specs, statics, converted, changed, normalised = {}, {}, [], False, False
    key = []
    tensors = [v for p, v in zip(op.parameters, values, strict=True) if p.role == "operand" and isinstance(v, Tensor)]
    if len(tensors) > 1 and any(t._layout.device is not tensors[0]._layout.device for t in tensors):
        from .transfer import copied_later, gathered
        if inplace and op.brings and copied_later(*values):
            return values[0]
        brought = gathered(op, inplace, values, tensors)
        if brought is not None:
            return call_with(op, inplace, brought)
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
                own = tensors[0]._layout.dtype
                if p.name in op.fits and op.casts and own is dtypes.bool and isinstance(value, (float, complex)):
                    value, changed = bool(value), True  # NaN and 0.5 are True
                    specs[p.name] = number_kind(value)
                elif isinstance(value, complex) and p.name in op.fits and op.casts and not own.is_complex:
                    check_fits(op.name, tensors[0]._layout.dtype, value)
                    value, changed = value.real, True
                elif isinstance(value, complex):
                    from .tensor import tensor
                    value, changed = tensor(value), True
                elif isinstance(value, int) and not -2**63 <= value < 2**63:
                    if value >= 2**64 or value < -2**63:
                        raise OverflowError(f"{op.name}(): argument '{p.name}' = {value} does not fit int64")
                    if any(t._layout.dtype.category >= dtypes.FLOAT for t in tensors):
                        value = float(value)
                    elif p.name in op.fits:
                        refuse(op, p.name, dtypes.int64, value)
                    else:
                        value -= 2**64
                    changed = True
                elif p.name in op.fits and op.casts and isinstance(value, float) and (
                        tensors[0]._layout.dtype.category < dtypes.FLOAT) and p.name not in op.apart:
                    check_fits(op.name, tensors[0]._layout.dtype, value)
                    value, changed = int(value), True
                else:
                    specs[p.name] = number_kind(value)
                key.append(type(value))
            elif op.numbers and not tensors and all(isinstance(v, _NUMBERS) for v in values[:2]):
                from .tensor import tensor
                kinds = [dtypes.of_number(v) for v in values[:2]]
                first = tensor(value).to(max(kinds, key=lambda d: d.category))
                return call_with(op, False, (first, *values[1:]))
            else:
                found = stand_in(op, inplace, values)
                if found is not NotImplemented:
                    return found
                raise TypeError(f"{op.name}(): argument '{p.name}' (position {position + 1}) must be Tensor, not "
                                f"{type(value).__name__}")
        elif p.role in ("number", "neutral"):
            if isinstance(value, Tensor):
                value, changed = value.item(), True
            elif isinstance(value, np.generic):
                value, changed = value.item(), True
            if p.role == "neutral" and (value is p.default or value == p.default and not isinstance(p.default, int)):
                specs[p.name], statics[p.name] = None, p.default
                key.append(None)
            elif value is None and p.default is None:
                specs[p.name] = None
                key.append(type(None))
            elif isinstance(value, (bool, int, float)):
                specs[p.name] = number_kind(value)
                key.append(type(value))
            elif isinstance(value, complex):
                raise RuntimeError(f"{op.name}(): argument '{p.name}' must be a real number here, got {value}")
            else:
                raise TypeError(f"{op.name}(): argument '{p.name}' must be a number, not {type(value).__name__}")
        else:
            plain = static(op, p, value)
            normalised = normalised or plain is not value
            value = plain
            statics[p.name] = value
            key.append(value)
        converted.append(value)
    if changed:
        return call_with(op, inplace, converted)
    # While a mode watches an op, its plans are not looked up, and with a list for a tuple they are not found.
    plan = plans.get(tuple(key)) if state.active or normalised else None
    if plan is not None:
        return plan
    plan = planning.make(op, specs, statics, values[0]._layout if inplace else None)
    if len(plans) > 20_000:  # shapes that never come again
        plans.clear()
    plans[tuple(key)] = plan
    return plan


def _composite(op):
    """A composite is its body, after `answer`; `out=` is added where declared."""
    scope = {"op": op, "body": widened(op.body) if op.wide else op.body, "answer": answer, "state": state,
             "missing": NotImplemented, "deliver": deliver}
    return _lazily(op.name, scope, lambda: _composite_source(op))


def _composite_source(op):
    """(name, text, names it refers to) of the call function of a composite."""
    head, passed, values, real = [], [], [], op
    scope: dict[str, Any] = {"renamed": renamed, "required": required, "absent": absent, "stand_in": stand_in,
                             "refuse_other": refuse_other,
                             "NotOnHostError": NotOnHostError, "NoValuesError": NoValuesError, "elsewhere": elsewhere}
    op = named_apart(op, scope.keys() | {"op", "body", "answer", "state", "missing", "deliver"})
    star, last_required = False, None
    for p, known in zip(op.parameters, real.parameters, strict=True):
        label = p.name
        if p.kind is inspect.Parameter.VAR_POSITIONAL:
            label, star = f"*{p.name}", True
        elif p.kind is inspect.Parameter.VAR_KEYWORD:
            label = f"**{p.name}"
        elif p.kind is inspect.Parameter.KEYWORD_ONLY:
            if not star:
                head.append("*")
                star = True
            label = f"{known.name}={p.name}"
        values.append(p.name)
        passed.append(label)
        if p.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            head.append(label)
        elif p.default is inspect.Parameter.empty and p.kind is inspect.Parameter.KEYWORD_ONLY:
            head.append(p.name)
        else:
            scope[f"default_{p.name}"] = absent if p.default is inspect.Parameter.empty else p.default
            head.append(f"{p.name}=default_{p.name}")
            if scope[f"default_{p.name}"] is absent:
                last_required = p.name
    if op.out:
        last = len(head) - (bool(op.parameters) and op.parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
        head[last:last] = ["out=None"] if star else ["*", "out=None"]
    given = f"({', '.join(values)}{',' if len(values) == 1 else ''})"
    lines = []
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in op.parameters):
        head.append("**named")
        lines.append(f"    if named: return renamed(op, False, {given}, named{', out=out' * op.out})")
    if last_required is not None:
        lines.append(f"    if {last_required} is absent: required(op, {given})")
    named = next((p.name for p in op.parameters if p.kind is inspect.Parameter.VAR_KEYWORD), None)
    if named is not None and not op.out:
        lines += [f"    if not (state.active or {named}):", "        try:",
                  f"            return body({', '.join(passed[:-1])})",
                  "        except (NotOnHostError, NoValuesError) as error:",
                  f"            return elsewhere(op, {given}, error)"]
    lines = [f"def {op.name}({', '.join(head)}):", *lines,
             f"    result = answer(op, False, {given}) if state.active else missing",
             "    if result is missing:",
             "        try:",
             f"            result = body({', '.join(passed)})",
             "        except (NotOnHostError, NoValuesError) as error:",
             f"            result = elsewhere(op, {given}, error)",
             "        except (TypeError, AttributeError) as error:",
             f"            result = stand_in(op, False, {given})",
             f"            if result is missing: refuse_other(op, {given}, error); raise",
             "    return result" + f" if out is None else deliver(op, result, out, {given})" * op.out]
    return op.name, "\n".join(lines) + "\n", scope


def replayed(op, values, results):
    """What a call returns whose results (tensors without history) are known already: they get the call's history.

    For ops that are neither composites nor views; `values` in the order of the parameters.
    """
    several = results if isinstance(results, tuple) else (results,)
    if op.kind in _KERNELS and not op.eager:
        plan = miss(op, False, op.call._plans, values)
        if plan.__class__ is not Plan:  # arguments had to be converted, so the call was done
            return plan
        operands = [v for p, v in zip(op.parameters, values, strict=True) if p.role != "static"]
        if mode.enabled and any(isinstance(v, Tensor) and v._needs_grad for v in operands):
            record(plan, operands, several)
    else:
        given = [v for p, v in zip(op.parameters, values, strict=True) if p.role == "operand"]
        flat = [t for v in given for t in (v if isinstance(v, (list, tuple)) else (v,))]
        if mode.enabled and op.differentiable and op.grads and any(
                isinstance(t, Tensor) and t._needs_grad for t in flat):
            names = [p.name for p in op.parameters]
            record_eager(op, dict(zip(names, values, strict=True)), given, results)
    return results


__all__ = ["OPS", "Layout", "write_call"]
