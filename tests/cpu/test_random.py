"""The streams of random numbers: pinned to PyTorch 2.13's bits, and against it where it is installed."""

import functools
import json
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

import numbatorch
from numbatorch.cpu import random, random_rejection

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
SIZES = (1, 2, 15, 16, 17, 33, 625)
LARGE = 100_003
PINS = Path(__file__).with_name("random_pins.json")

# name: (fill, arguments after the dtype, what the same is in torch, dtypes)
CASES = {
    "rand": (random.fill_uniform, (), lambda t: t.uniform_(), FLOATS),
    "uniform": (random.fill_uniform, (-0.3, 1.7), lambda t: t.uniform_(-0.3, 1.7), FLOATS),
    "randn": (random.fill_normal, (), lambda t: t.normal_(), FLOATS),
    "normal": (random.fill_normal, (0.3, 1.7), lambda t: t.normal_(0.3, 1.7), FLOATS),
    "log_normal": (random.fill_log_normal, (0.3, 0.7), lambda t: t.log_normal_(0.3, 0.7), FLOATS),
    "exponential": (random.fill_exponential, (1.3,), lambda t: t.exponential_(1.3), FLOATS),
    "cauchy": (random.fill_cauchy, (1.3, 0.3), lambda t: t.cauchy_(1.3, 0.3), FLOATS),
    "geometric": (random.fill_geometric, (0.3,), lambda t: t.geometric_(0.3), FLOATS + INTEGERS),
    "bernoulli": (random.fill_bernoulli_scalar, (0.3,), lambda t: t.bernoulli_(0.3), FLOATS + INTEGERS + ("bool",)),
    "random": (random.fill_random, (), lambda t: t.random_(), FLOATS + INTEGERS + ("bool",)),
    "randint": (random.fill_randint, (3, 100), lambda t: t.random_(3, 100), FLOATS + INTEGERS),
    "randint_from": (random.fill_randint, (5, None), lambda t: t.random_(5, None), FLOATS + INTEGERS),
    "randint_narrow": (random.fill_randint, (0, 2**28 - 1), lambda t: t.random_(0, 2**28 - 1), ("int32", "int64")),
    "randint_wide": (random.fill_randint, (-7, 2**28), lambda t: t.random_(-7, 2**28), ("int32", "int64")),
    "randint_all": (random.fill_randint, (-(2**63), None), lambda t: t.random_(-(2**63), None), ("int64",)),
    "randperm": (random.fill_randperm, (), None, ("int32", "int64", "float32", "float64")),
}
ALL = [(name, dtype) for name, case in CASES.items() for dtype in case[3]]


def drawn(state, name, dtype, n):
    """Bytes of n numbers of a case."""
    fill, arguments = CASES[name][:2]
    own = "int64" if name == "randperm" and "float" in dtype else dtype
    out = np.zeros(n, dtype=random._numpy(own))
    fill(state, out.ctypes.data, n, own, *arguments)
    return out.astype(random._numpy(dtype))


def torch_drawn(torch, name, dtype, n):
    dtype = getattr(torch, dtype)
    if name == "randperm":
        return torch.randperm(n, dtype=dtype)
    return CASES[name][2](torch.empty(n, dtype=dtype))


def checks(draw, state):
    """[bits of 17 numbers, checksums of further sizes and of the state after them], all from one stream."""
    first = draw(17)
    bits = first.tobytes().hex()
    return [bits, *(f"{zlib.crc32(draw(n).tobytes()):08x}" for n in (*SIZES, LARGE)), f"{zlib.crc32(state()):08x}"]


@functools.cache
def pins():
    return json.loads(PINS.read_text())


@pytest.mark.parametrize("name, dtype", ALL)
def test_streams_are_pinned(name, dtype):
    state = random.MersenneState(1234567890123)
    got = checks(lambda n: drawn(state, name, dtype, n), lambda: state.get_state().tobytes())
    assert got == pins()[f"{name} {dtype}"]


@pytest.mark.parametrize("name, dtype", ALL)
def test_streams_are_those_of_torch(name, dtype):
    torch = pytest.importorskip("torch")
    torch.manual_seed(-5)
    state = random.MersenneState(-5)
    for n in (0, *SIZES, 5001):
        theirs = torch_drawn(torch, name, dtype, n).view(torch.uint8).numpy().tobytes()
        assert drawn(state, name, dtype, n).tobytes() == theirs, n
        assert state.get_state().tobytes() == torch.get_rng_state().numpy().tobytes(), n


