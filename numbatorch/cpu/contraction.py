"""Fast templates for sums of products: what is a matrix product in disguise runs as one, convolution as convolution."""

from ..expr.kinds import Launch
from ..expr.tree import arg
from ..layout import Layout
from ..lowering.dots import as_rows
from . import operands, rows, tiny

_FAST = ("float32", "float64")
_INTEGERS = {"int8": "int32", "uint8": "int32", "int16": "int32", "int32": "int32", "int64": "int64"}
_THIN = 16  # rows of complex numbers up to which the right side is not rewritten
_FEW = 8  # rows up to which bfloat16 are multiplied one by one, as the right side is not rewritten then
_TURNED = 32  # rows of bytes from which the left side is transposed by fours
_PARTS = {"complex64": "float32", "complex128": "float64"}


def plan(request):
    """A Launch for a nest that is a (batched) matrix product of floating, complex or whole numbers, else None.

    Of epilogues the kernels take a row that is added: the request's `finish` is total + bias[column], the bias third
    among its arrays and without gaps, and sums start from it. Other formulas run after each unit of the product, on
    what it has just written (bands.py).
    """
    roles = _product(request)
    product = _Product(request, *roles) if roles else None
    if product and tiny.when(request, product.sizes):
        return tiny.plan(request, product.sizes, [load.args[0] for load in product.loads],
                         [product.strides(side)[0] for side in (0, 1)])
    dots = as_rows(request)
    if dots is not None:
        return rows.plan(dots)
    return product and product.launch()


