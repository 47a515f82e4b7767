"""The CPU's vector instructions."""

import platform

from numbatorch import cpu


def get_cpu_capability():
    """"AVX512", "AVX2" or "DEFAULT": what PyTorch would call the widest vectors of this machine; "NEON" on AArch64."""
    known = cpu.get_capabilities()
    if known.get("avx512_f") and known.get("avx512_vl") and known.get("avx512_bw") and known.get("avx512_dq"):
        return "AVX512"
    if known.get("avx2") and known.get("fma3"):
        return "AVX2"
    return "NEON" if platform.machine() in ("aarch64", "arm64") else "DEFAULT"
