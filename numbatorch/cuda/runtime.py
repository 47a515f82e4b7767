"""The driver in use, and what this thread has chosen: its device and streams.

NUMBATORCH_CUDA=emulate makes the emulator the driver; without it that is NVIDIA's, where there is one.
"""

import contextlib
import os
import threading

from ..errors import NoAcceleratorError

_state: dict = {"driver": None, "reason": None, "forked": False, "used": False}
_lock = threading.Lock()


class _Thread(threading.local):
    """This thread's current device, its current stream on each device (0: the default one), what it records."""

    index = 0
    recording = None  # the CUDAGraph

    def __init__(self):
        self.streams = {}


thread = _Thread()


def _child():
    if _state["driver"] is not None and not emulated():
        _state["forked"] = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
    os.register_at_fork(after_in_child=_child)


def emulated():
    """Whether the emulator is the driver. ValueError for an unknown value of NUMBATORCH_CUDA."""
    chosen = os.environ.get("NUMBATORCH_CUDA", "")
    if chosen not in ("", "emulate"):
        raise ValueError(f"NUMBATORCH_CUDA: expected 'emulate' or nothing, got {chosen!r}")
    return chosen == "emulate"


def _open():
    with _lock:
        if _state["driver"] is None and _state["reason"] is None:
            from .driver import Driver, Unavailable
            try:
                if emulated():
                    from .emulator.device import shared
                    _state["driver"] = shared()
                else:
                    _state["driver"] = Driver()
            except Unavailable as error:
                _state["reason"] = str(error)
    return _state["driver"]


def found():
    """The driver, or None where there is none that can be used."""
    return _state["driver"] or _open()


def driver():
    """The driver. NoAcceleratorError, with the reason, where there is none; RuntimeError in a forked child."""
    chosen = _state["driver"] or _open()
    if chosen is None:
        raise absent("device cuda")
    if _state["forked"]:
        raise RuntimeError("cuda: a process that was forked cannot use the GPU that its parent used; start processes "
                           "with multiprocessing.set_start_method('spawn')")
    _state["used"] = True
    return chosen


def absent(name):
    """The error of what asks for a device where there is none."""
    return NoAcceleratorError(f"{name}: no cuda device is available: {_state['reason']}. NUMBATORCH_CUDA=emulate runs "
                              "kernels in an emulator")


def is_initialized():
    """Whether this process has used a device; questions (`found`, `count`) do not."""
    return _state["used"]


def is_forked():
    """Whether this process was forked from one that had opened the driver, which the child cannot use."""
    return _state["forked"]


def count():
    """How many devices there are; 0 without a driver."""
    chosen = found()
    return chosen.count if chosen is not None else 0


def place(index):
    """The number of a device, None for this thread's current one. NoAcceleratorError where there is no such device."""
    number = driver().count
    chosen = thread.index if index is None else index
    if not 0 <= chosen < number:
        raise NoAcceleratorError(f"device cuda:{chosen} is not available: there "
                                 f"{'is 1 device' if number == 1 else f'are {number} devices'}, cuda:0"
                                 f"{'' if number == 1 else f' to cuda:{number - 1}'}")
    return chosen


def has_tensor_cores(index):
    """Whether products on a device run on tensor cores and copies need not wait: from compute capability 8.0 on."""
    chosen = found()
    return chosen is None or chosen.properties(index).major >= 8  # without a device: to show what kernels look like


def stream(index):
    """The handle of this thread's current stream on a device."""
    return thread.streams.get(index, 0)


@contextlib.contextmanager
def current(index):
    """`with current(1):` makes a device this thread's current one."""
    before, thread.index = thread.index, index
    try:
        yield
    finally:
        thread.index = before


@contextlib.contextmanager
def using(other):
    """`with using(driver):` makes another driver the one in use, for tests and tools; None stands for none at all."""
    before = dict(_state)
    _state.update(driver=other, reason=None if other is not None else "no driver was asked for", forked=False,
                  used=False)
    try:
        yield other
    finally:
        _state.update(before)
