"""From an op and the layouts of its operands to a Plan: kernel, result layouts and what the backward pass needs.

Rules (promotion, broadcasting, checks) run here, once for each new combination of layouts and static arguments; calls
only look plans up. Devices are met by name, through their backend (device.py says what it answers).
"""

import importlib
import inspect
import math
import sys
from typing import Any

from . import dtypes
from .device import CPU
from .errors import NoAcceleratorError
from .expr import kinds, tree
from .expr.derive import rank_of
from .layout import (
    Layout,
    broadcast_shapes,
    broadcast_strides,
    contiguous_strides,
    format_strides,
    layout,
    result_strides,
    wrap_dims,
)
from .ops.declare import FLOAT, OPS, Op

_backends: dict[Any, Any] = {}


def backend(place) -> Any:
    """The backend (device.py) of a device, or the module of a type of devices, imported when first needed.

    NoAcceleratorError where there is none.
    """
    found = _backends.get(place)
    if found is None:
        if isinstance(place, str):
            name = f"{__package__}.{place}.backend"
            try:
                found = importlib.import_module(name)
            except ModuleNotFoundError as error:
                if error.name not in (name, f"{__package__}.{place}"):
                    raise
                raise NoAcceleratorError(f"device {place} is not available in this build") from None
        else:
            module = backend(place.type)
            found = module.on(place.index) if hasattr(module, "on") else module
        _backends[place] = found
    return found


def storage_class(device):
    """The class of storages on a device: `Storage`, whose `device` is the CPU, or a subclass that differs in it.

    So a new storage need not be told where it is.
    """
    found = _storages.get(device)
    if found is None:
        from .storage import Storage
        kind = Storage if device is CPU else type("Storage", (Storage,), {"__slots__": (), "device": device})
        found = _storages[device] = kind
    return found


_storages: dict[Any, Any] = {}


class Plan:
    """What runs for one op and one combination of operand layouts."""

    __slots__ = ("op", "kernel", "meta", "units", "grain", "layouts", "layout", "nbytes", "storage", "allocate",
                 "address", "keep", "specs", "statics", "dims", "shape", "length", "offset", "rules", "compute", "low",
                 "high")
    op: Op
    kernel: Any
    meta: Any
    units: int | None
    grain: int | None
    layouts: tuple[Layout, ...]
    layout: Layout
    nbytes: int
    storage: Any  # the class of the results' storages
    allocate: Any
    address: Any
    keep: Any  # what the kernel's arguments point into
    specs: dict[str, Any]
    statics: dict[str, Any]
    dims: Any
    shape: Any
    length: int
    offset: int  # of a view, in bytes
    rules: dict
    compute: Any
    low: float  # the numbers that fit `compute`, where the op asks for that
    high: float

    def __repr__(self):
        return f"<Plan {self.op.name} {self.specs} -> {self.layouts}>"


def make(op: Op, specs, statics, into: Layout | None = None) -> Plan:
    """The Plan of `op`. specs: {operand or number: Layout | "int" | "float" | "bool" | None}; statics: {name: value}.

    `into`: the layout of the tensor that an in-place form writes.
    """
    tensors = [s for s in specs.values() if isinstance(s, Layout)]
    device = tensors[0].device if tensors else CPU
    for s in tensors:
        if s.device is not device:
            raise different_devices(op, specs)
    plan = Plan()
    plan.op, plan.specs, plan.statics, plan.rules = op, specs, statics, {}
    plan.dims, plan.shape, plan.length, plan.offset, plan.compute = None, None, 0, 0, None
    plan.kernel = plan.meta = plan.units = plan.grain = plan.keep = None
    allowed = op.dtypes
    if allowed is not None:
        for d in _judged(op, specs, tensors):
            if d.name not in allowed:
                raise NotImplementedError(f'"{asked(op)[0]}" not implemented for \'{type_name(d)}\'')
    if op.check is not None:
        op.check(op, specs, statics)
    if op.kind == "view":
        first = tensors[0]
        shape, strides, offset, *other = op.body(first, **statics)  # other: a dtype of its own
        plan.layout = layout(other[0] if other else first.dtype, shape, strides, first.device)
        plan.layouts, plan.nbytes, plan.offset = (plan.layout,), 0, offset * plan.layout.dtype.itemsize
        return plan
    request = _request(op, plan, specs, statics, into)
    runtime = backend(device)
    try:
        launch = runtime.plan(request) or launched_on_host(plan, request, device)
    except (RuntimeError, ValueError) as error:
        complex_ = next((s.dtype for s in tensors if s.dtype.is_complex), None)
        if complex_ is None:
            raise
        raise NotImplementedError(f'"{asked(op)[0]}" not implemented for \'{type_name(complex_)}\'') from error
    plan.kernel, plan.meta, plan.units, plan.grain, plan.keep = (
        launch.kernel, launch.meta, launch.units, launch.grain, launch.keep)
    plan.storage, plan.allocate, plan.address = storage_class(device), runtime.allocate, runtime.address
    plan.layout = plan.layouts[0]
    plan.nbytes = plan.layout.nbytes
    if op.fits:
        plan.low, plan.high = dtypes.limits(plan.compute)
    return plan


