"""Automatic differentiation: backward, grad, modes, custom Functions, hooks and checks."""

from typing import Any, NamedTuple

from .engine import run
from .modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .node import Node, edge


class GradientEdge(NamedTuple):
    """A place that a gradient goes to: output `output_nr` of `node` (for a leaf, of its AccumulateGrad)."""

    node: Any
    output_nr: int
    ownership_token: Any = None  # keeps what the node needs alive


Tensor: Any = None  # these two are set by creation.py, which imports this package first
ones_like: Any = None


def _several(tensors):
    """Tensors or edges as a tuple; one of them stands for itself (an edge is a tuple, too)."""
    return (tensors,) if isinstance(tensors, (Tensor, GradientEdge)) else tuple(tensors)


def _place(tensor, name):
    """(node, index) or (leaf, 0) of a tensor or an edge; None where no gradient goes."""
    if isinstance(tensor, Tensor):
        return edge(tensor)
    if isinstance(tensor, GradientEdge):
        return (tensor.node, tensor.output_nr) if isinstance(tensor.node, Node) else (tensor.node.variable, 0)
    raise TypeError(f"{name}: expected tensors or gradient edges, got {type(tensor).__name__}")


def _edge_layout(target):
    return target[0].plan.layouts[target[1]] if isinstance(target[0], Node) else target[0]._layout


def _seeds(tensors, grads, name):
    """(target, index, gradient) of each tensor to differentiate."""
    tensors = _several(tensors)
    if grads is None:
        grads = (None,) * len(tensors)
    grads = (grads,) if isinstance(grads, Tensor) else tuple(grads)
    if len(grads) != len(tensors):
        raise RuntimeError(f"{name}: got {len(tensors)} tensors and {len(grads)} gradients")
    roots = []
    for k, (t, g) in enumerate(zip(tensors, grads, strict=True)):
        target = edge(t) if isinstance(t, Tensor) else _place(t, name)
        if not isinstance(t, Tensor):
            from ..tensor import empty_layout
            layout = _edge_layout(target)
            if g is None and layout.numel != 1:
                raise RuntimeError(f"{name}: grad can be implicitly created only for scalar outputs, this edge leads "
                                   f"to a tensor of shape {layout.shape}: give its gradient")
            if g is not None and tuple(g.shape) != layout.shape:
                raise RuntimeError(f"Mismatch in shape: grad_output[{k}] has a shape of {g.shape} and output[{k}] has "
                                   f"a shape of {layout.shape}.")
            roots.append((*target, ones_like(empty_layout(layout)) if g is None else g))
            continue
        if target is None:
            raise RuntimeError(f"element {k} of tensors does not require grad and does not have a grad_fn")
        if g is None:
            own = t._layout
            if own.numel != 1:
                raise RuntimeError(f"grad can be implicitly created only for scalar outputs, this one has shape "
                                   f"{tuple(t.shape)}: give its gradient, or reduce it first, e.g. with .sum()")
            if own.dtype.is_complex:
                raise RuntimeError("grad can be implicitly created only for real scalar outputs but got "
                                   f"{t.dtype}")
            g = ones_like(t)
        elif g._layout is not t._layout:
            if g.shape != t.shape:
                raise RuntimeError(f"Mismatch in shape: grad_output[{k}] has a shape of {g.shape} and output[{k}] has "
                                   f"a shape of {t.shape}.")
            if g.is_complex() != t.is_complex():
                raise RuntimeError(f"For complex Tensors, both grad_output and output are required to have the same "
                                   f"dtype. Mismatch in dtype: grad_output[{k}] has a dtype of {g.dtype} and "
                                   f"output[{k}] has a dtype of {t.dtype}.")
        roots.append((*target, g))
    return roots


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None):
    """Add the gradients of `tensors` to the `.grad` of the leaves (or only of `inputs`) they were computed from.

    `grad_tensors`: the gradients to start from, ones for tensors of one element. RuntimeError where a tensor does not
    require grad, or the graph was freed by an earlier backward.
    """
    if retain_graph is None:
        retain_graph = create_graph
    roots = _seeds(tensors, grad_tensors, "backward")
    if inputs is None:
        run(roots, keep=retain_graph, create=create_graph)
        return
    inputs = _several(inputs)
    if not inputs:
        raise RuntimeError("backward: 'inputs' argument to backward cannot be empty")
    found = _capture(roots, inputs, retain_graph, create_graph)
    for t, g in zip(inputs, found, strict=True):
        if isinstance(t, GradientEdge):
            if isinstance(t.node, Node):
                raise RuntimeError("backward: one of the inputs is an edge to a node, which has no .grad to add to; "
                                   "use torch.autograd.grad")
            t = t.node.variable
        if g is not None:
            t.grad = g if t.grad is None else t.grad + g


