"""softmax(query @ key.mT * scale + mask) @ value: by one kernel where there is one, else by products."""

from functools import lru_cache

from ..expr import kinds
from ..layout import layout
from .declare import OPS, contraction

_LARGEST = 256  # size of a head that a kernel takes
_TAKEN = {"cpu": ("float32",), "cuda": ("float32", "float16", "bfloat16")}
_INFINITY = float("inf")


def causal_mask(query, length, sources):
    """True where position i of the query may see position j: j <= i."""
    from .. import dtypes
    return query.new_ones((length, sources), dtype=dtypes.bool).tril()


def by_products(query, key, value, attn_mask, dropout_p, scale):
    """(result, weights). A row that may see nothing gets zeros."""
    scores = (query * scale).matmul(key.transpose(-2, -1))
    blocked = None
    if attn_mask is not None:
        if attn_mask.dtype.name == "bool":
            scores = scores.masked_fill(attn_mask.logical_not(), -_INFINITY)
        else:
            scores = scores + attn_mask
        blocked = (scores.detach() == -_INFINITY).all(-1, keepdim=True)
        # Rows without any source would be 0 / 0: they become 0, as do their gradients.
        scores = scores.masked_fill(blocked, 0.0)
    weights = OPS["softmax"].call(scores, -1)
    if blocked is not None:
        weights = weights.masked_fill(blocked, 0.0)
    if dropout_p > 0:
        weights = OPS["nn.functional.dropout"].call(weights, dropout_p, True)
    return weights.matmul(value), weights


@lru_cache(1)
def _late():
    """What is above the ops, asked for when tensors are there."""
    from ..autograd.modes import mode
    from ..autograd.node import attach, edge, new_node
    from ..interception import CustomLayout, state
    from ..recording import Layouts
    return mode, state, CustomLayout, attach, edge, new_node, Layouts


def in_one_kernel(query, key, value, mask):
    """Whether `attention` takes these: plain tensors of a device that has it, with equal leading dimensions.

    Key and value (..., H, S, E) may have fewer heads, a divisor of query's.
    """
    _, state, custom, *_ = _late()
    layouts = (query._layout, key._layout, value._layout, None if mask is None else mask._layout)
    if state.active and any(isinstance(x, custom) for x in layouts):
        return False
    return _fit(*layouts) and (mask is None or not mask._needs_grad)


@lru_cache(1024)
def _fit(query, key, value, mask):
    device = query.device.type
    if query.dtype.name not in _TAKEN.get(device, ()):
        return False
    if device == "cuda":
        from ..plan import backend
        if not backend(query.device).has_tensor_cores:
            return False
    (*lead, length, depth), sources, columns = query.shape, key.shape[-2], value.shape[-1]
    if key.shape[-1] != depth or tuple(value.shape) != (*key.shape[:-1], columns):
        return False
    if tuple(key.shape[:-2]) != tuple(lead):
        shared = key.shape[-3] if key.ndim == query.ndim >= 3 else 0
        if not shared or tuple(key.shape[:-3]) != tuple(lead[:-1]) or lead[-1] % shared:
            return False
    if max(depth, columns) > _LARGEST or not (query.numel and key.numel and columns):
        return False
    if mask is None:
        return True
    sizes = zip(reversed(mask.shape), (sources, length, *reversed(lead)), strict=False)
    return mask.device.type == device and mask.ndim <= query.ndim and all(n in (1, whole) for n, whole in sizes)


def attention(query, key, value, mask, causal, scale):
    """The kernel's result for operands of `in_one_kernel`, with gradients of query, key and value."""
    mode, _, _, attach, edge, new_node, layouts = _late()
    shape = query._layout.shape[:-1]
    query, key, value = _heads(query), _heads(key), _heads(value)
    if mask is not None:
        if mask.dtype.name == "bool":
            mask = mask.new_zeros(mask.shape, dtype=query.dtype).masked_fill(mask.logical_not(), -_INFINITY)
        mask = mask.expand(*(mask.shape[:-1] or (1,)), key.shape[2])
        lead = shape[:-1]
        mask = _heads(mask.expand(*lead, *mask.shape[-2:]) if len(lead) > 2 else mask)
        mask = mask.expand(*query.shape[:3], key.shape[2])
    result, base, inverse = _forward.call(query, key, value, mask, causal, (scale,))
    if mode.enabled and (query._needs_grad or key._needs_grad or value._needs_grad):
        saved = (query, key, value, result.detach(), base, inverse)
        node = new_node(_rule(causal, scale), layouts((result._layout,)), [edge(query), edge(key), edge(value)],
                        saved if mask is None else (*saved, mask))
        attach(result, node)
    return result if len(shape) == 3 else result.reshape(*shape, value.shape[3])


