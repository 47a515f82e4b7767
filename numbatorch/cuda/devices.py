"""Devices as programs ask for them: how many, which, what they are, and which one is current."""

from ..device import device as _device
from . import runtime


def index_of(device, name):
    """The number of a device given as a device, its name, its number, or None for the current one.

    ValueError for a device of another type, NoAcceleratorError for one that is not there.
    """
    if device is None:
        return runtime.place(None)
    if isinstance(device, bool) or not isinstance(device, (int, str, _device)):
        raise TypeError(f"cuda.{name}: expected a device, its name or its number, got {type(device).__name__}")
    if isinstance(device, int):
        return runtime.place(device) if device >= 0 else runtime.place(None)
    chosen = _device(device)
    if chosen.type != "cuda":
        raise ValueError(f"cuda.{name}: expected a cuda device, but got: {chosen}")
    return runtime.place(chosen.index)


def current_device():
    """The number of the device that this thread makes tensors on where "cuda" is all that is said."""
    return runtime.place(None)


def set_device(device):
    """Make a device the current one of this thread; negative numbers change nothing."""
    if isinstance(device, int) and device < 0:
        return
    runtime.thread.index = index_of(device, "set_device")


def init():
    """Open the driver, which the first use of a device would do."""
    runtime.driver()


def get_device_properties(device=None):
    """Name, compute capability, memory and sizes of a device (driver.Properties)."""
    return runtime.driver().properties(index_of(device, "get_device_properties"))


def get_device_name(device=None):
    """The name of a device."""
    return get_device_properties(device).name


def get_device_capability(device=None):
    """(major, minor) compute capability of a device."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def can_device_access_peer(device, peer_device):
    """Whether a device reads the memory of another one directly."""
    here, there = index_of(device, "can_device_access_peer"), index_of(peer_device, "can_device_access_peer")
    return runtime.driver().can_access(here, there)


def synchronize(device=None):
    """Wait until a device has done all that was asked of it."""
    runtime.driver().synchronize(index_of(device, "synchronize"))


def get_arch_list():
    """The architectures that kernels are compiled for: any from sm_70 on, as they are needed."""
    return ["sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90a"]


def get_gencode_flags():
    """The same as flags of NVIDIA's compiler."""
    return " ".join(f"-gencode compute=compute_{name[3:]},code={name}" for name in get_arch_list())


def is_bf16_supported(including_emulation=True):
    """Whether bfloat16 can be computed with: from compute capability 8.0 on by the hardware."""
    return including_emulation or get_device_capability()[0] >= 8


def is_tf32_supported():
    """Whether TF32 can be computed with: from compute capability 8.0 on."""
    return get_device_capability()[0] >= 8


class device:
    """`with device(d):` makes a device the current one. None and numbers below 0 change nothing.

    ValueError for a device of another type.
    """

    def __init__(self, device=None):
        if isinstance(device, (str, _device)):
            device = _device(device)
            if device.type != "cuda":
                raise ValueError(f"cuda.device: expected a cuda device, but got: {device}")
            self.idx = runtime.thread.index if device.index is None else device.index
        else:
            self.idx = -1 if device is None else device
        self._before = None

    def __enter__(self):
        if self.idx >= 0:
            if runtime.found() is None:
                raise runtime.absent("cuda.device")
            self._before, runtime.thread.index = runtime.place(None), runtime.place(self.idx)

    def __exit__(self, *_):
        if self.idx >= 0:
            runtime.thread.index = self._before
        return False


class device_of(device):
    """`with device_of(tensor):` makes the device of a tensor the current one; that of another type changes nothing."""

    def __init__(self, obj):
        super().__init__(obj.device if getattr(obj, "is_cuda", False) else None)
