"""Scatters on the GPU, in the emulator, against the CPU: rows, elements, long runs, sums that are atomic."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import scatter
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")


def numbers(*shape, dtype="float32"):
    return torch.tensor(np.random.default_rng(0).normal(size=shape) * 3).to(getattr(torch, dtype))


def whole(high, *shape):
    return torch.tensor(np.random.default_rng(1).integers(0, high, shape))


def check(function, *tensors, tolerance=2e-5):
    found, expected = function(*(t.cuda() for t in tensors)), function(*tensors)
    assert found.is_cuda and found.dtype is expected.dtype and found.shape == expected.shape
    assert np.allclose(found.cpu().double(), expected.double(), rtol=tolerance, atol=tolerance)


def embedded(weight, index, x):
    weight = weight.detach().clone().requires_grad_()
    (F.embedding(index, weight) * x).sum().backward()
    return weight.grad


@pytest.mark.parametrize("function", [
    lambda w, i, x: w.index_add(0, i, x), lambda w, i, x: embedded(w, i, x), lambda w, i, x: w.index_put(
        (i,), x, accumulate=True), lambda w, i, x: w.t().contiguous().index_add(1, i, x.t()),
    lambda w, i, x: w.index_reduce(0, i, x, "amax"), lambda w, i, x: w.scatter_add(0, i[:, None].expand(300, 9), x)])
def test_rows_are_sorted_by_their_number(function):
    check(function, numbers(40, 9), whole(40, 300), numbers(300, 9))
    check(function, numbers(40, 9), torch.cat([torch.full((290,), 7), whole(40, 10)]), numbers(300, 9))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "int16", "bfloat16", "bool"])
@pytest.mark.parametrize("high", [1, 3, 200])
def test_runs_of_every_length(dtype, high):
    x, index = numbers(3 * scatter.PIECE + 5, dtype=dtype), whole(high, 3 * scatter.PIECE + 5)
    near = 2e-5 if dtype != "bfloat16" else 3e-2
    if dtype != "bool":
        check(lambda x, i: x.new_zeros(high).scatter_add(0, i, x), x, index, tolerance=near)
        check(lambda x, i: x.new_zeros(high).scatter_reduce(0, i, x, "amin"), x, index)
    check(lambda x, i: x.new_zeros(high).index_put((i,), x), x, index)


@pytest.mark.parametrize("lengths", [(128, 128), (1, 127, 256, 1), (127, 2, 255), (384, 1)])
def test_runs_that_end_where_pieces_do(lengths):
    index = torch.tensor(np.repeat(np.arange(len(lengths)), lengths))
    check(lambda x, i: x.new_ones(9).scatter_add(0, i, x), numbers(sum(lengths)), index)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_sums_of_many_elements_are_atomic(monkeypatch, dtype):
    from numbatorch.cuda.emulator.device import Function
    monkeypatch.setattr(scatter, "MANY", 300)
    launched, launch = [], Function.launch
    monkeypatch.setattr(Function, "launch", lambda self, *given: launched.append(self.kernel.name) or launch(
        self, *given))
    size = {"float32": 13, "float64": 14, "int32": 15, "int64": 16}[dtype]  # of its own: plans are kept by sizes
    x, index = numbers(700 - size, dtype=dtype), whole(7, 700 - size)

    def is_atomic():
        launched.clear()
        check(lambda x, i: x.new_zeros(7).scatter_add(0, i, x), x, index)
        return any(name.startswith("scatter_atomic") for name in launched)
    assert is_atomic()
    torch.use_deterministic_algorithms(True)
    try:
        assert is_atomic() == dtype.startswith("int")
    finally:
        torch.use_deterministic_algorithms(False)
