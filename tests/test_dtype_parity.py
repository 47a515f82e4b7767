"""Conversions and promotion of every dtype against PyTorch, exhaustively."""

import itertools

import numpy as np
import pytest

import numbatorch
from numbatorch import dtypes

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:Casting complex values"),
              pytest.mark.filterwarnings("ignore:ComplexHalf support")]

NAMES = [d.name for d in (*dtypes.ALL, *dtypes.STORED)]
FLOAT8 = list(dtypes.FLOAT8)


def outcome(act):
    """The dtype's name or the class of the exception."""
    try:
        return str(act())
    except Exception as error:
        return type(error).__name__


def both(act):
    return outcome(lambda: act(numbatorch)), outcome(lambda: act(torch))


@pytest.mark.parametrize(("a", "b"), list(itertools.product(NAMES, NAMES)))
def test_pairs(a, b):
    def tensor(t, name, *shape):
        return t.zeros(shape, dtype=getattr(t, name))

    got, want = both(lambda t: t.promote_types(getattr(t, a), getattr(t, b)))
    assert got == want
    got, want = both(lambda t: t.can_cast(getattr(t, a), getattr(t, b)))
    assert got == want
    for shapes in (((2,), (2,)), ((2,), ()), ((), (2,)), ((), ())):
        got, want = both(lambda t, s=shapes: t.result_type(tensor(t, a, *s[0]), tensor(t, b, *s[1])))
        assert got == want, shapes


@pytest.mark.parametrize("a", NAMES)
@pytest.mark.parametrize("number", [True, 1, 1.5, 1j])
def test_numbers(a, number):
    for shape in ((2,), ()):
        got, want = both(lambda t, s=shape: t.result_type(t.zeros(s, dtype=getattr(t, a)), number))
        assert got == want, shape
        got, want = both(lambda t, s=shape: t.result_type(number, t.zeros(s, dtype=getattr(t, a))))
        assert got == want, shape
    got, want = both(lambda t: t.result_type(number, 1))
    assert got == want


@pytest.mark.parametrize("a", NAMES)
def test_properties(a):
    for what in ("is_signed", "is_floating_point", "is_complex", "itemsize"):
        got, want = both(lambda t, w=what: getattr(getattr(t, a), w))
        assert got == want, what
    for what in ("to_real", "to_complex"):
        got, want = both(lambda t, w=what: getattr(getattr(t, a), w)())
        assert got == want, what
    for what in ("bits", "max", "min", "eps", "tiny", "smallest_normal", "resolution"):
        got, want = both(lambda t, w=what: getattr(t.finfo(getattr(t, a)), w))
        if (a, what) == ("float8_e5m2fnuz", "eps"):  # PyTorch says 0.125, but after 1 comes 1.25
            want = "0.25"
        assert got == want, what
    for what in ("bits", "max", "min"):
        got, want = both(lambda t, w=what: getattr(t.iinfo(getattr(t, a)), w))
        assert got == want, what
    got, want = both(lambda t: t.zeros(1, dtype=getattr(t, a)).type())
    assert got == want


def patterns():
    """float32 numbers of every sign and exponent, with mantissas of all 16 upper bits and some lower ones."""
    upper = np.arange(1 << 16, dtype=np.uint32) << 16
    return np.concatenate([upper | low for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]).view(np.float32)


@pytest.mark.parametrize("name", [*FLOAT8, "float16", "bfloat16"])
def test_rounding(name):
    given = patterns()
    size = getattr(torch, name).itemsize
    got = numbatorch.from_numpy(given.copy()).to(getattr(numbatorch, name))
    want = torch.from_numpy(given.copy()).to(getattr(torch, name))
    carrier = f"uint{8 * size}"
    codes = [x.view(getattr(t, carrier)).numpy() for x, t in ((got, numbatorch), (want, torch))]
    nan = np.isnan(want.float().numpy())
    np.testing.assert_array_equal(codes[0][~nan], codes[1][~nan])
    assert np.isnan(got.float().numpy()[nan]).all()
    back = [t.from_numpy(np.arange(1 << 8 * size).astype(carrier)).view(getattr(t, name)).float().numpy()
            for t in (numbatorch, torch)]
    np.testing.assert_array_equal(*back)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(NAMES, NAMES)))
def test_conversions(a, b):
    values = [0, 1, 3, 100] + ([-2.5, 0.1] if getattr(torch, a).is_signed and "int" not in a else [])
    results = [t.tensor(values).to(getattr(t, a)).to(getattr(t, b)).tolist() for t in (numbatorch, torch)]
    assert results[0] == results[1]
