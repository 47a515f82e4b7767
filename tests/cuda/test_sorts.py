"""Sorting on the GPU, in the emulator, against NumPy and the CPU: every dtype, rows of a block and of many."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import radix, selection

pytestmark = pytest.mark.usefixtures("gpu")
DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16", "bfloat16",
          "float32", "float64"]


def values(dtype, *shape):
    """Numbers of a dtype with repetitions, and its odd ones."""
    generator = np.random.default_rng(0)
    if dtype == "bool":
        return torch.tensor(generator.integers(0, 2, shape).astype(bool))
    if not dtype.startswith(("float", "bfloat")):
        info = np.iinfo(dtype)
        some = generator.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        some.reshape(-1)[::3] = generator.integers(0, 5, some.reshape(-1)[::3].shape)
        return torch.tensor(some)
    some = generator.normal(size=shape) * 3
    some.reshape(-1)[::4] = np.round(some.reshape(-1)[::4])
    odd = [np.nan, -0.0, 0.0, np.inf, -np.inf, -np.nan, 1e-42, -1e-42]
    some.reshape(-1)[5: 5 + 3 * len(odd): 3] = odd
    return torch.tensor(some).to(getattr(torch, dtype))


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.is_cuda and a.dtype is b.dtype and a.shape == b.shape
        a = a.cpu()
        if b.dtype.is_floating_point:
            a, b = a.double(), b.double()
        assert np.array_equal(a.numpy(), b.numpy(), equal_nan=b.dtype.is_floating_point)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 37), (2, radix.SHORT + 77)], ids=["short rows", "long rows"])
def test_rows_are_sorted_in_every_dtype(dtype, shape):
    x = values(dtype, *shape)
    for descending in (False, True):
        same(x.cuda().sort(1, descending=descending), x.sort(1, descending=descending, stable=True))


@pytest.mark.parametrize("length", [1, 2, 3, 32, 33, 1023, 1024, 1025, 4096, 4097, 9001])
def test_rows_of_every_length(length):
    x = torch.tensor(np.random.default_rng(length).integers(-9, 9, (2, length)))
    same(x.cuda().sort(1), x.sort(1, stable=True))
    x = x.float()
    same(x.cuda().t().sort(0, descending=True), x.t().sort(0, descending=True, stable=True))


def test_many_short_rows_share_a_block():
    x = torch.tensor(np.random.default_rng(0).integers(0, 4, (300, 7)).astype("i4"))
    same(x.cuda().sort(1), x.sort(1, stable=True))
    same(x.cuda().topk(3), x.topk(3))


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_long_rows_are_picked_from(dtype):
    x = values(dtype, 2, 2501)
    for function in (lambda x: x.topk(7), lambda x: x.topk(5, largest=False), lambda x: x.kthvalue(1250),
                     lambda x: x.median(1), lambda x: x.mode(1)):
        same(function(x.cuda()), function(x))
    same([x.cuda().argsort()], [x.argsort(stable=True)])
    whole = torch.tensor(np.random.default_rng(1).integers(0, 900, 2501))
    same(whole.cuda().unique(return_inverse=True, return_counts=True), whole.unique(
        return_inverse=True, return_counts=True))


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "bool"])
def test_few_of_long_rows_are_selected(dtype, monkeypatch):
    made, start = [], selection.Selector.__init__
    monkeypatch.setattr(selection.Selector, "__init__", lambda self, *given: made.append(given) or start(self, *given))
    x = values(dtype, 2, 1101)
    for k, largest in ((7, True), (130, False)):
        same(x.cuda().topk(k, largest=largest), x.topk(k, largest=largest))
    assert len(made) == 2


def test_ties_and_rows_of_several_blocks_are_selected_from():
    x = torch.tensor(np.random.default_rng(3).integers(0, 4, (2, 9001)).astype("i2"))
    same(x.cuda().topk(2100), x.topk(2100))  # more than a block sorts, most of them equal
    same(x.t().contiguous().cuda().topk(3, dim=0, largest=False), x.t().topk(3, dim=0, largest=False))
    y = torch.full((2, 1500), float("nan"))
    y[0, 1400] = 1.0
    same(y.cuda().topk(1, largest=False), y.topk(1, largest=False))
    same(y.cuda().topk(9), y.topk(9))
    for function in (lambda x: x.median(1), lambda x: x.nanmedian(1), lambda x: x.kthvalue(2, keepdim=True)):
        same(function(y.cuda()), function(y))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "uint8"])
def test_one_of_a_long_row_is_found_without_sorting(dtype, monkeypatch):
    monkeypatch.setattr(radix.Sorter, "_digits", None)
    x = values(dtype, 3, 1301)
    x[0] = x[0].nan_to_num(1.0) if x.dtype.is_floating_point else x[0]
    for function in (lambda x: x.kthvalue(1000), lambda x: x.median(1), lambda x: x.nanmedian(1),
                     lambda x: x.kthvalue(1, 0)):
        same(function(x.cuda()), function(x))


def test_the_same_launches_sort_keys_of_other_shapes():
    for shape in ((2, 3000), (3, 5000), (1, 1500)):
        x = torch.tensor(np.random.default_rng(0).normal(size=shape).astype("f"))
        same(x.cuda().sort(1), x.sort(1, stable=True))