class _Product:
    """out[batch, m, n] = sum over k of left[batch, m, k] * right[batch, k, n] + bias[n], by the kernels of gemm.py.

    Operands that these kernels do not read are copied first: other dtypes, and strides of which none is 1.
    """

    def __init__(self, request, left, right, bias, batch, m, n, k):
        self.request, self.bias = request, bias
        self.loads, self.batch, self.axes = (left, right), batch, ((m, k), (k, n))
        self.places = {name: i for i, name in enumerate(request.arrays)}
        self.sizes = [request.extents[x] if x else 1 for x in (batch, m, n, k)]
        self.dtype = next(iter(request.arrays.values())).dtype.name
        self.work = _INTEGERS.get(self.dtype) or _PARTS.get(request.compute, request.compute)
        self.copies = {}  # place -> (Launch, bytes)

    def launch(self):
        from .gemm import gemm
        from .microkernel import has_halves, has_pairs, has_quads
        request, (count, m, n, k) = self.request, self.sizes
        complex_, halves = request.compute in _PARTS, self.dtype in ("float16", "bfloat16") and has_halves()
        work = self.work
        # The row right.T @ left.T: left sides are rewritten.
        if n == 1 < m and not self.bias and (complex_ or halves and (self.dtype == "float16" or not has_pairs())):
            self.loads, self.axes = self.loads[::-1], tuple(axes[::-1] for axes in self.axes[::-1])
            self.sizes = [count, n, m, k]
            m, n = n, m
        if complex_ and m <= _THIN and not self.bias:
            thin = self._thin()
            if thin is not None:
                return thin
        if self.dtype == "int8" and not self.bias and count == 1 and has_quads():
            return self._quads()
        pairs = self.dtype == "bfloat16" and has_pairs()
        if pairs and halves and m <= _FEW and self._is_row_by_row(1):
            pairs = False
        if pairs:
            first, second, work, k = self._pairs(0), self._pairs(1), "bfloat16", (k + 1) // 2
            if request.outputs[0].dtype.name == "bfloat16" and gemm(work).narrows(m, n, k, first[0], second[0]):
                work = "narrow"
        else:
            first = self._matrix(0, complex_)
            work = f"right_{self.dtype}" if halves else work
            second = self._real_rows() if complex_ else self._matrix(1, False, self.dtype if halves else "")
        if complex_:
            n, k = 2 * n, 2 * k
            first = (False, first[1] * 2, first[2] * 2)
        kernel, meta, units, grain = gemm(work).plan(m, n, k, first[1], second[1], n, first[0], second[0], count,
                                                          first[2], second[2], m * n, self.bias)
        after = {}
        if self.bias:
            row = list(request.arrays.values())[2]
            if row.dtype.name != self._storage():
                self._copy(2, row, operands.dense(row, self._storage()))
        out = request.outputs[0]
        if work != "narrow" and out.dtype.name != self._storage():
            kept = operands.dense(out, self._storage())
            after[len(request.arrays)] = operands.converted(kept, out), kept.nbytes
        run = _ordered(kernel, self.loads[0].args[0] != next(iter(request.arrays)), self.bias, len(request.arrays))
        if self.copies or after:
            run = operands.Staged(run, self.copies, after).__call__
        return Launch(run, meta.ctypes.data, units, grain, (meta, self.copies, after))

    def strides(self, side):
        """(strides, dims) of an operand by batch, row, column; stride 0 and no dim where it lacks one."""
        load, array = self.loads[side], self.request.arrays[self.loads[side].args[0]]
        names = [i.args[0] for i in load.args[1:]]
        strides, dims = [], []
        for index in (self.batch, *self.axes[side]):
            d = names.index(index) if index and index in names else None
            dims.append(d)
            strides.append(0 if d is None or array.shape[d] == 1 else array.strides[d])
        return strides, dims

    def _shape(self, side):
        count, m, n, k = self.sizes
        return (m, k) if side == 0 else (k, n)

    def _is_row_by_row(self, side):
        """Whether the rows of an operand are contiguous, and its columns are not."""
        (_, row, column), _ = self.strides(side)
        return column == 1 and row != 1 and self._shape(side)[1] > 1

    def _matrix(self, side, plain, stored=""):
        """(transposed, leading dimension, batch stride) of an operand as the kernel reads it; `plain`: rows only;
        stored: the dtype that it reads, where that is not the other operand's."""
        (step, row, column), dims = self.strides(side)
        rows, columns = self._shape(side)
        array = self.request.arrays[self.loads[side].args[0]]
        stored = stored or self._storage()
        fits = array.dtype.name == stored
        if fits and (column == 1 or columns == 1) and (row >= columns or rows == 1):
            return False, max(row, columns) if rows == 1 else row, step
        if fits and not plain and (row == 1 or rows == 1) and (column >= rows or columns == 1):
            return True, max(column, rows) if columns == 1 else column, step
        turned = not plain and row == 1 and column != 1
        self._dense(side, turned, stored)
        return turned, rows if turned else columns, rows * columns if step else 0

    def _storage(self):
        """The dtype that the kernel reads and writes."""
        return self.request.compute if self.request.compute in _PARTS else self.work

    def _dense(self, side, turned, dtype):
        """Copy an operand to contiguous matrices of (row, column), or of (column, row) when `turned`."""
        (step, *_), dims = self.strides(side)
        array = self.request.arrays[self.loads[side].args[0]]
        batched = [dims[0]] if step else []
        order = [d for d in (*batched, *(dims[:0:-1] if turned else dims[1:])) if d is not None]
        source = operands.permuted(array, order)
        self._copy(self.places[self.loads[side].args[0]], source, operands.dense(source, dtype))

    def _pairs(self, side):
        """(transposed, leading dimension, batch stride) in pairs along k of a bfloat16 operand."""
        (step, row, column), _ = self.strides(side)
        rows, columns = self._shape(side)
        depth, other = (columns, rows) if side == 0 else (rows, columns)
        along, down = (column, row) if side == 0 else (row, column)  # strides along k and across
        if other == 1 and down == 0:
            down = depth * along
        if along == 1 and down >= depth and down % 2 == 0 and step % 2 == 0 and depth % 2 == 0:
            return side == 1, down // 2, step // 2
        count, pairs = self.sizes[0] if step else 1, (depth + 1) // 2
        place = self.places[self.loads[side].args[0]]
        if (down == 1 or other == 1) and along >= other:
            self.copies[place] = operands.zipped_rows(count, depth, other, step, along), 4 * count * pairs * other
            return side == 0, other, pairs * other if step else 0
        if depth % 2:
            given = operands.padded_rows(count, other, depth, (step, down, along))
            self.copies[place] = given, 4 * count * pairs * other
            return side == 1, pairs, pairs * other if step else 0
        self._dense(side, side == 1, "bfloat16")
        return side == 1, depth // 2, depth // 2 * other if step else 0

    def _quads(self):
        """The Launch for bytes by fours: both sides are rewritten, or the right one read where it is, along k."""
        from . import quads
        from .gemm import gemm
        _, m, n, k = self.sizes
        ((_, down, along), _), ((_, row, column), _) = self.strides(0), self.strides(1)
        first = down == 1 and along != 1 and m >= _TURNED
        turned = row == 1 and column >= k and column % 4 == 0 and k % 4 == 0
        fours = (k + 3) // 4
        before = {0: (quads.turned if first else quads.rows)(1, m, k, (0, along, down))}
        kernel, meta, units, grain = gemm("int8").plan(m, n, fours, m if first else fours, column // 4 if turned else n,
                                                       n, first, turned, bias=True)
        if turned:
            before[2], inner = quads.sums(k, n, (0, row, column)), kernel
        else:
            before[1], behind = quads.columns(k, n, (0, row, column)), 4 * fours * n

            def inner(left, right, _, *rest):
                kernel(left, right, right + behind, *rest)
        out, after = self.request.outputs[0], {}
        if out.dtype.name != "int32":
            kept = operands.dense(out, "int32")
            after[3] = operands.converted(kept, out), kept.nbytes
        staged = operands.Staged(inner, before, after).__call__

        def run(left, right, *rest):
            staged(left, right, right, *rest)  # which the sums of its columns are made of, too
        arrays = self.request.arrays
        run = _ordered(run, self.loads[0].args[0] != next(iter(arrays)), False, len(arrays))
        return Launch(run, meta.ctypes.data, units, grain, (meta, before, after))

    def _thin(self):
        """The Launch for few rows of complex numbers: the right side is read where it is; None where it cannot be."""
        from .gemm import gemm
        (left_step, *left), _ = self.strides(0)
        (step, row, column), _ = self.strides(1)
        count, m, n, k = self.sizes
        dtype, own = self.request.compute, self.sizes[0] if left_step else 1
        bytes_ = 4 if self.work == "float32" else 8
        along = row == 1 and (column >= k or n == 1)
        if (column == 1 or n == 1 and not along) and (row >= n or k == 1):
            given = operands.complex_rows("parts", dtype, own, m, k, (left_step, *left)), 2 * own * m * k * bytes_
            product = (2 * m, 2 * n, k, k, 2 * max(row, n), 2 * n, False, False, count, 2 * m * k if left_step else 0)
            result, width = operands.complex_rows("joined", dtype, count, m, n), 2 * n
        elif along:
            given = operands.complex_rows("rows", dtype, own, m, k, (left_step, *left), True), 4 * own * m * k * bytes_
            product = (2 * m, n, 2 * k, 2 * k, 2 * max(column, k), n, False, True, count, 4 * m * k if left_step else 0)
            result, width = operands.complex_rows("laced", dtype, count, m, n), n
        else:
            return None
        kernel, meta, units, grain = gemm(self.work).plan(*product, 2 * step, 2 * m * width)
        run = _ordered(kernel, self.loads[0].args[0] != next(iter(self.request.arrays)), False,
                       len(self.request.arrays))
        before = {self.places[self.loads[0].args[0]]: given}
        after = {len(self.request.arrays): (result, 2 * count * m * width * bytes_)}
        return Launch(operands.Staged(run, before, after).__call__, meta.ctypes.data, units, grain,
                      (meta, before, after))

    def _real_rows(self):
        (step, row, column), _ = self.strides(1)
        rows, columns = self._shape(1)
        count = self.sizes[0] if step else 1
        made = operands.complex_rows("rows", self.request.compute, count, rows, columns, (step, row, column))
        place = self.places[self.loads[1].args[0]]
        self.copies[place] = made, 4 * count * rows * columns * (4 if self.work == "float32" else 8)
        return False, 2 * columns, 4 * rows * columns if step else 0

    def _copy(self, place, source, result):
        self.copies[place] = operands.converted(source, result), result.nbytes


