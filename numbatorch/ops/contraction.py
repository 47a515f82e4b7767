"""Sums of products: matrix products, linear layers, convolutions, einsum.

Everything rests on three products in index notation (mm, bmm, linear) and on convolution with its two gradients.
"""

import math

from ..expr import kinds
from ..expr.tree import Expr, arg
from ..layout import Layout, layout
from .declare import composite, contraction


def _load(name, *indices):
    return Expr("load", name, *(arg(i) if isinstance(i, str) else i for i in indices))


def _same_dtype(name, **operands):
    given = {k: v for k, v in operands.items() if v is not None}
    kinds_ = {v.dtype for v in given.values()}
    if len(kinds_) > 1:
        raise RuntimeError(f"{name}: expected operands of the same dtype, but got: " +
                           " != ".join(f"{k} {v.dtype.name}" for k, v in given.items()))


def _t(x):
    return x.transpose(-1, -2)


def _h(x):
    x = x.transpose(-1, -2)
    return x.conj() if x.is_complex() else x


@contraction(out=True, input=lambda grad, mat2: mm.call(grad, _h(mat2)),
             mat2=lambda grad, input: mm.call(_h(input), grad))
def mm(input, mat2):
    """Matrix product: (N, M) @ (M, P) -> (N, P)."""
    if input.ndim != 2 or mat2.ndim != 2:
        raise RuntimeError(f"mm: both arguments must be matrices, got shapes {input.shape} and {mat2.shape}")
    if input.shape[1] != mat2.shape[0]:
        raise RuntimeError(f"mm: mat1 and mat2 shapes cannot be multiplied ({input.shape[0]}x{input.shape[1]} and "
                           f"{mat2.shape[0]}x{mat2.shape[1]})")
    _same_dtype("mm", input=input, mat2=mat2)
    (n, m), p = input.shape, mat2.shape[1]
    return kinds.Nest("mm", _load("input", "i", "k") * _load("mat2", "k", "j"), ("i", "j"), ("k",),
                      {"i": n, "j": p, "k": m}, {"input": input, "mat2": mat2},
                      [layout(input.dtype, (n, p), None, input.device)], input.dtype.compute)


@contraction(out=True, input=lambda grad, mat2: bmm.call(grad, _h(mat2)),
             mat2=lambda grad, input: bmm.call(_h(input), grad))
def bmm(input, mat2):
    """Batched matrix product: (B, N, M) @ (B, M, P) -> (B, N, P)."""
    if input.ndim != 3 or mat2.ndim != 3:
        raise RuntimeError(f"bmm: both arguments must be 3-d, got shapes {input.shape} and {mat2.shape}")
    if input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        raise RuntimeError(f"bmm: Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, "
                           f"{input.shape[2]}] but got: [{mat2.shape[0]}, {mat2.shape[1]}].")
    _same_dtype("bmm", input=input, mat2=mat2)
    (b, n, m), p = input.shape, mat2.shape[2]
    return kinds.Nest("bmm", _load("input", "b", "i", "k") * _load("mat2", "b", "k", "j"), ("b", "i", "j"), ("k",),
                      {"b": b, "i": n, "j": p, "k": m}, {"input": input, "mat2": mat2},
                      [layout(input.dtype, (b, n, p), None, input.device)], input.dtype.compute)


@contraction(name="linear_rows", method=False,
             input=lambda grad, weight: mm.call(grad, weight.conj() if weight.is_complex() else weight),
             weight=lambda grad, input: mm.call(grad.transpose(0, 1), input.conj() if input.is_complex() else input),
             bias=lambda grad: grad.sum(0))
def linear_rows(input, weight, bias=None):
    """input @ weight.T + bias: (N, K), (M, K), (M,) -> (N, M)."""
    n, k = input.shape
    if weight.ndim != 2 or weight.shape[1] != k:
        raise RuntimeError(f"linear: input and weight shapes cannot be multiplied (input {input.shape}, weight "
                           f"{weight.shape}: {k} features against {weight.shape[-1]})")
    if bias is not None and bias.shape != (weight.shape[0],):
        raise RuntimeError(f"linear: bias {bias.shape} does not fit weight {weight.shape}")
    _same_dtype("linear", input=input, weight=weight, bias=bias)
    finish = None
    arrays = {"input": input, "weight": weight}
    if bias is not None:
        finish = arg("total") + _load("bias", "j")
        arrays["bias"] = bias
    else:
        arrays["bias"] = layout(input.dtype, ())
    return kinds.Nest("linear", _load("input", "i", "k") * _load("weight", "j", "k"), ("i", "j"), ("k",),
                      {"i": n, "j": weight.shape[0], "k": k}, arrays,
                      [layout(input.dtype, (n, weight.shape[0]), None, input.device)], input.dtype.compute,
                      finish=finish)


