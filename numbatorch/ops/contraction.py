"""Sums of products: matrix products, linear layers, einsum.

Everything rests on three products in index notation (mm, bmm, linear). Convolution is in correlation.py.
"""

import math

from ..dtypes import by_name
from ..expr import functions as f, kinds
from ..expr.tree import Expr, arg
from ..layout import layout
from .declare import composite, contraction


def load(name, *indices):
    return Expr("load", name, *(arg(i) if isinstance(i, str) else i for i in indices))


def _same_dtype(name, **operands):
    given = {k: v for k, v in operands.items() if v is not None}
    kinds_ = {v.dtype for v in given.values()}
    if len(kinds_) > 1:
        raise RuntimeError(f"{name}: expected operands of the same dtype, but got: " +
                           " != ".join(f"{k} {v.dtype.name}" for k, v in given.items()))
    if any(d.name == "bool" for d in kinds_):
        raise NotImplementedError(f'"{name}" not implemented for bool: use logical_and() and any(), or convert first')


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
    return kinds.Nest("mm", load("input", "i", "k") * load("mat2", "k", "j"), ("i", "j"), ("k",),
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
    return kinds.Nest("bmm", load("input", "b", "i", "k") * load("mat2", "b", "k", "j"), ("b", "i", "j"), ("k",),
                      {"b": b, "i": n, "j": p, "k": m}, {"input": input, "mat2": mat2},
                      [layout(input.dtype, (b, n, p), None, input.device)], input.dtype.compute)


@contraction(name="_int_mm", method=False, out=True, differentiable=False)
def int_mm(input, mat2):
    """Matrix product of int8 matrices (N, M) @ (M, P) in int32, (N, P): exact modulo 2^32."""
    if input.ndim != 2 or mat2.ndim != 2 or input.shape[1] != mat2.shape[0]:
        raise RuntimeError(f"_int_mm: expected matrices (N, M) and (M, P), got {tuple(input.shape)} and "
                           f"{tuple(mat2.shape)}")
    if {input.dtype.name, mat2.dtype.name} != {"int8"}:
        raise RuntimeError(f"_int_mm: expected int8 matrices, got {input.dtype.name} and {mat2.dtype.name}; convert "
                           "them with .to(torch.int8)")
    (n, m), p = input.shape, mat2.shape[1]
    return kinds.Nest("_int_mm", load("input", "i", "k") * load("mat2", "k", "j"), ("i", "j"), ("k",),
                      {"i": n, "j": p, "k": m}, {"input": input, "mat2": mat2},
                      [layout(by_name("int32"), (n, p), None, input.device)], "int32")


@contraction(name="_wide_bmm", method=False, differentiable=False)
def wide_bmm(input, mat2):
    """Batched product of bfloat16 or float16 matrices (B, N, M) @ (B, M, P) in float32, (B, N, P)."""
    if input.ndim != 3 or mat2.ndim != 3 or input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        raise RuntimeError(f"_wide_bmm: expected batches of matrices (B, N, M) and (B, M, P), got {tuple(input.shape)} "
                           f"and {tuple(mat2.shape)}")
    if input.dtype is not mat2.dtype or input.dtype.name not in ("bfloat16", "float16"):
        raise RuntimeError(f"_wide_bmm: expected bfloat16 or float16 matrices, got {input.dtype.name} and "
                           f"{mat2.dtype.name}; bmm() multiplies others")
    (b, n, m), p = input.shape, mat2.shape[2]
    return kinds.Nest("_wide_bmm", load("input", "b", "i", "k") * load("mat2", "b", "k", "j"), ("b", "i", "j"), ("k",),
                      {"b": b, "i": n, "j": p, "k": m}, {"input": input, "mat2": mat2},
                      [layout(by_name("float32"), (b, n, p), None, input.device)], "float32")


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
        finish = arg("total") + load("bias", "j")
        arrays["bias"] = bias
    else:
        arrays["bias"] = layout(input.dtype, ())
    return kinds.Nest("linear", load("input", "i", "k") * load("weight", "j", "k"), ("i", "j"), ("k",),
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
    own, other = input._layout.shape, vec._layout.shape
    if len(own) != 2 or len(other) != 1 or own[1] != other[0]:
        raise RuntimeError(f"mv: size mismatch, got input {tuple(input.shape)}, vec {tuple(vec.shape)}")
    return mm.call(_plain_strides(input), vec.unsqueeze(1)).squeeze(1)


def _dot_request(name, labels, input, tensor, element):
    """The request of a sum of products over two vectors of equal length."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"{name}: 1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.shape != tensor.shape:
        raise RuntimeError(f"{name}: inconsistent tensor size, expected tensor {list(input.shape)} and src "
                           f"{list(tensor.shape)} to have the same number of elements")
    _same_dtype(name, **dict(zip(labels, (input, tensor), strict=True)))
    return kinds.Nest(name, element, (), ("k",), {"k": input.shape[0]},
                      dict(zip(labels, (input, tensor), strict=True)), [layout(input.dtype, (), None, input.device)],
                      input.dtype.compute)


@contraction(out=True, input=lambda grad, tensor: grad * tensor.conj(), tensor=lambda grad, input: grad * input.conj())
def dot(input, tensor):
    """sum(input * tensor) of two vectors of equal length: (N,), (N,) -> (). RuntimeError for other shapes."""
    return _dot_request("dot", ("input", "tensor"), input, tensor, load("input", "k") * load("tensor", "k"))


@contraction(out=True, input=lambda grad, other: grad.conj() * other, other=lambda grad, input: grad * input)
def vdot(input, other):
    """sum(conj(input) * other) of two vectors of equal length: (N,), (N,) -> ()."""
    return _dot_request("vdot", ("input", "other"), input, other, f.conj(load("input", "k")) * load("other", "k"))


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
    _same_dtype(name, input=input, batch1=a, batch2=b)
    fits = a.ndim == b.ndim == (2 if name == "addmm" else 3) and a.shape[-1] == b.shape[-2]
    if own is not wide and not a.is_cuda and fits and a.shape[:-2] == b.shape[:-2]:
        product = wide_bmm.call(*((a, b) if a.ndim == 3 else (a.unsqueeze(0), b.unsqueeze(0))))
        product = product.squeeze(0) if a.ndim == 2 else product
    else:
        product = (mm if name == "addmm" else bmm).call(a.to(wide), b.to(wide))
    beta, alpha = _factors(product, beta, alpha)
    if name == "addbmm":
        product = product.sum(0)
    return _scaled(input.to(wide), beta, product, alpha, name).to(own)


def _is_bias(input, a, b, beta, alpha):
    """Whether the sums of a @ b may start from `input`: a number for each column, of their dtype, as it is."""
    return (beta == alpha == 1 and a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]
            and tuple(input.shape) == (b.shape[1],) and input.dtype is a.dtype is b.dtype
            and input.is_floating_point())


@composite(out=True, inplace=True)
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * mat1 @ mat2: (N, M), (M, P) -> (N, P); `input` broadcasts, and counts as 0 for beta 0."""
    if _is_bias(input, mat1, mat2, beta, alpha):
        return linear_rows.call(_plain_strides(mat1), _plain_strides(mat2).t(), input)
    return add_product.call(input, _plain_strides(mat1), _plain_strides(mat2), beta, alpha, "addmm")


@composite(out=True, inplace=True)
def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta * input + alpha * mat @ vec: (N, M), (M,) -> (N,); `input` broadcasts, and counts as 0 for beta 0."""
    if input.ndim > 1:  # which the product as a row would take
        raise RuntimeError(f"addmv: vector + matrix @ vector expected, got {input.ndim}, {mat.ndim}, {vec.ndim}")
    _same_dtype("addmv", input=input, mat=mat, vec=vec)
    if mat.ndim == 2 and vec.ndim == 1 and mat.shape[1] == vec.shape[0]:
        row = vec.unsqueeze(0)
        if _is_bias(input, row, mat.t(), beta, alpha):
            return linear_rows.call(row, _plain_strides(mat), input).squeeze(0)
        if mat.dtype is not mat.dtype.wide:  # rounded once
            return add_product.call(input, row, _plain_strides(mat).t(), beta, alpha, "addmm").squeeze(0)
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
            b = b.sum(q, True, dtype=b.dtype)
        elif b.shape[q] == 1:
            a = a.sum(p, True, dtype=a.dtype)
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
    result = einsum.call("...i,oij,...j->...o", input1, weight, input2).contiguous()
    return result if bias is None else result + bias
