"""Check the CUDA backend on the machine's GPU, in one command of less than ten minutes.

    python examples/benchmarks/cuda_check.py             # all of it, on a GPU
    NUMBATORCH_CUDA=emulate python examples/benchmarks/cuda_check.py --quick    # the same steps, small, without one

1. correctness: every kind of kernel against the CPU, on odd and on large shapes;
2. speed: bandwidth of memory-bound ops as a part of what the driver's own copy reaches, beside PyTorch where it is
   installed with CUDA, products in TFLOP/s, steps of an optimizer, and what a call costs on the host;
3. streams, events, graphs, random numbers in graphs, pinned memory and copies that do not wait, memory;
4. compute-sanitizer (memcheck, racecheck) over small runs of 1, where it is found;
5. `python -m bench --suite ops --device cuda`, where a `bench` package is on PYTHONPATH.

Ends with status 1 when a result is wrong or the sanitizer reports an error. Times are of the GPU, by events, the best
of several runs. Parts 4 and 5 get what is left of the ten minutes.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time

import numpy as np

import numbatorch as torch
from numbatorch.nn import functional as F


def random(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape, np.float32))


def cases(size):
    """(name, function, operands): one for each kind of kernel; `size` elements where a shape may be large."""
    rows = max(4, size // 1000)
    x, y = random(rows, 1003), random(rows, 1003, seed=1)
    index = torch.tensor(np.random.default_rng(2).integers(0, rows, (37, 1003)))
    image, weight = random(3, 5, 19, 18), random(7, 5, 3, 3, seed=1)
    return [
        ("elementwise", lambda x, y: torch.sigmoid(x) * y + 1, (x, y)),
        ("broadcast", lambda x, y: x / (y[:, :1].abs() + 1) - y[0], (x, y)),
        ("transposed", lambda x, y: x.t() + y.t().contiguous(), (x, y)),
        ("functions", lambda x, y: torch.exp(x).log1p() + x.atan2(y) + torch.erf(x) + (x * 100).sin(), (x, y)),
        ("float64", lambda x, y: (x.double() * 1000).cos() + x.double().abs().pow(y.double()), (x[:9], y[:9])),
        ("bfloat16", lambda x, y: (x.to(torch.bfloat16) * y.to(torch.bfloat16)).float(), (x, y)),
        ("complex", lambda x, y: torch.exp(torch.complex(x, y)).abs(), (x[:9], y[:9])),
        ("sum of all", lambda x: x.double().sum(), (x,)), ("sum of rows", lambda x: x.double().sum(1), (x,)),
        ("sum of columns", lambda x: x.double().sum(0), (x,)), ("maximum", lambda x: x.max(1), (x,)),
        ("argmax", lambda x: x.argmax(), (x,)), ("softmax", lambda x: torch.softmax(x, 1), (x,)),
        ("layer norm", lambda x: F.layer_norm(x, (1003,)), (x,)),
        *matrices(), ("scan", lambda x: x.double().cumsum(1), (x,)),
        ("convolution", lambda x, w: F.conv2d(x, w, stride=2, padding=1), (image, weight)),
        ("pooling", lambda x: F.max_pool2d(x, 3, 2, 1), (image,)),
        ("gather", lambda x, i: x.gather(0, i), (x, index)), ("select", lambda x: x[x > 1], (x,)),
        ("scatter", lambda x, i: x.double().scatter_add(0, i, torch.ones_like(i).double()), (x, index)),
        ("long scan", lambda x: x.flatten().double().cumsum(0), (x,)),
        ("long maximum", lambda x: x.flatten().cummax(0), (x,)),
        ("lists", lambda x, y: torch._foreach_add([x, y], 1.5), (x, y)),
        ("sort", lambda x: x.sort(1), (x,)), ("join", lambda x, y: torch.cat([x, y[:, :5]], 1), (x, y)),
    ]


def gradients(function):
    """function of leaves, as its result and the gradients of the sum of its squares."""
    def taken(*tensors):
        leaves = [t.detach().clone().requires_grad_() for t in tensors]
        result = function(*leaves)
        result.float().pow(2).sum().backward()
        return [result.detach(), *(leaf.grad for leaf in leaves)]
    return taken


def matrices():
    """(name, function, operands) of what tensor cores do: aligned and odd sizes, large tiles, sums cut into pieces."""
    a, b, odd = random(192, 320), random(320, 256, seed=1), random(131, 319, seed=2)
    long, image, weight = random(3000, 24, seed=3), random(4, 32, 27, 26), random(64, 32, 3, 3, seed=1)
    heads = [random(2, 4, 150, 64, seed=k) for k in range(3)]
    attend = F.scaled_dot_product_attention
    narrow = [(f"product {dtype.name}", lambda a, b, dtype=dtype: (a.to(dtype) @ b.to(dtype)).float(), (a, b))
              for dtype in (torch.bfloat16, torch.float16)]
    return [
        ("product", lambda a, b: a @ b, (a, b)), ("product, columns", lambda a, b: (b.t() @ a.t()).t(), (a, b)),
        ("product, odd", lambda x, y: x @ y.t(), (odd, odd[:67])), *narrow,
        ("product float64", lambda a, b: a.double() @ b.double(), (a, b)),
        ("product int64", lambda a, b: (a * 9).long() @ (b * 9).long(), (a, b)),
        ("product complex", lambda a, b: torch.complex(a, a) @ torch.complex(b, -b), (a, b)),
        ("long sums", lambda x: x.t() @ x, (long,)), ("batch", lambda x: x @ x.transpose(1, 2), (heads[0][0],)),
        ("large product", lambda x: (x @ x.t())[::97], (random(1500, 520),)),
        ("conv gradients", gradients(lambda x, w: F.conv2d(x, w, stride=2, padding=1)), (image, weight)),
        ("conv groups", gradients(lambda x, w: F.conv2d(x, w[:, :8], groups=4)), (image, weight)),
        ("attention", gradients(attend), heads),
        ("causal attention", gradients(lambda q, k, v: attend(q, k, v, is_causal=True)), heads)]


def check(size):
    """Compare every case with the CPU; the number of those that differ."""
    wrong = 0
    sums = {name for name, *_ in matrices()}
    for name, function, operands in cases(size):
        expected, found = function(*operands), function(*(t.cuda() for t in operands))
        pairs = [(expected, found)] if isinstance(expected, torch.Tensor) else zip(expected, found, strict=True)
        error = max(distance(a, b.cpu(), name in sums) for a, b in pairs)
        limit = 5e-3 if name in sums and "float16" in name else 2e-5
        wrong += error > limit
        print(f"{name:<16} {'ok' if error <= limit else 'WRONG'}   largest relative error {error:.1e}")
    return wrong


def distance(a, b, is_sum=False):
    """The largest relative error; of sums, whose terms may cancel, relative to the largest result."""
    if a.dtype.is_complex:
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    a, b = (t.double().numpy() for t in (a, b))
    if a.shape != b.shape:
        return float("inf")
    return float((np.abs(a - b) / np.maximum(np.abs(a).max() if is_sum else np.abs(a), 1)).max()) if a.size else 0.0


def best(library, function, runs):
    """The least time of the GPU for a call, in seconds."""
    function()
    times = []
    for _ in range(runs):
        start, end = (library.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return max(min(times), 1e-9)


def memory_bound(library, n):
    """(name, function, bytes moved) of ops that a GPU does as fast as its memory."""
    x, y = (library.ones(n // 1024, 1024, device="cuda") for _ in range(2))
    norm = library.nn.functional.layer_norm
    return [("copy", lambda: x.clone(), 8 * n), ("add", lambda: x + y, 12 * n), ("gelu", lambda: library.nn.functional.
            gelu(x), 8 * n), ("sum", lambda: x.sum(), 4 * n), ("sum rows", lambda: x.sum(1), 4 * n),
            ("sum columns", lambda: x.sum(0), 4 * n), ("softmax", lambda: library.softmax(x, 1), 8 * n),
            ("layer norm", lambda: norm(x, (1024,)), 8 * n), ("cumsum", lambda: x.cumsum(1), 8 * n),
            ("transpose", lambda: x.t().contiguous(), 8 * n)]


def speed(n, runs, products):
    """Print bandwidths, products and the cost of a call, beside PyTorch's where it is there."""
    other = pytorch()
    whole = torch.empty(n, device="cuda")
    target = torch.empty(n, device="cuda")
    from numbatorch.plan import backend
    runtime = backend(whole.device)
    peak = 8 * n / best(torch, lambda: runtime.move(target.data_ptr(), whole.data_ptr(), 4 * n), runs)
    print(f"\nthe driver's copy: {peak / 1e9:.0f} GB/s")
    theirs = memory_bound(other, n) if other else [None] * 99
    for (name, function, nbytes), their in zip(memory_bound(torch, n), theirs, strict=False):
        rate = nbytes / best(torch, function, runs)
        beside = f"   PyTorch {nbytes / best(other, their[1], runs) / 1e9:7.0f} GB/s" if their else ""
        print(f"{name:<16} {rate / 1e9:7.0f} GB/s   {rate / peak:5.2f} of the copy{beside}")
    for m in products:
        for name, work, make in compute_bound(m):
            rates = [work / best(library, make(library), min(runs, 5)) / 1e12 for library in (torch, other) if library]
            beside = f"   PyTorch {rates[1]:7.2f}   {rates[0] / rates[1]:5.2f} of it" if other else ""
            print(f"{name:<28} {rates[0]:7.2f} TFLOP/s{beside}")
    for library in filter(None, (torch, other)):
        params = [library.ones(64, 64, device="cuda", requires_grad=True) for _ in range(100)]
        for p in params:
            p.grad = library.ones_like(p)
        optimizer = library.optim.AdamW(params, fused=True)
        print(f"AdamW, 100 tensors {best(library, optimizer.step, runs) * 1e6:8.0f} us   {library.__name__}")
    a = torch.ones(16, device="cuda")
    a + a
    calls = 20 * runs
    begin = time.perf_counter()
    for _ in range(calls):
        a + a
    print(f"a call on the host {(time.perf_counter() - begin) / calls * 1e6:.1f} us")
    torch.cuda.synchronize()