def _heads(x):
    """(B, H, L, E) with contiguous rows of any (..., L, E)."""
    layout_ = x._layout
    if layout_.strides[-1] != 1:
        x = x.contiguous()
    if layout_.ndim == 4:
        return x
    return x[(None,) * (4 - layout_.ndim)] if layout_.ndim < 4 else x.reshape(-1, *x.shape[-3:])


@contraction(name="_attention_forward", method=False, differentiable=False, outputs=("result0", "result1", "result2"))
def _forward(query, key, value, mask=None, causal: bool = False, scale: tuple = ()):
    """result (B, H, L, V), and of each row of scores what subtracts from and what multiplies its exponentials."""
    batch, heads, length, _ = query.shape
    columns = value.shape[3]
    row = layout(query.dtype.wide, (batch, heads, length), None, query.device)
    out = layout(query.dtype, (batch, heads, length, columns), None, query.device)
    inputs = (query, key, value) if mask is None else (query, key, value, mask)
    return kinds.Native("attention", "forward", inputs, [out, row, row], {"causal": causal, "scale": scale[0]})


@contraction(name="_attention_backward", method=False, differentiable=False, outputs=("result0", "result1", "result2"))
def _backward(query, key, value, out, base, inverse, grad, mask=None, causal: bool = False, scale: tuple = ()):
    """Gradients of query, and of key and value as each head of query sees them."""
    outputs = [layout(x.dtype, (*query.shape[:2], *x.shape[2:]), None, x.device) for x in (query, key, value)]
    inputs = (query, key, value, out, base, inverse, grad) if mask is None else (
        query, key, value, out, base, inverse, grad, mask)
    return kinds.Native("attention", "backward", inputs, outputs, {"causal": causal, "scale": scale[0]})


class _Rule:
    """The gradients of query, key and value of a recorded call: by one kernel, or by products that are recorded."""

    name = "ScaledDotProductFlashAttentionForCpuBackward0"
    reads = ("query", "key", "value", "result", "base", "inverse", "mask")

    def __init__(self, causal, scale):
        self.causal, self.scale = causal, scale

    def run(self, node, grads):
        grad = grads[0]
        query, key, value, result, base, inverse, *rest = node.unpack()
        mask = rest[0] if rest else None
        if _late()[0].enabled:
            wanted = [e is not None for e in node.edges]
            return _recorded_gradients(grad, wanted, (query, key, value), mask, self.causal, self.scale)
        if grad._layout.strides[-1] != 1:
            grad = grad.contiguous()
        to_query, *others = _backward.call(query, key, value, result, base, inverse, grad, mask, self.causal,
                                           (self.scale,))
        heads, shared = query._layout.shape[1], key._layout.shape[1]
        if heads != shared:  # heads of query that read the same keys
            others = [x.view(x.shape[0], shared, heads // shared, *x.shape[2:]).sum(2) for x in others]
        return [to_query, *others]


_rule = lru_cache(64)(_Rule)


def _recorded_gradients(grad, wanted, given, mask, causal, scale):
    from ..autograd import grad as gradient
    query, key, value = fresh = [x.view(x.shape) for x in given]  # what attention alone does with them
    times = query.shape[1] // key.shape[1]
    if times > 1:
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
    if causal:
        mask = causal_mask(query, query.shape[2], key.shape[2])
    result = by_products(query, key, value, mask, 0.0, scale)[0]
    places = [k for k, x in enumerate(fresh) if x._needs_grad and wanted[k]]
    found = gradient([result], [fresh[k] for k in places], [grad], create_graph=True, allow_unused=True)
    out = [None] * 3
    for k, g in zip(places, found, strict=True):
        out[k] = g
    return out