def launched_on_host(plan, request, device):
    """The CPU's Launch for a request of a device that has no kernel for it, on copies of the operands."""
    from .transfer import launched_on_host
    return launched_on_host(request, plan.specs, plan.layouts, device)


def different_devices(op, specs):
    """The error of a call whose operands are on several devices, in the words of the call that the user wrote."""
    name, values = asked(op)
    places = {label: value._layout.device for label, value in values.items() if hasattr(value, "_layout")}
    if len(set(places.values())) < 2:  # its body brought another device in, or they are in a list
        places = {label: spec.device for label, spec in specs.items() if isinstance(spec, Layout)}
    names = list(dict.fromkeys(map(str, places.values())))
    return RuntimeError(f"{name}: Expected all tensors to be on the same device, but found at least two devices, "
                        f"{' and '.join(names[:2])}! ({', '.join(f'{n} on {d}' for n, d in places.items())}); move "
                        f"them with tensor.to(device)")


def asked(op):
    """(name, {parameter: value}) of the outermost op under way, which the user called, where `op` is part of its work.

    Calls of ops are found on Python's stack, down to the first function that is not of this library: for errors only.
    """
    name, values, frame = op.name.strip("_"), {}, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "numbatorch").partition(".")[0] == "numbatorch":
        inside = frame.f_locals
        own = inside.get("op", frame.f_globals.get("op"))
        if isinstance(own, Op) and not own.name.startswith("_"):
            if isinstance(inside.get("values"), dict):  # an eager op's
                name, values = own.name, inside["values"]
            elif frame.f_code.co_name in (own.name, f"{own.name}_"):
                name, values = frame.f_code.co_name, {p.name: inside.get(p.name) for p in own.parameters}
        elif frame.f_code.co_name in ("getitem", "setitem"):  # of indexing.py: square brackets
            name, values = f"Tensor.__{frame.f_code.co_name}__", {}
        frame = frame.f_back
    return name, values


def _refuse_float8(op, d):
    if d.is_float8 and not op.float8:
        raise NotImplementedError(f'"{asked(op)[0]}" not implemented for \'{type_name(d)}\': float8 is for keeping '
                                  "values; compute in another dtype: tensor.to(torch.float32)")


def _request(op, plan, specs, statics, into):
    if op.kind == "elementwise":
        return elementwise_request(op, plan, specs, statics, into)
    if op.kind in ("reduction", "rowwise"):
        return rows_request(op, plan, specs, statics)
    if op.kind in ("scan", "window", "sort"):
        for spec in specs.values():
            if isinstance(spec, Layout):
                _refuse_float8(op, spec.dtype)
    request = op.body(*specs.values(), **statics)
    plan.layouts = tuple(request.outputs)
    return request


def type_name(d):
    names = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long",
             "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
             "complex32": "ComplexHalf", "complex64": "ComplexFloat", "complex128": "ComplexDouble"}
    return names.get(d.name) or d.name.replace("uint", "UInt").replace("float8", "Float8")


def _judged(op, specs, tensors):
    """The dtypes that an op must take: of elementwise ops the one that operands are promoted to, not their own."""
    if op.kind != "elementwise":
        return [s.dtype for s in tensors]
    ranked = _ranked(op, specs)
    own = [specs[name].dtype for name in op.apart if isinstance(specs.get(name), Layout)]
    return [dtypes.result_of(ranked), *own] if ranked else own


def _ranked(op, specs):
    """The operands that decide on a dtype together: (dtype, rank)."""
    ranked = []
    for p in op.operands:
        spec = specs.get(p.name)
        if spec is None or p.name in op.apart or (op.promote_by and p.name not in op.promote_by):
            continue
        if isinstance(spec, Layout):
            ranked.append((spec.dtype, 2 if spec.ndim else 1))
        else:
            ranked.append((_number_dtype(spec), 0))
    return ranked


def computing_dtype(op, specs):
    """The dtype in which a formula is evaluated, and which its results have unless the op says otherwise."""
    d = dtypes.result_of(_ranked(op, specs))
    if op.promote == FLOAT and d.category < dtypes.FLOAT:
        d = dtypes.get_default_dtype()
    elif op.promote == "int64" and d.category < dtypes.FLOAT or op.promote == "no bool" and d is dtypes.bool:
        d = dtypes.int64
    return d


