"""`Generator` and the default generator's functions."""

import contextlib
import copy
import pickle
import threading

import numpy as np
import pytest

import numbatorch
from numbatorch import random


def numbers(generator, n=20):
    from numbatorch.cpu.random import fill_normal

    out = np.zeros(n, dtype=np.float32)
    fill_normal(generator.state, out.ctypes.data, n, "float32")
    return out.tolist()


def test_seeds():
    generator = numbatorch.Generator()
    assert generator.initial_seed() == 67280421310721
    assert generator.manual_seed(-5) is generator
    assert generator.initial_seed() == 2**64 - 5
    assert generator.device == numbatorch.device("cpu")
    assert generator.seed() == generator.initial_seed()
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            generator.manual_seed(seed)
    for seed in (2.5, True, "1"):
        with pytest.raises(RuntimeError, match="manual_seed expected a long, but got"):
            generator.manual_seed(seed)
    with pytest.raises(RuntimeError, match="no generator"):
        numbatorch.Generator("meta")


def test_copies_go_on_alike():
    generator = numbatorch.Generator().manual_seed(1)
    numbers(generator, 3)
    others = [generator.clone_state(), copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))]
    other = numbatorch.Generator()
    other.set_state(generator.get_state())
    expected = numbers(generator)
    assert all(numbers(g) == expected for g in [*others, other])
    assert all(g.initial_seed() == 1 for g in [*others, other])


def test_states_are_checked():
    generator = numbatorch.Generator()
    with pytest.raises(TypeError, match="expected a torch.ByteTensor, but got int"):
        generator.set_state(3)
    with pytest.raises(TypeError, match="RNG state must be a torch.ByteTensor"):
        generator.set_state(numbatorch.from_numpy(np.zeros(5056, dtype=np.float32)))
    with pytest.raises(RuntimeError, match="wrong size: expected 5056 bytes, got 10"):
        generator.set_state(numbatorch.from_numpy(np.zeros(10, dtype=np.uint8)))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        generator.set_state(numbatorch.from_numpy(np.zeros(5056, dtype=np.uint8)))


def test_default_generator():
    with random.fork_rng():
        assert random.manual_seed(7.9) is numbatorch.default_generator
        assert random.initial_seed() == numbatorch.initial_seed() == 7
        state = random.get_rng_state()
        expected = numbers(numbatorch.default_generator)
        with random.fork_rng():
            random.seed()
            assert numbers(numbatorch.default_generator) != expected
        following = numbers(numbatorch.default_generator)
        random.set_rng_state(state)
        assert numbers(numbatorch.default_generator) == expected
        assert numbers(numbatorch.default_generator) == following


def test_fork_names_only_the_cpu():
    with pytest.raises(RuntimeError, match="only the CPU has a generator"):
        with random.fork_rng(devices=["cuda"]):
            pass


def test_states_are_those_of_torch():
    torch = pytest.importorskip("torch")
    generator, theirs = numbatorch.Generator().manual_seed(-3), torch.Generator().manual_seed(-3)
    for n in (1, 700, 3):
        assert np.array_equal(generator.get_state().numpy(), theirs.get_state().numpy())
        assert numbers(generator, n) == torch.randn(n, generator=theirs).tolist()
    torch.Generator().set_state(torch.from_numpy(generator.get_state().numpy()))


def test_threads_that_come_first_draw_from_one_state(monkeypatch):
    from numbatorch import generator as module

    made, both = [], threading.Barrier(2, timeout=0.2)

    def new_state(seed, device, make=module._new_state):
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait()  # where nothing keeps threads apart, both come here
        made.append(make(seed, device))
        return made[-1]
    monkeypatch.setattr(module, "_new_state", new_state)
    own = numbatorch.Generator().manual_seed(3)
    threads = [threading.Thread(target=lambda: own.state) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and own.state is made[0]
