"""One recurrent layer in one direction, step by step: ordinary tensor operations, for any dtype and any gradient.

A batch of sequences is packed: `data` (R, I) holds step after step, `sizes` the number of sequences that reach each
step, longest sequences first, so that the rows of a step are the first of the step before. Padded input is the case of
equal sizes. LSTM after Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000 and the projection of
Sak et al. 2014 (arXiv:1402.1128); GRU after Cho et al. 2014 (arXiv:1406.1078), its reset gate applied after the
product.
"""

from ..expr import functions as f
from .activation import relu, sigmoid
from .contraction import linear
from .declare import elementwise
from .join import cat

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}  # blocks of rows of a weight


@elementwise(name="_lstm_memory", method=False, inplace=False, out=False)
def lstm_memory(keep, enter, candidate, memory):
    """The new memory of an LSTM, sigmoid(keep) * memory + sigmoid(enter) * tanh(candidate)."""
    return sigmoid(keep) * memory + sigmoid(enter) * f.tanh(candidate)


@elementwise(name="_lstm_hidden", method=False, inplace=False, out=False)
def lstm_hidden(leave, memory):
    """What an LSTM shows of its memory, sigmoid(leave) * tanh(memory)."""
    return sigmoid(leave) * f.tanh(memory)


@elementwise(name="_gru_hidden", method=False, inplace=False, out=False)
def gru_hidden(reset, update, candidate, own_reset, own_update, own_candidate, hidden):
    """The new state of a GRU from what the input says and what the state itself says (`own_`)."""
    new = f.tanh(candidate + sigmoid(reset + own_reset) * own_candidate)
    return new + sigmoid(update + own_update) * (hidden - new)


@elementwise(name="_tanh_hidden", method=False, inplace=False, out=False)
def tanh_hidden(input, own):
    """tanh(input + own)."""
    return f.tanh(input + own)


@elementwise(name="_relu_hidden", method=False, inplace=False, out=False)
def relu_hidden(input, own):
    """max(input + own, 0)."""
    return relu(input + own)


def step(kind, gates, hidden, memory, weight, bias, projection=None):
    """(hidden, memory) of the next step; gates (N, G * H) is what the input contributes, with its bias."""
    own = linear.call(hidden, weight, bias)
    if kind == "lstm":
        enter, keep, candidate, leave = (gates + own).chunk(4, 1)
        memory = lstm_memory.call(keep, enter, candidate, memory)
        hidden = lstm_hidden.call(leave, memory)
        if projection is not None:
            hidden = linear.call(hidden, projection, None)
    elif kind == "gru":
        hidden = gru_hidden.call(*gates.chunk(3, 1), *own.chunk(3, 1), hidden)
    else:
        hidden = (tanh_hidden if kind == "rnn_tanh" else relu_hidden).call(gates, own)
    return hidden, memory


def unrolled(kind, data, sizes, hidden, memory, weights):
    """(output (R, H), memory after every step (R, H) or None); memory (N, H) is None except for an LSTM.

    weights: w_ih, w_hh, b_ih, b_hh, projection; what there is not is None.
    """
    w_ih, w_hh, b_ih, b_hh, projection = weights
    gates = linear.call(data, w_ih, b_ih)
    outputs, memories, start = [], [], 0
    for size in sizes:
        if size < hidden.shape[0]:  # sequences that have ended
            hidden, memory = hidden[:size], None if memory is None else memory[:size]
        hidden, memory = step(kind, gates[start:start + size], hidden, memory, w_hh, b_hh, projection)
        outputs.append(hidden)
        memories.append(memory)
        start += size
    return cat.call(outputs), None if memory is None else cat.call(memories)