def _number_dtype(kind):
    return {"bool": dtypes.bool, "int": dtypes.int64, "float": dtypes.get_default_dtype()}[kind]


def _formula_operands(op, specs, d):
    operands = []
    for name, spec in specs.items():
        if spec is None:
            operands.append(kinds.Operand(name, "int", "int64"))
        elif name in op.apart and isinstance(spec, Layout):
            operands.append(kinds.Operand(name, spec, spec.dtype.compute))
        elif isinstance(spec, Layout):
            operands.append(kinds.Operand(name, spec, d.compute))
        else:
            if spec == "float" and d.category < dtypes.FLOAT and name not in op.apart:
                raise RuntimeError(f"{op.name}: for integral input tensors, argument {name} must not be a floating "
                                   "point number.")
            operands.append(kinds.Operand(name, spec, d.compute))
    return operands


def _result_dtypes(op, d, count, statics):
    if callable(op.result):
        return [op.result(d, statics)] * count
    stated = op.result if isinstance(op.result, tuple) else (op.result,) * count
    return [d if s is None else d.wide if s == "wide" else d.to_real() if s == "real"
            else d.to_complex() if s == "complex" else dtypes.by_name(s) for s in stated]


def elementwise_request(op, plan, specs, statics, into=None):
    """The request of an elementwise op; fills in the plan's layouts."""
    d = computing_dtype(op, specs)
    plan.compute = d
    _refuse_float8(op, d)
    absent = tuple(n for n, s in specs.items() if s is None)
    roots = op.trace({**dict.fromkeys(absent), **statics}, absent)
    tensors = {n: s for n, s in specs.items() if isinstance(s, Layout)}
    shape = broadcast_shapes(op.name, [s.shape for s in tensors.values()], list(tensors))
    results = _result_dtypes(op, d, len(roots), statics)
    device = next(iter(tensors.values())).device
    if into is not None:
        if shape != into.shape:
            raise RuntimeError(f"{op.name}_: output with shape {list(into.shape)} doesn't match the broadcast shape "
                               f"{list(shape)}")
        if op.result == "real" and into.dtype.category == dtypes.COMPLEX:
            raise RuntimeError(f"{op.name}_: In-place {op.name} is not supported for complex tensors.")
        if not op.casts and not dtypes.can_cast(results[0], into.dtype):
            raise RuntimeError(f"{op.name}_: result type {type_name(results[0])} can't be cast to the desired output "
                               f"type {type_name(into.dtype)}")
        if into.numel and any(s == 0 and n > 1 for n, s in zip(into.shape, into.strides, strict=True)):
            raise RuntimeError(f"{op.name}_: unsupported operation: more than one element of the written-to tensor "
                               "refers to a single memory location. Please clone() the tensor before performing the "
                               "operation.")
        outputs = [into]
    else:
        order = getattr(statics.get("memory_format"), "name", "preserve_format")
        if statics.get("contiguous"):
            order = "contiguous_format"
        strides = format_strides(shape, order) if order != "preserve_format" else result_strides(
            shape, [(s.shape, s.strides) for s in tensors.values()])
        outputs = [layout(r, shape, strides, device) for r in results]
    plan.layouts = tuple(outputs)
    roots, operands = _apart_from_functions(tree.expand(*roots), _formula_operands(op, specs, d))
    return kinds.Elementwise(op.name, roots, operands, outputs, shape, d.compute)


def _apart_from_functions(roots, operands):
    """Roots and operands with other names for operands that are called as functions that templates use are."""
    clashing = {o.name: tree.arg(f"{o.name}_given") for o in operands if o.name in ("min", "max")}
    if not clashing:
        return roots, operands
    return (tuple(tree.substitute(root, clashing) for root in roots),
            [kinds.Operand(f"{o.name}_given", o.layout, o.dtype) if o.name in clashing else o for o in operands])


