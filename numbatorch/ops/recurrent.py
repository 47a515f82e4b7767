"""Recurrent networks: several layers in one or both directions over padded or packed sequences, and single cells."""

from .contraction import linear
from .declare import OPS, composite
from .join import cat, stack
from .recurrent_layer import GATES, step
from .recurrent_sequence import run_layer

_PADDED = "input hx params has_biases num_layers dropout train bidirectional batch_first".split()
_PACKED = "data batch_sizes hx params has_biases num_layers dropout train bidirectional".split()


def _is_tensor(x):
    return hasattr(x, "_layout")


def named_arguments(name, args, named):
    """The arguments by name, of the form for packed or for padded sequences."""
    if args and "data" not in named:
        packed = len(args) > 1 and _is_tensor(args[1]) and (
            name == "lstm" or len(args) > 2 and _is_tensor(args[2])) or "batch_sizes" in named
    else:
        packed = "data" in named
    names = _PACKED if packed else _PADDED
    given = dict(zip(names, args, strict=False))
    twice, unknown = given.keys() & named.keys(), named.keys() - set(names)
    missing = [n for n in names if n not in given and n not in named]
    if len(args) > len(names) or twice or unknown or missing:
        raise TypeError(f"{name}(): expects ({', '.join(_PADDED)}) or, for packed sequences, ({', '.join(_PACKED)}); "
                        + (f"got {len(args)} arguments by position" if len(args) > len(names) else
                           f"got {sorted(twice)[0]} twice" if twice else
                           f"got an unexpected argument {sorted(unknown)[0]}" if unknown else
                           f"missing {', '.join(missing)}"))
    return packed, {**given, **named}


def _grouped(name, params, has_biases, projected, wanted):
    """The weights of each layer and direction as (w_ih, w_hh, b_ih, b_hh, projection)."""
    params = list(params)
    each = (4 if has_biases else 2) + projected
    if len(params) != each * wanted:
        raise RuntimeError(f"{name}: got {len(params)} params, but {wanted} layers and directions of {each} each "
                           f"(has_biases={has_biases}{', with projections' if projected else ''}) take {each * wanted}")
    groups = []
    for k in range(0, len(params), each):
        w_ih, w_hh, *rest = params[k:k + each]
        b_ih, b_hh = rest[:2] if has_biases else (None, None)
        groups.append((w_ih, w_hh, b_ih, b_hh, rest[-1] if projected else None))
    return groups


def _check_weights(name, kind, layer, features, hidden, weights, dtype):
    """RuntimeError where a layer's weights do not fit its input or its state."""
    w_ih, w_hh, b_ih, b_hh, projection = weights
    rows = w_ih.shape[0] if w_ih.ndim == 2 else 0
    width = rows // GATES[kind]
    expected = {"w_ih": (GATES[kind] * width, features), "w_hh": (GATES[kind] * width, hidden),
                "b_ih": (GATES[kind] * width,), "b_hh": (GATES[kind] * width,), "w_hr": (hidden, width)}
    for label, x in zip(expected, weights, strict=True):
        if x is not None and tuple(x.shape) != expected[label]:
            raise RuntimeError(f"{name}: {label} of layer {layer} has shape {tuple(x.shape)}, but input with "
                               f"{features} features and hx with {hidden} take {expected[label]}")
        if x is not None and x.dtype is not dtype:
            raise RuntimeError(f"{name}: input is {dtype}, but {label} of layer {layer} is {x.dtype}; they must have "
                               "the same dtype")
    if projection is None and hidden != width:
        raise RuntimeError(f"{name}: hx has {hidden} features, but w_ih of layer {layer}, {tuple(w_ih.shape)}, makes "
                           f"{width}")


def _states(name, hx, wanted, batch, dtype):
    """Initial hidden and memory states, each (layers * directions, N, H); memory None except for an LSTM."""
    if name == "lstm":
        states = tuple(hx) if isinstance(hx, (list, tuple)) else ()
        if len(states) != 2 or not all(map(_is_tensor, states)):
            raise RuntimeError("lstm expects two hidden states: hx = (h_0, c_0)")
    else:
        if not _is_tensor(hx):
            raise TypeError(f"{name}(): argument 'hx' must be Tensor, not {type(hx).__name__}")
        states = (hx,)
    for label, x in zip(("h_0", "c_0"), states, strict=False):
        label = label if name == "lstm" else "hx"
        if x.ndim != 3 or x.shape[0] != wanted or x.shape[1] != batch:
            raise RuntimeError(f"{name}: {label} must be (layers * directions, batch, features) = ({wanted}, {batch}, "
                               f"*), but got {tuple(x.shape)}")
        if x.dtype is not dtype:
            raise RuntimeError(f"{name}: input is {dtype}, but {label} is {x.dtype}; they must have the same dtype")
    return states if name == "lstm" else (hx, None)


