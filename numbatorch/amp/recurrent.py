"""Recurrent networks under autocast, in the dtypes that PyTorch gives on the CPU.

An LSTM over padded sequences and a plain RNN give the lower precision. A GRU, and an LSTM over packed sequences, add to
their state, so they give its dtype: float32 unless input or state was narrower. Projections run as they are made.
Operands are rounded to the lower precision, steps run in float32, and results are rounded once.
"""

from .. import dtypes, interception
from ..ops.recurrent import named_arguments
from ..tensor import Tensor

NAMES = frozenset("lstm gru rnn_tanh rnn_relu".split())


def run(op, values, lower, converted):
    """The results of a call, or NotImplemented where it runs as it is. converted(values, dtype) converts tensors."""
    packed, given = named_arguments(op.name, *values)
    data, states = "data" if packed else "input", given["hx"]
    tensors = [given[data], *(states if isinstance(states, (tuple, list)) else [states]), *given["params"]]
    if any(not isinstance(t, Tensor) or t.device.type != "cpu" or t.dtype is dtypes.float64 for t in tensors):
        return NotImplemented
    narrow = op.name.startswith("rnn") or op.name == "lstm" and not packed or tensors[1].dtype is lower
    if op.name == "lstm" and tensors[1].shape[-1] != tensors[2].shape[-1]:
        if all(t.dtype is tensors[-1].dtype for t in tensors):
            return NotImplemented
        narrow = False

    def ready(value):
        return converted(converted(value, lower), dtypes.float32) if narrow else converted(value, dtypes.float32)
    given.update({data: ready(given[data]), "hx": ready(states), "params": ready(list(given["params"]))})
    results = interception.call(op, False, ((), given))
    return tuple(r.to(lower) for r in results) if narrow else results