def rows_request(op, plan, specs, statics):
    """The request of a reduction or a rowwise op; fills in layouts and dims."""
    tensors = {n: s for n, s in specs.items() if isinstance(s, Layout)}
    first = next(iter(tensors.values()))
    d = computing_dtype(op, specs)
    given = statics.get("dtype")
    if given is not None:
        d = given
    if op.promote == "float only" and d.category < dtypes.FLOAT:
        raise RuntimeError(f"{op.name}(): could not infer output dtype. {'Input' if given is None else 'Optional'} "
                           f"dtype must be either a floating point or complex dtype. Got: {type_name(d)}")
    plan.compute = d
    _refuse_float8(op, d)
    shape = statics.get("shape")  # said by backward ops, whose operands may all have one value a row
    if shape is None:
        shape = first.shape if op.kind == "reduction" else broadcast_shapes(
            op.name, [s.shape for s in tensors.values()], list(tensors))
    dims = op.dims(shape, statics) if callable(op.dims) else wrap_dims(statics.get("dim"), len(shape))
    if not shape:
        dims = ()
    if op.dims == "one" and isinstance(statics.get("dim"), tuple):
        raise TypeError(f"{op.name}(): argument 'dim' must be int, not tuple")
    plan.dims, plan.shape, plan.length = dims, shape, math.prod(shape[i] for i in dims)
    if op.kind == "reduction" and op.identity is None and plan.length == 0:
        if statics.get("dim") is None:
            raise RuntimeError(f"{op.name}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
                               "the reduction dim with the 'dim' argument.")
        if 0 in [shape[i] for i in dims]:
            bad = next(i for i in dims if shape[i] == 0)
            raise IndexError(f"{op.name}(): Expected reduction dim {bad} to have non-zero size.")
    absent = tuple(n for n, s in specs.items() if s is None)
    values = {k: v for k, v in statics.items() if k not in ("dim", "keepdim", "dtype", "shape")}
    roots = tree.expand(*op.trace({**dict.fromkeys(absent), **values}, absent))
    row_args = [n for n, s in specs.items() if not isinstance(s, Layout)]
    if "shape" in statics and plan.length > 1:  # a gradient, which is brought to the shape of its operand afterwards
        row_args += [n for n, s in tensors.items() if all(i < 0 or s.shape[i] == 1 for i in (
            d - len(shape) + s.ndim for d in dims))]
    ranks = rank_of(*roots, row_args=tuple(row_args))
    is_row = tuple(True if op.kind == "reduction" else ranks[id(r)] for r in roots)
    kept = tuple(1 if i in dims else n for i, n in enumerate(shape))
    strides = result_strides(shape, [(s.shape, s.strides) for s in tensors.values()])
    results = _result_dtypes(op, d, len(roots), statics)
    written = [layout(r, kept if row else shape, None if row else strides, first.device)
               for r, row in zip(results, is_row, strict=True)]
    if op.summed:
        over = tuple(n if i in dims else 1 for i, n in enumerate(shape))
        is_row = (*is_row[:-op.summed], *(False,) * op.summed)
        written[-op.summed:] = [layout(r, over, None, first.device) for r in results[-op.summed:]]
    keepdim = op.kind != "reduction" or statics.get("keepdim")
    final = kept if keepdim else tuple(n for i, n in enumerate(shape) if i not in dims)
    plan.layouts = tuple(w.with_(shape=final) if row and not keepdim else w
                         for w, row in zip(written, is_row, strict=True))
    roots, operands = _apart_from_functions(roots, _formula_operands(op, specs, d))
    return kinds.Rows(op.name, roots, operands, written, is_row, shape, dims, d.compute, op.summed)


def show(op_name, dtype="float32", layout_name="contiguous", device="cpu", ptx=None):
    """The generated source of the kernel that runs op `op_name` on operands of a dtype and layout.

    device: "cpu" or "cuda", which need not be there; ptx: an architecture ("sm_80") for the PTX of CUDA's kernel.
    KeyError for an unknown op; ValueError for ops without a generated formula kernel, and unknown layouts.
    """
    op = OPS[op_name]
    if op.kind not in ("elementwise", "reduction", "rowwise"):
        raise ValueError(f"{op_name} is of kind {op.kind}: it has no formula kernel of its own")
    shapes = {"contiguous": ((4, 6), (6, 1)), "strided": ((4, 6), (1, 4)), "broadcast": ((4, 6), (0, 1))}
    if layout_name not in shapes:
        raise ValueError(f"layout must be one of {', '.join(shapes)}, got {layout_name!r}")
    d = dtypes.by_name(dtype)
    specs: dict[str, Any] = {}
    for k, p in enumerate(op.parameters):
        if p.role == "operand":
            usual = k == 0 if layout_name == "broadcast" else k > 0 if layout_name == "strided" else True
            kind = shapes["contiguous"] if usual else shapes[layout_name]
            own = dtypes.bool if p.name in ("mask", "condition") else d
            specs[p.name] = layout(own, *kind)
        elif p.role in ("number", "neutral"):
            specs[p.name] = None if p.role == "neutral" or p.default is None else "float"
    statics = {p.name: p.default for p in op.parameters if p.role in ("static", "neutral")}
    for name, value in list(statics.items()):
        if value is inspect.Parameter.empty:
            statics[name] = 1 if name == "dim" else None
    plan = Plan()
    request = _request(op, plan, specs, statics, None)
    return backend("cuda").ptx(request, ptx) if ptx else backend(device).source(request)


__all__ = ["Plan", "backend", "broadcast_strides", "contiguous_strides", "make", "show"]
