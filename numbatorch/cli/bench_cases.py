"""What `numbatorch bench` measures: calls written once for any library with PyTorch's names, and their least work."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

SIZES = {"S": 1 << 12, "M": 1 << 20, "L": 1 << 24}  # elements of an operand


class Work(NamedTuple):
    """The least that a call must do: bytes read and written, or floating point operations where these decide."""

    bytes: float = 0
    operations: float = 0


class Case(NamedTuple):
    """`make(library, elements)` gives (call, Work)."""

    name: str
    make: Callable[[Any, int], tuple[Callable[[], Any], Work]]


CASES: list[Case] = []


def case(name):
    """Enter a function of (library, elements) that returns (call, Work)."""
    def enter(make):
        CASES.append(Case(name, make))
        return make
    return enter


def matrix(T, elements, width=1024):
    """A float32 matrix of that many elements with rows of `width` (fewer where elements are few)."""
    width = min(width, elements // 16)
    return T.randn(elements // width, width)


def elementwise(name, call, operands=1, bytes_of_result=4):
    """A case that reads each operand and writes the result."""
    @case(name)
    def make(T, elements):
        values = [T.rand(elements) + 0.5 for _ in range(operands)]
        return lambda: call(T, *values), Work(bytes=elements * (4 * operands + bytes_of_result))


def by_row(name, call, bytes_of_row=None, passes=1):
    """A case over a matrix that reads it and writes it anew, or writes `bytes_of_row` for each row."""
    @case(name)
    def make(T, elements):
        x = matrix(T, elements)
        written = 4 * elements if bytes_of_row is None else bytes_of_row * x.shape[0]
        return lambda: call(T, x), Work(bytes=4 * elements * passes + written)


elementwise("add", lambda T, a, b: a + b, 2)
elementwise("mul_add", lambda T, a, b, c: T.addcmul(a, b, c), 3)
elementwise("compare", lambda T, a, b: a < b, 2, 1)
elementwise("where", lambda T, a, b: T.where(a < 1, a, b), 2)
elementwise("to_float64", lambda T, a: a.double(), 1, 8)
elementwise("to_bfloat16", lambda T, a: a.to(T.bfloat16), 1, 2)
elementwise("sqrt", lambda T, a: a.sqrt())
elementwise("exp", lambda T, a: a.exp())
elementwise("log", lambda T, a: a.log())
elementwise("sin", lambda T, a: a.sin())
elementwise("tanh", lambda T, a: a.tanh())
elementwise("sigmoid", lambda T, a: a.sigmoid())
elementwise("pow", lambda T, a, b: a**b, 2)
elementwise("relu", lambda T, a: a.relu())
elementwise("gelu", lambda T, a: T.nn.functional.gelu(a))
elementwise("dropout", lambda T, a: T.nn.functional.dropout(a, 0.1))
by_row("sum", lambda T, x: x.sum(), 0)
by_row("sum_rows", lambda T, x: x.sum(1), 4)
by_row("sum_columns", lambda T, x: x.sum(0), 0)
by_row("max_rows", lambda T, x: x.max(1), 12)
by_row("argmax_rows", lambda T, x: x.argmax(1), 8)
by_row("var_rows", lambda T, x: x.var(1), 4)
by_row("softmax", lambda T, x: x.softmax(1))
by_row("log_softmax", lambda T, x: x.log_softmax(1))
by_row("layer_norm", lambda T, x: T.nn.functional.layer_norm(x, x.shape[1:]))
by_row("cumsum", lambda T, x: x.cumsum(1))
by_row("sort", lambda T, x: x.sort(1), passes=3)
by_row("topk", lambda T, x: x.topk(8, 1), 96)
by_row("transpose_copy", lambda T, x: x.t().contiguous())
by_row("cat", lambda T, x: T.cat([x, x], 1), passes=3)


@case("randn")
def _randn(T, elements):
    return lambda: T.randn(elements), Work(bytes=4 * elements)


@case("index_select")
def _index_select(T, elements):
    x = matrix(T, elements, 128)
    at = T.randperm(x.shape[0])
    return lambda: x.index_select(0, at), Work(bytes=8 * elements + 8 * x.shape[0])


@case("gather")
def _gather(T, elements):
    x = matrix(T, elements)
    at = T.randint(0, x.shape[1], x.shape)
    return lambda: x.gather(1, at), Work(bytes=16 * elements)


@case("embedding_backward")
def _embedding_backward(T, elements):
    weight = T.randn(10000, 128, requires_grad=True)
    at = T.randint(0, 10000, (max(1, elements // 128),))
    grad = T.ones(at.shape[0], 128)

    def call():
        weight.grad = None
        T.nn.functional.embedding(at, weight).backward(grad)
    return call, Work(bytes=4 * (3 * grad.numel() + weight.numel()))


@case("cross_entropy_backward")
def _cross_entropy_backward(T, elements):
    x = T.randn(max(1, elements // 64), 64, requires_grad=True)
    target = T.randint(0, 64, (x.shape[0],))

    def call():
        x.grad = None
        T.nn.functional.cross_entropy(x, target).backward()
    return call, Work(bytes=12 * x.numel())


def product(name, call, *shapes):
    """A case of matrix products: shapes of the two operands for a side of `n`."""
    @case(name)
    def make(T, elements):
        n = {SIZES["S"]: 64, SIZES["M"]: 512, SIZES["L"]: 1024}[elements]
        a, b = (T.randn(*(n if s == "n" else s for s in shape)) for shape in shapes)
        result = call(T, a, b)
        depth = a.shape[-1]
        return lambda: call(T, a, b), Work(operations=2.0 * result.numel() * depth)


product("matmul", lambda T, a, b: a @ b, ("n", "n"), ("n", "n"))
product("matmul_transposed", lambda T, a, b: a @ b.t(), ("n", "n"), ("n", "n"))
product("matmul_batched", lambda T, a, b: a @ b, (8, "n", 64), (8, 64, "n"))
product("linear_64", lambda T, a, b: T.nn.functional.linear(a, b), (64, "n"), ("n", "n"))


@case("conv2d_3x3")
def _conv2d(T, elements):
    side = {SIZES["S"]: 8, SIZES["M"]: 32, SIZES["L"]: 64}[elements]
    x, w = T.randn(8, 64, side, side), T.randn(64, 64, 3, 3)
    return lambda: T.nn.functional.conv2d(x, w, padding=1), Work(operations=2.0 * 8 * side * side * 64 * 64 * 9)


@case("conv2d_depthwise")
def _depthwise(T, elements):
    side = {SIZES["S"]: 8, SIZES["M"]: 32, SIZES["L"]: 64}[elements]
    x, w = T.randn(8, 64, side, side), T.randn(64, 1, 3, 3)
    return lambda: T.nn.functional.conv2d(x, w, padding=1, groups=64), Work(bytes=8.0 * x.numel())


@case("max_pool2d")
def _max_pool2d(T, elements):
    side = {SIZES["S"]: 8, SIZES["M"]: 64, SIZES["L"]: 256}[elements]
    x = T.randn(4, 64, side, side)
    return lambda: T.nn.functional.max_pool2d(x, 2), Work(bytes=5.0 * x.numel())


@case("attention")
def _attention(T, elements):
    length = {SIZES["S"]: 32, SIZES["M"]: 256, SIZES["L"]: 1024}[elements]
    q, k, v = (T.randn(2, 8, length, 64) for _ in range(3))
    return (lambda: T.nn.functional.scaled_dot_product_attention(q, k, v),
            Work(operations=4.0 * 2 * 8 * length * length * 64))


@case("fft")
def _fft(T, elements):
    x = T.randn(elements, dtype=T.complex64)
    return lambda: T.fft.fft(x), Work(operations=5.0 * elements * math.log2(elements))


@case("adam")
def _adam(T, elements):
    weights = [T.randn(elements // 16, requires_grad=True) for _ in range(16)]
    for w in weights:
        w.grad = T.randn(elements // 16)
    return T.optim.Adam(weights).step, Work(bytes=28.0 * elements)