def _network(name, args, named):
    """(output, hidden[, memory]) of all layers."""
    packed, given = named_arguments(name, args, named)
    data = given["data"] if packed else given["input"]
    if not _is_tensor(data):
        raise TypeError(f"{name}(): argument '{'data' if packed else 'input'}' must be Tensor, not "
                        f"{type(data).__name__}")
    batch_first = not packed and given["batch_first"]
    if packed:
        sizes = tuple(given["batch_sizes"].tolist())
        if data.ndim != 2 or sum(sizes) != data.shape[0] or any(a < b for a, b in zip(sizes, sizes[1:], strict=False)):
            raise RuntimeError(f"{name}: batch_sizes {list(sizes)} must not grow and must sum to the rows of data "
                               f"{tuple(data.shape)}")
    else:
        if data.ndim != 3:
            raise RuntimeError(f"{name}: input must be 3-D, (steps, batch, features)"
                               f"{' with the batch first' if batch_first else ''}, but got {tuple(data.shape)}")
        data = data.transpose(0, 1) if batch_first else data
        steps, batch = data.shape[:2]
        sizes = (batch,) * steps
        data = data.reshape(steps * batch, data.shape[2])
    if not sizes:
        raise RuntimeError(f"{name}: Expected sequence length to be larger than 0 in RNN")
    layers, directions = given["num_layers"], 2 if given["bidirectional"] else 1
    hidden, memory = _states(name, given["hx"], layers * directions, sizes[0], data.dtype)
    projected = name == "lstm" and hidden.shape[2] != memory.shape[2]
    groups = _grouped(name, given["params"], given["has_biases"], projected, layers * directions)
    ended = []
    for layer in range(layers):
        results = []
        for direction in range(directions):
            k = layer * directions + direction
            _check_weights(name, name, layer, data.shape[1], hidden.shape[2], groups[k], data.dtype)
            results.append(run_layer(name, data, sizes, hidden[k], None if memory is None else memory[k], groups[k],
                                    direction == 1))
        ended += [r[1:] for r in results]
        data = results[0][0] if directions == 1 else cat.call([r[0] for r in results], 1)
        if given["dropout"] and given["train"] and layer < layers - 1:
            data = OPS["nn.functional.dropout"].call(data, given["dropout"], True)
    if not packed:
        data = data.view(len(sizes), sizes[0], data.shape[1])
        data = data.transpose(0, 1) if batch_first else data
    count = 2 if name == "lstm" else 1
    if len(ended) == 1:
        return (data, *(x.unsqueeze(0) for x in ended[0][:count]))
    return (data, *(stack.call([e[i] for e in ended]) for i in range(count)))


@composite(method=False)
def lstm(*args, **named) -> tuple:
    """(output, h_n, c_n) of an LSTM over padded or packed sequences.

    lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first) with input (L, N, I), or
    (N, L, I) where batch_first; lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
    bidirectional) with the data of a PackedSequence. hx = (h_0, c_0), each (layers * directions, N, H). params: w_ih,
    w_hh[, b_ih, b_hh][, w_hr] of every layer and direction; a projection w_hr is meant where h_0 is narrower than c_0.
    RuntimeError for shapes and dtypes that do not fit.
    """
    return _network("lstm", args, named)


@composite(method=False)
def gru(*args, **named) -> tuple:
    """(output, h_n) of a GRU over padded or packed sequences; arguments as for `lstm`, with hx = h_0."""
    return _network("gru", args, named)


@composite(method=False)
def rnn_tanh(*args, **named) -> tuple:
    """(output, h_n) of h' = tanh(w_ih x + b_ih + w_hh h + b_hh); arguments as for `lstm`, with hx = h_0."""
    return _network("rnn_tanh", args, named)


@composite(method=False)
def rnn_relu(*args, **named) -> tuple:
    """(output, h_n) of h' = relu(w_ih x + b_ih + w_hh h + b_hh); arguments as for `lstm`, with hx = h_0."""
    return _network("rnn_relu", args, named)


def _cell(name, kind, input, states, w_ih, w_hh, b_ih, b_hh):
    """One step of `kind`; RuntimeError with PyTorch's words where sizes do not fit."""
    width, gates = w_hh.shape[1] if w_hh.ndim == 2 else -1, GATES[kind]
    if input.ndim != 2 or any(s.ndim != 2 for s in states):
        raise RuntimeError(f"{name}: input and hx must be 2-D, (batch, features), but got input {tuple(input.shape)} "
                           f"and hx {', '.join(str(tuple(s.shape)) for s in states)}")
    if w_ih.ndim != 2 or input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(f"{name}: input has inconsistent input_size: got {input.shape[1]} expected "
                           f"{w_ih.shape[1] if w_ih.ndim == 2 else f'a matrix w_ih, not {tuple(w_ih.shape)}'}")
    for k, s in enumerate(states):
        if s.shape[0] != input.shape[0]:
            raise RuntimeError(f"{name}: Input batch size {input.shape[0]} doesn't match hidden{k} batch size "
                               f"{s.shape[0]}")
        if s.shape[1] != width:
            raise RuntimeError(f"{name}: hidden{k} has inconsistent hidden_size: got {s.shape[1]}, expected {width}")
    for label, w in (("weight_ih", w_ih), ("weight_hh", w_hh)):
        if w.shape[0] != gates * width:
            raise RuntimeError(f"{name}: {label} first dim must be {gates} * hidden_size = {gates * width}, but got "
                               f"{w.shape[0]}")
    return step(kind, linear.call(input, w_ih, b_ih), states[0], states[1] if kind == "lstm" else None, w_hh, b_hh)


@composite(method=False)
def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> tuple:
    """(h', c') of one step of an LSTM: input (N, I), hx = (h, c), each (N, H); weights (4H, I), (4H, H)."""
    if not isinstance(hx, (list, tuple)):
        raise TypeError(f"lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not {type(hx).__name__}")
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states: hx = (h, c)")
    return _cell("lstm_cell", "lstm", input, hx, w_ih, w_hh, b_ih, b_hh)


@composite(method=False)
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """h' of one step of a GRU: input (N, I), hx (N, H); weights (3H, I), (3H, H)."""
    return _cell("gru_cell", "gru", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


@composite(method=False)
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """tanh(w_ih input + b_ih + w_hh hx + b_hh): input (N, I), hx (N, H); weights (H, I), (H, H)."""
    return _cell("rnn_tanh_cell", "rnn_tanh", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


@composite(method=False)
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """relu(w_ih input + b_ih + w_hh hx + b_hh): input (N, I), hx (N, H); weights (H, I), (H, H)."""
    return _cell("rnn_relu_cell", "rnn_relu", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]
