"""The default generator: its seed and its state."""

import contextlib

from .generator import default_generator, seed_all

__all__ = ["set_rng_state", "get_rng_state", "manual_seed", "seed", "initial_seed", "fork_rng", "thread_safe_generator"]


def manual_seed(seed):
    """Start the default generators of all devices again from int(seed), of [-2^63, 2^64); returns the CPU's.

    >>> import numbatorch
    >>> numbatorch.manual_seed(0).initial_seed()
    0
    """
    return seed_all(int(seed))


def seed():
    """Start the default generator again from a seed that the system's entropy gives; returns it."""
    return default_generator.seed()


def initial_seed():
    """The seed that the default generator began with."""
    return default_generator.initial_seed()


def get_rng_state():
    """State of the default generator, a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Give the default generator a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


def thread_safe_generator():
    """A generator of its own in a thread that loads data, None elsewhere: data is loaded by processes, so None."""
    return None


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, device_type=None):
    """Within the context random numbers are drawn as ever; at its end the default generator is where it was before.

    devices and device_type: accepted for generators other than the CPU's, of which there are none; RuntimeError if a
    device is named.
    """
    if devices:
        raise RuntimeError(f"fork_rng: only the CPU has a generator, got devices={list(devices)!r}")
    if not enabled:
        yield
        return
    state = default_generator.state.get_state()
    try:
        yield
    finally:
        default_generator.state.set_state(state)
