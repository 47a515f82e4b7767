"""Plans before anything has run: a call is captured, undone, and known as if it had been.

What is computed meanwhile is only what somebody asks for: large kernels are noted and not run, in memory that has
addresses and no pages. So a plan takes little time, and little memory however large the step. Where a value is read
that such a kernel would have made, the call is captured once more with everything computed.
"""

import ctypes
import io
import mmap
import sys
from collections.abc import Iterator

from ..cpu import memory
from ..device import CPU
from ..ops import join
from ..tensor import empty_layout
from .attempt import Attempt
from .capture import Capture
from .places import Unsupported

SMALL = 1 << 20  # bytes of results of a kernel that is run if what it reads is known
DEEP = 4  # calls one after the other: state that the first one makes, functions that are only found as they run


class Needed(BaseException):
    """A value is read that has not been computed."""


class Imagined(Capture):
    """A capture of a call whose large kernels do not run; `rehearsed` undoes it."""

    def __init__(self, name, code, unknown):
        """unknown: addresses of buffers whose contents were not computed."""
        super().__init__(name, code)
        self.unknown = unknown

    def allocate(self, give, nbytes, device):
        """Memory; much of it has no pages until somebody writes there."""
        nbytes = self.plain(nbytes)
        return _empty(nbytes) if device is CPU and nbytes > SMALL else give(nbytes)

    def allocated(self, block, address, nbytes, device):
        self.unknown.discard(address)
        super().allocated(block, address, nbytes, device)

    def _keep(self, buffer):
        """Nothing is changed yet."""

    def acts(self):
        """Whether the last step is to run: on the CPU where it reads nothing unknown and writes little."""
        step = self.steps[-1]
        return step.device is not CPU or not any(b.address in self.unknown for b in step.reads()) and sum(
            self.plain(p.layout.nbytes) for p in step.places if p.writes) <= SMALL

    def launched(self, plan, kernel, arguments):
        found = super().launched(plan, kernel, arguments)
        if not self.acts() and not self.is_known(plan):
            self.is_sure = False
        return found

    def act(self, function, arguments):
        step = self.steps[-1]
        if self.acts():
            for b in step.writes():
                super()._keep(b)
            super().act(function, arguments)
            self.unknown -= {p.buffer.address for p in step.places
                             if p.writes and p.layout.nbytes == p.buffer.nbytes}
        else:
            self.unknown |= {b.address for b in step.writes()}

    def join(self, together, parts, dim):
        planned = join._planned(tuple([t._layout for t in parts]), dim)
        if planned[0].device is not CPU or planned[0].nbytes <= SMALL and not any(
                (b := self.find(t._ptr)) is not None and b.address in self.unknown for t in parts):
            return together(parts, dim)
        result = empty_layout(planned[0])
        self.unknown.add(self.find(result._ptr).address)
        return result

    def _value(self, tensor, item):
        buffer = self.find(tensor._ptr)
        if buffer is not None and buffer.address in self.unknown:
            raise Needed("a value is read")
        return super()._value(tensor, item)


def rehearsed(function, name, code, template, tensors, roots=(), loose=False, real=False):
    """(the Candidate of a call as programs are made of, the number of the call that it is).

    That is 1 where each call does the same, and more where the first ones make state and gradients that later ones
    find. Everything is undone: memory, gradients, generators, Python's objects. real: everything is computed.
    Unsupported, with the reason, for a call that cannot be undone or that no program can be made of.
    """
    unknown: set = set()

    def tried(kind, roots, number):
        attempt = Attempt(function, name, code, template, tensors, roots, loose, capture=kind)
        for value, path in [*attempt.places.randoms, *attempt.places.generators.values()]:
            if isinstance(value, (Iterator, io.IOBase)):
                raise Unsupported(f"the function can go on with {path}, which could not be undone")

        def again(candidate, why):
            nonlocal last
            last = number
            if number < DEEP and (why.startswith("not yet") if candidate is None else any(
                    (t._grad is not None) is not has for t, has, *_ in candidate.present)):
                return tried(kind, [*roots, *attempt.unseen], number + 1)
            return candidate, why
        return attempt.rehearsed(again)
    last = 1
    try:
        candidate, why = tried(Capture if real else lambda *given: Imagined(*given, unknown), [*roots], 1)
    except Needed:
        candidate, why = tried(Capture, [*roots], 1)
    if candidate is None:
        raise Unsupported(why.removeprefix("not yet: "))
    return candidate, last


# ---------------------------------------------------------------------------------------------------------------------

_NAME = ctypes.c_char_p(b"numbatorch.block")  # as cpu/memory.py calls its blocks
_NO_RESERVE = 0x4000 if sys.platform == "linux" else 0
_mapped: dict = {}  # {address: mapping}
_python = ctypes.PyDLL(None)
_new = _python.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_pointer = _python.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)


@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _drop(capsule):
    _mapped.pop(_pointer(capsule, _NAME), None)


def _empty(nbytes):
    """A block of memory of which only what is written, or read, takes room."""
    if not hasattr(mmap, "MAP_ANONYMOUS"):
        return memory.allocate(nbytes)
    mapping = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    _mapped[address] = mapping
    return _new(address, _NAME, _drop)


__all__ = ["Imagined", "rehearsed"]
