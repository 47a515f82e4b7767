"""Random numbers of the GPU: Philox's known answers, their streams, and their distributions."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.expr.philox import philox4x32, philox_words

pytestmark = pytest.mark.usefixtures("gpu")


def test_known_answers():
    """From the authors' own test vectors (Random123, kat_vectors)."""
    def words(counter, key):
        with np.errstate(over="ignore"):
            return " ".join(f"{int(w):08x}" for w in philox4x32(*map(np.uint64, (*counter, *key))))
    full = 0xFFFFFFFF
    assert words((0,) * 4, (0,) * 2) == "6627e8d5 e169c58d bc57ac4c 9b00dbd8"
    assert words((full,) * 4, (full,) * 2) == "408f276d 41c83b0e a20bc7c6 6d5451fd"
    assert words((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)) == (
        "d16cfe09 94fdcceb 5001e420 24126ea1")


def test_the_gpu_draws_the_bits_that_the_formula_gives_on_the_cpu():
    generator = torch.Generator("cuda").manual_seed(0x123456789ABCDEF)
    found = torch.rand(1003, generator=generator, device="cuda").cpu().numpy()
    with np.errstate(over="ignore"):
        words = np.stack(philox_words(np.arange(251, dtype=np.uint64), 0x123456789ABCDEF), 1).reshape(-1)[:1003]
    assert np.array_equal(found, (words >> np.uint64(8)).astype("f") * np.float32(2**-24))


def test_streams_go_on_and_come_back():
    generator = torch.Generator("cuda").manual_seed(5)
    whole = torch.rand(12, generator=generator, device="cuda").tolist()
    generator.manual_seed(5)
    parts = [torch.rand(n, generator=generator, device="cuda").tolist() for n in (4, 8)]
    assert parts[0] + parts[1] == whole and generator.get_offset() == 12
    state = generator.get_state()
    following = torch.randn(5, generator=generator, device="cuda").tolist()
    other = torch.Generator("cuda")
    other.set_state(state)
    assert other.initial_seed() == 5 and torch.randn(5, generator=other, device="cuda").tolist() == following
    other.set_offset(4)
    assert torch.rand(8, generator=other, device="cuda").tolist() == whole[4:]
    with pytest.raises(RuntimeError, match="multiple of 4"):
        other.set_offset(3)
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"):
        torch.rand(2, generator=torch.Generator(), device="cuda")


def test_seeds_of_the_library_and_of_the_device():
    torch.manual_seed(3)
    first = torch.rand(4, device="cuda").tolist()
    torch.cuda.manual_seed(3)
    assert torch.rand(4, device="cuda").tolist() == first and torch.cuda.initial_seed() == 3
    torch.cuda.manual_seed_all(4)
    state = torch.cuda.get_rng_state()
    second = torch.rand(4, device="cuda").tolist()
    assert second != first
    torch.cuda.set_rng_state_all([state])
    assert torch.rand(4, device="cuda").tolist() == second and len(torch.cuda.default_generators) == 1
    torch.cuda.seed_all()
    assert torch.cuda.initial_seed() == torch.cuda.default_generators[0].initial_seed() != 4


@pytest.mark.parametrize("draw, mean, std", [
    (lambda t: t.uniform_(-1, 3), 1, 16**0.5 / 12**0.5), (lambda t: t.normal_(2, 3), 2, 3),
    (lambda t: t.exponential_(2), 0.5, 0.5), (lambda t: t.geometric_(0.25), 4, 12**0.5),
    (lambda t: t.bernoulli_(0.3), 0.3, 0.21**0.5), (lambda t: t.log_normal_(0, 0.5), 1.1331, 0.6039),
    (lambda t: t.random_(10), 4.5, 8.25**0.5), (lambda t: t.bernoulli_(torch.full_like(t, 0.3)), 0.3, 0.21**0.5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_distributions(draw, mean, std, dtype):
    torch.manual_seed(0)
    x = draw(torch.empty(4000, device="cuda", dtype=dtype)).double()
    assert abs(float(x.mean()) - mean) < 5 * std / 4000**0.5 + 0.01 * mean
    assert abs(float(x.std()) - std) < 0.12 * std


def test_what_else_is_drawn():
    torch.manual_seed(1)
    x = torch.zeros(6, 5, device="cuda")
    x[:, 1:4].uniform_(1, 2)
    assert (x[:, 1:4] >= 1).all() and float(x.sum()) == float(x[:, 1:4].sum())
    assert torch.randint(-3, 3, (500,), device="cuda").unique().tolist() == [-3, -2, -1, 0, 1, 2]
    assert sorted(torch.randperm(9, device="cuda").tolist()) == list(range(9))
    z = torch.randn(2000, dtype=torch.complex64, device="cuda")
    assert abs(float((z.abs() ** 2).mean()) - 1) < 0.1
    assert torch.nn.functional.dropout(torch.ones(1000, device="cuda")).unique().tolist() == [0, 2]
    assert torch.multinomial(torch.tensor([0.0, 1, 1], device="cuda"), 2).sort()[0].tolist() == [1, 2]
    assert torch.poisson(torch.full((50,), 3.0, device="cuda")).device.type == "cuda"
    with pytest.raises(RuntimeError, match="p_in >= 0"):
        torch.bernoulli(torch.tensor([1.5], device="cuda"))
