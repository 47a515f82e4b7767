"""Products and convolutions by templates of their own; what none of them takes runs in the plain nest."""

from dataclasses import dataclass
from math import prod

from ..expr.kinds import Launch
from ..expr.tree import Expr, order
from ..lowering.dots import as_rows
from . import nest, rows, runtime
from .launching import call

KINDS = {"bfloat16": "bfloat16", "float16": "float16", "float32": "float32", "float64": "float64", "int8": "int32",
         "uint8": "int32", "int16": "int32", "int32": "int32", "int64": "int64", "complex64": "complex64",
         "complex128": "complex128"}  # of a dtype's products
PLAIN = {"bfloat16": "plain32", "float16": "plain32", "float32": "plain32", "float64": "plain64"}  # no tensor cores
WORK = 1 << 16  # multiplications from which tiles pay: below, a thread for each result is done as soon
SHORTEST = 8  # terms of a sum, likewise
ROW = 128  # size of an index from which tiles within it are no waste
LARGEST = 2**31 - 1  # size of a group of indices: they are counted in 32 bits


@dataclass
class Roles:
    """A nest as a product: its loads, the indices of each group, and how tiles of either side lie (gemm.py).

    contiguous: whether a side has a contiguous index and its other strides are multiples of 16 bytes.
    """

    left: Expr
    right: Expr
    batch: list[str]
    m: list[str]
    n: list[str]
    k: list[str]
    layouts: tuple[str, str]
    contiguous: tuple[bool, bool]


def plan(request):
    """The Launch of a nest: by tiles where it is a product that is worth it."""
    dots = as_rows(request)
    if dots is not None:
        return rows.plan(dots)
    found = roles(request)
    if found is None or not pays(request, found):
        return nest.plan(request)
    return product(request, found)


def convolution(request):
    """The Launch of a convolution, or of one of its gradients."""
    from .convolution import plan
    return plan(request)


def source(request):
    """The kernel text for a request."""
    return kernel(request)[0]


def kernel(request):
    """(text, name, signature, threads a block) of a request's kernel."""
    found = roles(request)
    if found is None or not pays(request, found):
        return nest.kernel(request)
    made, _ = _kernels(request, found, _kind(request), found.contiguous)
    return made.text, made.name, made.signature, made.tile.threads


def pays(request, found):
    """Whether tiles are worth it: enough work, sums long enough, and something to share within a tile."""
    m, n, k = (prod(request.extents[x] for x in group) for group in (found.m, found.n, found.k))
    return prod(request.extents.values()) >= WORK and k >= SHORTEST and m * n > 1


def roles(request):
    """The Roles of a nest that is a sum of products of two elements; None for others."""
    e, layouts = request.element, request.arrays
    if request.combine != "sum" or e.op != "mul" or any(x.op != "load" for x in e.args):
        return None
    dtypes = {layouts[x.args[0]].dtype.name for x in e.args}
    if len(dtypes) != 1 or not dtypes <= set(KINDS) or 0 in request.extents.values():
        return None
    inside = [{n.args[0] for i in x.args[1:] for n in order(i) if n.op == "arg"} for x in e.args]
    only = [[i for i in request.free if i in inside[s] and i not in inside[1 - s]] for s in (0, 1)]
    batch = [i for i in request.free if i in inside[0] and i in inside[1]]
    if len(batch) + len(only[0]) + len(only[1]) != len(request.free):
        return None
    left, right = e.args
    last = request.free[-1] if request.free else None
    if last in only[0] or last not in only[1] and len(only[0]) > len(only[1]):  # neighbours in the result lie along n
        left, right, only = right, left, only[::-1]
    for load, group in ((left, only[0]), (right, only[1])):  # what is repeated for the other side is a batch, too
        if len(group) == 2 and request.extents[group[1]] >= ROW and all(e.op == "arg" for e in load.args[1:]):
            batch = [*batch, group.pop(0)]
    groups = batch, *only, list(request.summed)
    if any(prod(request.extents[x] for x in group) > LARGEST for group in groups):
        return None
    if any(e.op not in ("arg", "const", "add", "sub", "mul", "floordiv", "mod")
           for x in (left, right) for i in x.args[1:] for e in order(i)):
        return None
    found = [_lie(request, load, group) for load, group in ((left, only[0]), (right, only[1]))]
    return Roles(left, right, *groups, tuple(f[0] for f in found), tuple(f[1] for f in found))


