"""Show versions, the processor, threads, the kernel cache and what devices there are."""

import argparse
import os
import platform
import sys

HELP = "show versions, processor, threads, cache and devices"
# The features that decide how wide kernels are and whether products are fused, as Linux spells them (x86, ARM).
FEATURES = ("sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_bf16", "avx512_fp16",
            "amx_tile", "asimd", "asimdhp", "bf16", "sve", "sve2")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: the command has no options."""


def version(distribution: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def processor() -> tuple[str, list[str]]:
    """The processor's name and which of FEATURES it has; empty where the system does not tell."""
    fields: dict[str, str] = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                fields.setdefault(key.strip(), value.strip())
    except OSError:  # no Linux: the platform module's name has to do
        return platform.processor() or platform.machine(), []
    present = (fields.get("flags") or fields.get("Features") or "").split()
    return fields.get("model name") or platform.machine(), [name for name in FEATURES if name in present]


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> str:
    """The GPUs that tensors can be on, or why there is none."""
    from numbatorch import cuda

    try:
        devices = [cuda.get_device_properties(index) for index in range(cuda.device_count())]
        cuda.current_device()
    except RuntimeError as error:
        return str(error).partition(": ")[2]
    except ValueError as error:  # of NUMBATORCH_CUDA
        return f"not usable: {error}"
    return ", ".join(f"{device.name} (sm_{device.major}{device.minor}, {device.total_memory / 2**30:.0f} GiB)"
                     for device in devices)


def facts() -> list[tuple[str, str]]:
    """What the command prints: (label, value) in order."""
    import numbatorch
    from numbatorch.lowering import cache

    from .cache import describe

    name, features = processor()
    return [
        ("numbatorch", f"{numbatorch.__version__}, {os.path.dirname(numbatorch.__file__)}"),
        ("Python", f"{platform.python_version()}, {sys.executable}"),
        *((package, version(package)) for package in ("numba", "llvmlite", "numpy", "ml_dtypes")),
        ("system", platform.platform()),
        ("processor", name),
        ("features", " ".join(features) or "unknown"),
        ("threads", f"{numbatorch.get_num_threads()} of {usable_cores()} usable cores"),
        ("kernel cache", describe(cache.info())),
        ("CUDA", gpus()),
    ]


def main(options: argparse.Namespace) -> int:
    rows = facts()
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        print(f"{label:<{width}}  {value}")
    return 0
