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


def unrolled(kind, data, sizes, hidden, memory, weights, reverse):
    """(output (R, H), last hidden (N, H), last memory or None) of a layer; memory is None except for an LSTM.

    weights: w_ih, w_hh, b_ih, b_hh, projection; what there is not is None.
    """
    w_ih, w_hh, b_ih, b_hh, projection = weights
    gates = linear.call(data, w_ih, b_ih)
    outputs, ended = [None] * len(sizes), []
    end, first_hidden, first_memory = data.shape[0], hidden, memory
    start = 0
    if reverse:
        hidden, memory = (x if x is None else x[:0] for x in (hidden, memory))
    for t in range(len(sizes) - 1, -1, -1) if reverse else range(len(sizes)):
        size, before = sizes[t], hidden.shape[0]
        if reverse:
            start, end = end - size, end
        else:
            start, end = (start, start + size)
        if size < before:  # sequences that have ended
            ended.append((hidden[size:], None if memory is None else memory[size:]))
            hidden, memory = hidden[:size], None if memory is None else memory[:size]
        elif size > before:  # sequences that begin, from their end
            hidden = cat.call([hidden, first_hidden[before:size]])
            memory = None if memory is None else cat.call([memory, first_memory[before:size]])
        hidden, memory = step(kind, gates[start:end], hidden, memory, w_hh, b_hh, projection)
        outputs[t] = hidden
        if reverse:
            end = start
        else:
            start = end
    if ended:
        hidden = cat.call([hidden, *(h for h, _ in reversed(ended))])
        memory = None if memory is None else cat.call([memory, *(m for _, m in reversed(ended))])
    return cat.call(outputs), hidden, memory