def _capture(roots, inputs, keep, create):
    places = {}
    for k, t in enumerate(inputs):
        target = _place(t, "grad")
        if target is None:
            raise RuntimeError(f"grad: input {k} does not require grad: One of the differentiated Tensors does not "
                               "require grad")
        places.setdefault((id(target[0]), target[1]), []).append(k)
    found = run(roots, keep=keep, create=create, capture={p: p for p in places}, accumulate=False)
    result = [None] * len(inputs)
    for place, positions in places.items():
        for k in positions:
            result[k] = found.get(place)
    return result


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True, allow_unused=None,
         is_grads_batched=False, materialize_grads=False):
    """The gradients of `outputs` with respect to `inputs`, as a tuple; `.grad` stays as it is.

    RuntimeError when an input was not used, unless `allow_unused` (None) or `materialize_grads` (zeros); ValueError for
    materialize_grads with allow_unused=False.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
                         "allow_unused=False.")
    from ..creation import zeros_like
    from ..tensor import empty_layout
    if retain_graph is None:
        retain_graph = create_graph
    inputs = _several(inputs)
    if is_grads_batched:
        from ..ops.declare import OPS
        count = (grad_outputs[0] if isinstance(grad_outputs, (tuple, list)) else grad_outputs).shape[0]
        given = grad_outputs if isinstance(grad_outputs, (tuple, list)) else (grad_outputs,)
        parts = [grad(outputs, inputs, tuple(g[k] for g in given), True, create_graph, True, allow_unused, False,
                      materialize_grads) for k in range(count)]
        return tuple(None if p[0] is None else OPS["stack"].call(list(p)) for p in zip(*parts, strict=True))
    roots = _seeds(outputs, grad_outputs, "grad")
    found = _capture(roots, inputs, retain_graph, create_graph)
    for k, g in enumerate(found):
        if g is not None:
            if g._needs_grad and not create_graph:  # a pass that had to be recorded on the way
                found[k] = g._kept()
        else:
            if materialize_grads:
                found[k] = zeros_like(inputs[k] if isinstance(inputs[k], Tensor) else empty_layout(_edge_layout(
                    _place(inputs[k], "grad"))))
            elif not allow_unused:
                shape = _edge_layout(_place(inputs[k], "grad")).shape
                raise RuntimeError(f"grad: input {k} {tuple(shape)} appears not to have been used in the "
                                   "graph. Set allow_unused=True if this is the desired behavior.")
    return tuple(found)


class detect_anomaly:
    """Inside, a backward function that fails or makes NaN names the forward line that recorded it."""

    def __init__(self, check_nan=True):
        self.check_nan = check_nan

    def __enter__(self):
        from .node import anomaly
        self.before = anomaly.enabled, anomaly.check_nan
        anomaly.enabled, anomaly.check_nan = True, self.check_nan

    def __exit__(self, *_):
        from .node import anomaly
        anomaly.enabled, anomaly.check_nan = self.before


class set_detect_anomaly(detect_anomaly):
    """detect_anomaly by argument; acts at once, and as a context manager puts the old setting back."""

    def __init__(self, mode, check_nan=True):
        from .node import anomaly
        self.before = anomaly.enabled, anomaly.check_nan
        anomaly.enabled, anomaly.check_nan = bool(mode), check_nan

    def __enter__(self):
        return self


def is_anomaly_enabled():
    """Whether anomaly mode is on."""
    from .node import anomaly
    return anomaly.enabled


def is_anomaly_check_nan_enabled():
    """Whether anomaly mode looks for NaN."""
    from .node import anomaly
    return anomaly.check_nan


def set_anomaly_enabled(enabled, check_nan=True):
    """Switch anomaly mode. TypeError unless bools."""
    from .node import anomaly
    for label, value in (("enabled", enabled), ("check_nan", check_nan)):
        if not isinstance(value, bool):
            raise TypeError(f"set_anomaly_enabled(): argument '{label}' must be bool, not {type(value).__name__}")
    anomaly.enabled, anomaly.check_nan = enabled, check_nan


def variable(*args, **kwargs):
    """RuntimeError: PyTorch took it away; make tensors with `tensor`."""
    raise RuntimeError("autograd.variable(...) is deprecated, use tensor(...) instead")


def __getattr__(name):
    """Function and the checks need Tensor, which needs this package: they are imported when first asked for."""
    import importlib
    if name in ("Function", "FunctionCtx", "NestedIOFunction", "once_differentiable"):
        return getattr(importlib.import_module(".function", __name__), name)
    if name in ("gradcheck", "gradgradcheck"):
        module = importlib.import_module(".gradcheck", __name__)
        globals()["gradcheck"], globals()["gradgradcheck"] = module.gradcheck, module.gradgradcheck
        return globals()[name]
    if name in ("grad_mode", "set_multithreading_enabled", "enforce_grad_layout_policy", "is_multithreading_enabled"):
        module = importlib.import_module(".grad_mode", __name__)
        return module if name == "grad_mode" else getattr(module, name)
    if name in ("detect_nan", "forward_ad", "functional", "graph", "profiler", "profiler_util"):
        module = importlib.import_module(f".{name}" if name != "detect_nan" else ".nan_search", __name__)
        return module if name != "detect_nan" else module.detect_nan
    if name == "Variable":
        return importlib.import_module("..tensor", __name__).Tensor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["backward", "detect_anomaly", "enable_grad", "grad", "inference_mode", "is_grad_enabled",
           "is_inference_mode_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled"]
