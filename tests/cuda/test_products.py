"""Products and convolutions by tiles, in the emulator, against float64 on the CPU."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import contraction, matrix_tiles, tile_shapes
from numbatorch.cuda.compile import compile_kernel
from numbatorch.layout import layout
from numbatorch.nn import functional as F
from numbatorch.ops.contraction import mm
from tests.cuda.assembling import assemble

DTYPES = ["bfloat16", "float16", "float32", "float64", "int8", "int64", "complex64", "complex128"]
ERROR = {"bfloat16": 4e-3, "float16": 5e-4, "float32": 1e-6, "complex64": 1e-6}


@pytest.fixture
def tiles(gpu, monkeypatch):
    """Tiles for products of any size."""
    monkeypatch.setattr(contraction, "WORK", 1)
    monkeypatch.setattr(contraction, "SHORTEST", 1)


def numbers(dtype, *shape, seed=0):
    generator = np.random.default_rng(seed)
    if dtype.startswith("int"):
        return torch.tensor(generator.integers(-40, 40, shape)).to(getattr(torch, dtype))
    values = torch.tensor(generator.normal(size=shape))
    values = values * (1 + 2j) - 1 if dtype.startswith("complex") else values
    return values.to(getattr(torch, dtype))


def check(function, *tensors, error=None, noted=None):
    """function gives on the GPU what it gives in double precision on the CPU."""
    dtype = tensors[0].dtype
    wide = torch.complex128 if dtype.is_complex else torch.float64 if dtype.is_floating_point else dtype
    expected = function(*(t.to(wide) for t in tensors))
    found = function(*(t.to("cuda") for t in tensors))
    for a, b in zip(found if isinstance(found, list) else [found], expected if isinstance(expected, list) else
                    [expected], strict=True):
        assert a.device.type == "cuda" and a.dtype is dtype and a.shape == b.shape
        a, b = a.cpu().to(wide).numpy(), b.numpy()
        bound = (error or ERROR.get(dtype.name, 1e-14)) * max(1, np.abs(b).max()) if dtype.category >= 2 else 0
        assert np.abs(a - b).max() <= bound, np.abs(a - b).max() / bound


FORMS = {
    "rows": lambda a, b: a @ b, "columns of both": lambda a, b: a.t().contiguous().t() @ b.t().contiguous().t(),
    "columns of one": lambda a, b: a @ b.t().contiguous().t()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_products_of_aligned_matrices_are_copied(tiles, dtype, form):
    check(FORMS[form], numbers(dtype, 40, 48), numbers(dtype, 48, 72, seed=1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_odd_matrices_are_gathered(tiles, dtype):
    check(lambda a, b: a @ b, numbers(dtype, 37, 53), numbers(dtype, 53, 35, seed=1))


def test_products_of_any_strides(tiles):
    a, b, c = numbers("float32", 6, 21, 31), numbers("float32", 6, 31, 19, seed=1), numbers("float32", 35, seed=2)
    check(lambda a, b: a @ b, a, b)
    check(lambda a, b: a[:, ::2, 1::3] @ b[:, :10, ::4], a, b)
    check(lambda a, b: torch.einsum("bik,bkj->bji", a, b), a, b)
    check(lambda a, b: torch.einsum("bik,bkj->ij", a, b), a, b)
    check(lambda a, b: torch.einsum("bik,kj->bij", a, b[0]), a, b)
    check(lambda a, b: (a[:1] * 0 + a) @ b[0], a, b)
    check(lambda a, c: F.linear(a[0], a[1:].reshape(-1, 31)[:35], c), a, c)
    check(lambda a, b: torch.mv(a[0], b[0, :, 0]), a, b)


@pytest.mark.parametrize("kind", ["bfloat16", "float32", "float64", "int64", "complex64"])
def test_large_tiles(tiles, kind, monkeypatch):
    monkeypatch.setattr(tile_shapes, "choose", lambda kind, m, n, k, batch: (tile_shapes.TILES[kind][0], 1))
    check(lambda a, b: a @ b, numbers(kind, 136, 80), numbers(kind, 80, 144, seed=1))
    check(lambda a, b: a @ b, numbers(kind, 131, 79), numbers(kind, 79, 67, seed=1))


def test_long_sums_are_cut_into_pieces(tiles):
    for dtype in ("bfloat16", "float32", "complex64"):
        a, b = numbers(dtype, 9, 2001), numbers(dtype, 2001, 8, seed=1)
        assert tile_shapes.choose(dtype, 9, 8, 2001, 1)[1] > 1
        check(lambda a, b: a @ b, a, b)
        a, b = a.to("cuda"), b.to("cuda")
        assert len({(a @ b).cpu().to(torch.complex128).numpy().tobytes() for _ in range(3)}) == 1


def test_float32_by_the_precision_that_was_set(tiles):
    a, b = numbers("float32", 34, 65), numbers("float32", 65, 33, seed=1)
    exact = (a.double() @ b.double()).numpy()

    def error():
        return np.abs((a.to("cuda") @ b.to("cuda")).cpu().double().numpy() - exact).max() / np.abs(exact).max()
    assert error() < 1e-6
    torch.set_float32_matmul_precision("high")
    try:
        assert 1e-5 < error() < 1e-3
    finally:
        torch.set_float32_matmul_precision("highest")


def test_infinities_and_the_largest_numbers(tiles):
    for k in (17, 2001):
        a, b = numbers("float32", 9, k), numbers("float32", k, 7, seed=1)
        a[0, 0], a[1, 1], a[2, 2], a[3] = float("inf"), float("nan"), float("-inf"), 0
        a[4, 0], a[5] = 3.4e38, 1e-42
        b[0, 0], b[2, 1], b[:, 3] = 1e-3, float("inf"), 1.0
        found, expected = (a.to("cuda") @ b.to("cuda")).cpu().numpy(), (a.double() @ b.double()).float().numpy()
        assert np.array_equal(np.isnan(found), np.isnan(expected)) and np.isinf(expected).any()
        assert np.allclose(found, expected, rtol=1e-5, equal_nan=True)


def test_empty_products(tiles):
    x = torch.ones(5, 3).to("cuda")
    assert (x[:0] @ x.t()).shape == (0, 5) and (x[:, :0] @ x.t()[:0]).cpu().tolist() == [[0] * 5] * 5


def gradients(function):
    """function of leaves, as its result and the gradients of the sum of its squares."""
    def taken(*tensors):
        leaves = [t.detach().clone().requires_grad_() for t in tensors]
        found = function(*leaves)
        found.pow(2).sum().backward()
        return [found.detach(), *(leaf.grad for leaf in leaves)]
    return taken


CONVOLUTIONS = {
    "padded": ((2, 3, 9, 8), (5, 3, 3, 3), {"padding": 1}), "strided": ((2, 3, 9, 8), (5, 3, 3, 2), {"stride": (2, 1)}),
    "dilated groups": ((2, 6, 9, 8), (4, 3, 3, 3), {"groups": 2, "dilation": 2, "padding": 2}),
    "points": ((2, 6, 12, 16), (4, 6, 1, 1), {}), "depthwise": ((2, 3, 9, 8), (6, 1, 3, 3), {"groups": 3}),
    "one channel each": ((2, 3, 9, 8), (3, 1, 3, 3), {"groups": 3, "stride": 2}),
    "one dimension": ((2, 3, 30), (5, 3, 4), {"stride": 3}),
    "three dimensions": ((2, 3, 5, 6, 7), (4, 3, 2, 3, 2), {"padding": 1})}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_and_their_gradients(tiles, case):
    image, weight, more = CONVOLUTIONS[case]
    convolve = getattr(F, f"conv{len(image) - 2}d")
    check(gradients(lambda x, w, b: convolve(x, w, b, **more)), numbers("float32", *image), numbers(
        "float32", *weight, seed=1), numbers("float32", weight[0], seed=2), error=2e-6)


def test_convolutions_of_halves_and_transposed_ones(tiles):
    x, w = numbers("bfloat16", 2, 3, 9, 8), numbers("bfloat16", 5, 3, 3, 3, seed=1)
    check(lambda x, w: F.conv2d(x, w, padding=1), x, w)
    check(lambda x, w: F.conv_transpose2d(x, w, stride=2, output_padding=1), numbers("float32", 2, 4, 5, 6), numbers(
        "float32", 4, 3, 3, 3, seed=1))


@pytest.mark.parametrize("kind, architecture", [(kind, each) for kind in matrix_tiles.KINDS for each in (
    ("sm_75",) if kind.startswith("plain") else ("sm_80", "sm_90a"))])
def test_kernels_assemble_without_spills(kind, architecture, tmp_path, monkeypatch):
    """The largest tiles, whose registers are the most. ptxas where it is found; its message C75xx: serialised."""
    dtype = {"tf32": "float32", "plain32": "float32", "plain64": "float64"}.get(kind, kind)
    request = mm.body(layout(getattr(torch, dtype), (4096, 4096)), layout(getattr(torch, dtype), (4096, 4096)))
    found = contraction.roles(request)
    copied = (False, False) if architecture == "sm_75" else found.contiguous
    made, _ = contraction._kernels(request, found, kind, copied)
    assert made.tile is tile_shapes.TILES[kind][0] and found.contiguous == (True, True)
    text = compile_kernel(made.name, made.text, made.signature, made.tile.threads, shared=made.shared).ptx(architecture)
    assert ("mma.sync" in text) == bool(matrix_tiles.KINDS[kind].instruction)
    assert ("cp.async" in text) == (architecture != "sm_75")
    assert ".local" not in text
    assemble(text, architecture, tmp_path)
