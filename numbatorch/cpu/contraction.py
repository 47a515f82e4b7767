"""Fast templates for sums of products: what is a matrix product in disguise runs as one, convolution as convolution."""

from ..expr.kinds import Launch
from ..expr.tree import arg
from ..layout import Layout

_FAST = ("float32", "float64")


def plan(request):
    """A Launch for a nest that is a (batched) matrix product of float32 or float64, else None."""
    roles = _product(request)
    if roles is None:
        return None
    from .gemm import gemm
    left, right, bias, batch, m, n, k = roles
    a, b = request.arrays[left.args[0]], request.arrays[right.args[0]]
    sizes = request.extents

    def stride(load, layout_, index):
        for d, i in enumerate(load.args[1:]):
            if i.op == "arg" and i.args[0] == index:
                return layout_.strides[d] if layout_.shape[d] != 1 else 0
        return 0

    def matrix(load, layout_, row, column):
        """(transposed, leading dimension) of an operand stored (row, column), or None if neither stride is 1."""
        s_row, s_column = stride(load, layout_, row), stride(load, layout_, column)
        n_row, n_column = (sizes[row] if row else 1), (sizes[column] if column else 1)
        if (s_column == 1 or n_column == 1) and (s_row >= n_column or n_row == 1):
            return False, max(s_row, n_column) if n_row == 1 else s_row
        if (s_row == 1 or n_row == 1) and (s_column >= n_row or n_column == 1):
            return True, max(s_column, n_row) if n_column == 1 else s_column
        return None

    first, second = matrix(left, a, m, k), matrix(right, b, k, n)
    if first is None or second is None:
        return None
    rows, columns, depth = (sizes[x] if x else 1 for x in (m, n, k))
    count = sizes[batch] if batch else 1
    kernel, meta, units, grain = gemm(request.compute).plan(
        rows, columns, depth, first[1], second[1], columns, first[0], second[0], count,
        stride(left, a, batch) if batch else 0, stride(right, b, batch) if batch else 0, rows * columns, bias)
    if left.args[0] != next(iter(request.arrays)):
        inner = kernel

        def kernel(b_ptr, a_ptr, *rest):
            inner(a_ptr, b_ptr, *rest)
    elif len(request.arrays) == 3 and not bias:
        product = kernel

        def kernel(a_ptr, b_ptr, _, *rest):  # the place of a bias that is not there
            product(a_ptr, b_ptr, *rest)
    return Launch(kernel, meta.ctypes.data, units, grain, meta)


def _product(request):
    """(left load, right load, bias?, batch, m, n, k) of a nest out[batch, m, n] = sum_k left * right, else None."""
    if request.compute not in _FAST or request.combine != "sum" or len(request.summed) != 1:
        return None
    if any(a.dtype.name != request.compute for a in request.arrays.values()):
        return None
    e = request.element
    if e.op != "mul" or any(x.op != "load" for x in e.args):
        return None
    left, right = e.args
    if any(i.op != "arg" for load in (left, right) for i in load.args[1:]):
        return None
    inside = [tuple(i.args[0] for i in load.args[1:]) for load in (left, right)]
    if any(len(set(names)) != len(names) for names in inside):
        return None
    (k,) = request.summed
    if k not in inside[0] or k not in inside[1]:
        return None
    free = list(request.free)
    shared = [i for i in free if i in inside[0] and i in inside[1]]
    only = [[i for i in free if i in inside[0] and i not in inside[1]],
            [i for i in free if i in inside[1] and i not in inside[0]]]
    if max(map(len, (shared, *only))) > 1 or len(free) != len(shared) + len(only[0]) + len(only[1]):
        return None
    m, n = (o[0] if o else None for o in only)
    batch = shared[0] if shared else None
    if [i for i in (batch, m, n) if i] != free:
        if [i for i in (batch, n, m) if i] != free:
            return None
        left, right, m, n = right, left, n, m
    bias = False
    if request.finish is not None:
        f = request.finish
        if f.op != "add" or f.args[0] is not arg("total") or f.args[1].op != "load" or n is None:
            return None
        added = f.args[1]
        place = request.arrays[added.args[0]]
        indices = [i.args[0] for i in added.args[1:]]
        if indices != [n] or place.strides != (1,) or left.args[0] != next(iter(request.arrays)):
            return None
        bias = True
    return left, right, bias, batch, m, n, k


def _convolution(request, make, order):
    """A convolution plan as a Launch, or the plain nest for other dtypes."""
    options = request.options
    layouts = [x for x in request.inputs if isinstance(x, Layout)]
    if any(x.dtype.name not in _FAST for x in layouts) or not all(x.is_contiguous for x in layouts):
        from . import nest
        return nest.plain(options["plain"])
    from . import convolution
    made = getattr(convolution, make)(layouts[0].dtype.name, *options["sizes"], options["stride"], options["padding"],
                                      options["dilation"], options["groups"], *options.get("more", ()))
    return Launch(order(made), 0, 1, 1, made)


def convolution_forward(request):
    """input, weight, bias or None -> result."""
    return _convolution(request, "forward_plan", lambda made: lambda x, w, b, y, *_: made.run(x, w, b, y))


def convolution_input_gradient(request):
    """grad, weight -> gradient of the input."""
    return _convolution(request, "input_gradient_plan", lambda made: lambda g, w, x, *_: made.run(g, w, x))


def convolution_weight_gradient(request):
    """input, grad -> gradient of the weight."""
    return _convolution(request, "weight_gradient_plan", lambda made: lambda x, g, w, *_: made.run(x, g, w))
