"""Every declared formula against its own value in float64: dtypes, layouts, forms, gradients. New ops need no test."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch import dtypes
from numbatorch.autograd import gradcheck, gradgradcheck
from numbatorch.expr import tree
from numbatorch.expr.reference import evaluate
from numbatorch.ops import OPS

FORMULAS = {op.name: op for op in OPS.values() if op.kind in ("elementwise", "reduction", "rowwise")}
ELEMENTWISE = sorted(n for n, op in FORMULAS.items() if op.kind == "elementwise")
ROWS = sorted(n for n, op in FORMULAS.items() if op.kind != "elementwise")
TOLERANCE = {"float32": 3e-6, "float64": 1e-12, "float16": 2e-3, "bfloat16": 2e-2, "complex64": 1e-5}
# Ops whose results say nothing about a formula in float64.
SPECIAL = {"_to", "copy", "nextafter", "complex", "polar"}


def numbers(op):
    """Values for what is neither an operand nor has a default."""
    given = {}
    for p in op.parameters:
        if p.role in ("number", "neutral") and p.default.__class__ is type:
            given[p.name] = {"ord": 3.0, "nan": 0.5, "posinf": 2.0, "neginf": -2.0, "scale": 10.0, "step": 10.0}.get(
                p.name, 0.75)
    return given


def operands(op, shape, dtype, seed=0):
    """Random operands inside the op's domain, as NumPy arrays that the dtype holds exactly."""
    rng = np.random.default_rng(seed)
    low, high = op.domain or (0.3, 2.7)
    values = {}
    for p in op.operands:
        if p.default is None:
            continue
        if p.name in ("mask", "condition"):
            values[p.name] = rng.random(shape) < 0.5
        elif dtype.is_complex:
            values[p.name] = (rng.uniform(low, high, shape) + 1j * rng.uniform(0.1, 0.4, shape)).astype(np.complex64)
        elif dtype.category < dtypes.FLOAT:
            values[p.name] = rng.integers(0 if dtype is torch.bool else 1, 2 if dtype is torch.bool else 5, shape)
        else:
            values[p.name] = rng.uniform(low, high, () if p.name == "value" else shape)
    return values


def tensors(op, values, dtype):
    return [torch.tensor(values[p.name], dtype=torch.bool if values[p.name].dtype == bool and p.name in (
        "mask", "condition") else dtype) for p in op.operands if p.default is not None]


def clamps(op):
    return {"min": 0.5, "max": 2.0} if op.name == "clamp" else {}


def expected(op, xs, extra):
    wide = np.complex128 if any(x.is_complex() for x in xs) else np.float64
    named = [p.name for p in op.operands if p.default is not None]
    values = {n: np.asarray(x.to(torch.float64).numpy() if x.dtype.category == 2 else x.numpy())
              for n, x in zip(named, xs, strict=False)}
    values = {n: v if v.dtype == bool or v.dtype.kind in "iu" else v.astype(wide) for n, v in values.items()}
    defaults = {p.name: p.default for p in op.parameters if p.default.__class__ is not type}
    if op.promote == "float":
        values = {n: v.astype(np.float64) if v.dtype.kind in "iub" and n not in op.apart else v
                  for n, v in values.items()}
    statics = {**defaults, **extra}
    trace = {p.name: statics[p.name] for p in op.formula_parameters if p.name not in named}
    roots = op.trace(trace, tuple(trace))
    return evaluate(roots[0], values) if len(roots) == 1 else tuple(evaluate(root, values) for root in roots)


def close(got, want, dtype):
    if isinstance(got, tuple):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            close(one, other, dtype)
        return
    got = got.to(torch.float64).numpy() if got.dtype.category == 2 else got.numpy()
    want = np.broadcast_to(np.asarray(want), got.shape)
    if got.dtype == bool or got.dtype.kind in "iu":
        np.testing.assert_array_equal(got, want.astype(got.dtype))
    else:
        tolerance = TOLERANCE[dtype.name]
        scale = np.maximum(np.abs(want), 0.05)
        with np.errstate(invalid="ignore"):
            near = (np.abs(got - want) <= 8 * tolerance * scale) | (got == want) | (np.isnan(got) & np.isnan(want))
        assert near.all(), np.abs((got - want) / scale).max()


