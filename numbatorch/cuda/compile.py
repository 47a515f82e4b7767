"""Kernel source to PTX: the seam between what is written in Python and what the driver loads.

A kernel is Python source `def name(p0, p1, ...):` that one thread runs; intrinsics.py and lowering/intrinsics.py have
the names that it may use. `compile_kernel` gives a `Kernel`, whose `ptx(architecture)` is made when first asked for and
kept in the cache on disk; Numba is imported only where the cache has none. All compile options of the GPU are set here
and in target.py.
"""

import functools
import os
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

from ..expr.write import storage
from ..lowering import cache
from ..lowering.sources import helper_texts, write_source

BLOCK = 256  # threads a block unless a kernel says otherwise: a multiple of the warp that fits eight times on an SM
_LLVM = {"bool": "i8", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
         "uint8": "i8", "uint16": "i16", "uint32": "i32", "uint64": "i64", "float32": "float", "float64": "double"}
_kernels: dict[tuple, "Kernel"] = {}
_lock = threading.RLock()
_counts = {"compiled": 0, "loaded": 0, "compile_seconds": 0.0}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class NoCodeError(RuntimeError):
    """A kernel needs a function of the C library, which a GPU has not."""


def architecture(capability):
    """The architecture to compile for on a device of a compute capability: (8, 6) -> "sm_86", (9, 0) -> "sm_90a".

    From 9.0 on the suffix gives the instructions of that generation alone (wgmma, TMA). What llvmlite's LLVM does not
    know yet gets code for 8.0, which the driver translates. NotImplementedError below 7.0, whose threads of a warp
    cannot wait for each other.
    """
    major, minor = capability
    if major < 7:
        raise NotImplementedError(f"the GPU has compute capability {major}.{minor}; kernels need 7.0 or newer")
    if (major, minor) == (9, 0):
        return "sm_90a"
    return f"sm_{major}{minor}" if (7, 0) <= (major, minor) < (9, 0) else "sm_80"


class Kernel:
    """A kernel's source and signature, and its PTX for each architecture that was asked for.

    `shared`: bytes of `shared_base()` that a block gets.
    """

    __slots__ = ("name", "source", "signature", "block", "aligned", "shared", "_texts")

    def __init__(self, name, source, signature, block, aligned=False, shared=0):
        self.name, self.source, self.signature, self.block, self.aligned = name, source, signature, block, aligned
        self.shared = shared
        self._texts: dict[str, str] = {}

    def __repr__(self):
        return f"<cuda kernel {self.name}({', '.join(self.signature)})>"

    def ptx(self, architecture="sm_80"):
        """The PTX text for an architecture ("sm_80", "sm_90a").

        RuntimeError, with Numba's message as its cause, when the source does not compile.
        """
        found = self._texts.get(architecture)
        if found is None:
            with _lock:
                found = self._texts[architecture] = _text(self, architecture)
        return found


def compile_kernel(name, source, signature, block=BLOCK, aligned=False, shared=0):
    """The Kernel of a source. signature: types of its parameters ("float32*", "int64", ...).

    aligned: promises that all addresses are multiples of 16, so that neighbouring elements are accessed together.
    shared: bytes of `shared_base()`.
    ValueError for a type that kernels cannot take.
    """
    signature = tuple(signature)
    key = (name, source, signature, block, aligned, shared)
    found = _kernels.get(key)
    if found is None:
        for text in signature:
            llvm_type(text)
        if "kernel" in os.environ.get("NUMBATORCH_DEBUG", ""):
            print(f"# cuda kernel {name}({', '.join(signature)})\n{source.rstrip()}\n", file=sys.stderr)
        found = _kernels.setdefault(key, Kernel(name, source, signature, block, aligned, shared))
    return found


def llvm_type(text):
    """LLVM type of one entry of a signature."""
    plain = storage(text[:-1]) if text.endswith("*") else text
    if plain not in _LLVM and not (text.endswith("*") and plain in ("complex64", "complex128")):
        raise ValueError(f"kernel signature: unknown type {text!r}, known: {', '.join(_LLVM)} and pointers")
    return "ptr" if text.endswith("*") else _LLVM[text]


def statistics():
    """What this process did: {"compiled", "loaded" from the cache, "compile_seconds" of the CPU}."""
    return dict(_counts)


def _text(kernel, architecture):
    key = cache.key(_versions(), "ptx", architecture, kernel.name, kernel.source, kernel.signature, kernel.block,
                    kernel.aligned, *helper_texts(kernel.source))
    stored = cache.read(key)
    if stored is not None:
        _counts["loaded"] += 1
        return stored.decode()
    from ..lowering import frontend
    from . import library, target
    from .intrinsics import names

    start = time.thread_time()
    path = write_source(kernel.name, kernel.source, key)
    text, native = frontend.module_text(kernel.name, kernel.source, path, kernel.signature,
                                        names=names(kernel.source))
    text = library.renamed(text)
    kinds = [llvm_type(t) + " align 16" * (kernel.aligned and t.endswith("*")) for t in kernel.signature]
    found = target.ptx(text, native, kernel.name, kinds, architecture, kernel.block, library.needed(text))
    cache.write(key, found.encode())
    write_source(kernel.name, found, key, "ptx")
    _counts["compiled"] += 1
    _counts["compile_seconds"] += time.thread_time() - start
    return found


@functools.cache
def _versions():
    """What besides its source decides a kernel's PTX: versions, and the text of this compiler."""
    here = Path(__file__).parent
    paths = [here / f"{name}.py" for name in ("compile", "intrinsics", "library", "matrix_tiles", "target",
                                              "warpgroups")]
    paths += [here.parent / "lowering" / f"{name}.py" for name in ("contexts", "frontend", "intrinsics", "narrow")]
    paths += [here.parent / "expr" / f"{name}.py" for name in ("c_library", "philox", "two_over_pi")]
    packages = [(package, version(package)) for package in ("numba", "llvmlite")]
    return cache.key(packages, sys.version_info[:2], *(path.read_text() for path in paths))
