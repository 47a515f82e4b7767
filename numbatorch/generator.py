"""`Generator`: where random numbers come from. A seed and, from the first draw on, the state that follows from it."""

import os
import secrets
import threading

from .device import CPU, device as _device, usable

DEFAULT_SEED = 67280421310721


class Generator:
    """Generator(device="cpu"): a stream of random numbers that depends on its seed alone.

    On the CPU the bits are those of PyTorch's generator, and so are the bytes of `get_state`; on a GPU those of Philox.
    RuntimeError for a device that draws no numbers itself.
    """

    __slots__ = ("_seed", "_state", "_device", "__weakref__")

    def __init__(self, device="cpu"):
        self._device = CPU if _device(device) is CPU else usable("Generator: ", device)
        if not has_own(self._device):
            raise RuntimeError(f"Generator: device {device!r} has no generator, use device='cpu'")
        self._seed, self._state = DEFAULT_SEED, None

    @property
    def device(self):
        """The device whose numbers these are."""
        return self._device

    @property
    def state(self):
        """What the fill functions of cpu/random.py, or of another device, take and move on."""
        state = self._state
        if state is None:
            with _making:  # of two threads each would draw the same numbers, from a state of its own
                state = self._state
                if state is None:
                    state = self._state = _new_state(self._seed, self._device)
        return state

    def manual_seed(self, seed):
        """Start again from `seed`, an int of [-2^63, 2^64); negative ones count from 2^64. Returns the generator."""
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: Overflow when unpacking long long: got seed={seed}, expected one of "
                             "[-2^63, 2^64)")
        self._seed = seed % 2**64
        if hasattr(self._state, "restart"):  # what was recorded refers to a GPU's state
            self._state.restart(self._seed)
        else:
            self._state = None
        return self

    def seed(self):
        """Start again from a seed that the system's entropy gives; returns it."""
        return self.manual_seed(secrets.randbits(64)).initial_seed()

    def initial_seed(self):
        """The seed that the stream began with."""
        return self._seed if self._state is None else self._state.initial_seed

    def get_state(self):
        """The whole state as a uint8 tensor of 5056 elements."""
        from .creation import from_numpy

        return from_numpy(self.state.get_state())

    def set_state(self, new_state):
        """Take over the state in a tensor of `get_state`; TypeError or RuntimeError when it cannot be one."""
        from .tensor import Tensor

        if not isinstance(new_state, Tensor):
            raise TypeError(f"set_state: expected a torch.ByteTensor, but got {type(new_state).__name__}")
        self.state.set_state(new_state.numpy())
        return self

    def clone_state(self):
        """Another generator in the same state."""
        other = Generator(self._device)
        other._seed, other._state = self._seed, None if self._state is None else self._state.copy()
        return other

    def get_offset(self):
        """How many words a GPU's generator has drawn. RuntimeError: the CPU's is not addressed by an offset."""
        if self._device is CPU:
            raise RuntimeError("get_offset: CPU Generator does not use offset")
        return 4 * self.state.group

    def set_offset(self, offset):
        """Go to a word, a multiple of 4, of a GPU's generator. RuntimeError for the CPU's, and for other numbers."""
        if self._device is CPU:
            raise RuntimeError("set_offset: CPU Generator does not use offset")
        if offset % 4:
            raise RuntimeError(f"set_offset: offset must be a multiple of 4, got {offset}")
        self.state.group = offset // 4

    def __reduce__(self):
        return _restored, (str(self._device), self.state.get_state())

    def __repr__(self):
        return f"<numbatorch.Generator device={str(self._device)!r} initial_seed={self.initial_seed()}>"


def has_own(device):
    """Whether a device has generators; on others that of the CPU is taken."""
    if device is CPU:
        return True
    found = _backend(device)
    return found.has_values and hasattr(getattr(found, "random", None), "new_state")


def _backend(device):
    from .plan import backend

    return backend(device)


def _new_state(seed, device):
    if device is not CPU:
        return _backend(device).random.new_state(seed)
    from .cpu.random import MersenneState

    return MersenneState(seed)


def _restored(device, state):
    generator = Generator(device)
    generator.state.set_state(state)
    return generator


_making = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_making.acquire, after_in_parent=_making.release, after_in_child=_making.release)
default_generator = Generator()
_defaults: dict = {}  # of other devices than the CPU


def default_of(device):
    """The default generator of a device; at first it has the seed of the CPU's."""
    if device is CPU or not has_own(device):
        return default_generator
    if device not in _defaults:
        _defaults[device] = Generator(device).manual_seed(default_generator.initial_seed())
    return _defaults[device]


def seed_all(seed):
    """Start the default generators of all devices again from a seed; returns the CPU's."""
    for generator in _defaults.values():
        generator.manual_seed(seed)
    return default_generator.manual_seed(seed)
