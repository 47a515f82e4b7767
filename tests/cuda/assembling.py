"""PTX through NVIDIA's assembler, where there is one."""

import shutil
import subprocess

import pytest


def assemble(text, architecture, folder):
    """Assemble a kernel's text: without spills, nor C75xx, the message for wgmma products that wait for each other."""
    assembler = shutil.which("ptxas")
    if assembler is None:
        pytest.skip("PTX was made; no ptxas to assemble it is on the path (nvidia-cuda-nvcc-cu12 has one)")
    (folder / "kernel.ptx").write_text(text)
    done = subprocess.run([assembler, "-v", f"-arch={architecture}", folder / "kernel.ptx", "-o", folder / "x"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "0 bytes spill stores" in done.stderr and "C75" not in done.stderr, done.stderr