def test_normal_bits():
    out = drawn(random.MersenneState(0), "randn", "float32", 5)
    assert [x.hex() for x in out.tolist()] == ["0x1.8a7eb80000000p+0", "-0x1.2c78a00000000p-2", "-0x1.16e2920000000p+1",
                                               "0x1.23096c0000000p-1", "-0x1.15a3420000000p+0"]
    out = drawn(random.MersenneState(0), "randn", "float64", 3)
    assert [x.hex() for x in out.tolist()] == ["0x1.8a7eb8902be3ap+0", "-0x1.2c78a087c6feap-2", "-0x1.16e2920a70ee5p+1"]


@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_tensor_is_that_of_torch(dtype):
    torch = pytest.importorskip("torch")
    chance = torch.rand(1001, generator=torch.Generator().manual_seed(3)).to(getattr(torch, dtype))
    for result in ("float32", "bool", "float16", "int64"):
        torch.manual_seed(4)
        state, out = random.MersenneState(4), np.zeros(1001, dtype=result)
        random.fill_bernoulli_tensor(state, out.ctypes.data, 1001, result, chance.data_ptr(), dtype)
        theirs = torch.empty(1001, dtype=getattr(torch, result)).bernoulli_(chance)
        assert np.array_equal(out, theirs.numpy())


def test_bernoulli_refuses_chances_outside_0_to_1():
    chance, out = np.array([0.5, np.nan], dtype=np.float32), np.zeros(2, dtype=np.float32)
    with pytest.raises(RuntimeError, match="Expected p_in >= 0 && p_in <= 1"):
        random.fill_bernoulli_tensor(random.MersenneState(0), out.ctypes.data, 2, "float32", chance.ctypes.data,
                                     "float32")


@pytest.mark.parametrize("dtype", FLOATS)
def test_multinomial_with_replacement_is_that_of_torch(dtype):
    torch = pytest.importorskip("torch")
    chance = torch.rand(3, 300, generator=torch.Generator().manual_seed(3)).to(getattr(torch, dtype))
    state, out = random.MersenneState(9), np.zeros((3, 5000), dtype=np.int64)
    random.fill_multinomial(state, out.ctypes.data, chance.data_ptr(), dtype, 3, 300, 5000)
    assert np.array_equal(out, torch.multinomial(chance, 5000, replacement=True,
                                                 generator=torch.Generator().manual_seed(9)).numpy())


@pytest.mark.parametrize("row, message", [([0.0, 0.0], "sum of probabilities <= 0"), ([1.0, -1.0], "element < 0"),
                                          ([np.inf, 1.0], "`inf`, `nan`")])
def test_multinomial_refuses_what_is_no_distribution(row, message):
    chance, out = np.array(row, dtype=np.float32), np.zeros(3, dtype=np.int64)
    with pytest.raises(RuntimeError, match=message):
        random.fill_multinomial(random.MersenneState(0), out.ctypes.data, chance.ctypes.data, "float32", 1, 2, 3)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["poisson", "binomial", "gamma"])
def test_rejection_is_that_of_torch(name, dtype):
    torch = pytest.importorskip("torch")
    if name != "poisson" and "float16" in dtype:
        pytest.skip("PyTorch has none for 16 bits")
    rate, prob = torch.rand(2, 2001, generator=torch.Generator().manual_seed(3)).to(getattr(torch, dtype))
    rate = rate * 40
    rate[3::7] = 0
    count = (rate * 2).floor()
    fill, inputs, theirs = {
        "poisson": (random_rejection.fill_poisson, (rate,), torch.poisson),
        "binomial": (random_rejection.fill_binomial, (count, prob), torch.binomial),
        "gamma": (random_rejection.fill_gamma, (rate / 9,), torch._standard_gamma),
    }[name]
    torch.manual_seed(4)
    state, out = random.MersenneState(4), np.zeros(2001, dtype=random._numpy(dtype))
    for _ in range(2):
        fill(state, out.ctypes.data, 2001, dtype, *(tensor.data_ptr() for tensor in inputs))
        assert out.tobytes() == theirs(*inputs).view(torch.uint8).numpy().tobytes()
        assert np.array_equal(state.get_state(), torch.get_rng_state().numpy())


def test_poisson_refuses_negative_rates():
    rate, out = np.array([1.0, -1.0]), np.zeros(2)
    with pytest.raises(RuntimeError, match="invalid Poisson rate, expected rate to be non-negative"):
        random_rejection.fill_poisson(random.MersenneState(0), out.ctypes.data, 2, "float64", rate.ctypes.data)


