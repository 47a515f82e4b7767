"""Every template of the GPU, in the emulator, against the CPU."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import row_levels, split
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")


def numbers(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape).astype("f"))


def whole(high, *shape):
    return torch.tensor(np.random.default_rng(1).integers(0, high, shape))


def results(found):
    return [found] if isinstance(found, torch.Tensor) else list(found)


def check(host_work, function, *tensors, tolerance=1e-6):
    """function gives on the GPU, by kernels of its own, what it gives on the CPU."""
    expected = results(function(*tensors))
    found = results(function(*(t.to("cuda") for t in tensors)))
    for a, b in zip(found, expected, strict=True):
        assert a.device.type == "cuda" and a.dtype is b.dtype and a.shape == b.shape
        a, b = (t.to(torch.complex128 if t.is_complex() else torch.float64).numpy() for t in (a.cpu(), b))
        assert np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True), np.abs(a - b).max()
    assert not host_work, host_work


ELEMENTWISE = [
    lambda x, y: x + y, lambda x, y: x[:, :1] * y[0], lambda x, y: (x.t() / y.t()).t(), lambda x, y: x[::2, 1::3] - 1,
    lambda x, y: torch.where(x > y, x, 0.5), lambda x, y: torch.sigmoid(x), lambda x, y: F.gelu(x),
    lambda x, y: x.pow(2).clamp(0.1, 2), lambda x, y: torch.exp(x).log1p(), lambda x, y: x.atan2(y),
    lambda x, y: x[0, 0] * 2, lambda x, y: x[:0] + 1,
    lambda x, y: torch.lerp(x, y, 0.3)]


@pytest.mark.parametrize("function", ELEMENTWISE)
def test_elementwise(host_work, function):
    check(host_work, function, numbers(5, 7), numbers(5, 7, seed=1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.bool], ids=str)
def test_large_contiguous_operands_are_accessed_together(host_work, gpu, dtype):
    x, y = (numbers(5003).to(dtype), numbers(5003, seed=1).to(dtype))
    check(host_work, lambda x, y: (x * y, x[1:] == y[:-1], torch.where(x > y, x, y), x * y[3]), x, y)
    check(host_work, lambda x: x.reshape(5003, 1).to(torch.float32), x)
    from numbatorch.cuda.compile import _kernels
    texts = [kernel.ptx() for kernel in _kernels.values() if kernel.aligned]
    assert any(".v4." in text or ".v2." in text for text in texts)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64], ids=str)
def test_what_is_repeated_is_done_by_neighbours_too(host_work, gpu, dtype):
    x, y, z = numbers(3, 40, 48).to(dtype), numbers(48, seed=1).to(dtype), numbers(3, 40, 56, seed=2).to(dtype)
    check(host_work, lambda x, y, z: (x * y, x + y[:40, None], x * y[0], x + z[..., :48], x - z[..., 8:], x == z[
        ..., 1:49], x.transpose(0, 1) * y, torch.where(x > y, x[:1], y[:, None][:40])), x, y, z)
    from numbatorch.cuda.compile import _kernels
    texts = [kernel.ptx() for kernel in _kernels.values() if kernel.aligned and "_wide" in kernel.name
             and "_nest" in kernel.name]
    assert texts and all(".v4." in text or ".v2." in text for text in texts)
    assert not any("div.u" in text or "rem.u" in text for text in texts)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool, torch.uint8, torch.int64,
                                   torch.complex64], ids=str)
def test_operands_that_lie_across_are_turned(host_work, gpu, dtype):
    x, y = (numbers(70, 61) * 9).to(dtype), (numbers(2, 33, 5, 16, seed=1) * 9).to(dtype)
    gpu.launched.clear()
    check(host_work, lambda x, y: (x.t().contiguous(), y.permute(0, 2, 3, 1).contiguous(), x.t() * x.reshape(61, 70),
                                   torch.where(x.t() == 1, x.reshape(61, 70), x.t()[:, :1])), x, y)
    assert sum("_turned" in kernel.name for kernel in gpu.launched) >= 3


DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
          torch.float64, torch.complex64, torch.complex128]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_is_computed_with_and_converted(host_work, dtype):
    x, y = (numbers(4, 5) * 3).to(dtype), (numbers(4, 5, seed=1) * 2).to(dtype)
    check(host_work, lambda x, y: (x * y, x == y, x.to(torch.float32), x.sum(1)), x, y)
    if not dtype.is_complex:
        check(host_work, lambda x: (x.amax(1), x.any(0), (x * 1.0).argmin()), x)


ROWS = [
    lambda x: x.sum(1), lambda x: x.sum(0), lambda x: x.sum(), lambda x: x.mean(1, keepdim=True), lambda x: x.prod(1),
    lambda x: x.amax(0), lambda x: x.max(1), lambda x: x.argmax(1), lambda x: x.argmin(), lambda x: (x > 0).any(1),
    lambda x: (x > -9).all(), lambda x: (x > 0).sum(1), lambda x: torch.softmax(x, 1),
    lambda x: torch.log_softmax(x, 0), lambda x: torch.var_mean(x, 1), lambda x: x.logsumexp(1),
    lambda x: F.layer_norm(x, (x.shape[-1],)), lambda x: x.norm(), lambda x: x[:, :0].sum(1), lambda x: x[:0].sum(1),
    lambda x: x[:, :0].mean(1), lambda x: F.layer_norm(x[:, :0], (0,)), lambda x: torch.softmax(x[:, :0], 1)]


@pytest.mark.parametrize("function", ROWS)
@pytest.mark.parametrize("length", [7, 100], ids=["short rows", "long rows"])
def test_rows(host_work, function, length):
    x = numbers(3, length)
    check(host_work, function, x)
    x[1, 5] = float("nan")
    check(host_work, function, x.t().contiguous().t())


@pytest.mark.parametrize("function", [
    lambda x: x.sum((1, 3)), lambda x: x.permute(0, 2, 3, 1).sum((0, 3)), lambda x: x[:, ::2].amax((1, 2)),
    lambda x: F.batch_norm(x, None, None, training=True), lambda x: x.permute(3, 2, 1, 0).argmax(),
    lambda x: F.group_norm(x[:, :4], 2), lambda x: F.normalize(x, dim=1)])
def test_rows_of_several_dimensions(host_work, function):
    check(host_work, function, numbers(2, 5, 7, 9))


@pytest.mark.parametrize("function", [
    lambda x: x.logsumexp(1), lambda x: x.log_softmax(1), lambda x: torch.var_mean(x, (0, 1)), lambda x: x.var(),
    lambda x: F.layer_norm(x, (x.shape[-1],)), lambda x: x.double().t().contiguous().softmax(0)])
def test_functions_of_few_long_rows_go_level_by_level(host_work, function, monkeypatch):
    made, plan = [], row_levels.plan
    monkeypatch.setattr(row_levels, "plan", lambda *given: made.append(given) or plan(*given))
    monkeypatch.setattr(split, "PIECE", 256)
    monkeypatch.setattr(split, "DEEP", 256)
    x = numbers(3, 2501)
    x[1, 5] = float("nan")
    check(host_work, function, x)
    x[1] = float("-inf")
    check(host_work, function, x)
    assert made


@pytest.mark.parametrize("function", [
    lambda x: (x.double().sum(1), x.amax(), (x > 4).any(1), x.double().mean()), lambda x: x.double().norm(3)])
def test_few_long_rows_are_cut_into_pieces(host_work, function):
    check(host_work, function, numbers(2, 20011))


def test_the_same_sum_in_every_run(gpu):
    x = numbers(3000).to("cuda") * 1e4
    assert len({float(x.sum()) for _ in range(3)}) == 1


PRODUCTS = [
    lambda x, w, b: x @ w.t(), lambda x, w, b: F.linear(x, w, b), lambda x, w, b: x.t().contiguous().t() @ w.t(),
    lambda x, w, b: torch.bmm(x[None].expand(3, 5, 7), w.t()[None].expand(3, 7, 4)),
    lambda x, w, b: torch.einsum("ik,jk->ji", x, w), lambda x, w, b: (x * 9).long() @ (w.t() * 9).long(),
    lambda x, w, b: (x.double() @ w.t().double(), x.to(torch.bfloat16) @ w.t().to(torch.bfloat16)),
    lambda x, w, b: x.to(torch.complex64) @ w.t().to(torch.complex64)]


@pytest.mark.parametrize("function", PRODUCTS)
def test_products(host_work, function):
    check(host_work, function, numbers(5, 7), numbers(4, 7, seed=1), numbers(4, seed=2), tolerance=1e-5)


@pytest.mark.parametrize("function", [
    lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), lambda x, w, b: F.conv2d(x, w[:, :2], groups=2, dilation=2),
    lambda x, w, b: F.conv1d(x[:, :, 0], w[:, :, 0]),
    lambda x, w, b: F.conv3d(x[:, None], w[:, None, :2], padding=(1, 1, 1)),
    lambda x, w, b: F.conv_transpose2d(x, w.transpose(0, 1).contiguous(), stride=2)])
def test_convolutions(host_work, function):
    check(host_work, function, numbers(2, 4, 9, 8), numbers(6, 4, 3, 3, seed=1), numbers(6, seed=2), tolerance=1e-5)


def gradients(function):
    """function of leaves, as the gradients of a sum of its squares."""
    def taken(*tensors):
        leaves = [t.detach().clone().requires_grad_() for t in tensors]
        found = results(function(*leaves))[0]
        torch.nan_to_num(found).pow(2).sum().backward()
        return [leaf.grad for leaf in leaves]
    return taken


@pytest.mark.parametrize("function", [
    lambda x, w: F.conv2d(x, w, stride=2, padding=1), lambda x, w: torch.softmax(x, 1) * w[0, 0, 0, 0],
    lambda x, w: F.max_pool2d(x, 3, 2, 1) * w[0, 0, 0, 0], lambda x, w: F.avg_pool2d(x, 2) * w[0, 0, 0, 0],
    lambda x, w: F.layer_norm(x, (8,)) @ w[0, 0].repeat(3, 1)[:8]])
def test_gradients(host_work, function):
    check(host_work, gradients(function), numbers(2, 4, 9, 8), numbers(6, 4, 3, 3, seed=1), tolerance=1e-4)


@pytest.mark.parametrize("function", [
    lambda x: x.cumsum(1), lambda x: x.cumsum(0), lambda x: x.cumprod(1), lambda x: x.cummax(1), lambda x: x.cummin(0),
    lambda x: x.logcumsumexp(1), lambda x: x.to(torch.complex64).cumsum(1), lambda x: (x > 0).cumsum(1)])
def test_scans(host_work, function):
    x = numbers(3, 50)
    x[1, 3] = float("nan")
    check(host_work, function, x)


@pytest.mark.parametrize("function", [
    lambda x, i, s: x.gather(0, i), lambda x, i, s: x[i[:, 0]], lambda x, i, s: x.index_select(1, i[0]),
    lambda x, i, s: x.take(i - 3), lambda x, i, s: x.double().gather(0, i), lambda x, i, s: (x > 0).nonzero(),
    lambda x, i, s: x[x > 0], lambda x, i, s: i.unique(), lambda x, i, s: F.embedding(i, x)])
def test_gathers(host_work, function):
    check(host_work, function, numbers(3, 50), whole(3, 4, 50), numbers(4, 50, seed=1))


def put(x, i, s):
    x = x.clone()
    x[i[:, 0]] = 0
    x[:, 2:5] += 1
    x[x > 1] = 9
    return x


@pytest.mark.parametrize("function", [
    lambda x, i, s: x.scatter_add(0, i, s), lambda x, i, s: x.scatter(0, i, s), put,
    lambda x, i, s: x.index_add(0, i[:, 0], s), lambda x, i, s: x.scatter_reduce(0, i, s, "amax"),
    lambda x, i, s: x.scatter_reduce(0, i, s, "prod"), lambda x, i, s: gradients(lambda x: F.embedding(i, x))(x),
    lambda x, i, s: (x * 9).long().scatter_add(1, i[:3], (s[:3] * 9).long())])
def test_scatters(host_work, function):
    check(host_work, function, numbers(3, 50), whole(3, 4, 50), numbers(4, 50, seed=1))


@pytest.mark.parametrize("function", [
    lambda x, i: x.new_zeros(20).index_add(0, i, x), lambda x, i: x.new_zeros(20).scatter(0, i, x), lambda x, i: (
        torch.bincount(i)), lambda x, i: x.new_ones(20, 2).index_add(0, i, torch.stack([x, x * 2], 1)),
    lambda x, i: x.new_ones(20).scatter_reduce(0, i, x, "amin"), lambda x, i: x.new_ones(20).to(
        torch.bfloat16).scatter_reduce(0, i, x.to(torch.bfloat16), "prod")])
def test_scatters_to_few_places_are_sorted(host_work, function):
    check(host_work, function, numbers(700), whole(20, 700))


@pytest.mark.parametrize("function", [
    lambda x: x.sort(1), lambda x: x.sort(0, descending=True), lambda x: x.topk(5), lambda x: x.median(1),
    lambda x: x.nanmedian(1), lambda x: (x * 3).int().median(0), lambda x: x.kthvalue(7, keepdim=True), lambda x: (
        x * 3).round().mode(1), lambda x: x.double().kthvalue(2, 0), lambda x: x[0].median(),
    lambda x: (x * 3).int().sort(stable=True), lambda x: x.double().sort(), lambda x: x.to(torch.bfloat16).sort(),
    lambda x: torch.searchsorted(x[:1].sort(1)[0], x[1:2]), lambda x: torch.bucketize(x, x[0].sort()[0], right=True)])
def test_sorts_and_searches(host_work, function):
    x = numbers(3, 50)
    x[0, 5] = x[0, 9]
    x[1, 3] = float("nan")
    check(host_work, function, x)


def picked(x):
    """The gradient for the gradient of a window that holds nothing."""
    x = x[..., :2, :2].clone().requires_grad_()
    y = F.max_pool2d(x, 2, 1, 1, 3)
    weight = torch.ones_like(y).requires_grad_()
    grad, = torch.autograd.grad(y, x, weight, create_graph=True)
    return grad.detach(), *torch.autograd.grad(grad, weight, x.detach())


@pytest.mark.parametrize("function", [
    picked, lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True), lambda x: F.max_pool2d(x, 3, 1, 1, dilation=2),
    lambda x: F.avg_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False, ceil_mode=True),
    lambda x: F.avg_pool2d(x, 2, divisor_override=3), lambda x: F.adaptive_avg_pool2d(x, (4, 3)),
    lambda x: F.adaptive_max_pool2d(x, (4, 3)), lambda x: F.max_pool1d(x[0], 3),
    lambda x: F.avg_pool3d(x, 2, padding=1),
    lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    gradients(lambda x: F.max_pool2d(x, 3, 2, 1, dilation=1)), gradients(lambda x: F.adaptive_avg_pool2d(x, (4, 3))),
    lambda x: F.max_pool2d(x.to(memory_format=torch.channels_last), 2)])
def test_windows(host_work, function):
    check(host_work, function, numbers(2, 3, 9, 8))


@pytest.mark.parametrize("function", [
    lambda x: torch.cat([x, x[:, :1], x], 1), lambda x: torch.stack([x, x]), lambda x: torch.cat([x.half(), x.half()]),
    lambda x: (x * (x > 0)).to_sparse() @ x.t()])
def test_joins_and_sparse_products(host_work, function):
    check(host_work, function, numbers(5, 6))


def test_what_has_no_kernel_runs_on_the_host():
    x = numbers(4, 4).to("cuda")
    assert torch.allclose(torch.linalg.inv(x).cpu(), torch.linalg.inv(x.cpu()))
    assert torch.fft.fft(x).device.type == "cuda"


def test_memory_outside_of_tensors_is_never_touched(gpu):
    """The emulator's memory has no slack between tensors: kernels of odd sizes would be caught."""
    x = numbers(257).to("cuda")
    before = gpu.arena.used
    assert ((x + 1).cpu() == x.cpu() + 1).all() and x.cumsum(0).shape == (257,) and x.sort()[0].shape == (257,)
    del x
    torch.ones(1, device="cuda")
    assert gpu.arena.used <= before


