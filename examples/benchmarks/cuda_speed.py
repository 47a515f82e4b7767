"""The sections of cuda_check.py that measure speed, and those that run other programs."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cuda_cases
from cuda_report import EMULATED, best, fast, pytorch, say

import numbatorch as torch

SECTIONS = Path(__file__).with_name("cuda_sections.py")
SANITIZED = 44  # seconds for each tool of compute-sanitizer

def bandwidth(quick):
    from numbatorch.plan import backend
    other = pytorch()
    n, runs = (1 << 13, 2) if quick else (1 << 27, 20)
    whole, other_half = (torch.empty(n, device="cuda") for _ in range(2))
    source, target, move = whole.data_ptr(), other_half.data_ptr(), backend(whole.device).move
    peak = 8 * n / best(torch, lambda: move(target, source, 4 * n), runs)
    say("the driver's copy", peak / 1e9, "GB/s")
    del whole, other_half
    theirs = cuda_cases.memory_bound(other, n) if other else None
    judged = ("copy", "add", "gelu", "sum", "sum rows", "sum columns", "softmax", "layer norm")
    for k, (name, function, nbytes) in enumerate(cuda_cases.memory_bound(torch, n)):
        share = nbytes / best(torch, function, runs) / peak
        beside = nbytes / best(other, theirs[k][1], runs) / peak if theirs else None
        say(name, share, "of the copy", beside, fast(share >= 0.85) if name in judged else None)


def products(quick):
    other = pytorch()
    for m in (16,) if quick else (8192, 2048, 512):
        for name, work, make in cuda_cases.compute_bound(m):
            rate = work / best(torch, make(torch), 2 if quick else 5) / 1e12
            beside = work / best(other, make(other), 5) / 1e12 if other else None
            holds = None
            if beside and m == 8192 and name == f"product {m} bfloat16":
                holds = fast(rate >= 0.7 * beside)
            elif beside and m == 8192 and name == f"product {m} float32":
                holds = fast(rate > beside)
            say(name, rate, "TFLOP/s", beside, holds)


def host(quick):
    a, runs = torch.ones(16, device="cuda", requires_grad=True), 20 if quick else 5000
    b = torch.ones(16, device="cuda")
    for name, function in (("b + b", lambda: b + b), ("a + b, with a node", lambda: a + b),
                           ("relu(a), with a node", lambda: torch.relu(a))):
        function()
        least = 1e9
        for _ in range(5):
            torch.cuda.synchronize()
            begin = time.perf_counter()
            for _ in range(runs):
                function()
            least = min(least, (time.perf_counter() - begin) / runs * 1e6)
        say(name, least, "us", holds=fast(least <= 3.0))
    for library in filter(None, (torch, pytorch())):
        params = [library.ones(64, 64, device="cuda", requires_grad=True) for _ in range(100)]
        for p in params:
            p.grad = library.ones_like(p)
        optimizer = library.optim.AdamW(params, fused=True)
        say(f"AdamW, 100 tensors, {library.__name__}", best(library, optimizer.step, 2 if quick else 20) * 1e6, "us")


def _bench(suite, libs, seconds, only=None):
    """Each library's ratios over the quick form of a suite of `bench`; in the emulator over one case of the CPU."""
    if importlib.util.find_spec("bench") is None:
        say(suite, note="`bench` is not on PYTHONPATH")
        return
    with tempfile.TemporaryDirectory() as folder:
        out, device = Path(folder) / "bench.json", "cpu" if EMULATED else "cuda"
        command = [sys.executable, "-m", "bench", "--suite", suite, "--device", device, "--libs", libs, "--wait", "0",
                   "--no-fresh", "--seconds-per-case", seconds, "--slices", "3", "--json", str(out), "--quick",
                   *(["--only", only] if only else [])]
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(done.stdout[-8000:])
        if not out.exists():
            say(suite, holds=False, note=done.stdout[-300:])
            return
        summary = json.loads(out.read_text())["summary"]
    for label, suites in summary.items():
        own = suites[suite]
        say(f"{only or suite}, {label}"[:44], own["mean"], f"x PyTorch over {own['cases']} cases",
            holds=fast(own["mean"] >= 1.0), note=f"failed {own['failed']}, worst {own['worst']}"[:500])


def suite(quick):
    _bench("ops", "torch,numbatorch", "0.1", "add" if EMULATED else None)


def models(quick):
    for some in ["mlp"] if EMULATED else ["mlp,mlp_batch1,lenet5,mnist_cnn,vae", "gpt,vit_tiny,lstm_lm,resnet18_cifar"]:
        _bench("models", "torch,numbatorch,numbatorch-compile", "0.2", some)


def sanitizer(quick):
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    if tool is None:
        say("compute-sanitizer", note="not found" if not EMULATED else "not found; the emulator checks every access")
        return
    for name in ("memcheck", "racecheck"):
        command = [tool, "--tool", name, "--error-exitcode", "9", sys.executable, str(SECTIONS), "families", "--quick"]
        try:
            done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=SANITIZED)
        except subprocess.TimeoutExpired as late:
            say(name, note=f"no end within {SANITIZED} s: {(late.stdout or b'')[-300:]!r}")
            continue
        say(name, holds=done.returncode == 0, note="" if not done.returncode else done.stdout[-600:])


def prototypes(quick):
    found = importlib.util.find_spec("bench")
    script = None if found is None else Path(found.origin).parents[1] / "prototypes" / "gpu" / "h200" / "run_h200.py"
    if script is None or not script.exists():
        say("prototypes", note="not here")
        return
    emulated = {"EMU": "1", "PYTHONPATH": str(script.parents[3] / "ptxemu")} if EMULATED else {}
    done = subprocess.run([sys.executable, str(script)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, **emulated})
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAILED") or "False" in line]
    for line in lines:
        print(line)
    say("prototypes", len(lines), "lines", holds=not done.returncode and not failed, note="; ".join(failed)[:500])
