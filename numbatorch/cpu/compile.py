"""Kernel source to a callable: Numba as front end, one LLVM optimisation, our own entry and object cache.

A kernel is Python source `def name(p0, p1, ..., start, stop):` over a range of units of its work. `compile_kernel`
gives a built-in function `kernel(*arguments, units, grain)`: pointers are passed as integers; up to `grain` units run
in one direct call, more are cut into chunks of `grain` units that the thread pool claims. Numba is imported only when
no cached object code fits. All compile options of the CPU are set here and in machine.py.
"""

import functools
import json
import os
import re
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

from ..lowering import cache, host, packs
from ..lowering.sources import helper_texts, write_source
from . import entry, machine

_kernels: dict[tuple, object] = {}
_lock = threading.RLock()
_counts = {"compiled": 0, "loaded": 0, "compiled_bytes": 0, "compile_seconds": 0.0}
if hasattr(os, "register_at_fork"):  # taken before machine.lock, as everywhere
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def compile_kernel(name, source, signature, independent=False):
    """The function `name` of a kernel source as a built-in function kernel(*arguments, units, grain).

    signature: types of the parameters before `start, stop`: "float32*", "int64", ...
    independent: promises that no iteration of any loop reads or writes memory that another iteration of the same loop
        writes; loops then become vector code without run-time overlap checks, for results in place too.
    Raises RuntimeError, with Numba's message as its cause, when the source does not compile.
    """
    signature = _checked(signature)
    parts = ("numba", name, source, signature, independent, *helper_texts(source))

    def make():
        from . import frontend

        path = write_source(name, source, _key(machine.host(), parts))
        return frontend.module_text(name, source, path, signature, independent)

    return _kernel(parts, name, source, signature, make)


def kernel_of(request, form, write, independent=False):
    """The kernel whose (text, name, signature) `write()` gives, of a request of formulas.

    form: what besides formulas, dtypes and names the text depends on. Requests that differ in sizes alone share it.
    """
    key = (form, type(request), request.name, request.compute, request.roots, getattr(request, "is_row", None),
           getattr(request, "summed", 0), tuple([(o.name, o.dtype, getattr(o.layout, "dtype", o.layout))
                                                 for o in request.operands]), tuple([o.dtype for o in request.outputs]))
    found = _written.get(key)
    if found is None:
        text, name, signature = write()
        if len(_written) >= MOST_WRITTEN:
            _written.clear()
        found = _written[key] = compile_kernel(name, text, signature, independent)
    return found


MOST_WRITTEN = 4096  # kernels that are found by their requests
_written: dict[tuple, object] = {}


def compile_ir(name, text, signature):
    """The same for LLVM IR text that defines `void @name(<signature>, i64 %start, i64 %stop)`."""
    signature = _checked(signature)
    return _kernel(("ir", name, text, signature), name, text, signature, lambda: text)


def compile_object(name, text, exports, here=None):
    """Object code of plain IR text through the cache: (bytes, names it needs from outside).

    here: the text for this machine, where a text for another one does not serve it.
    """
    return _object(("object", name, text, exports), lambda: text, tuple(exports), here)


def statistics():
    """What this process did: {"compiled", "loaded" from the cache, "compiled_bytes", "compile_seconds" of the CPU}."""
    return dict(_counts)


def _checked(signature):
    for text in signature:
        entry.llvm_type(text)
    return tuple(signature)


def _kernel(parts, name, source, signature, make):
    found = _kernels.get(parts)
    if found is not None:
        return found
    with _lock:
        if parts not in _kernels:
            if "kernel" in os.environ.get("NUMBATORCH_DEBUG", ""):
                print(f"# kernel {name}({', '.join(signature)})\n{source.rstrip()}\n", file=sys.stderr)
            exports = (name, f"entry_{name}")
            code, needs = _object(parts, lambda: make() + entry.write(name, signature), exports)
            _kernels[parts] = entry.Kernel(name, signature, source, code, needs).function()
        return _kernels[parts]


def _object(parts, make, exports, here=None):
    """(object code, needed names) of what `parts` decide: from the cache, a pack, or made from IR text and kept."""
    key = _key(machine.host(), parts)
    stored = cache.read(key) or packs.read(lambda other: _key(other, parts))
    if stored is not None and host.runs_here():
        head, _, code = stored.partition(b"\n")
        _counts["loaded"] += 1
        return code, json.loads(head)
    with _lock, machine.lock:
        start = time.thread_time()
        text = make()
        if stored is None:
            code, needs = _emit(text, exports, machine.host())
            _counts["compiled"] += 1
            _counts["compiled_bytes"] += len(code)
            cache.write(key, json.dumps(needs).encode() + b"\n" + code)
        if not host.runs_here():
            code, needs = _emit(here or text, exports, host.own())
        _counts["compile_seconds"] += time.thread_time() - start
    return code, needs


def _emit(text, exports, place):
    """(object code, needed names) of IR text for a machine."""
    try:
        return machine.emit(machine.parse(text), exports, place=place)
    except RuntimeError as error:
        raise RuntimeError(f"kernel {exports[0]}: LLVM does not accept its text: {error}") from error


def _key(place, parts):
    """The name under which code for a machine (host.py) is stored."""
    return cache.key(versions(), place, *parts)


@functools.cache
def versions():
    """What besides its source and the machine decides a kernel's code: versions, and the text of this compiler.

    Not Python's version: kernels call none but functions of its stable interface (entry.API).
    """
    here = Path(__file__).parent
    shared = ("contexts", "frontend", "intrinsics", "narrow")
    paths = [here / f"{name}.py" for name in ("entry", "frontend", "machine", "streaming")]
    paths += [here.parent / "lowering" / f"{name}.py" for name in shared]
    texts = [path.read_text() for path in paths]
    packages = [(package, _release(package)) for package in ("numba", "llvmlite")]
    return cache.key(packages, sys.platform, *texts)


def _release(package):
    """The version of a package that need not be imported, from its own file: its metadata would take 10 to 20 ms."""
    spec = find_spec(package)
    path = Path(spec.origin).with_name("_version.py") if spec and spec.origin else None
    written = path and path.exists() and re.search(r"""version\S*\s*[:=]\s*["']([^"']+)""", path.read_text())
    if written:
        return written[1]
    from importlib.metadata import version

    return version(package)
