"""Products and convolutions that take up elementwise steps on their results, with eager code's bits."""

import pytest

import numbatorch as torch
from numbatorch.cuda import contraction, tile_shapes
from numbatorch.cuda.compile import compile_kernel
from numbatorch.nn import functional as F
from tests.cuda.assembling import assemble
from tests.cuda.test_fusion import numbers, steps_of

pytestmark = pytest.mark.usefixtures("gpu")
# By nests or by tiles; sizes are others then, as plans for the same ones are there.
TILES = pytest.mark.parametrize("tiled", [0, 1], ids=["by nests", "by tiles"])


@pytest.fixture(autouse=True)
def _tiles(request, monkeypatch):
    if getattr(request.node, "callspec", None) and request.node.callspec.params.get("tiled"):
        monkeypatch.setattr(contraction, "WORK", 1)


@TILES
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_bias_activation_and_residual(tiled, dtype):
    x, weight, bias, y = (numbers(*s, dtype=dtype) for s in ((2, 9 + tiled, 16), (24, 16), (24,), (2, 9 + tiled, 24)))
    assert len(steps_of(lambda x, y: F.gelu(F.linear(x, weight, bias)) * 0.5 + y, x, y)) == 1
    assert len(steps_of(lambda x: F.linear(x, weight).relu_(), x)) == 1
    mask = y > 0
    assert len(steps_of(lambda x, y: torch.where(mask, x @ weight.t(), y), x, y)) == 1
    assert len(steps_of(lambda x, y: (x[0] @ weight.t() - bias) * y[0, :, :1] / 3, x, y)) == 1


@TILES
def test_a_result_that_others_read_is_stored_as_well(tiled):
    x, weight, bias = numbers(33 + tiled, 20), numbers(12, 20).requires_grad_(), numbers(12)

    def forward(x):
        product = F.linear(x, weight.detach(), bias)
        return product, product.sigmoid() * product
    assert steps_of(forward, x) == ["linear_rows_sigmoid_mul"]

    def step(x):
        loss = F.gelu(F.linear(x, weight, bias)).square().sum()
        return torch.autograd.grad(loss, weight)[0]
    found = steps_of(step, x)
    assert any(name.startswith("linear_rows_gelu") for name in found)


@pytest.mark.parametrize("tiled", [1])
def test_long_sums_in_pieces(tiled):
    a, b, c = numbers(9, 2001, dtype=torch.bfloat16), numbers(8, 2001, dtype=torch.bfloat16), numbers(9, 8)
    assert tile_shapes.choose("bfloat16", 9, 8, 2001, 1)[1] > 1

    def f(a, c):
        product = a @ b.t()
        return product, product.relu(), product.float() + c
    assert len(steps_of(f, a, c)) <= 2


CONVOLUTIONS = {
    "padded": ((2, 3, 9, 8), (5, 3, 3, 3), {"padding": 1}), "points": ((2, 6, 4, 8), (5, 6, 1, 1), {}),
    "groups": ((2, 6, 9, 8), (4, 3, 3, 3), {"groups": 2}), "strided": ((2, 3, 9, 8), (5, 3, 3, 2), {"stride": 2})}


@TILES
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_with_batch_norm_activation_and_residual(tiled, case):
    image, weight, more = CONVOLUTIONS[case]
    x, w, bias = numbers(image[0] + tiled, *image[1:]), numbers(*weight), numbers(weight[0])
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


def test_results_that_are_not_numbers():
    x, weight = numbers(40, 48), numbers(32, 48)
    x[0, 0], x[1, 1], x[2, 2] = float("inf"), float("nan"), 3e38
    y = numbers(40, 32)
    run = torch.compile(lambda x, y: F.linear(x, weight).relu() + y)
    for _ in range(3):
        assert run(x, y).cpu().numpy().tobytes() == run.function(x, y).cpu().numpy().tobytes()


def test_sizes_that_follow(monkeypatch):
    monkeypatch.setattr(contraction, "WORK", 1)
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
