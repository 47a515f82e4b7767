"""From a compiled kernel to the call that a plan makes of it."""

from ..expr.kinds import Launch
from . import runtime
from .compile import compile_kernel


def launch(name, text, signature, device, values, units, block=256, each=None):
    """The Launch of one kernel over `units` units: a thread for each, or `each` blocks in all.

    Its parameters are the operands and outputs of the call, then `values`, which the plan knows; signature: of all.
    """
    run = call(name, text, signature, device, values, -(-units // block) if each is None else each, block)
    return Launch(run, 0, units, 1)


def call(name, text, signature, device, values, blocks, block=256, aligned=False, shared=0):
    """f(*operands, *outputs, meta, units, grain) that runs a kernel on the device's current stream."""
    index, values = device.index, tuple(values)
    function = runtime.driver().function(index, compile_kernel(name, text, signature, block, aligned, shared))
    if blocks and hasattr(function, "prepared"):
        run = function.prepared(blocks, values, runtime.thread)
        run.kernel = function.kernel
        return run
    start, streams = function.launch, runtime.thread

    def run(*given):
        if blocks:
            start(blocks, given[:-3] + values, streams.streams.get(index, 0))
    run.kernel = function.kernel
    return run


def kernels_of(run):
    """The kernels (compile.Kernel) of a call, of those that it makes (`within`) so far."""
    within = getattr(run, "within", None)
    if within is None:
        return [run.kernel] if hasattr(run, "kernel") else []
    calls = within.values() if isinstance(within, dict) else within
    return [kernel for inner in calls for kernel in kernels_of(inner)]


def by_alignment(wide, narrow, signature):
    """A call of `wide` where all addresses are multiples of 16; elsewhere of narrow(), made when needed."""
    pointers, others = [k for k, kind in enumerate(signature) if kind.endswith("*")], []

    def run(*given):
        low = 0
        for k in pointers:
            low |= given[k]
        if low & 15:
            if not others:
                others.append(narrow())
            others[0](*given)
        else:
            wide(*given)
    run.kernel = wide.kernel
    return run