def _ordered(kernel, swapped, bias, arrays):
    """The kernel with its pointers in the order of the request's arrays: right before left, and an unused bias."""
    unused = arrays == 3 and not bias
    if swapped:
        return lambda b_ptr, a_ptr, *rest: kernel(a_ptr, b_ptr, *rest[unused:])
    if not unused:
        return kernel

    def run(a_ptr, b_ptr, _, *rest):
        kernel(a_ptr, b_ptr, *rest)
    run.with_unused = kernel, 2
    return run


def _product(request):
    """(left load, right load, bias?, batch, m, n, k) of a nest out[batch, m, n] = sum_k left * right, else None."""
    dtypes = {a.dtype.name for a in (*request.arrays.values(), *request.outputs)}
    if {a.dtype.name for a in request.arrays.values()} == {"int8"} and request.compute == "int32":
        dtypes = {"int8"}
    given = {a.dtype.name for a in request.arrays.values()}
    if len(given) == 1 and given <= {"bfloat16", "float16"} and request.outputs[0].dtype.name == "float32":
        dtypes = given  # whose sums are float32 anyway
    if len(dtypes) != 1 or not (request.compute in _FAST or dtypes <= {*_PARTS, *_INTEGERS}):
        return None
    if request.combine != "sum" or len(request.summed) != 1:
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


def _convolution(request, make, output, order):
    """A convolution plan as a Launch, or the plain nest for other dtypes. output: the place of the result's pointer."""
    options = request.options
    layouts = [x for x in request.inputs if isinstance(x, Layout)]
    compute = layouts[0].dtype.compute
    if compute not in _FAST:
        from . import nest
        return nest.plain(options["plain"])
    from . import convolution
    made = getattr(convolution, make)(compute, *options["sizes"], **options.get("more", {}))
    run, before, after = order(made), {}, {}
    for i, x in enumerate(layouts):
        if x.dtype.name != compute or not x.is_contiguous:
            copy = operands.dense(x, compute)
            before[i] = operands.converted(x, copy), copy.nbytes
    out = request.outputs[0]
    if out.dtype.name != compute:
        kept = operands.dense(out, compute)
        after[output] = operands.converted(kept, out), kept.nbytes
    if before or after:
        run = operands.Staged(run, before, after).__call__
    return Launch(run, 0, 1, 1, (made, before, after))


def convolution_forward(request):
    """input, weight, bias or None -> result."""
    return _convolution(request, "forward_plan", 3, lambda made: lambda x, w, b, y, *_: made.run(x, w, b, y))


def convolution_input_gradient(request):
    """grad, weight -> gradient of the input."""
    return _convolution(request, "input_gradient_plan", 2, lambda made: lambda g, w, x, *_: made.run(g, w, x))


def convolution_weight_gradient(request):
    """input, grad -> gradient of the weight."""
    return _convolution(request, "weight_gradient_plan", 2, lambda made: lambda x, g, w, *_: made.run(x, g, w))
