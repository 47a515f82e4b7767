"""Measure the error of every scalar function against mpmath, in units in the last place (ULP).

    python examples/benchmarks/accuracy.py [--samples 2000] [--only exp,tanh] [--write]

Arguments are drawn over the whole domain of a function: evenly, close to 0, and by magnitude. The functions run as
kernels, as users call them. One ULP is the distance between the two numbers of the dtype next to the exact value;
0.5 is a correctly rounded result. `--write` puts the table into numbatorch/expr/README.md. Needs mpmath.
"""

import argparse
import math
from pathlib import Path

import numpy as np

import numbatorch as torch
from numbatorch.expr import mathematics

PAGE = Path(torch.__file__).parent / "expr" / "README.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
ANY64 = (-1e308, 1e308)
FORMULAS = ("sigmoid",)  # whose op is a formula of functions; the function of the name serves recurrent layers
# float64 functions of the C library, which state nothing themselves: where they are measured.
LIBRARY = {
    "sin": ANY64, "cos": ANY64, "tan": ANY64, "asin": (-1.0, 1.0), "acos": (-1.0, 1.0), "atan": ANY64,
    "sinh": (-700.0, 700.0), "cosh": (-700.0, 700.0), "asinh": ANY64, "acosh": (1.0, 1e308), "atanh": (-1.0, 1.0),
    "lgamma": (-20.0, 1e300), "pow": ((0.0, 50.0), (-20.0, 20.0)), "atan2": ((-1e6, 1e6), (-1e6, 1e6)),
    "hypot": (ANY64, ANY64),
}  # fmt: skip


def exact_functions(mp):
    """{name: function over mpmath's numbers}"""
    root2, root2pi = mp.sqrt(2), mp.sqrt(2 * mp.pi)

    def erfinv(x):
        return mp.erfinv(x) if abs(x) < 1 else mp.inf * mp.sign(x)

    def log_ndtr(x):
        return mp.log(mp.erfc(-x / root2) / 2) if x < 0 else mp.log1p(-mp.erfc(x / root2) / 2)

    def ndtri(p):
        """The x with (1 + erf(x / sqrt 2)) / 2 = p: Newton's method on its logarithm, from the float64 value."""
        if p in (0, 1):
            return mp.inf * (2 * p - 1)
        if p > mp.mpf(1) / 2:
            return -ndtri(1 - p)
        from statistics import NormalDist
        x = mp.mpf(NormalDist().inv_cdf(float(p))) if p > 1e-300 else -mp.sqrt(-2 * mp.log(p))
        for _ in range(8):
            tail = mp.erfc(-x / root2) / 2
            step = (mp.log(tail) - mp.log(p)) * tail * root2pi * mp.exp(x * x / 2)
            x -= step
            if abs(step) < abs(x) * mp.mpf(10) ** -30:
                break
        return x

    def lgamma(x):
        return mp.log(abs(mp.gamma(x))) if x < 1e4 else mp.loggamma(x)

    named = {
        "pow": lambda x, y: x**y, "asin": mp.asin, "acos": mp.acos, "atan": mp.atan, "atan2": mp.atan2,
        "exp2": lambda x: mp.mpf(2) ** x, "log2": lambda x: mp.log(x, 2),
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)), "erfinv": erfinv, "ndtri": ndtri, "log_ndtr": log_ndtr,
        "lgamma": lgamma, "trigamma": lambda x: mp.psi(1, x), "digamma": mp.digamma,
        "i0": lambda x: mp.besseli(0, x), "i1": lambda x: mp.besseli(1, x),
        "i0e": lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), "i1e": lambda x: mp.besseli(1, x) * mp.exp(-abs(x)),
    }  # fmt: skip
    return lambda stem: named.get(stem) or getattr(mp, stem)


def kernel(stem):
    """The function as users call it, over tensors; None where none is public."""
    if stem == "trigamma":
        return lambda x: torch.polygamma(1, x)
    return getattr(torch, stem, None) or getattr(torch.special, stem, None)


