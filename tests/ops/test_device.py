"""Every op of the table on the GPU, in the emulator, against the CPU: values, dtypes, layouts. New ops need no test."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import runtime

for _name in ("samples", "device_calls"):  # beside this file, which is in no package
    if _name not in sys.modules:
        _spec = importlib.util.spec_from_file_location(_name, Path(__file__).with_name(f"{_name}.py"))
        _module = sys.modules[_name] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(_module)

from device_calls import CALLS  # noqa: E402
from samples import RANDOM, SKIPPED, TABLE, calls, each, flat, tensor  # noqa: E402

SLOW = {"lobpcg", "_lobpcg"}  # thousands of launches
NAMES = sorted(set(TABLE) - set(SKIPPED) - SLOW)


def compare(found, expected, values=True):
    found, expected = flat(found), flat(expected)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        if not isinstance(b, torch.Tensor):
            assert a == b or a != a and b != b
            continue
        assert a.is_cuda and (a.shape, a.dtype, a.layout) == (b.shape, b.dtype, b.layout)
        if b.layout is not torch.strided:
            a, b = a.to_dense(), b.to_dense()
        assert a.stride() == b.stride() or a.numel() < 2
        if values:
            a, b = (t.detach().to(torch.complex128 if b.is_complex() else torch.float64).cpu().numpy() for t in (a, b))
            assert np.allclose(a, b, rtol=2e-5, atol=3e-6, equal_nan=True), np.abs(a - b).max()


def arranged(value, form):
    """A tensor's values on the GPU in another layout."""
    value = value.cuda()
    if form == "transposed" and value.ndim > 1:
        return value.transpose(0, -1).contiguous().transpose(0, -1)
    if form == "spread" and value.ndim:
        wide = torch.empty(*value.shape, 2, dtype=value.dtype, device="cuda")
        wide[..., 0] = value
        return wide[..., 0]
    return value


@pytest.mark.filterwarnings("ignore:.*which is deprecated")
@pytest.mark.parametrize("name", NAMES)
def test_as_on_the_cpu(name, emulator):
    op = TABLE[name]
    made = calls(op)
    if not made and name not in CALLS:
        pytest.skip("reached through other ops")
    for _, positional, keywords in made:
        copies = each((positional, keywords), lambda t: t.clone())
        expected = op.call(*copies[0], **copies[1])
        with runtime.using(emulator):
            copies = each((positional, keywords), lambda t: t.cuda())
            compare(op.call(*copies[0], **copies[1]), expected, name not in RANDOM)
    if name in CALLS:
        def on(device):
            seeds = iter(range(100))
            return CALLS[name](lambda *shape: tensor(shape, seed=next(seeds)).to(device),
                               lambda high, *shape: tensor(shape, "int64", next(seeds), high).to(device))
        expected = on("cpu")
        with runtime.using(emulator):
            compare(on("cuda"), expected)


@pytest.mark.parametrize("form", ["transposed", "spread"])
@pytest.mark.parametrize("name", [n for n in NAMES if TABLE[n].kind not in ("composite", "foreign", "random")
                                  and n not in RANDOM])
def test_layouts(name, form, emulator):
    """Kernels find elements wherever they lie; what is a formula alone is looked at for a few ops."""
    op = TABLE[name]
    if op.kind == "elementwise" and hash_of(name) % 8:
        pytest.skip("one formula's loops are another's")
    made = calls(op)[:1]
    for _, positional, keywords in made:
        copies = each((positional, keywords), lambda t: t.clone())
        expected = op.call(*copies[0], **copies[1])
        with runtime.using(emulator):
            copies = each((positional, keywords), lambda t: arranged(t, form))
            found = op.call(*copies[0], **copies[1])
            for a, b in zip(flat(found), flat(expected), strict=True):
                if isinstance(b, torch.Tensor):
                    assert a.is_cuda and (a.shape, a.dtype) == (b.shape, b.dtype)
                    a, b = (t.to(torch.complex128 if b.is_complex() else torch.float64).cpu().numpy() for t in (a, b))
                    assert np.allclose(a, b, rtol=2e-5, atol=3e-6, equal_nan=True)


def hash_of(name):
    """A number of a name that is the same in every process."""
    return sum(name.encode())


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "complex64", "int8", "uint8", "int16", "int32",
                                   "bool"])
def test_dtypes(dtype, emulator):
    """A formula of each kind of loop in every dtype that the CPU takes."""
    x, y = tensor((4, 5), dtype), tensor((4, 5), dtype, 1)
    tried = {
        "add": lambda x, y: x + y, "mul": lambda x, y: x * y, "eq": lambda x, y: x == y, "sum": lambda x, y: x.sum(1),
        "amax": lambda x, y: x.amax(0), "cumsum": lambda x, y: x.cumsum(1), "sort": lambda x, y: x.sort(1),
        "gather": lambda x, y: x.take(torch.zeros(3, dtype=torch.int64, device=x.device)),
        "cat": lambda x, y: torch.cat([x, y]), "where": lambda x, y: torch.where(x == y, x, y),
        "product": lambda x, y: x @ y.mT, "exp": lambda x, y: torch.exp(x), "index_add": lambda x, y: x.index_add(
            0, torch.zeros(4, dtype=torch.int64, device=x.device), y), "prod": lambda x, y: x.prod(),
        "argmax": lambda x, y: x.argmax(1), "nonzero": lambda x, y: x.nonzero(), "cummax": lambda x, y: x.cummax(0),
        "softmax": lambda x, y: torch.softmax(x, 1), "masked": lambda x, y: x[x != 0]}
    done = 0
    for name, function in tried.items():
        try:
            expected = function(x.clone(), y.clone())
        except (RuntimeError, NotImplementedError):
            continue
        with runtime.using(emulator):
            found = function(x.cuda(), y.cuda())
        narrow = {"float16": 2e-3, "bfloat16": 2e-2}.get(dtype, 2e-5)
        for a, b in zip(flat(found), flat(expected), strict=True):
            assert a.is_cuda and (a.shape, a.dtype) == (b.shape, b.dtype), name
            a, b = (t.cpu().to(torch.complex128 if b.is_complex() else torch.float64).numpy() for t in (a, b))
            assert np.allclose(a, b, rtol=narrow, atol=narrow, equal_nan=True), name
        done += 1
    assert done >= 8


def test_every_public_op_has_a_sample():
    """Ops without a sample are those that only other ops call: their names begin with a line."""
    without = [name for name in NAMES if not name.startswith("_") and name not in CALLS and name not in RANDOM
               and not calls(TABLE[name])]
    assert not without, without
