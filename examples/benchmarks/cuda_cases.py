"""What cuda_check.py runs: kernels of every family on odd and large shapes, and what memory or tensor cores bound."""

import numpy as np

import numbatorch as torch
from numbatorch.nn import functional as F


def random(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape, np.float32))


def cases(size):
    """(name, function, operands): one for each kind of kernel; `size` elements where a shape may be large."""
    rows = max(4, size // 1000)
    x, y = random(rows, 1003), random(rows, 1003, seed=1)
    index = torch.tensor(np.random.default_rng(2).integers(0, rows, (37, 1003)))
    image, weight = random(3, 5, 19, 18), random(7, 5, 3, 3, seed=1)
    return [
        ("elementwise", lambda x, y: torch.sigmoid(x) * y + 1, (x, y)),
        ("broadcast", lambda x, y: x / (y[:, :1].abs() + 1) - y[0], (x, y)),
        ("transposed", lambda x, y: x.t() + y.t().contiguous(), (x, y)),
        ("functions", lambda x, y: torch.exp(x).log1p() + x.atan2(y) + torch.erf(x) + (x * 100).sin(), (x, y)),
        ("float64", lambda x, y: (x.double() * 1000).cos() + x.double().abs().pow(y.double()), (x[:9], y[:9])),
        ("bfloat16", lambda x, y: (x.to(torch.bfloat16) * y.to(torch.bfloat16)).float(), (x, y)),
        ("complex", lambda x, y: torch.exp(torch.complex(x, y)).abs(), (x[:9], y[:9])),
        ("sum of all", lambda x: x.double().sum(), (x,)), ("sum of rows", lambda x: x.double().sum(1), (x,)),
        ("sum of columns", lambda x: x.double().sum(0), (x,)), ("maximum", lambda x: x.max(1), (x,)),
        ("argmax", lambda x: x.argmax(), (x,)), ("softmax", lambda x: torch.softmax(x, 1), (x,)),
        ("layer norm", lambda x: F.layer_norm(x, (1003,)), (x,)),
        *matrices(size), ("scan", lambda x: x.double().cumsum(1), (x,)),
        ("convolution", lambda x, w: F.conv2d(x, w, stride=2, padding=1), (image, weight)),
        ("pooling", lambda x: F.max_pool2d(x, 3, 2, 1), (image,)),
        ("gather", lambda x, i: x.gather(0, i), (x, index)), ("select", lambda x: x[x > 1], (x,)),
        ("scatter", lambda x, i: x.double().scatter_add(0, i, torch.ones_like(i).double()), (x, index)),
        ("long scan", lambda x: x.flatten().double().cumsum(0), (x,)),
        ("long maximum", lambda x: x.flatten().cummax(0), (x,)),
        ("lists", lambda x, y: torch._foreach_add([x, y], 1.5), (x, y)),
        ("sort", lambda x: x.sort(1), (x,)), ("largest", lambda x: x.flatten().topk(99), (x,)),
        ("median", lambda x: x.flatten().median(0), (x,)), ("long row", lambda x: x.flatten().logsumexp(0), (x,)),
        ("join", lambda x, y: torch.cat([x, y[:, :5]], 1), (x, y)),
    ]


def gradients(function):
    """function of leaves, as its result and the gradients of the sum of its squares."""
    def taken(*tensors):
        leaves = [t.detach().clone().requires_grad_() for t in tensors]
        result = function(*leaves)
        result.float().pow(2).sum().backward()
        return [result.detach(), *(leaf.grad for leaf in leaves)]
    return taken


def wide_matrices():
    """(name, function, operands) of what only large problems in half precision bring: groups of warps on sm_90a."""
    half, attend = torch.float16, F.scaled_dot_product_attention
    x, image, weight = random(1536, 528, seed=4), random(64, 64, 28, 28), random(96, 64, 3, 3, seed=1) / 24
    heads = [random(2, 4, 300, 128, seed=k) for k in range(3)]
    found = [(f"wide product {dtype.name}", lambda x, dtype=dtype: (x.to(dtype) @ x.to(dtype).t()).float()[::97], (x,))
             for dtype in (torch.bfloat16, half)]
    return [
        *found, ("wide product float16, turned", lambda x: (x.t().to(half).t() @ x.to(half).t().contiguous()).float()[
            ::97], (x,)),
        ("wide product float16, both across", lambda x: (x.t().contiguous().t().to(half) @ x.to(half).t().contiguous(
            )).float()[::97], (x,)),
        ("wide conv float16", lambda x, w: F.conv2d(x.to(half), w.to(half), padding=1).float(), (image, weight)),
        ("wide conv float16 gradients", gradients(lambda x, w: F.conv2d(x.to(half), w.to(half), padding=1)), (
            image / 8, weight)),
        ("wide attention float16", lambda *given: attend(*(t.to(half) for t in given), is_causal=True).float(), heads),
        ("wide attention bfloat16", lambda *given: attend(*(t.to(torch.bfloat16) for t in given)).float(), heads)]


def matrices(size=0):
    """(name, function, operands) of what tensor cores do: aligned and odd sizes, large tiles, sums cut into pieces."""
    a, b, odd = random(192, 320), random(320, 256, seed=1), random(131, 319, seed=2)
    long, image, weight = random(3000, 24, seed=3), random(4, 32, 27, 26), random(64, 32, 3, 3, seed=1)
    heads = [random(2, 4, 150, 64, seed=k) for k in range(3)]
    attend = F.scaled_dot_product_attention
    narrow = [(f"product {dtype.name}", lambda a, b, dtype=dtype: (a.to(dtype) @ b.to(dtype)).float(), (a, b))
              for dtype in (torch.bfloat16, torch.float16)]
    return [
        ("product", lambda a, b: a @ b, (a, b)), ("product, columns", lambda a, b: (b.t() @ a.t()).t(), (a, b)),
        ("product, odd", lambda x, y: x @ y.t(), (odd, odd[:67])), *narrow,
        ("product float64", lambda a, b: a.double() @ b.double(), (a, b)),
        ("product int64", lambda a, b: (a * 9).long() @ (b * 9).long(), (a, b)),
        ("product complex", lambda a, b: torch.complex(a, a) @ torch.complex(b, -b), (a, b)),
        ("long sums", lambda x: x.t() @ x, (long,)), ("batch", lambda x: x @ x.transpose(1, 2), (heads[0][0],)),
        ("large product", lambda x: (x @ x.t())[::97], (random(1500, 520),)),
        ("conv gradients", gradients(lambda x, w: F.conv2d(x, w, stride=2, padding=1)), (image, weight)),
        ("conv groups", gradients(lambda x, w: F.conv2d(x, w[:, :8], groups=4)), (image, weight)),
        ("attention", gradients(attend), heads),
        ("causal attention", gradients(lambda q, k, v: attend(q, k, v, is_causal=True)), heads),
        *(wide_matrices() if size > 10**6 else [])]


def fused(quick):
    """(name, function, operands, the most steps of its program) of what compiled programs bring together."""
    rows, width, side, channels = (16, 64, 5, 8) if quick else (8192, 1024, 56, 64)
    x, y, weight, up = random(rows, width), random(rows, width, seed=1), random(width, seed=2), random(
        4 * width, width, seed=3) / width**0.5
    image, taps, points = random(2 if quick else 32, channels, side, side), random(
        channels, channels, 3, 3, seed=1), random(128, channels, 1, 1, seed=2)
    scale, shift = random(channels, 1, 1, seed=4), random(channels, 1, 1, seed=5)
    heads, packed = random(2, rows // 8, width, seed=6), random(width, 3 * width, seed=7) / width**0.5

    def normed(x, y, weight):
        total = x + y
        return total, F.layer_norm(total, (width,), weight) * 2

    def mixed(x, y, weight):
        return F.layer_norm(x.bfloat16().float() + y, (width,), weight).bfloat16()

    def convolved(x, w, scale, shift):
        return (F.conv2d(x, w, padding=1) * scale + shift + x).relu()

    def attend(x, w):
        query, key, value = (t.unflatten(-1, (4, width // 4)).transpose(1, 2) for t in (x @ w).chunk(3, -1))
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2) @ w[:, :width]
    half = torch.bfloat16
    return [
        ("residual and norm", normed, (x, y, weight), 1), ("norm of half precision", mixed, (x, y, weight), 1),
        ("masked softmax", lambda x, y: (x * 0.125 + y).softmax(-1) * 3, (x, y), 1),
        ("squared error", lambda x, y: (x - y).square().mean(), (x, y), 1),
        ("linear and gelu", lambda x, w: (F.gelu(F.linear(x, w))), (x, up), 1),
        ("linear, gelu and both results", lambda x, w: ((h := F.linear(x, w)), F.gelu(h)), (x, up), 1),
        ("bf16 linear and residual", lambda x, w, y: F.linear(x, w[:width]) + y, (x.to(half), up.to(half), y.to(half)),
         1),
        ("long sums and relu", lambda x: (x.t() @ x).relu() * 2, (x,), 1),
        ("convolution, norm, residual and relu", convolved, (image, taps, scale, shift), 1),
        ("convolution of points and relu", lambda x, w: F.conv2d(x, w).relu(), (image, points), 1),
        ("bf16 convolution and relu", lambda x, w: F.conv2d(x, w, padding=1).relu(), (image.to(half), taps.to(half)),
         1),
        ("attention between products", attend, (heads.to(half), packed.to(half)), 3)]


def distance(a, b, is_sum=False):
    """The largest relative error; of sums, whose terms may cancel, relative to the largest result."""
    if a.dtype.is_complex:
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    a, b = (t.double().numpy() for t in (a, b))
    if a.shape != b.shape:
        return float("inf")
    return float((np.abs(a - b) / np.maximum(np.abs(a).max() if is_sum else np.abs(a), 1)).max()) if a.size else 0.0


def memory_bound(library, n):
    """(name, function, bytes moved) of ops that a GPU does as fast as its memory."""
    x, y = (library.ones(n // 1024, 1024, device="cuda") for _ in range(2))
    norm = library.nn.functional.layer_norm
    return [("copy", lambda: x.clone(), 8 * n), ("add", lambda: x + y, 12 * n), ("gelu", lambda: library.nn.functional.
            gelu(x), 8 * n), ("sum", lambda: x.sum(), 4 * n), ("sum rows", lambda: x.sum(1), 4 * n),
            ("sum columns", lambda: x.sum(0), 4 * n), ("softmax", lambda: library.softmax(x, 1), 8 * n),
            ("layer norm", lambda: norm(x, (1024,)), 8 * n), ("cumsum", lambda: x.cumsum(1), 8 * n),
            ("transpose", lambda: x.t().contiguous(), 8 * n)]


def compute_bound(m):
    """(name, operations, make) of what tensor cores do, by the edge of a matrix; make(library) gives the call."""
    def product(dtype, precision="highest", turned=False):
        def make(library):
            a = library.ones(m, m, device="cuda", dtype=getattr(library, dtype))

            def call():
                library.set_float32_matmul_precision(precision)
                found = a @ (a.t() if turned else a)
                library.set_float32_matmul_precision("highest")
                return found
            return call
        return make

    def convolution(library):
        x = library.ones(max(1, m // 64), 64, 28, 28, device="cuda").requires_grad_()
        w = library.ones(64, 64, 3, 3, device="cuda").requires_grad_()
        return lambda: library.nn.functional.conv2d(x, w, padding=1).sum().backward()

    def attention(library):
        leaves = [library.ones(1, 8, m, 64, device="cuda").requires_grad_() for _ in range(3)]
        return lambda: library.nn.functional.scaled_dot_product_attention(*leaves).sum().backward()
    cube = 2 * m**3
    return [(f"product {m} bfloat16", cube, product("bfloat16")),
            (f"product {m} bfloat16, turned", cube, product("bfloat16", turned=True)),
            (f"product {m} float16", cube, product("float16")), (f"product {m} float32", cube, product("float32")),
            (f"product {m} TF32", cube, product("float32", "high")), (f"product {m} float64", cube, product("float64")),
            (f"convolution {m} and gradients", 6 * max(1, m // 64) * 64 * 64 * 9 * 28 * 28, convolution),
            (f"attention {m} and gradients", 14 * 8 * m * m * 64, attention)]
