"""Pointwise forms by hand: remainders of integers, powers of two, Kronecker products, refusals."""

import numpy as np
import pytest

import numbatorch as torch


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.int64])
def test_remainders_of_integers(dtype):
    a, b = np.meshgrid(np.arange(-5, 6), [-3, -2, 2, 3])
    x, y = torch.tensor(a, dtype=dtype), torch.tensor(b, dtype=dtype)
    assert torch.fmod(x, y).tolist() == np.fmod(a, b).tolist()
    assert torch.remainder(x, y).tolist() == np.mod(a, b).tolist()
    assert torch.fmod(x, 3).tolist() == np.fmod(a, 3).tolist()


def test_frexp_and_ldexp():
    values = np.array([3.0, -0.1, 0.0, 1024.0, 1e-300])
    x = torch.tensor(values, requires_grad=True)
    mantissa, exponent = torch.frexp(x)
    want = np.frexp(values)
    assert mantissa.tolist() == want[0].tolist() and exponent.tolist() == want[1].tolist()
    assert exponent.dtype is torch.int32
    assert torch.ldexp(mantissa, exponent).tolist() == values.tolist()
    mantissa[:2].sum().backward()
    assert x.grad.tolist() == [0.25, 8.0, 0, 0, 0]
    with pytest.raises(RuntimeError, match="floating-point"):
        torch.frexp(torch.tensor([1]))


def test_kron():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(4.0)
    assert torch.kron(torch.tensor(a), torch.tensor(b)).tolist() == np.kron(a, b).tolist()


def test_numbers_are_refused_where_pytorch_wants_tensors():
    x = torch.ones(2)
    for call in (lambda: torch.maximum(x, 1), lambda: torch.atan2(x, 1), lambda: torch.logical_and(x, 1),
                 lambda: torch.gt(1, x), lambda: torch.fmod(1, x), lambda: torch.max(1, x),
                 lambda: torch.hypot(x, 2.0)):
        with pytest.raises(TypeError, match="must be Tensor"):
            call()
    assert (1 < x).tolist() == [False, False] and torch.add(1, x).tolist() == [2, 2]


def test_out_must_not_repeat_memory():
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.add(torch.ones(3), 1, out=torch.zeros(1).expand(3))
    with pytest.raises(RuntimeError, match="dtype"):
        torch.gather(torch.ones(3), 0, torch.tensor([0]), out=torch.empty(1, dtype=torch.float64))


def test_broadcast_shapes():
    assert torch.broadcast_shapes((2, 1), 3, (1, 1, 1)) == (1, 2, 3)
    with pytest.raises(RuntimeError, match="broadcast"):
        torch.broadcast_shapes((2,), (3,))


def test_softmax_takes_a_dtype_and_out():
    x = torch.ones(2)
    assert torch.softmax(x, 0, torch.float64).dtype is torch.float64
    out = torch.empty(2)
    assert torch.softmax(x, 0, out=out) is out and out.tolist() == [0.5, 0.5]


def test_powers_of_integers():
    base = torch.tensor([-2, -1, 0, 1, 2, 3])
    for e in (0, 1, 2, 3, 5, 62):
        assert (base ** torch.tensor(e)).tolist() == (base.numpy() ** np.int64(e)).tolist()
    assert (base ** torch.tensor(-1)).tolist() == [0, -1, 0, 1, 0, 0]
    assert (base ** torch.tensor(-2)).tolist() == [0, 1, 0, 1, 0, 0]
    assert (2 ** torch.tensor([0, 3, 6], dtype=torch.uint8)).tolist() == [1, 8, 64]
    for e in (2**16 + 1, 2**40, 2**62, 2**63 - 1):  # modulo 2^64, however large
        wrapped = [(pow(b, e, 2**64) + 2**63) % 2**64 - 2**63 for b in base.tolist()]
        assert (base ** torch.tensor(e)).tolist() == (base ** e).tolist() == wrapped
    assert (torch.tensor([-1, 3], dtype=torch.int32) ** (2**31 - 1)).tolist() == [-1, -1431655765]
    with pytest.raises(RuntimeError, match="negative integer powers"):
        base ** -1
    with pytest.raises(RuntimeError, match="not supported for complex"):
        torch.ones(1, dtype=torch.complex64).abs_()


@pytest.mark.parametrize("exponent", [0, 4, 2.5, -3])
def test_powers_of_complex_numbers(exponent):
    values = np.array([1 + 2j, -0.5j, 3.0])
    assert np.allclose((torch.tensor(values) ** exponent).numpy(), values ** exponent)
    assert np.allclose((torch.tensor(values) ** torch.tensor(3)).numpy(), values ** 3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
def test_shifts_beyond_the_width(dtype):
    x = torch.tensor([1, 100], dtype=dtype)
    for by in (64, 100, -1):
        assert (x << by).tolist() == (x >> by).tolist() == [0, 0]
    assert (torch.tensor([-5]) >> 64).tolist() == [-1]


@pytest.mark.parametrize("call", [lambda x: x > x, lambda x: x.relu(), lambda x: x.amax(), lambda x: x.softmax(0),
                                  lambda x: x.clamp(0), lambda x: torch.atan2(x, x)])
def test_complex_numbers_are_refused_by_name(call):
    with pytest.raises(NotImplementedError, match="not implemented for 'ComplexFloat'"):
        call(torch.tensor([1j]))


@pytest.mark.parametrize("call", [lambda a: a // 0, lambda a: a % torch.tensor([1, 0]), lambda a: 7 % a,
                                  lambda a: torch.fmod(a, 0), lambda a: a.floor_divide_(0)])
def test_integers_are_not_divided_by_zero(call):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        call(torch.tensor([3, 0]))
    assert (torch.tensor([], dtype=torch.int64) // 0).shape == (0,)
    assert (torch.tensor([1.0]) // 0).tolist() == [float("inf")]
