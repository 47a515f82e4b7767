"""The face of an accelerator that is not there. What programs ask (how many, how much memory, which state) is answered
as PyTorch answers it on a machine without one; what they order raises NoAcceleratorError; isinstance() is False.

A kind that can be there says so in `present`; what remains of its face then raises NotImplementedError.
"""

import copy
import importlib
from collections.abc import Callable

from .errors import NoAcceleratorError

# Asked of any accelerator: the answer.
ANSWERS = {
    "is_available": False, "is_initialized": False, "device_count": 0, "is_bf16_supported": False,
    "is_tf32_supported": False, "get_arch_list": [], "get_gencode_flags": "", "get_rng_state_all": [],
    "memory_allocated": 0, "memory_reserved": 0, "max_memory_allocated": 0, "max_memory_reserved": 0,
    "memory_stats": {}, "memory_stats_as_nested_dict": {}, "memory_snapshot": [],
    "empty_cache": None, "manual_seed": None, "manual_seed_all": None, "seed": None, "seed_all": None,
    "set_rng_state_all": None,
}
# Ordered of any accelerator: refused.
ORDERS = """
    can_device_access_peer clock_rate current_device current_stream device_memory_used get_device_capability
    get_device_name get_device_properties get_per_process_memory_fraction get_rng_state get_stream_from_external
    graph_pool_handle init initial_seed is_current_stream_capturing make_graphed_callables mem_get_info memory_usage
    power_draw reset_accumulated_memory_stats reset_peak_memory_stats set_device set_per_process_memory_fraction
    set_rng_state set_stream synchronize temperature utilization change_current_allocator use_mem_pool
""".split()
CLASSES = "Event Stream MemPool".split()
present: dict[str, Callable[[], bool]] = {}  # kinds of devices that this machine may have: whether there is one
reasons: dict[str, Callable[[str], Exception]] = {}  # of these: the error of a name where there is none, which says why


def _answer(kind, name, value):
    def function(*args, **kwargs):
        return copy.copy(value)
    return _named(function, kind, name, f"{value!r}: there is no {kind} device in this build.")


def _refuse(kind, name):
    def function(*args, **kwargs):
        raise _refusal(kind, name, NoAcceleratorError)
    return _named(function, kind, name, f"NoAcceleratorError without a {kind} device, NotImplementedError with one.")


def _refusal(kind, name, error):
    """The error of what a face was ordered."""
    device = kind.partition(".")[0]
    if device in present and present[device]():
        return NotImplementedError(f"{kind}.{name}: not part of numbatorch")
    if device in reasons:
        return error(str(reasons[device](f"{kind}.{name}")))
    return error(f"{kind}.{name}: no {device} device is available, only cpu")


def answers(kind, values):
    """{name: function that returns its value, whatever it is asked}."""
    return {name: _answer(kind, name, value) for name, value in values.items()}


def orders(kind, names):
    """{name: function that raises NoAcceleratorError}; names in one string."""
    return {name: _refuse(kind, name) for name in names.split()}


def part(kind, names):
    """{name: object} of a submodule of the module of an absent accelerator."""
    whole = importlib.import_module(f".{kind}", __package__)
    return {name: getattr(whole, name) for name in names.split()}


def _named(function, kind, name, doc):
    function.__name__ = function.__qualname__ = name
    function.__doc__, function.__module__ = doc, f"{__package__}.{kind}"
    return function


class _Absent(type):
    """The class of things that live on an accelerator: there are none."""

    error: type[Exception]

    def __instancecheck__(cls, instance):
        return False

    def __call__(cls, *args, **kwargs):
        raise _refusal(cls.__module__.partition(".")[2], cls.__name__, cls.error)


def absent_class(kind, name, error=NoAcceleratorError):
    """A class without instances. Calling it raises `error`."""
    return _Absent(name, (), {"error": error, "__module__": f"{__package__}.{kind}",
                              "__doc__": f"Of {kind} devices, which this build has none of."})


class StreamContext:
    """`with stream(s):` sends work to a stream; without an accelerator there is only None, which changes nothing."""

    def __init__(self, stream=None):
        self.stream = stream

    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


class device:
    """`with device(d):` makes an accelerator current. None and indices below 0 change nothing; others are refused."""

    kind = ""

    def __init__(self, device=None):
        self.idx = device if isinstance(device, int) else getattr(device, "index", None)
        if self.idx is None:
            self.idx = -1 if device is None or getattr(device, "type", "") == "cpu" else 0

    def __enter__(self):
        if self.idx >= 0:
            raise NoAcceleratorError(f"{self.kind}.device: no {self.kind} device is available in this build, only cpu")

    def __exit__(self, *_):
        return False


class device_of(device):
    """`with device_of(tensor):` makes the device of a tensor current: the CPU, so nothing changes."""

    def __init__(self, obj):
        super().__init__(None)


_answers = answers


def face(kind, answers=None, orders=(), classes=()):
    """{name: object} of a module that stands for an absent accelerator, with answers, orders and classes of its own."""
    found = _answers(kind, {**ANSWERS, **(answers or {})})
    found.update({name: _refuse(kind, name) for name in (*ORDERS, *orders)})
    found.update({name: absent_class(kind, name) for name in (*CLASSES, *classes)})
    found.update(default_generators=(), StreamContext=StreamContext, stream=StreamContext,
                 device=type("device", (device,), {"kind": kind, "__doc__": device.__doc__}),
                 device_of=type("device_of", (device_of,), {"kind": kind, "__doc__": device_of.__doc__}))
    return found