def _plain_strides(x):
    """`x`, copied where no stride of its matrices is 1."""
    own = x._layout
    if own.ndim < 2 or own.is_contiguous:
        return x
    s, n = own.strides[-2:], own.shape[-2:]
    if (s[1] == 1 and (s[0] >= n[1] or n[0] == 1)) or (s[0] == 1 and (s[1] >= n[0] or n[1] == 1)):
        return x
    return x.contiguous()


@composite(namespaces="nn.functional", method=False, out=True)
def linear(input, weight, bias=None):
    """input @ weight.T + bias: (..., K), (M, K), (M,) -> (..., M)."""
    if input._layout.ndim == 2 and weight._layout.ndim == 2:
        return linear_rows.call(input, weight, bias)
    if weight.ndim == 1:
        result = matmul.call(input, weight)
        return result if bias is None else result + bias
    if input.ndim == 1:
        return linear_rows.call(input.unsqueeze(0), weight, bias).squeeze(0)
    shape = input.shape
    return linear_rows.call(input.reshape(-1, shape[-1]), weight, bias).view(*shape[:-1], weight.shape[0])


@composite(namespaces=("", "linalg"), out=True)
def matmul(input, other):
    """Matrix product of vectors, matrices and batches of them, broadcast over the leading dimensions."""
    if not hasattr(input, "_layout") or not hasattr(other, "_layout"):
        bad = input if not hasattr(input, "_layout") else other
        raise TypeError(f"matmul(): arguments must be Tensors, got {type(bad).__name__}")
    a, b = input._layout.ndim, other._layout.ndim
    if a == 2 and b == 2:
        return mm.call(_plain_strides(input), _plain_strides(other))
    if a == 0 or b == 0:
        raise RuntimeError(f"matmul: both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    if a == 1 and b == 1:
        return dot.call(input, other)
    if a == 1:
        return matmul.call(input.unsqueeze(0), other).squeeze(-2)
    if b == 1:
        return matmul.call(input, other.unsqueeze(1)).squeeze(-1)
    if input.shape[-1] != other.shape[-2]:
        raise RuntimeError(f"matmul: mat1 and mat2 shapes cannot be multiplied ({tuple(input.shape)} and "
                           f"{tuple(other.shape)}: {input.shape[-1]} against {other.shape[-2]})")
    if b == 2:  # fold the batch into the rows
        shape = input.shape
        rows = input.reshape(math.prod(shape[:-1]), shape[-1])
        return mm.call(_plain_strides(rows), _plain_strides(other)).view(*shape[:-1], other.shape[-1])
    from ..layout import broadcast_shapes
    batch = broadcast_shapes("matmul", [tuple(input.shape[:-2]), tuple(other.shape[:-2])], ["input", "other"])
    left = input.expand(*batch, *input.shape[-2:]).reshape(math.prod(batch), *input.shape[-2:])
    right = other.expand(*batch, *other.shape[-2:]).reshape(math.prod(batch), *other.shape[-2:])
    result = bmm.call(_plain_strides(left), _plain_strides(right))
    return result.view(*batch, *result.shape[-2:])


@composite(out=True)
def mv(input, vec):
    """Matrix times vector: (N, M) @ (M,) -> (N,). RuntimeError for other shapes."""
    if input.ndim != 2 or vec.ndim != 1 or input.shape[1] != vec.shape[0]:
        raise RuntimeError(f"mv: size mismatch, got input {tuple(input.shape)}, vec {tuple(vec.shape)}")
    return mm.call(_plain_strides(input), vec.unsqueeze(1)).squeeze(1)


@composite(out=True)
def dot(input, tensor):
    """sum(input * tensor) of two vectors of equal length: (N,), (N,) -> (). RuntimeError for other shapes."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"dot: 1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.shape != tensor.shape:
        raise RuntimeError(f"dot: inconsistent tensor size, expected tensor {list(input.shape)} and src "
                           f"{list(tensor.shape)} to have the same number of elements")
    _same_dtype("dot", input=input._layout, tensor=tensor._layout)
    return mm.call(input.unsqueeze(0), tensor.unsqueeze(1)).squeeze(1).squeeze(0)


@composite(out=True)
def vdot(input, other):
    """sum(conj(input) * other) of two vectors of equal length: (N,), (N,) -> ()."""
    return dot.call(input.conj() if input.is_complex() else input, other)


@composite(out=True, aliases=("ger",))
def outer(input, vec2):
    """input[i] * vec2[j] of two vectors: (N,), (M,) -> (N, M)."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D arguments, but got {input.ndim}-D and {vec2.ndim}-D")
    return input.unsqueeze(1) * vec2.unsqueeze(0)


