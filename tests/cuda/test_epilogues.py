"""Products and convolutions that take up elementwise steps on their results, with eager code's bits."""

from dataclasses import replace

import pytest

import numbatorch as torch
from numbatorch.cuda import contraction, tile_shapes, wide_gemm
from numbatorch.cuda.compile import compile_kernel
from numbatorch.expr import tree
from numbatorch.layout import layout
from numbatorch.nn import functional as F
from numbatorch.ops.contraction import linear_rows
from tests.compiler.agreement import steps_of
from tests.cuda.assembling import assemble
from tests.cuda.test_fusion import numbers

pytestmark = pytest.mark.usefixtures("gpu")
TIMES = pytest.mark.parametrize("times", [1, 10], ids=["by nests", "by tiles"])  # rows of products are so many


@TIMES
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_bias_activation_and_residual(times, dtype):
    rows = 9 * times
    x, weight, bias, y = (numbers(*s, dtype=dtype) for s in ((2, rows, 16), (24, 16), (24,), (2, rows, 24)))
    assert len(steps_of(lambda x, y: F.gelu(F.linear(x, weight, bias)) * 0.5 + y, x, y)) == 1
    assert len(steps_of(lambda x: F.linear(x, weight).relu_(), x)) == 1
    mask = y > 0
    assert len(steps_of(lambda x, y: torch.where(mask, x @ weight.t(), y), x, y)) == 1
    assert len(steps_of(lambda x, y: (x[0] @ weight.t() - bias) * y[0, :, :1] / 3, x, y)) == 1


@TIMES
def test_a_result_that_others_read_is_stored_as_well(times):
    x, weight, bias = numbers(33 * times, 20), numbers(12, 20).requires_grad_(), numbers(12)

    def forward(x):
        product = F.linear(x, weight.detach(), bias)
        return product, product.sigmoid() * product
    assert steps_of(forward, x) == ["linear_rows_sigmoid_mul"]

    def step(x):
        loss = F.gelu(F.linear(x, weight, bias)).square().sum()
        return torch.autograd.grad(loss, weight)[0]
    found = steps_of(step, x)
    assert any(name.startswith("linear_rows_gelu") for name in found)


def test_long_sums_in_pieces():
    a, b, c = numbers(9, 2001, dtype=torch.bfloat16), numbers(8, 2001, dtype=torch.bfloat16), numbers(9, 8)
    assert tile_shapes.choose("bfloat16", 9, 8, 2001, 1)[1] > 1

    def f(a, c):
        product = a @ b.t()
        return product, product.relu(), product.float() + c
    assert len(steps_of(f, a, c)) <= 2


CONVOLUTIONS = {
    "padded": ((1, 3, 9, 8), (5, 3, 3, 3), {"padding": 1}), "points": ((1, 16, 4, 8), (15, 16, 1, 1), {}),
    "groups": ((1, 6, 9, 9), (6, 3, 3, 3), {"groups": 2}), "strided": ((2, 6, 9, 8), (6, 6, 3, 2), {"stride": 2})}


@TIMES
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_with_batch_norm_activation_and_residual(times, case):
    image, weight, more = CONVOLUTIONS[case]
    x, w, bias = numbers(image[0] * times, *image[1:]), numbers(*weight), numbers(weight[0])
    scale, shift = numbers(weight[0], 1, 1), numbers(weight[0], 1, 1)
    with torch.no_grad():
        y = torch.randn_like(F.conv2d(x, w, **more))

    def f(x, y):
        return (F.conv2d(x, w, bias, **more) * scale + shift + y).relu()
    assert len(steps_of(f, x, y)) == 1


def test_a_depthwise_convolution_stands_alone():
    x, w = numbers(2, 3, 9, 8), numbers(3, 1, 3, 3)
    assert len(steps_of(lambda x: F.conv2d(x, w, groups=3).relu(), x)) == 2


def test_what_is_not_element_for_element_stands_alone():
    x, weight, other = numbers(24, 16), numbers(24, 16), numbers(24, 24)
    assert len(steps_of(lambda x: (x @ weight.t()).t() + other, x)) == 2  # of another order
    assert len(steps_of(lambda x: (x @ weight.t()) + (x @ weight.t()).t(), x)) >= 2
    assert len(steps_of(lambda x: (x @ weight.t())[1:] * 2, x)) == 2  # a part
    assert len(steps_of(lambda x, other: (x @ weight.t()) * other.t(), x, other)) == 2  # read across
    vector = numbers(16)
    assert len(steps_of(lambda x: (x @ vector).relu(), x)) <= 2  # a row formula, not a product by tiles


def test_a_product_is_not_stored_over_what_it_reads():
    def f(x, weight):
        weight.copy_((weight @ weight) * 0.25)
        return x @ weight
    for _ in range(4):
        run = torch.compile(f)
        x, weight = numbers(16, 16), numbers(16, 16)
        twin = weight.clone()
        for _ in range(4):
            assert torch.equal(run(x, weight), f(x, twin)) and torch.equal(weight, twin)


