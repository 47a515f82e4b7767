"""The sections of cuda_check.py, each run as `python cuda_sections.py NAME [--quick]`; rows of results go to stdout."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import cuda_cases
import numpy as np
from cuda_report import say
from cuda_speed import bandwidth, host, models, products, prototypes, sanitizer, suite

import numbatorch as torch
from numbatorch.cuda import runtime
from numbatorch.nn import functional as F

HERE = Path(__file__).resolve().parent


def load(path):
    """A file of this repository as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def machine(quick):
    found, driver = torch.cuda.get_device_properties(), runtime.driver()
    say("device", note=f"{found.name}, sm_{found.major}{found.minor}, {found.total_memory >> 20} MiB")
    say("driver", note=str(getattr(driver, "version", type(driver).__name__)))
    say("numbatorch", note=torch.__version__)
    for name in ("numba", "llvmlite", "numpy", "torch"):
        try:
            say(name, note=metadata.version(name))
        except metadata.PackageNotFoundError:
            say(name, note="not installed")


def families(quick):
    size = 4_000 if quick else 4_000_000
    sums = {name for name, *_ in cuda_cases.matrices(size)}
    for name, function, operands in cuda_cases.cases(size):
        expected, found = function(*operands), function(*(t.cuda() for t in operands))
        pairs = [(expected, found)] if isinstance(expected, torch.Tensor) else zip(expected, found, strict=True)
        error = max(cuda_cases.distance(a, b.cpu(), name in sums) for a, b in pairs)
        say(name, error, "relative error", holds=error <= (5e-3 if name in sums and "float16" in name else 2e-5))


def ops(quick):
    folder = HERE.parents[1] / "tests" / "ops"
    if not folder.is_dir():
        say("ops", note="the tests are not here")
        return
    samples, calls = load(folder / "samples.py"), load(folder / "device_calls.py").CALLS
    names = sorted(set(samples.TABLE) - set(samples.SKIPPED) - {"lobpcg", "_lobpcg"})
    done = 0
    for name in names[::97] if quick else names:
        try:
            wrong = _differs(samples, samples.TABLE[name], calls.get(name))
        except Exception as error:  # of one op: the others are still to be seen
            wrong = f"{type(error).__name__}: {error}"[:300]
        done += 1
        if wrong:
            say(name, holds=False, note=wrong)
        if done % 100 == 0:
            say(f"ops up to {name}", done, "ops")
    say("ops compared", done, "ops", holds=True)


def _differs(samples, op, call):
    """How an op's results on the GPU differ from the CPU's; "" where they do not."""
    def on(device, positional, keywords):
        given = samples.each((positional, keywords), lambda t: t.clone().to(device))
        return samples.flat(op.call(*given[0], **given[1]))
    pairs = [(on("cpu", *args), on("cuda", *args)) for _, *args in samples.calls(op)]
    if call is not None:
        pairs.append(tuple(samples.flat(_called(samples, call, device)) for device in ("cpu", "cuda")))
    for expected, found in pairs:
        for a, b in zip(expected, found, strict=True):
            if not isinstance(a, torch.Tensor):
                continue
            if (a.shape, a.dtype) != (b.shape, b.dtype) or not b.is_cuda:
                return f"{tuple(b.shape)} {b.dtype} on {b.device}, and {tuple(a.shape)} {a.dtype} on the CPU"
            if op.name in samples.RANDOM:
                continue
            a, b = (t.to_dense() if t.layout is not torch.strided else t for t in (a, b))
            wide = torch.complex128 if a.is_complex() else torch.float64
            a, b = a.detach().to(wide).numpy(), b.detach().to(wide).cpu().numpy()
            if not np.allclose(b, a, rtol=1e-4, atol=3e-5, equal_nan=True):
                return f"largest difference {np.nanmax(np.abs(a - b)):.1e}"
    return ""


def _called(samples, call, device):
    seeds = iter(range(100))
    return call(lambda *shape: samples.tensor(shape, seed=next(seeds)).to(device),
                lambda high, *shape: samples.tensor(shape, "int64", next(seeds), high).to(device))