@composite(out=True)
def inner(input, other):
    """Sum of products over the last dimension of both, (*N, K) with (*M, K) -> (*N, *M); 0-d tensors multiply."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner: the last dimension must match on both input tensors but got shapes "
                           f"{list(input.shape)} and {list(other.shape)}")
    return tensordot.call(input, other, ([-1], [-1]))


def _factors(product, beta, alpha):
    """beta and alpha as the product's dtype has them: PyTorch cuts numbers to integers there."""
    kind = product.dtype.category
    return (beta, alpha) if kind >= 2 else (bool(beta), bool(alpha)) if kind == 0 else (int(beta), int(alpha))


def _scaled(input, beta, product, alpha, name):
    """beta * input + alpha * product; input is not read where beta is 0."""
    from ..layout import broadcast_shapes
    shape = tuple(product.shape)
    if broadcast_shapes(name, [tuple(input.shape), shape], ["input", "product"]) != shape:
        raise RuntimeError(f"{name}: input {tuple(input.shape)} is not broadcastable to the product's shape {shape}")
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return scaled
    return scaled + (input if beta == 1 else input * beta)


def _weighed(grad, factor):
    return grad if factor == 1 else grad * (factor.conjugate() if isinstance(factor, complex) else factor)


def _multiplied(a, b):
    """a @ b of matrices or batches; a matrix among batches is repeated."""
    if a.ndim == b.ndim == 2:
        return mm.call(_plain_strides(a), _plain_strides(b))
    a, b = (t if t.ndim == 3 else t.expand(n, *t.shape) for t, n in ((a, b.shape[0]), (b, a.shape[0])))
    return bmm.call(_plain_strides(a), _plain_strides(b))


@contraction(name="_add_product", eager=True, method=False,
             input=lambda grad, input_layout, beta: _weighed(grad, beta).sum_to_size(input_layout.shape),
             a=lambda grad, b, alpha: _weighed(_multiplied(grad, _h(b)), alpha),
             b=lambda grad, a, alpha: _weighed(_multiplied(_h(a), grad), alpha))
def add_product(input, a, b, beta: object, alpha: object, name: str):
    """beta * input + alpha * a @ b for matrices, or batches of them (addbmm: summed over the batch).

    float16 and bfloat16 are widened to float32 and rounded once.
    """
    own, wide = a.dtype, a.dtype.wide
    _same_dtype(name, batch1=a, batch2=b)
    product = (mm if name == "addmm" else bmm).call(a.to(wide), b.to(wide))
    beta, alpha = _factors(product, beta, alpha)
    if name == "addbmm":
        product = product.sum(0)
    return _scaled(input.to(input.dtype.wide), beta, product, alpha, name).to(
        own if input.dtype.category <= own.category else input.dtype)


@composite(out=True, inplace=True)
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * mat1 @ mat2: (N, M), (M, P) -> (N, P); `input` broadcasts, and counts as 0 for beta 0."""
    return add_product.call(input, _plain_strides(mat1), _plain_strides(mat2), beta, alpha, "addmm")


@composite(out=True, inplace=True)
def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta * input + alpha * mat @ vec: (N, M), (M,) -> (N,); `input` broadcasts, and counts as 0 for beta 0."""
    product = mv.call(mat, vec)
    return _scaled(input, *_factors(product, beta, alpha)[:1], product, _factors(product, beta, alpha)[1], "addmv")


