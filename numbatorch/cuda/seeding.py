"""The generators of random numbers of the devices: seeds and states."""

from ..device import device as _device
from . import runtime
from .devices import index_of


def generator(device, name):
    """The default Generator of a device."""
    from ..generator import default_of
    return default_of(_device("cuda", index_of(device, name)))


def manual_seed(seed):
    """Start the generator of the current device again from a seed."""
    generator(None, "manual_seed").manual_seed(int(seed))


def manual_seed_all(seed):
    """Start the generators of all devices again from a seed."""
    for index in range(runtime.count()):
        generator(index, "manual_seed_all").manual_seed(int(seed))


def seed():
    """Start the generator of the current device again from a seed that the system's entropy gives."""
    generator(None, "seed").seed()


def seed_all():
    """Start the generators of all devices again from one seed that the system's entropy gives."""
    manual_seed_all(generator(None, "seed_all").seed())


def initial_seed():
    """The seed that the generator of the current device began with."""
    return generator(None, "initial_seed").initial_seed()


def get_rng_state(device="cuda"):
    """Seed and place of a device's generator, a uint8 tensor of 16 elements."""
    return generator(device, "get_rng_state").get_state()


def set_rng_state(new_state, device="cuda"):
    """Give the generator of a device a state that `get_rng_state` returned."""
    generator(device, "set_rng_state").set_state(new_state)


def get_rng_state_all():
    """The states of all devices' generators, in a list."""
    return [get_rng_state(index) for index in range(runtime.count())]


def set_rng_state_all(new_states):
    """Give the generators of all devices states that `get_rng_state_all` returned."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)
