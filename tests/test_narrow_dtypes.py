"""float8 and complex32: what is stored, how it is rounded, what moves it, and what is refused."""

import pickle

import numpy as np
import pytest

import numbatorch as torch
from numbatorch import dtypes

FLOAT8 = [dtypes.by_name(name) for name in dtypes.FLOAT8]
STORED = [*FLOAT8, torch.complex32]


def values_of(d):
    """The value of each of the 256 codes, from the definition of the format."""
    digits, bias, largest, beyond, nan = dtypes.FLOAT8[d.name]
    result = np.empty(256)
    for code in range(256):
        exponent, fraction = (code & 0x7F) >> digits, code & (1 << digits) - 1
        value = (fraction * 2.0 ** (1 - bias - digits) if exponent == 0 else
                 (1 + fraction * 2.0 ** -digits) * 2.0 ** (exponent - bias))
        if (code & 0x7F) > largest:
            value = np.inf if code & 0x7F == beyond != nan else np.nan
        if nan == 0x80 and code == nan:
            value = np.nan
        result[code] = -value if code & 0x80 else value
    return result


@pytest.mark.parametrize("d", FLOAT8)
def test_every_code_has_its_value_and_comes_back(d):
    codes = torch.arange(256).to(torch.uint8)
    values = codes.view(d).float().numpy()
    np.testing.assert_array_equal(values, values_of(d).astype(np.float32))
    back = torch.from_numpy(values).to(d).view(torch.uint8).numpy()
    keeps = ~np.isnan(values)
    np.testing.assert_array_equal(back[keeps], codes.numpy()[keeps])
    assert torch.from_numpy(values).to(d).isnan().numpy()[~keeps].all()


@pytest.mark.parametrize("d", FLOAT8)
def test_rounds_to_the_nearest_ties_to_even(d):
    known = values_of(d)[:128]
    known = known[np.isfinite(known)]  # in the order of their codes
    middle = ((known[1:] + known[:-1]) / 2).astype(np.float32)
    given = np.concatenate([middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(1e9))])
    distance = np.abs(given.astype(np.float64)[:, None] - known)
    nearest = distance.argmin(1)  # of two as near, the lower
    above = np.minimum(nearest + 1, len(known) - 1)
    is_tie = (above > nearest) & (np.take_along_axis(distance, above[:, None], 1)[:, 0] == distance.min(1))
    want = known[np.where(is_tie & (nearest % 2 == 1), above, nearest)]
    for sign in (1, -1):
        np.testing.assert_array_equal(torch.from_numpy(sign * given).to(d).float().numpy(), sign * want)


def test_beyond_the_largest_value():
    far = torch.tensor([1e6, float("-inf"), float("nan")])
    assert far.to(torch.float8_e4m3fn).tolist()[:2] == [448.0, -448.0]
    assert far.to(torch.float8_e5m2).tolist()[:2] == [float("inf"), float("-inf")]
    for d in (torch.float8_e4m3fnuz, torch.float8_e5m2fnuz):
        assert far.to(d).isnan().all()
        assert torch.tensor(-0.0).to(d).view(torch.uint8).item() == 0
    assert all(far.to(d)[2].isnan() for d in FLOAT8)


