"""LLVM for the machine at hand: IR text to optimised object code, object code to addresses.

Nothing here knows Numba, so that a kernel found in the cache is loaded without importing it.
"""

import ctypes
import ctypes.util
import functools
import itertools
import sys

import llvmlite.binding as llvm

from ..lowering import host as machines
from ..lowering.host import host
from ..lowering.locking import lock

_numbers = itertools.count()


def has_feature(name):
    """Whether the CPU has an LLVM feature ("avx512f", "f16c")."""
    return f"+{name}" in host()[1].split(",")


def parse(text):
    """LLVM module of an IR text, in a context that goes with it: LLVM frees the types and constants of none before."""
    machines.own()  # sets LLVM up
    return llvm.parse_assembly(text, llvm.create_context())


def emit(module, exports, place=None):
    """Object code of a module, O3 with loop and SLP vectorisation; only `exports` stay visible, the rest is dropped.

    place: the machine (CPU name, feature string) that is to run it, `host()` unless told.
    Returns (object bytes, names of functions it needs from outside).
    """
    with lock:
        name, features = place or host()
        machine = machines.target_machine(name, features)
        module.triple, module.data_layout = machines.triple(name), str(machine.target_data)
        module.verify()
        for item in itertools.chain(module.functions, module.global_variables):
            if not item.is_declaration and item.name not in exports:
                item.linkage = "internal"
        for function in module.functions:
            if function.name in exports:
                function.add_function_attribute("noinline")  # a kernel's entry calls it in two places
        options = llvm.create_pipeline_tuning_options(3)
        options.loop_vectorization = options.slp_vectorization = True
        passes = llvm.create_pass_builder(machine, options)
        manager = passes.getModulePassManager()
        manager.run(module, passes)
        llvm.newpassmanagers.NewPassManager._dispose(manager)  # llvmlite 0.50 does not: 70 KB for each
        manager.detach()
        module = _in_order(module)
        outside = itertools.chain(module.functions, module.global_variables)
        needs = [item.name for item in outside if item.is_declaration and not item.name.startswith("llvm.")]
        return machine.emit_object(module), needs


def _in_order(module):
    """The module with the order of its sums as it stands: code generation would still change it, by what else a loop
    does, and a sum would have other bits in a kernel of several formulas than in one of its own."""
    text = str(module)
    return parse(text.replace("fadd reassoc ", "fadd ")) if "fadd reassoc " in text else module


@functools.cache
def _jit():
    # Never disposed: a worker may still be leaving a kernel when the interpreter ends.
    # JITLink asks for all sections of an object in one piece. The older linker asks for each, and ends the process
    # where code and constants come to lie 2 GB apart: between them may be large tensors. It is left for Windows, as
    # JITLink does not know all of COFF.
    machine = machines.target_machine(*machines.own())
    jit = llvm.create_lljit_compiler(machine, use_jit_link=sys.platform != "win32")
    jit._owned = True
    return jit


_left: list = []  # code that no kernel needs, which goes when the next is loaded


class Loaded:
    """Machine code in memory, for as long as this object lives.

    A kernel's built-in function reads its description in this code when it is deallocated. The garbage collector may
    clear the kernel before that, so code goes a little later, and stays in place when the interpreter ends.
    """

    def __init__(self, code, exports, imports):
        _left.clear()
        library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name, address in imports.items():
            library.import_symbol(name, address)
        for name in exports:
            library.export_symbol(name)
        with lock:
            self._tracker = library.link(_jit(), f"numbatorch.{next(_numbers)}")
        self.addresses = {name: self._tracker[name] for name in exports}

    def __del__(self, ends=sys.is_finalizing, left=_left):
        tracker = self.__dict__.pop("_tracker", None)
        if tracker is not None and ends():
            tracker._owned = True
        elif tracker is not None:
            left.append(tracker)

    def keep_for_ever(self):
        """Leave the code in place when the interpreter ends: threads of our own may be running it."""
        self._tracker._owned = True
        return self


@functools.cache
def python_api(name):
    """Address of a function or variable of Python's C interface."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value


@functools.cache
def _c_libraries():
    names = [None] if sys.platform != "win32" else ["ucrtbase", "msvcrt"]
    if sys.platform.startswith("linux"):
        names += [ctypes.util.find_library("m") or "libm.so.6"]
    libraries = []
    for name in names:
        try:
            libraries.append(ctypes.CDLL(name))
        except OSError:
            continue
    return libraries


@functools.cache
def symbol(name):
    """Address of a C function that kernels may need: the C library's, libm's or a helper that comes with Numba."""
    for library in _c_libraries():
        try:
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        except AttributeError:
            continue
    from numba import _helperlib

    helpers = {key: value for key, value in _helperlib.c_helpers.items() if isinstance(value, int)}
    address = helpers.get(name.removeprefix("numba_"))
    if address is None:
        raise RuntimeError(f"cpu: kernel needs the function {name!r}, which no library in this process has")
    return address