def philox(quick):
    from numbatorch.expr.philox import philox4x32, philox_words
    pi = [np.uint64(v) for v in (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0)]
    known = [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]  # Salmon et al., known answers of philox4x32-10
    with np.errstate(over="ignore"):
        say("known answer, formula", holds=[int(w) for w in philox4x32(*pi)] == known)
        for seed, n in ((7, 1000), (2**63 + 5, 4001)):
            torch.cuda.manual_seed(seed)
            found = torch.rand(n, device="cuda").cpu().numpy()
            words = np.array([philox_words(k, seed) for k in range(-(-n // 4))]).reshape(-1)[:n]
            expected = ((words >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24))
            say(f"rand of {n} with seed {seed}", holds=np.array_equal(found, expected))
    normal = torch.randn(20_000 if quick else 1_000_000, device="cuda")
    say("mean of normal numbers", float(normal.mean()), holds=abs(float(normal.mean())) < 0.05)
    say("variance of normal numbers", float(normal.var()), holds=abs(float(normal.var()) - 1) < 0.05)


def handles(quick):
    x, stream, graph = torch.ones(1000, device="cuda"), torch.cuda.Stream(), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        y = x * 3
    torch.cuda.current_stream().wait_stream(stream)
    say("work of another stream", holds=float(y.sum()) == 3000)
    z = (x + 1).sum()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        z = (x + 1).sum()
    x.fill_(2)
    graph.replay()
    say("a graph reads what is there at the replay", holds=float(z) == 3000)
    drawing, seen = torch.cuda.CUDAGraph(), []
    with torch.cuda.graph(drawing):
        drawn = torch.rand(1000, device="cuda")
    for _ in range(2):
        drawing.replay()
        seen.append(drawn.cpu())
    say("random numbers are new at a replay", holds=not torch.equal(*seen) and 0.4 < float(seen[0].mean()) < 0.6)
    source = torch.arange(100_000).pin_memory()
    back = source.to("cuda", non_blocking=True).to("cpu", non_blocking=True)
    torch.cuda.synchronize()
    say("copies that do not wait", holds=source.is_pinned() and torch.equal(source, back))
    del y, z, graph, drawing, drawn
    held = torch.cuda.memory_allocated()
    try:
        torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
        say("out of memory", holds=False)
    except torch.cuda.OutOfMemoryError as error:
        say("out of memory", holds=True, note=str(error))
    torch.cuda.empty_cache()
    say("memory after that", torch.cuda.memory_allocated(), "bytes", held, torch.cuda.memory_allocated() == held)


def programs(quick):
    side = 8 if quick else 28
    pixels = side * side

    def model(kind):
        torch.manual_seed(0)
        if kind == "mlp":
            width = 16 if quick else 256
            return torch.nn.Sequential(torch.nn.Linear(pixels, width), torch.nn.ReLU(),
                                       torch.nn.Linear(width, 10)).cuda()
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 5), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.MaxPool2d(4),
            torch.nn.Flatten(), torch.nn.Dropout(0.2), torch.nn.Linear(8 if quick else 288, 10)).cuda()

    def trained(kind, compiled, steps, capturable=False):
        network = model(kind)
        optimizer = torch.optim.Adam(network.parameters(), 1e-3, capturable=capturable)
        batch, target = (2 if quick else 64), torch.arange(2 if quick else 64).cuda() % 10
        data = torch.tensor(np.random.default_rng(0).standard_normal((batch, pixels), np.float32)).cuda()
        data = data if kind == "mlp" else data.view(batch, 1, side, side)

        def step(x):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x), target)
            loss.backward()
            optimizer.step()
            return loss
        run = torch.compile(step) if compiled else step
        torch.cuda.manual_seed(1)
        losses = []
        for k in range(steps):
            if k == 4:
                optimizer.param_groups[0]["lr"] = 5e-4
            losses.append(run(data).item())
        return [*losses, *(float(p.double().sum()) for p in network.parameters())], run, data
    for kind, capturable in (("mlp", False), ("mlp", True), ("cnn", False)):
        expected, eager, data = trained(kind, False, 6, capturable)
        found, run, _ = trained(kind, True, 6, capturable)
        name = kind + (", capturable" if capturable else "")
        recorded = bool(run.programs and run.programs[0].runner.graphs and not run.programs[0].runner.refusals)
        say(f"{name}: compiled equals eager", holds=found == expected and recorded,
            note="" if recorded else run.explain())
        runs = 2 if quick else 50
        for label, function in (("eager", eager), ("compiled", run)):
            function(data)
            torch.cuda.synchronize()
            begin = time.perf_counter()
            for _ in range(runs):
                function(data)
            torch.cuda.synchronize()
            say(f"{name}: a step, {label}", (time.perf_counter() - begin) / runs * 1e6, "us")
        print(run.explain())


