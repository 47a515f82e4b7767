"""The GPU as plans see it (device.Backend): requests in, launches out; memory and copies."""

import functools
import importlib
import operator

from ..expr import kinds
from . import pinned, runtime
from .memory_pool import Pool

on_host, has_values = False, True
place = runtime.place
_MODULES = {kinds.Elementwise: "elementwise", kinds.Rows: "rows", kinds.Nest: "contraction", kinds.Scan: "scan"}


class Device:
    """One GPU."""

    on_host, has_values = False, True
    place = staticmethod(runtime.place)

    def __init__(self, index):
        self.index = index
        self.driver = runtime.driver()
        self.pool = Pool(self.driver, index, runtime.thread)
        self.allocate = self.pool.allocate

    @functools.cached_property
    def has_tensor_cores(self):
        """Whether there are kernels that need them."""
        return runtime.has_tensor_cores(self.index)

    @functools.cached_property
    def random(self):
        """The fill functions of random numbers."""
        from .philox import Fills
        return Fills(self.index, self.allocate)

    @functools.cached_property
    def fusion(self):
        """What `compile` asks about requests."""
        from . import fusion
        return fusion

    address = staticmethod(operator.attrgetter("address"))  # of a block's first byte

    @staticmethod
    def pinned_memory(nbytes):
        """A block of the host's memory that devices read and write directly."""
        return pinned_memory(nbytes)

    def plan(self, request):
        """The Launch that answers a request (expr/kinds.py); None where no template does, so that the CPU answers."""
        return plan(request)

    @staticmethod
    def together(request):
        """The function that evaluates an Elementwise request for several sets of operands in one launch, or None."""
        from . import together
        from .compile import NoCodeError
        try:
            return together.plan(request)
        except NoCodeError:
            return None

    def upload(self, target, source, nbytes, wait=True):
        """Copy bytes from the host's memory at `source`; unless `wait`, pinned memory may be read later."""
        if nbytes:
            stream = runtime.stream(self.index)
            self.driver.upload(self.index, target, source, nbytes, stream)
            self._finish(source, stream, wait)

    def _finish(self, address, stream, wait):
        """Wait for a copy, or let the pinned memory at an address wait for it before others get it."""
        block = None if wait else pinned.covering(address)
        if block is not None:
            block.used_on((self.index, stream))
        else:  # the driver may read pageable memory later, too
            self.driver.synchronize_stream(self.index, stream)

    def download(self, target, source, nbytes, wait=True):
        """Copy bytes to the host's memory at `target`; unless `wait`, pinned memory may be written later."""
        if nbytes:
            stream = runtime.stream(self.index)
            self.driver.download(self.index, target, source, nbytes, stream)
            self._finish(target, stream, wait)

    def wait(self):
        """Wait until all work of the current stream is done."""
        self.driver.synchronize_stream(self.index, runtime.stream(self.index))

    def move(self, target, source, nbytes):
        """Copy bytes within the device, or to it from another one."""
        if nbytes:
            self.driver.move(self.index, target, source, nbytes, runtime.stream(self.index))

    def fill(self, target, value, nbytes):
        """Make all bytes `value`."""
        if nbytes:
            self.driver.fill(self.index, target, value, nbytes, runtime.stream(self.index))


def pinned_memory(nbytes):
    """A block of the host's memory that devices read and write directly."""
    return pinned.pool().allocate(nbytes)


_devices: dict[tuple, Device] = {}


def on(index):
    """The Device of a number."""
    key = runtime.driver(), runtime.place(index)
    if key not in _devices:
        _devices[key] = Device(key[1])
    return _devices[key]


def used():
    """Every Device of the driver that was used so far."""
    return [device for (driver, _), device in _devices.items() if driver is runtime.found()]


def _template(request):
    """(module, function name) that answers a request, or None."""
    if isinstance(request, kinds.Native):
        found = _NATIVE.get((request.template, request.function))
        return None if found is None else (importlib.import_module(f".{request.template}", __package__), found)
    name = _MODULES.get(type(request))
    return None if name is None else (importlib.import_module(f".{name}", __package__), "plan")


_NATIVE = {  # requests by name: the function that answers, in the module of the request's template
    ("attention", "forward"): "forward", ("attention", "backward"): "backward",
    ("contraction", "convolution_forward"): "convolution",
    ("contraction", "convolution_input_gradient"): "convolution",
    ("contraction", "convolution_weight_gradient"): "convolution",
    ("gather", "plan"): "plan", ("gather", "nonzero"): "nonzero", ("gather", "unravel"): "unravel",
    ("gather", "ranges"): "ranges", ("scatter", "plan"): "plan", ("scatter", "combined"): "onto",
    ("search", "plan"): "plan", ("sort", "plan"): "plan", ("sort", "pick"): "pick",
    ("window", "max_pool"): "max_pool", ("window", "spread_taps"): "spread_taps", ("window", "pick_taps"): "pick_taps",
    ("window", "scatter_planes"): "scatter_planes", ("window", "avg_pool"): "avg_pool",
    ("window", "avg_pool_backward"): "avg_pool_backward", ("join", "plan"): "plan", ("join", "several"): "several",
    ("compressed", "product"): "product", ("compressed", "sampled"): "sampled",
}


def plan(request):
    """The Launch that answers a request; None where no template does, or a function is missing that it calls."""
    found = _template(request)
    if found is None:
        return None
    from .compile import NoCodeError
    try:
        return getattr(found[0], found[1])(request)
    except NoCodeError:
        return None


def source(request):
    """The kernel source that `plan` would compile for a formula request."""
    module, _ = _template(request)
    return module.source(request)


def ptx(request, architecture="sm_80"):
    """The PTX of that source."""
    from .compile import compile_kernel
    module, _ = _template(request)
    text, name, signature, block = module.kernel(request)
    return compile_kernel(name, text, signature, block).ptx(architecture)


def launched(act):
    """The kernels (compile.Kernel) that act() launches on an emulated device, each once."""
    from .emulator.device import shared
    with runtime.using(shared()) as driver:
        driver.launched.clear()
        act()
        return list(dict.fromkeys(driver.launched))
