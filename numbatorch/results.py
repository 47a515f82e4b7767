"""Results of calls: what several come in, and tensors given as `out=`."""

import functools
import warnings
from typing import Any

from . import dtypes
from .autograd.modes import mode
from .interception import tensors_of
from .layout import Layout
from .plan import type_name
from .recording import check_overlap

Tensor: Any = None  # set by tensor.py, which imports this module first

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


def deliver(op, results, out, given=()):
    """Copy results into the tensors given as `out=`; `given` are the call's operands, which some ops keep apart."""
    if isinstance(out, (tuple, list)):
        values = results if isinstance(results, tuple) else (results,)
        for r, o in zip(values, out, strict=True):
            deliver(op, r, o, given)
        return type(results)(tuple(out)) if hasattr(results, "_fields") else tuple(out)
    if not isinstance(out, Tensor):
        raise TypeError(f"{op.name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if mode.enabled and (out._needs_grad or (isinstance(results, Tensor) and results._needs_grad)):
        raise RuntimeError(f"{op.name}(): functions with out=... arguments don't support automatic differentiation, "
                           "but one of the arguments requires grad.")
    own = out._layout
    if own is results._layout and own.__class__ is Layout and not op.separate and op.kind != "elementwise":
        return out.copy_(results)
    if hasattr(own, "pattern") or hasattr(results._layout, "pattern"):
        from .sparse.arithmetic import deliver as deliver_sparse
        return deliver_sparse(op.name, results, out)
    if own.device is not results._layout.device:
        raise RuntimeError(f"{op.name}(): Expected all tensors to be on the same device, but found at least two "
                           f"devices, {results._layout.device} and {own.device}! (the result is on "
                           f"{results._layout.device}, out on {own.device})")
    if not dtypes.can_cast(results._layout.dtype, own.dtype):
        raise RuntimeError(f"{op.name}(): result type {type_name(results._layout.dtype)} can't be cast to "
                           f"the desired output type {type_name(own.dtype)}")
    if op.exact_out and own.dtype is not results._layout.dtype:
        raise RuntimeError(f"{op.name}(): Expected out tensor to have dtype {results._layout.dtype}, but got "
                           f"{own.dtype} instead")
    if own.numel and any(s == 0 and n > 1 for n, s in zip(own.shape, own.strides, strict=True)):
        raise RuntimeError(f"{op.name}(): unsupported operation: more than one element of the written-to tensor out "
                           "refers to a single memory location. Please clone() the tensor before performing the "
                           "operation.")
    if op.kind == "elementwise" or op.separate:
        for operand in tensors_of(given if op.separate != "rest" else tuple(given)[1:]):
            if operand._storage.root is out._storage.root:
                check_overlap(f"{op.name}()", out, operand, bool(op.separate))
    if own.shape != results._layout.shape:
        if own.numel:
            warnings.warn(f"{op.name}: an output with one or more elements was resized since it had shape "
                          f"{list(own.shape)}, which does not match the required output shape "
                          f"{list(results._layout.shape)}. Resize it to zero elements first: out.resize_(0).",
                          stacklevel=3)
        out.resize_(results._layout.shape)
    out.copy_(results._kept())
    return out
