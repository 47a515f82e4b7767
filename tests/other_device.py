"""A device for tests, "privateuseone": memory that this process must not touch itself, and hardly any kernels.

Addresses are those of the host with a bit added, so that whoever reads them as the host's crashes. The CPU does all of
its work, except for a few elementwise kernels, on copies.
"""

import contextlib
import ctypes

from numbatorch import plan as planning
from numbatorch.cpu import backend as cpu
from numbatorch.device import device
from numbatorch.errors import NoAcceleratorError

FAR = 1 << 60
COUNT = 2


class Backend:
    """device.Backend of one of the devices."""

    on_host, has_values = False, True

    def __init__(self):
        self.uploads = self.downloads = 0

    def plan(self, request):
        return None

    def allocate(self, nbytes):
        return cpu.allocate(nbytes)

    def address(self, block):
        return cpu.address(block) + FAR

    def upload(self, target, source, nbytes, wait=True):
        assert target >= FAR > source
        self.uploads += 1
        ctypes.memmove(target - FAR, source, nbytes)

    def download(self, target, source, nbytes, wait=True):
        assert source >= FAR > target
        self.downloads += 1
        ctypes.memmove(target, source - FAR, nbytes)

    def move(self, target, source, nbytes):
        assert min(target, source) >= FAR
        ctypes.memmove(target - FAR, source - FAR, nbytes)

    def fill(self, target, value, nbytes):
        ctypes.memset(target - FAR, value, nbytes)


class Module:
    """What stands for numbatorch/privateuseone/backend.py."""

    current = 0
    devices = [Backend() for _ in range(COUNT)]

    def place(self, index):
        index = self.current if index is None else index
        if index >= COUNT:
            raise NoAcceleratorError(f"device privateuseone:{index} is not there: there are {COUNT}")
        return index

    def on(self, index):
        return self.devices[index]


@contextlib.contextmanager
def installed():
    """The device is there."""
    planning._backends["privateuseone"] = Module()
    try:
        yield device("privateuseone", 0)
    finally:
        for key in [k for k in planning._backends if k == "privateuseone" or getattr(k, "type", "") == "privateuseone"]:
            del planning._backends[key]