@pytest.mark.parametrize("d", STORED)
def test_what_moves_values(d):
    x = torch.tensor([[1.0, -2.5], [0.5, 4.0]], dtype=d)
    assert x.dtype is d and x.tolist() == [[1.0, -2.5], [0.5, 4.0]] and x[1, 1].item() == 4.0
    assert x.element_size() == d.itemsize and x.view(torch.uint8).shape == (2, 2 * d.itemsize)
    assert torch.cat([x, x.t()]).tolist() == [[1.0, -2.5], [0.5, 4.0], [1.0, 0.5], [-2.5, 4.0]]
    assert x[torch.tensor([1, 0]), 1].tolist() == [4.0, -2.5] and x[x == 4].tolist() == [4.0]
    assert x.clone().fill_(3).tolist() == [[3, 3], [3, 3]] and torch.ones(2, dtype=d).tolist() == [1, 1]
    assert torch.zeros(3).copy_(torch.full((3,), 2.0, dtype=d)).tolist() == [2, 2, 2]
    assert torch.where(x == 4, x, torch.zeros_like(x)).tolist() == [[0, 0], [0, 4]]
    y = x.clone()
    y[0, 0] = 7
    assert y.tolist()[0] == [7, -2.5] and torch.stack([x, y]).shape == (2, 2, 2)
    assert x.to(torch.float64).dtype is torch.float64 and x.to(torch.int32).tolist() == [[1, -2], [0, 4]]
    assert torch.tensor([3, 2]).to(d).tolist() == [3, 2] and torch.tensor([2 + 1j]).to(d).to(torch.float32).item() == 2
    assert torch.tensor(np.array([1.5]), dtype=d).tolist() == [1.5]
    assert torch.frombuffer(bytearray(8), dtype=d).tolist() == [0] * (8 // d.itemsize)
    assert pickle.loads(pickle.dumps(x)).tolist() == x.tolist()


@pytest.mark.parametrize("d", STORED)
def test_save_and_load(d, tmp_path):
    x = torch.tensor([1.0, -2.5, 0.5], dtype=d)
    torch.save({"x": x}, tmp_path / "x.pt")
    back = torch.load(tmp_path / "x.pt")["x"]
    assert back.dtype is d and back.tolist() == x.tolist()


@pytest.mark.parametrize("d", STORED)
def test_numpy_says_what_to_do(d):
    with pytest.raises(TypeError, match=f"NumPy has no {d.name}; convert first"):
        torch.zeros(1, dtype=d).numpy()


@pytest.mark.parametrize("d", FLOAT8)
def test_float8_is_not_computed_with(d):
    x = torch.ones(2, 2, dtype=d)
    for act in (lambda: x + x, lambda: x.sum(), lambda: x.exp(), lambda: x < x, lambda: x.cumsum(0), lambda: x.sort(),
                lambda: torch.rand(2, dtype=d), lambda: x.softmax(0)):
        with pytest.raises(NotImplementedError, match="float8|Float8"):
            act()
    with pytest.raises(RuntimeError, match="Promotion for Float8 Types"):
        x + torch.ones(2, 2)
    assert x.sum(dtype=torch.float32).item() == 4 and (x == x).all() and x.abs().tolist() == x.tolist()


def test_complex32_arithmetic():
    x, y = torch.tensor([1 + 2j, -0.5j], dtype=torch.chalf), torch.tensor([2.0, 4.0], dtype=torch.half)
    assert (x * y).tolist() == [2 + 4j, -2j] and (x * y).dtype is torch.complex32
    assert x.real.dtype is torch.float16 and x.imag.tolist() == [2, -0.5] and x.abs().dtype is torch.float16
    assert (y * 1j).dtype is torch.complex32 and torch.view_as_complex(torch.ones(3, 2).half()).dtype is torch.complex32
    assert torch.ones(2).chalf().dtype is torch.complex32 and x.conj().tolist() == [1 - 2j, 0.5j]
    leaf = torch.tensor([1.5 - 1j], dtype=torch.complex32, requires_grad=True)
    (leaf * leaf).abs().sum().backward()
    assert leaf.grad.dtype is torch.complex32


def test_draws_of_complex32_are_pairs_of_float16():
    torch.manual_seed(3)
    drawn = torch.rand(4, dtype=torch.complex32)
    torch.manual_seed(3)
    assert torch.view_as_real(drawn).equal(torch.rand(4, 2, dtype=torch.float16))


def test_printing():
    assert repr(torch.tensor([1.5], dtype=torch.float8_e5m2)) == "tensor([1.5000], dtype=torch.float8_e5m2)"
    assert repr(torch.tensor([1 + 2j], dtype=torch.complex32)) == "tensor([1.+2.j], dtype=torch.complex32)"


def test_limits():
    assert [torch.finfo(d).max for d in FLOAT8] == [448, 57344, 240, 57344]
    assert torch.finfo(torch.float8_e4m3fn).tiny == 2.0 ** -6 and torch.finfo(torch.float8_e5m2).eps == 0.25
    assert torch.finfo(torch.complex32).bits == 16 and torch.float8_e5m2.is_floating_point
