"""The machine that code is generated for: this one, or the one that NUMBATORCH_CPU names.

Where this machine cannot run that one's code, each kernel is compiled twice: its text, written for the other machine,
becomes object code for that one, which the cache keeps (`numbatorch cache pack` makes packs of it), and object code for
this one, which runs. Kernels of another architecture are thus tested here in all but their last step.
"""

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
_AARCH64 = ("fp-armv8", "neon")  # what every one has
NAMES = (*_LEVELS, "aarch64")
SHIPPED = ("x86-64-v3", "x86-64-v4", "aarch64")  # the levels that packs are made for


@functools.cache
def own():
    """(CPU name, feature string) of this machine."""
    with lock:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    if _own_architecture() == "aarch64":  # not all systems say so
        features = ",".join(dict.fromkeys([*filter(None, features.split(",")), *_written(_AARCH64).split(",")]))
    return llvm.get_host_cpu_name(), features


@functools.cache
def host():
    """(CPU name or level, feature string) that code is generated for: this machine, or the one of NUMBATORCH_CPU."""
    wanted = os.environ.get("NUMBATORCH_CPU", "").strip() or "native"
    if wanted not in ("native", *NAMES):
        raise ValueError(f"NUMBATORCH_CPU: expected one of native, {', '.join(NAMES)}, got {wanted!r}")
    return own() if wanted == "native" else level(wanted)


def level(wanted):
    """(level, all its features written out) of one of `NAMES`."""
    return wanted, _written(_AARCH64 if wanted == "aarch64" else _up_to(wanted))


@functools.cache
def levels():
    """(name, feature string) of the levels whose code runs where generated code is to run, the least first."""
    return _levels(*host())


def _levels(name, features):
    has = set(features.split(","))
    same = ("aarch64",) if architecture(name) == "aarch64" else _LEVELS if architecture(name) == "x86_64" else ()
    return [level(one) for one in same if has.issuperset(level(one)[1].split(","))]


@functools.cache
def runs_here():
    """Whether this machine runs the code that is generated."""
    return host()[0] == own()[0] or host() in _levels(*own())


def architecture(name):
    """"x86_64", "aarch64", ... of a machine of that name (of `host` or `own`)."""
    return "x86_64" if name in _LEVELS else "aarch64" if name == "aarch64" else _own_architecture()


def is_x86():
    """Whether the machine that code is generated for is an x86: some instructions go by other names elsewhere."""
    return architecture(host()[0]) == "x86_64"


def triple(name):
    """LLVM's triple of a machine of that name (of `host` or `own`), under the system of this one."""
    here = llvm.get_default_triple()
    return here if architecture(name) == _own_architecture() else f"{architecture(name)}-{here.split('-', 1)[1]}"


def target_machine(name, features):
    """LLVM's target machine for position-independent code; not shared, it is not safe between threads."""
    if not triple(name) == llvm.get_default_triple():
        with lock:
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple(name))
    cpu = "generic" if name == "aarch64" else name
    return target.create_target_machine(cpu=cpu, features=features, opt=3, reloc="pic", codemodel="default")


def _own_architecture():
    first = llvm.get_default_triple().split("-")[0]
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(first, first)


def _up_to(wanted):
    names = list(_LEVELS)
    return [feature for name in names[:names.index(wanted) + 1] for feature in _LEVELS[name]]


def _written(features):
    return ",".join(f"+{feature}" for feature in features)
