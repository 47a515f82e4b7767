"""Where a tensor lives: `device("cpu")`. Interned, so that devices compare by identity.

What a type of device can do is said by its backend, the module `numbatorch/<type>/backend.py` (`plan.backend` imports
it), which answers the protocol `Backend`.
"""

import threading
from typing import Any, Protocol

from .errors import NoAcceleratorError

_TYPES = ("cpu cuda ipu xpu mkldnn opengl opencl ideep hip ve fpga maia xla lazy vulkan mps meta hpu mtia "
          "privateuseone").split()  # all that programs may name


class device:
    """device("cpu"), device("cuda:1"), device("cuda", 1): a kind of machine and which one of them.

    `with device("cpu"):` makes it the one where tensors are made that are not told a device.
    RuntimeError when the text names no known kind of device, and for indices below 0.
    """

    __slots__ = ("type", "index")
    _known: dict = {}

    type: str
    index: int | None

    def __new__(cls, type="cpu", index=None):
        if isinstance(type, device):
            return type
        if isinstance(type, int):
            type, index = "cuda", type
        if not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' (position 1) must be torch.device, str or int, not "
                            f"{type.__class__.__name__}")
        name, colon, number = type.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(f"device: type (string) must not include an index because index was passed "
                                   f"explicitly: {type!r} and index={index}")
            if not number.isdigit() or number != str(int(number)):
                raise RuntimeError(f"Invalid device string: {type!r}")
            index = int(number)
        if name not in _TYPES:
            raise RuntimeError(f"Expected one of {', '.join(_TYPES)} device type at start of device string: {type!r}")
        if index is not None and index < 0:
            raise RuntimeError(f"Device index must not be negative, got {index}")
        key = (name, index)
        found = cls._known.get(key)
        if found is None:
            found = object.__new__(cls)
            found.type, found.index = key
            cls._known[key] = found
        return found

    def __enter__(self):
        current.outer = (current.default, *current.outer)
        current.default = CPU if self.type == "cpu" else self
        return self

    def __exit__(self, *_):
        current.default, *outer = current.outer
        current.outer = tuple(outer)

    def __repr__(self):
        return f"device(type={self.type!r}" + ("" if self.index is None else f", index={self.index}") + ")"

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self):
        return device, (self.type, self.index)


CPU = device("cpu")


class _Current(threading.local):
    """Where this thread makes tensors that are not told a device, and the defaults outside of open `with` blocks."""

    default = CPU
    outer: tuple = ()


current = _Current()


def get_default_device():
    """The device on which this thread makes tensors that are not told one."""
    return usable("", None)


def set_default_device(device):
    """Make tensors of this thread on `device` from now on where none is given; None puts the CPU back.

    Making them raises RuntimeError where `device` is not available.
    """
    chosen = _device(device) if device is not None else CPU
    current.default = CPU if chosen.type == "cpu" else chosen


_device = device


def usable(name, device):
    """The device where the tensors of a call go: its argument `device`, the default one for None.

    With the index of the current one where none is given ("cuda" -> "cuda:0"). NoAcceleratorError, said by `name`,
    where there is no such device.
    """
    chosen = current.default if device is None else _device(device)
    if chosen.type == "cpu":
        return CPU
    from .plan import backend
    try:
        return _device(chosen.type, backend(chosen.type).place(chosen.index))
    except NoAcceleratorError as error:
        raise NoAcceleratorError(f"{name}{error}") from None


class Backend(Protocol):
    """What is asked of the backend of a device. Addresses are ints, sizes are in bytes.

    A module stands for the one device of its type, or for all; `on(index)`, where a module has it, gives the backend
    of one device of several. Optional: `random`, whose `fill` and `fill_*` draw numbers where the device's tensors are
    (cpu/random.py); without it they are drawn on the host and copied; and `range_check` (cpu/scalars.py), which tells
    at once whether few indices lie in a range, and whose backend also has loops that check their indices themselves
    ("checked" of gather, "onto" of scatter); without it they are reduced to their bounds, which are read;
    `together`, one launch for a formula over lists of operands (together.py); `sums_rows`, True where `Rows` requests
    may have sums over the rows; `pinned_memory`, blocks of the host's memory that the device reads and writes
    directly; and `fusion`, what may become one kernel (cpu/fusion.py), for devices that programs are compiled for.
    """

    on_host: bool  # whether this process reads and writes the memory itself, at the same addresses
    has_values: bool  # whether memory holds anything: False for tensors of shapes alone (meta)

    def place(self, index: int | None) -> int | None:
        """The index of the device that `index` stands for, None: the current one. NoAcceleratorError if not there."""

    def plan(self, request: Any) -> Any:
        """The Launch that answers a request (expr/kinds.py); None lets the CPU answer it, on copies."""

    def allocate(self, nbytes: int) -> Any:
        """A block of memory, not initialised; the memory is free again when nothing refers to the block."""

    def address(self, block: Any) -> int:
        """The address of the first byte of a block."""

    def upload(self, target: int, source: int, nbytes: int, wait: bool = True) -> None:
        """Copy bytes from the host's memory at `source`; unless `wait`, they may be read after the call returns."""

    def download(self, target: int, source: int, nbytes: int, wait: bool = True) -> None:
        """Copy bytes to the host's memory at `target`, after all work asked for; as for `upload`."""

    def move(self, target: int, source: int, nbytes: int) -> None:
        """Copy bytes within the device, or to it from another one of its type. The parts do not overlap."""

    def fill(self, target: int, value: int, nbytes: int) -> None:
        """Make all bytes `value`."""
