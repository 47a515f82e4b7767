"""The machine that code is generated for: this one, or a lesser one that NUMBATORCH_CPU names."""

import functools
import os

import llvmlite.binding as llvm

from .locking import lock

# What the levels of x86-64 add to one another, by LLVM's names (System V ABI, x86-64 supplement, section 3.1.1).
_LEVELS = {
    "x86-64": ("cx8", "cmov", "mmx", "fxsr", "sse", "sse2"),
    "x86-64-v2": ("cx16", "sahf", "popcnt", "sse3", "ssse3", "sse4.1", "sse4.2"),
    "x86-64-v3": ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}


@functools.cache
def host():
    """(CPU name, feature string) that code is generated for: this machine, or the lesser one of NUMBATORCH_CPU."""
    with lock:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    name, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    wanted = os.environ.get("NUMBATORCH_CPU", "").strip() or "native"
    return (name, features) if wanted == "native" else _level(wanted, features)


def _level(wanted, features):
    """A level of x86-64, with all its features written out. Raises ValueError for one that this machine is not."""
    known = [level for level, _ in _levels(features)]
    if wanted not in known:
        listed = ", ".join(["native", *known])
        raise ValueError(f"NUMBATORCH_CPU: expected one of {listed} on this machine, got {wanted!r}")
    return wanted, ",".join(f"+{feature}" for feature in _up_to(wanted))


def levels():
    """(name, feature string) of the levels of x86-64 whose code runs on what code is generated for, the least first."""
    return _levels(host()[1])


def _levels(features):
    has = {feature[1:] for feature in features.split(",") if feature.startswith("+")}
    return [(level, ",".join(f"+{feature}" for feature in _up_to(level)))
            for level in _LEVELS if is_x86() and has.issuperset(_up_to(level))]


def _up_to(level):
    names = list(_LEVELS)
    return [feature for name in names[:names.index(level) + 1] for feature in _LEVELS[name]]


def is_x86():
    """Whether the machine is an x86: some instructions go by other names elsewhere."""
    return llvm.get_default_triple().startswith(("x86_64", "i686", "i386"))
