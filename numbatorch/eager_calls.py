"""Calls of ops whose bodies run on tensors: unrecorded, with one node of their declared gradients on the results."""

import inspect
from typing import Any

from .arguments import proper_names
from .autograd.eager import record_eager
from .autograd.modes import mode
from .errors import NotOnHostError, NoValuesError
from .interception import answer, elsewhere, state
from .results import deliver, result_type
from .subclassing import stand_in

Tensor: Any = None  # set by tensor.py, which imports this module first


def eager_call(op):
    """The call function of an op whose body runs on tensors; its declared gradients make the node."""
    body, parameters = op.body, op.parameters
    signature = inspect.Signature([inspect.Parameter(p.name, p.kind, default=p.default) for p in parameters])
    operands = [p.name for p in op.operands]
    required_operands = [(p.name, p.optional) for p in op.operands]  # asked about at each call
    ordered = [p.name for p in parameters]
    names = frozenset(ordered)

    def call(*args, out=None, **kwargs):
        if not names.issuperset(kwargs):
            others = {n: kwargs.pop(n) for n in [n for n in kwargs if n not in names]}
            kwargs = proper_names(op, {**dict(zip(ordered, args, strict=False)), **kwargs}, others)
            args = ()
        if len(args) == len(ordered) and not kwargs:
            values = dict(zip(ordered, args, strict=True))
        else:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{op.name}(): {error}") from None
            bound.apply_defaults()
            values = bound.arguments
        for name, optional in required_operands:
            v = values[name]
            if not isinstance(v, (Tensor, list, tuple)) and not (v is None and optional):
                found = stand_in(op, False, tuple(values.values()))
                if found is not NotImplemented:
                    return found
                raise TypeError(f"{op.name}(): argument '{name}' must be Tensor, not {type(v).__name__}")
        if state.active:
            result = answer(op, False, tuple(values.values()))
            if result is not NotImplemented:
                return result if out is None else deliver(op, result, out, values.values())
        before, mode.enabled = mode.enabled, False
        try:
            result = body(**values)
        except (NotOnHostError, NoValuesError) as error:
            result = elsewhere(op, tuple(values.values()), error)
        except (TypeError, AttributeError):
            result = stand_in(op, False, tuple(values.values()))
            if result is NotImplemented:
                raise
            return result
        finally:
            mode.enabled = before
        if before and op.differentiable and op.grads:
            given = [values[n] for n in operands]
            flat = [t for v in given for t in (v if isinstance(v, (list, tuple)) else (v,))]
            if any(isinstance(t, Tensor) and t._needs_grad for t in flat):
                record_eager(op, values, given, result)
        if op.outputs[0] != "result" and type(result) is tuple:
            result = result_type(op)(*result)
        return result if out is None else deliver(op, result, out, values.values())
    return call