def test_a_whole_number_is_rounded_once():
    x, weight, number = numbers(9, 16), numbers(24, 16), 2**60 + 2**36 + 1
    assert steps_of(lambda x: (x @ weight.t()) * number, x) == ["mm", "mul"]
    assert len(steps_of(lambda x: (x @ weight.t()) * 3, x)) == 1


def test_results_that_are_not_numbers():
    x, weight = numbers(40, 48), numbers(32, 48)
    x[0, 0], x[1, 1], x[2, 2] = float("inf"), float("nan"), 3e38
    y = numbers(40, 32)
    run = torch.compile(lambda x, y: F.linear(x, weight).relu() + y)
    for _ in range(3):
        assert run(x, y).cpu().numpy().tobytes() == run.function(x, y).cpu().numpy().tobytes()


def test_sizes_that_follow():
    weight, bias = numbers(24, 16), numbers(24)
    run = torch.compile(lambda x: F.linear(x, weight, bias).relu() * 2, dynamic=True)
    for n in (5, 5, 7, 33, 2):
        x = numbers(n, 16)
        assert torch.equal(run(x), run.function(x))
    assert all(len(p.graph.steps) == 1 for p in run.programs)


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_large_tiles_with_epilogues_assemble_without_spills(architecture, dtype, tmp_path, monkeypatch):
    made, before = [], contraction.product
    monkeypatch.setattr(contraction, "product", lambda request, found: made.append((request, found)) or before(
        request, found))
    dtype = getattr(torch, dtype)
    x, weight, bias, y = (numbers(*s, dtype=dtype) for s in ((72, 64), (48, 64), (48,), (72, 48)))
    assert len(steps_of(lambda x, y: F.gelu(F.linear(x, weight, bias)) + y, x, y)) == 1
    request, found = made[-1]
    kind = contraction.kind_of(request.arrays["input"])
    monkeypatch.setattr(tile_shapes, "choose", lambda *_: (tile_shapes.TILES[kind][0], 1))
    kernel, _ = contraction._kernels(request, found, kind, (True, True))
    text = compile_kernel(kernel.name, kernel.text, kernel.signature, kernel.tile.threads, shared=kernel.shared).ptx(
        architecture)
    assert "mma.sync" in text and "cp.async" in text and ".local" not in text
    assemble(text, architecture, tmp_path)


def test_products_and_convolutions_by_groups_of_warps(sm_90a, monkeypatch):
    monkeypatch.setattr(wide_gemm, "LEAST", 1)
    monkeypatch.setattr(wide_gemm, "TILES", wide_gemm.TILES[2:])
    taken, write = [], wide_gemm.WideProduct._write
    monkeypatch.setattr(wide_gemm.WideProduct, "_write", lambda made: [taken.append(made.request), write(made)])
    x, weight, bias, y = (numbers(*s, dtype=torch.float16) for s in ((40, 264), (136, 264), (136,), (40, 136)))
    assert len(steps_of(lambda x, y: F.linear(x, weight, bias).relu() + y, x, y)) == 1
    image, taps, residual = (numbers(*s, dtype=torch.float16) for s in ((2, 32, 12, 12), (64, 32, 3, 3),
                                                                         (2, 64, 12, 12)))
    assert len(steps_of(lambda x, y: (F.conv2d(x, taps, padding=1) * 0.5 + y).relu(), image, residual)) == 1
    assert sum("beside3" in request.arrays for request in taken) >= 2  # with what they finish, as well as alone


@pytest.mark.parametrize("architecture", ["sm_90a"])
def test_groups_of_warps_with_epilogues_assemble_without_spills(architecture, tmp_path):
    own = layout(torch.bfloat16, (2048, 2048))
    request = linear_rows.body(own, own, layout(torch.bfloat16, (2048,)))
    total = tree.Expr("cast", request.finish, "bfloat16")
    residual = tree.Expr("load", "beside3", tree.arg("i"), tree.arg("j"))
    request = replace(request, arrays={**request.arrays, "beside3": own}, also=(gelu(total) + residual,),
                      outputs=[own, own])
    roles = wide_gemm.arranged(request, contraction.roles(request), "bfloat16")
    made = wide_gemm.WideProduct(request, roles, "bfloat16", wide_gemm.TILES[0], 1)
    kernel = compile_kernel(made.name, made.text, made.signature, made.tile.threads, shared=made.shared)
    text = kernel.ptx(architecture)
    assert "wgmma" in text and ".local" not in text
    assemble(text, architecture, tmp_path)


def gelu(x):
    """x / 2 (1 + erf(x / sqrt(2))) as a formula."""
    return x * 0.5 * (tree.Expr("erf", x * 0.7071067811865476) + 1.0)