@composite(out=True, inplace=True, wide=True)
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """beta * input + alpha * outer(vec1, vec2): (N,), (M,) -> (N, M); `input` broadcasts, and is 0 for beta 0."""
    product = outer.call(vec1, vec2)
    for name, factor in (("beta", beta), ("alpha", alpha)):
        if product.dtype.category < 2 and isinstance(factor, float):
            raise RuntimeError(f"addr: for integral input tensors, argument {name} must not be a floating point "
                               f"number, got {factor}")
    if product.dtype.category == 0:
        beta, alpha = bool(beta), bool(alpha)
    return _scaled(input, beta, product, alpha, "addr")


@composite(out=True, inplace=True)
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta * input + alpha * batch1 @ batch2: (B, N, M), (B, M, P) -> (B, N, P), to which `input` broadcasts."""
    return add_product.call(input, _plain_strides(batch1), _plain_strides(batch2), beta, alpha, "baddbmm")


@composite(name="addbmm_", namespaces="Tensor", method=True)
def addbmm_(input, batch1, batch2, *, beta=1, alpha=1):
    """In-place form of `addbmm`; an `input` that is broadcast takes the shape of the result, as in PyTorch."""
    result = addbmm.call(input, batch1, batch2, beta=beta, alpha=alpha)
    if result.shape != input.shape:
        from ..recording import check_inplace
        check_inplace("addbmm", input)
        input._layout, input._storage, input._ptr = result._layout, result._storage, result._ptr
        if result._needs_grad:
            input._needs_grad, input._node, input._output_index = True, result._node, result._output_index
        return input
    return input.copy_(result)


@composite(out=True)
def addbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta * input + alpha * the sum of batch1 @ batch2 over the batch: (B, N, M), (B, M, P) -> (N, P)."""
    return add_product.call(input, _plain_strides(batch1), _plain_strides(batch2), beta, alpha, "addbmm")


@composite(method=False)
def tensordot(a, b, dims=2, out=None):
    """Sum of products over pairs of dimensions: the last `dims` of a with the first of b, or lists of both."""
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = ([int(d) for d in (x if hasattr(x, "__len__") else [x])] for x in dims)
    left, right = [d % max(a.ndim, 1) for d in left], [d % max(b.ndim, 1) for d in right]
    for p, q in zip(left, right, strict=True):
        if a.shape[p] == 1:  # stands for a repeated dimension
            b = b.sum(q, True)
        elif b.shape[q] == 1:
            a = a.sum(p, True)
        elif a.shape[p] != b.shape[q]:
            raise RuntimeError(f"tensordot: contracted dimensions need to match, but first has size {a.shape[p]} in "
                               f"dim {p} and second has size {b.shape[q]} in dim {q}")
    keep_a = [d for d in range(a.ndim) if d not in left]
    keep_b = [d for d in range(b.ndim) if d not in right]
    size = 1
    for d in left:
        size *= a.shape[d]
    first = a.permute(*keep_a, *left).reshape(-1, size) if a.ndim else a.reshape(1, 1)
    second = b.permute(*right, *keep_b).reshape(size, -1) if b.ndim else b.reshape(1, 1)
    if 0 in a.shape or 0 in b.shape:
        first = a.permute(*keep_a, *left).reshape(_product(a.shape[d] for d in keep_a), size)
        second = b.permute(*right, *keep_b).reshape(size, _product(b.shape[d] for d in keep_b))
    result = matmul.call(first, second).reshape([a.shape[d] for d in keep_a] + [b.shape[d] for d in keep_b])
    return result if out is None else out.copy_(result)


def _product(sizes):
    result = 1
    for n in sizes:
        result *= n
    return result


@composite(method=False)
def einsum(equation, *operands):
    """Sum of products in Einstein notation: einsum("bij,bjk->bik", a, b); `...` stands for broadcast dimensions."""
    if isinstance(equation, str):
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])
    else:
        equation, operands = _from_sublists((equation, *operands))
    from ..einstein import contract
    return contract(equation, operands)


def _from_sublists(args):
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as equation and operands."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    def text(sublist):
        return "".join("..." if i is Ellipsis else letters[i] for i in sublist)
    operands, terms, rest = [], [], list(args)
    while len(rest) > 1:
        operands.append(rest.pop(0))
        terms.append(text(rest.pop(0)))
    return ",".join(terms) + (f"->{text(rest[0])}" if rest else ""), tuple(operands)