def layouts(empty):
    """Memory that is not contiguous: transposed, strided, channels last, single elements."""
    yield empty(7, 9).transpose(1, 0)
    yield empty(7, 9)[:, ::2]
    yield empty(7, 9)[1:, 3:]
    yield empty(5, 4, 6).transpose(2, 0, 1)[::2, :, 1:]
    yield empty(2, 4, 5, 3).transpose(0, 3, 1, 2)
    yield empty(1, 9, 1).transpose(2, 1, 0)
    yield empty(40, 1, 50)[:, :, 3]
    yield empty(2, 0, 3)[:, :, ::2]
    yield empty(1)[0:1].reshape(())


@pytest.mark.parametrize("name", ["rand", "randn", "exponential", "bernoulli"])
def test_memory_is_filled_in_its_order(name):
    torch = pytest.importorskip("torch")
    theirs = CASES[name][2]
    for out in layouts(lambda *shape: np.zeros(shape, dtype=np.float32)):
        strides = tuple(stride // 4 for stride in out.strides)
        expected = torch.from_numpy(np.zeros(10_000, dtype=np.float32)).as_strided(out.shape, strides)
        torch.manual_seed(2)
        numbatorch.manual_seed(2)
        own = theirs(numbatorch.zeros(10_000).as_strided(out.shape, strides))
        assert np.array_equal(own.numpy(), theirs(expected).numpy()), (out.shape, strides)
        assert np.array_equal(numbatorch.get_rng_state().numpy(), torch.get_rng_state().numpy())


def test_state_can_be_stored_at_any_point():
    state = random.MersenneState(3)
    for n in (1, 622, 1, 1, 5000, 200_000, 3):
        drawn(state, "randn", "float32", n)
        copy, stored = state.copy(), state.get_state()
        other = random.MersenneState(0)
        other.set_state(stored)
        assert np.array_equal(other.get_state(), stored)
        ahead = [drawn(s, "randn", "float64", 700).tobytes() for s in (copy, other)]
        assert ahead[0] == ahead[1]
        assert np.array_equal(state.get_state(), stored)


@pytest.mark.parametrize("name", ["rand", "randn", "exponential", "randint"])
def test_results_do_not_depend_on_threads(name, set_threads):
    found = []
    for count in (1, 2, 3):
        set_threads(count)
        found.append(drawn(random.MersenneState(1), name, "float32", 300_001).tobytes())
    assert found[0] == found[1] == found[2]


def test_threads_may_share_a_generator():
    state, found = random.MersenneState(1), []
    threads = [threading.Thread(target=lambda: found.append(drawn(state, "rand", "float32", 200_000)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = drawn(random.MersenneState(1), "rand", "float32", 800_000)
    assert np.array_equal(np.sort(np.concatenate(found)), np.sort(whole))


@pytest.mark.parametrize("dtype, low, high, message", [
    ("uint8", 0, 257, "to - 1 is out of bounds"), ("uint8", -1, 5, "from is out of bounds"),
    ("int64", 3, 3, "from=3 >= to=3"), ("float16", 0, 70000, "to - 1 is out of bounds"),
])
def test_bounds_are_checked(dtype, low, high, message):
    with pytest.raises(RuntimeError, match=message):
        random.bounds(dtype, low, high)


def test_bounds_of_floats_move_to_numbers_that_exist():
    with pytest.warns(UserWarning, match="not be evenly distributed"):
        assert random.bounds("float32", 0, 2**30) == (0, 2**30 - 64)
    with pytest.warns(UserWarning, match="not be evenly distributed"):
        assert random.bounds("bfloat16", 2049, 4000) == (2064, 3984 - 2064)


def write_pins():
    """Write random_pins.json from torch: python -c "import test_random; test_random.write_pins()"."""
    import torch

    class Bytes:
        def __init__(self, tensor):
            self.tobytes = tensor.view(torch.uint8).numpy().tobytes

    found = {}
    for name, dtype in ALL:
        torch.manual_seed(1234567890123)
        found[f"{name} {dtype}"] = checks(lambda n: Bytes(torch_drawn(torch, name, dtype, n)),  # noqa: B023
                                          lambda: torch.get_rng_state().numpy().tobytes())
    PINS.write_text("{\n" + ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in found.items()) + "\n}\n")