def supported(op, dtype):
    if op.dtypes is not None and dtype.name not in op.dtypes:
        return False
    return op.name not in SPECIAL


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_value_in_every_layout(name):
    op, dtype = FORMULAS[name], torch.float32
    if not supported(op, dtype):
        dtype = torch.int64
    if not supported(op, dtype):
        pytest.skip("tested by hand")
    extra = {**numbers(op), **clamps(op)}
    for shape in ((4, 6), (), (0, 3)):
        xs = tensors(op, operands(op, shape, dtype), dtype)
        close(op.call(*xs, **extra), expected(op, xs, extra), dtype)
    xs = [x.t() for x in tensors(op, operands(op, (4, 6), dtype), dtype)]
    want = expected(op, xs, extra)
    close(op.call(*xs, **extra), want, dtype)
    if len(xs) > 1:
        mixed = [xs[0], *(x[:, :1] if x.ndim else x for x in xs[1:])]
        close(op.call(*mixed, **extra), expected(op, mixed, extra), dtype)
    if op.call_inplace is not None and not op.casts and op.promote_by is None:
        target = xs[0].clone()
        result = op.call(*xs, **extra)
        if result.dtype is target.dtype and op.operands[0].name == op.parameters[0].name:
            assert op.call_inplace(target, *xs[1:], **extra) is target
            assert torch.equal(torch.nan_to_num(target), torch.nan_to_num(result)) if dtype.category == 2 else (
                torch.equal(target, result))
    if op.out:
        result = op.call(*xs, **extra)
        out = torch.empty_like(result)
        assert op.call(*xs, **extra, out=out) is out
        assert out.tolist() == result.tolist() or torch.equal(torch.nan_to_num(out), torch.nan_to_num(result))


@pytest.mark.parametrize("dtype", [d for d in dtypes.ALL if d.name not in ("float32", "complex128")],
                         ids=lambda d: d.name)
@pytest.mark.parametrize("name", ["add", "mul", "true_divide", "maximum", "exp", "sigmoid", "eq", "abs", "relu",
                                  "where_values", "clamp", "floor_divide", "remainder", "bitwise_and", "logical_not",
                                  "square"])
def test_elementwise_value_in_every_dtype(name, dtype):
    op = next(o for o in FORMULAS.values() if o.name == name)
    complex_ok = {"add", "mul", "true_divide", "exp", "sigmoid", "eq", "where_values", "square"}
    refused = dtype.name == "bool" and name in ("relu", "abs")
    if refused or not supported(op, dtype) or (dtype.is_complex and name not in complex_ok):
        pytest.skip(f"{name} is not defined for {dtype.name}")
    extra = {**numbers(op), **clamps(op)}
    if dtype.category < dtypes.FLOAT:
        extra = {k: int(v) for k, v in extra.items()}
    xs = tensors(op, operands(op, (3, 5), dtype), dtype)
    got = op.call(*xs, **extra)
    own = got.dtype if got.dtype.category >= dtypes.FLOAT else dtype
    close(got, expected(op, xs, extra), own)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_gradient(name):
    op = FORMULAS[name]
    if not op.differentiable or not supported(op, torch.float64):
        pytest.skip("has no gradient")
    extra = {**numbers(op), **clamps(op)}
    values = operands(op, (2, 3), torch.float64)
    xs = tensors(op, values, torch.float64)
    for k, x in enumerate(xs):
        if x.dtype is torch.float64:
            x.add_(0.011 * (k + 1)).requires_grad_(True)
    gradcheck(lambda *args: op.call(*args, **extra), xs)


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if FORMULAS[n].differentiable and n not in (
    "digamma", "i0", "copysign", "heaviside", "prelu_kernel", "smooth_error", "huber_error", "abs")][::4])
def test_elementwise_second_gradient(name):
    op = FORMULAS[name]
    if not supported(op, torch.float64):
        pytest.skip("has no gradient")
    extra = {**numbers(op), **clamps(op)}
    xs = tensors(op, operands(op, (3,), torch.float64), torch.float64)
    for k, x in enumerate(xs):
        if x.dtype is torch.float64:
            x.add_(0.011 * (k + 1)).requires_grad_(True)
    result = op.call(*xs, **extra)
    (first,) = torch.autograd.grad(result.sum(), xs[-1], create_graph=True, allow_unused=True)
    if first is None or not first.requires_grad:
        return  # linear: nothing to differentiate again
    gradgradcheck(lambda *args: op.call(*args, **extra), xs)


