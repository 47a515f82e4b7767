"""Which dtype a result has: of tensors, of 0-d tensors, of numbers; and what cannot be written where."""

import itertools

import pytest

import numbatorch as torch
from numbatorch import dtypes

ORDER = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
         "complex128"]
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


def joined(a, b):
    """The smallest dtype that holds both, by NumPy's lattice without its widening of integers to floats."""
    if a == b:
        return a
    a, b = sorted((a, b), key=ORDER.index)
    if a == "uint8" and b == "int8":
        return "int16"
    if a == "float16" and b == "bfloat16":
        return "float32"
    if b == "complex64" and a == "float64":
        return "complex128"
    return b


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations_with_replacement(ORDER, 2)))
def test_two_tensors(a, b):
    first, second = (torch.ones(2, dtype=getattr(torch, d)) for d in (a, b))
    want = getattr(torch, joined(a, b))
    assert torch.promote_types(first.dtype, second.dtype) is want
    assert torch.result_type(first, second) is want and torch.result_type(second, first) is want
    assert (first * second).dtype is want and (second * first).dtype is want


@pytest.mark.parametrize(("a", "number", "want"), [
    ("float32", 1, "float32"), ("float32", 1.5, "float32"), ("float32", True, "float32"), ("float16", 1.5, "float16"),
    ("int32", 1, "int32"), ("int32", 1.5, "float32"), ("uint8", 300, "uint8"), ("bool", 1, "int64"),
    ("bool", True, "bool"), ("bool", 1.5, "float32"), ("int8", True, "int8"), ("float64", 2, "float64"),
    ("float32", 1j, "complex64"), ("float64", 1j, "complex128"), ("int64", 1j, "complex64"),
])
def test_numbers_count_by_category_only(a, number, want):
    x = torch.ones(2, dtype=getattr(torch, a))
    assert (x * number).dtype is getattr(torch, want)
    assert (number * x).dtype is getattr(torch, want)
    assert torch.result_type(x, number) is getattr(torch, want)


@pytest.mark.parametrize(("a", "zero", "want"), [
    ("float32", "float64", "float32"), ("int32", "int64", "int32"), ("int32", "float64", "float64"),
    ("float16", "float32", "float16"), ("bool", "int8", "int8"), ("float32", "complex128", "complex64"),
])
def test_zero_dimensional_tensors_count_by_category_only(a, zero, want):
    x, y = torch.ones(2, dtype=getattr(torch, a)), torch.ones((), dtype=getattr(torch, zero))
    assert (x + y).dtype is getattr(torch, want) and (y + x).dtype is getattr(torch, want)


def test_zero_dimensional_tensors_among_themselves():
    assert (torch.tensor(1.0) * torch.tensor(1.0, dtype=torch.float64)).dtype is torch.float64
    assert (torch.tensor(1) * 2.5).dtype is torch.float32


def test_true_division_and_functions_give_floats():
    whole = torch.tensor([1, 2])
    assert (whole / whole).dtype is torch.float32 and whole.exp().dtype is torch.float32
    assert whole.bool().sqrt().dtype is torch.float32 and (whole // 2).dtype is torch.int64
    assert whole.float().mean().dtype is torch.float32
    with pytest.raises(RuntimeError, match="could not infer output dtype"):
        whole.mean()


def test_sums_of_integers_are_int64():
    for d in ("bool", *INTEGERS):
        x = torch.ones(3, dtype=getattr(torch, d))
        assert x.sum().dtype is torch.int64 and x.prod().dtype is torch.int64 and x.cumsum(0).dtype is torch.int64
    assert torch.ones(3, dtype=torch.float16).sum().dtype is torch.float16
    assert torch.ones(3).sum(dtype=torch.float64).dtype is torch.float64


def test_comparisons_give_bool():
    assert (torch.ones(1) > torch.zeros(1, dtype=torch.int8)).dtype is torch.bool
    assert torch.isnan(torch.ones(1)).dtype is torch.bool and torch.ones(1).any().dtype is torch.bool


def test_in_place_keeps_the_dtype():
    x = torch.ones(2, dtype=torch.float32)
    x.add_(torch.ones(2, dtype=torch.float64))
    assert x.dtype is torch.float32 and x.tolist() == [2, 2]
    whole = torch.ones(2, dtype=torch.int64)
    for change in (lambda: whole.add_(1.5), lambda: whole.div_(2), lambda: whole.mul_(torch.ones(2))):
        with pytest.raises(RuntimeError, match="result type Float can't be cast"):
            change()
    assert whole.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.ones(1).mul_(1j)


def test_out_takes_what_can_be_cast():
    x = torch.tensor([1.5])
    assert torch.add(x, x, out=torch.empty(1, dtype=torch.float64)).item() == 3.0
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        torch.add(x, x, out=torch.empty(1, dtype=torch.int64))


def test_can_cast():
    assert torch.can_cast(torch.int64, torch.float16) and torch.can_cast(torch.float64, torch.float32)
    assert not torch.can_cast(torch.float32, torch.int64) and not torch.can_cast(torch.complex64, torch.float64)
    assert not torch.can_cast(torch.int8, torch.bool) and torch.can_cast(torch.bool, torch.uint8)


def test_bool_arithmetic():
    x = torch.tensor([True, False])
    assert (x + x).tolist() == [True, False] and (x * x).dtype is torch.bool
    with pytest.raises(RuntimeError, match="subtract|`-`"):
        _ = x - x
    with pytest.raises(RuntimeError, match="bool|`-`"):
        torch.neg(x)


def test_integer_overflow_wraps():
    assert (torch.tensor([127], dtype=torch.int8) + 1).tolist() == [-128]
    assert (torch.tensor([2 ** 63 - 1]) + 1).tolist() == [-2 ** 63]
    assert (torch.tensor([250], dtype=torch.uint8) * 2).tolist() == [244]


def test_every_dtype_says_what_it_is():
    for d in dtypes.ALL:
        assert repr(d) == f"torch.{d.name}" and d.itemsize == torch.zeros(1, dtype=d).element_size()
    assert torch.finfo(torch.float16).max == 65504 and torch.iinfo(torch.int8).min == -128
    assert torch.float32.is_floating_point and torch.complex64.is_complex and not torch.uint8.is_signed
    assert torch.float is torch.float32 and torch.long is torch.int64 and torch.half is torch.float16