def fusion(quick):
    """Compiled against eager, bit for bit: rows with what stands around them, products and convolutions with what
    follows, copies that are left out; launches and the time of a call of both."""
    for name, function, operands, most in cuda_cases.fused(quick):
        run, given = torch.compile(function), [t.cuda() for t in operands]
        for _ in range(3):
            found = run(*given)
        expected = function(*given)
        pairs = zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True)
        same = all(a.cpu().flatten().view(torch.uint8).equal(b.cpu().flatten().view(torch.uint8)) for a, b in pairs)
        steps = len(run.graph.steps) if run.programs else 0
        say(f"{name}: compiled equals eager", steps, "steps", holds=same and 0 < steps <= most,
            note="" if run.programs else run.explain())
        for label, called in () if quick else (("eager", function), ("compiled", run)):
            torch.cuda.synchronize()
            begin = time.perf_counter()
            for _ in range(50):
                called(*given)
            torch.cuda.synchronize()
            say(f"{name}, {label}", (time.perf_counter() - begin) / 50 * 1e6, "us")


def spills(quick):
    for _, function, operands in cuda_cases.matrices():
        function(*(t.cuda() for t in operands))
    if not quick:
        for dtype in (torch.bfloat16, torch.float16, torch.float32):
            big = torch.ones(2048, 2048, device="cuda", dtype=dtype)
            big @ big, big @ big.t()
    functions = list(getattr(runtime.driver(), "_functions", {}).values())
    tensor_cores = [f for f in functions if "mma" in f.kernel.ptx()]
    for function in tensor_cores:
        if not hasattr(function, "resources"):
            say(function.kernel.name, note="the emulator has no registers")
            continue
        found = function.resources()
        say(function.kernel.name, found["local"], "bytes of local memory", holds=found["local"] == 0,
            note=f"{found['registers']} registers, {found['shared']} bytes of shared memory")
    tool = shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")
    if tool is None:
        say("ptxas", note="not found")
        return
    with tempfile.TemporaryDirectory() as folder:
        for function in tensor_cores:
            for architecture in ("sm_80", "sm_90a"):
                source = Path(folder) / "kernel.ptx"
                source.write_text(function.kernel.ptx(architecture))
                done = subprocess.run([tool, "-v", f"-arch={architecture}", str(source), "-o", os.devnull],
                                      capture_output=True, text=True)
                words = done.stdout + done.stderr
                clean = not done.returncode and "C75" not in words and " 0 bytes spill stores" in words
                say(f"ptxas {architecture} {function.kernel.name}", holds=clean, note="" if clean else words[-300:])


SECTIONS = {f.__name__: f for f in (machine, families, ops, philox, handles, programs, fusion, spills, bandwidth,
                                    products, host, suite, models, sanitizer, prototypes)}


def main(arguments):
    name, *rest = arguments
    if not torch.cuda.is_available():
        say(name, note="no GPU: NUMBATORCH_CUDA=emulate runs the same steps in the emulator (with --quick)")
        return 0
    SECTIONS[name]("--quick" in rest)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