def compute_bound(m):
    """(name, operations, make) of what tensor cores do, by the edge of a matrix; make(library) gives the call."""
    def product(dtype, precision="highest", turned=False):
        def make(library):
            a = library.ones(m, m, device="cuda", dtype=getattr(library, dtype))

            def call():
                library.set_float32_matmul_precision(precision)
                found = a @ (a.t() if turned else a)
                library.set_float32_matmul_precision("highest")
                return found
            return call
        return make

    def convolution(library):
        x = library.ones(max(1, m // 64), 64, 28, 28, device="cuda").requires_grad_()
        w = library.ones(64, 64, 3, 3, device="cuda").requires_grad_()
        return lambda: library.nn.functional.conv2d(x, w, padding=1).sum().backward()

    def attention(library):
        leaves = [library.ones(1, 8, m, 64, device="cuda").requires_grad_() for _ in range(3)]
        return lambda: library.nn.functional.scaled_dot_product_attention(*leaves).sum().backward()
    cube = 2 * m**3
    return [(f"product {m} bfloat16", cube, product("bfloat16")),
            (f"product {m} bfloat16, turned", cube, product("bfloat16", turned=True)),
            (f"product {m} float16", cube, product("float16")), (f"product {m} float32", cube, product("float32")),
            (f"product {m} TF32", cube, product("float32", "high")), (f"product {m} float64", cube, product("float64")),
            (f"convolution {m} and gradients", 6 * max(1, m // 64) * 64 * 64 * 9 * 28 * 28, convolution),
            (f"attention {m} and gradients", 14 * 8 * m * m * 64, attention)]


def pytorch():
    """PyTorch, where it is installed and has the GPU."""
    try:
        import torch as other
    except ImportError:
        return None
    return other if other.cuda.is_available() else None


def handles():
    """Streams, events, graphs and memory; the number of wrong answers."""
    x, stream, graph = torch.ones(1000, device="cuda"), torch.cuda.Stream(), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        y = x * 3
    torch.cuda.current_stream().wait_stream(stream)
    wrong = int(float(y.sum()) != 3000)
    z = (x + 1).sum()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        z = (x + 1).sum()
    x.fill_(2)
    graph.replay()
    wrong += int(float(z) != 3000)
    drawing = torch.cuda.CUDAGraph()
    with torch.cuda.graph(drawing):
        drawn = torch.rand(1000, device="cuda")
    seen = []
    for _ in range(2):
        drawing.replay()
        seen.append(drawn.cpu())
    wrong += int(torch.equal(*seen)) + int(not 0.4 < float(seen[0].mean()) < 0.6)
    source = torch.arange(100_000).pin_memory()
    back = source.to("cuda", non_blocking=True).to("cpu", non_blocking=True)
    torch.cuda.synchronize()
    wrong += int(not (source.is_pinned() and torch.equal(source, back)))
    del y, z, graph, drawing, drawn
    held = torch.cuda.memory_allocated()
    try:
        torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
        wrong += 1
    except torch.cuda.OutOfMemoryError as error:
        print(f"\nout of memory, as it should be: {error}")
    torch.cuda.empty_cache()
    wrong += int(torch.cuda.memory_allocated() != held)
    print(torch.cuda.memory_summary())
    return wrong


def sanitized(left):
    """Run the small cases under compute-sanitizer, if there is one; the number of tools that report an error."""
    tool, wrong = shutil.which("compute-sanitizer"), 0
    if tool is None or os.environ.get("NUMBATORCH_CUDA"):
        print("\ncompute-sanitizer: not run")
        return 0
    for name in ("memcheck", "racecheck"):
        command = [tool, "--tool", name, "--error-exitcode", "9", sys.executable, __file__, "--quick", "--only-check"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=max(1, left() / 3))
        except subprocess.TimeoutExpired:
            print(f"compute-sanitizer {name}: no end within the time")
            continue
        print(f"compute-sanitizer {name}: {'clean' if not done.returncode else done.stdout[-2000:]}")
        wrong += int(done.returncode != 0)
    return wrong


def benchmark(left):
    """Compare the ops suite with PyTorch's, where PYTHONPATH has `bench`."""
    if importlib.util.find_spec("bench") is None or os.environ.get("NUMBATORCH_CUDA"):
        print("bench: not run")
        return
    command = [sys.executable, "-m", "bench", "--suite", "ops", "--device", "cuda"]
    try:
        subprocess.run(command, timeout=max(1, left() - 10), check=False)
    except subprocess.TimeoutExpired:
        print("bench: no end within the time")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: a look at the steps, as in the emulator")
    parser.add_argument("--only-check", action="store_true", help="only part 1")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU: NUMBATORCH_CUDA=emulate runs the same steps in the emulator (with --quick)")
        return 1
    begin = time.perf_counter()
    print(torch.cuda.get_device_properties())
    wrong = check(4_000 if options.quick else 4_000_000)
    if options.only_check:
        return int(wrong > 0)
    speed(*((1 << 13, 2, (16,)) if options.quick else (1 << 26, 20, (512, 2048, 8192))))
    wrong += handles()

    def left():
        return 600 - (time.perf_counter() - begin)
    if not options.quick:
        wrong += sanitized(left)
        benchmark(left)
    print(f"{'all right' if not wrong else f'{wrong} WRONG'} after {time.perf_counter() - begin:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