def rows_extra(op):
    extra = {}
    names = [p.name for p in op.parameters]
    if "dim" in names:
        extra["dim"] = 1
    return extra


@pytest.mark.parametrize("name", ROWS)
def test_row_value_and_gradient(name):
    op = FORMULAS[name]
    extra = {**numbers(op), **rows_extra(op)}
    values = operands(op, (3, 4), torch.float64)
    xs = tensors(op, values, torch.float64)
    axes = (1,)
    if "dim" not in extra and callable(op.dims):
        axes = op.dims((3, 4), {p.name: p.default for p in op.parameters})
    got = op.call(*xs, **extra)
    got = got[0] if isinstance(got, tuple) else got
    statics = {p.name: p.default for p in op.formula_parameters if p.default.__class__ is not type}
    trace = {**statics, **{k: v for k, v in extra.items() if k not in ("dim",)}}
    named = [p.name for p in op.operands if p.default is not None]
    trace = {k: v for k, v in trace.items() if k not in named}
    root = op.trace(trace, tuple(trace))[0]
    want = evaluate(root, {n: x.numpy() for n, x in zip(named, xs, strict=False)}, axes)
    np.testing.assert_allclose(got.numpy().reshape(-1), np.broadcast_to(want, np.shape(want)).reshape(-1), rtol=1e-9)
    if op.differentiable and name not in ("norm_0",):
        for x in xs:
            x.requires_grad_(True)

        def first(*args):
            result = op.call(*args, **extra)
            return result[0] if isinstance(result, tuple) else result
        gradcheck(first, xs)
        gradgradcheck(first, xs)


def test_declared_gradients_equal_derived_ones():
    from numbatorch.expr.derive import derive
    compared = 0
    for op in FORMULAS.values():
        if op.kind != "elementwise" or not op.grads or not op.differentiable or not supported(op, torch.float64):
            continue
        extra = {**{p.name: p.default for p in op.parameters
                    if p.default.__class__ is not type and p.role != "operand"},
                 **numbers(op), **clamps(op)}
        values = operands(op, (50,), torch.float64)
        named = [n for n in values if values[n].dtype != bool]
        absent = tuple(extra)
        root = op.trace(extra, absent)[0]
        for n in named:
            if n not in op.grads:
                continue
            (derived,) = derive(root, [n])
            (declared,) = op.gradient_trees([n], extra, absent)
            env = {**values, "grad": np.ones(50), "result": evaluate(root, values)}
            np.testing.assert_allclose(np.broadcast_to(evaluate(declared, env), (50,)),
                                       np.broadcast_to(evaluate(derived, env), (50,)), rtol=1e-9, atol=1e-12,
                                       err_msg=op.name)
            compared += 1
    assert compared >= 8


@pytest.mark.parametrize("name", ["exp", "log", "sigmoid", "tanh", "sqrt", "relu", "floor", "erf", "silu", "softplus"])
def test_special_values_follow_the_formula(name):
    op = next(o for o in FORMULAS.values() if o.name == name)
    x = torch.tensor([0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1000.0, -1000.0, 1e-40])
    got = op.call(x).double().numpy()
    want = np.asarray(expected(op, [x], {}), dtype=np.float64)
    with np.errstate(all="ignore"):
        want = want.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-37)


def test_every_kind_has_ops():
    kinds = {}
    for op in dict.fromkeys(OPS.values()):
        kinds.setdefault(op.runs_as, []).append(op.name)
    for kind in ("elementwise", "reduction", "rowwise", "scan", "contraction", "window", "gather", "scatter", "sort",
                 "random", "view", "foreign"):
        assert len(kinds.get(kind, [])) >= 3, (kind, kinds.get(kind))


def test_trees_print_and_compare_by_identity():
    a = tree.arg("a")
    assert (a + 1) is (tree.arg("a") + 1)
    assert repr(a * 2) == "mul(a, 2)"