@composite(namespaces=("", "nn.functional"), method=False)
def bilinear(input1, input2, weight, bias=None):
    """input1[..., i] weight[o, i, j] input2[..., j] + bias[o]: (..., I), (..., J), (O, I, J), (O,) -> (..., O)."""
    result = einsum.call("...i,oij,...j->...o", input1, weight, input2)
    return result if bias is None else result + bias


# Convolution. Sizes: n batch, c channels in, o out, s image, k kernel; result = (s + 2p - d (k - 1) - 1) // stride + 1.

def _out_size(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


_FREE = "hwz"
_INNER = "xyv"


def _forward_nest(input, weight, bias, stride, padding, dilation, groups, out):
    """The plain nest of convolution over any number of dimensions."""
    rank = input.ndim - 2
    per_group = weight.shape[0] // groups
    place = [arg(_FREE[d]) * stride[d] + arg(_INNER[d]) * dilation[d] - padding[d] for d in range(rank)]
    channel = arg("c") if groups == 1 else (arg("o") // per_group) * weight.shape[1] + arg("c")
    element = Expr("load", "input", arg("n"), channel, *place) * _load("weight", "o", "c", *_INNER[:rank])
    extents = {"n": out[0], "o": out[1], "c": weight.shape[1]}
    extents.update({_FREE[d]: out[2 + d] for d in range(rank)})
    extents.update({_INNER[d]: weight.shape[2 + d] for d in range(rank)})
    arrays = {"input": input, "weight": weight, "bias": bias if bias is not None else layout(input.dtype, ())}
    finish = arg("total") + _load("bias", "o") if bias is not None else None
    return kinds.Nest(f"conv{rank}d", element, ("n", "o", *_FREE[:rank]), ("c", *_INNER[:rank]), extents, arrays,
                      [layout(input.dtype, out, None, input.device)], input.dtype.compute, finish=finish)


def _as_2d(values):
    """Spatial numbers of a 1-d or 2-d convolution as pairs; None for 3-d."""
    return (1, values[0]) if len(values) == 1 else tuple(values) if len(values) == 2 else None


def _fast_options(n, c, spatial, weight, stride, padding, dilation, groups):
    """Arguments of the 2-d convolution templates; 1-d is 2-d with height 1."""
    h, w = _as_2d(spatial)
    kh, kw = _as_2d(weight[2:])
    pad = (0, padding[0]) if len(padding) == 1 else tuple(padding)
    return {"sizes": (n, c, h, w, weight[0], kh, kw), "stride": _as_2d(stride), "padding": pad,
            "dilation": _as_2d(dilation), "groups": groups}


def _conjugate(x):
    """x conjugated, for gradients."""
    return x.conj() if x.is_complex() else x


def _grad_input(grad, input, weight, stride, padding, dilation, groups):
    return conv_input_gradient.call(grad.contiguous(), _conjugate(weight),
                                    tuple(input.shape), stride, padding, dilation, groups)


def _grad_weight(grad, input, weight, stride, padding, dilation, groups):
    return conv_weight_gradient.call(_conjugate(input), grad.contiguous(),
                                     tuple(weight.shape), stride, padding, dilation, groups)


def _grad_bias(grad):
    return grad.sum((0, *range(2, grad.ndim)))


@contraction(name="conv_forward", method=False, input=_grad_input, weight=_grad_weight, bias=_grad_bias)
def conv_forward(input, weight, bias=None, stride: tuple = (), padding: tuple = (), dilation: tuple = (),
                 groups: int = 1):
    """Cross-correlation of (N, C, *S) with (O, C / groups, *K), zero-padded: (N, O, *S')."""
    rank = input.ndim - 2
    out = (input.shape[0], weight.shape[0], *(_out_size(input.shape[2 + d], weight.shape[2 + d], stride[d], padding[d],
                                                       dilation[d]) for d in range(rank)))
    plain = _forward_nest(input, weight, bias, stride, padding, dilation, groups, out)
    if rank > 2:
        return plain
    options = _fast_options(input.shape[0], input.shape[1], input.shape[2:], weight.shape, stride, padding, dilation,
                            groups)
    options.update(plain=plain, more=(bias is not None,))
    inputs = tuple(x for x in (input, weight, bias) if isinstance(x, Layout))
    return kinds.Native("contraction", "convolution_forward", inputs, plain.outputs, options)


@contraction(name="conv_input_gradient", method=False,
             grad=lambda grad, weight, stride, padding, dilation, groups: conv_forward.call(
                 grad.contiguous(), _conjugate(weight), None, stride, padding, dilation, groups),
             weight=lambda grads, gradient, weight, stride, padding, dilation, groups: conv_weight_gradient.call(
                 grads[0].contiguous(), _conjugate(gradient), tuple(weight.shape), stride, padding, dilation, groups))
def conv_input_gradient(gradient, weight, shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int):
    """What convolution's input of `shape` gets: the transposed convolution of `gradient` with `weight`."""
    rank = len(shape) - 2
    per_group = weight.shape[0] // groups
    # x at position p is read by output h with kernel offset k where h * stride = p + padding - k * dilation.
    terms = []
    for d in range(rank):
        reach = arg(_FREE[d]) + padding[d] - arg(_INNER[d]) * dilation[d]
        # A position that stride does not divide is sent outside the array, where loads give zero.
        terms.append(reach // stride[d] if stride[d] == 1 else
                     reach // stride[d] - (reach % stride[d]) * (gradient.shape[2 + d] * stride[d] + shape[2 + d] + 1))
    channels = weight.shape[1]
    if groups == 1:
        out_channel, weight_channel = arg("o"), arg("c")
    else:
        out_channel, weight_channel = (arg("c") // channels) * per_group + arg("o"), arg("c") % channels
    element = Expr("load", "gradient", arg("n"), out_channel, *terms) * Expr(
        "load", "weight", out_channel, weight_channel, *(arg(_INNER[d]) for d in range(rank)))
    extents = {"n": shape[0], "c": shape[1], "o": per_group, **{_FREE[d]: shape[2 + d] for d in range(rank)},
               **{_INNER[d]: weight.shape[2 + d] for d in range(rank)}}
    plain = kinds.Nest(f"conv{rank}d_input_gradient", element, ("n", "c", *_FREE[:rank]), ("o", *_INNER[:rank]),
                       extents, {"gradient": gradient, "weight": weight},
                       [layout(gradient.dtype, shape, None, gradient.device)], gradient.dtype.compute)
    if rank > 2:
        return plain
    options = _fast_options(shape[0], shape[1], shape[2:], weight.shape, stride, padding, dilation, groups)
    options["plain"] = plain
    return kinds.Native("contraction", "convolution_input_gradient", (gradient, weight), plain.outputs, options)


@contraction(name="conv_weight_gradient", method=False,
             input=lambda grads, input, gradient, stride, padding, dilation, groups: conv_input_gradient.call(
                 _conjugate(gradient), grads[0].contiguous(), tuple(input.shape), stride, padding, dilation, groups),
             gradient=lambda grads, input, stride, padding, dilation, groups: conv_forward.call(
                 _conjugate(input), grads[0].contiguous(), None, stride, padding, dilation, groups))
def conv_weight_gradient(input, gradient, shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int):
    """What convolution's weight of `shape` gets: the correlation of input and `gradient`."""
    rank = len(shape) - 2
    per_group = shape[0] // groups
    place = [arg(_FREE[d]) * stride[d] + arg(_INNER[d]) * dilation[d] - padding[d] for d in range(rank)]
    channel = arg("c") if groups == 1 else (arg("o") // per_group) * shape[1] + arg("c")
    element = Expr("load", "input", arg("n"), channel, *place) * _load("gradient", "n", "o", *_FREE[:rank])
    extents = {"n": input.shape[0], "o": shape[0], "c": shape[1],
               **{_FREE[d]: gradient.shape[2 + d] for d in range(rank)},
               **{_INNER[d]: shape[2 + d] for d in range(rank)}}
    plain = kinds.Nest(f"conv{rank}d_weight_gradient", element, ("o", "c", *_INNER[:rank]), ("n", *_FREE[:rank]),
                       extents, {"input": input, "gradient": gradient},
                       [layout(input.dtype, shape, None, input.device)], input.dtype.compute)
    if rank > 2:
        return plain
    options = _fast_options(input.shape[0], input.shape[1], input.shape[2:], shape, stride, padding, dilation, groups)
    options["plain"] = plain
    return kinds.Native("contraction", "convolution_weight_gradient", (input, gradient), plain.outputs, options)