def arguments(domain, dtype, count, seed):
    """Values of the domain: a third of them even, a third within 12 of zero, a third by magnitude."""
    low, high = domain
    draw = np.random.default_rng(seed)
    third = count // 3
    size = np.exp2(draw.uniform(-100.0, math.log2(max(abs(low), abs(high))), third))
    values = [draw.uniform(low / 2, high / 2, third) * 2, draw.uniform(max(low, -12.0), min(high, 12.0), third),
              size * draw.choice([-1.0, 1.0], third)]
    values = np.concatenate(values).astype(dtype)
    return values[(values >= low) & (values <= high) & (values != 0)]


def largest_error(mp, stem, dtype, domain, unit, count):
    """(error in ULP, the arguments where it is reached) of a function over samples of its domain."""
    call, exact = kernel(stem), exact_functions(mp)(stem)
    domains = domain if isinstance(domain[0], tuple) else (domain,)
    values = [arguments(d, dtype, count, seed) for seed, d in enumerate(domains)]
    if len(values) > 1:
        draw = np.random.default_rng(7)
        values = [draw.choice(v, count) for v in values]
    found = call(*(torch.from_numpy(v) for v in values)).numpy()
    limits = np.finfo(dtype)
    worst, where = 0.0, None
    for row, result in zip(zip(*values, strict=True), found, strict=True):
        true = exact(*(mp.mpf(float(v)) for v in row))
        if not mp.isfinite(true) or mp.im(true) != 0 or not limits.tiny < abs(true) < limits.max:
            continue  # poles and what lies beyond the dtype are tested as edges
        place = np.spacing(max(abs(dtype(float(true))), dtype(unit)))
        error = float(abs(mp.mpf(float(result)) - true) / mp.mpf(float(place)))
        if not error <= worst:
            worst, where = error, [float(v) for v in row]
    return worst, where


def rows(mp, count, only):
    """[name, dtype, stated, measured, arguments, domain] for every function with a kernel."""
    for dtype, name in ((np.float32, "float32"), (np.float64, "float64")):
        stated = {n.rpartition("_")[0]: f for n, f in mathematics.FUNCTIONS.items()
                  if n.endswith(name) and hasattr(f, "ulp")}
        stems = sorted({*stated, *(LIBRARY if dtype is np.float64 else ())})
        for stem in stems:
            if kernel(stem) is None or (only and stem not in only):
                continue
            f = stated.get(stem)
            domain, unit = (f.domain, f.unit) if f else (LIBRARY[stem], 0.0)
            worst, where = largest_error(mp, stem, dtype, domain, unit, count)
            yield stem, name, f.ulp if f and stem not in FORMULAS else None, worst, where, domain


def text_of(domain):
    """A domain as text: -12 to 12."""
    pairs = domain if isinstance(domain[0], tuple) else (domain,)
    return "; ".join(f"{low:g} to {high:g}" for low, high in pairs)


def main(arguments_=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000, help="arguments a function (default 2000)")
    parser.add_argument("--only", default="", help="names, with commas between them")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name} of numbatorch/expr")
    options = parser.parse_args(arguments_)
    import mpmath
    mpmath.mp.dps = 40
    lines = ["| function | dtype | stated | measured | at | domain |", "| --- | --- | --- | --- | --- | --- |"]
    print(*lines, sep="\n")
    above = []
    only = set(filter(None, options.only.split(",")))
    for stem, dtype, stated, worst, where, domain in rows(mpmath.mp, options.samples, only):
        at = ", ".join(f"{v:.9g}" for v in where or ())
        kind = "formula" if stem in FORMULAS else "C library" if stated is None else f"{stated:g}"
        lines.append(f"| {stem} | {dtype} | {kind} | {worst:.2f} | {at} | "
                     f"{text_of(domain)} |")
        print(lines[-1], flush=True)
        if stated is not None and worst > stated:
            above.append(f"{stem} {dtype}: {worst:.2f} ULP, stated {stated:g}")
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2])
    for line in above:
        print(f"above what it states: {line}")
    return 1 if above else 0


if __name__ == "__main__":
    raise SystemExit(main())
