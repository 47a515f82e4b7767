"""Double backward of every op of PyTorch's database that supports it, compared with PyTorch's.

    python tests/autograd/test_double_backward.py [NAME ...] [--dtype complex128] [--samples 4]   reports all failures

For each sample: the gradients of (outputs * cotangents).sum() by inputs, then those of (gradients * others).sum() by
inputs and cotangents. Where PyTorch's are NaN, they have no value to compare with. Needs PyTorch, and the package
`conformance`, which carries samples from one side to the other.
"""

import argparse
import functools
import signal
import sys
import time
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
bridge = pytest.importorskip("conformance.bridge")
conformance = pytest.importorskip("conformance.ops")

pytestmark = [pytest.mark.parity, pytest.mark.slow]

LARGEST = 300  # elements of all inputs that need a gradient: larger samples are left out
SECONDS = 120  # for one op


def supporting(dtype):
    """Names of the ops that have a double backward for a dtype."""
    kind = getattr(torch, dtype)
    return [n for n, op in conformance.OPS.items() if op.supports_autograd and op.supports_gradgrad
            and kind in op.supported_backward_dtypes("cpu")]


def needing(frozen):
    """The tensors of a frozen sample that need a gradient."""
    return [x for x in bridge.walk(frozen) if isinstance(x, bridge.Tensor) and x.requires_grad]


def small_samples(op, dtype, count):
    """A few of the op's samples in frozen form: evenly chosen among the small ones that need a gradient."""
    torch.manual_seed(0)
    np.random.seed(0)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = list(op.sample_inputs("cpu", getattr(torch, dtype), requires_grad=True))
    for sample in samples:
        frozen = bridge.freeze((sample.input, sample.args, sample.kwargs), {})
        sizes = [int(np.prod(x.shape)) for x in needing(frozen)]
        if sizes and 0 < sum(sizes) <= LARGEST:
            found.append((frozen, sample.output_process_fn_grad))
    if len(found) > count:
        found = [found[round(k)] for k in np.linspace(0, len(found) - 1, count)]
    return found


def cotangent(shape, dtype, seed):
    generator = np.random.default_rng(seed)
    values = generator.uniform(0.5, 1.5, shape) * generator.choice([-1, 1], shape)
    if dtype.startswith("complex"):
        values = values + 1j * generator.uniform(-1, 1, shape)
    return bridge.Tensor.of(np.asarray(values).astype(dtype), dtype)


def second_gradients(op, side, frozen, process):
    """The second gradients by each input and each cotangent; None where there is none."""
    memo = {}
    source, args, kwargs = bridge.thaw(frozen, side, memo, grad=True)
    side.seed(0)
    function, wrapper = conformance.resolve(op, side), conformance._wrapper(op)
    out = side.fn(wrapper)(function, source, *args, **kwargs) if wrapper else function(source, *args, **kwargs)
    outs = [t for t in bridge.tensors(side, side.fn(process)(out)) if t.requires_grad]
    leaves = [t for f, t in memo.values() if isinstance(f, bridge.Tensor) and f.requires_grad]
    grad = side.attr("autograd.grad")

    def weights(tensors, seed):
        return [side.tensor(cotangent(tuple(t.shape), side.dtype_name(t.dtype), seed + k), False)
                for k, t in tensors]
    given = [w.requires_grad_() for w in weights(list(enumerate(outs)), 100)]
    first = grad(outs, leaves, given, create_graph=True, allow_unused=True)
    kept = [(k, g) for k, g in enumerate(first) if g is not None and g.requires_grad]
    if not kept:
        return None
    second = grad([g for _, g in kept], [*leaves, *given], weights(kept, 200), allow_unused=True)
    return [None if g is None else side.numpy(g) for g in second]


def difference(want, got):
    """What differs between the second gradients of both sides; None where nothing does. None counts as zeros."""
    if got is None:
        return None if not any(w is not None and w.any() for w in want) else "the gradients have no gradient"
    for k, (w, g) in enumerate(zip(want, got, strict=True)):
        if w is None and g is None:
            continue
        w = np.zeros_like(g) if w is None else w
        g = np.zeros_like(w) if g is None else g
        if w.shape != g.shape:
            return f"second gradient {k} has shape {g.shape}, want {w.shape}"
        g = np.where(np.isnan(w), w, g)
        finite = np.abs(w[np.isfinite(w)])
        allowed = 1e-6 * max(1.0, float(finite.max(initial=0)))
        if not np.allclose(g, w, rtol=1e-5, atol=allowed, equal_nan=True):
            at = np.unravel_index(int(np.argmax(np.nan_to_num(np.abs(g - w), nan=np.inf))), w.shape)
            return f"second gradient {k} is {g[at]} at {[int(i) for i in at]}, want {w[at]}"
    return None


@functools.cache
def sides():
    return bridge.Side("torch"), bridge.Side("numbatorch")


def failures(name, dtype="float64", count=2):
    """(samples compared, reasons of those that differ) for one op."""
    op, (theirs, ours) = conformance.OPS[name], sides()
    compared, found = 0, []
    for k, (frozen, process) in enumerate(small_samples(op, dtype, count)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                want = second_gradients(op, theirs, frozen, process)
            except Exception:  # PyTorch has no double backward for this sample
                continue
            if want is None or all(w is None for w in want):
                continue
            compared += 1
            try:
                reason = difference(want, second_gradients(op, ours, frozen, process))
            except Exception as error:
                reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        if reason:
            found.append(f"sample {k}: {reason}")
    return compared, found


@pytest.mark.parametrize("name", supporting("float64"))
def test_second_gradients_are_pytorchs(name):
    _, found = failures(name)
    assert not found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--samples", type=int, default=4)
    options = parser.parse_args()

    def late(*_):
        raise TimeoutError(f"over {SECONDS} s")
    signal.signal(signal.SIGALRM, late)
    passed = total = 0
    begun = time.time()
    for name in options.names or supporting(options.dtype):
        signal.alarm(SECONDS)
        try:
            compared, found = failures(name, options.dtype, options.samples)
        except TimeoutError as error:
            compared, found = 1, [str(error)]
        finally:
            signal.alarm(0)
        if compared:
            total += 1
            passed += not found
        for reason in found:
            print(f"FAIL {name}: {reason}", flush=True)
    print(f"{options.dtype}: {passed}/{total} ops, {time.time() - begun:.0f} s")
    return int(passed < total)


if __name__ == "__main__":
    sys.exit(main())