@pytest.mark.parametrize("length", [33, 100, 128, 1001, 2052, 9000])
def test_rows_in_warps_blocks_and_registers(host_work, length):
    x = numbers(5, length + 1)
    check(host_work, lambda x: (torch.softmax(x[:, 1:], 1), torch.softmax(x[:, :-1].contiguous(), 1), x[:, 1:].argmax(
        1), F.layer_norm(x, (length + 1,))), x, tolerance=2e-6)
    check(host_work, lambda x: (x.amax(1), (x > 3).any(1), x[:, :-1].contiguous().argmin(1)), x.bfloat16())


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8, torch.complex64, torch.bool], ids=str)
def test_rows_across_memory_are_walked_side_by_side(host_work, dtype):
    x = (numbers(700, 40) * 3).to(dtype)
    check(host_work, lambda x: (x.sum(0), x[:, :17].sum(0), x[:60].sum(0), x.reshape(7, 100, 40).sum(1)), x,
          tolerance=1e-4)
    if dtype is torch.float32:
        check(host_work, lambda x: (
            torch.softmax(x, 0), x.argmax(0), x[:, :18].mean(0), x.double().norm(dim=0), x.t().contiguous().t().sum(0),
            x.reshape(7, 100, 40).var(1)), x, tolerance=1e-5)


def test_barriers_are_not_copied_into_branches(gpu):
    """A shuffle behind a branch stays where all threads of the warp come: the emulator raises where they do not."""
    x = numbers(3, 33).to("cuda")
    assert torch.allclose(torch.softmax(x, 1).sum(1).cpu(), torch.ones(3))


def test_gradients_of_weights_are_sums_by_many_blocks(host_work):
    def taken(x, w):
        w = w.detach().clone().requires_grad_()
        (F.layer_norm(x, (40,), w, w) * x).sum().backward()
        return w.grad
    check(host_work, taken, numbers(1030, 40), numbers(40, seed=1), tolerance=1e-4)
    from numbatorch.cuda.compile import _kernels
    assert any("layer_norm" in kernel.name and "columns_pieces" in kernel.name for kernel in _kernels.values())
