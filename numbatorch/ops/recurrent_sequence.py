"""One recurrent layer in one direction: one kernel for all its steps where there is one; step by step on a GPU."""

from functools import lru_cache
from itertools import accumulate

from ..expr import kinds
from ..layout import layout
from .contraction import mm
from .declare import scan
from .recurrent_layer import unrolled

_FAST = ("float32", "float64")


# ------------------------------------------------------------------ kernels

def _request(function, kind, inputs, outputs, gates, hidden, sizes, reverse, **more):
    options = {"kind": kind, "dtype": gates.dtype.name, "hidden": hidden, "sizes": sizes, "reverse": reverse,
               "pitch": gates.strides[0]}
    return kinds.Native("recurrent", function, inputs, outputs, {**options, **more})


def _gates_layout(like, rows, columns):
    """(rows, columns), a cache line between rows whose starts would all fall into the same few sets of the cache."""
    size = like.dtype.itemsize
    pitch = columns + (64 // size if columns * size % 2048 == 0 else 0)
    return layout(like.dtype, (rows, columns), (pitch, 1), like.device)


@scan(name="_recurrent_forward", method=False, differentiable=False,
      outputs=("result0", "result1", "result2", "result3"))
def forward(data, w_ih, w_hh, hidden, bias=None, extra=None, kind: str = "", sizes: tuple = (), reverse: bool = False):
    """(output (R, H), gates (R, G * H), states (N + R, H), beside) of all steps of data (R, I).

    bias: of what the input contributes. extra: memory (N, H) of an LSTM, beside being all memories (N + R, H); bias
    (H,) or None of what the state of a GRU contributes to the candidate, beside (R, H) being that. The start stands
    first, or last when `reverse`.
    """
    (n, width), rows = hidden.shape, data.shape[0]
    gates = _gates_layout(data, rows, w_ih.shape[0])
    states = layout(data.dtype, (n + rows, width), None, data.device)
    output = layout(data.dtype, (rows, width), None, data.device)
    beside = {"lstm": states, "gru": output}.get(kind, layout(data.dtype, (0,), None, data.device))
    return _request("forward", kind, (data, w_ih, w_hh, hidden, bias, extra), [output, gates, states, beside], gates,
                    width, sizes, reverse)


@scan(name="_recurrent_backward", method=False, differentiable=False, outputs=("result0", "result1", "result2"))
def backward(grad, gates, states, weight, beside=None, grad_memory=None, kind: str = "", sizes: tuple = (),
             reverse: bool = False):
    """(gradient of what the input contributes (R, G * H), of the memory or direct one of the state (N, H), GRU: of what
    the state contributes (R, G * H)); grad and grad_memory (R, H) reach the states and memories after each step."""
    width = grad.shape[1]
    grads = _gates_layout(grad, *gates.shape)
    nothing = layout(grad.dtype, (0,), None, grad.device)
    direct = layout(grad.dtype, (sizes[0], width), None, grad.device) if kind in ("lstm", "gru") else nothing
    return _request("backward", kind, (grad, gates, states, weight, beside, grad_memory),
                    [grads, direct, grads if kind == "gru" else nothing], grads, width, sizes, reverse,
                    with_memory=grad_memory is not None)


# ------------------------------------------------------------------ rows of packed data

@lru_cache(64)
def last_rows(sizes):
    """The row of the last step of each sequence."""
    starts = [0, *accumulate(sizes[:-1])]
    rows = [0] * sizes[0]
    for start, size in zip(starts, sizes, strict=True):
        rows[:size] = range(start, start + size)
    return tuple(rows)


@lru_cache(64)
def turned_rows(sizes):
    """For each row that of the same sequence as far from the other end: what turns sequences round, and back."""
    starts = [0, *accumulate(sizes[:-1])]
    lengths = [sum(size > k for size in sizes) for k in range(sizes[0])]
    return tuple(starts[lengths[k] - 1 - t] + k for t, size in enumerate(sizes) for k in range(size))


@lru_cache(64)
def rows_before(sizes):
    """For each row that of the state before it in (start, states)."""
    starts = [-sizes[0], *accumulate(sizes[:-1], initial=0)]
    return tuple(starts[t] + sizes[0] + k for t, size in enumerate(sizes) for k in range(size))


def _chosen(x, rows):
    from ..creation import tensor
    return x.index_select(0, tensor(list(rows), device=x.device))


# ------------------------------------------------------------------ a layer

def _gradients(grads, tensors_wanted, data, hidden, w_ih, w_hh, memory, b_ih, b_hh, result2, result3, result4, kind,
               sizes, reverse):
    """Gradients of `tensors`: those of the sums of the gates from the kernel, the others as products with them."""
    from ..autograd.modes import mode
    if mode.enabled:
        return _recorded_gradients(grads, (data, hidden, w_ih, w_hh, memory, b_ih, b_hh), kind, sizes, reverse)
    wanted = tensors_wanted
    gates, states, beside = result2, result3, result4
    rows, n = data.shape[0], hidden.shape[0]
    grad = data.new_zeros((rows, hidden.shape[1])) if grads[0] is None else grads[0].contiguous()
    grad_memory = None if grads[1] is None else grads[1].contiguous()
    ups, direct, downs = backward.call(grad, gates, states, w_hh.contiguous(),
                                       None if kind.startswith("rnn") else beside, grad_memory, kind, sizes, reverse)
    downs = downs if kind == "gru" else ups
    out = [None] * len(wanted)
    if wanted[0]:
        out[0] = mm.call(ups, w_ih)
    if wanted[1]:
        out[1] = mm.call(downs[rows - n:] if reverse else downs[:n], w_hh)
        if kind == "gru":
            out[1] = out[1] + direct
    if wanted[2]:
        out[2] = mm.call(ups.t(), data)
    if wanted[3]:
        before = states[n:] if reverse else states[:rows]
        if sizes[-1] != n:
            before = _chosen(states, rows_before(sizes))
        out[3] = mm.call(downs.t(), before)
    if wanted[4]:
        out[4] = direct
    if wanted[5]:
        out[5] = ups.sum(0)
    if wanted[6]:
        out[6] = downs.sum(0) if downs is not ups or out[5] is None else out[5].clone()
    return out


def _recorded_gradients(grads, given, kind, sizes, reverse):
    """The same as tensor operations that are recorded: the layer runs again, step by step."""
    from ..autograd import grad as gradient
    fresh = [None if t is None else t.view(t.shape) for t in given]  # what the layer alone does with them
    data, hidden, w_ih, w_hh, memory, b_ih, b_hh = fresh
    results = _by_steps(kind, data, sizes, hidden, memory, (w_ih, w_hh, b_ih, b_hh, None), reverse)
    pairs = [(r, g) for r, g in zip(results, grads, strict=False) if r is not None and g is not None]
    places = [k for k, t in enumerate(fresh) if t is not None and t._needs_grad]
    found = gradient([r for r, _ in pairs], [fresh[k] for k in places], [g for _, g in pairs], create_graph=True,
                     allow_unused=True)
    out = [None] * len(given)
    for k, g in zip(places, found, strict=True):
        out[k] = g
    return out


@scan(name="_recurrent_layer", method=False, eager=True, tensors=_gradients,
      outputs=("result0", "result1", "result2", "result3", "result4"))
def layer(tensors, data, hidden, w_ih, w_hh, kind: str, sizes: tuple, reverse: bool, memory=None, b_ih=None, b_hh=None):
    """(output (R, H), memories (R, H) of an LSTM, gates, states, beside); the last three are for backward.

    `tensors` lists data, hidden, w_ih, w_hh, memory, b_ih, b_hh once more: their gradients come together.
    """
    from ..tensor import alias
    n, width = hidden.shape
    if b_ih is None:
        bias = None
    elif kind == "gru":  # the state's part of the candidate is not simply added
        bias = b_ih.clone()
        bias[:2 * width] += b_hh[:2 * width]
    else:
        bias = b_ih + b_hh
    extra = memory.contiguous() if kind == "lstm" else None
    if kind == "gru" and b_hh is not None:
        extra = b_hh[2 * width:].contiguous()
    given = (x.contiguous() for x in (data, w_ih, w_hh, hidden))
    output, gates, states, beside = forward.call(*given, bias, extra, kind, sizes, reverse)
    if kind != "lstm":
        return output, data.new_empty(0), gates, states, beside
    skipped = 0 if reverse else n * width * data.dtype.itemsize
    return output, alias(beside, output._layout, skipped), gates, states, beside


def _by_steps(kind, data, sizes, hidden, memory, weights, reverse):
    """`unrolled` in either direction."""
    if not reverse:
        return unrolled(kind, data, sizes, hidden, memory, weights)
    rows = turned_rows(sizes)
    return tuple(x if x is None else _chosen(x, rows)
                 for x in unrolled(kind, _chosen(data, rows), sizes, hidden, memory, weights))


def run_layer(kind, data, sizes, hidden, memory, weights, reverse):
    """(output (R, H), last hidden (N, H), last memory or None): data (R, I), hidden and memory (N, H).

    weights: w_ih, w_hh, b_ih, b_hh, projection; what there is not is None.
    """
    batch, padded = sizes[0], sizes[0] == sizes[-1]
    if not data.is_cuda and data.dtype.name in _FAST and weights[4] is None and data.numel() and hidden.numel():
        turns = reverse and not padded
        if turns:
            rows = turned_rows(sizes)
            data = _chosen(data, rows)
        tensors = [data, hidden, *weights[:2], memory, *weights[2:4]]
        output, memories, *_ = layer.call(tensors, data, hidden, *weights[:2], kind, sizes, reverse and padded, memory,
                                          *weights[2:4])
        if turns:
            output, memories = _chosen(output, rows), _chosen(memories, rows) if kind == "lstm" else None
        memories = memories if kind == "lstm" else None
    else:
        output, memories = _by_steps(kind, data, sizes, hidden, memory, weights, reverse)

    def last(x):
        if reverse:
            return x[:batch].clone()
        return x[x.shape[0] - batch:].clone() if padded else _chosen(x, last_rows(sizes))
    return output, last(output), None if memories is None else last(memories)