def _lie(request, load, group):
    """(layout of a side's tiles, whether it is contiguous)."""
    array, k = request.arrays[load.args[0]], list(request.summed)
    size = array.dtype.itemsize
    strides: dict[str, int] = {}  # of the index itself: how far its next element is
    for d, e in enumerate(load.args[1:]):
        for name in {n.args[0] for n in order(e) if n.op == "arg"}:
            strides[name] = min(strides.get(name, array.strides[d]), array.strides[d])
    plain = all(e.op == "arg" for e in load.args[1:]) and len(k) == len(group) == 1
    if plain and len(set(strides)) == len(load.args) - 1 and size >= 2:
        for layout, name in (("k", k[0]), ("x", group[0])):
            others = [s for n, s in strides.items() if n != name and request.extents[n] > 1]
            if strides.get(name) == 1 and request.extents[name] > 1 and name in strides and (
                    k[0] in strides and group[0] in strides) and all(s * size % 16 == 0 for s in others):
                return layout, KINDS[array.dtype.name] == array.dtype.name
    def fastest(names):
        near = [(strides.get(n, LARGEST), -request.extents[n]) for n in names if request.extents[n] > 1]
        return min(near, default=(LARGEST, 0))
    return "k" if fastest(k) < fastest(group) else "x", False


def _kind(request):
    return kind_of(next(iter(request.arrays.values())))


def kind_of(layout):
    """The kind of products of a layout's elements: float32 as `set_float32_matmul_precision` says."""
    dtype = layout.dtype.name
    if dtype in PLAIN and not runtime.has_tensor_cores(layout.device.index):
        return PLAIN[dtype]
    if dtype == "float32":
        from ..runtime import get_float32_matmul_precision
        if get_float32_matmul_precision() != "highest":
            return "tf32"
    return KINDS[dtype]


def _kernels(request, found, kind, copied):
    """(the kernel of a product, the kernel that joins its pieces or None)."""
    from .gemm import Joined, Product
    from .tile_shapes import choose
    m, n, k, batch = (prod(request.extents[x] for x in group) for group in (found.m, found.n, found.k, found.batch))
    tile, pieces = choose(kind, m, n, k, batch)
    made = Product(request, found, kind, tile, copied, pieces)
    return made, Joined(request, found, kind, pieces) if pieces > 1 else None


def product(request, found):
    """The Launch of a product by tiles; which of its kernels is known when it runs, by addresses and the precision."""
    names, device = list(request.arrays), request.outputs[0].device
    first, second = (names.index(x.args[0]) for x in (found.left, found.right))
    is_single, kind, variants = next(iter(request.arrays.values())).dtype.name == "float32", _kind(request), {}

    def run(*given):
        key = _kind(request) if is_single else kind, not given[first] & 15, not given[second] & 15
        if key not in variants:
            variants[key] = _runner(request, found, key[0], key[1:], device)
        variants[key](*given)
    run.within = variants
    finish = request.finish
    if finish is not None and any(e.op not in ("add", "load", "arg") for e in order(finish)):
        key = kind, True, True  # what a GPU has no function for is noticed now, so that the CPU computes it
        variants[key] = _runner(request, found, kind, key[1:], device)
    return Launch(run, 0, 1, 1)


def _runner(request, found, kind, aligned, device):
    """f(*operands, result, meta, units, grain) of one variant. aligned: whether operands lie at multiples of 16."""
    from . import wide_gemm
    made = wide_gemm.kernels(request, found, kind) if all(aligned) and wide_gemm.here(device) else None
    early = runtime.has_tensor_cores(device.index)
    copied = tuple(early and a and b for a, b in zip(found.contiguous, aligned, strict=True))
    return started(request, *(made or _kernels(request, found, kind, copied)), device)


def started(request, made, joined, device):
    """f(*operands, result, meta, units, grain) of a product's kernel and the one that joins its pieces, or None."""
    start = call(made.name, made.text, made.signature, device, made.numbers.values, made.blocks, made.tile.threads,
                 shared=made.shared)
    if joined is None:
        return start
    from . import backend
    end = call(joined.name, joined.text, joined.signature, device, joined.numbers.values, -(-joined.units // 256))
    runtime, nbytes = backend.on(device.index), made.pieces * joined.units * made.keeps
    count = len(request.arrays)

    def run(*given):
        work = runtime.allocate(nbytes)
        start(*given[:count], work.address, *given[-3:])
        end(work.address, *given)
    run.within = start, end
    return run
